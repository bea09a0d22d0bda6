from __future__ import annotations

from speakergmm.recipes import load_recipe
from speakergmm.recipes.demo import run_demo


def test_demo_is_neither_trivial_nor_hopeless(tmp_path):
    result = run_demo(tmp_path / "demo")
    evaluation = result.evaluations["evaluation"]
    # Where a demo's error rate should lie: some errors, far from chance.
    assert 0.03 <= evaluation.metrics["eer"].value <= 0.10
    assert result.n_speakers >= 40
    for name in ("scores.csv", "metrics.json", "det.svg", "det.png", "ubm.safetensors"):
        assert (tmp_path / "demo" / name).stat().st_size > 100
    again = run_demo(tmp_path / "demo")
    assert all(stage.reused for stage in again.stages)
    assert load_recipe(tmp_path / "demo").head.name == "demo"

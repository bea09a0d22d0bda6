from __future__ import annotations

import dataclasses
import json
import math
import re
import shutil
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from speakergmm.corpora import read_scores
from speakergmm.errors import ManifestError, MissingError, OutputError
from speakergmm.evaluation import eer, min_dcf
from speakergmm.files import locked
from speakergmm.gmm.model_file import load_background_model
from speakergmm.recipes import Experiment, load_recipe
from speakergmm.verification.calibration_file import load_calibration
from speakergmm.verification.system_file import load_system

RESULTS = (
    "ubm.safetensors", "scores.csv", "development/scores.csv", "calibration.json", "det.svg",
    "system.safetensors",
)  # fmt: skip

# Without score normalization there is no cohort.
EVERY_STAGE = [
    "features", "ubm", "enrollment", "scoring", "calibration", "system", "evaluation",
]  # fmt: skip


def run(recipe, corpus, output, **options):
    loaded = load_recipe(recipe, options.pop("overrides", None))
    return Experiment(loaded, corpus, output, **options).run()


def reused(result):
    return [stage.name for stage in result.stages if stage.reused]


@pytest.fixture(scope="module")
def finished(small_corpus, small_recipe_text, tmp_path_factory):
    """An experiment that has been run once. Not to be written to."""
    folder = tmp_path_factory.mktemp("finished")
    recipe = folder / "recipe.toml"
    recipe.write_text(small_recipe_text, encoding="utf-8")
    result = run(recipe, small_corpus, folder / "out")
    return recipe, folder / "out", result


@pytest.fixture
def again(finished, tmp_path):
    """A copy of the finished experiment, to be run over."""
    recipe, output, _ = finished
    shutil.copytree(output, tmp_path / "out")
    return recipe, tmp_path / "out"


def test_result_files_agree_with_each_other(finished):
    _, output, result = finished
    scores = read_scores(output / "scores.csv")
    metrics = json.loads((output / "metrics.json").read_text())
    evaluation = metrics["evaluation"]
    expected = eer(scores.target(), scores.nontarget())
    assert evaluation["eer"]["value"] == pytest.approx(expected, rel=1e-12)
    assert evaluation["n_target"] == scores.trials.is_target.sum() == 12
    assert evaluation["n_nontarget"] == 60
    assert evaluation["eer"]["low"] <= evaluation["eer"]["value"] <= evaluation["eer"]["high"]
    cost = load_recipe(finished[0]).settings.evaluation.cost
    expected = min_dcf(scores.target(), scores.nontarget(), cost)
    assert evaluation["min_dcf"]["value"] == pytest.approx(expected, rel=1e-12)
    assert set(metrics["seconds"]) == set(EVERY_STAGE)
    assert result.evaluations["evaluation"].metrics["eer"].value == evaluation["eer"]["value"]
    calibration = json.loads((output / "calibration.json").read_text())
    np.testing.assert_allclose(
        scores.llr, calibration["scale"] * scores.score + calibration["offset"], rtol=1e-12
    )


def test_an_experiment_alone_is_its_only_condition(finished):
    _, output, result = finished
    assert result.conditions == {"clean": result.evaluations}
    metrics = json.loads((output / "metrics.json").read_text())
    del metrics["seconds"]
    assert json.loads((output / "conditions.json").read_text()) == {"clean": metrics}
    rows = (output / "conditions.csv").read_text().splitlines()
    assert rows[0] == "condition,split,metric,value,low,high"
    assert len(rows) == 1 + sum(len(e.metrics) for e in result.evaluations.values())
    assert not (output / "conditions").exists()
    assert not (output / "features-degraded").exists()
    assert "other conditions" not in (output / "report.html").read_text(encoding="utf-8")


def test_report_and_pictures_are_there(finished):
    _, output, result = finished
    page = (output / "report.html").read_text(encoding="utf-8")
    rate = f"{100 * result.evaluations['evaluation'].metrics['eer'].value:.2f} %"
    assert rate in page
    # Names of formats look like addresses; nothing may be fetched.
    assert not re.search(r"""(src|href)\s*=\s*["']?(?!["'#]|data:)|url\((?!#)|@import""", page)
    assert ET.parse(output / "det.svg").getroot().tag.endswith("svg")
    assert (output / "det.png").read_bytes().startswith(b"\x89PNG")
    provenance = json.loads((output / "provenance.json").read_text())
    assert provenance["versions"]["speakergmm"]
    assert set(provenance["digests"]) == {"utterances", "frames", "settings", "ubm", "scores"}


def test_model_file_carries_the_front_end(finished):
    recipe, output, _ = finished
    model = load_background_model(output / "ubm.safetensors")
    assert model.front_end == load_recipe(recipe).settings.front_end
    assert model.gmm.n_components == 8


def test_same_seed_gives_the_same_bytes_whatever_the_workers(finished, small_corpus, tmp_path):
    recipe, output, _ = finished
    for jobs in (1, 3):
        run(recipe, small_corpus, tmp_path / str(jobs), jobs=jobs)
        for name in RESULTS:
            assert (tmp_path / str(jobs) / name).read_bytes() == (output / name).read_bytes(), name


def test_another_seed_gives_another_model(finished, small_corpus, tmp_path):
    recipe, output, _ = finished
    run(recipe, small_corpus, tmp_path, overrides={"recipe.seed": "1"})
    name = "ubm.safetensors"
    assert (tmp_path / name).read_bytes() != (output / name).read_bytes()


def test_second_run_reuses_everything(again, small_corpus):
    recipe, output = again
    before = {path: path.stat().st_mtime_ns for path in output.rglob("*") if path.is_file()}
    result = run(recipe, small_corpus, output)
    assert reused(result) == EVERY_STAGE
    changed = {p.name for p, t in before.items() if p.stat().st_mtime_ns != t}
    assert changed == set()


def test_times_of_files_do_not_matter(again, small_corpus, tmp_path):
    recipe, output = again
    shutil.copytree(small_corpus, tmp_path / "touched", copy_function=shutil.copyfile)
    assert len(reused(run(recipe, tmp_path / "touched", output))) == len(EVERY_STAGE)


@pytest.mark.parametrize(
    ("setting", "value", "kept"),
    [
        ("evaluation.n_resamples", "20", EVERY_STAGE[:-1]),
        ("enrollment.relevance_factor", "9", ["features", "ubm", "enrollment"]),
        ("ubm.n_components", "4", ["features"]),
        ("front_end.n_mfcc", "9", []),
    ],
)
def test_a_changed_setting_runs_only_what_depends_on_it(again, small_corpus, setting, value, kept):
    recipe, output = again
    assert reused(run(recipe, small_corpus, output, overrides={setting: value})) == kept


def test_a_lost_table_of_conditions_is_made_again(again, small_corpus):
    recipe, output = again
    wanted = (output / "conditions.csv").read_bytes()
    (output / "conditions.csv").unlink()
    assert reused(run(recipe, small_corpus, output)) == EVERY_STAGE[:-1]
    assert (output / "conditions.csv").read_bytes() == wanted


def test_the_system_is_that_of_the_calibration_with_its_errors(finished):
    _, output, result = finished
    system = load_system(output / "system.safetensors")
    record = load_calibration(output / "calibration.json")
    assert (record.threshold, record.expected, record.measured_on) == (None, (), "")
    threshold = system.threshold
    assert threshold == pytest.approx(math.log(99))
    expected = system.calibration.expected
    assert dataclasses.replace(
        system.calibration, threshold=None, expected=(), measured_on=""
    ) == record  # fmt: skip
    assert system.calibration.measured_on == "the split 'evaluation'"
    assert system.name == "A small synthetic corpus"
    assert system.card.startswith("# A small synthetic corpus\n")
    # The last is of whole tests: what the report says of them.
    scores = read_scores(output / "scores.csv")
    is_target = scores.trials.is_target
    assert expected[-1].p_miss == np.mean(scores.llr[is_target] < threshold)
    assert expected[-1].p_fa == np.mean(scores.llr[~is_target] >= threshold)
    found = result.evaluations["evaluation"].metrics["eer"].value
    assert expected[-1].eer == pytest.approx(found, rel=1e-12)


def test_other_costs_make_another_system(again, small_corpus):
    recipe, output = again
    result = run(recipe, small_corpus, output, overrides={"evaluation.p_target": "0.5"})
    assert reused(result) == EVERY_STAGE[:-2]
    assert load_system(output / "system.safetensors").threshold == pytest.approx(0.0)


def test_of_models_that_are_adapted_more_than_once_there_is_no_system(again, small_corpus):
    recipe, output = again
    result = run(recipe, small_corpus, output, overrides={"enrollment.iterations": "2"})
    assert [stage.name for stage in result.stages] == [s for s in EVERY_STAGE if s != "system"]
    # Nor that of the run before.
    assert not (output / "system.safetensors").exists()
    assert (output / "calibration.json").exists()


@pytest.mark.parametrize(
    ("stage", "kept"),
    [
        ("features", []),
        ("ubm", ["features"]),
        ("scoring", ["features", "ubm", "enrollment"]),
        ("calibration", EVERY_STAGE[:-3]),
        ("system", EVERY_STAGE[:-2]),
        ("evaluation", EVERY_STAGE[:-1]),
    ],
)
def test_from_forces_a_stage_and_those_after_it(again, small_corpus, stage, kept):
    recipe, output = again
    scores = (output / "scores.csv").read_bytes()
    assert reused(run(recipe, small_corpus, output, force_from=stage)) == kept
    assert (output / "scores.csv").read_bytes() == scores


def test_altered_or_missing_result_is_made_again(again, small_corpus):
    recipe, output = again
    wanted = (output / "scores.csv").read_bytes()
    (output / "scores.csv").write_bytes(wanted[:-40])
    result = run(recipe, small_corpus, output)
    assert "calibration" not in reused(result)
    assert "evaluation" in reused(result)
    assert (output / "scores.csv").read_bytes() == wanted
    (output / "ubm.safetensors").unlink()
    run(recipe, small_corpus, output)
    assert (output / "scores.csv").read_bytes() == wanted


def test_damaged_log_runs_everything_again(again, small_corpus):
    recipe, output = again
    (output / "stages.json").write_text("{")
    assert reused(run(recipe, small_corpus, output)) == ["features"]


def test_the_results_of_another_recipe_are_not_written_over(again, small_corpus):
    recipe, output = again
    before = {path: path.read_bytes() for path in output.rglob("*") if path.is_file()}
    message = r"out: holds the results of the recipe 'small', which 'other' would write over; choo"
    with pytest.raises(OutputError, match=message):
        run(recipe, small_corpus, output, overrides={"recipe.name": "other"})
    assert before == {path: path.read_bytes() for path in output.rglob("*") if path.is_file()}
    # What does not say whose it is, is used as it is.
    (output / "provenance.json").write_text("[]")
    run(recipe, small_corpus, output, overrides={"recipe.name": "other"})


@pytest.mark.parametrize("name", ["scores.csv", "report.html", "system.safetensors"])
def test_a_file_of_somebody_else_is_not_written_over(name, small_recipe, small_corpus, tmp_path):
    output = tmp_path / "mine"
    output.mkdir()
    (output / name).write_text("mine")
    with pytest.raises(OutputError, match=f"{name}: exists, and not from a recipe; choose another"):
        run(small_recipe, small_corpus, output)
    assert [path.name for path in output.iterdir()] == [name]
    assert (output / name).read_text() == "mine"


class InterruptAt:
    """Presses Ctrl-C at the n-th report of progress."""

    def __init__(self, n):
        self.left = n

    def tick(self, *_):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt

    start = advance = note = tick


@pytest.mark.usefixtures("leaves_nothing_half_written")
def test_interrupted_anywhere_it_goes_on_to_the_same_result(finished, small_corpus, tmp_path):
    recipe, output, _ = finished
    interruptions = 0
    for n in (1, 3, 5, 8, 13, 21, 30, 40):
        folder = tmp_path / str(n)
        try:
            run(recipe, small_corpus, folder, progress=InterruptAt(n), jobs=2)
        except KeyboardInterrupt:
            interruptions += 1
        run(recipe, small_corpus, folder)
        for name in RESULTS:
            assert (folder / name).read_bytes() == (output / name).read_bytes(), (n, name)
    assert interruptions >= 6


def test_unknown_stage(small_recipe, small_corpus, tmp_path):
    with pytest.raises(MissingError, match="no stage 'train'; stages are features, ubm, enroll"):
        run(small_recipe, small_corpus, tmp_path, force_from="train")


def test_split_without_utterances(small_recipe, small_corpus, tmp_path):
    with pytest.raises(ManifestError, match="no utterance of split 'train', on which the UBM is"):
        run(small_recipe, small_corpus, tmp_path, overrides={"recipe.background": "train"})


def test_recordings_not_found_are_listed(small_recipe, tmp_path):
    with pytest.raises(ManifestError) as caught:
        run(small_recipe, tmp_path, tmp_path / "out")
    assert "recording not found" in str(caught.value)
    assert "86 problems" in str(caught.value)
    assert "... and 66 more" in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_output_that_is_a_file(small_recipe, small_corpus, tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises((OutputError, OSError)):
        run(small_recipe, small_corpus, tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


def test_separated_development_scores_are_said_and_not_calibrated(
    small_recipe, small_corpus, tmp_path, monkeypatch
):
    from speakergmm.recipes import steps

    def separated(*args, **options):
        trials = args[3]
        return np.where(trials.is_target, 1.0, 0.0) + 1e-3 * np.arange(len(trials)) / len(trials)

    monkeypatch.setattr(steps, "score_trials", separated)
    result = run(small_recipe, small_corpus, tmp_path / "out")
    assert "perfectly separated" in result.calibration["unavailable"]
    assert "cllr" not in result.evaluations["evaluation"].metrics
    assert result.evaluations["evaluation"].metrics["eer"].value == 0
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Scores are not calibrated" in page
    assert "too few or too easy trials" in page


def test_speaker_in_two_splits_is_refused(small_recipe, small_corpus, tmp_path):
    lists = tmp_path / "lists"
    shutil.copytree(small_corpus, lists, ignore=shutil.ignore_patterns("audio"))
    text = (lists / "utterances.csv").read_text()
    # An evaluation speaker turns up in the background.
    first = next(line for line in text.splitlines() if line.startswith("s12-2-4,"))
    (lists / "utterances.csv").write_text(text + first.replace("s12-2-4", "extra", 1).replace(
        "evaluation", "background") + "\n")  # fmt: skip
    with pytest.raises(ManifestError, match="speaker 's12' is in 'background' and in 'evaluation'"):
        run(small_recipe, small_corpus, tmp_path / "o", overrides={"recipe.manifests": str(lists)})


def test_model_does_not_depend_on_what_else_the_list_holds(finished, small_corpus, tmp_path):
    recipe, output, _ = finished
    lists = tmp_path / "lists"
    shutil.copytree(small_corpus, lists, ignore=shutil.ignore_patterns("audio"))
    header, *rows = (lists / "utterances.csv").read_text().splitlines()
    moved = [r for r in rows if r.endswith("development")] + [
        r for r in rows if not r.endswith("development")
    ]
    (lists / "utterances.csv").write_text("\n".join([header, *moved]))
    overrides = {"recipe.manifests": str(lists)}
    run(recipe, small_corpus, tmp_path / "o", overrides=overrides)
    name = "ubm.safetensors"
    assert (tmp_path / "o" / name).read_bytes() == (output / name).read_bytes()


def test_second_run_into_the_same_folder_at_once_is_refused(small_recipe, small_corpus, tmp_path):
    pytest.importorskip("fcntl", reason="folders are locked where there is fcntl")
    with locked(tmp_path / "o"):
        with pytest.raises(OutputError, match="o: another run works here; wait for it, or choose"):
            run(small_recipe, small_corpus, tmp_path / "o")
        with pytest.raises(OutputError, match="another run works here"), locked(tmp_path / "o"):
            pass
    (tmp_path / "o" / "deep").mkdir()
    (tmp_path / "o" / "deep" / ".scores.csv.77.tmp").write_text("left by a killed run")
    run(small_recipe, small_corpus, tmp_path / "o")
    assert list((tmp_path / "o" / "deep").iterdir()) == []

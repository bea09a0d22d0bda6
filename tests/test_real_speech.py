"""The recipes on real speech, end to end, against the figures that they promise."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

from speakergmm.corpora import read_split, read_utterances
from speakergmm.recipes import Experiment, load_recipe

pytestmark = pytest.mark.corpus

RECIPES = Path(__file__).parent.parent / "recipes"
NAMES = ("speech_commands", "librispeech_excerpts")
# All that could be run, and so promise something.
RUN = sorted(path.parent.name for path in RECIPES.glob("*/expected.json"))


@pytest.fixture(scope="module", params=RUN)
def finished(request, corpora, tmp_path_factory):
    folder = RECIPES / request.param
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    output = tmp_path_factory.mktemp(request.param)
    recipe = load_recipe(folder)
    corpus = corpora / (recipe.manifests.name if recipe.manifests else recipe.head.corpus)
    result = Experiment(recipe, corpus, output, noise=corpora / "noise").run()
    return expected, result, output


def test_recipe_gives_the_expected_figures(finished):
    expected, result, _ = finished
    for split, metrics in expected["metrics"].items():
        found = result.evaluations[split]
        assert found.n_target == metrics["n_target"]
        assert found.n_nontarget == metrics["n_nontarget"]
        for name, tolerance in expected["tolerance"].items():
            assert found.metrics[name].value == pytest.approx(
                metrics[name]["value"], abs=tolerance
            ), (split, name)


def test_recipe_beats_the_bar_of_its_readme(finished):
    expected, result, _ = finished
    assert result.evaluations["evaluation"].metrics["eer"].value <= expected["eer_at_most"]


def test_enroll_and_verify_give_the_scores_of_the_recipe(corpora, finished, cli, tmp_path):
    """The evaluation by hand: with the system that the recipe leaves, and lists in CSV."""
    output = finished[2]
    if not output.name.startswith("speech_commands") or "multisession" in output.name:
        pytest.skip("one of them shows it")
    lists = RECIPES.parent / "data_manifests" / "speech_commands"
    utterances = read_utterances(lists / "utterances.csv", corpora / "speech_commands")
    protocol = read_split(lists, "evaluation", utterances)
    trials = protocol.trials
    enrollment = [
        [model_id, utterances[utterance_id].path]
        for model_id, pool in protocol.enrollment.items()
        for utterance_id in pool
    ]
    # Of all models, with every fifth test.
    claims = [
        [trials.model_ids[m], trials.test_ids[k], utterances[utterance_id].path]
        for m, k in zip(trials.model_index, trials.test_index, strict=True)
        if k % 5 == 0
        for utterance_id in protocol.tests[trials.test_ids[k]]
    ]
    write_rows(tmp_path / "enroll.csv", ["speaker_id", "path"], enrollment)
    write_rows(tmp_path / "claims.csv", ["speaker_id", "test_id", "path"], claims)
    named = ["--system", output / "system.safetensors", "--store", tmp_path / "speakers.db"]
    enrolled = cli("enroll", "--list", tmp_path / "enroll.csv", *named, "--output",
                   tmp_path / "enrolled.csv", "--quiet")  # fmt: skip
    assert enrolled.status == 0, enrolled.err
    verified = cli("verify", "--list", tmp_path / "claims.csv", *named, "--output",
                   tmp_path / "scores.csv", "--quiet")  # fmt: skip
    assert verified.status == 0, verified.err
    wanted, found = (scores_in(path / "scores.csv") for path in (output, tmp_path))
    assert len(found) >= len(wanted) / 5
    for pair, score in found.items():
        # Frames are float32, and statistics are added up in another order.
        assert score == pytest.approx(wanted[pair], rel=1e-5, abs=1e-4), pair


def write_rows(path, header, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def scores_in(path):
    with path.open(newline="") as file:
        return {
            (row["model_id"], row["test_id"]): float(row["score"]) for row in csv.DictReader(file)
        }


def test_archive_layout_is_found_as_well(corpora, tmp_path):
    """A copy as in the official archive: WAV, without the folder `audio`."""
    import soundfile

    lists = RECIPES.parent / "data_manifests" / "speech_commands"
    wanted = read_utterances(lists / "utterances.csv", corpora / "speech_commands")
    few = list(wanted.items())[:3]
    header, *rows = (lists / "utterances.csv").read_text().splitlines()
    (tmp_path / "few.csv").write_text("\n".join([header, *rows[:3]]))
    for _, utterance in few:
        folder = tmp_path / "copy" / utterance.path.parent.name
        folder.mkdir(parents=True, exist_ok=True)
        samples, rate = soundfile.read(utterance.path)
        soundfile.write(folder / f"{utterance.path.stem}.wav", samples, rate)
    found = read_utterances(tmp_path / "few.csv", tmp_path / "copy")
    assert [u.path.suffix for u in found.values()] == [".wav"] * 3


def test_official_layout_of_librispeech_is_found(corpora, tmp_path):
    recipe = load_recipe(RECIPES / "librispeech_excerpts")
    header, *rows = (recipe.manifests / "utterances.csv").read_text().splitlines()
    (tmp_path / "few.csv").write_text("\n".join([header, *rows[:6]]))
    wanted = read_utterances(tmp_path / "few.csv", corpora / "librispeech_excerpts")
    for utterance in wanted.values():
        speaker, chapter, _ = utterance.path.stem.split("-")
        folder = tmp_path / "LibriSpeech" / "train-clean-100" / speaker / chapter
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(utterance.path, folder)
    layouts = recipe.head.layouts
    found = read_utterances(tmp_path / "few.csv", tmp_path / "LibriSpeech", layouts=layouts)
    assert [u.path.name for u in found.values()] == [u.path.name for u in wanted.values()]
    assert all("LibriSpeech" in u.path.parts for u in found.values())


def test_shared_lists_are_the_recipes_lists(corpora):
    """The recipes' short trial lists stand for the corpora's long ones."""
    for name in NAMES:
        ours = RECIPES.parent / "data_manifests" / name
        utterances = read_utterances(ours / "utterances.csv", corpora / name)
        for split in ("development", "evaluation"):
            short = read_split(ours, split, utterances)
            long = read_split(corpora / name, split, utterances)
            assert short.enrollment == long.enrollment
            assert short.tests == long.tests
            pairs = [
                {
                    (t.model_ids[m], t.test_ids[k], bool(same))
                    for m, k, same in zip(t.model_index, t.test_index, t.is_target, strict=True)
                }
                for t in (short.trials, long.trials)
            ]
            assert pairs[0] == pairs[1]


def test_interrupted_speech_recipe_continues(corpora, tmp_path):
    """Ctrl-C in mid-training of a real recipe: the next run ends with the same bytes."""
    recipe = load_recipe(
        RECIPES / "librispeech_excerpts", {"ubm.n_components": "16", "training.max_iterations": "4"}
    )
    corpus = corpora / "librispeech_excerpts"
    Experiment(recipe, corpus, tmp_path / "whole").run()

    class Interrupt:
        def start(self, task, total=None):
            if task == "enrollment":
                raise KeyboardInterrupt

        def advance(self, steps=1):
            pass

        def note(self, text):
            pass

    with pytest.raises(KeyboardInterrupt):
        Experiment(recipe, corpus, tmp_path / "cut", progress=Interrupt()).run()
    result = Experiment(recipe, corpus, tmp_path / "cut").run()
    assert [stage.name for stage in result.stages if stage.reused] == ["features", "ubm"]
    for name in ("ubm.safetensors", "scores.csv"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    shutil.rmtree(tmp_path / "cut")

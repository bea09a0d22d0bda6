"""Recipes of known corpora run from copy to report, on miniature copies with synthetic voices."""

from __future__ import annotations

import html
from pathlib import Path

import numpy as np
import pytest
from miniatures.copies import MINIATURES, spoken_copy

from speakergmm import FrontEnd
from speakergmm.audio import read_recording
from speakergmm.corpora import read_utterances
from speakergmm.errors import ConfigError
from speakergmm.recipes import Experiment, load_recipe

pytestmark = pytest.mark.usefixtures("without_pictures")

RECIPES = Path(__file__).parents[2] / "recipes"
NAMES = [path.parent.name for path in sorted(RECIPES.glob("*/recipe.toml"))]
OF_CORPORA = [name for name in NAMES if load_recipe(RECIPES / name).head.corpus]

# Copies that a recipe runs on, where they are not one of its own name.
FORMS = {
    "cn_celeb": ("cn_celeb", "cn_celeb_wav"),
    "nist": ("nist_sre08", "nist_sre10", "nist_sre16"),
    "speech_commands_full": ("speech_commands",),
    "vctk": ("vctk", "vctk_0.80"),
    "voxceleb1_o": ("voxceleb1",),
    "voxceleb1_e": ("voxceleb1_and_2",),
    "voxceleb1_h": ("voxceleb1_and_2",),
}
CASES = [(name, form, "") for name in OF_CORPORA for form in FORMS.get(name, (name,))]

# Of others than the recipe's own, those that its page speaks of.
CASES += [
    ("librispeech", "librispeech", "drawn"),
    ("ravdess", "ravdess", "neutral"),
    ("rsr2015", "rsr2015", "part1_male"),
    ("vctk", "vctk", "across"),
]

# Five components of each frame are scored in some recipes; a cohort here is of five speakers.
SMALL = {
    "ubm.n_components": "8",
    "training.max_iterations": "1",
    "evaluation.n_resamples": "0",
    "score_normalization.top_n": "4",
}


def small_recipe_of(name, **changes):
    return load_recipe(RECIPES / name, SMALL | changes)


def expected_stages(settings):
    middle = ["enrollment", "cohort"]
    if settings.score_normalization.method == "none":
        middle.remove("cohort")
    if settings.classes.column:
        return ["features", "ubm", "scoring", "calibration", "evaluation"]
    return ["features", "ubm", *middle, "scoring", "calibration", "system", "evaluation"]


def test_every_corpus_that_a_recipe_names_has_a_miniature():
    assert {form for _, form, _ in CASES} | {"folders", "speech_commands_test"} == MINIATURES.keys()


@pytest.mark.parametrize(("name", "form", "protocol"), CASES)
def test_a_recipe_runs_from_the_copy_to_the_report(name, form, protocol, tmp_path):
    recipe = small_recipe_of(name, **({"recipe.protocol": protocol} if protocol else {}))
    copy, prepared = spoken_copy(form, tmp_path, protocol=recipe.head.protocol or None)
    out = tmp_path / "out"
    result = Experiment(recipe, copy, out, jobs=1).run()
    assert [stage.name for stage in result.stages] == expected_stages(recipe.settings)
    assert not any(stage.reused for stage in result.stages)
    assert (result.n_speakers, result.n_utterances) == (
        prepared.n_speakers,
        prepared.n_utterances,
    )
    measured = {split: (e.n_target, e.n_nontarget) for split, e in result.evaluations.items()}
    promised = {count.split: (count.target, count.nontarget) for count in prepared.splits[1:]}
    assert measured == promised
    report = html.unescape((out / "report.html").read_text(encoding="utf-8"))
    assert recipe.head.title in report
    # Of classes it is said too how few speakers they have here.
    assert result.notes[: len(prepared.notes)] == prepared.notes
    assert len(result.notes) == len(prepared.notes) + (2 if recipe.settings.classes.column else 0)
    assert all(note in report for note in result.notes)
    assert (out / "system.safetensors").exists() == (not recipe.settings.classes.column)


def test_calls_are_heard_on_their_side(tmp_path):
    recipe = small_recipe_of("nist")
    copy, _ = spoken_copy("nist_sre10", tmp_path)
    experiment = Experiment(recipe, copy, tmp_path / "out", jobs=1)
    experiment.run()
    front_end = FrontEnd(recipe.settings.front_end)
    utterances = read_utterances(tmp_path / "out" / "lists" / "utterances.csv", copy)
    store = experiment.pipeline.stores["test"]
    channels = set()
    for name in experiment.pipeline.pools["test", "evaluation"]:
        channels.add(channel := utterances[name].channel)
        own, other = (
            front_end(*read_recording(copy / utterances[name].path, channel=side))
            for side in (channel, 1 - channel)
        )
        np.testing.assert_allclose(store.frames(name), own, atol=1e-4)
        assert store.frames(name).shape != other.shape or not np.allclose(own, other, atol=0.1)
    assert channels == {0, 1}


def test_a_second_run_reuses_all_and_the_command_tells_what_is_to_be_known(cli, tmp_path):
    copy, prepared = spoken_copy("nist_sre10", tmp_path)
    settings = [part for pair in SMALL.items() for part in ("--set", "=".join(pair))]
    run = ["recipe", "run", RECIPES / "nist", "--corpus", copy, "--output", tmp_path / "out"]
    first, again = (cli(*run, *settings, "--jobs", 1, "--quiet") for _ in range(2))
    assert (first.status, again.status) == (0, 0)
    notes = [line for line in again.out.splitlines() if line.startswith("note: ")]
    assert notes == [f"note: {note}" for note in prepared.notes]
    assert notes[2].startswith("note: 576 of the 600 trials of core-core.trialkey.csv are not dev")
    times = again.out.splitlines()[1].split(", ")
    stages = expected_stages(small_recipe_of("nist").settings)
    assert times == [f"{stage} unchanged" for stage in stages]


def test_a_cohort_smaller_than_top_n_is_refused_before_the_work(tmp_path):
    copy, _ = spoken_copy("nist_sre16", tmp_path)
    recipe = load_recipe(RECIPES / "nist")
    message = (
        "score_normalization.top_n is 50; the cohort that the background gives has 5 models and 5 "
        "tests: expected at most 5; choose a smaller top_n, or give more background speakers"
    )
    with pytest.raises(ConfigError, match=message):
        Experiment(recipe, copy, tmp_path / "out", jobs=1).run()
    # Not even features.
    assert not (tmp_path / "out" / "features").exists()

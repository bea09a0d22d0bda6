"""What is said before a recipe runs, against what it then takes."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest

from speakergmm.cli.console import in_round_numbers
from speakergmm.corpora import read_utterances
from speakergmm.recipes import Experiment, load_recipe
from speakergmm.recipes.needs import estimate_needs


def test_needs_are_counted_from_the_lists(small_recipe, small_corpus, tmp_path):
    told = []
    recipe = load_recipe(small_recipe)
    experiment = Experiment(recipe, small_corpus, tmp_path / "out", jobs=2)
    result = experiment.run(told.append)
    (needs,) = told
    utterances = read_utterances(small_corpus / "utterances.csv")
    assert needs.n_recordings == len(utterances) == result.n_utterances
    n_trials = sum(e.n_target + e.n_nontarget for e in result.evaluations.values())
    assert needs.n_trials == n_trials
    assert needs.n_workers == 2
    store = experiment.pipeline.stores["background"]
    assert needs.audio_s == pytest.approx(store.recording_s, rel=1e-6)
    # All frames are a little more than those of speech.
    frames = sum(path.stat().st_size for path in (tmp_path / "out/features").glob("*.npy"))
    assert frames < needs.disk_bytes < 4 * frames


def test_more_components_speakers_and_workers_tell(small_recipe, small_corpus, tmp_path):
    def told(jobs=1, **overrides):
        settings = {name.replace("__", "."): value for name, value in overrides.items()}
        experiment = Experiment(
            load_recipe(small_recipe, settings), small_corpus, tmp_path / "out", jobs=jobs
        )
        return estimate_needs(experiment.recipe, experiment.lists(), jobs)

    plain = told()
    assert told(ubm__n_components="512").seconds > plain.seconds
    normalized = told(score_normalization__method='"s"')
    assert normalized.seconds > plain.seconds
    assert normalized.disk_bytes > plain.disk_bytes
    assert told(jobs=2).seconds < plain.seconds
    assert told(jobs=2).memory_bytes > plain.memory_bytes


def test_the_command_says_it_before_it_starts(cli, small_recipe, small_corpus, tmp_path):
    run = ("recipe", "run", small_recipe, "--corpus", small_corpus, "--output", tmp_path / "o")
    answer = cli(*run, "--jobs", "1")
    pattern = (
        r"\d+ recordings, .* of audio, \d+ trials\. If nothing is there yet: about \d+ s on "
        r"1 worker, 0\.4 GB of memory, \d+ MB of disk\."
    )
    said = re.search(pattern, answer.err)
    assert said
    assert said.start() < answer.err.index("features")
    assert "If nothing is there" not in cli(*run, "--quiet").err


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(4.2, "4 s"), (17, "20 s"), (119, "100 s"), (130, "2 min"), (86400, "20 h")],
)
def test_round_numbers(seconds, text):
    assert in_round_numbers(seconds) == text


def test_cheaper_scorers_are_told_to_be_cheaper(small_recipe, small_corpus, tmp_path):
    def seconds(**scoring):
        settings = {f"scoring.{name}": value for name, value in scoring.items()}
        recipe = load_recipe(small_recipe, settings | {"ubm.n_components": "4096"})
        lists = Experiment(recipe, small_corpus, tmp_path / "out").lists()
        # As many trials as make scoring count.
        many = dataclasses.replace(
            lists, protocols={s: _tried_often(p, 2000) for s, p in lists.protocols.items()}
        )
        return estimate_needs(recipe, many, 1).seconds

    exact, best, linear = seconds(), seconds(top_c="5"), seconds(scorer='"linear"')
    # On real speech the best five take 0.09 of the time of all, linear scores 0.07.
    assert linear < best < 0.3 * exact


def _tried_often(protocol, times):
    """Give a protocol whose every trial stands there many times."""
    trials = protocol.trials
    often = {
        name: np.repeat(getattr(trials, name), times)
        for name in ("model_index", "test_index", "is_target")
    }
    return dataclasses.replace(protocol, trials=dataclasses.replace(trials, **often))

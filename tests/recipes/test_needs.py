"""What is said before a recipe runs, against what it then takes."""

from __future__ import annotations

import dataclasses
import re
import shutil

import numpy as np
import pytest

from speakergmm.cli.console import in_round_numbers
from speakergmm.corpora import read_utterances
from speakergmm.corpora.classes import ClassSettings
from speakergmm.recipes import Experiment, load_recipe
from speakergmm.recipes.conditions import Condition
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


@pytest.mark.parametrize(("free", "is_warned"), [(10_000, True), (10_000_000_000, False)])
def test_a_disk_that_is_too_full_is_said_before_it_starts(
    free, is_warned, cli, small_recipe, small_corpus, tmp_path, monkeypatch
):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=free))
    run = ("recipe", "run", small_recipe, "--corpus", small_corpus, "--output", tmp_path / "o")
    answer = cli(*run, "--jobs", "1")
    assert answer.status == 0
    assert ("o: 0 MB are free there, so the results may not fit" in answer.err) == is_warned
    # What is there already takes no more.
    assert "may not fit" not in cli(*run, "--jobs", "1").err


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


def test_each_method_meets_the_part_of_the_cohort_that_it_looks_at(
    small_recipe, small_corpus, tmp_path
):
    def seconds(method):
        settings = {"score_normalization.method": f'"{method}"', "ubm.n_components": "4096"}
        recipe = load_recipe(small_recipe, settings)
        lists = Experiment(recipe, small_corpus, tmp_path / "out").lists()
        return estimate_needs(recipe, lists, 1).seconds

    none, z, t, s, zt = map(seconds, ("none", "z", "t", "s", "zt"))
    assert none < z < s < zt
    assert none < t < s
    assert seconds("as") == s


def test_other_conditions_take_what_they_make_anew(small_recipe, small_corpus, tmp_path):
    recipe = load_recipe(small_recipe)
    lists = Experiment(recipe, small_corpus, tmp_path / "out").lists()

    def needs(*conditions, **options):
        others = [Condition.parse(text) for text in conditions]
        return estimate_needs(recipe, lists, 1, others=others, **options)

    own, tests, all_of_it = needs(), needs("telephone"), needs("telephone@all")
    assert own.seconds < tests.seconds < all_of_it.seconds
    assert own.disk_bytes < tests.disk_bytes < all_of_it.disk_bytes
    assert needs("telephone", "mulaw").seconds > tests.seconds
    assert own.seconds < needs(with_probe=True).seconds
    assert needs(with_probe=True).disk_bytes == pytest.approx(2 * own.disk_bytes)


def test_workers_of_a_cluster_are_counted(small_recipe, small_corpus, tmp_path):
    class FakeCluster:
        n_threads = 8

    recipe = load_recipe(small_recipe, {"ubm.n_components": "4096"})
    lists = Experiment(recipe, small_corpus, tmp_path / "out").lists()
    one, eight, cluster = (estimate_needs(recipe, lists, jobs) for jobs in (1, 8, FakeCluster()))
    assert (cluster.n_workers, cluster.seconds) == (8, eight.seconds)
    assert cluster.memory_bytes == one.memory_bytes
    FakeCluster.n_threads = 0
    assert estimate_needs(recipe, lists, FakeCluster()).seconds == one.seconds


def test_two_classes_have_no_table_of_errors(small_recipe, small_corpus, tmp_path):
    recipe = load_recipe(small_recipe, {"ubm.n_components": "4096"})
    lists = Experiment(recipe, small_corpus, tmp_path / "out").lists()
    classes = ClassSettings("sex", ("f",), ("m",))
    of_classes = dataclasses.replace(
        recipe, settings=dataclasses.replace(recipe.settings, classes=classes)
    )
    assert estimate_needs(of_classes, lists, 1).seconds < estimate_needs(recipe, lists, 1).seconds

"""Recipes that name a known corpus: their lists are made of the user's copy."""

from __future__ import annotations

import pytest

from speakergmm.corpora import read_utterances
from speakergmm.errors import ManifestError
from speakergmm.recipes import Experiment, load_recipe

RECIPE = """
[recipe]
name = "own"
title = "A folder a speaker"
corpus = "folders"

[ubm]
n_components = 4

[training]
max_iterations = 2

[evaluation]
n_resamples = 20
"""


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "recipe.toml").write_text(RECIPE)
    return tmp_path / "recipe.toml"


def test_lists_are_made_and_used(recipe, small_corpus, tmp_path):
    out = tmp_path / "out"
    result = Experiment(load_recipe(recipe), small_corpus / "audio", out, jobs=1).run()
    listed = read_utterances(out / "lists" / "utterances.csv", small_corpus / "audio")
    assert result.n_utterances == len(listed)
    # Of 16 speakers three tenths are 5 and a fifth 3; each is tested with 4 recordings at most.
    assert result.evaluations["evaluation"].n_speakers == 5
    assert result.evaluations["evaluation"].n_target <= 20
    again = Experiment(load_recipe(recipe), small_corpus / "audio", out, jobs=1).run()
    assert all(stage.reused for stage in again.stages)
    other = load_recipe(recipe, {"recipe.seed": "1"})
    Experiment(other, small_corpus / "audio", out, jobs=1).run()
    assert read_utterances(out / "lists" / "utterances.csv", small_corpus / "audio") != listed


def test_a_copy_that_is_none_is_refused_before_anything_is_made(recipe, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ManifestError, match="empty: no recordings"):
        Experiment(load_recipe(recipe), tmp_path / "empty", tmp_path / "out").run()
    assert not (tmp_path / "out" / "lists").exists()

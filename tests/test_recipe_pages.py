"""The pages of the recipes say what the recipes are and gave."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from speakergmm.corpora.known import CORPORA, known_corpus
from speakergmm.evaluation.wording import format_value
from speakergmm.recipes import load_recipe

RECIPES = Path(__file__).parent.parent / "recipes"
NAMES = sorted(path.parent.name for path in RECIPES.glob("*/recipe.toml"))
OVERVIEW = (RECIPES / "README.md").read_text(encoding="utf-8")

# Corpora that are the user's own, and for a part of one that has a recipe of its own lists.
WITHOUT_RECIPE = {"folders", "speech_commands_test"}


def page(name):
    return (RECIPES / name / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_can_be_loaded_and_its_page_gives_its_command(name):
    recipe = load_recipe(RECIPES / name)
    assert recipe.head.name == name
    assert f"speakergmm recipe run recipes/{name} --corpus" in page(name)
    assert re.search(r"[Ll]icen[cs]e", page(name))
    assert f"]({name}/README.md)" in OVERVIEW


@pytest.mark.parametrize("name", NAMES)
def test_a_page_has_the_figures_that_were_measured_or_says_that_there_are_none(name):
    expected = RECIPES / name / "expected.json"
    if not expected.exists():
        assert "not run here" in page(name)
        return
    assert "not run here" not in page(name)
    metrics = json.loads(expected.read_text(encoding="utf-8"))["metrics"]
    for split in ("development", "evaluation"):
        for metric in ("eer", "min_dcf"):
            assert format_value(metric, metrics[split][metric]["value"]) in page(name)


def test_the_table_of_all_is_what_their_figures_give(monkeypatch):
    monkeypatch.syspath_prepend(str(RECIPES))
    import regenerate_expected

    for line in regenerate_expected.table() + regenerate_expected.table_of_others():
        assert line in OVERVIEW
    run = {path.parent.name for path in RECIPES.glob("*/expected.json")}
    assert run == regenerate_expected.PROMISES.keys()
    sys.modules.pop("regenerate_expected")


@pytest.mark.parametrize("name", NAMES)
def test_a_page_downloads_the_corpus_of_its_recipe_to_where_it_is_looked_for(name):
    corpus = load_recipe(RECIPES / name).head.corpus
    command = r"^speakergmm corpus download (\S+) (\S+)(.*)$"
    downloads = re.findall(command, page(name), re.MULTILINE)
    is_free = bool(corpus) and known_corpus(corpus).to_be_had != "by hand"
    assert bool(downloads) == is_free
    for wanted, folder, options in downloads:
        assert wanted == corpus
        parts = {archive.part for archive in known_corpus(corpus).archives}
        assert {*re.findall(r"--part (\S+)", options)} <= parts
        run = rf"^speakergmm recipe run .*--corpus {folder}(/\S+)? "
        assert re.search(run, page(name), re.MULTILINE)


def test_every_known_corpus_has_a_recipe():
    used = {load_recipe(RECIPES / name).head.corpus for name in NAMES}
    assert CORPORA.keys() - used == WITHOUT_RECIPE

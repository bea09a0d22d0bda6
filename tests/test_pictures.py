"""Pictures of the pages: there, small, and made by the code that stands beside them."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

DOCS = Path(__file__).parent.parent / "docs"
SHOWN = re.compile(r"!\[([^\]]+)\]\((pictures/[^)]+)\)")
MOST_BYTES = 100_000


@pytest.fixture(scope="module")
def make_pictures():
    spec = importlib.util.spec_from_file_location("make_pictures", DOCS / "make_pictures.py")
    module = importlib.util.module_from_spec(spec)
    # Where dataclasses look for their module.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture(scope="module")
def small(make_pictures):
    return make_pictures.Experiment(n_background=4, n_speakers=6, test_s=0.6, n_resamples=50)


def test_each_picture_of_a_concept_is_made_and_shown(make_pictures, small, tmp_path):
    page = (DOCS / "concepts.md").read_text(encoding="utf-8")
    shown = [name for _, name in SHOWN.findall(page)]
    made = make_pictures.main(tmp_path, small)
    assert [f"pictures/{path.name}" for path in made] == shown
    for path in made:
        with Image.open(path) as drawn, Image.open(DOCS / "pictures" / path.name) as kept:
            # As wide, and something else than white.
            assert drawn.size[0] == kept.size[0] == 840
            assert (np.asarray(drawn.convert("L")) < 200).mean() > 0.005
        assert (DOCS / "pictures" / path.name).stat().st_size < MOST_BYTES


def test_all_pictures_of_pages_are_there_and_described():
    names = set()
    for page in DOCS.glob("*.md"):
        for text, name in SHOWN.findall(page.read_text(encoding="utf-8")):
            assert (DOCS / name).is_file(), (page.name, name)
            assert len(text) > 10
            names.add(Path(name).name)
    assert {path.name for path in (DOCS / "pictures").iterdir()} == names


def test_speech_is_found_in_runs(make_pictures):
    mask = np.array([True, True, False, True, False])
    assert make_pictures.runs(mask) == [(0, 2), (3, 4)]
    assert make_pictures.runs(np.zeros(3, bool)) == []


def test_shares_of_the_adaptation_are_those_of_the_page(make_pictures):
    """The page names 143 and 3 frames, nine tenths and a sixth."""
    _many, one, ubm = make_pictures.two_features()
    n = np.sort(make_pictures.accumulate(ubm, one).n)[::-1]
    assert np.round(n).tolist() == [143, 23, 3, 0]
    share = n / (n + make_pictures.RELEVANCE_FACTOR)
    assert share[0] == pytest.approx(0.9, abs=0.01)
    assert share[2] == pytest.approx(1 / 6, abs=0.02)

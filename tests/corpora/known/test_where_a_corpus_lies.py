from __future__ import annotations

import pytest
from miniatures.files import touch

from speakergmm.corpora.known.layout import home_of
from speakergmm.errors import ManifestError

PARTS = ("TRAIN", "TEST")


def message(folder, parts=PARTS):
    with pytest.raises(ManifestError) as raised:
        home_of(folder, ("TIMIT",), parts, "  TRAIN/...")
    return str(raised.value).replace(str(folder), "@").replace("\n  TRAIN/...", "")


@pytest.mark.parametrize("place", ["Timit", "LDC93S1/timit/TIMIT"])
def test_the_folder_below_that_has_the_parts_is_named(tmp_path, place):
    touch(tmp_path, [f"{place}/TRAIN/a.wav", f"{place}/TEST/b.wav", "other/TEST/c.wav"])
    expected = f"@: no 'TRAIN' or 'TEST' in it, but in @/{place}: give that folder instead; "
    assert message(tmp_path) == f"{expected}expected the corpus:"


@pytest.mark.parametrize("given", ["TRAIN", "TRAIN/DR1"])
def test_the_folder_above_that_has_the_parts_is_named(tmp_path, given):
    touch(tmp_path, ["TIMIT/TRAIN/DR1/a.wav", "TIMIT/TEST/DR1/b.wav"])
    expected = f"in it, but in {tmp_path / 'TIMIT'}: give that folder instead; expected"
    assert expected in message(tmp_path / "TIMIT" / given)


def test_one_name_above_that_many_folders_have_is_no_sign(tmp_path):
    touch(tmp_path, ["TEST/a.wav", "mine/b.wav"])
    assert "in it (b.wav there); expected" in message(tmp_path / "mine")


def test_a_slip_of_a_name_comes_first(tmp_path):
    touch(tmp_path, ["TRAINS/a.wav", "TESTS/b.wav", "old/TRAIN/c.wav"])
    assert "in it, but 'TRAINS': is it misnamed?; expected" in message(tmp_path)


def test_links_that_lead_back_and_what_lies_too_deep_are_no_home(tmp_path):
    touch(tmp_path, ["a/b/c/d/e/TRAIN/a.wav"])
    (tmp_path / "a" / "again").symlink_to(tmp_path)
    assert "in it (a there); expected" in message(tmp_path)

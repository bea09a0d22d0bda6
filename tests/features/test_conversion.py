"""Folders of HTK files as they are written in Python."""

from __future__ import annotations

import errno
import struct
from types import SimpleNamespace

import numpy as np
import pytest

from speakergmm.errors import ConfigError, FrameError, OutputError
from speakergmm.features.conversion import convert_features, write_htk_folder
from speakergmm.features.htk_files import read_htk_folder
from speakergmm.features.kaldi_archives import read_scp, write_kaldi

ONES = np.ones((4, 2))


def test_a_folder_is_written_and_read(tmp_path):
    assert write_htk_folder(tmp_path, [("b", ONES), ("a", 2 * ONES)], 0.01, "PLP_0") == (2, 8)
    found = dict(read_htk_folder(tmp_path))
    assert list(found) == ["a", "b"]
    np.testing.assert_array_equal(found["a"].frames, 2 * ONES)
    assert found["a"].kind == "PLP_0"


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ([("a", ONES)] * 2, "utterance 'a' comes twice; expected each once"),
        (
            [("a", ONES), ("b", np.ones((4, 3)))],
            "utterance 'b' has 3 features, 'a' has 2; expected",
        ),
        ([("a", np.ones(4))], r"utterance 'a': holds float64 of shape \(4,\)"),
        ([("a:b", ONES)], "utterance 'a:b' cannot be the name of a file"),
        ([("a\nb", ONES)], r"utterance 'a\\nb' cannot be the name of a file"),
    ],
)
def test_utterances_that_are_refused(tmp_path, named, message):
    with pytest.raises(FrameError, match=message):
        write_htk_folder(tmp_path, named, 0.01)


def files_of(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


FRAMES = {"a": ONES, "b": 2 * ONES}
WITH_NAN = [("a", 3 * ONES), ("c", np.full((4, 2), np.nan))]


def test_files_are_there_together_or_not_at_all(tmp_path):
    folder = tmp_path / "deep/h"
    with pytest.raises(FrameError, match="utterance 'c': frame 0, feature 0 is nan"):
        write_htk_folder(folder, WITH_NAN, 0.01)
    assert not folder.exists()
    write_htk_folder(folder, FRAMES.items(), 0.01)
    assert sorted(files_of(folder)) == [".speakergmm-exported.json", "a.htk", "b.htk"]
    before = files_of(folder)
    with pytest.raises(FrameError, match="utterance 'c': frame 0, feature 0 is nan"):
        write_htk_folder(folder, WITH_NAN, 0.01)
    assert files_of(folder) == before


def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch):
    write_htk_folder(tmp_path, FRAMES.items(), 0.01)
    before = files_of(tmp_path)

    def pack(layout, n_frames, *numbers):
        if n_frames == 5:
            raise OSError(errno.ENOSPC, "No space left on device")
        return struct.pack(layout, n_frames, *numbers)

    monkeypatch.setattr("speakergmm.features.htk_files.struct", SimpleNamespace(pack=pack))
    with pytest.raises(OutputError) as error:
        write_htk_folder(tmp_path, [("c", ONES), ("d", np.ones((5, 2)))], 0.01)
    assert str(error.value) == (
        f"{tmp_path}/d.htk: cannot be written (No space left on device); free some space, or "
        "choose another place"
    )
    assert files_of(tmp_path) == before


def test_a_later_export_takes_the_place_of_an_earlier_one(tmp_path):
    write_htk_folder(tmp_path, FRAMES.items(), 0.01)
    write_htk_folder(tmp_path, [("b", 5 * ONES), ("c", ONES)], 0.01)
    found = dict(read_htk_folder(tmp_path, "*"))
    assert list(found) == ["b", "c"]
    np.testing.assert_array_equal(found["b"].frames, 5 * ONES)


@pytest.mark.parametrize("other", ["old.htk", "feats.scp", "b.htk"])
def test_a_folder_of_other_files_is_refused(tmp_path, other):
    (tmp_path / other).write_text("mine")
    (tmp_path / ".hidden").write_text("passed over")
    (tmp_path / ".speakergmm-exported.json").write_text(
        '{"format": "speakergmm-exported", "files": ["a.htk", "../x.htk", 3]}'
    )
    before = files_of(tmp_path)
    message = f"{other}: exists, and is no file of an earlier export of this kind; choose an empty"
    with pytest.raises(OutputError, match=message):
        write_htk_folder(tmp_path, FRAMES.items(), 0.01)
    assert files_of(tmp_path) == before


def test_archives_of_others_are_not_written_over(tmp_path):
    for name in ("feats.ark", "feats.scp"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / name).write_text("of hours of work")
        before = files_of(folder)
        message = f"{name}: exists, and was not made by `features export` or `features convert`; ch"
        with pytest.raises(OutputError, match=message):
            write_kaldi(folder, FRAMES.items())
        assert files_of(folder) == before


def test_archives_that_were_exported_are_replaced_beside_other_files(tmp_path):
    pytest.importorskip("kaldiio")
    (tmp_path / "wav.scp").write_text("mine")
    write_kaldi(tmp_path, FRAMES.items())
    write_kaldi(tmp_path, [("c", ONES)])
    assert list(dict(read_scp(tmp_path / "feats.scp"))) == ["c"]
    assert (tmp_path / "wav.scp").read_text() == "mine"
    # Of another kind they are not replaced: they may be what is read.
    (tmp_path / "wav.scp").unlink()
    with pytest.raises(OutputError, match=r"feats.ark: exists, and is no file of an earlier exp"):
        convert_features(tmp_path / "feats.scp", tmp_path, "htk")


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "h").write_text("mine")
    with pytest.raises(OutputError, match=r"h/.*: cannot be written \(.*\); choose another place"):
        write_htk_folder(tmp_path / "h", FRAMES.items(), 0.01)
    assert (tmp_path / "h").read_text() == "mine"


def test_unknown_toolkit(tmp_path):
    with pytest.raises(ConfigError, match="to is 'htl'; expected one of 'kaldi', 'htk'"):
        convert_features(tmp_path, tmp_path / "out", "htl")

from __future__ import annotations

import errno

import pytest
from miniatures.files import touch
from miniatures.st_aeds import SPEAKERS, names_of

from speakergmm.corpora.known import known_corpus, layout
from speakergmm.corpora.known.preparing import prepare_corpus
from speakergmm.errors import ManifestError


def test_links_that_lead_nowhere_and_other_formats_are_said(tmp_path):
    copy = touch(tmp_path / "copy", [*names_of(SPEAKERS, 60), "f0001_us_f0001_00900.m4a"])
    (copy / "f0001_us_f0001_00901.wav").symlink_to(tmp_path / "gone.wav")
    notes = prepare_corpus(known_corpus("st_aeds"), copy, tmp_path / "lists").notes
    unread, nowhere = notes[:2]
    assert unread.startswith("1 left out: not read as they are (convert them to .wav first")
    assert unread.endswith("such as f0001_us_f0001_00900.m4a")
    assert nowhere == "1 left out: links that lead nowhere, such as f0001_us_f0001_00901.wav"


def test_folders_that_cannot_be_read_are_said(tmp_path, monkeypatch):
    """Where tests run as root, every folder can be read."""
    copy = touch(tmp_path / "copy", [*names_of(SPEAKERS, 60), "more/f0001_us_f0001_00900.wav"])
    found = layout.recordings_below

    def with_one(folder, named=None, suffixes=layout.AUDIO_SUFFIXES, *, even_unreadable=False):
        for path in found(folder, named, suffixes, even_unreadable=even_unreadable):
            if path.parent.name != "more":
                yield path
            elif even_unreadable:
                yield path.parent

    monkeypatch.setattr(layout, "recordings_below", with_one)
    notes = prepare_corpus(known_corpus("st_aeds"), copy, tmp_path / "lists").notes
    assert notes[0] == "1 left out: folders that cannot be read, such as more"


def test_a_copy_that_may_not_be_read_is_one_line(tmp_path, monkeypatch):
    def refuse(self):
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(type(tmp_path), "exists", refuse)
    expected = r"TRAIN: cannot be read \(Permission denied\); expected a copy of TIMIT that you may"
    with pytest.raises(ManifestError, match=expected):
        prepare_corpus(known_corpus("timit"), tmp_path, tmp_path / "lists")


@pytest.mark.parametrize(
    ("corpus", "table"),
    [("audiomnist", "data/audioMNIST_meta.txt"), ("fsdd", "metadata.py")],
)
def test_a_table_that_cannot_be_read_is_not_called_another(tmp_path, corpus, table):
    touch(tmp_path, ["data/01/x.wav", "recordings/x.wav"])
    (tmp_path / table).mkdir()
    with pytest.raises(ManifestError, match=rf"{table}: cannot be read"):
        known_corpus(corpus).scan(tmp_path)

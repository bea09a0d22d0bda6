from __future__ import annotations

import pytest
from miniatures.files import touch, write

from speakergmm.corpora.known.layout import lines_of, optional_table
from speakergmm.errors import ManifestError


def test_a_table_is_found_in_whatever_case(tmp_path):
    write(tmp_path, "speakers.TXT", "")
    assert optional_table(tmp_path, "SPEAKERS.TXT", "x") == (tmp_path / "speakers.TXT", ())


def test_a_missing_table_is_a_note_that_says_what_is_there(tmp_path):
    touch(tmp_path, ["README.TXT", "a/b.wav"])
    table, notes = optional_table(tmp_path, "SPEAKERS.TXT", "sexes are not known")
    assert table is None
    assert notes == ("sexes are not known: no SPEAKERS.TXT (README.TXT, a there)",)


def test_old_tables_may_be_in_latin_1_and_start_with_a_mark(tmp_path):
    (tmp_path / "old").write_bytes("\n  1 Zoë\r\n".encode("latin-1"))
    (tmp_path / "new").write_bytes("1 Zoë\n".encode("utf-8-sig"))
    assert list(lines_of(tmp_path / "old", loosely=True)) == [(2, "1 Zoë")]
    assert list(lines_of(tmp_path / "new", loosely=True)) == [(1, "1 Zoë")]


def test_a_table_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ManifestError, match=r"gone.txt: cannot be read \(No such file"):
        list(lines_of(tmp_path / "gone.txt", loosely=True))

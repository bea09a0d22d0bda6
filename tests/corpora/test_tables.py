"""CSV with a header: what is read, and what each broken file is told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speakergmm.corpora.tables import Problems, format_table, read_header, read_rows
from speakergmm.errors import ManifestError


def read(path, **options):
    """Read a table of ``id, name`` and perhaps ``note``, with all its problems raised."""
    problems = Problems(path)
    rows = list(read_rows(path, ("id", "name"), ("note",), problems, **options))
    problems.raise_if_any()
    return rows


def cells(rows):
    return [(row["id"], row["name"], row["note"]) for row in rows]


# --- what is accepted ---

SAME_TABLE = {
    "plain": b"id,name\n1,ann\n2,bob\n",
    "byte order mark": b"\xef\xbb\xbfid,name\n1,ann\n2,bob\n",
    "Windows line ends": b"id,name\r\n1,ann\r\n2,bob\r\n",
    "mark and Windows line ends": b"\xef\xbb\xbfid,name\r\n1,ann\r\n2,bob\r\n",
    "old Mac line ends": b"id,name\r1,ann\r2,bob\r",
    "no line end at the end": b"id,name\n1,ann\n2,bob",
    "blank lines": b"id,name\n\n1,ann\n\n\n2,bob\n\n",
    "blank Windows lines": b"id,name\r\n\r\n1,ann\r\n2,bob\r\n\r\n",
    "a blank line before the header": b"\nid,name\n1,ann\n2,bob\n",
    "a line of blanks": b"id,name\n1,ann\n   \n2,bob\n \n",
    "spaces around cells": b" id , name\n1 , ann\n 2,bob \n",
    "quoted cells": b'"id","name"\n"1","ann"\n2,"bob"\n',
    "other order of columns": b"name,id\nann,1\nbob,2\n",
    "an optional column": b"id,name,note\n1,ann,\n2,bob,\n",
}


@pytest.mark.parametrize("content", SAME_TABLE.values(), ids=SAME_TABLE.keys())
def test_the_same_table_in_other_dress_reads_the_same(write, content):
    assert cells(read(write("t.csv", content))) == [("1", "ann", ""), ("2", "bob", "")]


def test_quotes_protect_commas_quotes_and_line_breaks(write):
    path = write("t.csv", 'id,name,note\n"1,5","Ann ""the"" One","two\nlines"\n')
    assert cells(read(path)) == [("1,5", 'Ann "the" One', "two\nlines")]


def test_ids_may_be_in_any_script(write):
    path = write("t.csv", "id,name\nsprecher_ä,Zoë\n話者1,山田\n🎤,Ωμέγα\n")
    rows = [(row["id"], row["name"]) for row in read(path)]
    assert rows == [("sprecher_ä", "Zoë"), ("話者1", "山田"), ("🎤", "Ωμέγα")]


def test_a_row_knows_its_line_past_blank_lines_and_quoted_breaks(write):
    path = write("t.csv", 'id,name\n1,ann\n\n2,bob\n3,"two\nlines"\n4,eve\n')
    assert [row.line for row in read(path)] == [2, 4, 6, 7]


cell_text = (
    st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=12)
    .map(str.strip)
    .filter(bool)
)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.lists(st.tuples(cell_text, cell_text, cell_text), min_size=1, max_size=5))
def test_what_is_written_reads_back(tmp_path_factory, table):
    path = tmp_path_factory.mktemp("table") / "t.csv"
    path.write_bytes(format_table(("id", "name", "note"), table).encode("utf-8"))
    assert cells(read(path)) == table


def test_none_is_written_as_an_empty_cell():
    assert format_table(["a", "b"], [[1, None], ["x,y", 2.5]]) == 'a,b\n1,\n"x,y",2.5\n'


# --- headers ---


@pytest.mark.parametrize("content", SAME_TABLE.values(), ids=SAME_TABLE.keys())
def test_the_names_of_the_columns_are_read_in_any_dress(write, content):
    assert set(read_header(write("t.csv", content))) - {"note"} == {"id", "name"}


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("", []),
        ("\n  \n", []),
        ("id", ["id"]),
        (" id , name ,\n1,2,3\n", ["id", "name", ""]),
        ("id;name\n", ["id;name"]),
        ('"two\nlines",b\n', ["two\nlines", "b"]),
        # Not CSV further down, which does not matter to the header.
        ('id,name\n1,"ann', ["id", "name"]),
        ("\n\nname,id\n", ["name", "id"]),
    ],
)
def test_names_of_columns_by_hand(write, content, names):
    assert read_header(write("t.csv", content)) == names


def test_a_header_that_is_no_csv_has_no_columns(write):
    # A field of CSV may be 128 KiB long.
    assert read_header(write("t.csv", "a" * 200_000)) == []


def test_a_header_of_what_is_no_text(write, tmp_path):
    with pytest.raises(ManifestError, match=r"t\.wav: not UTF-8 text \(byte 4\); save it as"):
        read_header(write("t.wav", b"RIFF\xff\xfe\x00"))
    with pytest.raises(ManifestError, match="nowhere: no such file; expected a list in CSV"):
        read_header(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("id", "t.csv:1: missing column 'name'; the header is 'id'"),
        ("id,name,notes", "t.csv:1: unknown column 'notes'; did you mean 'note'?"),
        ("id,name,weather", "t.csv:1: unknown column 'weather'; known are id, name, note"),
        ("id,name,", "t.csv:1: unknown column ''"),
        ("id,name,id", "t.csv:1: column 'id' stands there twice"),
        ("id;name", "columns are separated by ';'; save the list with commas"),
    ],
)
def test_a_wrong_header_is_named(write, header, message):
    path = write("t.csv", f"{header}\n1,ann\n")
    with pytest.raises(ManifestError, match=re.escape(message)):
        read(path)


def test_all_problems_of_a_header_are_told_together(write):
    path = write("t.csv", "nmae,note,note\nann,,\n")
    with pytest.raises(ManifestError) as caught:
        read(path)
    message = str(caught.value)
    assert message.startswith("t.csv cannot be used: 4 problems")
    assert "did you mean 'name'?" in message
    assert "missing column 'id'" in message
    assert "missing column 'name'" in message
    assert "column 'note' stands there twice" in message


def test_rows_below_a_wrong_header_are_not_judged(write):
    path = write("t.csv", "id,nam\n1,ann,too,many\n")
    with pytest.raises(ManifestError) as caught:
        read(path)
    assert "cells" not in str(caught.value)


# --- rows ---


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("2", "t.csv:3: 1 cells; the header has 2 columns"),
        ("2,bob,extra", "t.csv:3: 3 cells; the header has 2 columns"),
        ("2,", "t.csv:3: no value for name"),
        (" ,bob", "t.csv:3: no value for id"),
        (",", "t.csv:3: no value for id and name"),
    ],
)
def test_a_wrong_row_is_named_by_file_and_line(write, row, message):
    path = write("t.csv", f"id,name\n1,ann\n{row}\n")
    with pytest.raises(ManifestError, match=re.escape(f"{path.parent / message}")):
        read(path)


def test_a_column_may_be_allowed_to_be_empty(write):
    path = write("t.csv", "id,name\n1,\n")
    assert cells(read(path, may_be_empty=("name",))) == [("1", "", "")]


def test_one_problem_is_one_line(write):
    path = write("t.csv", "id,name\n1,\n")
    with pytest.raises(ManifestError) as caught:
        read(path)
    assert str(caught.value) == f"t.csv cannot be used: {path}:2: no value for name"


@pytest.mark.parametrize("n_problems", [2, 20, 21, 1025])
def test_many_problems_are_told_together_the_first_20_then_a_count(write, n_problems):
    path = write("t.csv", "id,name\n" + "1,\n" * n_problems)
    with pytest.raises(ManifestError) as caught:
        read(path)
    heading, *lines = str(caught.value).splitlines()
    assert heading == f"t.csv cannot be used: {n_problems:,} problems"
    n_shown = min(n_problems, 20)
    expected = [f"  {path}:{line}: no value for name" for line in range(2, n_shown + 2)]
    assert lines[:n_shown] == expected
    n_more = n_problems - n_shown
    assert lines[n_shown:] == ([f"  ... and {n_more:,} more"] if n_more else [])


# --- files that are no list ---


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf"], ids=["0 bytes", "only a mark"])
def test_an_empty_file_says_which_header_is_expected(write, content):
    message = re.escape("t.csv:1: the file is empty; expected the header 'id,name'")
    with pytest.raises(ManifestError, match=message):
        read(write("t.csv", content))


@pytest.mark.parametrize("content", ["id,name\n", "id,name", "id,name\n\n\n"])
def test_a_header_alone_is_an_empty_list(write, content):
    with pytest.raises(ManifestError, match="the list is empty; expected at least one row"):
        read(write("t.csv", content))


def test_a_missing_file(tmp_path):
    path = tmp_path / "nowhere" / "t.csv"
    with pytest.raises(ManifestError, match=re.escape(f"{path}: no such file; expected a list")):
        read(path)


def test_a_folder_instead_of_a_file(tmp_path):
    with pytest.raises(ManifestError, match=re.escape(f"{tmp_path}: cannot be read (")):
        read(tmp_path)


def test_permission_denied(write, monkeypatch):
    path = write("t.csv", "id,name\n1,ann\n")

    def refuse(self, mode):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ManifestError, match=r"t\.csv: cannot be read \(Permission denied\)"):
        read(path)


@pytest.mark.parametrize(
    ("name", "encoding", "what"),
    [
        ("ä", "latin-1", r"not UTF-8 text \(byte 10\)"),
        ("ä", "utf-16", r"not UTF-8 text \(byte 0\)"),
        ("a", "utf-16-be", "looks like UTF-16"),
    ],
)
def test_another_encoding_is_named_not_guessed(write, name, encoding, what):
    path = write("t.csv", f"id,name\n1,{name}\n".encode(encoding))
    with pytest.raises(ManifestError, match=f"{what}; save the list as CSV in UTF-8"):
        read(path)


def test_an_open_quote_is_named_with_its_line(write):
    path = write("t.csv", 'id,name\n1,ann\n2,"bob\n')
    with pytest.raises(ManifestError, match=r"t\.csv:3: not CSV \(unexpected end of data\)"):
        read(path)


@pytest.mark.parametrize("before", ["", "\n", '1,"ann\nand bob"\n'])
@pytest.mark.parametrize(
    ("rest", "reason"),
    [
        ("3,cy\n" * 49, "unexpected end of data"),
        ('3,"cy"\n' + "4,di\n" * 49, "',' expected after '\"'"),
    ],
)
def test_a_quote_too_many_is_named_with_the_line_where_it_opens(write, before, rest, reason):
    path = write("t.csv", f'id,name\n{before}2,"bob\n{rest}')
    first = 2 + before.count("\n")
    last = first + (1 if "," in reason else 49)
    expected = (
        f"t.csv:{first}: not CSV ({reason}, in line {last}); a quote is opened here and not closed "
        "in this line: close it, or write it twice"
    )
    with pytest.raises(ManifestError, match=re.escape(expected)):
        read(path)


def test_text_after_a_quote_is_not_csv(write):
    path = write("t.csv", 'id,name\n1,"ann"x\n')
    with pytest.raises(ManifestError, match=r"t\.csv:2: not CSV"):
        read(path)


def test_problems_before_the_end_of_csv_are_not_lost(write):
    path = write("t.csv", 'id,name\n1,\n2,"bob\n')
    with pytest.raises(ManifestError) as caught:
        read(path)
    assert "t.csv:2: no value for name" in str(caught.value)
    assert "t.csv:3: not CSV" in str(caught.value)

"""Lists read a column at a time: as a slow reader reads them, with the lines of what is wrong."""

from __future__ import annotations

import csv
import gzip
import io
import re
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speakergmm.corpora import chunks, read_extra_columns, read_scores, read_trial_labels
from speakergmm.errors import ManifestError

HEADER = ["model_id", "test_id", "label", "score", "note"]

id_text = (
    st.text(st.sampled_from('ab1éЖ山🎤_ ,"\n\r;'), min_size=1, max_size=5)
    .map(str.strip)
    .filter(bool)
)
numbers = st.floats(allow_nan=False).map(repr) | st.sampled_from(["1", "+2e3", "inf", "-Infinity"])
blanks = st.sampled_from(["", "", "", " ", "\t"])
line_ends = st.sampled_from(["\n", "\n", "\n", "\r\n", "\r"])


@st.composite
def cells_as_written(draw, cell):
    """Write a cell with quotes where it needs them, and now and then without need."""
    padded = draw(blanks) + cell + draw(blanks)
    if re.search('[",\n\r]', padded) or draw(st.integers(0, 9)) == 0:
        return '"' + padded.replace('"', '""') + '"'
    return padded


@st.composite
def score_lists(draw, *, plain=False):
    """Draw rows and the text of their file: (rows, text)."""
    ids = st.sampled_from(["a", "é1", "山", "x_1"]) if plain else id_text
    row = st.tuples(ids, ids, st.sampled_from(["target", "nontarget"]), numbers, ids | st.just(""))
    rows = draw(st.lists(row, min_size=1, max_size=12, unique_by=lambda row: row[:2]))
    order = draw(st.permutations(range(len(HEADER))))
    end = st.just(draw(line_ends))
    text = [draw(st.sampled_from(["", "\ufeff"]))]
    for cells in [HEADER, *rows]:
        if not plain and draw(st.integers(0, 5)) == 0:
            text.append(draw(blanks) + draw(end))
        written = [cells[i] if plain else draw(cells_as_written(cells[i])) for i in order]
        text += [",".join(written), draw(end)]
    if draw(st.booleans()):
        text.pop()
    return rows, "".join(text)


def slowly_read(text):
    """Read the same with the reader of the standard library, row by row."""
    rows = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    return [
        tuple((row[next(k for k in row if k and k.strip() == name)]).strip() for name in HEADER)
        for row in rows
        if None not in row.values()
    ]


def quickly_read(path):
    scores = read_scores(path, columns=["note"])
    trials = scores.trials
    note = trials.columns["note"]
    return [
        (*trials.pair(i), "target" if trials.is_target[i] else "nontarget", scores.score[i],
         note.values[note.index[i]])
        for i in range(len(trials))
    ]  # fmt: skip


def in_small_pieces(block_length, chunk_rows):
    return patch.multiple(chunks, BLOCK_LENGTH=block_length, CHUNK_ROWS=chunk_rows)


@settings(derandomize=True, deadline=None, max_examples=400)
@given(
    st.booleans().flatmap(lambda plain: score_lists(plain=plain)),
    st.integers(1, 60),
    st.integers(1, 4),
    st.booleans(),
)
def test_columns_are_what_a_slow_reader_reads(
    tmp_path_factory, drawn, block_length, chunk_rows, packed
):
    rows, text = drawn
    content = text.encode("utf-8")
    path = tmp_path_factory.mktemp("list") / "scores.csv"
    path.write_bytes(gzip.compress(content) if packed else content)
    # Blank lines above the header are no header to the slow reader.
    slow = slowly_read(re.sub(r"^(\ufeff?)(?:[ \t]*(?:\r\n|\r|\n))+", r"\1", text))
    assert slow == rows
    with in_small_pieces(block_length, chunk_rows):
        quick = quickly_read(path)
    expected = [(*row[:3], float(row[3]), row[4]) for row in slow]
    assert quick == expected
    models = read_scores(path).trials.model_ids
    assert models == tuple(dict.fromkeys(row[0] for row in rows))


def last_lines(rows, first, ends):
    """Give the last line of each row, by the line breaks in its cells."""
    lines, line = [], first
    for row, end in zip(rows, ends, strict=True):
        line += sum(len(re.findall("\r\n|\r|\n", cell)) for cell in row)
        lines.append(line)
        line += 1 + end
    return lines


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.data(), st.integers(1, 60), st.integers(1, 4))
def test_what_is_wrong_is_told_with_its_line(tmp_path_factory, data, block_length, chunk_rows):
    plain = data.draw(st.booleans())
    ids = st.sampled_from(["a", "b", "ç"]) if plain else id_text
    rows, problems, n_blank = [], [], []
    for i in range(data.draw(st.integers(1, 10))):
        kind = data.draw(st.sampled_from(["right", "right", "label", "score", "short", "empty"]))
        model = f"{data.draw(ids)}{i}"
        row, told = {
            "right": ([model, "t", "target", "1"], None),
            "label": ([model, "t", "yes", "1"], "label is 'yes'; expected 'target' or 'nontarget'"),
            "score": ([model, "t", "target", "1_0"], "score is '1_0'; expected a number"),
            "short": ([model, "t", "target"], "3 cells; the header has 4 columns"),
            "empty": ([model, "", "target", "1"], "no value for test_id"),
        }[kind]
        rows.append(row)
        problems.append(told)
        n_blank.append(0 if plain else data.draw(st.integers(0, 1)))
    rows.append(["dup", "t", "target", "1"])
    rows.append(rows[-1])
    problems += [None, "duplicate trial: dup, t"]
    n_blank += [0, 0]
    path = tmp_path_factory.mktemp("list") / "scores.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write("model_id,test_id,label,score\n")
        for row, n in zip(rows, n_blank, strict=True):
            # Before Python 3.13 a lone carriage return in a cell is not quoted by itself.
            quoting = csv.QUOTE_ALL if "\r" in "".join(row) else csv.QUOTE_MINIMAL
            csv.writer(file, lineterminator="\n", quoting=quoting).writerow(row)
            file.write("\n" * n)
    lines = last_lines(rows, 2, n_blank)
    expected = [f"{path}:{n}: {told}" for n, told in zip(lines, problems, strict=True) if told]
    with in_small_pieces(block_length, chunk_rows), pytest.raises(ManifestError) as caught:
        read_scores(path)
    heading, *found = str(caught.value).splitlines()
    if len(expected) == 1:
        assert heading == f"scores.csv cannot be used: {expected[0]}"
    else:
        assert heading == f"scores.csv cannot be used: {len(expected)} problems"
        assert [line.removeprefix("  ") for line in found] == expected


@pytest.mark.parametrize("n_rows", [4, 5, 6, 11])
@pytest.mark.parametrize("quote", ["", '"'], ids=["plain", "quoted"])
def test_lines_are_right_at_the_borders_of_chunks(write, n_rows, quote):
    rows = [f"m{i},{quote}t{quote},target,1" for i in range(n_rows)]
    for wrong in range(n_rows):
        text = "\n".join([",".join(HEADER[:4]), *rows[:wrong], "m,t,target,x", *rows[wrong:], ""])
        path = write("scores.csv", text)
        with (
            in_small_pieces(7, 5),
            pytest.raises(ManifestError, match=f":{wrong + 2}: score is 'x'"),
        ):
            read_scores(path)


@pytest.mark.parametrize(
    ("rows", "messages"),
    [
        # As many cells as two rows, and on the whole as many as there should be.
        ("m,t,target,1,m,u,target,1\n", [":2: 8 cells; the header has 4 columns"]),
        ("m,t,target\nm,u,target,1,2\n", [":2: 3 cells", ":3: 5 cells"]),
        ("m,t,target,1\nm,u\nm,v,target,1,2,3\n", [":3: 2 cells", ":4: 6 cells"]),
        # A line end of old Macs among others.
        ("m,t,target,1\rm,t,nontarget,2\n", [":3: duplicate trial: m, t"]),
        ("m\r,t,target,1\n", [":2: 1 cells; the header has 4", ":3: no value for model_id"]),
        # A cell of more than 128 KiB.
        (f"{'m' * 200_000},t,target,1\n", [":2: not CSV (field larger than field limit"]),
    ],
)
def test_rows_of_other_lengths_are_not_taken_for_others(write, rows, messages):
    path = write("scores.csv", f"model_id,test_id,label,score\n{rows}")
    with pytest.raises(ManifestError) as caught:
        read_scores(path)
    assert all(f"{path}{message}" in str(caught.value) for message in messages)


def test_a_duplicate_far_away_is_told_with_its_line(write):
    rows = [f"m{i},t,target,1" for i in range(3000)]
    rows[2500] = '\n"m7",t,nontarget,1'
    path = write("scores.csv", "\n".join([",".join(HEADER[:4]), *rows]))
    with pytest.raises(ManifestError, match=re.escape(f"{path}:2503: duplicate trial: m7, t")):
        read_scores(path)


def test_problems_stand_in_the_order_of_the_file_and_millions_are_counted(write):
    rows = ["m,t,target,1", "m,t,target,1", "n,t,target,x", "m,t,target,1"]
    path = write("scores.csv", "\n".join([",".join(HEADER[:4]), *rows * 30_000]))
    with pytest.raises(ManifestError) as caught:
        read_scores(path)
    heading, *lines = str(caught.value).splitlines()
    assert heading == "scores.csv cannot be used: 149,998 problems"
    assert [int(n) for n in re.findall(r"csv:(\d+):", str(caught.value))] == [
        3, 4, 5, 6, 7, 8, 8, 9, 10, 11, 12, 12, 13, 14, 15, 16, 16, 17, 18, 19
    ]  # fmt: skip
    assert lines[-1] == "  ... and 149,978 more"


# --- further columns ---

FURTHER = "model_id,test_id,sex,label,score,seconds\na,x,f,target,1,2.5\nb,x,,nontarget,0,10\n"


def test_further_columns_are_passed_over_unless_wanted(write):
    path = write("scores.csv", FURTHER)
    assert dict(read_scores(path).trials.columns) == {}
    kept = read_scores(path, columns=("seconds", "sex")).trials.columns
    assert list(kept) == ["seconds", "sex"]
    assert kept["sex"].values == ("f", "")
    assert kept["sex"].index.tolist() == [0, 1]
    assert kept["sex"].index.dtype == np.int32
    assert kept["sex"].numbers() is None
    assert kept["seconds"].numbers().tolist() == [2.5, 10.0]
    assert len(kept["sex"]) == 2


def test_values_are_in_order_of_appearance_and_shared(write):
    rows = "".join(f"m{i},t,target,{'pqp q'[i]}\n" for i in range(5))
    path = write("trials.csv", f"model_id,test_id,label,k\n{rows}")
    column = read_trial_labels(path, columns=["k"]).columns["k"]
    assert (column.values, column.index.tolist()) == (("p", "q", ""), [0, 1, 0, 2, 1])
    assert column.take(np.array([4, 0])).index.tolist() == [1, 0]


def test_a_known_column_may_be_wanted_too(write):
    path = write("scores.csv", FURTHER)
    assert read_scores(path, columns=["model_id"]).trials.columns["model_id"].values == ("a", "b")


def test_the_names_of_further_columns(write):
    assert read_extra_columns(write("scores.csv", FURTHER)) == ("sex", "seconds")
    assert read_extra_columns(write("s.csv.gz", gzip.compress(FURTHER.encode()))) == (
        "sex", "seconds",
    )  # fmt: skip
    assert read_extra_columns(write("none.csv", "model_id,test_id,label,score,llr,,\n")) == ()


def test_a_further_column_may_be_nameless_or_twice(write):
    path = write("scores.csv", "model_id,test_id,label,score,,,x,x\nm,t,target,1,,,2,3\n")
    assert read_scores(path).score.tolist() == [1.0]
    with pytest.raises(ManifestError, match="column 'x' stands there twice"):
        read_scores(path, columns=["x"])


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("model_id,test_id,label,socre", "unknown column 'socre'; did you mean 'score'?"),
        ("model_id,test_id,lable,score", "unknown column 'lable'; did you mean 'label'?"),
        ("model_id,test_id,label,score,LLR", "unknown column 'LLR'; did you mean 'llr'?"),
        ("model_id,test_id,label,Score", "unknown column 'Score'; did you mean 'score'?"),
    ],
)
def test_a_slip_in_a_known_name_is_no_further_column(write, header, message):
    with pytest.raises(ManifestError, match=re.escape(f"scores.csv:1: {message}")):
        read_scores(write("scores.csv", f"{header}\n1,1,target,1,1\n"))


def test_what_is_like_a_known_name_that_is_there_is_a_further_column(write):
    path = write("scores.csv", "model_id,test_id,label,score,Score,labels\nm,t,target,1,2,3\n")
    assert read_extra_columns(path) == ("Score", "labels")
    assert read_scores(path).score.tolist() == [1.0]


def test_a_slip_of_an_optional_name_is_kept_where_it_is_wanted(write):
    path = write("scores.csv", "model_id,test_id,label,score,lr\nm,t,target,1,2\n")
    assert read_scores(path, columns=["lr"]).trials.columns["lr"].values == ("2",)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("foo", "no column 'foo'; the columns are model_id, test_id, sex, label, score, seconds"),
        ("second", "label, score, seconds; did you mean 'seconds'?"),
    ],
)
def test_a_wanted_column_must_be_there(write, name, message):
    with pytest.raises(ManifestError, match=re.escape(message)):
        read_scores(write("scores.csv", FURTHER), columns=[name])


# --- files that are no list ---


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", ":1: the file is empty; expected the header 'model_id,test_id,label,score'"),
        ("\ufeff\n \n", ":1: the file is empty; expected the header"),
        ("model_id,test_id,label,score\n\n", ":1: the list is empty; expected at least one row"),
        (
            "model_id;test_id;label;score\nm;t;target;0,53\n",
            ":1: columns are separated by ';'; save the list with commas, and its numbers with",
        ),
        (
            "model_id\ttest_id\tlabel\tscore\n",
            ":1: columns are separated by '\\t'; save the list with commas",
        ),
        ('model_id,test_id,label,score\nm,"t,target,1\n', ":2: not CSV (unexpected end of data)"),
        ('model_id,test_id,label,score\nm,"t"x,target,1\n', ":2: not CSV ("),
        ('model_id,"test_id\n', ":1: not CSV (unexpected end of data)"),
        ("model_id,test_id,label,score\n\n" + "m" * 200_000, ":3: not CSV (field larger than"),
        (b"model_id,test_id,label,score\nm\xe4,t,target,1\n", ": not UTF-8 text (byte 30); save"),
        ("model_id,test_id,label,score\nm,t,target,1\n".encode("utf-16-le"), ": looks like UTF-16"),
        (b"\xff\xfem\0", ": not UTF-8 text (byte 0); save the list as CSV in UTF-8"),
    ],
)
def test_a_file_that_is_no_list(write, content, message):
    path = write("scores.csv", content)
    with pytest.raises(ManifestError, match=re.escape(f"{path}{message}")) as caught:
        read_scores(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["", "byte order mark"])
@pytest.mark.parametrize("n_rows", [0, 1000, 40_000])
def test_the_byte_that_is_no_text_is_counted_from_the_start(write, mark, n_rows):
    content = b"model_id,test_id,label,score\n"
    content = mark + content + "".join(f"mé{i},t,target,1\n" for i in range(n_rows)).encode()
    path = write("scores.csv", content + b"\xc3\x28,t,target,1\n")
    with pytest.raises(ManifestError, match=rf"\(byte {len(content)}\)"):
        read_scores(path)


def test_zeros_far_down_are_found(write):
    rows = "".join(f"m{i},t,target,1\n" for i in range(50_000))
    path = write("scores.csv", f"model_id,test_id,label,score\n{rows}m,\0,target,1\n")
    with pytest.raises(ManifestError, match="looks like UTF-16; save the list as CSV in UTF-8"):
        read_scores(path)


@pytest.mark.parametrize("text", ["0,53", "-1,5e-3", "+,5"])
def test_a_decimal_comma_is_named(write, text):
    path = write("scores.csv", f'model_id,test_id,label,score\nm,t,target,"{text}"\n')
    point = text.replace(",", ".")
    message = f":2: score is '{text}'; expected a number with a decimal point, such as {point}"
    with pytest.raises(ManifestError, match=re.escape(message)):
        read_scores(path)


@pytest.mark.parametrize("label", ["1", "0", "true", "False"])
def test_other_labels_are_not_guessed(write, label):
    path = write("scores.csv", f"model_id,test_id,label,score\nm,t,{label},1\n")
    message = f":2: label is '{label}'; expected 'target' or 'nontarget'"
    with pytest.raises(ManifestError, match=re.escape(message)):
        read_scores(path)


def test_problems_before_the_end_of_csv_are_not_lost(write):
    path = write("scores.csv", 'model_id,test_id,label,score\nm,t,target,x\n\nm,"t\n')
    with pytest.raises(ManifestError) as caught:
        read_scores(path)
    assert f"{path}:2: score is 'x'" in str(caught.value)
    assert f"{path}:4: not CSV (unexpected end of data)" in str(caught.value)


@pytest.mark.parametrize("n_before", [0, 3, 511, 512, 513, 9000])
@pytest.mark.parametrize("has_quotes", [False, True])
def test_a_quote_too_many_is_named_with_the_line_where_it_opens(write, n_before, has_quotes):
    model = '"m\nm"' if has_quotes else "m"
    good = "".join(f"{model},t{row},target,1\n" for row in range(n_before))
    after = "".join(f"m,u{row},target,1\n" for row in range(49))
    text = f'model_id,test_id,label,score\n{good}m,"t,target,1\n{after}'
    line = 2 + good.count("\n")
    expected = (
        f"{line}: not CSV (unexpected end of data, in line {line + 49}); a quote is opened here and"
        " not closed in this line: close it, or write it twice"
    )
    with pytest.raises(ManifestError, match=re.escape(f"scores.csv:{expected}")):
        read_scores(write("scores.csv", text))


def test_semicolons_come_with_decimal_commas(write):
    path = write("scores.csv", "model_id;test_id;label;score\nm;t;target;0,53\n")
    with pytest.raises(ManifestError, match=r"its numbers with a decimal point, such as 0\.53$"):
        read_scores(path)


# --- trial lists by themselves ---


def test_a_trial_list_is_read_without_knowing_speakers(write):
    path = write("trials.csv", "label,model_id,test_id,note\ntarget,m,t,x\nnontarget,m,u,\n")
    trials = read_trial_labels(path)
    assert (trials.model_ids, trials.test_ids) == (("m",), ("t", "u"))
    assert trials.is_target.tolist() == [True, False]
    assert trials.is_target.dtype == np.bool_
    assert dict(trials.columns) == {}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("*,t,target", ":2: model_id is '*'; expected one id: without enrollment lists, list each"),
        ("m,*,target", ":2: test_id is '*'; expected one id"),
        ("m,t,", ":2: no value for label"),
        ("m,t,yes", ":2: label is 'yes'; expected 'target' or 'nontarget'"),
        ("m,t,target\nm,t,target", ":3: duplicate trial: m, t"),
    ],
)
def test_a_wrong_row_of_a_trial_list(write, row, message):
    path = write("trials.csv", f"model_id,test_id,label\n{row}\n")
    with pytest.raises(ManifestError, match=re.escape(f"{path}{message}")):
        read_trial_labels(path)

"""`speakergmm corpus convert`: what is printed, and that recipes can use what is written."""

from __future__ import annotations

import gzip
import json
import os

import numpy as np
import pytest
import soundfile

from speakergmm.audio import duration_s

pytestmark = pytest.mark.usefixtures("leaves_nothing_half_written")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lines_of(path):
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data).decode().splitlines()


def test_a_folder_of_kaldi(cli, here):
    data = here / "data"
    data.mkdir()
    (data / "wav.scp").write_text("a-1 /x/a-1.wav\na-2 /x/a-2.wav\nb-1 /y/b-1.wav\n")
    (data / "utt2spk").write_text("a-1 a\na-2 a\nb-1 b\n")
    (data / "spk2gender").write_text("a f\nb m\n")
    (data / "text").write_text("")
    (data / "trials").write_text("a-1 a-2 target\na-1 b-1 nontarget\n")
    answer = cli("corpus", "convert", "data", "--output", "lists")
    assert (answer.status, answer.err) == (0, "")
    assert answer.out.splitlines() == [
        "data: Kaldi data folder",
        "  3 recordings",
        "  3 utterances",
        "  2 speakers",
        "  1 evaluation model",
        "  2 evaluation tests",
        "  1 evaluation target trial",
        "  1 evaluation nontarget trial",
        "note: not read: text",
        "lists: written as speakergmm",
    ]
    assert lines_of(here / "lists/utterances.csv") == [
        "utterance_id,speaker_id,path,sex",
        "a-1,a,/x/a-1.wav,f",
        "a-2,a,/x/a-2.wav,f",
        "b-1,b,/y/b-1.wav,m",
    ]


def test_paths_below_a_folder_are_written_as_they_are_below_it(cli, here):
    data = here / "data"
    data.mkdir()
    (here / "corpus").mkdir()
    (data / "wav.scp").write_text(f"a x/a.wav\nb {here}/corpus/y/b.wav\nc /elsewhere/c.wav\n")
    (data / "utt2spk").write_text("a a\nb b\nc c\n")
    answer = cli("corpus", "convert", "data", "--audio", "corpus", "--output", "lists")
    assert "not in lists: paths begin" not in answer.out
    assert "note: paths begin at corpus: give --audio to what reads these lists" in answer.out
    rows = lines_of(here / "lists/utterances.csv")[1:]
    assert [row.split(",")[2] for row in rows] == ["x/a.wav", "y/b.wav", "/elsewhere/c.wav"]


def test_real_recordings_to_kaldi_and_lhotse(cli, here, small_corpus):
    answer = cli(
        "corpus", "convert", small_corpus, "--to", "kaldi", "--split", "background", "--output", "k"
    )
    assert answer.status == 0
    assert len(lines_of(here / "k/wav.scp")) == len(lines_of(here / "k/utt2spk"))
    assert "not in k: sessions of" in answer.out
    answer = cli("corpus", "convert", small_corpus, "--to", "lhotse", "--output", "l", "--json")
    said = json.loads(answer.out)
    assert said["written_as"] == "lhotse"
    assert said["counts"]["speakers"] == 16
    first = json.loads(lines_of(here / "l/recordings.jsonl.gz")[0])
    assert first["duration"] == duration_s(first["sources"][0]["source"])
    # And back: a recipe's lists, with all that they had but for their trials.
    assert cli("corpus", "convert", "l", "--audio", small_corpus, "--output", "back").status == 0
    theirs, ours = (
        {tuple(sorted(zip(rows[0].split(","), row.split(","), strict=True))) for row in rows[1:]}
        for rows in (lines_of(place / "utterances.csv") for place in (here / "back", small_corpus))
    )
    assert theirs == ours


def test_scores_of_another_toolkit_can_be_evaluated(cli, here):
    rows = [(f"m{i % 4}", f"t{i}", i % 4 == 0, float(i % 7 - 3)) for i in range(60)]
    (here / "scores.txt").write_text("".join(f"{m} {t} {s}\n" for m, t, _, s in rows))
    words = ("nontarget", "target")
    (here / "key").write_text("".join(f"{m} {t} {words[is_t]}\n" for m, t, is_t, _ in rows))
    arguments = ("--trials", "key", "--output", "scores.csv")
    answer = cli("corpus", "convert", "scores.txt", *arguments)
    assert (answer.status, answer.err) == (0, "")
    assert "scores.txt: scores, model test score\n" in answer.out
    assert cli("evaluate", "scores.csv", "--resamples", 0).status == 0


def test_voxceleb_to_nist_and_named_columns(cli, here):
    (here / "list.txt").write_text("1 a/x/1.wav a/y/1.wav\n0 a/x/1.wav b/x/1.wav\n")
    answer = cli("corpus", "convert", "list.txt", "--to", "nist", "--output", "trials")
    assert answer.status == 0
    assert lines_of(here / "trials")[0] == "a/x/1.wav a/y/1.wav target"
    answer = cli(
        "corpus", "convert", "trials", "--columns", "test model label", "--output", "turned.csv"
    )
    assert answer.status == 0
    assert lines_of(here / "turned.csv")[1] == "a/y/1.wav,a/x/1.wav,target"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nothing", "--output", "x"), "error: nothing: no such file or folder"),
        (("list.txt", "--output", "list.txt"), "error: list.txt: is read here, and would be"),
        (("list.txt", "--to", "sre", "--output", "x"), "error: trials cannot be written as 'sre'"),
        (("list.txt", "--columns", "a b", "--output", "x"), "error: columns are 'a b'; expected"),
        (("list.txt", "--from", "lhotse", "--output", "x"), "error: list.txt: not in the format l"),
    ],
)
def test_what_is_refused_leaves_nothing(cli, here, arguments, message):
    (here / "list.txt").write_text("1 a/x/1.wav a/y/1.wav\n0 a/x/1.wav b/x/1.wav\n")
    answer = cli("corpus", "convert", *arguments)
    assert answer.status == 1
    assert answer.err.startswith(message)
    assert answer.out == ""
    assert list(here.iterdir()) == [here / "list.txt"]


def test_a_format_is_not_told_of_what_can_be_read_once(cli, here):
    read_end, write_end = os.pipe()
    with os.fdopen(write_end, "wb") as text:
        text.write(b"1 a/x/1.wav a/y/1.wav\n")
    with os.fdopen(read_end):
        pipe = f"/dev/fd/{read_end}"
        expected = f"error: {pipe}: is a pipe; expected a file: write the list to one first\n"
        for more in ((), ("--columns", "label model test"), ("--from", "voxceleb")):
            answer = cli("corpus", "convert", pipe, *more, "--output", "x")
            assert (answer.status, answer.err) == (1, expected)


@pytest.fixture
def recorded(here):
    """Lists with trials of recordings that are there, one of them without a suffix."""
    (here / "lists/e").mkdir(parents=True)
    (here / "rec").mkdir()
    for name in ("a.wav", "trials"):
        (here / "rec" / name).write_bytes(b"RIFF")
    rows = "a,ann,../rec/a.wav\nb,ann,../rec/trials\n"
    (here / "lists/utterances.csv").write_text(f"utterance_id,speaker_id,path\n{rows}")
    (here / "lists/e/enrollment.csv").write_text("model_id,utterance_id\na,a\n")
    (here / "lists/e/tests.csv").write_text("test_id,utterance_id\nb,b\n")
    (here / "lists/e/trials.csv").write_text("model_id,test_id,label\n*,*,\n")
    return here


@pytest.mark.parametrize(
    ("target", "output", "message"),
    [
        ("nist", "rec/a.wav", "rec/a.wav: is called as a recording, of the suffix .wav; expected"),
        ("kaldi", "new.FLAC", "new.FLAC: is called as a recording, of the suffix .FLAC; expected"),
        ("nist", "rec/trials", "rec/trials: is a recording of these lists ("),
        ("kaldi", "rec", "rec/trials: is a recording of these lists ("),
        ("nist", "link", "link: is a recording of these lists ("),
    ],
)
def test_no_recording_is_written_over(cli, recorded, target, output, message):
    (recorded / "link").symlink_to(recorded / "rec/a.wav")
    before = sorted(recorded.rglob("*"))
    answer = cli("corpus", "convert", "lists", "--to", target, "--output", output)
    assert (answer.status, answer.out) == (1, "")
    assert answer.err.startswith(f"error: {message}")
    assert "; choose another" in answer.err
    assert sorted(recorded.rglob("*")) == before
    assert (
        (recorded / "rec/a.wav").read_bytes() == (recorded / "rec/trials").read_bytes() == b"RIFF"
    )


def test_what_is_written_replaces_what_was_converted_before_alone(cli, recorded):
    (recorded / "k").mkdir()
    (recorded / "k/text").write_text("stays")
    command = ("corpus", "convert", "lists", "--to", "kaldi", "--output", "k")
    for _ in range(2):
        assert cli(*command).status == 0
        assert (recorded / "k/utt2spk").read_text() == "a ann\nb ann\n"
        assert (recorded / "k/trials").read_text() == "a b target\n"
        (recorded / "k/utt2spk").write_text("old")
        (recorded / "lists/e/trials.csv").write_text("model_id,test_id,label\na,b,target\n")
    # Without trials the older ones would be taken for those of the new utterances.
    for file in (recorded / "lists/e").iterdir():
        file.unlink()
    assert cli(*command).status == 0
    assert not (recorded / "k/trials").exists()
    assert (recorded / "k/text").read_text() == "stays"


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("kaldi", "segments"),
        ("kaldi", "spk2gender"),
        ("kaldi", "trials"),
        ("kaldi", "enroll/utt2spk"),
        ("lhotse", "recordings.jsonl.gz"),
        ("alize", "UBM.lst"),
        ("msr", "trials.lst"),
        ("bosaris", "key.txt"),
    ],
)
def test_files_of_others_are_not_written_over_nor_taken_away(cli, recorded, target, name):
    for recording in (recorded / "rec").iterdir():
        soundfile.write(recording, np.zeros(800), 8000, format="WAV")
    file = recorded / "out" / name
    file.parent.mkdir(parents=True)
    file.write_text("mine")
    command = ("corpus", "convert", "lists", "--to", target, "--output", "out")
    answer = cli(*command)
    assert (answer.status, answer.out) == (1, "")
    assert answer.err == (
        f"error: out/{name}: exists, and was not made by `corpus convert`; choose another folder "
        "for the output\n"
    )
    assert [path for path in (recorded / "out").rglob("*") if path.is_file()] == [file]
    assert file.read_text() == "mine"
    # Nor after a conversion that did not write it.
    file.unlink()
    assert cli(*command).status == 0
    is_ours = file.exists()
    file.write_text("mine")
    assert cli(*command).status == (0 if is_ours else 1)
    assert (file.read_bytes() == b"mine") == (not is_ours)


@pytest.mark.parametrize(
    ("file", "format_there", "target"),
    [
        ("wav.scp", "kaldi", "speakergmm"),
        ("segments", "kaldi", "lhotse"),
        ("cuts.jsonl.gz", "lhotse", "speakergmm"),
        ("recordings.jsonl", "lhotse", "kaldi"),
        ("utterances.csv", "speakergmm", "kaldi"),
        ("utterances.csv", "speakergmm", "msr"),
    ],
)
def test_a_folder_holds_lists_of_one_format(cli, here, file, format_there, target):
    (here / "out").mkdir()
    (here / "out" / file).write_text("mine")
    (here / "t.txt").write_text("a/1/1.wav a/2/1.wav target\n")
    assert cli("corpus", "convert", "t.txt", "--output", "lists").status == 0
    for source in ("t.txt", "lists") if target == "speakergmm" else ("lists",):
        answer = cli("corpus", "convert", source, "--to", target, "--output", "out")
        assert (answer.status, answer.out) == (1, "")
        assert answer.err == (
            f"error: out: holds lists of another format, {format_there}, and it would not be known "
            "which to read; choose another folder for the output\n"
        )
    assert [path.name for path in (here / "out").iterdir()] == [file]


@pytest.mark.parametrize("mark", ["", "[]", '{"format": "speakergmm-converted", "files": 3}',
                                  '{"format": "other", "files": ["trials"]}'])  # fmt: skip
def test_a_mark_that_is_none_marks_nothing(cli, recorded, mark):
    (recorded / "k").mkdir()
    (recorded / "k/.speakergmm-converted.json").write_text(mark)
    (recorded / "k/trials").write_text("mine")
    answer = cli("corpus", "convert", "lists", "--to", "kaldi", "--output", "k")
    assert answer.err.startswith("error: k/trials: exists, and was not made by `corpus convert`")


def test_scores_replace_the_key_of_older_ones(cli, here):
    rows = "m,t,{}1\nm,u,{}2\n"
    labelled = rows.format("target,", "nontarget,")
    (here / "one.csv").write_text(f"model_id,test_id,label,score\n{labelled}")
    (here / "two.csv").write_text(f"model_id,test_id,score\n{rows.format('', '')}")
    for name, has_key in (("one.csv", True), ("two.csv", False), ("one.csv", True)):
        arguments = ("--to", "bosaris", "--output", "b")
        assert cli("corpus", "convert", name, *arguments).status == 0
        assert (here / "b/key.txt").exists() == has_key
        assert (here / "b/scores.txt").read_text() == "m t 1.0\nm u 2.0\n"


def test_files_of_a_list_begin_where_it_is_said(cli, here):
    (here / "wav").mkdir()
    (here / "list.txt").write_text("1 a/x/1.wav a/y/1.wav\n0 a/x/1.wav b/x/1.wav\n")
    answer = cli("corpus", "convert", "list.txt", "--output", "lists")
    assert "note: paths are those of the list: give --audio DIR, the folder where" in answer.out
    first = lines_of(here / "lists/utterances.csv")
    answer = cli("corpus", "convert", "list.txt", "--audio", "wav", "--output", "again")
    assert "note: paths begin at wav: give --audio to what reads these lists" in answer.out
    assert lines_of(here / "again/utterances.csv") == first
    arguments = ("--audio", "wav", "--to", "kaldi", "--output", "kaldi")
    assert cli("corpus", "convert", "list.txt", *arguments).status == 0
    assert lines_of(here / "kaldi/wav.scp")[0] == f"a/x/1.wav {here}/wav/a/x/1.wav"


def test_names_command_no_terminal(cli, here):
    (here / "list.txt").write_text("1 a/x/\x1b[31m1.wav b/y/1.wav\n")
    answer = cli("corpus", "convert", "list.txt", "--output", "x")
    assert answer.status == 1
    assert "\x1b" not in answer.err
    assert "\\x1b[31m" in answer.err


def test_the_command_knows_all_formats():
    from speakergmm.cli.corpus_convert import SOURCE_FORMATS, TARGET_FORMATS
    from speakergmm.corpora.formats.sources import SOURCES
    from speakergmm.corpora.formats.targets import TARGETS

    assert {source.name for source in SOURCES} == set(SOURCE_FORMATS)
    assert {target.name for target in TARGETS} == set(TARGET_FORMATS)


def test_help_shows_the_ways(cli):
    answer = cli("corpus", "convert", "--help")
    assert answer.status == 0
    assert "speakergmm corpus convert data/train --output lists" in answer.out
    assert "In a folder, what was converted before is replaced" in " ".join(answer.out.split())

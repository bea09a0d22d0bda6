"""Utterances, and the enrollment and test lists that pool them."""

from __future__ import annotations

import re
import unicodedata

import pytest

from speakergmm.audio import duration_s
from speakergmm.corpora import (
    Utterance,
    locate_recording,
    pool_speakers,
    read_pools,
    read_utterances,
)
from speakergmm.errors import AudioError, ManifestError

HEADER = "utterance_id,speaker_id,path"
TIMES = f"{HEADER},start_s,end_s"


@pytest.fixture
def corpus(write):
    """Write ``utterances.csv`` beside the recordings ``a.wav`` and ``b.wav``."""
    write("a.wav")
    write("b.wav")

    def write_utterances(text):
        return write("utterances.csv", text)

    return write_utterances


def lasts(seconds):
    """Give every recording the same length."""
    return lambda path: seconds


# --- utterances ---


def test_all_columns_are_read_in_the_order_of_the_list(corpus, tmp_path):
    path = corpus(
        "sex,path,utterance_id,speaker_id,session_id,start_s,end_s,split\n"
        "f,b.wav,u2,ann,s1,0.25,1.5,development\n"
        ",a.wav,u1,bob,,,,\n"
    )
    utterances = read_utterances(path)
    assert list(utterances) == ["u2", "u1"]
    assert utterances["u2"] == Utterance(
        "u2", "ann", tmp_path / "b.wav", 0.25, 1.5, "s1", "f", "development"
    )
    assert utterances["u1"] == Utterance("u1", "bob", tmp_path / "a.wav")


@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["no mark", "byte order mark"])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["Unix", "Windows"])
def test_marks_line_ends_blank_lines_quotes_and_scripts(corpus, write, mark, end):
    write("häuser, grün/ø.wav")
    lines = [HEADER, "", 'ü1,"Müller, Ann","häuser, grün/ø.wav"', "", "話者,bob,a.wav", ""]
    utterances = read_utterances(corpus(mark + end.join(lines)))
    assert list(utterances) == ["ü1", "話者"]
    assert utterances["ü1"].speaker_id == "Müller, Ann"
    assert utterances["ü1"].path.name == "ø.wav"


def test_recordings_may_live_in_another_folder(write, tmp_path):
    path = write("lists/utterances.csv", f"{HEADER}\nu1,ann,a.wav\n")
    recording = write("elsewhere/a.wav")
    assert read_utterances(path, tmp_path / "elsewhere")["u1"].path == recording
    assert read_utterances(str(path), str(tmp_path / "elsewhere"))["u1"].path == recording


def test_an_absolute_path_stays(write, tmp_path):
    recording = write("elsewhere/a.wav")
    path = write("lists/utterances.csv", f"{HEADER}\nu1,ann,{recording}\n")
    assert read_utterances(path)["u1"].path == recording


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("utterance_id,path\nu1,a.wav\n", ":1: missing column 'speaker_id'"),
        (
            f"{HEADER},sesion_id\nu1,ann,a.wav,1\n",
            ":1: unknown column 'sesion_id'; did you mean 'session_id'?",
        ),
        (f"{HEADER},path\nu1,ann,a.wav,a.wav\n", ":1: column 'path' stands there twice"),
        (
            f"{HEADER}\nu1,ann,a.wav\nu2,ann,a.wav\nu1,ann,b.wav\n",
            ":4: duplicate utterance_id 'u1' (first: line 2)",
        ),
        (f"{HEADER}\nu1,,a.wav\n", ":2: no value for speaker_id"),
        (f"{HEADER}\n", ":1: the list is empty"),
        ("", f":1: the file is empty; expected the header '{HEADER}'"),
    ],
)
def test_a_wrong_list_is_told_by_file_and_line(corpus, text, message):
    path = corpus(text)
    with pytest.raises(ManifestError, match=re.escape(f"{path}{message}")):
        read_utterances(path)


def test_a_recording_not_found_is_named_where_it_was_looked_for(corpus, tmp_path):
    path = corpus(f"{HEADER}\nu1,ann,a.wav\nu2,ann,sub/c.wav\n")
    message = f"{path}:3: recording not found: {tmp_path / 'sub' / 'c.wav'}"
    with pytest.raises(ManifestError, match=re.escape(message)):
        read_utterances(path)


NO_RECORDINGS = {
    "a folder": "sub",
    "the list's own folder": ".",
    "the audio folder": "audio/",
    "the root": "/",
    "too long a name": "x" * 300 + ".wav",
}


@pytest.mark.parametrize("listed", NO_RECORDINGS.values(), ids=NO_RECORDINGS.keys())
def test_a_path_that_cannot_be_a_recording_is_not_found(corpus, write, monkeypatch, listed):
    folder = write("sub/c.wav").parent.parent
    corpus(f"{HEADER}\nu1,ann,{listed}\n")
    monkeypatch.chdir(folder)
    with pytest.raises(ManifestError, match=r"utterances\.csv:2: recording not found"):
        read_utterances("utterances.csv")


def test_all_problems_of_a_list_are_told_together(corpus):
    path = corpus(
        f"{TIMES}\n"
        "u1,ann,a.wav,,\n"
        "u1,ann,a.wav,,\n"
        "u2,ann,none.wav,,\n"
        "u3,ann,a.wav,2,1\n"
        "u4,ann,a.wav,x,y\n"
        "u5,,a.wav,,\n"
        "u6,ann,a.wav\n"
        "u7,ann,a.wav,0,99\n"
    )
    with pytest.raises(ManifestError) as caught:
        read_utterances(path, durations=lasts(5.0))
    message = str(caught.value)
    assert message.startswith("utterances.csv cannot be used: 8 problems")
    lines = [int(line) for line in re.findall(rf"{re.escape(str(path))}:(\d+): ", message)]
    assert lines == [3, 4, 5, 6, 6, 7, 8, 9]


def test_the_first_20_problems_then_a_count(corpus):
    rows = "".join(f"u{number},ann,none.wav\n" for number in range(33))
    path = corpus(f"{HEADER}\n{rows}")
    with pytest.raises(ManifestError) as caught:
        read_utterances(path)
    lines = str(caught.value).splitlines()
    assert lines[0] == "utterances.csv cannot be used: 33 problems"
    assert lines[20].startswith(f"  {path}:21: recording not found")
    advice = (
        "(paths begin at the list's folder; where they begin elsewhere, say so with --audio FOLDER)"
    )
    assert lines[21:] == ["  ... and 13 more", advice]


# --- times ---


@pytest.mark.parametrize("column", ["start_s", "end_s"])
@pytest.mark.parametrize("garbage", ["-0.5", "nan", "inf", "-inf", "1e999", "soon", "1,5", "0:01"])
def test_a_time_that_is_none_is_quoted(corpus, column, garbage):
    path = corpus(f'{HEADER},{column}\nu1,ann,a.wav,"{garbage}"\n')
    message = rf":2: {column} is {re.escape(repr(garbage))}; expected seconds, 0 or more"
    with pytest.raises(ManifestError, match=message):
        read_utterances(path)


def test_a_slip_that_python_takes_for_a_number_is_refused(corpus):
    # float("1_5") is 15.0: a comma's neighbor on the keyboard must not move a segment.
    path = corpus(f"{HEADER},start_s\nu1,ann,a.wav,1_5\n")
    with pytest.raises(ManifestError, match="start_s is '1_5'; expected seconds"):
        read_utterances(path)


@pytest.mark.parametrize(
    ("start", "end", "told"),
    [("2", "1", "starts at 2 s and ends at 1 s"), ("1", "1", "starts at 1 s and ends at 1 s"),
     ("", "0", "starts at 0 s and ends at 0 s")],
)  # fmt: skip
def test_a_segment_must_start_before_it_ends(corpus, start, end, told):
    path = corpus(f"{TIMES}\nu1,ann,a.wav,{start},{end}\n")
    message = f":2: utterance u1 {told}; expected start_s < end_s"
    with pytest.raises(ManifestError, match=message):
        read_utterances(path)


@pytest.mark.parametrize(
    ("start", "end", "told"),
    [
        ("0", "3.5", "ends at 3.5 s, beyond the end of"),
        ("", "3.001", "ends at 3.001 s, beyond the end of"),
        ("3.2", "3.5", "ends at 3.5 s, beyond the end of"),
        ("3.5", "", "starts at 3.5 s, beyond the end of"),
        ("3", "", "starts at 3 s, beyond the end of"),
    ],
)
def test_a_segment_must_lie_in_its_recording(corpus, tmp_path, start, end, told):
    path = corpus(f"{TIMES}\nu1,ann,a.wav,{start},{end}\n")
    message = f":2: utterance u1 {told} {tmp_path / 'a.wav'} (3.000 s)"
    with pytest.raises(ManifestError, match=re.escape(message)):
        read_utterances(path, durations=lasts(3.0))


@pytest.mark.parametrize(("start", "end"), [("0", "3"), ("2.999", ""), ("1", "3.0004"), ("", "")])
def test_a_segment_up_to_the_end_is_accepted(corpus, start, end):
    # Lists often round to milliseconds, so half of one beyond the end is forgiven.
    path = corpus(f"{TIMES}\nu1,ann,a.wav,{start},{end}\n")
    assert list(read_utterances(path, durations=lasts(3.0))) == ["u1"]


def test_segments_are_not_checked_against_recordings_unless_asked(corpus):
    path = corpus(f"{TIMES}\nu1,ann,a.wav,5,9\n")
    assert read_utterances(path)["u1"].end_s == 9.0


def test_a_recording_is_measured_once(corpus, tmp_path):
    measured = []

    def durations(path):
        measured.append(path)
        return 3.0

    rows = "u1,ann,a.wav,0,1\nu2,ann,a.wav,1,2\nu3,ann,b.wav,,\nu4,ann,a.wav,2,\n"
    read_utterances(corpus(f"{TIMES}\n{rows}"), durations=durations)
    assert measured == [tmp_path / "a.wav", tmp_path / "b.wav"]


def test_an_unreadable_recording_is_told_with_the_line_of_each_utterance(corpus, write):
    bad = write("b.wav", "this is no audio")
    path = corpus(f"{HEADER}\nu1,ann,b.wav\nu2,ann,b.wav\n")
    with pytest.raises(ManifestError) as caught:
        read_utterances(path, durations=duration_s)
    message = str(caught.value)
    assert f"{path}:2: utterance u1: {bad}: not audio that can be decoded" in message
    assert f"{path}:3: utterance u2: {bad}: not audio that can be decoded" in message


def test_a_recording_that_fails_does_not_hide_the_others(corpus, tmp_path):
    def durations(path):
        if path.name == "a.wav":
            raise AudioError(f"{path}: the file is empty")
        return 3.0

    path = corpus(f"{TIMES}\nu1,ann,a.wav,,\nu2,ann,b.wav,1,4\n")
    with pytest.raises(ManifestError, match="2 problems") as caught:
        read_utterances(path, durations=durations)
    assert f":2: utterance u1: {tmp_path / 'a.wav'}: the file is empty" in str(caught.value)
    assert ":3: utterance u2 ends at 4 s" in str(caught.value)


# --- marked speech ---


@pytest.mark.parametrize(
    ("listed", "speech_s"),
    [
        ("", None),
        ("   ", None),
        ("0.31-1.20", ((0.31, 1.2),)),
        ("0-1", ((0.0, 1.0),)),
        ("0.31-1.20 1.55-2.90", ((0.31, 1.2), (1.55, 2.9))),
        ("  2-3   0.5-1.5\t1-2 ", ((2.0, 3.0), (0.5, 1.5), (1.0, 2.0))),
        ("1e-1-2", None),
    ],
)
def test_speech_is_pairs_of_seconds(corpus, listed, speech_s):
    path = corpus(f"{HEADER},speech\nu1,ann,a.wav,{listed}\nu2,ann,b.wav,\n")
    if "e" in listed:
        with pytest.raises(ManifestError, match="speech is '1e-1-2'; expected START-END"):
            read_utterances(path)
        return
    utterances = read_utterances(path)
    assert utterances["u1"].speech_s == speech_s
    assert utterances["u2"].speech_s is None


@pytest.mark.parametrize(
    "garbage",
    [
        "1",
        "1-",
        "-1",
        "-",
        "1-0.5",
        "1-1",
        "-1-2",
        "1--2",
        "a-b",
        "0-nan",
        "0-inf",
        "1_0-2_0",
        "0.5-1.5-2",
        "0:01-0:02",
    ],
)
def test_speech_that_is_no_pair_is_quoted(corpus, garbage):
    path = corpus(f"{HEADER},speech\nu1,ann,a.wav,0.5-1 {garbage} 3-4\n")
    message = f"{path}:2: speech is {garbage!r}; expected START-END in seconds, such as 0.31-1.20"
    with pytest.raises(ManifestError, match=re.escape(message)):
        read_utterances(path)


def test_speech_is_a_problem_among_others(corpus):
    rows = "u1,ann,a.wav,2,1,x-y\nu2,ann,a.wav,,,0-1\nu3,ann,a.wav,,,5\n"
    with pytest.raises(ManifestError, match="3 problems") as caught:
        read_utterances(corpus(f"{TIMES},speech\n{rows}"))
    assert re.findall(r"csv:(\d+): (\w+)", str(caught.value)) == [
        ("2", "utterance"), ("2", "speech"), ("4", "speech"),
    ]  # fmt: skip


# --- recordings that need not be there ---


def test_recordings_need_not_exist_where_that_is_said(corpus, tmp_path):
    path = corpus(f"{HEADER}\nu1,ann,a.wav\nu2,ann,sub/gone.wav\nu3,bob,b.flac\n")
    with pytest.raises(ManifestError, match="gone"):
        read_utterances(path)
    utterances = read_utterances(path, must_exist=False)
    assert list(utterances) == ["u1", "u2", "u3"]
    assert utterances["u1"].path == tmp_path / "a.wav"
    assert utterances["u2"].path == tmp_path / "sub" / "gone.wav"
    # What is there in another format is still found.
    assert utterances["u3"].path == tmp_path / "b.wav"
    elsewhere = read_utterances(path, tmp_path / "nowhere", must_exist=False)
    assert elsewhere["u2"].path == tmp_path / "nowhere" / "sub" / "gone.wav"


def test_other_problems_are_told_also_where_recordings_need_not_exist(corpus):
    path = corpus(f"{TIMES}\nu1,ann,gone.wav,2,1\nu1,ann,gone.wav,,\n")
    with pytest.raises(ManifestError, match="2 problems"):
        read_utterances(path, must_exist=False)


# --- where a recording is ---


@pytest.mark.parametrize("there", ["audio/s/a.flac", "s/a.flac", "audio/s/a.wav", "s/a.wav"])
@pytest.mark.parametrize("listed", ["audio/s/a.flac", "audio/s/a.wav"])
def test_a_copy_may_have_another_format_and_no_audio_folder(write, tmp_path, there, listed):
    recording = write(there)
    assert locate_recording(tmp_path, listed) == recording


@pytest.mark.parametrize("there", ["a.wav", "a.flac", "a.sph", "a.ogg", "a.opus", "a.mp3"])
@pytest.mark.parametrize("listed", ["a.wav", "a.flac", "a.sph"])
def test_any_format_stands_for_any_other(write, tmp_path, there, listed):
    recording = write(there)
    assert locate_recording(tmp_path, listed) == recording


def test_the_listed_name_goes_before_its_variants(write, tmp_path):
    write("audio/a.flac")
    exact = write("audio/a.wav")
    write("a.wav")
    assert locate_recording(tmp_path, "audio/a.wav") == exact


def test_the_listed_format_without_the_folder_goes_before_another_format(write, tmp_path):
    write("audio/a.flac")
    archive = write("a.wav")
    assert locate_recording(tmp_path, "audio/a.wav") == archive


def test_a_folder_is_no_recording(write, tmp_path):
    write("a.wav/readme.txt")
    assert locate_recording(tmp_path, "a.wav") is None


def test_what_follows_a_dot_is_only_cut_off_when_it_names_a_format(write, tmp_path):
    # Takes s01.1, s01.2, … listed without a suffix must not all become the recording s01.
    write("s01.flac")
    assert locate_recording(tmp_path, "s01.2") is None


def test_the_manifest_finds_recordings_of_another_copy(write):
    recording = write("s/a.flac")
    path = write("utterances.csv", f"{HEADER}\nu1,ann,audio/s/a.wav\n")
    assert read_utterances(path)["u1"].path == recording


# --- pools ---


def test_rows_of_one_id_are_pooled_in_order(write, utterances):
    path = write("enrollment.csv", "model_id,utterance_id\nm1,a2\nm2,b1\nm1,a1\nzoë,z1\n")
    pools = read_pools(path, "model_id", utterances)
    assert pools == {"m1": ("a2", "a1"), "m2": ("b1",), "zoë": ("z1",)}
    assert list(pools) == ["m1", "m2", "zoë"]
    assert pool_speakers(pools, utterances) == {"m1": "ann", "m2": "bob", "zoë": "zoë"}


def test_an_utterance_may_stand_in_several_pools(write, utterances):
    path = write("tests.csv", "utterance_id,test_id\na1,t1\na1,t2\n")
    assert read_pools(path, "test_id", utterances) == {"t1": ("a1",), "t2": ("a1",)}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("m1,a9\n", ":2: unknown utterance_id 'a9': not in the utterances"),
        ("m1,a1\nm1,a1\n", ":3: duplicate row: m1, a1"),
        (
            "m1,a1\nm1,b1\n",
            ":3: model_id 'm1' pools utterances of different speakers: 'ann' and 'bob'",
        ),
        ("m1,\n", ":2: no value for utterance_id"),
        (",a1\n", ":2: no value for model_id"),
        ("", ":1: the list is empty; expected at least one row below the header"),
    ],
)
def test_a_wrong_pool_is_told_by_file_and_line(write, utterances, rows, message):
    path = write("enrollment.csv", f"model_id,utterance_id\n{rows}")
    with pytest.raises(ManifestError, match=re.escape(f"{path}{message}")):
        read_pools(path, "model_id", utterances)


def test_an_enrollment_list_is_no_test_list(write, utterances):
    path = write("tests.csv", "model_id,utterance_id\nm1,a1\n")
    with pytest.raises(ManifestError, match="missing column 'test_id'") as caught:
        read_pools(path, "test_id", utterances)
    assert "unknown column 'model_id'" in str(caught.value)


def test_all_problems_of_a_pool_list_are_told_together(write, utterances):
    rows = "m1,a1\nm1,a9\nm1,b1\nm1,a1\nm2,b9\n"
    path = write("enrollment.csv", f"model_id,utterance_id\n{rows}")
    with pytest.raises(ManifestError) as caught:
        read_pools(path, "model_id", utterances)
    message = str(caught.value)
    assert message.startswith("enrollment.csv cannot be used: 4 problems")
    assert re.findall(r"enrollment\.csv:(\d+)", message) == ["3", "4", "5", "6"]


def test_a_missing_pool_list(tmp_path, utterances):
    path = tmp_path / "enrollment.csv"
    with pytest.raises(ManifestError, match=re.escape(f"{path}: no such file")):
        read_pools(path, "model_id", utterances)


def test_the_channel_of_an_utterance(write):
    write("a.wav")
    path = write("u.csv", "utterance_id,speaker_id,path,channel\nu,ann,a.wav,1\nv,bob,a.wav,\n")
    utterances = read_utterances(path)
    assert [u.channel for u in utterances.values()] == [1, None]


@pytest.mark.parametrize("text", ["A", "-1", "1.0", "²"])
def test_a_channel_that_is_no_number(write, text):
    write("a.wav")
    path = write("u.csv", f"utterance_id,speaker_id,path,channel\nu,ann,a.wav,{text}\n")
    with pytest.raises(ManifestError, match=f"channel is '{text}'; expected a number from 0"):
        read_utterances(path)


@pytest.mark.parametrize("listed", ["zoë/é.wav", "audio/zoë/é.flac"])
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_accents_may_be_written_otherwise_on_disk(tmp_path, listed, form):
    recording = tmp_path / unicodedata.normalize(form, "zoë") / unicodedata.normalize(form, "é.wav")
    recording.parent.mkdir()
    recording.touch()
    found = locate_recording(tmp_path, unicodedata.normalize("NFC", listed))
    assert found == recording
    assert locate_recording(tmp_path, unicodedata.normalize("NFD", listed)) == recording

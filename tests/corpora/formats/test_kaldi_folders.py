"""Kaldi data folders, read and written."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakergmm.corpora import Utterance, read_split, read_utterances
from speakergmm.corpora.formats import Options, convert
from speakergmm.corpora.formats.kaldi import further_trials, read_kaldi_folder
from speakergmm.corpora.formats.kaldi_commands import decoded_file
from speakergmm.corpora.formats.kaldi_writing import write_kaldi_folder
from speakergmm.corpora.formats.names import Remarks, recording_ids
from speakergmm.errors import AudioError, ManifestError


def unknown(path):
    """Know the length of no recording."""
    return


@pytest.fixture
def folder(write):
    """Write the files of a data folder, and give it."""

    def write_folder(name="data", **files):
        for file, text in files.items():
            write(f"{name}/{file.replace('_scp', '.scp')}", text)
        return write(f"{name}/.touched").parent

    return write_folder


PLAIN = {
    "wav_scp": "ann-1 /audio/ann-1.wav\nann-2 /audio/ann 2.wav\nbob-1 /audio/bob-1.wav\n",
    "utt2spk": "ann-1 ann\nann-2 ann\nbob-1 bob\n",
}
CUT = {
    "wav_scp": "call /audio/call.sph\n",
    "utt2spk": "ann-1 ann\nann-2 ann\nbob-1 bob\n",
    "segments": "ann-1 call 0.5 1.25\nann-2 call 0 -1\nbob-1 call 2 -1\n",
    "spk2gender": "ann f\nbob m\n",
}


# --- reading ---


def test_without_segments_an_utterance_is_a_recording(folder):
    utterances, notes = read_kaldi_folder(folder(**PLAIN))
    assert utterances == {
        "ann-1": Utterance("ann-1", "ann", Path("/audio/ann-1.wav")),
        "ann-2": Utterance("ann-2", "ann", Path("/audio/ann 2.wav")),
        "bob-1": Utterance("bob-1", "bob", Path("/audio/bob-1.wav")),
    }
    assert notes == ()


def test_segments_and_genders_and_an_end_of_minus_one(folder):
    utterances, notes = read_kaldi_folder(folder(**CUT))
    call = Path("/audio/call.sph")
    assert utterances == {
        "ann-1": Utterance("ann-1", "ann", call, 0.5, 1.25, sex="f"),
        "ann-2": Utterance("ann-2", "ann", call, sex="f"),
        "bob-1": Utterance("bob-1", "bob", call, 2.0, sex="m"),
    }
    assert notes == ("ids of recordings are not kept: recordings are known by their paths",)


def test_a_fifth_cell_of_a_segment_is_its_channel_and_tabs_part_as_blanks_do(folder):
    place = folder(
        **(CUT | {"segments": "ann-1\tcall\t0.5  1.25 1\nann-2 call 0 1\nbob-1 call 0 1\n"})
    )
    utterances, _ = read_kaldi_folder(place)
    assert utterances["ann-1"].end_s == 1.25
    assert [u.channel for u in utterances.values()] == [1, None, None]


def test_relative_paths_begin_in_the_working_folder_unless_it_is_said(folder, tmp_path):
    place = folder(**(PLAIN | {"wav_scp": "ann-1 a.wav\nann-2 b.wav\nbob-1 /c.wav\n"}))
    utterances, notes = read_kaldi_folder(place)
    assert utterances["ann-1"].path == Path.cwd() / "a.wav"
    assert notes == (
        (
            "relative paths, such as a.wav, were taken to begin in the working folder, as Kaldi "
            "does; --audio says another"
        ),
    )
    utterances, notes = read_kaldi_folder(place, tmp_path)
    assert utterances["ann-1"].path == tmp_path / "a.wav"
    assert utterances["bob-1"].path == Path("/c.wav")
    assert notes == ()


def test_files_that_are_not_read_are_named(folder, write):
    place = folder(**PLAIN)
    for name in ("text", "feats.scp", "utt2lang", "spk2utt", "utt2dur", "cmvn.scp", "trials"):
        write(f"data/{name}")
    assert read_kaldi_folder(place).notes == ("not read: cmvn.scp, feats.scp, text, utt2lang",)


def test_what_is_no_list_by_itself_is_refused_by_its_name(folder, write, tmp_path):
    place = folder(**PLAIN, feats_scp="ann-1 /f.ark:5\n")
    for name, message in (
        ("utt2spk", "utt2spk: is part of a Kaldi data folder; expected the folder: give .*data$"),
        ("wav.scp", "wav.scp: is part of a Kaldi data folder"),
        ("feats.scp", "feats.scp: is of Kaldi's features; expected lists, trials or scores"),
    ):
        with pytest.raises(ManifestError, match=message):
            convert(place / name, tmp_path / "lists")
    with pytest.raises(ManifestError, match="data: is a folder; expected a list of trials"):
        convert(place, tmp_path / "lists", options=Options(trials=place))


def test_a_split_of_which_there_is_nothing_is_refused(folder, tmp_path):
    convert(folder(**PLAIN, trials="ann-1 ann-2 target\n"), tmp_path / "lists")
    options = Options(split="evalution")
    with pytest.raises(ManifestError, match="no utterance is of the split 'evalution'"):
        convert(tmp_path / "lists", tmp_path / "new", options=options)
    assert not (tmp_path / "new").exists()


def test_a_command_that_decodes_a_file_stands_for_the_file(folder):
    # As in egs/sre16, egs/librispeech and others.
    place = folder(
        wav_scp=(
            "a /k/tools/sph2pipe -f wav -p -c 2 /d/a.sph |\nb sph2pipe -f wav /d/b.sph|\n"
            "c flac -c -d -s 'd/c 1.flac' |\nd cat /d/d.wav |\ne /d/e.wav\n"
        ),
        utt2spk="a s\nb s\nc s\nd s\ne s\n",
    )
    utterances, notes = read_kaldi_folder(place, Path("/audio"))
    assert {n: (str(u.path), u.channel) for n, u in utterances.items()} == {
        "a": ("/d/a.sph", 1), "b": ("/d/b.sph", None), "c": ("/audio/d/c 1.flac", None),
        "d": ("/d/d.wav", None), "e": ("/d/e.wav", None),
    }  # fmt: skip
    (note,) = notes
    assert note.startswith(
        "4 commands of wav.scp, such as '/k/tools/sph2pipe -f wav -p -c 2 /d/a.sp"
    )
    assert note.endswith("|', only decode a file: it is read in their place")


def test_the_channels_that_commands_choose_are_those_of_the_segments(folder):
    call = "sph2pipe -f wav -p -c {} /d/call.sph |\n"
    place = folder(
        wav_scp=f"x-A {call.format(1)}x-B {call.format(2)}", utt2spk="a s\nb t\n",
        segments="a x-A 0 1\nb x-B 1 2 0\n",
    )  # fmt: skip
    utterances, notes = read_kaldi_folder(place)
    assert {name: u.channel for name, u in utterances.items()} == {"a": 0, "b": 1}
    assert not any("the same file as another" in note for note in notes)


@pytest.mark.parametrize(
    "command",
    ["sph2pipe -f raw -p a |", "sph2pipe -f wav -p -c 3 a |", "sph2pipe -f wav -p a b |", "cat |",
     "sph2pipe -f wav -p -t 0:1 a |", "flac -c a |", "flac -d a |", "flac -cdf a |", "cat - |",
     "flac -c -d --skip=1 a |", "cat a | sox - |", "cat $X |", "cat 'a |", "sox a |", "|", "cat *|",
     "cat a > b |", "sph2pipe -c |", "sph2pipe -f |"],
)  # fmt: skip
def test_commands_that_do_more_are_not_understood(command):
    assert decoded_file(command) is None


def test_recordings_of_one_file_are_named(folder):
    place = folder(wav_scp="a call.sph\nb call.sph\nc other.sph\n", utt2spk="a s\nb t\nc u\n")
    text = (
        "recordings that are the same file as another: 1, such as 'a' and 'b'; where they are its "
        "channels, say which in a fifth column of segments"
    )
    assert text in read_kaldi_folder(place).notes


def test_paths_begin_in_a_folder_of_the_working_folder(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "audio").mkdir()
    place = folder(
        wav_scp=f"a {tmp_path}/audio/s/a.wav\nb s/b.wav\n", utt2spk="a s\nb s\n",
        trials="a b target\n",
    )  # fmt: skip
    options = Options(audio=Path("audio"))
    convert(place, tmp_path / "t.txt", target_format="voxceleb", options=options)
    assert (tmp_path / "t.txt").read_text() == "1 s/a.wav s/b.wav\n"


def test_recordings_without_segments_are_counted(folder):
    place = folder(**{**CUT, "wav_scp": "call /audio/call.sph\nother /audio/other.sph\n"})
    left = "recordings of which there is no segment were left out: 1"
    assert left in read_kaldi_folder(place).notes


def test_trials_of_another_name_are_named(folder, tmp_path):
    # As in egs/sre16 and egs/sitw.
    place = folder(**PLAIN, trials="ann-1 ann-2 target\n", trials_tgl="ann-1 ann-2 target\n")
    text = "lists of trials that were not read: {}; --trials takes one"
    assert text.format("trials_tgl") in convert(place, tmp_path / "lists").notes
    (place / "trials").rename(place / "trials_yue")
    done = convert(place, tmp_path / "lists", options=Options(trials=place / "trials_yue"))
    assert text.format("trials_tgl") in done.notes
    assert text.format("trials_tgl, trials_yue") in convert(place, tmp_path / "alone").notes
    (place / "trials").mkdir()
    (place / "trials_tgl").rename(place / "trials" / "core-core.lst")
    assert further_trials(place, place / "trials_yue") == (text.format("trials/core-core.lst"),)
    assert further_trials(folder("none", **PLAIN), place / "trials") == ()


@pytest.mark.parametrize("missing", ["wav.scp", "utt2spk"])
def test_what_must_be_there(folder, missing):
    place = folder(**PLAIN)
    (place / missing).unlink()
    with pytest.raises(ManifestError, match=f"data: no {missing}; expected a Kaldi data folder"):
        read_kaldi_folder(place)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"wav_scp": "a1 sox a.mp3 -t wav - |\nb1 /b.wav\n"},
         ("1 recording is the output of a command, such as 'a1': 'sox a.mp3 -t wav - |'; expected "
         "files, or commands that only decode one .*, as none is run here; write what it gives to "
         "a file, and name that: sox a.mp3 -t wav - > a1.wav")),
        ({"wav_scp": "a1 sph2pipe -f wav -t 1:2 a.sph |\nb1 sph2pipe -f wav -p b.sph | x |\n"},
         "2 recordings are the output of a command, such as 'a1'"),
        ({"wav_scp": "a1 /a.ark:15\nb1 /b.wav\n"}, "'/a.ark:15' is no recording of its own"),
        ({"wav_scp": "a1 /a.wav\nb1 http://x/y.wav\n"},
         ("wav.scp: 'http://x/y.wav' is an address, and recordings are read from files alone; "
          "fetch them, and name the files")),
        ({"wav_scp": "a1\nb1 /b.wav\n"}, "wav.scp:1: 'a1' alone; expected a name, a blank, and"),
        ({"wav_scp": "a1 /b\na1 /b.wav\n"}, "wav.scp:2: 'a1' stands there twice"),
        ({"wav_scp": "\n"}, "wav.scp:1: the file is empty; expected a name, a blank"),
        ({"utt2spk": "a1 ann\n"}, "no speaker in utt2spk for 'b1'"),
        ({"utt2spk": "a1 ann\nb1 bob\nc1 bob\n"}, "no audio in wav.scp for 'c1'"),
        ({"segments": "a1 a1 0 1\nb1 c1 0 1\n"}, "segments:2: recording 'c1' is not in wav.scp"),
        ({"segments": "a1 a1 0 1\na1 a1 0 1\n"}, "segments:2: 'a1' stands there twice"),
        ({"segments": "a1 a1 0\n"}, "segments:1: 3 cells; expected an utterance, a recording"),
        ({"segments": "a1 a1 0 1 b\n"}, "segments:1: channel is 'b'; expected a number from 0"),
        ({"segments": "a1 a1 0 1 -1\n"}, "segments:1: channel is '-1'; expected a number from"),
        ({"segments": "a1 a1 2 1\n"}, "'2' to '1'; expected seconds, the end after the start"),
        ({"segments": "a1 a1 x 1\n"}, "'x' to '1'; expected seconds"),
        ({"segments": "a1 a1 0 inf\n"}, "'0' to 'inf'; expected seconds"),
        ({"segments": "a1 a1 0 1\n"}, "no audio in segments for 'b1'"),
        ({"segments": ""}, "segments:1: the file is empty; expected an utterance"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_line(folder, files, message):
    good = {"wav_scp": "a1 /a.wav\nb1 /b.wav\n", "utt2spk": "a1 ann\nb1 bob\n"}
    with pytest.raises(ManifestError, match=message):
        read_kaldi_folder(folder(**(good | files)))


# --- writing ---


def test_writing_is_sorted_by_bytes_and_whole_recordings_need_no_segments(tmp_path):
    names = ["b-1", "a-1", "a-Z", "a-é", "ä-1"]
    utterances = {n: Utterance(n, n[0], Path(f"/{n}.wav"), sex="f") for n in names}
    assert write_kaldi_folder(tmp_path, utterances, unknown) == Remarks()
    assert (tmp_path / "wav.scp").read_text("utf-8") == (
        "a-1 /a-1.wav\na-Z /a-Z.wav\na-é /a-é.wav\nb-1 /b-1.wav\nä-1 /ä-1.wav\n"
    )
    assert (tmp_path / "spk2utt").read_text("utf-8") == "a a-1 a-Z a-é\nb b-1\nä ä-1\n"
    assert (tmp_path / "spk2gender").read_text("utf-8") == "a f\nb f\nä f\n"
    assert not (tmp_path / "segments").exists()


def test_what_kaldi_cannot_say_is_said(tmp_path):
    utterances = {
        "1-ann": Utterance("1-ann", "ann", Path("/1.wav"), session_id="s1", split="x"),
        "2-bob": Utterance("2-bob", "bob", Path("/2.wav"), condition="car", sex="m"),
        "3-ann": Utterance("3-ann", "ann", Path("/3.wav"), speech_s=((0.1, 0.2),)),
    }
    written = write_kaldi_folder(tmp_path, utterances, unknown)
    assert written.lost == (
        "sessions of 1 utterance: a Kaldi data folder has no place for them",
        "splits of 1 utterance: a Kaldi data folder has no place for them",
        "marks of speech of 1 utterance: a Kaldi data folder has no place for them",
        "conditions of 1 utterance: a Kaldi data folder has no place for them",
        "sexes: Kaldi wants m or f of every speaker, and not all have one",
    )
    assert written.notes == (
        (
            "sorted by utterance, the list is not sorted by speaker, as Kaldi wants it; make the "
            "speaker's id the beginning of the utterance's, or use validate_data_dir.sh "
            "--no-spk-sort"
        ),
    )


def test_one_utterance_tells_the_sex_of_its_speaker(tmp_path):
    ann, bob = "ann", "bob"
    utterances = {
        "a1": Utterance("a1", ann, Path("/1.wav")),
        "a2": Utterance("a2", ann, Path("/2.wav"), sex="f"),
        "b1": Utterance("b1", bob, Path("/3.wav"), sex="m"),
    }
    assert write_kaldi_folder(tmp_path, utterances, unknown).lost == ()
    assert (tmp_path / "spk2gender").read_text("utf-8") == "ann f\nbob m\n"
    # Two answers are none.
    utterances["a1"] = Utterance("a1", ann, Path("/1.wav"), sex="m")
    (lost,) = write_kaldi_folder(tmp_path, utterances, unknown).lost
    assert lost.startswith("sexes: ")
    assert not (tmp_path / "spk2gender").exists()


def test_an_open_end_is_the_recordings_where_it_is_known(tmp_path):
    utterances = {
        "a-1": Utterance("a-1", "a", Path("/x/r.wav"), 0.00001, None),
        "a-2": Utterance("a-2", "a", Path("/y/r.wav"), None, 2.5),
        "a-3": Utterance("a-3", "a", Path("/y/r.wav")),
    }
    assert write_kaldi_folder(tmp_path, utterances, lambda path: 3.25) == Remarks()
    assert (tmp_path / "segments").read_text() == (
        "a-1 x-r 0.00001 3.25\na-2 y-r 0 2.5\na-3 y-r 0 3.25\n"
    )
    assert (tmp_path / "wav.scp").read_text() == "x-r /x/r.wav\ny-r /y/r.wav\n"
    assert write_kaldi_folder(tmp_path, utterances, unknown).notes == (
        (
            "2 segments end with their recordings, which were not found: -1 stands for that, which "
            "Kaldi's extract-segments knows and validate_data_dir.sh does not"
        ),
    )


@pytest.mark.parametrize(("ends", "end"), [(unknown, "-1"), (lambda _: 3.25, "3.25")])
def test_a_channel_is_the_fifth_column_of_segments(tmp_path, ends, end):
    call = Path("/call.sph")
    utterances = {
        "a-1": Utterance("a-1", "a", call, channel=0),
        "b-1": Utterance("b-1", "b", call, channel=1),
        "c-1": Utterance("c-1", "c", Path("/c.wav")),
    }
    written = write_kaldi_folder(tmp_path, utterances, ends)
    assert (tmp_path / "segments").read_text() == (
        f"a-1 call 0 {end} 0\nb-1 call 0 {end} 1\nc-1 c 0 {end}\n"
    )
    assert written.lost == ()
    assert written.notes[-1] == (
        "2 segments got a fifth column, the channel, which Kaldi's extract-segments knows and "
        "validate_data_dir.sh does not"
    )


@pytest.mark.parametrize(
    ("name", "speaker", "message"),
    [
        ("a 1", "ann", "utterance 'a 1'"),
        ("a1", "ann b", "speaker 'ann b'"),
        ("a1", "", "speaker ''"),
    ],
)
def test_names_with_blanks_are_refused(tmp_path, name, speaker, message):
    utterances = {name: Utterance(name, speaker, Path("/a.wav"))}
    expected = "a Kaldi data folder parts names at blanks, so none may have any or be empty; rename"
    with pytest.raises(ManifestError, match=f"{expected}: {re.escape(message)}"):
        write_kaldi_folder(tmp_path, utterances, unknown)
    assert list(tmp_path.iterdir()) == []


def test_recordings_are_told_apart_by_as_many_folders_as_it_takes():
    paths = [Path("/c/id1/x/1.wav"), Path("/c/id1/y/1.wav"), Path("/c/id2/x/1.wav")]
    assert list(recording_ids(paths).values()) == ["id1-x-1", "id1-y-1", "id2-x-1"]
    alike = [Path("/a b.wav"), Path("/a_b.wav"), Path("/a b.flac")]
    assert len(set(recording_ids(alike).values())) == 3
    assert recording_ids([]) == {}


NAMES = st.text(string.ascii_letters + string.digits + "-_.é", min_size=1, max_size=6)
TIMES = st.integers(1, 10**7).map(lambda n: n / 1000)


@st.composite
def kaldi_utterances(draw):
    """Utterances of which Kaldi can say everything."""
    sexes = st.sampled_from("mf") if draw(st.booleans()) else st.just("")
    speakers = draw(st.dictionaries(NAMES, sexes, min_size=1, max_size=3))
    utterances = {}
    for name in draw(st.lists(NAMES, min_size=1, max_size=6, unique=True)):
        speaker = draw(st.sampled_from(sorted(speakers)))
        start = draw(st.none() | TIMES)
        length = draw(TIMES)
        end = draw(st.none() | st.just(round((start or 0.0) + length, 3)))
        # An end alone is from 0 to there.
        start = 0.0 if start is None and end is not None else start
        path = Path("/audio") / f"{draw(NAMES)}.wav"
        channel = draw(st.none() | st.integers(0, 9))
        utterances[name] = Utterance(
            name, speaker, path, start, end, sex=speakers[speaker], channel=channel
        )
    return utterances


@given(utterances=kaldi_utterances())
def test_what_is_written_reads_back(utterances, tmp_path_factory):
    folder = tmp_path_factory.mktemp("round")
    assert write_kaldi_folder(folder, utterances, unknown).lost == ()
    assert read_kaldi_folder(folder).utterances == utterances
    # What Kaldi's validate_data_dir.sh looks at.
    lines = {path.name: path.read_text("utf-8").splitlines() for path in folder.iterdir()}
    for rows in lines.values():
        keys = [row.split()[0].encode() for row in rows]
        assert keys == sorted(set(keys))
    pooled = {member: row.split()[0] for row in lines["spk2utt"] for member in row.split()[1:]}
    assert pooled == dict(map(str.split, lines["utt2spk"]))
    recordings = {row.split()[1] for row in lines.get("segments", ())}
    assert recordings in (set(), {row.split()[0] for row in lines["wav.scp"]})
    speakers = {row.split()[0] for row in lines.get("spk2gender", ())}
    assert speakers in (set(), set(pooled.values()))


def test_kaldi_to_ours_and_back_is_the_same(folder, tmp_path):
    files = PLAIN | {
        "spk2gender": "ann f\nbob m\n",
        "trials": "ann-1 ann-2 target\nann-1 bob-1 nontarget\n",
    }
    place = folder(**files)
    convert(place, tmp_path / "lists")
    convert(tmp_path / "lists", tmp_path / "back", target_format="kaldi")
    for name in ("wav.scp", "utt2spk", "spk2gender", "trials"):
        assert (tmp_path / "back" / name).read_text() == (place / name).read_text()


def test_segments_come_back_too_with_recordings_called_by_their_files(folder, tmp_path):
    place = folder(**(CUT | {"segments": "ann-1 call 0.5 1.25\nann-2 call 0 3\nbob-1 call 2 4\n"}))
    convert(place, tmp_path / "lists")
    convert(tmp_path / "lists", tmp_path / "back", target_format="kaldi")
    for name in ("wav.scp", "utt2spk", "segments", "spk2gender"):
        assert (tmp_path / "back" / name).read_text() == (place / name).read_text()


# --- trials ---


@pytest.mark.parametrize("order", ["model first", "test first"])
def test_models_are_the_speakers_of_the_enrollment_folder(folder, tmp_path, order):
    enroll = folder(
        "enroll",
        wav_scp="e1 /e1.wav\ne2 /e2.wav\ne3 /e3.wav\n",
        utt2spk="e1 m1\ne2 m1\ne3 m2\n",
    )
    # Of tests nobody says who speaks, as in Kaldi's recipes for NIST's evaluations.
    pairs = [("m1", "t1", "target"), ("m1", "t2", "nontarget"), ("m2", "t1", "nontarget")]
    line = "{0} {1} {2}" if order == "model first" else "{1} {0} {2}"
    lines = [line.format(*pair) for pair in pairs]
    place = folder(
        wav_scp="t1 /t1.wav\nt2 /t2.wav\n", utt2spk="t1 t1\nt2 t2\n", trials="\n".join(lines)
    )
    done = convert(place, tmp_path / "lists", options=Options(enroll=enroll, split="test"))
    utterances = read_utterances(tmp_path / "lists/utterances.csv", must_exist=False)
    speakers = {name: utterance.speaker_id for name, utterance in utterances.items()}
    assert speakers == {"e1": "m1", "e2": "m1", "e3": "m2", "t1": "m1", "t2": "t2"}
    protocol = read_split(tmp_path / "lists", "test", utterances)
    assert protocol.enrollment == {"m1": ("e1", "e2"), "m2": ("e3",)}
    assert [(*protocol.trials.pair(i), label) for i, (_, _, label) in enumerate(pairs)] == pairs
    assert protocol.trials.is_target.tolist() == [True, False, False]
    which = "first" if order == "model first" else "second"
    assert done.notes == (
        f"the {which} of the two names is the model, as known ids say",
        "who speaks was not listed for some utterances, and was told by the target trials",
        (
            "utterances in no target trial, of which nobody says who speaks, got speakers of their "
            "own, named after them: 1"
        ),
    )


def test_models_of_several_utterances_come_back_through_an_enrollment_folder(folder, tmp_path):
    enroll = folder("enroll", wav_scp="e1 /e1.wav\ne2 /e2.wav\n", utt2spk="e1 m1\ne2 m1\n")
    place = folder(**PLAIN, trials="m1 ann-1 nontarget\nm1 bob-1 nontarget\n")
    convert(place, tmp_path / "lists", options=Options(enroll=enroll))
    done = convert(tmp_path / "lists", tmp_path / "back", target_format="kaldi")
    assert "models are the speakers of the data folder enroll/" in done.notes
    assert (tmp_path / "back/trials").read_text() == (place / "trials").read_text()
    assert (tmp_path / "back/enroll/utt2spk").read_text() == "e1 m1\ne2 m1\n"
    # The enrollment folder is found beside the trials.
    convert(tmp_path / "back", tmp_path / "again")
    for name in ("utterances.csv", "evaluation/enrollment.csv", "evaluation/trials.csv"):
        first, second = ((tmp_path / place / name).read_text() for place in ("lists", "again"))
        assert sorted(first.splitlines()) == sorted(second.splitlines())


def test_several_models_of_one_person_are_one_speaker(folder, tmp_path):
    enroll = folder("enroll", wav_scp="e1 /e1.wav\ne2 /e2.wav\n", utt2spk="e1 m1\ne2 m2\n")
    place = folder(wav_scp="t1 /t1.wav\n", utt2spk="t1 t1\n", trials="m1 t1 target\nm2 t1 target\n")
    done = convert(place, tmp_path / "lists", options=Options(enroll=enroll))
    utterances = read_utterances(tmp_path / "lists/utterances.csv", must_exist=False)
    assert len({utterance.speaker_id for utterance in utterances.values()}) == 1
    note = "speakers that are others by the target trials, and were joined: 1, such as 'm2', who is"
    assert any(note in said for said in done.notes)


@pytest.mark.parametrize(
    ("trials", "message"),
    [
        ("ann-1 ann-2 nontarget\n", "ann-1 ann-2 is nontarget, but the model is speaker 'ann' and"),
        ("ann-1 bob-1 target\n", "contradicts who speaks, or itself: ann-1 bob-1 is target"),
        ("zoe bob-1 target\n", "names what is not in the utterances: utterance 'zoe'"),
        ("ann-1 ann-1 target\n", "enrollment and test must not share speech"),
    ],
)
def test_trials_that_contradict_the_folder_are_refused(folder, tmp_path, trials, message):
    place = folder(**PLAIN, trials=trials)
    with pytest.raises(ManifestError, match=message):
        convert(place, tmp_path / "lists")
    assert not (tmp_path / "lists").exists()


def test_one_split_is_one_folder(tmp_path, write):
    write("lists/utterances.csv",
          "utterance_id,speaker_id,path,split\na1,a,a1.wav,background\nb1,b,b1.wav,evaluation\n"
          "b2,b,b2.wav,evaluation\n")  # fmt: skip
    write("lists/evaluation/enrollment.csv", "model_id,utterance_id\nb1,b1\n")
    write("lists/evaluation/tests.csv", "test_id,utterance_id\nx,b2\n")
    write("lists/evaluation/trials.csv", "model_id,test_id,label\nb1,x,target\n")
    lists = tmp_path / "lists"
    options = Options(split="evaluation")
    done = convert(lists, tmp_path / "eval", target_format="kaldi", options=options)
    assert (tmp_path / "eval/utt2spk").read_text() == "b1 b\nb2 b\n"
    assert (tmp_path / "eval/trials").read_text() == "b1 b2 target\n"
    assert "ids of tests: they are called by their utterances" in done.lost
    options = Options(split="background")
    convert(lists, tmp_path / "train", target_format="kaldi", options=options)
    assert (tmp_path / "train/utt2spk").read_text() == "a1 a\n"
    assert not (tmp_path / "train/trials").exists()
    with pytest.raises(ManifestError, match="no utterance is of the split 'test'; leave --split"):
        convert(lists, tmp_path / "x", target_format="kaldi", options=Options(split="test"))


def test_an_older_folder_leaves_no_trials_in_a_newer_one(folder, tmp_path):
    enroll = folder("enroll", wav_scp="e1 /e1.wav\ne2 /e2.wav\n", utt2spk="e1 m1\ne2 m1\n")
    place = folder(**PLAIN, trials="m1 ann-1 nontarget\n")
    convert(place, tmp_path / "old", options=Options(enroll=enroll))
    convert(tmp_path / "old", tmp_path / "k", target_format="kaldi")
    assert (tmp_path / "k/enroll/wav.scp").exists()
    (place / "trials").write_text("ann-1 ann-2 target\n")
    convert(place, tmp_path / "new")
    convert(tmp_path / "new", tmp_path / "k", target_format="kaldi")
    assert not (tmp_path / "k/enroll/wav.scp").exists()
    convert(tmp_path / "k", tmp_path / "again")
    assert (tmp_path / "again/evaluation/enrollment.csv").read_text().split() == [
        "model_id,utterance_id", "ann-1,ann-1",
    ]  # fmt: skip
    (place / "trials").unlink()
    convert(place, tmp_path / "none")
    convert(tmp_path / "none", tmp_path / "k", target_format="kaldi")
    assert not (tmp_path / "k/trials").exists()


def test_speakers_with_blanks_are_refused_before_anything_is_taken_away(folder, tmp_path, write):
    place = folder("k", **PLAIN, trials="ann-1 ann-2 target\n")
    write("lists/utterances.csv", "utterance_id,speaker_id,path\na1,a b,1\na2,a b,2\n")
    with pytest.raises(ManifestError, match=r"parts names at blanks.*speaker 'a b'"):
        convert(tmp_path / "lists", place, target_format="kaldi")
    assert (place / "trials").exists()
    assert (place / "wav.scp").exists()


def test_trials_of_several_splits_are_not_mixed(tmp_path, write):
    write("lists/utterances.csv", "utterance_id,speaker_id,path\na1,a,1\na2,a,2\n")
    for split in ("x", "y"):
        write(f"lists/{split}/enrollment.csv", "model_id,utterance_id\na1,a1\n")
        write(f"lists/{split}/tests.csv", "test_id,utterance_id\na2,a2\n")
        write(f"lists/{split}/trials.csv", "model_id,test_id,label\n*,*,\n")
    done = convert(tmp_path / "lists", tmp_path / "k", target_format="kaldi")
    assert done.lost == ("trials of x, y: a Kaldi folder has one list; --split names it",)
    assert not (tmp_path / "k/trials").exists()


@pytest.mark.parametrize(("is_there", "end"), [(True, "2.5"), (False, "-1")])
def test_open_ends_are_read_from_headers_where_these_are(tmp_path, write, is_there, end):
    def lengths(path):
        if not is_there:
            raise AudioError(f"{path}: no such file")
        return 8000, 20000, 1

    write("lists/utterances.csv", "utterance_id,speaker_id,path,start_s\na1,a,1,0.5\na2,a,2,\n")
    options = Options(lengths=lengths)
    convert(tmp_path / "lists", tmp_path / "k", target_format="kaldi", options=options)
    assert (tmp_path / "k/segments").read_text() == f"a1 1 0.5 {end}\na2 2 0 {end}\n"


def test_an_utterance_of_two_models_and_a_test_of_two_utterances_cannot_be_said(tmp_path, write):
    write("lists/utterances.csv", "utterance_id,speaker_id,path\na1,a,1\na2,a,2\na3,a,3\n")
    write("lists/e/enrollment.csv", "model_id,utterance_id\nm,a1\nm,a2\nn,a1\n")
    write("lists/e/tests.csv", "test_id,utterance_id\nx,a3\n")
    write("lists/e/trials.csv", "model_id,test_id,label\n*,*,\n")
    with pytest.raises(ManifestError, match="'a1' is part of the models 'm' and 'n'; in Kaldi"):
        convert(tmp_path / "lists", tmp_path / "k", target_format="kaldi")
    write("lists/e/enrollment.csv", "model_id,utterance_id\nm,a1\n")
    write("lists/e/tests.csv", "test_id,utterance_id\nx,a3\nx,a2\n")
    with pytest.raises(ManifestError, match="one utterance for each test; the trials alone can"):
        convert(tmp_path / "lists", tmp_path / "k", target_format="kaldi")
    assert not (tmp_path / "k").exists()

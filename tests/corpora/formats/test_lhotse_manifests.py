"""Lhotse manifests, read and written."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakergmm.corpora import Utterance, read_utterances
from speakergmm.corpora.formats import Options, convert
from speakergmm.corpora.formats.lhotse import read_lhotse
from speakergmm.corpora.formats.lhotse_writing import write_lhotse
from speakergmm.corpora.formats.names import IDS_NOT_KEPT
from speakergmm.errors import ConfigError, ManifestError

RATE, N_SAMPLES = 16000, 64000


def lengths(path):
    """Four seconds, on one channel."""
    return RATE, N_SAMPLES, 1


def recording(name, **other):
    entry = {
        "id": name,
        "sources": [{"type": "file", "channels": [0], "source": f"/audio/{name}.wav"}],
        "sampling_rate": RATE,
        "num_samples": N_SAMPLES,
        "duration": 4.0,
        "channel_ids": [0],
    }
    return entry | other


def supervision(name, where, **other):
    entry = {"id": name, "recording_id": where, "start": 0.0, "duration": 4.0, "channel": 0}
    return entry | {"speaker": "ann", "gender": "female"} | other


@pytest.fixture
def manifests(write):
    """Write a pair of manifests and give their folder."""

    def write_pair(recordings, supervisions, name="x_{}_dev.jsonl", folder="lhotse"):
        for kind, entries in (("recordings", recordings), ("supervisions", supervisions)):
            text = "".join(json.dumps(e) + "\n" if isinstance(e, dict) else e for e in entries)
            file = name.format(kind)
            data = gzip.compress(text.encode()) if file.endswith(".gz") else text
            path = write(f"{folder}/{file}", data)
        return path.parent

    return write_pair


# --- reading ---


@pytest.mark.parametrize("name", ["x_{}_dev.jsonl", "{}.jsonl.gz"])
def test_recordings_and_supervisions_plain_and_packed(manifests, name):
    cut = supervision("u2", "r1", start=0.5, duration=1.25, gender="M", speaker="bob")
    folder = manifests([recording("r1")], [supervision("u1", "r1"), cut], name)
    expected = {
        "u1": Utterance("u1", "ann", Path("/audio/r1.wav"), sex="f"),
        "u2": Utterance("u2", "bob", Path("/audio/r1.wav"), 0.5, 1.75, sex="m"),
    }
    for place in (folder, *folder.iterdir()):
        assert read_lhotse(place) == (expected, ())


def test_what_ours_have_comes_from_the_custom_field(manifests):
    custom = {"session_id": "s1", "split": "background", "condition": "car", "speech": [[0.5, 1]]}
    folder = manifests([recording("r")], [supervision("u", "r", custom=custom, gender=None)])
    assert read_lhotse(folder).utterances["u"] == Utterance(
        "u", "ann", Path("/audio/r.wav"), None, None, "s1", "", "background", ((0.5, 1.0),), "car"
    )


def test_what_ours_do_not_have_is_said(manifests):
    stereo = recording("r2", sources=[{"type": "file", "channels": [0, 1], "source": "s.wav"}])
    several = recording("r4", sources=[{"type": "file", "channels": [0, 1, 2], "source": "t.wav"}])
    folder = manifests(
        [recording("r1"), stereo, recording("r3"), several],
        [
            supervision("u1", "r1", text="hello", language="English", custom={"age": 30}),
            supervision("u2", "r1", text="there", alignment={"word": []}),
            supervision("u3", "r2", channel=1),
            supervision("u4", "r2", channel=[0, 1]),
            supervision("u5", "r4", channel=[0, 2]),
        ],
    )
    utterances, notes = read_lhotse(folder)
    assert utterances["u3"].path == Path.cwd() / "s.wav"
    assert [u.channel for u in utterances.values()] == [None, None, 1, None, None]
    assert notes == (
        "not kept: alignment of 1 supervision",
        "not kept: custom.age of 1 supervision",
        "not kept: language of 1 supervision",
        "not kept: text of 2 supervisions",
        (
            "not kept: which of the channels (ours is one, or all: these are mixed, unless "
            "[front_end] channel says otherwise) of 1 supervision"
        ),
        IDS_NOT_KEPT,
        "recordings without supervisions were left out: 1",
    )


def test_relative_paths_begin_in_the_folder_that_is_said(manifests, tmp_path):
    mono = recording("r", sources=[{"type": "file", "channels": [0], "source": "x/s.wav"}])
    folder = manifests([mono], [supervision("u", "r")])
    assert read_lhotse(folder, tmp_path).utterances["u"].path == tmp_path / "x/s.wav"


FILE = {"type": "file", "channels": [0], "source": "a.wav"}


@pytest.mark.parametrize(
    ("recordings", "supervisions", "message"),
    [
        ([recording("r"), "{"], [], "recordings_dev.jsonl:2: not a JSON object; expected one in"),
        (["[1]\n"], [], "not a JSON object"),
        ([{"id": "r"}], [], "'r': expected a list of files for 'sources', got None"),
        ([recording("r", sources=[5])], [], "'r': expected type, channels and source in .*got 5"),
        ([recording("r", sources=[FILE | {"channels": 3}])], [],
         "recordings_dev.jsonl:1: recording 'r': expected a list of numbers from 0 for 'chan.* 3"),
        ([recording("r", sources=[FILE | {"channels": [0, 0]}])], [], r"'channels', got \[0, 0\]"),
        ([recording("r"), recording("r")], [], "dev.jsonl:2: recording 'r' stands there twice"),
        ([recording("r", duration=None)], [], "recording 'r': 'duration' is None; expected sec"),
        ([recording("r", duration=float("nan"))], [], "'duration' is nan; expected seconds, more"),
        ([recording("r", duration=10**400)], [], "'duration' is 1000.*; expected seconds, more"),
        ([recording("r", sources=[FILE, FILE])], [], "recording 'r' is 2 files; expected one"),
        ([recording("r", sources=[FILE | {"type": "command"}])], [],
         "'r' is of the type 'command'; expected 'file': save the audio to files first"),
        ([recording("r", transforms=[{"name": "Speed"}])], [],
         "'r' is changed when it is read \\('transforms'\\), which is not done here; save"),
        ([recording("r")], [supervision("u", "q")],
         "supervisions_dev.jsonl:1: u: recording 'q' is not listed"),
        ([recording("r")], [supervision("u", "r"), supervision("u", "r")],
         "supervisions_dev.jsonl:2: id 'u' stands there twice"),
        ([recording("r")], [supervision("", "r")], "'id' is ''; expected a name"),
        ([recording("r")], [supervision(None, "r")], "'id' is None; expected a name"),
        ([recording("r")], [supervision(["u"], "r")], r"'id' is \['u'\]; expected a text"),
        ([recording("r")], [supervision("u", "r", speaker=None)],
         "u: 'speaker' is None; expected a name"),
        ([recording("r")], [supervision("u", "r", start="x")],
         "dev.jsonl:1: u: 'start' is 'x'; expected seconds, 0 or more"),
        ([recording("r")], [{"id": "u", "recording_id": "r", "duration": 1, "speaker": "ann"}],
         "dev.jsonl:1: u: 'start' is None; expected seconds, 0 or more"),
        ([recording("r")], [supervision("u", "r", start=-0.5)], "'start' is -0.5; expected sec"),
        ([recording("r")], [supervision("u", "r", start=0.5, duration=-1)],
         "dev.jsonl:1: u: 'duration' is -1; expected seconds, more than 0"),
        ([recording("r")], [supervision("u", "r", start=True)], "'start' is True; expected sec"),
        ([recording("r")], [supervision("u", "r", duration=1e-9, start=1)], "expected a longer"),
        ([recording("r")], [supervision("u", "r", custom=[1])],
         "u: expected names and values for 'custom', got \\[1\\]"),
        ([recording("r")], [supervision("u", "r", custom={"split": {}})],
         "u: 'custom.split' is {}; expected a text"),
        ([recording("r")], [supervision("u", "r", custom={"speech": [1]})],
         "u: 'custom.speech' has 1; expected pairs of seconds"),
        ([recording("r")], [supervision("u", "r", custom={"speech": [[2, 1]]})],
         "u: 'custom.speech' is 1; expected seconds, more than 2"),
        ([recording("r")], [supervision("u", "r", channel=1)],
         "u: 'channel' is 1; expected of its recording's: 0"),
        ([recording("r")], [supervision("u", "r", channel="a")], "u: 'channel' is 'a'; expected"),
        (["[" * 100_000], [], "dev.jsonl:1: not a JSON object"),
        ([recording("r")], [], "the manifest is empty"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_line(manifests, recordings, supervisions, message):
    folder = manifests(recordings, supervisions)
    with pytest.raises(ManifestError, match=message):
        read_lhotse(folder)


def test_the_pair_must_be_there_and_be_one(manifests, write):
    folder = manifests([recording("r")], [supervision("u", "r")])
    manifests([recording("r")], [supervision("u", "r")], "y_{}.jsonl")
    with pytest.raises(
        ManifestError, match=r"found x_recordings_dev.jsonl, y_recordings.jsonl; give"
    ):
        read_lhotse(folder)
    (folder / "y_supervisions.jsonl").unlink()
    with pytest.raises(
        ManifestError, match=r"y_supervisions.jsonl: no such file; expected recordings"
    ):
        read_lhotse(folder / "y_recordings.jsonl")
    with pytest.raises(ManifestError, match="expected a name with 'recordings' or 'supervisions'"):
        read_lhotse(write("cuts.jsonl"))


@pytest.mark.parametrize(
    ("name", "message"),
    [("dev_cuts.jsonl.gz", "expected a name with .*; of cuts make both first .lhotse cut"),
     ("recordings.json.gz", r"expected JSON lines; .*copy recordings.json.gz recordings.jsonl.gz"),
     ("supervisions_dev.yaml", "expected JSON lines; write them first .lhotse copy superv")],
)  # fmt: skip
def test_other_manifests_of_lhotse_are_refused_with_the_way_round(write, tmp_path, name, message):
    place = write(f"lhotse/{name}", "[]")
    with pytest.raises(ManifestError, match=f"{name}: {message}"):
        convert(place, tmp_path / "lists")
    with pytest.raises(ManifestError, match=r"no pair of recordings.jsonl and superv"):
        convert(place.parent, tmp_path / "lists")


# --- writing ---


def test_fields_are_those_of_lhotse(tmp_path):
    utterances = {
        "u1": Utterance("u1", "ann", Path("/a/r.wav"), None, None, "s1", "f", "test", None, "car"),
        "u2": Utterance("u2", "bob", Path("/a/r.wav"), 1.5, None, speech_s=((1.5, 2.0),)),
        "u3": Utterance("u3", "bob", Path("/a/q.wav"), None, 3.0, sex="other"),
    }
    write_lhotse(tmp_path, utterances, lambda path: (RATE, N_SAMPLES, 2))
    first, _ = read_lines(tmp_path / "recordings.jsonl.gz")
    assert first == {
        "id": "r",
        "sources": [{"type": "file", "channels": [0, 1], "source": "/a/r.wav"}],
        "sampling_rate": RATE,
        "num_samples": N_SAMPLES,
        "duration": 4.0,
        "channel_ids": [0, 1],
    }
    assert read_lines(tmp_path / "supervisions.jsonl.gz") == [
        {"id": "u1", "recording_id": "r", "start": 0.0, "duration": 4.0, "channel": [0, 1],
         "speaker": "ann", "gender": "female",
         "custom": {"session_id": "s1", "split": "test", "condition": "car"}},
        {"id": "u2", "recording_id": "r", "start": 1.5, "duration": 2.5, "channel": [0, 1],
         "speaker": "bob", "custom": {"speech": [[1.5, 2.0]]}},
        {"id": "u3", "recording_id": "q", "start": 0.0, "duration": 3.0, "channel": [0, 1],
         "speaker": "bob", "gender": "other"},
    ]  # fmt: skip


def read_lines(path):
    return [json.loads(line) for line in gzip.open(path, "rt", encoding="utf-8")]


def test_a_channel_is_that_of_the_recordings_file(manifests):
    # Lhotse's channels have names of their own; ours is where it stands in the file.
    pair = {"type": "file", "channels": [4, 7], "source": "/s.wav"}
    supervisions = [supervision("u", "r", channel=7), supervision("v", "r", channel=[4])]
    folder = manifests([recording("r", sources=[pair])], supervisions)
    assert [u.channel for u in read_lhotse(folder).utterances.values()] == [1, 0]
    assert read_lhotse(folder).notes == (IDS_NOT_KEPT,)


def test_a_channel_that_is_not_there_is_refused_and_nothing_is_written(tmp_path):
    utterances = {"u": Utterance("u", "ann", Path("/a.wav"), channel=1)}
    expected = "utterance u is on channel 1; expected a channel of /a.wav, which has 1, counted"
    with pytest.raises(ManifestError, match=expected):
        write_lhotse(tmp_path, utterances, lengths)
    assert list(tmp_path.iterdir()) == []


def test_work_that_is_cut_short_leaves_no_pair(tmp_path, monkeypatch):
    utterances = {"u": Utterance("u", "ann", Path("/a.wav"))}
    write_lhotse(tmp_path, utterances, lengths)
    written = iter(["{}\n"])

    def stop(entry):
        for line in written:
            return line
        raise KeyboardInterrupt

    monkeypatch.setattr("speakergmm.corpora.formats.lhotse_writing._line", stop)
    with pytest.raises(KeyboardInterrupt):
        write_lhotse(tmp_path, utterances, lengths)
    assert [path.name for path in tmp_path.glob("[!.]*")] == ["recordings.jsonl.gz"]


def test_a_segment_beyond_the_end_is_refused_and_nothing_is_written(tmp_path):
    utterances = {"u": Utterance("u", "ann", Path("/a.wav"), 1.0, 4.5)}
    with pytest.raises(
        ManifestError, match=r"utterance u: 1 to 4.5 s is not within /a.wav \(4.000 s"
    ):
        write_lhotse(tmp_path, utterances, lengths)
    assert list(tmp_path.iterdir()) == []


NAMES = st.text(min_size=1, max_size=6).filter(lambda name: "\0" not in name)
TEXTS = st.text(max_size=4)
MILLISECONDS = st.integers(0, 3999)


@st.composite
def lhotse_utterances(draw):
    """Utterances of which Lhotse can say everything, in the fields that are for it."""
    utterances = {}
    for name in draw(st.lists(NAMES, min_size=1, max_size=4, unique=True)):
        begin = draw(MILLISECONDS)
        end = draw(st.integers(begin + 1, 4000))
        whole = draw(st.booleans()) or (begin, end) == (0, 4000) or (begin == 0 and end == 3999)
        span = (None, None) if whole else (begin / 1000, end / 1000)
        speech = draw(st.none() | st.just(((0.25, 0.5), (1.0, 2.125))))
        utterances[name] = Utterance(
            name, draw(NAMES), Path("/audio") / draw(st.sampled_from(["a.wav", "b.wav"])), *span,
            draw(TEXTS), draw(st.sampled_from(["", "m", "f"])), draw(TEXTS), speech, draw(TEXTS),
            draw(st.sampled_from([None, 0, 1])),
        )  # fmt: skip
    return utterances


@given(utterances=lhotse_utterances())
def test_what_is_written_reads_back(utterances, tmp_path_factory):
    folder = tmp_path_factory.mktemp("round")
    write_lhotse(folder, utterances, lambda _: (RATE, N_SAMPLES, 2))
    assert read_lhotse(folder) == (utterances, ())


def test_lhotse_to_ours_and_back_is_the_same(manifests, tmp_path):
    custom = {"session_id": "s1", "split": "background", "condition": "car", "speech": [[0.5, 1.0]]}
    folder = manifests(
        [recording("u1"), recording("u2")],
        [supervision("u1", "u1", custom=custom), supervision("u2", "u2", start=0.5, duration=1.2)],
        "{}.jsonl.gz",
    )
    convert(folder, tmp_path / "lists")
    options = Options(lengths=lengths)
    convert(tmp_path / "lists", tmp_path / "back", target_format="lhotse", options=options)
    for name in ("recordings.jsonl.gz", "supervisions.jsonl.gz"):
        assert read_lines(tmp_path / "back" / name) == read_lines(folder / name)


def test_trials_of_the_utterances_may_come_from_elsewhere(manifests, tmp_path, write):
    folder = manifests(
        [recording("a1"), recording("a2")], [supervision("a1", "a1"), supervision("a2", "a2")]
    )
    trials = write("trials.txt", "1 a1 a2\n")
    done = convert(folder, tmp_path / "lists", options=Options(trials=trials))
    assert done.counts["evaluation target trials"] == 1
    assert len(read_utterances(tmp_path / "lists/utterances.csv", must_exist=False)) == 2
    options = Options(lengths=lengths)
    done = convert(tmp_path / "lists", tmp_path / "back", target_format="lhotse", options=options)
    (lost,) = done.lost
    assert lost.startswith(
        "trials of evaluation, and what makes their models and tests: Lhotse has"
    )


def test_lengths_are_needed(manifests, tmp_path):
    folder = manifests([recording("r")], [supervision("u", "r")])
    with pytest.raises(
        ConfigError, match="Lhotse wants the length of each recording; give lengths"
    ):
        convert(folder, tmp_path / "out", target_format="lhotse")

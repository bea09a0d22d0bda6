"""Every recording of a corpus decoded to its end: what is found, and that nothing else is."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import speakergmm.audio.corpus_check as corpus_check_module
import speakergmm.audio.recordings as recordings_module
from speakergmm.audio.corpus_check import ERRORS, WARNINGS, check_recordings
from speakergmm.audio.corpus_report import COLUMNS, rows, to_json, write_report
from speakergmm.audio.listening import listen
from speakergmm.audio.measures import share_clipped, survey_channel
from speakergmm.audio.passing_levels import PassingLevels
from speakergmm.audio.recordings import read_blocks
from speakergmm.audio.synthetic import draw_voice, speak
from speakergmm.corpora import Utterance, read_utterances
from speakergmm.corpora.folders import recordings_below
from speakergmm.errors import AudioError, OutputError

RATE = 16_000


def voice(seconds=0.5, seed=1):
    rng = np.random.default_rng(seed)
    # Exact in sixteen bits, so that every coder without loss keeps the same samples.
    return np.round(13_000 * speak(draw_voice(rng), seconds, rng)).astype(np.float32) / 32768


def write(path, samples, rate=RATE, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate, **options)
    return path


def utterances_of(*entries):
    """Utterances from (speaker, path) or (speaker, path, start_s, end_s)."""
    return {
        f"u{number}": Utterance(f"u{number}", speaker, path, *segment)
        for number, (speaker, path, *segment) in enumerate(entries)
    }


def kinds(checked):
    return [finding.kind for finding in checked.findings]


# --- levels of what passes in blocks ---


@given(
    # Few values, so that there are runs and new extremes.
    st.lists(st.sampled_from([-0.5, -0.25, 0.0, 0.25, 0.5]), min_size=2, max_size=60),
    st.lists(st.integers(1, 60), max_size=6),
)
def test_levels_do_not_depend_on_the_blocks(values, cuts):
    samples = np.array(values, np.float32)
    passing = PassingLevels(1)
    for block in np.split(samples, sorted({cut for cut in cuts if cut < len(samples)})):
        passing.look(block[:, None])
    levels = passing.levels()
    survey = survey_channel(samples)
    assert levels.peak == np.abs(samples).max()
    assert levels.swing == (survey.high - survey.low) / 2
    assert levels.dc_offset == pytest.approx(survey.mean, abs=1e-12)
    assert levels.rms == pytest.approx(survey.rms, abs=1e-7)
    if survey.low < survey.high:
        assert levels.clipped_share == share_clipped(samples, survey)
    else:
        assert levels.clipped_share == 0.0


@given(arrays(np.float32, (50, 3), elements=st.floats(-1, 1, width=32)))
def test_of_several_channels_the_one_with_most_counts(samples):
    passing = PassingLevels(3)
    passing.look(samples)
    levels = passing.levels()
    each = []
    for channel in samples.T:
        alone = PassingLevels(1)
        alone.look(channel[:, None])
        each.append(alone.levels())
    assert levels.peak == max(one.peak for one in each)
    assert levels.rms == max(one.rms for one in each)
    assert levels.clipped_share == max(one.clipped_share for one in each)
    assert abs(levels.dc_offset) == max(abs(one.dc_offset) for one in each)


# --- what is found ---


@pytest.mark.parametrize(
    ("name", "coding", "rate", "channels"),
    [
        ("a.wav", "WAV PCM_16", 16_000, 1),
        ("a.flac", "FLAC PCM_16", 44_100, 2),
        ("a.ogg", "OGG VORBIS", 8_000, 1),
    ],
)
def test_a_good_recording_has_its_facts_and_no_findings(tmp_path, name, coding, rate, channels):
    samples = np.stack([voice()] * channels, axis=1)
    path = write(tmp_path / name, samples, rate)
    (checked,) = check_recordings([path]).recordings
    assert checked.is_usable
    assert checked.findings == ()
    assert (checked.coding, checked.sample_rate, checked.n_channels) == (coding, rate, channels)
    assert checked.duration_s == len(samples) / rate
    with listen(path) as heard:
        for _ in heard.blocks:
            pass
        assert checked.digest == heard.audio_digest
    assert checked.peak_dbfs == pytest.approx(20 * math.log10(np.abs(samples).max()), abs=0.5)


def test_a_recording_that_is_not_there_or_cannot_be_decoded_is_a_finding(tmp_path):
    whole = write(tmp_path / "whole.wav", voice())
    (tmp_path / "text.wav").write_bytes(b"this is not audio" * 99)
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "cut.wav").write_bytes(whole.read_bytes()[:5000])
    flac = write(tmp_path / "noisy.flac", np.random.default_rng(0).uniform(-1, 1, 80_000))
    damaged = bytearray(flac.read_bytes())
    damaged[len(damaged) // 2 :] = bytes(len(damaged) - len(damaged) // 2)
    (tmp_path / "damaged.flac").write_bytes(damaged)
    names = ["whole.wav", "gone.wav", "text.wav", "empty.wav", "cut.wav", "damaged.flac"]
    check = check_recordings([tmp_path / name for name in names])
    assert [kinds(one) for one in check.recordings] == [
        [], ["missing"], *[["undecodable"]] * 4,
    ]  # fmt: skip
    assert check.n_usable == 1
    assert [one.digest != "" for one in check.recordings] == [True] + [False] * 5
    said = [one.findings[0].text for one in check.recordings[1:]]
    for text, name, expected in zip(
        said,
        names[1:],
        [
            "no such file", "not audio that can be decoded", "the file is empty",
            "bytes fewer than its header says", "truncated or damaged: decoding failed",
        ],
        strict=True,
    ):  # fmt: skip
        assert text.startswith(f"{tmp_path / name}: ")
        assert expected in text


def test_what_is_no_file_or_may_not_be_read_is_a_row_of_its_own(tmp_path, monkeypatch):
    places = [tmp_path / name for name in ("folder.wav", "gone.wav", "round.wav", "may_not.wav")]
    places[0].mkdir()
    places[1].symlink_to("nowhere.wav")
    places[2].symlink_to("round.wav")
    write(places[3], voice())

    def refuse(self, mode):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    check = check_recordings(utterances_of(*(("ann", place) for place in places)))
    assert check.problems() == {
        "missing": [f"{places[1]}: no such file; expected a recording"],
        "undecodable": [
            f"{places[0]}: not a file; expected a recording",
            f"{places[2]}: cannot be read (Too many levels of symbolic links)",
            f"{places[3]}: cannot be read (Permission denied)",
        ],
    }
    assert [row["usable"] for row in rows(check)] == [False] * 4


@pytest.mark.parametrize(
    ("samples", "text"),
    [
        (np.zeros(8000), "silent: every sample is zero"),
        (np.full(8000, 0.25), "constant: every sample has the same value"),
        (np.stack([np.full(8000, 0.25), np.full(8000, -0.25)], axis=1), "silent: every sample is"),
    ],
)
def test_no_sound_makes_a_recording_unusable(tmp_path, samples, text):
    paths = [write(tmp_path / f"{n}.wav", samples) for n in range(2)]
    check = check_recordings(paths)
    assert [kinds(one) for one in check.recordings] == [["no_sound"]] * 2
    assert text in check.recordings[0].findings[0].text
    # Silence is the same everywhere, which tells nothing.
    assert check.duplicates == ()


def test_names_that_no_file_can_have_are_findings(tmp_path):
    paths = [tmp_path / ("x" * 999 + ".wav"), tmp_path / "zero\0byte.wav", tmp_path]
    check = check_recordings(paths)
    assert [kinds(one) for one in check.recordings] == [["undecodable"]] * 3


def test_a_single_sample_is_quiet(tmp_path):
    (checked,) = check_recordings([write(tmp_path / "a.wav", np.array([0.5]))]).recordings
    assert (kinds(checked), checked.is_usable) == (["quiet"], True)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_no_numbers_are_found_in_any_channel(tmp_path, value, monkeypatch):
    monkeypatch.setattr(recordings_module, "BLOCK_VALUES", 1000)
    samples = np.stack([voice()] * 2, axis=1)
    samples[7000, 1] = value
    path = write(tmp_path / "a.wav", samples, subtype="FLOAT")
    (checked,) = check_recordings([path]).recordings
    assert kinds(checked) == ["not_finite"]
    assert "1 samples are NaN or infinite (the first is number 7,000)" in checked.findings[0].text
    assert checked.duration_s == 0.5
    assert checked.levels is None


def test_utterances_beyond_the_end_are_found_by_what_was_decoded(tmp_path):
    path = write(tmp_path / "a.wav", voice(0.5))
    list_of = utterances_of(
        ("ann", path, 0.0, 0.5), ("ann", path, 0.2, 0.7), ("ann", path, 0.6, None), ("ann", path)
    )
    (checked,) = check_recordings(list_of).recordings
    assert (checked.n_utterances, checked.speakers) == (4, ("ann",))
    assert not checked.is_usable
    assert [finding.text for finding in checked.findings] == [
        f"utterance u1 ends at 0.7 s, beyond the end of {path} (0.500 s)",
        f"utterance u2 starts at 0.6 s, beyond the end of {path} (0.500 s)",
    ]


def test_a_single_sample_has_no_level(tmp_path):
    path = write(tmp_path / "one.wav", np.array([0.5]))
    (finding,) = check_recordings([path]).recordings[0].findings
    assert finding == ("quiet", f"{path}: it is one sample")


def test_what_is_quiet_clipped_or_has_an_offset_can_be_used(tmp_path):
    speech = voice()
    made = {
        "quiet": speech / 2000,
        "clipped": np.clip(6 * speech, -0.5, 0.5),
        "dc_offset": speech + 0.2,
    }
    paths = [write(tmp_path / f"{kind}.wav", samples) for kind, samples in made.items()]
    check = check_recordings(paths)
    assert [kinds(one) for one in check.recordings] == [[kind] for kind in made]
    assert check.n_usable == 3
    quiet, clipped, offset = (one.findings[0].text for one in check.recordings)
    assert quiet.startswith(f"{paths[0]}: its loudest sample is at -7")
    assert quiet.endswith(" dBFS")
    share = share_clipped(soundfile.read(paths[1])[0], survey_channel(soundfile.read(paths[1])[0]))
    assert clipped == f"{paths[1]}: {share:.2%} of the samples"
    assert offset.startswith(f"{paths[2]}: +20.")
    assert offset.endswith(" times its level")


# --- channels ---


def on_channels(path, *channels):
    return {
        f"u{number}": Utterance(f"u{number}", "ann", path, channel=channel)
        for number, channel in enumerate(channels)
    }


def test_a_channel_that_is_silent_or_not_there_makes_an_utterance_unusable(tmp_path):
    half = write(tmp_path / "half.wav", np.stack([voice(), 0 * voice()], axis=1))
    mono = write(tmp_path / "mono.wav", voice())
    (checked,) = check_recordings(on_channels(half, 0, 1)).recordings
    assert not checked.is_usable
    (silent,) = checked.findings
    assert silent.kind == "no_sound"
    assert silent.text.startswith(f"{half}: channel 1: silent: every sample is zero; check the mic")
    (checked,) = check_recordings(on_channels(mono, 3, 0)).recordings
    assert checked.findings == (
        ("no_channel", f"utterance u0 is of channel 3 of {mono}, which has one, channel 0"),
    )
    assert not checked.is_usable
    (checked,) = check_recordings(on_channels(half, 2)).recordings
    text = f"utterance u0 is of channel 2 of {half}, which has channels 0 to 1"
    assert checked.findings == (("no_channel", text),)
    assert checked.levels is None
    assert checked.digest


@pytest.mark.parametrize("channel", [0, 1, None])
def test_what_validates_can_be_read_and_what_does_not_cannot(tmp_path, channel):
    speech, rng = voice(), np.random.default_rng(0)
    for number, other in enumerate([speech, -speech, 0 * speech, rng.normal(0, 0.1, len(speech))]):
        path = write(tmp_path / f"{number}.wav", np.stack([speech, other], axis=1))
        check = check_recordings(on_channels(path, channel))
        try:
            for _ in read_blocks(path, channel="mix" if channel is None else channel).blocks:
                pass
            is_read = True
        except AudioError:
            is_read = False
        assert bool(check.n_usable) == is_read


def test_only_wanted_channels_are_judged_and_each_by_itself(tmp_path):
    speech = voice()
    made = {
        "clipped": np.clip(6 * speech, -0.5, 0.5), "dc_offset": speech + 0.2,
        "quiet": speech / 2000, "not_finite": np.where(np.arange(len(speech)) == 9, np.nan, speech),
    }  # fmt: skip
    for kind, samples in made.items():
        both = np.stack([speech, samples], axis=1)
        path = write(tmp_path / f"{kind}.wav", both, subtype="FLOAT")
        (unwanted,) = check_recordings(on_channels(path, 0)).recordings
        assert unwanted.findings == ()
        assert unwanted.peak_dbfs == pytest.approx(20 * math.log10(np.abs(speech).max()))
        for channels in ((1,), (0, 1), (1, 0)):
            (checked,) = check_recordings(on_channels(path, *channels)).recordings
            assert kinds(checked) == [kind]
            if kind != "not_finite":
                assert checked.findings[0].text.startswith(f"{path}: channel 1: ")
    # Of all together, the loudest counts, as without a list.
    (mixed,) = check_recordings(on_channels(tmp_path / "quiet.wav", None)).recordings
    assert mixed.findings == check_recordings([tmp_path / "quiet.wav"]).recordings[0].findings == ()


def test_copies_are_found_where_a_channel_is_silent(tmp_path):
    samples = np.stack([voice(), 0 * voice()], axis=1)
    a, b = (write(tmp_path / name, samples) for name in ("a.wav", "b.flac"))
    check = check_recordings(on_channels(a, 0, 1) | {"v": Utterance("v", "bob", b, channel=0)})
    assert [group.paths for group in check.duplicates] == [(a, b)]


def test_another_rate_than_most_is_told(tmp_path):
    paths = [
        write(tmp_path / f"{n}.wav", voice(seed=n), 8000 if n == 1 else RATE) for n in range(3)
    ]
    check = check_recordings(paths)
    assert [kinds(one) for one in check.recordings] == [[], ["other_rate"], []]
    assert check.recordings[1].findings[0].text == f"{paths[1]}: 8,000 Hz, most have 16,000 Hz"
    assert check.counts("sample_rate") == {16_000: 2, 8_000: 1}


def test_the_same_audio_is_found_in_any_file_and_worse_under_two_speakers(tmp_path):
    names = ("a.wav", "b.flac", "c.wav", "d.wav", "e.flac", "f.wav")
    seeds = (1, 1, 2, 3, 3, 4)
    a, b, c, d, e, f = (
        write(tmp_path / name, voice(seed=seed)) for name, seed in zip(names, seeds, strict=True)
    )
    check = check_recordings(
        utterances_of(("ann", a), ("bob", b), ("ann", c), ("zoe", d), ("zoe", e), ("zoe", f))
    )
    assert [(group.kind, group.paths, group.speakers) for group in check.duplicates] == [
        ("other_speakers", (a, b), ("ann", "bob")),
        ("same_audio", (d, e), ("zoe",)),
    ]
    assert check.n_usable == 6
    assert check.problems() == {
        "other_speakers": [f"{a} = {b} (ann, bob)"],
        "same_audio": [f"{d} = {e} (zoe)"],
    }
    # Without a list nobody is known; at another rate it is another audio.
    other = write(tmp_path / "g.wav", voice(seed=1), 8000)
    (group, _) = check_recordings([a, b, d, e, other]).duplicates
    assert (group.kind, group.paths, group.speakers) == ("same_audio", (a, b), ())


def test_two_who_speak_in_two_copies_of_one_conversation_are_no_mix_up(tmp_path):
    a, b = (write(tmp_path / name, voice()) for name in ("a.wav", "b.flac"))
    list_of = utterances_of(
        ("ann", a, 0.0, 0.2), ("bob", a, 0.2, 0.4), ("bob", b, 0.0, 0.2), ("ann", b, 0.2, 0.4)
    )
    (group,) = check_recordings(list_of).duplicates
    assert group.kind == "same_audio"


@pytest.mark.parametrize(
    ("ann", "bob"),
    [
        ((None, None, None), (None, None, None)),
        ((None, None, 1), (None, None, 1)),
        ((None, None, 1), (None, None, None)),
        ((0.1, 0.3, None), (0.2, 0.4, None)),
    ],
)
def test_one_stretch_under_two_speakers_is_found_in_one_file_too(tmp_path, ann, bob):
    path = write(tmp_path / "a.wav", np.stack([voice(seed=1), voice(seed=2)], axis=1))
    list_of = {
        who: Utterance(who[0], who, path, start_s, end_s, channel=channel)
        for who, (start_s, end_s, channel) in {"ann": ann, "bob": bob}.items()
    }
    check = check_recordings(list_of)
    assert check.problems() == {
        "other_speakers": [f"{path}: utterances a and b share audio (ann, bob)"]
    }
    assert check.n_usable == 1
    assert [row["problems"] for row in rows(check)] == [["other_speakers"]]


def test_speakers_who_take_turns_or_have_a_channel_each_are_no_mix_up(tmp_path):
    path = write(tmp_path / "a.wav", np.stack([voice(seed=1), voice(seed=2)], axis=1))
    turns = utterances_of(("ann", path, 0.0, 0.2), ("bob", path, 0.2, 0.4), ("ann", path, 0.4, 0.5))
    assert check_recordings(turns).problems() == {}
    sides = {
        who: Utterance(who, who, path, channel=channel)
        for channel, who in enumerate(("ann", "bob"))
    }
    assert check_recordings(sides).problems() == {}


# --- all of them ---


@pytest.fixture
def mixed(tmp_path):
    """A list with a recording of each kind."""
    good = write(tmp_path / "good.wav", voice(1.0, seed=7))
    copy = write(tmp_path / "copy.flac", voice(1.0, seed=7))
    zeros = write(tmp_path / "zeros.wav", np.zeros(4000))
    return utterances_of(
        ("ann", good), ("bob", copy), ("ann", zeros), ("ann", tmp_path / "gone.wav")
    )


def test_the_result_does_not_depend_on_the_workers_or_the_blocks(mixed, monkeypatch):
    one = check_recordings(mixed, jobs=1)
    assert check_recordings(mixed, jobs=3) == one
    monkeypatch.setattr(recordings_module, "BLOCK_VALUES", 777)
    other = check_recordings(mixed)
    assert [r.digest for r in other.recordings] == [r.digest for r in one.recordings]
    assert other.problems() == one.problems()


def test_the_whole_is_summed_over_what_was_decoded(mixed):
    check = check_recordings(mixed)
    assert (len(check.recordings), check.n_usable) == (4, 2)
    assert (check.n_utterances, check.n_speakers) == (4, 2)
    assert check.total_s == 2.25
    assert check.durations_s == (0.25, 1.0, 1.0)
    assert check.counts("coding") == {"WAV PCM_16": 2, "FLAC PCM_16": 1}
    assert list(check.problems()) == ["missing", "no_sound", "other_speakers"]


def test_of_nothing_there_is_nothing_to_tell(tmp_path):
    check = check_recordings([])
    assert (check.total_s, check.durations_s, check.problems()) == (0.0, None, {})
    assert check_recordings([tmp_path / "gone.wav"]).durations_s is None


def test_progress_counts_recordings(mixed):
    told = []

    class Told:
        def start(self, task, total=None):
            told.append((task, total))

        def advance(self, steps=1):
            told.append(steps)

        def note(self, text):
            raise AssertionError(text)

    check_recordings(mixed, progress=Told())
    assert told == [("recordings", 4), 1, 1, 1, 1]


# --- as a table and as JSON ---


def test_every_file_is_in_the_table_and_in_the_json(mixed, tmp_path):
    check = check_recordings(mixed)
    path = tmp_path / "report.csv"
    write_report(path, check)
    with path.open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert list(table[0]) == list(COLUMNS)
    good, copy, zeros, gone = table
    assert [row["usable"] for row in table] == ["yes", "yes", "no", "no"]
    assert good["problems"] == copy["problems"] == "other_speakers"
    assert (good["same_as"], copy["same_as"]) == ("", good["path"])
    assert good["sha256"] == copy["sha256"] == check.recordings[0].digest
    assert (copy["format"], copy["sample_rate"], copy["channels"]) == ("FLAC PCM_16", "16000", "1")
    assert (copy["duration_s"], copy["speakers"], copy["utterances"]) == ("1", "bob", "1")
    assert (zeros["problems"], zeros["peak_dbfs"], zeros["clipped_share"]) == ("no_sound", "", "0")
    assert "silent: every sample is zero" in zeros["about"]
    assert (gone["problems"], gone["duration_s"], gone["sha256"]) == ("missing", "", "")
    about = to_json(check)
    assert about["files"] == rows(check)
    assert (about["recordings"], about["usable"], about["total_s"]) == (4, 2, 2.25)
    assert about["problems"] == {"missing": 1, "no_sound": 1, "other_speakers": 1}
    assert about["duplicates"] == [
        {
            "kind": "other_speakers",
            "paths": [good["path"], copy["path"]],
            "speakers": ["ann", "bob"],
        }
    ]
    assert set(about["problems"]) <= set(ERRORS | WARNINGS)


def test_a_report_that_cannot_be_written_is_said(mixed, tmp_path):
    with pytest.raises(OutputError, match="cannot be written"):
        write_report(tmp_path / "good.wav" / "report.csv", check_recordings(mixed))


# --- a folder ---


@pytest.mark.parametrize("jobs", [2, None])
def test_processes_find_what_one_thread_finds(tmp_path, monkeypatch, jobs):
    paths = [write(tmp_path / f"{n}.wav", voice(0.1, n % 3)) for n in range(40)]
    paths.append(tmp_path / "gone.wav")
    (tmp_path / "text.wav").write_text("nothing of the kind")
    paths.append(tmp_path / "text.wav")
    utterances = utterances_of(*((f"s{n % 5}", path) for n, path in enumerate(paths)))
    alone = check_recordings(utterances, jobs=1)
    monkeypatch.setattr(corpus_check_module, "PROCESSES_FROM", 2)
    assert check_recordings(utterances, jobs=jobs, may_use_processes=True) == alone


def test_recordings_below_a_folder_are_told_by_their_suffix(tmp_path):
    for name in ("b/x.WAV", "a.flac", "b/c/d.mp3", "b/text.txt", ".hidden/e.wav", "b/.f.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder.wav").mkdir()
    found = [path.relative_to(tmp_path).as_posix() for path in recordings_below(tmp_path)]
    assert found == ["a.flac", "b/c/d.mp3", "b/x.WAV"]


# --- real speech ---


@pytest.mark.corpus
def test_facts_of_real_corpora(corpora):
    check = check_recordings(
        read_utterances(corpora / "speech_commands" / "utterances.csv", must_exist=False)
    )
    assert (len(check.recordings), check.n_usable, check.n_speakers) == (4361, 4361, 239)
    assert check.counts("sample_rate") == {16_000: 4361}
    assert check.durations_s == (1.0, 1.0, 1.0)
    assert check.duplicates == ()
    found = {kind: len(lines) for kind, lines in check.problems().items()}
    assert found == {"clipped": 5, "dc_offset": 99}
    digits = check_recordings(recordings_below(Path(corpora / "fsdd")))
    assert (len(digits.recordings), digits.n_usable) == (1200, 1200)
    assert digits.counts("sample_rate") == {8_000: 1200}
    assert digits.total_s == pytest.approx(524.364, abs=0.001)
    found = {kind: len(lines) for kind, lines in digits.problems().items()}
    assert found == {"clipped": 7, "dc_offset": 186}

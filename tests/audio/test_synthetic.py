"""The synthetic corpus: the same for the same seed, whole, and valid by the package's readers."""

from __future__ import annotations

import hashlib
import re
import time
from dataclasses import replace

import numpy as np
import pytest

from speakergmm.audio import duration_s, read_recording
from speakergmm.audio.synthetic import (
    SAMPLE_RATE,
    Session,
    SyntheticConfig,
    draw_session,
    draw_voice,
    record,
    speak,
    write_corpus,
)
from speakergmm.corpora import read_split, read_utterances
from speakergmm.errors import ConfigError, OutputError
from speakergmm.progress import Silent

SMALL = SyntheticConfig(
    background=2, development=3, evaluation=2, sessions=3, enrollment_s=1.0, test_s=0.5
)
SPLITS = ("background", "development", "evaluation")


def digests(folder):
    """SHA-256 of every file, by its name below the folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    write_corpus(folder, SMALL, seed=7, jobs=1)
    return folder


@pytest.fixture(scope="module")
def utterances(corpus):
    return read_utterances(corpus / "utterances.csv", durations=duration_s)


# --- determinism ---


@pytest.mark.parametrize("jobs", [1, 3])
def test_the_same_seed_gives_the_same_bytes_with_any_number_of_jobs(corpus, tmp_path, jobs):
    write_corpus(tmp_path, SMALL, seed=7, jobs=jobs)
    assert digests(tmp_path) == digests(corpus)


def test_another_seed_gives_other_sound_under_the_same_names(corpus, tmp_path):
    write_corpus(tmp_path, SMALL, seed=8)
    first, second = digests(corpus), digests(tmp_path)
    assert first.keys() == second.keys()
    audio = [name for name in first if name.endswith(".flac")]
    assert audio
    assert all(first[name] != second[name] for name in audio)


def test_no_two_utterances_are_the_same_sound(corpus):
    audio = [digest for name, digest in digests(corpus).items() if name.endswith(".flac")]
    assert len(set(audio)) == len(audio)


# --- the lists ---


def test_the_list_names_every_file_and_nothing_else(corpus, utterances):
    listed = {str(utterance.path.relative_to(corpus)) for utterance in utterances.values()}
    assert {name for name in digests(corpus) if name.endswith(".flac")} == listed
    assert sorted(path.suffix for path in corpus.rglob("*.*")).count(".csv") == 7


def test_each_split_has_its_speakers_and_sessions(utterances):
    rows = list(utterances.values())
    for split in SPLITS:
        speakers = {row.speaker_id for row in rows if row.split == split}
        assert len(speakers) == getattr(SMALL, split)
        for speaker in speakers:
            sessions = {row.session_id for row in rows if row.speaker_id == speaker}
            assert len(sessions) == SMALL.sessions
    assert {row.sex for row in rows} <= {"f", "m"}


def test_no_speaker_is_in_two_splits(utterances):
    splits = {}
    for row in utterances.values():
        splits.setdefault(row.speaker_id, set()).add(row.split)
    assert all(len(of_speaker) == 1 for of_speaker in splits.values())


@pytest.mark.parametrize("split", ["development", "evaluation"])
def test_the_lists_of_a_split_are_valid_and_its_own(corpus, utterances, split):
    protocol = read_split(corpus, split, utterances)
    n_speakers, n_tests = getattr(SMALL, split), 2 * (SMALL.sessions - 1)
    assert len(protocol.enrollment) == n_speakers
    assert len(protocol.tests) == n_speakers * n_tests
    assert len(protocol.trials) == n_speakers * n_speakers * n_tests
    assert int(protocol.trials.is_target.sum()) == n_speakers * n_tests
    pooled = [*protocol.enrollment.values(), *protocol.tests.values()]
    assert all(len(pool) == 2 for pool in pooled)
    assert {utterances[u].split for pool in pooled for u in pool} == {split}


@pytest.mark.parametrize("split", ["development", "evaluation"])
def test_no_session_is_enrolled_and_tested(corpus, utterances, split):
    protocol = read_split(corpus, split, utterances)
    enrolled = {utterances[u].session_id for pool in protocol.enrollment.values() for u in pool}
    tests = [{utterances[u].session_id for u in pool} for pool in protocol.tests.values()]
    assert all(len(sessions) == 1 for sessions in tests)
    assert not enrolled & set().union(*tests)


def test_more_than_nine_sessions_are_not_mixed_up(tmp_path):
    config = SyntheticConfig(2, 2, 2, sessions=11, enrollment_s=0.5, test_s=0.5)
    write_corpus(tmp_path, config)
    utterances = read_utterances(tmp_path / "utterances.csv")
    protocol = read_split(tmp_path, "evaluation", utterances)
    assert {len(pool) for pool in protocol.enrollment.values()} == {2}
    assert len(protocol.tests) == 2 * 10 * 2


# --- the sound ---


def test_recordings_are_whole_finite_audible_and_never_beyond_full_scale(utterances):
    for row in utterances.values():
        samples, rate = read_recording(row.path)
        enrolls = row.split == "background" or row.session_id.endswith("-1")
        length_s = SMALL.enrollment_s if enrolls else SMALL.test_s
        assert (rate, len(samples)) == (SAMPLE_RATE, round(length_s * SAMPLE_RATE))
        assert np.isfinite(samples).all()
        assert 0.05 < np.abs(samples).max() <= 1.0


def test_a_small_corpus_takes_seconds(tmp_path):
    # About 0.3 s on a laptop; the bound leaves room for a busy machine.
    start = time.perf_counter()
    write_corpus(tmp_path, SyntheticConfig(2, 2, 2, 2, 0.5, 0.5))
    assert time.perf_counter() - start < 10.0


@pytest.mark.parametrize("seconds", [0.5, 1.0, 2.00001])
def test_speech_has_the_length_asked_for_and_peaks_at_half(seconds):
    rng = np.random.default_rng(1)
    samples = speak(draw_voice(rng), seconds, rng)
    assert (samples.dtype, len(samples)) == (np.float32, round(seconds * SAMPLE_RATE))
    assert np.abs(samples).max() == pytest.approx(0.5, abs=1e-6)


def test_half_of_the_speakers_are_women_with_higher_voices():
    rng = np.random.default_rng(0)
    voices = [draw_voice(rng) for _ in range(400)]
    women = [voice.f0_hz for voice in voices if voice.sex == "f"]
    men = [voice.f0_hz for voice in voices if voice.sex == "m"]
    # Four standard deviations of a binomial of 400.
    assert abs(len(women) - 200) < 40
    assert np.mean(women) > np.mean(men) + 50
    assert min(women + men) > 0


FLAT = Session(channel_db=np.zeros(9), snr_db=20.0, noise_tilt=0.0, gain=1.0)


@pytest.fixture(scope="module")
def spoken():
    rng = np.random.default_rng(3)
    return 0.5 * speak(draw_voice(rng), 1.0, rng)


@pytest.mark.parametrize("snr_db", [0.0, 10.0, 35.0])
@pytest.mark.parametrize("tilt", [0.0, 0.9])
def test_a_session_adds_noise_at_its_ratio(spoken, snr_db, tilt):
    session = replace(FLAT, snr_db=snr_db, noise_tilt=tilt)
    noise = record(spoken, session, np.random.default_rng(0)) - spoken
    ratio_db = 10 * np.log10(np.mean(np.square(spoken)) / np.mean(np.square(noise)))
    # Samples are rounded to float32: of the noise at 35 dB, 1e-4 of its size.
    assert ratio_db == pytest.approx(snr_db, abs=0.01)


def test_a_flat_channel_of_6_db_doubles_the_sound(spoken):
    session = replace(FLAT, channel_db=np.full(9, 20 * np.log10(2.0)), snr_db=200.0)
    louder = record(spoken, session, np.random.default_rng(0))
    np.testing.assert_allclose(louder, 2 * spoken, rtol=0, atol=1e-6)


def test_a_channel_of_no_deviation_is_flat():
    session = draw_session(replace(SMALL, channel_db=0.0), np.random.default_rng(0))
    assert not session.channel_db.any()
    assert SMALL.snr_db[0] <= session.snr_db <= SMALL.snr_db[1]


def test_too_loud_a_session_is_clipped_at_full_scale(spoken):
    loud = record(spoken, replace(FLAT, gain=100.0), np.random.default_rng(0))
    assert np.abs(loud).max() == 1.0


# --- settings ---


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"background": 1}, "background is 1; expected 2 to 10000 speakers"),
        ({"development": 0}, "development is 0; expected 2 to 10000 speakers"),
        ({"evaluation": 10_001}, "evaluation is 10001; expected 2 to 10000 speakers"),
        ({"background": True}, "background is True; expected"),
        ({"background": "24"}, "background is '24'; expected"),
        ({"background": 2.5}, "background is 2.5; expected"),
        ({"sessions": 1}, "sessions is 1; expected 2 to 100"),
        ({"sessions": 2.5}, "sessions is 2.5; expected"),
        ({"enrollment_s": 0.4}, "enrollment_s is 0.4; expected 0.5 to 3600 s"),
        ({"test_s": float("nan")}, "test_s is nan; expected 0.5 to 3600 s"),
        ({"channel_db": -1.0}, "channel_db is -1.0; expected 0 to 40 dB"),
        ({"snr_db": (35.0, 20.0)}, r"snr_db is .*35.0, 20.0"),
        ({"snr_db": (20.0,)}, "snr_db is "),
        ({"snr_db": (20.0, float("nan"))}, "snr_db is "),
        ({"snr_db": 20.0}, "snr_db is 20.0"),
    ],
)
def test_a_wrong_setting_is_named(settings, message):
    with pytest.raises(ConfigError, match=message):
        SyntheticConfig(**settings)


def test_no_jobs(tmp_path):
    with pytest.raises(ConfigError, match="jobs is 0; expected 1 or more workers"):
        write_corpus(tmp_path, SMALL, jobs=0)


# --- a corpus cut short ---


class Told(Silent):
    """Counts what it is told; interrupts after so many steps."""

    def __init__(self, interrupt_after=None):
        self.tasks, self.steps, self.interrupt_after = [], 0, interrupt_after

    def start(self, task, total=None):
        self.tasks.append((task, total))

    def advance(self, steps=1):
        self.steps += steps
        if self.steps == self.interrupt_after:
            raise KeyboardInterrupt


def test_progress_is_told_of_each_speaker(tmp_path):
    told = Told()
    write_corpus(tmp_path, SMALL, progress=told)
    assert told.tasks == [("synthetic corpus", 7)]
    assert told.steps == 7


def test_a_corpus_cut_short_has_no_lists(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        write_corpus(tmp_path, SMALL, progress=Told(interrupt_after=2))
    assert list(tmp_path.rglob("*.csv")) == []
    assert [path for path in tmp_path.rglob("*") if path.name.startswith(".")] == []


def test_a_corpus_cut_short_over_another_does_not_look_whole(tmp_path):
    """Two seeds mixed under the old list would pass for a corpus."""
    write_corpus(tmp_path, SMALL, seed=1)
    with pytest.raises(KeyboardInterrupt):
        write_corpus(tmp_path, SMALL, seed=2, progress=Told(interrupt_after=2))
    assert not (tmp_path / "utterances.csv").exists()


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    folder = tmp_path / "file" / "corpus"
    with pytest.raises(OutputError, match=re.escape(f"{folder}") + ".*cannot be written"):
        write_corpus(folder, SMALL)


@pytest.mark.parametrize("length_s", [0.5, 1.0])
def test_a_full_disk_is_not_passed_over(tmp_path, length_s):
    """A limit on the size of files stands for a full disk: the system cuts a write short.

    libsndfile writes half a second, 11 kB, only when it closes the file, and then says nothing.
    """
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8000, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"s01-1-1\.flac: cannot be written"):
            write_corpus(tmp_path, replace(SMALL, enrollment_s=length_s), jobs=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.rglob("*.flac")) == []

"""Sides that are heard once: the frames of `recorded_side`, and what else the pass tells."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile

from speakergmm.audio import read_channels
from speakergmm.audio.listening import listen
from speakergmm.audio.quality import recording_quality
from speakergmm.errors import AudioError
from speakergmm.features import FrontEnd, FrontEndConfig
from speakergmm.features.reading import heard_side, recorded_side

RATE = 16_000

CONFIGS = {
    "default": FrontEndConfig(),
    "all kept": FrontEndConfig(vad="none", normalization="cmn"),
    "over all frames": FrontEndConfig(normalization="cmvn", normalization_frames="all"),
    "over the side": FrontEndConfig(normalization="warp", normalization_over="side"),
    "over all of the side": FrontEndConfig(
        normalization="cmn", normalization_frames="all", normalization_over="side"
    ),
    "pauses": FrontEndConfig(vad_keeps="pauses"),
    "second channel": FrontEndConfig(channel=1),
    "telephone": FrontEndConfig(sample_rate=8000, deltas=1),
}

each_config = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())


def swelling(seconds, seed):
    """Noise on two channels that swells and dies away three times a second."""
    n_samples = round(seconds * RATE)
    level = 0.1 * 10 ** (-2 * (1 - np.cos(2 * np.pi * 3 * np.arange(n_samples) / RATE)))
    return level[:, None] * np.random.default_rng(seed).normal(size=(n_samples, 2))


@pytest.fixture
def paths(tmp_path):
    """Three recordings of two channels, of different lengths."""
    made = [tmp_path / f"{number}.flac" for number in range(3)]
    for number, path in enumerate(made):
        soundfile.write(path, swelling(1.0 + 0.3 * number, number), RATE)
    return made


def from_everywhere(path):
    return [path, str(path), io.BytesIO(path.read_bytes()), read_channels(path)]


@each_config
def test_the_frames_of_a_side_are_the_same_bits(paths, config):
    front_end = FrontEnd(config)
    expected = recorded_side(paths, front_end)
    for sources in zip(*map(from_everywhere, paths), strict=True):
        heard = heard_side(sources, front_end)
        np.testing.assert_array_equal(heard.frames, expected.frames)
        assert heard.frames.dtype == expected.frames.dtype
        assert (heard.recording_s, heard.snr_db) == (expected.recording_s, expected.snr_db)


@each_config
def test_what_is_heard_of_each_recording(paths, config):
    side = heard_side(paths, FrontEnd(config))
    assert len(side.recordings) == 3
    for path, recording in zip(paths, side.recordings, strict=True):
        with listen(path) as alone:
            list(alone.blocks)
        assert recording.name == str(path)
        assert recording.audio_digest == alone.audio_digest
        assert recording.file_digest() == alone.file_digest()
        assert recording.quality == recording_quality(path, channel=config.channel)
        assert recording.duration_s == alone.duration_s
        assert recording.n_speech == len(recorded_side([path], FrontEnd(config)).frames)
    assert sum(recording.n_speech for recording in side.recordings) == len(side.frames)


@each_config
def test_the_mask_says_which_frames_were_kept(paths, config):
    """Without normalization and slopes a frame is the same, kept or not."""
    plain = FrontEndConfig(
        sample_rate=config.sample_rate,
        channel=config.channel,
        vad=config.vad,
        vad_keeps=config.vad_keeps,
        normalization="none",
        normalization_frames=config.normalization_frames,
        deltas=0,
        rasta=False,
    )
    every = FrontEndConfig(
        sample_rate=config.sample_rate,
        channel=config.channel,
        vad="none",
        normalization="none",
        deltas=0,
        rasta=False,
    )
    side = heard_side(paths[:1], FrontEnd(plain))
    (heard,) = side.recordings
    frames = recorded_side(paths[:1], FrontEnd(every)).frames
    assert heard.kept.shape == (len(frames),) == (101,)
    assert heard.kept.dtype == np.bool_
    np.testing.assert_array_equal(side.frames, frames[heard.kept])
    np.testing.assert_allclose(heard.kept_s, np.flatnonzero(heard.kept) / 100, rtol=1e-12)


def test_the_mask_marks_where_it_is_loud(paths):
    (heard,) = heard_side(paths[:1], FrontEnd(FrontEndConfig())).recordings
    # Loudest at 0, 1/3, 2/3 and 1 s.
    assert heard.kept[[0, 33, 67, 100]].all()
    assert not heard.kept[[17, 50, 83]].any()
    assert 0 < heard.n_speech < len(heard.kept)


def test_an_error_names_the_recording(paths, tmp_path):
    front_end = FrontEnd(FrontEndConfig())
    with pytest.raises(AudioError, match=r"^there are no recordings; expected one or more"):
        heard_side([], front_end)
    with pytest.raises(AudioError, match=r"none\.wav: no such file"):
        heard_side([paths[0], tmp_path / "none.wav"], front_end)
    samples = swelling(1.0, 0)
    # Begins as its name does.
    with pytest.raises(AudioError, match=r"^audio: audio is 8000 Hz, the model expects 16000 Hz"):
        heard_side([(samples, 8000)], front_end)
    with pytest.raises(AudioError, match=r"^audio: too short: 6\.2 ms"):
        heard_side([paths[0], (samples[:100], RATE)], front_end)
    with pytest.raises(AudioError, match=r"^audio: its frames are not finite"):
        heard_side([(samples * 1e30, RATE)], front_end)
    with pytest.raises(AudioError, match=r"^audio: has no channel 2; expected 0 to 1"):
        heard_side([(samples, RATE)], FrontEnd(FrontEndConfig(channel=2)))

"""The front end: its pieces in order, librosa's numbers, and what it refuses."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from speakergmm import FrontEnd, FrontEndConfig
from speakergmm.errors import AudioError, ConfigError
from speakergmm.features import cmn, cmvn, deltas

LAW = settings(derandomize=True, deadline=None, max_examples=30)

# Mel cells are up to 100 dB; float32 holds those to 8e-6, and a cepstrum is a sum of some dozens.
CEPSTRA = 2e-3

PLAIN = FrontEndConfig(vad_db=None)


def noise(n_samples, seed=0, level=0.1):
    rng = np.random.default_rng(seed)
    return (level * rng.normal(size=n_samples)).astype(np.float32)


def syllables(n_samples=16_000, seed=1):
    """Noise that swells and dies away three times a second, down to 80 dB below its peak."""
    phase = 3 * np.arange(n_samples) / 16_000
    return (noise(n_samples, seed) * 10 ** (-2 * (1 - np.cos(2 * np.pi * phase)))).astype("f4")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"c0": False, "n_mfcc": 20},
        {"mel_scale": "htk", "lifter": 22.0, "n_mels": 26, "n_mfcc": 13},
        {"f_min_hz": 80.0, "f_max_hz": 7600.0},
        {"pre_emphasis": 0.9, "window_s": 0.032, "hop_s": 0.016},
        {"sample_rate": 8000, "n_mels": 24, "n_mfcc": 20},
        {"top_db": 30.0},
        {"pre_emphasis": 0.0},
    ],
    ids=str,
)
def test_frames_are_librosas_mfcc_of_its_pre_emphasized_samples(changes):
    import librosa

    config = dataclasses.replace(PLAIN, **changes)
    samples = syllables()
    emphasized = (
        librosa.effects.preemphasis(samples, coef=config.pre_emphasis)
        if config.pre_emphasis
        else samples
    )
    power = librosa.feature.melspectrogram(
        y=emphasized,
        sr=config.sample_rate,
        n_fft=config.n_fft,
        win_length=config.win_length,
        hop_length=config.hop_length,
        n_mels=config.n_mels,
        fmin=config.f_min_hz,
        fmax=config.f_max_hz,
        htk=config.mel_scale == "htk",
    )
    expected = librosa.feature.mfcc(
        S=librosa.power_to_db(power, top_db=config.top_db),
        n_mfcc=config.n_mfcc,
        lifter=config.lifter,
    )
    frames = FrontEnd(config)(samples, config.sample_rate)
    np.testing.assert_allclose(frames, expected[0 if config.c0 else 1 :].T, rtol=0, atol=CEPSTRA)


@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("normalization", ["none", "cmn", "cmvn"])
@pytest.mark.parametrize("vad_db", [None, 30.0])
def test_deltas_then_voice_activity_then_normalization(order, normalization, vad_db):
    samples = syllables()
    frames = FrontEnd(PLAIN)(samples, 16_000)
    parts = [frames]
    for _ in range(order):
        parts.append(deltas(parts[-1], window=3))
    frames = np.hstack(parts)
    if vad_db is not None:
        frames = frames[loud_frames(samples, vad_db)]
    frames = {"none": np.asarray, "cmn": cmn, "cmvn": cmvn}[normalization](frames)
    config = FrontEndConfig(
        deltas=order, delta_window=3, vad_db=vad_db, normalization=normalization
    )
    np.testing.assert_array_equal(FrontEnd(config)(samples, 16_000), frames)


def loud_frames(samples, threshold_db, pre_emphasis=0.97):
    """Mark the frames at most so many dB below the loudest, in float64, by the definition."""
    exact = samples.astype(float)
    exact = np.append(3 * exact[0] - exact[1], exact[1:] - pre_emphasis * exact[:-1])
    padded = np.concatenate([np.zeros(200), exact, np.zeros(200)])
    window = scipy.signal.get_window("hann", 400)
    n_frames = 1 + len(samples) // 160
    energy = [np.sum((padded[160 * t : 160 * t + 400] * window) ** 2) for t in range(n_frames)]
    return 10 * np.log10(np.maximum(energy, 1e-300)) >= 10 * np.log10(max(energy)) - threshold_db


def test_voice_activity_drops_the_pauses():
    kept = loud_frames(syllables(), 30.0)
    assert 0.2 < kept.mean() < 0.8
    assert len(FrontEnd(FrontEndConfig())(syllables(), 16_000)) == kept.sum()


@LAW
@given(st.integers(0, 2**32 - 1), st.integers(-12, 6), st.sampled_from([0.0, 10.0, 30.0, 60.0]))
def test_level_of_the_recording_does_not_change_which_frames_are_kept(seed, exponent, vad_db):
    # Loud enough for no band of a frame that is kept to be at the floor of -100 dB.
    samples = np.float32(2.0**10) * syllables(8_000, seed)
    # One cepstrum of each frame says which one it is: c1, which the level leaves alone.
    front_end = FrontEnd(FrontEndConfig(vad_db=vad_db, n_mfcc=2, c0=False))
    frames = front_end(samples, 16_000)
    scaled = front_end(samples * np.float32(2.0**exponent), 16_000)
    assert len(scaled) == len(frames)
    if exponent >= 0 and vad_db <= 30:
        np.testing.assert_allclose(scaled, frames, rtol=0, atol=CEPSTRA)


@LAW
@given(st.integers(400, 10_000))
def test_without_voice_activity_every_frame_is_kept(n_samples):
    assert FrontEnd(PLAIN)(syllables(n_samples), 16_000).shape == (1 + n_samples // 160, 30)


def test_loudest_frame_is_always_kept():
    config = FrontEndConfig(vad_db=0.0, normalization="cmvn", deltas=2)
    frames = FrontEnd(config)(syllables(), 16_000)
    assert frames.shape == (1, 90)
    np.testing.assert_array_equal(frames, np.zeros((1, 90)))


@pytest.mark.parametrize("normalization", ["none", "cmn", "cmvn"])
@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("c0", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_frames_are_contiguous_float32(normalization, order, c0, dtype):
    config = FrontEndConfig(normalization=normalization, deltas=order, c0=c0)
    frames = FrontEnd(config)(syllables().astype(dtype), 16_000)
    assert frames.dtype == np.float32
    assert frames.flags.c_contiguous
    assert frames.shape[1] == config.n_features
    assert np.isfinite(frames).all()


def test_the_samples_are_not_changed():
    samples = syllables()
    before = samples.copy()
    FrontEnd(FrontEndConfig(deltas=2, normalization="cmvn"))(samples, 16_000)
    np.testing.assert_array_equal(samples, before)


def test_exactly_one_window_is_enough():
    assert FrontEnd(PLAIN)(noise(400), 16_000).shape == (3, 30)


def test_one_front_end_serves_many_calls():
    front_end = FrontEnd(FrontEndConfig())
    assert front_end.transform is front_end.transform
    first = front_end(syllables(), 16_000)
    front_end(noise(5_000), 16_000)
    np.testing.assert_array_equal(front_end(syllables(), 16_000), first)


# --- sample rates --------------------------------------------------------------------------------


def test_a_higher_rate_is_brought_down():
    import soxr

    samples = noise(48_000)
    expected = FrontEnd(PLAIN)(soxr.resample(samples, 48_000, 16_000, quality="HQ"), 16_000)
    np.testing.assert_array_equal(FrontEnd(PLAIN)(samples, 48_000), expected)
    assert len(expected) == 101


def test_a_lower_rate_is_refused_with_both_rates_named():
    message = "audio is 8000 Hz, the model expects 16000 Hz; .*resample=any"
    with pytest.raises(AudioError, match=message):
        FrontEnd(PLAIN)(noise(8_000), 8_000)


def test_a_lower_rate_is_brought_up_when_that_is_asked_for():
    config = dataclasses.replace(PLAIN, resample="any")
    assert len(FrontEnd(config)(noise(8_000), 8_000)) == 101


@pytest.mark.parametrize("rate", [8_000, 44_100])
def test_no_change_of_rate_when_that_is_asked_for(rate):
    config = dataclasses.replace(PLAIN, resample="never")
    with pytest.raises(AudioError, match=f"audio is {rate} Hz, the model expects 16000 Hz"):
        FrontEnd(config)(noise(48_000), rate)


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (noise(399), r"too short: 24\.9 ms; expected at least one analysis window \(25 ms\)"),
        (noise(1), "too short"),
        (noise(0), "there are no samples"),
        (noise(3_200).reshape(-1, 2), r"shape \(1600, 2\); expected \(n_samples,\), one channel"),
        (np.float32(0.5), r"shape \(\); expected \(n_samples,\)"),
        (np.zeros(16_000), "silent: every sample is zero"),
        (np.r_[noise(500), np.nan, noise(500)], r"1 samples are NaN or infinite .* number 500\)"),
        (np.r_[noise(500), np.inf, -np.inf], "2 samples are NaN or infinite"),
        (1e30 * noise(4_000), "far beyond full scale"),
    ],
)
def test_samples_without_frames_are_refused(samples, message):
    with pytest.raises(AudioError, match=message):
        FrontEnd(FrontEndConfig())(samples, 16_000)


def test_too_short_after_resampling_is_refused():
    with pytest.raises(AudioError, match=r"too short: .* one analysis window"):
        FrontEnd(PLAIN)(noise(1_000), 48_000)


# --- settings ------------------------------------------------------------------------------------


def test_lengths_in_samples():
    config = FrontEndConfig()
    assert (config.win_length, config.hop_length, config.n_fft) == (400, 160, 512)
    config = FrontEndConfig(sample_rate=8000, window_s=0.032, hop_s=0.01)
    assert (config.win_length, config.hop_length, config.n_fft) == (256, 80, 256)
    config = FrontEndConfig(sample_rate=44_100)
    assert (config.win_length, config.hop_length, config.n_fft) == (1102, 441, 2048)


@pytest.mark.parametrize(
    ("changes", "n_features"),
    [({}, 30), ({"c0": False}, 29), ({"deltas": 1}, 60), ({"c0": False, "deltas": 2}, 87)],
)
def test_number_of_features(changes, n_features):
    assert FrontEndConfig(**changes).n_features == n_features


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sample_rate": 999}, "sample_rate is 999; expected 1000 to 384000 Hz"),
        ({"sample_rate": 400_000}, "sample_rate is 400000; expected"),
        ({"sample_rate": "16k"}, "sample_rate is '16k'; expected"),
        ({"resample": "up"}, "resample is 'up'; expected one of 'down', 'any', 'never'"),
        ({"channel": -1}, r"channel is -1; expected 0 to 1023 \(or 'mix'\)"),
        ({"channel": "left"}, "channel is 'left'; expected 0 to 1023"),
        ({"channel": True}, "channel is True; expected"),
        ({"window_s": 0.0001}, "window_s is 0.0001; expected 0.001 to 1 s"),
        ({"window_s": 1.5}, "window_s is 1.5; expected"),
        ({"hop_s": 0.0}, "hop_s is 0.0; expected 6.25e-05 to 0.025 s"),
        ({"hop_s": 0.03}, "hop_s is 0.03; expected 6.25e-05 to 0.025 s"),
        ({"hop_s": float("nan")}, "hop_s is nan; expected"),
        ({"pre_emphasis": -0.1}, "pre_emphasis is -0.1; expected 0 to 1"),
        ({"pre_emphasis": 1.1}, "pre_emphasis is 1.1; expected 0 to 1"),
        ({"n_mels": 1}, "n_mels is 1; expected 2 to 512"),
        ({"n_mels": 513}, "n_mels is 513; expected"),
        ({"f_min_hz": -1.0}, "f_min_hz is -1.0; expected 0 to 8000 Hz"),
        ({"f_max_hz": 8001.0}, "f_max_hz is 8001.0; expected 1 to 8000 Hz"),
        ({"f_min_hz": 500.0, "f_max_hz": 400.0}, "f_max_hz is 400.0; expected 501 to 8000 Hz"),
        ({"mel_scale": "bark"}, "mel_scale is 'bark'; expected one of 'slaney', 'htk'"),
        ({"top_db": -1.0}, "top_db is -1.0; expected 0 to 1000 dB"),
        ({"n_mfcc": 0}, "n_mfcc is 0; expected 1 to 40"),
        ({"n_mfcc": 41}, "n_mfcc is 41; expected 1 to 40"),
        ({"n_mfcc": 1, "c0": False}, "n_mfcc is 1; expected 2 to 40"),
        ({"c0": "no"}, "c0 is 'no'; expected"),
        ({"lifter": -1.0}, "lifter is -1.0; expected 0 to 1000"),
        ({"deltas": 3}, "deltas is 3; expected one of 0, 1, 2"),
        ({"deltas": True}, "deltas is True; expected one of 0, 1, 2"),
        ({"delta_window": 0}, "delta_window is 0; expected 1 to 100 frames"),
        ({"vad_db": -3.0}, "vad_db is -3.0; expected 0 to 1000 dB"),
        ({"normalization": "warp"}, "normalization is 'warp'; expected one of 'none', 'cmn'"),
        # Whole numbers: a fraction would only be found out later, by something else.
        ({"sample_rate": 16000.5}, "sample_rate is 16000.5"),
        ({"channel": 0.5}, "channel is 0.5"),
        ({"n_mels": 40.5}, "n_mels is 40.5"),
        ({"n_mfcc": 20.5}, "n_mfcc is 20.5"),
        ({"delta_window": 2.5}, "delta_window is 2.5"),
    ],
    ids=str,
)
def test_settings_out_of_range_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        FrontEndConfig(**changes)


def test_every_setting_has_a_test_of_its_range():
    tested = {
        name
        for mark in test_settings_out_of_range_are_refused.pytestmark
        for changes, _ in mark.args[1]
        for name in changes
    }
    assert tested == {field.name for field in dataclasses.fields(FrontEndConfig)}


def test_a_front_end_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        FrontEndConfig().n_mels = 20

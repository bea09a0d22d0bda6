"""MFCC: the same as librosa's, to float32 rounding."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from speakergmm.features.mfcc import BLOCK_FRAMES, build_mfcc_transform, mfcc, pre_emphasize

LAW = settings(derandomize=True, deadline=None, max_examples=40)

RATE = 16_000

# Mel cells are up to 100 dB; float32 holds those to 8e-6, and a cepstrum is a sum of some dozens.
CEPSTRA = 2e-3

SETTINGS = {
    "sample_rate": RATE,
    "n_fft": 512,
    "win_length": 400,
    "hop_length": 160,
    "n_mels": 40,
    "f_min_hz": 0.0,
    "f_max_hz": 8000.0,
    "pre_emphasis": 0.0,
    "scale": "slaney",
    "cepstra": range(30),
    "lifter": 0.0,
    "top_db": 80.0,
}


def noise(n_samples, seed=0, level=0.1):
    rng = np.random.default_rng(seed)
    return (level * rng.normal(size=n_samples)).astype(np.float32)


def tone(n_samples, frequency=440.0):
    seconds = np.arange(n_samples) / RATE
    return (0.5 * np.sin(2 * np.pi * frequency * seconds)).astype(np.float32)


def speech_like(n_samples, seed=1):
    """Noise in syllables, with a spectrum that falls, and pauses far below."""
    envelope = np.clip(np.sin(2 * np.pi * 3 * np.arange(n_samples) / RATE), 1e-3, None)
    return scipy.signal.lfilter([1], [1, -0.9], envelope * noise(n_samples, seed)).astype("f4")


def librosa_mfcc(samples, **changes):
    """Compute cepstra (T, D) with librosa alone."""
    import librosa

    setting = SETTINGS | changes
    with warnings.catch_warnings():
        # librosa wonders about signals shorter than the transform; they are padded alike.
        warnings.filterwarnings("ignore", "n_fft=")
        power = librosa.feature.melspectrogram(
            y=samples,
            sr=setting["sample_rate"],
            n_fft=setting["n_fft"],
            win_length=setting["win_length"],
            hop_length=setting["hop_length"],
            n_mels=setting["n_mels"],
            fmin=setting["f_min_hz"],
            fmax=setting["f_max_hz"],
            htk=setting["scale"] == "htk",
        )
    cepstra = librosa.feature.mfcc(
        S=librosa.power_to_db(power, top_db=setting["top_db"]),
        n_mfcc=setting["cepstra"].stop,
        lifter=setting["lifter"],
    )
    return cepstra[setting["cepstra"].start :].T


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"n_fft": 1024, "win_length": 640, "hop_length": 320},
        {"n_fft": 512, "win_length": 512, "hop_length": 128},
        {"n_fft": 256, "win_length": 200, "hop_length": 80, "n_mels": 20, "cepstra": range(13)},
        {"n_mels": 24, "cepstra": range(24)},
        {"n_mels": 80, "n_fft": 2048, "win_length": 1000, "cepstra": range(60)},
        {"scale": "htk"},
        {"scale": "htk", "n_mels": 26, "cepstra": range(1, 13), "lifter": 22.0},
        {"f_min_hz": 100.0, "f_max_hz": 4000.0, "n_mels": 24, "cepstra": range(20)},
        {"f_min_hz": 300.0, "f_max_hz": 3400.0, "n_mels": 20, "cepstra": range(13), "scale": "htk"},
        {"lifter": 22.0, "cepstra": range(13)},
        {"lifter": 5.5},
        {"top_db": None},
        {"top_db": 20.0},
        {"cepstra": range(1, 20)},
        {"sample_rate": 8000, "f_max_hz": 4000.0, "n_fft": 256, "win_length": 200, "n_mels": 20}
        | {"hop_length": 80, "cepstra": range(20)},
    ],
    ids=str,
)
@pytest.mark.parametrize("signal", [noise, tone, speech_like])
def test_agrees_with_librosa(signal, changes):
    samples = signal(16_000)
    if changes.get("top_db", 0) is None:
        # Without a limit the empty bands of a pure tone hold rounding alone, 130 dB below it.
        samples = samples + noise(16_000, level=1e-3)
    cepstra, _ = mfcc(samples, build_mfcc_transform(**SETTINGS | changes))
    assert cepstra.dtype == np.float32
    np.testing.assert_allclose(cepstra, librosa_mfcc(samples, **changes), rtol=0, atol=CEPSTRA)


@pytest.mark.parametrize("signal", [noise, speech_like])
def test_agrees_with_librosas_own_mfcc_of_samples(signal):
    import librosa

    samples = signal(20_000)
    expected = librosa.feature.mfcc(
        y=samples, sr=RATE, n_mfcc=30, n_fft=512, win_length=400, hop_length=160, n_mels=40
    )
    cepstra, _ = mfcc(samples, build_mfcc_transform(**SETTINGS))
    np.testing.assert_allclose(cepstra, expected.T, rtol=0, atol=CEPSTRA)


@pytest.mark.parametrize("n_samples", [1, 2, 159, 160, 399, 400, 401, 512, 1000])
def test_agrees_with_librosa_on_short_signals(n_samples):
    samples = noise(n_samples)
    cepstra, _ = mfcc(samples, build_mfcc_transform(**SETTINGS))
    np.testing.assert_allclose(cepstra, librosa_mfcc(samples), rtol=0, atol=CEPSTRA)


def test_agrees_with_librosa_beyond_one_block():
    samples = speech_like(160 * (2 * BLOCK_FRAMES + 37))
    cepstra, _ = mfcc(samples, build_mfcc_transform(**SETTINGS))
    assert len(cepstra) > 2 * BLOCK_FRAMES
    np.testing.assert_allclose(cepstra, librosa_mfcc(samples), rtol=0, atol=CEPSTRA)


def test_zeros_are_at_the_floor_of_minus_100_db():
    cepstra, energy = mfcc(np.zeros(1600, dtype=np.float32), build_mfcc_transform(**SETTINGS))
    # A flat spectrum of -100 dB has only c0: the orthonormal transform times sqrt(40).
    np.testing.assert_allclose(cepstra[:, 0], -100 * np.sqrt(40), rtol=1e-6)
    np.testing.assert_allclose(cepstra[:, 1:], 0, atol=CEPSTRA)
    np.testing.assert_array_equal(energy, np.zeros(11))


@LAW
@given(st.integers(1, 5_000), st.integers(10, 400))
def test_there_are_one_and_a_hop_of_frames(n_samples, hop_length):
    setting = SETTINGS | {"n_fft": 512, "win_length": 400, "hop_length": hop_length}
    cepstra, energy = mfcc(noise(n_samples), build_mfcc_transform(**setting))
    assert cepstra.shape == (1 + n_samples // hop_length, 30)
    assert energy.shape == (1 + n_samples // hop_length,)


def test_energy_is_that_of_the_windowed_samples():
    samples = noise(3_000)
    _, energy = mfcc(samples, build_mfcc_transform(**SETTINGS))
    window = scipy.signal.get_window("hann", 400)
    padded = np.concatenate([np.zeros(256), samples.astype(float), np.zeros(256)])
    for t in range(len(energy)):
        # The window stands in the middle of the transform's 512 samples.
        span = padded[160 * t + 56 : 160 * t + 456]
        assert energy[t] == pytest.approx(np.sum((span * window) ** 2), rel=1e-5)


@LAW
@given(st.integers(0, 2**32 - 1), st.sampled_from([-3, 1, 5]))
def test_a_louder_recording_differs_in_c0_alone(seed, exponent):
    samples = noise(4_000, seed)
    transform = build_mfcc_transform(**SETTINGS)
    quiet, _ = mfcc(samples, transform)
    loud, _ = mfcc(samples * np.float32(2.0**exponent), transform)
    # 20 · log10(2) dB a factor of two in every one of 40 bands, where none is at the floor.
    step = 20 * np.log10(2) * exponent * np.sqrt(40)
    np.testing.assert_allclose(loud[:, 0] - quiet[:, 0], step, rtol=0, atol=10 * CEPSTRA)
    np.testing.assert_allclose(loud[:, 1:], quiet[:, 1:], rtol=0, atol=CEPSTRA)


def test_a_shift_by_whole_hops_shifts_the_frames():
    samples = noise(8_000)
    transform = build_mfcc_transform(**SETTINGS | {"top_db": None})
    whole, _ = mfcc(samples, transform)
    later, _ = mfcc(samples[5 * 160 :], transform)
    # Frames whose windows do not reach the ends.
    np.testing.assert_allclose(later[2:-2], whole[7:-2], rtol=0, atol=CEPSTRA)


@pytest.mark.parametrize("coefficient", [0.97, 0.9, 1.0, 0.5])
@pytest.mark.parametrize("n_samples", [2, 3, 400, 10_000])
def test_pre_emphasis_agrees_with_librosa(coefficient, n_samples):
    import librosa

    samples = noise(n_samples)
    emphasized = pre_emphasize(samples, coefficient)
    assert emphasized.dtype == np.float32
    np.testing.assert_allclose(
        emphasized, librosa.effects.preemphasis(samples, coef=coefficient), rtol=0, atol=1e-6
    )


def test_pre_emphasis_of_a_single_sample_is_defined():
    assert np.isfinite(pre_emphasize(np.float32([0.5]), 0.97)).all()


def test_pre_emphasis_of_zero_is_none():
    samples = noise(100)
    np.testing.assert_array_equal(pre_emphasize(samples, 0.0), samples)


def test_pre_emphasis_does_not_change_the_samples():
    samples = noise(100)
    before = samples.copy()
    pre_emphasize(samples, 0.97)
    np.testing.assert_array_equal(samples, before)

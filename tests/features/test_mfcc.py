"""Cepstra: librosa's MFCC to float32 rounding, LFCC by their definition, any cut into blocks."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
import scipy.fft
import scipy.signal
from hypothesis import example, given, settings
from hypothesis import strategies as st

from speakergmm.errors import ConfigError
from speakergmm.features.mfcc import (
    BLOCK_FRAMES,
    MfccTransform,
    build_mfcc_transform,
    cepstra_in_blocks,
    filter_bank_energies,
    linear_filters,
    mfcc,
    pre_emphasize,
)
from speakergmm.features.noise import LEAST_LEFT, subtract_noise

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
    "noise_subtraction": 0.0,
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


# --- LFCC ----------------------------------------------------------------------------------------


def slow_triangle(frequency_hz, low_hz, middle_hz, high_hz):
    """Height of a triangle of area 1 whose halves are equally wide."""
    if low_hz < frequency_hz <= middle_hz:
        height = (frequency_hz - low_hz) / (middle_hz - low_hz)
    elif middle_hz < frequency_hz < high_hz:
        height = (high_hz - frequency_hz) / (high_hz - middle_hz)
    else:
        height = 0.0
    return height / (middle_hz - low_hz)


def slow_bank(rate, n_fft, n_filters, f_min_hz, f_max_hz):
    step_hz = (f_max_hz - f_min_hz) / (n_filters + 1)
    corners_hz = [f_min_hz + m * step_hz for m in range(n_filters + 2)]
    bins_hz = [k * rate / n_fft for k in range(n_fft // 2 + 1)]
    return np.array([
        [slow_triangle(hz, *corners_hz[m : m + 3]) for hz in bins_hz] for m in range(n_filters)
    ])  # fmt: skip


def slow_lfcc(samples, setting):
    """Compute cepstra in float64: Fourier and cosine transforms by their sums."""
    n_fft, hop, left = setting["n_fft"], setting["hop_length"], setting["n_fft"] // 2
    n, k = np.arange(n_fft), np.arange(n_fft // 2 + 1)
    fourier = np.exp(-2j * np.pi * np.outer(k, n) / n_fft)
    start = (n_fft - setting["win_length"]) // 2
    inside = np.arange(setting["win_length"])
    window = np.zeros(n_fft)
    window[start + inside] = 0.5 - 0.5 * np.cos(2 * np.pi * inside / setting["win_length"])
    bank = slow_bank(
        setting["sample_rate"], n_fft, setting["n_mels"], setting["f_min_hz"], setting["f_max_hz"]
    )
    padded = np.concatenate([np.zeros(left), samples.astype(float), np.zeros(left)])
    spectra_db = []
    for t in range(1 + len(samples) // hop):
        power = np.abs(fourier @ (window * padded[t * hop : t * hop + n_fft])) ** 2
        spectra_db.append(10 * np.log10(np.maximum(bank @ power, 1e-10)))
    spectra_db = np.maximum(spectra_db, np.max(spectra_db) - setting["top_db"])
    m, n_mels = np.arange(setting["n_mels"]), setting["n_mels"]
    cepstra = []
    for i in setting["cepstra"]:
        scale = np.sqrt((1 if i == 0 else 2) / n_mels)
        cepstra.append(scale * spectra_db @ np.cos(np.pi * i * (m + 0.5) / n_mels))
    return np.stack(cepstra, axis=1)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"f_min_hz": 300.0, "f_max_hz": 3400.0, "n_mels": 20, "cepstra": range(1, 13)},
        {"sample_rate": 8000, "f_max_hz": 4000.0, "n_fft": 256, "win_length": 200, "n_mels": 24}
        | {"hop_length": 80, "cepstra": range(20), "top_db": 30.0},
    ],
    ids=str,
)
@pytest.mark.parametrize("signal", [noise, speech_like])
def test_lfcc_agree_with_their_definition(signal, changes):
    setting = SETTINGS | {"scale": "linear"} | changes
    samples = signal(8_000)
    cepstra, _ = mfcc(samples, build_mfcc_transform(**setting))
    np.testing.assert_allclose(cepstra, slow_lfcc(samples, setting), rtol=0, atol=CEPSTRA)


@pytest.mark.parametrize("span", [(0.0, 8000.0), (300.0, 3400.0), (1000.0, 1041.0)])
@pytest.mark.parametrize("n_filters", [2, 20, 40])
def test_linear_filters_are_triangles_of_area_one(n_filters, span):
    bank = linear_filters(RATE, 512, n_filters, *span)
    np.testing.assert_allclose(bank, slow_bank(RATE, 512, n_filters, *span), rtol=0, atol=1e-12)
    # So finely sampled that the sum is the area to a thousandth.
    n_fft = 1 << 19
    areas = linear_filters(RATE, n_fft, n_filters, *span).sum(axis=1) * RATE / n_fft
    np.testing.assert_allclose(areas, 1.0, rtol=1e-3)


def test_linear_filters_are_librosas_where_its_scale_is_even():
    import librosa.filters

    # Slaney's mel scale is linear below 1000 Hz.
    expected = librosa.filters.mel(sr=RATE, n_fft=2048, n_mels=20, fmin=0.0, fmax=1000.0)
    np.testing.assert_allclose(linear_filters(RATE, 2048, 20, 0.0, 1000.0), expected, atol=1e-8)


def test_between_its_outer_filters_the_bank_weighs_all_frequencies_alike():
    bank = linear_filters(RATE, 512, 30, 0.0, 8000.0)
    width_hz = 8000.0 / 31
    inside = slice(int(np.ceil(width_hz / 31.25)), int((8000 - width_hz) / 31.25))
    np.testing.assert_allclose(bank.sum(axis=0)[inside], 1 / width_hz, rtol=1e-12)


# --- noise subtraction ---------------------------------------------------------------------------


def noisy(n_samples, noise_level=0.01, seed=1):
    return speech_like(n_samples, seed) + noise(n_samples, seed + 1, noise_level)


def bands_of(samples, transform):
    parts, energies = zip(*filter_bank_energies([samples], transform), strict=True)
    return np.concatenate(parts).astype(float), np.concatenate(energies)


@pytest.mark.parametrize("n_samples", [100, 500, 700, 5_000, 100_000])
@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0, 3.0])
@pytest.mark.parametrize("top_db", [None, 20.0])
def test_noise_subtraction_agrees_with_brute_force(n_samples, strength, top_db):
    setting = SETTINGS | {"noise_subtraction": strength, "top_db": top_db}
    samples = noisy(n_samples)
    transform = build_mfcc_transform(**setting)
    bands, energy = bands_of(samples, transform)
    n_quiet = max(3, round(len(bands) / 10))
    if n_quiet < len(bands):
        quietest = sorted(range(len(bands)), key=lambda t: energy[t])[:n_quiet]
        taken = strength * sum(bands[t] for t in quietest) / n_quiet
        bands = np.maximum(bands - taken, LEAST_LEFT * bands)
    spectra_db = 10 * np.log10(np.maximum(bands, 1e-10))
    if top_db is not None:
        spectra_db = np.maximum(spectra_db, spectra_db.max() - top_db)
    expected = scipy.fft.dct(spectra_db, axis=1, norm="ortho")[:, :30]
    cepstra, energy_beside = mfcc(samples, transform)
    # Differences of float32 cells: some have lost two digits.
    np.testing.assert_allclose(cepstra, expected, rtol=0, atol=10 * CEPSTRA)
    # Voice activity goes by what was recorded.
    np.testing.assert_array_equal(energy_beside, energy)


@LAW
@given(st.integers(0, 2**32 - 1), st.sampled_from([-3, 1, 5]))
def test_noise_subtraction_does_not_depend_on_the_level(seed, exponent):
    samples = noisy(8_000, seed=seed)
    transform = build_mfcc_transform(**SETTINGS | {"noise_subtraction": 1.0, "top_db": None})
    quiet, _ = mfcc(samples, transform)
    loud, _ = mfcc(samples * np.float32(2.0**exponent), transform)
    np.testing.assert_allclose(loud[:, 1:], quiet[:, 1:], rtol=0, atol=CEPSTRA)


def test_digital_silence_tells_of_no_noise():
    samples = speech_like(32_000) + noise(32_000, seed=2, level=0.01)
    padded = np.concatenate([samples, np.zeros(16_000, dtype=np.float32)])
    transform = build_mfcc_transform(**SETTINGS | {"noise_subtraction": 1.0})
    without = build_mfcc_transform(**SETTINGS)
    alone, beside_zeros = mfcc(samples, transform)[0], mfcc(padded, transform)[0]
    change = np.abs(alone - mfcc(samples, without)[0])[:195].mean()
    # But for the frames that reach over the edge, of which one is now among the quietest.
    assert np.abs(beside_zeros[:195] - alone[:195]).mean() < 0.3 * change
    assert change > 1


def test_frames_that_are_equally_quiet_tell_of_the_noise_together():
    rng = np.random.default_rng(0)
    energy = np.float32([5, 1, 2, 2, 2, 2, 2, 0, *rng.uniform(3, 9, 60)])
    cells = rng.uniform(1, 2, (len(energy), 4)).astype(np.float32)
    # A tenth are seven frames; the one of energy 0 is none of them.
    bands = cells.copy()
    subtract_noise(bands, energy, 0.5)
    quietest = [1, 2, 3, 4, 5, 6, 8 + int(np.argmin(energy[8:]))]
    expected = np.maximum(cells - 0.5 * cells[quietest].mean(axis=0), 0.1 * cells)
    np.testing.assert_allclose(bands, expected, rtol=1e-6)
    # Now the tenth ends within the five.
    bands = cells[:40].copy()
    subtract_noise(bands, energy[:40], 0.5)
    expected = np.maximum(cells[:40] - 0.5 * cells[1:7].mean(axis=0), 0.1 * cells[:40])
    np.testing.assert_allclose(bands, expected, rtol=1e-6)


# --- samples in blocks ---------------------------------------------------------------------------


def cut(samples, places):
    edges = [0, *sorted(min(place, len(samples)) for place in places), len(samples)]
    return [samples[start:stop] for start, stop in itertools.pairwise(edges)]


def assert_same_bits(blocks, samples, transform):
    whole, energy = mfcc(samples, transform)
    cepstra, energy_of_parts = cepstra_in_blocks(iter(blocks), transform)
    np.testing.assert_array_equal(cepstra, whole)
    np.testing.assert_array_equal(energy_of_parts, energy)


# Cuts that are the same give empty blocks, neighbors give blocks of one sample.
CUTS = st.lists(
    st.tuples(st.integers(0, 200_000), st.integers(0, 3)), max_size=12
).map(lambda pairs: [place + i for place, more in pairs for i in range(more + 1)])  # fmt: skip

TRANSFORMS = st.fixed_dictionaries(
    {
        "pre_emphasis": st.sampled_from([0.0, 0.97]),
        "top_db": st.sampled_from([None, 40.0]),
        "noise_subtraction": st.sampled_from([0.0, 1.5]),
        "hop_length": st.sampled_from([80, 160, 317]),
    }
)


@settings(derandomize=True, deadline=None, max_examples=25)
@given(st.integers(0, 200_000), CUTS, TRANSFORMS)
@example(
    200_000,
    [1, 1, 2, 81_000, 82_000, 163_967, 199_999],
    {"pre_emphasis": 0.97, "top_db": 40.0, "hop_length": 160, "noise_subtraction": 1.0},
)
def test_how_the_samples_are_cut_changes_no_bit(n_samples, places, changes):
    samples = speech_like(n_samples) if n_samples else noise(0)
    transform = build_mfcc_transform(**SETTINGS | changes)
    assert_same_bits(cut(samples, places), samples, transform)


@pytest.mark.parametrize("n_samples", [0, 1, 2, 3, 400, 1000])
@pytest.mark.parametrize("pre_emphasis", [0.0, 0.97])
def test_blocks_may_be_of_one_sample_or_none(n_samples, pre_emphasis):
    samples = noise(n_samples)
    transform = build_mfcc_transform(**SETTINGS | {"pre_emphasis": pre_emphasis})
    single = [samples[i : i + 1] for i in range(n_samples)]
    assert_same_bits(single, samples, transform)
    with_none = [block for sample in single for block in (samples[:0], sample, samples[:0])]
    assert_same_bits(with_none, samples, transform)


@pytest.mark.parametrize("more", [-1, 0, 1])
@pytest.mark.parametrize("n_blocks", [1, 2])
def test_whole_blocks_of_frames_and_one_sample_more_or_less(n_blocks, more):
    # The block's last window ends here, and here its last frame stands.
    last = 160 * (n_blocks * BLOCK_FRAMES - 1)
    transform = build_mfcc_transform(**SETTINGS)
    for n_samples in (last + 256 + more, last + more):
        samples = noise(n_samples)
        cepstra, _ = mfcc(samples, transform)
        assert len(cepstra) == 1 + n_samples // 160
        assert_same_bits(cut(samples, [last - 256, last, last + 1]), samples, transform)


def test_the_limit_below_the_loudest_is_that_of_all_blocks():
    samples = noise(160 * 3 * BLOCK_FRAMES, level=1e-3)
    samples[-2000:] *= np.float32(1e3)
    setting = SETTINGS | {"top_db": 40.0}
    cepstra, _ = cepstra_in_blocks(cut(samples, [100_000]), build_mfcc_transform(**setting))
    assert len(cepstra) > 2 * BLOCK_FRAMES
    np.testing.assert_allclose(cepstra, librosa_mfcc(samples, top_db=40.0), rtol=0, atol=CEPSTRA)
    # All that came before is 60 dB below: a flat spectrum, of which only c0 is not 0.
    np.testing.assert_allclose(cepstra[:-20, 1:], 0, atol=CEPSTRA)


def test_spectra_come_in_blocks_of_bounded_size():
    transform = build_mfcc_transform(**SETTINGS)
    sizes = [len(energy) for _, energy in filter_bank_energies([noise(400_000)], transform)]
    assert sizes == [BLOCK_FRAMES] * 4 + [2501 - 4 * BLOCK_FRAMES]


def test_the_samples_of_a_block_are_not_changed():
    samples = noise(100_000)
    before = samples.copy()
    samples.flags.writeable = False
    cepstra_in_blocks([samples[:70_000], samples[70_000:]], build_mfcc_transform(**SETTINGS))
    np.testing.assert_array_equal(samples, before)


@given(st.integers(1, 40), st.integers(0, 40), st.sampled_from([0.5, 0.97, 1.0]))
def test_pre_emphasis_goes_on_after_the_sample_before(first, n_more, coefficient):
    samples = noise(first + 1 + n_more)
    whole = pre_emphasize(samples, coefficient)
    rest = pre_emphasize(samples[first:], coefficient, samples[first - 1])
    np.testing.assert_array_equal(rest, whole[first:])


# --- constants that are stored -------------------------------------------------------------------

OTHERS = ("hop_length", "pre_emphasis", "noise_subtraction", "top_db")


def stored_and_made_again(**changes):
    setting = SETTINGS | changes
    transform = build_mfcc_transform(**setting)
    again = MfccTransform.from_tensors(
        transform.tensors(), **{name: setting[name] for name in OTHERS}
    )
    return transform, again


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"pre_emphasis": 0.97, "noise_subtraction": 2.0, "top_db": None},
        {"scale": "htk", "n_mels": 26, "cepstra": range(1, 13), "lifter": 22.0},
        {"scale": "linear", "f_min_hz": 100.0, "f_max_hz": 4000.0},
        {"n_fft": 1024, "win_length": 640, "hop_length": 320},
        # A filter for more than every bin: some are empty.
        {"n_fft": 32, "win_length": 20, "hop_length": 10},
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:Empty filters")
def test_a_transform_that_was_stored_gives_the_same_bits(changes):
    transform, again = stored_and_made_again(**changes)
    for one, other in zip(mfcc(noise(9_000), transform), mfcc(noise(9_000), again), strict=True):
        np.testing.assert_array_equal(one, other)
    for name, array in transform.tensors().items():
        assert array.dtype == np.float32
        np.testing.assert_array_equal(again.tensors()[name], array)
    for name in OTHERS:
        assert getattr(again, name) == getattr(transform, name)


def test_stored_arrays_may_be_read_only_and_in_any_order():
    transform = build_mfcc_transform(**SETTINGS)
    tensors = {name: np.asfortranarray(a) for name, a in transform.tensors().items()}
    for array in tensors.values():
        array.flags.writeable = False
    again = MfccTransform.from_tensors(tensors, **{name: SETTINGS[name] for name in OTHERS})
    np.testing.assert_array_equal(mfcc(noise(4000), again)[0], mfcc(noise(4000), transform)[0])


def without(name):
    return lambda tensors: tensors.pop(name)


def changed(name, change):
    def apply(tensors):
        tensors[name] = change(tensors[name])

    return apply


def with_one(value):
    def change(array):
        array = array.copy()
        array.flat[3] = value
        return array

    return change


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (without("dct"), "constants have no 'dct'; expected 'window', 'filters', 'dct'"),
        (changed("window", np.float64), r"'window' has shape \(512,\) of float64"),
        (changed("filters", np.ravel), "'filters' has shape .* along 2 axes"),
        (changed("filters", with_one(np.nan)), "expected finite float32"),
        (changed("dct", with_one(np.inf)), "expected finite float32"),
        (changed("window", lambda w: w[:500]), "window has 500 samples; expected a power of two"),
        (changed("window", lambda w: w[:2]), "window has 2 samples"),
        (changed("window", lambda w: w[:0]), "window has 0 samples"),
        (changed("window", lambda w: w[:256]), r"filters have shape \(40, 257\).*n_mels, 129"),
        (changed("filters", lambda f: f[:39]), r"filters have shape \(39, 257\)"),
        (changed("dct", lambda d: d[:, :0]), r"cosine transform \(40, 0\)"),
        (changed("dct", lambda d: np.tile(d, 2)), r"cosine transform \(40, 60\)"),
        (changed("dct", lambda d: d[:30]), r"cosine transform \(30, 30\)"),
    ],
)
def test_damaged_constants_are_refused(damage, message):
    tensors = dict(build_mfcc_transform(**SETTINGS).tensors())
    damage(tensors)
    with pytest.raises(ConfigError, match=message):
        MfccTransform.from_tensors(tensors, **{name: SETTINGS[name] for name in OTHERS})

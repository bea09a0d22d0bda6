"""Voice activity: its laws, and a brute-force look at the criterion and at the runs."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from speakergmm.audio.activity import (
    MIN_DEVIATION_DB,
    MIN_FRAMES,
    MIN_SEPARATION_DB,
    MIN_SHARE,
    snr_of_frames,
    split_levels,
    voiced,
    voiced_above_noise,
    without_short_runs,
)
from speakergmm.errors import ConfigError

LAW = settings(derandomize=True, deadline=None, max_examples=60)


def random_energy(seed, n_frames):
    rng = np.random.default_rng(seed)
    return np.exp(5 * rng.normal(size=n_frames)).astype(np.float32)


def energy_of(levels_db):
    return (10 ** (np.asarray(levels_db) / 10)).astype(np.float32)


def two_levels(seed, n_noise, n_speech, separation_db, *, noise_db=1.5, speech_db=4.0):
    """Levels of noise and of speech above it, in an order of no meaning, and which are speech."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(-60.0, noise_db, n_noise)
    speech = rng.normal(separation_db - 60.0, speech_db, n_speech)
    order = rng.permutation(n_noise + n_speech)
    return np.concatenate([noise, speech])[order], (order >= n_noise)


# --- below the peak ---


@LAW
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 50),
    st.floats(0, 100),
    st.integers(-40, 40),
)
def test_the_level_of_the_recording_does_not_matter(seed, n_frames, threshold_db, exponent):
    energy = random_energy(seed, n_frames)
    mask = voiced(energy, threshold_db=threshold_db)
    # Samples times a power of two: energies times its square, without rounding.
    louder = energy * np.float32(2.0 ** (2 * exponent))
    np.testing.assert_array_equal(voiced(louder, threshold_db=threshold_db), mask)


@LAW
@given(st.integers(0, 2**32 - 1), st.integers(1, 50), st.floats(0, 60), st.floats(0, 60))
def test_a_larger_threshold_keeps_more(seed, n_frames, one, other):
    energy = random_energy(seed, n_frames)
    fewer = voiced(energy, threshold_db=min(one, other))
    more = voiced(energy, threshold_db=max(one, other))
    assert (more | ~fewer).all()
    assert fewer[np.argmax(energy)]


def test_voiced_by_hand():
    energy = np.array([1.0, 0.11, 0.09, 0.0, 0.5], dtype=np.float32)
    np.testing.assert_array_equal(
        voiced(energy, threshold_db=10.0), [True, True, False, False, True]
    )
    np.testing.assert_array_equal(voiced(energy, threshold_db=0.0), energy == 1)


def test_equally_loud_frames_are_all_kept():
    assert voiced(np.full(7, 0.3, dtype=np.float32), threshold_db=0.0).all()
    assert voiced(np.zeros(7, dtype=np.float32)).all()


@pytest.mark.parametrize("threshold_db", [-1.0, np.nan])
def test_a_negative_threshold_is_refused(threshold_db):
    with pytest.raises(ConfigError, match=f"vad_db is {threshold_db}; expected 0 dB or more"):
        voiced(np.ones(3, dtype=np.float32), threshold_db=threshold_db)


# --- above the noise ---


def criterion(below, above):
    """Kittler & Illingworth 1986, eq. 15, of two sets of levels."""
    n = len(below) + len(above)
    j = 1.0
    for part in (below, above):
        share = len(part) / n
        deviation = max(np.std(part), MIN_DEVIATION_DB)
        j += 2 * share * np.log(deviation) - 2 * share * np.log(share)
    return j


def slow_splits(levels_db):
    """Every split that leaves enough frames to both sides, and the criterion there."""
    ordered = np.sort(levels_db)
    fewest = max(MIN_FRAMES, round(MIN_SHARE * len(ordered)))
    return {
        k: criterion(ordered[:k], ordered[k:]) for k in range(fewest, len(ordered) - fewest + 1)
    }


@LAW
@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 60),
    st.integers(1, 60),
    st.floats(0, 45),
    st.floats(0.1, 8),
    st.floats(0.1, 8),
)
def test_split_is_the_best_of_all(seed, n_noise, n_speech, separation_db, noise_db, speech_db):
    levels, _ = two_levels(
        seed, n_noise, n_speech, separation_db, noise_db=noise_db, speech_db=speech_db
    )
    threshold = split_levels(levels)
    costs = slow_splits(levels)
    ordered = np.sort(levels)
    if threshold is None:
        best = min(costs, key=costs.get, default=None)
        assert best is None or (
            np.mean(ordered[best:]) - np.mean(ordered[:best]) < MIN_SEPARATION_DB + 1e-9
        )
        return
    k = int(np.count_nonzero(levels < threshold))
    assert ordered[k - 1] < threshold < ordered[k]
    assert threshold == pytest.approx((ordered[k - 1] + ordered[k]) / 2, abs=1e-9)
    # The very split, or one that is as good to rounding.
    assert costs[k] <= min(costs.values()) + 1e-9
    assert np.mean(ordered[k:]) - np.mean(ordered[:k]) >= MIN_SEPARATION_DB - 1e-9


@pytest.mark.parametrize("separation_db", [15, 20, 30, 40, 50])
@pytest.mark.parametrize("share", [0.05, 0.3, 0.7, 0.95])
def test_two_levels_are_told_apart(separation_db, share):
    n_speech = round(1000 * share)
    levels, is_speech = two_levels(3, 1000 - n_speech, n_speech, separation_db)
    mask = voiced_above_noise(energy_of(levels))
    # At 15 dB the best threshold between deviations of 1.5 and 4 dB errs in 1 of 200.
    assert np.mean(mask != is_speech) < 0.02


@LAW
@given(st.integers(0, 2**32 - 1), st.integers(6, 80), st.integers(-30, 30), st.floats(5, 40))
def test_gain_does_not_change_which_frames_stand_out(seed, n_frames, exponent, separation_db):
    levels, _ = two_levels(seed, n_frames, n_frames, separation_db)
    energy = energy_of(levels)
    louder = energy * np.float32(2.0**exponent)
    np.testing.assert_array_equal(voiced_above_noise(louder), voiced_above_noise(energy))


@LAW
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 60), st.floats(0, 40))
def test_order_of_the_frames_does_not_matter(seed, n_noise, n_speech, separation_db):
    levels, _ = two_levels(seed, n_noise, n_speech, separation_db)
    order = np.random.default_rng(seed).permutation(len(levels))
    assert split_levels(levels[order]) == split_levels(levels)
    energy = energy_of(levels)
    np.testing.assert_array_equal(
        voiced_above_noise(energy[order]), voiced_above_noise(energy)[order]
    )


def test_the_levels_are_not_changed():
    levels, _ = two_levels(0, 50, 50, 30)
    energy = energy_of(levels)
    before, energy_before = levels.copy(), energy.copy()
    split_levels(levels)
    voiced_above_noise(energy)
    np.testing.assert_array_equal(levels, before)
    np.testing.assert_array_equal(energy, energy_before)


@pytest.mark.parametrize("deviation_db", [0.0, 0.5, 1.5])
@pytest.mark.parametrize("n_frames", [1, 5, 6, 7, 300])
def test_all_frames_of_one_level_are_kept(deviation_db, n_frames):
    levels = np.random.default_rng(1).normal(-30, deviation_db, n_frames)
    assert split_levels(levels) is None
    assert voiced_above_noise(energy_of(levels)).all()


@pytest.mark.parametrize("n_frames", [1, 2, 5])
def test_too_few_frames_for_two_levels_are_one(n_frames):
    assert split_levels(np.linspace(-50, 0, n_frames)) is None


@pytest.mark.parametrize("silence_db", [-np.inf, -200.0, -130.0])
@pytest.mark.parametrize("n_silent", [1, 100, 2000])
def test_digital_silence_is_not_taken_for_the_noise(silence_db, n_silent):
    levels, is_speech = two_levels(5, 200, 200, 30)
    alone = voiced_above_noise(energy_of(levels))
    assert np.mean(alone != is_speech) < 0.01
    beside = voiced_above_noise(energy_of(np.append(levels, np.full(n_silent, silence_db))))
    np.testing.assert_array_equal(beside, np.append(alone, np.zeros(n_silent, dtype=bool)))


@LAW
@given(st.integers(0, 2**32 - 1), st.integers(1, 100))
def test_what_stands_out_are_the_loudest(seed, n_frames):
    energy = random_energy(seed, n_frames)
    mask = voiced_above_noise(energy)
    assert mask[np.argmax(energy)]
    assert energy[mask].min() > np.max(energy[~mask], initial=-1.0)


ODD_LEVELS = [-60.0, -50.0, -40.0, -39.0, 0.0]


@LAW
@given(st.lists(st.sampled_from(ODD_LEVELS), min_size=1, max_size=80))
@example([-40.0] * 2 + [0.0] * 98)
def test_the_loudest_frame_is_kept_where_many_are_equal(levels):
    energy = energy_of(levels)
    mask = voiced_above_noise(energy)
    assert mask[energy == energy.max()].all()
    # Equal frames go together.
    for value in np.unique(energy):
        assert len(np.unique(mask[energy == value])) == 1


@pytest.mark.parametrize("energy", [[0.0] * 10, [1e-45] * 9 + [0.0], [0.0], [1e-40] * 5 + [0.0]])
def test_energies_at_the_end_of_float32_are_no_warning(energy):
    energy = np.array(energy, dtype=np.float32)
    assert voiced_above_noise(energy)[energy == energy.max()].all()


# --- runs ---


def slow_without_short_runs(mask, min_speech, min_pause):
    def runs(values):
        start = 0
        for value, members in itertools.groupby(values):
            length = len(list(members))
            yield value, start, start + length
            start += length

    filled = list(mask)
    for value, start, stop in runs(mask):
        if not value and start > 0 and stop < len(mask) and stop - start < min_pause:
            filled[start:stop] = [True] * (stop - start)
    longest = max((stop - start for value, start, stop in runs(filled) if value), default=0)
    kept = list(filled)
    for value, start, stop in runs(filled):
        if value and stop - start < min(min_speech, longest):
            kept[start:stop] = [False] * (stop - start)
    return kept


MASKS = st.lists(
    st.tuples(st.booleans(), st.integers(1, 6)), min_size=1, max_size=15
).map(lambda runs: np.array([value for value, n in runs for _ in range(n)]))  # fmt: skip


@settings(derandomize=True, deadline=None, max_examples=200)
@given(MASKS, st.integers(1, 12), st.integers(1, 12))
def test_runs_agree_with_brute_force(mask, min_speech, min_pause):
    before = mask.copy()
    kept = without_short_runs(mask, min_speech=min_speech, min_pause=min_pause)
    assert kept.dtype == np.bool_
    np.testing.assert_array_equal(kept, slow_without_short_runs(mask, min_speech, min_pause))
    np.testing.assert_array_equal(mask, before)
    # Doing it again changes nothing, and some speech stays where there was some.
    again = without_short_runs(kept, min_speech=min_speech, min_pause=min_pause)
    np.testing.assert_array_equal(again, kept)
    assert kept.any() == mask.any()


@given(MASKS)
def test_runs_of_one_frame_are_long_enough_by_default(mask):
    np.testing.assert_array_equal(without_short_runs(mask), mask)


def test_runs_by_hand():
    mask = np.array([c == "#" for c in ".#..###.##....#.."])
    kept = {
        (1, 1): ".#..###.##....#..",
        (1, 2): ".#..######....#..",
        (1, 3): ".#########....#..",
        (2, 1): "....###.##.......",
        (3, 2): "....######.......",
        # Pauses first: what they join is long enough.
        (9, 3): ".#########.......",
        # Nothing is long enough: the longest stays.
        (99, 1): "....###..........",
        (1, 99): ".##############..",
    }
    for (min_speech, min_pause), expected in kept.items():
        found = without_short_runs(mask, min_speech=min_speech, min_pause=min_pause)
        assert "".join(".#"[int(value)] for value in found) == expected


@pytest.mark.parametrize("name", ["min_speech", "min_pause"])
@pytest.mark.parametrize("value", [0, -1, 1.5])
def test_a_run_of_nothing_is_refused(name, value):
    with pytest.raises(ConfigError, match=f"{name} is {value}; expected"):
        without_short_runs(np.ones(3, dtype=bool), **{name: value})


def test_of_many_frames_some_tell_the_split():
    levels, is_speech = two_levels(0, 250_000, 150_000, 30)
    mask = voiced_above_noise(energy_of(levels))
    assert np.mean(mask != is_speech) < 1e-3


# --- how far speech stands out, by frames alone ---


def pulsed(snr_db, *, n=400):
    """Energies of frames: noise of power 1, and in every other fifth of them speech on top."""
    energy = np.ones(n, dtype=np.float32)
    energy[(np.arange(n) // (n // 5)) % 2 == 1] += 10 ** (snr_db / 10)
    return energy


@pytest.mark.parametrize("snr_db", [10.0, 20.0, 25.0])
def test_snr_of_frames_is_that_of_steady_speech_over_steady_noise(snr_db):
    # Below 30 dB the noise counts as speech too: a mean over all of three fifths noise.
    expected = 10 * np.log10(10 ** (snr_db / 10) * 2 / 5)
    assert snr_of_frames(pulsed(snr_db)) == pytest.approx(expected, abs=0.01)
    assert snr_of_frames(pulsed(40.0)) == pytest.approx(40.0, abs=0.01)


def test_snr_of_frames_does_not_depend_on_level_nor_on_padding():
    energy = pulsed(20.0)
    padded = np.concatenate([np.zeros(300, np.float32), energy])
    assert snr_of_frames(1e-6 * energy) == pytest.approx(snr_of_frames(energy), abs=1e-4)
    assert snr_of_frames(padded) == snr_of_frames(energy)


def test_snr_of_frames_stays_within_its_range():
    assert snr_of_frames(np.ones(10, np.float32)) == pytest.approx(-10.0)
    assert snr_of_frames(pulsed(75.0)) == 60.0
    assert snr_of_frames(np.ones(1, np.float32)) == pytest.approx(-10.0)
    assert snr_of_frames(np.zeros(10, np.float32)) == -10.0

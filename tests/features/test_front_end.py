"""The front end: its pieces in order, librosa's numbers, and what it refuses."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import random
from fractions import Fraction

import numpy as np
import pytest
import scipy.signal
import soundfile
from hypothesis import example, given, settings
from hypothesis import strategies as st

from speakergmm import FrontEnd, FrontEndConfig
from speakergmm.audio import read_blocks, read_recording, recordings
from speakergmm.audio.activity import voiced, voiced_above_noise, without_short_runs
from speakergmm.errors import AudioError, ConfigError
from speakergmm.features import (
    cmn,
    cmvn,
    deltas,
    rasta,
    relative_level,
    shifted_deltas,
    sliding_cmvn,
    warp,
)
from speakergmm.features import front_end as front_end_module
from speakergmm.features.front_end import UtteranceFrames

LAW = settings(derandomize=True, deadline=None, max_examples=30)

# Mel cells are up to 100 dB; float32 holds those to 8e-6, and a cepstrum is a sum of some dozens.
CEPSTRA = 2e-3

PLAIN = FrontEndConfig(vad="none", normalization="none")


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

    config = dataclasses.replace(PLAIN, noise_subtraction=0.0, **changes)
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
        deltas=order, delta_window=3, vad="energy", vad_db=vad_db, normalization=normalization
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


# --- every setting beside every other ------------------------------------------------------------

CHOICES = {
    "c0": [True, False],
    "log_energy": [False, True],
    "lifter": [0.0, 22.0],
    "mel_scale": ["slaney", "htk", "linear"],
    "noise_subtraction": [0.0, 1.0],
    "top_db": [80.0, None],
    "rasta": [False, True],
    "deltas": [0, 1, 2],
    "delta_window": [2, 5],
    "shifted_deltas": [None, (7, 1, 3, 7), (12, 2, 5, 3)],
    "vad": ["energy", "two_gaussian", "none"],
    "vad_db": [30.0, None],
    "vad_min_speech_s": [0.0, 0.05],
    "vad_min_pause_s": [0.0, 0.1],
    "vad_keeps": ["speech", "pauses"],
    "normalization": ["level", "none", "cmn", "cmvn", "sliding_cmn", "sliding_cmvn", "warp"],
    "normalization_window_s": [3.0, 0.3],
    "normalization_centered": [True, False],
    "normalization_frames": ["speech", "all"],
    "normalization_over": ["utterance", "side"],
}


def pairwise():
    """Configurations in which every value of a setting meets every value of any other."""
    rng = random.Random(0)
    settings_of = itertools.combinations(CHOICES.items(), 2)
    open_pairs = {
        ((a, x), (b, y)) for (a, xs), (b, ys) in settings_of for x in xs for y in ys
    }  # fmt: skip

    def met(config):
        return open_pairs & set(itertools.combinations(config.items(), 2))

    configs = []
    # Without a detector there are no pauses to keep.
    open_pairs.remove((("vad", "none"), ("vad_keeps", "pauses")))
    while open_pairs:
        drawn = [{name: rng.choice(values) for name, values in CHOICES.items()} for _ in range(30)]
        drawn = [c for c in drawn if (c["vad"], c["vad_keeps"]) != ("none", "pauses")]
        configs.append(max(drawn, key=lambda config: len(met(config))))
        open_pairs -= met(configs[-1])
    return configs


def slowly(config, samples):
    """Frames of one utterance by the pieces that have tests of their own, in their order."""
    below_loudest = config.normalization == "level"
    static, energy = front_end_module.cepstra_in_blocks(
        [samples], FrontEnd(config).transform, below_loudest=below_loudest
    )
    if config.log_energy:
        floor = np.float32(energy.max() * 1e-10 if below_loudest else 1e-10)
        static = np.column_stack([10 * np.log10(np.maximum(energy, floor)), static])
    if config.rasta:
        static = rasta(static)
    parts = [static]
    for _ in range(config.deltas):
        parts.append(deltas(parts[-1], window=config.delta_window))
    if config.shifted_deltas:
        n, spread, shift, n_blocks = config.shifted_deltas
        parts.append(shifted_deltas(static[:, :n], spread=spread, shift=shift, n_blocks=n_blocks))
    frames = np.hstack(parts)
    speech = np.ones(len(frames), dtype=bool)
    if config.vad != "none":
        if config.vad_db is not None:
            speech &= voiced(energy, threshold_db=config.vad_db)
        if config.vad == "two_gaussian":
            speech &= voiced_above_noise(energy)
        speech = without_short_runs(
            speech,
            min_speech=max(1, round(100 * config.vad_min_speech_s)),
            min_pause=max(1, round(100 * config.vad_min_pause_s)),
        )
    if config.vad_keeps == "pauses":
        speech = ~speech
        speech[np.argmin(energy)] = True
    if config.normalization_frames == "all":
        return normalized(config, frames)[speech]
    return normalized(config, frames[speech])


def normalized(config, frames):
    window = round(100 * config.normalization_window_s)
    sliding = functools.partial(sliding_cmvn, window=window, center=config.normalization_centered)
    return {
        "level": functools.partial(relative_level, per_db=config.level_per_db),
        "none": np.copy,
        "cmn": cmn,
        "cmvn": cmvn,
        "sliding_cmn": sliding,
        "sliding_cmvn": functools.partial(sliding, variance=True),
        # Odd, so that the frame stands in the middle.
        "warp": functools.partial(warp, window=window // 2 * 2 + 1),
    }[config.normalization](frames)


@pytest.mark.parametrize(
    "changes", pairwise(), ids=lambda changes: "-".join(map(str, changes.values()))
)
def test_any_settings_together_are_their_pieces_in_order(changes, monkeypatch):
    # So few frames at a time that slopes are taken across the blocks.
    monkeypatch.setattr(front_end_module, "BLOCK_FRAMES", 37)
    config = FrontEndConfig(**changes)
    samples = syllables(40_000)
    frames = FrontEnd(config)(samples, 16_000)
    assert frames.shape[1] == config.n_features
    assert frames.dtype == np.float32
    assert frames.flags.c_contiguous
    assert np.isfinite(frames).all()
    np.testing.assert_array_equal(frames, slowly(config, samples))


def test_every_value_meets_every_other_in_few_configurations():
    assert len(pairwise()) < 60


@pytest.mark.parametrize("vad", ["energy", "two_gaussian", "none"])
def test_voice_activity_does_not_depend_on_what_is_made_of_the_frames(vad):
    def speech(**changes):
        config = FrontEndConfig(vad=vad, normalization_frames="all", **changes)
        return FrontEnd(config).utterance([syllables()], 16_000).speech

    expected = speech()
    for changes in (
        {"normalization": "warp"},
        {"normalization": "cmvn", "normalization_over": "side"},
        {"rasta": True, "deltas": 2},
        {"n_mfcc": 5, "c0": False, "log_energy": True},
        {"top_db": 10.0, "n_mels": 20, "n_mfcc": 20, "mel_scale": "linear"},
        {"noise_subtraction": 2.0},
    ):
        np.testing.assert_array_equal(speech(**changes), expected)


def test_slopes_across_the_blocks_of_a_long_recording():
    config = FrontEndConfig(
        n_mels=12, n_mfcc=4, vad="none", deltas=2, delta_window=3, shifted_deltas=(3, 1, 3, 7),
        normalization="none",
    )  # fmt: skip
    samples = noise(160 * (front_end_module.BLOCK_FRAMES + 100))
    np.testing.assert_array_equal(FrontEnd(config)(samples, 16_000), slowly(config, samples))


# --- voice activity ------------------------------------------------------------------------------


def test_speech_stands_out_of_noise_that_is_less_than_30_db_below_it():
    phase = np.arange(48_000) / 16_000
    samples = noise(48_000) * np.where(phase % 1 < 0.5, 1.0, 0.1).astype(np.float32)
    by_peak = FrontEnd(FrontEndConfig(vad="energy"))(samples, 16_000)
    assert len(by_peak) == 301
    above_noise = FrontEnd(FrontEndConfig(vad="two_gaussian"))(samples, 16_000)
    # Half of them, and those that a window's length of speech reaches.
    assert 150 <= len(above_noise) <= 150 + 3 * 6


def test_short_runs_go_by_seconds():
    samples = noise(16_000, level=1e-4)
    for start, stop in ((1600, 4800), (5600, 8000), (12_000, 12_400)):
        samples[start:stop] *= np.float32(1e3)

    def runs(**changes):
        config = FrontEndConfig(normalization_frames="all", **changes)
        speech = FrontEnd(config).utterance([samples], 16_000).speech
        return int(np.count_nonzero(np.diff(speech, prepend=False) & speech))

    assert runs() == 3
    assert runs(vad_min_pause_s=0.1) == 2
    assert runs(vad_min_speech_s=0.1) == 2
    assert runs(vad_min_speech_s=0.1, vad_min_pause_s=0.1) == 1
    assert runs(vad_min_speech_s=60.0) == 1


def test_a_steady_sound_with_quieter_ends_is_kept():
    # A period of one hop: all frames but the first and last are equally loud, to the bit.
    samples = np.tile(noise(400), 40)
    samples[:200] *= np.float32(0.01)
    config = FrontEndConfig(vad="two_gaussian", hop_s=0.025)
    assert len(FrontEnd(config)(samples, 16_000)) >= 39


def test_very_quiet_recordings_are_no_warning():
    config = FrontEndConfig(vad="two_gaussian")
    assert len(FrontEnd(config)(noise(16_000, level=1e-25), 16_000)) > 0


# --- marked speech -------------------------------------------------------------------------------


def marked_frames(segments, n_samples=16_000, rate=16_000, **changes):
    """Numbers of the frames that are kept, read off an utterance of which each frame is another."""
    config = FrontEndConfig(sample_rate=rate, normalization_frames="all", **changes)
    speech = FrontEnd(config).utterance([noise(n_samples)], rate, speech_s=segments).speech
    return np.flatnonzero(speech).tolist()


@pytest.mark.parametrize(
    ("segments", "frames"),
    [
        ([(0.0, 0.05)], range(5)),
        ([(0.0, 0.051)], range(6)),
        ([(0.001, 0.05)], range(1, 5)),
        ([(0.0, 0.0001)], [0]),
        ([(0.25, 0.5), (0.75, 0.8)], [*range(25, 50), *range(75, 80)]),
        ([(0.75, 0.8), (0.25, 0.5), (0.3, 0.4)], [*range(25, 50), *range(75, 80)]),
        # What lies beyond the utterance is of no account.
        ([(-5.0, 0.02)], range(2)),
        ([(0.98, 100.0)], range(98, 101)),
        ([(-3.0, -1.0), (0.5, 0.51)], [50]),
    ],
)
def test_marked_are_the_frames_whose_middle_lies_in_a_segment(segments, frames):
    assert marked_frames(segments) == list(frames)


@LAW
@given(
    st.integers(0, 1000).map(lambda ms: Fraction(ms, 1000)),
    st.integers(10, 1000).map(lambda ms: Fraction(ms, 1000)),
)
def test_marked_segments_that_meet_share_no_frame(start, length):
    middle, end = float(start + length / 2), float(start + length)
    both = [(float(start), middle), (middle, end)]
    config = FrontEndConfig(n_mels=4, n_mfcc=2, normalization_frames="all")
    front_end = FrontEnd(config)

    def frames(segments):
        return set(front_end._marked([*segments, (0.0, 0.001)], 101).nonzero()[0].tolist()) - {0}

    assert frames([(float(start), end)]) == frames(both[:1]) | frames(both[1:])
    assert not frames(both[:1]) & frames(both[1:])


@LAW
@given(st.integers(0, 99), st.integers(1, 100))
@example(7, 8)
@example(6, 7)
def test_marks_in_hundredths_of_a_second_are_whole_frames(start, stop):
    stop = max(stop, start + 1)
    front_end = FrontEnd(FrontEndConfig())
    found = front_end._marked([(start / 100, stop / 100)], 101).nonzero()[0]
    assert found.tolist() == list(range(start, stop))


def test_marked_speech_goes_before_voice_activity_detection():
    config = FrontEndConfig(
        vad="two_gaussian", vad_min_speech_s=1.0, vad_min_pause_s=1.0, normalization="none"
    )
    front_end = FrontEnd(config)
    whole = FrontEnd(dataclasses.replace(config, vad="none"))(syllables(), 16_000)
    quiet = [(0.0, 0.1), (0.3, 0.38)]
    frames = front_end.utterance([syllables()], 16_000, speech_s=quiet)
    assert frames.speech is None
    np.testing.assert_array_equal(frames.frames, whole[[*range(10), *range(30, 38)]])
    assert len(front_end(syllables(), 16_000)) > 18


@pytest.mark.parametrize("vad", ["energy", "none"])
@pytest.mark.parametrize("segments", [[(1.5, 2.0)], [(-2.0, -1.0)], [(0.501, 0.502)], []])
def test_marked_speech_that_is_not_there_is_refused(vad, segments):
    front_end = FrontEnd(FrontEndConfig(vad=vad))
    message = "none of its frames lies in the speech that its list marks; correct the list"
    with pytest.raises(AudioError, match=message):
        front_end.utterance([noise(16_000)], 16_000, speech_s=segments)


# --- energy --------------------------------------------------------------------------------------


def test_log_energy_stands_before_the_cepstra_in_db():
    config = dataclasses.replace(PLAIN, log_energy=True)
    samples = syllables()
    samples[4_000:6_000] = 0.0
    frames = FrontEnd(config)(samples, 16_000)
    plain = FrontEnd(dataclasses.replace(config, log_energy=False))(samples, 16_000)
    np.testing.assert_array_equal(frames[:, 1:], plain)
    exact = samples.astype(float)
    exact = np.append(3 * exact[0] - exact[1], exact[1:] - 0.97 * exact[:-1])
    padded = np.concatenate([np.zeros(200), exact, np.zeros(200)])
    window = scipy.signal.get_window("hann", 400)
    energy = [np.sum((padded[160 * t : 160 * t + 400] * window) ** 2) for t in range(101)]
    expected = 10 * np.log10(np.maximum(energy, 1e-10))
    np.testing.assert_allclose(frames[:, 0], expected, rtol=0, atol=CEPSTRA)
    assert frames[30, 0] == pytest.approx(-100)


def test_log_energy_follows_the_level_to_the_decibel():
    config = dataclasses.replace(PLAIN, log_energy=True, deltas=1)
    loud = FrontEnd(config)(noise(16_000), 16_000)
    quiet = FrontEnd(config)(noise(16_000) / 4, 16_000)
    np.testing.assert_allclose(loud[:, 0] - quiet[:, 0], 20 * np.log10(4), rtol=0, atol=CEPSTRA)
    assert loud.shape == (101, 62)
    np.testing.assert_array_equal(loud[:, 31:], deltas(loud[:, :31]))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"log_energy": True, "deltas": 1},
        {"c0": False},
        {"n_mels": 26, "n_mfcc": 13, "lifter": 22.0},
        {"mel_scale": "linear", "vad": "none", "log_energy": True},
        {"normalization_frames": "all"},
        {"normalization_over": "side"},
        {"rasta": True},
        {"top_db": None, "vad_keeps": "pauses", "log_energy": True},
    ],
    ids=str,
)
def test_a_louder_recording_has_the_same_frames(changes):
    config = FrontEndConfig(noise_subtraction=0.0, **changes)
    assert not config.hears_level
    # Syllables of -26 dB, and down to -86 dB, where most cells are below -100 dB.
    frames, *others = (
        FrontEnd(config)(level * syllables(), 16_000) for level in (1.0, 2.0**10, 0.1, 0.01, 1e-3)
    )
    for other in others:
        np.testing.assert_allclose(other, frames, rtol=0, atol=4 * CEPSTRA)


@pytest.mark.parametrize("normalization", ["none", "cmn"])
def test_other_normalizations_keep_librosas_floor(normalization):
    config = dataclasses.replace(PLAIN, normalization=normalization, log_energy=True)
    frames = FrontEnd(config)(syllables() * np.float32(1e-6), 16_000)
    assert np.ptp(frames, axis=0).max() == 0  # every cell is at -100 dB


@pytest.mark.parametrize(
    ("changes", "heard"),
    [
        ({}, True),
        ({"c0": False}, False),
        ({"c0": False, "log_energy": True}, True),
        ({"rasta": True}, False),
        ({"normalization": "cmn"}, False),
        ({"imported_features": 9}, False),
    ],
    ids=str,
)
def test_which_front_ends_hear_the_level(changes, heard):
    config = dataclasses.replace(PLAIN, noise_subtraction=0.0, **changes)
    assert config.hears_level is heard
    if not config.imported_features:
        quiet, loud = (FrontEnd(config)(level * syllables(), 16_000) for level in (2.0**3, 2.0**10))
        assert bool(np.abs(loud - quiet).max() > 1.0) is heard


@pytest.mark.parametrize("lifter", [0.0, 22.0])
def test_what_a_decibel_does_to_c0_and_the_log_energy(lifter):
    config = dataclasses.replace(PLAIN, log_energy=True, lifter=lifter)
    frames, louder = (FrontEnd(config)(level * syllables(), 16_000) for level in (8.0, 80.0))
    grown = (louder - frames)[:, :2] / 20
    np.testing.assert_allclose(grown, [config.level_per_db] * 101, rtol=0, atol=CEPSTRA)


# --- samples in blocks ---------------------------------------------------------------------------

FILES = {
    "wav": {"format": "WAV"},
    "float": {"format": "WAV", "subtype": "FLOAT"},
    "flac": {"format": "FLAC"},
    "stereo": {"format": "WAV", "channels": 2},
    "one channel": {"format": "FLAC", "channels": 2, "channel": 1},
    "44.1 kHz": {"format": "WAV", "rate": 44_100},
    "48 kHz stereo": {"format": "FLAC", "rate": 48_000, "channels": 2, "channel": 0},
    "upward": {"format": "WAV", "rate": 11_025, "resample": "any"},
    "sphere": {"format": "NIST"},
}


@pytest.mark.parametrize("at_once", [977, 1 << 20])
@pytest.mark.parametrize("file", FILES.values(), ids=FILES)
def test_a_file_in_blocks_gives_the_frames_of_the_whole(file, at_once, tmp_path, monkeypatch):
    rate, n_channels = file.get("rate", 16_000), file.get("channels", 1)
    channel = file.get("channel", "mix")
    samples = np.stack([syllables(8 * rate, seed) for seed in range(n_channels)], axis=1)
    path = tmp_path / "a.audio"
    soundfile.write(path, samples, rate, format=file["format"], subtype=file.get("subtype"))
    config = FrontEndConfig(
        resample=file.get("resample", "down"), deltas=1, normalization="cmvn", log_energy=True
    )
    front_end = FrontEnd(config)
    whole, _ = read_recording(path, channel=channel)
    monkeypatch.setattr(recordings, "BLOCK_VALUES", at_once)
    opened = read_blocks(path, channel=channel)
    utterance = front_end.utterance(opened.blocks, opened.sample_rate)
    assert utterance.recording_s == pytest.approx(8.0, abs=1e-3)
    np.testing.assert_array_equal(front_end.pooled([utterance]), front_end(whole, rate))


@LAW
@given(st.lists(st.integers(0, 30_000), max_size=6), st.sampled_from([16_000, 44_100]))
def test_how_the_samples_are_cut_changes_no_frame(places, rate):
    samples = syllables(30_000)
    blocks = np.split(samples, sorted(places))
    front_end = FrontEnd(FrontEndConfig(deltas=1))
    utterance = front_end.utterance(blocks, rate)
    np.testing.assert_array_equal(front_end.pooled([utterance]), front_end(samples, rate))


@pytest.mark.parametrize("blocks", [[], [noise(0)], [noise(399)], [noise(1)] * 399])
def test_too_few_samples_in_all_blocks_are_refused(blocks):
    with pytest.raises(AudioError, match=r"too short: .* one analysis window"):
        FrontEnd(PLAIN).utterance(blocks, 16_000)


def test_a_rate_that_must_not_be_changed_is_refused_before_a_block_is_taken():
    def blocks():
        raise RuntimeError("taken")
        yield

    with pytest.raises(AudioError, match="audio is 8000 Hz"):
        FrontEnd(PLAIN).utterance(blocks(), 8_000)


def test_recording_s_is_all_of_it_at_any_rate():
    front_end = FrontEnd(FrontEndConfig())
    for rate in (16_000, 48_000):
        utterance = front_end.utterance([syllables(rate), syllables(rate // 2)], rate)
        assert utterance.recording_s == pytest.approx(1.5)


# --- sides ---------------------------------------------------------------------------------------


def three_of(config):
    front_end = FrontEnd(config)
    parts = [syllables(12_000, 1), np.float32(4) * syllables(20_000, 2), noise(9_000, 3)]
    return front_end, [front_end.utterance([samples], 16_000) for samples in parts]


@pytest.mark.parametrize("frames", ["speech", "all"])
@pytest.mark.parametrize("normalization", CHOICES["normalization"])
def test_a_side_is_normalized_together_and_an_utterance_alone(normalization, frames):
    plain = FrontEndConfig(normalization="none", normalization_frames=frames, deltas=1)
    _, parts = three_of(plain)
    config = dataclasses.replace(plain, normalization=normalization)
    alone, utterances = three_of(config)
    expected = [normalized(config, part.frames) for part in parts]
    if frames == "all":
        expected = [x[part.speech] for x, part in zip(expected, parts, strict=True)]
    np.testing.assert_array_equal(alone.pooled(utterances), np.concatenate(expected))
    together, utterances = three_of(dataclasses.replace(config, normalization_over="side"))
    joined = normalized(config, np.concatenate([part.frames for part in parts]))
    if frames == "all":
        joined = joined[np.concatenate([part.speech for part in parts])]
    np.testing.assert_array_equal(together.pooled(utterances), joined)


def test_a_side_of_one_utterance_is_that_utterance():
    for over in ("utterance", "side"):
        config = FrontEndConfig(normalization="cmvn", normalization_over=over)
        front_end, (part, *_) = three_of(config)
        np.testing.assert_array_equal(
            front_end.pooled([part]), front_end(syllables(12_000, 1), 16_000)
        )


def test_marked_and_unmarked_utterances_of_a_side():
    config = FrontEndConfig(
        vad="none", normalization="cmn", normalization_frames="all", normalization_over="side"
    )
    front_end = FrontEnd(config)
    plain = front_end.utterance([noise(16_000)], 16_000)
    marked = front_end.utterance([noise(16_000, 1)], 16_000, speech_s=[(0.2, 0.5)])
    joined = cmn(np.concatenate([plain.frames, marked.frames]))
    expected = joined[[*range(101), *range(101 + 20, 101 + 50)]]
    np.testing.assert_array_equal(front_end.pooled([plain, marked]), expected)


@given(st.integers(1, 12), st.data())
def test_the_first_frames_of_speech(n_frames, data):
    frames = np.arange(n_frames, dtype=np.float32)[:, None]
    masks = st.none() | st.lists(st.booleans(), min_size=n_frames, max_size=n_frames).map(np.array)
    speech = data.draw(masks)
    # Where there is no mask, the frames that were not kept are gone.
    mask = np.append(np.ones(n_frames, np.bool_), False) if speech is None else speech
    whole = UtteranceFrames(frames, speech, 7.0, np.ones(len(mask), np.float32), mask)
    kept = frames if speech is None else frames[speech]
    assert whole.n_speech == len(kept)
    wanted = data.draw(st.integers(1, 15))
    first = whole.first(wanted)
    assert first.recording_s == 7.0
    assert first.n_speech == min(wanted, len(kept))
    of_first = first.frames if first.speech is None else first.frames[first.speech]
    np.testing.assert_array_equal(of_first, kept[:wanted])
    np.testing.assert_array_equal(np.flatnonzero(first.kept), np.flatnonzero(mask)[:wanted])
    if speech is not None and wanted <= len(kept):
        # No frame after the last that was wanted.
        assert first.speech[-1]


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


def test_a_rate_that_is_a_whole_number_of_another_kind():
    expected = FrontEnd(PLAIN)(noise(16_000), 16_000)
    for rate in (16e3, np.float32(16e3), np.int16(16_000)):
        np.testing.assert_array_equal(FrontEnd(PLAIN)(noise(16_000), rate), expected)


@pytest.mark.parametrize("rate", [0, -1, 16_000.5, None, "16000", True, 10**7, float("nan")])
def test_what_is_no_rate_is_refused_as_such(rate):
    with pytest.raises(AudioError, match=r"sample rate is .*; expected a whole number"):
        FrontEnd(PLAIN)(noise(16_000), rate)


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


@pytest.mark.parametrize(
    "changes",
    [
        {"normalization": "cmn", "deltas": 1},
        {"normalization": "sliding_cmvn", "normalization_over": "side"},
        {"normalization": "warp", "log_energy": True},
        {"rasta": True, "shifted_deltas": (7, 1, 3, 7)},
        {"vad": "none", "top_db": None, "mel_scale": "linear"},
        {"noise_subtraction": 1.0},
        pytest.param(
            {"vad": "two_gaussian"},
        ),
    ],
    ids=str,
)
def test_samples_far_beyond_full_scale_are_refused_whatever_is_made_of_them(changes):
    for level in (1e30, 1e19):
        with pytest.raises(AudioError, match="far beyond full scale"):
            FrontEnd(FrontEndConfig(**changes))(noise(4_000, level=level), 16_000)


def test_samples_beyond_32_bits_are_refused_as_infinite():
    with pytest.raises(AudioError, match=r"16,000 samples are NaN or infinite"):
        FrontEnd(PLAIN)(np.full(16_000, 1e300), 16_000)


@pytest.mark.parametrize("kind", [np.int16, np.int32, np.uint8, np.bool_, np.complex128])
def test_samples_that_are_no_floats_are_refused(kind):
    with pytest.raises(AudioError, match=f"samples are {np.dtype(kind)}; expected floats"):
        FrontEnd(PLAIN)(np.ones(1000, dtype=kind), 16_000)


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
    [
        ({}, 30),
        ({"c0": False}, 29),
        ({"log_energy": True}, 31),
        ({"c0": False, "log_energy": True}, 30),
        ({"deltas": 1}, 60),
        ({"c0": False, "deltas": 2}, 87),
        ({"shifted_deltas": (7, 1, 3, 7)}, 30 + 49),
        ({"shifted_deltas": (31, 1, 3, 2), "log_energy": True, "deltas": 1}, 62 + 62),
    ],
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
        ({"mel_scale": "bark"}, "mel_scale is 'bark'; expected one of 'slaney', 'htk', 'linear'"),
        ({"noise_subtraction": -1.0}, "noise_subtraction is -1.0; expected 0 to 10"),
        ({"noise_subtraction": 11.0}, "noise_subtraction is 11.0; expected 0 to 10"),
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
        ({"log_energy": 1}, "log_energy is 1; expected true or false"),
        ({"rasta": "yes"}, "rasta is 'yes'; expected true or false"),
        (
            {"shifted_deltas": (7, 1, 3)},
            r"shifted_deltas is \(7, 1, 3\); expected a tuple of four",
        ),
        (
            {"shifted_deltas": [7, 1, 3, 7]},
            "shifted_deltas is .*; expected a tuple of four",
        ),
        (
            {"shifted_deltas": "7-1-3-7"},
            "shifted_deltas is '7-1-3-7'; expected a tuple of four",
        ),
        ({"shifted_deltas": (0, 1, 3, 7)}, "shifted_deltas: N is 0; expected 1 to 30"),
        ({"shifted_deltas": (31, 1, 3, 7)}, "shifted_deltas: N is 31; expected 1 to 30 .the feat"),
        ({"shifted_deltas": (30, 1, 3, 7), "c0": False}, "shifted_deltas: N is 30; .* 1 to 29"),
        ({"shifted_deltas": (32, 1, 3, 7), "log_energy": True}, "N is 32; expected 1 to 31"),
        ({"shifted_deltas": (7, 0, 3, 7)}, "shifted_deltas: d is 0; expected 1 to 100"),
        ({"shifted_deltas": (7, 1, 101, 7)}, "shifted_deltas: P is 101; expected 1 to 100"),
        ({"shifted_deltas": (7, 1, 3, 0)}, "shifted_deltas: k is 0; expected 1 to 100"),
        ({"vad": "two gaussians"}, "vad is 'two gaussians'; expected one of 'energy', 'two_gauss"),
        ({"vad_min_speech_s": -0.1}, "vad_min_speech_s is -0.1; expected 0 to 60 s"),
        ({"vad_min_speech_s": 61.0}, "vad_min_speech_s is 61.0; expected"),
        ({"vad_min_pause_s": -0.1}, "vad_min_pause_s is -0.1; expected 0 to 60 s"),
        ({"vad_keeps": "noise"}, "vad_keeps is 'noise'; expected"),
        ({"vad_keeps": "pauses", "vad": "none"}, "vad_keeps is 'pauses', but vad is 'none'"),
        ({"vad_min_pause_s": float("inf")}, "vad_min_pause_s is inf; expected"),
        (
            {"normalization": "cepstral"},
            "normalization is 'cepstral'; .* 'level', 'none', 'cmn', 'cmvn', .*cmvn', 'warp'",
        ),
        ({"normalization_window_s": 0.0}, "normalization_window_s is 0.0; expected 0.01 to 3600"),
        ({"normalization_window_s": 4000.0}, "normalization_window_s is 4000.0; expected"),
        ({"normalization_centered": None}, "normalization_centered is None; expected true or"),
        (
            {"normalization_frames": "voiced"},
            "normalization_frames is 'voiced'; .* 'speech', 'all'",
        ),
        (
            {"normalization_over": "session"},
            "normalization_over is 'session'; .* 'utterance', 'sid",
        ),
        # Whole numbers: a fraction would only be found out later, by something else.
        ({"sample_rate": 16000.5}, "sample_rate is 16000.5"),
        ({"channel": 0.5}, "channel is 0.5"),
        ({"n_mels": 40.5}, "n_mels is 40.5"),
        ({"n_mfcc": 20.5}, "n_mfcc is 20.5"),
        ({"delta_window": 2.5}, "delta_window is 2.5"),
        ({"shifted_deltas": (7, 1.5, 3, 7)}, "shifted_deltas: d is 1.5"),
        ({"imported_features": -1}, "imported_features is -1; expected 0 to 100000"),
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


@pytest.mark.parametrize(("seconds", "n_frames"), [(0.0, 1), (0.004, 1), (1.0, 100), (3.006, 301)])
def test_frames_in_so_many_seconds(seconds, n_frames):
    assert FrontEndConfig().n_frames(seconds) == n_frames


def test_each_setting_changes_the_digest():
    values = {
        "sample_rate": 8000,
        "resample": "any",
        "channel": 1,
        "window_s": 0.02,
        "hop_s": 0.005,
        "pre_emphasis": 0.9,
        "n_mels": 50,
        "f_min_hz": 20.0,
        "f_max_hz": 4000.0,
        "n_mfcc": 20,
        "imported_features": 39,
    } | {name: choices[-1] for name, choices in CHOICES.items()}
    values |= {"c0": False, "vad": "energy", "vad_db": 20.0, "top_db": 70.0}
    assert values.keys() == {field.name for field in dataclasses.fields(FrontEndConfig)}
    default = FrontEndConfig()
    digests = [dataclasses.replace(default, **{name: values[name]}).digest for name in values]
    assert len({default.digest, *digests}) == 1 + len(values)
    assert FrontEndConfig(n_mfcc=30).digest == default.digest


def test_a_front_end_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        FrontEndConfig().n_mels = 20


def test_pauses_are_the_frames_that_speech_leaves():
    rng = np.random.default_rng(0)
    samples = rng.normal(size=16_000).astype(np.float32) * 0.1
    samples[6_000:12_000] *= 0.001
    plain = dataclasses.replace(PLAIN, top_db=None)
    every = FrontEnd(plain)(samples, 16_000)
    speech, pauses = (
        FrontEnd(dataclasses.replace(plain, vad="energy", vad_keeps=kept))(samples, 16_000)
        for kept in ("speech", "pauses")
    )
    assert len(speech) + len(pauses) == len(every)
    assert min(len(speech), len(pauses)) > 30
    both = {row.tobytes() for row in np.concatenate([speech, pauses])}
    assert both == {row.tobytes() for row in every}


def test_without_a_pause_the_quietest_frame_is_kept():
    samples = np.random.default_rng(0).normal(size=16_000).astype(np.float32) * 0.1
    config = FrontEndConfig(vad="energy", vad_keeps="pauses")
    assert len(FrontEnd(config)(samples, 16_000)) == 1


# --- constants that are stored -------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [{}, {"c0": False, "deltas": 2}, {"mel_scale": "linear", "n_mfcc": 13, "sample_rate": 8000}],
    ids=str,
)
def test_stored_constants_give_the_same_bits(changes):
    config = FrontEndConfig(**changes)
    front_end = FrontEnd(config)
    again = FrontEnd.with_constants(config, front_end.constants())
    assert again == front_end
    samples = syllables()
    np.testing.assert_array_equal(again(samples, 16_000), front_end(samples, 16_000))


@pytest.mark.parametrize(
    "changes",
    [{"window_s": 0.04}, {"n_mels": 39}, {"n_mfcc": 29}, {"c0": False}, {"sample_rate": 8000}],
    ids=str,
)
def test_constants_of_other_settings_are_refused(changes):
    constants = FrontEnd(FrontEndConfig()).constants()
    with pytest.raises(ConfigError, match=r"\(512, 40, 30\); its settings need"):
        FrontEnd.with_constants(FrontEndConfig(**changes), constants)

"""Recordings made worse on purpose: each step against its definition, and the same every time."""

from __future__ import annotations

import hashlib
import io
import itertools
import pickle
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given
from hypothesis import strategies as st

from speakergmm.audio import codecs
from speakergmm.audio.degradation import STEPS, Degradation, NoisePool, Step, multisession
from speakergmm.errors import AudioError, ConfigError, MissingError

RATE = 16000
RATES = [8000, 16000, 44100, 48000]
IDS = ["spk01_001", "spk01_002", "größe, 日本", ""]

# Computed in double precision, given back in single.
SINGLE_TOLERANCE = 2e-6


def voice(seconds=1.0, rate=RATE, seed=0):
    """Noise from 100 to 3,000 Hz that swells and fades as syllables do."""
    n_samples = round(seconds * rate)
    spectrum = np.fft.rfft(np.random.default_rng(seed).normal(size=n_samples))
    frequencies = np.fft.rfftfreq(n_samples, 1 / rate)
    spectrum[(frequencies < 100) | (frequencies > 3000)] = 0
    swell = 0.55 + 0.45 * np.sin(2 * np.pi * 3 * np.arange(n_samples) / rate)
    samples = np.fft.irfft(spectrum, n_samples) * swell
    return (0.1 * samples / samples.std()).astype(np.float32)


def tone(frequency_hz, rate=RATE, seconds=0.5, level=0.5):
    times = np.arange(round(seconds * rate)) / rate
    return (level * np.sin(2 * np.pi * frequency_hz * times)).astype(np.float32)


def power(samples):
    return float(np.mean(np.square(samples, dtype=np.float64)))


def snr_db(clean, degraded):
    return 10 * np.log10(power(clean) / power(degraded.astype(np.float64) - clean))


def lag(clean, degraded):
    """By how many samples the second comes later, by the peak of the cross-correlation."""
    n = len(clean) + len(degraded)
    product = np.fft.rfft(degraded, n) * np.conj(np.fft.rfft(clean, n))
    peak = int(np.argmax(np.fft.irfft(product, n)))
    return peak if peak < n // 2 else peak - n


@pytest.fixture(scope="session")
def noise_folder(tmp_path_factory):
    """Eight noises of 0.5 s with powers of their own, written in no order, with other files."""
    folder = tmp_path_factory.mktemp("noise")
    for number in (3, 1, 7, 0, 5, 2, 6, 4):
        noise = np.random.default_rng(number).normal(0, 0.02 * (number + 1), 8000)
        soundfile.write(folder / f"noise{number}.wav", noise, RATE, subtype="FLOAT")
    (folder / "README.md").write_text("Noises.", encoding="utf-8")
    (folder / "LICENSE").write_text("CC BY", encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def pool(noise_folder):
    return NoisePool.load(noise_folder)


# --- the pool ---


def test_the_pool_holds_the_recordings_sorted_by_name(pool, noise_folder):
    assert len(pool) == 8
    assert pool.names == tuple(f"noise{number}.wav" for number in range(8))
    for index, name in enumerate(pool.names):
        expected, _ = soundfile.read(noise_folder / name, dtype="float32")
        np.testing.assert_array_equal(pool.at(index, RATE), expected)


@pytest.mark.parametrize("rate", RATES)
def test_a_noise_is_resampled_once_and_cannot_be_changed(pool, rate):
    noise = pool.at(2, rate)
    assert (noise.dtype, len(noise)) == (np.float32, rate // 2)
    assert pool.at(2, rate) is noise
    np.testing.assert_array_equal(noise, soxr.resample(pool.at(2, RATE), RATE, rate, "HQ"))
    with pytest.raises(ValueError, match="read-only"):
        noise[0] = 1


def test_a_noise_that_is_not_there(pool):
    with pytest.raises(IndexError):
        pool.at(8, RATE)


def test_the_digest_depends_on_names_and_contents(noise_folder, tmp_path, pool):
    def copied(name, flip=0):
        content = bytearray((noise_folder / "noise0.wav").read_bytes())
        content[-4] ^= flip
        folder = tmp_path / f"{name}{flip}"
        folder.mkdir()
        (folder / f"{name}.wav").write_bytes(content)
        return NoisePool.load(folder).digest

    digests = {copied("a"), copied("b"), copied("a", 1), pool.digest}
    assert len(digests) == 4
    assert NoisePool.load(noise_folder) == pool


def test_a_pool_travels_to_another_process_without_what_was_resampled(pool):
    pool.at(0, 48000)
    content = pickle.dumps(pool)
    assert len(content) < 8 * 8000 * 4 + 2000
    again = pickle.loads(content)
    assert (again, again.names) == (pool, pool.names)
    np.testing.assert_array_equal(again.at(5, 8000), pool.at(5, 8000))


def test_no_folder_no_noises_or_a_bad_one(tmp_path):
    with pytest.raises(MissingError, match=r"none: no such folder; expected a folder of noises"):
        NoisePool.load(tmp_path / "none")
    (tmp_path / "README.md").touch()
    with pytest.raises(AudioError, match=r"holds no noises; expected files named \.wav, \.flac"):
        NoisePool.load(str(tmp_path))
    (tmp_path / "a.wav").write_bytes(b"no audio")
    with pytest.raises(AudioError, match=r"a\.wav: not audio that can be decoded"):
        NoisePool.load(tmp_path)


# --- multisession ---


def by_the_readme(samples, rate, utterance_id, folder):
    """The corpora's README, sentence by sentence."""
    seed = int.from_bytes(hashlib.sha256(utterance_id.encode()).digest()[:4], "little")
    rng = np.random.default_rng(seed)

    knots = rng.uniform(-10, 10, 9)
    n = len(samples)
    spectrum = np.fft.fft(np.asarray(samples, dtype=np.float64))
    for k in range(n):
        frequency = min(k, n - k) * rate / n
        left = min(int(frequency // 1000), 7)
        part = min(frequency / 1000 - left, 1.0)
        gain_db = (1 - part) * knots[left] + part * knots[left + 1]
        spectrum[k] *= 10 ** (gain_db / 20)
    utterance = np.fft.ifft(spectrum).real

    name = sorted(path.name for path in folder.glob("*.wav"))[rng.integers(8)]
    noise, noise_rate = soundfile.read(folder / name, dtype="float32")
    if noise_rate != rate:
        noise = soxr.resample(noise, noise_rate, rate, quality="HQ")
    start = rng.integers(max(1, len(noise) - n))
    stretch = np.array([noise[(start + i) % len(noise)] for i in range(n)], dtype=np.float64)

    snr = rng.uniform(15, 25)
    ratio = np.mean(utterance**2) / np.mean(stretch**2)
    noisy = utterance + stretch * np.sqrt(ratio / 10 ** (snr / 10))
    return noisy * 10 ** (rng.uniform(-10, 10) / 20)


@pytest.mark.parametrize("utterance_id", IDS)
# Shorter and longer than the noises of 0.5 s, even and odd, and just as long.
@pytest.mark.parametrize("seconds", [0.2, 0.33337, 0.5, 0.7])
@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_multisession_is_as_the_readme_defines_it(pool, noise_folder, utterance_id, seconds, rate):
    samples = voice(seconds, rate)
    expected = by_the_readme(samples, rate, utterance_id, noise_folder)
    got = multisession(samples, rate, utterance_id, pool)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, rtol=0, atol=SINGLE_TOLERANCE)
    chain = Degradation.parse("multisession")
    np.testing.assert_array_equal(chain(samples, rate, utterance_id, pool, seed=5), got)


def test_multisession_of_a_known_id():
    """Numbers that must not change: figures that were published depend on them."""
    ramp = (np.arange(1, 9001) % 7 - 3).astype(np.float32)
    pool = NoisePool(tuple("abcdefgh"), 8 * (ramp,), 8 * (RATE,), "digest")
    got = multisession(np.ones(4, dtype=np.float32), RATE, "spk01_001", pool)
    np.testing.assert_allclose(got, [5.2356391, 5.67593813, 6.11623764, 6.55653667], rtol=1e-6)


@pytest.mark.parametrize("chain", ["multisession", "noise:10"])
def test_silence_stays_silence(pool, chain):
    degraded = Degradation.parse(chain)(np.zeros(900, dtype=np.float32), RATE, "a", pool)
    np.testing.assert_array_equal(degraded, 0)


@pytest.mark.parametrize("chain", ["multisession", "noise:10"])
def test_a_silent_stretch_of_noise_adds_nothing(chain):
    noise = np.zeros(8000, dtype=np.float32)
    silent = NoisePool(("a",), (noise,), (RATE,), "digest")
    degraded = Degradation.parse(chain)(voice(), RATE, "a", silent)
    assert np.isfinite(degraded).all()
    assert power(degraded) > 0


# --- noise, gain, cut ---


@pytest.mark.parametrize("wanted_db", [-5.0, 0.0, 12.5, 30.0])
@pytest.mark.parametrize(("rate", "seconds"), [(8000, 0.3), (16000, 0.3), (16000, 1.3)])
def test_the_signal_to_noise_ratio_is_reached(pool, wanted_db, rate, seconds):
    samples = voice(seconds, rate)
    for utterance_id in IDS:
        noisy = Degradation.parse(f"noise:{wanted_db}")(samples, rate, utterance_id, pool)
        assert abs(snr_db(samples, noisy) - wanted_db) < 0.01


def test_what_is_added_is_a_stretch_of_one_noise(pool):
    samples = voice(0.25)
    found = set()
    for number in range(16):
        noisy = Degradation.parse("noise:0")(samples, RATE, str(number), pool)
        added = noisy.astype(np.float64) - samples
        for index in range(len(pool)):
            noise = pool.at(index, RATE).astype(np.float64)
            match = np.correlate(noise, added)
            if match.max() > 0.99 * np.linalg.norm(added) * np.linalg.norm(
                noise[match.argmax() :][: len(added)]
            ):
                found.add((index, int(match.argmax())))
    # All draws differ, and most noises were drawn.
    assert len(found) == 16
    assert len({index for index, _ in found}) > 4


@pytest.mark.parametrize("gain_db", [-20.0, 0.0, 6.0, 40.0])
def test_gain_is_not_clipped(gain_db):
    samples = voice()
    louder = Degradation.parse(f"gain:{gain_db}")(samples, RATE, "a")
    np.testing.assert_allclose(louder, samples * 10 ** (gain_db / 20), rtol=1e-6)


def test_cut_keeps_the_beginning():
    samples = voice(1.0)
    np.testing.assert_array_equal(
        Degradation.parse("cut:0.25")(samples, RATE, "a"), samples[: RATE // 4]
    )
    np.testing.assert_array_equal(Degradation.parse("cut:3")(samples, RATE, "a"), samples)


# --- the telephone ---


def through(chain, frequency_hz, rate):
    """Gain in dB at a frequency, away from the ends."""
    samples = tone(frequency_hz, rate)
    # The filter's ringing lasts 9 ms.
    edge = rate // 10
    out = Degradation.parse(chain)(samples, rate, "a")
    return 10 * np.log10(power(out[edge:-edge]) / power(samples[edge:-edge]))


@pytest.mark.parametrize("rate", RATES)
def test_the_telephone_band(rate):
    assert through("telephone", 50, rate) < -55
    assert through("telephone", 100, rate) < -50
    for frequency_hz in (300, 1000, 2000, 3400):
        assert abs(through("telephone", frequency_hz, rate)) < 0.1
    assert through("telephone", 3600, rate) < -50
    if rate > 9000:
        assert through("telephone", 4500, rate) < -55


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("n_samples", [1, 7, 500, 20001])
def test_the_telephone_neither_delays_nor_cuts(rate, n_samples):
    samples = voice(2.6, rate)[:n_samples]
    out = Degradation.parse("telephone")(samples, rate, "a")
    assert len(out) == n_samples
    if n_samples > 20000:
        assert lag(samples, out) == 0


# --- μ-law ---


def g711_tables():
    """Decision and output values of ITU-T G.711, table 2a, in its units of 1/8192."""
    widths = [1] + 15 * [2] + [width for width in (4, 8, 16, 32, 64, 128, 256) for _ in range(16)]
    decisions = np.concatenate([[0], np.cumsum(widths)])
    levels = np.concatenate([[0], (decisions[1:-1] + decisions[2:]) / 2])
    return decisions, levels


def test_mulaw_decides_and_decodes_as_g711_says():
    decisions, levels = g711_tables()
    assert (decisions[-1], len(levels)) == (8159, 128)
    ramp = np.concatenate([np.linspace(-1.2, 1.2, 40_001), decisions / 8192]).astype(np.float32)
    index = np.searchsorted(decisions, np.abs(ramp.astype(np.float64)) * 8192, side="right") - 1
    expected = np.sign(ramp) * levels[np.minimum(index, 127)] / 8192
    np.testing.assert_array_equal(codecs.mulaw_round_trip(ramp), expected.astype(np.float32))


def test_mulaw_has_the_levels_of_libsndfile():
    octets = io.BytesIO(bytes(range(256)))
    theirs, _ = soundfile.read(
        octets, format="RAW", subtype="ULAW", samplerate=8000, channels=1, dtype="float32"
    )
    ours = codecs.mulaw_round_trip(np.linspace(-1, 1, 100_001, dtype=np.float32))
    np.testing.assert_array_equal(np.unique(ours), np.unique(theirs))


@pytest.mark.parametrize(("level", "least_db"), [(0.9, 37), (0.3, 36), (0.1, 36), (0.01, 33)])
def test_mulaw_noise_follows_the_level(level, least_db):
    # At most about 39 dB for a sine; ITU-T G.712 wants 33 dB over 30 dB of levels.
    samples = tone(1017, 8000, level=level)
    ratio_db = snr_db(samples, Degradation.parse("mulaw")(samples, 8000, "a"))
    assert least_db < ratio_db < 40


def test_mulaw_limits_to_full_scale():
    loud = Degradation.parse("gain:20+mulaw")(tone(440, 8000), 8000, "a")
    assert np.abs(loud).max() == np.float32(8031 / 8192)


def test_mulaw_at_another_rate_has_nothing_above_4_khz():
    assert abs(through("mulaw", 1000, 48000)) < 0.1
    assert through("mulaw", 6000, 48000) < -60


# --- coders ---

CODERS = ["mulaw", "opus:6", "opus:24", "mp3:8", "mp3:16", "mp3:64", "mp3:128", "vorbis:3"]

# Opus at 6 kbit/s is the worst: 0.1 ms.
LAG_TOLERANCE_S = 1e-4


@pytest.mark.parametrize("rate", [*RATES, 11025, 22050])
@pytest.mark.parametrize("chain", CODERS)
def test_coders_keep_length_and_place(chain, rate):
    samples = voice(0.7, rate)[:-13]
    out = Degradation.parse(chain)(samples, rate, "a")
    assert (out.dtype, out.shape) == (np.float32, samples.shape)
    assert abs(lag(samples, out)) <= max(1, LAG_TOLERANCE_S * rate)
    assert np.corrcoef(samples, out)[0, 1] > (0.2 if chain == "opus:6" else 0.5)


@pytest.mark.parametrize("rate", [8000, 48000])
@pytest.mark.parametrize("n_samples", [1, 2, 3, 100, 1153])
@pytest.mark.parametrize("chain", CODERS)
def test_coders_take_the_shortest(chain, n_samples, rate):
    assert len(Degradation.parse(chain)(voice()[:n_samples], rate, "a")) == n_samples


@pytest.mark.parametrize("chain", [*CODERS, "telephone"])
def test_coded_silence_is_silent(chain):
    out = Degradation.parse(chain)(np.zeros(4000, dtype=np.float32), RATE, "a")
    assert np.abs(out).max() < 1e-4


@pytest.mark.parametrize(
    ("low", "high"),
    [("opus:6", "opus:64"), ("mp3:16", "mp3:96"), ("vorbis:0", "vorbis:10")],
)
def test_more_bits_keep_more(low, high):
    samples = voice()
    worse, better = (
        snr_db(samples, Degradation.parse(chain)(samples, RATE, "a")) for chain in (low, high)
    )
    assert better > worse + 6


@pytest.mark.parametrize("rate", [8000, 48000])
@pytest.mark.parametrize("kbps", [16, 32, 64, 128, 256])
def test_the_bit_rate_of_opus(monkeypatch, rate, kbps):
    # Container included, and noise takes up to 4 kbit/s more than speech of the variable rate.
    size = encoded_size(monkeypatch, f"opus:{kbps}", rate)
    assert 0.9 * kbps < 8 * size / 3000 < 1.05 * kbps + 4


@pytest.mark.parametrize(
    ("rate", "kbps"),
    [
        (rate, kbps)
        for rates, choices in codecs.MP3_VERSIONS
        for rate, kbps in itertools.product(rates[:1], choices)
    ],
)
def test_the_bit_rate_of_mp3(monkeypatch, rate, kbps):
    size = encoded_size(monkeypatch, f"mp3:{kbps}", rate)
    # Three frames are of header and delay.
    assert kbps < 8 * size / 3000 < 1.1 * kbps


def encoded_size(monkeypatch, chain, rate):
    """Bytes that three seconds of voice become."""
    sizes = []
    decode = codecs._decoded
    monkeypatch.setattr(
        codecs, "_decoded", lambda content: sizes.append(len(content)) or decode(content)
    )
    Degradation.parse(chain)(voice(3.0, rate), rate, "a")
    return sizes[0]


@pytest.mark.parametrize(
    ("rate", "kbps", "coded_at"),
    [
        (8000, 64, 8000),
        (8000, 128, 16000),
        (16000, 320, 32000),
        (44100, 128, 44100),
        (48000, 24, 24000),
        (10000, 32, 11025),
    ],
)
def test_mp3_goes_to_the_next_rate_that_has_the_bit_rate(monkeypatch, rate, kbps, coded_at):
    rates = []
    encode = codecs._encoded
    monkeypatch.setattr(codecs, "_encoded", lambda *args: rates.append(args[1]) or encode(*args))
    Degradation.parse(f"mp3:{kbps}")(voice(0.2, rate), rate, "a")
    assert rates == [coded_at]


@pytest.mark.parametrize("chain", ["opus:24", "mp3:64", "vorbis:3"])
def test_coders_limit_to_full_scale(chain):
    samples = voice(0.5)
    limited = np.clip(20 * samples, -1, 1).astype(np.float32)
    loud = Degradation.parse(chain)(20 * samples, RATE, "a")
    np.testing.assert_array_equal(loud, Degradation.parse(chain)(limited, RATE, "a"))


def test_minutes_do_not_overflow_the_stack_of_the_vorbis_encoder():
    samples = np.zeros(90 * 48000, dtype=np.float32)
    assert len(Degradation.parse("vorbis:0")(samples, 48000, "a")) == len(samples)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: codecs.opus(x, RATE, 5), "opus: KBPS is 5; expected 6 to 256 kbit/s"),
        (lambda x: codecs.mp3(x, RATE, 50), r"mp3: KBPS is 50\.0; expected one of 8\.0, 16\.0"),
        (lambda x: codecs.vorbis(x, RATE, 11), "vorbis: QUALITY is 11; expected 0 to 10$"),
    ],
)
def test_coders_refuse_what_they_cannot_do(call, message):
    with pytest.raises(ConfigError, match=message):
        call(voice(0.1))


# --- chains ---


def test_clean_is_the_samples_themselves_in_a_copy():
    samples = voice()
    out = Degradation.parse("clean")(samples, RATE, "a")
    np.testing.assert_array_equal(out, samples)
    assert not np.shares_memory(out, samples)


def test_a_chain_is_its_steps_one_after_another(pool):
    samples = voice()
    chain = ["cut:0.5", "noise:10", "gain:6", "telephone", "mulaw", "multisession"]
    expected = samples
    for step in chain:
        expected = Degradation.parse(step)(expected, RATE, "a", pool, seed=3)
    whole = Degradation.parse("+".join(chain))
    np.testing.assert_array_equal(whole(samples, RATE, "a", pool, seed=3), expected)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("noise:10+telephone", "telephone+noise:10"),
        ("noise:10+cut:0.3", "cut:0.3+noise:10"),
        ("gain:40+mulaw", "mulaw+gain:40"),
    ],
)
def test_the_order_of_the_steps_matters(pool, one, other):
    samples = voice()
    outs = [Degradation.parse(chain)(samples, RATE, "a", pool) for chain in (one, other)]
    assert outs[0].shape != outs[1].shape or not np.allclose(*outs, atol=1e-3)


@pytest.mark.parametrize("chain", ["noise:10", "multisession", "noise:20+opus:24", "mp3:64"])
def test_the_same_again_in_any_order_and_in_threads(pool, chain):
    degradation = Degradation.parse(chain)
    samples = voice(0.4)
    ids = [f"spk{number}" for number in range(6)]
    one_by_one = [degradation(samples, RATE, name, pool, seed=1) for name in ids]
    again = pickle.loads(pickle.dumps((degradation, pool)))
    with ThreadPoolExecutor(4) as threads:
        backwards = list(
            threads.map(lambda name: again[0](samples, RATE, name, again[1], seed=1), ids[::-1])
        )
    np.testing.assert_array_equal(backwards[::-1], one_by_one)


def test_another_id_seed_or_value_draws_other_noise(pool):
    samples = voice(0.2)

    def added(text, utterance_id, seed):
        noisy = Degradation.parse(text)(samples, RATE, utterance_id, pool, seed=seed)
        noise = noisy.astype(np.float64) - samples
        return noise / np.linalg.norm(noise)

    first = added("noise:10", "a", 0)
    for other in (("noise:10", "b", 0), ("noise:10", "a", 1), ("noise:11", "a", 0)):
        assert abs(first @ added(*other)) < 0.2
    # However the value is written.
    np.testing.assert_array_equal(first, added(" noise: 10.0", "a", 0))


def test_a_step_that_comes_twice_draws_anew(pool):
    samples = voice(0.2)
    once = Degradation.parse("noise:0")(samples, RATE, "a", pool)
    twice = Degradation.parse("noise:0+noise:0")(samples, RATE, "a", pool)
    first, second = once - samples, twice - once
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.2


EVERY = ["clean", "noise:5", "cut:0.1", "telephone", "mulaw", "gain:3", "multisession", *CODERS[1:]]


@pytest.mark.parametrize("chain", EVERY)
@pytest.mark.parametrize("rate", [8000, 48000])
def test_the_input_is_left_as_it_is(pool, chain, rate):
    samples = 20 * voice(0.3, rate)
    given_ = samples.copy()
    samples.flags.writeable = False
    out = Degradation.parse(chain)(samples, rate, "a", pool)
    np.testing.assert_array_equal(samples, given_)
    assert (out.dtype, out.ndim) == (np.float32, 1)
    assert out.flags.c_contiguous
    assert out.flags.writeable
    assert np.isfinite(out).all()


def test_strided_and_double_samples_are_taken(pool):
    degradation = Degradation.parse("noise:5+telephone")
    samples = voice()
    expected = degradation(samples[::2].copy(), 8000, "a", pool)
    np.testing.assert_array_equal(degradation(samples[::2], 8000, "a", pool), expected)
    double = samples[::2].astype(np.float64)
    np.testing.assert_array_equal(degradation(double, 8000, "a", pool), expected)


# --- text ---


def steps():
    def step(name):
        takes = STEPS[name]
        if takes is None:
            return st.just(Step(name))
        if name == "mp3":
            return st.builds(Step, st.just(name), st.sampled_from(codecs.MP3_KBPS))
        return st.builds(Step, st.just(name), st.floats(takes.low, takes.high))

    return st.sampled_from([name for name in STEPS if name != "clean"]).flatmap(step)


@given(st.lists(steps(), max_size=5))
def test_text_and_back(chain):
    degradation = Degradation(tuple(chain))
    again = Degradation.parse(str(degradation))
    assert again == degradation
    assert str(again) == str(degradation)
    assert hash(again) == hash(degradation)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("clean", "clean"),
        ("clean+clean", "clean"),
        ("noise:10.0+clean", "noise:10"),
        (" cut: 3 + gain:-0.0 ", "cut:3+gain:0"),
        ("gain:-7.50", "gain:-7.5"),
        ("mp3:032", "mp3:32"),
    ],
)
def test_the_canonical_text(text, canonical):
    assert str(Degradation.parse(text)) == canonical


@pytest.mark.parametrize(
    ("text", "needs"),
    [("clean", False), ("telephone+mulaw", False), ("cut:1+noise:3", True), ("multisession", True)],
)
def test_which_chains_need_noises(text, needs):
    assert Degradation.parse(text).needs_noise is needs


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nois:10", "unknown step 'nois'; did you mean 'noise'?"),
        ("cut:1+telefone", "unknown step 'telefone'; did you mean 'telephone'?"),
        ("xyz", f"unknown step 'xyz'; known are {', '.join(STEPS)}"),
        ("", "unknown step ''; known are clean, noise"),
        ("mulaw+", "unknown step ''"),
        ("noise", "step 'noise' has no value; expected noise:SNR_DB, such as noise:10"),
        ("opus", "step 'opus' has no value; expected opus:KBPS, such as opus:12"),
        ("mulaw:8", "step 'mulaw' has the value 8.0; expected none"),
        ("clean:", "step 'clean' has the value ''; expected none"),
        ("noise:", "step 'noise': SNR_DB is ''; expected -50 to 100 dB"),
        ("noise:loud", "step 'noise': SNR_DB is 'loud'; expected -50 to 100 dB"),
        ("noise:nan", "step 'noise': SNR_DB is nan; expected -50 to 100 dB"),
        ("gain:inf", "step 'gain': DB is inf; expected -100 to 100 dB"),
        ("cut:0", "step 'cut': SECONDS is 0.0; expected 0.05 to 86400 s"),
        ("opus:300", "step 'opus': KBPS is 300.0; expected 6 to 256 kbit/s"),
        ("mp3:33", "step 'mp3': KBPS is 33.0; expected one of 8.0, 16.0, 24.0"),
        ("vorbis:-1", "step 'vorbis': QUALITY is -1.0; expected 0 to 10"),
    ],
)
def test_text_that_is_no_degradation(text, message):
    with pytest.raises(ConfigError, match=re.escape(message)) as caught:
        Degradation.parse(text)
    assert str(caught.value).startswith(f"degradation {text!r}: ")
    assert "\n" not in str(caught.value)


def test_every_step_is_told_in_the_description():
    for name, takes in STEPS.items():
        assert (name if takes is None else f"{name}:{takes.name}") in Degradation.__doc__


# --- what cannot be degraded ---


@pytest.mark.parametrize("none", [None, NoisePool((), (), (), "")])
def test_noises_that_are_missing(none):
    with pytest.raises(ConfigError, match=r"'cut:1\+noise:10' adds noise; give a folder of noises"):
        Degradation.parse("cut:1+noise:10")(voice(), RATE, "a", none)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros(0), r"utterance spk7: samples have shape \(0,\); expected \(n_samples,\)"),
        (np.ones((5, 2)), r"utterance spk7: samples have shape \(5, 2\)"),
        (np.array([0.0, np.nan]), "utterance spk7: some samples are NaN or infinite"),
        (np.array([0.0, 1e300]), "utterance spk7: some samples are NaN or infinite"),
    ],
)
def test_samples_that_are_no_speech(samples, message):
    with pytest.raises(AudioError, match=message):
        Degradation()(samples, RATE, "spk7")


def test_rates_and_seeds_out_of_range():
    with pytest.raises(ConfigError, match="sample_rate is 96000; expected 8000 to 48000 Hz"):
        Degradation()(voice(), 96000, "a")
    with pytest.raises(ConfigError, match="seed is -1; expected 0 or more"):
        Degradation()(voice(), RATE, "a", seed=-1)


@pytest.mark.corpus
def test_the_noises_of_the_corpora(corpora):
    pool = NoisePool.load(corpora / "noise")
    assert len(pool) == 8
    assert all(len(pool.at(index, RATE)) > 15 * RATE for index in range(8))

"""A synthetic corpus of speech-like sound, for the demo and for tests. It is not speech.

A source-filter voice for each speaker (Fant 1960): pulses of the glottis with jitter and breath,
through resonances whose place depends on the vowel and on the length of the vocal tract; noise
for fricatives and the bursts of stops; pauses. Each session adds its own channel, noise and
level. Error rates on it say that the program works, nothing about how well it tells people apart.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.signal import lfilter, sosfilt

from speakergmm.config import check_range, check_whole, use_plain_numbers
from speakergmm.corpora.tables import format_table
from speakergmm.errors import ConfigError
from speakergmm.files import remove, write_text, writing
from speakergmm.parallel import map_in_order
from speakergmm.progress import SILENT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from speakergmm.parallel import Jobs
    from speakergmm.progress import Progress

SAMPLE_RATE = 16000

# Mean formants of American men in Hz, F1 to F3 (Peterson & Barney 1952, table II).
VOWELS_HZ = np.array([
    [270, 2290, 3010], [390, 1990, 2550], [530, 1840, 2480], [660, 1720, 2410], [730, 1090, 2440],
    [570, 840, 2410], [440, 1020, 2240], [300, 870, 2240], [640, 1190, 2390], [490, 1350, 1690],
])  # fmt: skip
HIGHER_FORMANTS_HZ = np.array([3500.0, 4500.0])
BANDWIDTHS_HZ = np.array([60.0, 90.0, 130.0, 200.0, 300.0])
# Centers of the noise of fricatives and stop bursts, in Hz.
NOISES_HZ = np.array([1800.0, 2800.0, 4200.0, 5600.0])
FADE_S = 0.012


@dataclass(frozen=True)
class SyntheticConfig:
    """Size and difficulty of the corpus.

    Parameters
    ----------
    background, development, evaluation : int
        Speakers of each split.
    sessions : int
        Sessions of a development or evaluation speaker: the first enrolls, the others test.
    enrollment_s, test_s : float
        Seconds of an utterance; an enrollment and each test have two.
    channel_db : float
        Standard deviation of a session's channel, at knots over frequency.
    snr_db : tuple of float
        Range of a session's signal-to-noise ratio.
    """

    background: int = 24
    development: int = 14
    evaluation: int = 16
    sessions: int = 3
    enrollment_s: float = 4.0
    test_s: float = 2.0
    channel_db: float = 2.0
    snr_db: tuple[float, float] = (20.0, 35.0)

    def __post_init__(self) -> None:
        use_plain_numbers(self)
        for name in ("background", "development", "evaluation"):
            check_whole(name, getattr(self, name), 2, 10_000, "speakers")
        check_whole("sessions", self.sessions, 2, 100)
        try:
            low, high = self.snr_db
            is_range = -100.0 <= low <= high <= 200.0
        except (TypeError, ValueError):
            is_range = False
        if not is_range:
            raise ConfigError(
                f"snr_db is {self.snr_db!r}; expected two numbers, the lower first, within -100 "
                "to 200 dB"
            )
        check_range("enrollment_s", self.enrollment_s, 0.5, 3600, "s")
        check_range("test_s", self.test_s, 0.5, 3600, "s")
        check_range("channel_db", self.channel_db, 0.0, 40.0, "dB")


@dataclass(frozen=True)
class Voice:
    """What makes a synthetic speaker.

    ``tract`` scales all formants (1 for a tract of average male length, more for a shorter one);
    ``formant_shifts`` (vowels, 3) are personal deviations; ``higher_hz`` (2,) are the formants that
    no vowel moves; ``damping`` widens all resonances; ``noise_shifts`` (4,) move the fricatives;
    ``tilt`` in 0 … 1 darkens the source; ``breath`` and ``jitter`` are relative; ``rate`` is in
    phones per second.
    """

    sex: str
    f0_hz: float
    tract: float
    formant_shifts: NDArray[np.float64]
    higher_hz: NDArray[np.float64]
    damping: float
    noise_shifts: NDArray[np.float64]
    tilt: float
    breath: float
    jitter: float
    rate: float


def draw_voice(rng: np.random.Generator) -> Voice:
    """Draw a speaker; half are women."""
    female = bool(rng.integers(2))
    return Voice(
        sex="f" if female else "m",
        f0_hz=float(rng.normal(205, 22) if female else rng.normal(118, 16)),
        tract=float(rng.normal(1.16 if female else 1.0, 0.06)),
        formant_shifts=rng.normal(1.0, 0.05, VOWELS_HZ.shape),
        higher_hz=HIGHER_FORMANTS_HZ * rng.normal(1.0, 0.06, 2),
        damping=float(np.exp(rng.normal(0.0, 0.3))),
        noise_shifts=rng.normal(1.0, 0.08, len(NOISES_HZ)),
        tilt=float(rng.uniform(0.75, 0.97)),
        breath=float(rng.uniform(0.01, 0.12)),
        jitter=float(rng.uniform(0.003, 0.02)),
        rate=float(rng.uniform(6.0, 9.0)),
    )


def _resonators(
    centers_hz: NDArray[np.float64], bandwidths_hz: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Second-order sections with unit gain at 0 Hz (Klatt 1980, eq. 1-3)."""
    radius = np.exp(-np.pi * bandwidths_hz / SAMPLE_RATE)
    a1 = -2 * radius * np.cos(2 * np.pi * centers_hz / SAMPLE_RATE)
    a2 = radius**2
    sections = np.zeros((len(centers_hz), 6))
    sections[:, 0] = 1 + a1 + a2
    sections[:, 3:] = np.stack([np.ones_like(a1), a1, a2], axis=1)
    return sections


def _pulses(voice: Voice, n_samples: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Glottal excitation: jittered impulses on a falling pitch, darkened, with breath."""
    drift = rng.normal(1.0, 0.06) * np.linspace(1.04, 0.96, n_samples)
    period_noise = 1 + voice.jitter * rng.normal(size=n_samples) * 8
    phase = np.cumsum(voice.f0_hz * drift * period_noise / SAMPLE_RATE) + rng.random()
    source = np.diff(np.floor(phase), prepend=np.floor(phase[0]))
    source = lfilter([1.0], [1.0, -voice.tilt], source)
    source = lfilter([1.0, -1.0], [1.0, -0.99], source)
    breath = voice.breath * rng.normal(size=n_samples) * np.abs(source).max(initial=1e-3)
    return np.asarray(source + breath)


def _phone(voice: Voice, n_samples: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """One vowel, fricative, stop or pause of unit-like level."""
    kind = rng.choice(4, p=[0.62, 0.18, 0.12, 0.08])
    if kind == 0:
        vowel = int(rng.integers(len(VOWELS_HZ)))
        # Every rendering differs: coarticulation.
        personal = VOWELS_HZ[vowel] * voice.formant_shifts[vowel] * rng.normal(1.0, 0.03, 3)
        centers = voice.tract * np.concatenate([personal, voice.higher_hz])
        sound = sosfilt(
            _resonators(centers, voice.damping * BANDWIDTHS_HZ), _pulses(voice, n_samples, rng)
        )
        level = rng.uniform(0.6, 1.0)
    elif kind in (1, 2):
        center = (
            voice.tract**0.5 * rng.choice(NOISES_HZ * voice.noise_shifts) * rng.normal(1.0, 0.03)
        )
        center = np.array([min(center, 7000.0)])
        sound = sosfilt(_resonators(center, np.array([900.0])), rng.normal(size=n_samples))
        level = rng.uniform(0.08, 0.25)
        if kind == 2:
            closure = int(0.6 * n_samples)
            sound[:closure] = 0.0
            sound[closure:] *= np.exp(-np.linspace(0, 5, n_samples - closure))
    else:
        return np.zeros(n_samples)
    return np.asarray(sound / (np.sqrt(np.mean(sound**2)) + 1e-12) * level)


def speak(voice: Voice, duration_s: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Make a speaker utter random phones; (n_samples,) float32 at 16 kHz, peak 0.5."""
    n_samples = round(duration_s * SAMPLE_RATE)
    fade = round(FADE_S * SAMPLE_RATE)
    ramp = np.sin(np.linspace(0, np.pi / 2, fade)) ** 2
    samples = np.zeros(n_samples + SAMPLE_RATE)
    position = 0
    while position < n_samples:
        length = int(SAMPLE_RATE / voice.rate * rng.uniform(0.6, 1.5)) + fade
        phone = _phone(voice, length, rng)
        phone[:fade] *= ramp
        phone[-fade:] *= ramp[::-1]
        samples[position : position + length] += phone
        position += length - fade
    samples = samples[:n_samples]
    scaled = 0.5 * samples / (np.abs(samples).max() + 1e-12)
    return np.asarray(scaled, dtype=np.float32)


@dataclass(frozen=True)
class Session:
    """One sitting: a channel as gains in dB at nine knots from 0 to 8 kHz, noise, and a level."""

    channel_db: NDArray[np.float64]
    snr_db: float
    noise_tilt: float
    gain: float


def draw_session(config: SyntheticConfig, rng: np.random.Generator) -> Session:
    """Draw a session's channel, noise and level."""
    return Session(
        rng.normal(0.0, config.channel_db, 9),
        float(rng.uniform(*config.snr_db)),
        float(rng.uniform(0.0, 0.95)),
        float(10 ** (rng.uniform(-6.0, 3.0) / 20)),
    )


def record(
    samples: NDArray[np.float32], session: Session, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Pass samples through a session's channel, add its noise, set its level."""
    spectrum = np.fft.rfft(samples)
    bins = np.linspace(0, len(session.channel_db) - 1, len(spectrum))
    gains_db = np.interp(bins, np.arange(len(session.channel_db)), session.channel_db)
    filtered = np.fft.irfft(spectrum * 10 ** (gains_db / 20), len(samples))
    noise = lfilter([1.0], [1.0, -session.noise_tilt], rng.normal(size=len(samples)))
    ratio = np.mean(filtered**2) / (np.mean(noise**2) * 10 ** (session.snr_db / 10))
    mixed = session.gain * (filtered + np.sqrt(ratio) * noise)
    return np.asarray(np.clip(mixed, -1.0, 1.0), dtype=np.float32)


def write_corpus(
    folder: Path | str,
    config: SyntheticConfig = SyntheticConfig(),
    *,
    seed: int = 0,
    jobs: Jobs = None,
    progress: Progress = SILENT,
) -> None:
    """Write the corpus: FLAC files under ``audio/``, ``utterances.csv``, the lists of each split.

    The same settings and seed give the same files. Lists are written last, so a corpus that was
    cut short does not look whole.

    Raises
    ------
    OutputError
        When a file cannot be written.
    """
    folder = Path(folder)
    splits = ("background", "development", "evaluation")
    speakers = [split for split in splits for _ in range(getattr(config, split))]
    seeds = np.random.SeedSequence(seed).spawn(len(speakers))
    progress.start("synthetic corpus", len(speakers))
    # An older corpus there must not look whole while its recordings are being replaced.
    remove(folder / "utterances.csv")

    work = [(f"s{i + 1:02d}", speakers[i], seeds[i]) for i in range(len(speakers))]
    rows = []
    for speaker_rows in map_in_order(_write_speaker, work, folder, config, jobs=jobs):
        rows.extend(speaker_rows)
        progress.advance()
    for split in splits[1:]:
        _write_lists(folder / split, [row for row in rows if row[5] == split])
    header = ["utterance_id", "speaker_id", "session_id", "path", "sex", "split"]
    write_text(folder / "utterances.csv", format_table(header, rows))


def _write_speaker(
    speaker: tuple[str, str, np.random.SeedSequence], folder: Path, config: SyntheticConfig
) -> list[list[str]]:
    import soundfile

    speaker_id, split, seed = speaker
    rng = np.random.default_rng(seed)
    voice = draw_voice(rng)
    rows = []
    for number in range(config.sessions):
        session = draw_session(config, rng)
        is_test = split != "background" and number > 0
        for take in range(4 if is_test else 2):
            length_s = config.test_s if is_test else config.enrollment_s
            samples = record(speak(voice, length_s, rng), session, rng)
            utterance_id = f"{speaker_id}-{number + 1}-{take + 1}"
            name = f"audio/{speaker_id}/{utterance_id}.flac"
            # Through memory: libsndfile says nothing when the disk is full as it closes a file.
            content = io.BytesIO()
            soundfile.write(content, samples, SAMPLE_RATE, format="FLAC")
            with writing(folder / name) as temporary:
                temporary.write_bytes(content.getvalue())
            session_id = f"{speaker_id}-{number + 1}"
            rows.append([utterance_id, speaker_id, session_id, name, voice.sex, split])
    return rows


def _write_lists(folder: Path, rows: list[list[str]]) -> None:
    """Enroll each speaker with the first session; make a test of every two takes of the others."""
    enrollment, tests = [], []
    for utterance_id, speaker_id, session_id, *_ in rows:
        if session_id.endswith("-1"):
            enrollment.append([speaker_id, utterance_id])
        else:
            take = int(utterance_id.rsplit("-", 1)[1])
            tests.append([f"{session_id}-{'ab'[(take - 1) // 2]}", utterance_id])
    write_text(folder / "enrollment.csv", format_table(["model_id", "utterance_id"], enrollment))
    write_text(folder / "tests.csv", format_table(["test_id", "utterance_id"], tests))
    trials = format_table(["model_id", "test_id", "label"], [["*", "*", ""]])
    write_text(folder / "trials.csv", trials)

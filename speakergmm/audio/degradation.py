"""Recordings made worse on purpose, in a way that can be repeated.

What happens to an utterance depends on its id and the seed alone, so neither on the order in which
utterances are taken nor on the number of workers.
"""

from __future__ import annotations

import difflib
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from speakergmm.audio import codecs
from speakergmm.audio.noises import NoisePool, add_noise, draw_noise
from speakergmm.config import check_choice, check_range, check_whole
from speakergmm.errors import AudioError, ConfigError
from speakergmm.files import value_digest

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

# Below, a telephone band does not fit; above, no speech corpus is recorded.
SAMPLE_RATES_HZ = (8000, 48000)

# The corpora's `multisession` condition; so that its figures hold, none of it may change.
MULTISESSION_KNOTS_HZ = np.linspace(0.0, 8000.0, 9)
MULTISESSION_EQUALIZER_DB = (-10.0, 10.0)
MULTISESSION_SNR_DB = (15.0, 25.0)
MULTISESSION_GAIN_DB = (-10.0, 10.0)


def multisession(
    samples: NDArray[np.float32], sample_rate: int, utterance_id: str, noises: NoisePool
) -> NDArray[np.float32]:
    """Put an utterance into a channel and a room of its own, as the corpora's README defines them.

    Drawn from the first 4 bytes of SHA-256(utterance_id), in this order: an equalizer, a noise and
    where it starts, an SNR against the equalized utterance's mean power, and a gain.

    Parameters
    ----------
    samples : (n_samples,) float32
        At any scale, and any ``sample_rate`` in Hz.
    utterance_id : str
        The only seed: the same utterance always gets the same channel.
    noises : NoisePool
        The definition's figures are for eight noises of 20 s at 16 kHz.

    Returns
    -------
    (n_samples,) float32
        Not clipped: the gain may take it beyond ±1. Silence stays silence.
    """
    content = hashlib.sha256(utterance_id.encode("utf-8", "surrogatepass")).digest()
    rng = np.random.default_rng(int.from_bytes(content[:4], "little"))
    n_samples = len(samples)

    knots_db = rng.uniform(*MULTISESSION_EQUALIZER_DB, len(MULTISESSION_KNOTS_HZ))
    frequencies_hz = np.fft.rfftfreq(n_samples, 1 / sample_rate)
    response = 10 ** (np.interp(frequencies_hz, MULTISESSION_KNOTS_HZ, knots_db) / 20)
    equalized = np.fft.irfft(np.fft.rfft(samples.astype(np.float64)) * response, n_samples)

    noise = draw_noise(noises, sample_rate, n_samples, rng)
    noisy = add_noise(equalized, noise, rng.uniform(*MULTISESSION_SNR_DB))
    gain = 10 ** (rng.uniform(*MULTISESSION_GAIN_DB) / 20)
    return np.asarray(gain * noisy, dtype=np.float32)


class _Value(NamedTuple):
    """What stands after a step's colon."""

    name: str
    low: float
    high: float
    unit: str
    example: str


# The shortest cut still holds a frame of features; the longest is a day.
STEPS: dict[str, _Value | None] = {
    "clean": None,
    "noise": _Value("SNR_DB", -50, 100, "dB", "10"),
    "cut": _Value("SECONDS", 0.05, 86_400, "s", "3"),
    "telephone": None,
    "mulaw": None,
    "opus": _Value("KBPS", *codecs.OPUS_KBPS, "kbit/s", "12"),
    "mp3": _Value("KBPS", codecs.MP3_KBPS[0], codecs.MP3_KBPS[-1], "kbit/s", "32"),
    "vorbis": _Value("QUALITY", *codecs.VORBIS_QUALITY, "", "3"),
    "gain": _Value("DB", -100, 100, "dB", "-20"),
    "multisession": None,
}

NEED_NOISE = ("noise", "multisession")


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a degradation: a name of `STEPS`, and its value where it takes one."""

    name: str
    value: float | None = None

    def __post_init__(self) -> None:
        if self.name not in STEPS:
            near = difflib.get_close_matches(self.name, STEPS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(STEPS)}"
            raise ConfigError(f"unknown step {self.name!r}; {hint}")
        takes = STEPS[self.name]
        if takes is None:
            if self.value is not None:
                raise ConfigError(f"step {self.name!r} has the value {self.value!r}; expected none")
            return
        if self.value is None:
            raise ConfigError(
                f"step {self.name!r} has no value; expected {self.name}:{takes.name}, such as "
                f"{self.name}:{takes.example}"
            )
        where = f"step {self.name!r}: {takes.name}"
        check_range(where, self.value, takes.low, takes.high, takes.unit)
        # So that -0.0 and 3 are written, and seed the generator, as 0 and 3.0 do.
        object.__setattr__(self, "value", float(self.value) + 0.0)
        if self.name == "mp3":
            check_choice(where, self.value, [float(kbps) for kbps in codecs.MP3_KBPS])

    def __str__(self) -> str:
        if self.value is None:
            return self.name
        return f"{self.name}:{np.format_float_positional(self.value, trim='-')}"


def _parsed_step(text: str) -> Step:
    name, colon, value = (part.strip() for part in text.partition(":"))
    try:
        if "_" in value:
            raise ValueError(value)
        return Step(name, float(value) if colon else None)
    except ConfigError:
        raise
    except ValueError:
        # The step itself says what was expected in place of this text.
        return Step(name, value)  # type: ignore[arg-type]


def _checked(samples: NDArray[np.float32], utterance_id: str) -> NDArray[np.float32]:
    """Copy samples as float32, so that no step can change what was given."""
    with np.errstate(over="ignore"):
        copy = np.array(samples, dtype=np.float32, order="C")
    if copy.ndim != 1 or copy.size == 0:
        raise AudioError(
            f"utterance {utterance_id}: samples have shape {copy.shape}; expected (n_samples,)"
        )
    if not np.isfinite(copy).all():
        raise AudioError(f"utterance {utterance_id}: some samples are NaN or infinite")
    return copy


@dataclass(frozen=True, slots=True)
class Degradation:
    """A chain of steps that make an utterance worse, from the first to the last.

    As text, steps are joined by ``+``:

    - ``clean``: nothing; what a chain without steps is called
    - ``noise:SNR_DB``: a noise of the pool, from a random place, at this ratio of mean powers
    - ``cut:SECONDS``: the first so many seconds; shorter utterances stay as they are
    - ``telephone``: the band from 300 to 3,400 Hz
    - ``mulaw``, ``opus:KBPS``, ``mp3:KBPS``, ``vorbis:QUALITY``: see `speakergmm.audio.codecs`
    - ``gain:DB``: louder or softer, without clipping
    - ``multisession``: a channel and a room for every utterance, see `multisession`
    """

    steps: tuple[Step, ...] = ()

    def __post_init__(self) -> None:
        steps = tuple(step for step in self.steps if step.name != "clean")
        object.__setattr__(self, "steps", steps)

    @classmethod
    def parse(cls, text: str) -> Degradation:
        """Read a degradation, such as ``cut:3+noise:10+telephone+mulaw``.

        Raises
        ------
        ConfigError
            For an unknown step (with the nearest known one), or a value that is missing, not
            expected, not a number, or out of range.
        """
        try:
            return cls(tuple(map(_parsed_step, text.split("+"))))
        except ConfigError as error:
            raise ConfigError(f"degradation {text!r}: {error}") from None

    def __str__(self) -> str:
        return "+".join(map(str, self.steps)) or "clean"

    @property
    def needs_noise(self) -> bool:
        """Whether a pool of noises must be given."""
        return any(step.name in NEED_NOISE for step in self.steps)

    def __call__(
        self,
        samples: NDArray[np.float32],
        sample_rate: int,
        utterance_id: str,
        noises: NoisePool | None = None,
        seed: int = 0,
    ) -> NDArray[np.float32]:
        """Degrade an utterance.

        Parameters
        ----------
        samples : (n_samples,) float32
            Left as they are. Only the codecs take ±1 for full scale.
        sample_rate : int
            In Hz, 8,000 to 48,000.
        noises : NoisePool, optional
            For the steps ``noise`` and ``multisession``.
        seed : int
            Another draws other noises, except in ``multisession``, which the id alone defines.

        Returns
        -------
        (n_samples,) float32
            Of the same length, unless cut. Not clipped, except inside the codecs.

        Raises
        ------
        ConfigError
            When noises are needed and there are none, or the rate or the seed is out of range.
        AudioError
            When the samples are not one channel, or some are NaN or infinite.
        """
        sample_rate = check_whole("sample_rate", sample_rate, *SAMPLE_RATES_HZ, "Hz")
        seed = check_whole("seed", seed, 0)
        if self.needs_noise and not noises:
            raise ConfigError(f"degradation {str(self)!r} adds noise; give a folder of noises")
        degraded = _checked(samples, utterance_id)
        for number, step in enumerate(self.steps):
            # A step that comes twice draws anew: the same noise again would only be louder.
            repeats = self.steps[:number].count(step)
            drawn_from = value_digest([seed, str(step), utterance_id, repeats])
            rng = np.random.default_rng(int(drawn_from, 16))
            degraded = _degraded(step, degraded, sample_rate, utterance_id, noises, rng)
        return np.ascontiguousarray(degraded)


def _degraded(
    step: Step,
    samples: NDArray[np.float32],
    sample_rate: int,
    utterance_id: str,
    noises: NoisePool | None,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    value = step.value or 0.0
    if noises is not None and step.name == "noise":
        noise = draw_noise(noises, sample_rate, len(samples), rng)
        return add_noise(samples.astype(np.float64), noise, value).astype(np.float32)
    if noises is not None and step.name == "multisession":
        return multisession(samples, sample_rate, utterance_id, noises)
    return NOISELESS[step.name](samples, sample_rate, value)


# Each is called with samples, their rate in Hz, and the step's value.
NOISELESS: dict[str, Callable[[NDArray[np.float32], int, float], NDArray[np.float32]]] = {
    "cut": lambda samples, rate, seconds: samples[: round(seconds * rate)].copy(),
    "telephone": lambda samples, rate, _: codecs.telephone(samples, rate),
    "mulaw": lambda samples, rate, _: codecs.mulaw(samples, rate),
    "opus": codecs.opus,
    "mp3": codecs.mp3,
    "vorbis": codecs.vorbis,
    "gain": lambda samples, _, gain_db: samples * np.float32(10 ** (gain_db / 20)),
}

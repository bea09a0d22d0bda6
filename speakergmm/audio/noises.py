"""Noises to add to speech, at a ratio that is given."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from speakergmm.audio.recordings import read_recording
from speakergmm.audio.resampling import resample
from speakergmm.corpora.manifests import AUDIO_SUFFIXES
from speakergmm.errors import AudioError, MissingError
from speakergmm.files import file_digest, value_digest

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class NoisePool:
    """Noises to add to speech, in the order of their names.

    Safe to use from several threads. Pickled with its samples, so that a worker on another machine
    needs no files. Two pools are equal when their digests are.
    """

    names: tuple[str, ...] = field(compare=False)
    noises: tuple[NDArray[np.float32], ...] = field(compare=False, repr=False)
    sample_rates: tuple[int, ...] = field(compare=False)
    digest: str
    _resampled: dict[tuple[int, int], NDArray[np.float32]] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )

    @classmethod
    def load(cls, folder: Path | str) -> NoisePool:
        """Read all recordings of a folder, sorted by name; files without an audio suffix are none.

        Raises
        ------
        MissingError
            When there is no such folder.
        AudioError
            When it holds no recordings, or one cannot be read.
        """
        folder = Path(folder)
        if not folder.is_dir():
            raise MissingError(f"{folder}: no such folder; expected a folder of noises")
        paths = sorted(
            (path for path in folder.iterdir() if path.suffix.lower() in AUDIO_SUFFIXES),
            key=lambda path: path.name,
        )
        if not paths:
            raise AudioError(
                f"{folder}: holds no noises; expected files named {', '.join(AUDIO_SUFFIXES)}"
            )
        noises, rates = zip(*map(read_recording, paths), strict=True)
        digest = value_digest([[path.name, file_digest(path)] for path in paths])
        return cls(tuple(path.name for path in paths), noises, rates, digest)

    def __len__(self) -> int:
        return len(self.names)

    def __reduce__(self) -> tuple[Any, ...]:
        # What was resampled is cheaper to make again than to send.
        return NoisePool, (self.names, self.noises, self.sample_rates, self.digest)

    def at(self, index: int, sample_rate: int) -> NDArray[np.float32]:
        """Give a noise at a rate in Hz, as (n_samples,) that cannot be written to.

        Raises
        ------
        IndexError
            When there is no such noise.
        """
        key = (index, sample_rate)
        if key not in self._resampled:
            noise = resample(
                self.noises[index], self.sample_rates[index], sample_rate, policy="any"
            ).view()
            noise.flags.writeable = False
            self._resampled[key] = noise
        return self._resampled[key]


def draw_noise(
    noises: NoisePool, sample_rate: int, n_samples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draw a noise of the pool, then where it starts; one that is too short is repeated."""
    noise = noises.at(int(rng.integers(len(noises))), sample_rate)
    start = int(rng.integers(max(1, len(noise) - n_samples)))
    return np.resize(noise[start : start + n_samples], n_samples).astype(np.float64)


def add_noise(
    speech: NDArray[np.float64], noise: NDArray[np.float64], snr_db: float
) -> NDArray[np.float64]:
    """Add noise at a ratio of mean powers; what is silent, speech or noise, is left silent."""
    noise_power = float(np.mean(noise**2))
    if noise_power == 0:
        return speech
    wanted = float(np.mean(speech**2)) / 10 ** (snr_db / 10)
    return speech + math.sqrt(wanted / noise_power) * noise

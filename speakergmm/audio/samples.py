"""Mono samples: one channel of several, and the check that speech can be found in them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from speakergmm.errors import AudioError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

Channel: TypeAlias = int | Literal["mix"]


def one_channel(
    samples: NDArray[np.float32], channel: Channel, path: Path | str
) -> NDArray[np.float32]:
    """Give one channel of samples (n_samples, n_channels), or the mean of all, as (n_samples,).

    Raises
    ------
    AudioError
        When the recording has no such channel.
    """
    n_channels = samples.shape[1]
    if channel == "mix":
        if n_channels == 1:
            return samples[:, 0]
        # What is wrong with infinite samples is said by `check_samples`.
        with np.errstate(invalid="ignore", over="ignore"):
            return np.asarray(samples.mean(axis=1, dtype=np.float32))
    if not 0 <= channel < n_channels:
        raise AudioError(
            f"{path}: has no channel {channel}; expected 0 to {n_channels - 1}, or 'mix'"
        )
    return samples[:, channel]


def check_finite(samples: NDArray[np.float32], n_before: int = 0) -> None:
    """Refuse samples (n,) or (n, n_channels) of which some are NaN or infinite.

    ``n_before`` is how many went before, by which the message counts.

    Raises
    ------
    AudioError
        With how many there are, and which is the first.
    """
    values = samples if samples.ndim == 1 else samples.reshape(-1)
    # The sum of squares is not finite where a value is not, and seldom elsewhere.
    with np.errstate(invalid="ignore", over="ignore"):
        if math.isfinite(np.dot(values, values)):
            return
    rows = np.isfinite(samples).reshape(len(samples), -1).all(axis=1)
    bad = np.flatnonzero(~rows)
    if len(bad):
        raise AudioError(
            f"{len(bad):,} samples are NaN or infinite (the first is number "
            f"{n_before + bad[0]:,}); write the recording again as integers or clean it"
        )


@dataclass
class SampleCheck:
    """Looks at mono samples as they pass, and refuses those in which no speech can be found."""

    n_samples: int = 0
    first: float = 0.0
    varies: bool = False

    def look(self, samples: NDArray[np.float32]) -> None:
        """Look at the next block.

        Raises
        ------
        AudioError
            When it is not one channel, or some samples are NaN or infinite.
        """
        if samples.ndim != 1:
            raise AudioError(
                f"samples have shape {samples.shape}; expected (n_samples,), one channel: mix the "
                "channels or choose one"
            )
        if samples.size == 0:
            return
        check_finite(samples, self.n_samples)
        if self.n_samples == 0:
            self.first = float(samples[0])
        # Two samples tell for most recordings.
        self.varies |= bool(samples[-1] != self.first) or bool(np.any(samples != self.first))
        self.n_samples += samples.size

    def finish(self) -> None:
        """Say that there are no more.

        Raises
        ------
        AudioError
            When there were none, or all have the same value.
        """
        if self.n_samples == 0:
            raise AudioError("there are no samples; expected a recording")
        if not self.varies and self.first == 0.0:
            raise AudioError(
                "silent: every sample is zero; check the microphone, and the channel: channels in "
                "opposite phase cancel in the mix"
            )
        if not self.varies and self.n_samples > 1:
            raise AudioError("constant: every sample has the same value; check the microphone")


def check_samples(samples: NDArray[np.float32]) -> None:
    """Refuse mono samples in which no speech can be found.

    Raises
    ------
    AudioError
        When there are none, some are NaN or infinite, or all are zero or of one value.
    """
    check = SampleCheck()
    check.look(samples)
    check.finish()

"""Levels, offset and clipping of samples that pass in blocks, of a recording of any length."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# Fewer samples on end at an extreme are its crest, not clipping, as in `measures.share_clipped`.
MIN_RUN = 3


@dataclass(frozen=True, slots=True)
class Levels:
    """What samples were like, in the channel that has most of it.

    Parameters
    ----------
    peak : float
        Largest absolute sample: 1 is full scale.
    swing : float
        Half the distance of the highest and the lowest sample: the peak that is left without an
        offset.
    dc_offset : float
        Mean, as a share of full scale, -1 to 1.
    rms : float
        Of the loudest channel, without its offset.
    clipped_share : float
        0 to 1: samples in runs of three or more at the channel's own highest or lowest value.
    """

    peak: float
    swing: float
    dc_offset: float
    rms: float
    clipped_share: float


@dataclass
class _Runs:
    """Counts samples in runs at the most extreme value so far; ``sign`` 1: the highest."""

    sign: int
    extreme: float = -math.inf
    n: int = 0
    # Of the run that touches the end of what has passed.
    open: int = 0

    def look(self, block: NDArray[np.float32], own: float) -> None:
        """Look at the next block, whose own extreme is given."""
        if self.sign * own > self.extreme:
            self.extreme, self.n, self.open = self.sign * own, 0, 0
        elif self.sign * own < self.extreme:
            self.close()
            return
        places = np.flatnonzero(block == own)
        if len(places) < MIN_RUN and not self.open and places[-1] < len(block) - 1:
            return
        if places[0] != 0:
            self.close()
        borders = np.flatnonzero(np.diff(places) > 1) + 1
        lengths = np.diff(borders, prepend=0, append=len(places))
        lengths[0] += self.open
        self.open = int(lengths[-1]) if places[-1] == len(block) - 1 else 0
        ended = lengths[:-1] if self.open else lengths
        self.n += int(ended[ended >= MIN_RUN].sum())

    def close(self) -> None:
        """Count the run that was open."""
        self.n += self.open if self.open >= MIN_RUN else 0
        self.open = 0

    def total(self) -> int:
        """Count all; zeros at the end of the range are padding, not clipping."""
        self.close()
        return 0 if self.extreme == 0.0 else self.n


@dataclass
class _Channel:
    high: _Runs = field(default_factory=lambda: _Runs(1))
    low: _Runs = field(default_factory=lambda: _Runs(-1))
    sum: float = 0.0
    squares: float = 0.0

    def look(self, block: NDArray[np.float32]) -> None:
        self.high.look(block, float(block.max()))
        self.low.look(block, float(block.min()))
        values = block.astype(np.float64)
        self.sum += float(values.sum())
        self.squares += float(np.dot(values, values))


class PassingLevels:
    """Looks at blocks (n, n_channels) as they pass; memory does not grow with their number."""

    def __init__(self, n_channels: int) -> None:
        self.channels = [_Channel() for _ in range(n_channels)]
        self.n_samples = 0

    def look(self, block: NDArray[np.float32]) -> None:
        """Look at the next block, of finite samples."""
        for channel, samples in zip(self.channels, block.T, strict=True):
            channel.look(samples)
        self.n_samples += len(block)

    def levels(self, columns: Sequence[int] | None = None) -> Levels:
        """Say what they were like, or only some of the channels; there must have been some."""
        n = self.n_samples
        channels = self.channels if columns is None else [self.channels[c] for c in columns]
        means = [channel.sum / n for channel in channels]
        powers = [c.squares / n - mean**2 for c, mean in zip(channels, means, strict=True)]
        return Levels(
            peak=max(max(c.high.extreme, c.low.extreme) for c in channels),
            swing=max((c.high.extreme + c.low.extreme) / 2 for c in channels),
            dc_offset=max(means, key=abs),
            rms=math.sqrt(max(0.0, *powers)),
            # One value all through is no clipping.
            clipped_share=max(
                (c.high.total() + c.low.total()) / n if c.high.extreme > -c.low.extreme else 0.0
                for c in channels
            ),
        )

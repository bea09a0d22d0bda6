"""Filters over frequency: how they are laid, and how they are kept without their zeros."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


# Bins that are weighed together: filters are filled up to whole groups.
GROUP = 4


@dataclass(frozen=True, eq=False)
class FilterBank:
    """Filters over the bins of a power spectrum, each without the zeros beside it.

    Filter m weighs the bins from ``first[m]`` on by ``weights[edges[m] : edges[m + 1]]``, which is
    filled up by zeros to a multiple of `GROUP`. ``of_energy`` weighs all bins, filled up likewise,
    so that they add up to the energy of the frame (Parseval).
    """

    first: NDArray[np.int32]
    edges: NDArray[np.int32]
    weights: NDArray[np.float32]
    of_energy: NDArray[np.float32]

    @classmethod
    def of(cls, filters: NDArray[np.floating]) -> FilterBank:
        """Arrange filters (n_filters, n_fft // 2 + 1)."""
        first, runs = [], []
        for row in filters:
            # A filter between two bins is empty.
            used = np.flatnonzero(row)
            start, stop = (used[0], used[-1] + 1) if len(used) else (0, 0)
            first.append(start)
            runs.append(_filled_up(row[start:stop]))
        n_bins = filters.shape[1]
        n_fft = 2 * (n_bins - 1)
        of_energy = np.full(n_bins, 2 / n_fft)
        # These stand for themselves, all others also for their mirror image.
        of_energy[[0, -1]] = 1 / n_fft
        return cls(
            np.array(first, dtype=np.int32),
            np.cumsum([0, *map(len, runs)], dtype=np.int32),
            np.concatenate(runs),
            _filled_up(of_energy),
        )

    def dense(self, n_bins: int) -> NDArray[np.float32]:
        """Give the filters (n_filters, n_bins) with their zeros: `of` makes the same bank of them.

        ``n_bins`` is n_fft // 2 + 1.
        """
        filters = np.zeros((self.n_filters, n_bins), dtype=np.float32)
        for row, first, start, stop in zip(
            filters, self.first, self.edges, self.edges[1:], strict=False
        ):
            # What fills a run up may lie beyond the last bin.
            beside = row[first : first + stop - start]
            beside[:] = self.weights[start : start + len(beside)]
        return filters

    @property
    def n_filters(self) -> int:
        """Number of filters."""
        return len(self.first)


def _filled_up(weights: NDArray[np.floating]) -> NDArray[np.float32]:
    filled = np.zeros(-(-len(weights) // GROUP) * GROUP, dtype=np.float32)
    filled[: len(weights)] = weights
    return filled


def linear_filters(
    sample_rate: int, n_fft: int, n_filters: int, f_min_hz: float, f_max_hz: float
) -> NDArray[np.float64]:
    """Triangular filters of equal width, evenly spaced over frequency, each of area 1.

    Filter m rises from corner m to corner m + 1 and falls to corner m + 2, as the mel filters of
    ``librosa.filters.mel`` do between corners that are even in mel (Davis & Mermelstein 1980
    compare both).

    Returns
    -------
    (n_filters, n_fft // 2 + 1) float64
    """
    corners_hz = np.linspace(f_min_hz, f_max_hz, n_filters + 2)
    bins_hz = np.fft.rfftfreq(n_fft, 1 / sample_rate)
    width_hz = corners_hz[1] - corners_hz[0]
    distance = np.abs(bins_hz - corners_hz[1:-1, None]) / width_hz
    return np.asarray(np.maximum(0.0, 1.0 - distance) / width_hz)

"""Filters over frequency: how they are laid, and how they are applied without their zeros."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class FilterBank:
    """Filters over the bins of a power spectrum, lower and upper half apart.

    Each half has only the bins between its first filter's beginning and its last one's end, since
    filters of low frequency are narrow: most of a whole matrix would be zeros.

    ``halves`` are (first bin, (n_bins, n_filters / 2) weights); ``of_energy`` (n_fft // 2 + 1,)
    weighs the bins so that they add up to the energy of the frame (Parseval).
    """

    halves: tuple[tuple[int, NDArray[np.float32]], ...]
    of_energy: NDArray[np.float32]

    @classmethod
    def of(cls, filters: NDArray[np.floating]) -> FilterBank:
        """Arrange filters (n_filters, n_fft // 2 + 1)."""
        n_filters, n_bins = filters.shape
        halves = []
        for part in (filters[: n_filters // 2], filters[n_filters // 2 :]):
            used = np.flatnonzero(part.any(axis=0))
            # A filter between two bins is empty; such a half has one bin of weight 0.
            first, last = (int(used[0]), int(used[-1])) if len(used) else (0, 0)
            weights = np.ascontiguousarray(part[:, first : last + 1].T, dtype=np.float32)
            halves.append((first, weights))
        n_fft = 2 * (n_bins - 1)
        of_energy = np.full(n_bins, 2 / n_fft, dtype=np.float32)
        # These stand for themselves, all others also for their mirror image.
        of_energy[[0, -1]] = 1 / n_fft
        return cls(tuple(halves), of_energy)

    def __call__(
        self, power: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Power spectra (n, n_bins) → power under each filter (n, n_filters); energy (n,)."""
        bands = np.empty(
            (len(power), sum(weights.shape[1] for _, weights in self.halves)), dtype=np.float32
        )
        column = 0
        for first, weights in self.halves:
            n_bins, n_filters = weights.shape
            columns = bands[:, column : column + n_filters]
            np.matmul(power[:, first : first + n_bins], weights, out=columns)
            column += n_filters
        return bands, power @ self.of_energy


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

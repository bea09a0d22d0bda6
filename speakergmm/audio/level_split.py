"""The compiled search for the level that parts noise from speech.

Importing this module loads numba; `audio.activity` does so where levels are split.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from numba import float64, int64

from speakergmm.compiled import compiled

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@compiled(int64(float64[::1], int64, float64, float64), fast_math=frozenset({"contract"}))
def best_split(  # pragma: no cover
    ordered: NDArray[np.float64], fewest: int, least_variance: float, least_distance: float
) -> int:
    """Find how many of the levels belong to the lower of two Gaussians; 0 where there is but one.

    See `speakergmm.audio.activity.split_levels`.

    Parameters
    ----------
    ordered : (T,)
        Levels, rising.
    fewest : int
        Levels of either Gaussian, at least.
    least_variance, least_distance : float
        Variances are not less, and the two means not nearer to each other.
    """
    n = ordered.shape[0]
    total = squares = 0.0
    for level in ordered:
        total += level
        squares += level * level
    sum_below = square_below = lowest = distance = 0.0
    best = 0
    for below in range(1, n - fewest + 1):
        level = ordered[below - 1]
        sum_below += level
        square_below += level * level
        # No threshold parts equal levels.
        if below < fewest or below == n or ordered[below] == level:
            continue
        above = n - below
        mean_below, mean_above = sum_below / below, (total - sum_below) / above
        variance_below = max(square_below / below - mean_below**2, least_variance)
        variance_above = max((squares - square_below) / above - mean_above**2, least_variance)
        # J without its constants, times the number of levels.
        cost = below * (math.log(variance_below) - 2 * math.log(below))
        cost += above * (math.log(variance_above) - 2 * math.log(above))
        if best == 0 or cost < lowest:
            best, lowest, distance = below, cost, mean_above - mean_below
    return best if distance >= least_distance else 0

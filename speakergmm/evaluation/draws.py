"""What resamples tell of a number: its interval, and whether a difference is one.

The interval is made from the resamples in three steps. Bias: a convex hull follows the accidents of
its trials, so the trials at hand look better than the population, and resamples look better still;
they are scaled back for both. Skewness: small rates have a longer tail upwards; the percentiles are
accelerated as in BCa (Efron 1987). Few speakers: the percentiles are taken further out, by the t
distribution (Hesterberg 2015, section 5.4). What comes of it is measured: see ``intervals`` in the
benchmarks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

CONFIDENCE = 0.95

# By simulation (row ``intervals`` of the benchmarks), a list is too optimistic by about the square
# of the factor by which its resamples are more optimistic still.
OPTIMISM = 3


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its 95 % interval, where there is one."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, eq=False)
class Draws:
    """A number as observed, in each resample (R,), and with speakers left out in turn (L,)."""

    observed: float
    drawn: NDArray[np.float64]
    left_out: NDArray[np.float64]
    n_speakers: int
    is_free_of_bias: bool = False

    @property
    def optimism(self) -> float:
        """By which factor resamples are to be made worse to lie about the population's number."""
        mean = float(self.drawn.mean()) if len(self.drawn) else 0.0
        if self.is_free_of_bias or not math.isfinite(mean) or mean == 0:
            return 1.0
        return float((self.observed / mean) ** OPTIMISM)

    def without_bias(self) -> NDArray[np.float64]:
        """Resamples (R,) as they would be about the population's number, in rising order."""
        return np.asarray(np.sort(self.drawn) * self.optimism)

    def minus(self, other: Draws) -> Draws:
        """Give the difference to another metric of the same system, both freed of their bias."""
        return Draws(
            float(_difference(self.observed, other.observed)),
            _difference(self.drawn * self.optimism, other.drawn * other.optimism),
            _difference(self.left_out, other.left_out),
            self.n_speakers,
            is_free_of_bias=True,
        )

    def compared_to(self, other: Draws) -> Draws:
        """Give the difference to the same metric of another system, in the same resamples.

        Two systems on the same trials are too optimistic by about the same factor, and so is their
        difference: it is scaled back by the factor of both together, about what was observed.
        """
        both = replace(
            self, observed=self.observed + other.observed, drawn=self.drawn + other.drawn
        )
        observed = float(_difference(self.observed, other.observed))
        drawn = _difference(self.drawn, other.drawn) * both.optimism
        mean = float(drawn.mean()) if len(drawn) else math.nan
        if math.isfinite(mean) and math.isfinite(observed):
            drawn = drawn + (observed - mean)
        left_out = _difference(self.left_out, other.left_out)
        return Draws(observed, drawn, left_out, self.n_speakers, is_free_of_bias=True)

    @property
    def acceleration(self) -> float:
        """How fast the standard error grows with the number itself (Efron 1987, eq. 7.3)."""
        if not np.isfinite(self.left_out).all():
            return 0.0
        away = self.left_out.mean() - self.left_out
        scale = float((away**2).sum()) ** 1.5
        return float((away**3).sum()) / (6 * scale) if scale > 0 else 0.0

    def interval(self) -> tuple[float, float]:
        """Give the 95 % interval; see the head of this module."""
        from scipy.special import ndtr, stdtrit

        n = self.n_speakers
        far = stdtrit(n - 1, (1 + CONFIDENCE) / 2) * math.sqrt(n / (n - 1))
        shares = [float(ndtr(z / (1 - self.acceleration * z))) for z in (-float(far), float(far))]
        # A value that was drawn, never one between two: there is none between a number and
        # infinity.
        low, high = np.quantile(self.without_bias(), shares, method="inverted_cdf")
        return float(low), float(high)

    def estimate(self, *, highest: float = math.inf) -> Estimate:
        """Give the number with its interval, between 0 and the highest that it can be.

        None where nothing was drawn, or nothing else than 0: resamples do not have what is not
        there.
        """
        if not self.drawn.any():
            return Estimate(self.observed)
        low, high = self.interval()
        # What was observed is always possible.
        low, high = min(low, self.observed), max(high, self.observed)
        return Estimate(self.observed, max(0.0, low), min(highest, high))

    def p_value(self) -> float:
        """Two-sided p-value of a difference being 0: where the interval would just reach it."""
        from scipy.special import ndtri, stdtr

        drawn, n = self.without_bias(), self.n_speakers
        if not (drawn != 0).any():
            return 1.0
        below = (drawn < 0).sum() + 0.5 * (drawn == 0).sum()
        # As if there were one more resample, half on either side: no p-value is 0.
        z = float(ndtri((below + 0.5) / (len(drawn) + 1)))
        z /= 1 + self.acceleration * z
        return float(2 * stdtr(n - 1, -abs(z) * math.sqrt((n - 1) / n)))


def _difference(one: ArrayLike, other: ArrayLike) -> NDArray[np.float64]:
    """Subtract; equally infinite numbers do not differ."""
    with np.errstate(invalid="ignore"):
        return np.where(np.equal(one, other), 0.0, np.subtract(one, other))

"""MAP adaptation: a speaker's model is the UBM, moved as far as the speaker's speech warrants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np

from speakergmm.config import check_range
from speakergmm.errors import ConfigError, ModelError
from speakergmm.gmm.model import DiagonalGMM

if TYPE_CHECKING:
    from speakergmm.gmm.statistics import Statistics

Adapted: TypeAlias = Literal["means", "means+variances", "means+weights", "all"]
ADAPTED: tuple[Adapted, ...] = get_args(Adapted)

# Adapted variances stay above this share of the UBM's overall variance, as in training.
VARIANCE_FLOOR = 1e-3


def map_adapt(
    ubm: DiagonalGMM,
    statistics: Statistics,
    *,
    relevance_factor: float = 16.0,
    parameters: Adapted = "means",
) -> DiagonalGMM:
    """Adapt a background model to a speaker by maximum a posteriori estimation.

    Reynolds, Quatieri & Dunn (2000), eq. 11-14, with one relevance factor r and
    α_c = n_c / (n_c + r).

    Parameters
    ----------
    ubm : DiagonalGMM
    statistics : Statistics
        Of the speaker's frames under ``ubm``. Those of several recordings add up.
    relevance_factor : float
        r ≥ 0, in frames: a component that has seen r frames moves half way. 8 to 20 make little
        difference (Reynolds 2000); smaller trusts short speech more.
    parameters : {"means", "means+variances", "means+weights", "all"}
        What is adapted. Means alone are usual and best in most of the literature.

    Returns
    -------
    DiagonalGMM
        A component that has seen no frame keeps the UBM's mean and variances exactly, also with
        r = 0 (and its weight, but for the scaling that makes weights sum to 1).

    Raises
    ------
    ModelError
        When the statistics are not of this model's C and D.
    ConfigError
        When the relevance factor is negative or ``parameters`` is none of the above.

    Examples
    --------
    Sixteen frames at 5 move the component that they belong to half way there, and no other:

    >>> from speakergmm import DiagonalGMM, accumulate, map_adapt
    >>> ubm = DiagonalGMM([0.5, 0.5], [[-3.0], [3.0]], [[1.0], [1.0]])
    >>> map_adapt(ubm, accumulate(ubm, [[5.0]] * 16), relevance_factor=16).means.round(2)
    array([[-3.],
           [ 4.]])
    """
    if parameters not in ADAPTED:
        expected = ", ".join(map(repr, ADAPTED))
        raise ConfigError(
            f"parameters is {parameters!r}; expected one of {expected} (variances about a mean "
            "that is not adapted are not those of the speaker)"
        )
    check_range("relevance_factor", relevance_factor, 0.0, unit="frames")
    if statistics.f.shape != ubm.means.shape:
        raise ModelError(
            f"statistics are of (C, D) = {statistics.f.shape}, the UBM has {ubm.means.shape}; "
            "expected statistics under this UBM"
        )
    seen = statistics.seen
    n = np.where(seen, statistics.n, 1.0)[:, None]
    alpha = np.where(seen, statistics.n, 0.0)[:, None] / (n + relevance_factor)
    first = statistics.f / n
    # eq. 12 as a step from the UBM's mean: exactly that mean where nothing was seen.
    means = ubm.means + alpha * (first - ubm.means)
    variances, weights = ubm.variances, ubm.weights
    if parameters in ("means+variances", "all"):
        # eq. 13 in a form without the difference of large squares.
        within = np.maximum(statistics.s / n - np.square(first), 0.0)
        between = np.square(first - ubm.means)
        adapted = alpha * within + (1 - alpha) * ubm.variances + alpha * (1 - alpha) * between
        floor = np.minimum(VARIANCE_FLOOR * ubm.variance, ubm.variances)
        variances = np.where(seen[:, None], np.maximum(adapted, floor), ubm.variances)
    if parameters in ("means+weights", "all") and statistics.n_frames:
        share = statistics.n / statistics.n_frames
        mixed = alpha[:, 0] * share + (1 - alpha[:, 0]) * ubm.weights  # eq. 11
        weights = mixed / mixed.sum()
    return DiagonalGMM(weights, means, variances)

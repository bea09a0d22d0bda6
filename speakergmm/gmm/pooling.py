"""One mixture of several: background models of parts of the speech, pooled."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from speakergmm.errors import ModelError
from speakergmm.gmm.model import DiagonalGMM

if TYPE_CHECKING:
    from collections.abc import Sequence


def pool_mixtures(mixtures: Sequence[DiagonalGMM], shares: Sequence[float]) -> DiagonalGMM:
    """Pool mixtures into one, whose density is the weighted mean of theirs.

    Models of women and of men, or of two kinds of telephone, trained apart and pooled, are balanced
    whatever the data were (Reynolds, Quatieri & Dunn 2000, sec. 3.2).

    Parameters
    ----------
    mixtures : sequence of DiagonalGMM
        Of the same D.
    shares : sequence of float
        What each weighs: above 0, of sum 1.

    Returns
    -------
    DiagonalGMM
        Its components are those of the first, then those of the second, and so on.

    Raises
    ------
    ModelError
        When there are none, they differ in D, or the shares are no shares.
    """
    if not mixtures or len(mixtures) != len(shares):
        raise ModelError(
            f"there are {len(mixtures)} mixtures and {len(shares)} shares; expected one share for "
            "each, and at least one mixture"
        )
    sizes = {mixture.n_features for mixture in mixtures}
    if len(sizes) > 1:
        raise ModelError(
            f"mixtures have {', '.join(map(str, sorted(sizes)))} features; expected the same "
            "front end for all"
        )
    if min(shares) <= 0 or not math.isclose(sum(shares), 1.0, rel_tol=1e-9):
        raise ModelError(f"shares are {list(shares)}; expected numbers above 0 of sum 1")
    weights = [s * m.weights for s, m in zip(shares, mixtures, strict=True)]
    return DiagonalGMM(
        np.concatenate(weights),
        np.concatenate([mixture.means for mixture in mixtures]),
        np.concatenate([mixture.variances for mixture in mixtures]),
    )

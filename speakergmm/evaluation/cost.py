"""What errors cost: cost models, and the operating points of well-known evaluations."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from speakergmm.config import check_range, use_plain_numbers
from speakergmm.errors import MissingError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True)
class CostModel:
    """What errors cost, and how often a trial is a target.

    Parameters
    ----------
    p_target : float
        Prior probability of a target trial, between 0 and 1.
    c_miss, c_fa : float
        Cost of rejecting a target, and of accepting a nontarget; above 0.

    Raises
    ------
    ConfigError
        When one of them is out of its range.

    Examples
    --------
    >>> from speakergmm import CostModel
    >>> f"{CostModel(p_target=0.05).threshold:.2f}"  # ln 19
    '2.94'
    """

    p_target: float = 0.01
    c_miss: float = 1.0
    c_fa: float = 1.0

    def __post_init__(self) -> None:
        use_plain_numbers(self)
        check_range("p_target", self.p_target, 1e-9, 1 - 1e-9)
        check_range("c_miss", self.c_miss, 1e-9)
        check_range("c_fa", self.c_fa, 1e-9)

    @property
    def threshold(self) -> float:
        """The log-likelihood ratio from which accepting is the cheaper decision (Bayes)."""
        return math.log(self.c_fa * (1 - self.p_target)) - math.log(self.c_miss * self.p_target)

    @property
    def effective_prior(self) -> float:
        """The prior that leads to the same decisions when both errors cost 1."""
        # Not as 1 less another: a small one would lose its digits, or be 0.
        return float(np.exp(-np.logaddexp(0.0, self.threshold)))

    def dcf(self, p_miss: ArrayLike, p_fa: ArrayLike) -> NDArray[np.float64]:
        """Give the normalized detection cost; 1 is the better of accept all and reject all.

        Parameters
        ----------
        p_miss, p_fa : float or (N,)
            Error rates, as fractions.

        Returns
        -------
        float or (N,)
            From 0 (no errors); above 1 where not to listen at all would be cheaper.
        """
        miss, fa = self.c_miss * self.p_target, self.c_fa * (1 - self.p_target)
        return (miss * np.asarray(p_miss) + fa * np.asarray(p_fa)) / min(miss, fa)


# The detection cost of an evaluation is the mean over its models; most have one.
COST_POINTS: Mapping[str, tuple[CostModel, ...]] = MappingProxyType(
    {
        # NIST 2008, "The NIST Year 2008 Speaker Recognition Evaluation Plan", section 3.
        "sre08": (CostModel(0.01, c_miss=10.0),),
        # NIST 2010, evaluation plan, section 3, core condition.
        "sre10": (CostModel(0.001),),
        # NIST 2016, evaluation plan, section 3: the mean of two priors.
        "sre16": (CostModel(0.01), CostModel(0.005)),
        # Nagrani, Chung & Zisserman 2017, section 6.
        "voxceleb": (CostModel(0.01),),
        # The VoxCeleb Speaker Recognition Challenges (Chung et al. 2019, Nagrani et al. 2020).
        "voxsrc": (CostModel(0.05),),
    }
)


def cost_point(name: str) -> tuple[CostModel, ...]:
    """Look up the cost models of a well-known evaluation, whose mean cost it reports.

    Parameters
    ----------
    name : str
        ``sre08``, ``sre10``, ``sre16``, ``voxceleb`` or ``voxsrc``.

    Raises
    ------
    MissingError
        When there is no such evaluation.
    """
    if name not in COST_POINTS:
        raise MissingError(f"no cost point {name!r}; known are {', '.join(COST_POINTS)}")
    return COST_POINTS[name]

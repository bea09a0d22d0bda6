"""How a speaker's model is made from the background model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from speakergmm.config import check_choice, check_range
from speakergmm.gmm import ADAPTED, Adapted, map_adapt

if TYPE_CHECKING:
    from speakergmm.gmm import DiagonalGMM, Statistics


@dataclass(frozen=True)
class EnrollmentConfig:
    """Settings of MAP adaptation; see `speakergmm.map_adapt`.

    Parameters
    ----------
    relevance_factor : float
        In frames; smaller trusts short enrollments more.
    parameters : {"means", "means+variances", "means+weights", "all"}
        What is adapted.
    """

    relevance_factor: float = 16.0
    parameters: Adapted = "means"

    def __post_init__(self) -> None:
        check_range("relevance_factor", self.relevance_factor, 0.0, unit="frames")
        check_choice("parameters", self.parameters, ADAPTED)

    def speaker_model(self, ubm: DiagonalGMM, statistics: Statistics) -> DiagonalGMM:
        """Adapt the background model to a speaker's statistics."""
        return map_adapt(
            ubm,
            statistics,
            relevance_factor=self.relevance_factor,
            parameters=self.parameters,
        )

"""How a speaker's model is made from the background model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from speakergmm.config import check_choice, check_range, check_whole, use_plain_numbers
from speakergmm.gmm import ADAPTED, Adapted, accumulate, map_adapt

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

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
    iterations : int
        How often frames are given to components and the model adapted: the first time by the
        background model, then by the speaker's so far; always adapted from the background model.
    """

    relevance_factor: float = 16.0
    parameters: Adapted = "means"
    iterations: int = 1

    def __post_init__(self) -> None:
        use_plain_numbers(self)
        check_range("relevance_factor", self.relevance_factor, 0.0, unit="frames")
        check_choice("parameters", self.parameters, ADAPTED)
        check_whole("iterations", self.iterations, 1, 100)

    def statistics(self, ubm: DiagonalGMM, frames: ArrayLike) -> Statistics:
        """Statistics of a speaker's frames (T, D), from which `speaker_model` adapts.

        With one iteration they are those under the background model, and add. With more they are
        those under the model of the iteration before (EM for the MAP estimate: Gauvain & Lee 1994),
        which hold for these frames together only.
        """
        found = accumulate(ubm, frames)
        for _ in range(self.iterations - 1):
            found = accumulate(self.speaker_model(ubm, found), frames)
        return found

    def speaker_model(self, ubm: DiagonalGMM, statistics: Statistics) -> DiagonalGMM:
        """Adapt the background model to a speaker's statistics."""
        return map_adapt(
            ubm,
            statistics,
            relevance_factor=self.relevance_factor,
            parameters=self.parameters,
        )

"""All that is to be said of one scored trial list: numbers, parts, speakers, the most wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from speakergmm.evaluation.breakdown import Breakdown, break_down
from speakergmm.evaluation.hardest import HardTrial, hardest_trials
from speakergmm.evaluation.speakers import SpeakerErrors, speaker_errors
from speakergmm.evaluation.summary import Evaluation, EvaluationConfig, evaluate_scores
from speakergmm.progress import SILENT

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from speakergmm.corpora import Scores
    from speakergmm.parallel import Jobs
    from speakergmm.progress import Progress


@dataclass(frozen=True, eq=False)
class Analysis:
    """A scored trial list, its evaluation, and a closer look at it.

    ``breakdowns`` has one for each column of the trials; ``speakers`` and ``hardest`` are at the
    threshold where both errors are equally frequent.
    """

    scores: Scores
    evaluation: Evaluation
    breakdowns: tuple[Breakdown, ...] = ()
    speakers: tuple[SpeakerErrors, ...] = ()
    hardest: tuple[HardTrial, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Give the metrics, and those of the parts where there are any, for programs."""
        entry: dict[str, Any] = {"evaluation": self.evaluation.to_json()}
        if self.breakdowns:
            entry["breakdown"] = {
                breakdown.column: [part.to_json() for part in breakdown.parts]
                for breakdown in self.breakdowns
            }
        return entry


def analyze(
    scores: Scores,
    config: EvaluationConfig = EvaluationConfig(),
    *,
    rng: int | np.random.Generator = 0,
    model_files: Callable[[str], tuple[str, ...]] | None = None,
    test_files: Callable[[str], tuple[str, ...]] | None = None,
    jobs: Jobs = None,
    progress: Progress = SILENT,
) -> Analysis:
    """Evaluate a scored trial list, and each part of it that its columns name.

    Parameters
    ----------
    model_files, test_files : callable, optional
        Give the recordings of a model or a test by its id.

    Raises
    ------
    ScoreError
        When there are no trials of one kind, or scores are NaN.
    """
    evaluation = evaluate_scores(scores, config, rng=rng, jobs=jobs, progress=progress)
    threshold = evaluation.thresholds["eer"].score
    return Analysis(
        scores,
        evaluation,
        tuple(
            break_down(scores, name, column, config, rng=rng, jobs=jobs, progress=progress)
            for name, column in scores.trials.columns.items()
        ),
        tuple(speaker_errors(scores, threshold)),
        tuple(hardest_trials(scores, threshold, model_files=model_files, test_files=test_files)),
    )

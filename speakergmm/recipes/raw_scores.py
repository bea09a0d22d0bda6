"""What scoring a split gives: scores as they come, those against the cohort, and side information.

From one file of these every normalization and calibration is made, without scoring anew.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from speakergmm.corpora import Scores
from speakergmm.files import writing
from speakergmm.verification.side_information import TrialSide
from speakergmm.verification.trial_normalization import CohortScores, normalize_trials

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from speakergmm.corpora import Trials
    from speakergmm.verification import CalibrationRecord, NormalizationConfig

    Floats = NDArray[np.float64]

SIDE_PREFIX = "side."
COHORT_TABLES = tuple(field.name for field in dataclasses.fields(CohortScores))


@dataclass(frozen=True, eq=False)
class RawScores:
    """Scores (N,) of a list's trials, as the scorer gave them.

    ``cohort`` holds the scores of its models and tests against the cohort, as far as they were
    asked for; ``side`` what is known of them besides.
    """

    score: Floats
    cohort: CohortScores
    side: TrialSide

    def normalized(self, trials: Trials, config: NormalizationConfig) -> Scores:
        """Give the trials with normalized scores."""
        return Scores(trials, normalize_trials(self.score, trials, self.cohort, config))

    def calibrated(self, scores: Scores, record: CalibrationRecord) -> Scores:
        """Give normalized scores with their log-likelihood ratios."""
        if record.knows_lengths:
            speech_s = self.side.values["test_speech"][scores.trials.test_index]
            return dataclasses.replace(scores, llr=record.by_length(scores.score, speech_s))
        names = [term.name for term in record.calibration.side]
        side = self.side.of_trials(scores.trials, names) if names else None
        return dataclasses.replace(scores, llr=record.calibration(scores.score, side))


def save_raw_scores(path: Path, raw: RawScores) -> None:
    """Write raw scores, atomically."""
    from safetensors.numpy import save

    tensors = {"score": raw.score}
    for name in COHORT_TABLES:
        table = getattr(raw.cohort, name)
        if table is not None:
            tensors[name] = np.ascontiguousarray(table)
    tensors |= {SIDE_PREFIX + name: values for name, values in raw.side.values.items()}
    with writing(path) as temporary:
        temporary.write_bytes(save(tensors))


def load_raw_scores(path: Path) -> RawScores:
    """Read what `save_raw_scores` wrote."""
    from safetensors.numpy import load_file

    tensors = load_file(path)
    side = {
        name.removeprefix(SIDE_PREFIX): values
        for name, values in tensors.items()
        if name.startswith(SIDE_PREFIX)
    }
    cohort = CohortScores(**{name: tensors.get(name) for name in COHORT_TABLES})
    return RawScores(tensors["score"], cohort, TrialSide(side))

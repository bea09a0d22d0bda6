"""The most wrong trials: where to listen first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from speakergmm.corpora import Scores

N_HARDEST = 10


@dataclass(frozen=True)
class HardTrial:
    """A trial on the wrong side of the threshold, and how far.

    ``beyond`` is its distance from the threshold, in the unit of the scores; ``model_files`` and
    ``test_files`` name what was listened to, where that is known.
    """

    model_id: str
    test_id: str
    is_target: bool
    score: float
    llr: float | None
    beyond: float
    model_files: tuple[str, ...] = ()
    test_files: tuple[str, ...] = ()


def hardest_trials(
    scores: Scores,
    threshold: float,
    *,
    n: int = N_HARDEST,
    model_files: Callable[[str], tuple[str, ...]] | None = None,
    test_files: Callable[[str], tuple[str, ...]] | None = None,
) -> list[HardTrial]:
    """Find the trials that are decided most wrongly at a threshold on the score.

    Parameters
    ----------
    n : int
        How many at most; fewer where fewer are wrong.
    model_files, test_files : callable, optional
        Give the recordings of a model or a test by its id.

    Returns
    -------
    list of HardTrial
        The worst first. True speakers who were rejected and strangers who were accepted are
        measured alike, by their distance from the threshold.
    """
    trials = scores.trials
    outward = np.where(trials.is_target, -scores.score, scores.score)
    # NaN is above +inf: see `OperatingPoint`.
    place = np.inf if np.isnan(threshold) else threshold
    with np.errstate(invalid="ignore"):
        beyond = np.nan_to_num(
            outward + np.where(trials.is_target, place, -place), nan=0.0, posinf=np.inf,
            neginf=-np.inf,
        )  # fmt: skip
    # At the threshold itself a trial is accepted, so a stranger there is wrong.
    wrong = (scores.score >= threshold) != trials.is_target
    places = np.flatnonzero(wrong)
    if 0 < n < len(places):
        # All that tie with the last one stay for now.
        places = places[beyond[places] >= np.partition(beyond[places], -n)[-n]]
    # From an infinite threshold all are as far away: the scores tell them apart. Equal ones in the
    # order of the list.
    keys = [places, -beyond[places]]
    if np.isinf(place):
        keys.insert(1, -outward[places])
    places = places[np.lexsort(keys)][:n]
    found = []
    for i in places.tolist():
        model_id = trials.model_ids[trials.model_index[i]]
        test_id = trials.test_ids[trials.test_index[i]]
        found.append(
            HardTrial(
                model_id,
                test_id,
                bool(trials.is_target[i]),
                float(scores.score[i]),
                None if scores.llr is None else float(scores.llr[i]),
                float(beyond[i]),
                model_files(model_id) if model_files else (),
                test_files(test_id) if test_files else (),
            )
        )
    return found

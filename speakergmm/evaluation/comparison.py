"""Two or more systems on the same trials: which is better, by how much, and how surely."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from speakergmm.errors import ScoreError
from speakergmm.evaluation.bootstrap import bootstrap
from speakergmm.evaluation.summary import EvaluationConfig, named_draws
from speakergmm.progress import SILENT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from speakergmm.corpora import Scores, Trials
    from speakergmm.evaluation.draws import Draws
    from speakergmm.parallel import Jobs
    from speakergmm.progress import Progress

# A difference is called one where it would be as large by accident once in twenty times or less.
SIGNIFICANCE = 0.05


@dataclass(frozen=True, slots=True)
class Difference:
    """A metric of the second system less that of the first, on the same trials.

    ``low`` and ``high`` are its 95 % interval, ``p_value`` how often a difference as large would
    come about by the choice of speakers alone if there were none, ``adjusted_p_value`` the same
    where several pairs of systems are compared at once (Holm 1979). None where speakers are too
    few.
    """

    value: float
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    adjusted_p_value: float | None = None

    @property
    def is_significant(self) -> bool:
        """Whether the difference is more than what the choice of speakers brings about."""
        return self.adjusted_p_value is not None and self.adjusted_p_value < SIGNIFICANCE


@dataclass(frozen=True)
class Comparison:
    """Two systems, and by how much the second differs from the first in each metric."""

    first: str
    second: str
    differences: Mapping[str, Difference]

    def to_json(self) -> dict[str, Any]:
        """Give the entry of ``comparison.json``: what there is of each difference."""
        return {
            "first": self.first,
            "second": self.second,
            "differences": {
                metric: {
                    name: getattr(difference, name)
                    for name in Difference.__slots__
                    if getattr(difference, name) is not None
                }
                for metric, difference in self.differences.items()
            },
        }


def compare_scores(
    systems: Mapping[str, Scores],
    config: EvaluationConfig = EvaluationConfig(),
    *,
    rng: int = 0,
    jobs: Jobs = None,
    progress: Progress = SILENT,
) -> list[Comparison]:
    """Compare every two systems by a paired bootstrap over speakers.

    In each resample both systems meet the same speakers, so what is hard for both cancels out: a
    difference may be certain though the intervals of the two overlap (Bisani & Ney 2004; Poh &
    Bengio 2007). Intervals and p-values are those of `Draws`.

    Parameters
    ----------
    systems : mapping
        Name → its scores. All of the same trials in the same order: see `corpora.align_scores`.

    Returns
    -------
    list of Comparison
        Of each pair, those with the first system first. Metrics that one of the two lacks, and
        those that are infinite, are left out.

    Raises
    ------
    ScoreError
        When there are fewer than two systems, or they are not of the same trials.
    """
    if len(systems) < 2:
        raise ScoreError(f"there is {len(systems)} system to compare; expected two or more")
    first_name, first_scores = next(iter(systems.items()))
    trials = first_scores.trials
    for name, scores in systems.items():
        if not _are_same(trials, scores.trials):
            raise ScoreError(
                f"{first_name} and {name} are not of the same trials in the same order; align them "
                "first"
            )
    draws = {}
    for name, scores in systems.items():
        # Of the first list: all must draw the same speakers.
        drawn = bootstrap(
            replace(scores, trials=trials), [config.cost], config.n_resamples, rng,
            jobs=jobs, progress=progress,
        )  # fmt: skip
        draws[name] = named_draws(drawn)
    pairs = list(itertools.combinations(systems, 2))
    differences = _adjusted([_differences(draws[first], draws[second]) for first, second in pairs])
    return [
        Comparison(first, second, found)
        for (first, second), found in zip(pairs, differences, strict=True)
    ]


def _are_same(trials: Trials, other: Trials) -> bool:
    """Tell whether two lists are of the same pairs, with the same labels, in the same order."""
    if other is trials:
        return True
    if len(other) != len(trials) or (other.is_target != trials.is_target).any():
        return False
    for ids, index, other_ids, other_index in (
        (trials.model_ids, trials.model_index, other.model_ids, other.model_index),
        (trials.test_ids, trials.test_index, other.test_ids, other.test_index),
    ):
        number = {identity: i for i, identity in enumerate(ids)}
        as_here = np.array([number.get(identity, -1) for identity in other_ids], dtype=np.int64)
        if (as_here[other_index] != index).any():
            return False
    return True


def _differences(first: Mapping[str, Draws], second: Mapping[str, Draws]) -> dict[str, Difference]:
    """Compare two systems in every metric that both have."""
    return {
        metric: _difference(first[metric], second[metric])
        for metric in first
        if metric in second
        and math.isfinite(first[metric].observed)
        and math.isfinite(second[metric].observed)
    }


def _difference(first: Draws, second: Draws) -> Difference:
    difference = second.compared_to(first)
    if len(difference.drawn) == 0 or not np.isfinite(difference.drawn).all():
        return Difference(difference.observed)
    low, high = difference.interval()
    # What was observed is always possible.
    low, high = min(low, difference.observed), max(high, difference.observed)
    return Difference(difference.observed, low, high, difference.p_value())


def _adjusted(pairs: Sequence[Mapping[str, Difference]]) -> list[dict[str, Difference]]:
    """Fill in the p-values that hold for all pairs at once, metric by metric (Holm 1979)."""
    adjusted: list[dict[str, Difference]] = [dict(pair) for pair in pairs]
    for metric in dict.fromkeys(name for pair in pairs for name in pair):
        tested = [
            (pair[metric].p_value, i)
            for i, pair in enumerate(pairs)
            if metric in pair and pair[metric].p_value is not None
        ]
        largest = 0.0
        for rank, (p_value, i) in enumerate(sorted(tested)):
            largest = max(largest, min(1.0, (len(tested) - rank) * float(p_value or 0.0)))
            adjusted[i][metric] = replace(pairs[i][metric], adjusted_p_value=largest)
    return adjusted

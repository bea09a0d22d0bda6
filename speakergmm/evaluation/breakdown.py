"""The numbers of parts of a trial list: by sex, duration, noise, or any column of the list."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from speakergmm.corpora import select_scores, trial_speakers
from speakergmm.corpora.tables import number
from speakergmm.evaluation.draws import Estimate
from speakergmm.evaluation.summary import EvaluationConfig, evaluate_scores
from speakergmm.progress import SILENT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from speakergmm.corpora import Column, Scores
    from speakergmm.parallel import Jobs
    from speakergmm.progress import Progress

# Numbers that take more distinct values than this are cut into ranges, each with as many trials.
MAX_VALUES, N_RANGES = 12, 4

EMPTY = "(empty)"

# Intervals of parts need not be as steady as those of the whole.
N_RESAMPLES = 500


@dataclass(frozen=True)
class Part:
    """The trials with one value of a column, or with values in a range.

    ``metrics`` is empty where there are no trials of one kind.
    """

    name: str
    n_target: int
    n_nontarget: int
    n_speakers: int
    metrics: Mapping[str, Estimate]

    def to_json(self) -> dict[str, Any]:
        """Give the entry of ``breakdown.json``."""
        numbers = {
            metric: {
                key: value if math.isfinite(value) else str(value)
                for key in Estimate.__slots__
                if (value := getattr(estimate, key)) is not None
            }
            for metric, estimate in self.metrics.items()
        }
        counts = {name: getattr(self, name) for name in ("n_target", "n_nontarget", "n_speakers")}
        return {"name": self.name, **counts, **numbers}


@dataclass(frozen=True)
class Breakdown:
    """A column of the trial list and the numbers of each part."""

    column: str
    parts: tuple[Part, ...]


def break_down(
    scores: Scores,
    name: str,
    column: Column,
    config: EvaluationConfig = EvaluationConfig(),
    *,
    rng: int | np.random.Generator = 0,
    jobs: Jobs = None,
    progress: Progress = SILENT,
) -> Breakdown:
    """Evaluate the trials of each value of a column by themselves.

    Numbers of more than twelve distinct values are cut into four ranges with about as many trials
    each; ties stay together, and empty cells are a part of their own. Of other columns with more
    than twelve values, the twelve with the most trials are taken.

    Parameters
    ----------
    name : str
        What the column is called.
    column : Column
        Its value for each trial.
    """
    labels, index = _parts(column)
    resamples = min(config.n_resamples, N_RESAMPLES)
    parts = []
    for place, label in enumerate(labels):
        of_part = select_scores(scores, index == place)
        is_target = of_part.trials.is_target
        n_target, n_nontarget = int(is_target.sum()), int((~is_target).sum())
        n_speakers = trial_speakers(of_part.trials)[2]
        metrics: Mapping[str, Estimate] = {}
        if n_target and n_nontarget:
            metrics = evaluate_scores(
                of_part, replace(config, n_resamples=resamples), rng=rng, jobs=jobs,
                progress=progress,
            ).metrics  # fmt: skip
        parts.append(Part(label, n_target, n_nontarget, n_speakers, metrics))
    return Breakdown(name, tuple(parts))


def _parts(column: Column) -> tuple[Sequence[str], NDArray[np.intp]]:
    """Give names of parts, and each trial's place among them; -1 for in none."""
    counts = np.bincount(column.index, minlength=len(column.values))
    used = np.flatnonzero(counts)
    if len(used) > MAX_VALUES:
        is_empty = np.array([not value for value in column.values])
        numbers = np.array([number(value) for value in column.values])
        if np.isfinite(numbers[used][~is_empty[used]]).all():
            return _ranges(numbers[column.index])
    chosen = used[np.argsort(-counts[used], kind="stable")[:MAX_VALUES]]
    order = sorted(chosen.tolist(), key=lambda place: _natural(column.values[place]))
    place_of = np.full(len(column.values), -1)
    place_of[order] = np.arange(len(order))
    return [column.values[i] or EMPTY for i in order], place_of[column.index]


def _natural(value: str) -> tuple[bool, float, str]:
    """Order numbers by size, before everything else."""
    size = number(value)
    return (True, 0.0, value) if math.isnan(size) else (False, size, value)


def _ranges(numbers: NDArray[np.float64]) -> tuple[Sequence[str], NDArray[np.intp]]:
    """Cut numbers into ranges; NaN is a part of its own."""
    known = numbers[~np.isnan(numbers)]
    lowest, highest = known.min(), known.max()
    cuts = np.quantile(known, np.arange(1, N_RANGES) / N_RANGES)
    # Where many are as high as the highest, these are a range.
    below = known[known < highest]
    cuts = np.unique(np.minimum(cuts, below.max())) if len(below) else below
    edges = [lowest, *cuts, highest]
    names = _edge_names(edges)
    names = [
        low if edges[i] == edges[i + 1] else f"{low} to {high}"
        for i, (low, high) in enumerate(itertools.pairwise(names))
    ]
    if len(known) < len(numbers):
        names.append(EMPTY)
    index = np.searchsorted(cuts, numbers, side="left")
    return names, np.where(np.isnan(numbers), len(names) - 1, index)


def _edge_names(edges: Sequence[float]) -> list[str]:
    """Write numbers with the fewest digits, at least three, that tell them apart."""
    for digits in range(3, 17):
        names = [_short(edge, digits) for edge in edges]
        if len(set(names)) == len(set(edges)):
            break
    return names


def _short(value: float, digits: int) -> str:
    text = f"{value:.{digits}g}"
    return text if abs(float(text)) < 1000 else f"{value:,.{max(0, digits - 4)}f}"

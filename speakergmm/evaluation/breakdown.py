"""The numbers of parts of a trial list: by sex, duration, noise, or any column of the list."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from speakergmm.corpora import select_scores
from speakergmm.evaluation.bootstrap import Estimate
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
    each. Of other columns with more than twelve values, the twelve with the most trials are taken.

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
        metrics: Mapping[str, Estimate] = {}
        n_speakers = 0
        if n_target and n_nontarget:
            found = evaluate_scores(
                of_part, replace(config, n_resamples=resamples), rng=rng, jobs=jobs,
                progress=progress,
            )  # fmt: skip
            metrics, n_speakers = found.metrics, found.n_speakers
        parts.append(Part(label, n_target, n_nontarget, n_speakers, metrics))
    return Breakdown(name, tuple(parts))


def _parts(column: Column) -> tuple[Sequence[str], NDArray[np.intp]]:
    """Give names of parts, and each trial's place among them; -1 for in none."""
    numbers = column.numbers() if len(column.values) > MAX_VALUES else None
    if numbers is not None and np.isfinite(numbers).all():
        return _ranges(numbers)
    counts = np.bincount(column.index, minlength=len(column.values))
    chosen = np.sort(np.argsort(-counts, kind="stable")[:MAX_VALUES])
    order = sorted(chosen.tolist(), key=lambda place: _natural(column.values[place]))
    place_of = np.full(len(column.values), -1)
    place_of[order] = np.arange(len(order))
    return [column.values[i] or "(empty)" for i in order], place_of[column.index]


def _natural(value: str) -> tuple[bool, float, str]:
    """Order numbers by size, before everything else."""
    try:
        return False, float(value), value
    except ValueError:
        return True, 0.0, value


def _ranges(numbers: NDArray[np.float64]) -> tuple[Sequence[str], NDArray[np.intp]]:
    edges = np.unique(np.quantile(numbers, np.linspace(0, 1, N_RANGES + 1)))
    inner = edges[1:-1]
    low, high = edges[:-1], edges[1:]
    names = [f"{_short(a)} to {_short(b)}" for a, b in zip(low, high, strict=True)]
    return names or [_short(edges[0])], np.searchsorted(inner, numbers, side="left")


def _short(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"

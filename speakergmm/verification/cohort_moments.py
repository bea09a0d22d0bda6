"""Mean and deviation of cohort scores, of which every score normalization is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from speakergmm.config import check_whole
from speakergmm.errors import ConfigError, ScoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

# Cells of a matrix that are worked on at a time: 2 MB, which stay in the cache.
CELLS_AT_ONCE = 1 << 18

# Of the mean of a row: what rounding leaves of equal scores.
EQUAL = 1e-13


class Moments(NamedTuple):
    """Mean and standard deviation (ddof 0) of each row's cohort scores."""

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]


def moments(
    cohort: NDArray[np.float64],
    what: str,
    *,
    names: Sequence[str] | None = None,
    excluded: NDArray[np.bool_] | None = None,
    top_n: int | None = None,
) -> Moments:
    """Mean and deviation of each row of cohort scores (R, Z).

    Parameters
    ----------
    what : str
        What a row is, for messages; ``names`` (R,) name them, else their numbers do.
    excluded : (R, Z) bool, optional
        Cells that do not count.
    top_n : int, optional
        Only the so many highest of a row count.

    Raises
    ------
    ScoreError
        When a row has less than two scores that count, one that is not finite, or equal ones, or
        they are too large to square.
    ConfigError
        When there are less than ``top_n``.
    """
    n_rows, n_cohort = cohort.shape
    if top_n is not None:
        top_n = check_whole("top_n", top_n, 2, unit="cohort scores")
        if top_n > n_cohort:
            raise ConfigError(
                f"top_n is {top_n}; the cohort has {n_cohort} scores for each {what}: expected at "
                "most that many; choose a smaller top_n or a larger cohort"
            )
    mean, deviation = np.empty(n_rows), np.empty(n_rows)
    for rows in row_blocks(cohort):
        block = cohort[rows]
        bad = ~np.isfinite(block)
        if excluded is not None:
            bad &= ~excluded[rows]
        if bad.any():
            row, column = np.argwhere(bad)[0]
            raise ScoreError(
                f"{_name(what, rows.start + row, names)}: its cohort score {column} is "
                f"{block[row, column]}; expected finite numbers: score the cohort again"
            )
        if top_n is not None:
            block = np.partition(block, n_cohort - top_n, axis=1)[:, n_cohort - top_n :]
        counts = None if excluded is None else ~excluded[rows]
        count, center, squares = _sums(block, counts)
        if (count < 2).any():
            row = int(np.argmax(count < 2))
            raise ScoreError(
                f"{_name(what, rows.start + row, names)}: {count[row]} cohort score(s); expected "
                "at least 2, better 30 or more: use a larger cohort"
            )
        mean[rows], deviation[rows] = center, np.sqrt(squares / count)
    huge = np.flatnonzero(~np.isfinite(deviation))
    if len(huge):
        raise ScoreError(
            f"{_name(what, huge[0], names)}: its cohort scores are too large to square; expected "
            "scores of ordinary size: score the cohort again"
        )
    constant = np.flatnonzero(deviation <= EQUAL * np.abs(mean))
    if len(constant):
        raise ScoreError(
            f"{_name(what, constant[0], names)}: all its cohort scores are equal "
            f"({mean[constant[0]]:g}), so they do not tell what a high score is; use other cohort "
            "speakers"
        )
    return Moments(mean, deviation)


def _sums(
    block: NDArray[np.float64], counts: NDArray[np.bool_] | None
) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]:
    """How many cells of each row count, their mean, and the sum of squares about it."""
    # What overflows is infinite, and refused as such.
    with np.errstate(over="ignore", invalid="ignore"):
        if counts is None:
            count = np.full(len(block), block.shape[1])
            center = block.mean(axis=1) if block.shape[1] else np.zeros(len(block))
            return count, center, np.square(block - center[:, None]).sum(axis=1)
        count = counts.sum(axis=1)
        center = np.where(counts, block, 0.0).sum(axis=1) / np.maximum(count, 1)
        return count, center, np.where(counts, np.square(block - center[:, None]), 0.0).sum(axis=1)


def row_blocks(matrix: NDArray[np.float64]) -> Iterator[slice]:
    """Cut a matrix into blocks of rows of `CELLS_AT_ONCE` cells."""
    n_rows, n_columns = matrix.shape
    step = max(1, CELLS_AT_ONCE // max(1, n_columns))
    for start in range(0, n_rows, step):
        yield slice(start, min(start + step, n_rows))


def _name(what: str, number: int, names: Sequence[str] | None) -> str:
    return f"{what} {number}" if names is None else f"{what} {names[number]!r}"

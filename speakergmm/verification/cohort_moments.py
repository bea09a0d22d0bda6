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
        When a row has less than two scores that count, one that is not finite, or equal ones.
    ConfigError
        When there are less than ``top_n``.
    """
    n_rows, n_cohort = cohort.shape
    if top_n is not None:
        check_whole("top_n", top_n, 2, unit="cohort scores")
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
        if excluded is None:
            count = np.full(len(block), block.shape[1])
            center = block.mean(axis=1) if block.shape[1] else np.zeros(len(block))
            squares = np.square(block - center[:, None]).sum(axis=1)
        else:
            counts = ~excluded[rows]
            count = counts.sum(axis=1)
            center = np.where(counts, block, 0.0).sum(axis=1) / np.maximum(count, 1)
            squares = np.where(counts, np.square(block - center[:, None]), 0.0).sum(axis=1)
        if (count < 2).any():
            row = int(np.argmax(count < 2))
            raise ScoreError(
                f"{_name(what, rows.start + row, names)}: {count[row]} cohort score(s); expected "
                "at least 2, better 30 or more: use a larger cohort"
            )
        mean[rows], deviation[rows] = center, np.sqrt(squares / count)
    constant = np.flatnonzero(deviation <= EQUAL * np.abs(mean))
    if len(constant):
        raise ScoreError(
            f"{_name(what, constant[0], names)}: all its cohort scores are equal "
            f"({mean[constant[0]]:g}), so they do not tell what a high score is; use other cohort "
            "speakers"
        )
    return Moments(mean, deviation)


def row_blocks(matrix: NDArray[np.float64]) -> Iterator[slice]:
    """Cut a matrix into blocks of rows of `CELLS_AT_ONCE` cells."""
    n_rows, n_columns = matrix.shape
    step = max(1, CELLS_AT_ONCE // max(1, n_columns))
    for start in range(0, n_rows, step):
        yield slice(start, min(start + step, n_rows))


def _name(what: str, number: int, names: Sequence[str] | None) -> str:
    return f"{what} {number}" if names is None else f"{what} {names[number]!r}"

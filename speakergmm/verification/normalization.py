"""Score normalization: what strangers score is taken off, from the model's side and the test's.

A speaker's model that scores high against everybody, or a test that does so with every model, says
little by a high score. Each function shifts and scales scores by the mean and the standard
deviation (ddof 0) of scores against a cohort: speakers who are in no trial.

Whole matrices are normalized at once, a block of rows at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from speakergmm.errors import ScoreError
from speakergmm.verification.cohort_moments import Moments, moments, row_blocks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    Floats: TypeAlias = NDArray[np.float64]


def z_norm(scores: ArrayLike, models_vs_cohort: ArrayLike) -> Floats:
    """Zero normalization: by what each model scores with tests of strangers.

    (s - μ_model) / σ_model (Auckenthaler, Carey & Lloyd-Thomas 2000, sec. 3).

    Parameters
    ----------
    scores : (S, N)
        Of S models with N tests. Infinite ones stay infinite.
    models_vs_cohort : (S, Z)
        Of the same models with Z tests of cohort speakers.

    Returns
    -------
    (S, N) float64
        0 is what a stranger scores with that model on average, 1 a standard deviation more. No LLR:
        calibrate it.

    Raises
    ------
    ScoreError
        When shapes do not fit, a score is NaN, a cohort score is not finite, or all cohort scores
        of a model are equal. Models are counted from 0.

    Examples
    --------
    >>> from speakergmm import z_norm
    >>> z_norm([[0.9]], [[0.1, 0.3]]).round(2)  # strangers: mean 0.2, standard deviation 0.1
    array([[7.]])
    """
    matrix = _scores(scores)
    cohort = _cohort(models_vs_cohort, "models_vs_cohort", "model", len(matrix))
    return _by_row(matrix, moments(cohort, "model"))


def t_norm(scores: ArrayLike, cohort_vs_tests: ArrayLike) -> Floats:
    """Test normalization: by what models of strangers score with each test.

    (s - μ_test) / σ_test (Auckenthaler, Carey & Lloyd-Thomas 2000, sec. 3).

    Parameters
    ----------
    scores : (S, N)
    cohort_vs_tests : (C, N)
        Of C models of cohort speakers with the same tests.

    Returns
    -------
    (S, N) float64
        0 is what a stranger's model scores with that test on average, 1 a standard deviation more.

    Raises
    ------
    ScoreError
        As `z_norm`, with tests for models.
    """
    matrix = _scores(scores)
    cohort = _transposed(cohort_vs_tests, "cohort_vs_tests", "test", matrix.shape[1])
    return _by_column(matrix, moments(cohort, "test"))


def zt_norm(
    scores: ArrayLike,
    models_vs_cohort: ArrayLike,
    cohort_vs_tests: ArrayLike,
    cohort_vs_cohort: ArrayLike,
    *,
    same_speaker: ArrayLike | None = None,
) -> Floats:
    """Zero, then test normalization (Auckenthaler et al. 2000; Vogt, Baker & Sridharan 2005).

    The cohort's models are z-normalized as those of the trials are; by what they then score with a
    test, it is t-normalized.

    Parameters
    ----------
    scores : (S, N)
    models_vs_cohort : (S, Z)
    cohort_vs_tests : (C, N)
    cohort_vs_cohort : (C, Z)
        Of the cohort's models with its tests.
    same_speaker : (C, Z) bool, optional
        Cells of ``cohort_vs_cohort`` that are of one speaker, which is no stranger to itself: they
        are left out.

    Returns
    -------
    (S, N) float64

    Raises
    ------
    ScoreError
        As `z_norm`.
    """
    matrix = _scores(scores)
    tests = _transposed(cohort_vs_tests, "cohort_vs_tests", "test", matrix.shape[1])
    by_model, by_test = zt_moments(
        _cohort(models_vs_cohort, "models_vs_cohort", "model", len(matrix)),
        tests.T,
        _cohort(cohort_vs_cohort, "cohort_vs_cohort", "cohort model", tests.shape[1]),
        None if same_speaker is None else np.asarray(same_speaker, dtype=np.bool_),
    )
    result = _by_row(matrix, by_model)
    return _by_column(result, by_test, out=result)


def s_norm(scores: ArrayLike, models_vs_cohort: ArrayLike, tests_vs_cohort: ArrayLike) -> Floats:
    """Symmetric normalization: the mean of what z- and t-normalization give (Kenny 2010).

    Parameters
    ----------
    scores : (S, N)
    models_vs_cohort : (S, Z)
        Of each model with Z tests of cohort speakers.
    tests_vs_cohort : (N, Z)
        Of each test with models of cohort speakers; their number may be another one.

    Returns
    -------
    (S, N) float64

    Raises
    ------
    ScoreError
        As `z_norm`.
    """
    return _symmetric(_scores(scores), models_vs_cohort, tests_vs_cohort, None)


def as_norm(
    scores: ArrayLike,
    models_vs_cohort: ArrayLike,
    tests_vs_cohort: ArrayLike,
    *,
    top_n: int = 200,
) -> Floats:
    """Adaptive symmetric normalization: by each side's own nearest strangers.

    As `s_norm`, with mean and deviation over the ``top_n`` highest cohort scores of the model, and
    over those of the test (AS-norm 1 of Cumani, Batzu, Colibro, Vair, Laface & Vasilakakis 2011;
    Matějka et al. 2017).

    Parameters
    ----------
    scores, models_vs_cohort, tests_vs_cohort
        As for `s_norm`.
    top_n : int
        From 2 to the number of cohort scores that each side has.

    Returns
    -------
    (S, N) float64

    Raises
    ------
    ScoreError
        As `z_norm`.
    ConfigError
        When ``top_n`` is more than there are cohort scores.
    """
    return _symmetric(_scores(scores), models_vs_cohort, tests_vs_cohort, top_n)


def zt_moments(
    models_vs_cohort: Floats,
    cohort_vs_tests: Floats,
    cohort_vs_cohort: Floats,
    same_speaker: NDArray[np.bool_] | None,
    *,
    model_names: Sequence[str] | None = None,
    test_names: Sequence[str] | None = None,
) -> tuple[Moments, Moments]:
    """Moments of the models, and those of the tests after the cohort's own z-normalization."""
    by_model = moments(models_vs_cohort, "model", names=model_names)
    if same_speaker is not None and same_speaker.shape != cohort_vs_cohort.shape:
        raise ScoreError(
            f"same_speaker has shape {same_speaker.shape}, cohort_vs_cohort "
            f"{cohort_vs_cohort.shape}; expected the same"
        )
    of_cohort = moments(cohort_vs_cohort, "cohort model", excluded=same_speaker)
    normalized = _by_row(cohort_vs_tests, of_cohort)
    return by_model, moments(normalized.T, "test", names=test_names)


def _symmetric(
    matrix: Floats,
    models_vs_cohort: ArrayLike,
    tests_vs_cohort: ArrayLike,
    top_n: int | None,
) -> Floats:
    models = _cohort(models_vs_cohort, "models_vs_cohort", "model", len(matrix))
    tests = _cohort(tests_vs_cohort, "tests_vs_cohort", "test", matrix.shape[1])
    by_model, by_test = moments(models, "model", top_n=top_n), moments(tests, "test", top_n=top_n)
    result = np.empty_like(matrix)
    for rows in row_blocks(matrix):
        part = result[rows]
        np.subtract(matrix[rows], by_test.mean, out=part)
        part /= by_test.deviation
        from_model = matrix[rows] - by_model.mean[rows, None]
        from_model /= by_model.deviation[rows, None]
        part += from_model
        part *= 0.5
    return result


def _by_row(matrix: Floats, of_row: Moments, *, out: Floats | None = None) -> Floats:
    result = np.subtract(matrix, of_row.mean[:, None], out=out)
    result /= of_row.deviation[:, None]
    return result


def _by_column(matrix: Floats, of_column: Moments, *, out: Floats | None = None) -> Floats:
    result = np.subtract(matrix, of_column.mean, out=out)
    result /= of_column.deviation
    return result


def _scores(scores: ArrayLike) -> Floats:
    matrix = np.asarray(scores, dtype=np.float64)
    if matrix.ndim != 2:
        raise ScoreError(
            f"scores have shape {matrix.shape}; expected a matrix of models and tests (S, N)"
        )
    for rows in row_blocks(matrix):
        bad = np.isnan(matrix[rows])
        if bad.any():
            row, column = np.argwhere(bad)[0]
            raise ScoreError(
                f"the score of model {rows.start + row} with test {column} is NaN; expected "
                "numbers: score that trial again"
            )
    return matrix


def _cohort(scores: ArrayLike, name: str, what: str, n_rows: int) -> Floats:
    matrix = np.asarray(scores, dtype=np.float64)
    if matrix.ndim != 2 or len(matrix) != n_rows:
        raise ScoreError(
            f"{name} has shape {matrix.shape}; expected a row for each of the {n_rows} {what}s"
        )
    return matrix


def _transposed(scores: ArrayLike, name: str, what: str, n_columns: int) -> Floats:
    matrix = np.asarray(scores, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[1] != n_columns:
        raise ScoreError(
            f"{name} has shape {matrix.shape}; expected a column for each of the {n_columns} "
            f"{what}s"
        )
    return matrix.T

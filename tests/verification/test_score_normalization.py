"""Score normalization: what no change of units or order may move, slow loops, and by hand."""

from __future__ import annotations

import math
import re
from statistics import fmean, pstdev

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speakergmm import as_norm, s_norm, t_norm, z_norm, zt_norm
from speakergmm.corpora import Trials, all_against_all
from speakergmm.errors import ConfigError, ScoreError
from speakergmm.verification import NormalizationConfig, cohort_moments
from speakergmm.verification.trial_normalization import (
    METHODS,
    CohortScores,
    normalize_trials,
)

LAW = settings(derandomize=True, deadline=None, max_examples=60)

# Sums of a dozen scores of about unit size, over deviations of 0.01 at the least.
ORACLE = 1e-11

# A score of up to 1,000 keeps 1e-13 of its size; the smallest deviation, 0.01 · 0.01, makes that
# 1e-9 of a normalized score, of which ZT takes the deviation once more.
AFFINE = 1e-7

SEED = st.integers(0, 2**32 - 1)


# --- the five methods on one set of scores, fast and slow ----------------------------------------


class Example:
    """Scores of S models with N tests, and all that a cohort of C models and Z tests gives them."""

    def __init__(self, seed, *, shape=None):
        rng = np.random.default_rng(seed)
        n_models, n_tests = shape or rng.integers(1, 7, size=2)
        n_cohort_models, n_cohort_tests = rng.integers(5, 10, size=2)
        self.scores = rng.normal(1, 2, size=(n_models, n_tests))
        self.models_vs_cohort = rng.normal(size=(n_models, n_cohort_tests))
        self.cohort_vs_tests = rng.normal(size=(n_cohort_models, n_tests))
        self.cohort_vs_cohort = rng.normal(size=(n_cohort_models, n_cohort_tests))
        # No row keeps less than four.
        self.same_speaker = np.zeros(self.cohort_vs_cohort.shape, dtype=bool)
        self.same_speaker[:, 0] = rng.random(n_cohort_models) < 0.5
        self.top_n = int(rng.integers(3, min(n_cohort_models, n_cohort_tests) + 1))

    @property
    def arrays(self):
        return (
            self.scores,
            self.models_vs_cohort,
            self.cohort_vs_tests,
            self.cohort_vs_cohort,
            self.same_speaker,
        )

    @property
    def cohort(self):
        return CohortScores(*self.arrays[1:])

    def mapped(self, change):
        """Change every score, also those of the cohort."""
        other = Example.__new__(Example)
        other.__dict__ = dict(self.__dict__)
        for name in ("scores", "models_vs_cohort", "cohort_vs_tests", "cohort_vs_cohort"):
            setattr(other, name, change(getattr(self, name)))
        return other

    def permuted(self, models, tests, cohort_models, cohort_tests):
        other = Example.__new__(Example)
        other.__dict__ = dict(self.__dict__)
        other.scores = self.scores[np.ix_(models, tests)]
        other.models_vs_cohort = self.models_vs_cohort[np.ix_(models, cohort_tests)]
        other.cohort_vs_tests = self.cohort_vs_tests[np.ix_(cohort_models, tests)]
        other.cohort_vs_cohort = self.cohort_vs_cohort[np.ix_(cohort_models, cohort_tests)]
        other.same_speaker = self.same_speaker[np.ix_(cohort_models, cohort_tests)]
        return other


FAST = {
    "z": lambda e: z_norm(e.scores, e.models_vs_cohort),
    "t": lambda e: t_norm(e.scores, e.cohort_vs_tests),
    "zt": lambda e: zt_norm(
        e.scores,
        e.models_vs_cohort,
        e.cohort_vs_tests,
        e.cohort_vs_cohort,
        same_speaker=e.same_speaker,
    ),
    "s": lambda e: s_norm(e.scores, e.models_vs_cohort, e.cohort_vs_tests.T),
    "as": lambda e: as_norm(e.scores, e.models_vs_cohort, e.cohort_vs_tests.T, top_n=e.top_n),
}


def standardized(score, cohort):
    cohort = [float(x) for x in cohort]
    return (float(score) - fmean(cohort)) / pstdev(cohort)


def nearest(cohort, top_n):
    return sorted(cohort, reverse=True)[:top_n]


def slow_z(e, model, test):
    return standardized(e.scores[model, test], e.models_vs_cohort[model])


def slow_t(e, model, test):
    return standardized(e.scores[model, test], e.cohort_vs_tests[:, test])


def slow_zt(e, model, test):
    """By the definition: the cohort's models are z-normalized first, without their own tests."""
    of_test = []
    for row, score in enumerate(e.cohort_vs_tests[:, test]):
        cells = zip(e.cohort_vs_cohort[row], e.same_speaker[row], strict=True)
        of_test.append(standardized(score, [cell for cell, same in cells if not same]))
    return standardized(slow_z(e, model, test), of_test)


def slow_s(e, model, test):
    return (slow_z(e, model, test) + slow_t(e, model, test)) / 2


def slow_as(e, model, test):
    score = e.scores[model, test]
    from_model = standardized(score, nearest(e.models_vs_cohort[model], e.top_n))
    return (from_model + standardized(score, nearest(e.cohort_vs_tests[:, test], e.top_n))) / 2


SLOW = {"z": slow_z, "t": slow_t, "zt": slow_zt, "s": slow_s, "as": slow_as}

every_method = pytest.mark.parametrize("method", list(FAST))


# --- laws ----------------------------------------------------------------------------------------


@every_method
@LAW
@given(SEED, st.floats(0.01, 100), st.floats(-1000, 1000))
def test_units_of_the_scores_do_not_matter(method, seed, scale, offset):
    example = Example(seed)
    other = example.mapped(lambda scores: scale * scores + offset)
    np.testing.assert_allclose(FAST[method](other), FAST[method](example), rtol=AFFINE, atol=AFFINE)


@every_method
@LAW
@given(SEED)
def test_the_order_of_models_tests_and_cohort_does_not_matter(method, seed):
    example = Example(seed)
    rng = np.random.default_rng(seed)
    models, tests = map(rng.permutation, example.scores.shape)
    of_cohort = map(rng.permutation, example.cohort_vs_cohort.shape)
    permuted = example.permuted(models, tests, *of_cohort)
    np.testing.assert_allclose(
        FAST[method](permuted),
        FAST[method](example)[np.ix_(models, tests)],
        rtol=ORACLE,
        atol=ORACLE,
    )


@every_method
@LAW
@given(SEED)
def test_higher_scores_stay_higher_for_the_same_model_and_test(method, seed):
    example = Example(seed)
    higher = example.mapped(np.copy)
    higher.scores = example.scores + 0.5
    assert (FAST[method](higher) > FAST[method](example)).all()


@LAW
@given(SEED)
def test_all_cohort_scores_are_no_choice_of_them(seed):
    example = Example(seed)
    n = example.models_vs_cohort.shape[1]
    tests = np.random.default_rng(seed).normal(size=(example.scores.shape[1], n))
    np.testing.assert_allclose(
        as_norm(example.scores, example.models_vs_cohort, tests, top_n=n),
        s_norm(example.scores, example.models_vs_cohort, tests),
        rtol=ORACLE,
        atol=ORACLE,
    )


@LAW
@given(SEED, st.floats(-1e6, 0))
def test_strangers_that_are_not_near_do_not_count_for_as_norm(seed, far):
    example = Example(seed)
    other = example.mapped(np.copy)
    for scores in (other.models_vs_cohort, other.cohort_vs_tests.T):
        lowest = np.sort(scores, axis=1)[:, : scores.shape[1] - example.top_n]
        scores[np.isin(scores, lowest)] = -10 + far
    np.testing.assert_allclose(FAST["as"](other), FAST["as"](example), rtol=ORACLE, atol=ORACLE)


def test_the_cohort_itself_gets_mean_0_and_deviation_1():
    cohort = np.random.default_rng(1).normal(3, 2, size=(2, 40))
    for normalized in (z_norm(cohort, cohort), t_norm(cohort.T, cohort.T).T):
        np.testing.assert_allclose(normalized.mean(axis=1), 0, atol=ORACLE)
        np.testing.assert_allclose(normalized.std(axis=1), 1, atol=ORACLE)


@every_method
def test_inputs_are_not_changed(method):
    example = Example(2, shape=(4, 3))
    before = [array.copy() for array in example.arrays]
    for array in example.arrays:
        array.flags.writeable = False
    result = FAST[method](example)
    for array, copy in zip(example.arrays, before, strict=True):
        np.testing.assert_array_equal(array, copy)
        assert not np.shares_memory(result, array)


@every_method
def test_infinite_trial_scores_stay_infinite(method):
    example = Example(3, shape=(2, 3))
    expected = FAST[method](example)
    example.scores[0, 1], example.scores[1, 2] = np.inf, -np.inf
    expected[0, 1], expected[1, 2] = np.inf, -np.inf
    np.testing.assert_array_equal(FAST[method](example), expected)


@every_method
@pytest.mark.parametrize("cells", [1, 7, 16])
def test_blocks_do_not_change_the_result(method, cells, monkeypatch):
    example = Example(4, shape=(11, 6))
    whole = FAST[method](example)
    monkeypatch.setattr(cohort_moments, "CELLS_AT_ONCE", cells)
    np.testing.assert_allclose(FAST[method](example), whole, rtol=ORACLE, atol=ORACLE)


def test_rows_behind_the_first_block_are_named_by_their_own_number(monkeypatch):
    monkeypatch.setattr(cohort_moments, "CELLS_AT_ONCE", 4)
    scores, cohort = np.zeros((7, 2)), np.tile([0.0, 1.0], (7, 1))
    scores[5, 1] = np.nan
    with pytest.raises(ScoreError, match="the score of model 5 with test 1 is NaN"):
        z_norm(scores, cohort)
    for cell, message in [
        (np.inf, "model 6: its cohort score 1 is inf"),
        (0.0, "model 6: all its cohort scores are equal"),
    ]:
        cohort[6, 1] = cell
        with pytest.raises(ScoreError, match=message):
            z_norm(np.zeros((7, 2)), cohort)


@every_method
@pytest.mark.parametrize("shape", [(0, 3), (2, 0)])
def test_no_models_or_no_tests_are_no_scores(method, shape):
    assert FAST[method](Example(5, shape=shape)).shape == shape


@every_method
def test_lists_and_float32_are_scores_and_float64_comes_out(method):
    whole = Example(6, shape=(3, 4)).mapped(lambda scores: np.rint(8 * scores))
    expected = FAST[method](whole)
    for other in (np.float32, np.int64):
        result = FAST[method](whole.mapped(lambda scores, kind=other: scores.astype(kind)))
        assert result.dtype == np.float64
        np.testing.assert_array_equal(result, expected)
    listed = z_norm(whole.scores.tolist(), whole.models_vs_cohort.tolist())
    np.testing.assert_array_equal(listed, FAST["z"](whole))


# --- oracles -------------------------------------------------------------------------------------


@every_method
@LAW
@given(SEED)
def test_agrees_with_slow_loops(method, seed):
    example = Example(seed)
    expected = np.empty_like(example.scores)
    for model, test in np.ndindex(*expected.shape):
        expected[model, test] = SLOW[method](example, model, test)
    np.testing.assert_allclose(FAST[method](example), expected, rtol=ORACLE, atol=ORACLE)


def test_without_same_speaker_every_cohort_score_counts_for_zt_norm():
    example = Example(7, shape=(2, 3))
    example.same_speaker = np.zeros_like(example.same_speaker)
    plain = zt_norm(*example.arrays[:4])
    np.testing.assert_array_equal(plain, FAST["zt"](example))
    example.same_speaker[0, 0] = True
    assert (FAST["zt"](example) != plain).any()


@pytest.mark.parametrize("value", [1e6, np.nan, np.inf, -np.inf])
def test_what_a_cohort_speaker_scores_with_itself_does_not_matter(value):
    example = Example(8, shape=(2, 3))
    example.same_speaker[:, 0] = True
    expected = FAST["zt"](example)
    example.cohort_vs_cohort[:, 0] = value
    np.testing.assert_array_equal(FAST["zt"](example), expected)


@LAW
@given(SEED)
def test_zt_norm_is_t_norm_of_z_norm(seed):
    example = Example(seed)
    example.same_speaker[:] = False
    normalized = z_norm(example.scores, example.models_vs_cohort)
    cohort = z_norm(example.cohort_vs_tests, example.cohort_vs_cohort)
    np.testing.assert_allclose(
        FAST["zt"](example), t_norm(normalized, cohort), rtol=ORACLE, atol=ORACLE
    )


# --- by hand -------------------------------------------------------------------------------------


def test_z_norm_by_hand():
    # Means 2 and 0, deviations 1 and 3: ddof 0.
    cohort = [[1, 3, 1, 3], [-3, 3, -3, 3]]
    np.testing.assert_array_equal(z_norm([[2, 5], [3, -6]], cohort), [[0, 3], [1, -2]])


def test_t_norm_by_hand():
    # Tests: means 2 and 0, deviations 1 and 3.
    cohort = [[1, -3], [3, 3]]
    np.testing.assert_array_equal(t_norm([[2, 6], [5, -3]], cohort), [[0, 2], [3, -1]])


def test_s_norm_by_hand():
    # From the model (4 - 2) / 1 = 2, from the test (4 - 0) / 2 = 2 and (4 - 4) / 1 = 0.
    normalized = s_norm([[4, 4]], [[1, 3]], [[-2, 2, 2, -2], [3, 5, 3, 5]])
    np.testing.assert_array_equal(normalized, [[2, 1]])


def test_as_norm_by_hand():
    # The two highest of the model: 1 and 3 (mean 2, deviation 1); of the test: 6 and 10 (8, 2).
    normalized = as_norm([[4]], [[3, -50, 1, -99]], [[10, -7, 0, 6]], top_n=2)
    np.testing.assert_array_equal(normalized, [[(2 - 2) / 2]])
    np.testing.assert_array_equal(
        as_norm([[12]], [[3, -50, 1, -99]], [[10, -7, 0, 6]], top_n=2), [[(10 + 2) / 2]]
    )


def test_zt_norm_by_hand():
    # The model's z: (5 - 1) / 2 = 2. The cohort models': (4 - 2) / 1 = 2 and (21 - 3) / 3 = 6, of
    # which the mean is 4, the deviation 2; so (2 - 4) / 2.
    cohort = [[1, 3], [0, 6]]
    np.testing.assert_array_equal(zt_norm([[5]], [[-1, 3]], [[4], [21]], cohort), [[-1]])
    # The same with two more tests, which are the cohort models' own.
    own = [[1, 3, 500, 3], [0, 6, 3, 1000]]
    same = [[False, False, True, True], [False, False, True, True]]
    normalized = zt_norm([[5]], [[-1, 3, 3, -1]], [[4], [21]], own, same_speaker=same)
    np.testing.assert_array_equal(normalized, [[-1]])


# --- messages ------------------------------------------------------------------------------------

GOOD = [[0.0, 1.0, 3.0], [1.0, 2.0, 5.0]]


@pytest.mark.parametrize("normalize", [z_norm, t_norm, s_norm, as_norm])
@pytest.mark.parametrize("scores", [[1.0, 2.0], 1.0, [[[1.0]]]])
def test_scores_that_are_no_matrix_are_refused(normalize, scores):
    cohorts = [GOOD] if normalize in (z_norm, t_norm) else [GOOD, GOOD]
    shape = re.escape(str(np.shape(scores)))
    message = rf"scores have shape {shape}; expected a matrix of models and tests \(S, N\)"
    with pytest.raises(ScoreError, match=message):
        normalize(scores, *cohorts)
    with pytest.raises(ScoreError, match=message):
        zt_norm(scores, GOOD, GOOD, GOOD)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: z_norm(np.zeros((3, 2)), GOOD),
            r"models_vs_cohort has shape (2, 3); expected a row for each of the 3 models",
        ),
        (
            lambda: z_norm(np.zeros((2, 2)), [1.0, 2.0]),
            r"models_vs_cohort has shape (2,); expected a row for each of the 2 models",
        ),
        (
            lambda: t_norm(np.zeros((2, 2)), GOOD),
            r"cohort_vs_tests has shape (2, 3); expected a column for each of the 2 tests",
        ),
        (
            lambda: t_norm(np.zeros((2, 2)), 1.0),
            r"cohort_vs_tests has shape (); expected a column for each of the 2 tests",
        ),
        (
            lambda: s_norm(np.zeros((2, 4)), GOOD, GOOD),
            r"tests_vs_cohort has shape (2, 3); expected a row for each of the 4 tests",
        ),
        (
            lambda: as_norm(np.zeros((4, 2)), GOOD, GOOD, top_n=2),
            r"models_vs_cohort has shape (2, 3); expected a row for each of the 4 models",
        ),
        (
            lambda: zt_norm(np.zeros((4, 3)), GOOD, GOOD, GOOD),
            r"models_vs_cohort has shape (2, 3); expected a row for each of the 4 models",
        ),
        (
            lambda: zt_norm(np.zeros((2, 2)), GOOD, GOOD, GOOD),
            r"cohort_vs_tests has shape (2, 3); expected a column for each of the 2 tests",
        ),
        (
            lambda: zt_norm(np.zeros((2, 3)), GOOD, GOOD, GOOD[:1]),
            r"cohort_vs_cohort has shape (1, 3); expected a row for each of the 2 cohort models",
        ),
        (
            lambda: zt_norm(np.zeros((2, 3)), GOOD, GOOD, GOOD, same_speaker=[[False] * 2] * 2),
            r"same_speaker has shape (2, 2), cohort_vs_cohort (2, 3); expected the same",
        ),
    ],
)
def test_shapes_that_do_not_fit_are_refused(call, message):
    with pytest.raises(ScoreError, match=re.escape(message)):
        call()


@every_method
def test_a_score_that_is_nan_is_named(method):
    example = Example(9, shape=(3, 4))
    example.scores[1, 2] = np.nan
    message = "the score of model 1 with test 2 is NaN; expected numbers: score that trial again"
    with pytest.raises(ScoreError, match=message):
        FAST[method](example)


@pytest.mark.parametrize(
    ("method", "table", "where", "named"),
    [
        ("z", "models_vs_cohort", (1, 2), "model 1: its cohort score 2"),
        ("t", "cohort_vs_tests", (1, 2), "test 2: its cohort score 1"),
        ("zt", "models_vs_cohort", (1, 2), "model 1: its cohort score 2"),
        ("zt", "cohort_vs_cohort", (1, 2), "cohort model 1: its cohort score 2"),
        ("zt", "cohort_vs_tests", (1, 2), "test 2: its cohort score 1"),
        ("s", "models_vs_cohort", (1, 2), "model 1: its cohort score 2"),
        ("s", "cohort_vs_tests", (1, 2), "test 2: its cohort score 1"),
        ("as", "models_vs_cohort", (1, 2), "model 1: its cohort score 2"),
        ("as", "cohort_vs_tests", (1, 2), "test 2: its cohort score 1"),
    ],
)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_cohort_score_that_is_not_finite_is_named(method, table, where, named, value):
    example = Example(10, shape=(3, 4))
    getattr(example, table)[where] = value
    message = f"{named} is {value}; expected finite numbers: score the cohort again"
    with pytest.raises(ScoreError, match=message):
        FAST[method](example)


@pytest.mark.parametrize("n_cohort", [0, 1])
def test_a_single_cohort_score_has_no_deviation(n_cohort):
    scores, one = np.zeros((2, 3)), np.zeros((2, n_cohort))
    few = rf"{n_cohort} cohort score\(s\); expected at least 2, better 30 or more"
    with pytest.raises(ScoreError, match=f"model 0: {few}: use a larger cohort"):
        z_norm(scores, one)
    with pytest.raises(ScoreError, match=f"test 0: {few}"):
        t_norm(scores, np.zeros((n_cohort, 3)))
    with pytest.raises(ScoreError, match=f"test 0: {few}"):
        s_norm(scores, GOOD, np.zeros((3, n_cohort)))
    with pytest.raises(ScoreError, match=f"cohort model 0: {few}"):
        zt_norm(scores, GOOD, GOOD, one)


@pytest.mark.parametrize(("masked", "left"), [([1, 1, 1], 0), ([1, 0, 1], 1)])
def test_a_cohort_model_whose_tests_are_all_its_own_is_named(masked, left):
    same_speaker = [[0, 0, 0], masked]
    message = rf"cohort model 1: {left} cohort score\(s\); expected at least 2"
    with pytest.raises(ScoreError, match=message):
        zt_norm(np.zeros((2, 3)), GOOD, GOOD, GOOD, same_speaker=same_speaker)


@pytest.mark.parametrize("value", [0.0, 0.1, -3.0, 1e100, 1 / 3])
def test_equal_cohort_scores_are_refused(value):
    # The mean of 0.1 several times is not 0.1 in floating point; they are equal all the same.
    equal = [[0.0] * 6 + [1.0], [value] * 7]
    message = (
        rf"model 1: all its cohort scores are equal \({re.escape(f'{value:g}')}\), so they do not "
        "tell what a high score is; use other cohort speakers"
    )
    with pytest.raises(ScoreError, match=message):
        z_norm(np.zeros((2, 2)), equal)
    with pytest.raises(ScoreError, match="test 1: all its cohort scores are equal"):
        t_norm(np.zeros((2, 2)), np.transpose(equal))


@pytest.mark.parametrize("size", [1e200, 1.7e308])
def test_cohort_scores_that_cannot_be_squared_are_refused(size):
    cohort = [[0.0, 1.0, 2.0], [size, -size, size]]
    message = "model 1: its cohort scores are too large to square; expected scores of ordinary size"
    with pytest.raises(ScoreError, match=message):
        z_norm(np.zeros((2, 2)), cohort)
    unseen = np.zeros((2, 3), dtype=bool)
    of_cohort = f"cohort {message}"
    with pytest.raises(ScoreError, match=of_cohort):
        zt_norm(np.zeros((2, 2)), np.eye(2, 3), np.eye(2), cohort, same_speaker=unseen)


def test_equal_scores_at_the_top_are_refused_by_as_norm_only():
    cohort = [[0.0, 2.0, 2.0]]
    s_norm([[1.0]], cohort, cohort)
    with pytest.raises(ScoreError, match=r"model 0: all its cohort scores are equal \(2\)"):
        as_norm([[1.0]], cohort, cohort, top_n=2)


def test_cohort_scores_that_tell_little_but_something_are_kept():
    np.testing.assert_allclose(z_norm([[1.0]], [[1.0, 1.0 + 1e-9]]), [[-1.0]], rtol=1e-6)


def test_more_nearest_strangers_than_there_are_is_refused():
    message = (
        "top_n is 4; the cohort has 3 scores for each model: expected at most that many; choose a "
        "smaller top_n or a larger cohort"
    )
    with pytest.raises(ConfigError, match=message):
        as_norm(np.zeros((2, 2)), GOOD, GOOD, top_n=4)
    with pytest.raises(ConfigError, match="top_n is 200; the cohort has 3 scores for each model"):
        as_norm(np.zeros((2, 2)), GOOD, GOOD)
    with pytest.raises(ConfigError, match="top_n is 3; the cohort has 2 scores for each test"):
        as_norm(np.zeros((2, 2)), GOOD, [[0.0, 1.0]] * 2, top_n=3)


@pytest.mark.parametrize("top_n", [1, 0, -3, 2.5, np.nan, True, "all"])
def test_numbers_of_nearest_strangers_that_are_none_are_refused(top_n):
    with pytest.raises(ConfigError, match=f"top_n is {top_n!r}; expected"):
        as_norm(np.zeros((2, 2)), GOOD, GOOD, top_n=top_n)


# --- lists of trials -----------------------------------------------------------------------------


def full_list(n_models, n_tests):
    return all_against_all(
        {f"m{i}": f"s{i}" for i in range(n_models)}, {f"t{i}": f"s{i}" for i in range(n_tests)}
    )


def ragged_list(n_models, n_tests, rng):
    """Draw some of all trials, in no order."""
    everything = np.argwhere(np.ones((n_models, n_tests)))
    chosen = rng.permutation(everything)[: max(1, len(everything) // 2)].astype(np.int32)
    models, tests = chosen[:, 0], chosen[:, 1]
    full = full_list(n_models, n_tests)
    return Trials(full.model_ids, full.test_ids, models, tests, models == tests)


@every_method
@LAW
@given(SEED)
def test_lists_of_trials_are_normalized_as_their_matrix(method, seed):
    example = Example(seed)
    config = NormalizationConfig(method, top_n=example.top_n)
    expected = FAST[method](example)
    shape = example.scores.shape
    for trials in (full_list(*shape), ragged_list(*shape, np.random.default_rng(seed))):
        cells = trials.model_index, trials.test_index
        normalized = normalize_trials(example.scores[cells], trials, example.cohort, config)
        np.testing.assert_allclose(normalized, expected[cells], rtol=ORACLE, atol=ORACLE)


def test_no_normalization_leaves_scores_as_they_are():
    scores = np.array([0.0, np.nan, np.inf])
    plain = normalize_trials(scores, full_list(1, 3), CohortScores(), NormalizationConfig())
    np.testing.assert_array_equal(plain, [0.0, np.nan, np.inf])


@every_method
def test_infinite_scores_of_a_list_stay_infinite(method):
    example = Example(11, shape=(2, 2))
    scores = np.array([np.inf, 0.0, 1.0, -np.inf])
    config = NormalizationConfig(method, top_n=3)
    normalized = normalize_trials(scores, full_list(2, 2), example.cohort, config)
    assert normalized[0] == np.inf
    assert normalized[3] == -np.inf
    assert np.isfinite(normalized[1:3]).all()
    np.testing.assert_array_equal(scores, [np.inf, 0.0, 1.0, -np.inf])


@every_method
def test_a_list_names_the_trial_whose_score_is_nan(method):
    example = Example(12, shape=(2, 3))
    message = "2 of 6 scores are NaN, the first of model 'm1' with test 't0'; score them again"
    scores = np.array([0.0, 1.0, 2.0, np.nan, np.nan, 5.0])
    with pytest.raises(ScoreError, match=message):
        normalize_trials(scores, full_list(2, 3), example.cohort, NormalizationConfig(method))


@pytest.mark.parametrize(
    ("method", "table", "change", "message"),
    [
        ("z", "models_vs_cohort", (1, np.nan), "model 'm1': its cohort score 2 is nan"),
        ("zt", "models_vs_cohort", (1, np.inf), "model 'm1': its cohort score 2 is inf"),
        ("s", "models_vs_cohort", (1, np.nan), "model 'm1': its cohort score 2 is nan"),
        ("as", "models_vs_cohort", (1, np.nan), "model 'm1': its cohort score 2 is nan"),
        ("t", "cohort_vs_tests", (1, np.nan), "test 't2': its cohort score 1 is nan"),
        ("zt", "cohort_vs_tests", (1, np.nan), "test 't2': its cohort score 1 is nan"),
        ("s", "cohort_vs_tests", (1, np.nan), "test 't2': its cohort score 1 is nan"),
        ("as", "cohort_vs_tests", (1, np.nan), "test 't2': its cohort score 1 is nan"),
        ("zt", "cohort_vs_cohort", (1, np.nan), "cohort model 1: its cohort score 2 is nan"),
    ],
)
def test_a_list_names_models_and_tests_with_unusable_cohort_scores(method, table, change, message):
    example = Example(13, shape=(2, 3))
    row, value = change
    getattr(example, table)[row, 2] = value
    config = NormalizationConfig(method, top_n=3)
    with pytest.raises(ScoreError, match=message):
        normalize_trials(np.zeros(6), full_list(2, 3), example.cohort, config)


def test_a_list_names_models_and_tests_with_equal_cohort_scores():
    flat, varied = np.ones((2, 4)), np.tile([0.0, 1.0], (2, 2))
    cohort = CohortScores(flat, varied)
    with pytest.raises(ScoreError, match=r"model 'm0': all its cohort scores are equal \(1\)"):
        normalize_trials(np.zeros(8), full_list(2, 4), cohort, NormalizationConfig("z"))
    with pytest.raises(ScoreError, match=r"test 't0': all its cohort scores are equal \(0\)"):
        normalize_trials(np.zeros(8), full_list(2, 4), cohort, NormalizationConfig("t"))


def test_a_list_with_too_few_nearest_strangers_is_refused():
    example = Example(14, shape=(2, 3))
    n = example.models_vs_cohort.shape[1]
    message = f"top_n is 50; the cohort has {n} scores for each model"
    with pytest.raises(ConfigError, match=message):
        normalize_trials(
            np.zeros(6), full_list(2, 3), example.cohort, NormalizationConfig("as", top_n=50)
        )


@pytest.mark.parametrize(
    ("method", "needed"),
    [
        ("z", ("models_vs_cohort",)),
        ("t", ("cohort_vs_tests",)),
        ("zt", ("models_vs_cohort", "cohort_vs_tests", "cohort_vs_cohort")),
        ("s", ("models_vs_cohort", "cohort_vs_tests")),
        ("as", ("models_vs_cohort", "cohort_vs_tests")),
    ],
)
def test_each_method_needs_its_own_tables_of_the_cohort_and_no_others(method, needed):
    example = Example(15, shape=(2, 3))
    config = NormalizationConfig(method, top_n=3)
    given_tables = {name: getattr(example, name) for name in needed}
    normalize_trials(np.zeros(6), full_list(2, 3), CohortScores(**given_tables), config)
    message = "the cohort was not scored as this normalization needs it; score it again"
    for name in needed:
        tables = {**given_tables, name: None}
        with pytest.raises(ScoreError, match=message):
            normalize_trials(np.zeros(6), full_list(2, 3), CohortScores(**tables), config)


# --- settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("top_n", [2, 50, 1000])
def test_a_label_reads_back_as_the_same_normalization(method, top_n):
    config = NormalizationConfig(method, top_n=top_n)
    read = NormalizationConfig.from_label(config.label)
    assert read.label == config.label
    assert read.method == method
    if method == "as":
        assert read.top_n == top_n


def test_labels_by_hand():
    assert NormalizationConfig().label == "none"
    assert NormalizationConfig("zt", top_n=7).label == "zt"
    assert NormalizationConfig("as", top_n=7).label == "as-7"
    assert NormalizationConfig.from_label("as-300") == NormalizationConfig("as", top_n=300)
    assert NormalizationConfig.from_label("s") == NormalizationConfig("s")


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("", "method is ''; expected one of 'none', 'z', 't', 'zt', 's', 'as'"),
        ("snorm", "method is 'snorm'; expected one of"),
        ("AS-50", "method is 'AS'; expected one of"),
        ("as-0", "top_n is 0; expected"),
        ("as-many", "top_n is 'many'; expected"),
        ("as--5", "top_n is '-5'; expected"),
        ("as-2.5", "top_n is '2.5'; expected"),
        # AS always has a number, and no other method has one.
        ("as", "'as'"),
        ("as-", "'as-'"),
        ("z-5", "'z-5'"),
        ("s-", "'s-'"),
    ],
)
def test_labels_that_are_none_are_refused(label, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        NormalizationConfig.from_label(label)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"method": "x"}, "method is 'x'; expected one of 'none', 'z', 't', 'zt', 's', 'as'"),
        ({"method": None}, "method is None; expected one of"),
        ({"top_n": 0}, "top_n is 0; expected"),
        ({"top_n": 2.5}, "top_n is 2.5; expected a whole number"),
        # One score has no deviation: better said before hours of scoring than after.
        ({"method": "as", "top_n": 1}, "top_n is 1; expected 2 or more cohort scores"),
        ({"tests_per_speaker": 0}, "tests_per_speaker is 0; expected 1 or more"),
        ({"enrollment_s": 0.0}, "enrollment_s is 0.0; expected 0.1 to 86,400 s, or 'none'"),
        ({"test_s": 1e6}, "test_s is 1000000.0; expected 0.1 to 86,400 s, or 'none'"),
        ({"test_s": math.nan}, "test_s is nan; expected 0.1 to 86,400 s"),
    ],
)
def test_settings_out_of_range_are_refused(values, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        NormalizationConfig(**values)

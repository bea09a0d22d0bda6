"""Scores: an unseen speaker scores 0, a batch scores as its trials do, top-C as defined."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp
from scipy.stats import norm

from speakergmm import DiagonalGMM, Statistics, accumulate, log_likelihood_ratio, map_adapt
from speakergmm.corpora import Trials
from speakergmm.errors import ConfigError, FrameError, ModelError
from speakergmm.gmm import densities
from speakergmm.verification import ScoringConfig, bank, score_trials, scoring

LAW = settings(derandomize=True, deadline=None, max_examples=40)
PARAMETERS = ("means", "means+variances", "means+weights", "all")

# Sums of a few thousand float64 terms of some tens of nats, in another order.
REFERENCE = 1e-10

# A mean over frames of float32 log densities of some hundreds of nats.
FAST = 1e-4
TOLERANCE = {np.float64: REFERENCE, np.float32: FAST}


def random_ubm(rng, n_components, n_features, *, offset=0.0):
    shape = (n_components, n_features)
    return DiagonalGMM(
        rng.dirichlet(np.ones(n_components)),
        offset + 2 * rng.normal(size=shape),
        rng.uniform(0.2, 3.0, size=shape),
    )


def draw_frames(gmm, n_frames, rng):
    component = rng.choice(gmm.n_components, size=n_frames, p=gmm.weights)
    noise = rng.normal(size=(n_frames, gmm.n_features))
    return gmm.means[component] + np.sqrt(gmm.variances[component]) * noise


def enroll(ubm, rng, *, n_frames=80, parameters="means", relevance_factor=16.0):
    frames = draw_frames(ubm, n_frames, rng) + rng.normal(size=ubm.n_features)
    return map_adapt(
        ubm,
        accumulate(ubm, frames),
        parameters=parameters,
        relevance_factor=relevance_factor,
    )


def slow_log_joint(gmm, frames):
    exact = np.asarray(frames, dtype=np.float64)
    logs = norm.logpdf(exact[:, None], gmm.means, np.sqrt(gmm.variances)).sum(axis=2)
    with np.errstate(divide="ignore"):
        return np.log(gmm.weights) + logs


def slow_ratio(speaker_model, ubm, frames, top_c=None):
    """The definition, one frame after the other."""
    above, below = slow_log_joint(speaker_model, frames), slow_log_joint(ubm, frames)
    ratios = []
    for speaker, background in zip(above, below, strict=True):
        best = np.argsort(-background)[:top_c]
        ratios.append(logsumexp(speaker[best]) - logsumexp(background[best]))
    return np.mean(ratios)


def trial_list(pairs, n_models, n_tests):
    pairs = np.array(pairs, dtype=np.int32).reshape(-1, 2)
    return Trials(
        tuple(f"model{i}" for i in range(n_models)),
        tuple(f"test{i}" for i in range(n_tests)),
        pairs[:, 0],
        pairs[:, 1],
        pairs[:, 0] == pairs[:, 1],
    )


def full_list(n_models, n_tests):
    return trial_list([(m, t) for m in range(n_models) for t in range(n_tests)], n_models, n_tests)


class Recordings(dict):
    """Test id → frames; counts how often each is loaded."""

    def __init__(self, frames):
        super().__init__({f"test{i}": piece for i, piece in enumerate(frames)})
        self.loads = dict.fromkeys(self, 0)

    def load(self, test_id):
        self.loads[test_id] += 1
        return self[test_id]


# --- one trial -------------------------------------------------------------------------------


@LAW
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 8),
    st.integers(1, 5),
    st.sampled_from(PARAMETERS),
    st.sampled_from([np.float64, np.float32]),
)
def test_ratio_agrees_with_its_definition(seed, c, d, parameters, dtype):
    rng = np.random.default_rng(seed)
    ubm = random_ubm(rng, c, d)
    speaker = enroll(ubm, rng, parameters=parameters)
    frames = draw_frames(ubm, 30, rng).astype(dtype)
    for top_c in (None, *range(1, c + 1)):
        score = log_likelihood_ratio(speaker, ubm, frames, top_c=top_c)
        expected = slow_ratio(speaker, ubm, frames, top_c)
        # Of two components that float32 cannot tell apart, either may be the c-th best.
        limit = TOLERANCE[dtype] if dtype == np.float64 or top_c in (None, c) else 100 * FAST
        assert score == pytest.approx(expected, rel=0, abs=limit)


@LAW
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 40),
    st.integers(1, 30),
    st.sampled_from([0.0, 1e3, -1e5]),
    st.sampled_from(PARAMETERS),
)
def test_float32_agrees_with_float64(seed, c, d, offset, parameters):
    rng = np.random.default_rng(seed)
    ubm = random_ubm(rng, c, d, offset=offset)
    speaker = enroll(ubm, rng, parameters=parameters)
    frames = draw_frames(ubm, 60, rng).astype(np.float32)
    exact = log_likelihood_ratio(speaker, ubm, frames.astype(np.float64))
    assert log_likelihood_ratio(speaker, ubm, frames) == pytest.approx(exact, rel=FAST, abs=FAST)
    batch = score_trials([speaker], ubm, lambda _: frames, full_list(1, 1))
    assert batch[0] == pytest.approx(exact, rel=FAST, abs=FAST)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("parameters", PARAMETERS)
@pytest.mark.parametrize("relevance_factor", [0, 16.0])
def test_a_speaker_without_frames_scores_exactly_zero(dtype, parameters, relevance_factor):
    rng = np.random.default_rng(1)
    ubm = random_ubm(rng, 9, 4, offset=3.0)
    nobody = map_adapt(
        ubm,
        Statistics.zero(9, 4),
        parameters=parameters,
        relevance_factor=relevance_factor,
    )
    frames = [draw_frames(ubm, 5_000, rng).astype(dtype), (1e4 * rng.normal(size=(7, 4)))]
    frames[1] = frames[1].astype(dtype)
    for piece in frames:
        assert log_likelihood_ratio(nobody, ubm, piece) == 0.0
        for top_c in (1, 3, 9):
            assert log_likelihood_ratio(nobody, ubm, piece, top_c=top_c) == 0.0
    tests = Recordings(frames)
    somebody = enroll(ubm, rng, parameters="all")
    for models in ([nobody], [nobody, nobody], [nobody, somebody, nobody]):
        scores = score_trials(models, ubm, tests.load, full_list(len(models), 2))
        for number, model in enumerate(models):
            if model is nobody:
                assert (scores.reshape(len(models), 2)[number] == 0.0).all()


@LAW
@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.sampled_from([np.float64, np.float32]))
def test_top_c_of_all_components_is_the_exact_score(seed, c, dtype):
    rng = np.random.default_rng(seed)
    ubm = random_ubm(rng, c, 3)
    speaker = enroll(ubm, rng, parameters="all")
    frames = draw_frames(ubm, 40, rng).astype(dtype)
    exact = log_likelihood_ratio(speaker, ubm, frames)
    limited = log_likelihood_ratio(speaker, ubm, frames, top_c=c)
    # The same numbers, added in another order within the precision of the frames.
    limit = {np.float64: 1e-12, np.float32: 1e-6}[dtype]
    assert limited == pytest.approx(exact, rel=0, abs=limit)


def test_top_c_may_be_any_whole_number_of_numpy():
    rng = np.random.default_rng(0)
    ubm = random_ubm(rng, 4, 3)
    speaker, frames = enroll(ubm, rng), draw_frames(ubm, 40, rng)
    expected = log_likelihood_ratio(speaker, ubm, frames, top_c=3)
    for kind in (np.uint8, np.int8, np.uint64):
        assert log_likelihood_ratio(speaker, ubm, frames, top_c=kind(3)) == expected


def test_top_1_by_hand():
    # At 0 the UBM's best is N(0, 1); the speaker's first component stands at 1 and has its weight.
    ubm = DiagonalGMM([0.5, 0.5], [[0.0], [10.0]], [[1.0], [1.0]])
    speaker = DiagonalGMM([0.5, 0.5], [[1.0], [0.0]], [[1.0], [1.0]])
    assert log_likelihood_ratio(speaker, ubm, [[0.0]], top_c=1) == pytest.approx(-0.5, abs=1e-14)
    # The speaker's second stands on the frame, but it is not among the UBM's best.
    assert log_likelihood_ratio(speaker, ubm, [[0.0]]) > 0


def test_ratio_of_two_gaussians_by_hand():
    # log N(x; 1, 1) - log N(x; 0, 1) = x - ½.
    ubm = DiagonalGMM([1.0], [[0.0]], [[1.0]])
    speaker = DiagonalGMM([1.0], [[1.0]], [[1.0]])
    assert log_likelihood_ratio(speaker, ubm, [[2.0], [3.0]]) == pytest.approx(2.0, rel=1e-14)
    batch = score_trials([speaker], ubm, lambda _: np.array([[2.0], [3.0]]), full_list(1, 1))
    assert batch == pytest.approx([2.0], rel=1e-14)


@LAW
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(1, 30), min_size=2, max_size=4))
def test_score_of_the_whole_is_the_mean_over_its_frames(seed, lengths):
    rng = np.random.default_rng(seed)
    ubm = random_ubm(rng, 4, 3)
    speaker = enroll(ubm, rng)
    frames = draw_frames(ubm, sum(lengths), rng)
    cuts = np.cumsum([0, *lengths])
    for top_c in (None, 2):
        parts = [
            log_likelihood_ratio(speaker, ubm, frames[start:stop], top_c=top_c)
            for start, stop in pairwise(cuts)
        ]
        whole = log_likelihood_ratio(speaker, ubm, frames, top_c=top_c)
        assert whole == pytest.approx(np.average(parts, weights=lengths), abs=REFERENCE)


def test_swapped_models_change_the_sign():
    rng = np.random.default_rng(2)
    ubm = random_ubm(rng, 5, 3)
    speaker = enroll(ubm, rng, parameters="all")
    frames = draw_frames(ubm, 100, rng)
    assert log_likelihood_ratio(ubm, speaker, frames) == -log_likelihood_ratio(speaker, ubm, frames)


def test_a_speaker_scores_above_zero_on_own_speech_and_below_on_another():
    rng = np.random.default_rng(3)
    ubm = random_ubm(rng, 8, 6)
    voices = [ubm.means + rng.normal(size=6) for _ in range(2)]
    people = [DiagonalGMM(ubm.weights, voice, ubm.variances) for voice in voices]
    models = [map_adapt(ubm, accumulate(ubm, draw_frames(person, 2_000, rng))) for person in people]
    tests = Recordings([draw_frames(person, 500, rng) for person in people])
    scores = score_trials(models, ubm, tests.load, full_list(2, 2)).reshape(2, 2)
    assert scores[0, 0] > 0
    assert scores[1, 1] > 0
    assert scores[0, 1] < scores[0, 0]
    assert scores[1, 0] < scores[1, 1]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_frames_far_out_score_as_in_float64(dtype):
    rng = np.random.default_rng(4)
    ubm = random_ubm(rng, 6, 3)
    models = [enroll(ubm, rng, parameters=parameters) for parameters in PARAMETERS]
    frames = draw_frames(ubm, 100, rng).astype(dtype)
    frames[10], frames[50] = 300, -500
    scores = score_trials(models, ubm, lambda _: frames, full_list(4, 1))
    for model, score in zip(models, scores, strict=True):
        expected = slow_ratio(model, ubm, frames)
        assert score == pytest.approx(expected, rel=FAST)
        assert log_likelihood_ratio(model, ubm, frames) == pytest.approx(expected, rel=FAST)


@pytest.mark.parametrize("top_c", [None, 1, 2])
def test_frame_beyond_all_densities_is_no_evidence_and_never_nan(top_c):
    # 1e200 squared is no float64, so both densities are 0: neither model explains it better.
    ubm = DiagonalGMM([0.5, 0.5], [[0.0], [1.0]], [[1.0], [1.0]])
    speaker = DiagonalGMM([0.5, 0.5], [[0.5], [1.0]], [[1.0], [1.0]])
    score = log_likelihood_ratio(speaker, ubm, [[0.0], [1e200]], top_c=top_c)
    assert not np.isnan(score)
    assert log_likelihood_ratio(ubm, ubm, [[0.0], [1e200]], top_c=top_c) == 0.0


def test_frame_beyond_all_densities_in_a_batch():
    ubm = DiagonalGMM([0.5, 0.5], [[0.0], [1.0]], [[1.0], [1.0]])
    frames = np.array([[0.0], [1e200]])
    scores = score_trials([ubm], ubm, lambda _: frames, full_list(1, 1))
    np.testing.assert_array_equal(scores, [0.0])


def test_models_that_float32_cannot_hold():
    rng = np.random.default_rng(5)
    ubm = DiagonalGMM([0.4, 0.6], [[0.0, 0.0], [1e5, 1.0]], np.ones((2, 2)))
    speaker = DiagonalGMM(
        ubm.weights, ubm.means + np.array([[0.1, 0.0], [0.2, -0.3]]), ubm.variances
    )
    frames = draw_frames(ubm, 50, rng).astype(np.float32)
    expected = slow_ratio(speaker, ubm, frames)
    assert log_likelihood_ratio(speaker, ubm, frames) == pytest.approx(expected, rel=FAST)
    batch = score_trials([speaker], ubm, lambda _: frames, full_list(1, 1))
    assert batch[0] == pytest.approx(expected, rel=FAST, abs=FAST)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_component_that_is_very_narrow_and_far_from_the_middle(dtype):
    # The expanded square about the middle has no digits left here, in float64 neither.
    rng = np.random.default_rng(13)
    ubm = DiagonalGMM([0.4, 0.6], [[0.0, 0.0], [1e7, 1.0]], [[1.0, 1e-30], [1.0, 1.0]])
    speaker = DiagonalGMM(
        ubm.weights, ubm.means + np.array([[0.1, 0.0], [0.2, -0.3]]), ubm.variances
    )
    frames = draw_frames(ubm, 50, rng).astype(dtype)
    expected = slow_ratio(speaker, ubm, frames)
    assert log_likelihood_ratio(speaker, ubm, frames) == pytest.approx(expected, rel=FAST)
    batch = score_trials([speaker], ubm, lambda _: frames, full_list(1, 1))
    assert batch[0] == pytest.approx(expected, rel=FAST, abs=FAST)


def test_a_speaker_model_that_float32_cannot_hold():
    # Any two mixtures may be compared, not only one that was adapted from the other.
    ubm = DiagonalGMM([1.0], [[0.0]], [[1.0]])
    speaker = DiagonalGMM([1.0], [[0.0]], [[1e-60]])
    frames = np.zeros((3, 1), dtype=np.float32)
    expected = 30 * np.log(10)
    assert log_likelihood_ratio(speaker, ubm, frames) == pytest.approx(expected)
    batch = score_trials([speaker], ubm, lambda _: frames, full_list(1, 1))
    assert batch[0] == pytest.approx(expected)


# --- lists of trials ---------------------------------------------------------------------------


@LAW
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 6),
    st.integers(1, 5),
    st.integers(1, 4),
    st.sampled_from([np.float64, np.float32]),
    st.sets(st.sampled_from(PARAMETERS), min_size=1),
    st.data(),
)
def test_a_batch_agrees_with_its_trials_one_by_one(
    seed, n_models, n_tests, c, dtype, adapted, data
):
    rng = np.random.default_rng(seed)
    ubm = random_ubm(rng, c, 3)
    adapted = sorted(adapted)
    models = [
        enroll(ubm, rng, n_frames=10 * (i + 1), parameters=adapted[i % len(adapted)])
        for i in range(n_models)
    ]
    tests = Recordings([draw_frames(ubm, 5 + 7 * i, rng).astype(dtype) for i in range(n_tests)])
    every = [(m, t) for m in range(n_models) for t in range(n_tests)]
    pairs = data.draw(st.just(every) | st.lists(st.sampled_from(every), unique=True))
    scores = score_trials(models, ubm, tests.load, trial_list(pairs, n_models, n_tests))
    expected = [log_likelihood_ratio(models[m], ubm, tests[f"test{t}"]) for m, t in pairs]
    assert scores.dtype == np.float64
    np.testing.assert_allclose(scores, expected, rtol=0, atol=TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("block_cells", [None, 8, 100])
@pytest.mark.parametrize("bank_values", [None, 1, 100])
def test_cuts_into_banks_and_blocks_do_not_matter(monkeypatch, dtype, block_cells, bank_values):
    rng = np.random.default_rng(6)
    ubm = random_ubm(rng, 4, 3)
    models = [enroll(ubm, rng, parameters=PARAMETERS[i % 4]) for i in range(7)]
    tests = Recordings([draw_frames(ubm, 60, rng).astype(dtype) for _ in range(5)])
    pairs = [(m, t) for m in range(7) for t in range(5) if (m * t) % 3 != 1]
    trials = trial_list(rng.permutation(pairs), 7, 5)
    expected = [
        log_likelihood_ratio(models[m], ubm, tests[f"test{t}"])
        for m, t in zip(trials.model_index, trials.test_index, strict=True)
    ]
    if block_cells:
        monkeypatch.setattr(densities, "BLOCK_CELLS", block_cells)
        monkeypatch.setattr(bank, "BLOCK_CELLS", block_cells)
    if bank_values:
        monkeypatch.setattr(scoring, "BANK_VALUES", bank_values)
    scores = score_trials(models, ubm, tests.load, trials)
    np.testing.assert_allclose(scores, expected, rtol=0, atol=TOLERANCE[dtype])


def test_order_of_the_list_does_not_matter():
    rng = np.random.default_rng(7)
    ubm = random_ubm(rng, 4, 3)
    models = [enroll(ubm, rng) for _ in range(4)]
    tests = Recordings([draw_frames(ubm, 20, rng) for _ in range(3)])
    trials = full_list(4, 3)
    order = rng.permutation(12)
    pairs = np.stack([trials.model_index, trials.test_index], axis=1)
    scores = score_trials(models, ubm, tests.load, trials)
    shuffled = score_trials(models, ubm, tests.load, trial_list(pairs[order], 4, 3))
    np.testing.assert_allclose(shuffled, scores[order], rtol=0, atol=REFERENCE)


def test_number_of_workers_changes_no_byte():
    rng = np.random.default_rng(8)
    ubm = random_ubm(rng, 8, 5)
    models = [enroll(ubm, rng) for _ in range(5)]
    tests = Recordings([draw_frames(ubm, 200, rng).astype(np.float32) for _ in range(9)])
    scores = [
        score_trials(models, ubm, tests.load, full_list(5, 9), jobs=jobs).tobytes()
        for jobs in (1, 2, 4, None)
    ]
    assert len(set(scores)) == 1


def test_components_of_weight_zero():
    rng = np.random.default_rng(9)
    ubm = DiagonalGMM([0.3, 0.0, 0.7], rng.normal(size=(3, 2)), np.ones((3, 2)))
    speaker = enroll(ubm, rng, parameters="all")
    narrower = DiagonalGMM([1.0, 0.0, 0.0], ubm.means, ubm.variances)
    for dtype in (np.float64, np.float32):
        frames = draw_frames(ubm, 30, rng).astype(dtype)
        scores = score_trials([speaker, narrower], ubm, lambda _, f=frames: f, full_list(2, 1))
        expected = [slow_ratio(model, ubm, frames) for model in (speaker, narrower)]
        np.testing.assert_allclose(scores, expected, rtol=0, atol=TOLERANCE[dtype])


def test_component_that_only_the_speaker_has_is_refused_in_a_batch():
    ubm = DiagonalGMM([0.0, 1.0], np.zeros((2, 1)), np.ones((2, 1)))
    speaker = DiagonalGMM([0.5, 0.5], np.zeros((2, 1)), np.ones((2, 1)))
    with pytest.raises(
        ModelError, match="weight 0 in the UBM but not in the speaker model; expected"
    ):
        score_trials([speaker], ubm, lambda _: np.zeros((1, 1)), full_list(1, 1))


def test_models_are_made_when_asked_for_and_each_once():
    rng = np.random.default_rng(10)
    ubm = random_ubm(rng, 3, 2)
    models = [enroll(ubm, rng) for _ in range(4)]
    asked = []

    class Lazy:
        def __len__(self):
            return len(models)

        def __getitem__(self, number):
            asked.append(number)
            return models[number]

    tests = Recordings([draw_frames(ubm, 20, rng) for _ in range(2)])
    scores = score_trials(Lazy(), ubm, tests.load, full_list(4, 2))
    np.testing.assert_array_equal(scores, score_trials(models, ubm, tests.load, full_list(4, 2)))
    assert asked == [0, 1, 2, 3]


def test_tests_without_trials_are_not_loaded():
    rng = np.random.default_rng(11)
    ubm = random_ubm(rng, 3, 2)
    tests = Recordings([draw_frames(ubm, 20, rng) for _ in range(3)])
    trials = trial_list([(0, 0), (0, 2)], 1, 3)
    score_trials([enroll(ubm, rng)], ubm, tests.load, trials, jobs=1)
    assert tests.loads == {"test0": 1, "test1": 0, "test2": 1}


def test_no_trials_no_scores():
    ubm = DiagonalGMM([1.0], [[0.0]], [[1.0]])
    assert score_trials([], ubm, lambda _: np.zeros((1, 1)), trial_list([], 0, 0)).shape == (0,)


def test_progress_counts_every_test():
    class Listener:
        total, steps = None, 0

        def start(self, task, total=None):
            assert task == "scores"
            self.total = total

        def advance(self, steps=1):
            self.steps += steps

        def note(self, text):
            pass

    rng = np.random.default_rng(12)
    ubm = random_ubm(rng, 3, 2)
    tests = Recordings([draw_frames(ubm, 20, rng) for _ in range(3)])
    listener = Listener()
    score_trials([enroll(ubm, rng)], ubm, tests.load, full_list(1, 3), progress=listener)
    assert listener.total == listener.steps == 3


# --- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize("top_c", [0, -1, 3, 100, 1.5])
def test_top_c_out_of_range_is_refused(top_c):
    ubm = DiagonalGMM([0.5, 0.5], [[0.0], [1.0]], [[1.0], [1.0]])
    with pytest.raises(ConfigError, match=rf"top_c is {top_c}; expected (1 to 2|a whole)"):
        log_likelihood_ratio(ubm, ubm, [[0.0]], top_c=top_c)


@pytest.mark.parametrize("top_c", [None, 1])
def test_models_of_different_size_are_refused(top_c):
    small = DiagonalGMM([1.0], [[0.0]], [[1.0]])
    large = DiagonalGMM([0.5, 0.5], [[0.0], [1.0]], [[1.0], [1.0]])
    message = r"speaker model has \(C, D\) = \(2, 1\), the UBM \(1, 1\); expected a model adapted"
    with pytest.raises(ModelError, match=message):
        log_likelihood_ratio(large, small, [[0.0]], top_c=top_c)
    with pytest.raises(ModelError, match=message):
        score_trials([large], small, lambda _: np.zeros((1, 1)), full_list(1, 1))


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (np.empty((0, 1)), "there are no frames to score; expected one or more"),
        (np.zeros(3), r"frames have shape \(3,\)"),
        (np.zeros((3, 2)), r"frames have shape \(3, 2\); the model expects \(n_frames, 1\)"),
        (np.array([[0.0], [np.nan]]), "frame 1, feature 0 is nan"),
    ],
)
def test_frames_that_cannot_be_scored_are_refused(frames, message):
    ubm = DiagonalGMM([1.0], [[0.0]], [[1.0]])
    for top_c in (None, 1):
        with pytest.raises(FrameError, match=message):
            log_likelihood_ratio(ubm, ubm, frames, top_c=top_c)
    with pytest.raises(FrameError, match=f"test test0: .*{message}"):
        score_trials([ubm], ubm, lambda _: frames, full_list(1, 1))


def test_fewer_models_than_the_list_names_are_refused():
    # Silence here would leave scores that were never computed.
    ubm = DiagonalGMM([1.0], [[0.0]], [[1.0]])
    with pytest.raises(ModelError, match=r"1 .*2"):
        score_trials([ubm], ubm, lambda _: np.zeros((3, 1)), full_list(2, 1))


# --- the best components, in a batch --------------------------------------------------------------


@LAW
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 40),
    st.integers(1, 12),
    st.sampled_from(PARAMETERS),
    st.sampled_from([np.float64, np.float32]),
)
def test_top_c_in_a_batch_agrees_with_its_trials(seed, c, top_c, parameters, dtype):
    rng = np.random.default_rng(seed)
    top_c = min(top_c, c)
    ubm = random_ubm(rng, c, 3)
    models = [enroll(ubm, rng, parameters=parameters) for _ in range(3)]
    frames = draw_frames(ubm, 40, rng).astype(dtype)
    pairs = [(0, 0), (2, 0)] if seed % 2 else [(0, 0), (1, 0), (2, 0)]
    scores = score_trials(
        models, ubm, lambda _: frames, trial_list(pairs, 3, 1), top_c=top_c, jobs=1
    )
    expected = [log_likelihood_ratio(models[m], ubm, frames, top_c=top_c) for m, _ in pairs]
    # Of two components that float32 cannot tell apart, either may be the c-th best.
    limit = TOLERANCE[dtype] if dtype == np.float64 or top_c == c else 100 * FAST
    np.testing.assert_allclose(scores, expected, rtol=0, atol=limit)


@pytest.mark.parametrize("top_c", [1, 3, 20, 21])
@pytest.mark.parametrize("n_components", [21, 24, 130])
def test_the_best_components_are_found_in_their_order(n_components, top_c):
    from speakergmm.verification.kernel import find_best

    joint = np.random.default_rng(0).normal(size=(50, n_components)).astype(np.float32)
    index = np.empty((50, top_c), np.int32)
    value = np.empty((50, top_c), np.float32)
    find_best(joint, index, value)
    np.testing.assert_array_equal(index, np.argsort(-joint, axis=1)[:, :top_c])
    np.testing.assert_array_equal(value, np.take_along_axis(joint, index, axis=1))


def test_of_equal_components_the_first_are_taken():
    from speakergmm.verification.kernel import find_best

    joint = np.zeros((1, 19), np.float32)
    index, value = np.empty((1, 3), np.int32), np.empty((1, 3), np.float32)
    find_best(joint, index, value)
    assert len(set(index[0].tolist())) == 3
    assert value.tolist() == [[0.0, 0.0, 0.0]]


@pytest.mark.parametrize("top_c", [None, 1, 4])
def test_an_unadapted_model_scores_exactly_zero_in_a_batch(top_c):
    rng = np.random.default_rng(3)
    ubm = random_ubm(rng, 37, 5)
    models = [ubm, enroll(ubm, rng), ubm]
    frames = draw_frames(ubm, 300, rng).astype(np.float32)
    scores = score_trials(models, ubm, lambda _: frames, full_list(3, 1), top_c=top_c)
    assert scores[0] == scores[2] == 0.0
    assert scores[1] != 0.0


def test_top_c_does_not_depend_on_workers_or_on_the_other_models():
    rng = np.random.default_rng(4)
    ubm = random_ubm(rng, 64, 10)
    models = [enroll(ubm, rng) for _ in range(5)]
    tests = Recordings([draw_frames(ubm, 100, rng).astype(np.float32) for _ in range(9)])
    whole = score_trials(models, ubm, tests.load, full_list(5, 9), top_c=5, jobs=1)
    again = score_trials(models, ubm, tests.load, full_list(5, 9), top_c=5, jobs=3)
    assert again.tobytes() == whole.tobytes()
    alone = score_trials(models[:1], ubm, tests.load, full_list(1, 9), top_c=5)
    np.testing.assert_allclose(alone, whole[:9], rtol=0, atol=1e-6)


@pytest.mark.parametrize("top_c", [0, 4, 1.5])
def test_top_c_of_a_batch_out_of_range_is_refused(top_c):
    ubm = random_ubm(np.random.default_rng(0), 3, 2)
    with pytest.raises(ConfigError, match="top_c is"):
        score_trials([ubm], ubm, lambda _: np.zeros((1, 2)), full_list(1, 1), top_c=top_c)


@pytest.mark.parametrize("top_c", [0, -1, 2.5])
def test_scoring_config_checks_top_c(top_c):
    with pytest.raises(ConfigError, match="top_c is"):
        ScoringConfig(top_c)


# --- settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "label"),
    [({}, "exact"), ({"top_c": 5}, "top-5"), ({"scorer": "linear"}, "linear")],
)
def test_a_scorer_has_a_label(settings, label):
    assert ScoringConfig(**settings).label == label


def test_labels_tell_scorers_apart():
    configs = [ScoringConfig(), ScoringConfig(scorer="linear"), *map(ScoringConfig, range(1, 12))]
    assert len({config.label for config in configs}) == len(configs)


@pytest.mark.parametrize("scorer", ["fast", "Linear", None, 1])
def test_an_unknown_scorer_is_refused(scorer):
    message = rf"scorer is {scorer!r}; expected one of 'exact', 'linear'"
    with pytest.raises(ConfigError, match=message):
        ScoringConfig(scorer=scorer)
    ubm = DiagonalGMM([1.0], [[0.0]], [[1.0]])
    with pytest.raises(ConfigError, match=message):
        score_trials([ubm], ubm, lambda _: np.zeros((1, 1)), full_list(1, 1), scorer=scorer)


def test_the_linear_scorer_looks_at_no_best_components():
    message = (
        "top_c is 5 with scorer 'linear', which looks at no single components; give one of the two"
    )
    with pytest.raises(ConfigError, match=message):
        ScoringConfig(5, "linear")
    ubm = DiagonalGMM([1.0], [[0.0]], [[1.0]])
    frames = np.zeros((1, 1))
    with pytest.raises(ConfigError, match=message):
        score_trials([ubm], ubm, lambda _: frames, full_list(1, 1), top_c=5, scorer="linear")


@pytest.mark.parametrize("bank_values", [1, 30, 100])
@pytest.mark.parametrize("top_c", [None, 2])
def test_cuts_into_banks_leave_scores_and_workers_do_not_matter(monkeypatch, top_c, bank_values):
    rng = np.random.default_rng(14)
    ubm = random_ubm(rng, 4, 3)
    models = [enroll(ubm, rng) for _ in range(7)]
    tests = Recordings([draw_frames(ubm, 60, rng) for _ in range(5)])
    whole = score_trials(models, ubm, tests.load, full_list(7, 5), top_c=top_c)
    monkeypatch.setattr(scoring, "BANK_VALUES", bank_values)
    cut = [
        score_trials(models, ubm, tests.load, full_list(7, 5), top_c=top_c, jobs=jobs)
        for jobs in (1, 3)
    ]
    np.testing.assert_array_equal(cut[0], cut[1])
    np.testing.assert_allclose(cut[0], whole, rtol=0, atol=REFERENCE)

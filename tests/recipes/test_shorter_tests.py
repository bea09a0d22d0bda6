"""Trials whose tests are cut short: the scores of their first frames, and the errors of these."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from system_cases import make_parts

from speakergmm import accumulate, log_likelihood_ratio, map_adapt
from speakergmm.audio import duration_s
from speakergmm.corpora import Scores, all_against_all, read_protocol, read_utterances
from speakergmm.evaluation import eer
from speakergmm.features import FrontEndConfig
from speakergmm.features.extraction import extract_sides
from speakergmm.features.normalizing import normalize
from speakergmm.features.sides import by_name, pooled_sides
from speakergmm.gmm.model_file import load_background_model
from speakergmm.recipes import load_settings
from speakergmm.recipes.list_scoring import score_protocol
from speakergmm.recipes.shorter_tests import (
    LENGTHS_S,
    expected_errors,
    lengths_below,
    measured_on,
)
from speakergmm.recipes.steps import PooledTests
from speakergmm.verification.calibration import Calibration, SideTerm, fit_calibration
from speakergmm.verification.calibration_record import CalibrationRecord

# Means over float32 blocks, of other shapes for one trial than for a list.
FAST = 1e-4


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    return make_parts(tmp_path_factory.mktemp("parts"))


@pytest.fixture(scope="module")
def protocol(small_corpus):
    lists = small_corpus / "evaluation"
    utterances = read_utterances(small_corpus / "utterances.csv", durations=duration_s)
    return read_protocol(
        lists / "enrollment.csv", lists / "tests.csv", None, utterances
    ), utterances


@pytest.fixture(scope="module")
def scored(protocol, parts):
    settings = load_settings(None, {})
    return score_protocol(*protocol, parts["ubm"], settings, with_shorter=True, jobs=1)


@pytest.fixture(scope="module")
def frames(protocol, parts, tmp_path_factory):
    """Background model, each model's enrollment frames, and those of each recording of a test."""
    lists, utterances = protocol
    model = load_background_model(parts["ubm"])
    sides = [
        pooled_sides(pools, utterances, model.front_end, what)
        for pools, what in ((lists.enrollment, "enrollment"), (lists.tests, "test"))
    ]
    folder = tmp_path_factory.mktemp("frames")
    every = list(by_name(sides[0][0], sides[1][0]).values())
    store = extract_sides(every, folder, model.front_end, jobs=1)[0]
    (_, enrollment), (_, tests) = sides
    return (
        model,
        {name: store.pooled(pool) for name, pool in enrollment.items()},
        {name: [store.frames(side) for side in pool] for name, pool in tests.items()},
    )


def test_shorter_tests_are_scored_by_their_first_frames(scored, frames):
    model, enrollment, tests = frames
    assert len(scored.by_length) >= 2
    for length_s, scores in scored.by_length.items():
        assert scores.trials is scored.scores.trials
        trials = scores.trials
        for i in range(0, len(trials), 7):
            side = enrollment[trials.model_ids[trials.model_index[i]]]
            parts = tests[trials.test_ids[trials.test_index[i]]]
            if scores is not scored.scores:
                parts = list(first_of(parts, model.front_end.n_frames(length_s), model.front_end))
            test = np.concatenate(parts)
            speaker = map_adapt(model.gmm, accumulate(model.gmm, side), relevance_factor=16.0)
            expected = log_likelihood_ratio(speaker, model.gmm, test)
            assert scores.score[i] == pytest.approx(expected, abs=FAST, rel=FAST)


def first_of(parts, n_frames, config):
    """Cut recordings after so many frames in all; the level is that of what is left of each."""
    for part in parts:
        yield normalize(part[:n_frames].copy(), config)
        n_frames -= len(part)
        if n_frames <= 0:
            return


def test_the_longest_are_the_whole_tests(scored, frames):
    speech_s = [sum(map(len, parts)) / 100 for parts in frames[2].values()]
    *shorter, whole = scored.by_length
    assert whole == pytest.approx(np.median(speech_s))
    assert tuple(shorter) == lengths_below(whole)
    assert scored.by_length[whole] is scored.scores


def test_nobody_who_does_not_ask_pays_for_shorter_tests(protocol, parts, scored):
    plain = score_protocol(*protocol, parts["ubm"], load_settings(None, {}), jobs=1)
    assert plain.by_length == {}
    np.testing.assert_array_equal(plain.scores.score, scored.scores.score)


@given(st.floats(0.0, 1e5))
def test_tests_are_cut_clearly_shorter_than_they_are(speech_s):
    lengths = lengths_below(speech_s)
    assert lengths == LENGTHS_S[: len(lengths)]
    assert all(1.25 * length <= speech_s for length in lengths)
    assert all(1.25 * length > speech_s for length in LENGTHS_S[len(lengths) :])


def made(shift, *, seed=0, llr=None):
    trials = all_against_all(
        {f"m{i}": str(i) for i in range(10)}, {f"t{i}-{k}": str(i) for i in range(10) for k in "ab"}
    )
    noise = np.random.default_rng(seed).normal(size=len(trials))
    score = noise + shift * trials.is_target
    return Scores(trials, score, None if llr is None else llr * score)


def record_of(scale=1.75, offset=-0.25, *, side=(), p_target=0.5):
    """Give a calibration of whole tests that fits no scores here."""
    calibration = Calibration(scale, offset, tuple(side))
    return CalibrationRecord(calibration, (None,), "others", p_target, 20, 180, 10)


@pytest.mark.parametrize("p_target", [0.5, 0.02])
def test_errors_are_counted_at_the_threshold(p_target):
    fitted = {3.0: made(2.0), 1.0: made(1.0)}
    measured = {1.0: made(0.5, seed=1, llr=2.0), 3.0: made(2.0, seed=1, llr=1.5)}
    rows = expected_errors(fitted, measured, record_of(p_target=p_target), 0.75)
    assert [row.speech_s for row in rows] == [1.0, 3.0]
    for row in rows:
        llr, is_target = measured[row.speech_s].llr, measured[row.speech_s].trials.is_target
        assert row.p_miss == np.mean(llr[is_target] < 0.75)
        assert row.p_fa == np.mean(llr[~is_target] >= 0.75)
        assert row.eer == eer(llr[is_target], llr[~is_target])
        assert (row.n_target, row.n_nontarget) == (20, 180)
    score, is_target = fitted[1.0].score, fitted[1.0].trials.is_target
    worth = fit_calibration(score[is_target], score[~is_target], p_target=p_target)
    assert (rows[0].scale, rows[0].offset) == (worth.scale, worth.offset)
    # Of whole tests the record tells, whatever their scores here would.
    assert (rows[1].scale, rows[1].offset) == (1.75, -0.25)
    assert rows[0].eer > rows[1].eer


def test_little_speech_is_worth_less():
    fitted = {1.0: made(1.0), 3.0: made(2.0), 5.0: made(2.0)}
    rows = expected_errors(fitted, fitted, record_of(), 0.0)
    assert rows[0].scale < rows[1].scale


def test_scores_without_ratios_are_judged_by_the_rows_own():
    """By scale and offset that the row has, so that the rates are those of what users are told."""
    fitted = {1.0: made(1.0), 3.0: made(2.0)}
    measured = {1.0: made(0.5, seed=1), 3.0: made(2.0, seed=1)}
    measured = {n: dataclasses.replace(scores, llr=None) for n, scores in measured.items()}
    rows = expected_errors(fitted, measured, record_of(), 0.75)
    assert (rows[1].scale, rows[1].offset) == (1.75, -0.25)
    assert rows[0].scale != 1.75
    for row in rows:
        scores = measured[row.speech_s]
        llr, is_target = row.scale * scores.score + row.offset, scores.trials.is_target
        assert row.p_miss == np.mean(llr[is_target] < 0.75)
        assert row.p_fa == np.mean(llr[~is_target] >= 0.75)
        assert row.eer == eer(llr[is_target], llr[~is_target])
    # By the others' they would be others.
    assert rows[0].p_miss != np.mean((1.75 * measured[1.0].score - 0.25)[is_target] < 0.75)


def test_a_ratio_at_the_threshold_is_accepted():
    scores = made(1.0, llr=1.0)
    top = float(scores.score.max())
    (row,) = expected_errors({2.0: scores}, {2.0: scores}, record_of(), top)
    is_target = scores.trials.is_target
    assert (row.scale, row.offset) == (1.75, -0.25)
    assert row.p_miss + row.p_fa == pytest.approx(
        1.0 - 1 / 20 if is_target[scores.score.argmax()] else 1.0 + 1 / 180
    )


def test_lengths_whose_scores_cannot_be_calibrated_take_the_records():
    # All targets above all nontargets: no finite ratio fits best.
    apart, usual = made(50.0), made(1.0)
    for scores in ({1.0: apart}, {1.0: apart, 2.0: usual}, {1.0: usual, 2.0: apart}):
        rows = expected_errors(scores, scores, record_of(), 0.0)
        assert [row.speech_s for row in rows] == sorted(scores)
        for row in rows:
            own = scores[row.speech_s] is usual and row.speech_s < max(scores)
            assert ((row.scale, row.offset) == (1.75, -0.25)) == (not own)
    assert expected_errors({}, {}, record_of(), 0.0) == ()


def test_what_no_two_numbers_say_is_left_out():
    """A record whose scale depends on side information has none of its own to give."""
    apart, usual = made(50.0), made(1.0)
    both = {1.0: usual, 2.0: apart}
    of_side = record_of(side=[SideTerm("test_speech", 0.5, 0.0)])
    assert expected_errors({1.0: apart}, {1.0: apart}, of_side, 0.0) == ()
    assert [row.speech_s for row in expected_errors(both, both, of_side, 0.0)] == [1.0]
    # Where whole tests can be fitted, they are.
    (row,) = expected_errors({2.0: usual}, {2.0: usual}, of_side, 0.0)
    score, is_target = usual.score, usual.trials.is_target
    worth = fit_calibration(score[is_target], score[~is_target])
    assert (row.scale, row.offset) == (worth.scale, worth.offset)


@pytest.mark.parametrize(
    ("normalization", "frames", "exact"),
    [
        ("none", "speech", True),
        ("level", "speech", True),
        ("cmn", "speech", True),
        ("cmvn", "speech", True),
        ("level", "all", False),
        ("cmn", "all", False),
        ("sliding_cmvn", "speech", False),
        ("warp", "speech", False),
    ],
)
def test_it_is_said_where_short_tests_look_better_than_they_are(normalization, frames, exact):
    config = FrontEndConfig(normalization=normalization, normalization_frames=frames)
    flattered = "the trials, cut after normalization, which flatters short tests"
    assert measured_on("the trials", config) == ("the trials" if exact else flattered)


@pytest.mark.parametrize("over", ["utterance", "side"])
@pytest.mark.parametrize("normalization", ["none", "level", "cmn", "cmvn", "sliding_cmn"])
def test_a_shorter_test_forgets_what_follows(normalization, over):
    rng = np.random.default_rng(0)
    raw = {"a": 5 + 10 * rng.normal(size=(70, 4)), "b": 10 * rng.normal(size=(90, 4)) - 3}
    raw = {name: frames.astype(np.float32) for name, frames in raw.items()}
    config = FrontEndConfig(normalization=normalization, normalization_over=over, log_energy=True)
    store = StandInStore(config, {k: normalize(x.copy(), config) for k, x in raw.items()})
    load = PooledTests(store, {"t": ("a", "b")}, 100)
    rest = raw["b"][:30].copy()
    exact = np.concatenate([store.frames("a"), normalize(rest, config)])
    if normalization == "sliding_cmn":
        np.testing.assert_array_equal(load("t"), store.pooled(("a", "b"))[:100])
        assert np.abs(load("t") - exact).max() > 1
    else:
        np.testing.assert_allclose(load("t"), exact, rtol=0, atol=1e-4)
    for n_frames in (70, 40):
        short = PooledTests(store, {"t": ("a", "b")}, n_frames)("t")
        assert len(short) == n_frames
    whole = PooledTests(store, {"t": ("a", "b")}, 1000)("t")
    np.testing.assert_array_equal(whole, store.pooled(("a", "b")))


class StandInStore(NamedTuple):
    """As much of a frame store as tests are loaded by."""

    front_end: FrontEndConfig
    entries: dict[str, np.ndarray]

    def frames(self, name):
        return self.entries[name]

    def pooled(self, names):
        return np.concatenate([self.frames(name) for name in names])

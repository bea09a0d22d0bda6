"""The sequential test where the truth is known: its error rates are those it names."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from speakergmm import DiagonalGMM
from speakergmm.errors import ConfigError
from speakergmm.verification.sequential import Looks, SequentialTest
from speakergmm.verification.streaming import StreamConfig

# How seldom a right rate may fail its test.
CHANCE = 1e-4

RATIOS = st.floats(-20, 20)


def first_decision(test, llrs, threshold=0.0):
    looks = Looks(test, threshold)
    return next((said for llr in llrs if (said := looks.add(llr))), None)


def known_ratios(rng, n, seconds, *, of_speaker, shift=0.3, per_s=10):
    """Ratios (n, K) at the looks of a stream of independent frames of known mixtures."""
    weights, centers, ones = np.array([0.5, 0.5]), np.array([[-1.0], [1.0]]), np.ones((2, 1))
    stranger = DiagonalGMM(weights, centers, ones)
    speaker = DiagonalGMM(weights, centers + shift, ones)
    source = speaker if of_speaker else stranger
    which = rng.integers(2, size=(n, seconds * per_s))
    x = (source.means[which] + rng.normal(size=(*which.shape, 1))).reshape(-1, 1)
    ratio = speaker.log_likelihoods(x) - stranger.log_likelihoods(x)
    due, at = StreamConfig().next_answer_s(0.0), []
    while due <= seconds:
        at.append(round(due * per_s) - 1)
        due = StreamConfig().next_answer_s(due)
    return np.cumsum(ratio.reshape(n, -1), axis=1)[:, at]


N_STREAMS = 2_000


@pytest.fixture(scope="module")
def known():
    """Ratios of strangers' streams, and of the speaker's."""
    rng = np.random.default_rng(0)
    return [known_ratios(rng, N_STREAMS, 40, of_speaker=side) for side in (False, True)]


@pytest.mark.parametrize("n_agreeing", [1, 2])
@pytest.mark.parametrize("rates", [(0.01, 0.01), (0.05, 0.01), (0.1, 0.2)])
def test_error_rates_of_known_ratios_are_at_most_the_nominal_ones(known, rates, n_agreeing):
    test = SequentialTest(*rates, n_agreeing)
    for llrs, wrong, rate, other in zip(
        known, ("accepted", "rejected"), rates, rates[::-1], strict=True
    ):
        said = [first_decision(test, row) for row in llrs]
        assert said.count(wrong) <= binom.isf(CHANCE, N_STREAMS, rate / (1 - other))
        assert said.count(None) < N_STREAMS / 2
        if n_agreeing == 1:
            # The bounds are reached nearly, so the rates are not far below either.
            assert said.count(wrong) >= rate * N_STREAMS / 5


def test_ratios_that_are_right_at_each_look_only_decide_wrong_more_often():
    # Looks that know nothing of each other: each has its chance. Two in a row take that back.
    rng = np.random.default_rng(1)
    n, n_looks, mean = 4_000, 12, 3.0
    strangers = rng.normal(-mean, math.sqrt(2 * mean), (n, n_looks))
    wald, two = (
        sum(first_decision(SequentialTest(n_agreeing=k), row) == "accepted" for row in strangers)
        for k in (1, 2)
    )
    assert two <= wald
    assert two <= binom.isf(CHANCE, n, 0.01)


@given(st.lists(RATIOS, max_size=20), st.floats(-8, 8), st.integers(1, 3))
def test_a_decision_is_that_of_the_last_looks(llrs, threshold, n_agreeing):
    test = SequentialTest(n_agreeing=n_agreeing)
    looks = Looks(test, threshold)
    for i, llr in enumerate(llrs):
        said = looks.add(llr)
        last = [test.decide(each, threshold) for each in llrs[: i + 1][-n_agreeing:]]
        agreed = len(last) == n_agreeing and len(set(last)) == 1
        assert said == (last[0] if agreed else None)
        if said is not None:
            return


@given(RATIOS, RATIOS)
def test_nothing_is_accepted_below_the_threshold_nor_rejected_above(llr, threshold):
    said = SequentialTest().decide(llr, threshold)
    if said == "accepted":
        assert llr >= threshold
    if said == "rejected":
        assert llr < threshold


@given(st.floats(1e-6, 0.4), st.floats(1e-6, 0.4))
def test_bounds_are_those_of_wald(p_fa, p_miss):
    test = SequentialTest(p_fa, p_miss)
    assert math.exp(test.accept_from) == pytest.approx((1 - p_miss) / p_fa)
    assert math.exp(test.reject_up_to) == pytest.approx(p_miss / (1 - p_fa))
    assert test.decide(test.accept_from, 0.0) == "accepted"
    assert test.decide(test.reject_up_to, 0.0) == "rejected"
    assert test.decide(0.0, 0.0) is None


@pytest.mark.parametrize(
    "settings", [{"p_fa": 0.0}, {"p_miss": 0.5}, {"p_fa": math.nan}, {"n_agreeing": 0}]
)
def test_settings_out_of_range(settings):
    with pytest.raises(ConfigError, match=next(iter(settings))):
        SequentialTest(**settings)

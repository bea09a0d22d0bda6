"""Who of those enrolled is it? Held against Bayes' rule, written out."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from speakergmm.errors import ConfigError, MissingError, SpeakerStoreError
from speakergmm.verification.identifying import posterior

NAMES = ("s06", "s07", "s08", "s09")


@pytest.fixture
def enrolled(make_verifier, takes):
    """Make a verifier of four speakers."""

    def make(*variant, names=NAMES, **settings):
        verifier = make_verifier(*variant, **settings)
        for name in names:
            verifier.enroll(name, takes[name][:2])
        return verifier

    return make


def slow_posteriors(llr, p_known):
    """Bayes' rule, a speaker at a time."""
    terms = [p_known / len(llr) * math.exp(value) for value in llr]
    total = sum(terms) + 1 - p_known
    return [term / total for term in terms], (1 - p_known) / total


@pytest.mark.parametrize("p_known", [0.0, 0.01, 0.5, 1.0])
@pytest.mark.parametrize("n", [1, 3, 200])
def test_posteriors_are_bayes_rule(p_known, n):
    llr = np.random.default_rng(n).normal(0, 5, n)
    found, none = posterior(llr, n, p_known)
    expected, expected_none = slow_posteriors(llr, p_known)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert none == pytest.approx(expected_none, rel=1e-12)
    assert found.sum() + none == pytest.approx(1.0, abs=1e-12)


def test_posteriors_of_extreme_ratios_are_numbers():
    for llr in ([1e4, -1e4], [-1e5, -1e5], [800.0, 800.0]):
        found, none = posterior(np.array(llr), 2, 0.5)
        assert np.isfinite([*found, none]).all()
        assert found.sum() + none == pytest.approx(1.0)


@pytest.mark.parametrize("p_known", [1e-6, 0.3, 1 / (1 + math.exp(0.75)), 1 - 1e-6])
@pytest.mark.parametrize("how", ["system", "threshold", "prior"])
def test_an_open_set_has_a_threshold_that_grows_with_it(enrolled, takes, p_known, how):
    limit = math.log((1 - p_known) / p_known)
    verifier = enrolled(affine=(3.0, -0.5), threshold=limit if how == "system" else 99.0)
    path = takes["s08"][3]
    ratios = {name: verifier.verify(name, path).llr for name in NAMES}
    given = {"system": {}, "threshold": {"threshold": limit}, "prior": {"p_known": p_known}}
    answer = verifier.identify(path, top=99, **given[how])
    assert answer.threshold == pytest.approx(limit + math.log(4))
    assert answer.p_known == pytest.approx(p_known)
    assert not answer.is_closed
    assert [c.speaker_id for c in answer.candidates] == sorted(NAMES, key=lambda n: -ratios[n])
    expected, none = slow_posteriors([ratios[c.speaker_id] for c in answer.candidates], p_known)
    np.testing.assert_allclose([c.posterior for c in answer.candidates], expected, rtol=1e-5)
    assert answer.posterior_none == pytest.approx(none, rel=1e-5)
    best = answer.candidates[0]
    assert answer.speaker_id == (best.speaker_id if best.llr >= answer.threshold else None)
    # Somebody is named who is more probable than nobody.
    assert (answer.speaker_id is not None) == (best.posterior >= answer.posterior_none)
    for threshold, found in ((best.llr - math.log(4) - 1e-9, True), (best.llr, False)):
        assert (verifier.identify(path, threshold=threshold).speaker_id is not None) == found
    json.loads(json.dumps(answer.to_json(), allow_nan=False))


def test_who_reaches_an_extreme_threshold_is_more_probable_than_nobody(enrolled, takes):
    verifier = enrolled(affine=(3.0, 100.0))
    answer = verifier.identify(takes["s08"][3], threshold=50.0)
    assert answer.speaker_id is not None
    assert answer.p_known == pytest.approx(math.exp(-50.0), rel=1e-9)
    assert answer.candidates[0].posterior > 0.5 > answer.posterior_none


def test_a_closed_set_names_the_best(enrolled, takes):
    for settings in ({}, {"affine": (3.0, -50.0)}):
        answer = enrolled(**settings).identify(takes["s08"][3], closed=True, top=2)
        assert len(answer.candidates) == 2
        assert answer.speaker_id == answer.candidates[0].speaker_id
        assert answer.is_closed
        assert answer.threshold is None
        assert answer.posterior_none == (0.0 if settings else None)
        assert answer.n_enrolled == 4


def test_without_a_calibration_the_score_decides(enrolled, takes):
    verifier = enrolled()
    with pytest.raises(ConfigError, match="no threshold"):
        verifier.identify(takes["s08"][3])
    scores = {n: verifier.verify(n, takes["s08"][3], threshold=0).score for n in NAMES}
    best = max(scores.values())
    answer = verifier.identify(takes["s08"][3], threshold=best - 1e-5)
    assert answer.threshold == best - 1e-5
    assert answer.speaker_id == max(scores, key=scores.get)
    assert {c.posterior for c in answer.candidates} == {c.llr for c in answer.candidates} == {None}
    assert verifier.identify(takes["s08"][3], threshold=best + 1e-5).speaker_id is None


def test_one_speaker_is_a_claim(enrolled, takes):
    verifier = enrolled(names=("s06",), affine=(2.0, 0.0))
    answer = verifier.identify(takes["s06"][3])
    claim = verifier.verify("s06", takes["s06"][3])
    assert answer.threshold == claim.threshold
    assert (answer.speaker_id is not None) == claim.accepted
    # The scale is 2; see TOLERANCE in test_verifier_laws.py.
    assert answer.candidates[0].llr == pytest.approx(claim.llr, abs=6e-6)


def test_equal_speakers_come_in_the_order_of_their_names(make_verifier, takes):
    verifier = make_verifier(affine=(2.0, 0.0))
    for name in ("zoe", "anna", "mia"):
        verifier.enroll(name, takes["s06"][:2])
    answer = verifier.identify(takes["s06"][3])
    assert [c.speaker_id for c in answer.candidates] == ["anna", "mia", "zoe"]
    assert len({c.llr for c in answer.candidates}) == 1


def test_nobody_is_enrolled(make_verifier, takes):
    verifier = make_verifier()
    with pytest.raises(SpeakerStoreError, match=r"speakers1\.db"):
        verifier.identify(takes["s06"][0], closed=True)
    verifier.enroll("s06", takes["s06"][:1])
    verifier.store.remove(["s06"])
    with pytest.raises(MissingError, match="nobody is enrolled; enroll a speaker first"):
        verifier.identify(takes["s06"][0], closed=True)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"top": 0}, "top is 0"), ({"top": 1.5}, "top is 1.5"), ({"p_known": -0.1}, "p_known is"),
        ({"p_known": 1.1}, "p_known is 1.1"), ({"p_known": np.nan}, "p_known is nan"),
    ],
)  # fmt: skip
def test_settings_out_of_range(enrolled, takes, settings, message):
    with pytest.raises(ConfigError, match=message):
        enrolled(names=("s06",), affine=(2.0, 0.0)).identify(takes["s06"][3], **settings)


def test_one_thing_decides_when_somebody_is_named(enrolled, takes):
    verifier = enrolled(names=("s06",), affine=(2.0, 0.0))
    both = {"closed": True, "threshold": 1.0}, {"closed": True, "p_known": 0.5}
    for settings in (*both, {"threshold": 1.0, "p_known": 0.5}):
        with pytest.raises(ConfigError, match="give one of them"):
            verifier.identify(takes["s06"][3], **settings)
    with pytest.raises(ConfigError, match="without a calibration scores have no probabilities"):
        enrolled(names=("s06",)).identify(takes["s06"][3], p_known=0.5)

"""Sentences of the screen and of the report that depend on settings."""

from __future__ import annotations

import pytest

from speakergmm.evaluation import CostModel, Estimate, Evaluation
from speakergmm.evaluation.comparison import Comparison, Difference
from speakergmm.evaluation.summary import METRICS
from speakergmm.evaluation.wording import (
    calibration_sentence,
    difference_sentence,
    format_difference,
    format_score,
    meaning,
    one_in,
    probe_sentence,
    system_sentence,
)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "score: mean log-likelihood ratio per frame."),
        ({"scoring": {"scorer": "exact", "top_c": None}}, "log-likelihood ratio per frame."),
        ({"scoring": {"top_c": 5}}, "per frame, over the 5 best components of each."),
        (
            {"scoring": {"scorer": "linear"}, "score_normalization": {"method": "s"}},
            "ratio, per frame; s-normalized by a cohort of background speakers.",
        ),
        ({"score_normalization": {"method": "none"}}, "ratio per frame."),
    ],
)
def test_the_system_is_described_by_its_settings(settings, said):
    assert system_sentence(settings).endswith(said)


def test_the_calibration_says_what_it_depends_on_and_what_to_mind():
    plain = {"scale": 2.5, "offset": -1.0, "fitted_on": "development"}
    assert calibration_sentence(plain).startswith(
        "Log-likelihood ratios are 2.5 times the score, -1, fitted on development; that split's own"
    )
    sided = plain | {"side": [{"name": "test_snr"}], "warnings": ["too few"]}
    assert "-1, both depending on test_snr, fitted on development" in calibration_sentence(sided)
    assert calibration_sentence(sided).endswith("optimistic. Note: too few.")
    none = {"unavailable": "all scores are equal", "warnings": []}
    assert calibration_sentence(none) == "Scores are not calibrated: all scores are equal."


def comparison(metric, *numbers):
    return Comparison("old", "new", {metric: Difference(*numbers)})


@pytest.mark.parametrize(
    ("metric", "numbers", "said"),
    [
        (
            "eer",
            (-0.0123, -0.02, -0.005, 0.004, 0.004),
            "new is better than old in EER by 1.23 points (95 % interval 0.50 to 2.00, p = 0.004).",
        ),
        (
            "eer",
            (0.0123, 0.005, 0.02, 0.0001, 0.0004),
            (
                "old is better than new in EER by 1.23 points (95 % interval 0.50 to 2.00, "
                "p < 0.001 over all pairs)."
            ),
        ),
        (
            "auc",
            (0.01, 0.004, 0.02, 0.01, 0.03),
            (
                "new is better than old in AUC by 0.010 (95 % interval 0.004 to 0.020, "
                "p = 0.03 over all pairs)."
            ),
        ),
        (
            "auc",
            (-0.01, -0.02, -0.004, 0.01, 0.01),
            "old is better than new in AUC by 0.010 (95 % interval 0.004 to 0.020, p = 0.01).",
        ),
        (
            "cllr",
            (-0.1, -0.3, 0.1, 0.4, 0.4),
            (
                "No difference in Cllr is shown: new is ahead of old by 0.100 bits (95 % interval "
                "-0.100 to 0.300, p = 0.4), which the choice of speakers may bring about."
            ),
        ),
        (
            "cllr",
            (-0.2, -0.3, -0.1, 0.02, 0.06),
            (
                "new is ahead of old in Cllr by 0.200 bits (95 % interval 0.100 to 0.300, p = 0.06 "
                "over all pairs): too little to be sure of, over all that is compared."
            ),
        ),
        (
            "min_dcf",
            (0.1,),
            "old has the better minDCF, by 0.100; there are too few speakers to say how surely.",
        ),
        ("eer", (0.0, -0.1, 0.1, 1.0, 1.0), "old and new have the same EER."),
    ],
)
def test_a_difference_is_said_with_its_winner(metric, numbers, said):
    assert difference_sentence(metric, comparison(metric, *numbers)) == said


@pytest.mark.parametrize(
    ("metric", "numbers", "shown"),
    [
        ("eer", (0.0123, 0.005, 0.02, 0.1, 0.2), ("+1.23 points", "0.50 to 2.00", "0.2")),
        ("cllr", (-0.1, -0.3, 0.1, 0.0001, 0.0004), ("-0.100 bits", "-0.300 to 0.100", "< 0.001")),
        ("auc", (0.01,), ("+0.010", "", "")),
        ("min_dcf", (0.0, -0.1, 0.1, 1.0, 1.0), ("0.000", "-0.100 to 0.100", "1")),
        ("eer", (0.01, 0.0, 0.02, 0.5, None), ("+1.00 points", "0.00 to 2.00", "")),
    ],
)
def test_a_difference_in_numbers(metric, numbers, shown):
    assert format_difference(metric, Difference(*numbers)) == shown


def evaluation(**estimates):
    metrics = {name: Estimate(*numbers) for name, numbers in estimates.items()}
    return Evaluation(metrics, {}, 1234, 56789, 3, 4, 5)


SPEECH = evaluation(eer=(0.05, 0.04, 0.06), min_cllr=(0.2,), auc=(0.98, 0.97, 0.99))


@pytest.mark.parametrize(
    ("pauses", "begins", "holds"),
    [
        (
            {"eer": (0.2, 0.15, 0.25), "min_cllr": (0.6,), "auc": (0.9, 0.85, 0.95)},
            "Part of this result is the recording, not the voice.",
            (
                "an EER of 20.00 % (15.00 % to 25.00 %), where the speech has 5.00 %: they carry "
                "0.40 bits about who it is, 50 % as much as the 0.80 bits of the speech."
            ),
        ),
        (
            {"eer": (0.4, 0.35, 0.45), "min_cllr": (0.96,), "auc": (0.65, 0.6, 0.7)},
            "A small part of this result is the recording, not the voice.",
            "0.04 bits about who it is, 5 % as much as the 0.80 bits",
        ),
        (
            {"eer": (0.45, 0.4, 0.5), "min_cllr": (0.98,), "auc": (0.55, 0.5, 0.6)},
            "No cue besides the voice was found",
            "no better than chance (EER 45.00 % (40.00 % to 50.00 %); 50 % is chance).",
        ),
        # Without an interval the area itself decides.
        (
            {"eer": (0.5,), "min_cllr": (1.0,), "auc": (0.48,)},
            "No cue besides the voice was found",
            "(EER 50.00 %; 50 % is chance).",
        ),
        (
            {"eer": (0.45,), "min_cllr": (0.99,), "auc": (0.51,)},
            "A small part of this result",
            "an EER of 45.00 %, where",
        ),
    ],
)
def test_the_probe_says_how_much_is_the_room(pauses, begins, holds):
    said = probe_sentence(SPEECH, evaluation(**pauses))
    assert said.startswith(begins)
    assert holds in said


def test_the_probe_of_speech_that_tells_nothing_has_no_share():
    useless = evaluation(eer=(0.5,), min_cllr=(1.0,), auc=(0.5,))
    pauses = evaluation(eer=(0.2,), min_cllr=(0.6,), auc=(0.9,))
    assert "they carry 0.40 bits about who it is. The room" in probe_sentence(useless, pauses)


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_has_a_meaning_in_a_sentence(name):
    found = evaluation(**dict.fromkeys(METRICS, (0.1,)))
    said = meaning(name, found, CostModel(0.05))
    assert said.endswith((".", "(bits)."))
    assert said[0].isupper()


def test_meanings_hold_their_numbers():
    found = evaluation(eer=(0.125,), auc=(0.98765,), min_dcf=(0.5,))
    assert meaning("eer", found, CostModel()).endswith(
        "about one in 8 true speakers is rejected and about one in 8 strangers accepted."
    )
    assert "when 5 % of trials are targets" in meaning("min_dcf", found, CostModel(0.05))
    assert "in 98.77 of 100 draws" in meaning("auc", found, CostModel())
    none = meaning("eer", evaluation(eer=(0.0,)), CostModel())
    assert none.startswith("Every one of the 1,234 same-speaker trials scored above every")


def test_a_rate_in_words():
    assert one_in(0) == "none"
    assert one_in(0.01) == "about one in 100"
    assert one_in(0.34) == "about one in 3"
    assert one_in(0.48) == "almost one in 2"


@pytest.mark.parametrize("rate", [0.6, 0.75, 0.95, 1.0])
def test_more_than_half_is_not_almost_one_in_2(rate):
    assert "second" not in one_in(rate)


@pytest.mark.parametrize(
    ("score", "shown"),
    [
        (0.0, "0.0000"),
        (1.42736, "1.4274"),
        (-123456.5, "-123456.5000"),
        (0.0123456, "0.0123"),
        (-0.000123456789, "-0.000123457"),
        (6.2e300, "6.2e+300"),
        (float("inf"), "inf"),
    ],
)
def test_scores_of_any_size_are_shown_in_digits_that_tell_them_apart(score, shown):
    assert format_score(score) == shown

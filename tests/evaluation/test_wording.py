"""Sentences of the screen and of the report that depend on settings."""

from __future__ import annotations

import pytest

from speakergmm.evaluation.wording import calibration_sentence, system_sentence


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

"""What a number means, in a sentence: for the screen and for the report."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from speakergmm.evaluation.bootstrap import Estimate
    from speakergmm.evaluation.cost import CostModel
    from speakergmm.evaluation.summary import Evaluation

LABELS = {
    "eer": "EER",
    "eer_interpolated": "EER, interpolated",
    "min_dcf": "minDCF",
    "actual_dcf": "actual DCF",
    "min_cllr": "minCllr",
    "cllr": "Cllr",
}
# No model of speech knows more than this: larger ratios say little about the world.
MOST_TIMES = 1_000_000

PERCENT = frozenset({"eer", "eer_interpolated"})


def format_value(name: str, value: float | None) -> str:
    """Format a metric's value: rates in percent, costs and bits as they are."""
    if value is None:
        return ""
    if not math.isfinite(value):
        return "infinite"
    return f"{100 * value:.2f} %" if name in PERCENT else f"{value:.3f}"


def format_interval(name: str, estimate: Estimate) -> str:
    """Format a metric's interval, or nothing where there is none."""
    if estimate.low is None or estimate.high is None:
        return ""
    return f"{format_value(name, estimate.low)} to {format_value(name, estimate.high)}"


def one_in(rate: float) -> str:
    """Say a rate as "one in so many"."""
    if rate <= 0:
        return "none"
    return f"about one in {1 / rate:.0f}" if rate < 0.4 else "almost every second"


def meaning(name: str, evaluation: Evaluation, cost: CostModel) -> str:
    """Say in one sentence how to read a metric's value."""
    value = evaluation.metrics[name].value
    if name == "eer" and value == 0:
        return (
            f"Every one of the {evaluation.n_target:,} same-speaker trials scored above every "
            "different-speaker trial: too few or too easy trials to measure an error rate."
        )
    sentences = {
        "eer": (
            "At the threshold where both errors are equally frequent, "
            f"{one_in(value)} true speakers is rejected and {one_in(value)} strangers accepted."
        ),
        "eer_interpolated": (
            "The same by straight lines between neighboring thresholds, as most papers report it."
        ),
        "min_dcf": (
            f"Cost of the best threshold when {100 * cost.p_target:g} % of trials are targets; "
            "0 is perfect, 1 is no better than deciding without listening."
        ),
        "actual_dcf": (
            "The same cost at the threshold that the calibrated ratios imply; its distance to "
            "minDCF is what calibration loses."
        ),
        "min_cllr": "Information lost if the scores were calibrated ideally: 0 none, 1 all (bits).",
        "cllr": "Information lost with the calibration as it is; above 1 it misleads (bits).",
    }
    return sentences[name]


def ratio_sentence(llr: float) -> str:
    """Say what the log-likelihood ratio of one trial means."""
    if llr == 0:
        return "Such a score speaks for neither the claimed speaker nor a stranger."
    likelier, other = "the claimed speaker", "a stranger"
    if llr < 0:
        likelier, other = other, likelier
    times = math.exp(min(abs(llr), math.log(MOST_TIMES)))
    shown = f"{times:,.2g}" if times < 10 else f"{times:,.0f}"
    more = "more than " if abs(llr) > math.log(MOST_TIMES) else "about "
    return f"Such a score is {more}{shown} times as likely from {likelier} as from {other}."


def system_sentence(settings: Mapping[str, Mapping[str, Any]]) -> str:
    """Say what made the scores, by the settings of a recipe."""
    scoring, normalization = (settings.get(t, {}) for t in ("scoring", "score_normalization"))
    score = "mean log-likelihood ratio per frame"
    if scoring.get("scorer") == "linear":
        score = "first-order approximation of the log-likelihood ratio, per frame"
    elif scoring.get("top_c"):
        score += f", over the {scoring['top_c']} best components of each"
    method = normalization.get("method", "none")
    if method != "none":
        score += f"; {method}-normalized by a cohort of background speakers"
    return (
        "Gaussian mixture model with universal background model, speakers by MAP adaptation, "
        f"score: {score}."
    )


def calibration_sentence(calibration: Mapping[str, Any]) -> str:
    """Say where the log-likelihood ratios come from, or why there are none."""
    warnings = "".join(f" Note: {warning}." for warning in calibration.get("warnings", ()))
    if "unavailable" in calibration:
        return f"Scores are not calibrated: {calibration['unavailable']}.{warnings}"
    terms = calibration.get("side", ())
    depends = f", both depending on {', '.join(t['name'] for t in terms)}" if terms else ""
    return (
        f"Log-likelihood ratios are {calibration['scale']:.3g} times the score, "
        f"{calibration['offset']:+.3g}{depends}, fitted on {calibration['fitted_on']}; that "
        f"split's own actual DCF and Cllr are therefore optimistic.{warnings}"
    )

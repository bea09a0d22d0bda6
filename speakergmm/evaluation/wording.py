"""What a number means, in a sentence: for the screen and for the report."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from speakergmm.evaluation.bootstrap import Estimate
    from speakergmm.evaluation.comparison import Comparison, Difference
    from speakergmm.evaluation.cost import CostModel
    from speakergmm.evaluation.summary import Evaluation

LABELS = {
    "eer": "EER",
    "eer_interpolated": "EER, interpolated",
    "auc": "AUC",
    "min_dcf": "minDCF",
    "actual_dcf": "actual DCF",
    "min_cllr": "minCllr",
    "cllr": "Cllr",
    "calibration_loss": "calibration loss",
}
# No model of speech knows more than this: larger ratios say little about the world.
MOST_TIMES = 1_000_000

# From this EER on, what pauses tell is of little use.
WEAK_CUE = 0.3
ADVICE = (
    "The room and the microphone of a speaker are the same in enrollment and test here; where they "
    "change, expect more errors."
)
WEAK_ADVICE = "It may be the room, or weak sounds of speech that were thrown away with the pauses."

PERCENT = frozenset({"eer", "eer_interpolated"})
BITS = frozenset({"min_cllr", "cllr", "calibration_loss"})
HIGHER_IS_BETTER = frozenset({"auc"})


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
    if rate < 0.4:
        return f"about one in {1 / rate:.0f}"
    return "almost one in 2" if rate < 0.5 else f"about {10 * rate:.0f} of 10"


def meaning(name: str, evaluation: Evaluation, cost: CostModel) -> str:
    """Say in one sentence how to read a metric's value."""
    value = evaluation.metrics[name].value
    if name == "eer" and value == 0:
        n = evaluation.n_target
        which = f"Every one of the {n:,} same-speaker trials" if n > 1 else "The same-speaker trial"
        return (
            f"{which} scored above every different-speaker trial: too few or too easy trials to "
            "measure an error rate."
        )
    sentences = {
        "eer": (
            "At the threshold where both errors are equally frequent, "
            f"{one_in(value)} true speakers {'is' if value < 0.5 else 'are'} rejected and "
            f"{one_in(value)} strangers accepted."
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
        "calibration_loss": (
            "What a better calibration would save: Cllr less minCllr; near 0 the ratios mean what "
            "they say (bits)."
        ),
        "auc": (
            f"Of a same-speaker and a different-speaker trial, the former scores higher in "
            f"{100 * value:.4g} of 100 draws; 0.5 is chance, 1 perfect."
        ),
    }
    return sentences[name]


def difference_sentence(metric: str, comparison: Comparison) -> str:
    """Say which of two systems is better by a metric, by how much, and how surely."""
    difference = comparison.differences[metric]
    value, label = difference.value, LABELS[metric]
    better_is_less = metric not in HIGHER_IS_BETTER
    winner, loser = (
        (comparison.second, comparison.first)
        if (value < 0) == better_is_less
        else (comparison.first, comparison.second)
    )
    if value == 0:
        return f"{comparison.first} and {comparison.second} have the same {label}."
    by = _amount(metric, abs(value))
    if difference.low is None or difference.high is None or difference.p_value is None:
        return (
            f"{winner} has the better {label}, by {by}; there are too few speakers to say how "
            "surely."
        )
    sign = math.copysign(1, value)
    low, high = sorted((sign * difference.low, sign * difference.high))
    span = f"95 % interval {_amount(metric, low, unit=False)} to "
    span += _amount(metric, high, unit=False)
    p_value = _p_value(difference)
    if not difference.is_significant and low > 0:
        return (
            f"{winner} is ahead of {loser} in {label} by {by} ({span}, {p_value}): too little to "
            "be sure of, over all that is compared."
        )
    if not difference.is_significant:
        return (
            f"No difference in {label} is shown: {winner} is ahead of {loser} by {by} ({span}, "
            f"{p_value}), which the choice of speakers may bring about."
        )
    return f"{winner} is better than {loser} in {label} by {by} ({span}, {p_value})."


def format_difference(metric: str, difference: Difference) -> tuple[str, str, str]:
    """Format a difference, its interval and its p-value; empty where there is none."""
    value = f"{'+' if difference.value > 0 else ''}{_amount(metric, difference.value)}"
    if difference.low is None or difference.high is None or difference.p_value is None:
        return value, "", ""
    low, high = (_amount(metric, end, unit=False) for end in (difference.low, difference.high))
    p_value = difference.adjusted_p_value
    shown = "" if p_value is None else "< 0.001" if p_value < 0.001 else f"{p_value:.2g}"
    return value, f"{low} to {high}", shown


def _amount(metric: str, value: float, *, unit: bool = True) -> str:
    """Format a difference: of rates in percentage points."""
    if metric in PERCENT:
        return f"{100 * value:.2f}{' points' if unit else ''}"
    return f"{value:.3f}{' bits' if unit and metric in BITS else ''}"


def _p_value(difference: Difference) -> str:
    value = difference.adjusted_p_value
    if value is None:
        return ""
    shown = "p < 0.001" if value < 0.001 else f"p = {value:.2g}"
    is_adjusted = difference.p_value is not None and value > difference.p_value
    return f"{shown}{' over all pairs' if is_adjusted else ''}"


def probe_sentence(speech: Evaluation, pauses: Evaluation) -> str:
    """Say how much of a result is the recording, by what the frames without speech tell."""
    rate, area = pauses.metrics["eer"], pauses.metrics["auc"]
    interval = format_interval("eer", rate)
    shown = f"{format_value('eer', rate.value)}{f' ({interval})' if interval else ''}"
    is_chance = area.value <= 0.5 if area.low is None else area.low <= 0.5
    if is_chance:
        return (
            "No cue besides the voice was found: the frames that voice activity detection threw "
            f"away tell the speakers apart no better than chance (EER {shown}; 50 % is chance)."
        )
    bits, all_bits = (1 - evaluation.metrics["min_cllr"].value for evaluation in (pauses, speech))
    share = ""
    if all_bits > 0:
        share = f", {100 * bits / all_bits:.0f} % as much as the {all_bits:.2f} bits of the speech"
    carried = f"{bits:.2f} bits about who it is{share}"
    own = format_value("eer", speech.metrics["eer"].value)
    is_weak = rate.value > WEAK_CUE
    return (
        f"{'A small part' if is_weak else 'Part'} of this result is the recording, not the voice. "
        "The frames that voice activity detection threw away, in which nobody speaks, tell the "
        f"speakers apart by themselves with an EER of {shown}, where the speech has {own}: they "
        f"carry {carried}. {WEAK_ADVICE if is_weak else ADVICE}"
    )


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

"""What a number means, in a sentence: for the screen and for the report."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from speakergmm.evaluation.trial_words import SPEAKERS
from speakergmm.features import FrontEndConfig

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from speakergmm.evaluation.comparison import Comparison, Difference
    from speakergmm.evaluation.cost import CostModel
    from speakergmm.evaluation.draws import Estimate
    from speakergmm.evaluation.summary import Evaluation
    from speakergmm.evaluation.trial_words import TrialWords
    from speakergmm.verification.explanation_values import Explanation, SecondLeftOut

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

MINUS = "\N{MINUS SIGN}"

# From this EER on, what pauses tell is of little use.
WEAK_CUE = 0.3
WEAK_ADVICE = "It may be the room, or weak sounds of speech that were thrown away with the pauses."

# What evidence is and is not, a paragraph each.
READING = (
    (
        "The models know the spectra of single frames: the sound of a voice and of what it was "
        "recorded with. They know no words, no meaning, no melody and no rhythm. Evidence is what "
        "the models saw, not why: what speaks against a speaker may be another voice, but also a "
        "sound that was not enrolled, a noise, or another microphone."
    ),
    (
        "Neighboring frames are much alike, so stretches are not independent witnesses. What a "
        "second adds says how much the answer hangs on it, not what else could have been said in "
        "it."
    ),
    (
        "A component is one of the Gaussians of the models: a kind of sound. Each frame's evidence "
        "is shared among the components that it belongs to. Where the enrollment had few frames "
        "for a component, the speaker's model stays near the background and says little there."
    ),
)

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


def format_score(score: float) -> str:
    """Format a score, which may be of any size: four decimals, or six digits where that is more."""
    is_ordinary = score == 0 or 0.01 <= abs(score) < 1e6
    return f"{score:.4f}" if is_ordinary else f"{score:.6g}"


def one_in(rate: float) -> str:
    """Say a rate as "one in so many"."""
    if rate <= 0:
        return "none"
    if rate < 0.4:
        return f"about one in {1 / rate:.0f}"
    return "almost one in 2" if rate < 0.5 else f"about {10 * rate:.0f} of 10"


def meaning(
    name: str, evaluation: Evaluation, cost: CostModel, *, words: TrialWords = SPEAKERS
) -> str:
    """Say in one sentence how to read a metric's value."""
    value = evaluation.metrics[name].value
    if name == "eer" and value == 0:
        n = evaluation.n_target
        which = f"Every one of the {n:,} {words.trials[0]}" if n > 1 else f"The {words.trial[0]}"
        return (
            f"{which} scored above every {words.trial[1]}: too few or too easy trials to measure "
            "an error rate."
        )
    sentences = {
        "eer": (
            "At the threshold where both errors are equally frequent, "
            f"{rejected_share(value, words)} and {one_in(value)} {words.also} accepted."
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
            f"Of {words.either}, the former scores higher in {100 * value:.4g} of 100 draws; 0.5 "
            "is chance, 1 perfect."
        ),
    }
    return sentences[name]


def rejected_share(p_miss: float, words: TrialWords) -> str:
    """Say how many target trials are rejected, without a full stop."""
    return f"{one_in(p_miss)} {words.many[0]} {'is' if p_miss < 0.5 else 'are'} rejected"


def rate_sentence(p_fa: float, p_miss: float, *, words: TrialWords = SPEAKERS) -> str:
    """Say what is missed where no more than a share of false alarms may be."""
    if not p_miss:
        return (
            f"No {words.one[0]} need be rejected to keep out all but {100 * p_fa:g} % of "
            f"{words.many[1]}."
        )
    return (
        f"When no more than {100 * p_fa:g} % of {words.many[1]} may be accepted, "
        f"{rejected_share(p_miss, words)}."
    )


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


def probe_sentence(speech: Evaluation, pauses: Evaluation, *, words: TrialWords = SPEAKERS) -> str:
    """Say how much of a result is not in the speech, by what the frames without speech tell."""
    rate, area = pauses.metrics["eer"], pauses.metrics["auc"]
    interval = format_interval("eer", rate)
    shown = f"{format_value('eer', rate.value)}{f' ({interval})' if interval else ''}"
    is_chance = area.value <= 0.5 if area.low is None else area.low <= 0.5
    if is_chance:
        return (
            f"{words.no_cue}: the frames that voice activity detection threw away tell "
            f"{words.both} apart no better than chance (EER {shown}; 50 % is chance)."
        )
    bits, all_bits = (1 - evaluation.metrics["min_cllr"].value for evaluation in (pauses, speech))
    share = ""
    if all_bits > 0:
        share = f", {100 * bits / all_bits:.0f} % as much as the {all_bits:.2f} bits of the speech"
    carried = f"{bits:.2f} bits about {words.known}{share}"
    own = format_value("eer", speech.metrics["eer"].value)
    is_weak = rate.value > WEAK_CUE
    cue, known = words.cue
    return (
        f"{'A small part' if is_weak else 'Part'} of this result {cue}. "
        f"The frames that voice activity detection threw away{known} tell "
        f"{words.both} apart by themselves with an EER of {shown}, where the speech has {own}: "
        f"they carry {carried}. {WEAK_ADVICE if is_weak else words.advice}"
    )


def ratio_sentence(llr: float) -> str:
    """Say what the log-likelihood ratio of one trial means."""
    if llr == 0:
        return "Such a score speaks for neither the claimed speaker nor a stranger."
    likelier, other = "the claimed speaker", "a stranger"
    if llr < 0:
        likelier, other = other, likelier
    times = math.exp(min(abs(llr), math.log(MOST_TIMES)))
    # No ratio is known to more than two digits.
    shown = f"{times:.2g}" if times < 100 else f"{float(f'{times:.2g}'):,.0f}"
    more = "more than " if abs(llr) > math.log(MOST_TIMES) else "about "
    return f"Such a score is {more}{shown} times as likely from {likelier} as from {other}."


def signed(value: float) -> str:
    """Write what is added to something in three digits, always with its sign."""
    return f"{value:+.3g}".replace("-", MINUS)


def told_apart(value: float, other: float) -> tuple[str, str]:
    """Write two numbers in three digits, or in as many as tell them apart."""
    for digits in range(3, 18):
        shown, against = (f"{v:.{digits}g}".replace("-", MINUS) for v in (value, other))
        if shown != against or value == other:
            break
    return shown, against


def seconds_span(start_s: float, end_s: float) -> str:
    """Say from where to where in a recording, as players show it from a minute on."""
    if end_s < 60:
        return f"{start_s:.2f} to {end_s:.2f} s"
    return f"{_clock(start_s)} to {_clock(end_s)}"


def _clock(seconds: float) -> str:
    hundredths = round(100 * seconds)
    return f"{hundredths // 6000}:{hundredths % 6000 // 100:02d}.{hundredths % 100:02d}"


def decision_sentence(explanation: Explanation, speaker: str) -> str:
    """Say what was decided about a recording, and by which numbers."""
    answer, threshold = told_apart(explanation.answer, explanation.threshold)
    unit = " nats" if explanation.is_calibrated else ""
    what = "log-likelihood ratio" if explanation.is_calibrated else "score"
    if explanation.accepted:
        decided, side = f"Accepted: the recording was taken for {speaker}", "reaches"
    else:
        decided, side = f"Rejected: the recording was not taken for {speaker}", "is below"
    return f"{decided}. The {what} {answer}{unit} {side} the threshold {threshold}{unit}."


def explanation_sentences(explanation: Explanation, speaker: str) -> tuple[str, ...]:
    """Say what was decided about a recording, what the number means, and what it rests on."""
    number = "It is not calibrated, so it says nothing but on which side of the threshold it is."
    if explanation.is_calibrated:
        number = ratio_sentence(explanation.answer)
    return (
        decision_sentence(explanation, speaker),
        number,
        seconds_sentence(explanation),
    )


def seconds_sentence(explanation: Explanation) -> str:
    """Say whether a decision hangs on a single piece of the recording."""
    seconds = [s for s in explanation.seconds if math.isfinite(s.answer_without)]
    if not seconds:
        return "There is too little speech to leave a piece out."
    most = nearest_to_other(seconds, is_accepted=explanation.accepted)
    without, answer = told_apart(most.answer_without, explanation.answer)
    where = seconds_span(most.start_s, most.end_s)
    said = f"Without {where} it would be {without} instead of {answer}"
    n_deciding = sum(s.accepted_without != explanation.accepted for s in seconds)
    if n_deciding == 0:
        return f"{said}; no single piece changes the decision."
    if n_deciding == 1:
        return f"{said}, and the decision would be the other: it hangs on this piece."
    return (
        f"{said}, and the decision would be the other: it hangs on single pieces, on each of "
        f"{n_deciding:,}."
    )


def nearest_to_other(seconds: Iterable[SecondLeftOut], *, is_accepted: bool) -> SecondLeftOut:
    """Give the second without which the answer is nearest to the other decision, or deepest in."""
    choose = min if is_accepted else max
    return choose(seconds, key=lambda second: second.answer_without)


def reading_sentences(explanation: Explanation) -> tuple[str, ...]:
    """Say how to read an explanation, and what it cannot tell: a paragraph each."""
    scale = ", brought to the scale of log-likelihood ratios" if explanation.is_calibrated else ""
    frames = (
        f"Speech is cut into frames, {1000 * explanation.hop_s:.3g} ms apart. The evidence of a "
        "frame is how much likelier its spectrum is under the speaker's model than under the "
        f"background model of many speakers, as a logarithm{scale}. The answer is the mean of all "
        "frames: 0 speaks for neither."
    )
    return frames, *READING


def system_sentence(
    settings: Mapping[str, Mapping[str, Any]], *, words: TrialWords = SPEAKERS
) -> str:
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
    if not settings.get("classes", {}).get("column"):
        return f"{words.models}, score: {score}."
    return (
        f"{words.models}, of {settings['ubm']['n_components']:,} components each, on "
        f"frames of {FrontEndConfig(**settings['front_end']).label}; score: {score}."
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

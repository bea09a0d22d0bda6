"""What a threshold does: its error rates with their intervals, and whether the trials tell them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from speakergmm.config import check_range
from speakergmm.corpora import trial_speakers
from speakergmm.errors import ScoreError
from speakergmm.evaluation.bootstrap import resampled_rates
from speakergmm.evaluation.draws import Draws, Estimate
from speakergmm.evaluation.roc import check_scores
from speakergmm.evaluation.trial_words import SPEAKERS

if TYPE_CHECKING:
    from speakergmm.corpora import Scores
    from speakergmm.evaluation.trial_words import TrialWords

# Errors that must be seen before a rate is known within 30 % with a confidence of 90 %: the rule of
# 30 (Doddington, Przybocki, Martin & Reynolds 2000). Of no error in n trials, 3 / n is the rate
# that is ruled out with a confidence of 95 %.
RULE_OF_30, RULE_OF_3 = 30, 3

# Rates nearer to 0 or 1 are nobody's goal, and ratios beyond this (one in 10^13) nobody's data.
SMALLEST, MOST_EXTREME = 1e-9, 30.0


@dataclass(frozen=True, slots=True)
class Decision:
    """Accepting from a log-likelihood ratio on, and what comes of it.

    ``p_miss`` is the share of true speakers rejected, ``p_fa`` that of strangers accepted, each
    with its interval where there are speakers enough; ``n_miss`` and ``n_fa`` count them among the
    ``n_target`` and ``n_nontarget`` trials.
    """

    threshold: float
    p_miss: Estimate
    p_fa: Estimate
    n_miss: int
    n_fa: int
    n_target: int
    n_nontarget: int


def decide(scores: Scores, threshold: float, *, n_resamples: int = 1000, rng: int = 0) -> Decision:
    """Apply a threshold to log-likelihood ratios, and count the errors.

    Intervals are by bootstrap over speakers, as for every other rate. Where no error was seen, or
    nothing but errors, the interval's other end is what the rule of three allows, as if trials were
    independent: the bootstrap cannot draw what is not there.

    Raises
    ------
    ScoreError
        When the scores are not calibrated, or there are no trials of one kind.
    """
    if scores.llr is None:
        raise ScoreError("scores are not calibrated; a threshold needs log-likelihood ratios")
    is_target = scores.trials.is_target
    check_scores(scores.llr[is_target], scores.llr[~is_target])
    accepted = scores.llr >= threshold
    wrong = accepted != is_target
    n_target = int(is_target.sum())
    n_nontarget = len(is_target) - n_target
    n_miss, n_fa = int(wrong[is_target].sum()), int(wrong[~is_target].sum())
    miss, fa = resampled_rates(scores.trials, wrong, n_resamples, rng)
    return Decision(
        threshold,
        _estimate(miss, n_target),
        _estimate(fa, n_nontarget),
        n_miss,
        n_fa,
        n_target,
        n_nontarget,
    )


def threshold_for(scores: Scores, p_fa: float, *, words: TrialWords = SPEAKERS) -> float:
    """Find the lowest log-likelihood ratio that accepts no more than ``p_fa`` of the strangers.

    Raises
    ------
    ScoreError
        When there are too few nontarget trials to know such a rate, with what is there and what is
        needed, in ``words`` for what the trials ask.
    """
    if scores.llr is None:
        raise ScoreError("scores are not calibrated; a threshold needs log-likelihood ratios")
    check_range("p_fa", p_fa, SMALLEST, 1 - SMALLEST)
    strangers = np.sort(scores.llr[~scores.trials.is_target])
    wanted = math.ceil(RULE_OF_30 / p_fa)
    if len(strangers) < wanted:
        lowest = RULE_OF_30 / max(1, len(strangers))
        possible = f", or ask for {_rounded_up(100 * lowest):g} % or more" if lowest < 0.5 else ""
        raise ScoreError(
            f"not enough data for a false-accept rate of {100 * p_fa:g} %: have "
            f"{len(strangers):,} {words.trials[1]}, need about {wanted:,} "
            f"({RULE_OF_30} errors, to know the rate within a third); {_advice(scores, wanted)}"
            f"{possible}"
        )
    n_allowed = math.floor(p_fa * len(strangers))
    # The product may be a digit less than the whole number that it stands for.
    n_allowed += (n_allowed + 1) / len(strangers) <= p_fa
    highest = strangers[len(strangers) - n_allowed - 1]
    if highest == np.inf:
        n = int(np.isposinf(strangers).sum())
        lowest = _rounded_up(100 * n / len(strangers))
        raise ScoreError(
            f"{n:,} of {len(strangers):,} {words.trials[1]} have an infinite ratio, which "
            f"no threshold rejects; ask for a false-accept rate of {lowest:g} % or more, or "
            "correct the scores"
        )
    # Just above the highest stranger who must be rejected.
    return float(np.nextafter(highest, np.inf))


def check_support(
    scores: Scores, threshold: float, *, words: TrialWords = SPEAKERS
) -> tuple[str, ...]:
    """Tell whether the trials say anything about decisions at a threshold.

    Of calibrated ratios, at most e^-θ of the strangers reach θ, and at most e^θ of the true
    speakers stay below it (Royall 2000: the universal bound). Where even that share of the trials
    is less than one, a threshold so extreme rests on nothing but the shape of the calibration.

    Returns
    -------
    tuple of str
        A line where there are trials enough to see such an error, but not the 30 that tell its
        rate.

    Raises
    ------
    ScoreError
        When there are too few trials, with what is there and what is needed, in ``words`` for what
        the trials ask.
    """
    of_target = threshold <= 0
    n_trials = int((scores.trials.is_target == of_target).sum())
    kind = words.trials[0 if of_target else 1]
    seldom = math.exp(min(abs(threshold), MOST_EXTREME))
    wanted = math.ceil(RULE_OF_30 * seldom)
    have = (
        f"have {n_trials:,} {kind}, need about {wanted:,} ({RULE_OF_30} errors of a kind that "
        f"happens once in {seldom:,.0f} trials or less); "
        f"{_advice(scores, wanted, of_target=of_target)}"
    )
    if n_trials < seldom:
        raise ScoreError(
            f"not enough data for a threshold at the log-likelihood ratio {threshold:.2f}: {have}, "
            "or choose a less extreme cost"
        )
    if n_trials < wanted:
        return (f"the error rates at this threshold are uncertain: {have}",)
    return ()


def _advice(scores: Scores, wanted: int, *, of_target: bool = False) -> str:
    """Say how many speakers would give so many trials of a kind."""
    n_trials = int((scores.trials.is_target == of_target).sum())
    model_speaker, _, n_speakers = trial_speakers(scores.trials)
    growth = wanted / max(1, n_trials)
    # Pairs of speakers grow with the square of their number; tests with a class, as they do.
    are_pairs = not of_target and bool((model_speaker < n_speakers).any())
    needed = math.ceil(n_speakers * (math.sqrt(growth) if are_pairs else growth))
    return (
        f"add speakers (about {needed:,} with as many recordings each, instead of {n_speakers:,})"
    )


def _rounded_up(value: float) -> float:
    """Round to two digits, never to less."""
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    return math.ceil(value / unit - 1e-9) * unit


def _estimate(draws: Draws, n_trials: int) -> Estimate:
    found, rate = draws.estimate(highest=1.0), draws.observed
    if len(draws.drawn) == 0:
        return found
    low, high = found.low or 0.0, found.high or 0.0
    if rate == 0:
        high = min(1.0, RULE_OF_3 / n_trials)
    if rate == 1:
        low = max(0.0, 1.0 - RULE_OF_3 / n_trials)
    return Estimate(rate, low, high)

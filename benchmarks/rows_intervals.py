"""The row of intervals: how often they hold the truth, and how long they and the metrics take."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from measure import Line, against_bar
from scipy.special import ndtr

from speakergmm import CostModel, eer
from speakergmm.corpora import Scores, Trials
from speakergmm.evaluation import EvaluationConfig, evaluate_scores
from speakergmm.evaluation.bootstrap import bootstrap
from speakergmm.evaluation.detection import diagonal_crossing, min_cllr_of_groups
from speakergmm.evaluation.roc import hull_groups, rates

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from work import Work

N_SPEAKERS, TESTS_EACH, N_RESAMPLES = 40, 6, 1000
COST = CostModel(0.05)

# What the promised 95 % may be missed by, in points.
PROMISED, BAR_POINTS = 95.0, 3.0

# Resamples of trials one by one are slow, and miss by so much that few evaluations tell.
NAIVE_EVALUATIONS, NAIVE_RESAMPLES = 100, 200

# Trials, utterances and seconds: as many as VoxCeleb1-O has, and as in the row of evidence.
VOXCELEB_TRIALS, VOXCELEB_UTTERANCES, VOXCELEB_BAR_S = 37_720, 4_708, 10.0
MANY_MODELS, MANY_BAR_S = 1000, 6.0


@dataclass(frozen=True)
class Population:
    """Normal scores with effects of the speakers: how far apart, and their standard deviations.

    A target scores ``gap``, plus what its speaker adds; a nontarget what the model's speaker and
    the test's speaker add; and both some noise of their own.
    """

    gap: float
    of_target: float = 0.8
    of_model: float = 0.5
    of_test: float = 0.5
    of_trial: float = 1.0

    @property
    def spreads(self) -> tuple[float, float]:
        """Standard deviations of all target and of all nontarget scores."""
        target = np.hypot(self.of_target, self.of_trial)
        return float(target), float(np.hypot(np.hypot(self.of_model, self.of_test), self.of_trial))

    def eer(self) -> float:
        """Give the rate at the threshold as many deviations from one mean as from the other."""
        return float(ndtr(-self.gap / sum(self.spreads)))

    def truth(self) -> dict[str, float]:
        """Metrics of infinitely many trials: those of the scores' distributions in fine steps."""
        spread_target, spread_nontarget = self.spreads
        steps = np.linspace(-8 * spread_nontarget, self.gap + 8 * spread_target, 200_001)
        n_target = np.diff(ndtr((steps - self.gap) / spread_target))
        n_nontarget = np.diff(ndtr(steps / spread_nontarget))
        is_likely = n_target + n_nontarget > 0
        groups = hull_groups(n_target[is_likely], n_nontarget[is_likely])
        p_miss, p_fa = rates(*groups)
        return {
            "eer": diagonal_crossing(p_miss, p_fa),
            "min_dcf:0": float(COST.dcf(p_miss, p_fa).min()),
            "min_cllr": min_cllr_of_groups(*groups),
        }

    def draw(self, rng: np.random.Generator) -> Scores:
        """Give an evaluation of new speakers."""
        trials = full_trials()
        model, test = trials.model_index, trials.test_index // TESTS_EACH
        target, of_model, of_test = rng.normal(size=(3, N_SPEAKERS))
        nontarget = self.of_model * of_model[model] + self.of_test * of_test[test]
        speakers = np.where(trials.is_target, self.gap + self.of_target * target[model], nontarget)
        return Scores(trials, speakers + self.of_trial * rng.normal(size=len(trials)))


# EERs of about 10, 6 and 3 %.
POPULATIONS = (Population(3.2), Population(4.0), Population(4.8))


@cache
def full_trials() -> Trials:
    """Every speaker's model against six tests of every speaker."""
    tests = np.arange(N_SPEAKERS * TESTS_EACH)
    model, test = np.indices((N_SPEAKERS, len(tests)), dtype=np.int32).reshape(2, -1)
    names = tuple(map(str, range(N_SPEAKERS))), tuple(map(str, tests))
    return Trials(*names, model, test, test // TESTS_EACH == model)


def intervals(work: Work) -> list[Line]:
    """Coverage of the intervals of known metrics; seconds of many resamples, of many trials."""
    lines = []
    for population in POPULATIONS:
        lines += coverage(population, work.size.evaluations)
    return [*lines, voxceleb_size(), every_metric(work.size.trials)]


def coverage(population: Population, n_evaluations: int) -> list[Line]:
    """Count the intervals that hold the population's metric, and those of two naive ways."""
    truth = population.truth()
    # Two ways to what is known: the steps are fine enough.
    if abs(truth["eer"] - population.eer()) > 1e-6:
        raise RuntimeError(f"the known EER is {population.eer()} or {truth['eer']}")
    held = dict.fromkeys(truth, 0)
    widths, naive = [], {"Wilson over target trials": [], "bootstrap over trials": []}
    n_target = int(full_trials().is_target.sum())
    for seed in range(n_evaluations):
        rng = np.random.default_rng([seed, 7])
        scores = population.draw(rng)
        draws = bootstrap(scores, [COST], N_RESAMPLES, rng)
        found = {name: draws[name].estimate(highest=1.0) for name in truth}
        for name, estimate in found.items():
            held[name] += estimate.low <= truth[name] <= estimate.high
        widths.append(found["eer"].high - found["eer"].low)
        wilson, by_trial = naive.values()
        wilson.append(wilson_interval(found["eer"].value, n_target))
        if seed < NAIVE_EVALUATIONS:
            by_trial.append(trial_interval(scores, rng))
    percent = f"{100 * truth['eer']:.1f} %"
    covered = {name: 100 * n / n_evaluations for name, n in held.items()}
    note = (
        f"covered {covered['eer']:.1f} % of {n_evaluations}, mean width "
        f"{100 * np.mean(widths):.1f} points; minDCF {covered['min_dcf:0']:.1f} %, minCllr "
        f"{covered['min_cllr']:.1f} %"
    )
    what = f"|coverage - {PROMISED:g} %|, known EER {percent}"
    lines = [against_bar(what, abs(covered["eer"] - PROMISED), BAR_POINTS, "points", note)]
    for way, found_intervals in naive.items():
        low, high = np.array(found_intervals).T
        share = 100 * float(np.mean((low <= truth["eer"]) & (truth["eer"] <= high)))
        lines.append(
            Line(
                what=f"coverage, known EER {percent}",
                value=covered["eer"],
                against=f"{way}, of {len(low)}",
                against_value=share,
                ratio=covered["eer"] / share if share else None,
                unit="%",
                note=f"the naive interval has a mean width of {100 * np.mean(high - low):.1f}",
            )
        )
    return lines


def wilson_interval(rate: float, n: int) -> tuple[float, float]:
    """95 % interval of a share of n independent trials (Wilson 1927)."""
    z = 1.96
    middle = rate + z * z / (2 * n)
    reach = z * np.sqrt(rate * (1 - rate) / n + (z / (2 * n)) ** 2)
    return (middle - reach) / (1 + z * z / n), (middle + reach) / (1 + z * z / n)


def trial_interval(scores: Scores, rng: np.random.Generator) -> NDArray[np.float64]:
    """Percentiles of the EER over resamples of the trials, as if these were independent."""
    sides = scores.target(), scores.nontarget()
    drawn = [
        eer(*(side[rng.integers(len(side), size=len(side))] for side in sides))
        for _ in range(NAIVE_RESAMPLES)
    ]
    return np.quantile(drawn, [0.025, 0.975])


def voxceleb_size() -> Line:
    """Every metric with its interval, of a list as large as VoxCeleb1-O."""
    rng = np.random.default_rng(0)
    speaker = np.arange(VOXCELEB_UTTERANCES) % N_SPEAKERS
    n_half = VOXCELEB_TRIALS // 2
    model = rng.integers(VOXCELEB_UTTERANCES, size=VOXCELEB_TRIALS)
    # Another utterance of the same speaker, or one of another speaker.
    per_speaker = VOXCELEB_UTTERANCES // N_SPEAKERS
    away = N_SPEAKERS * rng.integers(1, per_speaker, size=VOXCELEB_TRIALS)
    away[n_half:] += rng.integers(1, N_SPEAKERS, size=n_half)
    test = (model + away) % (per_speaker * N_SPEAKERS)
    names = tuple(map(str, range(VOXCELEB_UTTERANCES)))
    is_target = speaker[model] == speaker[test]
    trials = Trials(
        names, names, model.astype(np.int32), test.astype(np.int32), is_target, speaker, speaker
    )
    score = rng.normal(size=len(trials)) + 3.0 * is_target
    scores = Scores(trials, score, 3.0 * score - 4.5)
    seconds = wall_seconds(scores, N_RESAMPLES)
    what = f"every metric with its interval, {len(trials):,} trials, {N_RESAMPLES:,} resamples"
    return against_bar(what, seconds, VOXCELEB_BAR_S, "s", f"{is_target.sum():,} targets; wall")


def every_metric(n_trials: int) -> Line:
    """Every metric without an interval, of very many trials."""
    n_tests = n_trials // MANY_MODELS
    model, test = np.indices((MANY_MODELS, n_tests), dtype=np.int32).reshape(2, -1)
    names = tuple(map(str, range(MANY_MODELS))), tuple(map(str, range(n_tests)))
    is_target = test % MANY_MODELS == model
    score = np.random.default_rng(0).normal(size=len(model)) + 3.0 * is_target
    scores = Scores(Trials(*names, model, test, is_target), score, 3.0 * score - 4.5)
    what = f"every metric without an interval, {len(model):,} trials"
    return against_bar(what, wall_seconds(scores, 0), MANY_BAR_S, "s", "wall; scores and ratios")


def wall_seconds(scores: Scores, n_resamples: int) -> float:
    began = time.perf_counter()
    evaluate_scores(scores, EvaluationConfig(n_resamples=n_resamples))
    return time.perf_counter() - began

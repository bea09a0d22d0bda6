"""Rows of verification: adaptation, scores by all and by the best components, and metrics."""

from __future__ import annotations

import sys
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from measure import Line, against_bar, alternate, compare, per_second, repeated
from workload import N_COMPONENTS, bare_operations, bare_product, draw_frames, random_mixture

from speakergmm import CostModel, DiagonalGMM, accumulate, eer, linear_score, map_adapt
from speakergmm.corpora import Scores, all_against_all
from speakergmm.evaluation.bootstrap import bootstrap as resample
from speakergmm.recipes import score_lists
from speakergmm.verification import score_trials

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from work import Work

    from speakergmm.corpora import Trials

BARE = "bare product"
N_SPEAKERS, N_TESTS = 50, 50
ENROLLMENT_FRAMES, TEST_FRAMES = 1500, 300
TOP = (5, 10)

# Seconds for the models and scores of 50 speakers and 50 tests, on a core with such a rate.
SCORING_BAR_S, BAR_GFLOPS = 0.6, 80.0


@cache
def enrollment_frames() -> list[NDArray[np.float32]]:
    ubm = random_mixture()
    return [draw_frames(ubm, ENROLLMENT_FRAMES, seed=10 + i) for i in range(N_SPEAKERS)]


@cache
def test_frames() -> dict[str, NDArray[np.float32]]:
    ubm = random_mixture()
    return {str(i): draw_frames(ubm, TEST_FRAMES, seed=100 + i) for i in range(N_TESTS)}


@cache
def speaker_models() -> list[DiagonalGMM]:
    return enroll(enrollment_frames())


def enroll(enrollments: list[NDArray[np.float32]]) -> list[DiagonalGMM]:
    ubm = random_mixture()
    return [map_adapt(ubm, accumulate(ubm, frames)) for frames in enrollments]


def every_trial(n_models: int, tests: Mapping[str, object]) -> Trials:
    return all_against_all(
        {str(i): str(i) for i in range(n_models)}, {test: test for test in tests}
    )


def map_adaptation(work: Work) -> list[Line]:
    """Statistics and adaptation of speakers against the bare product; adaptation alone."""
    ubm = random_mixture()
    enrollments = enrollment_frames()[: work.size.speakers]
    statistics = [accumulate(ubm, frames) for frames in enrollments]
    both = f"{len(enrollments)} speakers of {ENROLLMENT_FRAMES} frames"
    alone = f"map_adapt alone, {len(enrollments)} speakers"
    seconds = alternate(
        {
            both: lambda: enroll(enrollments),
            alone: lambda: [map_adapt(ubm, s) for s in statistics],
            BARE: bare_product(len(enrollments) * ENROLLMENT_FRAMES),
        },
        work.size.rounds,
    )
    note = f"{per_second(len(enrollments), seconds[both]):,.0f} models/s"
    return [compare(seconds, both, BARE, note), compare(seconds, alone, both)]


def scoring(work: Work) -> list[Line]:
    """All models on all tests, in each way, against the UBM's densities and the exact score."""
    ubm, models = random_mixture(), speaker_models()
    tests = dict(list(test_frames().items())[: work.size.tests])
    trials = every_trial(len(models), tests)

    def score(top_c: int | None) -> object:
        return score_trials(models, ubm, tests.__getitem__, trials, top_c=top_c, jobs=1)

    def score_linear() -> object:
        return linear_score(models, ubm, [accumulate(ubm, frames) for frames in tests.values()])

    exact, bare = "exact scores", "bare product (UBM)"
    ways = {exact: lambda: score(None)}
    ways |= {f"top-{c} scores": lambda c=c: score(c) for c in TOP}
    ways["linear scores, with statistics"] = score_linear
    contestants = {**ways, bare: bare_product(TEST_FRAMES * len(tests))}
    seconds = alternate(contestants, work.size.rounds)
    size = f"{len(models)} models x {len(tests)} tests of {TEST_FRAMES} frames"
    lines = []
    for way in ways:
        note = f"{size}; {per_second(len(trials), seconds[way]):,.0f} trials/s"
        lines.append(compare(seconds, way, bare, note))
    lines += [compare(seconds, way, exact) for way in ways if way != exact]
    return [*lines, *whole_way(work)]


def whole_way(work: Work) -> list[Line]:
    """From enrollment frames to scores, in seconds of a core with a given rate."""
    ubm, tests, enrollments = random_mixture(), test_frames(), enrollment_frames()
    trials = every_trial(len(enrollments), tests)

    def run(top_c: int) -> object:
        models = enroll(enrollments)
        return score_trials(models, ubm, tests.__getitem__, trials, top_c=top_c, jobs=1)

    n_frames = ENROLLMENT_FRAMES * len(enrollments) + TEST_FRAMES * len(tests)
    ways = {f"enrollment statistics + MAP + top-{c}": lambda c=c: run(c) for c in TOP}
    seconds = alternate({**ways, BARE: bare_product(n_frames)}, work.size.rounds)
    gflops = per_second(1e-9 * bare_operations(n_frames), seconds[BARE])
    return [
        against_bar(
            f"{way}, at {BAR_GFLOPS:g} GFLOP/s",
            float(np.median(seconds[way])) * gflops / BAR_GFLOPS,
            SCORING_BAR_S,
            "s",
            f"{len(trials):,} trials; measured {np.median(seconds[way]):.3f} s where the bare "
            f"product runs at {gflops:.0f} GFLOP/s",
        )
        for way in ways
    ]


def topc(work: Work) -> list[Line]:
    """Error rates of a corpus's evaluation lists by the best components against by all."""
    if work.corpus is None or not (work.corpus / "evaluation").is_dir():
        print("skipped, it needs a --corpus with evaluation lists;", end=" ", file=sys.stderr)
        return []
    exact = corpus_scores(work, None)
    exact_eer = 100 * eer(exact.target(), exact.nontarget())
    trials = exact.trials
    lines = []
    for c in TOP:
        scores = corpus_scores(work, c)
        percent = 100 * eer(scores.target(), scores.nontarget())
        largest = np.max(np.abs(scores.score - exact.score))
        lines.append(
            Line(
                what=f"EER, top-{c}, {trials.is_target.sum()} + {(~trials.is_target).sum()} trials",
                value=percent,
                against="EER, exact",
                against_value=exact_eer,
                ratio=percent / exact_eer if exact_eer else None,
                unit="%",
                note=f"{percent - exact_eer:+.3f} points; scores differ by up to {largest:.3f}, "
                f"their standard deviation is {exact.score.std():.3f}",
            )
        )
    return lines


def corpus_scores(work: Work, top_c: int | None) -> Scores:
    corpus = work.require_corpus()
    return score_lists(
        corpus / "evaluation",
        corpus / "utterances.csv",
        work.model_file(N_COMPONENTS),
        work.folder / f"scores-{top_c}.csv",
        work.settings(top_c=top_c),
        frames=work.folder / "evaluation",
    )


def bootstrap(work: Work) -> list[Line]:
    """Intervals over speakers against sorting the scores as often; `eer` against roc_curve."""
    from sklearn.metrics import roc_curve

    scores, n_resamples = random_scores(), work.size.resamples
    target, nontarget = scores.target(), scores.nontarget()
    n_calls = n_resamples // 10
    labels = scores.trials.is_target
    intervals = f"intervals, {n_resamples} resamples of {len(labels):,} trials"
    sorts = f"{n_resamples} argsorts of the scores"
    ours, theirs = f"eer(), {n_calls} times", "scikit-learn roc_curve"
    seconds = alternate(
        {
            intervals: lambda: resample(scores, [CostModel()], n_resamples, 0, jobs=1),
            sorts: repeated(n_resamples, np.argsort, scores.score),
            ours: repeated(n_calls, eer, target, nontarget),
            theirs: repeated(n_calls, roc_curve, labels, scores.score),
        },
        work.size.rounds,
    )
    resamples = per_second(n_resamples, seconds[intervals])
    return [
        compare(seconds, intervals, sorts, f"{resamples:,.0f} resamples/s, every metric"),
        compare(seconds, ours, theirs, f"{per_second(n_calls, seconds[ours]):,.0f} EER/s"),
    ]


def random_scores() -> Scores:
    """Draw normal scores of 275 target and 24,475 nontarget trials: 90 models, 275 tests."""
    models = {f"model{i}": f"speaker{i}" for i in range(90)}
    tests = {f"test{i}": f"speaker{i % 90}" for i in range(275)}
    trials = all_against_all(models, tests)
    rng = np.random.default_rng(0)
    return Scores(trials, rng.normal(size=len(trials)) + 3.0 * trials.is_target)

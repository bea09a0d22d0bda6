"""The row of evidence: score normalization and calibration of many trials."""

from __future__ import annotations

import sys
import time
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from measure import Line, against_bar, alternate, compare_speed, require_close
from rows_memory import PROCESS_STATUS, in_new_process, status_mb

from speakergmm import as_norm, fit_calibration, s_norm, zt_norm

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from work import Work

N_MODELS, N_COHORT, TOP_N = 1000, 500, 200
TARGET_SHARE = 0.01
BAR_S, BAR_MB = 20.0, 2000.0

# The same minimum, to what scikit-learn's stopping rule leaves.
SAME_RATIOS = 1e-4


def evidence(work: Work) -> list[Line]:
    """Normalize a matrix of trials in three ways and calibrate it; the fit against a peer's."""
    from sklearn.linear_model import LogisticRegression

    n_tests = work.size.trials // N_MODELS
    seconds, peak = in_new_process(normalize_and_calibrate, n_tests)
    n_trials = f"{N_MODELS * n_tests:,} trials"
    what = "zt-, s- and as-norm, calibration fitted and applied"
    lines = [against_bar(f"{n_trials}: {what}", seconds, BAR_S, "s", f"{N_COHORT} in the cohort")]
    if PROCESS_STATUS.exists():
        lines.append(
            against_bar(f"{n_trials}: peak memory", peak, BAR_MB, "MB", "all of the process")
        )
    else:
        print("memory skipped, it is read from /proc;", end=" ", file=sys.stderr)
    target, nontarget = drawn_scores(work.size.trials // 20)
    scores = np.concatenate([target, nontarget])[:, None]
    label = np.repeat([1, 0], [len(target), len(nontarget)])
    # As many in all as there are trials: the peer's stopping rule is absolute.
    weight = np.where(label, 0.5 / len(target), 0.5 / len(nontarget)) * len(label)
    peer = LogisticRegression(C=np.inf, tol=1e-8, max_iter=1000, solver="newton-cholesky")
    theirs = peer.fit(scores, label, sample_weight=weight).decision_function(scores)
    ours = fit_calibration(target, nontarget)(scores[:, 0])
    require_close("calibration", ours, theirs, SAME_RATIOS)
    what, against = f"fit_calibration, {len(label):,} trials", "sklearn LogisticRegression"
    seconds_each = alternate(
        {
            what: partial(fit_calibration, target, nontarget),
            against: lambda: peer.fit(scores, label, sample_weight=weight),
        },
        work.size.rounds,
    )
    return [*lines, compare_speed(seconds_each, what, against)]


def drawn_scores(n_trials: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rng = np.random.default_rng(0)
    n_target = round(TARGET_SHARE * n_trials)
    return rng.normal(2.5, 1.2, n_target), rng.normal(0.0, 1.0, n_trials - n_target)


def normalize_and_calibrate(n_tests: int) -> tuple[float, float]:
    """Wall seconds, and peak resident memory of this process in MB."""
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(N_MODELS, n_tests))
    is_target = rng.random(scores.shape) < TARGET_SHARE
    scores[is_target] += 2.5
    models_vs_cohort = rng.normal(size=(N_MODELS, N_COHORT))
    tests_vs_cohort = rng.normal(size=(n_tests, N_COHORT))
    cohort_vs_cohort = rng.normal(size=(N_COHORT, N_COHORT))
    began = time.perf_counter()
    zt_norm(
        scores,
        models_vs_cohort,
        tests_vs_cohort.T,
        cohort_vs_cohort,
        same_speaker=np.eye(N_COHORT, dtype=bool),
    )
    s_norm(scores, models_vs_cohort, tests_vs_cohort)
    normalized = as_norm(scores, models_vs_cohort, tests_vs_cohort, top_n=TOP_N)
    calibration = fit_calibration(normalized[is_target], normalized[~is_target])
    calibration(normalized)
    peak = status_mb("VmHWM") if PROCESS_STATUS.exists() else np.nan
    return time.perf_counter() - began, peak

"""The row of score files: from a list of many trials to all metrics, plain and compressed."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import numpy as np
from measure import Line, against_bar
from rows_memory import PROCESS_STATUS, in_new_process, status_mb

from speakergmm.corpora import Scores, Trials, read_scores, write_scores
from speakergmm.evaluation import EvaluationConfig, evaluate_scores

if TYPE_CHECKING:
    from pathlib import Path

    from work import Work

N_MODELS, N_TESTS, N_SPEAKERS = 3000, 3500, 1000
BAR_S, BAR_MB = 25.0, 2500.0


def scores(work: Work) -> list[Line]:
    """Read a score file and take all metrics of it; wall seconds, and peak memory."""
    drawn = drawn_scores(work.size.trials)
    lines = []
    for name, kind in (("scores.csv", "plain"), ("scores.csv.gz", "gzip")):
        path = work.folder / name
        began = time.perf_counter()
        write_scores(path, drawn)
        note = f"written in {time.perf_counter() - began:.1f} s"
        try:
            lines += reading_lines(path, f"{len(drawn.trials):,} trials, {kind}", note)
        finally:
            path.unlink()
    return lines


def reading_lines(path: Path, what: str, note: str) -> list[Line]:
    reading, seconds, peak = in_new_process(read_and_evaluate, path)
    note = f"read in {reading:.1f} s, {note}; {path.stat().st_size / 1e6:,.0f} MB"
    lines = [against_bar(f"{what}: from the file to all metrics", seconds, BAR_S, "s", note)]
    if PROCESS_STATUS.exists():
        whole = "all of the process"
        lines.append(against_bar(f"{what}: peak memory", peak, BAR_MB, "MB", whole))
    else:
        print("memory skipped, it is read from /proc;", end=" ", file=sys.stderr)
    return lines


def drawn_scores(n_trials: int) -> Scores:
    """Scores of every model with one test after the other, until there are enough."""
    rng = np.random.default_rng(0)
    pair = np.arange(min(n_trials, N_MODELS * N_TESTS), dtype=np.int32)
    model, test = pair // N_TESTS, pair % N_TESTS
    model_speaker, test_speaker = (rng.integers(0, N_SPEAKERS, n) for n in (N_MODELS, N_TESTS))
    is_target = model_speaker[model] == test_speaker[test]
    trials = Trials(
        tuple(f"model-{i:04d}" for i in range(N_MODELS)),
        tuple(f"test-{i:04d}" for i in range(N_TESTS)),
        model,
        test,
        is_target,
    )
    return Scores(trials, rng.normal(2.5 * is_target))


def read_and_evaluate(path: Path) -> tuple[float, float, float]:
    """Wall seconds for reading, and with all metrics; peak memory of this process in MB."""
    began = time.perf_counter()
    read = read_scores(path)
    reading = time.perf_counter() - began
    evaluate_scores(read, EvaluationConfig(n_resamples=0))
    seconds = time.perf_counter() - began
    return reading, seconds, status_mb("VmHWM") if PROCESS_STATUS.exists() else np.nan

"""Compare front ends under good and bad conditions, and write the tables of `docs/front-end.md`.

python recipes/compare_front_ends.py CORPORA_FOLDER [--only NAME ...]

The same figures go into `front_ends.csv`. What has been measured is kept, with all resamples, in
`results/front_ends.json`; --only measures some candidates anew and leaves the others. Development
figures are for choosing, evaluation figures for reporting.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from page_tables import write_tables

from speakergmm.corpora import read_scores
from speakergmm.corpora.tables import format_table
from speakergmm.evaluation.bootstrap import bootstrap
from speakergmm.features import FrontEndConfig
from speakergmm.files import write_json, write_text
from speakergmm.recipes import Condition, Experiment, load_recipe, load_settings

RECIPES = Path(__file__).parent
PAGE = RECIPES.parent / "docs" / "front-end.md"
FIGURES = RECIPES / "results" / "front_ends.json"
TABLE = RECIPES / "front_ends.csv"
CORPORA = {"speech_commands": "Speech Commands", "librispeech_excerpts": "LibriSpeech excerpts"}
CLEAN = "clean"
CONDITIONS = (
    "multisession",
    "noise:20",
    "noise:10",
    "noise:5",
    "gain:-20",
    "telephone",
    "speech:1",
    "speech:2",
    "opus:6",
)
# What a default is chosen by: channels and rooms that differ, and noise.
JUDGED_BY = ("multisession", "noise:20", "noise:10", "noise:5")

# The same for all, so that only the front end differs.
SYSTEM = {
    "ubm.n_components": "128",
    "enrollment.relevance_factor": "8",
    "evaluation.n_resamples": "0",
}
N_RESAMPLES = 200

# Settings by candidate, all of them that may differ between two. They stand here in full, so that
# another default does not change what a name means.
PLAIN: dict[str, Any] = {
    "n_mfcc": 30,
    "c0": True,
    "mel_scale": "slaney",
    "deltas": 0,
    "rasta": False,
    "noise_subtraction": 0.0,
    "vad": "energy",
    "vad_db": 30.0,
    "normalization": "none",
    "normalization_frames": "speech",
}
CMN = {"normalization": "cmn"}
ALL = {"normalization_frames": "all"}
RASTA_CMVN = {"normalization": "cmvn", "rasta": True}
WARPING = {"normalization": "warp"}
LEVEL = {"normalization": "level"}
QUIET = PLAIN | {"noise_subtraction": 2.0}
STEADY = QUIET | {"vad": "two_gaussian"}
CANDIDATES: dict[str, dict[str, Any]] = {
    "30 cepstra": PLAIN,
    "CMN": PLAIN | CMN,
    "CMN over all frames": PLAIN | CMN | ALL,
    "CMVN": PLAIN | {"normalization": "cmvn"},
    "sliding CMN, 3 s, over all frames": PLAIN | ALL | {"normalization": "sliding_cmn"},
    "warping, 3 s": PLAIN | WARPING,
    "RASTA + CMVN": PLAIN | RASTA_CMVN,
    "20 cepstra + Δ, CMN": PLAIN | CMN | {"n_mfcc": 20, "deltas": 1},
    "noise subtraction": QUIET,
    "… CMN": QUIET | CMN,
    "… CMN over all frames": QUIET | CMN | ALL,
    "… CMVN": QUIET | {"normalization": "cmvn"},
    "… warping, 3 s": QUIET | WARPING,
    "… RASTA + CMVN": QUIET | RASTA_CMVN,
    "… 25 cepstra + Δ, CMN": QUIET | CMN | {"n_mfcc": 25, "deltas": 1},
    "… VAD 40 dB": QUIET | {"vad_db": 40.0},
    "… two-Gaussian VAD": STEADY,
    "… two-Gaussian VAD, level": STEADY | LEVEL,
    "… two-Gaussian VAD, level, 20 cepstra + Δ": STEADY | LEVEL | {"n_mfcc": 20, "deltas": 1},
    "… two-Gaussian VAD, level, VAD 40 dB": STEADY | LEVEL | {"vad_db": 40.0},
    "… two-Gaussian VAD, without c0": STEADY | {"c0": False},
    "… two-Gaussian VAD, 20 cepstra + Δ": STEADY | {"n_mfcc": 20, "deltas": 1},
    "… two-Gaussian VAD, VAD 40 dB": STEADY | {"vad_db": 40.0},
    "… two-Gaussian VAD, CMN": STEADY | CMN,
    "… without VAD": QUIET | {"vad": "none"},
    "… without c0": QUIET | {"c0": False},
    "… LFCC": QUIET | {"mel_scale": "linear"},
    "… 13 cepstra": QUIET | {"n_mfcc": 13},
    "… 20 cepstra": QUIET | {"n_mfcc": 20},
    "… 20 cepstra + Δ": QUIET | {"n_mfcc": 20, "deltas": 1},
    "… 20 cepstra + Δ + ΔΔ": QUIET | {"n_mfcc": 20, "deltas": 2},
    "… 30 cepstra + Δ": QUIET | {"deltas": 1},
}


def measure(settings: dict[str, Any], corpora: Path) -> dict[str, Any]:
    """Run a candidate on both corpora; corpus → condition → EER of both splits.

    ``drawn`` are evaluation EERs of the same resamples of speakers for every candidate.
    """
    overrides = SYSTEM | {f"front_end.{key}": json.dumps(v) for key, v in settings.items()}
    figures: dict[str, Any] = {}
    for corpus in CORPORA:
        recipe = load_recipe(RECIPES / corpus)
        recipe = dataclasses.replace(recipe, settings=load_settings(None, overrides))
        with tempfile.TemporaryDirectory() as name:
            output = Path(name)
            result = Experiment(
                recipe, corpora / corpus, output, conditions=CONDITIONS, noise=corpora / "noise"
            ).run()
            figures[corpus] = {}
            for condition, evaluations in result.conditions.items():
                place = (
                    "" if condition == CLEAN else f"conditions/{Condition.parse(condition).folder}"
                )
                scores = read_scores(output / place / "scores.csv")
                drawn = bootstrap(scores, (), N_RESAMPLES, 0)["eer"].drawn
                figures[corpus][condition] = {
                    split: evaluation.metrics["eer"].value
                    for split, evaluation in evaluations.items()
                } | {"drawn": drawn.round(6).tolist()}
    return figures


def is_default(name: str) -> bool:
    """Tell whether a candidate is what `FrontEndConfig()` gives."""
    return FrontEndConfig(**CANDIDATES[name]) == FrontEndConfig()


def percent(value: float) -> str:
    """Format a rate."""
    return f"{100 * value:.1f}"


def mean_drawn(figures: dict[str, Any]) -> np.ndarray:
    """Average the evaluation EER in each resample over corpora and the conditions that judge."""
    return np.mean(
        [figures[corpus][condition]["drawn"] for corpus in CORPORA for condition in JUDGED_BY],
        axis=0,
    )


def mean_over(figures: dict[str, Any], split: str) -> float:
    """Average the EER over corpora and the conditions that judge."""
    return float(np.mean([figures[corpus][c][split] for corpus in CORPORA for c in JUDGED_BY]))


def span(values: np.ndarray) -> str:
    """Format a 95 % interval."""
    low, high = np.quantile(values, [0.025, 0.975])
    return f"{percent(low)} to {percent(high)}"


def summary(measured: dict[str, Any]) -> list[str]:
    """Make the table by which the default is judged."""
    best = min(measured, key=lambda name: mean_over(measured[name], "development"))
    lines = [
        "| front end | development | evaluation (95 % interval) | more than the best (interval) |",
        "|---|---|---|---|",
    ]
    for name, figures in measured.items():
        drawn = mean_drawn(figures)
        difference = drawn - mean_drawn(measured[best])
        change = mean_over(figures, "evaluation") - mean_over(measured[best], "evaluation")
        apart = (
            "best on development" if name == best else f"{100 * change:+.1f} ({span(difference)})"
        )
        lines.append(
            f"| {marked(name)} | {percent(mean_over(figures, 'development'))} | "
            f"{percent(mean_over(figures, 'evaluation'))} ({span(drawn)}) | {apart} |"
        )
    return lines


def marked(name: str) -> str:
    """Name a candidate, the default in bold."""
    return f"**{name} (default)**" if is_default(name) else name


def table(measured: dict[str, Any], corpus: str) -> list[str]:
    """Make the table of a corpus: development / evaluation, and the evaluation's interval."""
    conditions = (CLEAN, *CONDITIONS)
    lines = [f"| {CORPORA[corpus]} | " + " | ".join(conditions) + " |"]
    lines.append("|---" * (len(conditions) + 1) + "|")
    for name, figures in measured.items():
        cells = [
            f"{percent(entry['development'])} / {percent(entry['evaluation'])}<br>"
            f"<small>{span(np.array(entry['drawn']))}</small>"
            for entry in (figures[corpus][condition] for condition in conditions)
        ]
        lines.append(f"| {marked(name)} | " + " | ".join(cells) + " |")
    return lines


def write_table(measured: dict[str, Any]) -> None:
    """Write the figures for programs."""
    rows = []
    for name, figures in measured.items():
        for corpus, conditions in figures.items():
            for condition, entry in conditions.items():
                low, high = np.quantile(entry["drawn"], [0.025, 0.975])
                rows.append([name, corpus, condition, "development", entry["development"]])
                rows.append([name, corpus, condition, "evaluation", entry["evaluation"], low, high])
    header = ["front_end", "corpus", "condition", "split", "eer", "low", "high"]
    numbers = [[*row[:4], *(f"{value:.5f}" for value in row[4:])] for row in rows]
    padded = [row + [""] * (len(header) - len(row)) for row in numbers]
    write_text(TABLE, format_table(header, padded))


def write_page(measured: dict[str, Any]) -> None:
    """Put the tables between the marks of the page."""
    ordered = {name: measured[name] for name in CANDIDATES if name in measured}
    parts = {
        "summary": summary(ordered),
        **{corpus: table(ordered, corpus) for corpus in CORPORA},
    }
    write_tables(PAGE, parts, Path(__file__).name)


def main() -> None:
    """Measure, keep, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("corpora", type=Path, help="folder of the corpora and of `noise`")
    parser.add_argument("--only", nargs="*", choices=CANDIDATES, default=None, metavar="NAME")
    arguments = parser.parse_args()
    if arguments.only is not None and not FIGURES.exists():
        parser.error(f"--only: {FIGURES} is not there; measure all of them once")
    known = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
    wanted = CANDIDATES if arguments.only is None else arguments.only
    for name in wanted:
        began = time.perf_counter()
        figures = measure(CANDIDATES[name], arguments.corpora)
        known[name] = figures
        write_json(FIGURES, known)
        development = percent(mean_over(figures, "development"))
        seconds = time.perf_counter() - began
        sys.stderr.write(f"{name}: {development} % on development ({seconds:.0f} s)\n")
    write_table({name: known[name] for name in CANDIDATES if name in known})
    write_page(known)


if __name__ == "__main__":
    main()

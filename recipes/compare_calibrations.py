"""Compare normalizations, scorers and calibrations, and write the tables of `docs/evidence.md`.

python recipes/compare_calibrations.py CORPORA_FOLDER

The same figures go into `calibrations.csv`. Everything is fitted on background and development;
development figures, means over three seeds of k-means, are for choosing, evaluation figures, of
seed 0, for reporting.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from page_tables import write_tables

from speakergmm.corpora import read_scores
from speakergmm.corpora.tables import format_table
from speakergmm.errors import ScoreError
from speakergmm.evaluation import CostModel, actual_dcf, min_dcf, operating_points
from speakergmm.evaluation.decisions import RULE_OF_30
from speakergmm.evaluation.wording import format_interval, format_value
from speakergmm.files import write_text
from speakergmm.recipes import Condition, Experiment, load_recipe
from speakergmm.recipes.variants import NORMALIZATIONS, SCORERS, Variant, compare_variants

if TYPE_CHECKING:
    from collections.abc import Mapping

    from speakergmm.corpora import Scores
    from speakergmm.evaluation import Evaluation

RECIPES = Path(__file__).parent
PAGE = RECIPES.parent / "docs" / "evidence.md"
TABLE = RECIPES / "calibrations.csv"
NAMES = {
    "speech_commands": "Speech Commands",
    "librispeech_excerpts": "LibriSpeech excerpts",
    "speech_commands_multisession": "Speech Commands, `multisession`",
    "librispeech_excerpts_multisession": "LibriSpeech excerpts, `multisession`",
}
SEEDS = (0, 1, 2)
DEVELOPMENT, EVALUATION = "development", "evaluation"

# Where decisions are looked at. With fewer errors of either kind at the lowest cost, its threshold
# is an accident of a few trials.
PRIORS = (0.5, 0.1, 0.05, 0.01)
MIN_ERRORS = RULE_OF_30

# Tests cut to so much speech, and tests in noise; calibrated in three ways.
WORSE = {
    "speech": ("speech:1", "speech:0.5", "speech:0.3"),
    "noise": ("noise:20", "noise:10", "noise:5"),
}
SIDE = {"speech": ["test_speech"], "noise": ["test_speech", "test_snr"]}


EER, LOSSES = "EER (95 % interval)", ("minDCF", "Cllr", "minCllr")


class Figures:
    """Collects rows for programs."""

    header = ("table", "recipe", "row", "split", "metric", "value", "low", "high")

    def __init__(self) -> None:
        self.rows: list[list[object]] = []

    def add(self, table: str, recipe: str, row: str, split: str, evaluation: Evaluation) -> None:
        """Note every metric of an evaluation."""
        for metric, e in evaluation.metrics.items():
            numbers = ["" if x is None else f"{x:.5f}" for x in (e.value, e.low, e.high)]
            self.rows.append([table, recipe, row, split, metric, *numbers])


def heading(*columns: str) -> list[str]:
    """Begin a table."""
    return [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]


def rate(evaluation: Evaluation) -> str:
    """Format the EER with its interval."""
    eer = evaluation.metrics["eer"]
    return f"{format_value('eer', eer.value)} ({format_interval('eer', eer)})"


def number(evaluation: Evaluation, metric: str) -> str:
    """Format a metric."""
    return format_value(metric, evaluation.metrics[metric].value)


def corpus_of(name: str, corpora: Path) -> Path:
    """Name the corpus of a recipe."""
    return corpora / load_recipe(RECIPES / name).manifests.name


def normalizations(corpora: Path, folder: Path, figures: Figures) -> list[str]:
    """Compare score normalizations in every recipe."""
    lines = heading(
        "recipe", "normalization", "development EER, minCllr", f"evaluation {EER}", *LOSSES
    )
    for name, title in NAMES.items():
        chosen = load_recipe(RECIPES / name).settings.score_normalization.method
        by_seed: list[list[Variant]] = []
        for seed in SEEDS:
            overrides = {"recipe.seed": str(seed)}
            if seed != SEEDS[0]:
                overrides["evaluation.n_resamples"] = "0"
            output = folder / f"{name}-{seed}"
            by_seed.append(
                compare_variants(
                    RECIPES / name, corpus_of(name, corpora), output, NORMALIZATIONS,
                    overrides=overrides, noise=corpora / "noise",
                )
            )  # fmt: skip
        for variants in zip(*by_seed, strict=True):
            first = variants[0]
            development = [v.evaluations[DEVELOPMENT].metrics for v in variants]
            eer = np.mean([m["eer"].value for m in development])
            min_cllr = np.mean([m["min_cllr"].value for m in development])
            result = first.evaluations[EVALUATION]
            label = f"**{first.name}**" if first.name == chosen else first.name
            lines.append(
                f"| {title} | {label} | {100 * eer:.2f} %, {min_cllr:.3f} | {rate(result)} | "
                f"{number(result, 'min_dcf')} | {number(result, 'cllr')} | "
                f"{number(result, 'min_cllr')} |"
            )
            for split, evaluation in first.evaluations.items():
                figures.add("normalization", name, first.name, split, evaluation)
    return lines


def scorers(corpora: Path, folder: Path, figures: Figures) -> list[str]:
    """Compare scorers in every recipe."""
    what = "µs a trial", "correlation", "LLR difference", "development EER", f"evaluation {EER}"
    lines = heading("recipe", "scorer", *what, *LOSSES)
    for name, title in NAMES.items():
        variants = compare_variants(
            RECIPES / name, corpus_of(name, corpora), folder / f"{name}-scorers", SCORERS,
            overrides={"score_normalization.method": "none"}, noise=corpora / "noise",
        )  # fmt: skip
        for variant in variants:
            development, result = variant.evaluations.values()
            lines.append(
                f"| {title} | {variant.name} | {variant.microseconds:.0f} | "
                f"{variant.correlation:.4f} | {variant.llr_difference or 0:.2f} | "
                f"{number(development, 'eer')} | {rate(result)} | {number(result, 'min_dcf')} | "
                f"{number(result, 'cllr')} | {number(result, 'min_cllr')} |"
            )
            for split, evaluation in variant.evaluations.items():
                figures.add("scorer", name, variant.name, split, evaluation)
    return lines


def decisions(corpora: Path, folder: Path, figures: Figures) -> list[str]:
    """Hold calibrated evaluation scores against the best that they could give."""
    costs = (f"actual / min DCF at {prior:g}" for prior in PRIORS)
    lines = heading("recipe", "Cllr", "minCllr", "minCllr + 10 % + 0.03", *costs)
    for name, title in NAMES.items():
        output = folder / f"{name}-decisions"
        recipe = load_recipe(RECIPES / name)
        result = Experiment(recipe, corpus_of(name, corpora), output, noise=corpora / "noise").run()
        evaluation = result.evaluations[EVALUATION]
        figures.add("decisions", name, "as the recipe is", EVALUATION, evaluation)
        scores = read_scores(output / "scores.csv")
        least = evaluation.metrics["min_cllr"].value
        cells = [cost_cell(scores, CostModel(prior)) for prior in PRIORS]
        lines.append(
            f"| {title} | {number(evaluation, 'cllr')} | {least:.3f} | {1.1 * least + 0.03:.3f} | "
            + " | ".join(cells)
            + " |"
        )
    return lines


def cost_cell(scores: Scores, cost: CostModel) -> str:
    """Say what the calibrated threshold costs, and the best one; and what that rests on."""
    if scores.llr is None:
        raise ScoreError("the scores are not calibrated; costs need log-likelihood ratios")
    is_target = scores.trials.is_target
    target, nontarget = scores.llr[is_target], scores.llr[~is_target]
    actual, least = actual_dcf(target, nontarget, cost), min_dcf(target, nontarget, cost)
    best = operating_points(target, nontarget, cost)["min_dcf"]
    n_miss, n_fa = round(best.p_miss * len(target)), round(best.p_fa * len(nontarget))
    text = f"{actual:.3f} / {least:.3f} = {actual / least:.2f}<br><small>{n_miss} + {n_fa} errors"
    return f"{text}{'' if min(n_miss, n_fa) >= MIN_ERRORS else ': too few'}</small>"


def quality(kind: str, corpora: Path, folder: Path, figures: Figures) -> list[str]:
    """Calibrate with and without side information, on tests that are as usual and worse ones."""
    worse = list(WORSE[kind])
    side = SIDE[kind]
    ways: Mapping[str, dict[str, Any]] = {
        "whole tests": {},
        "all of these": {"calibration.conditions": worse},
        f"all, with {' and '.join(side)}": {
            "calibration.conditions": worse, "calibration.side_information": side,
        },
    }  # fmt: skip
    lines = heading("corpus", "tests", "EER", "minCllr", *(f"Cllr: {way}" for way in ways))
    for name in ("speech_commands", "librispeech_excerpts"):
        found = {}
        for way, settings in ways.items():
            overrides = {key: json.dumps(value) for key, value in settings.items()}
            result = Experiment(
                load_recipe(RECIPES / name, overrides), corpus_of(name, corpora),
                folder / f"{name}-{kind}", conditions=worse, noise=corpora / "noise",
            ).run()  # fmt: skip
            found[way] = {c: e[EVALUATION] for c, e in result.conditions.items()}
            for condition, evaluation in found[way].items():
                figures.add(kind, name, f"{condition}: {way}", EVALUATION, evaluation)
        first = found["whole tests"]
        for condition in ("clean", *(str(Condition.parse(text)) for text in worse)):
            cells = [number(every[condition], "cllr") for every in found.values()]
            shown = "whole" if condition == "clean" else condition
            lines.append(
                f"| {NAMES[name]} | {shown} | {number(first[condition], 'eer')} | "
                f"{number(first[condition], 'min_cllr')} | " + " | ".join(cells) + " |"
            )
    return lines


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("corpora", type=Path, help="folder of the corpora and of `noise`")
    corpora = parser.parse_args().corpora
    figures = Figures()
    parts = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tables = {
            "normalizations": normalizations,
            "decisions": decisions,
            "scorers": scorers,
            "durations": lambda *args: quality("speech", *args),
            "noises": lambda *args: quality("noise", *args),
        }
        for table, make in tables.items():
            sys.stderr.write(f"{table} ...\n")
            parts[table] = make(corpora, folder, figures)
    write_text(TABLE, format_table(figures.header, figures.rows))
    write_tables(PAGE, parts, Path(__file__).name)


if __name__ == "__main__":
    main()

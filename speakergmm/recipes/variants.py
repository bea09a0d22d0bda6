"""One experiment, scored in several ways side by side: scorers, normalizations, adaptation.

Frames and background model are those of the experiment, and so is what a variant leaves as it is.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from speakergmm.corpora import read_scores
from speakergmm.corpora.tables import format_table
from speakergmm.errors import ConfigError
from speakergmm.evaluation import Evaluation, evaluate_scores
from speakergmm.files import locked, write_json, write_text
from speakergmm.progress import SILENT
from speakergmm.recipes.calibration_stage import calibrate
from speakergmm.recipes.config import load_recipe
from speakergmm.recipes.experiment import Experiment
from speakergmm.recipes.pipeline import ALL_COHORT_SCORES, Pipeline
from speakergmm.verification.trial_normalization import METHODS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from speakergmm.corpora import Scores
    from speakergmm.parallel import Jobs
    from speakergmm.progress import Progress
    from speakergmm.recipes.config import Recipe

# What a variant may change: all that does not touch frames and background model.
TABLES = ("enrollment", "scoring", "score_normalization", "calibration")

# Of these, what is made once for all of them: the cohort's speech, the conditions pooled for a fit.
SHARED = (
    "score_normalization.tests_per_speaker",
    "score_normalization.enrollment_s",
    "score_normalization.test_s",
    "calibration.conditions",
)

SCORERS: dict[str, dict[str, str]] = {
    "exact": {"scoring.scorer": "exact", "scoring.top_c": "none"},
    "top-10": {"scoring.scorer": "exact", "scoring.top_c": "10"},
    "top-5": {"scoring.scorer": "exact", "scoring.top_c": "5"},
    "linear": {"scoring.scorer": "linear", "scoring.top_c": "none"},
}
NORMALIZATIONS: dict[str, dict[str, str]] = {
    method: {"score_normalization.method": method} for method in METHODS
}

VARIANTS_FOLDER, COHORT_FOLDER = "variants", "scores against the cohort"
VARIANTS_FILES = ("variants.json", "variants.csv")


@dataclass(frozen=True)
class Variant:
    """One way of scoring, and what came of it.

    Parameters
    ----------
    name : str
    evaluations : dict
        By split.
    microseconds : float
        A trial, scores against a cohort included; wall time of all workers.
    correlation : float
        Of its scores on the last split with those of the first variant (Pearson).
    llr_difference : float or None
        Root mean square difference of the log-likelihood ratios of the same trials from those of
        the first variant, in nats; None where there are none.
    """

    name: str
    evaluations: dict[str, Evaluation]
    microseconds: float
    correlation: float
    llr_difference: float | None

    def to_json(self) -> dict[str, Any]:
        """Give the variant as JSON."""
        numbers = {
            "microseconds_per_trial": self.microseconds,
            "correlation": self.correlation,
            "llr_difference": self.llr_difference,
        }
        return numbers | {split: e.to_json() for split, e in self.evaluations.items()}


def compare_variants(
    recipe_path: Path | str,
    corpus: Path | str,
    output: Path | str,
    variants: Mapping[str, Mapping[str, str]],
    *,
    overrides: Mapping[str, str] | None = None,
    noise: Path | str | None = None,
    jobs: Jobs = None,
    progress: Progress = SILENT,
) -> list[Variant]:
    """Run a recipe, and score its trials in each of several ways, each with its own calibration.

    Writes ``variants.json``, ``variants.csv`` and a folder for each variant.

    Parameters
    ----------
    recipe_path, corpus, output, noise
        As for `load_recipe` and `Experiment`.
    variants : mapping
        Name → settings that it changes, as ``overrides`` of `load_recipe`; of the tables
        ``enrollment``, ``scoring``, ``score_normalization`` and ``calibration``.
    overrides : mapping, optional
        Settings for all of them.

    Raises
    ------
    ConfigError
        When a variant changes another table, or there is none.
    SpeakerGMMError
        What an experiment raises.
    """
    common = dict(overrides or {})
    if not variants:
        raise ConfigError("there are no variants to compare; expected one or more")
    for name, changes in variants.items():
        for setting in changes:
            if setting in SHARED:
                raise ConfigError(
                    f"variant {name!r} changes {setting}, which is the same for all: set it for all"
                )
            if setting.partition(".")[0] not in TABLES:
                raise ConfigError(
                    f"variant {name!r} changes {setting}; expected settings of "
                    f"{', '.join(TABLES)}: frames and background model are the same for all"
                )
    loaded = {name: load_recipe(recipe_path, {**common, **own}) for name, own in variants.items()}
    if any(recipe.settings.calibration.conditions for recipe in loaded.values()):
        raise ConfigError(
            "the recipe has calibration.conditions; variants are calibrated on its own condition "
            "alone: set calibration.conditions = [] to compare them"
        )
    experiment = Experiment(
        load_recipe(recipe_path, common), corpus, output, noise=noise, jobs=jobs, progress=progress
    )
    if experiment.recipe.settings.classes.column:
        raise ConfigError(
            "the recipe has [classes], whose two models are scored in one way only; variants are "
            "of recipes that tell speakers apart"
        )
    experiment.run()
    lists = experiment.lists()
    utterances, protocols = lists.utterances, lists.protocols
    own = experiment.pipeline

    def pipeline(recipe: Recipe, name: str, base: Pipeline) -> Pipeline:
        return Pipeline(
            recipe, own.condition, own.output / VARIANTS_FOLDER / name, noises=own.degrader.noises,
            base=base, jobs=jobs, progress=progress,
        )  # fmt: skip

    methods = {recipe.settings.score_normalization.method for recipe in loaded.values()}
    base = own
    if len(methods - {"none"}) > 1:
        # Scored against the cohort once, for all of them.
        every = {**common, "score_normalization.method": ALL_COHORT_SCORES}
        base = pipeline(load_recipe(recipe_path, every), COHORT_FOLDER, own)
    found: list[Variant] = []
    first: Scores | None = None
    with locked(own.output):
        if base is not own:
            base.run(utterances, protocols)
        for name, recipe in loaded.items():
            variant = pipeline(recipe, name, base)
            variant.run(utterances, protocols)
            calibrate(variant, protocols)
            scores = {
                split: read_scores(variant.output / variant.score_file(split))
                for split in protocols
            }
            progress.start(f"evaluation of {name}")
            evaluations = {
                split: evaluate_scores(
                    part, recipe.settings.evaluation, rng=recipe.head.seed, progress=progress
                )
                for split, part in scores.items()
            }
            last = list(scores.values())[-1]
            first = last if first is None else first
            n_trials = sum(len(part.trials) for part in scores.values())
            found.append(
                Variant(
                    name,
                    evaluations,
                    1e6 * variant.scoring_seconds() / n_trials,
                    float(np.corrcoef(first.score, last.score)[0, 1]),
                    _difference(first, last),
                )
            )
        _write(own.output, found)
    return found


def _difference(first: Scores, other: Scores) -> float | None:
    if first.llr is None or other.llr is None:
        return None
    return float(np.sqrt(np.mean(np.square(first.llr - other.llr))))


def _write(output: Path, variants: Sequence[Variant]) -> None:
    as_json, as_csv = (output / name for name in VARIANTS_FILES)
    entries = {variant.name: variant.to_json() for variant in variants}
    write_json(as_json, json.loads(json.dumps(entries)))
    rows = [
        [variant.name, split, metric, estimate.value, estimate.low, estimate.high]
        for variant in variants
        for split, evaluation in variant.evaluations.items()
        for metric, estimate in evaluation.metrics.items()
    ]
    header = ["variant", "split", "metric", "value", "low", "high"]
    write_text(as_csv, format_table(header, rows))

"""Options for how scores are made, normalized and calibrated, and the settings they stand for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from speakergmm.recipes import Settings
    from speakergmm.verification import EnrollmentConfig

cohort_option = click.option(
    "--cohort",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Cohort for score normalization, from `cohort make` or a recipe.",
)
normalization_option = click.option(
    "--normalization",
    type=click.Choice(["z", "t", "zt", "s", "as"]),
    help="Score normalization by the cohort.  [default: s where there is a cohort, else none]",
)
top_n_option = click.option(
    "--top-n",
    type=click.IntRange(min=2),
    help="Of --normalization as: the cohort scores that count.  [default: 50]",
)
calibration_option = click.option(
    "--calibration",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Calibration, from `calibrate` or a recipe: scores become log-likelihood ratios.",
)
scorer_option = click.option(
    "--scorer",
    type=click.Choice(["exact", "linear"]),
    help="Log-likelihood ratios, or their linear approximation.  [default: exact]",
)
top_c_option = click.option(
    "--top-c",
    type=click.IntRange(min=1),
    help="Score by the so many best components of each frame; 5 to 10 are usual.  [default: all]",
)
relevance_option = click.option(
    "--relevance-factor",
    type=float,
    help="Strength of the background model in MAP adaptation, in frames.  [default: 16]",
)


def enrollment_config(relevance_factor: float | None) -> EnrollmentConfig:
    """Give the settings of enrollment, where an option may replace a default."""
    from speakergmm.verification import EnrollmentConfig

    return EnrollmentConfig() if relevance_factor is None else EnrollmentConfig(relevance_factor)


def scoring_settings(
    relevance_factor: float | None,
    scorer: str | None,
    top_c: int | None,
    normalization: str | None,
    top_n: int | None,
    cohort: Path | None,
    calibration: Path | None = None,
) -> Settings:
    """Give the settings of enrollment, scoring and normalization that options ask for.

    What no option says is as for the calibration, where there is one.
    """
    from speakergmm.recipes import load_settings

    if top_n is not None and normalization != "as":
        raise click.UsageError("--top-n is for --normalization as; give both, or neither.")
    usual = {} if calibration is None else _settings_of(calibration)
    if normalization is None and cohort is not None and calibration is None:
        normalization = "s"
    given = {
        "enrollment.relevance_factor": relevance_factor,
        "scoring.scorer": scorer,
        "scoring.top_c": top_c,
        "score_normalization.method": normalization,
        "score_normalization.top_n": top_n,
    }
    chosen = {name: str(value) for name, value in given.items() if value is not None}
    return load_settings(None, usual | chosen)


def _settings_of(calibration: Path) -> dict[str, str]:
    """Give the settings that made the scores of a calibration, where it says so."""
    from speakergmm.config import NONE
    from speakergmm.verification import NormalizationConfig
    from speakergmm.verification.calibration_file import load_calibration

    origins = load_calibration(calibration).origins
    if len(origins) != 1 or origins[0] is None:
        return {}
    origin = origins[0]
    normalization = NormalizationConfig.from_label(origin.normalization)
    top_c = origin.scoring.top_c
    return {
        "enrollment.relevance_factor": str(origin.enrollment.relevance_factor),
        "enrollment.parameters": origin.enrollment.parameters,
        "enrollment.iterations": str(origin.enrollment.iterations),
        "scoring.scorer": origin.scoring.scorer,
        "scoring.top_c": NONE if top_c is None else str(top_c),
        "score_normalization.method": normalization.method,
        "score_normalization.top_n": str(normalization.top_n),
    }

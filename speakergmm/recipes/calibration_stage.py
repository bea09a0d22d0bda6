"""The stage that makes normalized scores and log-likelihood ratios of a pipeline's raw scores."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from speakergmm.corpora import pool_scores, write_scores
from speakergmm.errors import ScoreError
from speakergmm.files import write_json
from speakergmm.recipes.pipeline import COHORT_FILE
from speakergmm.verification.calibration_file import load_calibration, record_to_json
from speakergmm.verification.calibration_record import CalibrationRecord, fit_record
from speakergmm.verification.cohort_file import load_cohort
from speakergmm.verification.origin import origin_path, write_origin

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from speakergmm.corpora import Protocol
    from speakergmm.recipes.pipeline import Pipeline

CALIBRATION_FILE = "calibration.json"


def calibrate(
    pipeline: Pipeline,
    protocols: Mapping[str, Protocol],
    fitted_with: Sequence[Pipeline] = (),
    *,
    is_learned: bool = False,
) -> None:
    """Normalize a pipeline's raw scores, calibrate them, and write both, unless that is current.

    Where models and settings are those of the experiment itself, so is what their scores mean, and
    its calibration is taken.

    Parameters
    ----------
    fitted_with : sequence of Pipeline
        Other conditions, whose development trials are pooled with this one's for the fit.
    is_learned : bool
        Whether the experiment's own calibration was fitted on this condition too.
    """
    settings, development = pipeline.recipe.settings, pipeline.recipe.head.development
    lender = pipeline.base if is_learned or pipeline.scores_mean_as_base else None
    fitted_on = [pipeline, *fitted_with]
    inputs = [
        dataclasses.asdict(settings.score_normalization),
        dataclasses.asdict(settings.calibration),
        pipeline.origin.to_json(),
        [pipeline.raw_digest(split) for split in protocols],
        lender.log.output_digest("calibration", CALIBRATION_FILE)
        if lender is not None
        else [[str(p.condition), p.raw_digest(development)] for p in fitted_on],
    ]
    if settings.classes.column:
        inputs.append(dataclasses.asdict(settings.classes))
    files = {split: pipeline.output / pipeline.score_file(split) for split in protocols}

    def work() -> None:
        record = (
            _fit(pipeline, protocols[development], fitted_on)
            if lender is None
            else read_calibration(lender.output / CALIBRATION_FILE)
        )
        for split, protocol in protocols.items():
            raw = pipeline.raw_scores(split)
            scores = raw.normalized(protocol.trials, settings.score_normalization)
            if isinstance(record, CalibrationRecord):
                scores = raw.calibrated(scores, record)
            write_scores(files[split], scores)
            write_origin(files[split], pipeline.origin, settings.classes)
        about: dict[str, Any] = {"fitted_on": development, "unavailable": record}
        warnings: list[str] = []
        if isinstance(record, CalibrationRecord):
            about = record_to_json(record)
            warnings += record.warnings
        if pipeline.uses_cohort:
            cohort = load_cohort(pipeline.made_cohort.output / COHORT_FILE, pipeline.ubm_digest)
            warnings += cohort.warnings(settings.score_normalization)
        write_json(pipeline.output / CALIBRATION_FILE, about | {"warnings": warnings})

    written = [*files.values(), *map(origin_path, files.values())]
    outputs = [path.relative_to(pipeline.output).as_posix() for path in written]
    pipeline.log.run("calibration", inputs, [*outputs, CALIBRATION_FILE], work)


def _fit(
    pipeline: Pipeline, development: Protocol, fitted_on: Sequence[Pipeline]
) -> CalibrationRecord | str:
    """Fit a calibration on development scores; where none can be fitted, say why."""
    settings, split = pipeline.recipe.settings, pipeline.recipe.head.development
    trials, names = development.trials, settings.calibration.side_information
    raw = {str(p.condition): p.raw_scores(split) for p in fitted_on}
    scores = {
        name: part.normalized(trials, settings.score_normalization) for name, part in raw.items()
    }
    try:
        sides = [part.side.of_trials(trials, names) for part in raw.values()]
        return fit_record(
            [pool_scores(scores)],
            [pipeline.origin],
            fitted_on=split if len(raw) == 1 else f"{split} under {', '.join(raw)}",
            config=settings.calibration,
            side=np.concatenate(sides),
        )
    except ScoreError as error:
        return str(error)


def read_calibration(path: Path) -> CalibrationRecord | str:
    """Read a calibration, or why there is none."""
    about = json.loads(path.read_text(encoding="utf-8"))
    return str(about["unavailable"]) if "unavailable" in about else load_calibration(path)

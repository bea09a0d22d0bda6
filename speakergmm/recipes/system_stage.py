"""The stage that puts an experiment's system into one file, with the errors to expect of it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from speakergmm.files import remove
from speakergmm.recipes.calibration_stage import CALIBRATION_FILE, read_calibration
from speakergmm.recipes.pipeline import COHORT_FILE
from speakergmm.recipes.shorter_tests import (
    expected_errors,
    lengths_below,
    measured_on,
    median_speech_s,
    score_shorter,
)
from speakergmm.verification.system import System, assemble_system
from speakergmm.verification.system_file import save_system

if TYPE_CHECKING:
    from collections.abc import Mapping

    from speakergmm.corpora import Protocol, Scores
    from speakergmm.recipes.pipeline import Pipeline
    from speakergmm.recipes.raw_scores import RawScores
    from speakergmm.verification.calibration_record import CalibrationRecord
    from speakergmm.verification.expected_errors import ExpectedErrors

SYSTEM_FILE = "system.safetensors"


def write_system(pipeline: Pipeline, protocols: Mapping[str, Protocol]) -> None:
    """Write the system file of an experiment, unless that is current.

    Its threshold is that of the recipe's costs; errors are those on the evaluation split, and what
    a score of little speech is worth is learned on the development split. Where models are adapted
    more than once there is none, since a speaker store holds the statistics of one iteration.
    """
    settings, head = pipeline.recipe.settings, pipeline.recipe.head
    if settings.enrollment.iterations > 1:
        # One that an earlier run left is of other settings.
        remove(pipeline.output / SYSTEM_FILE)
        return
    cost = settings.evaluation.cost
    inputs = [
        pipeline.ubm_digest,
        pipeline.log.output_digest("calibration", CALIBRATION_FILE),
        pipeline.origin.to_json(),
        [pipeline.raw_digest(split) for split in protocols],
        cost.threshold,
        [head.title, head.development, head.evaluation],
    ]

    def work() -> None:
        record = read_calibration(pipeline.output / CALIBRATION_FILE)
        cohort = pipeline.made_cohort.output / COHORT_FILE if pipeline.uses_cohort else None
        if isinstance(record, str):
            # Without a calibration a cohort is of no use to anybody.
            system = assemble_system(pipeline.ubm, enrollment=settings.enrollment, name=head.title)
            system = dataclasses.replace(system, scoring=settings.scoring)
        else:
            system = assemble_system(
                pipeline.ubm,
                calibration=pipeline.output / CALIBRATION_FILE,
                cohort=cohort,
                name=head.title,
            )
            record = dataclasses.replace(record, threshold=cost.threshold)
            record = dataclasses.replace(
                record,
                expected=_table(pipeline, protocols, system, record),
                measured_on=measured_on(f"the split {head.evaluation!r}", settings.front_end),
            )
            system = dataclasses.replace(system, calibration=record)
        save_system(pipeline.output / SYSTEM_FILE, system)

    pipeline.log.run("system", inputs, [SYSTEM_FILE], work)


def _table(
    pipeline: Pipeline,
    protocols: Mapping[str, Protocol],
    system: System,
    record: CalibrationRecord,
) -> tuple[ExpectedErrors, ...]:
    """Count errors on the evaluation split, and learn on development what scores are worth."""
    head, settings = pipeline.recipe.head, pipeline.recipe.settings
    whole = {split: pipeline.raw_scores(split) for split in (head.development, head.evaluation)}
    lengths = lengths_below(min(map(median_speech_s, whole.values())))
    whole_s = median_speech_s(whole[head.evaluation])

    def by_length(split: str) -> dict[float, RawScores]:
        shorter = score_shorter(
            whole[split],
            lengths,
            pipeline.enrollment_path(split),
            protocols[split],
            pipeline.pools["test", split],
            pipeline.stores["test"],
            system.background,
            settings,
            cohort=system.cohort,
            jobs=pipeline.jobs,
            progress=pipeline.progress,
        )
        return {**shorter, whole_s: whole[split]}

    def normalized(split: str, raw: RawScores) -> Scores:
        return raw.normalized(protocols[split].trials, settings.score_normalization)

    development, evaluation = head.development, head.evaluation
    fitted = {
        length: normalized(development, raw) for length, raw in by_length(development).items()
    }
    of_evaluation = by_length(evaluation)
    measured = {length: normalized(evaluation, raw) for length, raw in of_evaluation.items()}
    if record.calibration.side:
        measured = {
            length: of_evaluation[length].calibrated(scores, record)
            for length, scores in measured.items()
        }
    return expected_errors(fitted, measured, record, record.threshold or 0.0)

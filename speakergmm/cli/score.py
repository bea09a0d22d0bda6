"""`speakergmm score`: trial lists → scores."""

from __future__ import annotations

from pathlib import Path

import click

from speakergmm.cli.console import (
    audio_option,
    chosen_workers,
    frames_option,
    jobs_option,
    print_warnings,
    quiet_option,
    scheduler_option,
    showing_progress,
    ubm_option,
)
from speakergmm.cli.output_file import OutputFile
from speakergmm.cli.scoring_options import (
    calibration_option,
    cohort_option,
    normalization_option,
    relevance_option,
    scorer_option,
    scoring_settings,
    top_c_option,
    top_n_option,
)


@click.command()
@click.argument("lists", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--utterances",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The list of utterances that the others name.",
)
@ubm_option
@click.option(
    "--output",
    default="scores.csv",
    show_default=True,
    type=OutputFile(),
    help="Score file to write.",
)
@audio_option
@frames_option
@relevance_option
@top_c_option
@scorer_option
@cohort_option
@normalization_option
@top_n_option
@calibration_option
@jobs_option
@scheduler_option
@quiet_option
def score(
    lists: Path,
    utterances: Path,
    ubm: Path,
    output: Path,
    audio: Path | None,
    frames: Path | None,
    relevance_factor: float | None,
    top_c: int | None,
    scorer: str | None,
    cohort: Path | None,
    normalization: str | None,
    top_n: int | None,
    calibration: Path | None,
    jobs: int | None,
    scheduler: str | None,
    quiet: bool,
) -> None:
    """Score the trials of a folder of lists.

    LISTS is a folder with enrollment.csv (model_id,utterance_id), tests.csv
    (test_id,utterance_id) and trials.csv (model_id,test_id,label); several rows of one id are
    pooled. Without trials.csv every model meets every test.

    \b
    Examples:
      speakergmm score lists/ --utterances utterances.csv --ubm ubm.safetensors
      speakergmm score lists/ --utterances utterances.csv --audio /data --ubm ubm.safetensors \\
          --output scores.csv && speakergmm evaluate scores.csv
      speakergmm score lists/ --utterances utterances.csv --ubm ubm.safetensors --top-c 5
      speakergmm score lists/ --utterances utterances.csv --ubm ubm.safetensors \\
          --cohort cohort.safetensors --calibration calibration.json

    With --calibration scores are made as those that it was fitted on. Beside the scores,
    scores.origin.json says what made them, so that no calibration is used on others.
    """
    from speakergmm.recipes import score_lists

    settings = scoring_settings(
        relevance_factor, scorer, top_c, normalization, top_n, cohort, calibration
    )
    with (
        chosen_workers(jobs, scheduler) as workers,
        showing_progress(quiet=quiet) as progress,
    ):
        scored = score_lists(
            lists,
            utterances,
            ubm,
            output,
            settings,
            audio=audio,
            frames=frames,
            cohort=cohort,
            calibration=calibration,
            jobs=workers,
            progress=progress,
        )
    scores = scored.scores
    n_target = int(scores.trials.is_target.sum())
    click.echo(
        f"{output}: {len(scores.trials):,} trials of {len(scores.trials.model_ids):,} models and "
        f"{len(scores.trials.test_ids):,} tests ({n_target:,} same speaker, "
        f"{len(scores.trials) - n_target:,} different)"
    )
    print_warnings(scored.warnings)

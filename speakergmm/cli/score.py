"""`speakergmm score`: trial lists → scores."""

from __future__ import annotations

from pathlib import Path

import click

from speakergmm.cli.console import (
    audio_option,
    frames_option,
    jobs_option,
    quiet_option,
    relevance_option,
    showing_progress,
    ubm_option,
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
    type=click.Path(dir_okay=False, path_type=Path),
    help="Score file to write.",
)
@audio_option
@frames_option
@relevance_option
@jobs_option
@quiet_option
def score(
    lists: Path,
    utterances: Path,
    ubm: Path,
    output: Path,
    audio: Path | None,
    frames: Path | None,
    relevance_factor: float | None,
    jobs: int | None,
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
    """
    from speakergmm.cli.console import enrollment_config
    from speakergmm.recipes import score_lists

    with showing_progress(quiet=quiet) as progress:
        scores = score_lists(
            lists,
            utterances,
            ubm,
            output,
            enrollment_config(relevance_factor),
            audio=audio,
            frames=frames,
            jobs=jobs,
            progress=progress,
        )
    n_target = int(scores.trials.is_target.sum())
    click.echo(
        f"{output}: {len(scores.trials):,} trials of {len(scores.trials.model_ids):,} models and "
        f"{len(scores.trials.test_ids):,} tests ({n_target:,} same speaker, "
        f"{len(scores.trials) - n_target:,} different)"
    )

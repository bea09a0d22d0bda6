"""`speakergmm cohort`: strangers for score normalization."""

from __future__ import annotations

import json
from pathlib import Path

import click

from speakergmm.cli.console import (
    audio_option,
    chosen_workers,
    frames_option,
    jobs_option,
    json_option,
    quiet_option,
    scheduler_option,
    showing_progress,
    split_option,
    ubm_option,
)
from speakergmm.cli.output_file import OutputFile
from speakergmm.cli.scoring_options import (
    relevance_option,
)


@click.group()
def cohort() -> None:
    """Make and show cohorts: strangers by whom scores are normalized.

    \b
    Examples:
      speakergmm cohort make utterances.csv --split background --ubm ubm.safetensors
      speakergmm cohort show cohort.safetensors
    """


@cohort.command()
@click.argument("utterances", type=click.Path(dir_okay=False, path_type=Path))
@ubm_option
@click.option(
    "--output",
    default="cohort.safetensors",
    show_default=True,
    type=OutputFile(),
    help="Cohort file to write.",
)
@audio_option
@split_option
@click.option(
    "--enrollment-seconds",
    default=10.0,
    show_default=True,
    help="Recording that each speaker's model is made of: about as much as will be enrolled.",
)
@click.option(
    "--test-seconds",
    default=3.0,
    show_default=True,
    help="Recording in each test: about as much as will be tested.",
)
@click.option(
    "--tests-per-speaker",
    default=2,
    show_default=True,
    type=click.IntRange(min=1),
    help="Tests of each speaker, at most.",
)
@relevance_option
@frames_option
@jobs_option
@scheduler_option
@quiet_option
def make(
    utterances: Path,
    ubm: Path,
    output: Path,
    audio: Path | None,
    split: str | None,
    enrollment_seconds: float,
    test_seconds: float,
    tests_per_speaker: int,
    relevance_factor: float | None,
    frames: Path | None,
    jobs: int | None,
    scheduler: str | None,
    quiet: bool,
) -> None:
    """Make a cohort of the speakers in UTTERANCES, a CSV file as for `ubm train`.

    They must be none of those who will be enrolled or tested; those of the background model serve
    well. Thirty are a start, hundreds are better. Each gives a model of some of the recordings, and
    tests of the rest. The file keeps statistics and frames, never the audio.

    \b
    Examples:
      speakergmm cohort make utterances.csv --split background --ubm ubm.safetensors
      speakergmm score lists/ --utterances utterances.csv --ubm ubm.safetensors \\
          --cohort cohort.safetensors --normalization s
    """
    from speakergmm.cli.console import print_warnings
    from speakergmm.cli.scoring_options import enrollment_config
    from speakergmm.recipes.list_scoring import make_cohort
    from speakergmm.verification import NormalizationConfig

    with (
        chosen_workers(jobs, scheduler) as workers,
        showing_progress(quiet=quiet) as progress,
    ):
        made = make_cohort(
            utterances,
            ubm,
            output,
            enrollment_config(relevance_factor),
            enrollment_s=enrollment_seconds,
            test_s=test_seconds,
            tests_per_speaker=tests_per_speaker,
            audio=audio,
            split=split,
            frames=frames,
            jobs=workers,
            progress=progress,
        )
    click.echo(
        f"{output}: {made.n_speakers:,} speakers, {len(made.model_speakers):,} models and "
        f"{len(made.test_speakers):,} tests"
    )
    print_warnings(made.warnings(NormalizationConfig(method="s")))


@cohort.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@json_option
def show(file: Path, as_json: bool) -> None:
    """Show who is in a cohort FILE, and where the speech comes from.

    \b
    Example:
      speakergmm cohort show cohort.safetensors
    """
    from speakergmm.verification.cohort_file import load_cohort

    loaded = load_cohort(file)
    about = loaded.described()
    if as_json:
        click.echo(json.dumps(about, indent=2))
        return
    for name, value in about.items():
        if name != "sources":
            click.echo(f"{name}: {value}")
    click.echo("speech:")
    for source in loaded.sources:
        span = "" if source.end_s is None else f" [{source.start_s or 0:g} to {source.end_s:g} s]"
        click.echo(f"  {source.speaker_id}: {source.path}{span}")

"""`speakergmm features`: frames on disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import click

from speakergmm.cli.console import (
    audio_option,
    chosen_workers,
    config_option,
    format_duration,
    jobs_option,
    json_option,
    parse_settings,
    quiet_option,
    scheduler_option,
    set_option,
    showing_progress,
    split_option,
)


@click.group()
def features() -> None:
    """Compute frames, to be used many times."""


@features.command()
@click.argument("utterances", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--output",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the frame store; what is current there is kept.",
)
@audio_option
@split_option
@config_option
@click.option(
    "--ubm",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Use the front end of this background model.",
)
@click.option(
    "--on-error",
    type=click.Choice(["stop", "skip"]),
    default="stop",
    show_default=True,
    help="What to do about recordings that cannot be used: stop, after listing all of them; or "
    "leave them out.",
)
@set_option
@jobs_option
@scheduler_option
@quiet_option
@json_option
def extract(
    utterances: Path,
    output: Path,
    audio: Path | None,
    split: str | None,
    config: Path | None,
    ubm: Path | None,
    on_error: Literal["stop", "skip"],
    settings: tuple[str, ...],
    jobs: int | None,
    scheduler: str | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Compute the frames of all UTTERANCES into a frame store.

    UTTERANCES is a CSV file with the columns utterance_id, speaker_id, path and, as wanted,
    session_id, start_s, end_s, sex, split, speech. Killed at any moment and run again, it does
    only what is not there yet; an utterance whose audio, segment or front end has changed is done
    again.

    \b
    Examples:
      speakergmm features extract utterances.csv --output frames/
      speakergmm features extract utterances.csv --output frames/ --set front_end.deltas=2
      speakergmm features extract more.csv --output more-frames/ --ubm ubm.safetensors
      speakergmm features extract web.csv --output frames/ --on-error skip
    """
    from speakergmm.errors import problem_report
    from speakergmm.features.sides import is_pooled
    from speakergmm.gmm.model_file import load_background_model
    from speakergmm.recipes import extract_list, load_settings

    overrides = parse_settings(settings)
    if ubm is not None and (config is not None or overrides):
        raise click.UsageError("--ubm brings its front end; give no --config or --set beside it.")
    front_end = (
        load_settings(config, overrides).front_end
        if ubm is None
        else load_background_model(ubm).front_end
    )
    with (
        chosen_workers(jobs, scheduler) as workers,
        showing_progress(quiet=quiet) as progress,
    ):
        store, n_computed = extract_list(
            utterances,
            output,
            front_end,
            audio=audio,
            split=split,
            on_error=on_error,
            jobs=workers,
            progress=progress,
        )
    about = {
        "output": str(output),
        "utterances": len(store.places),
        "computed": n_computed,
        "frames": store.n_frames,
        "features": store.n_features,
        "recording_s": round(store.recording_s, 2),
        "speech_s": round(store.speech_s, 2),
        "left_out": store.left_out,
    }
    if as_json:
        click.echo(json.dumps(about))
        return
    entries = "sessions" if is_pooled(front_end) else "utterances"
    n_done = len(store.places) + len(store.left_out)
    share = store.speech_s / store.recording_s if store.recording_s else 0.0
    click.echo(
        f"{output}: {len(store.places):,} {entries} of {format_duration(store.recording_s)}, "
        f"of which {format_duration(store.speech_s)} ({100 * share:.0f} %) are speech: "
        f"{store.n_frames:,} frames of {store.n_features} features\n"
        f"{n_computed:,} computed, {n_done - n_computed:,} already there"
    )
    if store.left_out:
        click.echo(problem_report("left out", store.left_out.values()))

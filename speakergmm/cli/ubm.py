"""`speakergmm ubm`: background models."""

from __future__ import annotations

from pathlib import Path

import click

from speakergmm.cli.console import (
    audio_option,
    chosen_workers,
    config_option,
    frames_option,
    jobs_option,
    parse_settings,
    quiet_option,
    scheduler_option,
    set_option,
    showing_progress,
    split_option,
)
from speakergmm.cli.output_file import OutputFile


@click.group()
def ubm() -> None:
    """Train background models.

    \b
    Example:
      speakergmm ubm train utterances.csv --output ubm.safetensors
    """


@ubm.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.option(
    "--output",
    required=True,
    type=OutputFile(),
    help="Model file to write (.safetensors).",
)
@audio_option
@split_option
@click.option("--components", type=click.IntRange(min=1), help="Components.  [default: 256]")
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(min=0),
    help="Decides the frames and centers from which training starts.",
)
@config_option
@frames_option
@set_option
@jobs_option
@scheduler_option
@quiet_option
def train(
    source: Path,
    output: Path,
    audio: Path | None,
    split: str | None,
    components: int | None,
    seed: int,
    config: Path | None,
    frames: Path | None,
    settings: tuple[str, ...],
    jobs: int | None,
    scheduler: str | None,
    quiet: bool,
) -> None:
    """Train a UBM on the speech of many speakers: on a list of utterances or a frame store.

    SOURCE is a CSV file with the columns utterance_id, speaker_id, path and, as wanted,
    session_id, start_s, end_s, sex, split; or the folder of a store that `features extract` made.
    Some ten minutes of a dozen speakers are a start; the speakers should be like those to be told
    apart, recorded alike, and not the same.

    Killed at any moment and run again, it goes on from the last iteration and ends with the same
    file: until then the state is kept beside it.

    \b
    Examples:
      speakergmm ubm train utterances.csv --output ubm.safetensors
      speakergmm ubm train lists/all.csv --audio /data --split background --components 512 \\
          --output ubm.safetensors --set front_end.deltas=1
      speakergmm features extract utterances.csv --output frames/
      speakergmm ubm train frames/ --components 2048 --output ubm.safetensors
    """
    from speakergmm.recipes import load_settings, train_on_list, train_on_store

    overrides = parse_settings(settings)
    if components is not None:
        overrides["ubm.n_components"] = str(components)
    is_store = source.is_dir()
    if is_store:
        given = [
            name
            for name, value in {"--audio": audio, "--split": split, "--frames": frames}.items()
            if value is not None
        ]
        given += [f"--set {name}" for name in overrides if name.startswith("front_end.")]
        if given:
            raise click.UsageError(
                f"{', '.join(given)}: of no use with a frame store, whose utterances and front end "
                "are chosen when it is made: give them to `features extract`."
            )
    chosen = load_settings(config, overrides)
    with (
        chosen_workers(jobs, scheduler) as workers,
        showing_progress(quiet=quiet) as progress,
    ):
        if is_store:
            model = train_on_store(
                source, output, chosen, seed=seed, jobs=workers, progress=progress
            )
        else:
            model = train_on_list(
                source,
                output,
                chosen,
                audio=audio,
                split=split,
                seed=seed,
                frames=frames,
                jobs=workers,
                progress=progress,
            )
    history = model.history
    ended = "converged" if history.converged else "iterations used up"
    speech_s = model.n_frames * model.front_end.hop_s
    click.echo(
        f"{output}: {model.gmm.n_components} components over {model.gmm.n_features} features, "
        f"from {speech_s:,.0f} s of speech ({model.n_frames:,} frames)\n"
        f"{len(history.floored_variances)} EM iterations in {history.seconds:.1f} s ({ended})"
    )
    if history.mean_log_likelihood:
        first, last = history.mean_log_likelihood[0], history.mean_log_likelihood[-1]
        click.echo(f"log-likelihood per frame, before each iteration: {first:.3f} to {last:.3f}")

"""`speakergmm ubm`: background models."""

from __future__ import annotations

from pathlib import Path

import click

from speakergmm.cli.console import (
    audio_option,
    frames_option,
    jobs_option,
    parse_settings,
    quiet_option,
    set_option,
    showing_progress,
)


@click.group()
def ubm() -> None:
    """Train background models."""


@ubm.command()
@click.argument("utterances", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Model file to write (.safetensors).",
)
@audio_option
@click.option("--split", help="Use only the utterances of this split.")
@click.option("--components", type=click.IntRange(min=1), help="Components.  [default: 256]")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0))
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="TOML file with [front_end] and [training], such as a recipe's.",
)
@frames_option
@set_option
@jobs_option
@quiet_option
def train(
    utterances: Path,
    output: Path,
    audio: Path | None,
    split: str | None,
    components: int | None,
    seed: int,
    config: Path | None,
    frames: Path | None,
    settings: tuple[str, ...],
    jobs: int | None,
    quiet: bool,
) -> None:
    """Train a UBM on the speech of many speakers, listed in UTTERANCES.

    UTTERANCES is a CSV file with the columns utterance_id, speaker_id, path and, as wanted,
    session_id, start_s, end_s, sex, split. Some ten minutes of a dozen speakers are a start; the
    speakers should be like those to be told apart, recorded alike, and not the same.

    \b
    Examples:
      speakergmm ubm train utterances.csv --output ubm.safetensors
      speakergmm ubm train lists/all.csv --audio /data --split background --components 512 \\
          --output ubm.safetensors --set front_end.deltas=1
    """
    from speakergmm.recipes import load_settings, train_on_list

    overrides = parse_settings(settings)
    if components is not None:
        overrides["ubm.n_components"] = str(components)
    chosen = load_settings(config, overrides)
    with showing_progress(quiet=quiet) as progress:
        model = train_on_list(
            utterances,
            output,
            chosen,
            audio=audio,
            split=split,
            seed=seed,
            frames=frames,
            jobs=jobs,
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

"""`speakergmm features`: frames on disk."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Literal

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

if TYPE_CHECKING:
    from speakergmm.features.conversion import Toolkit, Written

to_option = click.option(
    "--to",
    required=True,
    type=click.Choice(["kaldi", "htk"]),
    help="Kaldi's archive with its script file, or HTK's parameter files.",
)
export_output_option = click.option(
    "--output",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for feats.ark and feats.scp, or for a file UTTERANCE.htk each.",
)

hop_option = click.option(
    "--hop",
    "hop_s",
    type=float,
    metavar="SECONDS",
    help="From frame to frame, which Kaldi's files do not say and HTK's do.  [default: 0.01]",
)
pattern_option = click.option(
    "--pattern", help="How the HTK files of a folder are called.  [default: *.htk]"
)


@click.group()
def features() -> None:
    """Compute frames, to be used many times, and exchange them with other toolkits.

    \b
    Examples:
      speakergmm features extract utterances.csv --output frames/
      speakergmm features export frames/ --to kaldi --output for-kaldi
      speakergmm features import feats.scp --output imported/
    """


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


@features.command()
@click.argument("frames", type=click.Path(file_okay=False, path_type=Path))
@to_option
@export_output_option
@quiet_option
@json_option
def export(frames: Path, to: Toolkit, output: Path, quiet: bool, as_json: bool) -> None:
    """Write the frames of a store for Kaldi or HTK.

    FRAMES is the folder of a store that `features extract` made. What is written are the frames
    that a background model would be trained on: of speech only, normalized, as the store's front
    end says.

    \b
    Examples:
      speakergmm features export frames/ --to kaldi --output for-kaldi
      speakergmm features export frames/ --to htk --output for-htk
    """
    from speakergmm.features import FrameStore
    from speakergmm.features.conversion import export_store

    with showing_progress(quiet=quiet) as progress:
        written = export_store(FrameStore.open(frames), output, to, progress=progress)
    _say_written(output, written, as_json=as_json)


@features.command()
@click.argument("source", type=click.Path(path_type=Path))
@to_option
@export_output_option
@hop_option
@pattern_option
@quiet_option
@json_option
def convert(
    source: Path,
    to: Toolkit,
    output: Path,
    hop_s: float | None,
    pattern: str | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Write features of Kaldi or HTK in the other's way.

    SOURCE is a Kaldi script file (.scp) or archive (.ark), or a folder of HTK parameter files.
    Script files that read from commands are refused. Compressed files are expanded.

    \b
    Examples:
      speakergmm features convert data/train/feats.scp --to htk --output for-htk
      speakergmm features convert mfc/ --pattern "*.mfc" --to kaldi --output for-kaldi
    """
    from speakergmm.features.conversion import convert_features

    with showing_progress(quiet=quiet) as progress:
        written = convert_features(
            source, output, to, hop_s=hop_s, pattern=pattern, progress=progress
        )
    _say_written(output, written, as_json=as_json)


@features.command("import")
@click.argument("source", type=click.Path(path_type=Path))
@click.option(
    "--output",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the frame store.",
)
@hop_option
@pattern_option
@quiet_option
@json_option
def import_(
    source: Path,
    output: Path,
    hop_s: float | None,
    pattern: str | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Put features of Kaldi or HTK into a frame store.

    SOURCE is a Kaldi script file (.scp) or archive (.ark), or a folder of HTK parameter files.
    Background models are trained on such a store, and lists are scored with another (--frames), of
    speakers whom the background model does not know: on those of its training it is too good. What
    made the features is not known, so no recording can be enrolled or verified with such a model. A
    store of imported frames that is there is replaced, when the new one is whole.

    \b
    Examples:
      speakergmm features import data/train/feats.scp --output frames
      speakergmm ubm train frames --output ubm.safetensors
      speakergmm features import data/test/feats.scp --output test-frames
      speakergmm score lists --utterances utterances.csv --ubm ubm.safetensors \\
        --frames test-frames --output scores.csv
    """
    from speakergmm.features.conversion import Written, import_features

    with showing_progress(quiet=quiet) as progress:
        store = import_features(source, output, hop_s=hop_s, pattern=pattern, progress=progress)
    written = Written(len(store.places), store.n_frames, store.n_features)
    _say_written(output, written, as_json=as_json)


def _say_written(output: Path, written: Written, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"output": str(output), **dataclasses.asdict(written)}))
        return
    click.echo(
        f"{output}: {written.n_utterances:,} utterances, {written.n_frames:,} frames of "
        f"{written.n_features} features"
    )

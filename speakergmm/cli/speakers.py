"""`speakergmm enroll` and `speakergmm verify`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from speakergmm.cli.app import EXIT_REJECTED
from speakergmm.cli.console import (
    json_option,
    print_warnings,
    ubm_option,
)
from speakergmm.cli.scoring_options import (
    calibration_option,
    cohort_option,
    relevance_option,
)

store_option = click.option(
    "--store",
    default="speakers.db",
    show_default=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="File of enrolled speakers.",
)


@click.command()
@click.argument("speaker_id", metavar="ID")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@ubm_option
@store_option
@json_option
def enroll(speaker_id: str, files: tuple[Path, ...], ubm: Path, store: Path, as_json: bool) -> None:
    """Enroll speaker ID from one or more recordings.

    Enrolling again with other recordings adds to what is known. The store keeps statistics,
    never the audio. Some ten seconds of speech are a start; a minute, from more than one day, is
    better.

    \b
    Examples:
      speakergmm enroll alice monday.wav tuesday.flac --ubm ubm.safetensors
      speakergmm enroll bob bob*.wav --ubm ubm.safetensors --store team.db
    """
    from speakergmm.verification import Verifier

    verifier = Verifier.load(ubm, store)
    report = verifier.enroll(speaker_id, files)
    if as_json:
        click.echo(json.dumps(report.to_json()))
        return
    click.echo(
        f"{speaker_id}: {report.speech_s:.1f} s of speech from {len(files)} recording(s) added; "
        f"{report.total_speech_s:.1f} s from {report.n_recordings} in all, in {store}"
    )
    print_warnings(report.warnings)


@click.command()
@click.argument("speaker_id", metavar="ID")
@click.argument("file", type=click.Path(path_type=Path))
@ubm_option
@store_option
@click.option(
    "--threshold",
    type=float,
    help="Accept from this score on; with --calibration, from this log-likelihood ratio on.  "
    "[default: the calibration's]",
)
@calibration_option
@cohort_option
@relevance_option
@json_option
@click.pass_context
def verify(
    ctx: click.Context,
    speaker_id: str,
    file: Path,
    ubm: Path,
    store: Path,
    threshold: float | None,
    calibration: Path | None,
    cohort: Path | None,
    relevance_factor: float | None,
    as_json: bool,
) -> None:
    """Decide whether FILE is speaker ID.

    A score has no meaning by itself: its scale depends on the model and on the speech. A
    calibration, which `speakergmm calibrate` makes of recordings of yours, turns it into a
    log-likelihood ratio, and has a threshold.

    Exit status: 0 accepted, 3 rejected, 1 when it cannot be decided.

    \b
    Examples:
      speakergmm calibrate recordings/ --ubm ubm.safetensors
      speakergmm verify alice unknown.wav --ubm ubm.safetensors --calibration calibration.json
      speakergmm verify alice unknown.wav --ubm ubm.safetensors --threshold 0.5 --json
    """
    if threshold is None and calibration is None:
        raise click.UsageError(
            "no threshold: a score means nothing without one. Calibrate with recordings of your "
            "own speakers (`speakergmm calibrate`), and give the result with --calibration; or "
            "give a threshold with --threshold."
        )
    from speakergmm.cli.scoring_options import enrollment_config
    from speakergmm.verification import Verifier

    given = None if relevance_factor is None else enrollment_config(relevance_factor)
    verifier = Verifier.load(ubm, store, enrollment=given, calibration=calibration, cohort=cohort)
    result = verifier.verify(speaker_id, file, threshold=threshold)
    if as_json:
        click.echo(json.dumps(result.to_json()))
    else:
        relation = "at or above" if result.accepted else "below"
        value = f"score {result.score:.4f}"
        if result.llr is not None:
            value += f", log-likelihood ratio {result.llr:.2f}"
        click.echo(
            f"{'accepted' if result.accepted else 'rejected'}: {file} as {speaker_id!r}, {value}, "
            f"{relation} the threshold {result.threshold:.4g} ({result.speech_s:.1f} s of speech)"
        )
        if result.llr is not None:
            from speakergmm.evaluation.wording import ratio_sentence

            click.echo(ratio_sentence(result.llr))
        print_warnings(result.warnings)
    ctx.exit(0 if result.accepted else EXIT_REJECTED)

"""`speakergmm enroll`: recordings → enrolled speakers."""

from __future__ import annotations

import json
from pathlib import Path

import click

from speakergmm.cli.console import json_option, print_warnings, quiet_option, showing_progress
from speakergmm.cli.system_options import (
    check_one_or_list,
    list_option,
    load_verifier,
    named_files,
    output_option,
    system_options,
)


@click.command()
@click.argument("speaker_id", metavar="ID", required=False)
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@system_options
@list_option
@output_option
@json_option
@quiet_option
@click.pass_context
def enroll(
    ctx: click.Context,
    speaker_id: str | None,
    files: tuple[Path, ...],
    system: Path | None,
    store: Path,
    ubm: Path | None,
    calibration: Path | None,
    cohort: Path | None,
    relevance_factor: float | None,
    listed: Path | None,
    output: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Enroll speaker ID from one or more recordings.

    Enrolling again with other recordings adds to what is known. The store keeps statistics,
    never the audio. Some ten seconds of speech are a start; a minute, from more than one day, is
    better. A recording that does not fit the others, or is another speaker's, is named.

    With --list, speakers are enrolled by a CSV file with the columns speaker_id and path (and
    start_s, end_s for a part of a recording); each as a whole or not at all.

    \b
    Examples:
      speakergmm enroll alice monday.wav tuesday.flac
      speakergmm enroll bob bob*.wav --system phone.safetensors --store team.db
      speakergmm enroll --list team.csv --output enrolled.csv
    """
    check_one_or_list(speaker_id is not None, listed, output, "ID and FILES")
    if speaker_id is not None and not files:
        raise click.UsageError("no recordings: give ID and one or more FILES.")
    verifier = load_verifier(system, store, ubm, calibration, cohort, relevance_factor)
    if listed is not None:
        from speakergmm.cli.batch_output import print_batch
        from speakergmm.files import check_apart
        from speakergmm.recipes.batches import enroll_list

        written = output or Path("enrolled.csv")
        check_apart(written, [listed, *named_files(system, store, ubm, calibration, cohort)])
        with showing_progress(quiet=quiet) as progress:
            summary = enroll_list(verifier, listed, written, progress=progress)
        print_batch(ctx, summary, "enrolled", written, as_json=as_json)
        return
    report = verifier.enroll(speaker_id or "", files)
    if as_json:
        click.echo(json.dumps(report.to_json()))
        return
    from speakergmm.evaluation.answers_in_words import enrollment_lines

    for line in enrollment_lines(report, store):
        click.echo(line)
    print_warnings(report.warnings)

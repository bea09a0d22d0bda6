"""`speakergmm audio`: what recordings are like."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from speakergmm.cli.console import json_option, quiet_option, showing_progress
from speakergmm.names import visible

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from speakergmm.audio.quality import Quality

COLUMNS = ("file", "length", "speech", "level", "SNR", "clipped", "DC", "zeros", "band", "warnings")


# Fewer are done before progress could be read.
MANY_FILES = 20


@click.group()
def audio() -> None:
    """Look at recordings before they are used.

    \b
    Example:
      speakergmm audio check *.wav
    """


@audio.command()
@click.argument("files", nargs=-1, required=True, type=click.Path())
@quiet_option
@json_option
@click.pass_context
def check(ctx: click.Context, files: Sequence[str], quiet: bool, as_json: bool) -> None:
    """Measure the quality of FILES, and say what it may do to a decision.

    Length and net speech; level of the speech; speech over noise (SNR); clipped samples; the
    offset (DC), of full scale; exact zeros; where the band of the speech ends, so that 8 kHz audio
    in a 16 kHz file is found out; silent and identical channels.

    Exit status: 0 when all files can be used, with or without warnings; 1 when one cannot.

    \b
    Examples:
      speakergmm audio check interview.wav
      speakergmm audio check evidence/*.flac --json
    """
    from pathlib import Path

    from speakergmm.audio.quality import recording_quality
    from speakergmm.cli.app import EXIT_FAILED
    from speakergmm.errors import AudioError

    measured: list[tuple[Path, Quality]] = []
    refused: list[str] = []
    entries: list[dict[str, Any]] = []
    with showing_progress(quiet=quiet or len(files) < MANY_FILES) as progress:
        progress.start("recordings", len(files))
        for path in map(Path, files):
            try:
                measured.append((path, recording_quality(path)))
                entries.append({"file": str(path), **measured[-1][1].to_json()})
            except AudioError as error:
                refused.append(str(error))
                entries.append({"file": str(path), "error": str(error)})
            progress.advance()
    if as_json:
        click.echo(json.dumps(entries))
    else:
        _print(measured)
        for complaint in refused:
            click.echo(visible(f"error: {complaint}"), err=True)
    ctx.exit(EXIT_FAILED if refused else 0)


def _print(measured: Sequence[tuple[Path, Quality]]) -> None:
    from speakergmm.cli.console import format_duration, print_table

    if not measured:
        return
    rows = [
        (
            str(path),
            format_duration(q.duration_s),
            format_duration(q.net_speech_s),
            f"{q.speech_level_dbfs:.0f} dBFS",
            "-" if q.snr_db is None else f"{q.snr_db:.0f} dB",
            f"{100 * q.clipped_share:.2f} %",
            f"{100 * q.dc_offset:+.2f} %",
            f"{100 * q.zero_share:.1f} %",
            f"{q.bandwidth_hz / 1000:.1f} kHz",
            str(len(q.warnings) or "none"),
        )
        for path, q in measured
    ]
    print_table(COLUMNS, [[visible(cell) for cell in row] for row in rows])
    for path, quality in measured:
        for warning in quality.warnings:
            click.echo(visible(f"warning: {path}: {warning.text}"))

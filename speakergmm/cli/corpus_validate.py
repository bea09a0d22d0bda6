"""`speakergmm corpus validate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from speakergmm.cli.console import (
    audio_option,
    format_duration,
    jobs_option,
    json_option,
    quiet_option,
    showing_progress,
)
from speakergmm.cli.output_file import OutputFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from speakergmm.audio.corpus_check import CorpusCheck
    from speakergmm.corpora import Utterances


@click.command("validate")
@click.argument("place", metavar="UTTERANCES_OR_FOLDER", type=click.Path(path_type=Path))
@audio_option
@click.option(
    "--output",
    type=OutputFile(),
    help="Write a row for every recording to this file (CSV).",
)
@jobs_option
@quiet_option
@json_option
@click.pass_context
def validate(
    ctx: click.Context,
    place: Path,
    audio: Path | None,
    output: Path | None,
    jobs: int | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Decode every recording of a list, or of a folder, to its end, and say what is wrong.

    UTTERANCES is a CSV file with the columns utterance_id, speaker_id, path and, as wanted,
    start_s, end_s, channel. Found out are recordings that are not there, cannot be decoded, or hold
    no sound in a channel that is wanted; utterances beyond the end, or of a channel that is not
    there; the same audio under two names, which is worse under two speakers, and a stretch of one
    recording that the list gives to two; what is nearly silent, clipped, has an offset or another
    sample rate than most. How noisy recordings are, `audio check` tells.

    Exit status: 0 when all recordings can be used, with or without warnings; 1 when one cannot.

    \b
    Examples:
      speakergmm corpus validate lists/utterances.csv --audio /data/AudioMNIST
      speakergmm corpus validate /data/AudioMNIST --output report.csv
    """
    from speakergmm.audio.corpus_check import check_recordings
    from speakergmm.cli.app import EXIT_FAILED
    from speakergmm.files import check_apart, check_writable

    if output is not None:
        check_apart(output, [place])
        check_writable(output)
    recordings = _recordings(place, audio)
    with showing_progress(quiet=quiet) as progress:
        check = check_recordings(recordings, jobs=jobs, may_use_processes=True, progress=progress)
    if output is not None:
        from speakergmm.audio.corpus_report import write_report

        write_report(output, check)
    if as_json:
        from speakergmm.audio.corpus_report import to_json

        click.echo(json.dumps(to_json(check)))
    else:
        _print_summary(check)
        _print_problems(check)
    n_bad = len(check.recordings) - check.n_usable
    if n_bad:
        click.echo(
            f"error: {n_bad:,} of {len(check.recordings):,} recordings cannot be used", err=True
        )
        ctx.exit(EXIT_FAILED)


def _recordings(place: Path, audio: Path | None) -> Utterances | Iterable[Path]:
    """Give what a list names, whether it is there or not, or what is found in a folder.

    Raises
    ------
    ManifestError
        When the list cannot be used, or there are no recordings.
    """
    from speakergmm.corpora import read_utterances
    from speakergmm.corpora.folders import recordings_below
    from speakergmm.corpora.manifests import AUDIO_SUFFIXES
    from speakergmm.corpora.text_files import refuse_pipe
    from speakergmm.errors import ManifestError

    if not place.is_dir():
        refuse_pipe(place, is_named=True)
        return read_utterances(place, audio, must_exist=False)
    if audio is not None:
        raise click.UsageError("--audio is for a list; of a folder all recordings are checked.")
    found = list(recordings_below(place, even_unreadable=True))
    if not found:
        raise ManifestError(f"{place}: no recordings ({', '.join(AUDIO_SUFFIXES)}) in this folder")
    return found


def _print_summary(check: CorpusCheck) -> None:
    n, n_usable = len(check.recordings), check.n_usable
    rows = [("recordings", f"{n:,}, {'all' if n == n_usable else f'{n_usable:,}'} usable")]
    if check.n_utterances:
        rows.append(
            ("utterances", f"{check.n_utterances:,} of {check.n_speakers:,} speakers"),
        )
    if check.durations_s is not None:
        shortest, middle, longest = map(format_duration, check.durations_s)
        lengths = f"shortest {shortest}, median {middle}, longest {longest}"
        rows.append(("length", f"{format_duration(check.total_s)} in all; {lengths}"))
    rows += [
        ("sample rate", _counted(check.counts("sample_rate"), "{:,} Hz")),
        ("channels", _counted(check.counts("n_channels"), "{}")),
        ("format", _counted(check.counts("coding"), "{}")),
    ]
    for label, text in rows:
        if text:
            click.echo(f"{label:<12} {text}")


def _counted(counts: Mapping[object, int], form: str) -> str:
    """Name values, with how many recordings have each where there are several."""
    if len(counts) == 1:
        return form.format(*counts)
    return "; ".join(f"{form.format(value)}: {n:,}" for value, n in counts.items())


def _print_problems(check: CorpusCheck) -> None:
    """Print each kind of problem with its first lines."""
    from speakergmm.audio.corpus_check import ERRORS, HEADINGS
    from speakergmm.errors import MAX_PROBLEMS_SHOWN
    from speakergmm.names import visible

    for kind, lines in check.problems().items():
        click.echo(
            f"\n{'error' if kind in ERRORS else 'warning'}: {HEADINGS[kind]}: {len(lines):,}"
        )
        for line in lines[:MAX_PROBLEMS_SHOWN]:
            click.echo(visible(f"  {line}"))
        if len(lines) > MAX_PROBLEMS_SHOWN:
            click.echo(f"  ... and {len(lines) - MAX_PROBLEMS_SHOWN:,} more")

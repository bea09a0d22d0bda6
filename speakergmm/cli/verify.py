"""`speakergmm verify`: a recording and a claim → a decision, and why."""

from __future__ import annotations

import dataclasses
import json
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from speakergmm.cli.app import EXIT_REJECTED
from speakergmm.cli.console import (
    jobs_option,
    json_option,
    print_warnings,
    quiet_option,
    showing_progress,
)
from speakergmm.cli.system_options import (
    check_one_or_list,
    list_option,
    load_verifier,
    named_files,
    output_option,
    system_options,
    threshold_option,
)
from speakergmm.errors import AudioError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from speakergmm.audio.streams import Encoding
    from speakergmm.verification import Verification, Verifier
    from speakergmm.verification.streaming import StreamAnswer

STDIN = Path("-")


@click.command()
@click.argument("speaker_id", metavar="ID", required=False)
@click.argument("file", required=False, type=click.Path(path_type=Path, allow_dash=True))
@system_options
@threshold_option
@click.option(
    "--explain",
    "explanations",
    multiple=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write why: a page (.html), picture (.png, .svg) or numbers (.json); may be repeated.",
)
@click.option("--raw-rate", type=int, help="Of raw samples on standard input: their rate in Hz.")
@click.option(
    "--raw-encoding",
    type=click.Choice(["s16le", "s32le", "f32le"]),
    default="s16le",
    show_default=True,
    help="Of raw samples: integers or floats, low byte first.",
)
@click.option("--to-the-end", is_flag=True, help="Of standard input: do not stop when sure.")
@list_option
@output_option
@jobs_option
@json_option
@quiet_option
@click.pass_context
def verify(
    ctx: click.Context,
    speaker_id: str | None,
    file: Path | None,
    system: Path | None,
    store: Path,
    ubm: Path | None,
    calibration: Path | None,
    cohort: Path | None,
    relevance_factor: float | None,
    threshold: float | None,
    explanations: tuple[Path, ...],
    raw_rate: int | None,
    raw_encoding: Encoding,
    to_the_end: bool,
    listed: Path | None,
    output: Path | None,
    jobs: int | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Decide whether FILE is speaker ID.

    The answer is a log-likelihood ratio: how many times as likely such speech is from the claimed
    speaker as from a stranger, as its natural logarithm. From the system's threshold on, the
    claim is accepted. Without a calibration there is only a score, whose scale depends on the model
    and the speech, and --threshold must be given.

    With - for FILE, WAV or raw samples are read from standard input, and how the answer stands is
    said as speech arrives, until it is sure: until two looks in a row leave an error rate of one in
    a hundred either way, where the system knows what little speech is worth. Ctrl-C ends the speech
    and gives the answer to what was heard so far. With --json there is one object a line; the last
    is the answer.

    With --list, claims are read from a CSV file with the columns
    speaker_id and path (and, if wanted, start_s, end_s, test_id, label); what is written is a score
    file that `speakergmm evaluate` reads.

    Exit status: 0 accepted, 3 rejected, 1 when it cannot be decided.

    \b
    Examples:
      speakergmm verify alice unknown.wav
      speakergmm verify alice unknown.wav --system demo/system.safetensors --explain why.html
      speakergmm verify alice unknown.wav --ubm ubm.safetensors --threshold 0.5 --json
      arecord -f S16_LE -r 16000 -t wav | speakergmm verify alice -
      ffmpeg -i call.ogg -f wav - | speakergmm verify alice - --to-the-end
      speakergmm verify --list claims.csv --output scores.csv
    """
    check_one_or_list(speaker_id is not None, listed, output, "ID and FILE")
    if speaker_id is not None and file is None:
        raise click.UsageError("no recording: give ID and FILE.")
    if explanations and (listed is not None or file == STDIN):
        raise click.UsageError("--explain is for one recording in a file.")
    if raw_rate is not None and file != STDIN:
        raise click.UsageError("--raw-rate is for samples on standard input; give - for FILE.")
    _check_threshold(threshold, ubm, calibration)
    if explanations:
        from speakergmm.evaluation.report import check_explanation_path
        from speakergmm.files import check_apart, check_writable

        for path in explanations:
            check_explanation_path(path)
            check_writable(path)
            check_apart(path, [file, *named_files(system, store, ubm, calibration, cohort)])
    verifier = load_verifier(system, store, ubm, calibration, cohort, relevance_factor)
    if listed is not None:
        from speakergmm.cli.batch_output import print_batch
        from speakergmm.files import check_apart
        from speakergmm.recipes.batches import verify_list

        written = output or Path("scores.csv")
        check_apart(written, [listed, *named_files(system, store, ubm, calibration, cohort)])
        with showing_progress(quiet=quiet) as progress:
            summary = verify_list(
                verifier, listed, written, threshold=threshold, jobs=jobs, progress=progress
            )
        print_batch(ctx, summary, "accepted", written, as_json=as_json)
        return
    claimed = speaker_id or ""
    if file == STDIN:
        result = _from_standard_input(
            verifier, claimed, threshold, raw_rate, raw_encoding, to_the_end, as_json, quiet
        )
    elif explanations:
        from speakergmm.evaluation.report import write_explanation

        result, explanation = verifier.explain(claimed, file or "", threshold=threshold)
        for path in explanations:
            write_explanation(path, explanation)
    else:
        result = verifier.verify(claimed, file or "", threshold=threshold)
    _print_answer(verifier, result, explanations, as_json=as_json)
    ctx.exit(0 if result.accepted else EXIT_REJECTED)


def _check_threshold(threshold: float | None, ubm: Path | None, calibration: Path | None) -> None:
    if threshold is None and ubm is not None and calibration is None:
        raise click.UsageError(
            "no threshold: a score means nothing without one. Calibrate with recordings of your "
            "own speakers (`speakergmm calibrate`), and give the result with --calibration; or "
            "give a threshold with --threshold."
        )


def _print_answer(
    verifier: Verifier, result: Verification, explanations: tuple[Path, ...], *, as_json: bool
) -> None:
    if as_json:
        click.echo(json.dumps(result.to_json()))
        return
    from speakergmm.evaluation.answers_in_words import verification_lines

    record = verifier.system.calibration
    for line in verification_lines(result, "" if record is None else record.measured_on):
        click.echo(line)
    for path in explanations:
        click.echo(f"  why: {path}")
    print_warnings(result.warnings)


def _from_standard_input(
    verifier: Verifier,
    speaker_id: str,
    threshold: float | None,
    raw_rate: int | None,
    raw_encoding: Encoding,
    to_the_end: bool,
    as_json: bool,
    quiet: bool,
) -> Verification:
    """Verify what arrives, saying how the answer stands, until it is sure or ends."""
    from speakergmm.audio.streams import RawFormat, open_stream
    from speakergmm.verification.streaming import StreamConfig

    if sys.stdin is None:
        raise AudioError("standard input: closed; expected audio")
    raw = None if raw_rate is None else RawFormat(raw_rate, raw_encoding)
    config = StreamConfig(test=None) if to_the_end else StreamConfig()
    arriving = open_stream(sys.stdin.buffer, raw=raw)
    stream = verifier.stream(speaker_id, arriving.sample_rate, threshold=threshold, config=config)
    if not stream.can_stop and not to_the_end:
        click.echo(
            "note: listening to the end: the system does not know what little speech is worth",
            err=True,
        )
    with _showing_answers(as_json=as_json, quiet=quiet) as show:
        was_interrupted = False
        try:
            for block in arriving.blocks:
                answer = stream.push(block)
                if answer is not None:
                    show(answer)
                if stream.is_decided:
                    break
        except KeyboardInterrupt:
            # Who stops a recorder with Ctrl-C has spoken, and waits for the answer.
            was_interrupted = True
    try:
        result = stream.finish()
    except AudioError:
        if was_interrupted:
            raise KeyboardInterrupt from None
        raise
    return dataclasses.replace(result, recording=arriving.name)


@contextmanager
def _showing_answers(*, as_json: bool, quiet: bool) -> Iterator[Callable[[StreamAnswer], None]]:
    """Give what shows an answer: as JSON, on one line of a terminal, or a line each."""
    from speakergmm.evaluation.answers_in_words import stream_line

    moves = not as_json and not quiet and sys.stderr.isatty()
    width = 0

    def show(answer: StreamAnswer) -> None:
        nonlocal width
        if as_json:
            click.echo(json.dumps(answer.to_json()))
            return
        if quiet:
            return
        line = stream_line(answer)
        if moves:
            # Spaces wipe out what a longer line leaves behind.
            click.echo(f"\r{line:<{width}}", err=True, nl=False)
            width = len(line)
        else:
            click.echo(line, err=True)

    try:
        yield show
    finally:
        if width:
            click.echo(err=True)

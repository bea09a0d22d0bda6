"""`speakergmm identify`: a recording → who of those enrolled it is of, or nobody."""

from __future__ import annotations

import json
from pathlib import Path

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


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@system_options
@threshold_option
@click.option(
    "--top", default=5, show_default=True, type=click.IntRange(min=1), help="Candidates to name."
)
@click.option("--closed", is_flag=True, help="It is one of them: name the best.")
@click.option(
    "--p-known",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="How often it is one of them; instead of a threshold.  [default: what the threshold "
    "stands for]",
)
@list_option
@output_option
@jobs_option
@json_option
@quiet_option
@click.pass_context
def identify(
    ctx: click.Context,
    file: Path | None,
    system: Path | None,
    store: Path,
    ubm: Path | None,
    calibration: Path | None,
    cohort: Path | None,
    relevance_factor: float | None,
    threshold: float | None,
    top: int,
    closed: bool,
    p_known: float | None,
    listed: Path | None,
    output: Path | None,
    jobs: int | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Tell who of those enrolled FILE is, or that it is none of them.

    Somebody is named who is more probable than nobody. So the best candidate has to reach the
    threshold of a claim plus ln S (of log-likelihood ratios, also one given by --threshold), since
    a stranger has S chances to be taken for one of S speakers; else the answer is "none of them".
    With --closed the best is the answer.

    With --list, recordings are read from a CSV file with the column path (and, if wanted, start_s,
    end_s, test_id).

    Exit status: 0 somebody, 3 none of them, 1 when it cannot be decided.

    \b
    Examples:
      speakergmm identify unknown.wav
      speakergmm identify unknown.wav --top 3 --json
      speakergmm identify unknown.wav --closed --system demo/system.safetensors
      speakergmm identify --list calls.csv --output who.csv
    """
    check_one_or_list(file is not None, listed, output, "FILE")
    if (
        not closed
        and threshold is None
        and p_known is None
        and ubm is not None
        and calibration is None
    ):
        raise click.UsageError(
            "no threshold: a score means nothing without one. Give a calibrated system, "
            "--threshold, or --closed where it is one of those enrolled."
        )
    verifier = load_verifier(system, store, ubm, calibration, cohort, relevance_factor)
    if listed is not None:
        from speakergmm.cli.batch_output import print_batch
        from speakergmm.files import check_apart
        from speakergmm.recipes.batches import identify_list

        written = output or Path("identified.csv")
        check_apart(written, [listed, *named_files(system, store, ubm, calibration, cohort)])
        with showing_progress(quiet=quiet) as progress:
            summary = identify_list(
                verifier, listed, written, top=top, closed=closed, p_known=p_known,
                threshold=threshold, jobs=jobs, progress=progress,
            )  # fmt: skip
        print_batch(ctx, summary, "found", written, as_json=as_json)
        return
    answer = verifier.identify(
        file or "", top=top, closed=closed, p_known=p_known, threshold=threshold
    )
    if as_json:
        click.echo(json.dumps(answer.to_json()))
    else:
        from speakergmm.evaluation.answers_in_words import identification_lines

        for line in identification_lines(answer):
            click.echo(line)
        print_warnings(answer.warnings)
    ctx.exit(0 if answer.speaker_id is not None else EXIT_REJECTED)

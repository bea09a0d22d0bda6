"""`speakergmm evaluate`: scores → numbers, pictures and a report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from speakergmm.cli.console import (
    json_option,
    print_evaluations,
    quiet_option,
    showing_progress,
)
from speakergmm.cli.cost_options import cost_options, evaluation_config
from speakergmm.cli.scoring_options import calibration_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from speakergmm.corpora import Scores, Trials
    from speakergmm.evaluation import EvaluationConfig
    from speakergmm.evaluation.analysis import Analysis
    from speakergmm.evaluation.trial_words import TrialWords

POINTS = {"eer": "both errors are equally frequent", "min_dcf": "the cost is lowest"}


@click.command()
@click.argument(
    "files",
    metavar="SCORES...",
    nargs=-1,
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
)
@click.option(
    "--trials",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Trial list with the labels (and columns) that SCORES does not have.",
)
@calibration_option
@click.option(
    "--by",
    "columns",
    multiple=True,
    metavar="COLUMN",
    help="Break the numbers down by this column of SCORES or of --trials; may be repeated.",
)
@cost_options
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for report.html, metrics.json, det.svg and det.png; with --by breakdown.json; "
    "with --calibration scores.csv.",
)
@click.option("--plots", is_flag=True, help="Also write every picture, into plots/ of --output.")
@json_option
@quiet_option
@click.pass_context
def evaluate(
    ctx: click.Context,
    files: tuple[Path, ...],
    trials: Path | None,
    calibration: Path | None,
    columns: tuple[str, ...],
    p_target: float | None,
    c_miss: float | None,
    c_fa: float | None,
    point: str | None,
    resamples: int | None,
    seed: int,
    output: Path | None,
    plots: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Compute error rates, costs and thresholds from SCORES.

    SCORES is a CSV file (or .csv.gz) with the columns model_id, test_id, label (target or
    nontarget), score and, as wanted, llr. A higher score means "same speaker". Who speaks is told
    by the target trials, or by name in the columns model_speaker and test_speaker; an empty
    model_speaker means that the model is of a class, such as all women.

    \b
    Examples:
      speakergmm evaluate scores.csv
      speakergmm evaluate scores.csv --point voxceleb --json
      speakergmm evaluate scores.csv.gz --trials trials.csv --by sex --by language
      speakergmm evaluate scores.csv --output results --plots
      speakergmm evaluate scores.csv --calibration calibration.json
      speakergmm evaluate first.csv second.csv --calibration fusion.json --output fused

    With --calibration the log-likelihood ratios are made of the scores, those of several systems
    by a fusion; a calibration of scores of another kind is refused. Several systems are set side by
    side by `speakergmm compare`.
    """
    from speakergmm.corpora import write_scores
    from speakergmm.evaluation import evaluate_scores
    from speakergmm.evaluation.analysis import Analysis, analyze
    from speakergmm.evaluation.trial_words import words_of_file

    if plots and output is None:
        raise click.UsageError("--plots needs a folder: give one with --output.")
    if len(files) > 1 and calibration is None:
        raise click.UsageError(
            "several score files are fused by a calibration: fit one with `calibrate`, and give it "
            "with --calibration; or set them side by side with `compare`."
        )
    config = evaluation_config(p_target, c_miss, c_fa, point, resamples)
    with showing_progress(quiet=quiet) as progress:
        progress.start(f"reading {files[0].name}")
        systems = _read(files, trials, columns)
        words = words_of_file(files[0], systems[0].trials)
        scores = systems[0] if calibration is None else _calibrated(files, systems, calibration)
        if output is None and not columns:
            analysis = Analysis(
                scores, evaluate_scores(scores, config, rng=seed, progress=progress)
            )
        else:
            analysis = analyze(scores, config, rng=seed, progress=progress)
        if output is not None:
            from speakergmm.evaluation.results import write_evaluation

            progress.start("report")
            write_evaluation(
                output,
                files,
                analysis,
                config.cost,
                command=ctx.obj,
                seed=seed,
                plots=plots,
                words=words,
            )
            if calibration is not None:
                write_scores(output / "scores.csv", scores)
    if as_json:
        click.echo(json.dumps(analysis.to_json(), indent=2))
        return
    _print(files[0].stem, analysis, config, words)
    if output is not None:
        click.echo(f"Report: {output / 'report.html'}")


def _read(files: Sequence[Path], trials: Path | None, columns: Sequence[str]) -> list[Scores]:
    """Read score files, with the labels and columns of a trial list where there is one."""
    from speakergmm.corpora import align_scores, read_extra_columns, read_scores, read_trial_labels

    labels: Trials | None = None
    if trials is not None:
        theirs = set(read_extra_columns(trials)) if columns else set()
        # What neither has is looked for here, where columns usually are.
        own = set(read_extra_columns(files[0])) if columns else set()
        wanted = [c for c in columns if c in theirs or c not in own]
        labels = read_trial_labels(trials, columns=wanted)
    every = [
        read_scores(
            file,
            labels=labels,
            # One file's columns are enough.
            columns=columns if i == 0 else (),
            labels_name=str(trials),
        )
        for i, file in enumerate(files)
    ]
    return align_scores(every, [str(file) for file in files])


def _calibrated(files: Sequence[Path], systems: list[Scores], calibration: Path) -> Scores:
    """Turn scores into log-likelihood ratios."""
    from speakergmm.errors import CalibrationError
    from speakergmm.verification.calibration_file import load_calibration
    from speakergmm.verification.origin import read_origin

    record = load_calibration(calibration)
    record.check([read_origin(file) for file in files], str(calibration))
    if record.calibration.side:
        needed = ", ".join(term.name for term in record.calibration.side)
        raise CalibrationError(
            f"{calibration}: needs {needed}, which score files do not hold; give it to "
            "`score --calibration`, which knows the speech of each trial"
        )
    return record.calibrated(systems)


def _print(name: str, analysis: Analysis, config: EvaluationConfig, words: TrialWords) -> None:
    from speakergmm.cli.console import print_table
    from speakergmm.evaluation.wording import format_interval, format_score, format_value

    print_evaluations({name: analysis.evaluation}, config.cost, words=words)
    for breakdown in analysis.breakdowns:
        header = [f"by {breakdown.column}", "target", "nontarget", "EER", "(95 % interval)"]
        rows = []
        for part in breakdown.parts:
            estimate = part.metrics.get("eer")
            interval = format_interval("eer", estimate) if estimate else ""
            rows.append(
                [
                    part.name,
                    f"{part.n_target:,}",
                    f"{part.n_nontarget:,}",
                    format_value("eer", estimate.value if estimate else None),
                    f"({interval})" if interval else "",
                ]
            )
        print_table(header, rows)
    for point, what in POINTS.items():
        found = analysis.evaluation.thresholds[point]
        click.echo(
            f"Threshold at which {what}: {format_score(found.score)} "
            f"(misses {100 * found.p_miss:.2f} %, false alarms {100 * found.p_fa:.2f} %)"
        )

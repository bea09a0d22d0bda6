"""`speakergmm compare`: several systems on the same trials, side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from speakergmm.cli.console import json_option, print_table, quiet_option, showing_progress
from speakergmm.cli.cost_options import cost_options, evaluation_config

if TYPE_CHECKING:
    from collections.abc import Sequence

SCORES_FILE = "scores.csv"

SHOWN = ("eer", "min_dcf", "min_cllr", "cllr")


@click.command()
@click.argument(
    "runs",
    metavar="RUN...",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path),
)
@click.option(
    "--trials",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Trial list with the labels that score files do not have.",
)
@cost_options
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for report.html, comparison.json, comparison.csv, det.svg and det.png.",
)
@json_option
@quiet_option
@click.pass_context
def compare(
    ctx: click.Context,
    runs: tuple[Path, ...],
    trials: Path | None,
    p_target: float | None,
    c_miss: float | None,
    c_fa: float | None,
    point: str | None,
    resamples: int | None,
    seed: int,
    output: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Tell which RUN is better, by how much, and how surely.

    A RUN is the output folder of a recipe, or a score file as `evaluate` reads it. All must be of
    the same trials. Differences are paired: in each resample all systems meet the same speakers.

    \b
    Examples:
      speakergmm compare out/baseline out/more-components
      speakergmm compare a.csv b.csv c.csv --p-target 0.05 --output comparison
      speakergmm compare out/baseline out/new --json
    """
    from speakergmm.corpora import align_scores, read_scores, read_trial_labels
    from speakergmm.evaluation import evaluate_scores
    from speakergmm.evaluation.analysis import Analysis
    from speakergmm.evaluation.comparison import compare_scores
    from speakergmm.evaluation.results import comparison_json, write_compared
    from speakergmm.evaluation.trial_words import words_of_file
    from speakergmm.evaluation.wording import (
        LABELS,
        difference_sentence,
        format_interval,
        format_value,
    )

    if len(runs) < 2:
        raise click.UsageError("there is one run; give two or more to compare.")
    config = evaluation_config(p_target, c_miss, c_fa, point, resamples)
    files = _named(runs)
    with showing_progress(quiet=quiet) as progress:
        labels = None if trials is None else read_trial_labels(trials)
        progress.start("reading", len(files))
        every = []
        for file in files.values():
            every.append(read_scores(file, labels=labels, labels_name=str(trials)))
            progress.advance()
        scores = dict(zip(files, align_scores(every, [*files]), strict=True))
        analyses = {
            name: Analysis(part, evaluate_scores(part, config, rng=seed, progress=progress))
            for name, part in scores.items()
        }
        comparisons = compare_scores(scores, config, rng=seed, progress=progress)
        if output is not None:
            first, file = next(iter(files.items()))
            write_compared(
                output,
                files,
                analyses,
                comparisons,
                command=ctx.obj,
                seed=seed,
                words=words_of_file(file, scores[first].trials),
            )
    if as_json:
        click.echo(json.dumps(comparison_json(analyses, comparisons), indent=2))
        return
    header = ["", "EER", "(95 % interval)", *(LABELS[metric] for metric in SHOWN[1:])]
    rows = []
    for name, analysis in analyses.items():
        metrics = analysis.evaluation.metrics
        interval = format_interval("eer", metrics["eer"])
        row = [name, format_value("eer", metrics["eer"].value), f"({interval})" if interval else ""]
        row += [format_value(m, metrics[m].value) if m in metrics else "" for m in SHOWN[1:]]
        rows.append(row)
    print_table(header, rows)
    click.echo()
    for comparison in comparisons:
        for metric in SHOWN:
            if metric in comparison.differences:
                click.echo(difference_sentence(metric, comparison))
    if output is not None:
        click.echo(f"Report: {output / 'report.html'}")


def _named(runs: tuple[Path, ...]) -> dict[str, Path]:
    """Give each run a name, and the file of its scores.

    Raises
    ------
    MissingError
        When there is no such run, or a folder has no scores.
    """
    from speakergmm.errors import MissingError

    files = {}
    for run, name in zip(runs, _short_names(runs), strict=True):
        if not run.exists():
            raise MissingError(
                f"{run}: no such run; expected the output folder of a recipe, or a score file"
            )
        file = run / SCORES_FILE if run.is_dir() else run
        if run.is_dir() and not file.is_file():
            raise MissingError(
                f"{run}: no {SCORES_FILE} there; expected the output folder of a recipe, or a "
                "score file"
            )
        if name in files:
            raise click.UsageError(f"{run} stands there twice; compare different runs.")
        files[name] = file
    return files


def _short_names(runs: Sequence[Path]) -> list[str]:
    """Call runs by the last parts of their paths that tell them apart."""
    every = [run.resolve() for run in runs]
    # What every run has says nothing.
    are_alike = all(run.name == SCORES_FILE or run.is_dir() for run in every)
    paths = []
    for run in every:
        *folders, last = run.parts
        is_said = run.name != SCORES_FILE or not are_alike
        paths.append([*folders, last.partition(".csv")[0]] if is_said else folders)
    longest = max(map(len, paths))
    for n in range(1, longest + 1):
        names = ["/".join(path[-n:]) for path in paths]
        if len(set(names)) == len(names):
            break
    return names

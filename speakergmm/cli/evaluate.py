"""`speakergmm evaluate`: scores → numbers and a picture."""

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
from speakergmm.cli.scoring_options import (
    calibration_option,
)

if TYPE_CHECKING:
    from speakergmm.corpora import Scores


@click.command()
@click.argument(
    "files",
    metavar="SCORES...",
    nargs=-1,
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
)
@calibration_option
@click.option("--p-target", type=float, help="Prior of the cost model.  [default: 0.01]")
@click.option("--c-miss", type=float, help="Cost of a miss.  [default: 1]")
@click.option("--c-fa", type=float, help="Cost of a false alarm.  [default: 1]")
@click.option("--resamples", type=int, help="For the intervals; 0: none.  [default: 1000]")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0))
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for metrics.json, det.svg and det.png; with --calibration also scores.csv.",
)
@json_option
@quiet_option
def evaluate(
    files: tuple[Path, ...],
    calibration: Path | None,
    p_target: float | None,
    c_miss: float | None,
    c_fa: float | None,
    resamples: int | None,
    seed: int,
    output: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Compute error rates, costs and thresholds from SCORES.

    SCORES is a CSV file with the columns model_id, test_id, label (target or nontarget), score
    and, as wanted, llr. A higher score means "same speaker".

    \b
    Examples:
      speakergmm evaluate scores.csv
      speakergmm evaluate scores.csv --p-target 0.01 --json
      speakergmm evaluate scores.csv --output results
      speakergmm evaluate scores.csv --calibration calibration.json
      speakergmm evaluate first.csv second.csv --calibration fusion.json --output fused

    With --calibration the log-likelihood ratios are made of the scores, those of several systems
    by a fusion; a calibration of scores of another kind is refused.
    """
    from speakergmm.corpora import read_scores, write_scores
    from speakergmm.evaluation import EvaluationConfig, evaluate_scores
    from speakergmm.files import write_json

    given = {"p_target": p_target, "c_miss": c_miss, "c_fa": c_fa, "n_resamples": resamples}
    config = EvaluationConfig(**{k: v for k, v in given.items() if v is not None})  # type: ignore[arg-type]
    if calibration is not None:
        scores = _calibrated(files, calibration)
    elif len(files) > 1:
        raise click.UsageError(
            "several score files are fused by a calibration: fit one with `calibrate`, and give it "
            "with --calibration."
        )
    else:
        scores = read_scores(files[0])
    with showing_progress(quiet=quiet) as progress:
        evaluation = evaluate_scores(scores, config, rng=seed, progress=progress)
    name = files[0].stem
    metrics = {"evaluation": evaluation.to_json()}
    if output is not None:
        from speakergmm.evaluation.plots import det_figure, save_figure

        figure = det_figure({name: scores})
        for suffix in ("svg", "png"):
            save_figure(figure, output / f"det.{suffix}")
        write_json(output / "metrics.json", metrics)
        if calibration is not None:
            write_scores(output / "scores.csv", scores)
    if as_json:
        click.echo(json.dumps(metrics, indent=2))
        return
    print_evaluations({name: evaluation}, config.cost)
    points = {"eer": "both errors are equally frequent", "min_dcf": "the cost is lowest"}
    for point, what in points.items():
        found = evaluation.thresholds[point]
        click.echo(
            f"Threshold at which {what}: {found.score:.4f} (misses {100 * found.p_miss:.2f} %, "
            f"false alarms {100 * found.p_fa:.2f} %)"
        )


def _calibrated(files: tuple[Path, ...], calibration: Path) -> Scores:
    """Read score files and turn them into log-likelihood ratios."""
    from speakergmm.corpora import align_scores, read_scores
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
    systems = align_scores([read_scores(file) for file in files], [str(file) for file in files])
    return record.calibrated(systems)

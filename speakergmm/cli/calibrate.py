"""`speakergmm calibrate`: scores or recordings → what a score means, and a threshold."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from speakergmm.cli.console import (
    audio_option,
    jobs_option,
    json_option,
    print_warnings,
    quiet_option,
    showing_progress,
)
from speakergmm.cli.output_file import OutputFile
from speakergmm.cli.scoring_options import (
    cohort_option,
    normalization_option,
    relevance_option,
    scorer_option,
    scoring_settings,
    top_c_option,
    top_n_option,
)
from speakergmm.cli.system_options import DEFAULT_SYSTEM

if TYPE_CHECKING:
    from collections.abc import Mapping

    from speakergmm.evaluation import Estimate
    from speakergmm.evaluation.trial_words import TrialWords
    from speakergmm.progress import Progress
    from speakergmm.recipes.calibrating import CalibrationReport, Goal


@click.command()
@click.argument("sources", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--ubm",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Background model; needed for recordings.",
)
@click.option(
    "--output",
    default="calibration.json",
    show_default=True,
    type=OutputFile(),
    help="Calibration file to write.",
)
@click.option(
    "--system",
    type=OutputFile(),
    help="System file to write, of background model, cohort and calibration; for recordings.  "
    f"[default: {DEFAULT_SYSTEM}]",
)
@click.option("--name", help="What people call the system.")
@click.option("--p-target", type=float, help="Share of true speakers to expect.  [default: 0.01]")
@click.option("--c-miss", type=float, help="Cost of rejecting a true speaker.  [default: 1]")
@click.option("--c-fa", type=float, help="Cost of accepting a stranger.  [default: 1]")
@click.option(
    "--false-accept-rate",
    "p_fa",
    type=float,
    help="Choose the threshold that accepts so many of the strangers, such as 0.01.",
)
@click.option(
    "--enroll",
    "max_enrollment",
    type=click.IntRange(min=1),
    help="Recordings that a speaker is enrolled with in use.  [default: all but the one tested]",
)
@audio_option
@cohort_option
@normalization_option
@top_n_option
@relevance_option
@scorer_option
@top_c_option
@click.option("--resamples", default=1000, show_default=True, help="For the intervals; 0: none.")
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(min=0),
    help="Decides which speakers are left out together, and drawn for the intervals.",
)
@jobs_option
@json_option
@quiet_option
def calibrate(
    sources: tuple[Path, ...],
    ubm: Path | None,
    output: Path,
    system: Path | None,
    name: str | None,
    p_target: float | None,
    c_miss: float | None,
    c_fa: float | None,
    p_fa: float | None,
    max_enrollment: int | None,
    audio: Path | None,
    cohort: Path | None,
    normalization: str | None,
    top_n: int | None,
    relevance_factor: float | None,
    scorer: str | None,
    top_c: int | None,
    resamples: int,
    seed: int,
    jobs: int | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Learn what scores mean, and from which on to accept.

    SOURCES are a folder with a folder of recordings for each speaker, or a list of utterances
    (CSV): a few recordings of each of some twenty speakers, like those to come, and none of whom
    the background model has heard. All trials that they allow are made and scored. Or score files
    of one trial list, with labels: one to calibrate, several to fuse.

    Of recordings a system file is written too, which is all that `enroll`, `verify` and `identify`
    need.

    Error rates are those on speakers that the calibration was not fitted on: each trial is judged
    by the others. The threshold is that of the lowest cost, or of a wanted share of strangers.

    \b
    Examples:
      speakergmm calibrate recordings/ --ubm ubm.safetensors
      speakergmm calibrate recordings/ --ubm ubm.safetensors --false-accept-rate 0.01 --enroll 3
      speakergmm calibrate development/scores.csv --p-target 0.05
      speakergmm calibrate first.csv second.csv --output fusion.json
      speakergmm enroll alice alice1.wav alice2.wav && speakergmm verify alice unknown.wav
    """
    from speakergmm.evaluation import CostModel
    from speakergmm.evaluation.trial_words import SPEAKERS
    from speakergmm.recipes.calibrating import Goal
    from speakergmm.verification.calibration_file import save_calibration

    costs = {"p_target": p_target, "c_miss": c_miss, "c_fa": c_fa}
    cost = CostModel(**{name: value for name, value in costs.items() if value is not None})
    goal = Goal(cost, p_fa)
    written: Path | None = None
    words = SPEAKERS
    of_recordings = {
        "--ubm": ubm, "--enroll": max_enrollment, "--audio": audio, "--cohort": cohort,
        "--normalization": normalization, "--top-n": top_n, "--relevance-factor": relevance_factor,
        "--scorer": scorer, "--top-c": top_c, "--system": system, "--name": name,
    }  # fmt: skip
    with showing_progress(quiet=quiet) as progress:
        if all(map(_is_score_file, sources)):
            given = [name for name, value in of_recordings.items() if value is not None]
            if given:
                raise click.UsageError(
                    f"{', '.join(given)}: of no use with score files, which are scored already."
                )
            report, words = _of_scores(sources, goal, resamples, seed, progress)
        elif len(sources) > 1:
            raise click.UsageError(
                "several sources are for score files; give one folder or list of recordings."
            )
        elif ubm is None:
            raise click.UsageError("recordings are scored with a background model: give --ubm.")
        else:
            from speakergmm.recipes.calibrating import calibrate_recordings

            written = system or DEFAULT_SYSTEM
            _check_apart(
                {"--ubm": ubm, "--cohort": cohort, "--output": output, "--system": written}
            )
            report = calibrate_recordings(
                sources[0],
                ubm,
                scoring_settings(relevance_factor, scorer, top_c, normalization, top_n, cohort),
                goal,
                audio=audio,
                max_enrollment=max_enrollment,
                cohort=cohort,
                n_resamples=resamples,
                seed=seed,
                jobs=jobs,
                progress=progress,
            )
    save_calibration(output, report.record)
    if written is not None and ubm is not None:
        from speakergmm.verification.system import assemble_system
        from speakergmm.verification.system_file import save_system

        assembled = assemble_system(ubm, calibration=output, cohort=cohort, name=name or "")
        save_system(written, assembled)
    if as_json:
        click.echo(json.dumps(report.to_json(), indent=2))
        return
    _print_report(report, goal, words)
    print_warnings(report.warnings)
    click.echo(f"Calibration: {output}")
    if written is not None:
        click.echo(f"System:      {written}")


def _check_apart(files: Mapping[str, Path | None]) -> None:
    """Refuse to write one file over another that is read or written too."""
    options: dict[Path, str] = {}
    for option, path in files.items():
        if path is not None:
            first = options.setdefault(path.resolve(), option)
            if first != option:
                raise click.UsageError(f"{first} and {option} are the same file, {path}.")


def _is_score_file(path: Path) -> bool:
    """Tell by the header of a list whether it holds scores."""
    from speakergmm.corpora.tables import read_header

    return path.is_file() and "score" in read_header(path)


def _of_scores(
    files: tuple[Path, ...], goal: Goal, resamples: int, seed: int, progress: Progress
) -> tuple[CalibrationReport, TrialWords]:
    from speakergmm.corpora import read_scores
    from speakergmm.evaluation.trial_words import words_of_file
    from speakergmm.recipes.calibrating import calibrate_scores
    from speakergmm.verification.origin import read_origin

    systems = [read_scores(file) for file in files]
    words = words_of_file(files[0], systems[0].trials)
    report = calibrate_scores(
        systems,
        [read_origin(file) for file in files],
        goal,
        names=[str(file) for file in files],
        n_resamples=resamples,
        seed=seed,
        words=words,
        progress=progress,
    )
    return report, words


def _print_report(report: CalibrationReport, goal: Goal, words: TrialWords) -> None:
    """Say in words what was found."""
    from speakergmm.evaluation.wording import format_score, format_value, one_in

    record, decision = report.record, report.decision
    recordings = f"{report.n_recordings:,} recordings, " if report.n_recordings else ""
    click.echo(
        f"{record.n_speakers:,} speakers, {recordings}"
        f"{words.counts(record.n_target, record.n_nontarget)}"
    )
    eer = report.evaluation.metrics["eer"].value
    loss = report.evaluation.metrics["cllr"].value
    click.echo(
        f"EER {format_value('eer', eer)}; Cllr {loss:.3f} bits (0 perfect, 1 useless), on speakers "
        "left out of the fit"
    )
    click.echo(f"\n{_formula(record.calibration.scale, record.calibration.offset)}")
    click.echo(
        "A ratio of 0 speaks for neither; 2.3 says that such a score is 10 times as likely "
        f"{words.likelier}, -2.3 the reverse."
    )
    if goal.p_fa is None:
        wanted = (
            f"the lowest cost, when {100 * goal.cost.p_target:g} % of trials are {words.many[0]}, "
            f"a miss costs {goal.cost.c_miss:g} and a false alarm {goal.cost.c_fa:g}"
        )
    else:
        wanted = f"at most {100 * goal.p_fa:g} % of {words.many[1]} accepted"
    click.echo(f"\nFor {wanted}:")
    click.echo(f"  accept when the log-likelihood ratio is {decision.threshold:.2f} or more")
    scale = record.calibration.scale
    if isinstance(scale, float) and scale > 0:
        score = (decision.threshold - record.calibration.offset) / scale
        click.echo(f"  which is a score of {format_score(score)} or more")
    click.echo(
        f"  {words.many[1]} accepted: {_rate(decision.p_fa, decision.n_fa, decision.n_nontarget)}, "
        f"{one_in(decision.p_fa.value)}"
    )
    click.echo(
        f"  {words.many[0]} rejected: "
        f"{_rate(decision.p_miss, decision.n_miss, decision.n_target)}, "
        f"{one_in(decision.p_miss.value)}"
    )


def _formula(scale: float | tuple[float, ...], offset: float) -> str:
    if isinstance(scale, float):
        return f"log-likelihood ratio = {scale:.4g} · score {offset:+.4g}"
    terms = " ".join(f"{s:+.4g} · score {i}" for i, s in enumerate(scale, 1))
    return f"log-likelihood ratio = {terms.lstrip('+')} {offset:+.4g}"


def _rate(estimate: Estimate, n_errors: int, n_trials: int) -> str:
    text = f"{100 * estimate.value:.2f} %"
    if estimate.low is not None and estimate.high is not None and math.isfinite(estimate.high):
        text += f" (95 % interval {100 * estimate.low:.2f} to {100 * estimate.high:.2f} %)"
    return f"{text}, {n_errors:,} of {n_trials:,} trials"

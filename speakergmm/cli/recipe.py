"""`speakergmm recipe`: experiments from their TOML files."""

from __future__ import annotations

import json
import re
import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from speakergmm.cli.console import (
    chosen_workers,
    format_duration,
    in_round_numbers,
    jobs_option,
    noise_option,
    parse_settings,
    print_conditions,
    print_evaluations,
    print_warnings,
    quiet_option,
    scheduler_option,
    set_option,
    showing_progress,
)
from speakergmm.names import visible

if TYPE_CHECKING:
    from speakergmm.recipes.needs import Needs

corpus_option = click.option(
    "--corpus",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with the recordings that the recipe's lists name.",
)
output_option = click.option(
    "--output",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the results; what is current there is used again.",
)


@click.group()
def recipe() -> None:
    """Run whole experiments: features, UBM, enrollment, scoring, evaluation.

    \b
    Examples:
      speakergmm recipe list
      speakergmm recipe show recipes/speech_commands
      speakergmm recipe run recipes/speech_commands --corpus DIR --output out
      speakergmm recipe variants recipes/speech_commands --corpus DIR --output out --scorers
    """


@recipe.command()
@click.argument("path", metavar="RECIPE", type=click.Path(path_type=Path))
@corpus_option
@output_option
@click.option(
    "--from", "force_from", metavar="STAGE", help="Run this stage and those after it again."
)
@click.option(
    "--condition",
    "conditions",
    multiple=True,
    metavar="STEPS[@ROLES]",
    help="Also run with speech made worse, such as noise:10, speech:2, telephone, opus:6 (of the "
    "tests), telephone+mulaw@enrollment+test, or multisession; may be repeated.",
)
@click.option(
    "--probe",
    is_flag=True,
    help="Also run it on the frames without speech: how much of the result is in the pauses?",
)
@noise_option
@set_option
@jobs_option
@scheduler_option
@quiet_option
@click.pass_context
def run(
    ctx: click.Context,
    path: Path,
    corpus: Path,
    output: Path,
    force_from: str | None,
    conditions: tuple[str, ...],
    probe: bool,
    noise: Path | None,
    settings: tuple[str, ...],
    jobs: int | None,
    scheduler: str | None,
    quiet: bool,
) -> None:
    """Run the experiment in RECIPE, a folder with a recipe.toml.

    Stages whose inputs and settings have not changed are not run again, and an interrupted run
    goes on where it was. Stages: features, ubm, enrollment, cohort, scoring, calibration, system,
    evaluation.

    \b
    Examples:
      speakergmm recipe run recipes/speech_commands --corpus DIR --output out
      speakergmm recipe run recipes/speech_commands --corpus DIR --output out --from scoring
      speakergmm recipe run recipes/speech_commands --corpus DIR --output out --probe
      speakergmm recipe run my/recipe.toml --corpus DIR --output out2 --set ubm.n_components=64
      speakergmm recipe run recipes/speech_commands --corpus DIR --output out \\
        --condition noise:10 --condition telephone --condition speech:1 --noise NOISES

    Steps of a condition, joined by +: noise:SNR_DB, cut:SECONDS, speech:SECONDS, telephone, mulaw,
    opus:KBPS, mp3:KBPS, vorbis:QUALITY, gain:DB, multisession (docs/front-end.md says what they
    do). A condition takes the place of the recipe's own; what it leaves as it is, such as the
    models, is not made again.
    """
    from speakergmm.evaluation.trial_words import trial_words
    from speakergmm.recipes import Experiment, load_recipe

    loaded = load_recipe(path, parse_settings(settings))
    with (
        chosen_workers(jobs, scheduler) as workers,
        showing_progress(quiet=quiet) as progress,
    ):
        result = Experiment(
            loaded,
            corpus,
            output,
            conditions=conditions,
            noise=noise,
            probe=probe,
            force_from=force_from,
            jobs=workers,
            progress=progress,
            command=ctx.obj,
        ).run(None if quiet else partial(_print_needs, output))
    times = ", ".join(
        f"{stage.name} {'unchanged' if stage.reused else f'{stage.seconds:.1f} s'}"
        for stage in result.stages
    )
    click.echo(f"{loaded.head.title}\n{times}\n")
    words = trial_words(loaded.settings.classes)
    print_evaluations(result.evaluations, loaded.settings.evaluation.cost, words=words)
    if len(result.conditions) > 1:
        print_conditions(result.conditions)
    if result.probe is not None:
        from speakergmm.evaluation.wording import probe_sentence

        pairs = zip(result.evaluations.values(), result.probe.values(), strict=True)
        click.echo(f"{probe_sentence(*list(pairs)[-1], words=words)}\n")
    if "unavailable" in result.calibration:
        click.echo(f"Not calibrated: {result.calibration['unavailable']}")
    print_warnings(result.calibration["warnings"])
    for note in result.notes:
        click.echo(visible(f"note: {note}"))
    click.echo(f"Report: {output / 'report.html'}   scores: {output / 'scores.csv'}")


def _print_needs(output: Path, needs: Needs) -> None:
    """Say on standard error what a run takes, in round numbers: it is an estimate."""
    workers = "worker" if needs.n_workers == 1 else "workers"
    click.echo(
        f"{needs.n_recordings:,} recordings, {format_duration(needs.audio_s)} of audio, "
        f"{needs.n_trials:,} trials. If nothing is there yet: about "
        f"{in_round_numbers(needs.seconds)} on {needs.n_workers} {workers}, "
        f"{needs.memory_bytes / 1e9:.1f} GB of memory, {_in_bytes(needs.disk_bytes)} of disk.",
        err=True,
    )
    there = sum(path.lstat().st_size for path in output.rglob("*") if path.is_file())
    free = shutil.disk_usage(output).free
    if there + free < needs.disk_bytes:
        click.echo(
            f"warning: {visible(str(output))}: {_in_bytes(free)} are free there, so the results "
            "may not fit; choose another folder, or make room",
            err=True,
        )


def _in_bytes(n: float) -> str:
    return f"{n / 1e9:,.1f} GB" if n >= 1e9 else f"{n / 1e6:,.0f} MB"


@recipe.command()
@click.argument("path", metavar="RECIPE", type=click.Path(path_type=Path))
@corpus_option
@output_option
@click.option("--scorers", is_flag=True, help="Compare exact, top-10, top-5 and linear scores.")
@click.option("--normalizations", is_flag=True, help="Compare none, z, t, zt, s and as.")
@click.option(
    "--variant",
    "given",
    multiple=True,
    metavar="NAME=VALUE[,...]",
    help="Compare also these settings, such as enrollment.relevance_factor=8; may be repeated.",
)
@noise_option
@set_option
@jobs_option
@scheduler_option
@quiet_option
def variants(
    path: Path,
    corpus: Path,
    output: Path,
    scorers: bool,
    normalizations: bool,
    given: tuple[str, ...],
    noise: Path | None,
    settings: tuple[str, ...],
    jobs: int | None,
    scheduler: str | None,
    quiet: bool,
) -> None:
    """Score RECIPE in several ways side by side, each with a calibration of its own.

    Frames and background model are the same for all. The table says what a trial costs, how much
    scores agree with those of the first line, and the error rates; choose by development.

    \b
    Examples:
      speakergmm recipe variants recipes/speech_commands --corpus DIR --output out --scorers
      speakergmm recipe variants recipes/speech_commands --corpus DIR --output out \\
        --normalizations
      speakergmm recipe variants recipes/speech_commands --corpus DIR --output out \\
        --variant enrollment.relevance_factor=8 --variant enrollment.iterations=2,scoring.top_c=5
    """
    from speakergmm.cli.console import print_table
    from speakergmm.evaluation.wording import format_interval, format_value
    from speakergmm.recipes.variants import NORMALIZATIONS, SCORERS, compare_variants

    chosen: dict[str, dict[str, str]] = {}
    if scorers:
        chosen |= SCORERS
    if normalizations:
        chosen |= NORMALIZATIONS
    chosen |= {
        # A comma within a list parts no settings.
        text: parse_settings(re.split(r",(?=\s*\w+\.\w+\s*=)", text), "--variant")
        for text in given
    }
    if not chosen:
        raise click.UsageError("nothing to compare: give --scorers, --normalizations or --variant.")
    with (
        chosen_workers(jobs, scheduler) as workers,
        showing_progress(quiet=quiet) as progress,
    ):
        found = compare_variants(
            path,
            corpus,
            output,
            chosen,
            overrides=parse_settings(settings),
            noise=noise,
            jobs=workers,
            progress=progress,
        )
    splits = list(found[0].evaluations)
    header = ["", "µs a trial", "correlation", "LLR difference"]
    for split in splits:
        header += [f"EER {split}", "(95 % interval)", "minDCF", "minCllr", "Cllr"]
    rows = []
    for variant in found:
        difference = variant.llr_difference
        row = [
            variant.name,
            f"{variant.microseconds:.1f}",
            f"{variant.correlation:.4f}",
            "" if difference is None else f"{difference:.3f}",
        ]
        for split in splits:
            metrics = variant.evaluations[split].metrics
            interval = format_interval("eer", metrics["eer"])
            row += [format_value("eer", metrics["eer"].value), f"({interval})" if interval else ""]
            for name in ("min_dcf", "min_cllr", "cllr"):
                row.append(format_value(name, metrics[name].value) if name in metrics else "")
        rows.append(row)
    print_table(header, rows)
    click.echo(f"Numbers: {output / 'variants.csv'}, {output / 'variants.json'}")


@recipe.command("list")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default="recipes")
def list_recipes(folder: Path) -> None:
    """List the recipes in FOLDER (default: recipes).

    Those of this program come with its repository, not with the installed package.

    \b
    Examples:
      speakergmm recipe list
      speakergmm recipe list my/recipes
    """
    from speakergmm.errors import MissingError
    from speakergmm.recipes import load_recipe

    files = sorted(folder.glob("*/recipe.toml"))
    if not files:
        raise MissingError(
            f"{folder}: no recipes; expected folders with a recipe.toml (those of this program "
            "come with its repository, not with the installed package)"
        )
    for file in files:
        click.echo(f"{file.parent}  {load_recipe(file).head.title}")


@recipe.command()
@click.argument("path", metavar="RECIPE", type=click.Path(path_type=Path))
@set_option
def show(path: Path, settings: tuple[str, ...]) -> None:
    """Show all settings of RECIPE, defaults filled in.

    \b
    Example:
      speakergmm recipe show recipes/speech_commands
    """
    from speakergmm.config import NONE
    from speakergmm.recipes import load_recipe

    for name, table in load_recipe(path, parse_settings(settings)).tables().items():
        click.echo(f"[{name}]")
        for key, value in table.items():
            click.echo(f"{key} = {json.dumps(NONE if value is None else value)}")
        click.echo()

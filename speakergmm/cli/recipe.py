"""`speakergmm recipe`: experiments from their TOML files."""

from __future__ import annotations

import json
from pathlib import Path

import click

from speakergmm.cli.console import (
    chosen_workers,
    jobs_option,
    noise_option,
    parse_settings,
    print_conditions,
    print_evaluations,
    quiet_option,
    scheduler_option,
    set_option,
    showing_progress,
)


@click.group()
def recipe() -> None:
    """Run whole experiments: features, UBM, enrollment, scoring, evaluation."""


@recipe.command()
@click.argument("path", metavar="RECIPE", type=click.Path(path_type=Path))
@click.option(
    "--corpus",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with the recordings that the recipe's lists name.",
)
@click.option(
    "--output",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the results; what is current there is used again.",
)
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
    noise: Path | None,
    settings: tuple[str, ...],
    jobs: int | None,
    scheduler: str | None,
    quiet: bool,
) -> None:
    """Run the experiment in RECIPE, a folder with a recipe.toml.

    Stages whose inputs and settings have not changed are not run again, and an interrupted run
    goes on where it was. Stages: features, ubm, enrollment, scoring, evaluation.

    \b
    Examples:
      speakergmm recipe run recipes/speech_commands --corpus DIR --output out
      speakergmm recipe run recipes/speech_commands --corpus DIR --output out --from scoring
      speakergmm recipe run my/recipe.toml --corpus DIR --output out2 --set ubm.n_components=64
      speakergmm recipe run recipes/speech_commands --corpus DIR --output out \\
        --condition noise:10 --condition telephone --condition speech:1 --noise NOISES

    Steps of a condition, joined by +: noise:SNR_DB, cut:SECONDS, speech:SECONDS, telephone, mulaw,
    opus:KBPS, mp3:KBPS, vorbis:QUALITY, gain:DB, multisession (docs/front-end.md says what they
    do). A condition takes the place of the recipe's own; what it leaves as it is, such as the
    models, is not made again.
    """
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
            force_from=force_from,
            jobs=workers,
            progress=progress,
            command=ctx.obj,
        ).run()
    times = ", ".join(
        f"{stage.name} {'unchanged' if stage.reused else f'{stage.seconds:.1f} s'}"
        for stage in result.stages
    )
    click.echo(f"{loaded.head.title}\n{times}\n")
    print_evaluations(result.evaluations, loaded.settings.evaluation.cost)
    if len(result.conditions) > 1:
        print_conditions(result.conditions)
    if "unavailable" in result.calibration:
        click.echo(f"Not calibrated: {result.calibration['unavailable']}")
    click.echo(f"Report: {output / 'report.html'}   scores: {output / 'scores.csv'}")


@recipe.command("list")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default="recipes")
def list_recipes(folder: Path) -> None:
    """List the recipes in FOLDER (default: recipes)."""
    from speakergmm.errors import MissingError
    from speakergmm.recipes import load_recipe

    files = sorted(folder.glob("*/recipe.toml"))
    if not files:
        raise MissingError(f"{folder}: no recipes; expected folders with a recipe.toml")
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

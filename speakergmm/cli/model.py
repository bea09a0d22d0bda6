"""`speakergmm model`: what a model or system file holds, and making a system of its parts."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from speakergmm.cli.console import json_option, ubm_option
from speakergmm.cli.output_file import OutputFile
from speakergmm.cli.scoring_options import calibration_option, cohort_option
from speakergmm.names import visible

if TYPE_CHECKING:
    from speakergmm.gmm.model_file import BackgroundModel
    from speakergmm.verification.system import System


@click.group()
def model() -> None:
    """Look into models and systems, and make systems.

    \b
    Examples:
      speakergmm model show system.safetensors
      speakergmm model build --ubm ubm.safetensors --calibration calibration.json
    """


@model.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@json_option
def show(file: Path, as_json: bool) -> None:
    """Show what a model or system FILE holds and where it comes from.

    Of a system that is its card, what its background model was trained with, and the errors to
    expect of it.

    \b
    Examples:
      speakergmm model show system.safetensors
      speakergmm model show ubm.safetensors --json
    """
    from speakergmm.gmm.model_file import MODEL_FILE, read_background_model
    from speakergmm.tensor_files import kind_of

    if kind_of(file) == MODEL_FILE.key:
        background, digest = read_background_model(file)
        about = {"kind": "background model", **_background(background, digest)}
        card = ""
    else:
        from speakergmm.verification.system_file import load_system

        system = load_system(file)
        about, card = _system(system), system.card
    if as_json:
        click.echo(json.dumps(about | ({"card": card} if card else {}), indent=2))
        return
    if card:
        click.echo("\n".join(map(visible, card.split("\n"))))
    _print_tables(about)


@model.command()
@ubm_option
@calibration_option
@cohort_option
@click.option("--name", default="", help="What people call it.")
@click.option(
    "--card",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help="Markdown of your own, instead of the card that is written.",
)
@click.option(
    "--output",
    default="system.safetensors",
    show_default=True,
    type=OutputFile(),
    help="System file to write.",
)
def build(
    ubm: Path,
    calibration: Path | None,
    cohort: Path | None,
    name: str,
    card: Path | None,
    output: Path,
) -> None:
    """Put a background model, its calibration and its cohort into one system file.

    `calibrate` and recipes do so themselves; this is for parts that were made apart.

    \b
    Example:
      speakergmm model build --ubm ubm.safetensors --calibration calibration.json \\
          --name "Office telephones"
    """
    from speakergmm.corpora.tables import read_text
    from speakergmm.files import check_apart
    from speakergmm.verification.system import assemble_system
    from speakergmm.verification.system_file import save_system

    check_apart(output, [ubm, calibration, cohort, card])
    system = assemble_system(ubm, calibration=calibration, cohort=cohort, name=name)
    if card is not None:
        system = dataclasses.replace(system, card=read_text(card))
    save_system(output, system)
    click.echo(f"System: {output}")
    if system.threshold is None:
        click.echo("note: it has no threshold; give one with each verification", err=True)


def _background(background: BackgroundModel, digest: str) -> dict[str, Any]:
    history = dataclasses.asdict(background.history)
    del history["seconds"]
    return {
        "n_components": background.gmm.n_components,
        "n_features": background.gmm.n_features,
        "n_frames": background.n_frames,
        "seed": background.seed,
        "digest": digest,
        "data_digest": background.data_digest,
        "front_end": dataclasses.asdict(background.front_end),
        "training": dataclasses.asdict(background.training),
        "history": history,
        "versions": background.versions,
    }


def _system(system: System) -> dict[str, Any]:
    from speakergmm.verification.calibration_file import record_to_json

    cohort, calibration = system.cohort, system.calibration
    return {
        "kind": "system",
        "name": system.name,
        **_background(system.background, system.ubm_digest),
        "enrollment": dataclasses.asdict(system.enrollment),
        "scoring": dataclasses.asdict(system.scoring),
        "normalization": system.normalization.label,
        "cohort": None if cohort is None else cohort.described(),
        "calibration": None if calibration is None else record_to_json(calibration),
        "threshold": system.threshold,
        "warnings": list(system.warnings),
    }


def _print_tables(about: dict[str, Any]) -> None:
    for name, value in about.items():
        if not isinstance(value, dict):
            click.echo(f"{name}: {_shown(value)}")
            continue
        click.echo(f"{name}:")
        for key, item in value.items():
            # Of a cohort's hundreds of recordings the number is enough; a table has a line a row.
            if (
                key != "sources"
                and isinstance(item, (list, tuple))
                and item
                and isinstance(item[0], dict)
            ):
                click.echo(f"  {key}:")
                for row in item:
                    click.echo(f"    {_pairs(row)}")
            else:
                click.echo(f"  {key}: {len(item) if key == 'sources' else _shown(item)}")


def _pairs(row: dict[str, Any]) -> str:
    return ", ".join(f"{name} {_shown(value)}" for name, value in row.items())


def _shown(value: Any) -> str:
    from speakergmm.config import NONE

    if value is None:
        return NONE
    if isinstance(value, dict):
        return f"({_pairs(value)})"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (tuple, list)):
        return " ".join(f"{x:.4f}" if isinstance(x, float) else visible(str(x)) for x in value)
    return visible(str(value))

"""`speakergmm model`: what a model file holds."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import click

from speakergmm.cli.console import json_option


@click.group()
def model() -> None:
    """Look into model files."""


@model.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@json_option
def show(file: Path, as_json: bool) -> None:
    """Show what a model FILE holds and where it comes from.

    \b
    Example:
      speakergmm model show ubm.safetensors
    """
    from speakergmm.config import NONE
    from speakergmm.gmm.model_file import load_background_model, model_digest

    loaded = load_background_model(file)
    history = dataclasses.asdict(loaded.history)
    del history["seconds"]
    about = {
        "n_components": loaded.gmm.n_components,
        "n_features": loaded.gmm.n_features,
        "n_frames": loaded.n_frames,
        "seed": loaded.seed,
        "digest": model_digest(file),
        "data_digest": loaded.data_digest,
        "front_end": dataclasses.asdict(loaded.front_end),
        "training": dataclasses.asdict(loaded.training),
        "history": history,
        "versions": loaded.versions,
    }
    if as_json:
        click.echo(json.dumps(about, indent=2))
        return
    for name, value in about.items():
        if not isinstance(value, dict):
            click.echo(f"{name}: {value}")
            continue
        click.echo(f"{name}:")
        for key, item in value.items():
            shown = (
                " ".join(f"{x:.4f}" if isinstance(x, float) else str(x) for x in item)
                if isinstance(item, tuple)
                else item
            )
            click.echo(f"  {key}: {NONE if shown is None else shown}")

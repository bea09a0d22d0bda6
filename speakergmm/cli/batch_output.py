"""How the batch forms of commands end: one line, or JSON, and the exit status."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import click

from speakergmm.cli.app import EXIT_FAILED

if TYPE_CHECKING:
    from pathlib import Path

    from speakergmm.recipes.batches import BatchSummary


def print_batch(
    ctx: click.Context, summary: BatchSummary, positive: str, output: Path, *, as_json: bool
) -> None:
    """Say what became of a list, and exit with 1 where something of it failed."""
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(summary) | {"output": str(output)}))
    else:
        click.echo(
            f"{output}: {summary.n_items:,} in all, {summary.n_positive:,} {positive}, "
            f"{summary.n_failed:,} failed"
        )
    if summary.n_failed:
        click.echo(
            f"error: {summary.n_failed:,} of {summary.n_items:,} failed; see the column 'error' of "
            f"{output}",
            err=True,
        )
        ctx.exit(EXIT_FAILED)

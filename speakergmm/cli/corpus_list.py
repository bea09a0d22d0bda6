"""`speakergmm corpus list`: the corpora that are known, and what each holds."""

from __future__ import annotations

import json

import click

from speakergmm.cli.console import json_option


@click.command("list")
@click.argument("name", required=False)
@json_option
def list_corpora(name: str | None, as_json: bool) -> None:
    """List the known corpora, or all that is known of NAME.

    \b
    Examples:
      speakergmm corpus list
      speakergmm corpus list voxceleb1
    """
    from speakergmm.cli.console import print_table
    from speakergmm.corpora.known import CORPORA, known_corpus

    chosen = [known_corpus(name)] if name is not None else list(CORPORA.values())
    if as_json:
        click.echo(json.dumps([corpus.to_json() for corpus in chosen]))
        return
    if name is not None:
        click.echo(chosen[0].describe())
        return
    rows = [
        (
            corpus.name,
            _count(corpus.n_speakers),
            _count(corpus.n_utterances),
            "" if corpus.hours is None else f"{corpus.hours:,.4g}",
            corpus.to_be_had,
            corpus.licence,
        )
        for corpus in chosen
    ]
    header = ("corpus", "speakers", "utterances", "hours", "to be had", "licence")
    print_table(header, rows, text=(0, 4, 5))
    click.echo("\nMore of one: speakergmm corpus list NAME")


def _count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"

"""`speakergmm corpus prepare`: from a copy of a corpus to the lists that recipes use."""

from __future__ import annotations

import dataclasses
import json
import shlex
from pathlib import Path

import click

from speakergmm.cli.console import json_option, quiet_option, showing_progress

# What takes no longer is not told.
QUICK_S = 2.0


@click.command()
@click.argument("name")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--output",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the lists.",
)
@click.option("--protocol", help="Which of the corpus's protocols.  [default: its first]")
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Decides the lot."
)
@quiet_option
@json_option
def prepare(
    name: str,
    folder: Path,
    output: Path,
    protocol: str | None,
    seed: int,
    quiet: bool,
    as_json: bool,
) -> None:
    """Find who speaks where in FOLDER, a copy of the corpus NAME, and write the lists of it.

    Speakers, sessions and sexes come from the names of files and the tables of the corpus; no
    recording is opened (see `corpus validate` for that). Splits never share speakers. The lists
    are utterances.csv and, for development and evaluation, enrollment.csv, tests.csv, trials.csv;
    paths in them are relative to FOLDER. Lists that this has written before are replaced; others
    are left alone, and the command refused. So the output may lie in FOLDER. What is drawn is the
    same on every machine, for the same --seed.

    \b
    Examples:
      speakergmm corpus list audiomnist
      speakergmm corpus prepare audiomnist /data/AudioMNIST --output lists
      speakergmm corpus prepare voxceleb1 /data/voxceleb1 --protocol h --output lists
      speakergmm corpus prepare folders my_recordings --output lists
      speakergmm ubm train lists/utterances.csv --audio /data/AudioMNIST --split background \\
        --output ubm.safetensors
    """
    from speakergmm.corpora.known import known_corpus
    from speakergmm.corpora.known.preparing import prepare_corpus

    corpus = known_corpus(name)
    with showing_progress(quiet=quiet, after_s=QUICK_S) as progress:
        prepared = prepare_corpus(
            corpus, folder, output, protocol=protocol, seed=seed, progress=progress
        )
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(prepared)))
        return
    from speakergmm.cli.console import print_table
    from speakergmm.names import visible

    click.echo(
        f"{prepared.corpus}, protocol {prepared.protocol!r}, seed {prepared.seed}: "
        f"{prepared.n_speakers:,} speakers, {prepared.n_utterances:,} utterances\n"
    )
    header = ("", "speakers", "utterances", "models", "tests", "target", "nontarget trials")
    rows = [
        (count.split, *(f"{value:,}" for value in dataclasses.astuple(count)[1:]))
        for count in prepared.splits
    ]
    print_table(header, rows)
    for note in prepared.notes:
        click.echo(visible(f"note: {note}"))
    utterances, audio = (shlex.quote(str(path)) for path in (output / "utterances.csv", folder))
    click.echo(
        visible(f"Lists: {output}; next: speakergmm corpus validate {utterances} --audio {audio}")
    )

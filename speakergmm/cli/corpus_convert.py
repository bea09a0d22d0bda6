"""`speakergmm corpus convert`: lists, trials and scores of other toolkits, in and out."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click

from speakergmm.cli.console import json_option
from speakergmm.names import visible

PLACE = click.Path(path_type=Path)

SOURCE_FORMATS = ("kaldi", "lhotse", "voxceleb", "nist", "alize", "msr", "bosaris", "speakergmm")
TARGET_FORMATS = (*SOURCE_FORMATS, "sre")


@click.command()
@click.argument("source", metavar="INPUT", type=PLACE)
@click.option(
    "--output",
    type=PLACE,
    required=True,
    help="File or folder to write. In a folder, what was converted before is replaced; other files "
    "stay, and are not written over.",
)
@click.option(
    "--from",
    "source_format",
    type=click.Choice(SOURCE_FORMATS),
    help="What INPUT is.  [default: told by its content]",
)
@click.option(
    "--to",
    "target_format",
    type=click.Choice(TARGET_FORMATS),
    default="speakergmm",
    show_default=True,
    help="What to write. sre is the score file of NIST's evaluations since 2016.",
)
@click.option(
    "--trials",
    type=PLACE,
    help="List of trials in any of the formats: those of the utterances in INPUT, or the labels of "
    "the trials or scores in it.",
)
@click.option(
    "--enroll",
    type=PLACE,
    help="What makes each model: a list (MODEL UTTERANCE ...), or a Kaldi data folder whose "
    "speakers are the models.  [default: the utterance that a model is named after]",
)
@click.option(
    "--audio",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder where relative paths begin.",
)
@click.option("--split", help="Whose trials to read or write.  [default: evaluation, or the only]")
@click.option(
    "--columns",
    metavar="NAMES",
    help="Columns of a list of trials or scores, such as 'test model label': model, test, label, "
    "score, side (a or b) or - (passed over).  [default: told by the content]",
)
@click.option(
    "--value",
    type=click.Choice(("llr", "score")),
    default="llr",
    show_default=True,
    help="Which numbers of a scores.csv to write; without llr, its scores.",
)
@json_option
def convert(
    source: Path,
    output: Path,
    source_format: str | None,
    target_format: str,
    trials: Path | None,
    enroll: Path | None,
    audio: Path | None,
    split: str | None,
    columns: str | None,
    value: str,
    as_json: bool,
) -> None:
    """Convert lists, trials and scores of other toolkits into this program's, and back.

    INPUT is a Kaldi data folder, Lhotse manifests, a trial list (VoxCeleb, NIST, Kaldi, ALIZE, MSR
    Identity Toolbox, BOSARIS), a file of scores, or a folder or file of this program. What was
    taken for granted, and what the format that is written has no place for, is said at the end.

    \b
    Examples:
      speakergmm corpus convert data/train --output lists
      speakergmm corpus convert data/test --enroll data/enroll --output lists
      speakergmm corpus convert cuts/voxceleb1_supervisions_dev.jsonl.gz --output lists
      speakergmm corpus convert veri_test.txt --audio VoxCeleb/wav --output lists
      speakergmm corpus convert trials.lst --enroll speaker_model_maps.lst --output lists
      speakergmm corpus convert lists --to kaldi --split evaluation --output data/eval
      speakergmm corpus convert foreign_scores.txt --trials key.txt --output scores.csv
      speakergmm corpus convert scores.csv --to bosaris --output bosaris
    """
    from speakergmm.audio import recording_info
    from speakergmm.corpora.formats import Options, convert

    def lengths(path: Path) -> tuple[int, int, int]:
        info = recording_info(path)
        return info.sample_rate, info.n_samples, info.n_channels

    options = Options(trials, enroll, audio, split, columns, value, lengths)
    done = convert(
        source,
        output,
        source_format=source_format,
        target_format=target_format,
        options=options,
    )
    if as_json:
        entry = {
            "input": str(source),
            "read_as": done.read_as,
            "output": str(output),
            "written_as": target_format,
            "counts": done.counts,
            "notes": done.notes,
            "lost": done.lost,
        }
        click.echo(json.dumps(entry, indent=2))
        return
    lines = [f"{source}: {done.read_as}"]
    lines += [f"  {n:,} {one_of(what) if n == 1 else what}" for what, n in done.counts.items()]
    lines += [f"note: {note}" for note in done.notes]
    lines += [f"not in {output}: {lost}" for lost in done.lost]
    lines.append(f"{output}: written as {target_format}")
    for line in lines:
        click.echo(visible(line))


def one_of(what: str) -> str:
    """Write what is counted, such as ``trials without labels``, as of one."""
    return re.sub(r"s(?= without labels$|$)", "", what)

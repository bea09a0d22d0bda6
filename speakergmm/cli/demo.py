"""`speakergmm demo`: the main job, on a corpus that it makes itself."""

from __future__ import annotations

import shlex
import time
from pathlib import Path

import click

from speakergmm.cli.console import (
    jobs_option,
    print_evaluations,
    quiet_option,
    showing_progress,
)

# Two speakers of the evaluation, whom nothing was trained on.
NEXT = """\
Next, enroll one of the voices, and verify it and another:
  speakergmm enroll anna {corpus}/audio/s39/s39-1-*.flac --system {system}
  speakergmm verify anna {corpus}/audio/s39/s39-3-1.flac --system {system}
  speakergmm verify anna {corpus}/audio/s40/s40-3-1.flac --system {system}
With recordings of your own, listed in utterances.csv (utterance_id,speaker_id,path):
  speakergmm ubm train utterances.csv --output ubm.safetensors
  speakergmm calibrate recordings/ --ubm ubm.safetensors
  speakergmm enroll alice alice1.wav alice2.wav
  speakergmm verify alice unknown.wav"""


@click.command()
@click.option(
    "--output",
    default="speakergmm-demo",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the corpus and the results.",
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(min=0),
    help="Decides the voices, and the start of the background model.",
)
@jobs_option
@quiet_option
def demo(output: Path, seed: int, jobs: int | None, quiet: bool) -> None:
    """See the whole job: corpus, features, UBM, enrollment, trials, error rates.

    Makes a corpus of synthetic voices (source-filter synthesis, not speech), so it needs no data
    and no network, and runs a complete experiment on it.

    \b
    Example:
      speakergmm demo --output /tmp/demo
    """
    from speakergmm.recipes.demo import run_demo
    from speakergmm.recipes.evaluation_stage import DET_FILES, METRICS_FILE, REPORT_FILE
    from speakergmm.recipes.pipeline import UBM_FILE
    from speakergmm.recipes.system_stage import SYSTEM_FILE

    began = time.perf_counter()
    with showing_progress(quiet=quiet) as progress:
        result = run_demo(output, seed=seed, jobs=jobs, progress=progress)
    from speakergmm.recipes import load_recipe

    click.echo(
        f"Synthetic corpus: {result.n_speakers} speakers, {result.n_utterances} utterances. These "
        "voices are computed, not\nspoken: the numbers show that the program works, not how well "
        "it tells people apart.\n"
    )
    print_evaluations(result.evaluations, load_recipe(output).settings.evaluation.cost)
    click.echo(f"\nDone in {time.perf_counter() - began:.1f} s. Files in {output}:")
    files = {
        REPORT_FILE: "the report: open it in a browser",
        "scores.csv": "every trial with its score",
        METRICS_FILE: "the numbers, for programs",
        DET_FILES[0]: "errors against each other (also as PNG)",
        UBM_FILE: "the background model",
        SYSTEM_FILE: "all that `enroll`, `verify` and `identify` need",
    }
    for name, what in files.items():
        click.echo(f"  {name:<19} {what}")
    corpus, system = (shlex.quote((output / name).as_posix()) for name in ("corpus", SYSTEM_FILE))
    click.echo(f"\n{NEXT.format(corpus=corpus, system=system)}")

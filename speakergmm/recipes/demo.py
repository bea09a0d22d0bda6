"""The demo: the whole job on the synthetic corpus."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from speakergmm.audio.synthetic import write_corpus
from speakergmm.errors import OutputError
from speakergmm.files import write_text
from speakergmm.progress import SILENT
from speakergmm.recipes.config import RECIPE_FILE, load_recipe
from speakergmm.recipes.experiment import Experiment, ExperimentResult

if TYPE_CHECKING:
    from speakergmm.parallel import Jobs
    from speakergmm.progress import Progress

CORPUS_FOLDER = "corpus"

# Few components: the corpus has some eight minutes of background speech.
RECIPE = """\
# Written by `speakergmm demo`; change a setting and run it again with
# speakergmm recipe run {folder} --corpus {folder}/corpus --output {folder}

[recipe]
name = "demo"
title = "Demo: synthetic voices, three sessions each"
manifests = "corpus"
seed = {seed}

[ubm]
n_components = 64

[evaluation]
p_target = 0.05
"""


def _check_own(output: Path) -> None:
    """Refuse a folder in which the demo would write over what it has not written.

    The recipe is the first file that it writes, so what has none of a demo is somebody's own.
    """
    recipe = output / RECIPE_FILE
    is_own = recipe.is_file() and recipe.read_bytes().startswith(RECIPE[:30].encode())
    others = [] if is_own or not output.is_dir() else sorted(output.iterdir())
    if others:
        first = recipe if recipe in others else others[0]
        raise OutputError(
            f"{first}: exists, and not from a demo; choose another folder with --output"
        )


def run_demo(
    output: Path | str,
    *,
    seed: int = 0,
    jobs: Jobs = None,
    progress: Progress = SILENT,
) -> ExperimentResult:
    """Make the synthetic corpus under ``output`` and run the experiment on it.

    Raises
    ------
    OutputError
        When something cannot be written, or would replace files that are not a demo's.
    """
    output = Path(output)
    _check_own(output)
    write_text(output / RECIPE_FILE, RECIPE.format(seed=seed, folder=output.as_posix()))
    write_corpus(output / CORPUS_FOLDER, seed=seed, jobs=jobs, progress=progress)
    experiment = Experiment(
        load_recipe(output),
        output / CORPUS_FOLDER,
        output,
        jobs=jobs,
        progress=progress,
        command=f"speakergmm demo --output {output.as_posix()} --seed {seed}",
    )
    return experiment.run()

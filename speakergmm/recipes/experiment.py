"""An experiment from lists to report: its stages, under one condition or several."""

from __future__ import annotations

import json
import platform
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speakergmm.audio.noises import NoisePool
from speakergmm.errors import ConfigError, OutputError
from speakergmm.files import locked, remove, value_digest
from speakergmm.gmm.model_file import software_versions
from speakergmm.parallel import available_cores, describe_jobs
from speakergmm.progress import SILENT
from speakergmm.recipes.calibration_stage import CALIBRATION_FILE, calibrate
from speakergmm.recipes.class_pipeline import ClassPipeline, check_class_recipe
from speakergmm.recipes.conditions import Condition
from speakergmm.recipes.evaluation_stage import (
    METRICS_FILE,
    PROVENANCE_FILE,
    REPORT_FILE,
    conditions_of,
    evaluate_experiment,
    measure,
    read_evaluations,
)
from speakergmm.recipes.experiment_lists import ExperimentLists, read_lists
from speakergmm.recipes.needs import Needs, estimate_needs
from speakergmm.recipes.pipeline import UBM_FILE, Pipeline
from speakergmm.recipes.stage_log import STAGES_FILE
from speakergmm.recipes.system_stage import SYSTEM_FILE, write_system

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from speakergmm.evaluation import Evaluation
    from speakergmm.parallel import Jobs
    from speakergmm.progress import Progress
    from speakergmm.recipes.config import Recipe
    from speakergmm.recipes.stage_log import StageResult

CONDITIONS_FOLDER = "conditions"
SCORES_FILE = "scores.csv"
PROBE_FOLDER, PROBE_NAME = "probe", "the pauses"

__all__ = ["CALIBRATION_FILE", "METRICS_FILE", "REPORT_FILE", "UBM_FILE", "Experiment"]


@dataclass(frozen=True)
class ExperimentResult:
    """What an experiment gave, by split, and how it came about.

    ``conditions`` holds the same for every condition, the experiment's own first; ``probe`` holds
    it for the frames without speech, where that was asked for. ``notes`` are what is to be known of
    the lists: what a copy lacks of which they were made, or who stands for a class.
    """

    evaluations: dict[str, Evaluation]
    conditions: dict[str, dict[str, Evaluation]]
    calibration: dict[str, Any]
    stages: tuple[StageResult, ...]
    n_utterances: int
    n_speakers: int
    probe: dict[str, Evaluation] | None = None
    notes: tuple[str, ...] = ()


class Experiment:
    """A recipe, a copy of its corpus, and the folder where the results go.

    Parameters
    ----------
    recipe : Recipe
    corpus : path
        Where the recordings that the lists name are.
    output : path
        What is there already and was made from the same inputs is used again.
    conditions : sequence of str
        Under which the experiment is run again, as `Condition.parse` reads them, besides those of
        the recipe. What a condition leaves as it is, such as the models when only tests are
        degraded, is not made again.
    noise : path, optional
        Folder of the noises that conditions add.
    probe : bool
        Also run the experiment on the frames that voice activity detection throws away, to see how
        much of the result is the recording, not the voice. With ``vad = "none"`` none are thrown
        away; those are then taken that the energy detector would throw away.
    force_from : str, optional
        A stage: it and those after it are run again in any case.
    jobs : int, optional
        Workers; default: the cores that the process may use. Results do not depend on it.
    command : str
        How to run the experiment again; goes into the report.

    Raises
    ------
    MissingError
        When there is no such stage, or no such folder of noises.
    ConfigError
        When a condition cannot be read, or needs noises and there are none.
    """

    def __init__(
        self,
        recipe: Recipe,
        corpus: Path | str,
        output: Path | str,
        *,
        conditions: Sequence[str] = (),
        noise: Path | str | None = None,
        probe: bool = False,
        force_from: str | None = None,
        jobs: Jobs = None,
        progress: Progress = SILENT,
        command: str = "",
    ) -> None:
        self.recipe = recipe
        self.corpus, self.output = Path(corpus), Path(output)
        self.jobs, self.progress, self.command = jobs, progress, command
        learned = recipe.settings.calibration.conditions
        own, *others = map(
            Condition.parse, (recipe.head.condition, *recipe.head.conditions, *learned, *conditions)
        )
        for condition in map(Condition.parse, learned):
            if condition.roles != own.roles and "background" in condition.roles:
                raise ConfigError(
                    f"calibration.conditions has {str(condition)!r}, which makes another "
                    "background model, whose scores mean something else; expected conditions of "
                    "enrollment and tests"
                )
        # The recipe's and the command line's may be the same, also under another spelling.
        others = [c for c in dict.fromkeys(others) if c != own]
        needs_noise = any(c.degradation.needs_noise for c in (own, *others))
        if needs_noise and noise is None:
            raise ConfigError("a condition adds noise; give a folder of noises with --noise DIR")
        noises = NoisePool.load(noise) if needs_noise and noise is not None else None

        common: dict[str, Any] = {
            "noises": noises, "force_from": force_from, "jobs": jobs, "progress": progress,
        }  # fmt: skip
        kind = Pipeline
        if recipe.settings.classes.column:
            check_class_recipe(recipe)
            kind = ClassPipeline
        self.pipeline = kind(recipe, own, self.output, **common)
        folder = self.output / CONDITIONS_FOLDER
        self.others = [
            kind(recipe, other, folder / other.folder, base=self.pipeline, **common)
            for other in others
        ]
        self.probe: Pipeline | None = None
        if probe:
            self.probe = kind(
                on_pauses(recipe), own, self.output / PROBE_FOLDER, name=PROBE_NAME, **common
            )
        wanted = set(map(Condition.parse, learned))
        self.learned_from = [other for other in self.others if other.condition in wanted]

    def run(self, tell: Callable[[Needs], None] | None = None) -> ExperimentResult:
        """Bring every stage up to date.

        Parameters
        ----------
        tell : callable, optional
            Is told what a whole run takes, when the lists have been read and before work begins.

        Raises
        ------
        OutputError
            When the folder holds what another recipe, or something else, has written.
        SpeakerGMMError
            What the stages raise. What was done before stays, and the next run goes on from there.
        """
        _check_own(self.output, self.recipe)
        # Lists that are wrong leave no folder; those that are made are written into it.
        read = None if self.recipe.manifests is None else self.lists()
        with locked(self.output):
            lists = read or self.lists()
            if tell is not None:
                others = [other.condition for other in self.others]
                with_probe = self.probe is not None
                tell(
                    estimate_needs(
                        self.recipe, lists, self.jobs, others=others, with_probe=with_probe
                    )
                )
            utterances, protocols = lists.utterances, lists.protocols
            self.pipeline.run(utterances, protocols)
            for other in self.others:
                other.run(utterances, protocols)
            calibrate(self.pipeline, protocols, self.learned_from)
            if self.recipe.settings.classes.column:
                # One that an earlier run left is of other settings.
                remove(self.output / SYSTEM_FILE)
            else:
                write_system(self.pipeline, protocols)
            for other in self.others:
                calibrate(other, protocols, is_learned=other in self.learned_from)
                measure(other, protocols)
            if self.probe is not None:
                self.probe.run(utterances, protocols)
                calibrate(self.probe, protocols)
                measure(self.probe, protocols)
            self._evaluate(lists)
        return ExperimentResult(
            read_evaluations(self.output),
            conditions_of(self.pipeline, self.others),
            json.loads((self.output / CALIBRATION_FILE).read_text(encoding="utf-8")),
            tuple(self.pipeline.log.results),
            len(utterances),
            len({utterance.speaker_id for utterance in utterances.values()}),
            None if self.probe is None else read_evaluations(self.probe.output),
            lists.notes,
        )

    def lists(self) -> ExperimentLists:
        """Read the lists, or make them of the copy of a known corpus.

        Raises
        ------
        ManifestError
            When a list cannot be used, or splits share speakers.
        """
        self.progress.start("lists and recordings")
        return read_lists(self.recipe, self.corpus, self.output)

    def _evaluate(self, lists: ExperimentLists) -> None:
        frames = self._frames_digest()
        evaluate_experiment(
            self.pipeline,
            self.others,
            self.probe,
            lists.utterances,
            lists.protocols,
            lambda: self._provenance(frames, lists.digest()),
            [self.recipe.tables(), frames, lists.digest()],
            notes=lists.notes,
        )

    def _frames_digest(self) -> str:
        return value_digest([store.digest() for store in self.pipeline.stores.values()])

    def _provenance(self, frames: str, lists: str) -> dict[str, Any]:
        log = self.pipeline.log
        return {
            "command": self.command,
            "finished_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "versions": software_versions(),
            "machine": f"{platform.system()} {platform.machine()}, {available_cores()} cores",
            "seed": self.recipe.head.seed,
            "settings": self.recipe.tables(),
            "digests": {
                "utterances": lists,
                "frames": frames,
                "settings": value_digest(self.recipe.tables()),
                **{
                    name.partition(".")[0]: log.output_digest("ubm", name)
                    for name in self.pipeline.model_files.values()
                },
                "scores": log.output_digest("calibration", SCORES_FILE),
            },
            "workers": describe_jobs(self.jobs),
        }


def _check_own(output: Path, recipe: Recipe) -> None:
    """Refuse a folder in which results would be written over that are not of this recipe.

    Other settings of it are welcome: their stages take the place of what they change.
    """
    if not (output / STAGES_FILE).exists():
        for name in (REPORT_FILE, METRICS_FILE, SCORES_FILE, UBM_FILE, SYSTEM_FILE):
            if (output / name).exists():
                raise OutputError(
                    f"{output / name}: exists, and not from a recipe; choose another folder with "
                    "--output"
                )
        return
    other = recipe.head.name
    # What is missing or damaged says nothing of where it is from.
    with suppress(OSError, ValueError, LookupError, TypeError):
        about = json.loads((output / PROVENANCE_FILE).read_text(encoding="utf-8"))
        other = str(about["settings"]["recipe"]["name"])
    if other != recipe.head.name:
        raise OutputError(
            f"{output}: holds the results of the recipe {other!r}, which {recipe.head.name!r} "
            "would write over; choose another folder with --output, or remove this one"
        )


def on_pauses(recipe: Recipe) -> Recipe:
    """Give the recipe that keeps what voice activity detection throws away.

    Without score normalization: a side of few pauses may say nothing about the cohort.
    """
    front_end = recipe.settings.front_end
    vad = "energy" if front_end.vad == "none" else front_end.vad
    return replace(
        recipe,
        settings=replace(
            recipe.settings,
            front_end=replace(front_end, vad=vad, vad_keeps="pauses"),
            score_normalization=replace(recipe.settings.score_normalization, method="none"),
        ),
    )

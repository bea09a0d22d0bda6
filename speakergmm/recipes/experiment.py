"""An experiment from lists to report: its stages, under one condition or several."""

from __future__ import annotations

import json
import platform
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speakergmm.audio import duration_s
from speakergmm.audio.noises import NoisePool
from speakergmm.corpora import read_split, read_utterances
from speakergmm.errors import ConfigError, ManifestError
from speakergmm.files import file_digest, locked, value_digest
from speakergmm.gmm.model_file import software_versions
from speakergmm.parallel import available_cores, describe_jobs
from speakergmm.progress import SILENT
from speakergmm.recipes import steps
from speakergmm.recipes.calibration_stage import CALIBRATION_FILE, calibrate
from speakergmm.recipes.conditions import Condition
from speakergmm.recipes.evaluation_stage import (
    METRICS_FILE,
    REPORT_FILE,
    conditions_of,
    evaluate_experiment,
    measure,
    read_evaluations,
)
from speakergmm.recipes.pipeline import UBM_FILE, Pipeline
from speakergmm.recipes.system_stage import write_system

if TYPE_CHECKING:
    from collections.abc import Sequence

    from speakergmm.corpora import Protocol, Utterances
    from speakergmm.evaluation import Evaluation
    from speakergmm.parallel import Jobs
    from speakergmm.progress import Progress
    from speakergmm.recipes.config import Recipe
    from speakergmm.recipes.stage_log import StageResult

CONDITIONS_FOLDER = "conditions"
PROBE_FOLDER, PROBE_NAME = "probe", "the pauses"

__all__ = ["CALIBRATION_FILE", "METRICS_FILE", "REPORT_FILE", "UBM_FILE", "Experiment"]


@dataclass(frozen=True)
class ExperimentResult:
    """What an experiment gave, by split, and how it came about.

    ``conditions`` holds the same for every condition, the experiment's own first; ``probe`` holds
    it for the frames without speech, where that was asked for.
    """

    evaluations: dict[str, Evaluation]
    conditions: dict[str, dict[str, Evaluation]]
    calibration: dict[str, Any]
    stages: tuple[StageResult, ...]
    n_utterances: int
    n_speakers: int
    probe: dict[str, Evaluation] | None = None


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
        self.pipeline = Pipeline(recipe, own, self.output, **common)
        folder = self.output / CONDITIONS_FOLDER
        self.others = [
            Pipeline(recipe, other, folder / other.folder, base=self.pipeline, **common)
            for other in others
        ]
        self.probe: Pipeline | None = None
        if probe:
            self.probe = Pipeline(
                on_pauses(recipe), own, self.output / PROBE_FOLDER, name=PROBE_NAME, **common
            )
        wanted = set(map(Condition.parse, learned))
        self.learned_from = [other for other in self.others if other.condition in wanted]

    def run(self) -> ExperimentResult:
        """Bring every stage up to date.

        Raises
        ------
        SpeakerGMMError
            What the stages raise. What was done before stays, and the next run goes on from there.
        """
        utterances, protocols = self.lists()
        with locked(self.output):
            self.pipeline.run(utterances, protocols)
            for other in self.others:
                other.run(utterances, protocols)
            calibrate(self.pipeline, protocols, self.learned_from)
            write_system(self.pipeline, protocols)
            for other in self.others:
                calibrate(other, protocols, is_learned=other in self.learned_from)
                measure(other, list(protocols))
            if self.probe is not None:
                self.probe.run(utterances, protocols)
                calibrate(self.probe, protocols)
                measure(self.probe, list(protocols))
            self._evaluate(utterances, protocols)
        return ExperimentResult(
            read_evaluations(self.output),
            conditions_of(self.pipeline, self.others),
            json.loads((self.output / CALIBRATION_FILE).read_text(encoding="utf-8")),
            tuple(self.pipeline.log.results),
            len(utterances),
            len({utterance.speaker_id for utterance in utterances.values()}),
            None if self.probe is None else read_evaluations(self.probe.output),
        )

    def lists(self) -> tuple[Utterances, dict[str, Protocol]]:
        """Read the utterances and, for development and evaluation, the protocols.

        Raises
        ------
        ManifestError
            When a list cannot be used, or splits share speakers.
        """
        self.progress.start("lists and recordings")
        utterances = self._utterances()
        head = self.recipe.head
        protocols = {
            split: read_split(self.recipe.manifests, split, utterances)
            for split in (head.development, head.evaluation)
        }
        steps.check_disjoint(utterances, protocols, head.background)
        return utterances, protocols

    def _utterances(self) -> Utterances:
        path = self.recipe.manifests / "utterances.csv"
        utterances = read_utterances(
            path, self.corpus, durations=duration_s, layouts=self.recipe.head.layouts
        )
        background = self.recipe.head.background
        if not any(utterance.split == background for utterance in utterances.values()):
            found = sorted({utterance.split for utterance in utterances.values()})
            raise ManifestError(
                f"{path}: no utterance of split {background!r}, on which the UBM is trained; "
                f"splits are {', '.join(map(repr, found))}"
            )
        return utterances

    def _evaluate(self, utterances: Utterances, protocols: dict[str, Protocol]) -> None:
        frames = self._frames_digest()
        lists = file_digest(self.recipe.manifests / "utterances.csv")
        evaluate_experiment(
            self.pipeline,
            self.others,
            self.probe,
            utterances,
            protocols,
            lambda: self._provenance(frames),
            [self.recipe.tables(), frames, lists],
        )

    def _frames_digest(self) -> str:
        return value_digest([store.digest() for store in self.pipeline.stores.values()])

    def _provenance(self, frames: str) -> dict[str, Any]:
        log = self.pipeline.log
        return {
            "command": self.command,
            "finished_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "versions": software_versions(),
            "machine": f"{platform.system()} {platform.machine()}, {available_cores()} cores",
            "seed": self.recipe.head.seed,
            "settings": self.recipe.tables(),
            "digests": {
                "utterances": file_digest(self.recipe.manifests / "utterances.csv"),
                "frames": frames,
                "settings": value_digest(self.recipe.tables()),
                "ubm": log.output_digest("ubm", UBM_FILE),
                "scores": log.output_digest("calibration", "scores.csv"),
            },
            "workers": describe_jobs(self.jobs),
        }


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

"""An experiment from lists to report: its stages, under one condition or several."""

from __future__ import annotations

import json
import platform
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speakergmm.audio import duration_s
from speakergmm.audio.noises import NoisePool
from speakergmm.corpora import read_scores, read_split, read_utterances
from speakergmm.corpora.tables import format_table
from speakergmm.errors import ConfigError, ManifestError
from speakergmm.evaluation import Evaluation, evaluate_scores
from speakergmm.evaluation.plots import det_figure, save_figure
from speakergmm.evaluation.report import ReportContents, write_report
from speakergmm.files import file_digest, locked, value_digest, write_json, write_text
from speakergmm.gmm.model_file import software_versions
from speakergmm.parallel import available_cores, describe_jobs
from speakergmm.progress import SILENT
from speakergmm.recipes import steps
from speakergmm.recipes.calibration_stage import CALIBRATION_FILE, calibrate
from speakergmm.recipes.conditions import Condition
from speakergmm.recipes.pipeline import UBM_FILE, Pipeline

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from speakergmm.corpora import Protocol, Utterances
    from speakergmm.parallel import Jobs
    from speakergmm.progress import Progress
    from speakergmm.recipes.config import Recipe
    from speakergmm.recipes.stage_log import StageResult

METRICS_FILE = "metrics.json"
REPORT_FILE = "report.html"
CONDITIONS_FILES = ("conditions.json", "conditions.csv")
CONDITIONS_FOLDER = "conditions"
DET_FILES = ("det.svg", "det.png")

__all__ = ["CALIBRATION_FILE", "METRICS_FILE", "REPORT_FILE", "UBM_FILE", "Experiment"]


@dataclass(frozen=True)
class ExperimentResult:
    """What an experiment gave, by split, and how it came about.

    ``conditions`` holds the same for every condition, the experiment's own first.
    """

    evaluations: dict[str, Evaluation]
    conditions: dict[str, dict[str, Evaluation]]
    calibration: dict[str, Any]
    stages: tuple[StageResult, ...]
    n_utterances: int
    n_speakers: int


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

        def pipeline(condition: Condition, folder: Path, base: Pipeline | None) -> Pipeline:
            return Pipeline(
                recipe, condition, folder, noises=noises, base=base, force_from=force_from,
                jobs=jobs, progress=progress,
            )  # fmt: skip

        self.pipeline = pipeline(own, self.output, None)
        self.others = [
            pipeline(condition, self.output / CONDITIONS_FOLDER / condition.folder, self.pipeline)
            for condition in others
        ]
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
            for other in self.others:
                calibrate(other, protocols, is_learned=other in self.learned_from)
                self._measure(other, list(protocols))
            self._evaluation(utterances, protocols)
        return ExperimentResult(
            _read_evaluations(self.output),
            self._by_condition(),
            json.loads((self.output / CALIBRATION_FILE).read_text(encoding="utf-8")),
            tuple(self.pipeline.log.results),
            len(utterances),
            len({utterance.speaker_id for utterance in utterances.values()}),
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

    def _measure(self, pipeline: Pipeline, splits: Sequence[str]) -> None:
        """Compute the numbers of another condition."""
        settings = self.recipe.settings.evaluation
        files = [pipeline.score_file(split) for split in splits]
        digests = [pipeline.log.output_digest("calibration", file) for file in files]
        inputs = [self.recipe.tables()["evaluation"], self.recipe.head.seed, list(splits), digests]

        def work() -> None:
            self.progress.start(f"evaluation of {pipeline.condition}")
            metrics = {
                split: evaluate_scores(
                    read_scores(pipeline.output / file),
                    settings,
                    rng=self.recipe.head.seed,
                    progress=self.progress,
                ).to_json()
                for split, file in zip(splits, files, strict=True)
            }
            seconds = pipeline.log.seconds()
            write_json(pipeline.output / METRICS_FILE, metrics | {"seconds": seconds})

        pipeline.log.run("evaluation", inputs, [METRICS_FILE], work)

    def _by_condition(self) -> dict[str, dict[str, Evaluation]]:
        return {
            str(pipeline.condition): _read_evaluations(pipeline.output)
            for pipeline in (self.pipeline, *self.others)
        }

    def _evaluation(self, utterances: Utterances, protocols: Mapping[str, Protocol]) -> None:
        own = self.pipeline
        digests = [own.log.output_digest("calibration", own.score_file(s)) for s in protocols]
        settings = self.recipe.settings.evaluation
        data = steps.data_table(utterances, protocols, own)
        lists = file_digest(self.recipe.manifests / "utterances.csv")
        others = {
            str(other.condition): other.log.output_digest("evaluation", METRICS_FILE)
            for other in self.others
        }
        frames = self._frames_digest()
        inputs = [self.recipe.tables(), digests, frames, data, lists, others]
        outputs = [METRICS_FILE, REPORT_FILE, "provenance.json", *DET_FILES, *CONDITIONS_FILES]

        def work() -> None:
            began = time.perf_counter()
            self.progress.start("evaluation")
            scores = {
                split: read_scores(self.output / own.score_file(split)) for split in protocols
            }
            evaluations = {
                split: evaluate_scores(
                    scores[split], settings, rng=self.recipe.head.seed, progress=self.progress
                )
                for split in protocols
            }
            figure = det_figure(scores)
            for name in DET_FILES:
                save_figure(figure, self.output / name)
            seconds = own.log.seconds() | {"evaluation": round(time.perf_counter() - began, 3)}
            metrics = {split: value.to_json() for split, value in evaluations.items()}
            write_json(self.output / METRICS_FILE, metrics | {"seconds": seconds})
            conditions = self._by_condition()
            self._write_conditions(conditions)
            provenance = self._provenance(frames)
            write_json(self.output / "provenance.json", provenance)
            contents = ReportContents(
                title=self.recipe.head.title,
                evaluations=evaluations,
                conditions=conditions if self.others else {},
                cost=settings.cost,
                data=data,
                settings=self.recipe.tables(),
                seconds=seconds,
                calibration=json.loads((self.output / CALIBRATION_FILE).read_text("utf-8")),
                provenance=provenance,
                det_svg=(self.output / DET_FILES[0]).read_text(encoding="utf-8"),
            )
            write_report(self.output / REPORT_FILE, contents)

        own.log.run("evaluation", inputs, outputs, work)

    def _write_conditions(self, conditions: Mapping[str, Mapping[str, Evaluation]]) -> None:
        """Write every condition's numbers, for programs."""
        as_json, as_csv = (self.output / name for name in CONDITIONS_FILES)
        entries = {
            name: {split: evaluation.to_json() for split, evaluation in evaluations.items()}
            for name, evaluations in conditions.items()
        }
        write_json(as_json, entries)
        rows = [
            [name, split, metric, estimate.value, estimate.low, estimate.high]
            for name, evaluations in conditions.items()
            for split, evaluation in evaluations.items()
            for metric, estimate in evaluation.metrics.items()
        ]
        header = ["condition", "split", "metric", "value", "low", "high"]
        write_text(as_csv, format_table(header, rows))

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


def _read_evaluations(folder: Path) -> dict[str, Evaluation]:
    metrics = json.loads((folder / METRICS_FILE).read_text(encoding="utf-8"))
    return {
        split: Evaluation.from_json(entry) for split, entry in metrics.items() if split != "seconds"
    }

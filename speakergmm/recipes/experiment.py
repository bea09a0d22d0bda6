"""An experiment from lists to report: features, UBM, enrollment, scoring, evaluation."""

from __future__ import annotations

import dataclasses
import json
import platform
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speakergmm.audio import duration_s
from speakergmm.corpora import read_scores, read_split, read_utterances
from speakergmm.errors import ManifestError
from speakergmm.evaluation import Evaluation, evaluate_scores
from speakergmm.evaluation.plots import det_figure, save_figure
from speakergmm.evaluation.report import ReportContents, write_report
from speakergmm.features import FrameStore, extract_features
from speakergmm.files import file_digest, locked, remove, value_digest, write_json
from speakergmm.gmm.model_file import load_background_model, software_versions
from speakergmm.parallel import available_cores, describe_jobs
from speakergmm.progress import SILENT
from speakergmm.recipes import steps
from speakergmm.recipes.stage_log import StageLog, StageResult

if TYPE_CHECKING:
    from collections.abc import Mapping

    from speakergmm.corpora import Protocol, Utterances
    from speakergmm.parallel import Jobs
    from speakergmm.progress import Progress
    from speakergmm.recipes.config import Recipe

UBM_FILE = "ubm.safetensors"
CALIBRATION_FILE = "calibration.json"
METRICS_FILE = "metrics.json"
REPORT_FILE = "report.html"
DET_FILES = ("det.svg", "det.png")


@dataclass(frozen=True)
class ExperimentResult:
    """What an experiment gave, by split, and how it came about."""

    evaluations: dict[str, Evaluation]
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
    force_from : str, optional
        A stage: it and those after it are run again in any case.
    jobs : int, optional
        Workers; default: the cores that the process may use. Results do not depend on it.
    command : str
        How to run the experiment again; goes into the report.

    Raises
    ------
    MissingError
        When there is no such stage.
    """

    def __init__(
        self,
        recipe: Recipe,
        corpus: Path | str,
        output: Path | str,
        *,
        force_from: str | None = None,
        jobs: Jobs = None,
        progress: Progress = SILENT,
        command: str = "",
    ) -> None:
        self.recipe = recipe
        self.corpus, self.output = Path(corpus), Path(output)
        self.jobs, self.progress, self.command = jobs, progress, command
        self.log = StageLog(self.output, force_from)

    def run(self) -> ExperimentResult:
        """Bring every stage up to date.

        Raises
        ------
        SpeakerGMMError
            What the stages raise. What was done before stays, and the next run goes on from there.
        """
        self.progress.start("lists and recordings")
        utterances = self._utterances()
        head = self.recipe.head
        protocols = {
            split: read_split(self.recipe.manifests, split, utterances)
            for split in (head.development, head.evaluation)
        }
        steps.check_disjoint(utterances, protocols, head.background)
        with locked(self.output):
            store = self._features(utterances)
            self._ubm(store, utterances)
            self._enrollment(store, protocols)
            self._scoring(store, protocols)
            self._evaluation(store, utterances, protocols)
        return ExperimentResult(
            self._read_evaluations(),
            json.loads((self.output / CALIBRATION_FILE).read_text(encoding="utf-8")),
            tuple(self.log.results),
            len(utterances),
            len({utterance.speaker_id for utterance in utterances.values()}),
        )

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

    def _score_file(self, split: str) -> str:
        """Name a split's score file; the evaluation's is the result and stands at the top."""
        return "scores.csv" if split == self.recipe.head.evaluation else f"{split}/scores.csv"

    def _features(self, utterances: Utterances) -> FrameStore:
        folder = self.output / "features"
        if "features" in self.log.forced and folder.is_dir():
            for description in folder.glob("*.json"):
                remove(description)
        began = time.perf_counter()
        store, n_computed = extract_features(
            utterances,
            folder,
            self.recipe.settings.front_end,
            jobs=self.jobs,
            progress=self.progress,
        )
        # The store checks itself, shard by shard, so a part that is current stays.
        self.log.note("features", store.digest(), time.perf_counter() - began, n_computed > 0)
        return store

    def _ubm(self, store: FrameStore, utterances: Utterances) -> None:
        head = self.recipe.head
        background = store.select(
            u.utterance_id for u in utterances.values() if u.split == head.background
        )
        settings = {
            "n_components": self.recipe.settings.ubm.n_components,
            "training": dataclasses.asdict(self.recipe.settings.training),
            "seed": head.seed,
        }
        checkpoint = steps.checkpoint_of(self.output / UBM_FILE)
        if "ubm" in self.log.forced:
            remove(checkpoint)

        def work() -> None:
            steps.train_background_model(
                self.output / UBM_FILE,
                background,
                self.recipe.settings,
                seed=head.seed,
                jobs=self.jobs,
                progress=self.progress,
            )

        self.log.run("ubm", [settings, background.digest()], [UBM_FILE], work)

    def _enrollment(self, store: FrameStore, protocols: Mapping[str, Protocol]) -> None:
        ubm_digest = self.log.output_digest("ubm", UBM_FILE)
        inputs = [
            [
                split,
                [[m, pool] for m, pool in p.enrollment.items()],
                steps.pools_digest(store, p.enrollment),
            ]
            for split, p in protocols.items()
        ]
        outputs = {split: f"{split}/enrollment.safetensors" for split in protocols}

        def work() -> None:
            ubm = load_background_model(self.output / UBM_FILE).gmm
            for split, protocol in protocols.items():
                steps.enroll_models(
                    self.output / outputs[split],
                    protocol.enrollment,
                    store,
                    ubm,
                    jobs=self.jobs,
                    progress=self.progress,
                )

        self.log.run("enrollment", [ubm_digest, inputs], list(outputs.values()), work)

    def _scoring(self, store: FrameStore, protocols: Mapping[str, Protocol]) -> None:
        head = self.recipe.head
        enrolled = {s: f"{s}/enrollment.safetensors" for s in protocols}
        inputs = [
            dataclasses.asdict(self.recipe.settings.enrollment),
            dataclasses.asdict(self.recipe.settings.scoring),
            self.log.output_digest("ubm", UBM_FILE),
            [
                [
                    self.log.output_digest("enrollment", enrolled[split]),
                    [[t, pool] for t, pool in protocol.tests.items()],
                    steps.pools_digest(store, protocol.tests),
                    steps.trials_digest(protocol.trials),
                ]
                for split, protocol in protocols.items()
            ],
        ]
        files = {split: self._score_file(split) for split in protocols}

        def work() -> None:
            ubm = load_background_model(self.output / UBM_FILE).gmm
            scores = {
                split: steps.score_split(
                    self.output / enrolled[split],
                    protocol,
                    store,
                    ubm,
                    self.recipe.settings,
                    jobs=self.jobs,
                    progress=self.progress,
                )
                for split, protocol in protocols.items()
            }
            steps.calibrate_and_write(
                {self.output / files[split]: scores[split] for split in protocols},
                scores[head.development],
                head.development,
                self.output / CALIBRATION_FILE,
            )

        self.log.run("scoring", inputs, [*files.values(), CALIBRATION_FILE], work)

    def _evaluation(
        self, store: FrameStore, utterances: Utterances, protocols: Mapping[str, Protocol]
    ) -> None:
        files = [self._score_file(split) for split in protocols]
        digests = [self.log.output_digest("scoring", file) for file in files]
        settings = self.recipe.settings.evaluation
        data = steps.data_table(utterances, protocols, store, self.recipe)
        lists = file_digest(self.recipe.manifests / "utterances.csv")
        inputs = [self.recipe.tables(), digests, store.digest(), data, lists]
        outputs = [METRICS_FILE, REPORT_FILE, "provenance.json", *DET_FILES]

        def work() -> None:
            began = time.perf_counter()
            self.progress.start("evaluation")
            scores = {
                split: read_scores(self.output / self._score_file(split)) for split in protocols
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
            seconds = self.log.seconds() | {"evaluation": round(time.perf_counter() - began, 3)}
            metrics = {split: value.to_json() for split, value in evaluations.items()}
            write_json(self.output / METRICS_FILE, metrics | {"seconds": seconds})
            provenance = self._provenance(store)
            write_json(self.output / "provenance.json", provenance)
            contents = ReportContents(
                title=self.recipe.head.title,
                evaluations=evaluations,
                cost=settings.cost,
                data=data,
                settings=self.recipe.tables(),
                seconds=seconds,
                calibration=json.loads((self.output / CALIBRATION_FILE).read_text("utf-8")),
                provenance=provenance,
                det_svg=(self.output / DET_FILES[0]).read_text(encoding="utf-8"),
            )
            write_report(self.output / REPORT_FILE, contents)

        self.log.run("evaluation", inputs, outputs, work)

    def _read_evaluations(self) -> dict[str, Evaluation]:
        metrics = json.loads((self.output / METRICS_FILE).read_text(encoding="utf-8"))
        return {
            split: Evaluation.from_json(entry)
            for split, entry in metrics.items()
            if split != "seconds"
        }

    def _provenance(self, store: FrameStore) -> dict[str, Any]:
        return {
            "command": self.command,
            "finished_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "versions": software_versions(),
            "machine": f"{platform.system()} {platform.machine()}, {available_cores()} cores",
            "seed": self.recipe.head.seed,
            "settings": self.recipe.tables(),
            "digests": {
                "utterances": file_digest(self.recipe.manifests / "utterances.csv"),
                "frames": store.digest(),
                "settings": value_digest(self.recipe.tables()),
                "ubm": self.log.output_digest("ubm", UBM_FILE),
                "scores": self.log.output_digest("scoring", "scores.csv"),
            },
            "workers": describe_jobs(self.jobs),
        }

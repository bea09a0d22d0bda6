"""The stages of an experiment under one condition, up to its scores: each current, or run again."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING

from speakergmm.features.extraction import extract_sides
from speakergmm.features.sides import by_name, pooled_sides, training_sides
from speakergmm.files import remove, value_digest
from speakergmm.gmm.model_file import load_background_model
from speakergmm.progress import SILENT
from speakergmm.recipes import steps
from speakergmm.recipes.conditions import ROLES, Degrader
from speakergmm.recipes.stage_log import StageLog

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from speakergmm.audio.noises import NoisePool
    from speakergmm.corpora import Pools, Protocol, Utterances
    from speakergmm.features import FrameStore
    from speakergmm.features.sides import Side
    from speakergmm.parallel import Jobs
    from speakergmm.progress import Progress
    from speakergmm.recipes.conditions import Condition
    from speakergmm.recipes.config import Recipe

UBM_FILE = "ubm.safetensors"
CALIBRATION_FILE = "calibration.json"
FEATURES_FOLDER, DEGRADED_FOLDER = "features", "features-degraded"


class Pipeline:
    """Features, UBM, enrollment and scores under one condition, in a folder of their own.

    What the condition leaves as it is under another one is taken from there: with degraded tests
    only, the same models are scored.

    Parameters
    ----------
    recipe : Recipe
    condition : Condition
    output : path
        Folder of what is made.
    noises : NoisePool or None
        For conditions that add noise.
    base : Pipeline or None
        The experiment's own condition; None for that itself.
    """

    def __init__(
        self,
        recipe: Recipe,
        condition: Condition,
        output: Path,
        *,
        noises: NoisePool | None = None,
        base: Pipeline | None = None,
        force_from: str | None = None,
        jobs: Jobs = None,
        progress: Progress = SILENT,
    ) -> None:
        self.recipe, self.condition, self.output, self.base = recipe, condition, output, base
        self.jobs, self.progress = jobs, progress
        self.log = StageLog(output, force_from)
        self.degrader = Degrader(condition.degradation, noises, recipe.head.seed)
        self.stores: dict[str, FrameStore] = {}
        # Role and split → model or test id → the sides that make it up.
        self.pools: dict[tuple[str, str], Pools] = {}

    def run(self, utterances: Utterances, protocols: Mapping[str, Protocol]) -> None:
        """Bring every stage up to date."""
        self._features(utterances, protocols)
        self._ubm(utterances)
        self._enrollment(protocols)
        self._scoring(protocols)

    @property
    def ubm(self) -> Path:
        """The background model's file."""
        return self._made("background").output / UBM_FILE

    @property
    def ubm_digest(self) -> str:
        """Digest of the background model's file."""
        return self._made("background").log.output_digest("ubm", UBM_FILE)

    def score_file(self, split: str) -> str:
        """Name a split's score file; the evaluation's is the result and stands at the top."""
        return "scores.csv" if split == self.recipe.head.evaluation else f"{split}/scores.csv"

    def _made(self, *roles: str) -> Pipeline:
        """Tell whose artifact serves that is made from the speech of these roles."""
        if self.base is None:
            return self
        degraded = {*self.condition.roles, *self.base.condition.roles}
        return self if degraded & set(roles) else self.base

    def _features(self, utterances: Utterances, protocols: Mapping[str, Protocol]) -> None:
        began = time.perf_counter()
        n_computed = 0
        for folder, is_degraded in ((FEATURES_FOLDER, False), (DEGRADED_FOLDER, True)):
            roles = [
                role
                for role in ROLES
                if (role in self.condition.roles) == is_degraded and self._made(role) is self
            ]
            if not roles:
                continue
            sides = by_name(
                *(self._sides(role, utterances, protocols, is_degraded) for role in roles)
            )
            if "features" in self.log.forced and (self.output / folder).is_dir():
                for description in (self.output / folder).glob("*.json"):
                    remove(description)
            changes_samples = is_degraded and self.condition.degradation.steps
            store, n = extract_sides(
                list(sides.values()),
                self.output / folder,
                self.recipe.settings.front_end,
                degrade=self.degrader if changes_samples else None,
                jobs=self.jobs,
                progress=self.progress,
            )
            n_computed += n
            self.stores |= dict.fromkeys(roles, store)
        # The stores check themselves, shard by shard, so a part that is current stays.
        digest = value_digest([store.digest() for store in self.stores.values()])
        self.log.note("features", digest, time.perf_counter() - began, n_computed > 0)
        if self.base is not None:
            self.stores = self.base.stores | self.stores
            self.pools = self.base.pools | self.pools

    def _sides(
        self,
        role: str,
        utterances: Utterances,
        protocols: Mapping[str, Protocol],
        is_degraded: bool,
    ) -> list[Side]:
        """Give the sides of a role, and remember which make up which model or test."""
        config = self.recipe.settings.front_end
        if role == "background":
            members = [u for u in utterances.values() if u.split == self.recipe.head.background]
            return training_sides(members, config)
        sides: list[Side] = []
        for split, protocol in protocols.items():
            added, self.pools[role, split] = pooled_sides(
                protocol.enrollment if role == "enrollment" else protocol.tests,
                utterances,
                config,
                f"{split} {role}",
                speech_s=self.condition.speech_s if is_degraded else None,
            )
            sides += added
        return sides

    def background(self, utterances: Utterances) -> FrameStore:
        """Give the frames that the background model is trained on."""
        members = [u for u in utterances.values() if u.split == self.recipe.head.background]
        sides = training_sides(members, self.recipe.settings.front_end)
        return self.stores["background"].select(side.name for side in sides)

    def _ubm(self, utterances: Utterances) -> None:
        if self._made("background") is not self:
            return
        head = self.recipe.head
        background = self.background(utterances)
        settings = {
            "n_components": self.recipe.settings.ubm.n_components,
            "training": dataclasses.asdict(self.recipe.settings.training),
            "seed": head.seed,
        }
        if "ubm" in self.log.forced:
            remove(steps.checkpoint_of(self.output / UBM_FILE))

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

    def _enrollment(self, protocols: Mapping[str, Protocol]) -> None:
        if self._made("background", "enrollment") is not self:
            return
        store = self.stores["enrollment"]
        pools = {split: self.pools["enrollment", split] for split in protocols}
        inputs = [
            [split, [[m, pool] for m, pool in p.items()], steps.pools_digest(store, p)]
            for split, p in pools.items()
        ]
        outputs = {split: _enrollment_file(split) for split in protocols}

        def work() -> None:
            ubm = load_background_model(self.ubm).gmm
            for split in protocols:
                steps.enroll_models(
                    self.output / outputs[split],
                    pools[split],
                    store,
                    ubm,
                    jobs=self.jobs,
                    progress=self.progress,
                )

        self.log.run("enrollment", [self.ubm_digest, inputs], list(outputs.values()), work)

    def _scoring(self, protocols: Mapping[str, Protocol]) -> None:
        enrolled = self._made("background", "enrollment")
        calibrated = None if enrolled is self else enrolled.output / CALIBRATION_FILE
        store = self.stores["test"]
        pools = {split: self.pools["test", split] for split in protocols}
        inputs = [
            dataclasses.asdict(self.recipe.settings.enrollment),
            dataclasses.asdict(self.recipe.settings.scoring),
            self.ubm_digest,
            calibrated and enrolled.log.output_digest("scoring", CALIBRATION_FILE),
            [
                [
                    enrolled.log.output_digest("enrollment", _enrollment_file(split)),
                    [[t, pool] for t, pool in pools[split].items()],
                    steps.pools_digest(store, pools[split]),
                    steps.trials_digest(protocol.trials),
                ]
                for split, protocol in protocols.items()
            ],
        ]
        files = {split: self.score_file(split) for split in protocols}

        def work() -> None:
            ubm = load_background_model(self.ubm).gmm
            scores = {
                split: steps.score_split(
                    enrolled.output / _enrollment_file(split),
                    protocol,
                    pools[split],
                    store,
                    ubm,
                    self.recipe.settings,
                    jobs=self.jobs,
                    progress=self.progress,
                )
                for split, protocol in protocols.items()
            }
            development = self.recipe.head.development
            # Where models are those of the experiment itself, so is what their scores mean.
            about = (
                steps.calibration_on(scores[development], development)
                if calibrated is None
                else steps.read_calibration(calibrated)
            )
            steps.write_calibrated(
                {self.output / files[split]: scores[split] for split in protocols},
                about,
                self.output / CALIBRATION_FILE,
            )

        self.log.run("scoring", inputs, [*files.values(), CALIBRATION_FILE], work)


def _enrollment_file(split: str) -> str:
    return f"{split}/enrollment.safetensors"

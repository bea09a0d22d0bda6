"""The stages of an experiment under one condition, up to its ratios: each current, or run again."""

from __future__ import annotations

import dataclasses
import time
from types import MappingProxyType
from typing import TYPE_CHECKING

from speakergmm.features.extraction import extract_sides
from speakergmm.features.sides import by_name, pooled_sides
from speakergmm.files import remove, value_digest
from speakergmm.gmm.model_file import load_background_model
from speakergmm.progress import SILENT
from speakergmm.recipes import steps, ubm_training
from speakergmm.recipes.background import background_sides, cut_cohort
from speakergmm.recipes.conditions import ROLES, Degrader
from speakergmm.recipes.enrolled_models import enroll_models, needs_second_order
from speakergmm.recipes.raw_scores import RawScores, load_raw_scores, save_raw_scores
from speakergmm.recipes.stage_log import StageLog
from speakergmm.verification import ScoreOrigin
from speakergmm.verification.cohort import build_cohort
from speakergmm.verification.cohort_file import load_cohort, save_cohort

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from speakergmm.audio.noises import NoisePool
    from speakergmm.corpora import Pools, Protocol, Utterances
    from speakergmm.corpora.cohort_lists import CohortLists
    from speakergmm.features import FrameStore
    from speakergmm.features.sides import Side
    from speakergmm.parallel import Jobs
    from speakergmm.progress import Progress
    from speakergmm.recipes.conditions import Condition
    from speakergmm.recipes.config import Recipe

UBM_FILE, COHORT_FILE = "ubm.safetensors", "cohort.safetensors"

# The normalization that needs every score against the cohort.
ALL_COHORT_SCORES = "zt"

# The cohort's speech is the background's, cut otherwise.
COHORT = "cohort"
FEATURES_FOLDER, DEGRADED_FOLDER = "features", "features-degraded"


class Pipeline:
    """Features, UBM, enrollment, cohort and scores under one condition, in a folder of their own.

    What the condition leaves as it is under another one is taken from there: with degraded tests
    only, the same models are scored. So is, under the same condition, what other settings of
    enrollment, scoring and what follows leave as it is.

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
    name : str, optional
        What progress calls it; default: its condition.
    """

    # What the ubm stage writes, by what it is; scores are relative to the first.
    model_files: Mapping[str, str] = MappingProxyType({"background model": UBM_FILE})

    def __init__(
        self,
        recipe: Recipe,
        condition: Condition,
        output: Path,
        *,
        noises: NoisePool | None = None,
        base: Pipeline | None = None,
        name: str = "",
        force_from: str | None = None,
        jobs: Jobs = None,
        progress: Progress = SILENT,
    ) -> None:
        self.recipe, self.condition, self.output, self.base = recipe, condition, output, base
        self.name = name or str(condition)
        self.jobs, self.progress = jobs, progress
        self.log = StageLog(output, force_from)
        self.degrader = Degrader(condition.degradation, noises, recipe.head.seed)
        self.stores: dict[str, FrameStore] = {}
        # Role and split → model or test id → the sides that make it up.
        self.pools: dict[tuple[str, str], Pools] = {}
        self.cohort_lists: CohortLists | None = None

    def run(self, utterances: Utterances, protocols: Mapping[str, Protocol]) -> None:
        """Bring every stage up to the raw scores up to date."""
        self._features(utterances, protocols)
        self._ubm(utterances)
        self._enrollment(protocols)
        self._cohort()
        self._scoring(utterances, protocols)

    @property
    def models(self) -> dict[str, Path]:
        """The files of the models that were trained, by what they are."""
        made = self._made("background").output
        return {name: made / file for name, file in self.model_files.items()}

    @property
    def ubm(self) -> Path:
        """The background model's file."""
        return next(iter(self.models.values()))

    @property
    def ubm_digest(self) -> str:
        """Digest of the background model's file."""
        return self._made("background").log.output_digest("ubm", UBM_FILE)

    def score_file(self, split: str) -> str:
        """Name a split's score file; the evaluation's is the result and stands at the top."""
        return "scores.csv" if split == self.recipe.head.evaluation else f"{split}/scores.csv"

    @property
    def uses_cohort(self) -> bool:
        """Whether scores are normalized."""
        return self.recipe.settings.score_normalization.method != "none"

    @property
    def origin(self) -> ScoreOrigin:
        """What decides the size of the scores."""
        settings = self.recipe.settings
        cohort = ""
        if self.uses_cohort:
            cohort = self.made_cohort.log.output_digest("cohort", COHORT_FILE)
        return ScoreOrigin(
            self.ubm_digest,
            settings.scoring,
            settings.enrollment,
            settings.score_normalization.label,
            cohort,
        )

    def _made(self, *roles: str) -> Pipeline:
        """Tell whose artifact serves that is made from the speech of these roles."""
        if self.base is None:
            return self
        differing = {*self.condition.roles, *self.base.condition.roles}
        if self.condition != self.base.condition and differing & set(roles):
            return self
        return self.base._made(*roles)

    @property
    def scores_mean_as_base(self) -> bool:
        """Whether scores mean what those of the experiment's own condition do."""
        tables = "scoring", "score_normalization", "calibration"
        base = self.base
        return (
            base is not None
            and self._enrolled() is base
            and not self._settings_differ(base, *tables)
        )

    def _enrolled(self) -> Pipeline:
        """Tell whose enrollment serves."""
        made = self._made("background", "enrollment")
        return self if self._settings_differ(made, "enrollment") else made

    @property
    def made_cohort(self) -> Pipeline:
        """Tell whose cohort serves."""
        if self._cohort_frames() is self or self.base is None:
            return self
        made = self.base.made_cohort
        return self if self._settings_differ(made, "enrollment") else made

    def _cohort_frames(self) -> Pipeline:
        """Tell whose frames of the cohort serve."""
        base = self.base
        if base is None or self._made("background") is self or not base.uses_cohort:
            return self
        return base._cohort_frames()

    def _settings_differ(self, other: Pipeline, *tables: str) -> bool:
        ours, theirs = self.recipe.tables(), other.recipe.tables()
        return any(ours[table] != theirs[table] for table in tables)

    def _is_degraded(self, role: str) -> bool:
        return ("background" if role == COHORT else role) in self.condition.roles

    def _features(self, utterances: Utterances, protocols: Mapping[str, Protocol]) -> None:
        began = time.perf_counter()
        n_computed = 0
        for folder, is_degraded in ((FEATURES_FOLDER, False), (DEGRADED_FOLDER, True)):
            roles = [
                role
                for role in (*ROLES, *([COHORT] if self.uses_cohort else []))
                if self._is_degraded(role) == is_degraded
                and (self._cohort_frames() if role == COHORT else self._made(role)) is self
            ]
            if not roles:
                continue
            parts = [self._sides(role, utterances, protocols) for role in roles]
            sides = by_name(*parts)
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
            self.cohort_lists = self.cohort_lists or self.base.cohort_lists

    def _sides(
        self, role: str, utterances: Utterances, protocols: Mapping[str, Protocol]
    ) -> list[Side]:
        """Give the sides of a role, and remember which make up which model or test."""
        config = self.recipe.settings.front_end
        if role == "background":
            return background_sides(self.recipe, utterances)
        lists: list[tuple[str, Pools, Utterances]]
        if role == COHORT:
            cohort = self.cohort_lists = cut_cohort(self.recipe, utterances, protocols)
            lists = [
                ("enrollment", cohort.enrollment, cohort.utterances),
                ("test", cohort.tests, cohort.utterances),
            ]
        else:
            lists = [
                (split, p.enrollment if role == "enrollment" else p.tests, utterances)
                for split, p in protocols.items()
            ]
        speech_s = self.condition.speech_s if self._is_degraded(role) else None
        sides: list[Side] = []
        for part, pools, known in lists:
            added, self.pools[role, part] = pooled_sides(
                pools, known, config, f"{part} {role}", speech_s=speech_s
            )
            sides += added
        return list(by_name(sides).values())

    def background(self, utterances: Utterances) -> FrameStore:
        """Give the frames that the background model is trained on."""
        sides = background_sides(self.recipe, utterances)
        return self.stores["background"].select(side.name for side in sides)

    def _ubm(self, utterances: Utterances) -> None:
        if self._made("background") is not self:
            return
        head = self.recipe.head
        background = self.background(utterances)
        sides = background_sides(self.recipe, utterances)
        parts = ubm_training.background_parts(
            {side.name: side.utterances for side in sides}, self.recipe.settings.ubm.pool_by
        )
        settings = {
            "ubm": dataclasses.asdict(self.recipe.settings.ubm),
            "training": dataclasses.asdict(self.recipe.settings.training),
            "seed": head.seed,
        }
        if "ubm" in self.log.forced:
            for number in range(len(parts) + 1):
                remove(ubm_training.checkpoint_of(self.output / UBM_FILE, number))

        def work() -> None:
            ubm_training.train_background_model(
                self.output / UBM_FILE,
                background,
                self.recipe.settings,
                seed=head.seed,
                parts=parts,
                jobs=self.jobs,
                progress=self.progress,
            )

        inputs = [settings, background.digest(), parts]
        self.log.run("ubm", inputs, [UBM_FILE], work)

    def _enrollment(self, protocols: Mapping[str, Protocol]) -> None:
        if self._enrolled() is not self:
            return
        settings = self.recipe.settings.enrollment
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
                enroll_models(
                    self.output / outputs[split],
                    pools[split],
                    store,
                    ubm,
                    settings,
                    jobs=self.jobs,
                    progress=self.progress,
                )

        # With one iteration the statistics are those under the background model, whatever becomes
        # of them.
        iterated = None if settings.iterations == 1 else dataclasses.asdict(settings)
        inputs_and_settings = [self.ubm_digest, inputs, iterated, needs_second_order(settings)]
        self.log.run("enrollment", inputs_and_settings, list(outputs.values()), work)

    def _cohort(self) -> None:
        lists = self.cohort_lists
        if not self.uses_cohort or self.made_cohort is not self or lists is None:
            return
        store = self.stores[COHORT]
        pools = {part: self.pools[COHORT, part] for part in ("enrollment", "test")}
        settings = self.recipe.settings.enrollment
        inputs = [
            self.ubm_digest,
            dataclasses.asdict(settings),
            [[[i, pool] for i, pool in p.items()] for p in pools.values()],
            [steps.pools_digest(store, p) for p in pools.values()],
        ]

        def work() -> None:
            cohort = build_cohort(
                lists,
                store,
                (dict(pools["enrollment"]), dict(pools["test"])),
                load_background_model(self.ubm).gmm,
                self.ubm_digest,
                settings,
                jobs=self.jobs,
                progress=self.progress,
            )
            save_cohort(self.output / COHORT_FILE, cohort)

        self.log.run("cohort", inputs, [COHORT_FILE], work)

    def _scoring(self, utterances: Utterances, protocols: Mapping[str, Protocol]) -> None:
        if self._scored() is not self:
            return
        enrolled, settings = self._enrolled(), self.recipe.settings
        stores = self.stores["enrollment"], self.stores["test"]
        pools = {
            split: (self.pools["enrollment", split], self.pools["test", split])
            for split in protocols
        }
        cohort_file = self.made_cohort.output / COHORT_FILE
        inputs = [
            dataclasses.replace(self.origin, normalization="").to_json(),
            settings.score_normalization.method,
            [
                [
                    enrolled.log.output_digest("enrollment", _enrollment_file(split)),
                    [[t, pool] for t, pool in pools[split][1].items()],
                    steps.pools_digest(stores[1], pools[split][1]),
                    steps.trials_digest(protocol.trials),
                ]
                for split, protocol in protocols.items()
            ],
        ]

        def work() -> None:
            ubm = load_background_model(self.ubm).gmm
            cohort = load_cohort(cohort_file, self.ubm_digest) if self.uses_cohort else None
            for split, protocol in protocols.items():
                if cohort is not None:
                    cohort.check_apart(steps.used_utterances(protocol, utterances))
                raw = steps.score_split(
                    self.enrollment_path(split),
                    protocol,
                    pools[split],
                    stores,
                    ubm,
                    settings,
                    cohort=cohort,
                    jobs=self.jobs,
                    progress=self.progress,
                )
                save_raw_scores(self.output / raw_file(split), raw)

        self.log.run("scoring", inputs, [raw_file(split) for split in protocols], work)

    def _scored(self) -> Pipeline:
        """Tell whose raw scores serve."""
        base = self.base
        if (
            base is None
            or self.condition != base.condition
            or self._settings_differ(base, "enrollment", "scoring")
        ):
            return self
        method, known = (p.recipe.settings.score_normalization.method for p in (self, base))
        # Those with all scores against the cohort serve every normalization.
        return base._scored() if method in ("none", known) or known == ALL_COHORT_SCORES else self

    def enrollment_path(self, split: str) -> Path:
        """Name the file of a split's enrolled statistics."""
        return self._enrolled().output / _enrollment_file(split)

    def raw_scores(self, split: str) -> RawScores:
        """Read the raw scores of a split."""
        return load_raw_scores(self._scored().output / raw_file(split))

    def raw_digest(self, split: str) -> str:
        """Digest of the raw scores of a split."""
        return self._scored().log.output_digest("scoring", raw_file(split))

    def scoring_seconds(self) -> float:
        """Seconds that the raw scores took when they were made."""
        return self._scored().log.seconds()["scoring"]


def raw_file(split: str) -> str:
    """Name the file of a split's raw scores."""
    return f"{split}/raw_scores.safetensors"


def _enrollment_file(split: str) -> str:
    return f"{split}/enrollment.safetensors"

"""The stages of an experiment that tells two classes apart, each with a mixture of its own.

A trial asks whether a test is of the target class rather than of the other: its score is the mean
log-likelihood ratio of the two mixtures, which is what `score_trials` gives when the other class
takes the place of the background model. So Sahidullah, Kinnunen & Hanilçi 2015 tell spoofed speech
from genuine, with linear-frequency cepstra.
"""

from __future__ import annotations

import dataclasses
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from speakergmm.errors import ConfigError
from speakergmm.files import value_digest
from speakergmm.gmm.model_file import load_background_model
from speakergmm.recipes import steps, ubm_training
from speakergmm.recipes.background import background_sides
from speakergmm.recipes.pipeline import Pipeline, raw_file
from speakergmm.recipes.raw_scores import RawScores, save_raw_scores
from speakergmm.verification import EnrollmentConfig, score_trials
from speakergmm.verification.side_information import TrialSide
from speakergmm.verification.trial_normalization import CohortScores

if TYPE_CHECKING:
    from collections.abc import Mapping

    from speakergmm.corpora import Protocol, Utterances
    from speakergmm.features import FrameStore
    from speakergmm.recipes.config import Recipe

NONTARGET_FILE, TARGET_FILE = "nontarget.safetensors", "target.safetensors"


def check_class_recipe(recipe: Recipe) -> None:
    """Refuse settings that have no meaning where classes are told apart.

    Raises
    ------
    ConfigError
        Naming the setting.
    """
    settings = recipe.settings
    allowed = {
        "ubm.pool_by": (settings.ubm.pool_by, "none"),
        "scoring.scorer": (settings.scoring.scorer, "exact"),
        "scoring.top_c": (settings.scoring.top_c, None),
        "enrollment": (settings.enrollment, EnrollmentConfig()),
        "score_normalization.method": (settings.score_normalization.method, "none"),
        "front_end.normalization_over": (settings.front_end.normalization_over, "utterance"),
    }
    for name, (value, expected) in allowed.items():
        if value != expected:
            told = "none" if expected is None else expected
            is_table = isinstance(value, EnrollmentConfig)
            what = f"[{name}] is changed" if is_table else f"{name} is {value!r}; expected {told!r}"
            raise ConfigError(
                f"{what} in a recipe with [classes], whose models are not adapted from a "
                "background model; leave it out"
            )


class ClassPipeline(Pipeline):
    """Features, two mixtures and scores under one condition; enrollment and cohort there are none.

    Parameters as for `Pipeline`.
    """

    model_files = MappingProxyType(
        {"model of the other class": NONTARGET_FILE, "model of the target class": TARGET_FILE}
    )

    def _class_frames(self, utterances: Utterances, values: tuple[str, ...]) -> FrameStore:
        """Give the frames of the background that are of a class."""
        classes = self.recipe.settings.classes
        names = [
            side.name
            for side in background_sides(self.recipe, utterances)
            if {classes.value(utterance) for utterance in side.utterances} <= {*values}
        ]
        return self.stores["background"].select(names)

    def _ubm(self, utterances: Utterances) -> None:
        if self._made("background") is not self:
            return
        settings, head = self.recipe.settings, self.recipe.head
        classes = settings.classes
        stores = {
            NONTARGET_FILE: self._class_frames(utterances, classes.nontarget),
            TARGET_FILE: self._class_frames(utterances, classes.target),
        }

        def work() -> None:
            for name, store in stores.items():
                values = classes.target if name == TARGET_FILE else classes.nontarget
                with ubm_training.naming(f"{classes.column} {' or '.join(map(repr, values))}"):
                    ubm_training.train_background_model(
                        self.output / name,
                        store,
                        settings,
                        seed=head.seed,
                        jobs=self.jobs,
                        progress=self.progress,
                    )

        inputs = [
            dataclasses.asdict(settings.ubm),
            dataclasses.asdict(settings.training),
            head.seed,
            [store.digest() for store in stores.values()],
        ]
        self.log.run("ubm", inputs, list(stores), work)

    def _enrollment(self, protocols: Mapping[str, Protocol]) -> None:
        """Enroll nobody."""

    @property
    def ubm_digest(self) -> str:
        """Digest of both models."""
        made = self._made("background")
        return value_digest(
            [made.log.output_digest("ubm", name) for name in self.model_files.values()]
        )

    def _scoring(self, utterances: Utterances, protocols: Mapping[str, Protocol]) -> None:  # noqa: ARG002
        if self._scored() is not self:
            return
        store = self.stores["test"]
        inputs = [
            self.origin.to_json(),
            [
                [
                    [[t, pool] for t, pool in self.pools["test", split].items()],
                    steps.pools_digest(store, self.pools["test", split]),
                    steps.trials_digest(protocol.trials),
                ]
                for split, protocol in protocols.items()
            ],
        ]

        def work() -> None:
            for split, protocol in protocols.items():
                raw = self._score_split(split, protocol)
                save_raw_scores(self.output / raw_file(split), raw)

        self.log.run("scoring", inputs, [raw_file(split) for split in protocols], work)

    def _score_split(self, split: str, protocol: Protocol) -> RawScores:
        nontarget, target = (load_background_model(path).gmm for path in self.models.values())
        store, pools, trials = self.stores["test"], self.pools["test", split], protocol.trials
        scores = score_trials(
            [target],
            nontarget,
            steps.PooledTests(store, pools),
            trials,
            jobs=self.jobs,
            progress=self.progress,
        )
        tests = [store.select(pools[test_id]) for test_id in trials.test_ids]
        side = {
            "test_speech": np.array([test.speech_s for test in tests]),
            "test_snr": np.array([test.snr_db for test in tests]),
        }
        return RawScores(scores, CohortScores(), TrialSide(side))

"""What an experiment will take, told by its lists and settings before it starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from speakergmm.corpora.cohort_lists import length_s, median_pool_s
from speakergmm.parallel import count_workers, is_remote
from speakergmm.recipes.conditions import ROLES, Condition
from speakergmm.recipes.enrolled_models import needs_second_order
from speakergmm.recipes.shorter_tests import lengths_below
from speakergmm.verification.trial_normalization import (
    NEEDS_COHORT_MODELS,
    NEEDS_COHORT_TESTS,
    NEEDS_COHORT_TRIALS,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from speakergmm.corpora import Pools, Protocol
    from speakergmm.parallel import Jobs
    from speakergmm.recipes.config import Recipe
    from speakergmm.recipes.experiment_lists import ExperimentLists

# What a core does in a second, measured on servers of about 2021: audio to frames, files to be
# opened, and products of a matrix multiplication in EM and scoring, as if no frame were left out as
# silence and all iterations were made. With these the time of the recipes that run on small
# corpora, with 32 to 1,024 components, comes out between 0.6 and 2 times what was measured.
AUDIO_S, FILES, PRODUCTS = 2_000.0, 2_000.0, 2e10

# Making speech worse takes about as long as making frames of it.
DEGRADED = 2.0

# What is picked out of a model, component by component, costs so many times what a matrix product
# does.
PICKED = 10.0

# Starting, reading lists, intervals and the report; the numbers of each run besides the
# experiment's own; then what each trial takes of these.
ALWAYS_S, AGAIN_S, TRIAL_S = 4.0, 1.0, 10e-6

# The program with its libraries, the pieces that workers hold, and what a trial takes.
ALWAYS_BYTES, WORKER_BYTES, TRIAL_BYTES = 350e6, 40e6, 120.0

FLOAT_BYTES, DOUBLE_BYTES = 4, 8


@dataclass(frozen=True)
class Needs:
    """What a run takes when nothing of it is there yet; times hold within a factor of about two.

    Parameters
    ----------
    n_recordings, n_trials, n_workers : int
    audio_s : float
        Length of all utterances that are used.
    disk_bytes, memory_bytes : float
        Of results, most of them frames; at most, as if no frame were left out as silence. Memory is
        that of this process; the machines of a cluster need their own.
    seconds : float
        Of wall time.
    """

    n_recordings: int
    n_trials: int
    n_workers: int
    audio_s: float
    disk_bytes: float
    memory_bytes: float
    seconds: float


def estimate_needs(
    recipe: Recipe,
    lists: ExperimentLists,
    jobs: Jobs = None,
    *,
    others: Sequence[Condition] = (),
    with_probe: bool = False,
) -> Needs:
    """Estimate what an experiment takes.

    Parameters
    ----------
    jobs : int or Cluster, optional
        Workers; of a cluster, those that are there now.
    others : sequence of Condition
        Under which it is run again.
    with_probe : bool
        Whether it is run again on the pauses.
    """
    counts = _Counts(recipe, lists)
    own = Condition.parse(recipe.head.condition)
    method = recipe.settings.score_normalization.method
    runs = [counts.run(own, ROLES, method)]
    # What two conditions leave as it is, is not made twice.
    runs += [counts.run(other, {*own.roles, *other.roles}, method) for other in others]
    if with_probe:
        runs.append(counts.run(own, ROLES, "none"))
    work_s = sum(run.seconds for run in runs) + counts.shorter_products(method) / PRODUCTS
    protocols = lists.protocols.values()
    n_trials = sum(len(protocol.trials) for protocol in protocols)
    n_workers = count_workers(jobs)
    memory = ALWAYS_BYTES + TRIAL_BYTES * n_trials
    memory += WORKER_BYTES * (1 if is_remote(jobs) else n_workers)
    disk = sum(run.disk_bytes for run in runs)
    if method != "none":
        # The cohort's statistics, once more as they are written.
        most = max(sum(counts.against_cohort(protocol, method)) for protocol in protocols)
        memory += DOUBLE_BYTES * most + 2 * counts.cohort_bytes
        # The system's file holds them too.
        disk += counts.cohort_bytes
    return Needs(
        len({lists.utterances[u].path for u in counts.used}),
        n_trials,
        n_workers,
        sum(counts.used.values()),
        disk,
        memory,
        ALWAYS_S + (len(runs) - 1) * AGAIN_S + len(runs) * TRIAL_S * n_trials + work_s / n_workers,
    )


@dataclass(frozen=True)
class _Run:
    """What a run through the stages takes, of one core and of the disk."""

    seconds: float
    disk_bytes: float


class _Counts:
    """Counts seconds of speech, and products of numbers.

    ``used`` has the seconds of each utterance; ``n_speakers`` are those of the background,
    ``width`` are the numbers that statistics of all orders hold, and ``cohort_bytes`` those of all
    of the cohort.
    """

    def __init__(self, recipe: Recipe, lists: ExperimentLists) -> None:
        self.recipe, self.lists = recipe, lists
        utterances, protocols = lists.utterances, lists.protocols.values()
        self.roles: dict[str, dict[str, None]] = {
            "background": {
                u: None for u, v in utterances.items() if v.split == recipe.head.background
            },
            "enrollment": _members(protocol.enrollment for protocol in protocols),
            "test": _members(protocol.tests for protocol in protocols),
        }
        used = dict.fromkeys(u for members in self.roles.values() for u in members)
        self.used = {u: length_s(utterances[u], lists.durations) for u in used}
        self.n_speakers = len({utterances[u].speaker_id for u in self.roles["background"]})
        front_end = recipe.settings.front_end
        self.frames_per_s, self.n_features = front_end.frames_per_s, front_end.n_features
        self.n_components = recipe.settings.ubm.n_components
        self.width = self.n_components * (2 * self.n_features + 1)
        self.cohort_bytes = DOUBLE_BYTES * self.width * self.n_speakers

    def run(self, condition: Condition, roles: Collection[str], method: str) -> _Run:
        """Count what the speech of some roles takes under a condition, and all scores."""
        seconds = self._scoring_products(method) / PRODUCTS
        stored_s = disk = 0.0
        for role in roles:
            speech_s, n_files = self._seconds(self.roles[role]), len(self.roles[role])
            if role == "background" and method != "none":
                # The cohort's speech is cut anew out of it.
                speech_s += min(self.n_speakers * self._cohort_s(), speech_s)
            is_degraded = condition.degradation.steps and role in condition.roles
            seconds += speech_s * (DEGRADED if is_degraded else 1.0) / AUDIO_S + n_files / FILES
            stored_s += speech_s
        if "background" in roles:
            seconds += self._training_products() / PRODUCTS
            disk += self.cohort_bytes if method != "none" else 0.0
        if {"background", "enrollment"} & {*roles}:
            n_models = sum(len(protocol.enrollment) for protocol in self.lists.protocols.values())
            disk += DOUBLE_BYTES * self._model_values() * n_models
        frames = self.frames_per_s * stored_s
        return _Run(seconds, disk + frames * self.n_features * FLOAT_BYTES)

    def shorter_products(self, method: str) -> float:
        """Count the products of the shorter tests that a system's table of errors is made of."""
        settings, products = self.recipe.settings, 0.0
        if settings.classes.column or settings.enrollment.iterations > 1:
            return products
        for protocol in self.lists.protocols.values():
            test_s = self._test_s(protocol)
            with_models, *_ = self.against_cohort(protocol, method)
            whole = (len(protocol.trials) + with_models) * self._pair_products(test_s)
            whole += len(protocol.tests) * self._density_products(test_s)
            products += whole * sum(lengths_below(test_s)) / max(test_s, 1e-3)
        return products

    def against_cohort(self, protocol: Protocol, method: str) -> tuple[int, int, int]:
        """Count scores of tests with the cohort's models, of models with its tests, and within."""
        n = self.n_speakers
        n_tests = n * self.recipe.settings.score_normalization.tests_per_speaker
        return (
            n * len(protocol.tests) if method in NEEDS_COHORT_MODELS else 0,
            n_tests * len(protocol.enrollment) if method in NEEDS_COHORT_TESTS else 0,
            n_tests * n if method in NEEDS_COHORT_TRIALS else 0,
        )

    def _training_products(self) -> float:
        trained = self.frames_per_s * self._seconds(self.roles["background"])
        return trained * self.width * (self.recipe.settings.training.max_iterations + 2)

    def _scoring_products(self, method: str) -> float:
        products = 0.0
        for protocol in self.lists.protocols.values():
            test_s, n_tests = self._test_s(protocol), len(protocol.tests)
            against = self.against_cohort(protocol, method)
            products += (len(protocol.trials) + sum(against)) * self._pair_products(test_s)
            if against[1]:
                n_tests += against[1] // len(protocol.enrollment)
            products += n_tests * self._density_products(test_s)
        return products

    def _density_products(self, test_s: float) -> float:
        """Count the products of a test's densities under the background model."""
        return self.frames_per_s * test_s * self.width

    def _pair_products(self, test_s: float) -> float:
        """Count the products that a model and a test take, densities apart."""
        scoring, n_frames = self.recipe.settings.scoring, self.frames_per_s * test_s
        if scoring.scorer == "linear":
            return self.n_components * self.n_features
        if scoring.top_c is not None:
            return n_frames * scoring.top_c * self.n_features * PICKED
        return n_frames * self.n_components * self.n_features

    def _model_values(self) -> int:
        """Count the numbers that a model's statistics hold."""
        if needs_second_order(self.recipe.settings.enrollment):
            return self.width
        return self.n_components * (self.n_features + 1)

    def _test_s(self, protocol: Protocol) -> float:
        """Give the seconds of a test, in the mean."""
        in_all = sum(self.used[u] for pool in protocol.tests.values() for u in pool)
        return in_all / max(1, len(protocol.tests))

    def _cohort_s(self) -> float:
        """Give the seconds of speech that a speaker of the cohort needs."""
        config = self.recipe.settings.score_normalization
        development = self.lists.protocols[self.recipe.head.development]
        utterances, durations = self.lists.utterances, self.lists.durations
        enrollment_s, test_s = (
            median_pool_s(pools, utterances, durations) if asked is None else asked
            for asked, pools in (
                (config.enrollment_s, development.enrollment), (config.test_s, development.tests),
            )
        )  # fmt: skip
        return enrollment_s + config.tests_per_speaker * test_s

    def _seconds(self, members: Iterable[str]) -> float:
        return sum(self.used[u] for u in members)


def _members(lists: Iterable[Pools]) -> dict[str, None]:
    return dict.fromkeys(u for pools in lists for pool in pools.values() for u in pool)

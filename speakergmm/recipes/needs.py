"""What an experiment will take, told by its lists and settings before it starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from speakergmm.corpora.cohort_lists import length_s, median_pool_s
from speakergmm.parallel import available_cores
from speakergmm.recipes.enrolled_models import needs_second_order

if TYPE_CHECKING:
    from collections.abc import Iterable

    from speakergmm.corpora import Protocol
    from speakergmm.parallel import Jobs
    from speakergmm.recipes.config import Recipe, Settings
    from speakergmm.recipes.experiment_lists import ExperimentLists

# What a core does in a second, measured on servers of about 2021 while others worked there too:
# audio to frames, files to be opened, and products of a matrix multiplication in EM and scoring.
AUDIO_S, FILES, PRODUCTS = 1_000.0, 1_000.0, 1e10

# What is picked out of a model, component by component, costs so many times what a matrix product
# does.
PICKED = 10.0

# Starting, reading lists, intervals and the report; then what each trial takes of these.
ALWAYS_S, TRIAL_S = 4.0, 10e-6

# The program with its libraries, the pieces that workers hold, and what a trial takes.
ALWAYS_BYTES, WORKER_BYTES, TRIAL_BYTES = 350e6, 40e6, 120.0

FLOAT_BYTES, DOUBLE_BYTES = 4, 8


@dataclass(frozen=True)
class Needs:
    """What a run takes when nothing of it is there yet; times hold within a factor of about three.

    Parameters
    ----------
    n_recordings, n_trials, n_workers : int
    audio_s : float
        Length of all utterances that are used.
    disk_bytes, memory_bytes : float
        Of results, most of them frames; at most, as if no frame were left out as silence.
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


def estimate_needs(recipe: Recipe, lists: ExperimentLists, jobs: Jobs = None) -> Needs:
    """Estimate what an experiment takes under its own condition.

    Parameters
    ----------
    jobs : int or Cluster, optional
        Workers; those of a cluster are not counted, so its time is that of one worker.
    """
    head, settings = recipe.head, recipe.settings
    utterances = lists.utterances
    background = {u for u, v in utterances.items() if v.split == head.background}
    used = dict.fromkeys(background) | dict.fromkeys(_in_protocols(lists.protocols.values()))
    lengths = {u: length_s(utterances[u], lists.durations) for u in used}
    frames_per_s = settings.front_end.frames_per_s
    n_features, n_components = settings.front_end.n_features, settings.ubm.n_components
    width = n_components * (2 * n_features + 1)
    row = width if needs_second_order(settings.enrollment) else n_components * (n_features + 1)

    trained = frames_per_s * sum(lengths[u] for u in background)
    products = trained * width * (settings.training.max_iterations + 2)
    speakers = len({utterances[u].speaker_id for u in background})
    method = settings.score_normalization.method
    n_trials, n_models, n_cohort_scores = 0, 0, 0
    for protocol in lists.protocols.values():
        against = 0
        if method != "none":
            # Every test meets the cohort's models, and every model its tests.
            against = speakers * (
                len(protocol.tests)
                + len(protocol.enrollment) * settings.score_normalization.tests_per_speaker
            )
        sides = len(protocol.trials) + against
        n_cohort_scores = max(n_cohort_scores, against)
        tested = frames_per_s * sum(lengths[u] for pool in protocol.tests.values() for u in pool)
        a_side = _products_of_a_side(settings, tested / max(1, len(protocol.tests)))
        # As much again for the shorter tests that the system's table of errors is made of.
        products += 2 * (tested * width + sides * a_side)
        n_trials += len(protocol.trials)
        n_models += len(protocol.enrollment)

    n_workers = available_cores() if jobs is None else jobs if isinstance(jobs, int) else 1
    recordings = {utterances[u].path for u in used}
    audio_s = sum(lengths.values())
    work_s = audio_s / AUDIO_S + len(used) / FILES + products / PRODUCTS
    stored_s = audio_s
    if method != "none":
        # The cohort's speech is cut anew out of the background.
        stored_s += min(speakers * _cohort_s(recipe, lists), sum(lengths[u] for u in background))
    frames_bytes = frames_per_s * stored_s * n_features * FLOAT_BYTES
    return Needs(
        len(recordings),
        n_trials,
        n_workers,
        audio_s,
        frames_bytes + DOUBLE_BYTES * row * n_models,
        ALWAYS_BYTES
        + WORKER_BYTES * n_workers
        + TRIAL_BYTES * n_trials
        # The cohort's statistics, once more as they are written.
        + DOUBLE_BYTES * (n_cohort_scores + (2 * width * speakers if method != "none" else 0)),
        ALWAYS_S + TRIAL_S * n_trials + work_s / n_workers,
    )


def _cohort_s(recipe: Recipe, lists: ExperimentLists) -> float:
    """Give the seconds of speech that a speaker of the cohort needs."""
    config = recipe.settings.score_normalization
    development = lists.protocols[recipe.head.development]
    enrollment_s, test_s = (
        asked if asked is not None else median_pool_s(pools, lists.utterances, lists.durations)
        for asked, pools in (
            (config.enrollment_s, development.enrollment), (config.test_s, development.tests),
        )
    )  # fmt: skip
    return enrollment_s + config.tests_per_speaker * test_s


def _products_of_a_side(settings: Settings, n_frames: float) -> float:
    """Count the products that a model and a test of so many frames take, densities apart."""
    scoring, n_features = settings.scoring, settings.front_end.n_features
    if scoring.scorer == "linear":
        return settings.ubm.n_components * n_features
    if scoring.top_c is not None:
        return n_frames * scoring.top_c * n_features * PICKED
    return n_frames * settings.ubm.n_components * n_features


def _in_protocols(protocols: Iterable[Protocol]) -> Iterable[str]:
    for protocol in protocols:
        for pools in (protocol.enrollment, protocol.tests):
            for pool in pools.values():
                yield from pool

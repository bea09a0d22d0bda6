"""A cohort: strangers against whom models and tests are scored, to normalize their scores.

A cohort is made once and stored: the statistics of its speakers' models, the frames of its tests,
and where both come from. It belongs to one background model, and must share no speaker with the
trials that it normalizes.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from speakergmm.errors import CohortError, problem_report
from speakergmm.files import digests_once, file_digest
from speakergmm.gmm import Statistics
from speakergmm.gmm.models_on_demand import ModelsOnDemand
from speakergmm.parallel import map_in_order
from speakergmm.progress import SILENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from speakergmm.corpora import Utterance
    from speakergmm.corpora.cohort_lists import CohortLists
    from speakergmm.features import FrameStore
    from speakergmm.gmm import DiagonalGMM
    from speakergmm.parallel import Jobs
    from speakergmm.progress import Progress
    from speakergmm.verification.enrollment import EnrollmentConfig
    from speakergmm.verification.trial_normalization import NormalizationConfig

# With fewer strangers, mean and deviation of their scores are themselves a matter of chance: with
# 30, a deviation is known to 13 % (1 / sqrt(2 · 29)).
FEW_SPEAKERS = 30


@dataclass(frozen=True, slots=True)
class Source:
    """A stretch of speech in a cohort: whose it is, and by the recording's digest, which."""

    utterance_id: str
    speaker_id: str
    path: str
    digest: str
    start_s: float | None
    end_s: float | None
    channel: int | None = None

    @classmethod
    def of(cls, utterance: Utterance, digest: Callable[[Path], str] = file_digest) -> Source:
        """Name the recording by its content."""
        return cls(
            utterance.utterance_id,
            utterance.speaker_id,
            utterance.path.name,
            digest(utterance.path),
            utterance.start_s,
            utterance.end_s,
            utterance.channel,
        )

    def overlaps(self, other: Source) -> bool:
        """Tell whether both hold some of the same audio."""
        start, end = self.start_s or 0.0, self.end_s or np.inf
        # One that names no channel may be on all of them.
        channels = {self.channel, other.channel} - {None}
        return (
            self.digest == other.digest
            and len(channels) < 2
            and start < (other.end_s or np.inf)
            and end > (other.start_s or 0.0)
        )


@dataclass(frozen=True, eq=False)
class Cohort:
    """Models and tests of speakers who are in no trial.

    Parameters
    ----------
    ubm : str
        Digest of the background model's file.
    enrollment : EnrollmentConfig
        How its models' statistics were made, and its models are to be.
    model_speakers, test_speakers : tuple of str
        Speaker of each model (C) and of each test (Z).
    n, f, s : (C, K), (C, K, D), (C, K, D)
        Statistics of the models' frames under the background model of K components.
    n_frames : (C,)
    frames : (T, D) float32
        Of all tests, one after the other.
    bounds : (Z + 1,)
        Where each test's frames begin, and T.
    sources : tuple of Source
        All speech in it.
    """

    ubm: str
    enrollment: EnrollmentConfig
    model_speakers: tuple[str, ...]
    test_speakers: tuple[str, ...]
    n: NDArray[np.float64]
    f: NDArray[np.float64]
    s: NDArray[np.float64]
    n_frames: NDArray[np.int64]
    frames: NDArray[np.float32]
    bounds: NDArray[np.int64]
    sources: tuple[Source, ...]

    @property
    def n_speakers(self) -> int:
        """Speakers of models and tests together."""
        return len({*self.model_speakers, *self.test_speakers})

    @property
    def same_speaker(self) -> NDArray[np.bool_]:
        """Which models and tests (C, Z) are of one speaker."""
        models, tests = np.array(self.model_speakers), np.array(self.test_speakers)
        return np.asarray(models[:, None] == tests)

    def warnings(self, config: NormalizationConfig) -> tuple[str, ...]:
        """Say what may be wrong with using it so, a line each."""
        if config.method != "none" and self.n_speakers < FEW_SPEAKERS:
            text = (
                f"the cohort has {self.n_speakers} speakers; with fewer than {FEW_SPEAKERS} the "
                "normalized scores depend on who they happen to be: use more speakers"
            )
            return (text,)
        return ()

    def described(self) -> dict[str, Any]:
        """Say what is in it, for a person or a program."""
        return {
            "ubm": self.ubm,
            "enrollment": dataclasses.asdict(self.enrollment),
            "n_speakers": self.n_speakers,
            "n_models": len(self.model_speakers),
            "n_tests": len(self.test_speakers),
            "n_test_frames": len(self.frames),
            "sources": [dataclasses.asdict(source) for source in self.sources],
        }

    def models(self, ubm: DiagonalGMM) -> Sequence[DiagonalGMM]:
        """Give the speaker models, made when they are asked for."""
        return _CohortModels(self, ubm)

    def test_frames(self, number: int) -> NDArray[np.float32]:
        """Frames (T, D) of a test."""
        return self.frames[self.bounds[number] : self.bounds[number + 1]]

    def check_enrollment(self, enrollment: EnrollmentConfig) -> None:
        """Refuse models that are adapted in another way than the cohort's.

        Raises
        ------
        CohortError
            With both settings.
        """
        if enrollment != self.enrollment:
            raise CohortError(
                f"the cohort's models are adapted with {_described(self.enrollment)}, those of the "
                f"trials with {_described(enrollment)}; expected the same: adapt alike, or make "
                "the cohort anew"
            )

    def check_enrolled(self, speaker_id: str, digests: Iterable[str]) -> None:
        """Refuse a speaker who is in the cohort, by name or by the digests of the recordings.

        Raises
        ------
        CohortError
            Naming whose they are in the cohort.
        """
        if any(source.speaker_id == speaker_id for source in self.sources):
            raise CohortError(
                f"speaker {speaker_id!r} is in both, the cohort and those enrolled; make the "
                "cohort of others, or choose another name where they are two people"
            )
        own = set(digests)
        shared = {source.speaker_id for source in self.sources if source.digest in own}
        if shared:
            raise CohortError(
                f"speaker {speaker_id!r} is enrolled with recordings of {min(shared)!r} in the "
                "cohort, whose scores are no stranger's; make the cohort of others"
            )

    def check_apart(self, utterances: Iterable[Utterance]) -> None:
        """Refuse trials that hold speech or speakers of the cohort.

        Parameters
        ----------
        utterances : iterable of Utterance
            All that enrolls a model of the trials or is in a test.

        Raises
        ------
        CohortError
            Naming the speakers, and the recordings that are the same under another name.
        """
        digest = digests_once()
        self.check_sources(Source.of(utterance, digest) for utterance in utterances)

    def check_sources(self, sources: Iterable[Source]) -> None:
        """Refuse stretches of speech that are in the cohort, or of its speakers.

        Raises
        ------
        CohortError
            As `check_apart`.
        """
        speakers = {source.speaker_id for source in self.sources}
        by_digest: dict[str, list[Source]] = {}
        for source in self.sources:
            by_digest.setdefault(source.digest, []).append(source)
        shared: dict[str, None] = {}
        problems = []
        for own in sources:
            if own.speaker_id in speakers:
                shared[own.speaker_id] = None
                continue
            twin = next((s for s in by_digest.get(own.digest, ()) if s.overlaps(own)), None)
            if twin is not None:
                problems.append(
                    f"utterance {own.utterance_id!r} of {own.speaker_id!r} is the recording of "
                    f"{twin.utterance_id!r} of {twin.speaker_id!r} in the cohort"
                )
        problems = [f"speaker {name!r} is in both" for name in sorted(shared)] + problems
        if problems:
            raise CohortError(
                problem_report(
                    "cohort and trials share speakers, whose scores are no strangers'; make the "
                    "cohort of others",
                    problems,
                )
            )


def _described(enrollment: EnrollmentConfig) -> str:
    return (
        f"relevance factor {enrollment.relevance_factor:g}, {enrollment.parameters}, "
        f"{enrollment.iterations} iteration(s)"
    )


class _CohortModels(ModelsOnDemand):
    """Speaker models of a cohort, made from its statistics when they are asked for."""

    def __init__(self, cohort: Cohort, ubm: DiagonalGMM) -> None:
        self.cohort, self.ubm = cohort, ubm

    def __len__(self) -> int:
        return len(self.cohort.model_speakers)

    def made(self, number: int) -> DiagonalGMM:
        """Make the model of this number."""
        c = self.cohort
        statistics = Statistics(c.n[number], c.f[number], c.s[number], 0.0, int(c.n_frames[number]))
        return c.enrollment.speaker_model(self.ubm, statistics)


def build_cohort(
    lists: CohortLists,
    store: FrameStore,
    pools: tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]],
    ubm: DiagonalGMM,
    ubm_digest: str,
    enrollment: EnrollmentConfig,
    *,
    jobs: Jobs = None,
    progress: Progress = SILENT,
) -> Cohort:
    """Make a cohort of lists whose frames are in a store.

    Parameters
    ----------
    pools : (enrollment, tests)
        Model and test id → the sides of the store that make it up.
    """
    model_pools, test_pools = pools
    progress.start("cohort", len(model_pools))
    n_models, (n_components, n_features) = len(model_pools), ubm.means.shape
    n = np.empty((n_models, n_components))
    f, s = (np.empty((n_models, n_components, n_features)) for _ in range(2))
    n_frames = np.empty(n_models, dtype=np.int64)
    found = map_in_order(pool_statistics, model_pools.values(), ubm, store, enrollment, jobs=jobs)
    for i, statistics in enumerate(found):
        n[i], f[i], s[i] = statistics.n, statistics.f, statistics.s
        n_frames[i] = statistics.n_frames
        progress.advance()
    tests = [store.pooled(pool) for pool in test_pools.values()]
    digest = digests_once()
    return Cohort(
        ubm_digest,
        enrollment,
        tuple(lists.model_speakers.values()),
        tuple(lists.test_speakers.values()),
        n,
        f,
        s,
        n_frames,
        np.concatenate(tests),
        np.cumsum([0, *map(len, tests)]),
        tuple(Source.of(utterance, digest) for utterance in lists.utterances.values()),
    )


def pool_statistics(
    pool: tuple[str, ...], ubm: DiagonalGMM, store: FrameStore, enrollment: EnrollmentConfig
) -> Statistics:
    """Statistics of the pooled frames of some entries of a store, for adaptation."""
    return enrollment.statistics(ubm, store.pooled(pool))

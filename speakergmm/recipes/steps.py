"""The work of each stage: from the files of the stage before to its own."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from speakergmm.errors import ManifestError, problem_report
from speakergmm.features.normalizing import first_frames
from speakergmm.files import value_digest
from speakergmm.recipes.enrolled_models import enrolled_models
from speakergmm.recipes.raw_scores import RawScores
from speakergmm.verification import score_trials
from speakergmm.verification.cohort_scoring import score_cohort
from speakergmm.verification.side_information import TrialSide
from speakergmm.verification.trial_normalization import CohortScores

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from speakergmm.corpora import Pools, Protocol, Trials, Utterance, Utterances
    from speakergmm.features import FrameStore
    from speakergmm.gmm import DiagonalGMM
    from speakergmm.parallel import Jobs
    from speakergmm.progress import Progress
    from speakergmm.recipes.config import Settings
    from speakergmm.recipes.pipeline import Pipeline
    from speakergmm.verification import Cohort


def pools_digest(store: FrameStore, pools: Pools) -> str:
    """Digest of the frames that some pools are made of."""
    used = dict.fromkeys(utterance_id for pool in pools.values() for utterance_id in pool)
    return store.select(used).digest()


def trials_digest(trials: Trials) -> str:
    """Digest of a trial list: ids, pairs and labels."""
    content = hashlib.sha256(value_digest([trials.model_ids, trials.test_ids]).encode())
    for array in (trials.model_index, trials.test_index, trials.is_target):
        content.update(array.tobytes())
    return content.hexdigest()


def check_disjoint(
    utterances: Utterances, protocols: Mapping[str, Protocol], background: str
) -> None:
    """Refuse splits that share speakers: figures on speakers already seen are too good.

    Raises
    ------
    ManifestError
        Naming the speakers and the splits.
    """
    seen: dict[str, str] = {
        u.speaker_id: background for u in utterances.values() if u.split == background
    }
    problems = []
    for split, protocol in protocols.items():
        speakers = {*protocol.model_speakers.values(), *protocol.test_speakers.values()}
        problems += [
            f"speaker {speaker!r} is in {seen[speaker]!r} and in {split!r}"
            for speaker in sorted(speakers & seen.keys())
        ]
        seen |= dict.fromkeys(speakers, split)
    if problems:
        raise ManifestError(problem_report("splits share speakers; keep them apart", problems))


def used_utterances(protocol: Protocol, utterances: Utterances) -> list[Utterance]:
    """Give the utterances that enroll a model or are in a test, each once."""
    pools = (*protocol.enrollment.values(), *protocol.tests.values())
    used = dict.fromkeys(utterance_id for pool in pools for utterance_id in pool)
    return [utterances[utterance_id] for utterance_id in used]


@dataclass(frozen=True)
class PooledTests:
    """Loads the frames of a test: of all its sides, one after the other.

    ``most_frames``, where given, cuts it after so many: as if it ended there, as far as its
    normalization can forget what follows (`speakergmm.features.normalizing.forgets_the_rest`).
    """

    store: FrameStore
    tests: Pools
    most_frames: int | None = None

    def __call__(self, test_id: str) -> NDArray[np.float32]:
        """Read the frames (T, D)."""
        sides = self.tests[test_id]
        if self.most_frames is None:
            return self.store.pooled(sides)
        parts, room = [], self.most_frames
        for side in sides:
            parts.append(first_frames(self.store.frames(side), room, self.store.front_end))
            room -= len(parts[-1])
            if room == 0:
                break
        return np.concatenate(parts)


def score_split(
    enrollment_file: Path,
    protocol: Protocol,
    pools: tuple[Pools, Pools],
    stores: tuple[FrameStore, FrameStore],
    ubm: DiagonalGMM,
    settings: Settings,
    *,
    cohort: Cohort | None = None,
    jobs: Jobs,
    progress: Progress,
) -> RawScores:
    """Score all trials of a split, and its models and tests against the cohort.

    Parameters
    ----------
    pools, stores : (enrollment, tests)
        Model and test id → the sides that make it up, and the stores that hold them.
    """
    trials = protocol.trials
    models = enrolled_models(enrollment_file, protocol, ubm, settings.enrollment)
    load_test = PooledTests(stores[1], pools[1])
    scores = score_trials(
        models,
        ubm,
        load_test,
        trials,
        **dataclasses.asdict(settings.scoring),
        jobs=jobs,
        progress=progress,
    )
    against = CohortScores()
    if cohort is not None:
        against = score_cohort(
            cohort,
            ubm,
            models,
            trials.test_ids,
            load_test,
            settings.scoring,
            settings.score_normalization.method,
            jobs=jobs,
            progress=progress,
        )
    side = {}
    lists = (trials.model_ids, trials.test_ids)
    for role, ids, known, store in zip(("enrollment", "test"), lists, pools, stores, strict=True):
        parts = [store.select(known[pool_id]) for pool_id in ids]
        side[f"{role}_speech"] = np.array([part.speech_s for part in parts])
        side[f"{role}_snr"] = np.array([part.snr_db for part in parts])
    return RawScores(scores, against, TrialSide(side))


def data_table(
    utterances: Utterances, protocols: Mapping[str, Protocol], pipeline: Pipeline
) -> list[dict[str, Any]]:
    """Say what each split holds: speakers, utterances, hours, trials."""
    head = pipeline.recipe.head
    rows = []
    for split in (head.background, *protocols):
        members = [u for u in utterances.values() if u.split == split]
        recording_s, speech_s = _seconds(split, utterances, pipeline)
        row: dict[str, Any] = {
            "split": split,
            "speakers": len({u.speaker_id for u in members}),
            "utterances": len(members),
            "hours of recordings": round(recording_s / 3600, 2),
            "hours of speech kept": round(speech_s / 3600, 2),
        }
        if split in protocols:
            trials = protocols[split].trials
            n_target = int(trials.is_target.sum())
            row |= {"models": len(trials.model_ids), "tests": len(trials.test_ids)}
            row |= {"target trials": n_target, "nontarget trials": len(trials) - n_target}
        rows.append(row)
    return rows


def _seconds(split: str, utterances: Utterances, pipeline: Pipeline) -> tuple[float, float]:
    """Sum the recordings and the speech of a split: of its lists, or of the background."""
    if split == pipeline.recipe.head.background:
        background = pipeline.background(utterances)
        return background.recording_s, background.speech_s
    # Each once, in the order of the lists, on which the last digits of a sum depend.
    used = dict.fromkeys(
        (role, name)
        for role in ("enrollment", "test")
        for names in pipeline.pools[role, split].values()
        for name in names
    )
    parts = [pipeline.stores[role].select([name]) for role, name in used]
    return sum(part.recording_s for part in parts), sum(part.speech_s for part in parts)

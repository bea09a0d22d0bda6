"""A protocol: the lists of one split, read together and checked against each other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from speakergmm.corpora.manifests import pool_speakers, read_pools
from speakergmm.corpora.pairs import have_pairs
from speakergmm.corpora.trials import Trials, all_against_all, read_trials
from speakergmm.errors import ManifestError, problem_report

if TYPE_CHECKING:
    from speakergmm.corpora.manifests import Pools, Utterances


@dataclass(frozen=True, eq=False)
class Protocol:
    """Which utterances enroll which model, which make up which test, and who meets whom."""

    enrollment: Pools
    tests: Pools
    trials: Trials
    model_speakers: dict[str, str]
    test_speakers: dict[str, str]


def read_protocol(
    enrollment: Path | str, tests: Path | str, trials: Path | str | None, utterances: Utterances
) -> Protocol:
    """Read three lists that belong together; without ``trials`` every model meets every test.

    Raises
    ------
    ManifestError
        With all problems of the first list that has any.
    """
    models = read_pools(enrollment, "model_id", utterances)
    test_pools = read_pools(tests, "test_id", utterances)
    model_speakers = pool_speakers(models, utterances)
    test_speakers = pool_speakers(test_pools, utterances)
    pairs = (
        all_against_all(model_speakers, test_speakers)
        if trials is None
        else read_trials(trials, model_speakers, test_speakers)
    )
    check_speech_apart(Path(tests), models, test_pools, pairs)
    return Protocol(models, test_pools, pairs, model_speakers, test_speakers)


def check_speech_apart(path: Path, models: Pools, tests: Pools, trials: Trials) -> None:
    """Refuse trials whose test holds an utterance that its model was enrolled with.

    Raises
    ------
    ManifestError
        With each of them.
    """
    models_of: dict[str, list[str]] = {}
    for model_id, pool in models.items():
        for utterance_id in pool:
            models_of.setdefault(utterance_id, []).append(model_id)
    shared = [
        (model_id, test_id, utterance_id)
        for test_id, pool in tests.items()
        for utterance_id in pool
        for model_id in models_of.get(utterance_id, ())
    ]
    if not shared:
        return
    is_tried = have_pairs(trials, [pair[:2] for pair in shared])
    problems = [
        f"test {test_id!r} has utterance {utterance_id!r}, which enrolls model {model_id!r}"
        for (model_id, test_id, utterance_id), tried in zip(shared, is_tried, strict=True)
        if tried
    ]
    if problems:
        heading = f"{path.name} cannot be used: enrollment and test must not share speech"
        raise ManifestError(problem_report(heading, problems))


def read_split(folder: Path | str, split: str, utterances: Utterances) -> Protocol:
    """Read ``<folder>/<split>/{enrollment,tests,trials}.csv``."""
    place = Path(folder) / split
    return read_protocol(
        place / "enrollment.csv", place / "tests.csv", place / "trials.csv", utterances
    )

"""A protocol: the lists of one split, read together and checked against each other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from speakergmm.corpora.manifests import pool_speakers, read_pools
from speakergmm.corpora.trials import Trials, all_against_all, read_trials

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
    return Protocol(models, test_pools, pairs, model_speakers, test_speakers)


def read_split(folder: Path | str, split: str, utterances: Utterances) -> Protocol:
    """Read ``<folder>/<split>/{enrollment,tests,trials}.csv``."""
    place = Path(folder) / split
    return read_protocol(
        place / "enrollment.csv", place / "tests.csv", place / "trials.csv", utterances
    )

"""Who stands in for strangers: the models and tests of a cohort, cut from a split's utterances."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from speakergmm.config import check_range, check_whole
from speakergmm.corpora.manifests import pool_speakers
from speakergmm.errors import CohortError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from speakergmm.corpora.manifests import Durations, Pools, Utterance, Utterances

# Less is no piece of speech of its own: rather a little more, or less, than was wanted.
MIN_PIECE_S = 1.0

# A mark that reaches less far into a piece holds no frame of it.
MIN_MARKED_S = 0.05

# What `_cut` appends to the name of an utterance.
PIECE = re.compile(r" \[\d+\.\d{3}-\d+\.\d{3}\]$")


@dataclass(frozen=True)
class CohortLists:
    """The enrollment and test lists of a cohort.

    ``utterances`` are those of the split, or pieces of them; models and tests pool them.
    """

    utterances: dict[str, Utterance]
    enrollment: dict[str, tuple[str, ...]]
    tests: dict[str, tuple[str, ...]]

    @property
    def model_speakers(self) -> dict[str, str]:
        """Speaker of each model."""
        return pool_speakers(self.enrollment, self.utterances)

    @property
    def test_speakers(self) -> dict[str, str]:
        """Speaker of each test."""
        return pool_speakers(self.tests, self.utterances)


def cohort_lists(
    utterances: Iterable[Utterance],
    durations: Durations,
    *,
    enrollment_s: float,
    test_s: float,
    tests_per_speaker: int = 2,
) -> CohortLists:
    """Make of each speaker's utterances a model, and of what is left some tests.

    Utterances are taken in the order of the list until there are about ``enrollment_s`` seconds of
    recording, then tests of about ``test_s`` each. An utterance that is longer than what is wanted
    is cut where both parts have a second at least. So a cohort is like the trials whose scores it
    normalizes: strangers with as much speech.

    Parameters
    ----------
    durations : callable
        Recording → seconds.
    tests_per_speaker : int
        At most; a speaker with no more speech has less, or none.

    Raises
    ------
    CohortError
        When there are no utterances, or no speaker has speech left for a test.
    """
    check_range("enrollment_s", enrollment_s, 0.1, 86_400, "s")
    check_range("test_s", test_s, 0.1, 86_400, "s")
    check_whole("tests_per_speaker", tests_per_speaker, 1)
    by_speaker: dict[str, list[Utterance]] = {}
    for utterance in utterances:
        by_speaker.setdefault(utterance.speaker_id, []).append(utterance)
    lists = CohortLists({}, {}, {})
    for speaker_id, members in by_speaker.items():
        waiting = members[::-1]
        pool = _with_speech(_take(waiting, enrollment_s, durations))
        if not pool:
            continue
        lists.utterances.update(pool)
        lists.enrollment[f"cohort {speaker_id}"] = tuple(pool)
        number = 0
        while waiting and number < tests_per_speaker:
            pool = _with_speech(_take(waiting, test_s, durations))
            if sum(length_s(u, durations) for u in pool.values()) < test_s / 2:
                continue
            number += 1
            lists.utterances.update(pool)
            lists.tests[f"cohort {speaker_id}, test {number}"] = tuple(pool)
    if not lists.tests:
        raise CohortError(
            f"of {len(by_speaker):,} speakers none has speech for a cohort test: wanted are "
            f"{enrollment_s:g} s for the model and {test_s:g} s for the test; give longer "
            "recordings, or less for models and tests"
        )
    return lists


def cached(durations: Durations) -> Durations:
    """Look up each recording's length once."""
    known: dict[Path, float] = {}

    def look_up(path: Path) -> float:
        if path not in known:
            known[path] = durations(path)
        return known[path]

    return look_up


def length_s(utterance: Utterance, durations: Durations) -> float:
    """Give the length of an utterance in seconds."""
    end_s = durations(utterance.path) if utterance.end_s is None else utterance.end_s
    return end_s - (utterance.start_s or 0.0)


def median_pool_s(pools: Pools, utterances: Utterances, durations: Durations) -> float:
    """Seconds of recording that the models or tests of a list have, in the median."""
    lengths = sorted(
        sum(length_s(utterances[utterance_id], durations) for utterance_id in pool)
        for pool in pools.values()
    )
    middle = len(lengths) // 2
    return lengths[middle] if len(lengths) % 2 else (lengths[middle - 1] + lengths[middle]) / 2


def _take(waiting: list[Utterance], wanted_s: float, durations: Durations) -> dict[str, Utterance]:
    """Take utterances from the end of a list until there is about as much as is wanted."""
    taken: dict[str, Utterance] = {}
    while waiting and wanted_s > 0:
        utterance = waiting[-1]
        available_s = length_s(utterance, durations)
        if wanted_s >= MIN_PIECE_S and available_s - wanted_s >= MIN_PIECE_S:
            first, waiting[-1] = _cut(utterance, wanted_s, available_s)
            taken[first.utterance_id] = first
            break
        if taken and wanted_s < available_s / 2:
            break
        taken[waiting.pop().utterance_id] = utterance
        wanted_s -= available_s
    return taken


def _with_speech(pool: dict[str, Utterance]) -> dict[str, Utterance]:
    """Leave out pieces whose list marks speech, but none in them."""
    return {name: utterance for name, utterance in pool.items() if utterance.speech_s != ()}


def _cut(utterance: Utterance, at_s: float, length: float) -> tuple[Utterance, Utterance]:
    """Part an utterance ``at_s`` seconds after its beginning."""
    start_s = utterance.start_s or 0.0
    middle_s, end_s = start_s + at_s, start_s + length
    # A piece that is cut again is named after the whole.
    name = PIECE.sub("", utterance.utterance_id)
    parts = []
    for start, end in ((start_s, middle_s), (middle_s, end_s)):
        marked = utterance.speech_s
        if marked is not None:
            inside = ((max(s, start), min(e, end)) for s, e in marked)
            marked = tuple(span for span in inside if span[1] - span[0] >= MIN_MARKED_S)
        piece = f"{name} [{start:.3f}-{end:.3f}]"
        parts.append(
            dataclasses.replace(
                utterance, utterance_id=piece, start_s=start, end_s=end, speech_s=marked
            )
        )
    return parts[0], parts[1]

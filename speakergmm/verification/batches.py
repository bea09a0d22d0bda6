"""Many enrollments, claims or unknown recordings at once.

What is wrong with one is said beside it, and the others go on: a list of a thousand recordings has
its broken one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from speakergmm.errors import AlreadyEnrolledError, SpeakerGMMError, SpeakerStoreError
from speakergmm.parallel import map_in_order
from speakergmm.progress import SILENT
from speakergmm.verification.identifying import identify_recording

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from speakergmm.audio.sources import Recording
    from speakergmm.features.reading import HeardSide
    from speakergmm.parallel import Jobs
    from speakergmm.progress import Progress
    from speakergmm.verification.answers import EnrollmentReport, Identification, Verification
    from speakergmm.verification.engine import KnownSpeaker
    from speakergmm.verification.speaker_store.enrolled import Enrollment
    from speakergmm.verification.trial_scorer import Bank
    from speakergmm.verification.verifier import Verifier

    Floats = NDArray[np.float64]
    Side = Sequence[Recording]

# Speakers who are claimed and whose models are in memory at a time, half a megabyte each with 512
# components of 30 features; of more, tests are heard again for the next.
SPEAKERS_AT_ONCE = 512


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no answer; ``is_done`` where what was asked for has been done before."""

    text: str
    is_done: bool = False


def enroll_many(
    verifier: Verifier, speakers: Mapping[str, Side], *, progress: Progress = SILENT
) -> Iterator[tuple[str, EnrollmentReport | Failure]]:
    """Enroll speakers one after the other; each as a whole or not at all.

    Who is enrolled with all of these recordings already is no failure, so that a list which was
    interrupted can be given again.

    Raises
    ------
    SpeakerStoreError
        When the store cannot be used at all.
    """
    verifier.check_store()
    progress.start("enrollment", len(speakers))
    for speaker_id, recordings in speakers.items():
        try:
            yield speaker_id, verifier.enroll(speaker_id, recordings)
        except AlreadyEnrolledError as error:
            yield speaker_id, Failure(str(error), is_done=True)
        except SpeakerGMMError as error:
            yield speaker_id, Failure(str(error))
        progress.advance()


def verify_many(
    verifier: Verifier,
    tests: Sequence[Side],
    claims: Sequence[tuple[str, int]],
    *,
    threshold: float | None = None,
    jobs: Jobs = None,
    progress: Progress = SILENT,
) -> Iterator[tuple[int, Verification | Failure]]:
    """Verify claims: speaker ids with numbers of tests. Each test is heard once.

    Yields
    ------
    number, answer
        Of each claim, by its number in ``claims``; in the order of the tests.
    """
    limit = verifier.threshold(threshold)
    verifier.store.revision()
    speakers = list(dict.fromkeys(speaker_id for speaker_id, _ in claims))
    spans = range(0, len(speakers), SPEAKERS_AT_ONCE)
    progress.start("verification", len({test for _, test in claims}) * len(spans))
    for first in spans:
        panel = _Panel.of(verifier, speakers[first : first + SPEAKERS_AT_ONCE])
        by_test: dict[int, list[int]] = {}
        for number, (speaker_id, test) in enumerate(claims):
            if speaker_id in panel.places:
                by_test.setdefault(test, []).append(number)
        work = [
            (tests[test], [(number, claims[number][0]) for number in numbers])
            for test, numbers in sorted(by_test.items())
        ]
        for answers in map_in_order(_verify_test, work, panel, limit, jobs=jobs):
            yield from answers
            progress.advance()


def identify_many(
    verifier: Verifier,
    tests: Sequence[Side],
    *,
    top: int = 5,
    closed: bool = False,
    p_known: float | None = None,
    threshold: float | None = None,
    jobs: Jobs = None,
    progress: Progress = SILENT,
) -> Iterator[Identification | Failure]:
    """Identify recordings, in their order."""
    limit = verifier.identification_limit(closed, p_known, threshold)
    verifier.store.revision()
    progress.start("identification", len(tests))
    for heard in map_in_order(_hear, tests, verifier, jobs=jobs):
        if isinstance(heard, Failure):
            yield heard
        else:
            try:
                yield identify_recording(verifier, heard, top, limit)
            except SpeakerStoreError:
                raise
            except SpeakerGMMError as error:
                yield Failure(str(error))
        progress.advance()


@dataclass(frozen=True, eq=False)
class _Panel:
    """Speakers who are claimed, with their models side by side.

    ``places`` says where in the bank a speaker is, or why there is none.
    """

    verifier: Verifier
    places: dict[str, int | Failure]
    enrollments: list[Enrollment]
    bank: Bank
    cohort_scores: Floats | None

    @classmethod
    def of(cls, verifier: Verifier, speaker_ids: Sequence[str]) -> _Panel:
        places: dict[str, int | Failure] = {}
        known: list[KnownSpeaker] = []
        for speaker_id in speaker_ids:
            try:
                known.append(verifier.speaker(speaker_id))
            except SpeakerStoreError:
                raise
            except SpeakerGMMError as error:
                places[speaker_id] = Failure(str(error))
            else:
                places[speaker_id] = len(known) - 1
        enrollments = [speaker.enrollment for speaker in known]
        compared = [k.cohort_scores for k in known if k.cohort_scores is not None]
        return cls(
            verifier,
            places,
            enrollments,
            verifier.scorer.joined([speaker.bank for speaker in known]),
            np.concatenate(compared) if compared else None,
        )


def _verify_test(
    work: tuple[Side, Sequence[tuple[int, str]]], panel: _Panel, limit: float
) -> list[tuple[int, Verification | Failure]]:
    """Hear a test once, and answer all claims about it: their numbers and speakers."""
    side, claims = work
    verifier = panel.verifier
    answers: list[tuple[int, Verification | Failure]] = []
    asked: list[tuple[int, int]] = []
    for number, speaker_id in claims:
        place = panel.places[speaker_id]
        if isinstance(place, Failure):
            answers.append((number, place))
        else:
            asked.append((number, place))
    if not asked:
        return answers
    places = np.array([place for _, place in asked])
    names = [panel.enrollments[place].speaker_id for place in places]
    try:
        heard = verifier.hear(side)
        verifier.check_stranger(names[0], heard)
        compared = None if panel.cohort_scores is None else panel.cohort_scores[places]
        raw = panel.bank.scores(heard.frames, places)
        scores = verifier.scorer.normalize(
            raw, verifier.scorer.of_test(heard.frames), names, compared
        )
    except SpeakerGMMError as error:
        return [*answers, *((number, Failure(str(error))) for number, _ in asked)]
    for (number, place), score in zip(asked, scores, strict=True):
        verdict = verifier.verdict(panel.enrollments[place], heard, float(score), limit)
        answers.append((number, verdict))
    return answers


def _hear(side: Side, verifier: Verifier) -> HeardSide | Failure:
    try:
        return verifier.hear(side)
    except SpeakerGMMError as error:
        return Failure(str(error))

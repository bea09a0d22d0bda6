"""Lists of everyday work: read from CSV, worked off, and written as CSV."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speakergmm.corpora.claims import read_claims, read_enrollments, read_unknowns
from speakergmm.corpora.tables import format_table
from speakergmm.files import check_apart, check_writable, write_text
from speakergmm.progress import SILENT
from speakergmm.verification.batches import (
    Failure,
    enroll_many,
    identify_many,
    verify_many,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from speakergmm.corpora.claims import ListedRecording
    from speakergmm.parallel import Jobs
    from speakergmm.progress import Progress
    from speakergmm.verification import Verifier
    from speakergmm.verification.answers import EnrollmentReport, Identification, Verification

ENROLLED = (
    "speaker_id", "n_recordings", "speech_s", "total_speech_s", "share_seen", "share_adapted",
    "misfits", "duplicates", "warnings", "error",
)  # fmt: skip
VERIFIED = (
    "model_id", "test_id", "label", "score", "llr", "threshold", "accepted", "speech_s", "snr_db",
    "expected_miss", "expected_fa", "warnings", "error",
)  # fmt: skip
IDENTIFIED = (
    "test_id", "speaker_id", "rank", "candidate", "score", "llr", "posterior", "posterior_none",
    "threshold", "speech_s", "warnings", "error",
)  # fmt: skip

# Several texts in one cell.
SEPARATOR = " | "


@dataclass(frozen=True, slots=True)
class BatchSummary:
    """What became of a list: how many items, accepted (or enrolled, or found), and failed."""

    n_items: int
    n_positive: int
    n_failed: int


def enroll_list(
    verifier: Verifier,
    source: Path | str,
    output: Path | str | None,
    *,
    progress: Progress = SILENT,
) -> BatchSummary:
    """Enroll the speakers of a list, and write a line on each.

    Parameters
    ----------
    source : path
        CSV, see `speakergmm.corpora.claims.read_enrollments`.
    output : path or None
        CSV; None writes none.

    Raises
    ------
    ManifestError, SpeakerStoreError, OutputError
        When the list or the store cannot be used, or the output cannot be written. What is wrong
        with a single speaker stands in that line's ``error``.
    """
    listed = read_enrollments(source)
    _check_output(output, verifier, source, listed.values())
    rows: list[list[Any]] = []
    for speaker_id, answer in enroll_many(verifier, listed, progress=progress):
        rows.append([speaker_id, *_enrolled(answer)])
    _write(output, ENROLLED, rows)
    n_failed = _n_failed(rows)
    return BatchSummary(len(rows), len(rows) - n_failed, n_failed)


def verify_list(
    verifier: Verifier,
    source: Path | str,
    output: Path | str | None,
    *,
    threshold: float | None = None,
    jobs: Jobs = None,
    progress: Progress = SILENT,
) -> BatchSummary:
    """Verify the claims of a list, and write a line on each, in the order of the list.

    What is written is also a score file: ``speakergmm evaluate`` reads it where the list has
    labels, and each claim an answer. Without a calibration there is no column ``llr``.

    Parameters
    ----------
    source : path
        CSV, see `speakergmm.corpora.claims.read_claims`.
    output : path or None
        CSV; None writes none.

    Raises
    ------
    ManifestError, SpeakerStoreError, ConfigError, OutputError
        As `enroll_list`; and when there is no threshold.
    """
    listed = read_claims(source)
    _check_output(output, verifier, source, listed.tests.values())
    names = list(listed.tests)
    rows: list[list[Any]] = [[] for _ in listed.claims]
    answers = verify_many(
        verifier,
        list(listed.tests.values()),
        [(claim.speaker_id, claim.test) for claim in listed.claims],
        threshold=threshold,
        jobs=jobs,
        progress=progress,
    )
    n_accepted = 0
    for number, answer in answers:
        claim = listed.claims[number]
        n_accepted += not isinstance(answer, Failure) and answer.accepted
        rows[number] = [claim.speaker_id, names[claim.test], claim.label, *_verified(answer)]
    header: Sequence[str] = VERIFIED
    if verifier.system.calibration is None:
        # A score file has the column as a whole or not at all.
        at = header.index("llr")
        header, rows = (
            [*header[:at], *header[at + 1 :]],
            [[*row[:at], *row[at + 1 :]] for row in rows],
        )
    _write(output, header, rows)
    return BatchSummary(len(rows), n_accepted, _n_failed(rows))


def identify_list(
    verifier: Verifier,
    source: Path | str,
    output: Path | str | None,
    *,
    top: int = 5,
    closed: bool = False,
    p_known: float | None = None,
    threshold: float | None = None,
    jobs: Jobs = None,
    progress: Progress = SILENT,
) -> BatchSummary:
    """Identify the recordings of a list, and write a line on each candidate.

    Parameters
    ----------
    source : path
        CSV, see `speakergmm.corpora.claims.read_unknowns`.
    output : path or None
        CSV; None writes none.

    Raises
    ------
    ManifestError, SpeakerStoreError, ConfigError, OutputError
        As `verify_list`.
    """
    listed = read_unknowns(source)
    _check_output(output, verifier, source, listed.tests.values())
    answers = identify_many(
        verifier,
        list(listed.tests.values()),
        top=top,
        closed=closed,
        p_known=p_known,
        threshold=threshold,
        jobs=jobs,
        progress=progress,
    )
    rows: list[list[Any]] = []
    n_found = n_failed = 0
    for test_id, answer in zip(listed.tests, answers, strict=True):
        n_failed += isinstance(answer, Failure)
        n_found += not isinstance(answer, Failure) and answer.speaker_id is not None
        rows += _identified(test_id, answer)
    _write(output, IDENTIFIED, rows)
    return BatchSummary(len(listed.tests), n_found, n_failed)


def _check_output(
    output: Path | str | None,
    verifier: Verifier,
    source: Path | str,
    listed: Iterable[Iterable[ListedRecording]],
) -> None:
    """Refuse an output that cannot be written, or would take the place of what is read."""
    if output is None:
        return
    recordings = (recording.path for recording in chain.from_iterable(listed))
    check_apart(output, chain([source, verifier.store.path], recordings))
    check_writable(output)


def _enrolled(answer: EnrollmentReport | Failure) -> list[Any]:
    if isinstance(answer, Failure) and answer.is_done:
        return [*[None] * (len(ENROLLED) - 3), answer.text, None]
    if isinstance(answer, Failure):
        return _failed(ENROLLED, 1, answer)
    return [
        answer.n_recordings,
        round(answer.speech_s, 3),
        round(answer.total_speech_s, 3),
        round(answer.share_seen, 4),
        round(answer.share_adapted, 4),
        SEPARATOR.join(answer.misfits),
        SEPARATOR.join(f"{name} ({other})" for name, other in answer.duplicates),
        SEPARATOR.join(answer.warnings),
        None,
    ]


def _verified(answer: Verification | Failure) -> list[Any]:
    if isinstance(answer, Failure):
        return _failed(VERIFIED, 3, answer)
    expected = answer.expected
    return [
        answer.score,
        answer.llr,
        answer.threshold,
        _yes_or_no(answer.accepted),
        round(answer.speech_s, 3),
        answer.quality.snr_db,
        None if expected is None else round(expected.p_miss, 5),
        None if expected is None else round(expected.p_fa, 5),
        SEPARATOR.join(answer.warnings),
        None,
    ]


def _identified(test_id: str, answer: Identification | Failure) -> list[list[Any]]:
    if isinstance(answer, Failure):
        return [[test_id, *_failed(IDENTIFIED, 1, answer)]]
    return [
        [
            test_id,
            answer.speaker_id,
            rank,
            candidate.speaker_id,
            candidate.score,
            candidate.llr,
            candidate.posterior,
            answer.posterior_none,
            answer.threshold,
            round(answer.speech_s, 3),
            SEPARATOR.join(answer.warnings),
            None,
        ]
        for rank, candidate in enumerate(answer.candidates, 1)
    ]


def _failed(header: Sequence[str], n_known: int, failure: Failure) -> list[Any]:
    """Give the cells after those that name the item: nothing but the error."""
    return [*[None] * (len(header) - n_known - 1), failure.text]


def _yes_or_no(value: bool) -> str:
    return "yes" if value else "no"


def _n_failed(rows: Iterable[Sequence[Any]]) -> int:
    return sum(row[-1] is not None for row in rows)


def _write(output: Path | str | None, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    if output is not None:
        write_text(Path(output), format_table(header, rows))

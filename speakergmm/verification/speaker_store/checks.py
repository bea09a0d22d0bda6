"""What a speaker store refuses to take in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from speakergmm.errors import AlreadyEnrolledError, SpeakerStoreError
from speakergmm.verification.speaker_store.enrolled import quoted
from speakergmm.verification.speaker_store.rows import is_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from speakergmm.gmm import Statistics
    from speakergmm.verification.speaker_store.enrolled import EnrolledRecording
    from speakergmm.verification.speaker_store.transaction import Transaction


def check_id(speaker_id: str) -> None:
    """Refuse an id that is blank or not text."""
    if not isinstance(speaker_id, str):
        raise SpeakerStoreError(
            f"the speaker id is {speaker_id!r}, of type {type(speaker_id).__name__}; expected text"
        )
    if not speaker_id.strip():
        raise SpeakerStoreError("the speaker id is empty; expected a name or number")
    if not is_text(speaker_id):
        raise SpeakerStoreError(f"the speaker id {quoted(speaker_id)} is not text; expected UTF-8")


def check_statistics(speaker_id: str, statistics: Statistics) -> None:
    """Refuse statistics of wrong shapes, that are not finite, or of no number of frames."""
    n, f, s = statistics.n, statistics.f, statistics.s
    fit = n.ndim == 1 and f.ndim == 2 and f.shape == s.shape and len(n) == len(f) and f.size
    if not fit or statistics.n_frames < 0:
        raise SpeakerStoreError(
            f"speaker {quoted(speaker_id)}: statistics of shapes n {n.shape}, f {f.shape}, s "
            f"{s.shape} of {statistics.n_frames} frames; expected (C,), (C, D), (C, D)"
        )
    numbers = (n, f, s, np.asarray(statistics.log_likelihood))
    if not all(np.isfinite(array).all() for array in numbers):
        raise SpeakerStoreError(
            f"speaker {quoted(speaker_id)}: statistics are not finite; check the recordings"
        )
    if statistics.n_frames < 1 or n.min() < 0:
        raise SpeakerStoreError(
            f"speaker {quoted(speaker_id)}: statistics of {statistics.n_frames:,} frames, with "
            f"counts from {n.min():g} on; expected one frame or more, and counts of 0 or more"
        )


def check_shape(change: Transaction, speaker_id: str, statistics: Statistics) -> None:
    """Refuse statistics of another shape than the store's."""
    expected = change.shape()
    if expected not in {None, statistics.f.shape}:
        raise SpeakerStoreError(
            f"{change.path}: speaker {quoted(speaker_id)}: statistics of (C, D) = "
            f"{statistics.f.shape}, the store's are {expected}; make them with the store's "
            "background model"
        )


def check_new(
    speaker_id: str,
    known: Iterable[EnrolledRecording],
    recordings: Iterable[EnrolledRecording],
) -> None:
    """Refuse recordings that are known, or are given twice."""
    seen = {digest for recording in known for digest in _digests(recording)}
    again, given = [], list(recordings)
    for recording in given:
        if seen & _digests(recording):
            again.append(recording.label)
        seen |= _digests(recording)
    if again:
        kind = AlreadyEnrolledError if len(again) == len(given) else SpeakerStoreError
        raise kind(
            f"speaker {quoted(speaker_id)}: already part of the enrollment: {', '.join(again)}; "
            "the same speech twice teaches nothing: give other recordings"
        )


def _digests(recording: EnrolledRecording) -> set[tuple[str, str]]:
    found = {("audio", recording.audio_digest), ("file", recording.file_digest)}
    return {(kind, digest) for kind, digest in found if digest}


def checked_arrays(
    speaker_id: str, arrays: Mapping[str, NDArray[np.float64]]
) -> dict[str, NDArray[np.float64]]:
    """Refuse what cannot be kept as derived of a speaker."""
    found = {key: np.asarray(array, dtype=np.float64) for key, array in arrays.items()}
    for key, array in found.items():
        if array.ndim != 1 or not np.isfinite(array).all() or not is_text(key):
            raise SpeakerStoreError(
                f"speaker {quoted(speaker_id)}: derived {key!r} of shape {array.shape}; expected "
                "finite numbers (N,)"
            )
    return found

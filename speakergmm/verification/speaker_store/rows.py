"""The rows of a speaker store: from values to rows and back, each under a checksum."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from speakergmm.errors import SpeakerStoreError
from speakergmm.files import value_digest
from speakergmm.gmm import Statistics
from speakergmm.verification.speaker_store.enrolled import EnrolledRecording, SpeakerSummary, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from speakergmm.verification.speaker_store.enrolled import Enrollment

# Large columns stand last, and s after n and f: SQLite reads a row from its start.
SCHEMA = (
    """CREATE TABLE speakers (
        number INTEGER PRIMARY KEY,
        speaker_id TEXT NOT NULL UNIQUE,
        revision INTEGER NOT NULL,
        log_likelihood REAL NOT NULL, n_frames INTEGER NOT NULL,
        recordings TEXT NOT NULL, adaptation TEXT NOT NULL,
        enrolled_at TEXT NOT NULL, changed_at TEXT NOT NULL,
        nf_digest TEXT NOT NULL, s_digest TEXT NOT NULL, digest TEXT NOT NULL,
        n BLOB NOT NULL, f BLOB NOT NULL, s BLOB NOT NULL
    )""",
    # By which a recording's speakers are found; what counts is the list in their row.
    """CREATE TABLE digests (
        kind TEXT NOT NULL, digest TEXT NOT NULL,
        number INTEGER NOT NULL REFERENCES speakers ON DELETE CASCADE,
        PRIMARY KEY (kind, digest, number)
    ) WITHOUT ROWID""",
    "CREATE INDEX digests_of_speaker ON digests (number)",
    """CREATE TABLE derived (
        number INTEGER NOT NULL REFERENCES speakers ON DELETE CASCADE,
        key TEXT NOT NULL, digest TEXT NOT NULL, value BLOB NOT NULL,
        PRIMARY KEY (number, key)
    ) WITHOUT ROWID""",
)

HEAD = {
    1: "speaker_id, n_frames, log_likelihood, n_frames, recordings, '{}', changed_at, changed_at, "
    "'', '', ''",
    2: "speaker_id, revision, log_likelihood, n_frames, recordings, adaptation, enrolled_at, "
    "changed_at, nf_digest, s_digest, digest",
}


class Head(NamedTuple):
    """A speaker's row without its arrays; what ``digest`` is the checksum of."""

    speaker_id: str
    revision: int
    log_likelihood: float
    n_frames: int
    recordings: str
    adaptation: str
    enrolled_at: str
    changed_at: str
    nf_digest: str
    s_digest: str


def head_from_row(row: Sequence[Any], version: int) -> Head:
    """Read a row of the columns `HEAD`; ValueError where it is damaged."""
    head = Head(*row[:-1])
    try:
        intact = version == 1 or value_digest(head) == row[-1]
        if not (intact and np.isfinite(head.log_likelihood)):
            raise ValueError("checksum")
    except TypeError:
        raise ValueError("kind of a column") from None
    return head


def statistics_from_row(blobs: Sequence[Any], head: Head, version: int) -> Statistics:
    """Read n, f and, where it is given, s; else s is zero. ValueError where they are damaged."""
    if any(not isinstance(blob, bytes) or len(blob) % 8 for blob in blobs):
        raise ValueError("kind or length of a blob")
    with_s = len(blobs) == 3
    if version > 1 and (
        blob_digest(*blobs[:2]) != head.nf_digest
        or (with_s and blob_digest(blobs[2]) != head.s_digest)
    ):
        raise ValueError("checksum")
    arrays = [np.frombuffer(blob, dtype="<f8") for blob in blobs]
    n, f = arrays[:2]
    if not len(n) or not len(f) or len(f) % len(n) or (with_s and len(arrays[2]) != len(f)):
        raise ValueError("lengths")
    if not all(np.isfinite(array).all() for array in arrays):
        raise ValueError("numbers that are not finite")
    f = f.reshape(len(n), -1)
    s = arrays[2].reshape(f.shape) if with_s else np.broadcast_to(0.0, f.shape)
    return Statistics(n, f, s, head.log_likelihood, head.n_frames)


def recordings_of(head: Head, version: int) -> tuple[EnrolledRecording, ...]:
    """Read a head's recordings; ValueError where they are damaged."""
    listed = _from_json(head.recordings, list)
    if version > 1:
        return tuple(map(EnrolledRecording.from_json, listed))
    # Version 1 kept the digests of files only.
    return tuple(
        EnrolledRecording("", "", str(digest), 0.0, 0.0, None, None, (), head.changed_at)
        for digest in listed
    )


def summary_of(head: Head, version: int) -> SpeakerSummary:
    """Read all that a head says; ValueError where it is damaged."""
    return SpeakerSummary(
        head.speaker_id,
        recordings_of(head, version),
        _from_json(head.adaptation, dict),
        head.enrolled_at,
        head.changed_at,
        head.revision,
        head.n_frames,
    )


def row_of(enrollment: Enrollment) -> tuple[Any, ...]:
    """Give the columns of an enrollment after its number."""
    n, f, s = (blob_of(getattr(enrollment.statistics, name)) for name in "nfs")
    recordings = [recording.to_json() for recording in enrollment.recordings]
    head = Head(
        enrollment.speaker_id,
        enrollment.revision,
        # Adding zero makes -0.0, which SQLite does not keep, 0.0.
        float(enrollment.statistics.log_likelihood) + 0.0,
        int(enrollment.statistics.n_frames),
        _json_text(enrollment.speaker_id, recordings),
        _json_text(enrollment.speaker_id, enrollment.adaptation),
        enrollment.enrolled_at,
        enrollment.changed_at,
        blob_digest(n, f),
        blob_digest(s),
    )
    return (*head, value_digest(head), n, f, s)


def _from_json(text: Any, kind: type) -> Any:
    try:
        value = json.loads(text)
    except TypeError:
        raise ValueError("kind of a column") from None
    if not isinstance(value, kind):
        raise ValueError("kind of a value")
    return value


def is_text(value: str) -> bool:
    """Tell whether a string can be stored: no lone surrogates, as in names that are no UTF-8."""
    try:
        value.encode()
    except (UnicodeEncodeError, AttributeError):
        return False
    return isinstance(value, str)


def _json_text(speaker_id: str, value: Any) -> str:
    try:
        return json.dumps(value, sort_keys=True, allow_nan=False)
    except (ValueError, TypeError) as error:
        raise SpeakerStoreError(
            f"speaker {quoted(speaker_id)}: recordings and adaptation cannot be kept as JSON "
            f"({error}); expected text and finite numbers"
        ) from None


def blob_of(array: NDArray[np.float64]) -> bytes:
    """Give numbers as they are kept: float64, little endian."""
    return np.asarray(array, dtype="<f8").tobytes()


def blob_digest(*blobs: bytes) -> str:
    """SHA-256 of some blobs and their lengths."""
    found = hashlib.sha256()
    for blob in blobs:
        found.update(len(blob).to_bytes(8, "little") + blob)
    return found.hexdigest()


def derived_digest(speaker_id: str, key: str, value: bytes) -> str:
    """Checksum of an array that was derived of a speaker's statistics."""
    return value_digest([speaker_id, key, blob_digest(value)])

"""The file of exported speakers: their statistics as tensors, all else in its header."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from speakergmm.errors import SpeakerStoreError
from speakergmm.gmm import Statistics
from speakergmm.tensor_files import TensorFileKind, load_tensors, save_tensors
from speakergmm.verification.speaker_store.enrolled import EnrolledRecording, Enrollment, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

SPEAKERS_FILE = TensorFileKind(
    key="speakergmm-speakers",
    version=1,
    checked_from=1,
    what="speakers",
    made_by="`speakers export`",
    error=SpeakerStoreError,
)
TENSORS = {"n": np.float64, "f": np.float64, "s": np.float64, "log_likelihood": np.float64}


def write_speakers(path: Path | str, ubm_digest: str, enrollments: Sequence[Enrollment]) -> None:
    """Write enrollments to a file that only its owner may read, atomically.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    about = {
        "ubm": ubm_digest,
        "speakers": [
            {
                "speaker_id": enrollment.speaker_id,
                "recordings": [recording.to_json() for recording in enrollment.recordings],
                "adaptation": enrollment.adaptation,
                "enrolled_at": enrollment.enrolled_at,
                "changed_at": enrollment.changed_at,
            }
            for enrollment in enrollments
        ],
    }
    tensors: dict[str, NDArray[Any]] = {
        name: np.stack([getattr(e.statistics, name) for e in enrollments]).astype(kind)
        for name, kind in TENSORS.items()
    }
    tensors["n_frames"] = np.array([e.statistics.n_frames for e in enrollments], dtype=np.int64)
    save_tensors(path, SPEAKERS_FILE, about, tensors, private=True)


def read_speakers(path: Path | str, ubm_digest: str) -> list[Enrollment]:
    """Read what `write_speakers` wrote; their revision is 0, they are in no store yet.

    Raises
    ------
    SpeakerStoreError
        When there is no such file, it is damaged, or of another background model.
    """
    file = load_tensors(path, SPEAKERS_FILE)
    about, tensors = file.about, file.tensors
    if about.get("ubm") != ubm_digest:
        raise SpeakerStoreError(
            f"{path}: speakers of the UBM {str(about.get('ubm'))[:12]}, not of "
            f"{ubm_digest[:12]}; import them into a store of that UBM"
        )
    try:
        speakers = about["speakers"]
        _check_tensors(tensors, len(speakers))
        return [_enrollment(table, tensors, row) for row, table in enumerate(speakers)]
    except (ValueError, KeyError, TypeError) as error:
        raise SpeakerStoreError(
            f"{path}: damaged: its parts do not fit each other ({error}); export again"
        ) from None


def _check_tensors(tensors: Mapping[str, NDArray[Any]], n_speakers: int) -> None:
    n, f, s = (tensors[name] for name in "nfs")
    fit = (
        n.ndim == 2
        and f.ndim == 3
        and f.shape == s.shape
        and f.shape[:2] == n.shape
        and f.size > 0
        and len(n) == n_speakers
        and tensors["log_likelihood"].shape == tensors["n_frames"].shape == (n_speakers,)
        and all(tensors[name].dtype == kind for name, kind in TENSORS.items())
        and tensors["n_frames"].dtype == np.int64
    )
    if not fit:
        raise ValueError("shapes or types")
    if not all(np.isfinite(tensor).all() for tensor in tensors.values()):
        raise ValueError("numbers that are not finite")


def _enrollment(table: dict[str, Any], tensors: Mapping[str, NDArray[Any]], row: int) -> Enrollment:
    speaker_id, adaptation = table["speaker_id"], table["adaptation"]
    times = table["enrolled_at"], table["changed_at"]
    if not isinstance(adaptation, dict) or not all(
        isinstance(text, str) for text in (speaker_id, *times)
    ):
        raise ValueError(f"speaker {quoted(str(speaker_id))}")
    statistics = Statistics(
        tensors["n"][row],
        tensors["f"][row],
        tensors["s"][row],
        float(tensors["log_likelihood"][row]),
        int(tensors["n_frames"][row]),
    )
    recordings = tuple(map(EnrolledRecording.from_json, table["recordings"]))
    return Enrollment(speaker_id, statistics, recordings, adaptation, *times, revision=0)

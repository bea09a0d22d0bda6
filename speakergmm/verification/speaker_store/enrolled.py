"""What a speaker store holds of a speaker: values, without a word on how they are kept."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from speakergmm.gmm import Statistics

# An id may be as long as a book; in a message it is not.
SHOWN = 60

NUMBER, NUMBER_OR_NONE = (int, float), (int, float, type(None))
KINDS: dict[str, tuple[type, ...]] = {
    "name": (str,),
    "audio_digest": (str,),
    "file_digest": (str,),
    "duration_s": NUMBER,
    "speech_s": NUMBER,
    "snr_db": NUMBER_OR_NONE,
    "fit": NUMBER_OR_NONE,
    "warnings": (list,),
    "enrolled_at": (str,),
    "level_dbfs": NUMBER_OR_NONE,
}


@dataclass(frozen=True, slots=True)
class EnrolledRecording:
    """A recording that is part of an enrollment: what it was like, never its audio.

    Parameters
    ----------
    name : str
        As the user called it; may be empty.
    audio_digest : str
        SHA-256 of the decoded samples; empty where it is not known.
    file_digest : str
        SHA-256 of the file; empty where the recording was an array.
    duration_s, speech_s : float
        Its length, and how much of that is speech; 0 where it is not known.
    snr_db : float, optional
        By how much speech stands out of the noise.
    fit : float, optional
        Log-likelihood ratio (the score, where there was no calibration) of the recording against
        the model of the speaker's other recordings. Above 0 they sound like one speaker rather than
        like anyone. None where there were no others.
    warnings : tuple of str
        What may harm decisions, a line each.
    enrolled_at : str
        UTC, as ``2026-01-31T12:00:00Z``.
    level_dbfs : float, optional
        Of its speech, in dB of full scale.
    """

    name: str
    audio_digest: str
    file_digest: str
    duration_s: float
    speech_s: float
    snr_db: float | None
    fit: float | None
    warnings: tuple[str, ...]
    enrolled_at: str
    level_dbfs: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Give the recording as JSON."""
        return dataclasses.asdict(self) | {"warnings": list(self.warnings)}

    @classmethod
    def from_json(cls, table: Mapping[str, Any]) -> EnrolledRecording:
        """Read what `to_json` gave.

        Raises
        ------
        ValueError
            When a field is missing, unknown or of the wrong kind.
        """
        if not isinstance(table, dict) or table.keys() != KINDS.keys():
            raise ValueError(f"a recording has the fields {', '.join(KINDS)}; got {table!r}")
        for name, kinds in KINDS.items():
            if not isinstance(table[name], kinds):
                raise ValueError(f"a recording's {name} cannot be {table[name]!r}")
        return cls(**(table | {"warnings": tuple(map(str, table["warnings"]))}))

    @property
    def label(self) -> str:
        """What to call it in a message: its name, or the first digits of a digest."""
        return self.name or (self.file_digest or self.audio_digest)[:12]


@dataclass(frozen=True, slots=True, eq=False)
class Enrollment:
    """All that is known of a speaker.

    Parameters
    ----------
    speaker_id : str
    statistics : Statistics
        Of all recordings, added up.
    recordings : tuple of EnrolledRecording
        In the order in which they were enrolled.
    adaptation : dict
        Whatever the newest enrollment said on how the model is made of the statistics.
    enrolled_at, changed_at : str
        First and newest enrollment, UTC.
    revision : int
        Of the store, at the newest change of this speaker. With the id it names one state: it is
        not the same after another enrollment, nor after removing and enrolling anew, nor in
        another store or copy that has gone its own way (but for a chance of one in 2³²).
    """

    speaker_id: str
    statistics: Statistics
    recordings: tuple[EnrolledRecording, ...]
    adaptation: dict[str, Any]
    enrolled_at: str
    changed_at: str
    revision: int


@dataclass(frozen=True, slots=True)
class SpeakerSummary:
    """An `Enrollment` without its statistics, for lists; ``n_frames`` is how many they are of."""

    speaker_id: str
    recordings: tuple[EnrolledRecording, ...]
    adaptation: dict[str, Any]
    enrolled_at: str
    changed_at: str
    revision: int
    n_frames: int


def quoted(speaker_id: str) -> str:
    """Give an id as it stands in messages: in quotes, on one line, and not too long."""
    if not isinstance(speaker_id, str) or len(speaker_id) <= SHOWN:
        return repr(speaker_id)
    return f"{speaker_id[:SHOWN]!r}... ({len(speaker_id):,} characters)"


def as_named(speaker_id: str) -> str:
    """Give an id as it is, unless it would break the line or the terminal, or go on for ever."""
    is_plain = speaker_id.isprintable() and len(speaker_id) <= SHOWN
    return speaker_id if is_plain else quoted(speaker_id)

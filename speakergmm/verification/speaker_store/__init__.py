"""The speaker store: the statistics of enrolled speakers, in one SQLite file; never audio."""

from speakergmm.verification.speaker_store.enrolled import (
    EnrolledRecording,
    Enrollment,
    SpeakerSummary,
)
from speakergmm.verification.speaker_store.store import SpeakerStore

__all__ = ["EnrolledRecording", "Enrollment", "SpeakerStore", "SpeakerSummary"]

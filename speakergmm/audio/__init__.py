"""A recording → mono float32 samples; and the synthetic corpus."""

from speakergmm.audio.recordings import (
    Channel,
    RecordingInfo,
    Resample,
    check_samples,
    duration_s,
    read_recording,
    recording_info,
    resample,
)

__all__ = [
    "Channel",
    "RecordingInfo",
    "Resample",
    "check_samples",
    "duration_s",
    "read_recording",
    "recording_info",
    "resample",
]

"""A recording → mono float32 samples; and the synthetic corpus."""

from speakergmm.audio.recordings import (
    Channel,
    RecordingInfo,
    Resample,
    SampleBlocks,
    check_samples,
    duration_s,
    read_blocks,
    read_channels,
    read_recording,
    recording_info,
    resample,
    resample_blocks,
)

__all__ = [
    "Channel",
    "RecordingInfo",
    "Resample",
    "SampleBlocks",
    "check_samples",
    "duration_s",
    "read_blocks",
    "read_channels",
    "read_recording",
    "recording_info",
    "resample",
    "resample_blocks",
]

"""A recording → mono float32 samples: reading, quality, degradation; the synthetic corpus."""

from speakergmm.audio.recordings import (
    RecordingInfo,
    SampleBlocks,
    duration_s,
    read_blocks,
    read_channels,
    read_recording,
    recording_info,
)
from speakergmm.audio.resampling import Resample, resample, resample_blocks
from speakergmm.audio.samples import Channel, check_samples

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

"""Samples → frames (T, D): MFCC, deltas, voice activity, normalization; and the frame store."""

from speakergmm.features.extraction import (
    extract_features,
    recording_frames,
    utterance_frames,
)
from speakergmm.features.front_end import FrontEnd, FrontEndConfig
from speakergmm.features.store import FrameStore
from speakergmm.features.transforms import cmn, cmvn, deltas, voiced

__all__ = [
    "FrameStore",
    "FrontEnd",
    "FrontEndConfig",
    "cmn",
    "cmvn",
    "deltas",
    "extract_features",
    "recording_frames",
    "utterance_frames",
    "voiced",
]

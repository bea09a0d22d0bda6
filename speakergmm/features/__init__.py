"""Samples → frames (T, D): cepstra, slopes, voice activity, normalization; and the frame store."""

from speakergmm.audio.activity import voiced, voiced_above_noise
from speakergmm.features.config import FrontEndConfig
from speakergmm.features.dynamics import deltas, shifted_deltas
from speakergmm.features.extraction import extract_features
from speakergmm.features.front_end import FrontEnd
from speakergmm.features.moving_normalization import rasta, sliding_cmvn, warp
from speakergmm.features.normalization import cmn, cmvn, relative_level
from speakergmm.features.reading import pooled_frames, recording_frames, utterance_frames
from speakergmm.features.store import FrameStore

__all__ = [
    "FrameStore",
    "FrontEnd",
    "FrontEndConfig",
    "cmn",
    "cmvn",
    "deltas",
    "extract_features",
    "pooled_frames",
    "rasta",
    "recording_frames",
    "relative_level",
    "shifted_deltas",
    "sliding_cmvn",
    "utterance_frames",
    "voiced",
    "voiced_above_noise",
    "warp",
]

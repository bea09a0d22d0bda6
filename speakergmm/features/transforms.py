"""What happens to cepstra after they are computed: deltas, voice activity, normalization."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from speakergmm.errors import ConfigError, FrameError

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Standard deviations below this count as constant: dividing by them would only amplify rounding.
MIN_STANDARD_DEVIATION = 1e-6


def _check_frames(frames: NDArray[np.float32]) -> None:
    if frames.ndim != 2 or len(frames) == 0:
        raise FrameError(f"frames have shape {frames.shape}; expected (n_frames, n_features)")


def deltas(frames: NDArray[np.float32], *, window: int = 2) -> NDArray[np.float32]:
    """Slope of each feature over time: a least-squares line over ±``window`` frames.

    d[t] = Σ_k k · (x[t+k] - x[t-k]) / (2 Σ_k k²), k = 1 … window, with the first and last frame
    repeated beyond the edges: the regression deltas of the speaker-recognition literature (Young
    et al., The HTK Book, eq. 5.16). ``librosa.feature.delta`` differs at the edges.

    Parameters
    ----------
    frames : (T, D)
    window : int
        Frames to each side, 1 or more.

    Returns
    -------
    (T, D), same dtype
        In units of the feature per frame; 0 for a constant feature.

    Raises
    ------
    FrameError
        When ``frames`` is not (T, D) with T ≥ 1.
    ConfigError
        When the window is not positive.
    """
    _check_frames(frames)
    if window < 1:
        raise ConfigError(f"delta window is {window}; expected 1 or more frames to each side")
    n_frames = len(frames)
    padded = np.pad(frames, ((window, window), (0, 0)), mode="edge")
    slope = np.zeros_like(frames)
    for k in range(1, window + 1):
        after = padded[window + k : window + k + n_frames]
        before = padded[window - k : window - k + n_frames]
        slope += k * (after - before)
    slope /= 2 * sum(k * k for k in range(1, window + 1))
    return slope


def voiced(energy: NDArray[np.float32], *, threshold_db: float = 30.0) -> NDArray[np.bool_]:
    """Mark the frames that are loud enough to be speech.

    A frame counts when its energy is at most ``threshold_db`` below the utterance's loudest
    frame, so the decision does not depend on the recording level. The loudest frame always counts.

    Parameters
    ----------
    energy : (T,)
        Energy of each frame (not in dB).
    threshold_db : float
        0 or more. 30 is usual for clean speech; larger keeps more of the pauses, and with them the
        room.

    Returns
    -------
    (T,) bool
    """
    if not threshold_db >= 0:
        raise ConfigError(f"vad_db is {threshold_db}; expected 0 dB or more below the peak")
    threshold = float(energy.max()) * 10.0 ** (-threshold_db / 10.0)
    mask: NDArray[np.bool_] = energy >= np.float32(threshold)
    return mask


def cmn(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """Subtract each feature's mean over the utterance (cepstral mean normalization).

    A fixed channel is a constant in the log spectrum, hence in the cepstra, and leaves with the
    mean (Atal 1974; Furui 1981); so does what the mean tells about the speaker, which in short
    utterances is much.

    Raises
    ------
    FrameError
        When ``frames`` is not (T, D) with T ≥ 1.
    """
    _check_frames(frames)
    mean = frames.mean(axis=0, dtype=np.float64).astype(frames.dtype)
    return np.asarray(frames - mean)


def cmvn(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give each feature mean 0 and standard deviation 1 over the utterance (ddof 0).

    A feature that does not vary (standard deviation below 1e-6) becomes 0.

    Raises
    ------
    FrameError
        When ``frames`` is not (T, D) with T ≥ 1.
    """
    centered = cmn(frames)
    deviation = np.sqrt(np.mean(np.square(centered), axis=0, dtype=np.float64))
    varies = deviation > MIN_STANDARD_DEVIATION
    scale = np.where(varies, 1.0 / np.where(varies, deviation, 1.0), 0.0)
    return centered * scale.astype(frames.dtype)

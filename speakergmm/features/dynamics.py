"""How cepstra change over time: regression deltas and shifted delta cepstra."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from speakergmm.config import check_whole
from speakergmm.features.frame_arrays import frames_of_utterance

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def deltas(frames: ArrayLike, *, window: int = 2) -> NDArray[Any]:
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
    (T, D), float32 of float32, else float64
        In units of the feature per frame; 0 for a constant feature.

    Raises
    ------
    FrameError
        When ``frames`` is not (T, D) with T ≥ 1, or not finite.
    ConfigError
        When the window is not positive.
    """
    window = check_whole("delta window", window, 1, unit="frames to each side")
    return slopes(frames_of_utterance(frames), window)


def slopes(frames: NDArray[Any], window: int) -> NDArray[Any]:
    """Compute `deltas` of frames (T, D) that are known to be finite, as the front end's own are."""
    n_frames = len(frames)
    padded = _with_edges(frames, window)
    before, after = (padded[window + i : window + i + n_frames] for i in (-1, 1))
    slope: NDArray[Any] = after - before
    for k in range(2, window + 1):
        before, after = (padded[window + i : window + i + n_frames] for i in (-k, k))
        difference = after - before
        difference *= k
        slope += difference
    slope /= window * (window + 1) * (2 * window + 1) // 3  # 2 Σ_k k²
    return slope


def shifted_deltas(
    frames: ArrayLike, *, spread: int = 1, shift: int = 3, n_blocks: int = 7
) -> NDArray[Any]:
    """Shifted delta cepstra: differences around this frame and around some that follow.

    Block i = 0 … n_blocks - 1 is x[t + i·shift + spread] - x[t + i·shift - spread], with the first
    and last frame repeated beyond the edges (Torres-Carrasquillo et al. 2002, N-d-P-k; the usual
    7-1-3-7 takes the first 7 cepstra and the defaults here).

    Parameters
    ----------
    frames : (T, N)
    spread, shift, n_blocks : int
        d, P and k of that paper; 1 or more.

    Returns
    -------
    (T, N · n_blocks), float32 of float32, else float64
        Block after block.

    Raises
    ------
    FrameError
        When ``frames`` is not (T, N) with T ≥ 1, or not finite.
    ConfigError
        When one of the others is not positive.
    """
    x = frames_of_utterance(frames)
    spread = check_whole("spread", spread, 1)
    shift = check_whole("shift", shift, 1)
    n_blocks = check_whole("n_blocks", n_blocks, 1)
    reach = spread + shift * (n_blocks - 1)
    padded = _with_edges(x, reach)
    # Row t + reach of the padded frames is frame t.
    centers = reach + np.arange(len(x))[:, None] + shift * np.arange(n_blocks)
    differences = padded[centers + spread] - padded[centers - spread]  # (T, n_blocks, N)
    return np.asarray(differences.reshape(len(x), -1))


def _with_edges(frames: NDArray[Any], n: int) -> NDArray[Any]:
    """Repeat the first and the last frame n times."""
    padded = np.empty((len(frames) + 2 * n, frames.shape[1]), dtype=frames.dtype)
    padded[:n], padded[n : len(frames) + n], padded[len(frames) + n :] = (
        frames[0],
        frames,
        frames[-1],
    )
    return padded

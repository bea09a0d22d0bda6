"""What takes a channel that changes out of cepstra: means and ranks within windows, slow changes.

`sliding_cmvn` and `warp` may write over what they are given (``out=frames``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from speakergmm.config import check_range, check_whole
from speakergmm.errors import ConfigError
from speakergmm.features.frame_arrays import frames_of_utterance

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

# Standard deviations below this count as constant: within a window sums of squares over all of the
# recording are subtracted; Kaldi floors the variance at the square of this.
MIN_WINDOW_DEVIATION = 1e-5

# Cells of a float64 copy, or of a table of comparisons, that is made at a time: some MB.
CELLS_AT_ONCE = 1 << 20

# Numerator of the RASTA filter (Hermansky & Morgan 1994, eq. 6).
RASTA_NUMERATOR = (0.2, 0.1, 0.0, -0.1, -0.2)


def sliding_cmvn(
    frames: ArrayLike,
    *,
    window: int = 300,
    center: bool = True,
    variance: bool = False,
    min_window: int = 100,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Subtract from each frame the mean of the window around it; divide by its deviation if wanted.

    The windows are those of Kaldi's apply-cmvn-sliding. Centered, frame t is normalized by frames
    [t - window // 2, t - window // 2 + window), moved inward at the edges so that it keeps its
    length where the utterance is long enough. Not centered, it is normalized by itself and the
    ``window`` frames before it, in the beginning by the first ``min_window`` frames. A channel that
    changes slowly leaves; an utterance shorter than the window gets its own mean and deviation.

    Parameters
    ----------
    frames : (T, D)
    window : int
        In frames.
    center : bool
        False uses no more of the future than ``min_window`` frames, as a live answer needs.
    variance : bool
        Also divide by the standard deviation (ddof 0), or by 1e-5 where that is more.
    min_window : int
        In frames; only used when not centered.
    out : (T, D), optional
        Where to write; may be ``frames``.

    Returns
    -------
    (T, D), float32 of float32, else float64

    Raises
    ------
    FrameError
        When ``frames`` is not (T, D) with T ≥ 1, or not finite.
    ConfigError
        When a window is not positive.
    """
    array = frames_of_utterance(frames)
    check_whole("window", window, 1, unit="frames")
    check_whole("min_window", min_window, 1, unit="frames")
    starts, stops = _window_bounds(len(array), window, center, min_window)
    size = (stops - starts)[:, None]
    result = np.empty_like(array) if out is None else out
    for columns in _column_groups(array):
        x = array[:, columns].astype(np.float64)
        # Sums about the mean lose no digits where the mean is large.
        x -= x.mean(axis=0)
        mean = _window_sums(x, starts, stops) / size
        if variance:
            power = _window_sums(np.square(x), starts, stops) / size - np.square(mean)
            deviation = np.sqrt(np.maximum(power, MIN_WINDOW_DEVIATION**2))
            result[:, columns] = (x - mean) / deviation
        else:
            result[:, columns] = x - mean
    return result


def warp(frames: ArrayLike, *, window: int = 301, out: NDArray[Any] | None = None) -> NDArray[Any]:
    """Replace each feature by the normal quantile of its rank in the window around it.

    Φ⁻¹((number below + ½ number equal) / N) over the N frames of the window, itself included
    (Pelecanos & Sridharan 2001: feature warping, also short-time Gaussianization). Every feature is
    then about normal with mean 0 and variance 1 within each window, whatever the channel's gain and
    much of what additive noise does. At the edges the window is moved inward; an utterance that is
    shorter is ranked as a whole.

    Parameters
    ----------
    frames : (T, D)
    window : int
        In frames; 301 is three seconds around the frame.
    out : (T, D), optional
        Where to write; may be ``frames``.

    Returns
    -------
    (T, D), float32 of float32, else float64

    Raises
    ------
    FrameError
        When ``frames`` is not (T, D) with T ≥ 1, or not finite.
    ConfigError
        When the window is not positive.
    """
    from scipy.special import ndtri

    array = frames_of_utterance(frames)
    check_whole("window", window, 1, unit="frames")
    n = min(window, len(array))
    # By twice the number below and once the number equal: 1 … 2n - 1.
    quantiles = ndtri(np.arange(2 * n) / (2 * n)).astype(array.dtype)
    result = np.empty_like(array) if out is None else out
    for columns in _column_groups(array):
        x = np.ascontiguousarray(array[:, columns])
        result[:, columns] = quantiles[_window_ranks(x, n)]
    return result


def rasta(frames: ArrayLike, *, pole: float = 0.98) -> NDArray[Any]:
    """Keep the changes at the rate of speech: a band-pass over time for each feature.

    y[t] = pole · y[t-1] + 0.2 x[t] + 0.1 x[t-1] - 0.1 x[t-3] - 0.2 x[t-4] (Hermansky & Morgan 1994,
    eq. 6, without its advance of four frames): the channel, which does not change, leaves, and so
    does what changes from frame to frame. The recording is taken to begin with its first frame
    repeated, so a constant gives 0. Linear, hence the same on cepstra as on log spectra.

    Parameters
    ----------
    frames : (T, D)
        All frames, before any are dropped: neighbors in time must be neighbors.
    pole : float
        In 0 … 1; 0.98 in the paper, 0.94 in later programs, which forget faster.

    Returns
    -------
    (T, D), float32 of float32, else float64

    Raises
    ------
    FrameError
        When ``frames`` is not (T, D) with T ≥ 1, or not finite.
    ConfigError
        When the pole is outside 0 … 1.
    """
    from scipy.signal import lfilter

    array = frames_of_utterance(frames)
    check_range("RASTA pole", pole, 0.0, 1.0)
    if pole == 1:
        raise ConfigError("RASTA pole is 1; expected less: it would never forget")
    filtered = np.empty_like(array)
    for columns in _column_groups(array):
        x = array[:, columns].astype(np.float64)
        filtered[:, columns] = lfilter(RASTA_NUMERATOR, (1.0, -pole), x - x[0], axis=0)
    return filtered


def _column_groups(frames: NDArray[Any]) -> Iterator[slice]:
    """Cut the features so that a float64 copy of a part stays small, however long the recording."""
    n_frames, n_features = frames.shape
    width = max(1, CELLS_AT_ONCE // n_frames)
    for start in range(0, n_features, width):
        yield slice(start, start + width)


def _window_bounds(
    n_frames: int, window: int, center: bool, min_window: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """First frame, and frame after the last, of every frame's window."""
    t = np.arange(n_frames)
    if center:
        starts = t - window // 2
        stops = starts + window
        stops += np.maximum(-starts, 0)
    else:
        starts = t - window
        stops = np.maximum(t + 1, min_window)
    # Moved inward from the end by as much as they stand out.
    starts = np.maximum(np.maximum(starts, 0) - np.maximum(stops - n_frames, 0), 0)
    return starts, np.minimum(stops, n_frames)


def _window_sums(
    x: NDArray[np.float64], starts: NDArray[np.intp], stops: NDArray[np.intp]
) -> NDArray[np.float64]:
    sums = np.zeros((len(x) + 1, x.shape[1]))
    np.cumsum(x, axis=0, out=sums[1:])
    return np.asarray(sums[stops] - sums[starts])


def _window_ranks(x: NDArray[np.float32], n: int) -> NDArray[np.int32]:
    """Twice the number of frames below each of x (T, D) in its window of n, once those equal."""
    last = len(x) - n
    if last == 0:
        return _ranks(x, x)
    # The windows of the first and of the last frames are the same, moved inward.
    middle = slice(n // 2, n // 2 + last + 1)
    return np.concatenate([
        _ranks(x[: middle.start], x[:n]),
        _moving_ranks(x, n),
        _ranks(x[middle.stop :], x[last:]),
    ])  # fmt: skip


def _ranks(x: NDArray[np.float32], window: NDArray[np.float32]) -> NDArray[np.int32]:
    """Rank each of x (T, D) in one window (n, D)."""
    ranks = np.empty(x.shape, dtype=np.int32)
    at_once = max(1, CELLS_AT_ONCE // window.size)
    for start in range(0, len(x), at_once):
        own = x[start : start + at_once, None]
        below = np.count_nonzero(window < own, axis=1)
        ranks[start : start + at_once] = below + np.count_nonzero(window <= own, axis=1)
    return ranks


def _moving_ranks(x: NDArray[np.float32], n: int) -> NDArray[np.int32]:
    """Rank each frame that has a whole window around it; (T - n + 1, D)."""
    ranks = np.zeros((len(x) - n + 1, x.shape[1]), dtype=np.int32)
    # So that the frames of one turn stay in the cache while the window moves over them.
    at_once = max(n, CELLS_AT_ONCE // (8 * x.shape[1]))
    for start in range(0, len(ranks), at_once):
        part = ranks[start : start + at_once]
        own = x[start + n // 2 : start + n // 2 + len(part)]
        for k in range(n):
            other = x[start + k : start + k + len(part)]
            part += other < own
            part += other <= own
    return ranks

"""Voice activity: which frames of a recording are speech, by their energy alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from speakergmm.config import check_whole
from speakergmm.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Frames that far below the loudest are digital silence or near it, never speech; between them and
# the room's noise there is a gap that must not be taken for the one between noise and speech.
SILENCE_DB = 60.0

# Two levels that lie closer than this are one: steady noise, or speech without a pause.
MIN_SEPARATION_DB = 6.0

# No level is steadier than this, else a few equal frames would make a Gaussian of their own.
MIN_DEVIATION_DB = 1.0

# Neither Gaussian rests on fewer frames than this, nor on a smaller share of them.
MIN_FRAMES, MIN_SHARE = 3, 0.02


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
        room. In noise that is less than so much below the speech, everything counts: see
        `voiced_above_noise`.

    Returns
    -------
    (T,) bool
    """
    if not threshold_db >= 0:
        raise ConfigError(f"vad_db is {threshold_db}; expected 0 dB or more below the peak")
    threshold = float(energy.max()) * 10.0 ** (-threshold_db / 10.0)
    mask: NDArray[np.bool_] = energy >= np.float32(threshold)
    return mask


def voiced_above_noise(energy: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Mark the frames that belong to the louder of two levels: speech above the noise around it.

    The levels in dB are taken for a mixture of two Gaussians, each frame for a member of the one or
    the other. The threshold is the split of the sorted levels that is most likely under that model:
    the minimum of J(t) = 1 + 2 (P₁ ln σ₁ + P₂ ln σ₂) - 2 (P₁ ln P₁ + P₂ ln P₂), found exactly by
    one pass (Kittler & Illingworth 1986, eq. 15). So the threshold follows the noise. Frames 60 dB
    or more below the loudest never count. Where the two means are less than 6 dB apart there is but
    one level, and all other frames count. The loudest frame always counts.

    Parameters
    ----------
    energy : (T,)
        Energy of each frame (not in dB).

    Returns
    -------
    (T,) bool
    """
    loud_enough = voiced(energy, threshold_db=SILENCE_DB)
    levels_db = 10.0 * np.log10(energy[loud_enough].astype(np.float64))
    threshold_db = split_levels(levels_db)
    if threshold_db is None:
        return loud_enough
    mask = loud_enough
    mask[loud_enough] = levels_db > threshold_db
    return mask


def split_levels(levels_db: NDArray[np.float64]) -> float | None:
    """Give the level that parts two Gaussians (see `voiced_above_noise`); None of one level.

    Parameters
    ----------
    levels_db : (T,) finite
    """
    n_frames = len(levels_db)
    fewest = max(MIN_FRAMES, round(MIN_SHARE * n_frames))
    if n_frames < 2 * fewest:
        return None
    ordered = np.sort(levels_db)
    # About the middle, squares lose no digits.
    middle = ordered[n_frames // 2]
    ordered -= middle
    sums = np.cumsum(ordered)
    squares = np.cumsum(np.square(ordered))
    below = np.arange(fewest, n_frames - fewest + 1)
    above = n_frames - below
    sum_below, square_below = sums[below - 1], squares[below - 1]
    mean_below = sum_below / below
    mean_above = (sums[-1] - sum_below) / above
    floor = MIN_DEVIATION_DB**2
    variance_below = np.maximum(square_below / below - mean_below**2, floor)
    variance_above = np.maximum((squares[-1] - square_below) / above - mean_above**2, floor)
    # J without its constants, times the number of frames.
    cost = below * (np.log(variance_below) - 2 * np.log(below))
    cost += above * (np.log(variance_above) - 2 * np.log(above))
    best = int(np.argmin(cost))
    if mean_above[best] - mean_below[best] < MIN_SEPARATION_DB:
        return None
    last = below[best]
    return float(middle + (ordered[last - 1] + ordered[last]) / 2)


def without_short_runs(
    mask: NDArray[np.bool_], *, min_speech: int = 1, min_pause: int = 1
) -> NDArray[np.bool_]:
    """Fill pauses that are too short, then drop stretches of speech that are too short.

    Parameters
    ----------
    mask : (T,) bool
        True for speech.
    min_speech, min_pause : int
        Frames of the shortest run that stays; 1 changes nothing. Pauses at either end of the
        recording stay, however short.

    Returns
    -------
    (T,) bool
        Where all speech would be dropped, the longest run of it stays.
    """
    check_whole("min_speech", min_speech, 1, unit="frames")
    check_whole("min_pause", min_pause, 1, unit="frames")
    # Where the mask changes: runs of speech are [starts[i], stops[i]).
    edges = np.flatnonzero(np.diff(mask, prepend=False, append=False))
    starts, stops = edges[::2], edges[1::2]
    if len(starts) == 0:
        return mask
    stays = starts[1:] - stops[:-1] >= min_pause
    starts, stops = starts[np.append(True, stays)], stops[np.append(stays, True)]
    lengths = stops - starts
    kept = lengths >= min(min_speech, int(lengths.max()))
    changes = np.zeros(len(mask) + 1, dtype=np.int8)
    changes[starts[kept]] = 1
    changes[stops[kept]] -= 1
    filled: NDArray[np.bool_] = np.cumsum(changes[:-1], dtype=np.int8).astype(np.bool_)
    return filled

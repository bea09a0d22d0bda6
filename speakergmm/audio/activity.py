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

# Of the energy of the loudest frame, 90 dB less: what was padded, gated or muted has less.
DIGITAL_SILENCE = 1e-9

# Two levels that lie closer than this are one: steady noise, or speech without a pause.
MIN_SEPARATION_DB = 6.0

# What varies more than this is no noise but the weaker sounds of speech.
MAX_NOISE_DEVIATION_DB = 5.0

# No level is steadier than this, else a few equal frames would make a Gaussian of their own.
MIN_DEVIATION_DB = 1.0

# The quietest frames tell the noise; how far speech is above it is told within this range.
QUIET_SHARE, LOWEST_SNR_DB, HIGHEST_SNR_DB = 0.1, -10.0, 60.0

# More levels than this do not make the split any better; of a long recording some are passed over.
MAX_LEVELS = 100_000

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
    """Mark the frames that stand out of the noise around the speech: the louder of two levels.

    The levels in dB are taken for a mixture of two Gaussians, each frame for a member of the one or
    the other, split where that is most likely (`split_levels`), so the threshold follows the noise.
    Frames 60 dB or more below the loudest never count. There is but one level, and all other frames
    count, where the two means are less than 6 dB apart, or the lower Gaussian is wider than 5 dB:
    noise is steadier than the weaker sounds of speech. The loudest frame always counts.

    Parameters
    ----------
    energy : (T,)
        Energy of each frame (not in dB).

    Returns
    -------
    (T,) bool
    """
    loud_enough = voiced(energy, threshold_db=SILENCE_DB)
    # Infinite levels and the logarithm of zero have no split.
    if not 0 < float(energy[loud_enough].min()) <= float(energy.max()) < np.inf:
        return loud_enough
    levels_db = 10.0 * np.log10(energy[loud_enough].astype(np.float64))
    split_db = split_levels(levels_db[:: -(-len(levels_db) // MAX_LEVELS)])
    if split_db is None:
        return loud_enough
    lower_db = levels_db[levels_db <= split_db]
    if float(lower_db.std()) > MAX_NOISE_DEVIATION_DB:
        return loud_enough
    mask = loud_enough
    mask[loud_enough] = levels_db > split_db
    return mask


def split_levels(levels_db: NDArray[np.float64]) -> float | None:
    """Give the level that best parts two Gaussians; None of one level.

    The minimum over thresholds t of J(t) = 1 + 2 (P₁ ln σ₁ + P₂ ln σ₂) - 2 (P₁ ln P₁ + P₂ ln P₂),
    found exactly by one pass over the sorted levels (Kittler & Illingworth 1986, eq. 15).
    Deviations below 1 dB count as that; a Gaussian has three frames and 2 % of them at least.

    Parameters
    ----------
    levels_db : (T,)
        Finite, in any order.
    """
    from speakergmm.audio.level_split import best_split

    n_frames = len(levels_db)
    fewest = max(MIN_FRAMES, round(MIN_SHARE * n_frames))
    if n_frames < 2 * fewest:
        return None
    ordered = np.sort(levels_db)
    # About the middle, squares lose no digits.
    middle = ordered[n_frames // 2]
    ordered -= middle
    last = best_split(ordered, fewest, MIN_DEVIATION_DB**2, MIN_SEPARATION_DB)
    return float(middle + (ordered[last - 1] + ordered[last]) / 2) if last else None


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
    min_speech = check_whole("min_speech", min_speech, 1, unit="frames")
    min_pause = check_whole("min_pause", min_pause, 1, unit="frames")
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


def snr_of_frames(energy: NDArray[np.float32]) -> float:
    """Estimate how far speech stands out of the noise, by the energies of frames alone.

    Speech is the mean energy of the frames within 30 dB of the loudest, noise that of the quietest
    tenth, digital silence not counted. A quick relative of ``Quality.snr_db``, which looks at
    bands; recordings without a pause have too low a value.

    Parameters
    ----------
    energy : (T,)
        Energy of each frame (not in dB).

    Returns
    -------
    float
        dB, from -10 (speech hardly above the noise) to 60.
    """
    levels = energy.astype(np.float64)
    sounding = np.sort(levels[levels > DIGITAL_SILENCE * levels.max()])
    if len(sounding) == 0:
        # Samples so small that their squares are zero.
        return LOWEST_SNR_DB
    noise = float(sounding[: max(1, round(QUIET_SHARE * len(sounding)))].mean())
    speech = float(levels[voiced(energy)].mean())
    excess = max(speech / noise - 1.0, 10.0 ** (LOWEST_SNR_DB / 10.0))
    return float(min(10.0 * np.log10(excess), HIGHEST_SNR_DB))

"""Noise subtraction: what the quietest frames of a recording hold is taken off all of them.

Importing this module loads numba; `features.mfcc` does so where noise is subtracted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import float32, float64, void

from speakergmm.audio.activity import DIGITAL_SILENCE
from speakergmm.compiled import READ_1, compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Which frames tell the noise, and what of a cell subtraction leaves at least; on the development
# splits of both corpora shares of 0.1 to 0.2, and 0.05 to 0.2 left, made little difference.
QUIET_SHARE, MIN_QUIET_FRAMES, LEAST_LEFT = 0.1, 3, np.float32(0.1)

# A cell may be infinite where the frame's energy is not yet so.
FAST_MATH = frozenset({"contract", "nsz"})


def subtract_noise(
    bands: NDArray[np.float32], energy: NDArray[np.float32], strength: float
) -> None:
    """Subtract from filter-bank energies, in place, what the quietest frames hold.

    The noise is the mean over the tenth of the frames of least energy, and others as quiet as the
    last of these, not counting digital silence, which knows nothing of it. ``strength`` times it is
    taken off (Boll 1979), but no more than leaves `LEAST_LEFT` of each cell (Berouti et al. 1979).

    Parameters
    ----------
    bands : (T, n_mels)
        All frames of a recording.
    energy : (T,)
        Energy of each frame.
    strength : float
        0 or more.
    """
    silence = DIGITAL_SILENCE * energy.max()
    sounding = energy[energy > silence]
    n_quiet = max(MIN_QUIET_FRAMES, round(QUIET_SHARE * len(sounding)))
    if n_quiet >= len(sounding):
        return
    sounding.partition(n_quiet - 1)
    limit = sounding[n_quiet - 1]
    take_off_mean(bands, energy, silence, limit, strength)


@compiled(void(float32[:, ::1], READ_1, float32, float32, float64), fast_math=FAST_MATH)
def take_off_mean(  # pragma: no cover
    bands: NDArray[np.float32],
    energy: NDArray[np.float32],
    silence: float,
    limit: float,
    strength: float,
) -> None:
    """Take off from each frame the mean of those with energy above ``silence``, up to ``limit``."""
    n_frames, n_mels = bands.shape
    noise = np.zeros(n_mels, np.float64)
    n_quiet = 0
    for t in range(n_frames):
        if silence < energy[t] <= limit:
            n_quiet += 1
            for m in range(n_mels):
                noise[m] += bands[t, m]
    taken = np.empty(n_mels, np.float32)
    for m in range(n_mels):
        taken[m] = strength / n_quiet * noise[m]
    for t in range(n_frames):
        for m in range(n_mels):
            cell = bands[t, m]
            bands[t, m] = max(cell - taken[m], LEAST_LEFT * cell)

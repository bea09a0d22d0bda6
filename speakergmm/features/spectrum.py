"""The compiled pass from samples to filter-bank energies, many frames side by side.

A frame's transform is too short to fill vector registers by itself. So `LANES` frames go through
it together: whatever is done is done to a row with one number of each, also where there are fewer
frames. All loops over a row are alike for every lane, so a frame has the same bits wherever it
stands and however many there are.

Importing this module loads numba; `features.mfcc` does so when it builds its constants.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numba import float32, int64, void

from speakergmm.compiled import READ_1, READ_INDEX, compiled
from speakergmm.features.filter_bank import GROUP, FilterBank

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Frames side by side. Loops over fewer numbers are unrolled before they can be vectorized.
LANES = 64

# Numbers in a row of complex ones: the real parts of all lanes, then the imaginary parts.
COMPLEX = 2 * LANES

# Samples far beyond full scale give infinite powers and NaN, which are to come out as such.
FAST_MATH = frozenset({"contract", "nsz"})

QUARTER = np.float32(0.25)


@dataclass(frozen=True, eq=False)
class FourierTransform:
    """The constants of the transform of real, windowed frames of one length.

    The n_fft samples of a frame are taken for n = n_fft / 2 complex numbers, samples of even number
    for the real parts.

    ``window`` (n_fft,) is what the samples are multiplied by. ``twiddles`` has for each pass of
    radix 4 over parts of m = n, n/4, ... numbers, and each j < m/4, the real and imaginary parts of
    w^j, w^2j, w^3j, w = e^(-2πi/m). ``order`` (n,) says where the passes leave the numbers: k at
    ``order[k]``. ``rotations`` (2 (n/2 + 1),) are those of e^(-2πik/n_fft).
    """

    window: NDArray[np.float32]
    twiddles: NDArray[np.float32]
    order: NDArray[np.int32]
    rotations: NDArray[np.float32]

    @classmethod
    def of(cls, window: NDArray[np.floating]) -> FourierTransform:
        """Build them for frames as long as the window, a power of two, 4 or more."""
        n_fft = len(window)
        n = n_fft // 2
        m, twiddles = n, [np.empty(0)]
        while m >= 4:
            twiddles.append(_parts(np.outer(np.arange(m // 4), (1, 2, 3)) / m))
            m //= 4
        return cls(
            np.ascontiguousarray(window, dtype=np.float32),
            np.concatenate(twiddles).astype(np.float32),
            _reversed_digits(n).astype(np.int32),
            _parts(np.arange(n // 2 + 1) / n_fft).astype(np.float32),
        )

    def band_energies(
        self, samples: NDArray[np.float32], n_frames: int, hop_length: int, bank: FilterBank
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Window frames of contiguous samples, and sum their power spectra under filters.

        Parameters
        ----------
        samples : (n_samples,)
            Frame t is the n_fft samples from number t · ``hop_length`` on; zeros beyond the end.

        Returns
        -------
        bands : (n_frames, n_filters) float32
            Power of each frame's spectrum under each filter.
        energy : (n_frames,) float32
            Sum of the frame's squared, windowed samples.
        """
        bands = np.empty((n_frames, bank.n_filters), dtype=np.float32)
        energy = np.empty(n_frames, dtype=np.float32)
        weigh_spectra(
            samples, hop_length, self.window, self.twiddles, self.order, self.rotations,
            bank.first, bank.edges, bank.weights, bank.of_energy, bands, energy,
        )  # fmt: skip
        return bands, energy


def _parts(turns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Real and imaginary parts of e^(-2πi · turns), in turn."""
    return np.asarray(np.exp(-2j * np.pi * turns).ravel().view(np.float64))


def _reversed_digits(n: int) -> NDArray[np.intp]:
    """Where decimation in frequency by 4, and by 2 at last, leaves each of n numbers."""
    k = np.arange(n)
    if n < 4:
        return k
    return (k % 4) * (n // 4) + _reversed_digits(n // 4)[k // 4]


@compiled(void(READ_1, int64, float32[:, ::1]), fast_math=FAST_MATH)
def lay_in_columns(  # pragma: no cover
    samples: NDArray[np.float32], n_columns: int, columns: NDArray[np.float32]
) -> None:
    """Write samples into the first of the columns (hop, n), one hop in each; zeros beyond the end.

    Sample i of the frame in lane l is then in row i mod hop, column l + i div hop: the same sample
    of all lanes lies side by side, and what frames share is moved once.
    """
    hop = columns.shape[0]
    for c in range(n_columns):
        part = samples[c * hop : (c + 1) * hop]
        for j in range(part.shape[0]):
            columns[j, c] = part[j]
        for j in range(part.shape[0], hop):
            columns[j, c] = 0


@compiled(void(float32[:, ::1], READ_1, float32[::1]), fast_math=FAST_MATH)
def apply_window(  # pragma: no cover
    columns: NDArray[np.float32], window: NDArray[np.float32], rows: NDArray[np.float32]
) -> None:
    """Multiply the samples of `lay_in_columns` by the window: sample i of all lanes is row i."""
    hop, width = columns.shape
    for shift in range(width - LANES + 1):
        part = window[shift * hop : (shift + 1) * hop]
        first = shift * hop * LANES
        for j in range(part.shape[0]):
            w = part[j]
            lanes = columns[j, shift : shift + LANES]
            row = rows[first + j * LANES : first + (j + 1) * LANES]
            for lane in range(LANES):
                row[lane] = lanes[lane] * w


@compiled(void(float32[::1], READ_1), fast_math=FAST_MATH)
def fourier_transform(  # pragma: no cover
    rows: NDArray[np.float32], twiddles: NDArray[np.float32]
) -> None:
    """Transform rows of complex numbers in place, by decimation in frequency.

    By 4 (Gentleman & Sande 1966; Press et al., Numerical Recipes, 12.2), and last by 2 where the
    length wants it. `FourierTransform.order` says where each frequency is then.
    """
    n = rows.shape[0] // COMPLEX
    m, at = n, 0
    while m >= 4:
        step = m // 4 * COMPLEX
        for j in range(m // 4):
            w = twiddles[at : at + 6]
            at += 6
            w1_re, w1_im, w2_re, w2_im, w3_re, w3_im = w[0], w[1], w[2], w[3], w[4], w[5]
            for first in range(j * COMPLEX, n * COMPLEX, m * COMPLEX):
                a = rows[first : first + COMPLEX]
                b = rows[first + step : first + step + COMPLEX]
                c = rows[first + 2 * step : first + 2 * step + COMPLEX]
                d = rows[first + 3 * step : first + 3 * step + COMPLEX]
                for lane in range(LANES):
                    even_re, even_im = a[lane] + c[lane], a[LANES + lane] + c[LANES + lane]
                    odd_re, odd_im = b[lane] + d[lane], b[LANES + lane] + d[LANES + lane]
                    p_re, p_im = a[lane] - c[lane], a[LANES + lane] - c[LANES + lane]
                    # b - d, turned by a right angle to -i (b - d).
                    q_re, q_im = b[LANES + lane] - d[LANES + lane], d[lane] - b[lane]
                    a[lane], a[LANES + lane] = even_re + odd_re, even_im + odd_im
                    re, im = p_re + q_re, p_im + q_im
                    b[lane], b[LANES + lane] = re * w1_re - im * w1_im, re * w1_im + im * w1_re
                    re, im = even_re - odd_re, even_im - odd_im
                    c[lane], c[LANES + lane] = re * w2_re - im * w2_im, re * w2_im + im * w2_re
                    re, im = p_re - q_re, p_im - q_im
                    d[lane], d[LANES + lane] = re * w3_re - im * w3_im, re * w3_im + im * w3_re
        m //= 4
    if m == 2:
        for first in range(0, n * COMPLEX, 2 * COMPLEX):
            a = rows[first : first + COMPLEX]
            b = rows[first + COMPLEX : first + 2 * COMPLEX]
            for lane in range(COMPLEX):
                a[lane], b[lane] = a[lane] + b[lane], a[lane] - b[lane]


@compiled(void(float32[::1], READ_INDEX, READ_1, float32[::1]), fast_math=FAST_MATH)
def power_spectrum(  # pragma: no cover
    rows: NDArray[np.float32],
    order: NDArray[np.int32],
    rotations: NDArray[np.float32],
    power: NDArray[np.float32],
) -> None:
    """Power of the real frames' spectra, from the transform of their halves.

    Z_k = E_k + i O_k with E and O the transforms of the samples of even and of odd number, whence
    X_k = E_k + e^(-2πik/n_fft) O_k (Press et al., Numerical Recipes, eq. 12.3.5 and 12.3.6), and
    the conjugate of X_(n-k) with a minus.
    """
    n = order.shape[0]
    for k in range(n // 2 + 1):
        this, mirror = order[k] * COMPLEX, order[(n - k) % n] * COMPLEX
        z, y = rows[this : this + COMPLEX], rows[mirror : mirror + COMPLEX]
        w_re, w_im = rotations[2 * k], rotations[2 * k + 1]
        low = power[k * LANES : (k + 1) * LANES]
        high = power[(n - k) * LANES : (n - k + 1) * LANES]
        for lane in range(LANES):
            # Twice E and O.
            even_re, even_im = z[lane] + y[lane], z[LANES + lane] - y[LANES + lane]
            odd_re, odd_im = z[LANES + lane] + y[LANES + lane], y[lane] - z[lane]
            re, im = odd_re * w_re - odd_im * w_im, odd_re * w_im + odd_im * w_re
            x_re, x_im = even_re + re, even_im + im
            low[lane] = QUARTER * (x_re * x_re + x_im * x_im)
            x_re, x_im = even_re - re, even_im - im
            high[lane] = QUARTER * (x_re * x_re + x_im * x_im)


@compiled(void(READ_1, int64, READ_1, float32[::1]), fast_math=FAST_MATH)
def weigh(  # pragma: no cover
    power: NDArray[np.float32], first: int, weights: NDArray[np.float32], sums: NDArray[np.float32]
) -> None:
    """Weighted sum (LANES,) of rows of power from number ``first`` on, a `GROUP` at a time."""
    for lane in range(LANES):
        sums[lane] = 0
    for i in range(0, weights.shape[0], GROUP):
        w0, w1, w2, w3 = weights[i], weights[i + 1], weights[i + 2], weights[i + 3]
        p = power[(first + i) * LANES : (first + i + GROUP) * LANES]
        for lane in range(LANES):
            pair = w0 * p[lane] + w1 * p[LANES + lane]
            sums[lane] += pair + (w2 * p[2 * LANES + lane] + w3 * p[3 * LANES + lane])


@compiled(
    void(
        READ_1, int64, READ_1, READ_1, READ_INDEX, READ_1, READ_INDEX, READ_INDEX, READ_1, READ_1,
        float32[:, ::1], float32[::1],
    ),
    fast_math=FAST_MATH,
)  # fmt: skip
def weigh_spectra(  # pragma: no cover
    samples: NDArray[np.float32],
    hop_length: int,
    window: NDArray[np.float32],
    twiddles: NDArray[np.float32],
    order: NDArray[np.int32],
    rotations: NDArray[np.float32],
    first: NDArray[np.int32],
    edges: NDArray[np.int32],
    weights: NDArray[np.float32],
    of_energy: NDArray[np.float32],
    bands: NDArray[np.float32],
    energy: NDArray[np.float32],
) -> None:
    """Fill ``bands`` and ``energy``; see `FourierTransform` and `FilterBank`."""
    n_frames, n_filters = bands.shape
    n_fft = window.shape[0]
    n_shared = (n_fft - 1) // hop_length
    columns = np.zeros((hop_length, LANES + n_shared), np.float32)
    rows = np.empty(n_fft * LANES, np.float32)
    # The last filters, filled up to whole groups, may reach beyond the last bin.
    power = np.zeros((n_fft // 2 + GROUP) * LANES, np.float32)
    sums = np.empty(LANES, np.float32)
    for start in range(0, n_frames, LANES):
        n = min(LANES, n_frames - start)
        lay_in_columns(samples[start * hop_length :], n + n_shared, columns)
        apply_window(columns, window, rows)
        fourier_transform(rows, twiddles)
        power_spectrum(rows, order, rotations, power)
        weigh(power, 0, of_energy, sums)
        energy[start : start + n] = sums[:n]
        for m in range(n_filters):
            weigh(power, first[m], weights[edges[m] : edges[m + 1]], sums)
            for lane in range(n):
                bands[start + lane, m] = sums[lane]

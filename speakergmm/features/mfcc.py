"""Mel-frequency cepstral coefficients by librosa's definitions, with nothing rebuilt per call.

``librosa.feature.mfcc`` builds its mel filter bank at every call, which for one-second utterances
is most of its time. Here the window, the bank and the cosine transform are built once, from
librosa's own functions, and the result is the same to float32 rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Frames a block of the Fourier transform: the block stays in the cache, and memory stays bounded.
BLOCK_FRAMES = 512

# librosa.power_to_db's floor: -100 dB.
MIN_POWER = 1e-10


@dataclass(frozen=True, eq=False)
class MfccTransform:
    """The constants of one MFCC setting.

    ``window`` (n_fft,) is the analysis window, zero-padded on both sides to the transform's
    length; ``mel_bank`` (n_fft // 2 + 1, n_mels) and ``dct`` (n_mels, n_cepstra) are transposed
    so that frames stand in rows.
    """

    window: NDArray[np.float32]
    mel_bank: NDArray[np.float32]
    dct: NDArray[np.float32]
    hop_length: int
    top_db: float | None

    @property
    def n_fft(self) -> int:
        """Length of the Fourier transform in samples."""
        return len(self.window)


def build_mfcc_transform(
    *,
    sample_rate: int,
    n_fft: int,
    win_length: int,
    hop_length: int,
    n_mels: int,
    f_min_hz: float,
    f_max_hz: float,
    htk: bool,
    cepstra: range,
    lifter: float,
    top_db: float | None,
) -> MfccTransform:
    """Build the constants of ``librosa.feature.mfcc`` with the same settings.

    Parameters
    ----------
    cepstra : range
        Which coefficients to keep; 0 is the log-energy-like c0.
    lifter : float
        Cepstral liftering as in librosa: coefficient n, counted from 0, is multiplied by
        1 + L/2 · sin(π(n + 1)/L); 0 for none.
    """
    import librosa.filters

    window = np.zeros(n_fft)
    left = (n_fft - win_length) // 2
    window[left : left + win_length] = librosa.filters.get_window("hann", win_length, fftbins=True)
    bank = librosa.filters.mel(
        sr=sample_rate, n_fft=n_fft, n_mels=n_mels, fmin=f_min_hz, fmax=f_max_hz, htk=htk
    )
    dct = scipy.fft.dct(np.eye(n_mels), axis=0, type=2, norm="ortho")[cepstra].T
    if lifter > 0:
        dct = dct * (1 + lifter / 2 * np.sin(np.pi * (np.asarray(cepstra) + 1) / lifter))
    return MfccTransform(
        window.astype(np.float32),
        np.ascontiguousarray(bank.T, dtype=np.float32),
        np.ascontiguousarray(dct, dtype=np.float32),
        hop_length,
        top_db,
    )


def pre_emphasize(samples: NDArray[np.float32], coefficient: float) -> NDArray[np.float32]:
    """Lift the high frequencies: y[n] = x[n] - coefficient · x[n-1]; 0 changes nothing.

    The first sample is y[0] = 3x[0] - x[1], the linear extrapolation of
    ``librosa.effects.preemphasis``, so that both give the same frames.
    """
    if coefficient == 0:
        return samples
    emphasized = np.empty_like(samples)
    np.multiply(samples[:-1], -coefficient, out=emphasized[1:])
    emphasized[1:] += samples[1:]
    emphasized[0] = 3 * samples[0] - samples[1] if len(samples) > 1 else samples[0]
    return emphasized


def mfcc(
    samples: NDArray[np.float32], transform: MfccTransform
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cepstra of mono samples, and the energy of each frame.

    Frames are centered as librosa's are: frame t stands around sample t · hop_length, with zeros
    beyond both ends, so there are T = 1 + n_samples // hop_length of them.

    Returns
    -------
    cepstra : (T, n_cepstra) float32
        DCT-II (orthonormal) of the mel spectrum in dB (10 · log10, not below -100 dB, and not below
        ``top_db`` under the utterance's loudest cell).
    energy : (T,) float32
        Sum of the squared, windowed samples of each frame.
    """
    padded = np.pad(samples, transform.n_fft // 2)
    spans = sliding_window_view(padded, transform.n_fft)[:: transform.hop_length]
    log_mel = np.empty((len(spans), transform.mel_bank.shape[1]), dtype=np.float32)
    energy = np.empty(len(spans), dtype=np.float32)
    # Samples far beyond full scale give infinite frames, which the front end refuses.
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, len(spans), BLOCK_FRAMES):
            block = slice(start, start + BLOCK_FRAMES)
            windowed = spans[block] * transform.window
            np.einsum("tn,tn->t", windowed, windowed, out=energy[block])
            spectrum = scipy.fft.rfft(windowed, axis=1, overwrite_x=True)
            power = np.square(spectrum.real) + np.square(spectrum.imag)
            np.matmul(power, transform.mel_bank, out=log_mel[block])
    np.maximum(log_mel, MIN_POWER, out=log_mel)
    np.log10(log_mel, out=log_mel)
    log_mel *= 10.0
    if transform.top_db is not None:
        np.maximum(log_mel, log_mel.max() - transform.top_db, out=log_mel)
    return log_mel @ transform.dct, energy

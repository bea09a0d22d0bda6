"""Cepstral coefficients by librosa's definitions, with nothing rebuilt per call, in blocks.

``librosa.feature.mfcc`` builds its mel filter bank at every call, which for one-second utterances
is most of its time. Here the window, the bank and the cosine transform are built once, from
librosa's own functions, and the result is the same to float32 rounding. They can be stored and made
again of what was stored, without librosa, whose import takes longer than a verification. Samples
come in blocks of any length, so that a recording need not be in memory as a whole.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from speakergmm.errors import AudioError, ConfigError
from speakergmm.features.filter_bank import FilterBank, linear_filters

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from speakergmm.features.spectrum import FourierTransform

# Frames that are transformed, and multiplied by the cosine transform, at a time: these stay in the
# cache, and memory stays bounded.
BLOCK_FRAMES = 512

# librosa.power_to_db's floor: -100 dB.
MIN_POWER = 1e-10

# dB in a neper of power, by which natural logarithms become dB.
DB = 10 / np.log(10)

Scale: TypeAlias = Literal["slaney", "htk", "linear"]

# What `MfccTransform.tensors` stores, and how many axes each array has.
TENSOR_AXES = {"window": 1, "filters": 2, "dct": 2}


@dataclass(frozen=True, eq=False)
class MfccTransform:
    """The constants of one setting.

    The window of ``fourier`` is the analysis window, zero-padded on both sides to the transform's
    length. ``dct`` (n_mels, n_cepstra), which also turns nepers into dB, takes frames in rows.
    """

    fourier: FourierTransform
    filter_bank: FilterBank
    dct: NDArray[np.float32]
    hop_length: int
    pre_emphasis: float
    noise_subtraction: float
    top_db: float | None

    @property
    def n_fft(self) -> int:
        """Length of the Fourier transform in samples."""
        return len(self.fourier.window)

    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """Give the arrays to store, of which `from_tensors` makes a transform of the same bits.

        Returns
        -------
        dict
            ``window`` (n_fft,), ``filters`` (n_mels, n_fft // 2 + 1) with their zeros, and ``dct``
            (n_mels, n_cepstra), all float32.
        """
        filters = self.filter_bank.dense(self.n_fft // 2 + 1)
        return {"window": self.fourier.window, "filters": filters, "dct": self.dct}

    @classmethod
    def from_tensors(
        cls,
        tensors: Mapping[str, NDArray[np.float32]],
        *,
        hop_length: int,
        pre_emphasis: float,
        noise_subtraction: float,
        top_db: float | None,
    ) -> MfccTransform:
        """Make a transform of what `tensors` gave; neither librosa nor scipy is imported.

        Parameters
        ----------
        tensors : mapping
            More in it than the three arrays does no harm.
        hop_length : int
            In samples, 1 or more.

        Raises
        ------
        ConfigError
            When an array is missing, of another kind or shape, or not finite: compiled passes,
            which do not look where they read, get none of these.
        """
        _check_tensors(tensors)
        from speakergmm.features.spectrum import FourierTransform

        return cls(
            FourierTransform.of(tensors["window"]),
            FilterBank.of(tensors["filters"]),
            np.ascontiguousarray(tensors["dct"]),
            hop_length,
            pre_emphasis,
            noise_subtraction,
            top_db,
        )


def _check_tensors(tensors: Mapping[str, NDArray[np.float32]]) -> None:
    """Refuse what no `MfccTransform.tensors` gives."""
    for name, n_axes in TENSOR_AXES.items():
        if name not in tensors:
            raise ConfigError(
                f"front end: its stored constants have no {name!r}; expected "
                f"{', '.join(map(repr, TENSOR_AXES))}; make them anew"
            )
        array = tensors[name]
        if array.dtype != np.float32 or array.ndim != n_axes or not np.isfinite(array).all():
            raise ConfigError(
                f"front end: its stored constant {name!r} has shape {array.shape} of "
                f"{array.dtype}; expected finite float32 numbers along {n_axes} axes; make it anew"
            )
    n_fft, shape = len(tensors["window"]), tensors["filters"].shape
    if n_fft < 4 or n_fft & (n_fft - 1):
        raise ConfigError(
            f"front end: its stored window has {n_fft} samples; expected a power of two, 4 or "
            "more; make it anew"
        )
    n_mels, n_cepstra = tensors["dct"].shape
    if shape != (n_mels, n_fft // 2 + 1) or not 1 <= n_cepstra <= n_mels:
        raise ConfigError(
            f"front end: its stored filters have shape {shape}, and its cosine transform "
            f"{(n_mels, n_cepstra)}; expected (n_mels, {n_fft // 2 + 1}) and (n_mels, n_cepstra) "
            "with no more cepstra than filters; make them anew"
        )


def build_mfcc_transform(
    *,
    sample_rate: int,
    n_fft: int,
    win_length: int,
    hop_length: int,
    pre_emphasis: float,
    n_mels: int,
    f_min_hz: float,
    f_max_hz: float,
    scale: Scale,
    noise_subtraction: float,
    cepstra: range,
    lifter: float,
    top_db: float | None,
) -> MfccTransform:
    """Build the constants of ``librosa.feature.mfcc`` with the same settings.

    Parameters
    ----------
    scale : {"slaney", "htk", "linear"}
        How the filters are spread over frequency: by librosa's two mel scales, or evenly, which
        makes the coefficients LFCC.
    cepstra : range
        Which coefficients to keep; 0 is the log-energy-like c0.
    lifter : float
        Cepstral liftering as in librosa: coefficient n, counted from 0, is multiplied by
        1 + L/2 · sin(π(n + 1)/L); 0 for none.
    """
    import librosa.filters
    import scipy.fft

    from speakergmm.features.spectrum import FourierTransform

    window = np.zeros(n_fft)
    left = (n_fft - win_length) // 2
    window[left : left + win_length] = librosa.filters.get_window("hann", win_length, fftbins=True)
    if scale == "linear":
        bank = linear_filters(sample_rate, n_fft, n_mels, f_min_hz, f_max_hz)
    else:
        bank = librosa.filters.mel(
            sr=sample_rate,
            n_fft=n_fft,
            n_mels=n_mels,
            fmin=f_min_hz,
            fmax=f_max_hz,
            htk=scale == "htk",
        )
    dct = scipy.fft.dct(np.eye(n_mels), axis=0, type=2, norm="ortho")[cepstra].T
    if lifter > 0:
        dct = dct * (1 + lifter / 2 * np.sin(np.pi * (np.asarray(cepstra) + 1) / lifter))
    return MfccTransform(
        FourierTransform.of(window),
        FilterBank.of(bank),
        np.ascontiguousarray(dct * DB, dtype=np.float32),
        hop_length,
        pre_emphasis,
        noise_subtraction,
        top_db,
    )


def pre_emphasize(
    samples: NDArray[np.float32], coefficient: float, previous: float | None = None
) -> NDArray[np.float32]:
    """Lift the high frequencies: y[n] = x[n] - coefficient · x[n-1]; 0 changes nothing.

    ``previous`` is the sample before the first. Where there is none, y[0] = 3x[0] - x[1] by the
    linear extrapolation of ``librosa.effects.preemphasis``, so that both give the same frames.
    """
    if coefficient == 0 or len(samples) == 0:
        return samples
    emphasized = np.empty_like(samples)
    others = emphasized[1:]
    np.multiply(samples[:-1], -coefficient, out=others)
    np.add(others, samples[1:], out=others)
    if previous is not None:
        emphasized[0] = samples[0] - np.float32(coefficient) * np.float32(previous)
    else:
        emphasized[0] = 3 * samples[0] - samples[1] if len(samples) > 1 else samples[0]
    return emphasized


def _emphasized(
    blocks: Iterable[NDArray[np.float32]], coefficient: float
) -> Iterator[NDArray[np.float32]]:
    """Pre-emphasize samples that come in blocks."""
    previous, held = None, np.empty(0, dtype=np.float32)
    for block in blocks:
        if previous is None and len(held) + len(block) < 2:
            # The first sample is extrapolated from the second.
            held = np.concatenate([held, block])
        elif len(block):
            whole = np.concatenate([held, block]) if len(held) else block
            yield pre_emphasize(whole, coefficient, previous)
            previous, held = whole[-1], held[:0]
    if len(held):
        yield pre_emphasize(held, coefficient)


def _stretches(
    blocks: Iterable[NDArray[np.float32]], transform: MfccTransform
) -> Iterator[tuple[NDArray[np.float32], int]]:
    """Yield the contiguous samples of some frames at a time, and the number of frames.

    Frame t stands around sample t · hop_length, with zeros beyond both ends. All but the last are
    whole multiples of `BLOCK_FRAMES`, so that each frame has the same neighbors in the products
    that follow, and hence the same bits, however the samples were cut.
    """
    n_fft, hop = transform.n_fft, transform.hop_length
    edge = np.zeros(n_fft // 2, dtype=np.float32)
    waiting = [edge]
    for block in _emphasized(blocks, transform.pre_emphasis):
        waiting.append(block)
        if sum(map(len, waiting)) < n_fft + (BLOCK_FRAMES - 1) * hop:
            continue
        joined = np.concatenate(waiting)
        n_frames = (1 + (len(joined) - n_fft) // hop) // BLOCK_FRAMES * BLOCK_FRAMES
        yield joined, n_frames
        waiting = [joined[n_frames * hop :]]
    joined = np.concatenate([*waiting, edge])
    if len(joined) >= n_fft:
        yield joined, 1 + (len(joined) - n_fft) // hop


def filter_bank_energies(
    blocks: Iterable[NDArray[np.float32]], transform: MfccTransform
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Filter-bank energies of mono samples, and the energy of each frame, in blocks.

    Yields
    ------
    bands : (n, n_mels) float32
        Power of each frame's spectrum under each filter.
    energy : (n,) float32
        Sum of the squared, pre-emphasized, windowed samples of each frame.
    """
    hop = transform.hop_length
    for samples, n_frames in _stretches(blocks, transform):
        for start in range(0, n_frames, BLOCK_FRAMES):
            n = min(BLOCK_FRAMES, n_frames - start)
            part = samples[start * hop :]
            yield transform.fourier.band_energies(part, n, hop, transform.filter_bank)


def _joined(
    blocks: Iterable[tuple[NDArray[np.float32], NDArray[np.float32]]],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Join what `filter_bank_energies` gives, in memory that grows in its place."""
    bands, n_frames = np.empty((0, 0), dtype=np.float32), 0
    energies: list[NDArray[np.float32]] = []
    for block, energy in blocks:
        start, n_frames = n_frames, n_frames + len(block)
        if not energies:
            bands = block
        else:
            if n_frames > len(bands):
                bands.resize((n_frames + n_frames // 16, block.shape[1]), refcheck=False)
            bands[start:n_frames] = block
        energies.append(energy)
    if len(energies) == 1:
        return bands, energies[0]
    bands.resize((n_frames, bands.shape[1]), refcheck=False)
    return bands, np.concatenate(energies)


def least_power(power: NDArray[np.float32], *, below_loudest: bool) -> float:
    """Give what powers are raised to before their logarithm is taken: -100 dB.

    Of full scale, or ``below_loudest``: of the loudest of them, so that the level makes no
    difference. Of what is too quiet for 32 bits, the least power that they hold.
    """
    if not below_loudest:
        return MIN_POWER
    return max(MIN_POWER * float(power.max()), float(np.finfo(np.float32).tiny))


def cepstra_in_blocks(
    blocks: Iterable[NDArray[np.float32]], transform: MfccTransform, *, below_loudest: bool = False
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cepstra of mono samples that come in blocks, and the energy of each frame.

    Frame t stands around sample t · hop_length, as librosa's centered frames do.

    Parameters
    ----------
    below_loudest : bool
        Whether the -100 dB count from the utterance's loudest filter energy, not from full scale.

    Returns
    -------
    cepstra : (T, n_cepstra) float32
        DCT-II (orthonormal) of the filter-bank energies in dB: 10 · log10, not below -100 dB, nor
        below ``top_db`` under the utterance's loudest; T = 1 + n_samples // hop_length.
    energy : (T,) float32
        See `filter_bank_energies`.

    Raises
    ------
    AudioError
        When the samples are far beyond full scale.
    """
    bands, energy = _joined(filter_bank_energies(blocks, transform))
    if not math.isfinite(energy.max()):
        raise AudioError("its frames are not finite: the samples are far beyond full scale")
    if transform.noise_subtraction > 0:
        from speakergmm.features.noise import subtract_noise

        subtract_noise(bands, energy, transform.noise_subtraction)
    floor = least_power(bands, below_loudest=below_loudest)
    if transform.top_db is not None:
        floor = max(floor, float(bands.max()) * 10.0 ** (-transform.top_db / 10.0))
    return _cepstra(bands, np.float32(floor), transform.dct), energy


def _cepstra(
    bands: NDArray[np.float32], floor: np.float32, dct: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Turn bands into cepstra, in their place: of a long recording both would be much."""
    n_frames, n_cepstra = len(bands), dct.shape[1]
    cells = bands.reshape(-1)
    for start in range(0, n_frames, BLOCK_FRAMES):
        block = bands[start : start + BLOCK_FRAMES]
        np.maximum(block, floor, out=block)
        np.log(block, out=block)
        # No more of them than of bands, so those that follow are not written over.
        cells[start * n_cepstra : (start + len(block)) * n_cepstra] = (block @ dct).reshape(-1)
    bands.resize((n_frames, n_cepstra), refcheck=False)
    return bands


def mfcc(
    samples: NDArray[np.float32], transform: MfccTransform, *, below_loudest: bool = False
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cepstra (T, n_cepstra) of mono samples, and the energy (T,) of each frame.

    See `cepstra_in_blocks`.
    """
    return cepstra_in_blocks([samples], transform, below_loudest=below_loudest)

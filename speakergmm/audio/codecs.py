"""What a line or a coder takes away from speech: samples that went through one and came back.

Every function gives back as many samples as it was given, aligned with them in time, at the same
rate. Samples beyond full scale (±1) are limited before they are encoded.
"""

from __future__ import annotations

import functools
import io
from typing import TYPE_CHECKING

import numpy as np

from speakergmm.audio.resampling import resample
from speakergmm.config import check_choice, check_range

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

# ITU-T G.712: both lie within the band. The filter falls by 60 dB within 200 Hz of each, which
# ends before the 4 kHz of the lowest rate.
TELEPHONE_BAND_HZ = (300.0, 3400.0)
TELEPHONE_TRANSITION_HZ = 200.0
TELEPHONE_STOP_DB = 60.0

# ITU-T G.711 is defined at this rate only.
MULAW_RATE = 8000
# In units of 16 bits: what makes each of the eight segments end at a power of two, and the largest
# magnitude that then still fits into the last of them.
MULAW_BIAS, MULAW_LIMIT = 132, 32635
FULL_SCALE = 32768

# RFC 7845, 5.1; the rates that the encoder takes without resampling.
OPUS_RATES = (8000, 12000, 16000, 24000, 48000)
# What libsndfile makes of compression levels 1 and 0 for one channel.
OPUS_KBPS = (6.0, 256.0)

# ISO/IEC 11172-3 (MPEG-1), 13818-3 (MPEG-2) and the unofficial MPEG-2.5, from the lowest rates:
# sample rates in Hz, and bit rates in kbit/s between which libsndfile interpolates.
MP3_VERSIONS = (
    ((8000, 11025, 12000), (8, 16, 24, 32, 40, 48, 56, 64)),
    ((16000, 22050, 24000), (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)),
    ((32000, 44100, 48000), (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)),
)
MP3_KBPS = tuple(sorted({kbps for _, choices in MP3_VERSIONS for kbps in choices}))
# LAME's 576 samples and a decoder's 529. The decoder drops them where the encoder wrote them down,
# for which a frame of fewer than about 170 bytes has no room.
MP3_DELAY = 1105

# As in oggenc, less its -1, which libsndfile cannot be asked for.
VORBIS_QUALITY = (0.0, 10.0)

# libsndfile's Vorbis encoder keeps a whole write on the stack, and minutes of it overflow that.
BLOCK = 1 << 14


def _fitted(samples: NDArray[np.float32], n_samples: int) -> NDArray[np.float32]:
    """Cut off, or fill up with zeros, what resampling and whole frames have changed at the end."""
    return np.pad(samples[:n_samples], (0, max(0, n_samples - len(samples))))


def _at_rate(samples: NDArray[np.float32], rate: int, wanted: int) -> NDArray[np.float32]:
    """Bring samples to a codec's rate, within full scale; never to no samples at all."""
    resampled = resample(samples, rate, wanted, policy="any")
    resampled = _fitted(resampled, max(1, len(resampled)))
    return np.clip(resampled, -1.0, 1.0).astype(np.float32, copy=False)


def _back(
    samples: NDArray[np.float32], rate: int, wanted: int, n_samples: int
) -> NDArray[np.float32]:
    return _fitted(resample(samples, rate, wanted, policy="any"), n_samples)


def _next_rate(rates: Iterable[int], sample_rate: int) -> int:
    """Find the lowest rate that keeps the whole band, or else the highest."""
    choices = sorted(rates)
    return next((rate for rate in choices if rate >= sample_rate), choices[-1])


def _encoded(
    samples: NDArray[np.float32],
    rate: int,
    kind: tuple[str, str],
    level: float,
    mode: str | None = None,
) -> bytes:
    """Encode by libsndfile, in memory; ``level`` 0 is its lowest compression, 1 its highest."""
    import soundfile

    stream = io.BytesIO()
    with soundfile.SoundFile(
        stream,
        "w",
        rate,
        channels=1,
        format=kind[0],
        subtype=kind[1],
        compression_level=level,
        bitrate_mode=mode,
    ) as file:
        for start in range(0, len(samples), BLOCK):
            file.write(samples[start : start + BLOCK])
    return stream.getvalue()


def _decoded(content: bytes) -> NDArray[np.float32]:
    import soundfile

    decoded: NDArray[np.float32] = soundfile.read(io.BytesIO(content), dtype="float32")[0]
    return decoded


@functools.cache
def _telephone_filter(sample_rate: int) -> NDArray[np.float64]:
    from scipy.signal import firwin, kaiser_beta, kaiserord

    n_taps = kaiserord(TELEPHONE_STOP_DB, TELEPHONE_TRANSITION_HZ / (sample_rate / 2))[0] | 1
    low, high = TELEPHONE_BAND_HZ
    half = TELEPHONE_TRANSITION_HZ / 2
    taps: NDArray[np.float64] = firwin(
        n_taps,
        [low - half, high + half],
        window=("kaiser", kaiser_beta(TELEPHONE_STOP_DB)),
        pass_zero=False,
        fs=sample_rate,
    )
    return taps


def telephone(samples: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
    """Keep the telephone band, 300 to 3,400 Hz, at the same rate and without delay (ITU-T G.712).

    Parameters
    ----------
    samples : (n_samples,) float32
        Any scale.
    sample_rate : int
        In Hz.

    Returns
    -------
    (n_samples,) float32
        Within 0.1 dB in the band; 60 dB lower below 100 Hz and above 3.6 kHz.
    """
    from scipy.signal import oaconvolve

    taps = _telephone_filter(sample_rate)
    delay = len(taps) // 2
    filtered = oaconvolve(samples.astype(np.float64), taps)[delay : delay + len(samples)]
    return np.asarray(filtered, dtype=np.float32)


def mulaw_round_trip(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compand samples to 8 bits and back (ITU-T G.711, μ-law), at whatever rate they are.

    Parameters
    ----------
    samples : (n_samples,) float32
        Full scale is ±1; what lies beyond is limited. The largest that comes back is 0.98.

    Returns
    -------
    (n_samples,) float32
        At most 255 different values. A sine is 35 to 39 dB above the quantization noise, from full
        scale to 40 dB below.
    """
    magnitude = np.minimum(np.abs(samples, dtype=np.float64) * FULL_SCALE, MULAW_LIMIT)
    magnitude += MULAW_BIAS
    # A power of two is the first value of its segment, which a logarithm may miss.
    step = np.ldexp(1.0, np.frexp(magnitude)[1] - 5)
    # Each interval is decoded to its middle, except that the first reaches across zero.
    level = (np.floor(magnitude / step) + 0.5) * step - MULAW_BIAS
    return np.asarray(np.copysign(level / FULL_SCALE, samples), dtype=np.float32)


def mulaw(samples: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
    """Bring samples to 8 kHz, through 8-bit μ-law, and back (ITU-T G.711).

    Parameters
    ----------
    samples : (n_samples,) float32
        Full scale is ±1; what lies beyond at 8 kHz is limited.
    sample_rate : int
        In Hz.

    Returns
    -------
    (n_samples,) float32
        With nothing above 4 kHz, and no delay. It differs from a telephone line by the band below
        300 Hz and above 3.4 kHz, which `telephone` takes away.
    """
    narrow = mulaw_round_trip(_at_rate(samples, sample_rate, MULAW_RATE))
    return _back(narrow, MULAW_RATE, sample_rate, len(samples))


def opus(samples: NDArray[np.float32], sample_rate: int, kbps: float) -> NDArray[np.float32]:
    """Encode samples as Opus in frames of 20 ms, and decode them (RFC 6716, RFC 7845).

    Parameters
    ----------
    samples : (n_samples,) float32
        Full scale is ±1; what lies beyond is limited.
    sample_rate : int
        In Hz. Encoded at the next of 8, 12, 16, 24 and 48 kHz.
    kbps : float
        Aim of the variable bit rate, 6 to 256 kbit/s; speech meets it to 10 %, container included.
        libsndfile takes it as a compression level: kbps = 256 - 250 level.

    Returns
    -------
    (n_samples,) float32
        The decoder drops the encoder's delay itself; what stays is up to 0.1 ms, at 6 kbit/s.

    Raises
    ------
    ConfigError
        For a bit rate out of range.
    """
    low, high = OPUS_KBPS
    check_range("opus: KBPS", kbps, low, high, "kbit/s")
    rate = _next_rate(OPUS_RATES, sample_rate)
    narrow = _at_rate(samples, sample_rate, rate)
    level = (high - kbps) / (high - low)
    return _back(
        _decoded(_encoded(narrow, rate, ("OGG", "OPUS"), level)), rate, sample_rate, len(samples)
    )


def mp3(samples: NDArray[np.float32], sample_rate: int, kbps: float) -> NDArray[np.float32]:
    """Encode samples as MP3 of constant bit rate, and decode them (ISO/IEC 11172-3, 13818-3).

    Parameters
    ----------
    samples : (n_samples,) float32
        Full scale is ±1; what lies beyond is limited.
    sample_rate : int
        In Hz. Encoded at the next of the nine rates from 8 to 48 kHz at which the bit rate exists;
        where there is none, at the highest below: less than 32 kbit/s means 24 kHz at most.
    kbps : float
        One of the standard's bit rates, 8 to 320 kbit/s. libsndfile takes it as a compression
        level between the lowest and the highest of the rate: 8 to 64 up to 12 kHz, 8 to 160 up to
        24 kHz, and 32 to 320 from 32 kHz.

    Returns
    -------
    (n_samples,) float32
        Aligned with the input, also where a low bit rate leaves the encoder's delay in.

    Raises
    ------
    ConfigError
        For a bit rate that MP3 does not have.
    """
    check_choice("mp3: KBPS", float(kbps), [float(choice) for choice in MP3_KBPS])
    able = [(rate, have) for rates, have in MP3_VERSIONS if kbps in have for rate in rates]
    rate = _next_rate((rate for rate, _ in able), sample_rate)
    have = dict(able)[rate]
    narrow = _at_rate(samples, sample_rate, rate)
    # libsndfile cuts off decimals; and it refuses level 1 as a quality before it is told the mode.
    level = max(0.0, (have[-1] - kbps - 0.5) / (have[-1] - have[0]))
    decoded = _decoded(_encoded(narrow, rate, ("MP3", "MPEG_LAYER_III"), level, "CONSTANT"))
    # A decoder that knows the delay gives the length that went in; else whole frames.
    decoded = decoded[MP3_DELAY:] if len(decoded) > len(narrow) else decoded
    return _back(decoded, rate, sample_rate, len(samples))


def vorbis(samples: NDArray[np.float32], sample_rate: int, quality: float) -> NDArray[np.float32]:
    """Encode samples as Ogg Vorbis, and decode them (Xiph.Org, Vorbis I specification).

    Parameters
    ----------
    samples : (n_samples,) float32
        Full scale is ±1; what lies beyond is limited.
    sample_rate : int
        In Hz; Vorbis takes any.
    quality : float
        As in oggenc, 0 to 10. libsndfile takes it as a compression level: 1 - quality / 10. For
        speech at 16 kHz, 0, 3 and 10 are about 27, 38 and 75 kbit/s.

    Returns
    -------
    (n_samples,) float32
        Without delay.

    Raises
    ------
    ConfigError
        For a quality out of range.
    """
    low, high = VORBIS_QUALITY
    check_range("vorbis: QUALITY", quality, low, high)
    limited = _at_rate(samples, sample_rate, sample_rate)
    level = (high - quality) / (high - low)
    return _fitted(_decoded(_encoded(limited, sample_rate, ("OGG", "VORBIS"), level)), len(samples))

"""Other sample rates: which changes are allowed, and the change itself, whole or in blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from speakergmm.config import check_choice
from speakergmm.errors import AudioError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

Resample: TypeAlias = Literal["down", "any", "never"]


def resample(
    samples: NDArray[np.float32], rate: int, wanted: int, *, policy: Resample = "down"
) -> NDArray[np.float32]:
    """Bring mono samples to another rate (soxr, high quality).

    Parameters
    ----------
    policy : {"down", "any", "never"}
        Which changes are allowed. Upward is refused by default: the band above the old rate's half
        stays empty, which no model trained on full-band speech expects.

    Raises
    ------
    AudioError
        When the change is not allowed.
    """
    _check_rates(rate, wanted, policy)
    if rate == wanted:
        return samples
    import soxr

    resampled: NDArray[np.float32] = soxr.resample(samples, rate, wanted, quality="HQ")
    return resampled


def _check_rates(rate: int, wanted: int, policy: Resample) -> None:
    check_choice("resample", policy, ("down", "any", "never"))
    if rate != wanted and (policy == "never" or (policy == "down" and rate < wanted)):
        fix = (
            f"train with front_end.sample_rate={rate}, or with front_end.resample=any and expect "
            "worse decisions"
            if rate < wanted
            else "resample the recordings, or train with front_end.resample=down"
        )
        raise AudioError(f"audio is {rate} Hz, the model expects {wanted} Hz; {fix}")


def resample_blocks(
    blocks: Iterable[NDArray[np.float32]], rate: int, wanted: int, *, policy: Resample = "down"
) -> Iterator[NDArray[np.float32]]:
    """Bring mono samples that come in blocks to another rate; see `resample`.

    Raises
    ------
    AudioError
        At once, when the change is not allowed.
    """
    _check_rates(rate, wanted, policy)
    return iter(blocks) if rate == wanted else _resampled(blocks, rate, wanted)


def _resampled(
    blocks: Iterable[NDArray[np.float32]], rate: int, wanted: int
) -> Iterator[NDArray[np.float32]]:
    import soxr

    stream = soxr.ResampleStream(rate, wanted, 1, dtype="float32", quality="HQ")
    for block in blocks:
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.empty(0, dtype=np.float32), last=True)

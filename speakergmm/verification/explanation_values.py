"""What speaks for and against a speaker in a recording: values to be drawn, or written as JSON."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of speech whose evidence has one sign.

    ``share`` is what it adds to the answer: the sum of its frames' evidence over the number of all
    frames.
    """

    start_s: float
    end_s: float
    share: float


@dataclass(frozen=True, slots=True, eq=False)
class ComponentEvidence:
    """What one component of the background model adds to the answer.

    Parameters
    ----------
    number : int
        Counted from 0.
    weight : float
        Of the background model.
    occupancy : float
        The share of the recording's frames that belongs to it.
    share : float
        What it adds to the answer.
    frequencies_hz, ubm_envelope_db, speaker_envelope_db : (M,), optional
        The mean spectrum of the component, in the background model and in the speaker's; None where
        the features cannot be taken back to a spectrum.
    adapted_by : float
        How many frames of enrollment speech the component saw.
    """

    number: int
    weight: float
    occupancy: float
    share: float
    frequencies_hz: NDArray[np.float64] | None
    ubm_envelope_db: NDArray[np.float64] | None
    speaker_envelope_db: NDArray[np.float64] | None
    adapted_by: float


@dataclass(frozen=True, slots=True)
class SecondLeftOut:
    """What the answer would be without the ``n_frames`` frames of one second."""

    start_s: float
    end_s: float
    answer_without: float
    accepted_without: bool
    n_frames: int


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """Why a recording was taken for a speaker, or not.

    Parameters
    ----------
    speaker_id, recording : str
        Whose voice was claimed, and what was heard.
    answer : float
        The log-likelihood ratio in nats where ``is_calibrated``, or else the score.
    threshold : float
        From which answer on a recording is accepted.
    samples : (n,) float32
        The recording, mono.
    sample_rate : int
        In Hz.
    times_s : (T,)
        The middle of each frame that was scored, ascending.
    hop_s : float
        From one frame to the next, where none is left out.
    evidence : (T,)
        What each frame says, on the scale of the answer: their mean is the answer, so 0 is neutral
        and what lies above speaks for the speaker.
    smooth_s : float
        The width of the smoothing that makes the evidence the ``curve`` (T,).
    stretches : tuple of Stretch
        For and against, the largest first.
    components : tuple of ComponentEvidence
        The largest first; ``others_share`` is what all others add to the answer.
    seconds : tuple of SecondLeftOut
        What the answer would be without each, in their order.
    warnings, notes : tuple of str
        What may harm the decision, and what else there is to know.
    facts : tuple of (name, value)
        What the recording is like, such as ``("SNR", "23 dB")``.
    """

    speaker_id: str
    recording: str
    answer: float
    is_calibrated: bool
    threshold: float
    accepted: bool
    samples: NDArray[np.float32]
    sample_rate: int
    times_s: NDArray[np.float64]
    hop_s: float
    evidence: NDArray[np.float64]
    smooth_s: float
    curve: NDArray[np.float64]
    stretches: tuple[Stretch, ...]
    components: tuple[ComponentEvidence, ...]
    others_share: float
    seconds: tuple[SecondLeftOut, ...]
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Give all but the samples as JSON; a number that is not finite becomes None."""
        return {
            field.name: _as_json(getattr(self, field.name))
            for field in dataclasses.fields(self)
            if field.name != "samples"
        }


def _as_json(value: Any) -> Any:
    """Make values of NumPy, tuples and dataclasses what JSON has."""
    if isinstance(value, np.ndarray) and np.isfinite(value).all():
        return value.tolist()
    if isinstance(value, np.generic):
        return _as_json(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (tuple, np.ndarray)):
        return [_as_json(part) for part in value]
    if dataclasses.is_dataclass(value):
        return {f.name: _as_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    return value

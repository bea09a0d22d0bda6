"""What the verifier answers: values that can be printed, or written as JSON."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from speakergmm.audio.quality import Quality


@dataclass(frozen=True, slots=True)
class EnrollmentReport:
    """What an enrollment added, and what is now known; seconds are of speech kept.

    ``quality`` says of each recording, by its path, what it is like.
    """

    speaker_id: str
    speech_s: float
    total_speech_s: float
    n_recordings: int
    quality: dict[str, Quality]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What may harm decisions about this speaker, a line each; names the recording."""
        return tuple(
            f"{path}: {warning.text}"
            for path, quality in self.quality.items()
            for warning in quality.warnings
        )

    def to_json(self) -> dict[str, Any]:
        """Give the report as JSON."""
        quality = {path: quality.to_json() for path, quality in self.quality.items()}
        return dataclasses.asdict(self) | {"quality": quality}


@dataclass(frozen=True, slots=True)
class Verification:
    """The answer to "is this that speaker?".

    ``score`` is what the scorer gives, normalized where there is a cohort; ``llr`` the calibrated
    log-likelihood ratio in nats, None without a calibration. It was accepted when ``llr``, or
    without a calibration ``score``, reached ``threshold``. ``speech_s`` is how much speech was
    heard, and ``quality`` what the recording is like.
    """

    speaker_id: str
    recording: str
    score: float
    threshold: float
    accepted: bool
    speech_s: float
    quality: Quality
    llr: float | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What may harm the decision, a line each."""
        return tuple(warning.text for warning in self.quality.warnings)

    def to_json(self) -> dict[str, Any]:
        """Give the answer as JSON."""
        return dataclasses.asdict(self) | {"quality": self.quality.to_json()}

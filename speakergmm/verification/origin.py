"""Where a score comes from: all that decides what its size means."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speakergmm.config import config_from_table
from speakergmm.corpora.classes import ClassSettings
from speakergmm.errors import CalibrationError, ConfigError
from speakergmm.files import file_digest, write_json
from speakergmm.verification.enrollment import EnrollmentConfig
from speakergmm.verification.scoring import ScoringConfig

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Of a digest: enough to be told apart by, and short enough for a line.
SHOWN_DIGITS = 12


@dataclass(frozen=True, slots=True)
class ScoreOrigin:
    """What made a score. Thresholds and calibrations hold for scores of the same origin only.

    Parameters
    ----------
    ubm : str
        Digest of the background model's file; with it comes the front end.
    scoring : ScoringConfig
    enrollment : EnrollmentConfig
    normalization : str
        Label of the score normalization, ``"none"`` where there is none.
    cohort : str
        Digest of the cohort that it used; empty where there is none.
    """

    ubm: str
    scoring: ScoringConfig = field(default_factory=ScoringConfig)
    enrollment: EnrollmentConfig = field(default_factory=EnrollmentConfig)
    normalization: str = "none"
    cohort: str = ""

    def check(self, other: ScoreOrigin, holder: str) -> None:
        """Refuse scores of another origin.

        Parameters
        ----------
        other : ScoreOrigin
            Of the scores.
        holder : str
            What was made with scores of this origin; begins the message.

        Raises
        ------
        CalibrationError
            Naming each difference.
        """
        if self == other:
            return
        ours, theirs = self.described(), other.described()
        # What is the same to a person may still be another file.
        differences = [
            f"{name} {own}, not {theirs[name]}" for name, own in ours.items() if own != theirs[name]
        ] or [f"{self}, not {other}"]
        raise CalibrationError(
            f"{holder}: made with {'; '.join(differences)}: a calibration holds for the scores "
            "that it was made with; score alike, or calibrate anew"
        )

    def described(self) -> dict[str, str]:
        """Say each part in a word, for a person."""
        return {
            "background model": self.ubm[:SHOWN_DIGITS],
            "scorer": self.scoring.label,
            "relevance factor": f"{self.enrollment.relevance_factor:g}",
            "adapted": self.enrollment.parameters,
            "MAP iterations": str(self.enrollment.iterations),
            "normalization": self.normalization,
            "cohort": self.cohort[:SHOWN_DIGITS] or "none",
        }

    def to_json(self) -> dict[str, Any]:
        """Give the origin as JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, entry: Mapping[str, Any], where: str) -> ScoreOrigin:
        """Read what `to_json` gave; ``where`` names the file in messages."""
        scoring = config_from_table(ScoringConfig, entry["scoring"], f"{where} [scoring]")
        enrollment = config_from_table(
            EnrollmentConfig, entry["enrollment"], f"{where} [enrollment]"
        )
        texts = (entry[name] for name in ("normalization", "cohort"))
        return cls(str(entry["ubm"]), scoring, enrollment, *map(str, texts))


def origin_path(scores: Path | str) -> Path:
    """Name the file beside a score file that says where its scores come from."""
    return Path(scores).with_suffix(".origin.json")


def write_origin(
    scores: Path | str, origin: ScoreOrigin, classes: ClassSettings | None = None
) -> None:
    """Write beside a score file where its scores come from, atomically.

    ``classes`` are those that were told apart, where it was not speakers.
    """
    entry = {"scores": file_digest(scores), "origin": origin.to_json()}
    if classes is not None and classes.column:
        entry["classes"] = asdict(classes)
    write_json(origin_path(scores), entry)


def read_origin(scores: Path | str) -> ScoreOrigin | None:
    """Read where a score file's scores come from; None where nothing says it.

    What stands beside a file that was changed since says nothing about it.

    Raises
    ------
    CalibrationError
        When the file beside it is damaged.
    """
    path = origin_path(scores)
    with _naming(path):
        entry = _entry_beside(scores)
        return None if entry is None else ScoreOrigin.from_json(entry["origin"], str(path))


def read_classes(scores: Path | str) -> ClassSettings | None:
    """Read which classes a score file's trials tell apart; None where nothing says it.

    Raises
    ------
    CalibrationError
        When the file beside it is damaged.
    """
    path = origin_path(scores)
    with _naming(path):
        entry = _entry_beside(scores) or {}
        if "classes" not in entry:
            return None
        return config_from_table(ClassSettings, entry["classes"], f"{path} [classes]")


def _entry_beside(scores: Path | str) -> dict[str, Any] | None:
    """Read what stands beside a score file, and is of its content."""
    path = origin_path(scores)
    if not path.exists():
        return None
    entry: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return entry if entry["scores"] == file_digest(scores) else None


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Say of which file it is that it is damaged."""
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, ConfigError):
            raise CalibrationError(f"{error}; remove it, or score again") from None
        raise CalibrationError(f"{path}: damaged ({error}); remove it, or score again") from None

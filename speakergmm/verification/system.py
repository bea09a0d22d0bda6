"""A system: all that a decision rests on, in one value.

Background model, front end with its constants, scorer, cohort, calibration and threshold. They
belong together, since each decides what the numbers of the next mean; here that is checked once.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from speakergmm.errors import ConfigError
from speakergmm.features import FrontEnd
from speakergmm.files import file_digest
from speakergmm.gmm.model_file import read_background_model
from speakergmm.verification.calibration_file import load_calibration
from speakergmm.verification.cohort_file import load_cohort
from speakergmm.verification.enrollment import EnrollmentConfig
from speakergmm.verification.origin import ScoreOrigin
from speakergmm.verification.scoring import ScoringConfig
from speakergmm.verification.trial_normalization import NormalizationConfig

if TYPE_CHECKING:
    from pathlib import Path

    from speakergmm.gmm import DiagonalGMM
    from speakergmm.gmm.model_file import BackgroundModel
    from speakergmm.verification.calibration_record import CalibrationRecord
    from speakergmm.verification.cohort import Cohort


@dataclass(frozen=True, eq=False)
class System:
    """All that a decision rests on, but for the enrolled speakers.

    Parameters
    ----------
    background : BackgroundModel
        With the settings of the front end.
    ubm_digest : str
        Of the model file that it was read from; speaker stores know their background model by it.
    front_end : FrontEnd
        Made by these settings.
    enrollment : EnrollmentConfig
    scoring : ScoringConfig
    normalization : NormalizationConfig
    cohort : Cohort, optional
        By which scores are normalized.
    cohort_digest : str
        Of the cohort's file; empty where there is none.
    calibration : CalibrationRecord, optional
        With the threshold, and what errors to expect.
    name : str
        What people call it.
    card : str
        Markdown: what it is for and what it was made from.
    """

    background: BackgroundModel
    ubm_digest: str
    front_end: FrontEnd
    enrollment: EnrollmentConfig = field(default_factory=EnrollmentConfig)
    scoring: ScoringConfig = field(default_factory=ScoringConfig)
    normalization: NormalizationConfig = field(default_factory=NormalizationConfig)
    cohort: Cohort | None = None
    cohort_digest: str = ""
    calibration: CalibrationRecord | None = None
    name: str = ""
    card: str = ""

    @property
    def ubm(self) -> DiagonalGMM:
        """The mixture of the background model."""
        return self.background.gmm

    @property
    def threshold(self) -> float | None:
        """Log-likelihood ratio from which to accept; None where none was chosen."""
        return None if self.calibration is None else self.calibration.threshold

    @cached_property
    def origin(self) -> ScoreOrigin:
        """What decides the size of its scores."""
        return ScoreOrigin(
            self.ubm_digest,
            self.scoring,
            self.enrollment,
            self.normalization.label,
            self.cohort_digest,
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """What makes all its answers less certain, a line each."""
        found = () if self.calibration is None else self.calibration.warnings
        if self.cohort is not None:
            found += self.cohort.warnings(self.normalization)
        return found


def assemble_system(
    ubm: Path | str,
    *,
    enrollment: EnrollmentConfig | None = None,
    calibration: Path | str | None = None,
    cohort: Path | str | None = None,
    name: str = "",
) -> System:
    """Put a system together from its files, and check that they belong together.

    Parameters
    ----------
    ubm : path
        Model file.
    enrollment : EnrollmentConfig, optional
        How a speaker's model is made. Default: as for the calibration, where there is one.
    calibration : path, optional
        Calibration file. Scores are then made as those that it was fitted on.
    cohort : path, optional
        Cohort file, which a calibration of normalized scores needs.

    Raises
    ------
    ModelFileError
        When the model file is missing, damaged or not one.
    CalibrationError, CohortError
        When calibration or cohort are missing, damaged, or were made for another system.
    ConfigError
        When one is missing that another needs.
    """
    background, digest = read_background_model(ubm)
    plain = System(background, digest, FrontEnd(background.front_end), name=name)
    if calibration is None:
        if cohort is not None:
            raise ConfigError(
                f"{cohort}: a cohort changes what scores mean; give the calibration that was made "
                "with it"
            )
        return replace(plain, enrollment=enrollment or plain.enrollment)
    record = load_calibration(calibration)
    origin = record.single_origin(str(calibration))
    if cohort is None and origin.cohort:
        raise ConfigError(
            f"{calibration}: of scores that a cohort normalizes ({origin.normalization}); give "
            "that cohort too"
        )
    system = replace(
        plain,
        enrollment=enrollment or origin.enrollment,
        scoring=origin.scoring,
        normalization=NormalizationConfig.from_label(origin.normalization),
        cohort=None if cohort is None else load_cohort(cohort, digest),
        cohort_digest="" if cohort is None else file_digest(cohort),
        calibration=record,
    )
    record.check([system.origin], str(calibration))
    if system.enrollment.iterations > 1:
        raise ConfigError(
            f"{calibration}: made with {system.enrollment.iterations} iterations of adaptation; "
            "the store keeps statistics for one: calibrate with enrollment.iterations = 1"
        )
    return system

"""Trials → scores → log-likelihood ratios; and the speakers that are enrolled."""

from speakergmm.verification.answers import EnrollmentReport, Identification, Verification
from speakergmm.verification.calibration import Calibration, fit_calibration
from speakergmm.verification.calibration_record import CalibrationConfig, CalibrationRecord
from speakergmm.verification.cohort import Cohort
from speakergmm.verification.enrollment import EnrollmentConfig
from speakergmm.verification.linear import linear_score
from speakergmm.verification.normalization import as_norm, s_norm, t_norm, z_norm, zt_norm
from speakergmm.verification.origin import ScoreOrigin
from speakergmm.verification.ratio import log_likelihood_ratio
from speakergmm.verification.scoring import ScoringConfig, score_trials
from speakergmm.verification.trial_normalization import NormalizationConfig
from speakergmm.verification.verifier import Verifier

__all__ = [
    "Calibration",
    "CalibrationConfig",
    "CalibrationRecord",
    "Cohort",
    "EnrollmentConfig",
    "EnrollmentReport",
    "Identification",
    "NormalizationConfig",
    "ScoreOrigin",
    "ScoringConfig",
    "Verification",
    "Verifier",
    "as_norm",
    "fit_calibration",
    "linear_score",
    "log_likelihood_ratio",
    "s_norm",
    "score_trials",
    "t_norm",
    "z_norm",
    "zt_norm",
]

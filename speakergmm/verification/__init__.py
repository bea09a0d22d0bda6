"""Trials → scores → log-likelihood ratios; and the speakers that are enrolled."""

from speakergmm.verification.calibration import Calibration, fit_calibration
from speakergmm.verification.enrollment import EnrollmentConfig
from speakergmm.verification.linear import linear_score
from speakergmm.verification.ratio import log_likelihood_ratio
from speakergmm.verification.scoring import ScoringConfig, score_trials
from speakergmm.verification.verifier import EnrollmentReport, Verification, Verifier

__all__ = [
    "Calibration",
    "EnrollmentConfig",
    "EnrollmentReport",
    "ScoringConfig",
    "Verification",
    "Verifier",
    "fit_calibration",
    "linear_score",
    "log_likelihood_ratio",
    "score_trials",
]

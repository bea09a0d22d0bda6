"""Trials → scores → log-likelihood ratios; and the speakers that are enrolled."""

from speakergmm.verification.calibration import Calibration, fit_calibration
from speakergmm.verification.enrollment import EnrollmentConfig
from speakergmm.verification.scoring import log_likelihood_ratio, score_trials
from speakergmm.verification.verifier import EnrollmentReport, Verification, Verifier

__all__ = [
    "Calibration",
    "EnrollmentConfig",
    "EnrollmentReport",
    "Verification",
    "Verifier",
    "fit_calibration",
    "log_likelihood_ratio",
    "score_trials",
]

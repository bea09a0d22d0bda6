"""Trials → scores → log-likelihood ratios; and the speakers that are enrolled."""

from speakergmm.verification.calibration import Calibration, fit_calibration
from speakergmm.verification.scoring import log_likelihood_ratio, score_trials

__all__ = ["Calibration", "fit_calibration", "log_likelihood_ratio", "score_trials"]

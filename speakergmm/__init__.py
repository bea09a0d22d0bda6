"""Speaker verification with Gaussian mixture models: small, explainable, fast on a CPU.

The public names below are loaded when they are first used, so that importing the package costs
next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from speakergmm._version import __version__

if TYPE_CHECKING:
    from speakergmm import features
    from speakergmm.evaluation import (
        CostModel,
        actual_dcf,
        auc,
        calibration_loss,
        cllr,
        eer,
        eer_interpolated,
        min_cllr,
        min_dcf,
        p_fa_at,
        p_miss_at,
    )
    from speakergmm.features import FrameStore, FrontEnd, FrontEndConfig
    from speakergmm.gmm import (
        DiagonalGMM,
        Statistics,
        TrainingConfig,
        TrainingHistory,
        accumulate,
        map_adapt,
        train_ubm,
    )
    from speakergmm.gmm.estimators import DiagonalGaussianMixture, GMMClassifier
    from speakergmm.verification import (
        Calibration,
        EnrollmentReport,
        Identification,
        Verification,
        Verifier,
        as_norm,
        fit_calibration,
        linear_score,
        log_likelihood_ratio,
        s_norm,
        t_norm,
        z_norm,
        zt_norm,
    )

_PLACES = {
    "speakergmm.evaluation": (
        "CostModel", "actual_dcf", "auc", "calibration_loss", "cllr", "eer", "eer_interpolated",
        "min_cllr", "min_dcf", "p_fa_at", "p_miss_at",
    ),
    "speakergmm.features": ("FrameStore", "FrontEnd", "FrontEndConfig"),
    "speakergmm.gmm": (
        "DiagonalGMM", "Statistics", "TrainingConfig", "TrainingHistory", "accumulate",
        "map_adapt", "train_ubm",
    ),
    "speakergmm.gmm.estimators": ("DiagonalGaussianMixture", "GMMClassifier"),
    "speakergmm.verification": (
        "Calibration", "EnrollmentReport", "Identification", "Verification", "Verifier", "as_norm",
        "fit_calibration", "linear_score",
        "log_likelihood_ratio", "s_norm", "t_norm", "z_norm", "zt_norm",
    ),
}  # fmt: skip
_MODULE_OF = {name: module for module, names in _PLACES.items() for name in names}

__all__ = [
    "Calibration",
    "CostModel",
    "DiagonalGMM",
    "DiagonalGaussianMixture",
    "EnrollmentReport",
    "FrameStore",
    "FrontEnd",
    "FrontEndConfig",
    "GMMClassifier",
    "Identification",
    "Statistics",
    "TrainingConfig",
    "TrainingHistory",
    "Verification",
    "Verifier",
    "__version__",
    "accumulate",
    "actual_dcf",
    "as_norm",
    "auc",
    "calibration_loss",
    "cllr",
    "eer",
    "eer_interpolated",
    "features",
    "fit_calibration",
    "linear_score",
    "log_likelihood_ratio",
    "map_adapt",
    "min_cllr",
    "min_dcf",
    "p_fa_at",
    "p_miss_at",
    "s_norm",
    "t_norm",
    "train_ubm",
    "z_norm",
    "zt_norm",
]


def __getattr__(name: str) -> object:
    if name == "features":
        return importlib.import_module("speakergmm.features")
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'speakergmm' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)

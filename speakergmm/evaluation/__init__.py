"""Scores → numbers, intervals, pictures, the report."""

from speakergmm.evaluation.cost import COST_POINTS, CostModel, cost_point
from speakergmm.evaluation.detection import OperatingPoint, detect
from speakergmm.evaluation.draws import Estimate
from speakergmm.evaluation.metrics import (
    actual_dcf,
    auc,
    calibration_loss,
    cllr,
    eer,
    eer_interpolated,
    min_cllr,
    min_dcf,
    operating_points,
    p_fa_at,
    p_miss_at,
)
from speakergmm.evaluation.summary import Evaluation, EvaluationConfig, evaluate_scores

__all__ = [
    "COST_POINTS",
    "CostModel",
    "Estimate",
    "Evaluation",
    "EvaluationConfig",
    "OperatingPoint",
    "actual_dcf",
    "auc",
    "calibration_loss",
    "cllr",
    "cost_point",
    "detect",
    "eer",
    "eer_interpolated",
    "evaluate_scores",
    "min_cllr",
    "min_dcf",
    "operating_points",
    "p_fa_at",
    "p_miss_at",
]

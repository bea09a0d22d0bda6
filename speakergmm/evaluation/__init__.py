"""Scores → numbers, intervals, pictures, the report."""

from speakergmm.evaluation.bootstrap import Estimate
from speakergmm.evaluation.cost import COST_POINTS, CostModel, cost_point
from speakergmm.evaluation.metrics import (
    OperatingPoint,
    actual_dcf,
    cllr,
    eer,
    eer_interpolated,
    min_cllr,
    min_dcf,
    operating_points,
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
    "cllr",
    "cost_point",
    "eer",
    "eer_interpolated",
    "evaluate_scores",
    "min_cllr",
    "min_dcf",
    "operating_points",
]

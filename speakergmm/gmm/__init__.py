"""The heart: the mixture, its statistics, training, adaptation, and the model file."""

from speakergmm.gmm.adaptation import ADAPTED, Adapted, map_adapt
from speakergmm.gmm.em import TrainingConfig
from speakergmm.gmm.model import DiagonalGMM
from speakergmm.gmm.pooling import pool_mixtures
from speakergmm.gmm.statistics import Statistics, accumulate
from speakergmm.gmm.training import TrainingHistory, train_ubm

__all__ = [
    "ADAPTED",
    "Adapted",
    "DiagonalGMM",
    "Statistics",
    "TrainingConfig",
    "TrainingHistory",
    "accumulate",
    "map_adapt",
    "pool_mixtures",
    "train_ubm",
]

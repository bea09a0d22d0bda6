"""Experiments: the stages from lists to report, driven by a TOML file, resumable."""

from speakergmm.recipes.config import EnrollmentConfig, Recipe, UbmSettings, load_recipe
from speakergmm.recipes.experiment import Experiment, ExperimentResult

__all__ = [
    "EnrollmentConfig",
    "Experiment",
    "ExperimentResult",
    "Recipe",
    "UbmSettings",
    "load_recipe",
]

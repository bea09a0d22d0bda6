"""Experiments: the stages from lists to report, driven by a TOML file, resumable."""

from speakergmm.recipes.conditions import Condition
from speakergmm.recipes.config import Recipe, Settings, load_recipe, load_settings
from speakergmm.recipes.experiment import Experiment, ExperimentResult
from speakergmm.recipes.list_scoring import score_lists
from speakergmm.recipes.lists import extract_list, train_on_list, train_on_store

__all__ = [
    "Condition",
    "Experiment",
    "ExperimentResult",
    "Recipe",
    "Settings",
    "extract_list",
    "load_recipe",
    "load_settings",
    "score_lists",
    "train_on_list",
    "train_on_store",
]

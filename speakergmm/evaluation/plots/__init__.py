"""Pictures of an evaluation: each function takes numbers and gives a figure, a module a subject.

All are as wide as a column of text and tell their series apart without color; what a picture shows
is for its caption to say, so none has a title; of one with several parts, each has. `save_figure`
writes one to a file, `figure_svg` gives the text that stands in a page.
"""

from speakergmm.evaluation.plots.calibration_plots import (
    cost_figure,
    entropy_figure,
    reliability_figure,
)
from speakergmm.evaluation.plots.component_plots import component_figure, explanation_figure
from speakergmm.evaluation.plots.det import det_figure
from speakergmm.evaluation.plots.evidence_plots import evidence_figure
from speakergmm.evaluation.plots.part_plots import breakdown_figure
from speakergmm.evaluation.plots.score_plots import histogram_figure, tippett_figure
from speakergmm.evaluation.plots.speaker_plots import zoo_figure
from speakergmm.evaluation.plots.style import figure_svg, save_figure
from speakergmm.evaluation.plots.training_plots import likelihood_figure

__all__ = [
    "breakdown_figure",
    "component_figure",
    "cost_figure",
    "det_figure",
    "entropy_figure",
    "evidence_figure",
    "explanation_figure",
    "figure_svg",
    "histogram_figure",
    "likelihood_figure",
    "reliability_figure",
    "save_figure",
    "tippett_figure",
    "zoo_figure",
]

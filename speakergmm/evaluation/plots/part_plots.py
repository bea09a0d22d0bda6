"""Error rates of parts of a trial list, beside each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speakergmm.evaluation.plots.style import (
    COLORS,
    FONT_SIZE,
    GRAY,
    SMALL,
    name_axes,
    new_axes,
    shortened,
)  # fmt: skip

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from speakergmm.evaluation.breakdown import Breakdown, Part

NAME_LENGTH = 30
# Inches: for each part, and for the axis below them.
PART, REST = 0.42, 0.75


def breakdown_figure(breakdown: Breakdown) -> Figure:
    """Draw the EER of each part in percent, with its 95 % interval where there is one.

    Parts differ when their intervals lie apart; how many target and nontarget trials a part holds
    stands below its name.
    """
    parts = breakdown.parts
    figure, axes = new_axes(REST + PART * max(2, len(parts)))
    highest = 0.0
    for row, part in enumerate(parts):
        if "eer" not in part.metrics:
            axes.annotate(
                "too few trials", (0, row), (6, 0), textcoords="offset points", va="center",
                fontsize=SMALL, color=GRAY,
            )  # fmt: skip
            continue
        eer = part.metrics["eer"]
        if eer.low is not None and eer.high is not None:
            axes.plot(
                [100 * eer.low, 100 * eer.high], [row, row], "|-", color=COLORS[0], linewidth=2,
                markersize=9, markeredgewidth=2,
            )  # fmt: skip
        axes.plot([100 * eer.value], [row], "o", color=COLORS[0], markersize=7, clip_on=False)
        highest = max(highest, 100 * (eer.value if eer.high is None else eer.high))
    names = [_tick_label(part) for part in parts]
    axes.set_yticks(range(len(parts)), names, fontsize=FONT_SIZE)
    # The first part on top.
    axes.set(ylim=(max(1, len(parts) - 1) + 0.6, -0.6), xlim=(0, 1.05 * highest or 1.0))
    # Below, where a long name has room.
    name_axes(axes, f"equal error rate (%) by {shortened(breakdown.column, 40)}", "")
    return figure


def _tick_label(part: Part) -> str:
    name = shortened(part.name, NAME_LENGTH)
    return f"{name}\n{part.n_target:,} + {part.n_nontarget:,} trials"

"""Whether log-likelihood ratios keep what they promise, and what it costs where they do not."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from speakergmm.evaluation.cost import COST_POINTS
from speakergmm.evaluation.curves import cost_curves, entropy_curves, reliability
from speakergmm.evaluation.plots.style import (
    COLORS,
    FONT_SIZE,
    GRAY,
    SMALL,
    add_legend,
    name_axes,
    new_axes,
    note_border,
    say,
    wrapped,
)  # fmt: skip
from speakergmm.evaluation.plots.values import ratio_sides, visible_range
from speakergmm.evaluation.trial_words import SPEAKERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from speakergmm.corpora import Scores
    from speakergmm.evaluation.trial_words import TrialWords

    Floats = NDArray[np.float64]

PRIORS = (0.0001, 0.001, 0.01, 0.1, 0.5, 0.9, 0.99)

# Ends of a line that crosses every picture.
FAR = 1e4

# As many letters as a corner has room for.
CORNER = 32

# Losses above these are far worse than not listening; how much worse the tables tell.
MOST_BITS, MOST_COST = 1.6, 1.5


def reliability_figure(scores: Scores, *, words: TrialWords = SPEAKERS) -> Figure:
    """Draw what ratios were given against what they turned out to be worth.

    Each point stands for trials with similar ratios, its bar for a 95 % interval as if trials were
    independent. On the line the ratios are as good as their word. Above it the same speaker was
    likelier than said, below it less likely: points that lie flatter than the line mean ratios
    that are too bold, steeper ones ratios that are too cautious. The corners say so in ``words``.

    Raises
    ------
    ScoreError
        When the scores have no log-likelihood ratios, or a side is empty.
    """
    sides = ratio_sides(scores, "the reliability picture")
    found = reliability(*sides)
    figure, axes = new_axes(5.0)
    (line,) = axes.plot([-FAR, FAR], [-FAR, FAR], color=GRAY, linewidth=1.0, linestyle="--")
    # An error bar is a container, which the legend takes although its types do not say so.
    handles: list[Any] = [line]
    labels = ["given = found"]
    if len(found.given):
        away = np.abs(np.stack([found.low, found.high]) - found.found)
        handles.append(
            axes.errorbar(
                found.given, found.found, yerr=away, fmt="o-", color=COLORS[0], markersize=5,
                linewidth=1.0, elinewidth=1.2, capsize=3,
            )
        )  # fmt: skip
        labels.append("similar ratios, with 95 % interval")
    else:
        say(axes, "no range of ratios holds trials of both kinds")
    low, high = visible_range(*sides)
    near = (found.given >= low) & (found.given <= high)
    axes.set_aspect("equal")
    ends = _ends(np.concatenate([found.given[near], found.low, found.high]))
    axes.set(xlim=ends, ylim=ends)
    for is_left, beyond in ((True, found.given < low), (False, found.given > high)):
        if beyond.any():
            note_border(axes, f"ratios beyond: {beyond.sum()} of {len(near)} points", left=is_left)
    corners = (
        (0.02, 0.98, "left", "top", f"{_corner('above', words)}\nlikelier than said"),
        (0.98, 0.02, "right", "bottom", f"{_corner('below', words)}\nless likely than said"),
    )
    for x, y, ha, va, text in corners:
        axes.text(
            x, y, text, ha=ha, va=va, transform=axes.transAxes, fontsize=SMALL, color=GRAY,
            zorder=0,
        )  # fmt: skip
    name_axes(axes, "log-likelihood ratio as given (nats)", "log-likelihood ratio as found (nats)")
    add_legend(figure, handles, labels, columns=2)
    return figure


def _corner(place: str, words: TrialWords) -> str:
    return wrapped(f"{place}: {words.hypotheses[0]}", CORNER)


def _ends(values: Floats) -> tuple[float, float]:
    """Give the lowest and highest of the values and 0, with some air."""
    low, high = min([-1.0, *values]), max([1.0, *values])
    return low - 0.05 * (high - low), high + 0.05 * (high - low)


def entropy_figure(scores: Scores) -> Figure:
    """Draw the empirical cross-entropy over the prior (Ramos & González-Rodríguez 2013).

    How many bits are still missing to know who spoke; lower is better. The distance between the
    ratios as they are and as they could be is lost by calibration; where they lie above the
    dotted curve, one who knows the prior alone is better off without them. At equal odds the
    curves are Cllr and minCllr.

    Raises
    ------
    ScoreError
        When the scores have no log-likelihood ratios, or a side is empty.
    """
    sides = ratio_sides(scores, "the cross-entropy picture")
    curves = entropy_curves(*sides)
    middle = entropy_curves(*sides, [0.0])
    figure, axes = new_axes()
    handles: list[Artist] = []
    labels = []
    shown = (
        (curves.actual, f"ratios as they are: Cllr {_bits(middle.actual)}", COLORS[0], "-"),
        (curves.minimal, f"at best: minCllr {_bits(middle.minimal)}", COLORS[1], "--"),
        (curves.neutral, "without ratios, by the prior alone", GRAY, ":"),
    )
    for bits, label, color, style in shown:
        handles += _draw_loss(axes, curves.prior_log_odds / math.log(10), bits, color, style)
        labels.append(label)
    axes.axvline(0, color="0.75", linewidth=0.8, zorder=0)
    axes.set_ylim(0, _top((curves.actual, curves.neutral), MOST_BITS))
    axes.set_xlim(*(curves.prior_log_odds[[0, -1]] / math.log(10)))
    name_axes(axes, "prior odds of a target (powers of ten)", "cross-entropy (bits)")
    add_legend(figure, handles, labels)
    return figure


def _bits(value: Floats) -> str:
    return f"{value[0]:.3f} bits" if math.isfinite(value[0]) else "infinite, not shown"


def _draw_loss(axes: Axes, x: Floats, loss: Floats, color: str, style: str) -> list[Artist]:
    finite = np.where(np.isfinite(loss), loss, np.nan)
    return list(axes.plot(x, finite, color=color, linestyle=style, linewidth=1.8))


def _top(losses: Sequence[Floats], most: float) -> float:
    """Give the upper border: a little above all that is finite, but no farther than ``most``."""
    values = np.concatenate(losses)
    return min(most, 1.05 * max(1.0, float(values[np.isfinite(values)].max())))


def cost_figure(scores: Scores) -> Figure:
    """Draw the normalized detection cost over the effective prior (Brümmer 2010, ch. 7).

    Lower is better. The lower curve is the cost of the best threshold for each prior, the upper
    one that of the threshold that the ratios imply; their distance is what calibration loses.
    Above 1, deciding without listening is better. Vertical lines mark the priors of well-known
    evaluations. Without ratios only the lower curve is drawn.

    Raises
    ------
    ScoreError
        When a side is empty.
    """
    llr = None if scores.llr is None else ratio_sides(scores, "the cost picture")
    curves = cost_curves(scores.target(), scores.nontarget(), llr)
    figure, axes = new_axes(3.8)
    handles = _draw_loss(axes, curves.prior_log_odds, curves.minimal, COLORS[1], "--")
    labels = ["best threshold (minDCF)"]
    losses = [curves.minimal]
    if curves.actual is not None:
        losses.append(curves.actual)
        handles += _draw_loss(axes, curves.prior_log_odds, curves.actual, COLORS[0], "-")
        labels.append("threshold by the ratios (actual DCF)")
    axes.axhline(1, color=GRAY, linewidth=0.9, linestyle=":")
    axes.set_ylim(0, _top(losses, MOST_COST))
    axes.set_xlim(*curves.prior_log_odds[[0, -1]])
    _mark_points(axes)
    odds = [math.log(prior / (1 - prior)) for prior in PRIORS]
    axes.set_xticks(odds, [f"{100 * prior:g}" for prior in PRIORS], fontsize=FONT_SIZE)
    name_axes(axes, "effective prior of a target (%)", "normalized detection cost")
    add_legend(figure, handles, labels)
    return figure


def _mark_points(axes: Axes) -> None:
    """Mark the priors of well-known evaluations, with the names of all that share one."""
    names: dict[float, list[str]] = {}
    for name, costs in COST_POINTS.items():
        for cost in costs:
            names.setdefault(round(-cost.threshold, 6), []).append(name)
    for odds, shared in names.items():
        axes.axvline(odds, color="0.75", linewidth=0.9, zorder=0)
        axes.annotate(
            ", ".join(shared), (odds, 1), (0, 2), xycoords=("data", "axes fraction"),
            textcoords="offset points", rotation=40, rotation_mode="anchor", fontsize=SMALL,
            color=GRAY, ha="left", va="bottom",
        )  # fmt: skip

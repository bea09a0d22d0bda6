"""How scores are distributed: histograms, and shares above a ratio."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from speakergmm.evaluation.curves import share_above
from speakergmm.evaluation.plots.style import (
    COLORS,
    FONT_SIZE,
    GRAY,
    STYLES,
    add_legend,
    name_axes,
    new_axes,
    note_border,
    number,
    wrapped,
)  # fmt: skip
from speakergmm.evaluation.plots.values import RATIO, shown_sides, visible_range
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

HATCHES = ("///", "\\\\\\")
MIN_BINS, MAX_BINS = 10, 80
# As many letters as leave room in the legend for what is said of a kind.
KIND_LENGTH = 30

# Steps that an eye can tell apart; more trials than this are joined by straight lines.
MAX_STEPS = 400
MAX_TICKS = 7
# Powers of ten up to here are written out.
WRITTEN_OUT = 4


def histogram_figure(
    scores: Scores, threshold: float | None = None, *, words: TrialWords = SPEAKERS
) -> Figure:
    """Draw how target and nontarget trials are distributed, each with an area of 1.

    The less they overlap, the better; the trials to the wrong side of the threshold are the
    errors. Of log-likelihood ratios where there are, else of scores. Infinite values and those far
    from all others are counted above the border that they lie beyond, not in the areas.

    Parameters
    ----------
    threshold : float, optional
        From which to accept, in the unit of what is drawn.
    words : TrialWords, optional
        What the legend says of target and nontarget trials.
    """
    *sides, unit = shown_sides(scores)
    low, high = visible_range(*sides)
    figure, axes = new_axes(grid=False)
    handles: list[Artist] = []
    labels = []
    edges = _bin_edges(sides, low, high)
    for k, side in enumerate(sides):
        inside = side[(side >= low) & (side <= high)]
        if len(inside):
            handles.append(_draw_steps(axes, inside, edges, k))
            labels.append(f"{_kinds(words)[k]}: {len(side):,}")
    if threshold is not None and math.isfinite(threshold):
        handles.append(axes.axvline(threshold, color="black", linewidth=1.2, linestyle=":"))
        labels.append(f"threshold {number(threshold)}: accepted from here on")
    axes.set_ylim(bottom=0)
    name_axes(axes, unit, "density (areas are 1)")
    _note_beyond(axes, sides, low, high)
    add_legend(figure, handles, labels)
    return figure


def _kinds(words: TrialWords) -> list[str]:
    named = zip(("target", "nontarget"), words.hypotheses, strict=True)
    return [wrapped(f"{kind} ({hypothesis})", KIND_LENGTH) for kind, hypothesis in named]


def _bin_edges(sides: Sequence[Floats], low: float, high: float) -> Floats:
    n_bins = round(2 * min(len(side) for side in sides) ** 0.5)
    inside = np.array([low, high])
    return np.histogram_bin_edges(inside, min(max(n_bins, MIN_BINS), MAX_BINS))


def _draw_steps(axes: Axes, values: Floats, edges: Floats, k: int) -> Artist:
    """Draw an outline and a hatched area; give what stands for both."""
    density, _ = np.histogram(values, edges, density=True)
    color = COLORS[k]
    axes.stairs(
        density, edges, fill=True, facecolor="none", edgecolor=color, linewidth=0,
        hatch=HATCHES[k], alpha=0.8,
    )  # fmt: skip
    return axes.stairs(density, edges, color=color, linewidth=1.6, linestyle=STYLES[k])


def _note_beyond(axes: Axes, sides: Sequence[Floats], low: float, high: float) -> None:
    """Count what lies beyond the borders, above each."""
    line = 0
    for is_left in (True, False):
        counts = [int((side < low).sum() if is_left else (side > high).sum()) for side in sides]
        named = zip(counts, ("target", "nontarget"), strict=True)
        note = ", ".join(f"{count:,} {kind}" for count, kind in named if count)
        if note:
            note_border(
                axes, f"beyond: {note}" if is_left else f"{note} beyond", left=is_left, line=line
            )
            line += 1


def tippett_figure(scores: Scores, *, words: TrialWords = SPEAKERS) -> Figure:
    """Draw the shares of target and of nontarget trials that reach each ratio (a Tippett plot).

    At a ratio, the lower curve is the share of strangers for whom at least so much speaks; what
    the upper one lacks to 100 % is the share of true speakers for whom less speaks. Evidence that
    points the wrong way is told at a ratio of 1. Without ratios, the same of scores. The legend
    says in ``words`` what target and nontarget trials are.
    """
    target, nontarget, unit = shown_sides(scores)
    is_ratio = unit == RATIO
    scale = math.log(10) if is_ratio else 1.0
    sides = target / scale, nontarget / scale
    low, high = visible_range(*sides)
    if is_ratio:
        low, high = min(low, -1.0), max(high, 1.0)
    margin = 0.03 * (high - low) or 0.5
    low, high = low - margin, high + margin
    figure, axes = new_axes()
    handles: list[Artist] = []
    for k, side in enumerate(sides):
        x, y = shares(side, low, high)
        # Exact steps where one can see them.
        drawn = "steps-pre" if len(side) <= MAX_STEPS else "default"
        handles += axes.plot(
            x, 100 * y, color=COLORS[k], linestyle=STYLES[k], drawstyle=drawn, linewidth=1.8
        )
    labels = _kinds(words)
    if is_ratio:
        labels[0] += f": misleading (ratio below 1) {_percent((target < 0).mean())}"
        labels[1] += f": misleading (1 or more) {_percent((nontarget >= 0).mean())}"
        axes.axvline(0, color=GRAY, linewidth=0.9)
        _name_ratios(axes, low, high)
    axes.set(xlim=(low, high), ylim=(-1, 102))
    reach = "trials that reach it (%)"
    name_axes(axes, "likelihood ratio" if is_ratio else unit, reach)
    add_legend(figure, handles, labels)
    return figure


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def shares(side: Floats, low: float, high: float) -> tuple[Floats, Floats]:
    """Give the line (x, share that reaches x) from border to border."""
    reached = share_above(side, MAX_STEPS)
    # -inf is below the border, and +inf reaches everything that is inside.
    inside = (reached.value > low) & (reached.value < high)
    at_borders = [float((side >= border).mean()) for border in (low, high)]
    last = float((side > reached.value[inside][-1]).mean()) if inside.any() else at_borders[1]
    x = np.concatenate([[low], reached.value[inside], [high]])
    y = np.concatenate([at_borders[:1], reached.share[inside], [last]])
    return x, y


def _name_ratios(axes: Axes, low: float, high: float) -> None:
    """Put ticks at powers of ten, written as ratios."""
    step = max(1, math.ceil((high - low) / MAX_TICKS))
    powers = range(math.ceil(low / step) * step, math.floor(high) + 1, step)
    axes.set_xticks(list(powers), [ratio_name(power) for power in powers], fontsize=FONT_SIZE)


def ratio_name(power: int) -> str:
    """Write a power of ten as a ratio: 1/100, 1, 100; or with an exponent when it is long."""
    if abs(power) <= WRITTEN_OUT:
        return f"{10**power:,}" if power >= 0 else f"1/{10**-power:,}"
    return "10" + str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))

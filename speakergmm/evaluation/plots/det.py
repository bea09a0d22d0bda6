"""Detection error trade-off: misses against false alarms, on axes that make normal scores lines."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import starmap
from typing import TYPE_CHECKING

import numpy as np

from speakergmm.evaluation.detection import detect
from speakergmm.evaluation.plots.style import (
    COLORS,
    FONT_SIZE,
    GRAY,
    STYLES,
    WIDTH,
    add_legend,
    name_axes,
    new_axes,
    wrapped,
)  # fmt: skip
from speakergmm.evaluation.trial_words import SPEAKERS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

    from speakergmm.corpora import Scores
    from speakergmm.evaluation.detection import Detection, OperatingPoint
    from speakergmm.evaluation.summary import Band
    from speakergmm.evaluation.trial_words import TrialWords

    Floats = NDArray[np.float64]

TICKS = (
    0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9,
    0.95, 0.98,
)  # fmt: skip
# Labels nearer to each other would touch: on the probit scale, for each unit that is shown.
TICK_DISTANCE = 1 / 14

LOWEST_RATE = 0.0001
# However few the trials are, some room is left for rates below one error of them.
HIGHEST_START = 0.02
# Up to which rate the axes go, when all that matters is at most so much.
ENDS = ((0.25, 0.6), (0.55, 0.8), (0.75, 0.9), (1.0, 0.99))
# The height of the axes to their width.
FLATTEST, TALLEST = 0.7, 1.3

# The step in which a line is followed on the probit scale, where the axes are about 4 long.
FINE, COARSE = 0.01, 0.02
# Rates of 0 and 1, which are infinitely far away, lie so far out: beyond all axes.
OUTSIDE = 4.3

# Inches for the axis and its label, which the layout does not keep free by itself.
LABEL_ROOM = 0.3

# How the operating points of `evaluation.metrics.operating_points` are marked.
POINT_MARKERS = {"eer": ("s", "threshold at equal errors"), "min_dcf": ("D", "minDCF threshold")}
OTHER_MARKER = "^"


def det_figure(
    curves: Mapping[str, Scores],
    *,
    bands: Mapping[str, Band] | None = None,
    points: Mapping[str, Mapping[str, OperatingPoint]] | None = None,
    words: TrialWords = SPEAKERS,
) -> Figure:
    """Draw detection error trade-off curves (Martin et al. 1997) on probit axes.

    The nearer to the lower left corner, the better; scores that are normal on both sides give a
    straight line. For each named set of scores: the operating points as a thin line, their convex
    hull as a thick line, and the EER as a dot on the diagonal. Each axis begins near the smallest
    rate that its trials resolve, but never below 0.01 %; what lies below is beyond its border.

    Parameters
    ----------
    bands : mapping of Band, optional
        Where the hull may lie, by the name of the curve; drawn as light areas.
    points : mapping of mappings of OperatingPoint, optional
        Points by the name of the curve and their own; drawn as open markers, on the border when a
        rate is smaller than the axes show.
    words : TrialWords, optional
        What the axes call the trials that are accepted and rejected.
    """
    found = {name: detect(scores.target(), scores.nontarget()) for name, scores in curves.items()}
    marked = points or {}
    frame = _frame(found.values(), [p for of_curve in marked.values() for p in of_curve.values()])
    # Axes of equal scales must not need all of the height, or their label would be cut off.
    figure, axes = new_axes(WIDTH * frame.shape + LABEL_ROOM)
    diagonal = probit([LOWEST_RATE, 1 - LOWEST_RATE])
    axes.plot(diagonal, diagonal, color="0.75", linewidth=0.8, zorder=0)
    hulls = []
    for i, (name, detection) in enumerate(found.items()):
        color, style = COLORS[i % len(COLORS)], STYLES[i % len(STYLES)]
        if bands and name in bands:
            _draw_band(axes, bands[name], color, style)
        hulls.append(_draw_curve(axes, detection, frame, color, style))
        for kind, point in marked.get(name, {}).items():
            _draw_point(axes, kind, point, frame, color)
    _finish_axes(axes, frame, words)
    any_equal = any(frame.holds(detection.eer()) for detection in found.values())
    kinds = dict.fromkeys(kind for name in found for kind in marked.get(name, {}))
    marks, meanings = _legend_of_marks(any_equal, kinds)
    add_legend(figure, [*hulls, *marks], [*starmap(_label, found.items()), *meanings])
    return figure


def _legend_of_marks(any_equal: bool, kinds: Iterable[str]) -> tuple[list[Artist], list[str]]:
    """Say what marks on all curves mean, in gray since each has its curve's color."""
    from matplotlib.lines import Line2D

    marks: list[Artist] = []
    meanings = []
    if any_equal:
        marks.append(Line2D([], [], marker="o", color=GRAY, linestyle="", markersize=6))
        meanings.append("equal error rate (EER)")
    for kind in kinds:
        marker, meaning = POINT_MARKERS.get(kind, (OTHER_MARKER, wrapped(kind)))
        marks.append(_open_marker(Line2D([], [], linestyle=""), marker, GRAY))
        meanings.append(meaning)
    return marks, meanings


def _label(name: str, detection: Detection) -> str:
    equal = detection.eer()
    trials = f"{len(detection.runs.target):,} + {len(detection.runs.nontarget):,} trials"
    # Without an error there is nothing to see: say why.
    place = ", beyond the lower left" if equal == 0 else ""
    return wrapped(f"{name}: EER {100 * equal:.2f} %{place}, {trials}")


def probit(rates: ArrayLike) -> Floats:
    """Stretch rates by the normal quantile function; 0 and 1 become infinite."""
    from scipy.special import ndtri

    return np.asarray(ndtri(np.asarray(rates, dtype=np.float64)))


def _places(rates: ArrayLike) -> Floats:
    """Finite places on the probit scale."""
    return np.clip(probit(rates), -OUTSIDE, OUTSIDE)


@dataclass(frozen=True)
class Frame:
    """Which part of the probit scale is shown, of false alarms (x) and of misses (y)."""

    x: tuple[float, float]
    y: tuple[float, float]

    @property
    def shape(self) -> float:
        """Height to width."""
        return (self.y[1] - self.y[0]) / (self.x[1] - self.x[0])

    def holds(self, rate: float) -> bool:
        """Whether the point of the diagonal with this rate is inside."""
        place = float(probit(rate))
        return max(self.x[0], self.y[0]) < place < min(self.x[1], self.y[1])


def _frame(detections: Collection[Detection], points: Collection[OperatingPoint]) -> Frame:
    """Show from less than one error of the trials up to all that matters."""
    equal = max((detection.eer_interpolated() for detection in detections), default=0.0)
    x = _ends(
        [len(detection.runs.nontarget) for detection in detections],
        [equal, *(point.p_fa for point in points)],
    )
    y = _ends(
        [len(detection.runs.target) for detection in detections],
        [equal, *(point.p_miss for point in points)],
    )
    # The longer side would leave no room for the other: go on below what the trials resolve.
    x_low = min(x[0], x[1] - (y[1] - y[0]) / TALLEST)
    y_low = min(y[0], y[1] - (x[1] - x[0]) * FLATTEST)
    return Frame((x_low, x[1]), (y_low, y[1]))


def _ends(n_trials: Sequence[int], rates: Sequence[float]) -> tuple[float, float]:
    low = min(max(LOWEST_RATE, 0.7 / max(n_trials, default=1)), HIGHEST_START)
    high = next(end for most, end in ENDS if max(rates) <= most)
    return float(probit(low)), float(probit(high))


def along_line(p_miss: Floats, p_fa: Floats, step: float) -> tuple[Floats, Floats]:
    """Follow straight lines between rates, which are curved on probit axes, by (x, y) on these.

    Of corners that lie in the same cell of a grid of this step only the first is kept: a million
    of them look the same as some hundreds.
    """
    from scipy.special import ndtr

    rates = ndtr(np.arange(-OUTSIDE, OUTSIDE, step))
    # Where on the way from corner to corner the line has each of these rates.
    corners = np.arange(len(p_miss), dtype=np.float64)
    crossings = np.interp(rates, p_miss, corners), np.interp(rates, p_fa[::-1], corners[::-1])
    along = np.unique(np.concatenate([corners, *crossings]))
    x = _places(np.interp(along, corners, p_fa))
    y = _places(np.interp(along, corners, p_miss))
    cells = np.floor(np.stack([x, y]) / step)
    is_kept = np.append(True, (cells[:, 1:] != cells[:, :-1]).any(axis=0))
    is_kept[-1] = True
    return x[is_kept], y[is_kept]


def _draw_curve(axes: Axes, detection: Detection, frame: Frame, color: str, style: str) -> Artist:
    """Draw all operating points, their hull, and the EER; give what stands for them."""
    x, y = along_line(*detection.rates, FINE)
    axes.plot(x, y, color=color, linewidth=0.7, alpha=0.6)
    (hull,) = axes.plot(
        *along_line(*detection.hull, COARSE), color=color, linestyle=style, linewidth=1.8
    )
    equal = detection.eer()
    if frame.holds(equal):
        axes.plot(*[probit([equal])] * 2, "o", color=color, markersize=6, zorder=4)
    return hull


def _draw_band(axes: Axes, band: Band, color: str, style: str) -> None:
    p_fa = np.concatenate([band.p_fa_low, band.p_fa_high[::-1]])
    p_miss = np.concatenate([band.ratio, band.ratio[::-1]]) * p_fa
    x, y = _places(np.minimum(p_fa, 1)), _places(np.minimum(p_miss, 1))
    axes.fill(x, y, facecolor=color, alpha=0.15, linewidth=0, zorder=1)
    half = len(x) // 2
    for side in (slice(None, half), slice(half, None)):
        axes.plot(x[side], y[side], color=color, linestyle=style, linewidth=0.5, zorder=1)


def _draw_point(axes: Axes, kind: str, point: OperatingPoint, frame: Frame, color: str) -> None:
    """Mark an operating point, on the border when it lies beyond."""
    x, y = np.clip(probit(point.p_fa), *frame.x), np.clip(probit(point.p_miss), *frame.y)
    (drawn,) = axes.plot([x], [y], linestyle="", clip_on=False, zorder=5)
    _open_marker(drawn, POINT_MARKERS.get(kind, (OTHER_MARKER, ""))[0], color)


def _open_marker(line: Artist, marker: str, color: str) -> Artist:
    line.set(marker=marker, markersize=8, markerfacecolor="none", markeredgecolor=color)
    line.set(markeredgewidth=1.5)
    return line


def _finish_axes(axes: Axes, frame: Frame, words: TrialWords) -> None:
    places, labels = _ticks(frame.x)
    axes.set_xticks(places, labels, fontsize=FONT_SIZE)
    places, labels = _ticks(frame.y)
    axes.set_yticks(places, labels, fontsize=FONT_SIZE)
    axes.set(xlim=frame.x, ylim=frame.y, aspect="equal")
    rejected, accepted = words.many
    name_axes(
        axes,
        wrapped(f"false alarms: {accepted} accepted (%)"),
        wrapped(f"misses: {rejected} rejected (%)"),
    )


def _ticks(ends: tuple[float, float]) -> tuple[list[float], list[str]]:
    """Give the places of the ticks and their labels in percent, from the top down."""
    places: list[float] = []
    labels = []
    distance = TICK_DISTANCE * (ends[1] - ends[0])
    for tick in reversed(TICKS):
        place = float(probit(tick))
        if ends[0] <= place <= ends[1] and (not places or places[-1] - place >= distance):
            places.append(place)
            labels.append(f"{100 * tick:g}")
    return places, labels

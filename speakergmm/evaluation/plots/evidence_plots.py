"""What speaks for a speaker and what against, along a recording."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from speakergmm.evaluation.overview import sides, spectrogram, speech_spans, waveform
from speakergmm.evaluation.plots.style import (
    COLORS,
    GRAY,
    SMALL,
    new_figure,
    number,
    say,
    set_style,
)  # fmt: skip

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from numpy.typing import NDArray

    from speakergmm.verification.explanation_values import Explanation

    Floats = NDArray[np.float64]
    Container: TypeAlias = Figure | SubFigure

FOR, AGAINST = COLORS[0], COLORS[1]
SPEECH, LEFT_OUT = "0.2", "0.78"
# Seconds without which the decision stays, and without which it would be the other.
HOLDS, CHANGES = "0.65", COLORS[6]
# Inches: waveform, spectrogram, evidence, the answer without each second; the axis below.
HEIGHTS, AXIS = (0.95, 1.5, 1.6, 1.45), 0.6
HEIGHT = sum(HEIGHTS) + AXIS
# From here on times are in minutes.
LONG_S = 300.0
# Below the loudest, what is still seen of a spectrum; few grays make a small picture.
RANGE_DB, N_GRAYS = 70.0, 64
# A threshold farther from the answer than so many times what a second does would flatten all else.
FAR = 4.0
# Stretches that are numbered, and how near, to the width of the picture, numbers may stand.
MOST_NUMBERS, NEAR = 6, 0.03


def evidence_figure(explanation: Explanation) -> Figure:
    """Draw the recording, its evidence, and what the answer owes to each second, over time.

    The area over the zero line speaks for the speaker, that below against; where nothing was scored
    there is a gap. Numbers stand for the largest stretches. The bars of the last part end where the
    answer would be without a second, and are black where the decision would be the other.
    """
    figure = new_figure(HEIGHT)
    draw_evidence(figure, explanation)
    return figure


def draw_evidence(container: Container, explanation: Explanation) -> None:
    """Draw the four parts of the picture, one below the other."""
    duration = len(explanation.samples) / explanation.sample_rate
    unit, name = (60.0, "min") if duration >= LONG_S else (1.0, "s")
    parts = container.subplots(4, 1, sharex=True, height_ratios=HEIGHTS)
    wave, spectrum, evidence, seconds = parts
    spans = speech_spans(explanation.times_s, explanation.hop_s)
    _draw_waveform(wave, explanation, spans, unit)
    _draw_spectrogram(spectrum, explanation, duration / unit)
    _draw_curve(evidence, explanation, unit)
    _draw_seconds(seconds, explanation, unit)
    for axes in parts:
        set_style(axes, SMALL, grid=axes is not spectrum)
    # A recording without a sample has no width.
    wave.set_xlim(0, duration / unit or 1.0)
    seconds.set_xlabel(f"time ({name})", fontsize=SMALL)
    container.align_ylabels(list(parts))


def head(axes: Axes, title: str, y: str) -> None:
    """Say above the axes what is seen, and on their left what it is measured in."""
    axes.set_title(title, loc="left", fontsize=SMALL, color="0.1")
    axes.set_ylabel(y, fontsize=SMALL)


def unit_of(explanation: Explanation) -> str:
    """Name the unit of the answer."""
    return "nats" if explanation.is_calibrated else "score"


def _draw_waveform(axes: Axes, explanation: Explanation, spans: Floats, unit: float) -> None:
    found = waveform(explanation.samples, explanation.sample_rate, spans)
    left, right = found.edges_s[:-1] / unit, found.edges_s[1:] / unit
    # Silence is a line.
    axes.axhline(0, color=LEFT_OUT, linewidth=0.8)
    _add_blocks(axes, left, right, *_joined(found.low, found.high), LEFT_OUT)
    _add_blocks(axes, left, right, *_joined(found.speech_low, found.speech_high), SPEECH)
    highest = float(np.abs([*found.low, *found.high]).max(initial=0.0)) or 1.0
    axes.set_ylim(-1.05 * highest, 1.05 * highest)
    head(axes, "Waveform: speech that was scored dark, the rest pale", "amplitude\n(full: 1)")


def _joined(low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """Let each column reach to the next: a column of one sample has no height."""
    next_low, next_high = (np.append(v[1:], v[-1:]) for v in (low, high))
    return (
        np.minimum(low, np.where(np.isnan(next_high), low, next_high)),
        np.maximum(high, np.where(np.isnan(next_low), high, next_low)),
    )


def _draw_spectrogram(axes: Axes, explanation: Explanation, end: float) -> None:
    import matplotlib as mpl

    head(
        axes,
        f"Spectrogram: black the loudest, white {RANGE_DB:g} dB below and less",
        "frequency\n(kHz)",
    )
    if not len(explanation.samples):
        say(axes, "no samples")
        return
    decibels, highest = spectrogram(explanation.samples, explanation.sample_rate)
    # Without resampling: the picture is put into an SVG as it is.
    axes.imshow(
        decibels, aspect="auto", origin="lower", extent=(0, end, 0, highest / 1000),
        cmap=mpl.colormaps["Greys"].resampled(N_GRAYS), vmin=-RANGE_DB, vmax=0,
        interpolation="none",
    )  # fmt: skip


def _draw_curve(axes: Axes, explanation: Explanation, unit: float) -> None:
    times, above, below, step = sides(explanation.times_s, explanation.curve, explanation.hop_s)
    for values, color in ((above, FOR), (below, AGAINST)):
        _add_areas(axes, times / unit, values, step / unit, color)
    axes.axhline(0, color="0.1", linewidth=0.8)
    axes.axhline(explanation.answer, color=GRAY, linewidth=1.0, linestyle="--", zorder=3)
    ends = _with_air([0.0, explanation.answer, *above, *below])
    # The numbers stand above.
    axes.set_ylim(ends[0], ends[1] + 0.16 * (ends[1] - ends[0]))
    _number_stretches(axes, explanation, unit)
    head(
        axes,
        "Evidence: above 0 for the speaker; dashed: its mean",
        f"evidence\n({unit_of(explanation)})",
    )


def _number_stretches(axes: Axes, explanation: Explanation, unit: float) -> None:
    """Write the places of the largest stretches in their table above the curve."""
    width = len(explanation.samples) / explanation.sample_rate or 1.0
    taken: list[float] = []
    for place, stretch in enumerate(explanation.stretches[:MOST_NUMBERS], start=1):
        middle = (stretch.start_s + stretch.end_s) / 2
        color = FOR if stretch.share > 0 else AGAINST
        axes.plot(
            [stretch.start_s / unit, stretch.end_s / unit], [0.97, 0.97], color=color, linewidth=3,
            transform=axes.get_xaxis_transform(), solid_capstyle="butt",
        )  # fmt: skip
        if all(abs(middle - other) > NEAR * width for other in taken):
            axes.text(
                middle / unit, 0.93, str(place), ha="center", va="top", fontsize=SMALL,
                transform=axes.get_xaxis_transform(), clip_on=True,
            )  # fmt: skip
            taken.append(middle)


def _draw_seconds(axes: Axes, explanation: Explanation, unit: float) -> None:
    answer = explanation.answer
    kept = [s for s in explanation.seconds if np.isfinite(s.answer_without)]
    head(
        axes,
        "Answer without each piece; solid: with all; dashed: threshold",
        "LLR (nats)" if explanation.is_calibrated else "score",
    )
    axes.axhline(answer, color="0.1", linewidth=1.0)
    if not kept:
        say(axes, "too little speech to leave a piece out")
    starts = np.array([s.start_s for s in kept])
    ends = np.array([s.end_s for s in kept])
    change = np.array([s.answer_without - answer for s in kept])
    middles, above, below, _ = sides((starts + ends) / 2, change, 1.0)
    if len(middles) < len(kept):
        halves = np.diff(middles, append=2 * middles[-1] - middles[-2]) / 2
        starts, ends = middles - halves, middles + halves
    for values in (above, below):
        changes = (answer + values >= explanation.threshold) != explanation.accepted
        for color, chosen in ((HOLDS, ~changes), (CHANGES, changes)):
            tops = np.where(chosen, answer + values, np.nan)
            _add_blocks(axes, starts / unit, ends / unit, answer, tops, color)
    shown = [answer, *(answer + above), *(answer + below)]
    _draw_threshold(axes, explanation.threshold, answer, shown)


def _draw_threshold(axes: Axes, threshold: float, answer: float, shown: Sequence[float]) -> None:
    """Draw the threshold where it is near enough, or else write in which direction it is."""
    reach = max(max(shown) - min(shown), 1e-9 * abs(answer)) * FAR
    if abs(threshold - answer) <= reach or len(shown) == 1:
        axes.axhline(threshold, color="0.1", linewidth=1.2, linestyle="--")
        axes.set_ylim(_with_air([*shown, threshold]))
        return
    axes.set_ylim(_with_air(shown))
    is_above = threshold > answer
    axes.text(
        0.995, 0.96 if is_above else 0.04,
        f"{'↑' if is_above else '↓'} threshold {number(threshold)}",
        ha="right", va="top" if is_above else "bottom", transform=axes.transAxes, fontsize=SMALL,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.0, "alpha": 0.85},
    )  # fmt: skip


def _with_air(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    air = 0.08 * (high - low) or max(0.1 * abs(high), 0.1)
    return low - air, high + air


def _add_blocks(
    axes: Axes,
    left: Floats,
    right: Floats,
    bottom: Floats | float,
    top: Floats,
    color: str,
) -> None:
    """Add rectangles as one path: a thousand of them are as quick as one, and as short to say."""
    bottom = np.broadcast_to(bottom, top.shape)
    kept = np.isfinite(bottom) & np.isfinite(top) & (bottom != top)
    x = np.stack([left, right, right, left], axis=1)[kept]
    y = np.stack([bottom, bottom, top, top], axis=1)[kept]
    _add_path(axes, list(np.stack([x, y], axis=2)), color)


def _add_areas(axes: Axes, times: Floats, values: Floats, step: float, color: str) -> None:
    """Fill between zero and a curve, with gaps where neighbors are farther apart than a step."""
    outlines = []
    for start, end in speech_spans(times, step):
        inside = slice(*np.searchsorted(times, [start, end]))
        x = np.concatenate([[start, start], times[inside], [end, end]])
        y = values[inside]
        outlines.append(np.stack([x, np.concatenate([[0.0], y[:1], y, y[-1:], [0.0]])], axis=1))
    _add_path(axes, outlines, color)


def _add_path(axes: Axes, outlines: Sequence[Floats], color: str) -> None:
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    if not outlines:
        return
    closed = [np.concatenate([outline, outline[:1]]) for outline in outlines]
    codes = [[Path.MOVETO, *[Path.LINETO] * (len(o) - 2), Path.CLOSEPOLY] for o in closed]
    path = Path(np.concatenate(closed), np.concatenate(codes))
    axes.add_patch(PathPatch(path, facecolor=color, edgecolor="none", linewidth=0))

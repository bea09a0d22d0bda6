"""What the components of the models say about a recording, and how the speaker differs there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from speakergmm.evaluation.plots.evidence_plots import (
    AGAINST,
    FOR,
    HEIGHT,
    draw_evidence,
    head,
    unit_of,
)
from speakergmm.evaluation.plots.style import (
    GRAY,
    SMALL,
    literal,
    new_figure,
    set_style,
    wrapped,
)  # fmt: skip
from speakergmm.evaluation.wording import signed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from speakergmm.evaluation.plots.evidence_plots import Container
    from speakergmm.verification.explanation_values import ComponentEvidence, Explanation

MOST_BARS, MOST_ENVELOPES = 12, 6
COLUMNS = 2
# Inches: of a bar, of a row of envelopes, of what stands around each kind.
BAR, ENVELOPE, AROUND = 0.23, 1.35, 0.75
OTHERS = "0.55"


def component_figure(explanation: Explanation) -> Figure:
    """Draw what each component adds to the answer, and the spectra of the most important.

    Bars to the right speak for the speaker, to the left against. Where the speaker's mean spectrum
    of a component lies apart from that of all speakers, it can tell them apart.
    """
    figure = new_figure(_height(explanation))
    draw_components(figure, explanation)
    return figure


def explanation_figure(explanation: Explanation, title: str) -> Figure:
    """Draw the evidence over time and the components below it, under a title in plain text."""
    has_components = bool(explanation.components)
    heights = [HEIGHT, *([_height(explanation)] if has_components else [])]
    shown = wrapped(title)
    figure = new_figure(sum(heights) + 0.2 * (2 + shown.count("\n")))
    figure.suptitle(shown, fontsize=SMALL + 1, x=0.02, ha="left")
    parts = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    draw_evidence(parts[0], explanation)
    if has_components:
        draw_components(parts[1], explanation)
    return figure


def draw_components(container: Container, explanation: Explanation) -> None:
    """Draw the bars, and below them the envelopes where there are any."""
    bars, rows = _bars_height(explanation), _n_rows(explanation)
    if not rows:
        _draw_bars(container.subplots(), explanation)
        return
    # The labels of the bars need a wider margin than the envelopes.
    heights = [bars, AROUND + ENVELOPE * rows]
    (above,), (below,) = container.subfigures(2, 1, height_ratios=heights, squeeze=False)
    _draw_bars(above.subplots(), explanation)
    _draw_envelopes(below, _with_envelopes(explanation))


def _height(explanation: Explanation) -> float:
    rows = _n_rows(explanation)
    return _bars_height(explanation) + (AROUND + ENVELOPE * rows if rows else 0)


def _bars_height(explanation: Explanation) -> float:
    return AROUND + BAR * (1 + max(2, min(MOST_BARS, len(explanation.components))))


def _n_rows(explanation: Explanation) -> int:
    return -(-len(_with_envelopes(explanation)) // COLUMNS)


def _with_envelopes(explanation: Explanation) -> list[ComponentEvidence]:
    found = [
        component
        for component in explanation.components
        if component.frequencies_hz is not None
        and component.ubm_envelope_db is not None
        and component.speaker_envelope_db is not None
    ]
    return found[:MOST_ENVELOPES]


def _draw_bars(axes: Axes, explanation: Explanation) -> None:
    shown, rest = explanation.components[:MOST_BARS], explanation.components[MOST_BARS:]
    others = explanation.others_share + sum(component.share for component in rest)
    shares = [*(component.share for component in shown), others]
    colors = [*(_color(component) for component in shown), OTHERS]
    axes.barh(range(len(shares)), shares, color=colors, height=0.72)
    for row, share in enumerate(shares):
        axes.annotate(
            signed(share), (share, row), (4 if share >= 0 else -4, 0), textcoords="offset points",
            ha="left" if share >= 0 else "right", va="center", fontsize=SMALL,
        )  # fmt: skip
    axes.axvline(0, color="0.1", linewidth=0.8)
    names = [f"no. {c.number}, {_percent(c.occupancy)}" for c in shown]
    # The first on top.
    axes.set(ylim=(len(shares) - 0.4, -0.6), yticks=range(len(shares)))
    axes.set_yticklabels([*names, "all others"])
    # Room for the numbers beyond the bars.
    low, high = min(0.0, *shares), max(0.0, *shares)
    air = 0.2 * (high - low) or 1.0
    axes.set_xlim(low - (air if low < 0 else 0.02 * air), high + (air if high > 0 else 0.02 * air))
    head(axes, "What each component adds; %: its share of the frames", "")
    axes.set_xlabel(f"added to the answer ({unit_of(explanation)})", fontsize=SMALL)
    set_style(axes, SMALL)


def _draw_envelopes(container: Container, components: Sequence[ComponentEvidence]) -> None:
    container.suptitle(
        "Mean spectra; gray, dashed: all speakers; solid: this one", fontsize=SMALL, x=0.02,
        ha="left",
    )  # fmt: skip
    rows = -(-len(components) // COLUMNS)
    parts = container.subplots(rows, COLUMNS, sharex=True, sharey=True, squeeze=False)
    for axes, component in zip(parts.flat, components, strict=False):
        _draw_envelope(axes, component)
    for axes in parts.flat[len(components) :]:
        axes.set_visible(False)
    for axes in parts[:, 0]:
        axes.set_ylabel("dB", fontsize=SMALL)
    for column in range(COLUMNS):
        lowest = (len(components) - 1 - column) // COLUMNS
        if lowest >= 0:
            parts[lowest, column].set_xlabel("frequency (kHz)", fontsize=SMALL)
            parts[lowest, column].tick_params(labelbottom=True)


def _draw_envelope(axes: Axes, component: ComponentEvidence) -> None:
    frequencies = np.asarray(component.frequencies_hz, dtype=np.float64) / 1000
    ubm = np.asarray(component.ubm_envelope_db, dtype=np.float64)
    speaker = np.asarray(component.speaker_envelope_db, dtype=np.float64)
    axes.plot(frequencies, speaker, color=_color(component), linewidth=1.8)
    axes.plot(frequencies, ubm, color=GRAY, linewidth=1.3, linestyle="--")
    head(axes, literal(f"no. {component.number}: {signed(component.share)}"), "")
    set_style(axes, SMALL)


def _color(component: ComponentEvidence) -> str:
    return FOR if component.share >= 0 else AGAINST


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"

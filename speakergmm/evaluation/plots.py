"""Pictures of an evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from speakergmm.evaluation.metrics import diagonal_crossing
from speakergmm.evaluation.roc import roc, roc_convex_hull
from speakergmm.files import writing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.figure import Figure

    from speakergmm.corpora import Scores

TICKS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
LOWEST_RATE, HIGHEST_RATE = 0.0005, 0.9
STYLES = ("-", "--", "-.", ":")
# Okabe & Ito's palette: told apart by the color-blind; the line styles tell them apart in print.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")


def det_figure(curves: Mapping[str, Scores]) -> Figure:
    """Draw detection error trade-off curves (Martin et al. 1997) on probit axes.

    For each named set of scores: the operating points as a thin line, their convex hull as a thick
    line, and the EER as a dot on the diagonal. The axes run from 0.05 % to 90 %.
    """
    from matplotlib.figure import Figure
    from scipy.special import ndtri

    figure = Figure(figsize=(5.6, 5.6), layout="constrained")
    axes = figure.add_subplot()
    low, high = ndtri(LOWEST_RATE), ndtri(HIGHEST_RATE)
    axes.plot([low, high], [low, high], color="0.75", linewidth=0.8, zorder=0)

    def probit(rates: np.ndarray) -> np.ndarray:
        return np.asarray(ndtri(np.clip(rates, 1e-9, 1 - 1e-9)))

    for i, (name, scores) in enumerate(curves.items()):
        color, style = COLORS[i % len(COLORS)], STYLES[i % len(STYLES)]
        target, nontarget = scores.target(), scores.nontarget()
        curve = roc(target, nontarget)
        p_miss, p_fa = roc_convex_hull(target, nontarget)
        equal = diagonal_crossing(p_miss, p_fa)
        axes.plot(
            probit(curve.p_fa), probit(curve.p_miss), color=color, linewidth=0.7, alpha=0.6,
        )  # fmt: skip
        # Straight in rates is curved on probit axes: draw the hull's edges by points on them.
        along = np.linspace(0, len(p_miss) - 1, 50 * (len(p_miss) - 1) + 1)
        vertices = np.arange(len(p_miss))
        axes.plot(
            probit(np.interp(along, vertices, p_fa)), probit(np.interp(along, vertices, p_miss)),
            color=color, linestyle=style, linewidth=1.8,
            label=f"{name}: EER {100 * equal:.2f} %, {len(target):,} + {len(nontarget):,} trials",
        )  # fmt: skip
        if LOWEST_RATE < equal < HIGHEST_RATE:
            axes.plot([ndtri(equal)], [ndtri(equal)], "o", color=color, markersize=6)
    positions, labels = ndtri(np.array(TICKS)), [f"{100 * tick:g}" for tick in TICKS]
    axes.set_xticks(positions, labels)
    axes.set_yticks(positions, labels)
    axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    axes.set_xlabel("false alarms: strangers accepted (%)")
    axes.set_ylabel("misses: true speakers rejected (%)")
    axes.grid(color="0.9", linewidth=0.6)
    axes.legend(loc="upper right", fontsize=8, framealpha=1.0)
    return figure


def save_figure(figure: Figure, path: Path | str) -> None:
    """Write a figure as its suffix says (SVG, PNG, PDF), atomically and without dates.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    import matplotlib as mpl

    path = Path(path)
    kind = path.suffix.lstrip(".").lower()
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind, {})
    # The salt makes the ids in an SVG the same each time; text stays text.
    settings: dict[Any, Any] = {"svg.hashsalt": "speakergmm", "svg.fonttype": "none"}
    with mpl.rc_context(settings), writing(path) as temporary:
        figure.savefig(temporary, format=kind, metadata=metadata, dpi=150)

"""How training went."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speakergmm.evaluation.plots.style import (
    COLORS,
    MARKERS,
    STYLES,
    add_legend,
    name_axes,
    new_axes,
    wrapped,
)  # fmt: skip

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

# About as many markers as tell lines apart without hiding them.
MAX_MARKERS = 20


def likelihood_figure(curves: Mapping[str, Sequence[float]]) -> Figure:
    """Draw the mean log-likelihood per frame over the iterations of EM, for each named model.

    It never falls. A curve that still climbs at its end would gain by more iterations; of models
    with the same number of components on the same frames the highest fits these best.

    Parameters
    ----------
    curves : mapping of sequences
        `TrainingHistory.mean_log_likelihood`: at iteration 1 that of the model it started from.
    """
    from matplotlib.ticker import MaxNLocator

    figure, axes = new_axes()
    handles: list[Artist] = []
    for i, values in enumerate(curves.values()):
        handles += axes.plot(
            range(1, len(values) + 1), values, color=COLORS[i % len(COLORS)],
            linestyle=STYLES[i % len(STYLES)], marker=MARKERS[i % len(MARKERS)], markersize=5,
            markevery=max(1, len(values) // MAX_MARKERS), linewidth=1.6,
        )  # fmt: skip
    axes.xaxis.set_major_locator(MaxNLocator(steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
    # Not "+4.97e1" beside the axis.
    axes.ticklabel_format(axis="y", useOffset=False, style="plain")
    name_axes(axes, "iteration of EM", "mean log-likelihood per frame (nats)")
    if len(curves) > 1:
        add_legend(figure, handles, [wrapped(name) for name in curves])
    return figure

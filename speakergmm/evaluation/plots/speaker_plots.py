"""Speakers one by one, on a map of how well they are known and how easily they are imitated."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from speakergmm.evaluation.plots.style import (
    COLORS,
    SMALL,
    add_legend,
    name_axes,
    new_axes,
    number,
    say,
    shortened,
)  # fmt: skip

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox
    from numpy.typing import NDArray

    from speakergmm.evaluation.speakers import SpeakerErrors

# Marker, color, size and meaning of each; open and of different sizes, since one speaker may be
# several.
ANIMALS = {
    "goat": ("v", COLORS[1], 9, "goats: often rejected"),
    "lamb": ("s", COLORS[0], 8, "lambs: strangers accepted as them"),
    "wolf": ("D", COLORS[2], 11, "wolves: accepted as others"),
}
MAX_LABELS, NAME_LENGTH = 12, 16
# More marks of a kind than this are drawn smaller, and those that hide each other left out.
MANY, TOO_MANY, CELLS = 60, 250, 25


def zoo_figure(speakers: Sequence[SpeakerErrors], threshold: float) -> Figure:
    """Draw each speaker by mean scores: of own trials upwards, of strangers to the right.

    Speakers in the upper left are told apart well. Below the horizontal line even the mean own
    trial is rejected, to the right of the vertical one even the mean stranger is accepted. Goats,
    lambs and wolves (see `speaker_errors`) are marked, and those with the most errors named. Who
    has no trials of one kind has no place and is counted below.

    Parameters
    ----------
    threshold : float
        The one that ``speakers`` were computed for.
    """
    placed = [s for s in speakers if math.isfinite(s.mean_target + s.mean_as_model)]
    figure, axes = new_axes(4.6)
    sheep = [s for s in placed if "sheep" in s.animals]
    handles: list[Artist] = [*axes.plot(*_places(sheep), "o", color="0.55", markersize=3)]
    labels = [f"sheep: as most ({len(sheep):,})"]
    for animal, (marker, color, size, meaning) in ANIMALS.items():
        found = [s for s in placed if animal in s.animals]
        handles += axes.plot(
            *_places(found), marker, markersize=size * (1 if len(found) <= MANY else 0.6),
            markerfacecolor="none", markeredgecolor=color,
            markeredgewidth=1.6 if len(found) <= MANY else 1.0,
        )  # fmt: skip
        labels.append(f"{meaning} ({len(found):,})")
    if not placed:
        say(axes, "no speaker has finite scores of both kinds")
    if math.isfinite(threshold) and placed:
        line = axes.axhline(threshold, color="black", linewidth=0.9, linestyle=":")
        axes.axvline(threshold, color="black", linewidth=0.9, linestyle=":")
        handles.append(line)
        labels.append(f"threshold {number(threshold)}")
    missing = len(speakers) - len(placed)
    own = "mean score of own trials"
    strangers = "mean score of strangers against this speaker"
    if missing:
        strangers += f"\n(not shown: {missing:,} without finite scores of both kinds)"
    name_axes(axes, strangers, own)
    add_legend(figure, handles, labels)
    _name_speakers(figure, axes, [s for s in placed if "sheep" not in s.animals])
    return figure


def _places(speakers: Sequence[SpeakerErrors]) -> NDArray[np.float64]:
    """Where speakers stand, (2, S): of too many only those that an eye can tell apart."""
    places = np.array([(s.mean_as_model, s.mean_target) for s in speakers]).reshape(-1, 2)
    if len(places) > TOO_MANY:
        extent = np.ptp(places, axis=0)
        cells = np.round(CELLS * (places - places.min(axis=0)) / np.where(extent > 0, extent, 1))
        places = places[np.sort(np.unique(cells, axis=0, return_index=True)[1])]
    return np.asarray(places.T)


def _name_speakers(figure: Figure, axes: Axes, animals: Sequence[SpeakerErrors]) -> None:
    """Name those with the most errors, each beside its mark where no name is yet."""
    from matplotlib.transforms import Bbox

    worst = sorted(
        animals,
        key=lambda s: (-(s.n_missed + s.n_accepted_as_model + s.n_accepted_as_test), s.name),
    )[:MAX_LABELS]
    # Places in points are known once the layout is.
    figure.draw_without_rendering()
    scale = 72 / figure.dpi
    marks = axes.transData.transform([(s.mean_as_model, s.mean_target) for s in worst] or [(0, 0)])
    marks = marks[: len(worst)] * scale
    frame = axes.get_window_extent()
    inside = Bbox(frame.get_points() * scale)
    taken = [Bbox.from_bounds(x - 6, y - 6, 12, 12) for x, y in marks]
    for (x, y), speaker in zip(marks, worst, strict=True):
        name = shortened(speaker.name, NAME_LENGTH)
        place = _free_place(x, y, len(name), inside, taken)
        if place is None:
            continue
        taken.append(place)
        axes.annotate(
            name, (speaker.mean_as_model, speaker.mean_target), (place.x0 - x, place.y0 - y),
            textcoords="offset points", fontsize=SMALL, ha="left", va="bottom",
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.5},
        )  # fmt: skip


def _free_place(
    x: float, y: float, length: int, inside: Bbox, taken: Sequence[Bbox]
) -> Bbox | None:
    """Find a place for a name near a mark: right, left, above or below."""
    from matplotlib.transforms import Bbox

    width, height = 0.6 * SMALL * length, 1.2 * SMALL
    corners = (
        (9, -height / 2), (-9 - width, -height / 2), (-width / 2, 8), (-width / 2, -8 - height),
        (6, 6), (-6 - width, 6), (6, -6 - height), (-6 - width, -6 - height),
    )  # fmt: skip
    for dx, dy in corners:
        box = Bbox.from_bounds(x + dx, y + dy, width, height)
        fits = inside.x0 <= box.x0 and box.x1 <= inside.x1
        fits = fits and inside.y0 <= box.y0 and box.y1 <= inside.y1
        if fits and box.count_overlaps(taken) == 0:
            return box
    return None

"""What all pictures share: size, fonts, colors and styles of lines, and the way to a file."""

from __future__ import annotations

import io
import re
import textwrap
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from speakergmm import names
from speakergmm.errors import ConfigError
from speakergmm.files import writing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Inches. At this width a point is a pixel of a picture shown 400 pixels wide.
WIDTH = 5.6
FONT_SIZE, SMALL = 10.5, 9.5

# Okabe & Ito's palette: told apart by the color-blind; line styles and markers tell them apart in
# print. Target and nontarget trials have the first two wherever they are shown.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
STYLES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "X")
LIGHT = "0.85"
# Dark enough for small text on white.
GRAY = "0.35"

# A line of small text as wide as the picture, and a row of it in inches.
LINE_LENGTH, ROW = 62, 0.19

# The salt makes the ids in an SVG the same each time; text stays text.
SETTINGS: dict[Any, Any] = {
    "svg.hashsalt": "speakergmm",
    "svg.fonttype": "none",
    "hatch.linewidth": 0.6,
}
SVG = "http://www.w3.org/2000/svg"
NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))


def new_figure(height: float) -> Figure:
    """Make an empty picture of a height in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH, height), layout="constrained")


def new_axes(height: float = 3.6, *, grid: bool = True) -> tuple[Figure, Axes]:
    """Make an empty picture of a height in inches, with axes on the left and at the bottom."""
    figure = new_figure(height)
    axes = figure.add_subplot()
    set_style(axes, grid=grid)
    return figure, axes


def set_style(axes: Axes, size: float = FONT_SIZE, *, grid: bool = True) -> None:
    """Give axes a size of letters, lines on the left and at the bottom alone, and a grid."""
    axes.tick_params(labelsize=size)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    if grid:
        axes.grid(color="0.9", linewidth=0.6)


def name_axes(axes: Axes, x: str, y: str) -> None:
    """Say in words what the axes show, and in which unit."""
    axes.set_xlabel(x, fontsize=FONT_SIZE)
    axes.set_ylabel(y, fontsize=FONT_SIZE)


def add_legend(
    figure: Figure, handles: Sequence[Artist], labels: Sequence[str], columns: int = 1
) -> None:
    """Put the legend above the axes, where it hides nothing, and make the picture taller for it."""
    rows = -(-len(handles) // columns) + sum(label.count("\n") for label in labels)
    figure.set_figheight(figure.get_figheight() + ROW * rows)
    # The library leaves out what begins with an underscore.
    shown = ["\N{ZERO WIDTH SPACE}" + label if label[:1] == "_" else label for label in labels]
    figure.legend(
        handles, shown, loc="outside upper left", ncols=columns, fontsize=SMALL, frameon=False,
        handlelength=2.6, labelspacing=0.3, borderpad=0.2, columnspacing=1.4,
    )  # fmt: skip


def note_border(axes: Axes, note: str, *, left: bool, line: int = 0) -> None:
    """Write above the left or the right border what lies beyond it."""
    axes.annotate(
        f"← {note}" if left else f"{note} →", (0 if left else 1, 1), (0, 3 + 14 * line),
        xycoords="axes fraction", textcoords="offset points", fontsize=SMALL, color=GRAY,
        ha="left" if left else "right", va="bottom",
    )  # fmt: skip


def say(axes: Axes, text: str) -> None:
    """Write in the middle why there is nothing to see."""
    axes.text(
        0.5, 0.5, text, ha="center", va="bottom", transform=axes.transAxes, fontsize=SMALL,
        bbox={"facecolor": "white", "edgecolor": "none"},
    )  # fmt: skip


def number(value: float) -> str:
    """Write a number in three digits, with a true minus sign as on the axes."""
    return f"{value:.3g}".replace("-", "\N{MINUS SIGN}")


def literal(text: str) -> str:
    """Keep dollar signs from being taken for formulas."""
    return text.replace("$", r"\$")


def wrapped(text: str, width: int = LINE_LENGTH) -> str:
    """Break text of any origin into lines that fit."""
    return literal("\n".join(textwrap.wrap(text, width))) or " "


def shortened(name: str, most: int) -> str:
    """Leave out the middle of a long name, and keep its dollar signs from being formulas."""
    return literal(names.shortened(name, most))


@contextmanager
def _drawing(figure: Figure) -> Iterator[None]:
    import matplotlib as mpl

    # The layout begins at the axes' place; left where an earlier drawing put it, it would end
    # elsewhere by a hair.
    for axes in figure.axes:
        if (place := axes.get_subplotspec()) is not None:
            axes.set_subplotspec(place)
    with mpl.rc_context(SETTINGS), warnings.catch_warnings():
        # Names in scripts that the library's own font lacks: in an SVG the reader's font has them.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def save_figure(figure: Figure, path: Path | str) -> None:
    """Write a figure as its suffix says (SVG, PNG, PDF), atomically and without dates.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    path = Path(path)
    kind = path.suffix.lstrip(".").lower()
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind, {})
    with _drawing(figure), writing(path) as temporary:
        figure.savefig(temporary, format=kind, metadata=metadata, dpi=150)


def figure_svg(figure: Figure, name: str, *, label: str) -> str:
    """Give a figure as the text of an ``<svg>`` element, to stand in a page of HTML among others.

    It has no size of its own but a ``viewBox``, so the page says how wide it is. The same figure
    gives the same text each time.

    Parameters
    ----------
    name : str
        Begins all its ids, so that several can stand in one page: a letter, then letters, digits
        and hyphens.
    label : str
        What is read to those who do not see it.

    Raises
    ------
    ConfigError
        When the name cannot begin an id.
    """
    if not re.fullmatch(r"[A-Za-z][\w-]*", name, re.ASCII):
        raise ConfigError(f"{name!r} cannot begin an id; use letters, digits and hyphens")
    text = io.BytesIO()
    with _drawing(figure):
        figure.savefig(text, format="svg", metadata=NO_METADATA)
    root = ET.fromstring(text.getvalue())
    for element in root.iter():
        _make_local(element, f"{name}-")
    _drop_style_sheets(root)
    _share_styles(root)
    box = root.get("viewBox", "")
    root.attrib.clear()
    root.attrib |= {
        "xmlns": SVG, "id": name, "viewBox": box, "role": "img", "aria-label": label,
        "style": "stroke-linejoin: round; stroke-linecap: butt",
    }  # fmt: skip
    return ET.tostring(root, encoding="unicode")


def _make_local(element: ET.Element, prefix: str) -> None:
    """Prefix ids and what refers to them, drop namespaces (HTML has none), and round places."""
    element.tag = element.tag.rpartition("}")[2]
    # Indentation.
    element.tail = None
    if element.text is not None and not element.text.strip():
        element.text = None
    attributes = list(element.attrib.items())
    element.attrib.clear()
    for key, value in attributes:
        # ``xlink:href`` is ``href`` in SVG 2.
        short = key if key.startswith("{http://www.w3.org/XML/") else key.rpartition("}")[2]
        element.set(short, _local_value(short, value, prefix))


def _local_value(key: str, value: str, prefix: str) -> str:
    if key == "id":
        return prefix + value
    if key == "href":
        return value.replace("#", f"#{prefix}", 1)
    if key in {"d", "x", "y"}:
        # A hundredth of a point is finer than any print.
        rounded = re.sub(r"-?\d+\.\d{3,}", lambda found: f"{float(found[0]):.2f}", value)
        return " ".join(rounded.split())
    return value.replace("url(#", f"url(#{prefix}")


def _drop_style_sheets(root: ET.Element) -> None:
    """Take out style sheets, which would rule the whole page."""
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag == "style":
                parent.remove(child)


def _share_styles(root: ET.Element) -> None:
    """Let a group of like markers say once how they look: the text becomes half as long."""
    for group in root.iter("g"):
        markers = group.findall("use")
        styles = {marker.get("style", "") for marker in markers}
        if len(markers) < 2 or len(styles) > 1:
            continue
        style = styles.pop()
        # Transparency does not pass on to each marker: it would make one layer of all.
        if not re.search(r"(^|[^-])opacity", style):
            group.set("style", f"{group.get('style', '')} {style}".strip())
            for marker in markers:
                marker.attrib.pop("style", None)

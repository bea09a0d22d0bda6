"""Tables that scripts put into pages of the documentation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speakergmm.files import write_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


def write_tables(page: Path, parts: Mapping[str, Iterable[str]], script: str) -> None:
    """Put lines between the marks of a page.

    Parameters
    ----------
    parts : mapping
        Name → lines; they stand between ``<!-- NAME: written by SCRIPT -->`` and
        ``<!-- end of NAME -->``.

    Raises
    ------
    ValueError
        When the page lacks a mark.
    """
    text = page.read_text(encoding="utf-8")
    for name, lines in parts.items():
        begin, end = f"<!-- {name}: written by {script} -->", f"<!-- end of {name} -->"
        if begin not in text or end not in text:
            raise ValueError(f"{page}: no marks {begin!r} and {end!r}; put them where the table is")
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        text = "\n".join([before + begin, "", *lines, "", end]) + after
    write_text(page, text)

"""What pages are made of: one HTML file with its style and pictures inside, and no script."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

STYLE = """
:root { color-scheme: light dark; --line: #8886; --soft: #8881; --ink: #1a1a1a; --paper: #fff;
  --quiet: #555; --mark: #0072b2; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e8e8; --paper: #16181c; --quiet: #aaa;
  --mark: #56b4e9; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 1.5rem 1rem 4rem; color: var(--ink);
  background: var(--paper); font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.2; } h2 { margin: 2.4rem 0 .6rem; font-size: 1.25rem; }
h3 { margin: 1.4rem 0 .2rem; font-size: 1rem; }
a { color: var(--mark); }
nav { font-size: .9rem; } nav a { margin-right: .9rem; white-space: nowrap; }
.headline { font-size: 1.15rem; border-left: .3rem solid var(--mark); padding: .2rem 0 .2rem 1rem; }
.notice { border: 1px solid var(--line); border-left: .3rem solid #d55e00; background: var(--soft);
  padding: .6rem 1rem; }
.wide { overflow-x: auto; } figure + .wide { margin-top: 1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .8rem .35rem 0; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top; overflow-wrap: normal; }
td.number { white-space: nowrap; } td.long { min-width: 16rem; overflow-wrap: anywhere; }
td.name { overflow-wrap: anywhere; min-width: 8rem; }
@media (max-width: 40rem) { .read thead { display: none; }
  .read tr { display: flex; flex-wrap: wrap; border-bottom: 1px solid var(--line); }
  .read td { border: 0; padding-bottom: .1rem; } .read td:first-child { font-weight: 600; }
  .read td.long { flex-basis: 100%; min-width: 0; padding: 0 0 .4rem; } }
caption { text-align: left; font-weight: 600; padding: .8rem 0 .2rem; }
.figures { display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); }
figure { margin: 0; background: #fff; border: 1px solid var(--line); border-radius: .4rem;
  padding: .5rem; max-width: 36rem; }
figure.broad { max-width: 46rem; }
figure svg { width: 100%; height: auto; display: block; }
figcaption { color: #333; font-size: .9rem; padding: .2rem .3rem; }
pre { background: var(--soft); padding: .8rem; border-radius: .4rem; white-space: pre-wrap;
  overflow-wrap: anywhere; font-size: .85rem; }
details > summary { cursor: pointer; color: var(--mark); padding: .3rem 0; }
.quiet { color: var(--quiet); font-size: .9rem; }
@media print { body { max-width: none; font-size: 10pt; } h2, h3 { break-after: avoid; }
  nav { display: none; } figure, tr, .notice { break-inside: avoid; }
  .figures { grid-template-columns: 1fr 1fr; } }
"""


def text(value: object) -> str:
    """Escape a value for HTML; None becomes nothing."""
    return html.escape("" if value is None else str(value))


def paragraph(content: str, kind: str = "") -> str:
    """Make a paragraph of plain text."""
    return f"<p{_class(kind)}>{text(content)}</p>" if content else ""


def preformatted(content: str) -> str:
    """Show plain text as it is, such as a command."""
    return f"<pre>{text(content)}</pre>"


def table(
    header: Sequence[str],
    rows: Iterable[Sequence[object]],
    caption: str = "",
    *,
    long: Sequence[int] = (),
    names: Sequence[int] = (),
    kind: str = "",
) -> str:
    """Make a table that scrolls by itself where it is too wide.

    Parameters
    ----------
    long, names : sequence of int
        Columns of sentences, and of names that may be broken anywhere; the others stay on one line.
    kind : str
        ``"read"`` for rows that end with a sentence: on a narrow page that stands below the rest.
    """
    kinds = dict.fromkeys(long, "long") | dict.fromkeys(names, "name")
    head = "".join(f'<th scope="col">{text(cell)}</th>' for cell in header)
    body = "".join(
        "<tr>"
        + "".join(
            f"<td{_class(kinds.get(i, 'number'))}>{text(_shown(cell))}</td>"
            for i, cell in enumerate(row)
        )
        + "</tr>"
        for row in rows
    )
    title = f"<caption>{text(caption)}</caption>" if caption else ""
    return (
        f'<div class="wide"><table{_class(kind)}>{title}<thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""


def _shown(cell: object) -> object:
    return f"{cell:,}" if isinstance(cell, (int, float)) and not isinstance(cell, bool) else cell


def figure(svg: str, caption: str, kind: str = "") -> str:
    """Put a picture (an inline SVG) above its caption; ``"broad"`` for one of much detail."""
    return f"<figure{_class(kind)}>{svg}<figcaption>{text(caption)}</figcaption></figure>"


def figures(parts: Iterable[str]) -> str:
    """Put pictures side by side where there is room."""
    made = [part for part in parts if part]
    return f'<div class="figures">{"".join(made)}</div>' if made else ""


def details(summary: str, content: str) -> str:
    """Fold something away under a line of text."""
    return f"<details><summary>{text(summary)}</summary>{content}</details>"


def page(title: str, headline: Sequence[str], sections: Iterable[tuple[str, str]]) -> str:
    """Make the whole page.

    Parameters
    ----------
    headline : sequence of str
        What matters most, in sentences.
    sections : iterable of (heading, html)
        Those without content are left out.
    """
    kept = [(heading, content) for heading, content in sections if content]
    links = "".join(f'<a href="#{_anchor(heading)}">{text(heading)}</a> ' for heading, _ in kept)
    body = "\n".join(
        f'<section>\n<h2 id="{_anchor(heading)}">{text(heading)}</h2>\n{content}\n</section>'
        for heading, content in kept
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>{text(title)}</title>
<style>{STYLE}</style>
</head>
<body>
<h1>{text(title)}</h1>
<p class="headline">{" ".join(text(sentence) for sentence in headline)}</p>
<nav aria-label="Sections">{links}</nav>
{body}
</body>
</html>
"""


def _anchor(heading: str) -> str:
    return "-".join("".join(c if c.isalnum() else " " for c in heading.lower()).split())

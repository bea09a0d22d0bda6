"""Write `docs/corpora.md` from what the program knows of corpora: python docs/list_corpora.py."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from speakergmm.corpora.known import CORPORA
from speakergmm.files import write_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from speakergmm.corpora.known.corpus import KnownCorpus

PAGE = Path(__file__).with_name("corpora.md")

HEAD = """\
# The corpora that are known

This page is written by `docs/list_corpora.py` from what the program knows; `speakergmm corpus
list NAME` says the same of one. How they are got and checked:
[getting-corpora.md](getting-corpora.md); as experiments: [recipes](../recipes/README.md).

`speakergmm corpus prepare NAME FOLDER --output lists` finds speakers, sessions and sexes from names
and tables, opens no recording, and writes lists without a speaker in two splits. FOLDER is the
corpus, or the folder above it; where it lies deeper or is misnamed, the error says so. **By lot**
means: in the order of the SHA-256 of `"SEED:ID"`, the same on every machine; a speaker or a
recording that is missing from a copy moves nothing else. Sexes are spread evenly over the splits,
where they are known. A model meets every test of its split, unless the trials are official. What
was left out of a copy, or cannot be read, is said in notes.
"""


def page() -> str:
    """Give the page as text."""
    return "\n".join([HEAD, *table(), *(line for c in CORPORA.values() for line in section(c)), ""])


def table() -> Iterator[str]:
    """Yield the rows of an overview."""
    yield "| name | corpus | speakers | utterances | hours | to be had | licence |"
    yield "|---|---|---|---|---|---|---|"
    for corpus in CORPORA.values():
        counts = (
            "" if number is None else f"{number:,}"
            for number in (corpus.n_speakers, corpus.n_utterances)
        )
        hours = "" if corpus.hours is None else f"{corpus.hours:,.4g}"
        facts = [hours, corpus.to_be_had, corpus.licence]
        cells = [f"`{corpus.name}`", corpus.title, *counts, *facts]
        yield f"| {' | '.join(cells)} |"


def section(corpus: KnownCorpus) -> Iterator[str]:
    """Yield all that is known of a corpus."""
    yield f"\n## {corpus.name}\n"
    home = f" <{corpus.home}>" if corpus.home else ""
    cite = f" {corpus.cite}." if corpus.cite else ""
    yield f"{corpus.title}; {corpus.language}. Licence: {corpus.licence}.{home}{cite}\n"
    if corpus.how_to_get:
        yield f"To be had: {corpus.how_to_get}.\n"
    yield "Folder:\n"
    yield f"```text\n{corpus.layout}\n```\n"
    yield "| protocol | what |"
    yield "|---|---|"
    for name, protocol in corpus.protocols.items():
        yield f"| `{name}` | {protocol.summary} |"
    if corpus.archives:
        yield "\n| part | file | size | published hash |"
        yield "|---|---|---|---|"
        for archive in corpus.archives:
            digest = "" if archive.digest is None else f"`{archive.digest[:19]}…`"
            yield f"| `{archive.part}` | <{archive.url}> | {archive.size} | {digest} |"


if __name__ == "__main__":
    write_text(PAGE, page())

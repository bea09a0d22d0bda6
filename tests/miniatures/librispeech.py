"""LibriSpeech: all parts, with four readers each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miniatures.files import touch, write
from speakergmm.corpora.known.librispeech import PARTS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

TABLE = """\
; Some pipe(|) separated metadata about all LibriVox readers
;
;ID  |SEX| SUBSET           |MINUTES| NAME
{rows}
"""


def speakers_of(part: str) -> list[str]:
    """Give the readers of a part; the last read one chapter alone."""
    return [str(100 * (PARTS.index(part) + 1) + number) for number in range(4)]


def names_of(part: str, n_sentences: int = 6) -> list[str]:
    """Name so many sentences of each chapter."""
    return [
        f"{part}/{reader}/{chapter}/{reader}-{chapter}-{sentence:04d}.flac"
        for number, reader in enumerate(speakers_of(part))
        for chapter in ((1001, 1002) if number < 3 else (1001,))
        for sentence in range(n_sentences)
    ]


def table_of(parts: Iterable[str]) -> str:
    """Make the table of the readers of some parts."""
    rows = [
        f"{reader:<4} | {'FM'[int(reader) % 2]} | {part:<16} | 25.03 | |CBW|Simon"
        for part in parts
        for reader in speakers_of(part)
    ]
    return TABLE.format(rows="\n".join(rows))


def build(above: Path, *, n_sentences: int = 6) -> Path:
    """Make a copy, all parts unpacked into one folder."""
    folder = above / "LibriSpeech"
    write(folder, "SPEAKERS.TXT", table_of(PARTS))
    transcripts = ["train-clean-100/100/1001/100-1001.trans.txt"]
    names = [name for part in PARTS for name in names_of(part, n_sentences)]
    return touch(folder, ["README.TXT", "CHAPTERS.TXT", *transcripts, *names])

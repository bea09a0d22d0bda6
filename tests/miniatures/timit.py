"""TIMIT: a quarter of its speakers, with women and men in their shares, or fewer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miniatures.files import touch, write

if TYPE_CHECKING:
    from pathlib import Path

SENTENCES = ["SA1", "SA2", "SI1027", "SI1657", "SI648", "SX117", "SX207", "SX27", "SX297", "SX37"]


def speakers(sex: str, n: int, first: int = 0) -> list[str]:
    """Name so many speakers of a sex."""
    letters = "ABCDEFGHIJ"
    numbers = range(first, first + n)
    return [f"{sex}{letters[i // 100]}{letters[i // 10 % 10]}{letters[i % 10]}0" for i in numbers]


# A quarter of the speakers of the corpus: 34 + 81 and 14 + 28.
TRAIN = speakers("F", 34) + speakers("M", 81)
TEST = speakers("F", 14, 500) + speakers("M", 28, 500)
TABLE = """\
;;     This file contains a table of speaker information for the TIMIT speakers
;    ID  Sex DR Use  RecDate   BirthDate  Ht    Race Edu  Comments
""" + "".join(
    f"{name[1:]}  {name[0]}  1  {use}  03/03/86  06/17/60  5'11\"  WHT  BS\n"
    for use, part in (("TRN", TRAIN), ("TST", TEST))
    for name in part
)


def names(suffix: str = ".WAV", *, every: int = 1) -> list[str]:
    """Name the ten sentences of every so-manieth speaker."""
    parts = [("TRAIN", TRAIN), ("TEST", TEST)]
    return [
        f"{part}/DR{1 + i % 8}/{speaker}/{sentence}{suffix}"
        for part, members in parts
        for i, speaker in enumerate(members[::every])
        for sentence in SENTENCES
    ]


def build(above: Path, *, every: int = 1) -> Path:
    """Make a copy with every so-manieth speaker."""
    folder = above / "TIMIT"
    write(folder, "DOC/SPKRINFO.TXT", TABLE)
    return touch(folder, names(every=every))

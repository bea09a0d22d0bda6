"""Names of any origin, such as speakers' and files', made fit to be shown."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# Control, format and surrogate characters, separators of lines and of paragraphs: they are not
# seen, but turn text around, break lines, or spoil a file.
UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# Several scripts and emoji need joiners.
JOINERS = frozenset("\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}")
# XML forbids these.
NO_CHARACTERS = frozenset("\ufffe\uffff")


def visible(text: str) -> str:
    r"""Show what is not seen by its code, as ``\x1b`` or ``\u202e``."""
    return "".join(_code(c) if _is_unseen(c) else c for c in text)


def _is_unseen(character: str) -> bool:
    if character in NO_CHARACTERS:
        return True
    return unicodedata.category(character) in UNSEEN and character not in JOINERS


def _code(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else (
        f"\\U{code:08x}"
    )  # fmt: skip


def composed(text: str) -> str:
    """Write accents as one character with their letter, which some systems part."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def shortened(name: str, most: int) -> str:
    """Leave out the middle of a long name: names of a kind often differ at their ends only."""
    if len(name) <= most:
        return name
    ahead = (most - 1) // 2
    return f"{name[:ahead]}…{name[ahead + 1 - most :]}"


def first_repeated(names: Iterable[str]) -> str | None:
    """Give the first name that has stood there before; None where all differ."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


def counted(number: int, thing: str) -> str:
    """Write how many of a thing there are, as ``1 speaker`` or ``1,200 speakers``."""
    return f"{number:,} {thing}" + ("" if number == 1 else "s")

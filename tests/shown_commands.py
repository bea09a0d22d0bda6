"""Commands as pages and help texts show them."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

FENCED = re.compile(r"^```(?:sh|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
ANY_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(speakergmm [^`]+)`")
# A command after a prompt, with the lines that a backslash joins to it.
PROMPTED = re.compile(r"^\$ (?:.*\\\n)*.*\n", re.MULTILINE)
# Where one command ends, in a shell.
ENDS = {"|", "||", "&&", ";", ">", ">>", "<", "&"}


class Shown(NamedTuple):
    """The words of a command after `speakergmm`, and whether it is all there."""

    words: tuple[str, ...]
    whole: bool


def commands_of(text: str) -> Iterator[tuple[str, ...]]:
    """Give the speakergmm commands among shell commands."""
    for line in text.replace("\\\n", " ").splitlines():
        # A value such as $ADDRESS, or a pattern, stands for itself.
        lexer = shlex.shlex(line.removeprefix("$ "), posix=True, punctuation_chars=True)
        lexer.wordchars += "=:,*{}$%@^!"
        words = [*lexer, ";"]
        start = 0
        for i, word in enumerate(words):
            if word in ENDS:
                if words[start:i][:1] == ["speakergmm"]:
                    yield tuple(words[start + 1 : i])
                start = i + 1


def blocks_of(page: str) -> Iterator[str]:
    """Give the shell commands of a page, a text a block, without what they print."""
    for block in FENCED.findall(page):
        yield "".join(PROMPTED.findall(block)) or block


def shown_in(page: str) -> Iterator[Shown]:
    """Give the commands of a page: those of its blocks, and those named in its text."""
    for block in blocks_of(page):
        yield from (Shown(words, True) for words in commands_of(block))
    for text in INLINE.findall(ANY_FENCED.sub("", page)):
        yield from (Shown(words, False) for words in commands_of(text.replace("\n", " ")))

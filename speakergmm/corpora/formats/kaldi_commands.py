"""Commands in Kaldi's ``wav.scp`` that only decode a file, which is read here in their place.

No command is run. Those of Kaldi's recipes for NIST's evaluations (``sph2pipe``) and for
LibriSpeech (``flac``) say no more than which file is meant, and on which channel.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple, TypeAlias

# What would make something else of the words of a command.
SHELL = re.compile(r"[|<>;&$`*?()\\\n]")

SPHERE_CHANNELS = {"1": 0, "2": 1}
# -c to standard output, -d decode, -s in silence.
FLAC_OPTIONS = frozenset("cds")


class Decoded(NamedTuple):
    """A file, and the channel of it that is meant, counted from 0; None: all that it has."""

    file: str
    channel: int | None = None


def decoded_file(command: str) -> Decoded | None:
    """Tell which file a command decodes; None where it does more, or is not known.

    Parameters
    ----------
    command : str
        As in ``wav.scp``, with the bar at its end.
    """
    text = command.removesuffix("|")
    if SHELL.search(text):
        return None
    try:
        program, *words = shlex.split(text)
    except ValueError:
        return None
    reader = READERS.get(PurePosixPath(program).name)
    return reader(words) if reader else None


def _of_sph2pipe(words: Sequence[str]) -> Decoded | None:
    """Read the options of ``sph2pipe -f wav -p -c 1 FILE``; others cut or change the samples."""
    channel: int | None = None
    files: list[str] = []
    left = iter(words)
    for word in left:
        if word == "-f":
            if next(left, "") != "wav":
                return None
        elif word == "-c":
            channel = SPHERE_CHANNELS.get(next(left, ""))
            if channel is None:
                return None
        elif word != "-p":
            files.append(word)
    return _only(files, channel)


def _of_flac(words: Sequence[str]) -> Decoded | None:
    """Read the options of ``flac -c -d -s FILE``."""
    options = "".join(word[1:] for word in words if word.startswith("-"))
    if not ({"c", "d"} <= set(options) <= FLAC_OPTIONS):
        return None
    return _only([word for word in words if not word.startswith("-")])


def _only(files: Sequence[str], channel: int | None = None) -> Decoded | None:
    is_one = len(files) == 1 and not files[0].startswith("-")
    return Decoded(files[0], channel) if is_one else None


Reader: TypeAlias = Callable[[Sequence[str]], Decoded | None]

READERS: dict[str, Reader] = {"sph2pipe": _of_sph2pipe, "flac": _of_flac, "cat": _only}

"""Bytes of an open file that need not be seekable, given on as they arrive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speakergmm.audio.sources import name_of, take
from speakergmm.errors import AudioError

if TYPE_CHECKING:
    from typing import BinaryIO

# The most that is asked for at a time; a pipe gives what is there.
READ_BYTES = 1 << 16


class Arriving:
    """Reads a file opened in binary mode, in order; ``name`` is what messages call it."""

    def __init__(self, file: BinaryIO) -> None:
        self.name = name_of(file)
        # Of a buffered file, `read` waits until there is as much as was asked for.
        self._read = getattr(file, "read1", file.read)
        self._ahead = b""

    def peek(self, n_bytes: int) -> bytes:
        """Give the next bytes without taking them; fewer at the end."""
        while len(self._ahead) < n_bytes and (more := self._more()):
            self._ahead += more
        return self._ahead[:n_bytes]

    def some(self, n_most: int) -> bytes:
        """Take what has arrived, at least a byte, waiting if need be; nothing at the end."""
        if not self._ahead:
            self._ahead = self._more()
        taken, self._ahead = self._ahead[:n_most], self._ahead[n_most:]
        return taken

    def exactly(self, n_bytes: int) -> bytes:
        """Take so many bytes of a header.

        Raises
        ------
        AudioError
            When fewer come.
        """
        taken = self.peek(n_bytes)
        if len(taken) < n_bytes:
            raise self._ended()
        self._ahead = self._ahead[n_bytes:]
        return taken

    def skip(self, n_bytes: int) -> None:
        """Pass over so many bytes of a header, holding no more of them than a read gives.

        Raises
        ------
        AudioError
            When fewer come.
        """
        while n_bytes:
            taken = self.some(n_bytes)
            if not taken:
                raise self._ended()
            n_bytes -= len(taken)

    def _more(self) -> bytes:
        return take(self._read, self.name, READ_BYTES)

    def _ended(self) -> AudioError:
        return AudioError(f"{self.name}: truncated: it ends within its header; send all of it")

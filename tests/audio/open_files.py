"""Files that are open already and cannot be sought in: what comes through a pipe."""

from __future__ import annotations

import io
import itertools

# Some packets, over and over.
BY_BYTE, UNEVEN = (1,), (1, 2, 44, 3, 640, 7, 4096)


class Pipe:
    """Gives content in packets of the sizes that are told, as a pipe does, and cannot seek."""

    name = "a pipe"

    def __init__(self, content: bytes, sizes=UNEVEN) -> None:
        self.content = io.BytesIO(content)
        self.sizes = itertools.cycle(sizes)
        self.n_read = 0

    def read(self, size=-1):
        taken = self.content.read(size)
        self.n_read += len(taken)
        return taken

    def read1(self, size=-1):
        packet = next(self.sizes)
        return self.read(packet if size < 0 else min(size, packet))


class Endless:
    """Gives a beginning, then the same bytes for ever."""

    def __init__(self, start: bytes, then: bytes) -> None:
        self.start, self.then = start, then
        self.n_read = 0

    def read1(self, size):
        taken = self.start[:size] or (self.then * (size // len(self.then) + 1))[:size]
        self.start = self.start[size:]
        self.n_read += len(taken)
        return taken

    read = read1


class Failing:
    """An open file whose reading gives, or raises, something."""

    def __init__(self, outcome, name=None) -> None:
        self.outcome, self.name = outcome, name

    def read(self, size=-1):
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

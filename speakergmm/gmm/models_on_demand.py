"""Many models of which only those are in memory that are being looked at."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import overload

from speakergmm.gmm.model import DiagonalGMM


class ModelsOnDemand(Sequence[DiagonalGMM]):
    """A sequence of models, each made when it is asked for.

    Who derives from it says how many there are, and how one is `made`.
    """

    @abstractmethod
    def made(self, number: int) -> DiagonalGMM:
        """Make one.

        Raises
        ------
        IndexError
            When there is none of this number.
        """

    @overload
    def __getitem__(self, i: int) -> DiagonalGMM: ...
    @overload
    def __getitem__(self, i: slice) -> Sequence[DiagonalGMM]: ...
    def __getitem__(self, i: int | slice) -> DiagonalGMM | Sequence[DiagonalGMM]:
        if isinstance(i, slice):
            return [self.made(j) for j in range(*i.indices(len(self)))]
        return self.made(i)

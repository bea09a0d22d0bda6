"""A sum whose order depends on the number of its terms alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self


class Addable(Protocol):
    """What has a ``+``."""

    def __add__(self, other: Self, /) -> Self:
        """Give the sum."""


Sum = TypeVar("Sum", bound=Addable)


def tree_sum(terms: Iterable[Sum]) -> Sum | None:
    """Sum terms by a tree: the largest power of two of them that leaves some, plus the rest.

    Holds about log2 of their number at a time. Rounding errors grow like that too, not like the
    number. Terms summed beforehand in runs of 2, 4, 8, ... give the same bytes, so that a worker
    may sum a run by itself.

    Returns
    -------
    sum or None
        None of no terms.
    """
    # Sums of 2^level terms each, levels falling, as in a binary counter.
    partial: list[tuple[int, Sum]] = []
    for term in terms:
        level, total = 0, term
        while partial and partial[-1][0] == level:
            total = partial.pop()[1] + total
            level += 1
        partial.append((level, total))
    if not partial:
        return None
    result = partial.pop()[1]
    while partial:
        result = partial.pop()[1] + result
    return result

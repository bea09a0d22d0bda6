"""Map over shards, and sum what they give in a fixed order: here, or on a cluster.

The order of a floating-point sum changes its last digits. Here it is that of the shards, as a tree
over their numbers, never that in which workers happen to finish, so a result does not depend on how
many there are, where they are, nor on which of them died and whose work was done again.
"""

from __future__ import annotations

import numbers
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar

from speakergmm.errors import ConfigError
from speakergmm.parallel.local import (
    Threads,
    available_cores,
    checked_jobs,
    single_threaded_libraries,
)
from speakergmm.parallel.processes import map_in_processes
from speakergmm.parallel.tree import Addable, tree_sum
from speakergmm.progress import SILENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from speakergmm.parallel.cluster import Cluster as Cluster
    from speakergmm.progress import Progress

__all__ = [
    "Cluster",
    "Jobs",
    "Workers",
    "available_cores",
    "count_workers",
    "describe_jobs",
    "is_remote",
    "map_in_order",
    "map_in_processes",
    "single_threaded_libraries",
    "sum_in_order",
    "tree_sum",
]

Item = TypeVar("Item")
Result = TypeVar("Result")
Sum = TypeVar("Sum", bound=Addable)


class Workers(Protocol):
    """Who does the work."""

    def map(
        self, function: Callable[..., Result], items: Iterable[Item], args: tuple[object, ...]
    ) -> Iterator[Result]:
        """Yield ``function(item, *args)`` for every item, in the order of the items."""

    def sum(
        self,
        function: Callable[..., Sum],
        items: Iterable[Item],
        args: tuple[object, ...],
        advance: Callable[[int], object],
    ) -> Sum | None:
        """Sum ``function(item, *args)`` as `tree_sum` does; None of no items.

        ``advance`` is told of items that are done.
        """


# What functions that take time accept: a number of threads, a `Cluster`, or None for as many
# threads as there are cores that the process may use.
Jobs: TypeAlias = "int | Workers | None"


def map_in_order(
    function: Callable[..., Result], items: Iterable[Item], *args: object, jobs: Jobs = None
) -> Iterator[Result]:
    """Yield ``function(item, *args)`` for every item, in the order of the items.

    A bounded number of items is under way or waiting to be taken, so memory does not grow with
    their number. An error in one item is raised at its turn, and what has not begun is dropped.

    Parameters
    ----------
    function : callable
        On a cluster, one that can be pickled.
    *args
        The same for all items: sent to a cluster once.
    jobs : int or Cluster, optional
        Threads of this process, or a cluster; default: the cores that the process may use.
    """
    return _workers(jobs).map(function, items, args)


def sum_in_order(
    function: Callable[..., Sum],
    items: Iterable[Item],
    zero: Sum,
    *args: object,
    jobs: Jobs = None,
    progress: Progress = SILENT,
) -> Sum:
    """Sum ``function(item, *args)`` over the items, as `tree_sum` does; ``zero`` of no items.

    ``progress`` advances by one for each item.
    """
    total = _workers(jobs).sum(function, items, args, progress.advance)
    return zero if total is None else total


def is_remote(jobs: Jobs) -> bool:
    """Tell whether the work is done by other processes, to which only shared disks are known."""
    return not (jobs is None or isinstance(jobs, numbers.Integral))


def count_workers(jobs: Jobs) -> int:
    """Count those who do the work: threads, of a cluster those of all its workers that are there.

    At least 1, also of a cluster whose workers have just gone.
    """
    if jobs is None or isinstance(jobs, (int, numbers.Integral)):
        return checked_jobs(None if jobs is None else int(jobs))
    return max(1, int(getattr(jobs, "n_threads", 1)))


def describe_jobs(jobs: Jobs) -> str:
    """Say who does the work: "2 threads", or the address of a cluster."""
    if not is_remote(jobs):
        return f"{count_workers(jobs)} threads"
    return f"cluster at {getattr(jobs, 'address', jobs)}"


def _workers(jobs: Jobs) -> Workers:
    if jobs is None:
        return Threads()
    # Also NumPy's, which Python does not take for an int.
    if isinstance(jobs, (int, numbers.Integral)):
        return Threads(int(jobs))
    if not callable(getattr(jobs, "map", None)):
        raise ConfigError(f"jobs is {jobs!r}; expected a whole number of threads, or a Cluster")
    return jobs


def __getattr__(name: str) -> object:
    if name == "Cluster":
        from speakergmm.parallel.cluster import Cluster

        return Cluster
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""Workers in this process: threads."""

from __future__ import annotations

import os
import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from speakergmm.errors import ConfigError
from speakergmm.parallel.tree import Addable, tree_sum

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Item = TypeVar("Item")
Result = TypeVar("Result")
Sum = TypeVar("Sum", bound=Addable)


def available_cores() -> int:
    """Count the cores that this process may use (not those that the machine has)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def checked_jobs(jobs: int | None) -> int:
    """Give the number of workers that is asked for; None asks for as many as there are cores.

    Raises
    ------
    ConfigError
        When it is less than one.
    """
    if jobs is not None and jobs < 1:
        raise ConfigError(f"jobs is {jobs}; expected 1 or more workers")
    return available_cores() if jobs is None else jobs


class _SingleThreaded:
    """The limit on the libraries' threads, counted: the first in sets it, the last out lifts it.

    The limit is the process's, so two that set and lift it on their own would undo each other.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.users = 0
        self.limits: Any = None

    def enter(self) -> None:
        from threadpoolctl import threadpool_limits

        with self.lock:
            if self.users == 0:
                self.limits = threadpool_limits(limits=1)
            self.users += 1

    def leave(self) -> None:
        with self.lock:
            self.users -= 1
            if self.users == 0:
                self.limits.restore_original_limits()


_single_threaded = _SingleThreaded()


@contextmanager
def single_threaded_libraries() -> Iterator[None]:
    """Keep BLAS and OpenMP to one thread, so that they neither fight the workers nor change sums.

    A matrix product split over a different number of threads rounds differently, and scikit-learn's
    k-means adds the partial sums of its threads in the order in which they finish.
    """
    _single_threaded.enter()
    try:
        yield
    finally:
        _single_threaded.leave()


@dataclass(frozen=True)
class Threads:
    """Worker threads of this process; default: as many as there are cores that it may use.

    Threads suit the work here: decoding, Fourier transforms and matrix products all release the
    interpreter's lock.
    """

    jobs: int | None = None

    def __post_init__(self) -> None:
        checked_jobs(self.jobs)

    def map(
        self, function: Callable[..., Result], items: Iterable[Item], args: tuple[object, ...]
    ) -> Iterator[Result]:
        """Yield ``function(item, *args)`` for every item, in the order of the items.

        At most two items a worker are under way or waiting to be taken.
        """
        jobs = checked_jobs(self.jobs)
        with single_threaded_libraries():
            if jobs == 1:
                for item in items:
                    yield function(item, *args)
                return
            with ThreadPoolExecutor(jobs) as pool:
                waiting: deque[Future[Result]] = deque()
                try:
                    for item in items:
                        waiting.append(pool.submit(function, item, *args))
                        if len(waiting) >= 2 * jobs:
                            yield waiting.popleft().result()
                    while waiting:
                        yield waiting.popleft().result()
                finally:
                    pool.shutdown(wait=True, cancel_futures=True)

    def sum(
        self,
        function: Callable[..., Sum],
        items: Iterable[Item],
        args: tuple[object, ...],
        advance: Callable[[int], object],
    ) -> Sum | None:
        """Sum ``function(item, *args)`` as `tree_sum` does; None of no items."""

        def terms() -> Iterator[Sum]:
            for term in self.map(function, items, args):
                yield term
                advance(1)

        return tree_sum(terms())

"""Map over shards, and sum what they give in a fixed order.

The order of a floating-point sum changes its last digits. Here the order is that of the shards,
never that in which workers happen to finish, so a result does not depend on their number.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from speakergmm.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Self

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Addable(Protocol):
    def __add__(self, other: Self, /) -> Self: ...


Sum = TypeVar("Sum", bound=_Addable)


def available_cores() -> int:
    """Count the cores that this process may use (not those that the machine has)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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


def map_in_order(
    function: Callable[[Item], Result], items: Iterable[Item], *, jobs: int | None = None
) -> Iterator[Result]:
    """Yield ``function(item)`` for every item, in the order of the items.

    Worker threads suit the work here: decoding, Fourier transforms and matrix products all
    release the interpreter's lock. At most two items a worker are under way or waiting to be
    taken, so memory does not grow with the number of items. An error in one item is raised at its
    turn, and what has not begun by then is dropped.

    Parameters
    ----------
    jobs : int, optional
        Worker threads; default: the cores that the process may use.
    """
    jobs = available_cores() if jobs is None else jobs
    if jobs < 1:
        raise ConfigError(f"jobs is {jobs}; expected 1 or more workers")
    with single_threaded_libraries():
        if jobs == 1:
            yield from map(function, items)
            return
        with ThreadPoolExecutor(jobs) as pool:
            waiting: deque[Future[Result]] = deque()
            try:
                for item in items:
                    waiting.append(pool.submit(function, item))
                    if len(waiting) >= 2 * jobs:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                pool.shutdown(wait=True, cancel_futures=True)


def sum_in_order(
    function: Callable[[Item], Sum], items: Iterable[Item], zero: Sum, *, jobs: int | None = None
) -> Sum:
    """Sum ``function(item)`` from left to right, starting from ``zero``."""
    total = zero
    for part in map_in_order(function, items, jobs=jobs):
        total = total + part
    return total

"""Workers on this machine: processes, for work that holds the interpreter's lock."""

from __future__ import annotations

import signal
import threading
from collections import deque
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import TYPE_CHECKING, Any, TypeVar

from speakergmm.errors import WorkerError
from speakergmm.parallel.local import checked_jobs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

Item = TypeVar("Item")
Result = TypeVar("Result")

# Items that go to a process at once: enough that sending them costs nothing beside a millisecond
# of work for each.
AT_ONCE = 16


def map_in_processes(
    function: Callable[[Item], Result], items: Iterable[Item], *, jobs: int | None = None
) -> Iterator[Result]:
    """Yield ``function(item)`` for every item, in the order of the items.

    At most two parcels of `AT_ONCE` items a process are under way or waiting to be taken. An error
    in one item is raised at its parcel's turn. Whoever stops early, by Ctrl-C for instance, stops
    the processes.

    Processes begin with nothing but what they import, so a script that uses this has to do its work
    below ``if __name__ == "__main__":``.

    Parameters
    ----------
    function : callable
        Of a module; it, items and results can be pickled.
    jobs : int, optional
        Processes; default: the cores that this process may use.

    Raises
    ------
    ConfigError
        When ``jobs`` is less than one.
    WorkerError
        When a process is killed.
    """
    jobs = checked_jobs(jobs)
    source = iter(items)
    parcels = iter(lambda: [*islice(source, AT_ONCE)], [])
    waiting: deque[Future[list[Result]]] = deque()
    context = _Remembering()
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin, initargs=(function,))
    is_done = False
    try:
        with _interrupts_held_back():
            waiting += [pool.submit(_work, function, parcel) for parcel in islice(parcels, jobs)]
        for parcel in parcels:
            waiting.append(pool.submit(_work, function, parcel))
            if len(waiting) >= 2 * jobs:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
        is_done = True
    except BrokenProcessPool:
        raise WorkerError(
            "a process of this command was killed, perhaps as memory ran out; run it again with "
            f"fewer than {jobs} --jobs"
        ) from None
    finally:
        if not is_done:
            for process in context.started:
                if process.is_alive():
                    process.terminate()
        # What the executor's thread has not done by the end of the program disturbs that end.
        pool.shutdown(wait=True, cancel_futures=True)


class _Remembering(SpawnContext):
    """Starts processes, and knows them from those that others of this program start."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[SpawnProcess] = []

    def Process(self, *args: Any, **kwargs: Any) -> SpawnProcess:  # type: ignore[override]  # noqa: N802
        process = SpawnProcess(*args, **kwargs)
        self.started.append(process)
        return process


def _work(function: Callable[[Item], Result], parcel: Sequence[Item]) -> list[Result]:
    return [function(item) for item in parcel]


def _begin(function: object) -> None:  # noqa: ARG001
    """Keep libraries to one thread; to get the function, its module has loaded them."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(limits=1)


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Start processes that leave Ctrl-C, which all of a terminal get, to this one.

    They inherit that it is ignored, from their first moment on; what comes meanwhile is lost.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)

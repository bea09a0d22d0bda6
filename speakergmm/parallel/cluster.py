"""Workers on other machines: a Dask cluster."""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from speakergmm._version import __version__
from speakergmm.errors import WorkerError
from speakergmm.parallel.local import single_threaded_libraries
from speakergmm.parallel.tree import Addable, tree_sum

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Self

Item = TypeVar("Item")
Result = TypeVar("Result")
Sum = TypeVar("Sum", bound=Addable)

# Tasks for each thread of a cluster: enough that none waits long for the last, few enough that
# sending them and their results costs nothing.
TASKS_PER_THREAD = 8

# Items that one task sums at most.
LONGEST_RUN = 256

# Where errors come from that say something of the cluster, not of the work.
DASK_MODULES = frozenset({"distributed", "dask", "tornado", "asyncio", "concurrent"})

# How long a scheduler may take to answer.
CONNECT_S = 10.0

# How long a result may take to come from the worker that has it.
LONGEST_TRANSFER_S = 60.0

# How often the client looks whether the scheduler and any worker are still there.
LOOK_EVERY_S = 2.0


class Cluster:
    """The workers of a Dask scheduler, until ``close()`` or the end of a ``with`` block.

    What is worked on travels as the names of files, so all machines must see the same disk under
    the same paths, and have the same version of this package. Work that was under way on a worker
    that died is done again by another.

    Parameters
    ----------
    address : str
        Of the scheduler, such as ``tcp://10.0.0.7:8786``.
    patience_s : float
        How long to wait for a worker where there is none; for the scheduler to answer, no longer
        than `CONNECT_S`.

    Raises
    ------
    WorkerError
        When Dask is not installed, or no scheduler or worker can be reached.
    """

    def __init__(self, address: str, *, patience_s: float = 60.0) -> None:
        self.address, self.patience_s = address, patience_s
        self.client = _connected(address, min(patience_s, CONNECT_S))
        try:
            self.client.wait_for_workers(1, timeout=patience_s)
        except TimeoutError:
            self.close()
            raise WorkerError(
                f"{address}: the scheduler has no workers, and none came within {patience_s:g} s; "
                f"start some with `dask worker {address}`"
            ) from None
        self._check_workers()

    def _check_workers(self) -> None:
        """Refuse workers that have not got this version; one without it dies of the first task."""

        # Within a function, so that Dask sends its code and not its name.
        def installed() -> str | None:
            try:
                from speakergmm._version import __version__ as version
            except ImportError:
                return None
            return version

        try:
            versions = self.client.run(installed)
        except Exception as error:  # noqa: BLE001 - Dask's own kinds are many
            self.close()
            raise self._lost(error) from None
        for address, version in versions.items():
            if version != __version__:
                self.close()
                raise WorkerError(
                    f"{self.address}: worker {address} has {_named(version)}, the client "
                    f"{_named(__version__)}; install {_named(__version__)} on all machines of the "
                    "cluster"
                )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the cluster; what it still does for this client is dropped."""
        with suppress(Exception):
            self.client.close(timeout=LOOK_EVERY_S)

    @property
    def n_threads(self) -> int:
        """Threads of all workers that are there now."""
        about = self.client.scheduler_info()
        # Older versions of Dask give no total, but all workers.
        in_all = about.get("total_threads")
        if in_all is None:
            in_all = sum(worker["nthreads"] for worker in about.get("workers", {}).values())
        return int(in_all)

    def map(
        self, function: Callable[..., Result], items: Iterable[Item], args: tuple[object, ...]
    ) -> Iterator[Result]:
        """Yield ``function(item, *args)`` for every item, in the order of the items.

        At most `TASKS_PER_THREAD` items a thread are under way or waiting to be taken.
        """
        shared = self._share(args)
        at_once = TASKS_PER_THREAD * max(1, self.n_threads)
        waiting: deque[Any] = deque()
        for item in items:
            waiting.append(self._submit(_work, __version__, function, item, shared))
            if len(waiting) >= at_once:
                yield self._result(waiting.popleft())
        while waiting:
            yield self._result(waiting.popleft())

    def sum(
        self,
        function: Callable[..., Sum],
        items: Iterable[Item],
        args: tuple[object, ...],
        advance: Callable[[int], object],
    ) -> Sum | None:
        """Sum ``function(item, *args)`` as `tree_sum` does; None of no items.

        Runs of items are summed by one task each, the runs' sums by tasks of their own where they
        are; one result comes back.
        """
        items = list(items)
        shared = self._share(args)
        wanted = TASKS_PER_THREAD * max(1, self.n_threads)
        run = 1
        while run < LONGEST_RUN and 2 * run * wanted <= len(items):
            run *= 2

        def terms() -> Iterator[_Pending]:
            for i in range(0, len(items), run):
                part = items[i : i + run]
                future = self._submit(_work_run, __version__, function, part, shared)
                future.add_done_callback(_told(advance, len(part)))
                yield _Pending(self, future)

        total = tree_sum(terms())
        return None if total is None else self._result(total.future)

    def _share(self, args: tuple[object, ...]) -> Any:
        """Give what all tasks need to the cluster once.

        As a task's result, not by `scatter`: what was scattered is lost with its last holder, a
        result is made again.
        """
        return self._submit(_identity, args)

    def _submit(self, function: Callable[..., object], *args: object) -> Any:
        import warnings

        with warnings.catch_warnings():
            # Dask warns that large arguments are slow; these travel once.
            warnings.simplefilter("ignore", UserWarning)
            try:
                return self.client.submit(function, *args, pure=False)
            except Exception as error:  # noqa: BLE001 - Dask's own kinds are many
                raise self._lost(error) from None

    def _result(self, future: Any) -> Any:
        seen_alive = time.monotonic()
        try:
            while True:
                with suppress(TimeoutError):
                    failure = future.exception(timeout=LOOK_EVERY_S)
                    break
                seen_alive = self._look(seen_alive)
            if failure is None:
                return future.result(timeout=max(self.patience_s, LONGEST_TRANSFER_S))
        except WorkerError:
            raise
        except BaseException as error:
            # Some versions of Dask cancel futures with an error that is no Exception.
            if isinstance(error, (KeyboardInterrupt, SystemExit)):
                raise
            raise self._lost(error) from None
        lacks_code = isinstance(failure, RuntimeError) and "deserializ" in str(failure)
        if isinstance(failure, ModuleNotFoundError) or lacks_code:
            raise WorkerError(
                f"{self.address}: a machine of the cluster lacks a package "
                f"({_first_line(failure)}); install speakergmm {__version__} on all of them"
            )
        if type(failure).__module__.partition(".")[0] in DASK_MODULES:
            raise self._lost(failure)
        raise failure

    def _look(self, seen_alive: float) -> float:
        """Give up when no worker has been seen for too long; return when one was."""
        now = time.monotonic()
        if self.n_threads:
            return now
        if now - seen_alive > self.patience_s:
            raise WorkerError(
                f"{self.address}: the cluster has had no worker for {self.patience_s:g} s; start "
                "some, then run the same command again: what was finished is kept"
            )
        return seen_alive

    def _lost(self, error: BaseException) -> WorkerError:
        return WorkerError(
            f"{self.address}: the cluster failed ({_first_line(error)}); see to its scheduler and "
            "workers, then run the same command again: what was finished is kept"
        )


def _named(version: str | None) -> str:
    return "no speakergmm" if version is None else f"speakergmm {version}"


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".strip().rstrip(":").splitlines()[0]


def _connected(address: str, timeout_s: float) -> Any:
    """Make a client of a scheduler, or say why there is none."""
    try:
        from distributed import Client
    except ImportError:
        raise WorkerError(
            "a cluster needs Dask; install it with: pip install 'speakergmm[distributed]'"
        ) from None
    make: Any = Client.__new__
    client = make(Client)
    failures: list[BaseException] = []

    def connect() -> None:
        try:
            client.__init__(address, timeout=timeout_s, set_as_default=False, name="speakergmm")
        except BaseException as error:  # noqa: BLE001 - what stands there may answer anything
            failures.append(error)

    # In a thread, because Dask waits without end for one that accepts and is silent; and in two
    # steps, because a client whose making failed would be closed, and wait again, when forgotten.
    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(2 * timeout_s)
    if not failures and not thread.is_alive():
        return client
    client.status = "closed"
    reason = _first_line(failures[0]) if failures else f"no answer within {timeout_s:g} s"
    raise WorkerError(
        f"{address}: no Dask scheduler can be reached there ({reason}); expected an address such "
        "as tcp://10.0.0.7:8786: start one with `dask scheduler`"
    )


class _Pending:
    """A sum on the cluster that is not there yet, so that `tree_sum` can plan with it."""

    def __init__(self, cluster: Cluster, future: Any) -> None:
        self.cluster, self.future = cluster, future

    def __add__(self, other: _Pending) -> _Pending:
        future = self.cluster._submit(_add, self.future, other.future)
        return _Pending(self.cluster, future)


def _told(advance: Callable[[int], object], n_done: int) -> Callable[[Any], object]:
    """Make what a future calls when it is done."""
    return lambda _: advance(n_done)


def _identity(value: Result) -> Result:
    return value


def _add(a: Sum, b: Sum) -> Sum:
    return a + b


def _check_version(version: str) -> None:
    # One that came later than the client's look at all of them.
    if version != __version__:
        raise WorkerError(
            f"a worker has {_named(__version__)}, the client {_named(version)}; install the same "
            "version on all machines of the cluster"
        )


def _work(
    version: str, function: Callable[..., Result], item: Item, args: tuple[object, ...]
) -> Result:
    _check_version(version)
    with single_threaded_libraries():
        return function(item, *args)


def _work_run(
    version: str, function: Callable[..., Sum], items: Sequence[Item], args: tuple[object, ...]
) -> Sum | None:
    _check_version(version)
    with single_threaded_libraries():
        return tree_sum(function(item, *args) for item in items)

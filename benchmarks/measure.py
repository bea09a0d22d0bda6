"""Taking the time of several things side by side."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import ArrayLike, NDArray

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of the table: a quantity, what it is held against, and their ratio.

    ``ratio`` is value / against_value, so below 1 the first is faster or smaller; ``low`` and
    ``high`` are its quartiles over the rounds. ``bar`` is the largest ratio that the project
    accepts, where it has set itself one.
    """

    what: str
    value: float
    against: str
    against_value: float
    ratio: float | None
    low: float | None = None
    high: float | None = None
    bar: float | None = None
    unit: str = "s"
    note: str = ""

    @property
    def is_missed(self) -> bool:
        """Whether there is a bar and it was missed."""
        return self.bar is not None and self.ratio is not None and not self.ratio <= self.bar


def repeated(times: int, function: Callable[..., object], *args: object) -> Callable[[], None]:
    """Make a contestant of ``alternate`` that calls a short function several times."""

    def run() -> None:
        for _ in range(times):
            function(*args)

    return run


def keeping(results: dict[str, Result], name: str, run: Callable[[], Result]) -> Callable[[], None]:
    """Make a contestant of ``alternate`` whose last result is kept, to be checked afterwards."""

    def run_and_keep() -> None:
        results[name] = run()

    return run_and_keep


def alternate(
    contestants: Mapping[str, Callable[[], object]],
    rounds: int,
    clock: Callable[[], float] = time.process_time,
    *,
    is_warm: bool = False,
) -> dict[str, NDArray[np.float64]]:
    """Seconds (rounds,) of each contestant, taken in turn, with one BLAS thread.

    What else the machine is doing then falls on all of them alike. A first round, not counted,
    loads libraries and fills caches; BLAS libraries can only be limited once they are loaded.

    Parameters
    ----------
    clock : callable
        Default: the processor time of this process, which waiting for a busy machine is not part
        of. What runs in several threads or processes needs wall time, ``time.perf_counter``.
    is_warm : bool
        Leave out the first round: contestants that take seconds do not feel it.
    """
    if not is_warm:
        for run in contestants.values():
            run()
    seconds = {name: np.empty(rounds) for name in contestants}
    with threadpool_limits(limits=1):
        for i in range(rounds):
            for name, run in contestants.items():
                began = clock()
                run()
                seconds[name][i] = clock() - began
    return seconds


def compare(
    seconds: Mapping[str, NDArray[np.float64]],
    what: str,
    against: str,
    note: str = "",
    bar: float | None = None,
) -> Line:
    """Hold one contestant of `alternate` against another: medians, and the ratio's quartiles."""
    low, ratio, high = np.quantile(seconds[what] / seconds[against], [0.25, 0.5, 0.75])
    return Line(
        what=what,
        value=float(np.median(seconds[what])),
        against=against,
        against_value=float(np.median(seconds[against])),
        ratio=float(ratio),
        low=float(low),
        high=float(high),
        bar=bar,
        note=note,
    )


def compare_speed(
    seconds: Mapping[str, NDArray[np.float64]],
    what: str,
    against: str,
    *,
    wanted: float | None = None,
    note: str = "",
) -> Line:
    """As `compare`; the note says how many times as fast, and the bar how many are wanted."""
    line = compare(seconds, what, against)
    speed = f"{1 / (line.ratio or np.nan):.1f} times"
    if wanted is not None:
        speed = f"{speed}, at least {wanted:g} wanted"
    bar = None if wanted is None else 1 / wanted
    return replace(line, bar=bar, note=f"{speed}; {note}" if note else speed)


def against_bar(what: str, value: float, bar: float, unit: str, note: str = "") -> Line:
    """Hold a quantity against what the project wants it to be at most: a ratio of 1."""
    return Line(
        what=what,
        value=value,
        against="bar",
        against_value=bar,
        ratio=value / bar,
        bar=1.0,
        unit=unit,
        note=note,
    )


def per_second(amount: float, seconds: NDArray[np.float64]) -> float:
    return amount / float(np.median(seconds))


def require_close(what: str, ours: ArrayLike, theirs: ArrayLike, tolerance: float) -> None:
    """Stop when two contestants do not compute the same: their times would mean nothing.

    Raises
    ------
    RuntimeError
        When the largest difference exceeds ``tolerance`` of the largest value.
    """
    difference = np.max(np.abs(np.subtract(ours, theirs))) / np.max(np.abs(theirs))
    if not difference <= tolerance:
        raise RuntimeError(f"{what}: the two sides differ by {difference:.1e} of the largest value")

"""The row of memory: the most that training holds at a time, each in a process of its own."""

from __future__ import annotations

import shutil
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from measure import Line, against_bar
from peers import package_iteration, sklearn_steps
from workload import MANY_COMPONENTS, N_FEATURES, draw_frames, random_mixture, write_store

from speakergmm import FrameStore, TrainingConfig, train_ubm
from speakergmm.parallel import available_cores

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from work import Work

    from speakergmm import DiagonalGMM

PROCESS_STATUS = Path("/proc/self/status")

# A store of any size holds these many frames again and again: drawing more would take long.
SHARD_FRAMES = 100_000

TRAINING_JOBS = 2
TRAINING_BAR_MB = 600.0


def memory(work: Work) -> list[Line]:
    """Peak resident memory, of an EM iteration and of a training; nothing but on Linux."""
    if not PROCESS_STATUS.exists():
        print("skipped, it is read from /proc;", end=" ", file=sys.stderr)
        return []
    return [iteration_line(work.size.frames), training_line(work)]


def iteration_line(n_frames: int) -> Line:
    peak, above = {}, {}
    for name, make in (("package", package_iteration), ("scikit-learn", sklearn_steps)):
        peak[name], before = in_new_process(iteration_memory, make, n_frames)
        above[name] = peak[name] - before
    return Line(
        what=f"peak memory, EM of {n_frames:,} frames",
        value=peak["package"],
        against="scikit-learn",
        against_value=peak["scikit-learn"],
        ratio=peak["package"] / peak["scikit-learn"],
        unit="MB",
        note=f"above data and libraries: {above['package']:,.0f} against "
        f"{above['scikit-learn']:,.0f} MB",
    )


def training_line(work: Work) -> Line:
    n_shards = work.size.store_frames // SHARD_FRAMES
    folder = work.folder / "large-store"
    write_store(folder, draw_frames(random_mixture(MANY_COMPONENTS), SHARD_FRAMES), n_shards)
    try:
        peak, before, seconds = in_new_process(training_memory, folder)
    finally:
        shutil.rmtree(folder)
    n_frames = n_shards * SHARD_FRAMES
    megabytes = n_frames * N_FEATURES * np.dtype(np.float32).itemsize / 1e6
    return against_bar(
        f"memory above libraries, train_ubm, K={MANY_COMPONENTS}, {n_frames:,} frames",
        peak - before,
        TRAINING_BAR_MB,
        "MB",
        f"{TRAINING_JOBS} jobs; the store is {megabytes:,.0f} MB; {seconds:.0f} s on "
        f"{available_cores()} cores, k-means and 2 iterations",
    )


def in_new_process(function: Callable, *args: object) -> tuple[float, ...]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as child:
        return child.submit(function, *args).result()


def iteration_memory(
    make_iteration: Callable[[DiagonalGMM, NDArray[np.float32]], Callable[[], object]],
    n_frames: int,
) -> tuple[float, float]:
    """Peak resident memory of this process after an EM iteration, and before it, in MB."""
    gmm = random_mixture()
    iterate = make_iteration(gmm, draw_frames(gmm, n_frames))
    before = status_mb("VmRSS")
    iterate()
    return status_mb("VmHWM"), before


def training_memory(folder: Path) -> tuple[float, float, float]:
    """Peak resident memory of this process after a training, before it, in MB; and seconds."""
    load_libraries()
    before = status_mb("VmRSS")
    config = TrainingConfig(max_iterations=2, kmeans_iterations=2)
    store = FrameStore.open(folder)
    _, history = train_ubm(store, MANY_COMPONENTS, config=config, jobs=TRAINING_JOBS)
    return status_mb("VmHWM"), before, history.seconds


def load_libraries() -> None:
    """Load all that a training needs, by a small one."""
    import speakergmm.gmm.kernel  # noqa: F401

    frames = np.random.default_rng(0).normal(size=(1000, 2)).astype(np.float32)
    train_ubm(frames, 2, config=TrainingConfig(max_iterations=1), jobs=1)


def status_mb(name: str) -> float:
    """Read a line such as ``VmHWM: 1234 kB``."""
    # Not getrusage, whose peak a process inherits from the one that started it.
    lines = PROCESS_STATUS.read_text(encoding="ascii").splitlines()
    kibibytes = next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))
    return kibibytes * 1024 / 1e6

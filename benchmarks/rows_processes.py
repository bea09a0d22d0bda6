"""Rows of several processes: trainings that are killed, and workers of a cluster."""

from __future__ import annotations

import pickle
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
from measure import Line, alternate, compare
from rows_machine import command
from workload import MANY_COMPONENTS, N_COMPONENTS, draw_frames, random_mixture, write_store

from speakergmm import FrameStore, Statistics, TrainingConfig
from speakergmm.gmm.em import expectation, maximization
from speakergmm.gmm.frame_source import FrameSource, frame_source
from speakergmm.recipes.ubm_training import checkpoint_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from work import Work

    from speakergmm import DiagonalGMM
    from speakergmm.parallel import Jobs

# A training of two or three seconds, about half of it EM.
KILLED_FRAMES, KILLED_COMPONENTS = 50_000, 128
KILLED_TRAINING = {
    "training.max_iterations": 30,
    "training.tolerance": 0.0,
    "training.kmeans_frames": 5_000,
    "training.kmeans_iterations": 3,
}

# Trainings at a time.
KILLED_AT_ONCE = 2

N_WORKERS = 2

# Chunks so small that they cost nothing but their way.
TINY_CHUNKS, TINY_FRAMES = 16, 8


def kills(work: Work) -> list[Line]:
    """Trainings killed at random moments and begun again: they must end with the same bytes."""
    if not hasattr(signal, "SIGKILL"):
        print("skipped, this system has no SIGKILL;", end=" ", file=sys.stderr)
        return []
    folder = work.folder / "kills"
    store = folder / "store"
    write_store(store, draw_frames(random_mixture(), KILLED_FRAMES))
    with ThreadPoolExecutor(KILLED_AT_ONCE) as pool:
        # As many at a time as there will be, so that the time is that of a run among others.
        whole = list(pool.map(lambda i: train(store, folder / f"whole{i}"), range(KILLED_AT_ONCE)))
        run_s = float(np.mean([seconds for _, seconds in whole]))
        moments = np.random.default_rng(0).uniform(0, run_s, work.size.kills)
        killed = list(
            pool.map(
                lambda i: train_killed(store, folder / f"{i}", moments[i]), range(len(moments))
            )
        )
    shutil.rmtree(folder)
    contents, still_ran, had_state = zip(*killed, strict=True)
    expected = whole[0][0]
    n_same = sum(content == expected for content in contents)
    n_different = len(killed) - n_same + sum(content != expected for content, _ in whole)
    return [
        Line(
            what="trainings that end with other bytes",
            value=n_different,
            against=f"killed in {run_s:.1f} s",
            against_value=len(killed),
            ratio=n_different / len(killed),
            bar=0.0,
            unit="",
            note=f"{n_same} of {len(killed)} same bytes; {sum(still_ran)} were still running, "
            f"{sum(had_state)} went on from a state",
        )
    ]


def start_training(store: Path, folder: Path) -> subprocess.Popen[bytes]:
    arguments = [f"--set={name}={value}" for name, value in KILLED_TRAINING.items()]
    arguments += ["--jobs=1", "--quiet", f"--components={KILLED_COMPONENTS}"]
    output = f"--output={output_of(folder)}"
    return subprocess.Popen(
        [command(), "ubm", "train", str(store), output, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def output_of(folder: Path) -> Path:
    return folder / "ubm.safetensors"


def train(store: Path, folder: Path) -> tuple[bytes, float]:
    """Train to the end; give the file's content and the seconds that it took."""
    folder.mkdir(exist_ok=True)
    began = time.perf_counter()
    process = start_training(store, folder)
    _, errors = process.communicate()
    if process.returncode:
        raise RuntimeError(f"the training failed: {errors.decode()}")
    return output_of(folder).read_bytes(), time.perf_counter() - began


def train_killed(store: Path, folder: Path, moment_s: float) -> tuple[bytes, bool, bool]:
    """Kill a training and run it again; also whether it still ran, and whether it left a state."""
    folder.mkdir()
    process = start_training(store, folder)
    time.sleep(moment_s)
    process.kill()
    process.communicate()
    had_state = checkpoint_of(output_of(folder)).exists()
    content, _ = train(store, folder)
    return content, process.returncode == -signal.SIGKILL, had_state


def cluster(work: Work) -> list[Line]:
    """One EM iteration by two processes of a cluster against two threads; what its way costs."""
    if find_spec("distributed") is None:
        print("skipped, it needs Dask (distributed);", end=" ", file=sys.stderr)
        return []
    from distributed import LocalCluster

    from speakergmm.parallel import Cluster

    n_shards = max(1, work.size.frames // KILLED_FRAMES)
    folder = work.folder / "cluster-store"
    write_store(folder, draw_frames(random_mixture(), KILLED_FRAMES), n_shards)
    store = FrameStore.open(folder)
    with (
        LocalCluster(
            n_workers=N_WORKERS, threads_per_worker=1, dashboard_address=None, silence_logs=40
        ) as local,
        Cluster(local.scheduler_address) as workers,
    ):
        lines = [whole_line(work, store, workers), way_line(work, store, workers)]
    shutil.rmtree(folder)
    return lines


def iteration(gmm: DiagonalGMM, source: FrameSource, jobs: Jobs) -> Callable[[], object]:
    config = TrainingConfig()
    floor = config.variance_floor * gmm.variance
    return lambda: maximization(gmm, expectation(gmm, source, jobs), floor, config)


def whole_line(work: Work, store: FrameStore, workers: Jobs) -> Line:
    gmm, source = random_mixture(), frame_source(store)
    what = f"EM iteration, K={N_COMPONENTS}, {store.n_frames:,} frames, {N_WORKERS} processes"
    against = f"{N_WORKERS} threads"
    contestants = {
        what: iteration(gmm, source, workers),
        against: iteration(gmm, source, N_WORKERS),
    }
    return compare(alternate(contestants, work.size.rounds, time.perf_counter), what, against)


def way_line(work: Work, store: FrameStore, workers: Jobs) -> Line:
    """Measure the way alone, model to workers and sums back, with next to no frames."""
    gmm, source = random_mixture(MANY_COMPONENTS), tiny_source(store)
    n_frames = source.n_frames
    what = f"EM iteration, K={MANY_COMPONENTS}, {n_frames} frames, {N_WORKERS} processes"
    against = f"{N_WORKERS} threads"
    contestants = {
        what: iteration(gmm, source, workers),
        against: iteration(gmm, source, N_WORKERS),
    }
    seconds = alternate(contestants, work.size.rounds, time.perf_counter)
    zero = Statistics.zero(gmm.n_components, gmm.n_features)
    model, statistics = (len(pickle.dumps(x)) / 1e6 for x in (gmm, zero))
    note = (
        f"fixed cost of an iteration, {TINY_CHUNKS} chunks: the model, {model:.1f} MB, goes to "
        f"each worker, statistics, {statistics:.1f} MB, come back"
    )
    return compare(seconds, what, against, note)


def tiny_source(store: FrameStore) -> FrameSource:
    """Read a few frames of a store in several chunks."""
    whole = store.chunks()[0]
    path, start, _ = whole.spans[0]
    starts = range(start, start + TINY_CHUNKS * TINY_FRAMES, TINY_FRAMES)
    chunks = [replace(whole, spans=((path, first, first + TINY_FRAMES),)) for first in starts]
    return FrameSource(chunks, TINY_CHUNKS * TINY_FRAMES, store.n_features, "frame {}".format)

"""Workers in other processes: the same bytes as threads, whatever dies, and errors that say so."""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time

import cloudpickle
import numpy as np
import pytest
import soundfile

from speakergmm import TrainingConfig, train_ubm
from speakergmm._version import __version__
from speakergmm.corpora import Utterance, read_utterances
from speakergmm.errors import AudioError, FrameError, FrameStoreError, WorkerError
from speakergmm.features import FrontEndConfig, extract_features
from speakergmm.features import extraction as extraction_module
from speakergmm.features import store as store_module
from speakergmm.gmm import em as em_module
from speakergmm.parallel import Cluster, is_remote, map_in_order, sum_in_order
from speakergmm.parallel import cluster as cluster_module

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")

pytestmark = pytest.mark.skipif(
    not hasattr(signal, "SIGKILL"), reason="needs a signal that cannot be caught"
)

JOBS = [1, 2, 4]
# Only a failing test waits so long.
PATIENCE_S = 20.0
CONFIG = FrontEndConfig(n_mels=24, n_mfcc=12)
TRAINING = TrainingConfig(max_iterations=3, tolerance=0.0, kmeans_iterations=3)

# Workers cannot import the tests, so what these send is sent with its code: Dask does so with
# functions within functions, and with what those use of a module that is registered.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


def wait_for(condition):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.fixture(scope="module")
def local():
    """Two worker processes of one thread each, which are started again when they die.

    A worker that wants a result of one that has died gives it up only after a timeout.
    """
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "1s"}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=logging.CRITICAL
        ) as local,
    ):
        yield local


@pytest.fixture
def cluster(local):
    with Cluster(local.scheduler_address, patience_s=PATIENCE_S) as cluster:
        cluster.client.wait_for_workers(2, timeout=PATIENCE_S)
        yield cluster


class Processes:
    """A scheduler and workers of one's own, which nobody starts again."""

    def __init__(self, folder, stack):
        self.folder, self.stack = folder, stack

    def start(self, program, *args, lacks=None):
        code = f"import sys; sys.modules[{lacks!r}] = None\n" if lacks else ""
        code += f"from distributed.cli.dask_{program} import main; main()"
        process = subprocess.Popen(
            [sys.executable, "-c", code, *args, "--dashboard-address", ":0"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
            env=os.environ | {"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "1s"},
        )
        self.stack.enter_context(process)
        self.stack.callback(process.kill)
        return process

    def start_scheduler(self, **options):
        file = self.folder / "scheduler.json"
        self.scheduler = self.start(
            "scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", file, **options
        )
        wait_for(lambda: file.exists() and file.read_text().endswith("}"))
        self.address = json.loads(file.read_text())["address"]

    def start_worker(self, **options):
        self.worker = self.start(
            "worker", self.address, "--nthreads", "1", "--no-nanny",
            "--local-directory", self.folder, **options,
        )  # fmt: skip


@pytest.fixture
def processes(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster_module, "LOOK_EVERY_S", 0.2)
    folder = tmp_path / "processes"
    folder.mkdir()
    with contextlib.ExitStack() as stack:
        yield Processes(folder, stack)


@pytest.fixture(scope="module")
def utterances(small_corpus):
    return read_utterances(small_corpus / "utterances.csv")


@pytest.fixture(scope="module", autouse=True)
def short_shards():
    """Make many shards and chunks of a small corpus."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(extraction_module, "MIN_SHARD_S", 10.0)
        patch.setattr(store_module, "CHUNK_FRAMES", 300)
        yield


@pytest.fixture(scope="module")
def store(utterances, tmp_path_factory):
    store, _ = extract_features(utterances, tmp_path_factory.mktemp("store"), CONFIG)
    return store


def model_bytes(store, jobs, **options):
    gmm, history = train_ubm(store, 6, config=TRAINING, jobs=jobs, **options)
    assert len(history.floored_variances) == 3
    return b"".join(a.tobytes() for a in (gmm.weights, gmm.means, gmm.variances))


@pytest.fixture(scope="module")
def model_of_threads(store):
    return model_bytes(store, 1)


def shard_bytes(folder):
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir()) if p.name != ".lock"}


def shard(item):
    """Numbers whose sum depends on the order: of sizes from 1e-8 to 1e8, in both signs."""
    rng = np.random.default_rng(item)
    return rng.normal(size=(5, 7)) * 10.0 ** rng.integers(-8, 9, (5, 7))


def dying(function, doomed, folder, *, name=str):
    """Let the worker die after its work on some items, the first time that each is done."""

    def work(item, *args):
        result = function(item, *args)
        mark = folder / f"{name(item)}.died"
        if name(item) in doomed and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return work


def chunk_name(chunk):
    path, start, _ = chunk.spans[0]
    return f"{path.name}-{start}"


def n_died(folder):
    return len(list(folder.glob("*.died")))


# --- the same as threads ---


def test_results_come_in_the_order_of_the_items(cluster):
    def late_first(item, sign):
        time.sleep(0.002 * (3 - item % 4))
        return sign * item

    assert list(map_in_order(late_first, range(40), -1, jobs=cluster)) == [-i for i in range(40)]
    assert list(map_in_order(late_first, [], -1, jobs=cluster)) == []


def test_items_and_arguments_arrive_as_they_are(cluster):
    """Dask looks into collections for what it has to compute; here there is nothing."""
    items = [(len, "abc"), ["a", (1,)], {"key": [2]}, "text", None, np.float32(0.1)]

    def give_back(item, *args):
        return item, args

    for item in items:
        (found,) = map_in_order(give_back, [item], item, 3, jobs=cluster)
        assert found == (item, (item, 3))
        assert type(found[0]) is type(item)


def test_items_are_taken_only_so_far_ahead(cluster):
    taken = []

    def supply():
        for item in itertools.count():
            taken.append(item)
            yield item

    at_once = cluster_module.TASKS_PER_THREAD * cluster.n_threads
    results = map_in_order(abs, supply(), jobs=cluster)
    for n_yielded in range(1, 30):
        assert next(results) == n_yielded - 1
        assert len(taken) <= n_yielded - 1 + at_once
    results.close()
    assert cluster.n_threads == 2
    wait_for(lambda: not cluster.client.futures)


@pytest.mark.parametrize("n_items", [1, 2, 3, 13, 31, 70, 300])
def test_a_sum_is_that_of_threads_to_the_last_bit(cluster, n_items):
    def work(item):
        return shard(item)

    zero = np.zeros((5, 7))
    by_threads = {sum_in_order(work, range(n_items), zero, jobs=n).tobytes() for n in JOBS}
    total = sum_in_order(work, range(n_items), zero, jobs=cluster)
    assert {total.tobytes()} == by_threads


def test_a_sum_of_nothing_is_zero(cluster):
    zero = np.zeros(2)
    assert sum_in_order(np.full_like, [], zero, jobs=cluster) is zero


def test_a_model_is_that_of_threads_to_the_last_bit(cluster, store, model_of_threads):
    assert len(store.chunks()) > 16
    for jobs in (2, 4, cluster):
        assert model_bytes(store, jobs) == model_of_threads


def test_frames_in_memory_train_the_same_model(cluster, store, model_of_threads):
    frames = store.pooled(list(store.places))
    assert model_bytes(frames, cluster) == model_bytes(frames, 1)


def test_a_store_is_that_of_threads_to_the_last_bit(cluster, utterances, store, tmp_path):
    by_cluster, n_computed = extract_features(utterances, tmp_path, CONFIG, jobs=cluster)
    assert n_computed == len(utterances)
    assert len(shard_bytes(tmp_path)) > 6
    assert shard_bytes(tmp_path) == shard_bytes(store.folder)
    assert by_cluster.digest() == store.digest()
    assert extract_features(utterances, tmp_path, CONFIG, jobs=cluster)[1] == 0


def test_workers_find_what_is_named_from_the_folder_of_the_client(
    cluster, small_corpus, store, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "corpus").symlink_to(small_corpus)
    utterances = read_utterances("corpus/utterances.csv")
    assert not any(utterance.path.is_absolute() for utterance in utterances.values())
    extract_features(utterances, "store", CONFIG, jobs=cluster)
    assert shard_bytes(tmp_path / "store") == shard_bytes(store.folder)


def test_only_a_cluster_is_remote(cluster):
    assert [is_remote(jobs) for jobs in (None, 1, 4, cluster)] == [False, False, False, True]


# --- workers that die ---


def test_a_sum_outlives_its_workers(cluster, tmp_path):
    def work(item):
        return shard(item)

    expected = sum_in_order(work, range(60), np.zeros((5, 7)), jobs=2)
    mortal = dying(work, ("7", "41"), tmp_path)
    total = sum_in_order(mortal, range(60), np.zeros((5, 7)), jobs=cluster)
    assert n_died(tmp_path) == 2
    assert total.tobytes() == expected.tobytes()


def test_a_sum_outlives_a_worker_that_holds_a_part_of_it(cluster, tmp_path):
    def work(item):
        time.sleep(0.01)
        (tmp_path / f"{item}.done").touch()
        return shard(item)

    def kill_one():
        wait_for(lambda: len(list(tmp_path.glob("*.done"))) >= 50)
        os.kill(pid, signal.SIGKILL)

    pid = next(iter(cluster.client.run(os.getpid).values()))
    killer = threading.Thread(target=kill_one)
    killer.start()
    total = sum_in_order(work, range(100), np.zeros((5, 7)), jobs=cluster)
    assert not killer.is_alive()
    again = sum_in_order(shard, range(100), np.zeros((5, 7)), jobs=2)
    assert total.tobytes() == again.tobytes()


def test_training_outlives_a_worker(cluster, store, model_of_threads, tmp_path, monkeypatch):
    doomed = (chunk_name(store.chunks()[20]),)
    mortal = dying(em_module._chunk_statistics, doomed, tmp_path, name=chunk_name)
    monkeypatch.setattr(em_module, "_chunk_statistics", mortal)
    assert model_bytes(store, cluster) == model_of_threads
    assert n_died(tmp_path) == 1


def test_training_outlives_a_worker_killed_from_outside(cluster, store, model_of_threads):
    class Killing:
        def start(self, task, total=None):
            if task == "UBM: EM":
                killer.start()

        def advance(self, steps=1):
            pass

        def note(self, text):
            pass

    pid = next(iter(cluster.client.run(os.getpid).values()))
    killer = threading.Timer(0.02, os.kill, (pid, signal.SIGKILL))
    assert model_bytes(store, cluster, progress=Killing()) == model_of_threads
    assert not killer.is_alive()


def test_extraction_outlives_a_worker(cluster, utterances, store, tmp_path, monkeypatch):
    marks = tmp_path / "marks"
    marks.mkdir()
    mortal = dying(
        extraction_module._write_shard, ("3",), marks, name=lambda shard: str(shard.number)
    )
    monkeypatch.setattr(extraction_module, "_write_shard", mortal)
    extract_features(utterances, tmp_path / "store", CONFIG, jobs=cluster)
    assert n_died(marks) == 1
    assert shard_bytes(tmp_path / "store") == shard_bytes(store.folder)


def test_work_waits_for_a_worker_in_place_of_the_last_one(processes, tmp_path):
    processes.start_scheduler()
    processes.start_worker()
    with Cluster(processes.address, patience_s=PATIENCE_S) as cluster:
        mortal = dying(shard, ("4",), tmp_path)

        def replace():
            processes.worker.wait(PATIENCE_S)
            processes.start_worker()

        replacer = threading.Thread(target=replace)
        replacer.start()
        total = sum_in_order(mortal, range(10), np.zeros((5, 7)), jobs=cluster)
        replacer.join()
    assert n_died(tmp_path) == 1
    assert total.tobytes() == sum_in_order(shard, range(10), np.zeros((5, 7)), jobs=1).tobytes()


def test_a_cluster_without_workers_is_given_up(processes, tmp_path):
    processes.start_scheduler()
    processes.start_worker()
    with Cluster(processes.address, patience_s=PATIENCE_S) as cluster:
        cluster.patience_s = 1.0
        # A client may be busy with other things for longer than its patience.
        time.sleep(1.5)
        with pytest.raises(WorkerError, match="the cluster has had no worker for 1 s; start some"):
            sum_in_order(dying(abs, ("4",), tmp_path), range(10), 0, jobs=cluster)
    waited_s = time.time() - (tmp_path / "4.died").stat().st_mtime
    assert 0.9 < waited_s < 10.0


# --- a scheduler that dies ---


def test_a_training_whose_scheduler_died_goes_on_elsewhere(
    processes, store, model_of_threads, tmp_path, monkeypatch
):
    processes.start_scheduler()
    processes.start_worker()
    chunk_statistics, doomed = em_module._chunk_statistics, store.chunks()[20]
    scheduler, mark, kept = processes.scheduler.pid, tmp_path / "once", tmp_path / "checkpoint"

    def work(chunk, gmm):
        if chunk == doomed:
            if mark.exists():
                os.kill(scheduler, signal.SIGKILL)
                time.sleep(PATIENCE_S)
            mark.touch()
        return chunk_statistics(chunk, gmm)

    with monkeypatch.context() as patch, Cluster(processes.address, patience_s=5) as cluster:
        patch.setattr(em_module, "_chunk_statistics", work)
        began = time.monotonic()
        with pytest.raises(WorkerError, match=r"the cluster failed .*: what was finished is kept"):
            model_bytes(store, cluster, checkpoint=kept)
        assert time.monotonic() - began < 10.0
        with pytest.raises(WorkerError, match=r"the cluster failed|no worker"):
            list(map_in_order(abs, [1], jobs=cluster))
    before = kept.read_bytes()
    assert model_bytes(store, 2, checkpoint=kept) == model_of_threads
    assert kept.read_bytes() != before


def test_a_client_that_knows_nothing_any_more_gives_up(cluster, monkeypatch):
    """Dask's client answers so while it closes, when the scheduler has been gone for too long."""
    monkeypatch.setattr(cluster_module, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(cluster.client, "scheduler_info", dict)
    cluster.patience_s = 0.1
    with pytest.raises(WorkerError, match=r"no worker|the cluster failed"):
        list(map_in_order(time.sleep, [1.0], jobs=cluster))


# --- errors of the work ---


@pytest.mark.parametrize(
    "error", [FrameError("frame 3 is odd"), TimeoutError("the disk is slow"), OSError(5, "input")]
)
def test_an_error_of_the_work_arrives_as_itself_at_its_turn(cluster, error):
    def work(item):
        if item == 5:
            raise error
        return item

    results = map_in_order(work, range(10), jobs=cluster)
    assert [next(results) for _ in range(5)] == list(range(5))
    with pytest.raises(type(error), match=re.escape(str(error))):
        next(results)
    assert list(results) == []
    with pytest.raises(type(error), match=re.escape(str(error))):
        sum_in_order(work, range(100), 0, jobs=cluster)


def test_bad_recordings_are_all_named(cluster, utterances, tmp_path):
    bad = dict(utterances)
    for i in range(3):
        soundfile.write(tmp_path / f"silent{i}.wav", np.zeros(8000), 16000)
        bad[f"bad{i}"] = Utterance(f"bad{i}", "s", tmp_path / f"silent{i}.wav")
    with pytest.raises(AudioError, match="3 problems") as caught:
        extract_features(bad, tmp_path / "store", CONFIG, jobs=cluster)
    assert f"utterance bad2: {tmp_path / 'silent2.wav'}: silent" in str(caught.value)


def test_a_store_that_workers_cannot_read_is_named(cluster, utterances, tmp_path):
    store, _ = extract_features(utterances, tmp_path, CONFIG)
    (tmp_path / "shard-00002.npy").unlink()
    with pytest.raises(FrameStoreError, match=r"shard-00002\.npy: shard is missing"):
        model_bytes(store, cluster)


def test_a_result_may_take_longer_to_come_than_a_look(cluster, monkeypatch):
    monkeypatch.setattr(cluster_module, "LOOK_EVERY_S", 0.002)

    def work(item):
        time.sleep(0.001 * item)
        return np.full(100_000 * (1 + item), item)

    for item, result in enumerate(map_in_order(work, range(8), jobs=cluster)):
        assert (result == item).all()


# --- clusters that are none ---


def test_a_scheduler_that_is_not_there():
    began = time.monotonic()
    with pytest.raises(
        WorkerError, match=r"^tcp://127\.0\.0\.1:1: no Dask scheduler can be reached there \("
    ):
        Cluster("tcp://127.0.0.1:1", patience_s=1)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("address", ["nonsense", "http://127.0.0.1:1", "something silent"])
def test_an_address_of_no_scheduler(address):
    """In a process of its own: that says only what is wrong, and ends."""
    code = f"""
import socket
from speakergmm.errors import WorkerError
from speakergmm.parallel import Cluster
with socket.create_server(("127.0.0.1", 0)) as silent:
    address = {address!r}
    if address == "something silent":
        address = f"tcp://127.0.0.1:{{silent.getsockname()[1]}}"
    try:
        Cluster(address, patience_s=1)
    except WorkerError as error:
        print(error)
"""
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=10, check=True
    )
    assert "no Dask scheduler can be reached there (" in ended.stdout
    assert "expected an address such as tcp://" in ended.stdout
    assert ended.stderr == ""


def test_a_scheduler_without_workers():
    with (
        distributed.LocalCluster(
            n_workers=0, dashboard_address=":0", silence_logs=logging.CRITICAL
        ) as empty,
        pytest.raises(WorkerError, match="the scheduler has no workers, and none came within 1 s"),
    ):
        Cluster(empty.scheduler_address, patience_s=1)


def test_without_dask(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(WorkerError, match=r"pip install 'speakergmm\[distributed\]'"):
        Cluster("tcp://127.0.0.1:1")


def test_workers_of_another_version(local, monkeypatch):
    monkeypatch.setattr(cluster_module, "__version__", "0.0.1")
    message = rf"has speakergmm {re.escape(__version__)}, the client speakergmm 0\.0\.1; install"
    with (
        pytest.raises(WorkerError, match=message),
        Cluster(local.scheduler_address, patience_s=PATIENCE_S) as cluster,
    ):
        sum_in_order(abs, [1], 0, jobs=cluster)


@pytest.mark.parametrize("lacking", ["scheduler", "worker"])
def test_the_package_is_missing(processes, lacking):
    processes.start_scheduler(lacks="speakergmm" if lacking == "scheduler" else None)
    processes.start_worker(lacks="speakergmm" if lacking == "worker" else None)
    with (
        pytest.raises(WorkerError, match=f"install speakergmm {re.escape(__version__)} on all"),
        Cluster(processes.address, patience_s=5) as cluster,
    ):
        list(map_in_order(abs, [1], jobs=cluster))

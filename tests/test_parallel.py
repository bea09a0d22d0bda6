"""Map over shards and sum in a fixed order: the number of workers changes nothing but the time."""

from __future__ import annotations

import itertools
import math
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from speakergmm.errors import ConfigError, WorkerError
from speakergmm.parallel import (
    available_cores,
    is_remote,
    map_in_order,
    map_in_processes,
    single_threaded_libraries,
    sum_in_order,
    tree_sum,
)
from speakergmm.parallel.processes import AT_ONCE

JOBS = [1, 2, 4]
# Only a failing test waits so long.
PATIENCE_S = 10.0


def late_first(item):
    """Let the earlier of neighboring items finish later."""
    time.sleep(0.002 * (3 - item % 4))
    return item


class Counted:
    """An endless supply of items that counts what was taken from it."""

    def __init__(self):
        self.n_taken = 0

    def __iter__(self):
        for item in itertools.count():
            self.n_taken += 1
            yield item


# --- order ---


@pytest.mark.parametrize("jobs", [*JOBS, None])
def test_results_come_in_the_order_of_the_items(jobs):
    results = map_in_order(late_first, range(30), jobs=jobs)
    assert list(results) == list(range(30))


def test_a_late_first_item_holds_back_the_second():
    second_is_done = threading.Event()

    def work(item):
        if item == 0:
            assert second_is_done.wait(PATIENCE_S)
        else:
            second_is_done.set()
        return item

    assert list(map_in_order(work, [0, 1], jobs=2)) == [0, 1]


@pytest.mark.parametrize("jobs", JOBS)
def test_no_items_no_results(jobs):
    assert list(map_in_order(late_first, [], jobs=jobs)) == []


def test_workers_work_at_the_same_time():
    # Passes only when three items are under way together.
    meeting = threading.Barrier(3, timeout=PATIENCE_S)
    assert len(list(map_in_order(lambda item: meeting.wait(), range(3), jobs=3))) == 3


def test_never_more_under_way_than_workers():
    lock, under_way, most = threading.Lock(), 0, 0

    def work(item):
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.001)
        with lock:
            under_way -= 1

    list(map_in_order(work, range(40), jobs=3))
    assert most <= 3


# --- laziness ---


@pytest.mark.parametrize("jobs", JOBS)
def test_items_are_taken_at_most_two_a_worker_ahead(jobs):
    supply = Counted()
    results = map_in_order(late_first, supply, jobs=jobs)
    assert supply.n_taken == 0
    for n_yielded in range(1, 20):
        next(results)
        # The result just taken made room, which is filled only when the next one is asked for.
        assert supply.n_taken <= n_yielded - 1 + 2 * jobs
    results.close()
    assert supply.n_taken <= 19 - 1 + 2 * jobs


def test_one_worker_is_wholly_lazy():
    supply = Counted()
    results = map_in_order(late_first, supply, jobs=1)
    for n_yielded in range(1, 5):
        next(results)
        assert supply.n_taken == n_yielded
    results.close()


def test_what_is_given_up_stops():
    begun = []
    results = map_in_order(begun.append, itertools.count(), jobs=2)
    next(results)
    results.close()
    n_begun = len(begun)
    assert n_begun <= 4
    time.sleep(0.02)
    assert len(begun) == n_begun


# --- errors ---


class TornTapeError(Exception):
    pass


@pytest.mark.parametrize("jobs", JOBS)
@pytest.mark.parametrize("bad", [0, 3, 9])
def test_an_error_is_raised_at_its_turn(jobs, bad):
    def work(item):
        if item == bad:
            raise TornTapeError(f"item {item}")
        return late_first(item)

    results = map_in_order(work, range(10), jobs=jobs)
    assert [next(results) for _ in range(bad)] == list(range(bad))
    with pytest.raises(TornTapeError, match=f"item {bad}"):
        next(results)
    assert list(results) == []


def test_an_error_waits_for_the_items_before_it():
    has_failed = threading.Event()

    def work(item):
        if item == 1:
            has_failed.set()
            raise TornTapeError
        assert has_failed.wait(PATIENCE_S)
        return item

    results = map_in_order(work, range(2), jobs=2)
    assert next(results) == 0
    with pytest.raises(TornTapeError):
        next(results)


@pytest.mark.parametrize("jobs", JOBS)
def test_after_an_error_nothing_more_begins(jobs):
    begun = []

    def work(item):
        begun.append(item)
        if item == 0:
            raise TornTapeError
        time.sleep(0.001)

    with pytest.raises(TornTapeError):
        list(map_in_order(work, range(1000), jobs=jobs))
    n_begun = len(begun)
    assert n_begun <= 2 * jobs
    time.sleep(0.02)
    assert len(begun) == n_begun


def test_what_has_not_begun_at_an_error_is_dropped():
    begun, release = [], threading.Event()

    def work(item):
        begun.append(item)
        if item == 0:
            raise TornTapeError
        assert release.wait(PATIENCE_S)

    # Items 1 and 2, where they begin before the error of item 0 is seen, keep both workers busy
    # until it is raised; 3 waits its turn.
    threading.Timer(1.0, release.set).start()
    with pytest.raises(TornTapeError):
        list(map_in_order(work, range(10), jobs=2))
    assert 0 in begun
    assert set(begun) <= {0, 1, 2}


@pytest.mark.parametrize("jobs", JOBS)
def test_an_error_of_the_items_themselves_is_raised(jobs):
    def items():
        yield 1
        raise TornTapeError("no second item")

    with pytest.raises(TornTapeError, match="no second item"):
        list(map_in_order(late_first, items(), jobs=jobs))


@pytest.mark.parametrize("jobs", [np.int64(2), np.uint8(1)])
def test_a_number_of_workers_may_be_numpys(jobs):
    assert list(map_in_order(late_first, range(5), jobs=jobs)) == list(range(5))
    assert sum_in_order(late_first, range(5), 0, jobs=jobs) == 10
    assert not is_remote(jobs)


@pytest.mark.parametrize("jobs", [1.5, "2", np.float64(2.0), [2]])
def test_what_is_neither_a_number_nor_a_cluster_does_no_work(jobs):
    message = f"^jobs is {re.escape(repr(jobs))}; expected a whole number of threads, or a Cluster$"
    with pytest.raises(ConfigError, match=message):
        map_in_order(late_first, range(5), jobs=jobs)


@pytest.mark.parametrize("jobs", [0, -1])
def test_there_must_be_a_worker(jobs):
    message = f"^jobs is {jobs}; expected 1 or more workers$"
    with pytest.raises(ConfigError, match=message):
        list(map_in_order(late_first, range(3), jobs=jobs))
    with pytest.raises(ConfigError, match=message):
        sum_in_order(late_first, range(3), 0, jobs=jobs)


# --- sums ---


def shard(item):
    """Numbers whose sum depends on the order: of sizes from 1e-8 to 1e8, in both signs."""
    rng = np.random.default_rng(item)
    time.sleep(0.001 * (item % 3))
    return rng.normal(size=(5, 7)) * 10.0 ** rng.integers(-8, 9, (5, 7))


def test_the_shards_do_depend_on_the_order():
    backward = sum(shard(item) for item in reversed(range(25)))
    assert (backward != sum(shard(item) for item in range(25))).any()


def tree_by_hand(terms):
    """The definition: the largest power of two of terms that leaves some, plus the rest."""
    if len(terms) == 1:
        return terms[0]
    left = 1 << (len(terms) - 1).bit_length() - 1
    return tree_by_hand(terms[:left]) + tree_by_hand(terms[left:])


@pytest.mark.parametrize("jobs", JOBS)
@pytest.mark.parametrize("n_items", [1, 2, 3, 8, 13, 25])
def test_a_sum_is_that_of_the_tree_to_the_last_bit(jobs, n_items):
    by_hand = tree_by_hand([shard(item) for item in range(n_items)])
    total = sum_in_order(shard, range(n_items), np.zeros((5, 7)), jobs=jobs)
    assert total.tobytes() == by_hand.tobytes()


@pytest.mark.parametrize("run", [1, 2, 4, 8, 16, 64])
@pytest.mark.parametrize("n_items", [1, 2, 7, 13, 16, 25, 70])
def test_runs_of_terms_may_be_summed_beforehand(run, n_items):
    terms = [shard(item) for item in range(n_items)]
    runs = [tree_sum(terms[i : i + run]) for i in range(0, n_items, run)]
    assert tree_sum(runs).tobytes() == tree_by_hand(terms).tobytes()


def test_a_tree_sum_of_nothing_is_none():
    assert tree_sum([]) is None


@pytest.mark.parametrize("jobs", JOBS)
def test_matrix_products_in_the_shards_are_the_same_to_the_last_bit(jobs):
    """Threads of BLAS would part the product differently beside a different number of workers."""

    def work(item):
        x = np.random.default_rng(item).normal(size=(400, 300))
        return x.T @ x

    with single_threaded_libraries():
        by_hand = tree_by_hand([work(item) for item in range(6)])
    total = sum_in_order(work, range(6), np.zeros((300, 300)), jobs=jobs)
    assert total.tobytes() == by_hand.tobytes()


def test_a_sum_starts_from_zero_and_leaves_it_alone():
    zero = np.zeros(2)
    assert sum_in_order(np.full_like, [], zero) is zero
    total = sum_in_order(lambda item: np.ones(2), range(3), zero, jobs=2)
    assert total.tolist() == [3.0, 3.0]
    assert zero.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("jobs", JOBS)
def test_anything_that_adds_can_be_summed(jobs):
    assert sum_in_order(lambda item: [item], range(5), [], jobs=jobs) == [0, 1, 2, 3, 4]


# --- threads of the libraries ---


def blas_threads(item=None):
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


@pytest.mark.parametrize("jobs", JOBS)
def test_blas_keeps_to_one_thread_in_each_worker_and_is_set_free_after(jobs):
    before = blas_threads()
    if not before:
        pytest.skip("no BLAS that threadpoolctl knows")
    assert list(map_in_order(blas_threads, range(3), jobs=jobs)) == [{1}] * 3
    assert blas_threads() == before


def test_blas_is_set_free_after_an_error():
    before = blas_threads()
    with pytest.raises(ZeroDivisionError):
        list(map_in_order(lambda item: 1 // item, [0], jobs=2))
    assert blas_threads() == before


def test_there_is_a_core_to_work_on():
    assert available_cores() >= 1


# --- processes ---


def test_processes_give_the_results_in_the_order_of_the_items():
    items = [number / 7 for number in range(50)]
    for jobs in (1, 2):
        assert list(map_in_processes(math.sqrt, items, jobs=jobs)) == [*map(math.sqrt, items)]
    assert list(map_in_processes(math.sqrt, [], jobs=2)) == []


def test_an_error_in_a_process_is_raised_and_nothing_is_left_running():
    before = {*multiprocessing.active_children()}
    results = map_in_processes(math.sqrt, [1.0] * 40 + [-1.0] + [1.0] * 400, jobs=2)
    with pytest.raises(ValueError, match=r"math domain|nonnegative"):
        list(results)
    wait_for_end_of({*multiprocessing.active_children()} - before)


def test_processes_take_a_bounded_number_of_items_and_end_with_who_wanted_them():
    before = {*multiprocessing.active_children()}
    supply = Counted()
    results = map_in_processes(math.sqrt, supply, jobs=2)
    assert next(results) == 0.0
    assert supply.n_taken <= 2 * 2 * AT_ONCE
    results.close()
    wait_for_end_of({*multiprocessing.active_children()} - before)


def test_who_ends_early_leaves_the_processes_of_others_alone():
    early = map_in_processes(math.sqrt, itertools.repeat(4.0), jobs=1)
    assert next(early) == 2.0
    # Begun later, so that no list of what was there before has it.
    other = map_in_processes(math.sqrt, [4.0] * 10 * AT_ONCE, jobs=1)
    assert next(other) == 2.0
    early.close()
    assert [*other] == [2.0] * (10 * AT_ONCE - 1)


def wait_for_end_of(processes):
    ends = time.monotonic() + PATIENCE_S
    # Where the executor's thread asks at the same moment whether a process has ended, only one of
    # the two is told at once; `join` may come back from one that ends.
    while any(process.is_alive() for process in processes):
        assert time.monotonic() < ends
        time.sleep(0.01)


def test_a_process_that_is_killed_is_one_clear_error():
    with pytest.raises(WorkerError, match=r"was killed, .* fewer than 2 --jobs"):
        list(map_in_processes(os._exit, [9], jobs=2))


def test_fewer_than_one_process_is_refused():
    with pytest.raises(ConfigError, match="jobs is 0; expected 1 or more workers"):
        list(map_in_processes(math.sqrt, [1.0], jobs=0))


SLOW = """
import time
from speakergmm.parallel import map_in_processes
if __name__ == "__main__":
    results = map_in_processes(time.sleep, [0.05] * 10_000, jobs=2)
    print("begun", next(results), flush=True)
    list(results)
"""


@pytest.mark.skipif(os.name != "posix", reason="signals to a group of processes")
@pytest.mark.parametrize("after_s", [0.0, 0.4])
def test_ctrl_c_is_left_to_the_one_who_started_the_processes(tmp_path, after_s):
    script = tmp_path / "slow.py"
    script.write_text(SLOW)
    running = subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    assert running.stdout.readline() == "begun None\n"
    time.sleep(after_s)
    os.killpg(running.pid, signal.SIGINT)
    # Who holds the pipes has ended too.
    _, err = running.communicate(timeout=PATIENCE_S)
    assert running.returncode != 0
    assert err.count("Traceback") == 1
    assert err.rstrip().endswith("KeyboardInterrupt")

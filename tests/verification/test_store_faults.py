"""A speaker store whose processes are killed, whose disk is full, or whose bytes are damaged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress

import numpy as np
import pytest

from speakergmm.errors import SpeakerGMMError, SpeakerStoreError
from speakergmm.gmm import Statistics
from speakergmm.verification.speaker_store import SpeakerStore, database
from speakergmm.verification.speaker_store.enrolled import EnrolledRecording

UBM = "digest-of-a-ubm"

# What the scripts share. Numbers are whole, so that sums are exact; a speaker with the recordings
# "1" to "k" has the sum of the first k numbers everywhere.
COMMON = """
import json, os, random, resource, signal, sqlite3, sys, time
from contextlib import closing
from pathlib import Path
import numpy as np
from speakergmm.errors import MissingError, SpeakerStoreError
from speakergmm.gmm import Statistics
from speakergmm.verification.speaker_store.enrolled import EnrolledRecording
from speakergmm.verification.speaker_store import SpeakerStore

store = SpeakerStore(Path(sys.argv[1]), "digest-of-a-ubm")

def add(speaker_id, value, label=None, size=40):
    numbers = np.full((4, size), float(value))
    name = label or str(value)
    recording = EnrolledRecording(name, "a" + name, "f" + name, 1.0, 1.0, None, None, (), "")
    statistics = Statistics(numbers[:, 0], numbers, numbers, float(value), value)
    derive = lambda total: {"sum": total.n}
    return store.enroll(speaker_id, statistics, [recording], derive=derive).revision

def is_whole(speaker_id):
    found = store.find(speaker_id)
    count = len(found.recordings)
    total = count * (count + 1) // 2
    statistics = found.statistics
    derived = store.derived(speaker_id, "sum")
    return count, (
        [recording.name for recording in found.recordings] == list(map(str, range(1, count + 1)))
        and all((a == total).all() for a in (statistics.n, statistics.f, statistics.s, derived))
        and statistics.n_frames == statistics.log_likelihood == total
    )

def fork(work):
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException as error:
            print(f"child: {error!r}", file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    return child
"""

KILLED = """
generator = random.Random(1)
add("alice", 1)
add("other", 1)

def work():
    count = is_whole("alice")[0]
    while True:
        count += 1
        add("alice", count)
        if count % 5 == 0:
            if "other" in store.revisions():
                store.remove(["other"])
            else:
                add("other", 1)

counts, bad, signaled = [], [], 0
for kill in range(100):
    child = fork(work)
    time.sleep(generator.uniform(0.0, 0.06))
    os.kill(child, signal.SIGKILL)
    signaled += os.WIFSIGNALED(os.waitpid(child, 0)[1])
    with closing(sqlite3.connect(store.path)) as database:
        verdict = database.execute("PRAGMA integrity_check").fetchall()
    count, whole = is_whole("alice")
    counts.append(count)
    if not whole or verdict != [("ok",)] or len(store.speakers()) != len(store.revisions()):
        bad.append([kill, count, whole, verdict])
    if "other" in store.revisions() and is_whole("other") != (1, True):
        bad.append([kill, "other"])
print(json.dumps({"counts": counts, "bad": bad, "signaled": signaled}))
"""

TOGETHER = """
folder = store.path.parent
statuses, missing = [], []
for round in range(8):
    store = SpeakerStore(folder / f"{round}.db", "digest-of-a-ubm")
    start, go = os.pipe()
    log = folder / f"{round}.log"

    def work(number):
        os.close(go)
        os.read(start, 1)
        seen = []
        for i in range(6):
            seen.append(add("shared", 1, f"{number}-{i}"))
            seen.append(add(f"own-{number}", 1, f"own-{number}-{i}"))
            len(store.speakers())
        # Of one process each is greater than those before; a write of so little is whole.
        line = f"{json.dumps([number, seen, seen == sorted(set(seen))])}\\n"
        with log.open("a") as file:
            file.write(line)

    children = [fork(lambda number=number: work(number)) for number in range(3)]
    os.close(start)
    os.close(go)
    statuses += [os.waitpid(child, 0)[1] for child in children]
    shared = store.find("shared")
    names = {recording.name for recording in shared.recordings}
    sizes = [len(store.find(f"own-{number}").recordings) for number in range(3)]
    if (len(names), shared.statistics.n_frames, sizes) != (18, 18, [6, 6, 6]):
        missing.append([round, len(names), shared.statistics.n_frames, sizes])
    told = [json.loads(line) for line in log.read_text().splitlines()]
    every = [revision for _, seen, _ in told for revision in seen]
    newest = {f"own-{number}": seen[-1] for number, seen, _ in told}
    newest["shared"] = max(seen[-2] for _, seen, _ in told)
    # No two changes have the same, whoever made them.
    if (
        len(told) != 3
        or not all(rises for *_, rises in told)
        or len(set(every)) != 36
        or store.revision() != max(every)
        or store.revisions() != newest
    ):
        missing.append([round, told, store.revision(), store.revisions()])
print(json.dumps({"statuses": statuses, "missing": missing}))
"""

FULL_DISK = """
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
add("alice", 1, size=400)
said, bad = [], []
unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
for room in range(0, 100_000, 2_500):
    count = is_whole("alice")[0]
    size = store.path.stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, unlimited))
    try:
        for i in range(3):
            add("alice", count + 1, size=400)
            count += 1
    except SpeakerStoreError as error:
        said.append(str(error))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (unlimited, unlimited))
    if is_whole("alice") != (count, True):
        bad.append([room, count, is_whole("alice")])
print(json.dumps({"said": said, "bad": bad, "count": count}))
"""


def run(script, path, timeout=120):
    done = subprocess.run(
        [sys.executable, "-c", COMMON + script, str(path)],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


def statistics(seed=0, shape=(3, 4)):
    rng = np.random.default_rng(seed)
    return Statistics(
        rng.uniform(size=shape[0]), rng.normal(size=shape), rng.uniform(size=shape), -5.5, 17
    )


def recording(name):
    return EnrolledRecording(name, f"a-{name}", f"f-{name}", 1.0, 0.5, 20.0, None, ("low",), "now")


NAMES = ("alice", "bob", "carol")


@pytest.fixture
def store(tmp_path):
    store = SpeakerStore(tmp_path / "speakers.db", UBM)
    for number, name in enumerate(NAMES):
        store.enroll(
            name,
            statistics(number),
            [recording(name)],
            adaptation={"relevance_factor": 16.0},
            derive=lambda s: {"k": s.f[0]},
        )
    return store


def plain(statistics):
    arrays = [getattr(statistics, name).tolist() for name in "nfs"]
    return (*arrays, statistics.log_likelihood, statistics.n_frames)


def listed(array):
    return None if array is None else array.tolist()


def of_revisions(store):
    """What was derived of bob's own revision, and of one that was never."""
    revision = store.revisions()["bob"]
    return [listed(store.derived("bob", "k", revision=r)) for r in (revision, revision - 1)]


QUESTIONS = {
    "speakers": lambda store: store.speakers(),
    "revision": lambda store: store.revision(),
    "revisions": lambda store: store.revisions(),
    "models": lambda store: [(i, r, plain(s)) for i, r, s in store.models()],
    "full models": lambda store: [(i, r, plain(s)) for i, r, s in store.models(with_s=True)],
    "derived": lambda store: listed(store.derived("bob", "k")),
    "derived of a revision": of_revisions,
} | {
    name: lambda store, name=name: (plain(store.find(name).statistics), store.find(name).recordings)
    for name in NAMES
}


NOT_DERIVED = {"derived": None, "derived of a revision": [None, None]}


def answers(store):
    return {what: ask(store) for what, ask in QUESTIONS.items()}


def wrong_answers(store, expected):
    """Ask all; every answer is the right one, or a refusal."""
    wrong = []
    for what, ask in QUESTIONS.items():
        try:
            found = ask(store)
        except SpeakerGMMError:
            continue
        # What was derived may be made anew, so it may be missing; it is never wrong.
        if found != expected[what] and not (what in NOT_DERIVED and found == NOT_DERIVED[what]):
            wrong.append((what, found))
    return wrong


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_at_any_moment_nothing_is_torn(tmp_path):
    found, stderr = run(KILLED, tmp_path / "speakers.db")
    assert found["bad"] == []
    assert (found["signaled"], stderr) == (100, "")
    assert found["counts"] == sorted(found["counts"])
    # Else it was always killed before it did anything.
    assert found["counts"][-1] > 50


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_processes_that_enroll_at_once_lose_nothing(tmp_path):
    found, stderr = run(TOGETHER, tmp_path / "speakers.db")
    assert (found["missing"], stderr) == ([], "")
    assert set(found["statuses"]) == {0}


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits of file sizes")
def test_full_disk_leaves_the_old_state(tmp_path):
    found, _ = run(FULL_DISK, tmp_path / "speakers.db")
    assert found["bad"] == []
    assert len(found["said"]) > 10
    assert all("the disk is full" in said for said in found["said"])
    assert found["count"] > 1


def test_full_database_leaves_the_old_state(store, monkeypatch):
    before = answers(store)
    pages = store.path.stat().st_size // 4096
    pragmas = (*database.PRAGMAS, f"max_page_count = {pages}")
    monkeypatch.setattr(database, "PRAGMAS", pragmas)
    for number in range(50):
        try:
            store.enroll(f"new-{number}", statistics(number), [recording("r")])
        except SpeakerStoreError as error:
            assert "the disk is full; free some space" in str(error)  # noqa: PT017
            break
        before = answers(store)
    else:
        pytest.fail("it was never full")
    monkeypatch.undo()
    assert answers(store) == before
    store.enroll("another", statistics(), [recording("r")])


def test_flipped_bytes_give_the_right_data_or_an_error(store):
    expected, content = answers(store), store.path.read_bytes()
    generator = np.random.default_rng(5)
    # Most of a small database is empty; half of the flips go where something is.
    used = np.flatnonzero(np.frombuffer(content, dtype=np.uint8))
    places = [*generator.integers(len(content), size=150), *generator.choice(used, size=250)]
    for number, place in enumerate(places):
        damaged = bytearray(content)
        damaged[place] ^= int(generator.integers(1, 256))
        store.path.write_bytes(damaged)
        assert wrong_answers(store, expected) == [], place
        # Writing takes longer; a tenth will do.
        if number % 10 == 0:
            with suppress(SpeakerGMMError):
                store.enroll("dave", statistics(9), [recording("new")])
            with suppress(SpeakerGMMError):
                store.remove(["alice"])


def test_truncated_stores_are_refused(store):
    expected, content = answers(store), store.path.read_bytes()
    for length in [*range(0, len(content), 997), *range(0, len(content), 4096), len(content) - 1]:
        store.path.write_bytes(content[:length])
        assert wrong_answers(store, expected) == [], length
        # Of a page that is cut, the end may have been empty.
        if length <= len(content) - 4096:
            with pytest.raises(SpeakerStoreError):
                store.speakers()


def test_damaged_exports_are_refused(store, tmp_path):
    path, other = tmp_path / "speakers.safetensors", SpeakerStore(tmp_path / "other.db", UBM)
    store.export(path)
    content = path.read_bytes()
    generator = np.random.default_rng(7)
    for place in generator.integers(len(content), size=300):
        damaged = bytearray(content)
        damaged[place] ^= int(generator.integers(1, 256))
        path.write_bytes(damaged)
        try:
            other.import_from(path)
        except SpeakerStoreError:
            continue
        pytest.fail(f"byte {place} was changed without being noticed")
    for length in [*range(0, len(content), 101), len(content) - 1]:
        path.write_bytes(content[:length])
        with pytest.raises(SpeakerStoreError):
            other.import_from(path)
    assert not other.path.exists()

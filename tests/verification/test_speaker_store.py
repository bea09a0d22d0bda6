from __future__ import annotations

import dataclasses
import json
import os
import shutil
import sqlite3
import stat
import tempfile
import threading
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from speakergmm.errors import MissingError, SpeakerGMMError, SpeakerStoreError
from speakergmm.gmm import Statistics
from speakergmm.verification.speaker_store import SpeakerStore, database
from speakergmm.verification.speaker_store.enrolled import EnrolledRecording

UBM = "digest-of-a-ubm"

VERSION_1_STORE = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE speakers (
    speaker_id TEXT PRIMARY KEY,
    n BLOB NOT NULL, f BLOB NOT NULL, s BLOB NOT NULL,
    log_likelihood REAL NOT NULL, n_frames INTEGER NOT NULL,
    recordings TEXT NOT NULL, changed_at TEXT NOT NULL
);
INSERT INTO about VALUES ('format', 'speakergmm-speakers');
INSERT INTO about VALUES ('version', '1');
INSERT INTO about VALUES ('ubm_digest', 'digest-of-a-ubm');
"""


def statistics(seed=0, shape=(3, 4)):
    rng = np.random.default_rng(seed)
    return Statistics(
        rng.uniform(size=shape[0]), rng.normal(size=shape), rng.uniform(size=shape), -5.5, 17
    )


def recording(name="r1", **others):
    values = {
        "name": f"{name}.wav",
        "audio_digest": f"audio-{name}",
        "file_digest": f"file-{name}",
        "duration_s": 3.5,
        "speech_s": 2.0,
        "snr_db": 21.5,
        "fit": None,
        "warnings": ("clipped",),
        "enrolled_at": "2026-01-31T12:00:00Z",
    }
    return EnrolledRecording(**(values | others))


def same(found, expected):
    for name in "nfs":
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    assert (found.log_likelihood, found.n_frames) == (expected.log_likelihood, expected.n_frames)


def names(enrollment):
    return [recording.name.removesuffix(".wav") for recording in enrollment.recordings]


def bytes_of(folder):
    return b"".join(path.read_bytes() for path in folder.iterdir())


def write_version_1(path, speakers=("alice", "bob")):
    with closing(sqlite3.connect(path)) as database, database:
        database.executescript(VERSION_1_STORE)
        for number, speaker_id in enumerate(speakers):
            blobs = [getattr(statistics(number), name).tobytes() for name in "nfs"]
            digests = json.dumps([f"{speaker_id}-{i}" for i in range(2)])
            row = (speaker_id, *blobs, -5.5, 17, digests, "2025-05-05T05:05:05Z")
            database.execute("INSERT INTO speakers VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)


@contextmanager
def ordinary_user():
    """Read-only files and folders are so for ordinary users only."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


@pytest.fixture
def store(tmp_path):
    return SpeakerStore(tmp_path / "speakers.db", UBM)


@pytest.fixture
def open_folder():
    """A folder that an ordinary user can reach, and owns."""
    folder = Path(tempfile.mkdtemp())
    if os.geteuid() == 0:
        os.chown(folder, 65534, 65534)
    yield folder
    folder.chmod(0o700)
    shutil.rmtree(folder)


# Enrolling and finding


def test_what_is_enrolled_is_found(store):
    adaptation = {"relevance_factor": 16.0, "parameters": "means"}
    given = store.enroll("alice", statistics(), [recording()], adaptation=adaptation)
    found = store.find("alice")
    same(found.statistics, statistics())
    assert found.recordings == (recording(),)
    assert found.adaptation == adaptation
    assert found.enrolled_at == found.changed_at == given.changed_at
    assert found.enrolled_at.endswith("Z")
    assert found.revision == given.revision == store.revision() > 0


def test_recordings_are_read_as_they_were_written():
    full = recording(fit=0.25, warnings=("a", "b"))
    assert EnrolledRecording.from_json(json.loads(json.dumps(full.to_json()))) == full


@pytest.mark.parametrize("change", [{"name": 3}, {"more": 1}, {"warnings": "text"}])
def test_recording_of_other_fields_is_refused(change):
    with pytest.raises(ValueError, match="a recording"):
        EnrolledRecording.from_json(recording().to_json() | change)


def test_enrollment_grows_by_adding(store):
    first = store.enroll("alice", statistics(1), [recording("r1")])
    second = store.enroll("alice", statistics(2), [recording("r2"), recording("r3")])
    found = store.find("alice")
    same(found.statistics, statistics(1) + statistics(2))
    assert found.statistics.n_frames == 34
    assert names(found) == ["r1", "r2", "r3"]
    assert found.revision == second.revision == store.revision() > first.revision


def test_enrolled_at_stays_and_changed_at_follows(store, monkeypatch):
    monkeypatch.setattr("speakergmm.verification.speaker_store.store._now", lambda: "then")
    store.enroll("alice", statistics(1), [recording("r1")], adaptation={"a": 1})
    monkeypatch.setattr("speakergmm.verification.speaker_store.store._now", lambda: "now")
    store.enroll("alice", statistics(2), [recording("r2")], adaptation={"b": 2})
    found = store.find("alice")
    assert (found.enrolled_at, found.changed_at) == ("then", "now")
    assert found.adaptation == {"b": 2}


@pytest.mark.parametrize(
    "again",
    [
        {"audio_digest": "audio-r1"},
        {"file_digest": "file-r1"},
        {"audio_digest": "audio-r1", "file_digest": ""},
    ],
)
def test_same_recording_twice_is_refused_and_changes_nothing(store, again):
    only = store.enroll("alice", statistics(1), [recording("r1")])
    copy = recording("copy", **again)
    with pytest.raises(SpeakerStoreError, match=r"'alice': already part .*: copy.wav; the same"):
        store.enroll("alice", statistics(2), [recording("r2"), copy])
    assert names(store.find("alice")) == ["r1"]
    with pytest.raises(SpeakerStoreError, match=r"already part of the enrollment: copy.wav"):
        store.enroll("bob", statistics(2), [recording("r1"), copy])
    assert store.revision() == only.revision
    assert store.revisions() == {"alice": only.revision}


def test_recordings_without_digests_are_not_the_same(store):
    empty = recording(audio_digest="", file_digest="")
    store.enroll("alice", statistics(1), [empty, empty])
    assert len(store.enroll("alice", statistics(2), [empty]).recordings) == 3


def test_recording_without_a_name_is_named_by_its_digest(store):
    unnamed = recording(name="", file_digest="0123456789abcdef")
    unnamed = dataclasses.replace(unnamed, name="")
    store.enroll("alice", statistics(1), [unnamed])
    with pytest.raises(SpeakerStoreError, match="enrollment: 0123456789ab; the same"):
        store.enroll("alice", statistics(1), [unnamed])


@pytest.mark.parametrize(
    "speaker_id",
    [
        "o'hara",
        '"; DROP TABLE speakers; --',
        "../../etc/passwd",
        "a\nb",
        "名前",
        "🎙",
        "x" * 10_000,
        "a\0b",
        " a",
    ],
)
def test_any_text_is_an_id(store, speaker_id):
    store.enroll(speaker_id, statistics(), [recording("r1")])
    store.enroll("a", statistics(3), [recording("r2")])
    store.enroll("a\0", statistics(3), [recording("r3")])
    assert names(store.find(speaker_id)) == ["r1"]
    assert speaker_id in store.revisions()
    store.remove([speaker_id])
    assert [speaker.speaker_id for speaker in store.speakers()] == ["a", "a\0"]


@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(st.sets(st.text(min_size=1), min_size=1, max_size=5))
def test_arbitrary_ids_come_back(tmp_path_factory, ids):
    folder = tmp_path_factory.mktemp("ids")
    store = SpeakerStore(folder / "speakers.db", UBM)
    usable = []
    for number, speaker_id in enumerate(sorted(ids)):
        try:
            store.enroll(speaker_id, statistics(number), [recording(str(number))])
        except SpeakerStoreError:
            assert not speaker_id.strip()
            continue
        usable.append(speaker_id)
        same(store.find(speaker_id).statistics, statistics(number))
    if usable:
        assert [speaker.speaker_id for speaker in store.speakers()] == usable
        assert list(store.revisions()) == [name for name, _, _ in store.models()] == usable


def test_ids_are_not_normalized(store):
    composed, decomposed = "\u00e9", "e\u0301"
    store.enroll(composed, statistics(1), [recording()])
    with pytest.raises(MissingError):
        store.find(decomposed)


@pytest.mark.parametrize(
    ("speaker_id", "problem"), [("", "is empty"), ("  \t", "is empty"), ("\udc80", "is not text")]
)
def test_what_is_no_id_is_refused(store, speaker_id, problem):
    with pytest.raises(SpeakerStoreError, match=f"the speaker id .*{problem}"):
        store.enroll(speaker_id, statistics(), [recording()])
    assert not store.path.exists()


@pytest.mark.parametrize("speaker_id", [None, 7, b"alice", Path("alice"), ["alice"], 1.5, True])
def test_an_id_that_is_no_text_is_refused(store, speaker_id):
    kind = type(speaker_id).__name__
    with pytest.raises(SpeakerStoreError, match=rf"the speaker id is .*, of type {kind}; expected"):
        store.enroll(speaker_id, statistics(), [recording()])
    assert not store.path.exists()
    store.enroll("alice", statistics(), [recording()])
    before = store.path.read_bytes()
    with pytest.raises(SpeakerStoreError, match="expected text"):
        store.enroll(speaker_id, statistics(), [recording("r2")])
    assert store.path.read_bytes() == before


@pytest.mark.parametrize("speaker_id", [None, 7, b"alice"])
@pytest.mark.parametrize("what", ["find", "remove", "models", "derived"])
def test_nobody_has_an_id_that_is_no_text(store, speaker_id, what):
    store.enroll("alice", statistics(), [recording()])
    ask = {
        "find": store.find,
        "remove": lambda name: store.remove([name]),
        "models": lambda name: list(store.models([name])),
        "derived": lambda name: store.derived(name, "k") or store.find(name),
    }[what]
    with pytest.raises(SpeakerGMMError):
        ask(speaker_id)


def test_looking_for_what_is_not_text(store):
    store.enroll("alice", statistics(), [recording()])
    with pytest.raises(MissingError, match=r"no speaker '\\udc80'"):
        store.find("\udc80")
    with pytest.raises(MissingError, match="no speaker"):
        store.remove(["\udc80"])
    assert store.derived("\udc80", "key") is None
    assert store.owners(["\udc80"], [], "x") == {}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"n": np.array([1.0, np.nan, 1.0])}, "are not finite"),
        ({"log_likelihood": float("-inf")}, "are not finite"),
        ({"n": np.ones(2)}, r"shapes n \(2,\), f \(3, 4\), s \(3, 4\)"),
        ({"n_frames": -1}, "of -1 frames"),
        ({"n_frames": 0}, "of 0 frames, .* expected one frame or more"),
        ({"n": np.array([1.0, -1e-9, 2.0])}, "of 17 frames, with counts from -1e-09 on; expected"),
        ({"n": -np.ones(3), "n_frames": 0}, "of 0 frames, with counts from -1 on; expected"),
    ],
)
def test_statistics_that_are_none_are_refused(store, change, problem):
    broken = dataclasses.replace(statistics(), **change)
    with pytest.raises(SpeakerStoreError, match=f"speaker 'alice': statistics .*{problem}"):
        store.enroll("alice", broken, [recording()])
    assert not store.path.exists()


def test_components_that_saw_nothing_are_no_fault(store):
    empty = dataclasses.replace(statistics(), n=np.zeros(3), n_frames=1)
    store.enroll("alice", empty, [recording()])
    same(store.find("alice").statistics, empty)


def test_statistics_of_another_shape_are_refused(store):
    store.enroll("alice", statistics(), [recording()])
    for name in ("alice", "bob"):
        with pytest.raises(SpeakerStoreError, match=r"\(C, D\) = \(2, 5\), the store's are \(3, 4"):
            store.enroll(name, statistics(shape=(2, 5)), [recording("r2")])


def test_what_is_no_json_is_refused(store):
    with pytest.raises(SpeakerStoreError, match="'alice': recordings and adaptation cannot be kep"):
        store.enroll("alice", statistics(), [recording(snr_db=float("inf"))])
    with pytest.raises(SpeakerStoreError, match="expected text and finite numbers"):
        store.enroll("alice", statistics(), [recording()], adaptation={"x": object()})


def test_minus_zero_is_no_damage(store):
    store.enroll("alice", dataclasses.replace(statistics(), log_likelihood=-0.0), [recording()])
    assert store.find("alice").statistics.log_likelihood == 0.0


def test_names_that_are_no_text_come_back(store):
    odd = dataclasses.replace(recording(), name="\udcff.wav")
    store.enroll("alice", statistics(), [odd])
    assert store.find("alice").recordings == (odd,)


def test_digest_that_is_no_text_is_refused(store):
    with pytest.raises(SpeakerStoreError, match="is not text; expected UTF-8"):
        store.enroll("alice", statistics(), [recording(audio_digest="\udcff")])


def test_unknown_speaker_is_answered_with_those_known(store):
    for i in range(12):
        store.enroll(f"s{i:02d}", statistics(), [recording()])
    with pytest.raises(MissingError, match=r"no speaker 'bob'; enrolled: 's00', .*'s09', \.\.\."):
        store.find("bob")
    with pytest.raises(MissingError, match=r"no speaker 'bob'; enrolled: "):
        list(store.models(["s01", "bob"]))


def test_missing_store(store):
    for action in (lambda: store.find("alice"), store.revision, lambda: store.remove(["alice"])):
        with pytest.raises(SpeakerStoreError, match="no such speaker store; enroll a speaker fir"):
            action()
    assert not store.path.exists()


# Derived arrays


def test_derived_arrays_are_of_all_recordings_and_replaced(store):
    first = store.enroll(
        "alice", statistics(1), [recording("r1")], derive=lambda s: {"k": s.n, "old": s.n}
    )
    np.testing.assert_array_equal(store.derived("alice", "k"), statistics(1).n)
    seen = []
    second = store.enroll(
        "alice", statistics(2), [recording("r2")], derive=lambda s: seen.append(s) or {"k": s.f[0]}
    )
    same(seen[0], statistics(1) + statistics(2))
    np.testing.assert_array_equal(store.derived("alice", "k"), seen[0].f[0])
    assert store.derived("alice", "old") is None
    assert store.derived("bob", "k") is None
    assert store.derived("alice", "k", revision=first.revision) is None
    assert store.derived("alice", "k", revision=second.revision) is not None
    store.enroll("alice", statistics(3), [recording("r3")])
    assert store.derived("alice", "k") is None


def test_failing_derivation_changes_nothing(store):
    def fail(_):
        raise RuntimeError("no")

    store.enroll("alice", statistics(1), [recording("r1")], derive=lambda s: {"k": s.n})
    with pytest.raises(RuntimeError, match="no"):
        store.enroll("alice", statistics(2), [recording("r2")], derive=fail)
    for array in (np.ones((2, 2)), np.array([np.nan])):
        with pytest.raises(SpeakerStoreError, match=r"derived 'k' of shape .* finite numbers \(N,"):
            store.enroll(
                "alice", statistics(2), [recording("r2")], derive=lambda _, a=array: {"k": a}
            )
    assert names(store.find("alice")) == ["r1"]
    np.testing.assert_array_equal(store.derived("alice", "k"), statistics(1).n)


# Revisions, lists, streams


def test_a_revision_names_one_state(store):
    revisions, expected = [], {}
    for name in ("alice", "bob"):
        for i in range(3):
            given = store.enroll(name, statistics(), [recording(f"r{i}")])
            revisions.append(store.revision())
            expected[name] = given.revision
            assert given.revision == revisions[-1]
    store.remove(["alice"])
    revisions.append(store.revision())
    expected["alice"] = store.enroll("alice", statistics(), [recording()]).revision
    revisions.append(store.revision())
    store.compact()
    assert store.revision() == revisions[-1] == expected["alice"]
    # Each change has its own, greater than all before.
    assert revisions == sorted(set(revisions))
    assert len(revisions) == 8
    assert store.revisions() == expected


def test_steps_between_revisions_cannot_be_foreseen(store):
    """What two copies do next is not told apart by a count."""
    revisions = [0]
    for i in range(12):
        store.enroll("alice", statistics(), [recording(f"r{i}")])
        revisions.append(store.revision())
    steps = np.diff(revisions)
    assert (steps >= 1).all()
    assert (steps <= database.MOST_STEP).all()
    assert len(set(steps)) == 12
    # Of so many at random the greatest is less than this once in 10^14.
    assert steps.max() > database.MOST_STEP / 16


def test_no_revision_is_as_small_as_the_one_before(monkeypatch):
    monkeypatch.setattr(database.secrets, "randbelow", lambda _: 0)
    assert [database._next_revision(r) for r in (0, 7)] == [1, 8]
    monkeypatch.setattr(database.secrets, "randbelow", lambda most: most - 1)
    # Of the largest steps there is room for hundreds of millions.
    assert database._next_revision(0) * 500_000_000 < 2**63


def states(store):
    return set(store.revisions().items()) | {(None, store.revision())}


def test_a_restored_copy_gives_other_revisions(store, tmp_path):
    store.enroll("alice", statistics(1), [recording("r1")])
    store.enroll("bob", statistics(2), [recording("r2")])
    shutil.copy(store.path, tmp_path / "copy.db")
    common, later = states(store), [set(), set()]
    for number, seen in enumerate(later):
        if number:
            shutil.copy(tmp_path / "copy.db", store.path)
            assert states(store) == common
        for i in range(3):
            more = statistics(10 * number + i)
            store.enroll("alice", more, [recording(f"new{number}{i}")])
            seen.update(states(store))
        store.remove(["bob"])
        seen.update(states(store))
        store.enroll("bob", statistics(5 + number), [recording(f"bob{number}")])
        seen.update(states(store))
    assert later[0] & later[1] <= common
    assert all(len(seen - common) == 3 * 2 + 1 + 2 for seen in later)


def test_a_store_begun_anew_gives_other_revisions(store):
    found = []
    for number in range(2):
        found.append(set())
        for i in range(3):
            more = statistics(10 * number + i)
            store.enroll("alice", more, [recording(f"r{number}{i}")])
            found[-1] |= states(store)
        store.path.unlink()
    assert found[0].isdisjoint(found[1])
    assert all(len(seen) == 6 for seen in found)


def test_speakers_are_listed_in_order(store):
    for name in ("zoe", "Ada", "éa", "bob"):
        store.enroll(name, statistics(), [recording()], adaptation={"r": 1})
    listed = store.speakers()
    assert [speaker.speaker_id for speaker in listed] == sorted(["zoe", "Ada", "éa", "bob"])
    assert listed[0].n_frames == 17
    assert listed[0].recordings == (recording(),)
    assert listed[0].adaptation == {"r": 1}
    assert list(store.revisions()) == [speaker.speaker_id for speaker in listed]


def test_models_are_streamed_in_order(store):
    revisions = {
        name: store.enroll(name, statistics(number), [recording()]).revision
        for number, name in enumerate(("c", "a", "b"))
    }
    found = list(store.models())
    assert [(name, revision) for name, revision, _ in found] == sorted(revisions.items())
    assert revisions["c"] < revisions["a"] < revisions["b"]
    np.testing.assert_array_equal(found[0][2].f, statistics(1).f)
    assert found[0][2].s.shape == (3, 4)
    assert not found[0][2].s.any()
    ((name, _, full),) = store.models(["c", "c"], with_s=True)
    assert name == "c"
    same(full, statistics(0))


def test_models_are_of_one_state_while_others_write(store):
    for number in range(4):
        store.enroll(f"s{number}", statistics(number), [recording()])
    models = store.models()
    next(models)
    store.enroll("s3", statistics(9), [recording("r2")])
    store.enroll("s9", statistics(9), [recording("r2")])
    rest = list(models)
    assert [name for name, _, _ in rest] == ["s1", "s2", "s3"]
    np.testing.assert_array_equal(rest[-1][2].f, statistics(3).f)
    assert len(store.revisions()) == 5


def test_models_may_be_taken_by_another_thread(store):
    store.enroll("alice", statistics(), [recording()])
    store.enroll("bob", statistics(), [recording()])
    models, taken = store.models(), []
    taken.append(next(models))
    thread = threading.Thread(target=lambda: taken.extend(models))
    thread.start()
    thread.join()
    assert len(taken) == 2


def test_owners_of_recordings(store):
    store.enroll("alice", statistics(), [recording("r1"), recording("r2")])
    store.enroll("bob", statistics(), [recording("r2"), recording("r3")])
    audio, files = ["audio-r1", "audio-r2", "audio-r9", ""], ["file-r3", "audio-r1"]
    assert store.owners(audio, files, "x") == {
        "audio-r1": "alice",
        "audio-r2": "alice",
        "file-r3": "bob",
    }
    assert store.owners(audio, files, "alice") == {"audio-r2": "bob", "file-r3": "bob"}
    store.remove(["alice"])
    assert store.owners(["audio-r1", "audio-r2"], [], "x") == {"audio-r2": "bob"}


# Removing


@pytest.mark.parametrize("held_open", [False, True])
def test_removed_speakers_leave_no_trace(store, tmp_path, held_open):
    for number in range(30):
        store.enroll(f"other-{number}", statistics(number, (16, 20)), [recording(f"r{number}")])
    secret = statistics(99, (16, 20))
    store.enroll(
        "sécret-id", secret, [recording("secret-name")], derive=lambda s: {"k": s.f.ravel()[:50]}
    )
    store.enroll("sécret-id", secret, [recording("secret-more")])
    total = secret + secret
    traces = ["sécret-id".encode(), b"secret-name", b"audio-secret"]
    traces += [s.f.tobytes()[i : i + 8] for s in (secret, total) for i in (0, 800, 2000)]
    traces += [total.s.tobytes()[:16], total.n.tobytes()[:16]]
    with closing(sqlite3.connect(store.path)) as other:
        if held_open:
            assert other.execute("SELECT count(*) FROM speakers").fetchone() == (31,)
        before = bytes_of(tmp_path)
        assert traces[0] in before
        assert total.f.tobytes()[:8] in before
        store.remove(["sécret-id", "other-3"])
        for content in (bytes_of(tmp_path),):
            assert [trace for trace in traces if trace in content] == []
        if held_open:
            assert other.execute("SELECT count(*) FROM speakers").fetchone() == (29,)
            assert [trace for trace in traces if trace in bytes_of(tmp_path)] == []
    assert [trace for trace in traces if trace in bytes_of(tmp_path)] == []
    same(store.find("other-4").statistics, statistics(4, (16, 20)))
    assert len(store.speakers()) == 29


def test_all_are_removed_or_none(store):
    for name in ("alice", "bob"):
        store.enroll(name, statistics(), [recording()])
    with pytest.raises(MissingError, match="no speaker 'carol', 'dave'; enrolled: 'alice', 'bob'"):
        store.remove(["alice", "dave", "carol"])
    assert list(store.revisions()) == ["alice", "bob"]
    store.remove(["bob", "alice", "bob"])
    assert store.revisions() == {}
    assert store.speakers() == list(store.models()) == []
    with pytest.raises(MissingError, match="enrolled: nobody"):
        store.find("alice")


def test_reader_that_keeps_traces_is_said(store, monkeypatch, tmp_path):
    monkeypatch.setattr(database, "WAIT_S", 0.1)
    store.enroll("alice-in-chains", statistics(1), [recording("r1")])
    store.enroll("bob", statistics(2), [recording("r2")])
    models = store.models()
    next(models)
    with pytest.raises(
        SpeakerStoreError, match=r"are removed, but traces of them may remain .*another program is"
    ):
        store.remove(["alice-in-chains"])
    assert list(store.revisions()) == ["bob"]
    models.close()
    store.compact()
    assert b"alice-in-chains" not in bytes_of(tmp_path)
    store.enroll("carol", statistics(2), [recording("r2")])


def test_damaged_speaker_can_be_removed(store):
    store.enroll("alice", statistics(), [recording()])
    store.enroll("bob", statistics(), [recording()])
    change(store, "UPDATE speakers SET digest = 'x' WHERE speaker_id = 'alice'")
    with pytest.raises(SpeakerStoreError, match="'alice' is damaged"):
        store.speakers()
    store.remove(["alice"])
    assert list(store.revisions()) == ["bob"]


# Files that are damaged, or something else


def change(store, statement):
    with closing(sqlite3.connect(store.path)) as database, database:
        database.execute(statement)


def test_store_of_another_ubm_is_refused(store):
    store.enroll("alice", statistics(), [recording()])
    other = SpeakerStore(store.path, "another")
    message = "belongs to the UBM digest-of-a-, not to another; give that UBM"
    with pytest.raises(SpeakerStoreError, match=message):
        other.find("alice")
    with pytest.raises(SpeakerStoreError, match=message):
        other.enroll("bob", statistics(), [recording("r2")])
    with pytest.raises(SpeakerStoreError, match=message):
        other.compact()


@pytest.mark.parametrize("content", [b"my diary" * 200, b"x", bytes(5000), b"SQLite format 3\0"])
def test_other_files_are_refused_and_kept(store, content):
    store.path.write_bytes(content)
    for action in (
        lambda: store.enroll("alice", statistics(), [recording()]),
        lambda: store.find("alice"),
        store.compact,
    ):
        with pytest.raises(SpeakerStoreError, match="not a speaker store"):
            action()
    assert store.path.read_bytes() == content
    assert list(store.path.parent.iterdir()) == [store.path]


def test_another_database_is_refused_and_kept(store):
    change(store, "CREATE TABLE mine (x)")
    before = store.path.read_bytes()
    with pytest.raises(SpeakerStoreError, match="it is not a speaker store"):
        store.enroll("alice", statistics(), [recording()])
    assert store.path.read_bytes() == before


def test_empty_file_is_new(store):
    store.path.touch()
    with pytest.raises(SpeakerStoreError, match="the file is empty, nobody is enrolled; enroll a"):
        store.find("alice")
    store.enroll("alice", statistics(), [recording()])
    same(store.find("alice").statistics, statistics())


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_what_is_no_file_is_refused(store, make):
    make(store.path)
    with pytest.raises(SpeakerStoreError, match="not a file; expected a speaker store"):
        store.enroll("alice", statistics(), [recording()])
    with pytest.raises(SpeakerStoreError, match="not a file; expected a speaker store"):
        store.find("alice")


def test_newer_version_is_refused(store):
    store.enroll("alice", statistics(), [recording()])
    change(store, "UPDATE about SET value = '3' WHERE name = 'version'")
    with pytest.raises(
        SpeakerStoreError, match="store version 3, this program reads up to 2; upgrade speakergmm"
    ):
        store.find("alice")


def test_marks_of_the_file(store):
    store.enroll("alice", statistics(), [recording()])
    content = store.path.read_bytes()
    assert content[68:72] == b"sGMM"
    assert int.from_bytes(content[60:64], "big") == 2


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE speakers SET f = x'0000000000000000'",
        "UPDATE speakers SET n = x'00'",
        "UPDATE speakers SET s = s || x'0000000000000000'",
        "UPDATE speakers SET n = 'text'",
        "UPDATE speakers SET n_frames = 18",
        "UPDATE speakers SET recordings = '[]'",
        "UPDATE speakers SET recordings = x'00'",
        "UPDATE speakers SET log_likelihood = -5.25",
        "UPDATE speakers SET revision = 0",
    ],
)
def test_damaged_row_is_said(store, statement):
    store.enroll("alice", statistics(), [recording()])
    change(store, statement)
    with pytest.raises(SpeakerStoreError, match="speaker 'alice' is damaged"):
        store.find("alice")
    with pytest.raises(SpeakerStoreError, match="speaker 'alice' is damaged"):
        list(store.models(with_s=True))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE about SET value = '9' WHERE name = 'revision'",
        "UPDATE about SET value = '1' WHERE name = 'version'",
        "DELETE FROM about WHERE name = 'digest'",
        "PRAGMA user_version = 0",
        "DELETE FROM speakers WHERE speaker_id = 'bob'",
    ],
)
def test_store_that_contradicts_itself_is_refused(store, statement):
    store.enroll("alice", statistics(), [recording()])
    store.enroll("bob", statistics(), [recording()])
    change(store, statement)
    with pytest.raises(SpeakerStoreError, match="damaged: "):
        store.revisions()


def test_damaged_derived_array_is_said(store):
    store.enroll("alice", statistics(), [recording()], derive=lambda s: {"k": s.n})
    change(store, "UPDATE derived SET value = x'0000000000000000'")
    with pytest.raises(SpeakerStoreError, match="speaker 'alice' is damaged"):
        store.derived("alice", "k")


# Version 1


def test_version_1_is_read(store):
    write_version_1(store.path)
    before = store.path.read_bytes()
    same(store.find("alice").statistics, statistics(0))
    found = store.find("bob")
    assert [r.file_digest for r in found.recordings] == ["bob-0", "bob-1"]
    assert found.recordings[0] == EnrolledRecording(
        "", "", "bob-0", 0.0, 0.0, None, None, (), "2025-05-05T05:05:05Z"
    )
    assert [speaker.speaker_id for speaker in store.speakers()] == ["alice", "bob"]
    assert store.owners(["bob-1"], ["bob-1"], "alice") == {"bob-1": "bob"}
    assert store.owners([], ["bob-1"], "bob") == {}
    assert [name for name, _, _ in store.models()] == ["alice", "bob"]
    assert store.derived("alice", "k") is None
    assert store.path.read_bytes() == before


def test_version_1_becomes_version_2_at_the_first_change(store):
    write_version_1(store.path, speakers=("a\0b", "alice", "o'hara"))
    before = store.revision(), store.revisions()
    old = {name: store.find(name) for name in before[1]}
    with pytest.raises(SpeakerStoreError, match="already part of the enrollment: alice-1"):
        store.enroll(
            "alice", statistics(5), [dataclasses.replace(recording(file_digest="alice-1"), name="")]
        )
    assert store.path.read_bytes()[68:72] == bytes(4)
    added = store.enroll("alice", statistics(5), [recording("new")])
    assert store.path.read_bytes()[68:72] == b"sGMM"
    assert added.revision == store.revision() > before[0]
    same(store.find("alice").statistics, old["alice"].statistics + statistics(5))
    assert names(store.find("alice")) == ["", "", "new"]
    for name in ("a\0b", "o'hara"):
        found = store.find(name)
        same(found.statistics, old[name].statistics)
        assert (found.recordings, found.revision) == (old[name].recordings, before[1][name])
    assert store.owners([], ["o'hara-0"], "") == {"o'hara-0": "o'hara"}
    with closing(sqlite3.connect(store.path)) as database:
        tables = {row[0] for row in database.execute("SELECT name FROM sqlite_master")}
    assert "speakers_1" not in tables


def test_removing_from_version_1_leaves_no_trace(store, tmp_path):
    write_version_1(store.path)
    blob = statistics(0).f.tobytes()
    assert blob in bytes_of(tmp_path)
    store.remove(["alice"])
    content = bytes_of(tmp_path)
    assert blob not in content
    assert b"alice" not in content
    same(store.find("bob").statistics, statistics(1))


def test_damaged_version_1_row_is_said(store):
    write_version_1(store.path)
    change(store, "UPDATE speakers SET f = x'0000000000000000' WHERE speaker_id = 'alice'")
    with pytest.raises(SpeakerStoreError, match="speaker 'alice' is damaged"):
        store.find("alice")
    change(store, "UPDATE speakers SET recordings = '{' WHERE speaker_id = 'bob'")
    with pytest.raises(SpeakerStoreError, match="speaker 'bob' is damaged"):
        store.speakers()


def test_version_1_of_another_ubm_is_refused_and_kept(store):
    write_version_1(store.path)
    before = store.path.read_bytes()
    with pytest.raises(SpeakerStoreError, match="belongs to the UBM"):
        SpeakerStore(store.path, "another").enroll("x", statistics(), [recording()])
    assert store.path.read_bytes() == before


# The file and its folder


def test_store_is_private(store, tmp_path):
    store = SpeakerStore(tmp_path / "new" / "folder" / "speakers.db", UBM)
    old = os.umask(0)
    try:
        store.enroll("alice", statistics(), [recording()])
        models = store.models()
        next(models)
        store.enroll("bob", statistics(), [recording()])
        modes = {
            path.name: stat.S_IMODE(path.stat().st_mode) for path in store.path.parent.iterdir()
        }
    finally:
        os.umask(old)
    models.close()
    assert modes == dict.fromkeys(["speakers.db", "speakers.db-wal", "speakers.db-shm"], 0o600)
    assert [path.name for path in store.path.parent.iterdir()] == ["speakers.db"]


def test_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    store = SpeakerStore(tmp_path / "file" / "speakers.db", "u")
    with pytest.raises(SpeakerStoreError, match="speaker store cannot be made"):
        store.enroll("alice", statistics(), [recording()])


@pytest.mark.parametrize(
    "name", ["a b.db", "what?mode=memory", "#1", "100%41", "new\nline", os.fsdecode(b"\xff\xfe.db")]
)
def test_names_of_any_kind(tmp_path, name):
    store = SpeakerStore(tmp_path / name, UBM)
    store.enroll("alice", statistics(), [recording()])
    assert names(store.find("alice")) == ["r1"]
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["a\0b.db", "\0", "new/\0/s.db"])
def test_a_name_that_no_file_can_have(tmp_path, name):
    store = SpeakerStore(tmp_path / name, UBM)
    with pytest.raises(SpeakerStoreError, match="no file can have this name") as said:
        store.enroll("alice", statistics(), [recording()])
    assert "\0" not in str(said.value)
    other = SpeakerStore(tmp_path / "other.db", UBM)
    other.enroll("alice", statistics(), [recording()])
    other.export(tmp_path / "alice.safetensors")
    with pytest.raises(SpeakerStoreError, match="no file can have this name"):
        store.import_from(tmp_path / "alice.safetensors")
    files = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {"other.db", "alice.safetensors"}


@pytest.mark.parametrize("what", ["find", "revision", "speakers", "compact"])
def test_a_name_that_no_file_can_have_is_not_read(tmp_path, what):
    store = SpeakerStore(tmp_path / "a\0b.db", UBM)
    with pytest.raises(SpeakerStoreError):
        store.find("alice") if what == "find" else getattr(store, what)()


@pytest.mark.parametrize("how", ["enroll", "import"])
def test_an_empty_file_becomes_private(store, tmp_path, how):
    other = SpeakerStore(tmp_path / "other.db", UBM)
    other.enroll("alice", statistics(), [recording()])
    other.export(tmp_path / "alice.safetensors")
    store.path.touch()
    store.path.chmod(0o644)
    if how == "enroll":
        store.enroll("alice", statistics(), [recording()])
    else:
        store.import_from(tmp_path / "alice.safetensors")
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600


def test_who_may_read_a_store_is_its_owners_choice(store):
    """Only of an empty file nobody has chosen yet."""
    store.enroll("alice", statistics(), [recording()])
    store.path.chmod(0o640)
    store.enroll("bob", statistics(), [recording()])
    store.remove(["alice"])
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o640


def test_relative_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = SpeakerStore(Path("s.db"), UBM).enroll("alice", statistics(), [recording()])
    found = SpeakerStore(tmp_path / "s.db", UBM)
    assert found.revision() == found.find("alice").revision == given.revision


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("modes", [(0o400, 0o700), (0o600, 0o500), (0o400, 0o500)])
def test_read_only_store_is_read_and_stays_as_it_is(open_folder, version, modes):
    store = SpeakerStore(open_folder / "speakers.db", UBM)
    with ordinary_user():
        if version == 1:
            write_version_1(store.path, ["alice"])
        else:
            store.enroll("alice", statistics(), [recording()])
        store.path.chmod(modes[0])
        open_folder.chmod(modes[1])
        same(store.find("alice").statistics, statistics())
        assert len(list(store.models())) == len(store.speakers()) == 1
        with pytest.raises(SpeakerStoreError, match="or its folder is read-only"):
            store.enroll("bob", statistics(), [recording("r2")])
        with pytest.raises(SpeakerStoreError, match="or its folder is read-only"):
            store.remove(["alice"])
        assert list(open_folder.iterdir()) == [store.path]
        open_folder.chmod(0o700)
        store.path.chmod(0o600)
        store.enroll("bob", statistics(), [recording("r2")])
        assert list(store.revisions()) == ["alice", "bob"]


def test_folder_that_cannot_be_searched(open_folder):
    store = SpeakerStore(open_folder / "speakers.db", UBM)
    open_folder.chmod(0o000)
    with ordinary_user():
        with pytest.raises(SpeakerStoreError, match=r"cannot be read \(Permission denied\)"):
            store.find("alice")
        with pytest.raises(SpeakerStoreError, match=r"cannot be made \(Permission denied\)"):
            store.enroll("alice", statistics(), [recording()])


def test_read_only_copy_with_a_log_is_read_or_refused(open_folder, store):
    """What a -wal file holds is never left out in silence."""
    store.enroll("alice", statistics(1), [recording()])
    with closing(sqlite3.connect(store.path)) as other:
        other.execute("SELECT * FROM about").fetchall()
        store.enroll("bob", statistics(2), [recording("r2")])
        for end in ("", "-wal"):
            shutil.copy(f"{store.path}{end}", open_folder / f"speakers.db{end}")
            (open_folder / f"speakers.db{end}").chmod(0o444)
    open_folder.chmod(0o555)
    copy = SpeakerStore(open_folder / "speakers.db", UBM)
    with ordinary_user():
        try:
            same(copy.find("bob").statistics, statistics(2))
        except SpeakerGMMError as error:
            assert "cannot be used" in str(error)  # noqa: PT017


# Export and import


@pytest.fixture
def exported(store, tmp_path):
    for number, name in enumerate(("bob", "alice", "a\0ï\n")):
        store.enroll(
            name, statistics(number), [recording(f"r{number}", fit=0.5)], adaptation={"r": number}
        )
    store.enroll("bob", statistics(7), [recording("r7")])
    path = tmp_path / "out" / "speakers.safetensors"
    store.export(path)
    return path


def test_what_is_exported_is_imported(store, exported, tmp_path):
    other = SpeakerStore(tmp_path / "other.db", UBM)
    assert other.import_from(exported) == ["a\0ï\n", "alice", "bob"]
    for name in ("a\0ï\n", "alice", "bob"):
        before, after = store.find(name), other.find(name)
        same(after.statistics, before.statistics)
        for field in ("recordings", "adaptation", "enrolled_at", "changed_at"):
            assert getattr(after, field) == getattr(before, field)
    assert list(other.revisions().values()) == [other.revision()] * 3
    other.export(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == exported.read_bytes()
    assert other.owners(["audio-r7"], [], "") == {"audio-r7": "bob"}


def test_export_is_private_and_of_those_asked_for(store, exported, tmp_path):
    assert stat.S_IMODE(exported.stat().st_mode) == 0o600
    store.export(exported, ["alice", "alice"])
    other = SpeakerStore(tmp_path / "other.db", UBM)
    assert other.import_from(exported) == ["alice"]
    with pytest.raises(MissingError, match="no speaker 'nobody'"):
        store.export(exported, ["alice", "nobody"])
    with pytest.raises(SpeakerStoreError, match="nobody to export"):
        store.export(exported, [])
    assert other.import_from(exported, replace=True) == ["alice"]


def test_import_refuses_those_enrolled_or_replaces_them(store, exported):
    store.remove(["a\0ï\n"])
    store.enroll("alice", statistics(50), [recording("r50")], derive=lambda s: {"k": s.n})
    before = store.revisions()
    with pytest.raises(SpeakerStoreError, match=r"already enrolled; replace them.*2 problems\n"):
        store.import_from(exported)
    assert store.revisions() == before
    store.import_from(exported, replace=True)
    assert names(store.find("alice")) == ["r1"]
    assert store.derived("alice", "k") is None
    assert set(store.revisions().values()) == {store.revision()}
    assert store.owners(["audio-r50"], [], "") == {}


def test_import_into_a_store_of_another_ubm_or_shape(exported, tmp_path):
    with pytest.raises(SpeakerStoreError, match="speakers of the UBM digest-of-a-, not of another"):
        SpeakerStore(tmp_path / "other.db", "another-and-longer").import_from(exported)
    assert not (tmp_path / "other.db").exists()
    store = SpeakerStore(tmp_path / "shape.db", UBM)
    store.enroll("zoe", statistics(shape=(2, 2)), [recording()])
    with pytest.raises(SpeakerStoreError, match=r"\(C, D\) = \(3, 4\), the store's are \(2, 2\)"):
        store.import_from(exported)
    assert list(store.revisions()) == ["zoe"]


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ({"n_frames": np.array([17, 0, 17])}, "speaker 'alice': statistics of 0 frames"),
        ({"n_frames": np.array([17, 17, -3])}, "speaker 'bob': statistics .*of -3 frames"),
        (
            {"n": np.array([[1.0, 1, 1], [1, -0.5, 1], [1, 1, 1]])},
            "speaker 'alice': statistics of 17 frames, with counts from -0.5 on",
        ),
    ],
)
@pytest.mark.parametrize("existing", [False, True])
def test_import_of_statistics_that_no_frames_have(
    exported, rewrite_file, tmp_path, tensors, said, existing
):
    rewrite_file(exported, "speakergmm-speakers", tensors=tensors)
    other = SpeakerStore(tmp_path / "other.db", UBM)
    if existing:
        other.enroll("alice", statistics(9), [recording()])
        before = other.revision()
    with pytest.raises(SpeakerStoreError, match=said):
        other.import_from(exported, replace=True)
    # All of them or none.
    if existing:
        assert other.revisions() == {"alice": before}
        same(other.find("alice").statistics, statistics(9))
    else:
        with pytest.raises(SpeakerStoreError, match=r"no such speaker store|nobody is enrolled"):
            other.speakers()


def test_import_of_what_is_none(store, tmp_path):
    with pytest.raises(SpeakerStoreError, match="no such file"):
        store.import_from(tmp_path / "missing")
    (tmp_path / "diary").write_text("dear diary")
    with pytest.raises(SpeakerStoreError, match="diary: "):
        store.import_from(tmp_path / "diary")
    assert not store.path.exists()

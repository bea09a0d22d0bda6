from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from speakergmm.corpora import Utterance, read_utterances
from speakergmm.errors import AudioError, FrameStoreError
from speakergmm.features import (
    FrameStore,
    FrontEnd,
    FrontEndConfig,
    extract_features,
    utterance_frames,
)
from speakergmm.features import extraction as extraction_module
from speakergmm.features import store as store_module
from speakergmm.features.store import Chunk

CONFIG = FrontEndConfig(n_mels=24, n_mfcc=12)


@pytest.fixture
def utterances(small_corpus):
    return read_utterances(small_corpus / "utterances.csv")


@pytest.fixture(autouse=True)
def short_shards(monkeypatch):
    """Make many shards of a small corpus."""
    monkeypatch.setattr(extraction_module, "MIN_SHARD_S", 10.0)


def shard_times(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("shard-*.npy")}


def tone(path, seconds=1.0, frequency=440.0):
    times = np.arange(int(16000 * seconds)) / 16000
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * frequency * times), 16000)
    return path


def test_store_holds_the_frames_of_every_utterance(utterances, tmp_path):
    store, n_computed = extract_features(utterances, tmp_path / "store", CONFIG)
    assert n_computed == len(utterances)
    assert len(list((tmp_path / "store").glob("shard-*.npy"))) > 2
    front_end = FrontEnd(CONFIG)
    for name, utterance in utterances.items():
        np.testing.assert_array_equal(store.frames(name), utterance_frames(utterance, front_end))
    assert store.n_frames == sum(len(store.frames(name)) for name in utterances)
    assert store.n_features == 12


def test_number_of_workers_does_not_change_the_store(utterances, tmp_path):
    for jobs in (1, 3):
        extract_features(utterances, tmp_path / str(jobs), CONFIG, jobs=jobs)
    for path in sorted((tmp_path / "1").iterdir()):
        assert path.read_bytes() == (tmp_path / "3" / path.name).read_bytes()


def test_second_run_computes_nothing(utterances, tmp_path):
    extract_features(utterances, tmp_path, CONFIG)
    before = shard_times(tmp_path)
    store, n_computed = extract_features(utterances, tmp_path, CONFIG)
    assert n_computed == 0
    assert shard_times(tmp_path) == before
    assert store.n_frames > 0


def test_changed_recording_is_computed_again_and_only_its_shard(tmp_path):
    utterances = {}
    for i in range(30):
        path = tone(tmp_path / f"{i}.wav", frequency=300 + 20 * i)
        utterances[str(i)] = Utterance(str(i), "s", path)
    store, _ = extract_features(utterances, tmp_path / "store", CONFIG)
    digest, before = store.digest(), shard_times(tmp_path / "store")
    tone(tmp_path / "29.wav", frequency=1234)
    store, n_computed = extract_features(utterances, tmp_path / "store", CONFIG)
    after = shard_times(tmp_path / "store")
    assert 0 < n_computed < 30
    assert [name for name in before if before[name] != after[name]] == [max(before)]
    assert store.digest() != digest


def test_changed_settings_compute_everything_again(utterances, tmp_path):
    extract_features(utterances, tmp_path, CONFIG)
    store, n_computed = extract_features(utterances, tmp_path, FrontEndConfig(n_mfcc=5))
    assert n_computed == len(utterances)
    assert store.n_features == 5


def test_interrupted_extraction_goes_on_where_it_was(utterances, tmp_path):
    whole, _ = extract_features(utterances, tmp_path / "whole", CONFIG)

    class Interrupting:
        n = 0

        def start(self, task, total=None):
            pass

        def note(self, text):
            pass

        def advance(self, steps=1):
            self.n += 1
            if self.n == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extract_features(utterances, tmp_path / "cut", CONFIG, jobs=1, progress=Interrupting())
    with pytest.raises(FrameStoreError, match=r"store\.json: not there; no store, or an unfinish"):
        FrameStore.open(tmp_path / "cut")
    store, n_computed = extract_features(utterances, tmp_path / "cut", CONFIG)
    assert 0 < n_computed < len(utterances)
    assert store.digest() == whole.digest()


def test_all_bad_recordings_are_named_and_good_shards_stay(utterances, tmp_path):
    bad = dict(utterances)
    for i in range(25):
        path = tmp_path / f"silent{i}.wav"
        soundfile.write(path, np.zeros(8000), 16000)
        bad[f"bad{i}"] = Utterance(f"bad{i}", "s", path)
    with pytest.raises(AudioError) as caught:
        extract_features(bad, tmp_path / "store", CONFIG)
    message = str(caught.value)
    assert "25 problems" in message
    assert "... and 5 more" in message
    assert f"utterance bad0: {tmp_path / 'silent0.wav'}: silent: every sample is zero" in message
    _, n_computed = extract_features(utterances, tmp_path / "store", CONFIG)
    assert n_computed < len(utterances)


def test_utterance_that_is_too_short_is_named(tmp_path):
    path = tone(tmp_path / "short.wav", seconds=0.02)
    with pytest.raises(AudioError, match=r"utterance u1: .*short\.wav: too short: 20\.0 ms"):
        extract_features({"u1": Utterance("u1", "s", path)}, tmp_path / "store", CONFIG)


def test_shards_of_a_longer_list_are_removed(utterances, tmp_path):
    extract_features(utterances, tmp_path, CONFIG)
    few = dict(list(utterances.items())[:3])
    store, _ = extract_features(few, tmp_path, CONFIG)
    assert list(store.places) == list(few)
    assert len(list(tmp_path.glob("shard-*.npy"))) == 1


def test_select_and_pool(utterances, tmp_path):
    store, _ = extract_features(utterances, tmp_path, CONFIG)
    names = list(utterances)[4:1:-1]
    part = store.select(names)
    assert list(part.places) == names
    np.testing.assert_array_equal(
        store.pooled(names), np.concatenate([store.frames(name) for name in names])
    )
    assert part.digest() != store.select(names[:2]).digest()
    with pytest.raises(FrameStoreError, match="no frames of utterance 'nobody'"):
        store.select(["nobody"])


@pytest.mark.parametrize("size", [50, 333, 16384])
def test_chunks_cover_a_selection_once_in_pieces_of_bounded_size(
    utterances, tmp_path, monkeypatch, size
):
    monkeypatch.setattr(store_module, "CHUNK_FRAMES", size)
    store, _ = extract_features(utterances, tmp_path, CONFIG)
    part = store.select(list(utterances)[::3])
    loaded = [chunk.load() for chunk in part.chunks()]
    assert max(map(len, loaded)) <= size
    np.testing.assert_array_equal(np.concatenate(loaded), part.pooled(list(part.places)))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "shard-00000.npy").unlink(), "shard-00000.npy: shard is missing"),
        (
            lambda f: (f / "shard-00001.npy").write_bytes(
                (f / "shard-00001.npy").read_bytes()[:-100]
            ),
            "shard-00001.npy: shard cannot be read",
        ),
        (
            lambda f: np.save(f / "shard-00000.npy", np.zeros((3, 4), np.float32)),
            r"shard holds float32 \(3, 4\); expected float32",
        ),
        (lambda f: (f / "shard-00000.json").unlink(), "shard-00000.json: not there"),
        (lambda f: (f / "store.json").write_text("[1]"), "holds no description"),
        (lambda f: (f / "store.json").write_text("{"), "cannot be read"),
        (lambda f: (f / "store.json").write_text('{"format": "other"}'), "not a frame store"),
    ],
)
def test_damaged_store_is_refused_and_mended_by_extraction(utterances, tmp_path, damage, message):
    store, _ = extract_features(utterances, tmp_path, CONFIG)
    damage(tmp_path)
    with pytest.raises(FrameStoreError, match=message):
        FrameStore.open(tmp_path)
    mended, _ = extract_features(utterances, tmp_path, CONFIG)
    assert mended.digest() == store.digest()


def test_newer_store_is_refused_with_both_versions(utterances, tmp_path):
    extract_features(utterances, tmp_path, CONFIG)
    head = json.loads((tmp_path / "store.json").read_text())
    (tmp_path / "store.json").write_text(json.dumps(head | {"version": 9}))
    with pytest.raises(FrameStoreError, match="version 9; this program reads version 3"):
        FrameStore.open(tmp_path)


# --- shards of other stores ---


def copy_shard(source, number, target, as_number):
    for ending in ("npy", "json"):
        shutil.copy(
            source / f"shard-{number:05d}.{ending}", target / f"shard-{as_number:05d}.{ending}"
        )


def test_shard_of_another_front_end_is_refused_and_mended_by_extraction(utterances, tmp_path):
    store, _ = extract_features(utterances, tmp_path / "store", CONFIG)
    other_config = FrontEndConfig(n_mels=26, n_mfcc=12)
    other, _ = extract_features(utterances, tmp_path / "other", other_config)
    copy_shard(other.folder, 1, store.folder, 1)
    with pytest.raises(FrameStoreError, match=r"shard-00001\.npy: shard was made by another front"):
        FrameStore.open(store.folder)
    mended, n_computed = extract_features(utterances, store.folder, CONFIG)
    assert 0 < n_computed < len(utterances)
    assert mended.digest() == store.digest()


def test_shard_whose_utterances_are_there_already_is_refused(utterances, tmp_path):
    store, _ = extract_features(utterances, tmp_path, CONFIG)
    copy_shard(tmp_path, 0, tmp_path, 1)
    first = min(name for name, place in store.places.items() if place.shard == 0)
    message = rf"shard-00001\.npy: utterance '{first}' is in this shard and in shard 0; remove"
    with pytest.raises(FrameStoreError, match=message):
        FrameStore.open(tmp_path)
    mended, _ = extract_features(utterances, tmp_path, CONFIG)
    assert mended.places == store.places


# --- shards that are damaged, before and after the store is opened ---


def cut_off(path):
    path.write_bytes(path.read_bytes()[:-1])


def append(path):
    path.write_bytes(path.read_bytes() + b"x")


def save_as(change):
    return lambda path: np.save(path, change(np.load(path)))


DAMAGES = {
    "missing": Path.unlink,
    "missing bytes": cut_off,
    "bytes too many": append,
    "empty": lambda path: path.write_bytes(b""),
    "no array": lambda path: path.write_bytes(b"not an array, but of some length"),
    "columns first": save_as(np.asfortranarray),
    "one dimension": save_as(np.ravel),
    "no dimension": save_as(np.max),
    "float64": save_as(np.float64),
    "big endian": save_as(lambda rows: rows.astype(">f4")),
    "a feature more": save_as(lambda rows: np.pad(rows, [(0, 0), (0, 1)])),
    "no frames": save_as(lambda rows: rows[:0]),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damaged_shard_is_refused_when_the_store_is_opened(utterances, tmp_path, damage):
    extract_features(utterances, tmp_path, CONFIG)
    damage(tmp_path / "shard-00001.npy")
    with pytest.raises(FrameStoreError, match=r"shard-00001\.npy: .* extract the features again"):
        FrameStore.open(tmp_path)


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_shard_damaged_after_the_store_was_opened_is_refused_when_it_is_read(
    utterances, tmp_path, damage
):
    store, _ = extract_features(utterances, tmp_path, CONFIG)
    part = store.select([name for name, place in store.places.items() if place.shard == 1])
    (chunk,) = part.chunks()
    before = chunk.load()
    damage(tmp_path / "shard-00001.npy")
    reads = [
        lambda: store.frames(next(iter(part.places))),
        chunk.load,
        lambda: chunk.take(np.array([3, len(before) - 1])),
    ]
    for read in reads:
        with pytest.raises(FrameStoreError, match=r"shard-00001\.npy: .* extract the features"):
            read()


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_shard_may_be_of_any_version_of_the_array_format(utterances, tmp_path, version):
    store, _ = extract_features(utterances, tmp_path, CONFIG)
    name = next(iter(store.places))
    path, frames = tmp_path / "shard-00000.npy", store.frames(name)
    rows = np.load(path)
    with path.open("wb") as file:
        np.lib.format.write_array(file, rows, version=version)
    np.testing.assert_array_equal(FrameStore.open(tmp_path).frames(name), frames)


@pytest.mark.parametrize(
    "place", [{"start": 5, "stop": 3}, {"start": -5}, {"stop": 1_000_000}, {"start": "5"}]
)
def test_description_of_rows_that_are_not_in_the_shard_is_refused(utterances, tmp_path, place):
    extract_features(utterances, tmp_path, CONFIG)
    path = tmp_path / "shard-00000.json"
    described = json.loads(path.read_text())
    entry = described["utterances"][0]
    entry.update(place)
    path.write_text(json.dumps(described))
    with pytest.raises(FrameStoreError, match="extract the features again"):
        FrameStore.open(tmp_path).frames(entry["utterance_id"])


# --- chunks ---


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Three files of frames of which no two are equal."""
    folder = tmp_path_factory.mktemp("shards")
    rows = np.arange(3 * 40 * 2, dtype=np.float32).reshape(3, 40, 2)
    for number, part in enumerate(rows):
        np.save(folder / f"{number}.npy", part)
    return [folder / f"{number}.npy" for number in range(3)]


@given(st.data())
def test_taking_rows_is_loading_them_all_and_choosing(shards, data):
    bounds = st.tuples(st.integers(0, 40), st.integers(0, 40)).map(sorted)
    spans = st.tuples(st.sampled_from(shards), bounds).map(lambda span: (span[0], *span[1]))
    chunk = Chunk(tuple(data.draw(st.lists(spans, min_size=1, max_size=5))), 2)
    loaded = chunk.load()
    by_hand = [np.load(path)[start:stop] for path, start, stop in chunk.spans]
    np.testing.assert_array_equal(loaded, np.concatenate(by_hand))
    assert loaded.dtype == np.float32
    assert len(chunk) == len(loaded)
    if len(chunk):
        numbers = st.sets(st.integers(0, len(chunk) - 1), min_size=1)
        rows = np.array(sorted(data.draw(numbers)))
        np.testing.assert_array_equal(chunk.take(rows), loaded[rows])


def test_taking_rows_reads_only_what_lies_between_them(shards, tmp_path, monkeypatch):
    read = []

    def recorded(path, start, stop, n_features):
        read.append((path.name, start, stop))
        return read_rows(path, start, stop, n_features)

    read_rows = store_module.read_rows
    monkeypatch.setattr(store_module, "read_rows", recorded)
    chunk = Chunk(((shards[0], 10, 30), (tmp_path / "gone.npy", 0, 5), (shards[2], 0, 40)), 2)
    np.testing.assert_array_equal(
        chunk.take(np.array([3, 4, 9, 27])),
        np.concatenate([np.load(shards[0])[[13, 14, 19]], np.load(shards[2])[[2]]]),
    )
    assert read == [("0.npy", 13, 20), ("2.npy", 2, 3)]


def test_frames_are_named_by_utterance(utterances, tmp_path):
    store, _ = extract_features(utterances, tmp_path, CONFIG)
    part = store.select(list(utterances)[4:1:-1])
    named = [
        f"utterance {name}, frame {i}"
        for name in part.places
        for i in range(len(part.frames(name)))
    ]
    assert [part.name_frame(number) for number in range(part.n_frames)] == named
    with pytest.raises(IndexError, match="beyond the last"):
        part.name_frame(part.n_frames)

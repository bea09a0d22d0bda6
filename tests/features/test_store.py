from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile

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
    with pytest.raises(FrameStoreError, match="version 9; this program reads version 2"):
        FrameStore.open(tmp_path)

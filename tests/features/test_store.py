"""The frame store: filled once, brought up to date, damaged, mended; and what was left out."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from speakergmm.corpora import Utterance, read_utterances
from speakergmm.errors import AudioError, FrameStoreError, OutputError
from speakergmm.features import (
    FrameStore,
    FrontEnd,
    FrontEndConfig,
    extract_features,
    utterance_frames,
)
from speakergmm.features import extraction as extraction_module
from speakergmm.features import store as store_module
from speakergmm.features.shards import read_rows, write_shard
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
    with pytest.raises(FrameStoreError, match="version 9; this program reads version 4"):
        FrameStore.open(tmp_path)


# --- utterances that are left out ---


def silence(path):
    soundfile.write(path, np.zeros(8000), 16000)
    return path


@pytest.fixture
def mixed(tmp_path):
    """Thirty utterances in three shards, of which three cannot be used, each for its own reason."""
    paths = {f"u{i:02d}": tone(tmp_path / f"u{i:02d}.wav", 1.0, 300 + 20 * i) for i in range(30)}
    silence(paths["u03"])
    tone(paths["u14"], 0.02)
    paths["u25"].unlink()
    return {name: Utterance(name, "s", path) for name, path in paths.items()}


REASONS = {
    "u03": "u03.wav: silent: every sample is zero",
    "u14": "u14.wav: too short: 20.0 ms",
    "u25": "u25.wav: no such file",
}


def test_bad_utterances_are_left_out_with_the_reason_of_each(mixed, tmp_path):
    store, n_computed = extract_features(mixed, tmp_path / "store", CONFIG, on_error="skip")
    assert n_computed == 30
    assert len(list((tmp_path / "store").glob("shard-*.npy"))) == 3
    assert list(store.places) == [name for name in mixed if name not in REASONS]
    assert list(store.left_out) == list(REASONS)
    for name, reason in REASONS.items():
        assert store.left_out[name].startswith(f"utterance {name}: {tmp_path}")
        assert reason in store.left_out[name]
    front_end = FrontEnd(CONFIG)
    for name in store.places:
        frames = utterance_frames(mixed[name], front_end)
        np.testing.assert_array_equal(store.frames(name), frames)
    assert store.recording_s == pytest.approx(27.0)
    opened = FrameStore.open(tmp_path / "store")
    assert (opened.places, opened.left_out) == (store.places, store.left_out)


def test_what_was_left_out_is_not_tried_again(mixed, tmp_path):
    store, _ = extract_features(mixed, tmp_path / "store", CONFIG, on_error="skip")
    before = shard_times(tmp_path / "store")
    again, n_computed = extract_features(mixed, tmp_path / "store", CONFIG, on_error="skip")
    assert n_computed == 0
    assert shard_times(tmp_path / "store") == before
    assert (again.digest(), again.left_out) == (store.digest(), store.left_out)


def test_selecting_what_was_left_out_says_why(mixed, tmp_path):
    store, _ = extract_features(mixed, tmp_path / "store", CONFIG, on_error="skip")
    message = r"no frames of utterance 'u03', which was left out: utterance u03: .*silent: every"
    for read in (lambda: store.select(["u00", "u03"]), lambda: store.frames("u03")):
        with pytest.raises(FrameStoreError, match=message):
            read()
    with pytest.raises(FrameStoreError, match=message):
        store.select(["u00"]).frames("u03")
    with pytest.raises(FrameStoreError, match="'nobody'; extract the features of the list that"):
        store.select(["nobody"])


def test_a_recording_that_was_mended_is_computed_with_its_shard(mixed, tmp_path):
    folder = tmp_path / "store"
    extract_features(mixed, folder, CONFIG, on_error="skip")
    before = shard_times(folder)
    # As long as it was: shards are cut by the lengths.
    tone(mixed["u03"].path, 0.5)
    store, n_computed = extract_features(mixed, folder, CONFIG, on_error="skip")
    assert 0 < n_computed < 30
    assert list(store.left_out) == ["u14", "u25"]
    assert len(store.frames("u03")) > 40
    after = shard_times(folder)
    assert [name for name in before if before[name] != after[name]] == ["shard-00000.npy"]
    # A file that was not there is another source once it is.
    tone(mixed["u25"].path, frequency=700)
    store, _ = extract_features(mixed, folder, CONFIG, on_error="skip")
    assert list(store.left_out) == ["u14"]


def test_stopping_at_errors_tries_again_what_was_left_out(mixed, tmp_path):
    folder = tmp_path / "store"
    extract_features(mixed, folder, CONFIG, on_error="skip")
    with pytest.raises(AudioError, match="features cannot be extracted: 3 problems") as caught:
        extract_features(mixed, folder, CONFIG)
    assert all(reason in str(caught.value) for reason in REASONS.values())
    with pytest.raises(FrameStoreError, match="no store, or an unfinished one"):
        FrameStore.open(folder)
    for name in REASONS:
        tone(mixed[name].path)
    store, n_computed = extract_features(mixed, folder, CONFIG)
    assert not store.left_out
    assert len(store.places) == n_computed == 30


def test_leaving_out_after_stopping_does_only_the_rest(mixed, tmp_path):
    few = {name: mixed[name] for name in list(mixed)[:20]}
    tone(few["u03"].path)
    with pytest.raises(AudioError, match=r"features cannot be extracted: utterance u14: .*too sho"):
        extract_features(few, tmp_path / "store", CONFIG)
    store, n_computed = extract_features(few, tmp_path / "store", CONFIG, on_error="skip")
    assert 0 < n_computed < 20
    assert list(store.left_out) == ["u14"]
    assert len(store.places) == 19


def test_a_shard_of_which_nothing_can_be_used(mixed, tmp_path):
    for name in list(mixed)[10:20]:
        silence(mixed[name].path)
    store, _ = extract_features(mixed, tmp_path / "store", CONFIG, on_error="skip")
    # As much audio as in the others is half as many seconds: the shard holds one or two more.
    described = json.loads((tmp_path / "store" / "shard-00001.json").read_text())
    assert described["n_frames"] == 0 or len(store.left_out) == 12
    assert set(list(mixed)[10:20]) < set(store.left_out)
    np.testing.assert_array_equal(
        np.concatenate([chunk.load() for chunk in store.chunks()]), store.pooled(store.places)
    )
    assert extract_features(mixed, tmp_path / "store", CONFIG, on_error="skip")[1] == 0


def test_a_shard_without_frames_is_a_shard(tmp_path, monkeypatch):
    monkeypatch.setattr(extraction_module, "MIN_SHARD_S", 0.1)
    monkeypatch.setattr(extraction_module, "SHARDS_WANTED", 1000)
    utterances = {
        "good": Utterance("good", "s", tone(tmp_path / "good.wav")),
        "bad": Utterance("bad", "s", silence(tmp_path / "bad.wav")),
        "last": Utterance("last", "s", tone(tmp_path / "last.wav")),
    }
    store, _ = extract_features(utterances, tmp_path / "store", CONFIG, on_error="skip")
    assert np.load(tmp_path / "store" / "shard-00001.npy").shape == (0, 12)
    assert {name: place.shard for name, place in store.places.items()} == {"good": 0, "last": 2}
    assert list(store.left_out) == ["bad"]
    assert extract_features(utterances, tmp_path / "store", CONFIG, on_error="skip")[1] == 0


def test_a_list_of_which_nothing_can_be_used(tmp_path):
    utterances = {
        f"u{i}": Utterance(f"u{i}", "s", silence(tmp_path / f"u{i}.wav")) for i in range(3)
    }
    for _ in range(2):
        # The second time nothing is tried again, but it is said again.
        with pytest.raises(AudioError, match="no utterance of the list can be used: 3 problems"):
            extract_features(utterances, tmp_path / "store", CONFIG, on_error="skip")
    tone(utterances["u1"].path)
    store, _ = extract_features(utterances, tmp_path / "store", CONFIG, on_error="skip")
    assert (list(store.places), list(store.left_out)) == (["u1"], ["u0", "u2"])


def test_workers_do_not_change_what_is_left_out(mixed, tmp_path):
    for jobs in (1, 3):
        extract_features(mixed, tmp_path / str(jobs), CONFIG, on_error="skip", jobs=jobs)
    for path in sorted((tmp_path / "1").iterdir()):
        assert path.read_bytes() == (tmp_path / "3" / path.name).read_bytes()


# --- settings that JSON writes otherwise ---


@pytest.mark.parametrize(
    "config",
    [
        FrontEndConfig(shifted_deltas=(7, 1, 3, 7)),
        FrontEndConfig(vad_db=None, top_db=None, f_max_hz=None, channel=0),
        pytest.param(
            FrontEndConfig(f_max_hz=4000, lifter=22),
        ),
        FrontEndConfig(normalization="warp", rasta=True, log_energy=True, vad="two_gaussian"),
    ],
)
def test_a_store_gives_back_the_front_end_that_made_it(config, tmp_path):
    utterances = {"u": Utterance("u", "s", tone(tmp_path / "u.wav"))}
    store, _ = extract_features(utterances, tmp_path / "store", config)
    opened = FrameStore.open(tmp_path / "store")
    assert opened.front_end == store.front_end == config
    assert opened.n_features == config.n_features == store.frames("u").shape[1]
    assert extract_features(utterances, tmp_path / "store", config)[1] == 0


# --- long recordings ---

LONG = """
import sys
from pathlib import Path

from speakergmm import FrontEnd, FrontEndConfig
from speakergmm.features import recording_frames


def peak():
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split("VmHWM:")[1].split()[0])


front_end = FrontEnd(FrontEndConfig())
recording_frames(sys.argv[1], front_end, end_s=60.0)
before = peak()
frames = recording_frames(sys.argv[1], front_end)
print(peak() - before, *frames.shape, frames.nbytes)
"""


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="needs /proc to see this program's peak memory"
)
def test_a_long_recording_is_never_in_memory_as_a_whole(tmp_path):
    """24 minutes: 92 MB of samples as float32, 23 MB of filter energies, 17 MB of cepstra."""
    minutes, rate = 24, 16_000
    rng = np.random.default_rng(0)
    second = (3000 * rng.normal(size=rate)).astype(np.int16)
    # Two seconds of sound, one of a pause; each turn of the minute begins elsewhere.
    minute = np.concatenate(
        [np.roll(second, 97 * i) // (1000 if i % 3 == 2 else 1) for i in range(60)]
    )
    path = tmp_path / "long.wav"
    with soundfile.SoundFile(path, "w", rate, 1, "PCM_16") as file:
        for i in range(minutes):
            file.write(np.roll(minute, 1013 * i))
    ran = subprocess.run(
        [sys.executable, "-c", LONG, str(path)], capture_output=True, text=True, check=True
    )
    more, n_frames, n_features, frame_bytes = map(int, ran.stdout.split())
    n_all = 100 * 60 * minutes + 1
    assert n_features == 30
    # Windows of 25 ms reach into the pauses: of 300 frames at least 200 and at most 206.
    assert 200 / 300 <= n_frames / n_all <= 206 / 300
    samples_bytes = 4 * rate * 60 * minutes
    # Cells of 40 filters and 30 cepstra of all frames, and the frames kept; blocks are small.
    assert more < 4 * n_all * (40 + 30) + 2 * frame_bytes + 8e6
    assert more < samples_bytes * 3 / 4


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


def test_an_utterance_on_one_channel_is_heard_there(tmp_path):
    left, right = (tone(tmp_path / f"{f}.wav", frequency=f) for f in (300.0, 900.0))
    both = np.stack([soundfile.read(left)[0], soundfile.read(right)[0]], axis=1)
    soundfile.write(tmp_path / "call.wav", both, 16000)
    call = tmp_path / "call.wav"
    listed = {
        "left": Utterance("left", "ann", left),
        "right": Utterance("right", "bob", right),
        "a": Utterance("a", "ann", call, channel=0),
        "b": Utterance("b", "bob", call, channel=1),
        "mix": Utterance("mix", "", call),
    }
    store, _ = extract_features(listed, tmp_path / "store", CONFIG)
    np.testing.assert_array_equal(store.frames("a"), store.frames("left"))
    np.testing.assert_array_equal(store.frames("b"), store.frames("right"))
    assert not np.array_equal(store.frames("mix"), store.frames("a"))
    assert len({place.key for place in store.places.values()}) == 5
    moved = listed | {"a": Utterance("a", "ann", call, channel=1)}
    store, n_computed = extract_features(moved, tmp_path / "store", CONFIG)
    assert n_computed > 0
    np.testing.assert_array_equal(store.frames("a"), store.frames("right"))


def test_a_channel_that_is_not_there_is_refused_by_name(tmp_path):
    listed = {"a": Utterance("a", "ann", tone(tmp_path / "a.wav"), channel=1)}
    with pytest.raises(AudioError, match=r"utterance a: .*a.wav: .*channel"):
        extract_features(listed, tmp_path / "store", CONFIG)


def test_rows_are_read_to_the_end_by_a_system_that_gives_few_at_a_time(tmp_path, monkeypatch):
    class Slow(io.FileIO):
        def readinto(self, buffer):
            return super().readinto(memoryview(buffer)[:100])

    def opened(path, mode, buffering=-1):
        return Slow(path) if buffering == 0 else io.FileIO(path)

    rows = np.random.default_rng(0).normal(size=(50, 12)).astype(np.float32)
    path = tmp_path / "shard-00000.npy"
    np.save(path, rows)
    monkeypatch.setattr(Path, "open", opened)
    np.testing.assert_array_equal(read_rows(path, 3, 47, 12), rows[3:47])
    assert read_rows(path, 5, 5, 12).shape == (0, 12)


@pytest.mark.parametrize("shape", [(0, 12), (1, 12), (50, 1), (5000, 12)])
def test_a_shard_is_the_file_that_numpy_writes(tmp_path, shape):
    frames = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    write_shard(tmp_path, 0, CONFIG, frames, [])
    np.save(tmp_path / "as_numpy.npy", frames)
    written = (tmp_path / "shard-00000.npy").read_bytes()
    assert written == (tmp_path / "as_numpy.npy").read_bytes()


def test_a_full_disk_is_called_so(tmp_path):
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8000, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"File too large.*; free some space, or choose"):
            write_shard(tmp_path, 0, CONFIG, np.zeros((5000, 12), np.float32), [])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []

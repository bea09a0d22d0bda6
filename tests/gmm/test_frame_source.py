"""What training reads frames from: an array in chunks, and a fair sample of it."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from speakergmm import TrainingConfig, train_ubm
from speakergmm.corpora import read_utterances
from speakergmm.errors import FrameError
from speakergmm.features import FrameStore, FrontEndConfig, extract_features
from speakergmm.features.store import CHUNK_FRAMES, Chunk
from speakergmm.gmm.frame_source import (
    check_all_finite,
    frame_source,
    frames_digest,
    sample_frames,
)

TRAINING = TrainingConfig(max_iterations=2, kmeans_frames=2_000, kmeans_iterations=3)
STATUS = Path("/proc/self/status")


@pytest.mark.parametrize("n_frames", [1, CHUNK_FRAMES, CHUNK_FRAMES + 1, 3 * CHUNK_FRAMES - 1])
def test_chunks_are_the_array(n_frames):
    frames = np.arange(2.0 * n_frames).reshape(-1, 2)
    source = frame_source(frames)
    loaded = [chunk.load() for chunk in source.chunks]
    assert (source.n_frames, source.n_features) == (n_frames, 2)
    assert all(0 < len(part) <= CHUNK_FRAMES for part in loaded)
    np.testing.assert_array_equal(np.concatenate(loaded), frames)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (np.float32, np.float32),
        (np.float64, np.float64),
        (np.int16, np.float64),
        (np.float16, np.float64),
    ],
)
def test_precision_of_the_frames_is_kept(given, kept):
    source = frame_source(np.ones((3, 2), dtype=given))
    assert source.chunks[0].load().dtype == kept


def test_sample_is_drawn_without_replacement_in_order_over_all_chunks():
    n_frames = 2 * CHUNK_FRAMES + 100
    source = frame_source(np.arange(float(n_frames))[:, None])
    sample = sample_frames(source, 3_000, np.random.default_rng(1))
    assert sample.shape == (3_000, 1)
    assert (np.diff(sample[:, 0]) > 0).all()
    # 3,000 uniform draws: the mean has a standard deviation of 0.3 / sqrt(3,000) of the range.
    assert sample.mean() / n_frames == pytest.approx(0.5, abs=0.03)
    again = sample_frames(source, 3_000, np.random.default_rng(1))
    np.testing.assert_array_equal(sample, again)
    other = sample_frames(source, 3_000, np.random.default_rng(2))
    assert (sample != other).any()


@pytest.mark.parametrize("n_wanted", [20, 21, 10_000])
def test_sample_of_as_many_as_there_are_is_everything(n_wanted):
    frames = np.random.default_rng(3).normal(size=(20, 2))
    sample = sample_frames(frame_source(frames), n_wanted, np.random.default_rng(0))
    np.testing.assert_array_equal(sample, frames)


# --- arrays that are mapped from a file ---


def mapped(path, frames, mode="r"):
    np.save(path, frames)
    return np.load(path, mmap_mode=mode)


def model_bytes(frames, **options):
    gmm, _ = train_ubm(frames, 4, config=TRAINING, **options)
    return b"".join(a.tobytes() for a in (gmm.weights, gmm.means, gmm.variances))


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16])
def test_a_mapped_array_is_the_array(tmp_path, mode, dtype):
    frames = np.random.default_rng(0).normal(0, 100, (CHUNK_FRAMES + 700, 3)).astype(dtype)
    found = mapped(tmp_path / "frames.npy", frames, mode)
    source, expected = frame_source(found), frame_source(frames)
    assert [len(chunk) for chunk in source.chunks] == [CHUNK_FRAMES, 700]
    for chunk, same in zip(source.chunks, expected.chunks, strict=True):
        assert chunk.load().dtype == same.load().dtype
        np.testing.assert_array_equal(chunk.load(), same.load())
        rows = np.array([0, 5, 699])
        np.testing.assert_array_equal(chunk.take(rows), same.load()[rows])
    assert frames_digest(found) == frames_digest(frames)
    assert model_bytes(found, jobs=2) == model_bytes(frames, jobs=1)
    np.testing.assert_array_equal(found, frames)


def test_a_part_of_a_mapped_array_is_that_part(tmp_path):
    frames = np.random.default_rng(0).normal(size=(900, 6))
    found = mapped(tmp_path / "frames.npy", frames)
    np.testing.assert_array_equal(
        frame_source(found[100:800:3, ::2]).chunks[0].load(), frames[100:800:3, ::2]
    )


def test_a_chunk_of_a_mapped_array_is_sent_with_its_rows(tmp_path):
    frames = np.random.default_rng(0).normal(size=(50, 3))
    source = frame_source(mapped(tmp_path / "frames.npy", frames))
    sent = pickle.dumps(source.chunks[0])
    (tmp_path / "frames.npy").unlink()
    np.testing.assert_array_equal(pickle.loads(sent).load(), frames)


def test_changes_to_a_private_mapping_stay(tmp_path):
    """What was written to copied pages is nowhere else; a read-only view does not tell of it."""
    array = mapped(tmp_path / "frames.npy", np.zeros((2 * CHUNK_FRAMES, 2)), "c")
    array += 5.0
    view = array.view()
    view.flags.writeable = False
    for chunk in frame_source(view).chunks:
        assert (chunk.load() == 5.0).all()
    assert (array == 5.0).all()


def resident_bytes():
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


LARGE = (25 * CHUNK_FRAMES, 64)
LARGE_BYTES = LARGE[0] * LARGE[1] * 4


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A file of 100 MB."""
    if not STATUS.exists() or "VmRSS:" not in STATUS.read_text():
        pytest.skip("no way to see how much memory is resident")
    path = tmp_path_factory.mktemp("large") / "frames.npy"
    rows = np.random.default_rng(0).normal(size=(CHUNK_FRAMES, LARGE[1])).astype(np.float32)
    file = np.lib.format.open_memmap(path, "w+", np.float32, LARGE)
    for start in range(0, LARGE[0], CHUNK_FRAMES):
        file[start : start + CHUNK_FRAMES] = rows
    del file
    yield path
    path.unlink()


def test_what_was_mapped_would_stay_resident(large):
    """The measurement sees what the next test says is not there."""
    array = np.load(large, mmap_mode="r")
    before = resident_bytes()
    assert np.isfinite(array.max())
    assert resident_bytes() - before > 0.8 * LARGE_BYTES


def mapped_chunks(path):
    return frame_source(np.load(path, mmap_mode="r")).chunks


def stored_chunks(path):
    starts = range(0, LARGE[0], CHUNK_FRAMES)
    return [Chunk(((path, start, start + CHUNK_FRAMES),), LARGE[1]) for start in starts]


@pytest.mark.parametrize("chunks_of", [mapped_chunks, stored_chunks])
def test_memory_stays_flat_however_much_is_read(large, chunks_of):
    chunks = chunks_of(large)
    assert sum(map(len, chunks)) == LARGE[0]
    chunks[0].load()
    before, most = resident_bytes(), 0
    for chunk in chunks:
        rows = chunk.load()
        assert len(chunk.take(np.array([0, 8_000, 16_000]))) == 3
        most = max(most, resident_bytes() - before)
        del rows
    assert most < 0.25 * LARGE_BYTES


# --- frames that are not finite ---


@pytest.fixture(scope="module")
def whole_store(small_corpus, tmp_path_factory):
    utterances = read_utterances(small_corpus / "utterances.csv")
    config = FrontEndConfig(n_mels=24, n_mfcc=12)
    store, _ = extract_features(utterances, tmp_path_factory.mktemp("store"), config)
    return store


@pytest.mark.parametrize(("value", "said"), [(np.nan, "nan"), (np.inf, "inf"), (-np.inf, "-inf")])
@pytest.mark.parametrize("jobs", [1, 2])
def test_bad_frames_of_a_store_are_named_by_utterance(whole_store, tmp_path, value, said, jobs):
    shutil.copytree(whole_store.folder, tmp_path / "store")
    name, place = list(whole_store.places.items())[-5]
    path = tmp_path / "store" / f"shard-{place.shard:05d}.npy"
    rows = np.load(path)
    rows[place.start + 7, 3] = rows[place.stop - 1, 0] = value
    np.save(path, rows)
    store = FrameStore.open(tmp_path / "store")
    expected = f"^utterance {name}, frame 7, feature 3 is {said}; expected finite numbers"
    with pytest.raises(FrameError, match=expected):
        train_ubm(store, 4, config=TRAINING, jobs=jobs)
    # Where it is left out, nothing is wrong.
    train_ubm(store.select(set(store.places) - {name}), 4, config=TRAINING, jobs=jobs)


@pytest.mark.parametrize("is_mapped", [False, True])
@pytest.mark.parametrize("bad", [0, CHUNK_FRAMES - 1, CHUNK_FRAMES, CHUNK_FRAMES + 3])
def test_bad_frames_of_an_array_are_named_by_number(tmp_path, bad, is_mapped):
    frames = np.random.default_rng(0).normal(size=(CHUNK_FRAMES + 10, 2))
    check_all_finite(frame_source(frames))
    frames[bad:, 1] = np.inf
    if is_mapped:
        frames = mapped(tmp_path / "frames.npy", frames)
    message = rf"^frame {bad}, feature 1 is inf; expected finite numbers"
    with pytest.raises(FrameError, match=message):
        check_all_finite(frame_source(frames))
    with pytest.raises(FrameError, match=message):
        train_ubm(frames, 2, config=TRAINING)

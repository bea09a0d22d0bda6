"""What training reads frames from: an array in chunks, and a fair sample of it."""

from __future__ import annotations

import numpy as np
import pytest

from speakergmm.features.store import CHUNK_FRAMES
from speakergmm.gmm.frame_source import frame_source, sample_frames


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

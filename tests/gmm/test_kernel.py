from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakergmm.gmm import DiagonalGMM, accumulate
from speakergmm.gmm import statistics as statistics_module
from speakergmm.gmm.kernel import CUT_OFF, GROUP, add_block, padded
from speakergmm.gmm.statistics import (
    _compiled_stretch,
    _exact_block,
    _fast_block,
    _sum_blocks,
    accumulate_centered,
)

# float32 sums over a stretch: some ten units in the last place of the largest entry.
SUMS = 1e-5


def mixture(n_components, n_features, rng, spread=3.0):
    return DiagonalGMM(
        rng.dirichlet(np.ones(n_components)),
        spread * rng.normal(size=(n_components, n_features)),
        rng.uniform(0.5, 2.0, (n_components, n_features)),
    )


def draw(gmm, n_frames, rng):
    component = rng.choice(gmm.n_components, size=n_frames, p=gmm.weights)
    noise = rng.normal(size=(n_frames, gmm.n_features))
    return gmm.means[component] + np.sqrt(gmm.variances[component]) * noise


def assert_close(found, expected, tolerance=SUMS):
    assert found.n_frames == expected.n_frames
    for name in ("n", "f", "s"):
        wanted = getattr(expected, name)
        np.testing.assert_allclose(
            getattr(found, name), wanted, rtol=0, atol=tolerance * np.abs(wanted).max()
        )
    assert found.mean_log_likelihood == pytest.approx(expected.mean_log_likelihood, abs=1e-4)


@given(st.integers(0, 2**32 - 1), st.integers(1, 70), st.integers(1, 20), st.integers(1, 700))
def test_kernel_agrees_with_numpy_and_with_float64(seed, n_components, n_features, n_frames):
    rng = np.random.default_rng(seed)
    gmm = mixture(n_components, n_features, rng)
    frames = draw(gmm, n_frames, rng)
    compiled, _ = _compiled_stretch(gmm, frames.astype(np.float32))
    assert_close(compiled, _sum_blocks(_exact_block, gmm, frames.astype(np.float32).astype(float)))
    assert_close(compiled, _sum_blocks(_fast_block, gmm, frames.astype(np.float32)))
    assert compiled.n.sum() == pytest.approx(n_frames, rel=1e-5)


def test_far_frames_and_components_without_weight():
    rng = np.random.default_rng(1)
    gmm = mixture(20, 4, rng)
    weights = np.where(np.arange(20) == 3, 0.0, gmm.weights)
    gmm = DiagonalGMM(weights / weights.sum(), gmm.means, gmm.variances)
    frames = draw(gmm, 500, rng).astype(np.float32)
    frames[5], frames[77] = 1e4, -3e30
    compiled, _ = _compiled_stretch(gmm, frames)
    exact = _sum_blocks(_exact_block, gmm, frames.astype(np.float64))
    np.testing.assert_allclose(compiled.n, exact.n, atol=1e-3)
    assert compiled.n[3] == 0
    assert compiled.log_likelihood == pytest.approx(exact.log_likelihood, rel=1e-6)
    beyond, _ = _compiled_stretch(gmm, frames[[5, 77]])
    assert beyond.n_frames == 2


def test_what_is_dropped_is_bounded():
    """All other components at the edge of the cut-off: the most that can be lost."""
    rng = np.random.default_rng(0)
    n_components = 64
    joint = np.full((1, n_components), -float(CUT_OFF) - 1e-3, dtype=np.float32)
    joint[0, 7] = 0.0
    expanded = rng.normal(size=(1, 16)).astype(np.float32)
    moments = np.zeros((n_components, 16), np.float32)
    exponent = np.empty(n_components, np.int32)
    best, sums = np.empty((2, 1), np.float32)
    n_pairs = add_block(
        joint, expanded, moments, best, sums, np.empty(n_components, np.int32),
        np.empty(n_components, np.float32), exponent, exponent.view(np.float32),
    )  # fmt: skip
    assert n_pairs == 1
    np.testing.assert_array_equal(moments[7], expanded[0])
    exact = np.exp(joint.astype(float)).sum()
    assert 0 < exact - sums[0] < n_components * np.exp(-float(CUT_OFF))


@pytest.mark.parametrize("difference", [0.0, -1e-6, -0.3, -5.0, -15.999])
def test_exponential_is_exact_to_float32(difference):
    joint = np.full((1, GROUP), -1e30, dtype=np.float32)
    joint[0, :2] = 2.0, 2.0 + difference
    moments = np.zeros((GROUP, GROUP), np.float32)
    exponent = np.empty(GROUP, np.int32)
    best, sums = np.empty((2, 1), np.float32)
    add_block(
        joint, np.ones((1, GROUP), np.float32), moments, best, sums, np.empty(GROUP, np.int32),
        np.empty(GROUP, np.float32), exponent, exponent.view(np.float32),
    )  # fmt: skip
    exact = np.exp(np.float64(joint[0, 1]) - np.float64(joint[0, 0]))
    assert best[0] == 2.0
    assert sums[0] == pytest.approx(1 + exact, rel=3e-7)
    assert moments[1, 0] == pytest.approx(exact / (1 + exact), rel=1e-6)


def test_padding():
    assert [padded(n) for n in (1, GROUP, GROUP + 1)] == [GROUP, GROUP, 2 * GROUP]


def test_much_work_goes_through_the_kernel_and_little_does_not(monkeypatch):
    rng = np.random.default_rng(2)
    gmm = mixture(32, 5, rng)
    frames = draw(gmm, 9000, rng).astype(np.float32)
    calls = []

    def counted(gmm, frames):
        calls.append(len(frames))
        return _compiled_stretch(gmm, frames)

    monkeypatch.setattr(statistics_module, "_compiled_stretch", counted)
    accumulate_centered(gmm, frames)
    assert calls == []
    monkeypatch.setattr(statistics_module, "COMPILED_CELLS", 1)
    monkeypatch.setattr(statistics_module, "DENSE_SHARE", 1.0)
    found = accumulate(gmm, frames)
    assert calls == [4096, 4096, 808]
    assert_close(found, accumulate(gmm, frames.astype(np.float64)))


def test_where_many_components_matter_the_dense_product_takes_over(monkeypatch):
    rng = np.random.default_rng(3)
    gmm = mixture(32, 5, rng, spread=0.01)
    frames = draw(gmm, 9000, rng).astype(np.float32)
    blocks = []

    def counted(gmm, frames):
        blocks.append(len(frames))
        return _fast_block(gmm, frames)

    monkeypatch.setattr(statistics_module, "_fast_block", counted)
    monkeypatch.setattr(statistics_module, "COMPILED_CELLS", 1)
    found = accumulate(gmm, frames)
    assert sum(blocks) == 9000 - 4096
    assert_close(found, accumulate(gmm, frames.astype(np.float64)))

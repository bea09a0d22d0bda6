from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakergmm.gmm import DiagonalGMM, accumulate
from speakergmm.gmm import statistics as statistics_module
from speakergmm.gmm.densities import BlockDensities
from speakergmm.gmm.kernel import CUT_OFF, KernelConstants, add_block, expand_near
from speakergmm.gmm.statistics import (
    _exact_block,
    _fast_block,
    _sparse_part,
    _sum_blocks,
    accumulate_centered,
)

# float32 sums over a stretch: some ten units in the last place of the largest entry.
SUMS = 1e-5

# Of a standard deviation: what dropping responsibilities below e^-14 and float32 sums cost.
DEVIATIONS = 1e-4


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


def compiled(gmm, frames):
    """All frames by the kernel, however many components matter to them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(statistics_module, "DENSE_SHARE", 1.0)
        found, n_done = _sparse_part(gmm, frames)
    assert n_done == len(frames)
    return found


@given(st.integers(0, 2**32 - 1), st.integers(1, 70), st.integers(1, 20), st.integers(1, 700))
def test_kernel_agrees_with_numpy_and_with_float64(seed, n_components, n_features, n_frames):
    rng = np.random.default_rng(seed)
    gmm = mixture(n_components, n_features, rng)
    frames = draw(gmm, n_frames, rng).astype(np.float32)
    found = compiled(gmm, frames)
    assert_close(found, _sum_blocks(_exact_block, gmm, frames.astype(float)))
    assert_close(found, _sum_blocks(_fast_block, gmm, frames))
    assert found.n.sum() == pytest.approx(n_frames, rel=1e-5)


@pytest.mark.parametrize("n_components", [40, 600])
def test_narrow_components_far_from_the_middle_keep_their_digits(n_components):
    """Silence beside speech: a variance is there a small difference of large numbers."""
    rng = np.random.default_rng(5)
    gmm = mixture(n_components, 12, rng, spread=2.0)
    means, variances = gmm.means.copy(), gmm.variances.copy()
    means[::5] += 40.0
    variances[::5] *= 1e-3
    gmm = DiagonalGMM(gmm.weights, means, variances)
    assert len(gmm.block_densities.far) >= n_components // 5
    frames = draw(gmm, 30_000, rng).astype(np.float32)
    exact = _sum_blocks(_exact_block, gmm, frames.astype(float))
    alive = exact.n > 20
    for found in (compiled(gmm, frames), _sum_blocks(_fast_block, gmm, frames)):
        assert_close(found, exact)
        for ours, wanted in zip(mean_and_deviation(found), mean_and_deviation(exact), strict=True):
            error = np.abs(ours - wanted) / mean_and_deviation(exact)[1]
            assert error[alive].max() < DEVIATIONS


def mean_and_deviation(statistics):
    n = np.maximum(statistics.n, 1e-9)[:, None]
    means = statistics.f / n
    return means, np.sqrt(np.maximum(statistics.s / n - np.square(means), 1e-9))


def test_far_frames_and_components_without_weight():
    rng = np.random.default_rng(1)
    gmm = mixture(20, 4, rng)
    weights = np.where(np.arange(20) == 3, 0.0, gmm.weights)
    gmm = DiagonalGMM(weights / weights.sum(), gmm.means, gmm.variances)
    frames = draw(gmm, 500, rng).astype(np.float32)
    frames[5], frames[77] = 1e4, -3e30
    found = compiled(gmm, frames)
    exact = _sum_blocks(_exact_block, gmm, frames.astype(np.float64))
    np.testing.assert_allclose(found.n, exact.n, atol=1e-3)
    assert found.n[3] == 0
    assert found.log_likelihood == pytest.approx(exact.log_likelihood, rel=1e-6)
    beyond = compiled(gmm, frames[[5, 77]])
    assert beyond.n_frames == 2


def add(joint, expanded, n_groups):
    """Run the kernel on one block without far components."""
    moments = np.zeros((joint.shape[1], expanded.shape[1]), np.float32)
    none = np.empty((0, expanded.shape[1] // 2), np.float32)
    slot = np.full(joint.shape[1], -1, np.int32)
    lift = np.zeros(joint.shape[1], np.float32)
    log_likelihood, n_pairs = add_block(
        joint, expanded, moments, lift, slot, n_groups, none, none, np.empty(0, np.float32)
    )
    return moments, log_likelihood, n_pairs


def test_what_is_dropped_is_bounded():
    """All other components at the edge of the cut-off: the most that can be lost."""
    rng = np.random.default_rng(0)
    n_components = 64
    joint = np.full((1, n_components), -float(CUT_OFF) - 1e-3, dtype=np.float32)
    joint[0, 7] = 0.0
    expanded = rng.normal(size=(1, 16)).astype(np.float32)
    moments, log_likelihood, n_pairs = add(joint, expanded, 8)
    assert n_pairs == 1
    np.testing.assert_array_equal(moments[7], expanded[0])
    exact = np.exp(joint.astype(float)).sum()
    assert 0 < exact - np.exp(log_likelihood) < n_components * np.exp(-float(CUT_OFF))


@pytest.mark.parametrize("difference", [0.0, -1e-6, -0.3, -5.0, -13.999])
def test_exponential_is_exact_to_float32(difference):
    joint = np.full((1, 16), -1e30, dtype=np.float32)
    joint[0, :2] = 2.0, 2.0 + difference
    moments, log_likelihood, n_pairs = add(joint, np.ones((1, 16), np.float32), 2)
    exact = np.exp(np.float64(joint[0, 1]) - np.float64(joint[0, 0]))
    assert n_pairs == 2
    assert log_likelihood == pytest.approx(2.0 + np.log1p(exact), abs=3e-7)
    assert moments[1, 0] == pytest.approx(exact / (1 + exact), rel=1e-6)


@pytest.mark.parametrize("n_components", [1, 7, 8, 100, 1024, 1030])
def test_components_fill_whole_groups(n_components):
    rng = np.random.default_rng(0)
    densities = BlockDensities.of(mixture(n_components, 3, rng))
    constants = KernelConstants.of(densities)
    n_rows, width = constants.operand.shape
    assert width % constants.n_groups == 0
    assert n_components <= width < n_components + 16
    near = np.setdiff1d(np.arange(n_components), densities.far.index)
    lowered = constants.operand - np.eye(n_rows, dtype=np.float32)[:, -1:] * constants.lift
    np.testing.assert_allclose(lowered[:, near], densities.operand[:, near], atol=1e-5)
    assert (constants.lift >= 0).all()
    assert (constants.operand[-1, n_components:] == -1e30).all()


def test_expanding_in_one_pass_is_expanding_and_looking_for_far_frames():
    rng = np.random.default_rng(4)
    densities = BlockDensities.of(mixture(5, 6, rng))
    frames = draw(mixture(5, 6, rng), 50, rng).astype(np.float32)
    frames[3], frames[9] = 1e5, 3e30
    expanded = np.zeros((50, 16), np.float32)
    outside = np.empty(50, np.int64)
    n_near = expand_near(frames, densities.center, densities.precision, expanded, outside)
    wanted = densities.expand(frames)
    far = densities.is_far(wanted)
    assert n_near == 48
    np.testing.assert_array_equal(outside[:2], np.flatnonzero(far))
    np.testing.assert_array_equal(expanded[:48, :13], wanted[~far])


def test_much_work_goes_through_the_kernel_and_little_does_not(monkeypatch):
    rng = np.random.default_rng(2)
    gmm = mixture(32, 5, rng)
    frames = draw(gmm, 9000, rng).astype(np.float32)
    calls = []

    def counted(gmm, frames):
        calls.append(len(frames))
        return _sparse_part(gmm, frames)

    monkeypatch.setattr(statistics_module, "_sparse_part", counted)
    accumulate_centered(gmm, frames)
    assert calls == []
    monkeypatch.setattr(statistics_module, "COMPILED_CELLS", 1)
    monkeypatch.setattr(statistics_module, "DENSE_SHARE", 1.0)
    found = accumulate(gmm, frames)
    assert calls == [9000]
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
    assert sum(blocks) == 9000 - 384
    assert_close(found, accumulate(gmm, frames.astype(np.float64)))


def test_frames_may_be_read_only_and_strided(monkeypatch):
    rng = np.random.default_rng(6)
    gmm = mixture(32, 5, rng)
    wide = draw(gmm, 4000, rng).astype(np.float32).repeat(2, axis=1)
    frames = wide[::2, ::2]
    frames.flags.writeable = False
    monkeypatch.setattr(statistics_module, "COMPILED_CELLS", 1)
    monkeypatch.setattr(statistics_module, "DENSE_SHARE", 1.0)
    assert_close(accumulate(gmm, frames), accumulate(gmm, frames.astype(np.float64)))

"""The textbook, loop by loop: slow, and independent of how the package computes.

Logarithms and exponentials are float64; every sum and every update is exact, in fractions of the
float64 numbers that go in, so that no formula can lose digits here, however it is written.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from speakergmm.gmm import DiagonalGMM


def random_gmm(rng, n_components, n_features, *, spread=2.0, offset=0.0, scale=1.0):
    """Draw a mixture whose means lie ``spread`` · ``scale`` around ``offset``."""
    shape = (n_components, n_features)
    return DiagonalGMM(
        rng.dirichlet(np.ones(n_components)),
        offset + scale * spread * rng.normal(size=shape),
        scale**2 * rng.uniform(0.2, 3.0, size=shape),
    )


def draw_frames(gmm, n_frames, rng):
    """Draw frames from a mixture."""
    component = rng.choice(gmm.n_components, size=n_frames, p=gmm.weights)
    noise = rng.normal(size=(n_frames, gmm.n_features))
    return gmm.means[component] + np.sqrt(gmm.variances[component]) * noise


def slow_log_joint(gmm, frame):
    """Give log w_c N(x; μ_c, σ²_c) for each component, by the definition of a Gaussian."""
    joint = []
    for weight, means, variances in zip(
        gmm.weights.tolist(), gmm.means.tolist(), gmm.variances.tolist(), strict=True
    ):
        terms = [math.log(weight) if weight > 0 else -math.inf]
        for x, mean, variance in zip(frame, means, variances, strict=True):
            deviation = (x - mean) / math.sqrt(variance)
            terms.append(-0.5 * (math.log(2 * math.pi * variance) + deviation * deviation))
        joint.append(math.fsum(terms) if math.isfinite(terms[0]) else -math.inf)
    return joint


def slow_log_sum(values):
    """Log of the sum of the exponentials."""
    best = max(values)
    return best + math.log(math.fsum(math.exp(value - best) for value in values))


def slow_statistics(gmm, frames):
    """E-step: n, f, s as fractions, and the log-likelihood (Reynolds 2000, eq. 7-10)."""
    n_components, n_features = gmm.means.shape
    n = [Fraction(0)] * n_components
    f = [[Fraction(0)] * n_features for _ in range(n_components)]
    s = [[Fraction(0)] * n_features for _ in range(n_components)]
    log_likelihoods = []
    for frame in np.asarray(frames, dtype=np.float64).tolist():
        joint = slow_log_joint(gmm, frame)
        total = slow_log_sum(joint)
        log_likelihoods.append(total)
        for c in range(n_components):
            posterior = Fraction(math.exp(joint[c] - total))
            n[c] += posterior
            for d in range(n_features):
                f[c][d] += posterior * Fraction(frame[d])
                s[c][d] += posterior * Fraction(frame[d]) ** 2
    return n, f, s, math.fsum(log_likelihoods)


def as_floats(table):
    """Turn (nested lists of) fractions into an array."""
    return np.array(table, dtype=object).astype(np.float64)


def slow_floored_weights(n, floor):
    """Maximize Σ n_c log w_c where every w_c ≥ floor: w_c = max(floor, n_c / λ), λ by bisection."""
    low, high = 0.0, sum(n) / (1 - floor * len(n))
    for _ in range(200):
        middle = (low + high) / 2
        if sum(max(floor, count / middle) for count in n) > 1:
            low = middle
        else:
            high = middle
    return [max(floor, count / high) for count in n]


def slow_maximization(gmm, n, f, s, *, variance_floor, weight_floor, min_frames):
    """M-step (Bishop 2006, eq. 9.24-9.26) with floors; a component of few frames keeps its own."""
    n_components, n_features = gmm.means.shape
    means, variances = gmm.means.tolist(), gmm.variances.tolist()
    for c in range(n_components):
        if n[c] < min_frames:
            continue
        for d in range(n_features):
            mean = f[c][d] / n[c]
            variance = s[c][d] / n[c] - mean * mean
            means[c][d] = float(mean)
            variances[c][d] = max(float(variance), variance_floor[d])
    weights = slow_floored_weights([float(count) for count in n], weight_floor / n_components)
    return DiagonalGMM(weights, means, variances)


def slow_map(ubm, n, f, s, n_frames, *, relevance_factor, parameters):
    """MAP adaptation in the form in which Reynolds (2000) prints it, eq. 11-14; no floor.

    Every n_c must be positive.
    """
    n_components, n_features = ubm.means.shape
    weights = [Fraction(weight) for weight in ubm.weights.tolist()]
    means = [[Fraction(mean) for mean in row] for row in ubm.means.tolist()]
    variances = [[Fraction(variance) for variance in row] for row in ubm.variances.tolist()]
    mixed = []
    for c in range(n_components):
        alpha = n[c] / (n[c] + Fraction(relevance_factor))  # eq. 14
        mixed.append(alpha * n[c] / n_frames + (1 - alpha) * weights[c])
        for d in range(n_features):
            first, second = f[c][d] / n[c], s[c][d] / n[c]
            old_mean, old_variance = means[c][d], variances[c][d]
            means[c][d] = alpha * first + (1 - alpha) * old_mean  # eq. 12
            if parameters in ("means+variances", "all"):
                old_second = old_variance + old_mean**2
                variances[c][d] = alpha * second + (1 - alpha) * old_second - means[c][d] ** 2
    if parameters in ("means+weights", "all"):
        weights = [weight / sum(mixed) for weight in mixed]  # eq. 11
    return DiagonalGMM(as_floats(weights), as_floats(means), as_floats(variances))

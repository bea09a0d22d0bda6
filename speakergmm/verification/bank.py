"""Several speaker models that are scored against the same frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from speakergmm.errors import ModelError
from speakergmm.gmm import DiagonalGMM
from speakergmm.gmm.densities import (
    BLOCK_CELLS,
    LOST_COMPONENT,
    block_slices,
    density_operand,
)
from speakergmm.gmm.models_on_demand import ModelsOnDemand
from speakergmm.verification.ratio import check_same_size, log_likelihood_ratio, some_frames

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# Rows of the top-C operand are filled up to whole vector registers.
REGISTER = 16


@dataclass(frozen=True, eq=False)
class ModelBank:
    """Several speaker models, to be scored against the same frames.

    With θ a model's density operand, log w_c N(x) is [x', x'², 1] · θ_c, so a speaker's differs
    from the UBM's by [x', x'², 1] · (θ_speaker - θ_ubm). Where only means are adapted, the part of
    x'² is zero and drops out: half the work, and no rounding where nothing was adapted.

    ``operand`` is float32: (K, S, C) with K = D + 1 or 2D + 1 for exact scores, (C, S, K) with K
    filled up to whole registers for those of the ``top_c`` best components; None where float32
    cannot hold one of the models. float64 frames, and what float32 cannot resolve, are scored model
    by model.
    """

    ubm: DiagonalGMM
    speaker_models: Sequence[DiagonalGMM]
    top_c: int | None
    means_only: bool
    operand: NDArray[np.float32] | None

    @classmethod
    def of(
        cls, speaker_models: Sequence[DiagonalGMM], ubm: DiagonalGMM, top_c: int | None = None
    ) -> ModelBank:
        """Stack the differences of the models from the UBM."""
        unused = ubm.weights == 0
        for model in speaker_models:
            check_same_size(model, ubm)
            if (model.weights[unused] > 0).any():
                raise ModelError(
                    "a component has weight 0 in the UBM but not in the speaker model; expected a "
                    "model adapted from this UBM"
                )
        means_only = all(
            np.array_equal(model.variances, ubm.variances)
            and np.array_equal(model.weights, ubm.weights)
            for model in speaker_models
        )
        fit = (
            is_near(model, ubm) if means_only else model.block_densities.is_accurate
            for model in speaker_models
        )
        if not (ubm.block_densities.is_accurate and all(fit)):
            return cls(ubm, speaker_models, top_c, means_only, None)
        n_rows = ubm.n_features + 1 if means_only else 2 * ubm.n_features + 1
        width = n_rows if top_c is None else -(-n_rows // REGISTER) * REGISTER
        operand = np.zeros((width, len(speaker_models), ubm.n_components), dtype=np.float32)
        for i, model in enumerate(speaker_models):
            differences = _mean_differences if means_only else _differences
            operand[:n_rows, i] = differences(model, ubm)
        # -inf less -inf: what neither uses does not differ.
        operand[n_rows - 1][:, unused] = 0.0
        if top_c is not None:
            operand = np.ascontiguousarray(operand.T)
        return cls(ubm, speaker_models, top_c, means_only, operand)

    @classmethod
    def of_directions(
        cls, directions: NDArray[np.float32], ubm: DiagonalGMM, top_c: int | None = None
    ) -> ModelBank:
        """Stack models of which only means are adapted, by their `linear.directions_of`.

        Parameters
        ----------
        directions : (S, C, D)
            What each mean is off the UBM's, over the variances; of models that `is_near` their UBM.
        """
        models = _NearModels(directions, ubm)
        if not ubm.block_densities.is_accurate:
            return cls(ubm, models, top_c, True, None)
        center = ubm.block_densities.center.astype(np.float64)
        far = np.float32(ubm.means - center)
        bias = np.einsum("scd,cd->sc", directions, far)
        bias += 0.5 * np.einsum("scd,scd,cd->sc", directions, directions, np.float32(ubm.variances))
        rows = np.concatenate([directions, -bias[:, :, None]], axis=2)  # (S, C, D + 1)
        if top_c is None:
            return cls(ubm, models, None, True, np.ascontiguousarray(rows.transpose(2, 0, 1)))
        width = -(-rows.shape[2] // REGISTER) * REGISTER
        operand = np.zeros((ubm.n_components, len(directions), width), dtype=np.float32)
        operand[:, :, : rows.shape[2]] = rows.transpose(1, 0, 2)
        return cls(ubm, models, top_c, True, operand)

    @property
    def n_models(self) -> int:
        """S."""
        return len(self.speaker_models)

    def scores(
        self, frames: NDArray[np.floating], models: NDArray[np.integer]
    ) -> NDArray[np.float64]:
        """Mean log-likelihood ratio of the frames for some of the models, by their numbers."""
        array = some_frames(self.ubm, frames)
        totals = np.zeros(len(models))
        for block in block_slices(len(array), self.ubm.n_components):
            totals += self._sums(array[block], models)
        return totals / len(array)

    def _sums(
        self, frames: NDArray[np.floating], models: NDArray[np.integer]
    ) -> NDArray[np.float64]:
        """Sum of the log-likelihood ratios (N,) over one block of frames."""
        if self.operand is not None and frames.dtype == np.float32:
            blocks = self.ubm.block_densities
            expanded = blocks.expand(frames)
            if not blocks.is_far(expanded).any():
                background = blocks.log_joint(expanded)  # (T, C)
                if self.means_only:
                    expanded = np.delete(expanded, slice(self.ubm.n_features, -1), axis=1)
                add = self._exact_sums if self.top_c is None else self._top_sums
                return add(expanded, background, self.operand, models)
        chosen = (self.speaker_models[i] for i in models)
        ratios = [log_likelihood_ratio(m, self.ubm, frames, top_c=self.top_c) for m in chosen]
        return len(frames) * np.array(ratios)

    def _exact_sums(
        self,
        expanded: NDArray[np.float32],
        background: NDArray[np.float32],
        operand: NDArray[np.float32],
        models: NDArray[np.integer],
    ) -> NDArray[np.float64]:
        from speakergmm.verification.kernel import add_log_likelihoods

        if len(models) < self.n_models:
            operand = operand[:, models]
        n_rows, n_models, n_components = operand.shape
        above, below = np.zeros(n_models), np.zeros(1)
        add_log_likelihoods(np.zeros_like(background)[:, None], background, below)
        step = max(1, BLOCK_CELLS // background.size)
        for first in range(0, n_models, step):
            part = operand[:, first : first + step]
            differences = expanded @ part.reshape(n_rows, -1)  # (T, S · C)
            differences = differences.reshape(len(expanded), -1, n_components)
            add_log_likelihoods(differences, background, above[first : first + step])
        return above - below

    def _top_sums(
        self,
        expanded: NDArray[np.float32],
        background: NDArray[np.float32],
        operand: NDArray[np.float32],
        models: NDArray[np.integer],
    ) -> NDArray[np.float64]:
        from speakergmm.verification.kernel import add_top_ratios, find_best

        index = np.empty((len(background), self.top_c or 1), dtype=np.int32)
        value = np.empty(index.shape, dtype=np.float32)
        find_best(background, index, value)
        filled = np.zeros((len(expanded), operand.shape[2]), dtype=np.float32)
        filled[:, : expanded.shape[1]] = expanded
        sums = np.zeros(len(models))
        add_top_ratios(filled, index, value, operand, models.astype(np.int64), sums)
        return sums


class _NearModels(ModelsOnDemand):
    """Models made of their directions when they are asked for."""

    def __init__(self, directions: NDArray[np.float32], ubm: DiagonalGMM) -> None:
        self.directions, self.ubm = directions, ubm

    def __len__(self) -> int:
        return len(self.directions)

    def made(self, number: int) -> DiagonalGMM:
        """Make the model of this number."""
        means = self.ubm.means + self.directions[number] * self.ubm.variances
        return DiagonalGMM(self.ubm.weights, means, self.ubm.variances)


def is_near(model: DiagonalGMM, ubm: DiagonalGMM) -> bool:
    """Tell whether float32 holds a model of which only the means are adapted."""
    distances = np.sum(np.square(model.means - ubm.mean) / ubm.variances, axis=1)
    return bool(distances.max() <= LOST_COMPONENT)


def _mean_differences(model: DiagonalGMM, ubm: DiagonalGMM) -> NDArray[np.float64]:
    """Difference of two density operands where only the means differ, without the rows of x'²."""
    center = ubm.block_densities.center.astype(np.float64)
    step = model.means - ubm.means
    slopes = step / ubm.variances
    bias = -0.5 * np.sum(slopes * (model.means + ubm.means - 2 * center), axis=1)
    return np.concatenate([slopes.T, bias[None]])


def _differences(model: DiagonalGMM, ubm: DiagonalGMM) -> NDArray[np.float64]:
    """Difference of two density operands."""
    center = ubm.block_densities.center.astype(np.float64)
    with np.errstate(invalid="ignore"):
        return np.asarray(density_operand(model, center) - density_operand(ubm, center))

"""Scores: how much better a speaker's model explains the frames than the background model does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from speakergmm.config import check_whole
from speakergmm.errors import FrameError, ModelError
from speakergmm.gmm.densities import (
    BLOCK_CELLS,
    block_slices,
    density_operand,
    exponentiate,
    log_joint,
)
from speakergmm.parallel import map_in_order
from speakergmm.progress import SILENT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from speakergmm.corpora import Trials
    from speakergmm.gmm import DiagonalGMM
    from speakergmm.parallel import Jobs
    from speakergmm.progress import Progress

# Parameters of the models that are scored in one pass over the tests: 64 MB of float32.
BANK_VALUES = 1 << 24


def log_likelihood_ratio(
    speaker_model: DiagonalGMM, ubm: DiagonalGMM, frames: ArrayLike, *, top_c: int | None = None
) -> float:
    """Mean over the frames of log p(x | speaker) - log p(x | background).

    Parameters
    ----------
    speaker_model, ubm : DiagonalGMM
        Of the same C and D.
    frames : (T, D)
        T ≥ 1.
    top_c : int, optional
        Use, in each frame, only the ``top_c`` components that are best under the UBM, on both
        sides (the fast scoring of Reynolds, Quatieri & Dunn 2000). Default: all.

    Returns
    -------
    float
        The score, in nats per frame. Above 0 the speaker's model explains the speech better. It is
        not calibrated: what a good threshold is depends on the model and the length of the speech.
        Exactly 0 for a model that equals the UBM.

    Raises
    ------
    FrameError
        When there are no frames, or they do not fit the models.
    ModelError
        When the two models are of different size.
    ConfigError
        When ``top_c`` is not between 1 and C.
    """
    _check_same_size(speaker_model, ubm)
    array = _some_frames(ubm, frames)
    if top_c is None:
        above, below = speaker_model.log_likelihoods(array), ubm.log_likelihoods(array)
        return float(_ratios(above, below).mean())
    check_whole("top_c", top_c, 1, ubm.n_components, "components")
    total = 0.0
    for block in block_slices(len(array), ubm.n_components):
        background = log_joint(ubm, array[block])
        best = np.argpartition(background, -top_c, axis=1)[:, -top_c:]  # (T, top_c)
        speaker = log_joint(speaker_model, array[block])
        above, _ = exponentiate(np.take_along_axis(speaker, best, axis=1))
        below, _ = exponentiate(np.take_along_axis(background, best, axis=1))
        total += float(_ratios(above, below).sum())
    return total / len(array)


def score_trials(
    speaker_models: Sequence[DiagonalGMM],
    ubm: DiagonalGMM,
    load_test: Callable[[str], NDArray[np.floating]],
    trials: Trials,
    *,
    jobs: Jobs = None,
    progress: Progress = SILENT,
) -> NDArray[np.float64]:
    """Exact mean log-likelihood ratios of all trials of a list.

    Each test's frames meet all their models at once; the background model's densities are computed
    once for all of them.

    Parameters
    ----------
    speaker_models : sequence of DiagonalGMM
        Model i belongs to ``trials.model_ids[i]``. Items may be made when they are asked for; each
        is asked for once.
    load_test : callable
        Test id → frames (T, D).

    Returns
    -------
    (N,) float64
        As `log_likelihood_ratio`, in the order of the trials.

    Raises
    ------
    FrameError, ModelError
        As `log_likelihood_ratio`, naming the test.
    """
    if len(speaker_models) != len(trials.model_ids):
        raise ModelError(
            f"there are {len(speaker_models)} speaker models; the trials name "
            f"{len(trials.model_ids)}: expected one for each, in that order"
        )
    scores = np.empty(len(trials))
    models_at_once = max(1, BANK_VALUES // ((2 * ubm.n_features + 1) * ubm.n_components))
    spans = range(0, len(trials.model_ids), models_at_once)
    progress.start("scores", len(spans) * len(trials.test_ids))
    # Trials sorted by test and model: each test's are one slice, and all models in their order
    # need no rearranging.
    by_test = np.lexsort((trials.model_index, trials.test_index))
    bounds = np.searchsorted(trials.test_index[by_test], np.arange(len(trials.test_ids) + 1))
    for first in spans:
        members = range(first, min(first + models_at_once, len(speaker_models)))
        bank = ModelBank.of([speaker_models[i] for i in members], ubm)

        def work(test: int, bank: ModelBank = bank, first: int = first) -> None:
            rows = by_test[bounds[test] : bounds[test + 1]]
            rows = rows[(trials.model_index[rows] - first < bank.n_models)]
            rows = rows[trials.model_index[rows] >= first]
            if len(rows) == 0:
                return
            test_id = trials.test_ids[test]
            try:
                values = bank.scores(load_test(test_id), trials.model_index[rows] - first)
            except FrameError as error:
                raise FrameError(f"test {test_id}: {error}") from None
            scores[rows] = values

        for _ in map_in_order(work, range(len(trials.test_ids)), jobs=jobs):
            progress.advance()
    return scores


@dataclass(frozen=True, eq=False)
class ModelBank:
    """Several speaker models, to be scored against the same frames.

    With θ a model's density operand, log w_c N(x) is [x', x'², 1] · θ_c, so a speaker's differs
    from the UBM's by [x', x'², 1] · (θ_speaker - θ_ubm). Where only means are adapted, the part of
    x'² is zero and drops out: half the work, and no rounding where nothing was adapted.

    ``operand`` is (K, S, C) float32 with K = D + 1 or 2D + 1; None where float32 cannot hold one of
    the models. float64 frames, and what float32 cannot resolve, are scored model by model.
    """

    ubm: DiagonalGMM
    speaker_models: Sequence[DiagonalGMM]
    operand: NDArray[np.float32] | None

    @classmethod
    def of(cls, speaker_models: Sequence[DiagonalGMM], ubm: DiagonalGMM) -> ModelBank:
        """Stack the differences of the models from the UBM."""
        unused = ubm.weights == 0
        for model in speaker_models:
            _check_same_size(model, ubm)
            if (model.weights[unused] > 0).any():
                raise ModelError("a component has weight 0 in the UBM but not in the speaker model")
        everyone = [ubm, *speaker_models]
        if not all(model.block_densities.is_accurate for model in everyone):
            return cls(ubm, speaker_models, None)
        n_features = ubm.n_features
        center = ubm.block_densities.center.astype(np.float64)
        background = density_operand(ubm, center)
        shape = (2 * n_features + 1, len(speaker_models), ubm.n_components)
        operand = np.empty(shape, dtype=np.float32)
        for i, model in enumerate(speaker_models):
            with np.errstate(invalid="ignore"):
                operand[:, i] = density_operand(model, center) - background
        # -inf less -inf: what neither uses does not differ.
        operand[-1][:, unused] = 0.0
        if not operand[n_features:-1].any():
            operand = np.delete(operand, slice(n_features, -1), axis=0)
        return cls(ubm, speaker_models, operand)

    @property
    def n_models(self) -> int:
        """S."""
        return len(self.speaker_models)

    def scores(
        self, frames: NDArray[np.floating], models: NDArray[np.integer]
    ) -> NDArray[np.float64]:
        """Mean log-likelihood ratio of the frames for some of the models, by their numbers."""
        array = _some_frames(self.ubm, frames)
        totals = np.zeros(len(models))
        operand = self.operand
        if operand is not None and not np.array_equal(models, np.arange(self.n_models)):
            operand = operand[:, models]
        for block in block_slices(len(array), self.ubm.n_components):
            piece = array[block]
            if operand is None or piece.dtype != np.float32 or self._any_far(piece):
                totals += self._exact_sums(piece, models)
            else:
                totals += self._block_sums(piece, operand)
        return totals / len(array)

    def _any_far(self, frames: NDArray[np.float32]) -> bool:
        blocks = self.ubm.block_densities
        return bool(blocks.is_far(blocks.expand(frames)).any())

    def _exact_sums(
        self, frames: NDArray[np.floating], models: NDArray[np.integer]
    ) -> NDArray[np.float64]:
        """Sum of the log-likelihood ratios (S,) over one block of frames, model by model."""
        below = self.ubm.log_likelihoods(frames)
        chosen = (self.speaker_models[i] for i in models)
        return np.array([_ratios(m.log_likelihoods(frames), below).sum() for m in chosen])

    def _block_sums(
        self, frames: NDArray[np.float32], operand: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """Sum of the log-likelihood ratios (S,) over one block of frames, all models at once."""
        n_models, n_components = operand.shape[1:]
        background = log_joint(self.ubm, frames)  # (T, C)
        below, _ = exponentiate(background.copy())
        expanded = self.ubm.block_densities.expand(frames)  # (T, 2D + 1)
        if len(operand) < expanded.shape[1]:
            n_features = self.ubm.n_features
            expanded = np.delete(expanded, slice(n_features, -1), axis=1)  # (T, D + 1)
        sums = np.empty(n_models)
        step = max(1, BLOCK_CELLS // (len(frames) * n_components))
        for first in range(0, n_models, step):
            part = operand[:, first : first + step]
            joint = expanded @ part.reshape(len(operand), -1)  # (T, S · C)
            joint = joint.reshape(len(frames), -1, n_components)
            joint += background[:, None]
            above, _ = exponentiate(joint.reshape(-1, n_components))
            ratios = above.reshape(len(frames), -1) - below[:, None]  # (T, S)
            sums[first : first + step] = ratios.sum(axis=0)
        return sums


def _ratios(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    """Differences of log-likelihoods; 0, no evidence, where both densities are 0."""
    with np.errstate(invalid="ignore"):
        return np.where(np.isneginf(above) & np.isneginf(below), 0.0, above - below)


def _check_same_size(speaker_model: DiagonalGMM, ubm: DiagonalGMM) -> None:
    if speaker_model.means.shape != ubm.means.shape:
        raise ModelError(
            f"the speaker model has (C, D) = {speaker_model.means.shape}, the UBM "
            f"{ubm.means.shape}; expected a model adapted from this UBM"
        )


def _some_frames(ubm: DiagonalGMM, frames: ArrayLike) -> NDArray[np.floating]:
    array = ubm.check_frames(frames)
    if len(array) == 0:
        raise FrameError("there are no frames to score; expected one or more")
    return array

"""All enrolled speakers at once: who of them a recording sounds most like.

To score thousands of models exactly takes long, and most of them are out of the question. So all
are ranked by a bound of their scores, which is one product of a matrix and a vector, and those that
come first are scored as the system says.

The bound keeps each frame with the components that it belongs to in the background model (it is
what EM maximizes; Dempster, Laird & Rubin 1977), with γ and n = Σ γ under that model and the
adapted means μ + δ:

    log-likelihood ratio ≥ Σ_c [δ_cᵀ Σ_c⁻¹ (f_c - n_c μ_c) - n_c / 2 · δ_cᵀ Σ_c⁻¹ δ_c]

Its first term is the linear score, and where a system scores linearly that alone ranks.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from speakergmm.errors import MissingError
from speakergmm.gmm import accumulate
from speakergmm.verification.bank import ModelBank, is_near
from speakergmm.verification.cohort_moments import moments
from speakergmm.verification.linear import LinearBank, directions_of, offsets_from_ubm
from speakergmm.verification.ratio import some_frames

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from speakergmm.verification.speaker_store import SpeakerStore
    from speakergmm.verification.trial_scorer import Bank, TrialScorer

    Floats = NDArray[np.float64]

# Speakers that are kept together: a change makes this many rows anew, 16 MB of 512 components.
BLOCK = 256

# Speakers that are scored as the system says: half of them the first by the bound, half the first
# by its linear part. Of 1,000 synthetic speakers of 8 s each, with 256 components and 600 tests of
# 3 s, the exactly best was the first by the bound in 82 % of the tests, and never beyond the 18th
# (56 % and the 33rd by the linear part alone). But where a model has moved far the bound may be
# loose: one of the five best came as late as the 870th by it, and the 131st by the linear part.
MOST_SCORED = 200


@dataclass(frozen=True, eq=False)
class _Block:
    """Some speakers: their ids, the store's revision of each, and their models.

    ``n_frames`` (B,) is how much speech they are enrolled with. ``ranker`` (B, C · D + C) are what
    the bound needs of a model, Σ⁻¹ δ and -½ δᵀ Σ⁻¹ δ, of which the first, its directions, are all
    that is left of it where only means are adapted; ``near`` (B,) tells where that is exact enough.
    ``mean`` and ``deviation`` (B,) are of the bounds with a cohort's tests.
    """

    ids: tuple[str, ...]
    revisions: tuple[int, ...]
    n_frames: NDArray[np.int64]
    ranker: NDArray[np.float32]
    near: NDArray[np.bool_]
    mean: Floats
    deviation: Floats

    def rows(self, rows: NDArray[np.intp]) -> _Block:
        """Give some of them."""
        return _Block(
            tuple(self.ids[i] for i in rows),
            tuple(self.revisions[i] for i in rows),
            self.n_frames[rows],
            self.ranker[rows],
            self.near[rows],
            self.mean[rows],
            self.deviation[rows],
        )

    @classmethod
    def joined(cls, blocks: Sequence[_Block]) -> _Block:
        """Put blocks together."""
        return cls(
            tuple(i for block in blocks for i in block.ids),
            tuple(r for block in blocks for r in block.revisions),
            *(
                np.concatenate([getattr(block, name) for block in blocks])
                for name in ("n_frames", "ranker", "near", "mean", "deviation")
            ),
        )


@dataclass(frozen=True, eq=False)
class Shortlist:
    """The speakers that are worth scoring, of all ``n_enrolled``, and their models.

    ``n_frames`` (S,) is how much speech they are enrolled with. ``ranks`` (S,) are the bounds of
    their scores, ``other_ranks`` those of everybody else.
    """

    ids: tuple[str, ...]
    revisions: tuple[int, ...]
    n_frames: NDArray[np.int64]
    bank: Bank
    n_enrolled: int
    ranks: Floats
    other_ranks: Floats


class Roster:
    """Models of all speakers of a store, kept up to date with it; may be asked by many threads.

    Memory is 4 · C · (D + 1) bytes a speaker: 63 kB with 512 components of 30 features.
    """

    def __init__(self, scorer: TrialScorer, store: SpeakerStore) -> None:
        self.scorer, self.store = scorer, store
        self._lock = threading.Lock()
        self._revision = -1
        # Never changed in place: who reads them while others are made sees what was.
        self._blocks: tuple[_Block, ...] = ()

    def shortlist(self, frames: NDArray[np.floating], most: int = MOST_SCORED) -> Shortlist:
        """Find the speakers that frames (T, D) sound most like, in the order of the store's ids.

        Raises
        ------
        MissingError
            When nobody is enrolled.
        SpeakerStoreError
            When the store is missing or damaged.
        """
        blocks = self._current()
        n_enrolled = sum(len(block.ids) for block in blocks)
        if n_enrolled == 0:
            raise MissingError(f"{self.store.path}: nobody is enrolled; enroll a speaker first")
        ranks, others = np.zeros(n_enrolled), np.empty(0)
        if n_enrolled > most:
            bounds, linear = self._ranks(blocks, frames)
            chosen = _first_of_both(bounds, linear, most)
            ranks, others = bounds[chosen], np.delete(bounds, chosen)
            ends = np.cumsum([len(block.ids) for block in blocks])
            at = np.searchsorted(ends, chosen, side="right")
            starts = ends - [len(block.ids) for block in blocks]
            blocks = tuple(
                block.rows(chosen[at == i] - starts[i]) for i, block in enumerate(blocks)
            )
        picked = _Block.joined(blocks)
        order = np.array(sorted(range(len(picked.ids)), key=picked.ids.__getitem__), dtype=np.intp)
        picked = picked.rows(order)
        bank = self._bank(picked)
        if bank is None:
            return self.shortlist(frames, most)
        return Shortlist(
            picked.ids, picked.revisions, picked.n_frames, bank, n_enrolled, ranks[order], others
        )

    def _ranks(
        self, blocks: Sequence[_Block], frames: NDArray[np.floating]
    ) -> tuple[Floats, Floats]:
        """Bounds of everybody's scores, normalized as far as that changes their order.

        And their linear parts.
        """
        looks, size = self._looks(frames), self.scorer.system.ubm.means.size
        bounds, linear = [], []
        for block in blocks:
            first = (block.ranker[:, :size] @ looks[:size]).astype(np.float64)
            second = (block.ranker[:, size:] @ looks[size:]).astype(np.float64)
            linear.append((first - block.mean) / block.deviation)
            bounds.append((first + second - block.mean) / block.deviation)
        return np.concatenate(bounds), np.concatenate(linear)

    def _looks(self, frames: NDArray[np.floating]) -> NDArray[np.float32]:
        """Give what the bound looks at of a test's frames, per frame: f - n μ and n, (C · D + C,).

        Where scores are linear, n is left out.
        """
        system = self.scorer.system
        statistics = accumulate(system.ubm, some_frames(system.ubm, frames))
        shares = statistics.n / statistics.n_frames
        if system.scoring.scorer == "linear":
            shares = np.zeros_like(shares)
        offsets = offsets_from_ubm(statistics, system.ubm)
        return np.concatenate([offsets, shares]).astype(np.float32)

    @cached_property
    def _cohort_looks(self) -> NDArray[np.float32]:
        """`_looks` of each of the cohort's tests, (C · D + C, Z)."""
        return np.stack([self._looks(test) for test in self.scorer.cohort_tests], axis=1)

    def _bank(self, picked: _Block) -> Bank | None:
        """Stack the models; None where the store has to be asked, and has changed meanwhile."""
        system = self.scorer.system
        directions = picked.ranker[:, : system.ubm.means.size]
        if system.scoring.scorer == "linear":
            return LinearBank(system.ubm, directions.astype(np.float64))
        if system.enrollment.parameters == "means" and picked.near.all():
            shape = (len(picked.ids), system.ubm.n_components, system.ubm.n_features)
            return ModelBank.of_directions(
                directions.reshape(shape), system.ubm, system.scoring.top_c
            )
        models, revisions = [], []
        try:
            for _, revision, statistics in self.store.models(picked.ids, with_s=True):
                models.append(system.enrollment.speaker_model(system.ubm, statistics))
                revisions.append(revision)
        except MissingError:
            return None
        return self.scorer.bank(models) if tuple(revisions) == picked.revisions else None

    def _current(self) -> tuple[_Block, ...]:
        """Bring the models up to date with the store, and give them."""
        with self._lock:
            revision = self.store.revision()
            if revision != self._revision:
                self._blocks = self._updated()
                self._revision = revision
            return self._blocks

    def _updated(self) -> tuple[_Block, ...]:
        wanted = self.store.revisions()
        blocks = []
        for block in self._blocks:
            current = zip(block.ids, block.revisions, strict=True)
            stays = np.flatnonzero([wanted.get(name) == revision for name, revision in current])
            if len(stays):
                blocks.append(block if len(stays) == len(block.ids) else block.rows(stays))
        known = {name for block in blocks for name in block.ids}
        missing = [name for name in wanted if name not in known]
        made = (self._made(missing[i : i + BLOCK]) for i in range(0, len(missing), BLOCK))
        blocks += [block for block in made if block.ids]
        # Single enrollments leave small blocks.
        small = [block for block in blocks if len(block.ids) < BLOCK // 2]
        if len(small) > 1:
            large = [block for block in blocks if len(block.ids) >= BLOCK // 2]
            joined = _Block.joined(small)
            parts = np.array_split(np.arange(len(joined.ids)), -(-len(joined.ids) // BLOCK))
            blocks = [*large, *(joined.rows(part) for part in parts)]
        return tuple(blocks)

    def _made(self, names: Sequence[str]) -> _Block:
        """Make the models of some speakers, but for those who were removed meanwhile."""
        system = self.scorer.system
        ids, revisions, n_frames, near = [], [], [], []
        size = system.ubm.means.size
        ranker = np.empty((len(names), size + system.ubm.n_components), dtype=np.float32)
        try:
            for i, (name, revision, statistics) in enumerate(self.store.models(names)):
                model = system.enrollment.speaker_model(system.ubm, statistics)
                ranker[i, :size] = directions_of([model], system.ubm)[0]
                energy = np.square(model.means - system.ubm.means) / system.ubm.variances
                ranker[i, size:] = -0.5 * energy.sum(axis=1)
                ids.append(name)
                revisions.append(revision)
                n_frames.append(statistics.n_frames)
                near.append(is_near(model, system.ubm))
        except MissingError:
            present = self.store.revisions()
            return self._made([name for name in names if name in present])
        mean, deviation = np.zeros(len(ids)), np.ones(len(ids))
        if self.scorer.compares_models and ids:
            normalization = system.normalization
            scores = (ranker @ self._cohort_looks).astype(np.float64)
            top_n = normalization.top_n if normalization.method == "as" else None
            mean, deviation = moments(scores, "speaker", names=ids, top_n=top_n)
        return _Block(
            tuple(ids),
            tuple(revisions),
            np.array(n_frames, dtype=np.int64),
            ranker,
            np.array(near, dtype=bool),
            mean,
            deviation,
        )


def _first_of_both(bounds: Floats, linear: Floats, most: int) -> NDArray[np.intp]:
    """Choose the first by one rank, and of all others as many by the other; in their order."""
    half = most // 2
    by_bound = np.argpartition(-bounds, half)[:half] if half else np.empty(0, dtype=np.intp)
    rest = np.delete(np.arange(len(bounds)), by_bound)
    by_linear = rest[np.argpartition(-linear[rest], most - half - 1)[: most - half]]
    return np.sort(np.concatenate([by_bound, by_linear]))

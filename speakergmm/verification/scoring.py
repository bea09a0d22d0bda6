"""Lists of trials → scores, each test's frames against all their models at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from speakergmm.config import check_choice, check_whole, use_plain_numbers
from speakergmm.errors import ConfigError, FrameError, ModelError
from speakergmm.parallel import map_in_order
from speakergmm.progress import SILENT
from speakergmm.verification.bank import ModelBank
from speakergmm.verification.linear import LinearBank

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from speakergmm.corpora import Trials
    from speakergmm.gmm import DiagonalGMM
    from speakergmm.parallel import Jobs
    from speakergmm.progress import Progress

# Parameters of the models that are scored in one pass over the tests: 64 MB of float32.
BANK_VALUES = 1 << 24

# Tests that a worker takes at a time.
TESTS_AT_ONCE = 4


@dataclass(frozen=True)
class ScoringConfig:
    """How trials are scored.

    Parameters
    ----------
    top_c : int or None
        Score each frame by its so many best components under the UBM; None: by all. 5 to 10 are
        usual (Reynolds, Quatieri & Dunn 2000): many times faster, and nearly the same scores.
    scorer : {"exact", "linear"}
        Log-likelihood ratios, or their first-order approximation; see `speakergmm.linear_score`.
    """

    top_c: int | None = None
    scorer: Literal["exact", "linear"] = "exact"

    def __post_init__(self) -> None:
        use_plain_numbers(self)
        check_choice("scorer", self.scorer, ("exact", "linear"))
        if self.top_c is not None:
            check_whole("top_c", self.top_c, 1, unit="components")
            if self.scorer == "linear":
                raise ConfigError(
                    f"top_c is {self.top_c} with scorer 'linear', which looks at no single "
                    "components; give one of the two"
                )

    @property
    def label(self) -> str:
        """The scorer in a word: ``exact``, ``top-5``, ``linear``."""
        return self.scorer if self.top_c is None else f"top-{self.top_c}"


def score_trials(
    speaker_models: Sequence[DiagonalGMM],
    ubm: DiagonalGMM,
    load_test: Callable[[str], NDArray[np.floating]],
    trials: Trials,
    *,
    top_c: int | None = None,
    scorer: Literal["exact", "linear"] = "exact",
    jobs: Jobs = None,
    progress: Progress = SILENT,
    task: str = "scores",
) -> NDArray[np.float64]:
    """Scores of all trials of a list: mean log-likelihood ratios, or their linear approximation.

    Each test's frames meet all their models at once; the background model's densities, and the
    choice of the best components, are computed once for all of them.

    Parameters
    ----------
    speaker_models : sequence of DiagonalGMM
        Model i belongs to ``trials.model_ids[i]``. Items may be made when they are asked for; each
        is asked for once.
    load_test : callable
        Test id → frames (T, D).
    top_c, scorer
        As for `ScoringConfig`. Default: all components, the exact score.
    jobs : int or Cluster, optional
        Worker threads, or a `speakergmm.parallel.Cluster`; default: the cores that the process may
        use.

    Returns
    -------
    (N,) float64
        As `log_likelihood_ratio`, in the order of the trials.

    Raises
    ------
    FrameError, ModelError
        As `log_likelihood_ratio`, naming the test.
    ConfigError
        When ``top_c`` is not between 1 and C, or given with the linear scorer.
    """
    ScoringConfig(top_c, scorer)
    if len(speaker_models) != len(trials.model_ids):
        raise ModelError(
            f"there are {len(speaker_models)} speaker models; the trials name "
            f"{len(trials.model_ids)}: expected one for each, in that order"
        )
    if top_c is not None:
        top_c = check_whole("top_c", top_c, 1, ubm.n_components, "components")
    scores = np.empty(len(trials))
    models_at_once = max(1, BANK_VALUES // ((2 * ubm.n_features + 1) * ubm.n_components))
    spans = range(0, len(trials.model_ids), models_at_once)
    progress.start(task, len(spans) * len(trials.test_ids))
    # Trials sorted by test and model: each test's are one slice, and all models in their order
    # need no rearranging.
    by_test = np.lexsort((trials.model_index, trials.test_index))
    bounds = np.searchsorted(trials.test_index[by_test], np.arange(len(trials.test_ids) + 1))
    for first in spans:
        members = range(first, min(first + models_at_once, len(speaker_models)))
        chosen = [speaker_models[i] for i in members]
        bank: ModelBank | LinearBank
        if scorer == "linear":
            bank = LinearBank.of(chosen, ubm)
        else:
            bank = ModelBank.of(chosen, ubm, top_c)
        # Computed before the workers share it.
        _ = ubm.block_densities
        rows: list[NDArray[np.intp]] = []
        wanted: list[tuple[str, NDArray[np.integer]]] = []
        for test, test_id in enumerate(trials.test_ids):
            own = by_test[bounds[test] : bounds[test + 1]]
            models = trials.model_index[own] - first
            inside = (models >= 0) & (models < bank.n_models)
            rows.append(own[inside])
            wanted.append((test_id, models[inside]))
        batches = [wanted[i : i + TESTS_AT_ONCE] for i in range(0, len(wanted), TESTS_AT_ONCE)]
        done = 0
        for batch in map_in_order(_score_batch, batches, bank, load_test, jobs=jobs):
            for values in batch:
                scores[rows[done]] = values
                done += 1
            progress.advance(len(batch))
    return scores


def _score_batch(
    tests: Sequence[tuple[str, NDArray[np.integer]]],
    bank: ModelBank | LinearBank,
    load_test: Callable[[str], NDArray[np.floating]],
) -> list[NDArray[np.float64]]:
    """Scores of some tests, each for the models that it meets."""
    scores = []
    for test_id, models in tests:
        if len(models) == 0:
            scores.append(np.empty(0))
            continue
        try:
            scores.append(bank.scores(load_test(test_id), models))
        except FrameError as error:
            raise FrameError(f"test {test_id}: {error}") from None
    return scores

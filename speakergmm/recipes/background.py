"""The background's speech: what the model is trained on, and what is cut of it for the cohort."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speakergmm.audio import duration_s
from speakergmm.corpora.cohort_lists import CohortLists, cached, cohort_lists, median_pool_s
from speakergmm.errors import ConfigError
from speakergmm.features.sides import Side, training_sides

if TYPE_CHECKING:
    from collections.abc import Mapping

    from speakergmm.corpora import Protocol, Utterance, Utterances
    from speakergmm.recipes.config import Recipe


def background_sides(recipe: Recipe, utterances: Utterances) -> list[Side]:
    """Give the sides that the background model is trained on."""
    return training_sides(_members(recipe, utterances), recipe.settings.front_end)


def cut_cohort(
    recipe: Recipe, utterances: Utterances, protocols: Mapping[str, Protocol]
) -> CohortLists:
    """Make the cohort's lists of the background, with as much speech as the development's.

    Raises
    ------
    CohortError
        When no speaker has speech enough.
    ConfigError
        When there are fewer models or tests than ``top_n``: said before features and background
        model are made, not after.
    """
    config, development = recipe.settings.score_normalization, protocols[recipe.head.development]
    length_s = cached(duration_s)
    enrollment_s = config.enrollment_s or median_pool_s(
        development.enrollment, utterances, length_s
    )
    test_s = config.test_s or median_pool_s(development.tests, utterances, length_s)
    lists = cohort_lists(
        _members(recipe, utterances),
        length_s,
        enrollment_s=enrollment_s,
        test_s=test_s,
        tests_per_speaker=config.tests_per_speaker,
    )
    n_models, n_tests = len(lists.enrollment), len(lists.tests)
    if config.method == "as" and config.top_n > min(n_models, n_tests):
        raise ConfigError(
            f"score_normalization.top_n is {config.top_n}; the cohort that the background gives "
            f"has {n_models:,} models and {n_tests:,} tests: expected at most "
            f"{min(n_models, n_tests)}; choose a smaller top_n, or give more background speakers"
        )
    return lists


def _members(recipe: Recipe, utterances: Utterances) -> list[Utterance]:
    return [u for u in utterances.values() if u.split == recipe.head.background]

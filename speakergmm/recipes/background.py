"""The background's speech: what the model is trained on, and what is cut of it for the cohort."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speakergmm.audio import duration_s
from speakergmm.corpora.cohort_lists import CohortLists, cached, cohort_lists, median_pool_s
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
    """
    config, development = recipe.settings.score_normalization, protocols[recipe.head.development]
    length_s = cached(duration_s)
    enrollment_s = config.enrollment_s or median_pool_s(
        development.enrollment, utterances, length_s
    )
    test_s = config.test_s or median_pool_s(development.tests, utterances, length_s)
    return cohort_lists(
        _members(recipe, utterances),
        length_s,
        enrollment_s=enrollment_s,
        test_s=test_s,
        tests_per_speaker=config.tests_per_speaker,
    )


def _members(recipe: Recipe, utterances: Utterances) -> list[Utterance]:
    return [u for u in utterances.values() if u.split == recipe.head.background]

"""Speakers one by one: who is rejected, who is imitated, who imitates (the biometric zoo)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from speakergmm.corpora import trial_speakers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from speakergmm.corpora import Scores, Trials

Animal: TypeAlias = Literal["sheep", "goat", "lamb", "wolf"]

# A speaker stands out whose errors would come about by chance once in twenty evaluations.
SIGNIFICANCE = 0.05


@dataclass(frozen=True, slots=True)
class SpeakerErrors:
    """What happens to one speaker at a threshold.

    Means are NaN where there are no such trials. ``n_accepted_as_model`` counts strangers taken for
    this speaker, ``n_accepted_as_test`` the times that this speaker was taken for another.
    """

    name: str
    n_target: int
    n_missed: int
    n_as_model: int
    n_accepted_as_model: int
    n_as_test: int
    n_accepted_as_test: int
    mean_target: float
    mean_as_model: float
    mean_as_test: float
    animals: tuple[Animal, ...]


def speaker_errors(scores: Scores, threshold: float) -> list[SpeakerErrors]:
    """Tell for each speaker how often they are rejected, imitated, or taken for others.

    Doddington, Liggett, Martin, Przybocki & Reynolds 1998 call those goats who are rejected more
    often than others, lambs those for whom strangers are accepted, wolves those who are accepted as
    others, sheep the rest. A speaker counts as one of the first three when so many errors would
    come about by chance, at the rate of all speakers together, with a probability of less than
    5 % over the number of speakers (binomial, Bonferroni): among speakers who are all alike, in one
    list of twenty or fewer somebody is called a goat, and likewise for the other two. Trials are
    taken for independent. Those that share a recording are not, so who stands out with one
    recording only may owe it to that recording.

    Parameters
    ----------
    threshold : float
        A trial is accepted when its score is at least this; the scores are those that the
        evaluation's threshold belongs to, not log-likelihood ratios.

    Returns
    -------
    list of SpeakerErrors
        In the order of the models, those known by tests alone after them; none where models are of
        classes, not of speakers.
    """
    from scipy.stats import binom

    trials = scores.trials
    model_speaker, test_speaker, n = trial_speakers(trials)
    if (model_speaker == n).any():
        return []
    place = _in_order_of_appearance(np.concatenate([model_speaker, test_speaker]))
    model_speaker, test_speaker = np.split(place, [len(model_speaker)])
    model, test = model_speaker[trials.model_index], test_speaker[trials.test_index]
    accepted = scores.score >= threshold

    def counted(
        speaker: NDArray[np.intp], of_kind: NDArray[np.bool_], wrong: NDArray[np.bool_]
    ) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64], NDArray[np.bool_]]:
        who = speaker[of_kind]
        n_trials = np.bincount(who, minlength=n)
        n_wrong = np.bincount(speaker[of_kind & wrong], minlength=n)
        with np.errstate(invalid="ignore"):
            mean = np.bincount(who, scores.score[of_kind], minlength=n) / n_trials
        rate = n_wrong.sum() / max(1, n_trials.sum())
        # The probability of so many errors or more.
        by_chance = binom.sf(n_wrong - 1, n_trials, rate)
        return n_trials, n_wrong, mean, (n_wrong > 0) & (n * by_chance < SIGNIFICANCE)

    targets = counted(model, trials.is_target, ~accepted)
    as_model = counted(model, ~trials.is_target, accepted)
    as_test = counted(test, ~trials.is_target, accepted)
    animals: dict[Animal, Any] = {"goat": targets, "lamb": as_model, "wolf": as_test}
    names = _names(trials, model_speaker, test_speaker, n)
    found = []
    for i, name in enumerate(names):
        kinds = tuple(animal for animal, who in animals.items() if who[3][i])
        found.append(
            SpeakerErrors(
                name,
                int(targets[0][i]), int(targets[1][i]),
                int(as_model[0][i]), int(as_model[1][i]),
                int(as_test[0][i]), int(as_test[1][i]),
                float(targets[2][i]), float(as_model[2][i]), float(as_test[2][i]),
                kinds or ("sheep",),
            )
        )  # fmt: skip
    return found


def _in_order_of_appearance(numbers: NDArray[np.intp]) -> NDArray[np.intp]:
    """Give numbers from 0 instead, in the order in which numbers first appear."""
    _, first, place = np.unique(numbers, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[place])


def _names(
    trials: Trials, model_speaker: NDArray[np.intp], test_speaker: NDArray[np.intp], n: int
) -> Sequence[str]:
    """Call each speaker by the first model, or else the first test, that is theirs."""
    names = [""] * n
    for ids, speakers in ((trials.model_ids, model_speaker), (trials.test_ids, test_speaker)):
        for identity, speaker in zip(ids, speakers.tolist(), strict=True):
            names[speaker] = names[speaker] or identity
    return names

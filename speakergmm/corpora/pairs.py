"""Pairs of a model and a test as numbers, so that lists of millions of them can be compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from speakergmm.corpora.trials import Trials

# The number of a pair that the reference does not know.
NO_PAIR = -1

# Up to so many possible pairs to a trial, a table of all of them is smaller than sorting is.
DENSE = 4


def pair_codes(trials: Trials, reference: Trials) -> NDArray[np.int64]:
    """Give each trial a number by the ids of a reference, `NO_PAIR` where it has not both ids."""
    model = _numbers(trials.model_ids, reference.model_ids)[trials.model_index]
    test = _numbers(trials.test_ids, reference.test_ids)[trials.test_index]
    known = (model >= 0) & (test >= 0)
    model *= len(reference.test_ids)
    model += test
    model[~known] = NO_PAIR
    return model


def _numbers(ids: Sequence[str], reference: Sequence[str]) -> NDArray[np.int64]:
    if ids is reference:
        return np.arange(len(ids), dtype=np.int64)
    number = {name: i for i, name in enumerate(reference)}
    return np.array([number.get(name, -1) for name in ids], dtype=np.int64)


def have_pairs(trials: Trials, pairs: Sequence[tuple[str, str]]) -> NDArray[np.bool_]:
    """Tell which pairs of a model and a test are among the trials."""
    model = _numbers([model_id for model_id, _ in pairs], trials.model_ids)
    test = _numbers([test_id for _, test_id in pairs], trials.test_ids)
    codes = np.where((model < 0) | (test < 0), NO_PAIR, model * len(trials.test_ids) + test)
    return np.isin(codes, pair_codes(trials, trials))


def repeated_rows(codes: NDArray[np.int64]) -> NDArray[np.intp]:
    """Give the places, rising, of numbers that stand further ahead as well."""
    ordered = np.sort(codes)
    if not (ordered[1:] == ordered[:-1]).any():
        return np.empty(0, dtype=np.intp)
    order = np.argsort(codes, kind="stable")
    again = codes[order[1:]] == codes[order[:-1]]
    return np.sort(order[1:][again])


def in_order_of_appearance(
    ids: Sequence[str], index: NDArray[np.int32]
) -> tuple[tuple[str, ...], NDArray[np.int32]]:
    """Give ids in the order in which an index names them, without those it never names."""
    first = np.full(len(ids), len(index))
    np.minimum.at(first, index, np.arange(len(index)))
    order = np.argsort(first, kind="stable")
    order = order[first[order] < len(index)]
    number = np.empty(len(ids), dtype=np.int32)
    number[order] = np.arange(len(order))
    return tuple(ids[i] for i in order), number[index]


@dataclass(frozen=True, eq=False)
class Match:
    """Where the trials of one list stand in another.

    ``place`` (N,) is the row in the reference, -1 where it has no such trial; ``missing`` are the
    rows of the reference that the list does not have, ``foreign`` those of the list that the
    reference does not have.
    """

    place: NDArray[np.intp]
    missing: NDArray[np.intp]
    foreign: NDArray[np.intp]

    @property
    def is_whole(self) -> bool:
        """Whether both are of the same trials."""
        return not len(self.missing) and not len(self.foreign)


def match_trials(trials: Trials, reference: Trials) -> Match:
    """Find the trials of a list in another; no pair may be twice in either."""
    own, codes = pair_codes(reference, reference), pair_codes(trials, reference)
    if np.array_equal(own, codes):
        nothing = np.empty(0, dtype=np.intp)
        return Match(np.arange(len(own)), nothing, nothing)
    place = _places(codes, own, len(reference.model_ids) * len(reference.test_ids))
    is_met = np.zeros(len(own), dtype=bool)
    is_met[place[place >= 0]] = True
    return Match(place, np.flatnonzero(~is_met), np.flatnonzero(place < 0))


def _places(codes: NDArray[np.int64], own: NDArray[np.int64], n_pairs: int) -> NDArray[np.intp]:
    """Tell where in ``own`` each number below ``n_pairs`` stands, -1 where it does not."""
    if n_pairs <= DENSE * len(own):
        # One place more than there are pairs: the last, which is that of `NO_PAIR`.
        place_of = np.full(n_pairs + 1, -1, dtype=np.intp)
        place_of[own] = np.arange(len(own))
        return place_of[codes]
    place = np.full(len(codes), -1, dtype=np.intp)
    # Both in order: to look up millions of numbers by chance takes long.
    by_own, by_code = np.argsort(own), np.argsort(codes)
    ordered, wanted = own[by_own], codes[by_code]
    at = np.searchsorted(ordered, wanted)
    found = at < len(own)
    found[found] = ordered[at[found]] == wanted[found]
    place[by_code[found]] = by_own[at[found]]
    return place

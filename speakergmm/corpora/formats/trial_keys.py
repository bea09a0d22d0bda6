"""Another list of the same trials: what it says of their labels, and of what tests are called."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from speakergmm.corpora.pairs import match_trials
from speakergmm.corpora.scores import labelled
from speakergmm.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from speakergmm.corpora.formats.trial_lists import ForeignTrials
    from speakergmm.corpora.trials import Trials

    # Two lists, and whether the second is turned.
    Reading: TypeAlias = tuple[ForeignTrials, ForeignTrials, bool]


def with_key(found: ForeignTrials, key: ForeignTrials, name: str, key_name: str) -> ForeignTrials:
    """Label trials by another list of the same ones.

    Where it has model and test the other way round, it is turned; where the two call tests
    otherwise (sides and recordings, files and what is before their suffix), they are joined.
    NIST's lists since 2016 say what segments and sides are called in a system's output, and in
    which order: that is kept, also of a list without labels.

    Raises
    ------
    ManifestError
        When the other list has no labels, or is not of the same trials.
    """
    if not key.is_labelled and not key.sides:
        raise ManifestError(f"{key_name}: has no labels; expected a list of trials that has them")
    found, key, is_turned = _best(_readings(found, key))
    notes = (f"{key_name} has model and test the other way round than {name}",) if is_turned else ()
    both = found.is_labelled and key.is_labelled
    trials = labelled(found.trials, _with_labels_of(key, found), name, key_name, check=both)
    is_listed = key.form is not None and key.form.has_header and bool(key.sides)
    joined = replace(
        found,
        trials=trials,
        is_labelled=key.is_labelled or found.is_labelled,
        notes=(*found.notes, *notes),
        sides=key.sides if is_listed or not found.sides else found.sides,
    )
    return _in_order_of(joined, key.trials) if is_listed else joined


def _best(readings: Iterable[Reading]) -> Reading:
    """Give the first reading that is of the same trials, else the one with most of them in both.

    So it is said what is missing, and not that all is called otherwise.
    """
    every: list[tuple[int, Reading]] = []
    for reading in readings:
        match = match_trials(reading[0].trials, reading[1].trials)
        if match.is_whole:
            return reading
        every.append((int(np.count_nonzero(match.place >= 0)), reading))
    return max(every, key=lambda pair: pair[0])[1]


def _with_labels_of(key: ForeignTrials, found: ForeignTrials) -> Trials:
    """Give the trials of a list; where it has no labels, with those of the ones to be labelled."""
    if key.is_labelled:
        return key.trials
    place = match_trials(found.trials, key.trials).place
    is_target = np.zeros(len(key.trials), dtype=bool)
    is_target[place[place >= 0]] = found.trials.is_target[place >= 0]
    return replace(key.trials, is_target=is_target)


def _in_order_of(found: ForeignTrials, trials: Trials) -> ForeignTrials:
    """Bring trials into the order of a list of the same ones."""
    row = np.argsort(match_trials(found.trials, trials).place)
    ordered = replace(
        found.trials,
        model_index=found.trials.model_index[row],
        test_index=found.trials.test_index[row],
        is_target=found.trials.is_target[row],
        columns={name: column.take(row) for name, column in found.trials.columns.items()},
    )
    score, llr = (None if v is None else v[row] for v in (found.score, found.llr))
    return replace(found, trials=ordered, score=score, llr=llr)


def _readings(found: ForeignTrials, key: ForeignTrials) -> Iterator[Reading]:
    """Give the ways in which two lists may be of the same trials, and whether the key is turned."""
    other = replace(key, trials=turned(key.trials), sides={})
    ways = ((key, False), (other, True))
    for one, is_turned in ways:
        yield found, one, is_turned
    for one, is_turned in ways:
        yield found.called_as(one.trials.test_ids, one.trials.model_ids), one, is_turned
        yield found, one.called_as(found.trials.test_ids, found.trials.model_ids), is_turned


def turned(trials: Trials) -> Trials:
    """Take the models for the tests, and the other way round."""
    return replace(
        trials,
        model_ids=trials.test_ids,
        test_ids=trials.model_ids,
        model_index=trials.test_index,
        test_index=trials.model_index,
        model_speaker=trials.test_speaker,
        test_speaker=trials.model_speaker,
    )

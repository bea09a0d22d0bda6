"""Lists of trials, and scores, as they stand: written for other toolkits, and for this one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from speakergmm.corpora.formats import trial_writers as writers
from speakergmm.corpora.formats.marks import replacing
from speakergmm.corpora.formats.names import Remarks
from speakergmm.corpora.formats.sides import LETTERS
from speakergmm.corpora.lists import write_trials
from speakergmm.corpora.scores import Scores, write_scores
from speakergmm.errors import ManifestError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from speakergmm.corpora.formats.found import Found, Options
    from speakergmm.corpora.formats.trial_lists import ForeignTrials
    from speakergmm.corpora.trials import Trials

SIDE_ENDS = tuple(f"_{letter}" for letter in LETTERS)

# What NIST calls the side of a recording of one channel, or of all.
NO_SIDE = "x"

BOSARIS_FILES = SCORES_FILE, KEY_FILE = "scores.txt", "key.txt"


def _trials_with_labels(found: Found) -> ForeignTrials:
    listed: ForeignTrials = found.content
    if not listed.is_labelled:
        raise ManifestError(
            "the trials have no labels; give a list of the same trials that has them (--trials)"
        )
    return listed


def write_own_trials(place: Path, found: Found, options: Options) -> Remarks:  # noqa: ARG001
    """Write ``trials.csv``."""
    write_trials(place, _trials_with_labels(found).trials)
    return Remarks()


def write_nist_trials(place: Path, found: Found, options: Options) -> Remarks:  # noqa: ARG001
    """Write ``MODEL TEST target|nontarget``."""
    writers.write_trial_lines(place, _trials_with_labels(found).trials, writers.MODEL_TEST)
    return Remarks()


def write_key(place: Path, found: Found, options: Options) -> Remarks:  # noqa: ARG001
    """Write BOSARIS's ``key.txt``."""
    write_key_file(place, _trials_with_labels(found).trials)
    return Remarks()


def write_key_file(folder: Path, trials: Trials) -> None:
    """Write BOSARIS's ``key.txt`` into a folder.

    Raises
    ------
    ManifestError
        When names have blanks in them.
    OutputError
        When it cannot be written, or is there and was not converted.
    """
    writers.check_trial_names(trials, writers.MODEL_TEST)
    with replacing(folder, (KEY_FILE,)):
        writers.write_trial_lines(folder / KEY_FILE, trials, writers.MODEL_TEST)


def write_own_scores(place: Path, found: Found, options: Options) -> Remarks:  # noqa: ARG001
    """Write ``scores.csv``."""
    listed: ForeignTrials = found.content
    if not listed.is_labelled:
        raise ManifestError(
            "the scores have no labels; give the list of trials that has them (--trials)"
        )
    score = np.asarray(listed.score)
    write_scores(place, Scores(listed.trials, score, listed.llr))
    return Remarks()


def _numbers(found: Found, options: Options) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Choose between scores and calibrated ratios, and say which."""
    listed: ForeignTrials = found.content
    score, llr = np.asarray(listed.score), listed.llr
    if llr is None:
        return score, ()
    if options.value == "score":
        return score, ("llr: the scores were written (--value score)",)
    return llr, ("score: the calibrated llr were written; --value score takes the others",)


def write_nist_scores(place: Path, found: Found, options: Options) -> Remarks:
    """Write ``MODEL TEST SCORE``."""
    numbers, lost = _numbers(found, options)
    writers.write_trial_lines(place, found.content.trials, writers.PLAIN_SCORES, numbers)
    labels = ("labels: write the trials beside it",) if found.content.is_labelled else ()
    return Remarks((*lost, *labels))


def write_sre(place: Path, found: Found, options: Options) -> Remarks:
    """Write what NIST's evaluations since 2016 take."""
    numbers, lost = _numbers(found, options)
    trials, sides, note = _segments(found.content)
    writers.write_trial_lines(place, trials, writers.SRE_SCORES, numbers, sides)
    labels = ("labels: NIST keeps them in a key",) if found.content.is_labelled else ()
    return Remarks((*lost, *labels), note)


def _segments(listed: ForeignTrials) -> tuple[Trials, list[str], tuple[str, ...]]:
    """Tell the segments of the tests, and their sides: as read, as called, or a."""
    tests, known = listed.trials.test_ids, listed.sides
    note: tuple[str, ...] = ()
    if known:
        pairs = [(known[t].file, known[t].letter) if t in known else (t, NO_SIDE) for t in tests]
    elif all(test[-2:] in SIDE_ENDS and test[:-2] for test in tests):
        pairs = [(test[:-2], test[-1]) for test in tests]
        note = ("the side of each segment was told by the end of its test's id, _a or _b",)
    else:
        pairs = [(test, LETTERS[0]) for test in tests]
        note = ("the side of each segment was taken to be a",)
    trials = replace(listed.trials, test_ids=tuple(segment for segment, _ in pairs))
    return trials, [side for _, side in pairs], note


def write_bosaris(place: Path, found: Found, options: Options) -> Remarks:
    """Write BOSARIS's ``scores.txt`` and, where there are labels, ``key.txt``."""
    numbers, lost = _numbers(found, options)
    listed: ForeignTrials = found.content
    trials = listed.trials
    writers.check_trial_names(trials, writers.PLAIN_SCORES)
    with replacing(place, BOSARIS_FILES):
        writers.write_trial_lines(place / SCORES_FILE, trials, writers.PLAIN_SCORES, numbers)
        if listed.is_labelled:
            writers.write_trial_lines(place / KEY_FILE, trials, writers.MODEL_TEST)
    return Remarks(lost)

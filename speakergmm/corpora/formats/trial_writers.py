"""Lists of trials and scores in the formats of other toolkits, written.

Names are parted by blanks in all of them, so none may have any.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from speakergmm.corpora.fields import NONTARGET, TARGET
from speakergmm.corpora.formats.names import check_names, unsaid
from speakergmm.corpora.lists import BACKGROUND
from speakergmm.corpora.text_files import writing_text
from speakergmm.errors import ManifestError, problem_report
from speakergmm.names import first_repeated

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from speakergmm.corpora.manifests import Pools, Utterances
    from speakergmm.corpora.protocols import Protocol
    from speakergmm.corpora.trials import Trials

# Trials that are written at a time.
ROWS_WRITTEN = 10_000


@dataclass(frozen=True, slots=True)
class LineForm:
    """How a line of a list of trials or scores is written.

    Parameters
    ----------
    line : str
        Its model, its test, and its label or score, numbered from 0.
    labels : tuple of str, optional
        What it has for nontarget and target; without these it has a score.
    header : str
        What stands before the first line.
    what : str
        What messages call the list.
    """

    line: str
    labels: tuple[str, str] | None = None
    header: str = ""
    what: str = "a trial list"


# The first of each is NIST's, Kaldi's and BOSARIS's, the last of scores that of evaluations since
# 2016.
MODEL_TEST = LineForm("{} {} {}\n", (NONTARGET, TARGET))
IMPOSTORS = LineForm("{} {} {}\n", ("impostor", TARGET))
FILES = LineForm("{2} {0} {1}\n", ("0", "1"), what="VoxCeleb's trial list")
PLAIN_SCORES = LineForm("{} {} {!r}\n", what="a list of scores")
SRE_SCORES = LineForm(
    "{}\t{}\t{!r}\n", header="modelid\tsegmentid\tside\tLLR\n", what="a list of scores"
)


def write_trial_lines(
    path: Path,
    trials: Trials,
    form: LineForm,
    score: NDArray[np.float64] | None = None,
    sides: Sequence[str] | None = None,
) -> None:
    """Write a line for each trial: its label, or its score (N,).

    ``sides``, of each test, stand behind it where there are some, parted by a tab.

    Raises
    ------
    ManifestError
        When names have blanks in them.
    OutputError
        When it cannot be written.
    """
    check_trial_names(trials, form)
    tests = trials.test_ids
    if sides is not None:
        tests = tuple(map("{}\t{}".format, tests, sides))
    with writing_text(path) as text:
        text.write(form.header)
        for begin in range(0, len(trials), ROWS_WRITTEN):
            rows = slice(begin, begin + ROWS_WRITTEN)
            if form.labels is None:
                last = np.asarray(score)[rows].tolist()
            else:
                last = [form.labels[is_target] for is_target in trials.is_target[rows].tolist()]
            models = map(trials.model_ids.__getitem__, trials.model_index[rows].tolist())
            named = map(tests.__getitem__, trials.test_index[rows].tolist())
            text.writelines(map(form.line.format, models, named, last))


def check_trial_names(trials: Trials, form: LineForm) -> None:
    """Refuse names of models and tests with blanks in them.

    Raises
    ------
    ManifestError
        With each of them.
    """
    check_names("model", trials.model_ids, form.what)
    check_names("test", trials.test_ids, form.what)


def write_lines(path: Path, lines: Iterable[Iterable[str]], what: str) -> None:
    """Write lines of names, a blank between them.

    Raises
    ------
    ManifestError
        When names have blanks in them.
    OutputError
        When it cannot be written.
    """
    lines = [tuple(line) for line in lines]
    check_names("name", itertools.chain.from_iterable(lines), what)
    with writing_text(path) as text:
        text.writelines(f"{' '.join(line)}\n" for line in lines)


def pooled_lines(enrollment: Pools) -> Iterable[tuple[str, ...]]:
    """Give a model and its utterances in one line (ALIZE, Kaldi)."""
    return ((model, *pool) for model, pool in enrollment.items())


def single_lines(enrollment: Pools) -> Iterable[tuple[str, ...]]:
    """Give a model and one of its utterances in each line (Identity Toolbox)."""
    return ((model, member) for model, pool in enrollment.items() for member in pool)


def index_lines(trials: Trials) -> Iterable[tuple[str, ...]]:
    """Give each test and the models that it meets (ALIZE)."""
    order = np.argsort(trials.test_index, kind="stable")
    bounds = np.searchsorted(trials.test_index[order], np.arange(len(trials.test_ids) + 1))
    model_index = trials.model_index[order].tolist()
    for test, (begin, end) in zip(trials.test_ids, itertools.pairwise(bounds), strict=True):
        if begin < end:
            yield (test, *(trials.model_ids[i] for i in model_index[begin:end]))


def check_protocol(trials: Trials, enrollment: Pools, names: Iterable[str], where: str) -> None:
    """Refuse ids with blanks in them, before the first of several lists is written.

    Raises
    ------
    ManifestError
        With each of them.
    """
    check_names("model", (*trials.model_ids, *enrollment), where)
    members = (member for pool in enrollment.values() for member in pool)
    check_names("utterance", (*trials.test_ids, *members, *names), where)


def single_utterances(pools: Pools, kind: str, where: str) -> dict[str, str]:
    """Give the utterance of each model or test, where it is but one.

    Raises
    ------
    ManifestError
        With those that pool several.
    """
    several = [f"{kind} {name!r} has {len(p):,} utterances" for name, p in pools.items()
               if len(p) > 1]  # fmt: skip
    if several:
        heading = (
            f"{where} has one utterance for each {kind}; the trials alone can be written with --to "
            "nist"
        )
        raise ManifestError(problem_report(heading, several))
    return {name: pool[0] for name, pool in pools.items()}


def tests_by_utterance(protocol: Protocol, where: str) -> tuple[Trials, tuple[str, ...]]:
    """Call tests by their utterances, as formats do that have no list of tests.

    Raises
    ------
    ManifestError
        When a test pools several utterances, or two tests are of the same.
    """
    utterance_of = single_utterances(protocol.tests, "test", where)
    trials = protocol.trials
    ids = tuple(utterance_of[test] for test in trials.test_ids)
    if ids == trials.test_ids:
        return trials, ()
    again = first_repeated(ids)
    if again is not None:
        raise ManifestError(
            f"{where}: tests are called by their utterances, and two are of {again!r}"
        )
    notes = ("ids of tests: they are called by their utterances",)
    return replace(trials, test_ids=ids), notes


def background_of(utterances: Utterances) -> list[str]:
    """Name the utterances that train the background model."""
    return [name for name, utterance in utterances.items() if utterance.split == BACKGROUND]


UNSAID = {
    "session_id": "sessions",
    "sex": "sexes",
    "split": "splits",
    "condition": "conditions",
    "speech_s": "marks of speech",
    "channel": "channels",
    "start_s end_s": "segments (name the files of audio or features after the utterances)",
}


def unsaid_in_trials(utterances: Utterances, where: str) -> tuple[str, ...]:
    """Say what trial lists have no place for."""
    return unsaid(utterances, UNSAID, f"no place for them in {where}")

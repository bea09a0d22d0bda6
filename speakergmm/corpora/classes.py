"""Protocols that ask whether a test is of one class of utterances rather than of another."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from speakergmm.config import check_choice
from speakergmm.corpora.manifests import pool_speakers, read_pools
from speakergmm.corpora.protocols import Protocol
from speakergmm.corpora.told_speakers import NOBODY
from speakergmm.corpora.trials import Trials
from speakergmm.errors import ConfigError, ManifestError

if TYPE_CHECKING:
    from speakergmm.corpora.manifests import Pools, Utterance, Utterances

COLUMNS = ("sex", "condition")


@dataclass(frozen=True)
class ClassSettings:
    """Which two classes are to be told apart; without a column, it is speakers.

    Parameters
    ----------
    column : {"", "sex", "condition"}
        Of the list of utterances, where their classes stand: sexes, or in the column for any other
        text genuine and spoofed speech, languages, kinds of telephone.
    target, nontarget : tuple of str
        Values of the column. Utterances with others are left out.
    """

    column: Literal["", "sex", "condition"] = ""
    target: tuple[str, ...] = ()
    nontarget: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_choice("column", self.column, ("", *COLUMNS))
        if not self.column and not self.target and not self.nontarget:
            return
        for name, values in (("target", self.target), ("nontarget", self.nontarget)):
            if not self.column or not values or "" in values:
                raise ConfigError(
                    f"{name} is {list(values)!r} of the column {self.column!r}; expected a column "
                    f"({' or '.join(COLUMNS)}) and for both classes values in it, such as "
                    'column = "sex", target = ["f"], nontarget = ["m"]'
                )
        shared = sorted({*self.target} & {*self.nontarget})
        if shared:
            raise ConfigError(f"{shared[0]!r} is in both classes; expected each value in one")

    @property
    def name(self) -> str:
        """What the model of the target class is called."""
        return "+".join(self.target)

    def value(self, utterance: Utterance) -> str:
        """Give what the column says of an utterance."""
        return str(getattr(utterance, self.column))


def read_class_split(
    folder: Path | str, split: str, utterances: Utterances, classes: ClassSettings
) -> Protocol:
    """Read ``<folder>/<split>/tests.csv``: the model of the target class meets every test.

    Tests of neither class are left out.

    Raises
    ------
    ManifestError
        With every problem of the list; when a class has no test, or a test is of several.
    """
    path = Path(folder) / split / "tests.csv"
    pools = read_pools(path, "test_id", utterances)
    try:
        return class_protocol(pools, utterances, classes)
    except ManifestError as error:
        raise ManifestError(f"{path}: {error}") from None


def check_class_background(utterances: Utterances, background: str, classes: ClassSettings) -> None:
    """Refuse a background that lacks a class, before any work is done.

    Raises
    ------
    ManifestError
        Naming the values of the class.
    """
    found = {classes.value(u) for u in utterances.values() if u.split == background}
    for values in (classes.target, classes.nontarget):
        if not found.intersection(values):
            raise ManifestError(
                f"no utterance of {background!r} whose {classes.column} is {' or '.join(values)}; "
                "expected both classes there: a model is trained on each"
            )


def class_protocol(pools: Pools, utterances: Utterances, classes: ClassSettings) -> Protocol:
    """Make the model of the target class meet every test that is of either class.

    Raises
    ------
    ManifestError
        When a class has no test, or a test is of several.
    """
    both = {*classes.target, *classes.nontarget}
    tests, is_target = {}, []
    for test_id, pool in pools.items():
        values = {classes.value(utterances[member]) for member in pool}
        if len(values) > 1:
            raise ManifestError(
                f"test {test_id!r} pools utterances of different {classes.column}: "
                f"{', '.join(map(repr, sorted(values)))}"
            )
        if values <= both:
            tests[test_id] = pool
            is_target.append(values <= {*classes.target})
    if len({*is_target}) < 2:
        found = {classes.value(utterance) for utterance in utterances.values()}
        raise ManifestError(
            f"no tests of one of the classes {', '.join(map(repr, sorted(both)))}; the column "
            f"{classes.column} has {', '.join(map(repr, sorted(found)))}"
        )
    speakers = pool_speakers(tests, utterances)
    number = {speaker: i for i, speaker in enumerate(dict.fromkeys(speakers.values()))}
    n = len(tests)
    trials = Trials(
        (classes.name,),
        tuple(tests),
        np.zeros(n, dtype=np.int32),
        np.arange(n, dtype=np.int32),
        np.array(is_target),
        np.array([NOBODY]),
        np.array([number[speaker] for speaker in speakers.values()]),
        # So that score files say who speaks: the trials do not, of which all have one model.
        speaker_names=tuple(number),
    )
    return Protocol({}, tests, trials, {}, speakers)

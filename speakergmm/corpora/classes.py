"""Protocols that ask whether a test is of one class of utterances rather than of another."""

from __future__ import annotations

from collections import Counter
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
from speakergmm.names import composed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from speakergmm.corpora.manifests import Pools, Utterance, Utterances

COLUMNS = ("sex", "condition")

# With fewer speakers a class is who they happen to be. As for a calibration.
FEW_SPEAKERS = 5

# Values that a note or an error shows.
SHOWN = 5


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
        for name in ("target", "nontarget"):
            # Written in one way, as `value` gives what a list says.
            object.__setattr__(self, name, tuple(map(composed, getattr(self, name))))
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
        return composed(str(getattr(utterance, self.column)))


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
    found = Counter(classes.value(u) for u in utterances.values() if u.split == background)
    for values in (classes.target, classes.nontarget):
        if not found.keys() & {*values}:
            raise ManifestError(
                f"no utterance of {background!r} whose {classes.column} is {_listed(values)}, but "
                f"{_counted(found)}; expected both classes there: a model is trained on each"
            )


def class_notes(
    utterances: Utterances,
    background: str,
    protocols: Mapping[str, Protocol],
    classes: ClassSettings,
) -> tuple[str, ...]:
    """Say what is to be known of two classes: what is of neither, and who stands for too many.

    Parameters
    ----------
    protocols : mapping
        By the names of their splits, as `read_class_split` gives them.
    """
    both, splits = {*classes.target, *classes.nontarget}, {background, *protocols}
    used = [u for u in utterances.values() if u.split in splits]
    others = Counter(classes.value(u) for u in used if classes.value(u) not in both)
    notes = []
    if others:
        notes.append(
            f"{others.total():,} of {len(used):,} utterances are of neither class, and left out: "
            f"their {classes.column} is {_counted(others)}"
        )
    members = {background: [u for u in used if u.split == background]}
    for split, protocol in protocols.items():
        members[split] = [utterances[u] for pool in protocol.tests.values() for u in pool]
    for values in (classes.target, classes.nontarget):
        n = {
            split: len({u.speaker_id for u in heard if classes.value(u) in values})
            for split, heard in members.items()
        }
        few = [f"{number} in {split}" for split, number in n.items() if number < FEW_SPEAKERS]
        if few:
            notes.append(
                f"few speakers whose {classes.column} is {_listed(values)}: {', '.join(few)}; with "
                f"fewer than {FEW_SPEAKERS} a model or a figure tells these voices, not the class: "
                "add speakers"
            )
    return tuple(notes)


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
    has_both = any(is_target), not all(is_target)
    for named, is_there in zip((classes.target, classes.nontarget), has_both, strict=True):
        if not is_there:
            found = Counter(classes.value(utterances[pool[0]]) for pool in pools.values())
            raise ManifestError(
                f"no test whose {classes.column} is {_listed(named)}, but {_counted(found)}; "
                "expected tests of both classes"
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


def _listed(values: Iterable[str]) -> str:
    return " or ".join(map(repr, values))


def _counted(found: Counter[str]) -> str:
    """Name the most frequent values, with how often each is there."""
    named = [f"{value!r} ({n:,})" for value, n in found.most_common(SHOWN)]
    more = len(found) - len(named)
    return f"{', '.join(named)}{f' and {more} more' if more else ''}" or "nothing"

"""What is told of a source, and what is found in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from speakergmm.corpora.formats.names import Lengths

# What a source or a target holds.
LISTS, TRIALS, SCORES = "lists", "trials", "scores"

OWN = "speakergmm"


@dataclass(frozen=True, slots=True)
class Options:
    """What is said beside the place of the lists.

    Parameters
    ----------
    trials : path, optional
        A list of trials: those of the utterances that are read, or the labels of trials or scores.
    enroll : path, optional
        What makes each model: a Kaldi data folder whose speakers are the models, or a list.
    audio : path, optional
        Folder where relative paths begin.
    split : str, optional
        Whose trials are read or written.
    columns : str, optional
        The columns of a list of trials or scores, such as ``"test model label"``.
    value : {"llr", "score"}
        Which numbers of our score files are written; ratios are taken where there are some.
    lengths : callable, optional
        Path → sample rate, samples, channels, where recordings can be looked into.
    """

    trials: Path | None = None
    enroll: Path | None = None
    audio: Path | None = None
    split: str | None = None
    columns: str | None = None
    value: str = "llr"
    lengths: Lengths | None = None


@dataclass(frozen=True, eq=False)
class Found:
    """What was read: a value of its kind, what to call its format, and what is to be said of it.

    ``begin`` is the folder where the paths of lists begin, where there is one.
    """

    content: Any
    title: str
    notes: tuple[str, ...] = ()
    begin: Path | None = None

"""The lists of an experiment: read, or made of the copy of a known corpus first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from speakergmm.audio import duration_s
from speakergmm.corpora import read_split, read_utterances
from speakergmm.corpora.classes import check_class_background, class_notes, read_class_split
from speakergmm.corpora.cohort_lists import cached
from speakergmm.corpora.known import known_corpus
from speakergmm.corpora.known.preparing import prepare_corpus
from speakergmm.corpora.lists import UTTERANCES_FILE
from speakergmm.errors import ManifestError
from speakergmm.files import file_digest
from speakergmm.recipes import steps

if TYPE_CHECKING:
    from pathlib import Path

    from speakergmm.corpora import Protocol, Utterances
    from speakergmm.corpora.manifests import Durations
    from speakergmm.recipes.config import Recipe

PREPARED_FOLDER = "lists"


@dataclass(frozen=True, eq=False)
class ExperimentLists:
    """Utterances, the protocols of development and evaluation, and where the lists stand.

    ``durations`` looks up how long a recording is, in seconds; ``notes`` are what is to be known of
    them: what a copy lacks of which they were made, or who stands for a class.
    """

    folder: Path
    utterances: Utterances
    protocols: dict[str, Protocol]
    durations: Durations
    notes: tuple[str, ...] = ()

    def digest(self) -> str:
        """Digest of the list of utterances."""
        return file_digest(self.folder / UTTERANCES_FILE)


def read_lists(recipe: Recipe, corpus: Path, output: Path) -> ExperimentLists:
    """Read the lists of a recipe and check them against the recordings and each other.

    Where the recipe names a known corpus, they are made of its copy and written below ``output``.

    Raises
    ------
    ManifestError
        When a list or the copy cannot be used, or splits share speakers.
    OutputError
        When lists cannot be written.
    """
    head, classes = recipe.head, recipe.settings.classes
    folder, notes = recipe.manifests, tuple[str, ...]()
    if folder is None:
        folder = output / PREPARED_FOLDER
        prepared = prepare_corpus(
            known_corpus(head.corpus), corpus, folder,
            protocol=head.protocol or None, seed=head.seed,
        )  # fmt: skip
        notes = prepared.notes
    durations = cached(duration_s)
    utterances = _utterances(recipe, folder / UTTERANCES_FILE, corpus, durations)
    if classes.column:
        check_class_background(utterances, head.background, classes)
    protocols = {
        split: read_class_split(folder, split, utterances, classes)
        if classes.column
        else read_split(folder, split, utterances)
        for split in (head.development, head.evaluation)
    }
    steps.check_disjoint(utterances, protocols, head.background)
    if classes.column:
        notes += class_notes(utterances, head.background, protocols, classes)
    return ExperimentLists(folder, utterances, protocols, durations, notes)


def _utterances(recipe: Recipe, path: Path, corpus: Path, durations: Durations) -> Utterances:
    head = recipe.head
    utterances = read_utterances(path, corpus, durations=durations, layouts=head.layouts)
    if not any(utterance.split == head.background for utterance in utterances.values()):
        found = sorted({utterance.split for utterance in utterances.values()})
        raise ManifestError(
            f"{path}: no utterance of split {head.background!r}, on which the UBM is trained; "
            f"splits are {', '.join(map(repr, found))}"
        )
    return utterances

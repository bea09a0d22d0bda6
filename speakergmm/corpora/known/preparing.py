"""From a copy of a known corpus to the lists that recipes use."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from speakergmm.config import check_whole
from speakergmm.corpora.known.layout import LEFT_OUT, unread
from speakergmm.corpora.lists import BACKGROUND, Lists, write_lists
from speakergmm.errors import ManifestError, MissingError
from speakergmm.names import counted
from speakergmm.progress import SILENT

if TYPE_CHECKING:
    from speakergmm.corpora.known.corpus import KnownCorpus, KnownProtocol, Scanned
    from speakergmm.corpora.manifests import Utterances
    from speakergmm.progress import Progress


@dataclass(frozen=True, slots=True)
class SplitCount:
    """What a split holds; models, tests and trials are 0 for the background."""

    split: str
    speakers: int
    utterances: int
    models: int = 0
    tests: int = 0
    target: int = 0
    nontarget: int = 0


@dataclass(frozen=True, slots=True)
class Prepared:
    """Lists that were made of a copy of a corpus, counted; ``notes`` are what is to be known."""

    corpus: str
    protocol: str
    seed: int
    n_speakers: int
    n_utterances: int
    splits: tuple[SplitCount, ...]
    notes: tuple[str, ...]


def protocol_named(corpus: KnownCorpus, name: str | None) -> tuple[str, KnownProtocol]:
    """Give a protocol of a corpus, the first where none is asked for.

    Raises
    ------
    MissingError
        When it has none of that name.
    """
    chosen = next(iter(corpus.protocols)) if name is None else name
    if chosen not in corpus.protocols:
        known = ", ".join(corpus.protocols)
        raise MissingError(f"{corpus.name}: no protocol {chosen!r}; expected one of {known}")
    return chosen, corpus.protocols[chosen]


def prepare_corpus(
    corpus: KnownCorpus,
    folder: Path | str,
    output: Path | str,
    *,
    protocol: str | None = None,
    seed: int = 0,
    progress: Progress = SILENT,
) -> Prepared:
    """Find the utterances of a corpus and write its lists; no recording is opened.

    Parameters
    ----------
    folder : path
        The copy; paths in the lists are relative to it.
    output : path
        Folder for ``utterances.csv`` and a folder a split.
    protocol : str, optional
        One of ``corpus.protocols``; default: the first.
    seed : int
        Decides what is drawn.
    progress : Progress
        Is told what is done.

    Raises
    ------
    ManifestError
        Naming the part of the corpus that is missing or misnamed, or what it has too little of;
        when splits would share speakers.
    MissingError
        For an unknown protocol.
    OutputError
        When a list cannot be written.
    """
    seed = check_whole("seed", seed, 0)
    folder, output = Path(folder), Path(output)
    name, chosen = protocol_named(corpus, protocol)
    progress.start(f"looking for recordings in {folder}")
    found, notes = _scan(corpus, folder)
    if not found:
        told = (*(note for note in notes if LEFT_OUT in note), *unread(folder).notes(), "")
        there = f"; {told[0]}" if told[0] else ""
        raise ManifestError(
            f"{folder}: no recordings of {corpus.title}{there}; expected the corpus:\n"
            f"{corpus.layout}"
        )
    progress.start("making lists")
    lists = _make(chosen, found, folder, seed)
    _refuse_shared(folder, lists)
    progress.start("writing lists")
    made_by = {"corpus": corpus.name, "protocol": name, "seed": seed}
    write_lists(output, lists, made_by)
    whole = (
        _shortfall("speaker", _n_speakers(found), corpus.n_speakers),
        _shortfall("utterance", len(found), corpus.n_utterances),
    )
    # In a copy that is known to be whole they are looked for in vain.
    is_whole = corpus.n_utterances == len(found)
    lost = () if is_whole else tuple(n for n in unread(folder).notes() if n not in notes)
    return Prepared(
        corpus.name,
        name,
        seed,
        _n_speakers(lists.utterances),
        len(lists.utterances),
        count_splits(lists),
        (*filter(None, whole), *lost, *notes, *lists.notes, *_unused(lists)),
    )


def _scan(corpus: KnownCorpus, folder: Path) -> Scanned:
    """Find the utterances, unless the folder cannot be looked into."""
    try:
        return corpus.scan(folder)
    except PermissionError as error:
        raise ManifestError(
            f"{error.filename or folder}: cannot be read ({error.strerror}); expected a copy of "
            f"{corpus.title} that you may read"
        ) from None


def _make(chosen: KnownProtocol, found: Utterances, folder: Path, seed: int) -> Lists:
    """Make the lists; what is said against it names the copy, also where a lot knows of none."""
    try:
        return chosen.make(found, folder, seed)
    except ManifestError as error:
        if str(folder) in str(error):
            raise
        raise ManifestError(f"{folder}: {error}") from None


def _refuse_shared(folder: Path, lists: Lists) -> None:
    """Refuse splits that share speakers, however a protocol came to them."""
    splits: dict[str, set[str]] = {}
    for utterance in lists.utterances.values():
        if utterance.split:
            splits.setdefault(utterance.speaker_id, set()).add(utterance.split)
    shared = {name: sorted(found) for name, found in splits.items() if len(found) > 1}
    if shared:
        name, found = next(iter(shared.items()))
        raise ManifestError(
            f"{folder}: {counted(len(shared), 'speaker')} would be in several splits, such as "
            f"{name!r} in {' and '.join(found)}; expected each in one: the tables or folders are "
            "not those of the corpus, so get them again"
        )


def _n_speakers(utterances: Utterances) -> int:
    return len({utterance.speaker_id for utterance in utterances.values()})


def _shortfall(what: str, n: int, expected: int | None) -> str:
    # More there may be: files without a transcript, another corpus that a protocol needs.
    if expected is None or n >= expected:
        return ""
    return f"{counted(n, what)}, where the whole corpus has {expected:,}"


def _unused(lists: Lists) -> tuple[str, ...]:
    """Say of how many utterances a protocol makes nothing."""
    unused = [name for name, utterance in lists.utterances.items() if not utterance.split]
    if not unused:
        return ()
    n_unused = counted(len(unused), "utterance")
    return (f"in no split, as the protocol does not use them: {n_unused}, such as {unused[0]}",)


def count_splits(lists: Lists) -> tuple[SplitCount, ...]:
    """Count what each split holds, the background first."""
    utterances = list(lists.utterances.values())
    counts = []
    for split in (BACKGROUND, *lists.protocols):
        members = [utterance for utterance in utterances if utterance.split == split]
        speakers = len({utterance.speaker_id for utterance in members})
        count = SplitCount(split, speakers, len(members))
        if split in lists.protocols:
            trials = lists.protocols[split].trials
            n_target = int(trials.is_target.sum())
            sizes = len(trials.model_ids), len(trials.test_ids), n_target, len(trials) - n_target
            count = SplitCount(split, speakers, len(members), *sizes)
        counts.append(count)
    return tuple(counts)

"""A copy of an evaluation of NIST: which of its trials are used, and who is heard in which file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from speakergmm.corpora.known.layout import recordings
from speakergmm.corpora.known.nist_evaluations import LAYOUT, trial_sets_in
from speakergmm.corpora.known.nist_speakers import sexes_of, speakers_of
from speakergmm.corpora.known.nist_tables import Evaluation, stem_of
from speakergmm.corpora.manifests import Utterance
from speakergmm.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from speakergmm.corpora.known.nist_evaluations import TrialSet
    from speakergmm.corpora.known.nist_tables import Segment
    from speakergmm.corpora.manifests import Utterances

UNLABELED, OTHERS = "unlabeled", "background"

# Of several sets of trials of one year: the one that all had to do.
REQUIRED = ("core-core", "coreext-coreext", "short2-short3", "1conv4w-1conv4w", "1side-1side")


@dataclass(frozen=True)
class NistCopy:
    """What was found: the trials that are used, and the utterances of everybody by id."""

    evaluation: Evaluation
    development: Evaluation | None
    utterances: dict[str, Utterance]
    background: frozenset[str]
    notes: tuple[str, ...]


def read_copy(folder: Path) -> NistCopy:
    """Find the trials and recordings of a folder.

    Raises
    ------
    ManifestError
        When it has no key, or a table is missing or has something else in it than expected.
    """
    if not folder.is_dir():
        raise ManifestError(f"{folder}: no such folder; expected an evaluation:\n{LAYOUT}")
    chosen, notes = _choose(trial_sets_in(folder))
    used = [trial_set.read() for trial_set in chosen]
    places = _Recordings(folder)
    speakers = speakers_of(used)
    sexes = sexes_of(used, speakers)
    utterances: dict[str, Utterance] = {}
    for one in used:
        for segment in segments_of(one):
            path = places.find(segment.stem)
            if path is not None and segment.name not in utterances:
                speaker = speakers[segment.name]
                utterances[segment.name] = Utterance(
                    segment.name,
                    speaker,
                    path,
                    session_id=one.sessions.get(segment.stem, segment.stem),
                    sex=sexes.get(speaker, ""),
                    channel=segment.channel,
                )
    tried = {u.path for u in utterances.values()}
    others = {u.utterance_id: u for u in places.others() if u.path not in tried}
    incomplete = [note for one in used for note in (*one.notes, *_missing(one, utterances))]
    evaluation, *more = (_complete(one, utterances) for one in used)
    return NistCopy(
        evaluation,
        more[0] if more else None,
        {**others, **utterances},
        frozenset(others),
        (*notes, *incomplete),
    )


def _choose(found: Sequence[TrialSet]) -> tuple[list[TrialSet], tuple[str, ...]]:
    """Choose, by names alone, what is evaluation, and after it what is development, if any is."""
    latest = sorted(found, key=lambda one: (not one.is_development, one.name))
    required = [e for name in REQUIRED for e in latest if e.name.endswith(name)]
    evaluation = required[0] if required else latest[-1]
    others = [one for one in latest if one.is_development and one is not evaluation]
    development = max(others, key=lambda one: _alike(one, evaluation), default=None)
    chosen = [evaluation] if development is None else [evaluation, development]
    unused = [one.key.name for one in latest if one not in chosen]
    notes = (f"trials of {evaluation.key.name} are used, not those of {', '.join(unused)}",)
    return chosen, notes if unused else ()


def _alike(one: TrialSet, other: TrialSet) -> float:
    return SequenceMatcher(None, one.name, other.name).ratio()


def _complete(evaluation: Evaluation, utterances: Utterances) -> Evaluation:
    """Leave out models of which a recording is missing: of less speech they would be others."""
    models = {
        name: model
        for name, model in evaluation.models.items()
        if all(segment.name in utterances for segment in model.segments)
    }
    return replace(evaluation, models=models)


def _missing(evaluation: Evaluation, utterances: Utterances) -> Iterator[str]:
    """Say how many models and tests cannot be used."""
    kinds = (
        ("models", {name: model.segments for name, model in evaluation.models.items()}),
        ("tests", {name: (segment,) for name, segment in evaluation.segments.items()}),
    )
    for kind, pools in kinds:
        lacking = {
            name: next(s.name for s in segments if s.name not in utterances)
            for name, segments in pools.items()
            if any(s.name not in utterances for s in segments)
        }
        if lacking:
            name, segment = next(iter(lacking.items()))
            example = f"{segment} of {name}" if name != segment else name
            yield (
                f"{len(lacking):,} of the {len(pools):,} {kind} of {evaluation.key.name} left out: "
                f"a recording is not there, such as {example}"
            )


def segments_of(evaluation: Evaluation) -> Iterable[Segment]:
    """Give all that models and tests are made of."""
    for model in evaluation.models.values():
        yield from model.segments
    yield from evaluation.segments.values()


class _Recordings:
    """Recordings by name, wherever they lie."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.places: dict[str, list[Path]] = {}
        for path in recordings(folder, folder):
            self.places.setdefault(stem_of(path.name), []).append(path)

    def find(self, stem: str) -> Path | None:
        """Give the place of a recording.

        Raises
        ------
        ManifestError
            When recordings of that name lie in different folders.
        """
        found = self.places.get(stem, [])
        if len({path.parent for path in found}) > 1:
            raise ManifestError(
                f"{self.folder}: recording {stem!r} is in {found[0].parent} and in "
                f"{found[1].parent}; expected it once: give the folder of one evaluation"
            )
        return found[0] if found else None

    def others(self) -> Iterable[Utterance]:
        """Give the recordings of people who are in no trial: first channels."""
        for stem, found in self.places.items():
            paths = [path for path in found if _is_of_others(path)]
            for path in paths:
                # Who speaks is told at most by a folder of one's own.
                above = path.parts[-2]
                inside = {part.lower() for part in path.parts[:-1]}
                is_named = above.lower() != OTHERS and UNLABELED not in inside
                name = stem if len(paths) == 1 else f"{above}-{stem}"
                speaker = above if is_named else name
                yield Utterance(name, speaker, path, session_id=stem, channel=0)


def _is_of_others(path: Path) -> bool:
    return any(part.lower() in (UNLABELED, OTHERS) for part in path.parts[:-1])

"""Trials of another toolkit → the lists of a protocol: who speaks, and what makes a model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from speakergmm.corpora.fields import NONTARGET, TARGET
from speakergmm.corpora.formats.enrollment_lists import Enrollment
from speakergmm.corpora.formats.sides import NO_SIDE, Side, file_and_channel
from speakergmm.corpora.lists import Lists, protocol_of
from speakergmm.corpora.manifests import Utterance
from speakergmm.corpora.protocols import check_speech_apart
from speakergmm.errors import ManifestError, problem_report

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from speakergmm.corpora.formats.trial_lists import ForeignTrials
    from speakergmm.corpora.manifests import Pools, Utterances
    from speakergmm.corpora.trials import Trials

# Of feature files, in lists that name these: the recording is named without.
FEATURE_SUFFIXES = frozenset({".htk", ".mfc", ".mfcc", ".plp", ".prm", ".fea", ".feat", ".npy"})


class Assembled(NamedTuple):
    """Lists made of trials, and what is to be said of them."""

    lists: Lists
    notes: tuple[str, ...]


def utterances_named(
    names: Iterable[str], split: str, sides: Mapping[str, Side]
) -> dict[str, Utterance]:
    """Make utterances of the names of their files, or of their sides.

    Where all are ``SPEAKER/SESSION/FILE``, as VoxCeleb's, speaker and session are known; else each
    is a speaker of its own, named after it, until trials tell more.
    """
    files = {name: sides[name].file if name in sides else name for name in names}
    paths = {name: Path(file.replace("\\", "/")) for name, file in files.items()}
    are_sorted = all(len(path.parts) == 3 and not path.is_absolute() for path in paths.values())
    made = {}
    for name, path in paths.items():
        speaker, session = path.parts[:2] if are_sorted else (name, "")
        file = path.with_suffix("") if path.suffix.lower() in FEATURE_SUFFIXES else path
        channel = sides[name].channel if name in sides else None
        made[name] = Utterance(
            name, speaker, file, session_id=session, split=split, channel=channel
        )
    return made


def assemble(
    found: ForeignTrials,
    name: str,
    split: str,
    *,
    enrolled: Enrollment | None = None,
    utterances: Utterances | None = None,
) -> Assembled:
    """Put together the lists of one split.

    Parameters
    ----------
    found : ForeignTrials
        The trials.
    name : str
        What messages call their list.
    enrolled : Enrollment, optional
        What makes each model; default: the utterance that the model is named after.
    utterances : mapping, optional
        Those that models and tests name; default: made of their names.

    Returns
    -------
    Assembled
        A speaker whom no list names is found by the target trials: an utterance whose speaker is
        named as itself is one of whom nothing is known.

    Raises
    ------
    ManifestError
        When models or utterances are not known, there are no labels, or the labels contradict each
        other or the speakers.
    """
    trials = found.trials
    if enrolled is None:
        enrolled = _named_after(trials.model_ids, utterances or {})
    enrollment, sides = enrolled.pools, {**enrolled.sides, **found.sides}
    _refuse_unknown("model", trials.model_ids, enrollment, name, "the enrollment list")
    named = dict.fromkeys(member for pool in enrollment.values() for member in pool)
    named |= dict.fromkeys(trials.test_ids)
    notes: list[str] = []
    if utterances is None:
        utterances = utterances_named(named, split, sides)
    else:
        _refuse_unknown("utterance", named, utterances, name, "the utterances")
    if found.is_labelled:
        utterances, more = with_speakers(trials, enrollment, utterances)
        notes += more
    elif any(_is_unknown(utterances[u]) for u in named):
        raise ManifestError(
            f"{name}: the trials have no labels, and it is not known who speaks in "
            f"{next(u for u in named if _is_unknown(utterances[u]))!r}; give a list of the same "
            "trials with labels (--trials)"
        )
    _refuse_mixed(enrollment, utterances, name)
    tests = {test: (test,) for test in trials.test_ids}
    protocol = protocol_of(enrollment, tests, utterances, trials)
    same = _same_speaker(trials, protocol.model_speakers, protocol.test_speakers)
    if found.is_labelled:
        _refuse_contradictions(trials, same, name, protocol.model_speakers, protocol.test_speakers)
    else:
        protocol = replace(protocol, trials=replace(trials, is_target=same))
        notes.append("the list has no labels; they follow from who speaks")
    check_speech_apart(Path(name), enrollment, _as_heard(tests, sides), protocol.trials)
    return Assembled(Lists(utterances, {split: protocol}), tuple(notes))


def _named_after(models: Iterable[str], utterances: Utterances) -> Enrollment:
    """Make each model of what it is named after: an utterance, or a side (``FILE:SIDE``)."""
    pools: dict[str, tuple[str, ...]] = {}
    sides: dict[str, Side] = {}
    for model in models:
        told = None if model in utterances else file_and_channel(model)
        if told is None or told[1] == NO_SIDE:
            pools[model] = (model if told is None else told[0],)
        else:
            side = Side(*told)
            pools[model], sides[side.name] = (side.name,), side
    return Enrollment(pools, sides)


def _as_heard(tests: Pools, sides: Mapping[str, Side]) -> Pools:
    """Add to each side the whole recording, and to that its sides, which hold the same speech."""
    of_file: dict[str, tuple[str, ...]] = {}
    for name, side in sides.items():
        of_file[side.file] = (*of_file.get(side.file, ()), name)
    return {
        test: (*pool, sides[test].file) if test in sides else (*pool, *of_file.get(test, ()))
        for test, pool in tests.items()
    }


def _refuse_unknown(
    kind: str, names: Iterable[str], known: Mapping[str, object], where: str, there: str
) -> None:
    missing = [f"{kind} {name!r}" for name in names if name not in known]
    if missing:
        raise ManifestError(problem_report(f"{where} names what is not in {there}", missing))


def _refuse_mixed(enrollment: Pools, utterances: Utterances, where: str) -> None:
    mixed = []
    for model, pool in enrollment.items():
        speakers = list(dict.fromkeys(utterances[member].speaker_id for member in pool))
        if len(speakers) > 1:
            mixed.append(f"model {model!r} is made of speakers {speakers[0]!r} and {speakers[1]!r}")
    if mixed:
        heading = f"{where}: a model must be of one speaker"
        raise ManifestError(problem_report(heading, mixed))


def _is_unknown(utterance: Utterance) -> bool:
    return utterance.speaker_id == utterance.utterance_id


def with_speakers(
    trials: Trials, enrollment: Pools, utterances: Utterances
) -> tuple[dict[str, Utterance], list[str]]:
    """Tell who speaks where that is not known: by what a model pools, and by target trials.

    Returns
    -------
    utterances, notes
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    speakers = list(dict.fromkeys(u.speaker_id for u in utterances.values()))
    number = {speaker: i for i, speaker in enumerate(speakers)}
    unknown = np.zeros(len(speakers), dtype=bool)
    unknown[[number[u.speaker_id] for u in utterances.values() if _is_unknown(u)]] = True
    if not unknown.any():
        return dict(utterances), []
    of = {name: number[utterance.speaker_id] for name, utterance in utterances.items()}
    of_model = np.array([of[enrollment[model][0]] for model in trials.model_ids], dtype=np.intp)
    of_test = np.array([of[test] for test in trials.test_ids], dtype=np.intp)
    pooled = [(of[pool[0]], of[member]) for pool in enrollment.values() for member in pool[1:]]
    ends = np.array(pooled, dtype=np.intp).reshape(-1, 2)
    left = np.concatenate([ends[:, 0], of_model[trials.model_index[trials.is_target]]])
    right = np.concatenate([ends[:, 1], of_test[trials.test_index[trials.is_target]]])
    open_ends = unknown[left] | unknown[right]
    size = len(speakers)
    links = coo_array(
        (np.ones(open_ends.sum()), (left[open_ends], right[open_ends])), shape=(size, size)
    )
    _, part = connected_components(links, directed=False)
    of_pools = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(size, size))
    _, before = connected_components(of_pools, directed=False)
    names = _part_names(part, speakers, unknown, trials, of_model)
    renamed = {s: names[p] for s, p in zip(speakers, part.tolist(), strict=True) if s != names[p]}
    settled = {
        name: replace(u, speaker_id=renamed.get(u.speaker_id, u.speaker_id))
        for name, u in utterances.items()
    }
    notes = _speaker_notes(part, unknown, speakers, names, settled)
    known = ~unknown[of_model]
    joined = _joined_models(trials.model_ids, part[of_model], before[of_model], known, enrollment)
    return settled, notes + joined


def _part_names(
    part: NDArray[np.int32],
    speakers: list[str],
    unknown: NDArray[np.bool_],
    trials: Trials,
    of_model: NDArray[np.intp],
) -> dict[int, str]:
    """Name each part after the first speaker in it who is known, else after its first model."""
    names: dict[int, str] = {}
    for place in np.flatnonzero(~unknown).tolist():
        names.setdefault(int(part[place]), speakers[place])
    for model, place in zip(trials.model_ids, of_model.tolist(), strict=True):
        names.setdefault(int(part[place]), model)
    for place, speaker in enumerate(speakers):
        names.setdefault(int(part[place]), speaker)
    return names


def _speaker_notes(
    part: NDArray[np.int32],
    unknown: NDArray[np.bool_],
    speakers: list[str],
    names: dict[int, str],
    settled: Mapping[str, Utterance],
) -> list[str]:
    notes = []
    alone = sum(1 for utterance in settled.values() if _is_unknown(utterance))
    if int(unknown.sum()) > alone:
        text = "who speaks was not listed for some utterances, and was told by the target trials"
        notes.append(text)
    if alone:
        notes.append(
            "utterances in no target trial, of which nobody says who speaks, got speakers of their "
            f"own, named after them: {alone:,}"
        )
    places = [i for i in np.flatnonzero(~unknown).tolist() if names[int(part[i])] != speakers[i]]
    if places:
        first, other = speakers[places[0]], names[int(part[places[0]])]
        notes.append(
            f"speakers that are others by the target trials, and were joined: {len(places):,}, "
            f"such as {first!r}, who is {other!r}"
        )
    return notes


def _joined_models(
    models: Sequence[str],
    part: NDArray[np.int32],
    before: NDArray[np.int32],
    known: NDArray[np.bool_],
    enrollment: Pools,
) -> list[str]:
    """Say which enrolled models became one speaker, though nothing but trials says that they are.

    ``part`` and ``before`` (M,) number the speakers of models with and without the target trials.
    Those whose speakers were all ``known`` (M,) are said otherwise.
    """
    first: dict[int, int] = {}
    joined = []
    for i, model in enumerate(models):
        other = first.setdefault(int(part[i]), i)
        is_news = before[i] != before[other] and not (known[i] and known[other])
        if is_news and enrollment[model] != (model,):
            joined.append((model, models[other]))
    if not joined:
        return []
    model, leader = joined[0]
    text = "enrolled models that are of one speaker by the target trials, and were joined"
    return [f"{text}: {len(joined):,}, such as {model!r}, who is {leader!r}"]


def _same_speaker(
    trials: Trials, model_speakers: Mapping[str, str], test_speakers: Mapping[str, str]
) -> NDArray[np.bool_]:
    number: dict[str, int] = {}
    model, test = (
        np.array([number.setdefault(speakers[name], len(number)) for name in ids], dtype=np.intp)
        for ids, speakers in ((trials.model_ids, model_speakers), (trials.test_ids, test_speakers))
    )
    same: NDArray[np.bool_] = model[trials.model_index] == test[trials.test_index]
    return same


def _refuse_contradictions(
    trials: Trials,
    same: NDArray[np.bool_],
    name: str,
    model_speakers: Mapping[str, str],
    test_speakers: Mapping[str, str],
) -> None:
    wrong = np.flatnonzero(same != trials.is_target)
    if not len(wrong):
        return

    def text(row: int) -> str:
        model, test = trials.pair(row)
        label = TARGET if trials.is_target[row] else NONTARGET
        return (
            f"{model} {test} is {label}, but the model is speaker {model_speakers[model]!r} and "
            f"the test {test_speakers[test]!r}"
        )

    raise ManifestError(
        problem_report(f"{name} contradicts who speaks, or itself", map(text, wrong.tolist()))
    )

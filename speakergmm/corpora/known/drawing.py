"""Protocols for corpora that have none: who is in which split, who enrolls with what, by lot.

What is drawn is the order of the SHA-256 of ``"<seed>:<id>"``, of speakers, sessions and
utterances alike. So the lot does not depend on a library or a machine, and a recording that is
missing from a copy moves nothing but what it was part of.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, TypeAlias

from speakergmm.corpora.lists import (
    BACKGROUND,
    DEVELOPMENT,
    EVALUATION,
    Lists,
    in_splits,
    protocol_of,
)
from speakergmm.errors import ManifestError
from speakergmm.names import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from speakergmm.corpora.manifests import Utterance, Utterances
    from speakergmm.corpora.protocols import Protocol

SplitOf: TypeAlias = "Callable[[Utterance], str]"
TextOf: TypeAlias = "Callable[[Utterance], str]"

# One alone has no strangers.
MIN_SPEAKERS = 2


@dataclass(frozen=True, slots=True)
class Scheme:
    """How the lists of a corpus are drawn.

    Parameters
    ----------
    enroll : int
        Utterances that a model is made of; of one session, where ``sessions_apart``.
    test : int
        Utterances that are pooled into one test, all of one session.
    n_tests : int
        Tests of each speaker, at most: spread evenly over sessions.
    sessions_apart : bool
        Whether tests come from other sessions than the enrollment. Where a corpus has one session
        a speaker it must be False, and speaker and channel are confounded.
    development, evaluation : float
        Shares of the speakers; all others, and those with too few utterances for a model and a
        test, are the background.
    split_of : callable, optional
        Utterance → its split, where the corpus itself says so: nobody is drawn then.
    text_of : callable, optional
        Utterance → what is said, where a corpus has the same words again and again: a model is
        made of so many texts, a test of others, so that the words tell nothing. Sessions are not
        looked at then.
    """

    enroll: int
    test: int = 1
    n_tests: int = 4
    sessions_apart: bool = True
    development: float = 0.2
    evaluation: float = 0.3
    split_of: SplitOf | None = field(default=None)
    text_of: TextOf | None = field(default=None)

    def __call__(self, utterances: Utterances, folder: Path, seed: int) -> Lists:  # noqa: ARG002
        """Draw the lists; see `draw_lists`."""
        return draw_lists(utterances, self, seed)


@dataclass(frozen=True, slots=True)
class _Speaker:
    """A speaker's utterances that enroll, and those of each test."""

    enrollment: tuple[str, ...]
    tests: tuple[tuple[str, ...], ...]


def in_drawn_order(names: Iterable[str], seed: int) -> list[str]:
    """Sort names by lot: the same for equal names and seeds, whatever else is in the list."""
    return sorted(names, key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).digest())


def draw_lists(utterances: Utterances, scheme: Scheme, seed: int) -> Lists:
    """Draw splits without common speakers, models and tests; every model meets every test.

    Sexes are spread evenly over the splits, where they are known. A test is named by its first
    utterance, a model by its speaker.

    Raises
    ------
    ManifestError
        When too few speakers have what a model and a test need.
    """
    speakers = by_speaker(utterances)
    drawn = draw_speakers(speakers, scheme, seed)
    if scheme.split_of is None:
        splits = _draw_splits(drawn, speakers, scheme, seed)
    else:
        splits = _given_splits(speakers, scheme.split_of)
    protocols = {}
    for split in (DEVELOPMENT, EVALUATION):
        chosen = [name for name in drawn if splits[name] == split]
        _check_enough(split, chosen, speakers, drawn, scheme)
        protocols[split] = protocol_among(chosen, drawn, utterances)
    if BACKGROUND not in splits.values():
        more = (
            f"{n_needed(scheme)} speakers or more"
            if scheme.split_of is None
            else "the part of the corpus that is for training"
        )
        raise ManifestError(
            f"none of the {len(speakers):,} speakers is left for the background model; expected "
            f"{more}"
        )
    return Lists(in_splits(utterances, splits), protocols)


def draw_speakers(
    speakers: Mapping[str, Sequence[Utterance]], scheme: Scheme, seed: int
) -> dict[str, _Speaker]:
    """Draw enrollment and tests of every speaker who has enough for both."""
    return {
        name: found
        for name, members in speakers.items()
        if (found := _draw_speaker(members, scheme, seed)) is not None
    }


def protocol_among(
    chosen: Iterable[str], drawn: Mapping[str, _Speaker], utterances: Utterances
) -> Protocol:
    """Let the models of some speakers meet the tests of all of them."""
    enrollment = {name: drawn[name].enrollment for name in chosen}
    tests = {test[0]: test for name in enrollment for test in drawn[name].tests}
    return protocol_of(enrollment, tests, utterances)


def by_speaker(utterances: Utterances) -> dict[str, list[Utterance]]:
    """Give each speaker's utterances; speakers sorted, utterances in their order."""
    speakers: dict[str, list[Utterance]] = {}
    for utterance in utterances.values():
        speakers.setdefault(utterance.speaker_id, []).append(utterance)
    return dict(sorted(speakers.items()))


def _draw_speaker(members: Sequence[Utterance], scheme: Scheme, seed: int) -> _Speaker | None:
    """Draw a speaker's enrollment and tests; None where there are too few utterances."""
    if scheme.text_of is not None:
        return _draw_texts(members, scheme, scheme.text_of, seed)
    sessions: dict[str, list[str]] = {}
    for utterance in members:
        sessions.setdefault(utterance.session_id, []).append(utterance.utterance_id)
    drawn = {s: in_drawn_order(sessions[s], seed) for s in in_drawn_order(sessions, seed)}
    if not scheme.sessions_apart:
        drawn = {"": in_drawn_order((u.utterance_id for u in members), seed)}
    for session, names in drawn.items():
        others = {s: n for s, n in drawn.items() if s != session}
        left = others if scheme.sessions_apart else {"": names[scheme.enroll :]}
        tests = _draw_tests(left, scheme)
        if len(names) >= scheme.enroll and tests:
            return _Speaker(tuple(names[: scheme.enroll]), tests)
    return None


def _draw_texts(
    members: Sequence[Utterance], scheme: Scheme, text_of: TextOf, seed: int
) -> _Speaker | None:
    """Draw the texts of the enrollment, one take of each; tests are takes of the others."""
    by_id = {utterance.utterance_id: utterance for utterance in members}
    takes: dict[str, list[str]] = {}
    for name in in_drawn_order(by_id, seed):
        takes.setdefault(text_of(by_id[name]), []).append(name)
    enrolled = list(takes)[: scheme.enroll]
    others = [takes[text] for text in takes if text not in enrolled]
    most = max(map(len, others), default=0)
    # Of each text one take in turn, so that no test says the same twice.
    rounds = [[names[i] for names in others if i < len(names)] for i in range(most)]
    tests = [test for names in rounds for test in _cut(names, scheme.test)]
    if len(enrolled) < scheme.enroll or not tests:
        return None
    return _Speaker(tuple(takes[text][0] for text in enrolled), tuple(tests[: scheme.n_tests]))


def _cut(names: Sequence[str], size: int) -> list[tuple[str, ...]]:
    return [tuple(names[i : i + size]) for i in range(0, len(names) - size + 1, size)]


def _draw_tests(
    sessions: Mapping[str, Sequence[str]], scheme: Scheme
) -> tuple[tuple[str, ...], ...]:
    """Cut sessions into tests, and take them in turn from each session."""
    rounds = [_cut(names, scheme.test) for names in sessions.values()]
    most = max(map(len, rounds), default=0)
    in_turn = [tests[i] for i in range(most) for tests in rounds if i < len(tests)]
    return tuple(in_turn[: scheme.n_tests])


def _draw_splits(
    able: Iterable[str],
    speakers: Mapping[str, Sequence[Utterance]],
    scheme: Scheme,
    seed: int,
) -> dict[str, str]:
    """Share out the speakers who can be tested; the others are the background."""
    order = sexes_in_turn(in_drawn_order(able, seed), speakers)
    n_evaluation, n_development = _sizes(scheme, len(order))
    splits = dict.fromkeys(speakers, BACKGROUND)
    splits |= dict.fromkeys(order[:n_evaluation], EVALUATION)
    splits |= dict.fromkeys(order[n_evaluation : n_evaluation + n_development], DEVELOPMENT)
    return splits


def sexes_in_turn(order: Sequence[str], speakers: Mapping[str, Sequence[Utterance]]) -> list[str]:
    """Reorder speakers so that every stretch has the sexes in about the shares of the whole."""
    sexes = {name: speakers[name][0].sex for name in order}
    totals, seen = Counter(sexes.values()), Counter[str]()
    place = {}
    for name in order:
        sex = sexes[name]
        place[name] = ((seen[sex] + 0.5) / totals[sex], sex)
        seen[sex] += 1
    return sorted(order, key=place.__getitem__)


def _given_splits(speakers: Mapping[str, Sequence[Utterance]], split_of: SplitOf) -> dict[str, str]:
    splits = {name: {split_of(u) for u in members} for name, members in speakers.items()}
    shared = {name: found for name, found in splits.items() if len(found) > 1}
    if shared:
        name, found = next(iter(shared.items()))
        raise ManifestError(
            f"in several parts of the corpus: {counted(len(shared), 'speaker')}, such as {name!r} "
            f"in {' and '.join(sorted(found))}; expected each in one: put the files back where "
            "the corpus has them"
        )
    return {name: found.pop() for name, found in splits.items()}


def _sizes(scheme: Scheme, n: int) -> tuple[int, int]:
    """Give the numbers of speakers for evaluation and development, of ``n`` who can be tested."""
    shares = (scheme.evaluation, scheme.development)
    n_evaluation, n_development = (max(MIN_SPEAKERS, round(share * n)) for share in shares)
    return n_evaluation, n_development


def n_needed(scheme: Scheme) -> int:
    """Count the speakers who can be tested that a lot needs, so that each split has enough."""
    return next(n for n in count(1) if sum(_sizes(scheme, n)) < n)


def _check_enough(
    split: str,
    chosen: Sequence[str],
    speakers: Mapping[str, Sequence[Utterance]],
    able: Iterable[str],
    scheme: Scheme,
) -> None:
    if len(chosen) >= MIN_SPEAKERS:
        return
    what = "utterance" if scheme.text_of is None else "different text"
    needs = f"{counted(scheme.enroll, what)} for a model and {scheme.test} for a test"
    if scheme.sessions_apart and scheme.text_of is None:
        needs += " in another session"
    there = f"Of {counted(len(speakers), 'speaker')} {len(list(able)):,} have {needs}"
    if scheme.split_of is None:
        there += f", which at least {n_needed(scheme)} must have"
    raise ManifestError(
        f"{counted(len(chosen), 'speaker')} for {split}; expected {MIN_SPEAKERS} or more. {there}: "
        "is the copy whole?"
    )

"""Development for corpora whose official trials are evaluation alone: speakers held out by lot."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from speakergmm.corpora.known.drawing import (
    MIN_SPEAKERS,
    by_speaker,
    draw_speakers,
    in_drawn_order,
    protocol_among,
    sexes_in_turn,
)
from speakergmm.corpora.lists import DEVELOPMENT, protocol_of
from speakergmm.corpora.trials import Trials
from speakergmm.errors import ManifestError
from speakergmm.names import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from speakergmm.corpora.known.drawing import Scheme
    from speakergmm.corpora.manifests import Utterance, Utterances
    from speakergmm.corpora.protocols import Protocol


@dataclass(frozen=True, slots=True)
class PairScheme:
    """Trials of two single utterances each, as VoxCeleb has them.

    Parameters
    ----------
    n_speakers : int
        Who are held out, at most: of fewer than twice as many, half.
    n_models : int
        Utterances of each that enroll a model, at most.
    n_target, n_nontarget : int
        Tests of each model: utterances of the same speaker from other sessions, and of so many
        other speakers of the same sex.
    """

    n_speakers: int = 100
    n_models: int = 40
    n_target: int = 4
    n_nontarget: int = 4


def choose_speakers(utterances: Utterances, n: int, seed: int) -> list[str]:
    """Draw ``n`` speakers, half of them where there are not twice as many; sexes in their shares.

    Raises
    ------
    ManifestError
        When there are fewer than four.
    """
    return _choose(by_speaker(utterances), n, seed)


def hold_out(utterances: Utterances, scheme: Scheme, n: int, seed: int) -> Protocol:
    """Draw the trials of ``n`` speakers who have enough for a model and a test.

    Raises
    ------
    ManifestError
        When there are fewer than four of them.
    """
    speakers = by_speaker(utterances)
    drawn = draw_speakers(speakers, scheme, seed)
    chosen = _choose({name: speakers[name] for name in drawn}, n, seed)
    return protocol_among(chosen, drawn, utterances)


def _choose(speakers: Mapping[str, Sequence[Utterance]], n: int, seed: int) -> list[str]:
    order = sexes_in_turn(in_drawn_order(speakers, seed), speakers)
    chosen = order[: min(n, len(order) // 2)]
    if len(chosen) < MIN_SPEAKERS:
        raise ManifestError(
            f"{counted(len(speakers), 'speaker')} besides those of the evaluation can be tested; "
            f"expected {2 * MIN_SPEAKERS} or more for background and development: is the copy "
            "whole?"
        )
    return sorted(chosen)


def draw_pairs(utterances: Utterances, scheme: PairScheme, seed: int) -> Protocol:
    """Draw trials of single utterances among speakers that were held out.

    Raises
    ------
    ManifestError
        When nobody has utterances of two sessions, or nobody a stranger of the same sex.
    """
    speakers = by_speaker(utterances)
    drawn = {
        name: [utterances[i] for i in in_drawn_order((u.utterance_id for u in members), seed)]
        for name, members in speakers.items()
    }
    rows: list[tuple[str, str, bool]] = []
    for name, members in drawn.items():
        strangers = [
            other for other in drawn if other != name and drawn[other][0].sex == members[0].sex
        ]
        for place, utterance in enumerate(members[: scheme.n_models]):
            own = _other_sessions(members, place)[: scheme.n_target]
            others = _strangers(utterance.utterance_id, strangers, drawn, scheme, seed)
            rows += [(utterance.utterance_id, test, True) for test in own]
            rows += [(utterance.utterance_id, test, False) for test in others]
    kinds = {is_target for _, _, is_target in rows}
    if len(kinds) < len((True, False)):
        missing = "nontarget" if True in kinds else "target"
        raise ManifestError(
            f"no {missing} trials for {DEVELOPMENT} among {counted(len(speakers), 'speaker')}; "
            "expected utterances of two sessions, and two speakers of a sex: is the copy whole?"
        )
    return _protocol(rows, utterances)


def _other_sessions(members: Sequence[Utterance], place: int) -> list[str]:
    """Give a speaker's utterances of other sessions, from a place on, round and round."""
    session = members[place].session_id
    following = (*members[place + 1 :], *members[:place])
    return [u.utterance_id for u in following if u.session_id != session]


def _strangers(
    model: str,
    speakers: Sequence[str],
    drawn: Mapping[str, Sequence[Utterance]],
    scheme: PairScheme,
    seed: int,
) -> list[str]:
    """Draw strangers for a model, and of each an utterance."""
    lots = sorted(
        (hashlib.sha256(f"{seed}:{model}:{name}".encode()).digest(), name) for name in speakers
    )
    return [
        drawn[name][int.from_bytes(lot[:4], "big") % len(drawn[name])].utterance_id
        for lot, name in lots[: scheme.n_nontarget]
    ]


def _protocol(rows: Sequence[tuple[str, str, bool]], utterances: Utterances) -> Protocol:
    models = {name: i for i, name in enumerate(dict.fromkeys(model for model, _, _ in rows))}
    tests = {name: i for i, name in enumerate(dict.fromkeys(test for _, test, _ in rows))}
    trials = Trials(
        tuple(models),
        tuple(tests),
        np.array([models[model] for model, _, _ in rows], dtype=np.int32),
        np.array([tests[test] for _, test, _ in rows], dtype=np.int32),
        np.array([is_target for _, _, is_target in rows], dtype=bool),
    )
    enrollment, pools = ({name: (name,) for name in names} for names in (models, tests))
    return protocol_of(enrollment, pools, utterances, trials)


def some_of_each(utterances: Utterances, n: int, seed: int) -> dict[str, Utterance]:
    """Draw ``n`` utterances of each speaker, all where there are fewer."""
    return {
        name: utterances[name]
        for members in by_speaker(utterances).values()
        for name in sorted(in_drawn_order((u.utterance_id for u in members), seed)[:n])
    }

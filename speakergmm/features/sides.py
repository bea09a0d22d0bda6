"""What is normalized and stored as one: an utterance alone, or all of an enrollment or a test."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from speakergmm.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from speakergmm.corpora import Pools, Utterance, Utterances
    from speakergmm.features.config import FrontEndConfig


@dataclass(frozen=True)
class Side:
    """Utterances of one speaker whose frames stand in a store as one entry.

    ``speech_s``, where given, is how many seconds of their speech are used, from the beginning.
    """

    name: str
    utterances: tuple[Utterance, ...]
    speech_s: float | None = None


def is_pooled(config: FrontEndConfig) -> bool:
    """Tell whether what belongs together is normalized together, not each utterance alone."""
    return config.normalization != "none" and config.normalization_over == "side"


def training_sides(utterances: Iterable[Utterance], config: FrontEndConfig) -> list[Side]:
    """Give the sides of what a background model is trained on.

    Each utterance, or, where sides are normalized together, all of a speaker's session (of a
    recording, where the list has no sessions).
    """
    if not is_pooled(config):
        return [Side(utterance.utterance_id, (utterance,)) for utterance in utterances]
    sessions: dict[tuple[str, str], list[Utterance]] = {}
    for utterance in utterances:
        # Where the list does not tell sessions apart, a recording is one.
        session = utterance.session_id or str(utterance.path)
        sessions.setdefault((utterance.speaker_id, session), []).append(utterance)
    return [
        Side(f"speaker {speaker!r}, session {session!r}", tuple(members))
        for (speaker, session), members in sessions.items()
    ]


def by_name(*lists: Iterable[Side]) -> dict[str, Side]:
    """Join lists of sides, each side once, by their names.

    Raises
    ------
    ManifestError
        When two that differ have the same name: an utterance that is called as a test is, say.
    """
    sides: dict[str, Side] = {}
    for side in itertools.chain(*lists):
        if sides.setdefault(side.name, side) != side:
            raise ManifestError(
                f"two different things are called {side.name!r}; give the utterance of that name "
                "another one"
            )
    return sides


def pooled_sides(
    pools: Pools,
    utterances: Utterances,
    config: FrontEndConfig,
    role: str,
    *,
    speech_s: float | None = None,
) -> tuple[list[Side], dict[str, tuple[str, ...]]]:
    """Give the sides of an enrollment or test list.

    Parameters
    ----------
    pools : mapping
        Model or test id → its utterances.
    role : str
        ``"enrollment"`` or ``"test"``; names the sides.
    speech_s : float, optional
        Seconds of speech of each model or test that are used; default: all.

    Returns
    -------
    sides : list of Side
        What is to be in the store, each once.
    names : dict
        Model or test id → the sides whose frames make it up, in order.
    """
    sides: list[Side] = []
    names: dict[str, tuple[str, ...]] = {}
    for pool_id, pool in pools.items():
        members = tuple(utterances[utterance_id] for utterance_id in pool)
        if speech_s is None and (len(pool) == 1 or not is_pooled(config)):
            # The same utterance in another list is the same side.
            added = [Side(utterance.utterance_id, (utterance,)) for utterance in members]
        else:
            added = [Side(f"{role} {pool_id}", members, speech_s)]
        sides += added
        names[pool_id] = tuple(side.name for side in added)
    return list(by_name(sides).values()), names

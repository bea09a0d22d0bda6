"""Stretches of one recording that a list gives to several speakers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from speakergmm.corpora.manifests import END_TOLERANCE_S

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from speakergmm.corpora.manifests import Utterance


def shared_stretches(utterances: Iterable[Utterance]) -> list[tuple[Utterance, Utterance]]:
    """Find, for each two speakers of a recording, utterances of theirs that share audio.

    Parameters
    ----------
    utterances : iterable of Utterance
        All of one recording.

    Returns
    -------
    list of (Utterance, Utterance)
        One pair for each two speakers at the most, the first in time, the earlier utterance first.
        Two that meet within `END_TOLERANCE_S` share nothing, nor do two on different channels; one
        without a channel is on all.
    """
    ordered = sorted(utterances, key=_start)
    if len({utterance.speaker_id for utterance in ordered}) < 2:
        return []
    found: dict[frozenset[str], tuple[Utterance, Utterance]] = {}
    for earlier, later in _meeting(ordered):
        found.setdefault(frozenset((earlier.speaker_id, later.speaker_id)), (earlier, later))
    return list(found.values())


def _meeting(ordered: Iterable[Utterance]) -> Iterator[tuple[Utterance, Utterance]]:
    """Yield utterances of different speakers that share audio, of those that begin one by one."""
    # Of each speaker and channel, the utterance that lasts longest of those begun: whoever begins
    # while any of them lasts, begins while this one does.
    lasting: dict[tuple[str, int | None], Utterance] = {}
    for later in ordered:
        begins = _start(later) + END_TOLERANCE_S
        lasting = {key: before for key, before in lasting.items() if _end(before) > begins}
        for (speaker_id, channel), earlier in lasting.items():
            is_heard = channel is None or later.channel in (None, channel)
            if speaker_id != later.speaker_id and is_heard:
                yield earlier, later
        key = (later.speaker_id, later.channel)
        if key not in lasting or _end(later) > _end(lasting[key]):
            lasting[key] = later


def _start(utterance: Utterance) -> float:
    return utterance.start_s or 0.0


def _end(utterance: Utterance) -> float:
    return math.inf if utterance.end_s is None else utterance.end_s

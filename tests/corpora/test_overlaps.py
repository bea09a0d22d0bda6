"""Stretches of one recording that a list gives to several speakers, against all pairs of them."""

from __future__ import annotations

import math
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakergmm.corpora import Utterance
from speakergmm.corpora.overlaps import shared_stretches

HERE = Path("talk.wav")


def said(number, speaker, start_s=None, end_s=None, channel=None):
    return Utterance(f"u{number}", speaker, HERE, start_s, end_s, channel=channel)


def share(one, other):
    starts = max(one.start_s or 0.0, other.start_s or 0.0)
    ends = min(math.inf if u.end_s is None else u.end_s for u in (one, other))
    channels = {one.channel, other.channel} - {None}
    return ends - starts > 0.0005 and len(channels) < 2


segments = st.tuples(st.integers(0, 20), st.integers(1, 6)).map(lambda s: (s[0], s[0] + s[1]))
utterances = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.one_of(st.just((None, None)), segments, segments, segments),
        st.sampled_from([None, 0, 1]),
    ),
    max_size=12,
).map(lambda rows: [said(n, who, *when, channel) for n, (who, when, channel) in enumerate(rows)])


@given(utterances)
def test_two_speakers_are_found_where_any_two_of_their_utterances_share_audio(listed):
    found = shared_stretches(listed)
    expected = {
        frozenset((one.speaker_id, other.speaker_id))
        for one, other in combinations(listed, 2)
        if one.speaker_id != other.speaker_id and share(one, other)
    }
    assert [frozenset((one.speaker_id, other.speaker_id)) for one, other in found] == list(
        dict.fromkeys(frozenset((one.speaker_id, other.speaker_id)) for one, other in found)
    )
    assert {frozenset((one.speaker_id, other.speaker_id)) for one, other in found} == expected
    assert all(share(one, other) for one, other in found)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((0.0, 1.0), (1.0, 2.0)),
        # Times in lists are rounded.
        ((0.0, 1.0004), (1.0, 2.0)),
        ((None, None, 0), (None, None, 1)),
    ],
)
def test_neighbors_and_other_channels_share_nothing(first, second):
    assert shared_stretches([said(0, "a", *first), said(1, "b", *second)]) == []

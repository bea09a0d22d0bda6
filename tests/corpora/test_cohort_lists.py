"""Cohorts cut from a list: each second is used once, each speaker apart, and as much as wanted."""

from __future__ import annotations

import dataclasses
import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speakergmm.corpora import Utterance
from speakergmm.corpora.cohort_lists import (
    MIN_PIECE_S,
    CohortLists,
    cached,
    cohort_lists,
    length_s,
    median_pool_s,
)
from speakergmm.errors import CohortError, ConfigError

LAW = settings(derandomize=True, deadline=None, max_examples=150)

# Seconds that were added and subtracted a few times, in float64.
ROUNDING = 1e-9


class Recordings:
    """A list of utterances, and how long their recordings are."""

    def __init__(self, seconds):
        """Take speaker → the seconds of each recording."""
        self.utterances = {}
        self.seconds = {}
        for speaker, lengths in seconds.items():
            for number, length in enumerate(lengths):
                name = f"{speaker}{number}"
                path = Path(f"{name}.wav")
                self.utterances[name] = Utterance(name, speaker, path)
                self.seconds[path] = length

    def durations(self, path):
        return self.seconds[path]

    def lists(self, enrollment_s, test_s, **options):
        return cohort_lists(
            self.utterances.values(),
            self.durations,
            enrollment_s=enrollment_s,
            test_s=test_s,
            **options,
        )

    def length(self, lists, pool):
        return sum(length_s(lists.utterances[u], self.durations) for u in pool)


def spans(lists, durations):
    """Recording → the spans that the lists use of it, in order."""
    found = {}
    for pool in (*lists.enrollment.values(), *lists.tests.values()):
        for name in pool:
            utterance = lists.utterances[name]
            start = utterance.start_s or 0.0
            end = start + length_s(utterance, durations)
            found.setdefault(utterance.path, []).append((start, end))
    return {path: sorted(used) for path, used in found.items()}


# --- by hand -------------------------------------------------------------------------------------


def test_words_of_a_second_are_pooled_whole():
    words = Recordings({"ann": [1.0] * 10, "bob": [1.0] * 10})
    lists = words.lists(5.0, 2.0)
    assert lists.enrollment == {
        "cohort ann": ("ann0", "ann1", "ann2", "ann3", "ann4"),
        "cohort bob": ("bob0", "bob1", "bob2", "bob3", "bob4"),
    }
    assert lists.tests == {
        "cohort ann, test 1": ("ann5", "ann6"),
        "cohort ann, test 2": ("ann7", "ann8"),
        "cohort bob, test 1": ("bob5", "bob6"),
        "cohort bob, test 2": ("bob7", "bob8"),
    }
    used = {u: v for u, v in words.utterances.items() if not u.endswith("9")}
    assert lists.utterances == used
    assert lists.model_speakers == {"cohort ann": "ann", "cohort bob": "bob"}
    assert set(lists.test_speakers.values()) == {"ann", "bob"}


def test_a_long_recording_is_cut_into_pieces():
    lists = Recordings({"ann": [13.0]}).lists(8.0, 2.0)
    assert lists.enrollment == {"cohort ann": ("ann0 [0.000-8.000]",)}
    assert lists.tests == {
        "cohort ann, test 1": ("ann0 [8.000-10.000]",),
        "cohort ann, test 2": ("ann0 [10.000-12.000]",),
    }
    times = [(u.start_s, u.end_s) for u in lists.utterances.values()]
    assert times == [(0.0, 8.0), (8.0, 10.0), (10.0, 12.0)]
    assert {(u.speaker_id, u.path) for u in lists.utterances.values()} == {
        ("ann", Path("ann0.wav"))
    }
    assert list(lists.utterances) == [u.utterance_id for u in lists.utterances.values()]


def test_a_rest_of_less_than_a_second_is_not_cut_off():
    lists = Recordings({"ann": [8.9, 2.9]}).lists(8.0, 2.0)
    assert lists.enrollment == {"cohort ann": ("ann0",)}
    assert lists.tests == {"cohort ann, test 1": ("ann1",)}


def test_what_is_missing_is_cut_from_the_next_recording():
    lists = Recordings({"ann": [3.0, 10.0]}).lists(5.0, 4.0, tests_per_speaker=1)
    assert lists.enrollment == {"cohort ann": ("ann0", "ann1 [0.000-2.000]")}
    assert lists.tests == {"cohort ann, test 1": ("ann1 [2.000-6.000]",)}


def test_a_segment_of_a_recording_is_cut_within_its_times():
    conversation = Utterance("side", "ann", Path("call.wav"), 100.0, 112.0, session_id="s", sex="f")
    lists = cohort_lists([conversation], lambda _: 300.0, enrollment_s=8.0, test_s=2.0)
    assert [(u.start_s, u.end_s) for u in lists.utterances.values()] == [
        (100.0, 108.0),
        (108.0, 110.0),
        (110.0, 112.0),
    ]
    # Only name, times and marks are the piece's own.
    for piece in lists.utterances.values():
        own = {"utterance_id": "side", "start_s": 100.0, "end_s": 112.0}
        assert dataclasses.replace(piece, **own) == conversation


def test_a_speaker_with_too_little_has_a_model_and_no_test():
    lists = Recordings({"ann": [3.0], "bob": [8.0, 2.0], "eve": [8.0, 0.9]}).lists(8.0, 2.0)
    assert lists.enrollment == {
        "cohort ann": ("ann0",),
        "cohort bob": ("bob0",),
        "cohort eve": ("eve0",),
    }
    # Less than half of what was wanted is no test.
    assert lists.tests == {"cohort bob, test 1": ("bob1",)}
    assert "eve1" not in lists.utterances


def test_at_most_so_many_tests():
    words = Recordings({"ann": [1.0] * 30})
    for number in (1, 2, 7):
        assert len(words.lists(5.0, 2.0, tests_per_speaker=number).tests) == number


# --- laws ----------------------------------------------------------------------------------------

SECONDS = st.floats(0.3, 30.0).map(lambda value: round(value, 2))
SPEAKERS = st.dictionaries(
    st.sampled_from(["ann", "bob", "eve"]), st.lists(SECONDS, min_size=1, max_size=6), min_size=1
)
WANTED = st.floats(0.1, 12.0).map(lambda value: round(value, 2))


def lists_or_none(recordings, enrollment_s, test_s, tests_per_speaker):
    try:
        return recordings.lists(enrollment_s, test_s, tests_per_speaker=tests_per_speaker)
    except CohortError:
        return None


@LAW
@given(SPEAKERS, WANTED, WANTED, st.integers(1, 4))
def test_no_second_is_used_twice_and_none_is_made_up(seconds, enrollment_s, test_s, n_tests):
    recordings = Recordings(seconds)
    lists = lists_or_none(recordings, enrollment_s, test_s, n_tests)
    if lists is None:
        return
    for path, used in spans(lists, recordings.durations).items():
        assert used[0][0] >= 0
        assert used[-1][1] <= recordings.seconds[path] + ROUNDING
        for (_, end), (start, _) in pairwise(used):
            assert end <= start + ROUNDING
        assert all(end > start for start, end in used)
    pools = [*lists.enrollment.values(), *lists.tests.values()]
    names = [name for pool in pools for name in pool]
    assert len(names) == len(set(names))
    assert set(names) == set(lists.utterances)


@LAW
@given(SPEAKERS, WANTED, WANTED, st.integers(1, 4))
def test_models_and_tests_are_of_one_speaker_and_long_enough(seconds, enrollment_s, test_s, n):
    recordings = Recordings(seconds)
    lists = lists_or_none(recordings, enrollment_s, test_s, n)
    if lists is None:
        return
    assert list(lists.enrollment) == [f"cohort {speaker}" for speaker in seconds]
    assert lists.model_speakers == {f"cohort {speaker}": speaker for speaker in seconds}
    for test_id, pool in lists.tests.items():
        speaker = lists.test_speakers[test_id]
        assert re.fullmatch(rf"cohort {speaker}, test [1-{n}]", test_id)
        assert {lists.utterances[name].speaker_id for name in pool} == {speaker}
        assert recordings.length(lists, pool) >= test_s / 2
    # Utterances are whole below a second: only the last of a pool can make it too long.
    wanted = dict.fromkeys(lists.enrollment, enrollment_s) | dict.fromkeys(lists.tests, test_s)
    for pool_id, pool in (lists.enrollment | lists.tests).items():
        last = recordings.length(lists, pool[-1:])
        assert recordings.length(lists, pool) <= wanted[pool_id] + last + ROUNDING


@LAW
@given(st.floats(5.0, 60.0), st.floats(1.0, 5.0), st.floats(1.0, 5.0))
def test_one_long_recording_is_cut_to_what_is_wanted(length, enrollment_s, test_s):
    recordings = Recordings({"ann": [length + enrollment_s + test_s]})
    lists = recordings.lists(enrollment_s, test_s, tests_per_speaker=1)
    pools = lists.enrollment | lists.tests
    got = [recordings.length(lists, pool) for pool in pools.values()]
    assert got == pytest.approx([enrollment_s, test_s], abs=ROUNDING)
    assert min(got) >= MIN_PIECE_S - ROUNDING


def test_pieces_of_names_in_brackets_stay_apart():
    # Two names that differ only in what is in brackets, as programs number copies.
    takes = [Utterance(f"take [{who}]", who, Path(f"{who}.wav")) for who in ("ann", "bob")]
    lists = cohort_lists(takes, lambda _: 10.0, enrollment_s=8.0, test_s=2.0)
    assert lists.model_speakers == {"cohort ann": "ann", "cohort bob": "bob"}
    assert spans(lists, lambda _: 10.0) == {
        Path("ann.wav"): [(0.0, 8.0), (8.0, 10.0)],
        Path("bob.wav"): [(0.0, 8.0), (8.0, 10.0)],
    }


# --- marked speech -------------------------------------------------------------------------------


def clipped(marks, start, end):
    both = [(max(a, start), min(b, end)) for a, b in marks]
    return tuple((a, b) for a, b in both if a < b)


def test_marked_speech_is_carried_to_the_pieces():
    marks = ((0.5, 3.0), (7.0, 9.0), (9.5, 9.75), (10.5, 13.0))
    marked = Utterance("a", "ann", Path("a.wav"), speech_s=marks)
    lists = cohort_lists([marked], lambda _: 13.0, enrollment_s=8.0, test_s=2.0)
    assert len(lists.utterances) == 3
    for piece in lists.utterances.values():
        assert piece.speech_s is not None
        own = clipped(piece.speech_s, piece.start_s, piece.end_s)
        assert own == clipped(marks, piece.start_s, piece.end_s) != ()


def test_an_unmarked_recording_stays_unmarked():
    lists = Recordings({"ann": [13.0]}).lists(8.0, 2.0)
    assert {u.speech_s for u in lists.utterances.values()} == {None}


def test_a_pause_between_marks_is_no_test():
    # A piece without marks would be taken as unmarked, and its pause as speech.
    marked = Utterance("a", "ann", Path("a.wav"), speech_s=((0.5, 7.0), (10.5, 11.5)))
    lists = cohort_lists([marked], lambda _: 13.0, enrollment_s=8.0, test_s=2.0)
    for piece in lists.utterances.values():
        assert piece.speech_s is not None
        assert clipped(piece.speech_s, piece.start_s, piece.end_s)


# --- what is refused -----------------------------------------------------------------------------


def test_no_speech_for_a_test():
    message = (
        "of 2 speakers none has speech for a cohort test: wanted are 8 s for the model and 2.5 s "
        "for the test; give longer recordings, or less for models and tests"
    )
    with pytest.raises(CohortError, match=re.escape(message)):
        Recordings({"ann": [8.0], "bob": [3.0, 5.0]}).lists(8.0, 2.5)


def test_no_utterances():
    with pytest.raises(CohortError, match="of 0 speakers none has speech for a cohort test"):
        cohort_lists([], {}.get, enrollment_s=8.0, test_s=2.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"enrollment_s": 0.0}, r"enrollment_s is 0\.0; expected 0\.1 to 86400 s"),
        ({"enrollment_s": 1e6}, r"enrollment_s is 1000000\.0; expected 0\.1 to 86400 s"),
        ({"test_s": 0.05}, r"test_s is 0\.05; expected 0\.1 to 86400 s"),
        ({"test_s": float("nan")}, r"test_s is nan; expected 0\.1 to 86400 s"),
        ({"tests_per_speaker": 0}, "tests_per_speaker is 0; expected 1 or more"),
        ({"tests_per_speaker": 1.5}, r"tests_per_speaker is 1\.5; expected a whole number"),
    ],
)
def test_settings_out_of_range(options, message):
    with pytest.raises(ConfigError, match=message):
        cohort_lists([], {}.get, **({"enrollment_s": 8.0, "test_s": 2.0} | options))


# --- lengths -------------------------------------------------------------------------------------


def test_length_of_an_utterance():
    path = Path("a.wav")
    lengths = {(None, None): 7.0, (2.0, None): 5.0, (None, 3.0): 3.0, (2.0, 3.5): 1.5}
    for (start_s, end_s), expected in lengths.items():
        assert length_s(Utterance("a", "ann", path, start_s, end_s), lambda _: 7.0) == expected


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [([[4.0]], 4.0), ([[9.0], [1.0], [2.0, 3.0]], 5.0), ([[1.0], [2.0], [3.0], [10.0]], 2.5)],
)
def test_median_of_pools(lengths, expected):
    recordings = Recordings({f"s{i}": seconds for i, seconds in enumerate(lengths)})
    pools = {
        f"m{i}": tuple(f"s{i}{number}" for number in range(len(seconds)))
        for i, seconds in enumerate(lengths)
    }
    assert median_pool_s(pools, recordings.utterances, recordings.durations) == expected


def test_each_recording_is_asked_for_its_length_once():
    asked = []

    def durations(path):
        asked.append(path)
        return 13.0

    utterances = [Utterance(f"a{i}", "ann", Path(f"{i % 2}.wav"), 1.0 * i) for i in range(6)]
    look_up = cached(durations)
    assert [look_up(u.path) for u in utterances] == [13.0] * 6
    cohort_lists(utterances, look_up, enrollment_s=8.0, test_s=2.0)
    assert asked == [Path("0.wav"), Path("1.wav")]


def test_lists_tell_the_speakers_of_models_and_tests():
    pieces = {u: Utterance(u, u[0], Path("x.wav")) for u in ("a1", "a2", "b1")}
    lists = CohortLists(pieces, {"m": ("a1",), "n": ("b1",)}, {"t": ("a2",)})
    assert lists.model_speakers == {"m": "a", "n": "b"}
    assert lists.test_speakers == {"t": "a"}

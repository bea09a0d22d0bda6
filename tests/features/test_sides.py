"""What is normalized and stored as one: names, sharing, and the seconds of speech that count."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speakergmm.corpora import Utterance, read_utterances
from speakergmm.errors import AudioError, ConfigError, FrameStoreError, ManifestError
from speakergmm.features import (
    FrameStore,
    FrontEnd,
    FrontEndConfig,
    cmn,
    extract_features,
    utterance_frames,
)
from speakergmm.features.extraction import extract_sides
from speakergmm.features.reading import side_frames
from speakergmm.features.sides import Side, is_pooled, pooled_sides, training_sides

ALONE = FrontEndConfig(n_mels=24, n_mfcc=12, normalization="cmn")
TOGETHER = dataclasses.replace(ALONE, normalization_over="side")
PLAIN = dataclasses.replace(ALONE, normalization="none")

each_config = pytest.mark.parametrize(
    "config", [PLAIN, ALONE, TOGETHER], ids=["plain", "alone", "together"]
)


def utterance(name, speaker="ann", session=""):
    return Utterance(name, speaker, Path(f"{name}.wav"), session_id=session)


LISTED = {
    u.utterance_id: u
    for u in (
        utterance("a1", session="1"),
        utterance("b1", "bob"),
        utterance("a2", session="2"),
        utterance("a3", session="1"),
        utterance("b2", "bob"),
    )
}


def swelling(path, seconds=1.0, seed=0, rate=16_000):
    """Noise that swells and dies away three times a second."""
    n_samples = round(seconds * rate)
    phase = 3 * np.arange(n_samples) / rate
    level = 0.1 * 10 ** (-2 * (1 - np.cos(2 * np.pi * phase)))
    soundfile.write(path, level * np.random.default_rng(seed).normal(size=n_samples), rate)
    return path


@pytest.fixture
def recorded(tmp_path):
    """Five utterances of one speaker, of different lengths."""
    lengths = [1.0, 0.7, 1.3, 0.5, 0.9]
    return {
        f"u{i}": Utterance(f"u{i}", "ann", swelling(tmp_path / f"u{i}.wav", seconds, i))
        for i, seconds in enumerate(lengths)
    }


# --- names ---


def test_sides_are_together_only_where_something_is_normalized():
    assert is_pooled(TOGETHER)
    assert not is_pooled(ALONE)
    assert not is_pooled(PLAIN)
    assert not is_pooled(dataclasses.replace(TOGETHER, normalization="none"))


@pytest.mark.parametrize("config", [PLAIN, ALONE])
def test_each_training_utterance_is_a_side_of_its_own(config):
    sides = training_sides(LISTED.values(), config)
    assert sides == [Side(name, (member,)) for name, member in LISTED.items()]


def test_training_utterances_of_a_session_are_a_side_where_sides_are_together():
    sides = training_sides(iter(LISTED.values()), TOGETHER)
    members = {side.name: [u.utterance_id for u in side.utterances] for side in sides}
    assert members == {
        "speaker 'ann', session '1'": ["a1", "a3"],
        "speaker 'bob', session 'b1.wav'": ["b1"],
        "speaker 'bob', session 'b2.wav'": ["b2"],
        "speaker 'ann', session '2'": ["a2"],
    }
    assert list(members)[1] == "speaker 'bob', session 'b1.wav'"
    assert {side.speech_s for side in sides} == {None}


POOLS = {"m1": ("a1", "a3"), "m2": ("b1",), "m3": ("a3", "a2", "a1")}


@pytest.mark.parametrize("config", [PLAIN, ALONE])
def test_utterances_that_are_normalized_alone_stand_in_the_store_once(config):
    sides, names = pooled_sides(POOLS, LISTED, config, "enrollment")
    assert [side.name for side in sides] == ["a1", "a3", "b1", "a2"]
    assert all(side.utterances == (LISTED[side.name],) for side in sides)
    assert names == POOLS


def test_a_pool_is_a_side_where_sides_are_together():
    sides, names = pooled_sides(POOLS, LISTED, TOGETHER, "enrollment")
    members = {side.name: tuple(u.utterance_id for u in side.utterances) for side in sides}
    assert members == {
        "enrollment m1": ("a1", "a3"),
        # An utterance alone is the same in every list.
        "b1": ("b1",),
        "enrollment m3": ("a3", "a2", "a1"),
    }
    assert names == {"m1": ("enrollment m1",), "m2": ("b1",), "m3": ("enrollment m3",)}
    _, of_tests = pooled_sides({"t1": ("b1",), "t2": ("a1", "a2")}, LISTED, TOGETHER, "test")
    assert of_tests == {"t1": ("b1",), "t2": ("test t2",)}


@each_config
def test_so_many_seconds_of_speech_are_a_side_for_each_pool(config):
    sides, names = pooled_sides(POOLS, LISTED, config, "test", speech_s=2.5)
    assert [side.name for side in sides] == ["test m1", "test m2", "test m3"]
    assert {side.speech_s for side in sides} == {2.5}
    assert sides[2].utterances == (LISTED["a3"], LISTED["a2"], LISTED["a1"])
    assert names == {pool: (f"test {pool}",) for pool in POOLS}


# --- frames ---


def test_frames_of_a_side_are_normalized_together_or_alone(recorded):
    members = tuple(recorded.values())
    parts = [utterance_frames(member, FrontEnd(PLAIN)) for member in members]
    side = Side("s", members)
    together, recording_s, _ = side_frames(side, FrontEnd(TOGETHER))
    np.testing.assert_array_equal(together, cmn(np.concatenate(parts)))
    alone, *_ = side_frames(side, FrontEnd(ALONE))
    np.testing.assert_array_equal(alone, np.concatenate([cmn(part) for part in parts]))
    assert recording_s == pytest.approx(4.4)


@each_config
@pytest.mark.parametrize("frames", ["speech", "all"])
def test_speech_is_cut_at_exactly_so_many_frames(config, frames, recorded):
    config = dataclasses.replace(config, normalization_frames=frames)
    front_end, plain = FrontEnd(config), FrontEnd(PLAIN)
    members = tuple(recorded.values())
    sizes = np.cumsum([len(utterance_frames(member, plain)) for member in members])
    everything = np.concatenate([utterance_frames(member, plain) for member in members])
    # Within the first, at its end, one more, within the third, all, and more than there is.
    for wanted in (1, sizes[0], sizes[0] + 1, sizes[1] + 7, sizes[-1], sizes[-1] + 50):
        side = Side("s", members, speech_s=float(wanted) / 100)
        found, recording_s, _ = side_frames(side, front_end)
        assert len(found) == min(wanted, sizes[-1])
        n_used = min(1 + int(np.searchsorted(sizes, wanted)), len(members))
        used = sum(len(soundfile.read(member.path)[0]) for member in members[:n_used]) / 16_000
        assert recording_s == pytest.approx(used)
        if config.normalization == "none":
            np.testing.assert_array_equal(found, everything[:wanted])
        elif frames == "speech" and config.normalization_over == "side":
            np.testing.assert_array_equal(found, cmn(everything[:wanted]))


def test_utterances_after_the_last_that_is_wanted_are_not_read(recorded, tmp_path):
    missing = Utterance("u9", "ann", tmp_path / "gone.wav")
    side = Side("s", (recorded["u0"], missing), speech_s=0.1)
    frames, *_ = side_frames(side, FrontEnd(PLAIN))
    assert len(frames) == 10
    with pytest.raises(AudioError, match=r"utterance u9: .*gone\.wav: no such file"):
        side_frames(dataclasses.replace(side, speech_s=None), FrontEnd(PLAIN))


def test_what_is_wrong_with_a_side_names_the_utterance(recorded, tmp_path):
    short = Utterance("short", "ann", swelling(tmp_path / "short.wav", 0.01))
    with pytest.raises(AudioError, match=r"^utterance short: .*short\.wav: too short: 10\.0 ms"):
        side_frames(Side("s", (recorded["u1"], short)), FrontEnd(TOGETHER))
    loud = Utterance("loud", "ann", tmp_path / "loud.wav")
    samples = 1e30 * np.random.default_rng(0).normal(size=4000)
    soundfile.write(loud.path, samples, 16_000, subtype="FLOAT")
    with pytest.raises(
        AudioError, match=r"^utterance loud: .*loud\.wav: its frames are not finite"
    ):
        side_frames(Side("s", (recorded["u1"], loud)), FrontEnd(TOGETHER))


def test_marked_speech_is_counted_from_the_recordings_start(recorded):
    whole = utterance_frames(recorded["u2"], FrontEnd(dataclasses.replace(PLAIN, vad="none")))
    marked = dataclasses.replace(recorded["u2"], speech_s=((0.5, 0.7), (1.0, 1.05)))
    frames = utterance_frames(marked, FrontEnd(PLAIN))
    np.testing.assert_array_equal(frames, whole[[*range(50, 70), *range(100, 105)]])
    cut_out = dataclasses.replace(marked, start_s=0.25, end_s=1.2)
    part = dataclasses.replace(cut_out, speech_s=None)
    whole = utterance_frames(part, FrontEnd(dataclasses.replace(PLAIN, vad="none")))
    frames = utterance_frames(cut_out, FrontEnd(PLAIN))
    np.testing.assert_array_equal(frames, whole[[*range(25, 45), *range(75, 80)]])
    outside = dataclasses.replace(cut_out, speech_s=((0.0, 0.2), (1.25, 1.3)))
    with pytest.raises(AudioError, match=r"utterance u2: .*u2\.wav: none of its frames lies in"):
        utterance_frames(outside, FrontEnd(PLAIN))


# --- stores ---


@each_config
def test_a_store_of_sides_holds_their_frames(config, recorded, tmp_path):
    pools = {"m1": ("u0", "u1"), "m2": ("u2",), "m3": ("u1", "u3", "u4")}
    sides, names = pooled_sides(pools, recorded, config, "enrollment")
    store, n_computed = extract_sides(sides, tmp_path / "store", config)
    assert n_computed == len(sides)
    assert list(store.places) == [side.name for side in sides]
    assert not store.left_out
    front_end = FrontEnd(config)
    for side in sides:
        frames, *_ = side_frames(side, front_end)
        np.testing.assert_array_equal(store.frames(side.name), frames)
    for pool, members in pools.items():
        expected, *_ = side_frames(Side("", tuple(recorded[u] for u in members)), front_end)
        np.testing.assert_array_equal(store.pooled(names[pool]), expected)
    assert extract_sides(sides, tmp_path / "store", config)[1] == 0
    opened = FrameStore.open(tmp_path / "store")
    assert opened.places == store.places
    assert opened.front_end == config


def test_a_background_store_holds_sessions_where_sides_are_together(small_corpus, tmp_path):
    utterances = read_utterances(small_corpus / "utterances.csv")
    store, n_computed = extract_features(utterances, tmp_path, TOGETHER)
    sessions = {(u.speaker_id, u.session_id) for u in utterances.values()}
    assert len(store.places) == n_computed == len(sessions)
    speaker, session = next(iter(sessions))
    members = [
        u for u in utterances.values() if (u.speaker_id, u.session_id) == (speaker, session)
    ]  # fmt: skip
    parts = [utterance_frames(member, FrontEnd(PLAIN)) for member in members]
    name = f"speaker {speaker!r}, session {session!r}"
    np.testing.assert_array_equal(store.frames(name), cmn(np.concatenate(parts)))
    with pytest.raises(FrameStoreError, match="no frames of utterance"):
        store.select([members[0].utterance_id])


def test_seconds_of_recordings_and_of_speech(recorded, tmp_path):
    store, _ = extract_features(recorded, tmp_path / "store", PLAIN)
    assert store.recording_s == pytest.approx(4.4)
    assert store.speech_s == pytest.approx(store.n_frames / 100)
    assert 0 < store.speech_s < store.recording_s
    part = store.select(["u3", "u0"])
    assert part.recording_s == pytest.approx(1.5)
    frames = [len(utterance_frames(recorded[name], FrontEnd(PLAIN))) for name in ("u3", "u0")]
    assert part.speech_s == pytest.approx(sum(frames) / 100)
    assert store.places["u2"].recording_s == pytest.approx(1.3)
    cut_out = {"c": dataclasses.replace(recorded["u2"], utterance_id="c", start_s=0.5, end_s=0.9)}
    assert extract_features(cut_out, tmp_path / "cut", PLAIN)[0].recording_s == pytest.approx(0.4)


@pytest.mark.parametrize("changed", ["speech_s", "members", "order", "marks", "segment"])
def test_what_a_side_is_made_of_is_in_its_key(changed, recorded, tmp_path):
    first, second, third = (recorded[name] for name in ("u0", "u1", "u2"))
    side = Side("s", (first, second), speech_s=0.5)
    other = {
        "speech_s": Side("s", (first, second), speech_s=0.51),
        "members": Side("s", (first, third), speech_s=0.5),
        "order": Side("s", (second, first), speech_s=0.5),
        "marks": Side("s", (dataclasses.replace(first, speech_s=((0.1, 0.9),)), second), 0.5),
        "segment": Side("s", (dataclasses.replace(first, start_s=0.1), second), 0.5),
    }[changed]
    before, _ = extract_sides([side], tmp_path / "store", TOGETHER)
    after, n_computed = extract_sides([other], tmp_path / "store", TOGETHER)
    assert n_computed == 1
    assert after.digest() != before.digest()


def test_names_of_utterances_are_not_in_the_key(recorded, tmp_path):
    one, _ = extract_sides([Side("s", (recorded["u0"],))], tmp_path / "one", PLAIN)
    renamed = dataclasses.replace(recorded["u0"], utterance_id="other", speaker_id="bob")
    other, _ = extract_sides([Side("s", (renamed,))], tmp_path / "other", PLAIN)
    assert one.digest() == other.digest()


def test_no_sides_and_unknown_ways_are_refused(recorded, tmp_path):
    with pytest.raises(FrameStoreError, match="there are no utterances; expected a list"):
        extract_sides([], tmp_path / "store", PLAIN)
    with pytest.raises(ConfigError, match="on_error is 'ignore'; expected one of 'stop', 'skip'"):
        extract_features(recorded, tmp_path / "store", PLAIN, on_error="ignore")
    assert not (tmp_path / "store").exists()


# --- degraded samples ---


@dataclasses.dataclass
class Louder:
    """Doubles the samples, and remembers whose they were."""

    digest: str = "louder"
    seen: list = dataclasses.field(default_factory=list)

    def __call__(self, samples, sample_rate, utterance_id):
        self.seen.append((utterance_id, sample_rate, len(samples), samples.dtype.name))
        return samples * np.float32(2.0)


@each_config
def test_samples_are_degraded_before_all_else(config, recorded, tmp_path):
    sides, _ = pooled_sides({"m1": ("u0", "u1"), "m2": ("u2",)}, recorded, config, "test")
    plain, _ = extract_sides(sides, tmp_path / "plain", config)
    louder = Louder()
    store, _ = extract_sides(sides, tmp_path / "louder", config, degrade=louder, jobs=1)
    # Whole utterances, at the rate of the recording, each by its name.
    assert sorted(louder.seen) == [
        ("u0", 16_000, 16_000, "float32"),
        ("u1", 16_000, 11_200, "float32"),
        ("u2", 16_000, 20_800, "float32"),
    ]
    assert store.digest() != plain.digest()
    for name in plain.places:
        # Twice as loud: the same frames but for c0, which is 6 dB up in all of 24 bands.
        difference = store.frames(name) - plain.frames(name)
        step = 20 * np.log10(2) * np.sqrt(24) if config.normalization == "none" else 0.0
        np.testing.assert_allclose(difference[:, 0], step, rtol=0, atol=2e-2)
        np.testing.assert_allclose(difference[:, 1:], 0, rtol=0, atol=2e-3)


def test_degradation_is_in_the_key_with_the_utterances_name(recorded, tmp_path):
    side = Side("s", (recorded["u0"],))

    def digest(side, degrade, folder):
        store, n_computed = extract_sides([side], tmp_path / folder, PLAIN, degrade=degrade)
        return store.digest(), n_computed

    one, _ = digest(side, Louder(), "store")
    assert digest(side, Louder(), "store") == (one, 0)
    other, n_computed = digest(side, Louder("louder still"), "store")
    assert (other != one, n_computed) == (True, 1)
    plain, n_computed = digest(side, None, "store")
    assert (plain in (one, other), n_computed) == (False, 1)
    # The random draws come from the name.
    renamed = Side("s", (dataclasses.replace(recorded["u0"], utterance_id="other"),))
    assert digest(renamed, Louder(), "renamed")[0] != one


def test_only_the_segment_is_degraded(recorded, tmp_path):
    louder = Louder()
    cut_out = dataclasses.replace(recorded["u2"], start_s=0.5, end_s=0.75)
    side_frames(Side("s", (cut_out,)), FrontEnd(PLAIN), louder)
    assert louder.seen == [("u2", 16_000, 4_000, "float32")]


def test_what_degrading_makes_impossible_names_the_utterance(recorded, tmp_path):
    class Shortened(Louder):
        def __call__(self, samples, sample_rate, utterance_id):
            return samples[:100]

    with pytest.raises(AudioError, match=r"utterance u1: .*too short"):
        extract_sides([Side("s", (recorded["u1"],))], tmp_path / "s", PLAIN, degrade=Shortened())


def test_an_utterance_that_is_called_as_a_test_is_refused():
    utterances = {name: utterance(name) for name in ("a", "b", "test t1")}
    pools = {"t1": ("a", "b"), "t2": ("test t1",)}
    with pytest.raises(ManifestError, match="two different things are called 'test t1'"):
        pooled_sides(pools, utterances, TOGETHER, "test")


def test_what_is_degraded_to_silence_is_refused(tmp_path):
    samples = np.concatenate([np.zeros(8000), 0.1 * np.random.default_rng(0).normal(size=8000)])
    soundfile.write(tmp_path / "late.wav", samples, 16_000)
    late = Utterance("late", "ann", tmp_path / "late.wav")

    class Cut:
        digest = "cut"

        def __call__(self, samples, sample_rate, utterance_id):
            return samples[:4000]

    with pytest.raises(AudioError, match=r"^utterance late: .*late\.wav: silent"):
        side_frames(Side("late", (late,)), FrontEnd(PLAIN), Cut())

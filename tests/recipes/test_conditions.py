"""Conditions as text: what is read is what is written, and each has a folder of its own."""

from __future__ import annotations

import dataclasses
import itertools
import re

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from speakergmm.audio.codecs import MP3_KBPS
from speakergmm.audio.degradation import STEPS, Degradation, Step
from speakergmm.audio.noises import NoisePool
from speakergmm.errors import AudioError, ConfigError
from speakergmm.recipes import Condition
from speakergmm.recipes.conditions import ROLES, Degrader

CLEAN = Condition(Degradation(), ())


def parsed(text):
    condition = Condition.parse(text)
    return str(condition.degradation), condition.roles, condition.speech_s


def numbers(low, high):
    # More digits than anybody writes.
    return st.floats(low, high).map(lambda value: round(value, 6))


@st.composite
def steps(draw):
    name = draw(st.sampled_from([name for name in STEPS if name != "clean"]))
    takes = STEPS[name]
    if takes is None:
        return Step(name)
    if name == "mp3":
        return Step(name, float(draw(st.sampled_from(MP3_KBPS))))
    return Step(name, draw(numbers(takes.low, takes.high)))


@st.composite
def conditions(draw):
    chain = tuple(draw(st.lists(steps(), max_size=3)))
    speech_s = draw(st.none() | numbers(0.05, 86_400))
    if not chain and speech_s is None:
        return CLEAN
    # Seconds of speech are those of an enrollment or a test.
    choices = ROLES if speech_s is None else ROLES[1:]
    roles = draw(st.sets(st.sampled_from(choices), min_size=1))
    if chain and draw(st.booleans()):
        roles |= {"background"}
    return Condition(Degradation(chain), tuple(r for r in ROLES if r in roles), speech_s)


# --- reading and writing ---


@given(conditions())
def test_what_is_written_is_read_again(condition):
    assert Condition.parse(str(condition)) == condition


@given(conditions())
def test_spaces_and_the_order_of_roles_do_not_matter(condition):
    steps_text, at, roles = str(condition).partition("@")
    spaced = steps_text.replace("+", " + ").replace(":", " : ")
    if at:
        spaced += " @ " + " + ".join(reversed(roles.split("+")))
    assert Condition.parse(f" {spaced} ") == condition


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("clean", ("clean", (), None)),
        ("clean@test", ("clean", (), None)),
        ("noise:10", ("noise:10", ("test",), None)),
        ("multisession", ("multisession", ROLES, None)),
        ("multisession+noise:20", ("multisession+noise:20", ROLES, None)),
        ("multisession@test", ("multisession", ("test",), None)),
        ("cut:3+opus:8@test", ("cut:3+opus:8", ("test",), None)),
        ("telephone@enrollment+test", ("telephone", ("enrollment", "test"), None)),
        ("telephone@test+enrollment", ("telephone", ("enrollment", "test"), None)),
        ("telephone@all", ("telephone", ROLES, None)),
        ("telephone@test+background+enrollment", ("telephone", ROLES, None)),
        ("speech:2", ("clean", ("test",), 2.0)),
        ("speech:2@enrollment+test", ("clean", ("enrollment", "test"), 2.0)),
        ("telephone+speech:0.5+mulaw", ("telephone+mulaw", ("test",), 0.5)),
        ("speech:2+multisession", ("multisession", ROLES, 2.0)),
    ],
)
def test_what_is_done_and_to_which_speech(text, expected):
    assert parsed(text) == expected


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("clean", "clean"),
        ("noise:10.0@test", "noise:10"),
        ("noise:-0", "noise:0"),
        ("multisession@all", "multisession"),
        ("multisession@background+enrollment+test", "multisession"),
        ("telephone@enrollment+background+test", "telephone@all"),
        ("speech:2+telephone", "telephone+speech:2"),
        ("clean+gain:-6@test+enrollment", "gain:-6@enrollment+test"),
    ],
)
def test_one_spelling_for_one_condition(text, written):
    assert str(Condition.parse(text)) == written


def test_only_clean_is_clean():
    assert Condition.parse("clean").is_clean
    assert Condition.parse("clean") == CLEAN
    for text in ("gain:0", "speech:9", "multisession", "telephone@background"):
        assert not Condition.parse(text).is_clean


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nois:10", "'nois:10': unknown step 'nois'; did you mean 'noise'"),
        ("reverb", "'reverb': unknown step 'reverb'; known are clean, noise, cut, telephone"),
        ("noise", "step 'noise' has no value; expected noise:SNR_DB, such as noise:10"),
        ("noise:loud", "step 'noise': SNR_DB is 'loud'; expected -50 to 100 dB"),
        ("noise:nan", "SNR_DB is nan; expected -50 to 100 dB"),
        ("noise:101", r"SNR_DB is 101\.0; expected -50 to 100 dB"),
        ("telephone:3", r"step 'telephone' has the value 3\.0; expected none"),
        ("mp3:33", r"step 'mp3': KBPS is 33\.0; expected one of 8\.0, "),
        ("telephone+", "unknown step ''"),
        ("speech", "'speech': speech has the value ''; expected 0.05 to 86,400 s, such as"),
        ("speech:0", r"speech has the value '0'; expected 0\.05 to 86,400 s"),
        ("speech:inf", "speech has the value 'inf'; expected 0"),
        ("speech:1+speech:2", "'speech:1[+]speech:2': speech stands there twice; expected once"),
        ("noise:10@tests", "condition 'noise:10@tests': unknown role 'tests'; expected background"),
        ("noise:10@tests", "; expected background, enrollment, test, joined by [+], or all"),
        ("noise:10@", "unknown role ''"),
        ("noise:10@test+", "unknown role ''"),
        ("noise:10@all+test", "unknown role 'all'"),
        ("noise:10@test@all", "unknown role 'test@all'"),
        ("clean@nobody", "unknown role 'nobody'"),
    ],
)  # fmt: skip
def test_what_is_no_condition(text, message):
    with pytest.raises(ConfigError, match=message):
        Condition.parse(text)


@pytest.mark.parametrize("text", ["", " ", "@test", "speech:2+"])
def test_an_empty_step_is_no_step(text):
    with pytest.raises(ConfigError, match="unknown step ''"):
        Condition.parse(text)


def test_a_misspelt_speech_is_told_what_there_is():
    with pytest.raises(ConfigError, match=r"'speach:2': unknown step 'speach'; .*speech"):
        Condition.parse("speach:2")
    with pytest.raises(ConfigError, match="'long'"):
        Condition.parse("speech:long")


def test_seconds_of_speech_are_not_of_the_background():
    # Its utterances are neither an enrollment nor a test: the condition would change nothing.
    for text in ("speech:2@background", "telephone+speech:2@background"):
        with pytest.raises(ConfigError, match=r"speech:2@background.*enrollment"):
            Condition.parse(text)


# --- folders ---


@given(conditions())
def test_folders_have_safe_names(condition):
    assert re.fullmatch(r"[a-z0-9][a-zA-Z0-9._-]*", condition.folder)
    assert len(condition.folder) < 250


@given(conditions(), conditions())
def test_other_conditions_have_other_folders(one, other):
    assert (one.folder == other.folder) == (one == other)


SIMILAR = [
    "clean", "noise:5", "noise:-5", "noise:0.5", "noise:50", "gain:20", "gain:-20", "speech:1",
    "speech:1.0000001", "cut:1", "cut:10", "cut:1.5", "multisession", "multisession@test",
    "telephone", "telephone@all", "telephone@enrollment", "telephone@enrollment+test",
    "telephone+mulaw", "mulaw+telephone", "telephone+telephone", "noise:10+noise:10",
    "noise:10", "noise:-10@all", "noise:10@all",
]  # fmt: skip


def test_similar_conditions_have_other_folders():
    for one, other in itertools.combinations(map(Condition.parse, SIMILAR), 2):
        assert one.folder != other.folder, (str(one), str(other))
        # Not every file system tells capitals apart.
        assert one.folder.lower() != other.folder.lower()


# --- degrading ---


@pytest.fixture(scope="module")
def pools(tmp_path_factory):
    """Two folders with noises of the same names but other content."""
    loaded = []
    for seed in (0, 1):
        folder = tmp_path_factory.mktemp("noise")
        rng = np.random.default_rng(seed)
        for name, rate in (("hiss", 16_000), ("hum", 8_000)):
            soundfile.write(folder / f"{name}.wav", 0.1 * rng.normal(size=rate), rate)
        loaded.append(NoisePool.load(folder))
    return loaded


def degrader(text, noises=None, seed=0):
    return Degrader(Degradation.parse(text), noises, seed)


def test_digest_tells_degraders_apart(pools):
    one, other = pools
    degraders = [
        degrader("noise:10", one),
        degrader("noise:10", one, 1),
        degrader("noise:10", other),
        degrader("noise:11", one),
        degrader("noise:10+telephone", one),
        degrader("telephone+noise:10", one),
        degrader("multisession", one),
        degrader("multisession", other),
        degrader("telephone"),
    ]
    assert len({each.digest for each in degraders}) == len(degraders)
    assert degrader("noise:10.0", one).digest == degraders[0].digest


def test_noises_that_are_not_needed_are_not_in_the_digest(pools):
    one, other = pools
    digests = {degrader("telephone+gain:3", pool).digest for pool in (None, one, other)}
    assert len(digests) == 1


def test_the_same_digest_gives_the_same_samples(pools):
    samples = np.random.default_rng(3).normal(size=4_000).astype(np.float32)
    first, second = pools
    reloaded = dataclasses.replace(first)
    a = degrader("noise:10", first)(samples, 16_000, "u1")
    np.testing.assert_array_equal(degrader("noise:10", reloaded)(samples, 16_000, "u1"), a)
    for changed in (degrader("noise:10", first, 1), degrader("noise:10", second)):
        assert not np.array_equal(changed(samples, 16_000, "u1"), a)
    assert not np.array_equal(degrader("noise:10", first)(samples, 16_000, "u2"), a)
    # By hand, where nothing is drawn.
    by_hand = np.float32(10 ** (-6 / 20)) * samples[:1_600]
    np.testing.assert_array_equal(degrader("cut:0.1+gain:-6")(samples, 16_000, "u1"), by_hand)


def test_samples_that_cannot_be_degraded():
    with pytest.raises(AudioError, match="utterance u1: some samples are NaN"):
        degrader("telephone")(np.array([0.0, np.nan], dtype=np.float32), 16_000, "u1")

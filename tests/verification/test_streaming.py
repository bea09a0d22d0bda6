"""A stream is the verification of what was heard so far, again and again, until it is sure."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from speakergmm.corpora import read_utterances
from speakergmm.errors import AudioError, ConfigError, MissingError
from speakergmm.recipes import load_settings, train_on_list
from speakergmm.verification import Verifier
from speakergmm.verification.calibration import Calibration
from speakergmm.verification.calibration_record import CalibrationRecord
from speakergmm.verification.expected_errors import ExpectedErrors, expected_at
from speakergmm.verification.sequential import SequentialTest
from speakergmm.verification.streaming import StreamConfig

RATE = 16_000
NEVER = StreamConfig(test=None)
BLOCK = RATE // 10


@pytest.fixture(scope="module")
def speech(small_corpus):
    """Six seconds of two speakers that the background model has not heard; they begin at once."""
    utterances = read_utterances(small_corpus / "utterances.csv").values()
    found = {}
    for name in ("s11", "s12"):
        own = [u for u in utterances if u.speaker_id == name]
        found[name] = np.concatenate([soundfile.read(u.path, dtype="float32")[0] for u in own])
    return {name: samples[: 6 * RATE] for name, samples in found.items()}


@pytest.fixture(scope="module")
def plain(small_corpus, speech, tmp_path_factory):
    """A verifier without calibration that knows one of them."""
    folder = tmp_path_factory.mktemp("streams")
    ubm = folder / "ubm.safetensors"
    train_on_list(
        small_corpus / "utterances.csv",
        ubm,
        load_settings(None, {"ubm.n_components": "4"}),
        split="background",
    )
    verifier = Verifier.load(ubm, folder / "speakers.db")
    verifier.enroll("alice", [(speech["s11"][: 3 * RATE], RATE)])
    return verifier


def calibrated(plain, speech, *, nats=40.0, lengths=(0.5, 5.0)):
    """Calibrate so that whole streams of the two are about so many nats apart, about 0.

    What a score of little speech is worth is less.
    """
    own, other = (
        plain.verify("alice", (speech[name], RATE), threshold=0).score for name in ("s11", "s12")
    )
    scale = nats / (own - other)
    offset = -scale * (own + other) / 2
    table = tuple(
        ExpectedErrors(length, 0.02, 0.1, 0.01, share * scale, share * offset, 100, 1000)
        for length, share in zip(lengths, np.linspace(0.5, 0.9, len(lengths)), strict=True)
    )
    record = CalibrationRecord(
        Calibration(scale, offset), (None,), "trials", 0.5, 100, 1000, 20,
        threshold=1.0, expected=table, measured_on="trials",
    )  # fmt: skip
    return Verifier(dataclasses.replace(plain.system, calibration=record), plain.store)


@pytest.fixture(scope="module")
def verifier(plain, speech):
    """A verifier that knows what little speech is worth, and soon is sure."""
    return calibrated(plain, speech)


def pushed(stream, samples, block=BLOCK):
    """Push samples until it is decided; give the answers."""
    found = []
    for start in range(0, len(samples), block):
        answer = stream.push(samples[start : start + block])
        if answer is not None:
            found.append(answer)
        if stream.is_decided:
            break
    return found


def same(answer, expected):
    """Compare two verifications bit for bit."""
    for field in dataclasses.fields(expected):
        if field.name != "recording":
            assert getattr(answer, field.name) == getattr(expected, field.name), field.name


# --- the same as a verification ---


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sizes=st.lists(st.integers(0, 2 * RATE), min_size=1, max_size=12),
    name=st.sampled_from(["s11", "s12"]),
)
def test_packets_do_not_matter(verifier, speech, sizes, name):
    samples = speech[name][: 3 * RATE]
    stream = verifier.stream("alice", RATE, config=NEVER)
    for part in np.split(samples, np.minimum(np.cumsum(sizes), len(samples))):
        stream.push(part)
    same(stream.finish(), verifier.verify("alice", (samples, RATE)))


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_a_wav_file_in_packets(verifier, speech, tmp_path, kind):
    path = tmp_path / "speech.wav"
    soundfile.write(path, speech["s11"], RATE, subtype="FLOAT")
    stream = verifier.stream("alice", RATE, config=NEVER)
    pushed(stream, speech["s11"].astype(kind))
    same(stream.finish(), verifier.verify("alice", path))


def test_each_answer_is_that_of_what_was_heard_so_far(verifier, speech):
    table = verifier.system.calibration.expected
    for name, samples in speech.items():
        answers = pushed(verifier.stream("alice", RATE, config=NEVER), samples, 777)
        assert len(answers) > 5
        for answer in answers:
            so_far = samples[: round(answer.heard_s * RATE)]
            expected = verifier.verify("alice", (so_far, RATE))
            worth = expected_at(table, expected.speech_s)
            assert answer.speech_s == expected.speech_s
            assert answer.score == expected.score
            assert answer.llr == expected.llr == worth.scale * expected.score + worth.offset
            assert answer.accepted == expected.accepted == (answer.llr >= expected.threshold)
            assert answer.decided is None, name


def test_stereo_and_other_rates(verifier, speech):
    stereo = np.stack([speech["s11"], speech["s12"][: len(speech["s11"])]], axis=1)
    for samples, rate in ((stereo, RATE), (speech["s11"], 22_050), (speech["s11"][:, None], RATE)):
        stream = verifier.stream("alice", rate, config=NEVER)
        pushed(stream, samples)
        same(stream.finish(), verifier.verify("alice", (samples, rate)))


def test_the_callers_buffer_may_be_used_again(verifier, speech):
    stream, buffer = verifier.stream("alice", RATE, config=NEVER), np.empty(BLOCK, np.float32)
    n = 2 * RATE // BLOCK * BLOCK
    for start in range(0, n, BLOCK):
        buffer[:] = speech["s11"][start : start + BLOCK]
        stream.push(buffer)
    buffer[:] = 0
    same(stream.finish(), verifier.verify("alice", (speech["s11"][:n], RATE)))


# --- when it answers ---


@pytest.mark.parametrize("every_s", [0.2, 0.5, 1.3])
@pytest.mark.parametrize("growth", [0.0, 0.1, 1.0])
def test_answers_come_in_time(verifier, speech, every_s, growth):
    config = StreamConfig(every_s=every_s, growth=growth, test=None)
    answers = pushed(verifier.stream("alice", RATE, config=config), speech["s11"], RATE // 20)
    times = [0.0, *(answer.heard_s for answer in answers)]
    for before, after in itertools.pairwise(times):
        due = before + max(every_s, growth * before)
        assert due <= after + 1e-9 < due + 0.05 + 1e-6
    assert len(speech["s11"]) / RATE < times[-1] + max(every_s, growth * times[-1]) + 0.05


def test_the_work_stays_in_proportion():
    # Each answer looks at all that was heard: of ten minutes some eleven times as much in all.
    config, heard_s, looked_at = StreamConfig(), 0.0, 0.0
    while (heard_s := config.next_answer_s(heard_s)) <= 600:
        looked_at += heard_s
    assert looked_at < 600 * (1 + 1 / config.growth)


def test_silence_first(verifier, speech):
    silence = np.zeros(2 * RATE, np.float32)
    samples = np.concatenate([silence, speech["s11"]])
    stream = verifier.stream("alice", RATE, config=NEVER)
    answers = pushed(stream, samples)
    quiet = [answer for answer in answers if answer.heard_s <= 2.0]
    assert quiet
    for a in quiet:
        assert (a.score, a.llr, a.accepted, a.speech_s) == (None, None, None, 0.0)
    assert None not in (answers[-1].score, answers[-1].llr)
    same(stream.finish(), verifier.verify("alice", (samples, RATE)))


# --- when it stops ---


@pytest.mark.parametrize(("name", "decided"), [("s11", "accepted"), ("s12", "rejected")])
def test_it_stops_when_two_answers_in_a_row_are_sure(verifier, speech, name, decided):
    stream = verifier.stream("alice", RATE)
    assert stream.can_stop
    answers = pushed(stream, speech[name])
    test, config = stream.config.test, stream.config
    said = [
        test.decide(a.llr, stream.threshold)
        for a in answers
        if a.llr is not None and a.speech_s >= config.min_speech_s
    ]
    assert said[-2:] == [decided, decided]
    assert [a.decided for a in answers] == [None] * (len(answers) - 1) + [decided]
    assert answers[-1].heard_s < len(speech[name]) / RATE
    with pytest.raises(ConfigError, match="the stream is decided"):
        stream.push(speech[name][:BLOCK])
    end = stream.finish()
    assert (end.accepted, end.llr) == (decided == "accepted", answers[-1].llr)


@pytest.mark.parametrize("name", ["s11", "s12"])
def test_the_end_says_what_was_decided(plain, speech, name):
    # Of whole tests, such a score would be no match; of so little speech it may be one.
    sure = calibrated(plain, speech)
    record = sure.system.calibration
    first, last = record.expected
    # More speech would be worth asking for.
    table = (dataclasses.replace(first, eer=0.3), dataclasses.replace(last, eer=0.01))
    strict = dataclasses.replace(record, calibration=Calibration(1.0, -1000.0), expected=table)
    sure = Verifier(dataclasses.replace(sure.system, calibration=strict), plain.store)
    stream = sure.stream("alice", RATE)
    answer = pushed(stream, speech[name])[-1]
    assert answer.decided == ("accepted" if name == "s11" else "rejected")
    heard = speech[name][: round(answer.heard_s * RATE)]
    assert len(heard) < len(speech[name])
    expected, end = sure.verify("alice", (heard, RATE)), stream.finish()
    # Who stops when he is sure errs at other rates than who listens to so much.
    assert (end.expected, end.better) == (None, None)
    assert expected.expected is not None
    assert expected.better is not None
    same(end, dataclasses.replace(expected, expected=None, better=None))
    assert (end.accepted, end.score, end.llr) == (name == "s11", answer.score, answer.llr)
    worth = expected_at(record.expected, end.speech_s)
    assert end.llr == worth.scale * end.score + worth.offset
    # What a whole test's score would be worth decides nothing.
    assert end.llr != end.score - 1000.0


def test_the_end_of_one_that_never_was_sure_says_what_to_expect(verifier, speech):
    stream = verifier.stream("alice", RATE, config=NEVER)
    pushed(stream, speech["s11"])
    end = stream.finish()
    assert end.expected == expected_at(verifier.system.calibration.expected, end.speech_s)
    same(end, verifier.verify("alice", (speech["s11"], RATE)))


@pytest.mark.parametrize("threshold", [-60.0, 60.0])
def test_the_threshold_counts(verifier, speech, threshold):
    # Nothing is accepted below it, and nothing rejected above.
    for samples in speech.values():
        stream = verifier.stream("alice", RATE, threshold=threshold)
        answers = pushed(stream, samples)
        never = "rejected" if threshold < 0 else "accepted"
        assert all(answer.decided != never for answer in answers)
        assert stream.finish().accepted == (threshold < 0)


def test_it_does_not_stop_before_there_is_enough_speech(verifier, speech):
    config = StreamConfig(min_speech_s=2.0)
    answers = pushed(verifier.stream("alice", RATE, config=config), speech["s11"])
    assert answers[-1].decided == "accepted"
    assert answers[-2].speech_s >= 2.0


def test_one_look_is_enough_where_that_is_asked_for(verifier, speech):
    one = StreamConfig(test=SequentialTest(n_agreeing=1))
    first = pushed(verifier.stream("alice", RATE, config=one), speech["s11"])[-1]
    second = pushed(verifier.stream("alice", RATE), speech["s11"])[-1]
    assert first.decided == second.decided == "accepted"
    assert first.heard_s < second.heard_s


def test_without_a_table_it_never_stops_and_says_so(plain, verifier, speech):
    record = dataclasses.replace(verifier.system.calibration, expected=())
    without = Verifier(dataclasses.replace(verifier.system, calibration=record), plain.store)
    for known, threshold in ((without, None), (plain, 0.0)):
        stream = known.stream("alice", RATE, threshold=threshold)
        assert not stream.can_stop
        answers = pushed(stream, speech["s11"])
        assert not any(answer.decided for answer in answers)
        # A score there is always; a ratio needs a calibration.
        assert all(answer.score is not None for answer in answers if answer.speech_s)
        assert all((a.llr is None) == (known is plain) for a in answers if a.speech_s)
        expected = known.verify("alice", (speech["s11"], RATE), threshold=threshold)
        same(stream.finish(), expected)
    assert not verifier.stream("alice", RATE, config=NEVER).can_stop


# --- what is refused ---


def test_too_little_speech(verifier, speech):
    stream = verifier.stream("alice", RATE)
    with pytest.raises(AudioError):
        stream.finish()
    for _ in range(20):
        stream.push(np.zeros(BLOCK))
    with pytest.raises(AudioError, match="silent"):
        stream.finish()
    short = verifier.stream("alice", RATE)
    short.push(speech["s11"][:2000])
    with pytest.raises(AudioError, match="at least"):
        short.finish()


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.full(BLOCK, np.nan), "NaN or infinite"),
        (np.array([0.0, np.inf]), "NaN or infinite"),
        (np.zeros(BLOCK, np.int16), "int16.*divide 16-bit samples"),
        (np.zeros((2, 2, 2)), "expected floats"),
        (np.zeros((BLOCK, 2)), "the same channels"),
        (["a"], "expected floats"),
    ],
)
def test_samples_that_cannot_be_used(verifier, speech, samples, message):
    stream = verifier.stream("alice", RATE, config=NEVER)
    stream.push(speech["s11"])
    with pytest.raises(AudioError, match=message):
        stream.push(samples)
    # What came before still counts.
    same(stream.finish(), verifier.verify("alice", (speech["s11"], RATE)))


def test_a_rate_may_be_a_whole_number_of_any_kind(verifier, speech):
    for rate in (float(RATE), np.int32(RATE)):
        stream = verifier.stream("alice", rate, config=NEVER)
        stream.push(speech["s11"])
        same(stream.finish(), verifier.verify("alice", (speech["s11"], RATE)))


def test_what_no_speech_can_mend_is_refused_at_once(verifier, plain):
    with pytest.raises(AudioError, match="sample rate is 0"):
        verifier.stream("alice", 0)
    with pytest.raises(AudioError, match=r"8,?000"):
        verifier.stream("alice", 8000)
    with pytest.raises(MissingError, match="no speaker 'bob'"):
        verifier.stream("bob", RATE)
    with pytest.raises(ConfigError, match="no threshold"):
        plain.stream("alice", RATE)


@pytest.mark.parametrize(
    "setting",
    [{"every_s": 0.0}, {"growth": -0.1}, {"growth": 2.0}, {"min_speech_s": 0.1}],
)
def test_settings_out_of_range(setting):
    with pytest.raises(ConfigError, match=next(iter(setting))):
        StreamConfig(**setting)

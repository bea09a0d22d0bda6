"""What holds of every verifier: where audio comes from, and in how many steps, does not matter."""

from __future__ import annotations

import dataclasses
import io
import pickle
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speakergmm.corpora import all_against_all
from speakergmm.errors import AudioError, CohortError, ConfigError, MissingError, SpeakerStoreError
from speakergmm.verification import Verifier
from speakergmm.verification.calibration import SideTerm
from speakergmm.verification.cohort_scoring import score_cohort
from speakergmm.verification.scoring import score_trials
from speakergmm.verification.trial_normalization import normalize_trials

# One test's frames are scored with one model here, with several there: float32 sums of other
# shapes. A frame's log density is some 100 nats, of which float32 keeps 1e-5, and their mean over a
# hundred frames a tenth of that; a normalization divides by deviations of hundredths.
TOLERANCE = 3e-6
NORMALIZED_TOLERANCE = 5e-6

WAYS = [
    ("exact", "none"), ("top-3", "none"), ("linear", "none"), ("exact", "z"), ("exact", "t"),
    ("exact", "zt"), ("exact", "s"), ("exact", "as-4"), ("linear", "as-4"), ("top-3", "zt"),
]  # fmt: skip


class Pipe(io.RawIOBase):
    """Bytes that come one after the other, and never again."""

    def __init__(self, content):
        self.content = io.BytesIO(content)

    def readable(self):
        return True

    def seekable(self):
        return False

    def readinto(self, buffer):
        return self.content.readinto(buffer)


def test_the_same_audio_from_anywhere_is_the_same_answer(make_verifier, takes, tmp_path):
    verifier = make_verifier("exact", "as-4", affine=(2.0, 0.5))
    verifier.enroll("s06", takes["s06"][:2])
    flac = takes["s06"][3]
    samples, rate = soundfile.read(flac, dtype="float32")
    soundfile.write(tmp_path / "copy.wav", samples, rate, "PCM_16")
    content = flac.read_bytes()
    with flac.open("rb") as file:
        given = [
            flac, str(flac), file, io.BytesIO(content), Pipe(content), (samples, rate),
            (samples.astype(np.float64), rate), (samples[:, None], rate), tmp_path / "copy.wav",
            io.BytesIO((tmp_path / "copy.wav").read_bytes()),
        ]  # fmt: skip
        answers = [verifier.verify("s06", one) for one in given]
    assert {(a.score, a.llr, a.accepted, a.speech_s, a.quality.snr_db) for a in answers} == {
        (answers[0].score, answers[0].llr, answers[0].accepted, answers[0].speech_s,
         answers[0].quality.snr_db)
    }  # fmt: skip
    assert len({a.warnings for a in answers}) == 1
    assert [a.recording for a in answers[:2]] == [str(flac)] * 2
    assert answers[5].recording == "audio"


def test_enrolling_in_steps_is_enrolling_at_once(make_verifier, takes):
    at_once, in_steps = (make_verifier("exact", "s") for _ in range(2))
    a, b, c, test = takes["s07"][:4]
    at_once.enroll("s07", [a, b, c])
    in_steps.enroll("s07", [a])
    in_steps.enroll("s07", [c, b])
    one, other = (v.store.find("s07").statistics for v in (at_once, in_steps))
    for name in "nfs":
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-12)
    assert one.n_frames == other.n_frames
    one, other = (v.verify("s07", test, threshold=0).score for v in (at_once, in_steps))
    assert one == pytest.approx(other, abs=NORMALIZED_TOLERANCE)


@pytest.mark.parametrize(("scorer", "normalization"), WAYS)
def test_answers_are_those_of_the_batch(make_verifier, takes, scorer, normalization):
    verifier = make_verifier(scorer, normalization)
    system = verifier.system
    names = ("s06", "s07", "s08", "s09")
    for name in names:
        verifier.enroll(name, takes[name][:2])
    tests = {str(takes[name][2]): takes[name][2] for name in names}
    frames = {name: verifier.hear([path]).frames for name, path in tests.items()}
    known = [verifier.store.find(name).statistics for name in names]
    models = [system.enrollment.speaker_model(system.ubm, statistics) for statistics in known]
    trials = all_against_all({n: f"speaker {n}" for n in names}, {t: f"test {t}" for t in tests})
    raw = score_trials(models, system.ubm, frames.__getitem__, trials, **dataclasses.asdict(
        system.scoring), jobs=1)  # fmt: skip
    expected = raw
    if system.cohort is not None:
        against = score_cohort(
            system.cohort, system.ubm, models, trials.test_ids, frames.__getitem__,
            system.scoring, system.normalization.method, jobs=1,
        )  # fmt: skip
        expected = normalize_trials(raw, trials, against, system.normalization)
    of_trial = {
        (trials.model_ids[m], trials.test_ids[t]): score
        for m, t, score in zip(trials.model_index, trials.test_index, expected, strict=True)
    }
    tolerance = TOLERANCE if system.cohort is None else NORMALIZED_TOLERANCE
    for test, path in tests.items():
        candidates = verifier.identify(path, closed=True).candidates
        assert len(candidates) == len(names)
        identified = {candidate.speaker_id: candidate.score for candidate in candidates}
        for name in names:
            score = verifier.verify(name, path, threshold=0.0).score
            assert score == pytest.approx(of_trial[name, test], abs=tolerance)
            assert identified[name] == pytest.approx(score, abs=tolerance)


def test_scores_against_the_cohort_are_the_same_kept_or_not(make_verifier, takes, tmp_path):
    """Who was enrolled with another system, and with a changed one, is scored all the same."""
    store = tmp_path / "shared.db"
    plain, normalized = (make_verifier("exact", n, store=store) for n in ("none", "zt"))
    kept = make_verifier("exact", "zt")
    for name in ("s06", "s07", "s08"):
        (plain if name == "s07" else normalized).enroll(name, takes[name][:2])
        kept.enroll(name, takes[name][:2])
    path = takes["s06"][2]
    one, other = (v.identify(path, closed=True).candidates for v in (normalized, kept))
    assert [c.speaker_id for c in one] == [c.speaker_id for c in other]
    np.testing.assert_allclose([c.score for c in one], [c.score for c in other], atol=1e-4)
    for name in ("s06", "s07"):
        one, other = (v.verify(name, path, threshold=0).score for v in (normalized, kept))
        assert one == pytest.approx(other, abs=1e-4)


def test_side_information_enters_verification_and_identification(make_verifier, takes):
    side = (SideTerm("enrollment_speech", 0.5, -0.25), SideTerm("test_snr", 0.01, 0.125))
    verifier = make_verifier(affine=(2.0, 0.5), side=side)
    for name in ("s06", "s07"):
        verifier.enroll(name, takes[name][: 1 if name == "s06" else 2])
    path = takes["s07"][3]
    candidates = {c.speaker_id: c for c in verifier.identify(path, closed=True).candidates}
    heard = verifier.hear([path])
    for name, candidate in candidates.items():
        answer = verifier.verify(name, path)
        speech = np.log(verifier.store.find(name).statistics.n_frames / verifier.frames_per_s)
        scale = 2.0 + 0.5 * speech + 0.01 * heard.snr_db
        offset = 0.5 - 0.25 * speech + 0.125 * heard.snr_db
        assert answer.llr == pytest.approx(scale * answer.score + offset, rel=1e-9)
        assert candidate.llr == pytest.approx(answer.llr, abs=1e-5)


def test_models_at_hand_follow_the_store(make_verifier, takes, tmp_path):
    store = tmp_path / "shared.db"
    one, other = (make_verifier(store=store) for _ in range(2))
    test = takes["s06"][4]

    def fresh():
        return make_verifier(store=store).verify("x", test, threshold=0).score

    one.enroll("x", takes["s06"][:1])
    scores = [one.verify("x", test, threshold=0).score]
    other.enroll("x", takes["s06"][1:2])
    scores.append(one.verify("x", test, threshold=0).score)
    assert scores[1] == fresh() != scores[0]
    other.store.remove(["x"])
    with pytest.raises(MissingError, match="no speaker 'x'"):
        one.verify("x", test, threshold=0)
    with pytest.raises(MissingError, match="nobody is enrolled; enroll a speaker first"):
        one.identify(test, closed=True)
    other.enroll("x", takes["s07"][:1])
    scores.append(one.verify("x", test, threshold=0).score)
    assert scores[2] == fresh() != scores[0]
    assert one.identify(test, closed=True).candidates[0].score == pytest.approx(
        scores[2], abs=TOLERANCE
    )


def answers(verifier, test):
    """All that a verifier says, of both questions; or whom it does not know."""
    found = {}
    for name in ("x", "y", "z"):
        try:
            found[name] = verifier.verify(name, test, threshold=0).score
        except MissingError:
            found[name] = None
    candidates = verifier.identify(test, closed=True, top=99).candidates
    return found, {c.speaker_id: c.score for c in candidates}


def agree(verifier, fresh, test):
    """Both say the same, bit by bit where one model is scored at a time."""
    (claims, ranked), (other_claims, other_ranked) = answers(verifier, test), answers(fresh, test)
    assert claims == other_claims
    assert list(ranked) == list(other_ranked)
    assert ranked == pytest.approx(other_ranked, abs=NORMALIZED_TOLERANCE)
    assert ranked.keys() == {name for name, score in claims.items() if score is not None}
    return claims


@pytest.mark.parametrize(
    ("variant", "way"),
    [
        (("exact", "none"), "enrolled more"),
        (("linear", "none"), "replaced"),
        (("exact", "s"), "replaced"),
    ],
)
def test_a_restored_copy_is_what_it_holds(make_verifier, takes, tmp_path, variant, way):
    """Whoever has looked at what came after the copy does not remember that."""
    store, copy = tmp_path / "speakers.db", tmp_path / "copy.db"
    verifier, test = make_verifier(*variant, store=store), takes["s06"][4]
    verifier.enroll("x", takes["s06"][:1])
    verifier.enroll("y", takes["s07"][:1])
    shutil.copy(store, copy)
    before = agree(verifier, make_verifier(*variant, store=store), test)
    for source in ("s08", "s09"):
        if way == "replaced":
            verifier.store.remove(["x"])
        verifier.enroll("x", takes[source][:1])
        after = agree(verifier, make_verifier(*variant, store=store), test)
        assert after["x"] != before["x"]
        shutil.copy(copy, store)
        assert agree(verifier, make_verifier(*variant, store=store), test) == before
    # And after the copy the store goes another way, in as many steps.
    verifier.enroll("x", takes["s10"][:1])
    agree(verifier, make_verifier(*variant, store=store), test)
    shutil.copy(copy, store)
    other = make_verifier(*variant, store=store)
    other.enroll("x", takes["s11"][:1])
    last = agree(verifier, make_verifier(*variant, store=store), test)
    assert last["x"] not in {before["x"], after["x"]}
    assert last["y"] == before["y"]


@pytest.mark.parametrize("variant", [("exact", "none"), ("linear", "s")])
def test_a_store_begun_anew_is_what_it_holds(make_verifier, takes, tmp_path, variant):
    """With as many changes as before, and other speakers under the same ids."""
    store = tmp_path / "speakers.db"
    verifier, test = make_verifier(*variant, store=store), takes["s06"][4]
    seen = set()
    for sources in (("s06", "s07"), ("s08", "s09"), ("s07", "s06")):
        other = make_verifier(*variant, store=store)
        for name, source in zip("xy", sources, strict=True):
            other.enroll(name, takes[source][:1])
        claims = agree(verifier, make_verifier(*variant, store=store), test)
        seen.add(claims["x"])
        store.unlink()
        with pytest.raises(SpeakerStoreError, match="no such speaker store"):
            verifier.verify("x", test, threshold=0)
        with pytest.raises(SpeakerStoreError, match="no such speaker store"):
            verifier.identify(test, closed=True)
    assert len(seen) == 3


def test_a_copy_with_another_store_knows_its_speakers_only(make_verifier, takes):
    one, other = make_verifier(), make_verifier()
    test = takes["s06"][4]
    one.enroll("x", takes["s06"][:1])
    one.enroll("y", takes["s07"][:1])
    other.enroll("x", takes["s08"][:1])
    other.enroll("z", takes["s09"][:1])
    first, second = answers(one, test), answers(other, test)
    copy = dataclasses.replace(one, store=other.store)
    assert copy.store == other.store
    assert copy.system is one.system
    assert answers(copy, test) == second != first
    with pytest.raises(MissingError, match="no speaker 'y'"):
        copy.verify("y", test, threshold=0)
    # Nor does the first learn from the copy.
    assert answers(one, test) == first
    assert copy.roster is not one.roster


@pytest.mark.parametrize("variant", [("exact", "none"), ("top-3", "zt")])
def test_a_verifier_may_be_pickled(make_verifier, takes, variant):
    verifier = make_verifier(*variant, affine=(2.0, 0.5))
    verifier.enroll("x", takes["s06"][:1])
    verifier.enroll("y", takes["s07"][:1])
    test = takes["s06"][4]
    # Before it has anything at hand, and after.
    early, expected = pickle.dumps(verifier), answers(verifier, test)
    late = pickle.dumps(verifier)
    assert len(late) < 1.1 * len(early)
    for content in (early, late):
        copy = pickle.loads(content)
        assert (copy.store, copy.system.origin) == (verifier.store, verifier.system.origin)
        assert copy.system.threshold == verifier.system.threshold
        assert answers(copy, test) == expected
        one, other = (v.verify("x", test) for v in (copy, verifier))
        assert (one.llr, one.accepted, one.notes) == (other.llr, other.accepted, other.notes)
        copy.enroll("z", takes["s08"][:1])
        assert answers(verifier, test) == answers(copy, test) != expected
        verifier.store.remove(["z"])


def test_recordings_to_enroll_may_come_one_by_one(make_verifier, takes):
    listed, generated = make_verifier(), make_verifier()
    report = listed.enroll("x", takes["s06"][:3])
    again = generated.enroll("x", (path for path in takes["s06"][:3]))
    assert (again.n_recordings, again.speech_s, again.fit) == (3, report.speech_s, report.fit)
    samples, rate = soundfile.read(takes["s06"][3], dtype="float32")
    for number, many in enumerate(([(samples, rate)], ((samples, rate),), iter([(samples, rate)]))):
        verifier = make_verifier()
        assert verifier.enroll(f"n{number}", many).n_recordings == 1
    assert generated.verify("x", takes["s06"][4], threshold=0).score == listed.verify(
        "x", takes["s06"][4], threshold=0
    ).score  # fmt: skip


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("samples", "samples and their rate"), ("numpy rate", "samples and their rate"),
        ("file.wav", "'file.wav'"), (b"file.wav", "b'file.wav'"), (Path("file.wav"), "'file.wav'"),
        (5, "5"), (None, "None"),
    ],
)  # fmt: skip
def test_one_recording_to_enroll_is_no_list(make_verifier, given, said):
    verifier, samples = make_verifier(), np.zeros(16_000, dtype=np.float32)
    one = {"samples": (samples, 16_000), "numpy rate": (samples, np.int64(16_000))}
    given = one.get(given, given) if isinstance(given, str) else given
    with pytest.raises(ConfigError, match=r"recordings is .*; expected a list") as refused:
        verifier.enroll("x", given)
    assert said in str(refused.value)
    # Not thousands of samples.
    assert len(str(refused.value)) < 120
    assert not verifier.store.path.exists()


@pytest.mark.parametrize("none", [[], (), iter([])])
def test_no_recordings_are_not_enrolled(make_verifier, none):
    with pytest.raises(ConfigError, match="no recordings to enroll; expected one or more"):
        make_verifier().enroll("x", none)


ENROLLING = """
import sys
from speakergmm.verification import Verifier
verifier = Verifier.load(sys.argv[1], sys.argv[2])
for number, path in enumerate(sys.argv[3:]):
    verifier.enroll(f"other{number}", [path])
    if number % 2:
        verifier.store.remove([f"other{number}"])
"""


def test_many_threads_and_another_process_use_one_store(ubm_path, takes, tmp_path):
    store = tmp_path / "speakers.db"
    verifier = Verifier.load(ubm_path, store)
    names = ("s06", "s07", "s08")
    for name in names:
        verifier.enroll(name, takes[name][:2])
    alone = {n: verifier.verify(n, takes[n][2], threshold=0).score for n in names}
    others = [str(path) for name in ("s09", "s10", "s11", "s12") for path in takes[name][:3]]
    command = [sys.executable, "-c", ENROLLING, str(ubm_path), str(store), *others]
    shared = Verifier.load(ubm_path, store)

    def work(number):
        name = names[number % 3]
        shared.enroll(f"thread{number}", takes["s13"][number % 4 : number % 4 + 1])
        for _ in range(3):
            assert shared.verify(name, takes[name][2], threshold=0).score == alone[name]
            candidates = shared.identify(takes[name][2], closed=True, top=99).candidates
            found = {c.speaker_id: c.score for c in candidates}
            assert found[name] == pytest.approx(alone[name], abs=TOLERANCE)
        return number

    with subprocess.Popen(command) as process, ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(8))) == list(range(8))
        assert process.wait(60) == 0
    last = shared.identify(takes["s06"][2], closed=True, top=99)
    assert last.n_enrolled == len(last.candidates) == 3 + 8 + 6


def test_what_is_part_of_the_enrollment_tells_nothing(make_verifier, takes):
    verifier = make_verifier()
    verifier.enroll("s06", takes["s06"][:2])
    samples, rate = soundfile.read(takes["s06"][1], dtype="float32")
    note = "this recording is part of the enrollment of 's06', so it tells nothing"
    for recording in (takes["s06"][1], (samples, rate)):
        answer = verifier.verify("s06", recording, threshold=0)
        assert sum(note in text for text in answer.warnings) == 1
    assert not any(note in t for t in verifier.verify("s06", takes["s06"][2], threshold=0).warnings)


def test_the_cohort_is_nobody_to_be_verified(make_verifier, takes, cohort_takes):
    verifier = make_verifier("exact", "s", affine=(1.0, 0.0))
    verifier.enroll("s06", takes["s06"][:2])
    stranger, recordings = next(iter(cohort_takes.items()))
    with pytest.raises(CohortError, match="in the cohort"):
        verifier.verify("s06", recordings[0])
    # Whatever the answer would be.
    for closed, threshold in ((True, None), (False, 99.0), (False, -99.0)):
        with pytest.raises(CohortError, match="in the cohort"):
            verifier.identify(recordings[0], closed=closed, threshold=threshold)
    with pytest.raises(CohortError, match="enrolled with recordings of"):
        verifier.enroll("new", [recordings[1]])
    plain = make_verifier(store=verifier.store.path)
    plain.enroll("new", [recordings[1]])
    with pytest.raises(CohortError, match="enrolled with recordings of"):
        verifier.verify("new", takes["s06"][2])
    named = make_verifier()
    named.enroll(stranger, takes["s06"][:1])
    named = make_verifier("exact", "s", affine=(1.0, 0.0), store=named.store.path)
    for ask in (
        lambda: named.enroll(stranger, takes["s06"][1:2]),
        lambda: named.verify(stranger, takes["s06"][2]),
    ):
        with pytest.raises(CohortError, match=f"speaker {stranger!r} is in both"):
            ask()
    # Nobody is left of whom it could be.
    for closed in (False, True):
        with pytest.raises(CohortError, match=r"\.db: all who are enrolled are in the cohort"):
            named.identify(takes["s06"][2], closed=closed)


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("way", ["by name", "by recording"])
def test_who_is_in_the_cohort_is_no_candidate(make_verifier, takes, cohort_takes, closed, way):
    """It is said, and does not keep the others from being found."""
    plain = make_verifier()
    for name in ("s07", "s08"):
        plain.enroll(name, takes[name][:2])
    stranger, recordings = next(iter(cohort_takes.items()))
    name, given = {
        # Of the voice that is tested, so that it would come first.
        "by name": (stranger, takes["s06"][:3]),
        "by recording": ("s06", [*takes["s06"][:3], recordings[0]]),
    }[way]
    plain.enroll(name, given)
    verifier = make_verifier("exact", "s", affine=(1.0, 0.0), store=plain.store.path)
    test = takes["s06"][3]
    note = f"{name!r} is in the cohort, so is left out; make the cohort of others"
    everybody = verifier.identify(test, closed=closed, top=99)
    assert sorted(c.speaker_id for c in everybody.candidates) == ["s07", "s08"]
    assert everybody.notes.count(note) == everybody.warnings.count(note) == 1
    for candidate in everybody.candidates:
        alone = verifier.verify(candidate.speaker_id, test)
        assert candidate.score == pytest.approx(alone.score, abs=NORMALIZED_TOLERANCE)
    # It does not take one of the places either.
    best = verifier.identify(test, closed=closed, top=1)
    assert best.candidates == everybody.candidates[:1]
    assert note in best.notes
    if closed:
        assert best.speaker_id == best.candidates[0].speaker_id
    else:
        # By whatever threshold.
        low = verifier.identify(test, threshold=-99.0)
        assert low.speaker_id == low.candidates[0].speaker_id != name
        assert verifier.identify(test, threshold=99.0).speaker_id is None
    # Without the cohort there is nothing to leave out.
    usual = plain.identify(test, closed=True)
    assert usual.notes == ()
    assert [usual.speaker_id, len(usual.candidates)] == [name, 3]


@pytest.mark.parametrize("threshold", [np.nan, np.inf, -np.inf, "1", None])
def test_a_threshold_is_a_finite_number(make_verifier, takes, threshold):
    verifier = make_verifier()
    verifier.enroll("s06", takes["s06"][:1])
    for ask in (
        lambda: verifier.verify("s06", takes["s06"][2], threshold=threshold),
        lambda: verifier.identify(takes["s06"][2], threshold=threshold),
        lambda: verifier.explain("s06", takes["s06"][2], threshold=threshold),
    ):
        with pytest.raises(ConfigError, match="threshold"):
            ask()


def test_what_is_no_recording_is_refused(make_verifier, takes, tmp_path):
    verifier = make_verifier()
    verifier.enroll("s06", takes["s06"][:1])
    silence = np.zeros(16_000, dtype=np.float32)
    for wrong, message in (
        (None, "given as NoneType; expected a path, a file"),
        (silence, "given as ndarray"),
        ((silence.astype(np.int16), 16_000), "samples are int16; expected floats"),
        ((silence, 0), "sample rate is 0"),
        ((silence, 16_000), "silent"),
        (io.StringIO("text"), "gives str; expected bytes"),
        (tmp_path, "folder|directory|not a file"),
    ):
        with pytest.raises(AudioError, match=message):
            verifier.verify("s06", wrong, threshold=0)

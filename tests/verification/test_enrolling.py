"""What is looked at when speakers are enrolled: do recordings fit, and are they nobody else's?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import soundfile

from speakergmm import FrontEnd, FrontEndConfig, accumulate, map_adapt
from speakergmm.errors import AudioError, ConfigError, SpeakerGMMError, SpeakerStoreError
from speakergmm.features.reading import heard_side
from speakergmm.recipes import load_settings, train_on_list
from speakergmm.verification import Verifier, enrolling

RATE = 16_000

VARIANTS = {
    "uncalibrated": (("exact", "none"), {}),
    "calibrated": (("exact", "none"), {"affine": (3.0, 0.0)}),
    "cohort": (("exact", "s"), {"affine": (1.0, -1.0)}),
    "linear": (("linear", "none"), {}),
    "linear, calibrated": (("linear", "none"), {"affine": (1.0, -3.0)}),
    "cohort, uncalibrated": (("exact", "s"), {}),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_foreign_recording_is_named_and_only_it(make_verifier, spoken, variant):
    words, settings = VARIANTS[variant]
    verifier = make_verifier(*words, **settings)
    a, b = ([str(path) for path in spoken[name]] for name in "ab")
    report = verifier.enroll("anna", [a[0], b[0], a[1], a[2]])
    assert report.misfits == (b[0],)
    assert all(report.fit[path] > 0 > report.fit[b[0]] for path in a[:3])
    named = [text for text in report.warnings if "does not fit the other recordings" in text]
    assert len(named) == 1
    assert named[0].startswith(f"{b[0]}: ")
    assert report.fit == {r.name: r.fit for r in verifier.store.find("anna").recordings}
    assert verifier.enroll("berta", b[:3]).misfits == ()


@pytest.mark.parametrize("variant", VARIANTS)
def test_of_two_that_do_not_fit_both_are_named(make_verifier, spoken, variant):
    words, settings = VARIANTS[variant]
    verifier = make_verifier(*words, **settings)
    a, b = (str(spoken[name][0]) for name in "ab")
    assert sorted(verifier.enroll("anna", [a, b]).misfits) == [a, b]


def test_one_of_two_that_fits_is_not_said_to_be_below_zero(make_verifier, spoken):
    report = make_verifier().enroll("anna", [spoken[name][0] for name in "ab"])
    one, other = report.misfits
    report = replace(report, fit={one: -2.45, other: 1.96})
    named = [text for text in report.warnings if text.startswith((one, other))]
    assert named[0].startswith(f"{one}: does not fit the other recordings (-2.45, below 0")
    assert named[1] == (
        f"{other}: may be the one that is somebody else's, as there is only {one} to compare it "
        "with; listen to both"
    )


def test_what_is_new_is_held_against_what_is_enrolled(make_verifier, spoken):
    verifier = make_verifier()
    a, b = spoken["a"], spoken["b"]
    first = verifier.enroll("anna", a[:1])
    assert first.fit == {str(a[0]): None}
    assert first.misfits == ()
    assert verifier.enroll("anna", a[1:2]).misfits == ()
    assert verifier.enroll("anna", [a[2], b[0]]).misfits == (str(b[0]),)


def test_fit_is_the_score_against_the_others(make_verifier, spoken):
    verifier = make_verifier("exact", "none", affine=(2.0, 0.25))
    paths = spoken["a"][:3]
    report = verifier.enroll("anna", paths)
    ubm = verifier.system.ubm
    frames = [verifier.hear([path]).frames for path in paths]
    for i, path in enumerate(paths):
        others = [accumulate(ubm, part) for j, part in enumerate(frames) if j != i]
        model = map_adapt(ubm, others[0] + others[1])
        ratios = model.log_likelihoods(frames[i]) - ubm.log_likelihoods(frames[i])
        assert report.fit[str(path)] == pytest.approx(2 * ratios.mean() + 0.25, abs=1e-4)


def test_of_many_recordings_the_last_are_looked_at_too(make_verifier, spoken, monkeypatch):
    monkeypatch.setattr(enrolling, "MOST_COMPARED", 2)
    a, b = spoken["a"], spoken["b"]
    report = make_verifier().enroll("anna", [*a[:3], b[0]])
    assert report.misfits == (str(b[0]),)
    assert None not in report.fit.values()


def test_anothers_recording_is_named_whatever_its_format(make_verifier, spoken, tmp_path):
    verifier = make_verifier()
    a, b = spoken["a"], spoken["b"]
    verifier.enroll("anna", a[:2])
    samples, rate = soundfile.read(a[1], dtype="int16")
    soundfile.write(tmp_path / "copy.flac", samples, rate)
    report = verifier.enroll("berta", [b[0], tmp_path / "copy.flac", a[0]])
    copy = str(tmp_path / "copy.flac")
    assert report.duplicates == ((copy, "anna"), (str(a[0]), "anna"))
    assert f"{copy}: this is also a recording of 'anna'" in report.warnings[0]
    # One's own is no duplicate; it is refused.
    with pytest.raises(SpeakerStoreError, match="already part of the enrollment"):
        verifier.enroll("anna", [tmp_path / "copy.flac"])
    assert verifier.enroll("anna", a[2:3]).duplicates == ()


def test_samples_have_labels_of_their_own(make_verifier, spoken):
    given = [soundfile.read(path, dtype="float32") for path in spoken["a"]]
    verifier = make_verifier()
    report = verifier.enroll("anna", given[:3])
    assert list(report.quality) == list(report.fit) == ["audio", "audio (2)", "audio (3)"]
    assert report.n_recordings == 3
    with pytest.raises(AudioError, match=r"audio \(2\): the same recording as audio"):
        verifier.enroll("berta", [given[0], given[0]])


def test_labels_are_different_whatever_files_are_called():
    taken = []
    for name in ("audio (3)", "audio", "audio", "audio", "audio (3)"):
        taken.append(enrolling._label(name, taken))
    assert len(set(taken)) == 5


def test_one_recording_is_no_list(make_verifier, spoken):
    path = spoken["a"][0]
    for one in (path, str(path)):
        with pytest.raises(ConfigError, match="expected a list, with one or more in it"):
            make_verifier().enroll("anna", one)
    for nothing in ([], ()):
        with pytest.raises(ConfigError, match="no recordings to enroll"):
            make_verifier().enroll("anna", nothing)


def test_shares_say_what_was_heard(make_verifier, spoken):
    verifier = make_verifier(relevance_factor=40.0)
    report = verifier.enroll("anna", spoken["a"][:1])
    more = verifier.enroll("anna", spoken["a"][1:4])
    n = verifier.store.find("anna").statistics.n
    assert more.share_seen == np.mean(n >= 1)
    assert more.share_adapted == np.mean(n >= 40)
    assert 0 < report.share_adapted <= more.share_adapted <= more.share_seen <= 1


BAD = {
    "an id": (" ", []),
    "an id that is no text": ("\udcff", []),
    "a file that is none": ("anna", ["missing.wav"]),
    "text": ("anna", ["text.wav"]),
    "a recording twice": ("anna", ["a.wav", "again.wav"]),
}


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("known", [False, True])
def test_nothing_is_written_when_anything_fails(make_verifier, spoken, tmp_path, bad, known):
    verifier = make_verifier("exact", "s")
    if known:
        verifier.enroll("anna", spoken["a"][2:3])
    before = verifier.store.path.read_bytes() if known else None
    for name in ("a.wav", "again.wav"):
        (tmp_path / name).write_bytes(spoken["a"][1].read_bytes())
    (tmp_path / "text.wav").write_bytes(b"not audio" * 100)
    speaker_id, names = BAD[bad]
    with pytest.raises(SpeakerGMMError):
        verifier.enroll(speaker_id, [spoken["a"][0], *(tmp_path / name for name in names)])
    assert (verifier.store.path.read_bytes() if known else None) == before
    assert verifier.store.path.exists() == known


def test_scores_against_the_cohort_are_kept(make_verifier, spoken):
    verifier = make_verifier("exact", "s")
    key = verifier.scorer.key
    for paths in (spoken["a"][:1], spoken["a"][1:3]):
        verifier.enroll("anna", paths)
        statistics = verifier.store.find("anna").statistics
        model = verifier.system.enrollment.speaker_model(verifier.system.ubm, statistics)
        expected = verifier.scorer.cohort_scores(verifier.scorer.bank([model]))[0]
        np.testing.assert_allclose(verifier.store.derived("anna", key), expected, atol=1e-9)
    assert make_verifier("exact", "t").scorer.compares_models is False
    assert make_verifier("linear", "s").scorer.key != key
    assert make_verifier("exact", "s", relevance_factor=4).scorer.key != key


def test_what_is_enrolled_together_is_normalized_together(small_corpus, spoken, tmp_path):
    changed = {"front_end.normalization": "cmn", "front_end.normalization_over": "side"}
    changed |= {"ubm.n_components": "4", "training.max_iterations": "2"}
    settings = load_settings(None, changed)
    train_on_list(small_corpus / "utterances.csv", tmp_path / "ubm", settings, split="background")
    verifier = Verifier.load(tmp_path / "ubm", tmp_path / "speakers.db")
    # At other levels, so that a common mean differs from each one's own.
    loud = soundfile.read(spoken["a"][0], dtype="float32")
    paths = [(0.1 * loud[0], RATE), spoken["b"][1], spoken["a"][2]]
    report = verifier.enroll("anna", paths)
    side = heard_side(paths, verifier.system.front_end)
    expected = accumulate(verifier.system.ubm, side.frames)
    found = verifier.store.find("anna").statistics
    np.testing.assert_allclose(found.f, expected.f, rtol=1e-4, atol=1e-2)
    assert found.n_frames == expected.n_frames
    assert isinstance(verifier.system.front_end, FrontEnd)
    assert verifier.system.front_end.config != FrontEndConfig()
    assert set(report.misfits) >= {str(spoken["b"][1])}

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import soundfile

from speakergmm import FrontEnd, accumulate, log_likelihood_ratio, map_adapt
from speakergmm.audio.quality import recording_quality
from speakergmm.corpora import read_protocol, read_scores, read_utterances
from speakergmm.errors import AudioError, ConfigError, MissingError, ModelFileError
from speakergmm.features import cmn
from speakergmm.features.reading import recording_frames
from speakergmm.gmm.model_file import load_background_model
from speakergmm.recipes import load_settings, score_lists, train_on_list
from speakergmm.verification import Verifier


@pytest.fixture(scope="module")
def ubm(ubm_path):
    return ubm_path


@pytest.fixture(scope="module")
def protocol(small_corpus):
    utterances = read_utterances(small_corpus / "utterances.csv")
    lists = small_corpus / "evaluation"
    return utterances, read_protocol(
        lists / "enrollment.csv", lists / "tests.csv", None, utterances
    )


def test_verification_gives_the_score_of_the_batch(small_corpus, ubm, protocol, tmp_path):
    utterances, lists = protocol
    verifier = Verifier.load(ubm, tmp_path / "speakers.db")
    scores = score_lists(
        small_corpus / "evaluation",
        small_corpus / "utterances.csv",
        ubm,
        tmp_path / "scores.csv",
        load_settings(None, {}),
    ).scores
    by_trial = {
        (scores.trials.model_ids[m], scores.trials.test_ids[t]): score
        for m, t, score in zip(
            scores.trials.model_index, scores.trials.test_index, scores.score, strict=True
        )
    }
    for model_id, pool in lists.enrollment.items():
        verifier.enroll(model_id, [utterances[u].path for u in pool])
    for test_id, pool in list(lists.tests.items())[:3]:
        # A test pools two recordings; their frames are scored as one here as there.
        frames = np.concatenate(
            [recording_frames(utterances[u].path, verifier.system.front_end) for u in pool]
        )
        for model_id in lists.enrollment:
            known = verifier.store.find(model_id).statistics
            model = verifier.system.enrollment.speaker_model(verifier.system.ubm, known)
            ratio = model.log_likelihoods(frames) - verifier.system.ubm.log_likelihoods(frames)
            # Both are float32 blocks of different shapes.
            assert ratio.mean() == pytest.approx(by_trial[model_id, test_id], abs=1e-4)
    reread = read_scores(tmp_path / "scores.csv")
    np.testing.assert_array_equal(reread.score, scores.score)


def test_decision_is_the_comparison_with_the_threshold(ubm, protocol, tmp_path):
    utterances, lists = protocol
    verifier = Verifier.load(ubm, tmp_path / "speakers.db")
    model_id, pool = next(iter(lists.enrollment.items()))
    report = verifier.enroll(model_id, [utterances[u].path for u in pool])
    assert report.n_recordings == len(pool)
    assert 0 < report.speech_s == report.total_speech_s
    recording = utterances[next(iter(lists.tests.values()))[0]].path
    first = verifier.verify(model_id, recording, threshold=0.0)
    assert verifier.verify(model_id, recording, threshold=first.score).accepted
    assert not verifier.verify(model_id, recording, threshold=first.score + 1e-6).accepted
    assert first.to_json()["score"] == first.score


def test_speaker_scores_higher_than_stranger(ubm, protocol, tmp_path):
    utterances, lists = protocol
    verifier = Verifier.load(ubm, tmp_path / "speakers.db")
    model_id, pool = next(iter(lists.enrollment.items()))
    paths = [utterances[u].path for u in pool]
    verifier.enroll(model_id, paths[:1])
    own = verifier.verify(model_id, paths[1], threshold=0).score
    others = [
        verifier.verify(model_id, utterances[p[0]].path, threshold=0).score
        for m, p in lists.enrollment.items()
        if m != model_id
    ]
    assert own > np.mean(others)


def test_bad_recording_among_good_ones_enrolls_nothing(ubm, protocol, tmp_path):
    utterances, lists = protocol
    verifier = Verifier.load(ubm, tmp_path / "speakers.db")
    good = utterances[next(iter(lists.enrollment.values()))[0]].path
    (tmp_path / "bad.wav").write_bytes(b"not audio at all")
    with pytest.raises(AudioError, match=r"bad\.wav: not audio that can be decoded"):
        verifier.enroll("alice", [good, tmp_path / "bad.wav"])
    assert not verifier.store.path.exists()
    with pytest.raises(ConfigError, match="no recordings to enroll"):
        verifier.enroll("alice", [])


def test_same_recording_under_two_names(ubm, protocol, tmp_path):
    utterances, lists = protocol
    good = utterances[next(iter(lists.enrollment.values()))[0]].path
    copy = shutil.copy(good, tmp_path / "copy.flac")
    verifier = Verifier.load(ubm, tmp_path / "speakers.db")
    with pytest.raises(AudioError, match=r"copy\.flac: the same recording as"):
        verifier.enroll("alice", [good, copy])


def test_nobody_enrolled(ubm, protocol, tmp_path):
    utterances, lists = protocol
    good = utterances[next(iter(lists.enrollment.values()))[0]].path
    verifier = Verifier.load(ubm, tmp_path / "speakers.db")
    verifier.enroll("alice", [good])
    with pytest.raises(MissingError, match="no speaker 'bob'; enrolled: 'alice'"):
        verifier.verify("bob", good, threshold=0.0)


def test_missing_model(tmp_path):
    with pytest.raises(ModelFileError, match="no such file"):
        Verifier.load(tmp_path / "ubm.safetensors")


# --- what recordings are like ---


def test_reports_say_what_each_recording_is_like(ubm, protocol, tmp_path):
    utterances, lists = protocol
    verifier = Verifier.load(ubm, tmp_path / "speakers.db")
    (model_id, pool), *_ = lists.enrollment.items()
    recordings = [utterances[u].path for u in pool]
    report = verifier.enroll(model_id, recordings)
    assert report.quality == {str(path): recording_quality(path) for path in recordings}
    little, *of_recordings = report.warnings
    assert "s of speech in all; below 10 s errors are much more frequent" in little
    assert of_recordings == [
        f"{path}: {warning.text}"
        for path in recordings
        for warning in recording_quality(path).warnings
        # How much speech there is in all counts, not in each.
        if warning.code != "short_speech"
    ]
    test = utterances[next(iter(lists.tests.values()))[0]].path
    answer = verifier.verify(model_id, str(test), threshold=0.0)
    assert answer.quality == recording_quality(test)
    enrolled, *of_recording = answer.warnings
    assert f"{model_id!r} is enrolled with {report.total_speech_s:.1f} s of speech" in enrolled
    assert of_recording == [w.text for w in answer.quality.warnings]
    assert any("below 3 s" in line for line in answer.warnings)


def test_reports_are_json(ubm, protocol, tmp_path):
    utterances, lists = protocol
    verifier = Verifier.load(ubm, tmp_path / "speakers.db")
    (model_id, pool), *_ = lists.enrollment.items()
    report = verifier.enroll(model_id, [utterances[u].path for u in pool])
    as_json = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert as_json.keys() == {
        "speaker_id", "speech_s", "total_speech_s", "n_recordings", "quality", "share_seen",
        "share_adapted", "fit", "misfits", "duplicates", "warnings",
    }  # fmt: skip
    assert list(as_json["quality"]) == [str(utterances[u].path) for u in pool]
    for entry in as_json["quality"].values():
        assert "short_speech" in [warning["code"] for warning in entry["warnings"]]
    test = utterances[next(iter(lists.tests.values()))[0]].path
    # A threshold of NumPy is a number like others.
    answer = verifier.verify(model_id, test, threshold=np.float32(0.0))
    as_json = json.loads(json.dumps(answer.to_json(), allow_nan=False))
    assert as_json["quality"] == json.loads(json.dumps(recording_quality(test).to_json()))
    assert as_json.keys() == {
        "speaker_id", "recording", "score", "threshold", "accepted", "speech_s", "quality",
        "llr", "expected", "better", "notes", "warnings",
    }  # fmt: skip


def test_a_later_report_is_of_the_added_recordings_alone(ubm, protocol, tmp_path):
    utterances, lists = protocol
    verifier = Verifier.load(ubm, tmp_path / "speakers.db")
    first, second = (utterances[u].path for u in next(iter(lists.enrollment.values()))[:2])
    before = verifier.enroll("alice", [first])
    after = verifier.enroll("alice", [second])
    assert (before.n_recordings, after.n_recordings) == (1, 2)
    assert list(after.quality) == [str(second)]
    assert after.total_speech_s == pytest.approx(before.speech_s + after.speech_s)


def test_a_bad_recording_leaves_the_store_as_it_was(ubm, protocol, tmp_path):
    utterances, lists = protocol
    verifier = Verifier.load(ubm, tmp_path / "speakers.db")
    good, other = (utterances[u].path for u in next(iter(lists.enrollment.values()))[:2])
    verifier.enroll("alice", [good])
    before = verifier.store.path.read_bytes()
    samples, rate = soundfile.read(other)
    bad = {
        "text.wav": "not audio that can be decoded",
        "zeros.wav": "silent",
        "short.wav": "s of speech; expected at least 0.2 s|too short",
        "gone.wav": "no such file",
    }
    (tmp_path / "text.wav").write_bytes(b"not audio at all")
    soundfile.write(tmp_path / "zeros.wav", np.zeros(rate), rate)
    soundfile.write(tmp_path / "short.wav", samples[:2000], rate)
    for name, message in bad.items():
        # A short word is welcome among others.
        beside = [other] if name != "short.wav" else []
        for speaker in ("alice", "bob"):
            with pytest.raises(AudioError, match=rf"{name}: .*({message})"):
                verifier.enroll(speaker, [*beside, tmp_path / name])
        with pytest.raises(AudioError, match=rf"{name}: .*({message})"):
            verifier.verify("alice", tmp_path / name, threshold=0.0)
    assert verifier.store.path.read_bytes() == before
    assert verifier.store.find("alice").statistics.n_frames == len(
        recording_frames(good, verifier.system.front_end)
    )


@pytest.fixture(scope="module")
def models(small_corpus, tmp_path_factory):
    """Background models that differ in the front end."""
    folder = tmp_path_factory.mktemp("models")
    settings = {
        "side": {"front_end.normalization": "cmn", "front_end.normalization_over": "side"},
        "utterance": {"front_end.normalization": "cmn"},
        "first_channel": {"front_end.channel": "0"},
    }
    for name, changed in settings.items():
        changed |= {"ubm.n_components": "4", "training.max_iterations": "3"}
        settings = load_settings(None, changed)
        train_on_list(
            small_corpus / "utterances.csv", folder / name, settings, split="background"
        )  # fmt: skip
    return folder


@pytest.mark.parametrize("over", ["side", "utterance"])
def test_recordings_enrolled_together_are_one_side(models, protocol, tmp_path, over):
    utterances, lists = protocol
    verifier = Verifier.load(models / over, tmp_path / "speakers.db")
    # Of other levels, so that it matters what is normalized together.
    paths = [utterances[pool[0]].path for pool in list(lists.enrollment.values())[:3]]
    config = load_settings(None, {"front_end.normalization": "none"}).front_end
    parts = [FrontEnd(config)(*soundfile.read(path)) for path in paths]
    gmm = load_background_model(models / over).gmm
    pooled = cmn(np.concatenate(parts)) if over == "side" else np.concatenate([*map(cmn, parts)])
    report = verifier.enroll("alice", paths)
    found = verifier.store.find("alice").statistics
    expected = accumulate(gmm, pooled)
    assert report.speech_s == pytest.approx(len(pooled) / 100)
    assert found.n_frames == expected.n_frames
    np.testing.assert_allclose(found.n, expected.n, rtol=0, atol=1e-3)
    np.testing.assert_allclose(found.f, expected.f, rtol=0, atol=0.05)
    test = utterances[next(iter(lists.tests.values()))[0]].path
    frames = cmn(FrontEnd(config)(*soundfile.read(test)))
    score = log_likelihood_ratio(map_adapt(gmm, expected), gmm, frames)
    assert verifier.verify("alice", test, threshold=0.0).score == pytest.approx(score, abs=1e-4)


def test_recordings_of_another_day_are_another_side(models, protocol, tmp_path):
    utterances, lists = protocol
    first, second = (utterances[pool[0]].path for pool in list(lists.enrollment.values())[:2])
    together, apart = (
        Verifier.load(models / "side", tmp_path / name) for name in ("together.db", "apart.db")
    )
    together.enroll("alice", [first, second])
    apart.enroll("alice", [first])
    apart.enroll("alice", [second])
    one, other = (v.store.find("alice").statistics for v in (together, apart))
    assert one.n_frames == other.n_frames
    assert np.abs(one.f - other.f).max() > 1.0
    by_hand = accumulate(
        apart.system.ubm, recording_frames(first, apart.system.front_end)
    ) + accumulate(apart.system.ubm, recording_frames(second, apart.system.front_end))
    np.testing.assert_allclose(other.f, by_hand.f, rtol=1e-12)


def test_a_bad_recording_of_a_side_enrolls_nothing(models, protocol, tmp_path):
    utterances, lists = protocol
    verifier = Verifier.load(models / "side", tmp_path / "speakers.db")
    good = utterances[next(iter(lists.enrollment.values()))[0]].path
    soundfile.write(tmp_path / "zeros.wav", np.zeros(16_000), 16_000)
    with pytest.raises(AudioError, match=r"zeros\.wav: silent"):
        verifier.enroll("alice", [good, tmp_path / "zeros.wav"])
    assert not verifier.store.path.exists()


def test_a_channel_that_the_model_does_not_hear_does_not_matter(models, protocol, tmp_path):
    utterances, lists = protocol
    verifier = Verifier.load(models / "first_channel", tmp_path / "speakers.db")
    good = utterances[next(iter(lists.enrollment.values()))[0]].path
    samples, rate = soundfile.read(good)
    soundfile.write(tmp_path / "opposite.wav", np.stack([samples, -samples], axis=1), rate)
    verifier.enroll("alice", [good])
    alone = verifier.verify("alice", good, threshold=0.0)
    assert verifier.verify("alice", tmp_path / "opposite.wav", threshold=0.0).score == alone.score

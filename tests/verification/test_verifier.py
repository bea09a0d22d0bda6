from __future__ import annotations

import shutil

import numpy as np
import pytest

from speakergmm.corpora import read_protocol, read_scores, read_utterances
from speakergmm.errors import AudioError, ConfigError, MissingError, ModelFileError
from speakergmm.recipes import load_settings, score_lists, train_on_list
from speakergmm.verification import Verifier


@pytest.fixture(scope="module")
def ubm(small_corpus, tmp_path_factory):
    path = tmp_path_factory.mktemp("ubm") / "ubm.safetensors"
    settings = load_settings(None, {"ubm.n_components": "8"})
    train_on_list(small_corpus / "utterances.csv", path, settings, split="background")
    return path


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
    )
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
        frames = np.concatenate([verifier.frames(utterances[u].path) for u in pool])
        for model_id in lists.enrollment:
            known = verifier.store.find(model_id).statistics
            model = verifier.enrollment.speaker_model(verifier.model.gmm, known)
            ratio = model.log_likelihoods(frames) - verifier.model.gmm.log_likelihoods(frames)
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

"""Frames of other programs: into a store, to a model, to scores; and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from speakergmm import FrontEnd, FrontEndConfig, log_likelihood_ratio, map_adapt
from speakergmm.corpora import read_scores
from speakergmm.errors import ConfigError, FrameError, FrameStoreError
from speakergmm.features import FrameStore, importing
from speakergmm.features.importing import import_frames
from speakergmm.features.kaldi_archives import write_kaldi
from speakergmm.gmm import accumulate
from speakergmm.gmm.model_file import load_background_model

D = 5


@pytest.fixture
def named():
    """Frames of six utterances of three speakers, who lie in different places."""
    rng = np.random.default_rng(0)
    return [
        (f"{speaker}-{take}", rng.normal(place, 1.0, (200 + take, D)).astype(np.float32))
        for place, speaker in enumerate(["ann", "bob", "cy"])
        for take in (1, 2)
    ]


def test_a_store_gives_the_frames_back(named, tmp_path, monkeypatch):
    monkeypatch.setattr(importing, "SHARD_VALUES", 1500)
    store = import_frames(named, tmp_path / "frames", hop_s=0.02)
    assert len(list((tmp_path / "frames").glob("shard-*.npy"))) == 3
    for name, frames in named:
        np.testing.assert_array_equal(store.frames(name), frames)
    assert (store.n_features, store.n_frames) == (D, sum(len(f) for _, f in named))
    assert store.speech_s == pytest.approx(store.n_frames * 0.02)
    assert store.recording_s == pytest.approx(store.speech_s)
    assert np.isnan(store.snr_db)
    again = FrameStore.open(tmp_path / "frames")
    assert again.digest() == store.digest()


def test_another_store_there_is_replaced_whole(named, tmp_path, monkeypatch):
    monkeypatch.setattr(importing, "SHARD_VALUES", 1500)
    import_frames(named, tmp_path / "frames")
    store = import_frames(named[:1], tmp_path / "frames")
    assert list(store.places) == ["ann-1"]
    assert len(list((tmp_path / "frames").glob("shard-*"))) == 2


def broken_after(named, n):
    """Give some utterances, then what a file gives that cannot be read."""
    yield from named[:n]
    raise FrameError("feats.ark: cut off")


@pytest.mark.parametrize("n", [0, 3, 5])
def test_an_import_that_fails_leaves_the_store_that_was_there(named, n, tmp_path, monkeypatch):
    monkeypatch.setattr(importing, "SHARD_VALUES", 1500)
    folder = tmp_path / "frames"
    before = import_frames(named, folder)
    files = sorted(folder.iterdir())
    with pytest.raises(FrameError, match="cut off"):
        import_frames(broken_after([(f"new-{u}", f) for u, f in named], n), folder)
    assert sorted(folder.iterdir()) == files
    # By their text: an unknown SNR is NaN, which equals nothing.
    assert repr(FrameStore.open(folder)) == repr(before)
    np.testing.assert_array_equal(before.frames("cy-2"), dict(named)["cy-2"])


def test_an_import_that_is_killed_leaves_the_old_store_and_the_next_cleans_up(
    named, tmp_path, monkeypatch
):
    monkeypatch.setattr(importing, "SHARD_VALUES", 1500)
    folder = tmp_path / "frames"
    before = import_frames(named, folder)
    n_files = len(list(folder.iterdir()))
    with monkeypatch.context() as killed:
        # A process that is killed removes nothing.
        killed.setattr(importing, "remove_shard", lambda *_: None)
        with pytest.raises(FrameError, match="cut off"):
            import_frames(broken_after(named, 5), folder)
    assert len(list(folder.iterdir())) > n_files
    assert repr(FrameStore.open(folder)) == repr(before)
    after = import_frames([(f"new-{u}", f) for u, f in named], folder)
    assert len(list(folder.iterdir())) == n_files
    np.testing.assert_array_equal(after.frames("new-cy-2"), dict(named)["cy-2"])
    assert after.frames("new-ann-1").shape == dict(named)["ann-1"].shape


def test_only_imported_stores_are_replaced(named, tmp_path, small_corpus, cli):
    folder = tmp_path / "frames"
    lists = small_corpus / "utterances.csv"
    extract = ("features", "extract", lists, "--output", folder, "--quiet")
    assert cli(*extract).status == 0
    files = {path: path.read_bytes() for path in folder.iterdir()}
    write_kaldi(tmp_path / "kaldi", iter(sorted(named)))
    answer = cli("features", "import", tmp_path / "kaldi/feats.scp", "--output", folder)
    assert answer.status == 1
    assert "holds a frame store that was not imported; expected a new folder, or" in answer.err
    assert {path: path.read_bytes() for path in folder.iterdir()} == files


def test_other_files_beside_a_store_stay(named, tmp_path):
    folder = tmp_path / "frames"
    import_frames(named, folder)
    (folder / "shard-00007.json").write_text("{}")
    (folder / "notes.txt").write_text("mine")
    import_frames(named, folder)
    assert (folder / "shard-00007.json").read_text() == "{}"
    assert (folder / "notes.txt").read_text() == "mine"
    assert not (folder / "shard-00000.npy").exists()


def test_what_cannot_be_imported(named, tmp_path):
    with pytest.raises(FrameStoreError, match="utterance 'ann-1' comes twice; expected each once"):
        import_frames([*named, named[0]], tmp_path / "frames")
    with pytest.raises(FrameStoreError, match="not there; no store, or an unfinished one"):
        FrameStore.open(tmp_path / "frames")
    with pytest.raises(FrameStoreError, match="there are no frames; expected those of one"):
        import_frames([], tmp_path / "frames")
    other = ("dee-1", np.ones((3, D + 1), np.float32))
    with pytest.raises(FrameError, match="utterance 'dee-1' has 6 features, 'ann-1' has 5"):
        import_frames([*named, other], tmp_path / "frames")


def test_no_recording_becomes_such_frames():
    config = FrontEndConfig(imported_features=D)
    assert config.n_features == D
    assert not config.hears_level
    with pytest.raises(ConfigError, match="frames of 5 features that another program made cannot"):
        FrontEnd(config)


@pytest.fixture
def lists(tmp_path):
    """A trial list of ann and bob, whose recordings are nowhere; cy is the background."""
    folder = tmp_path / "lists"
    folder.mkdir()
    names = [f"{speaker}-{take}" for speaker in ("ann", "bob") for take in (1, 2)]
    rows = "".join(f"{name},{name[:3]},{name}.wav\n" for name in names)
    (folder / "utterances.csv").write_text("utterance_id,speaker_id,path\n" + rows)
    (folder / "enrollment.csv").write_text("model_id,utterance_id\nann,ann-1\nbob,bob-1\n")
    (folder / "tests.csv").write_text("test_id,utterance_id\ntest-a,ann-2\ntest-b,bob-2\n")
    return folder


def test_kaldi_features_to_scores_by_commands(named, lists, tmp_path, cli):
    write_kaldi(tmp_path / "kaldi", iter(sorted(named)))
    frames, ubm = tmp_path / "frames", tmp_path / "ubm.safetensors"
    answer = cli("features", "import", tmp_path / "kaldi/feats.scp", "--output", frames)
    assert answer.status == 0
    assert f"6 utterances, {sum(len(f) for _, f in named):,} frames of 5 features" in answer.out
    assert cli("ubm", "train", frames, "--components", 4, "--output", ubm).status == 0
    front_end = FrontEndConfig(normalization="none", imported_features=D)
    assert load_background_model(ubm).front_end == front_end
    score = ("score", lists, "--utterances", lists / "utterances.csv", "--ubm", ubm)
    answer = cli(*score, "--frames", frames, "--output", tmp_path / "scores.csv")
    assert answer.status == 0, answer.err
    scores = read_scores(tmp_path / "scores.csv")
    gmm, found = load_background_model(ubm).gmm, dict(named)
    for row in range(len(scores.trials)):
        model_id, test_id = scores.trials.pair(row)
        model = map_adapt(gmm, accumulate(gmm, found[f"{model_id}-1"]))
        test = found["ann-2" if test_id == "test-a" else "bob-2"]
        expected = log_likelihood_ratio(model, gmm, test)
        assert scores.score[row] == pytest.approx(expected, abs=1e-4)


def test_what_a_model_of_imported_frames_refuses(named, lists, tmp_path, cli, small_corpus):
    frames, ubm = tmp_path / "frames", tmp_path / "ubm.safetensors"
    import_frames(named[:3], frames)
    assert cli("ubm", "train", frames, "--components", 2, "--output", ubm).status == 0
    score = ("score", lists, "--utterances", lists / "utterances.csv", "--ubm", ubm)
    out = ("--output", tmp_path / "scores.csv")
    assert "trained on frames that another program made; give those" in cli(*score, *out).err
    answer = cli(*score, *out, "--frames", frames)
    assert "no frames of some utterances; import them too: utterance 'bob-2'" in answer.err
    other = tmp_path / "other"
    import_frames([(name, frames[:, :2]) for name, frames in named], other)
    answer = cli(*score, *out, "--frames", other)
    assert "frames of 2 features every 0.01 s; expected imported ones of 5" in answer.err
    recording = next((small_corpus / "audio").rglob("*.flac"))
    answer = cli("enroll", "ann", recording, "--ubm", ubm, "--store", tmp_path / "s.db")
    assert answer.status == 1
    assert "that another program made cannot be made of recordings here" in answer.err


def test_options_without_use(named, tmp_path, cli):
    write_kaldi(tmp_path / "kaldi", iter(sorted(named)))
    source = tmp_path / "kaldi/feats.scp"
    answer = cli("features", "import", source, "--pattern", "*.mfc", "--output", tmp_path / "f")
    assert "pattern (--pattern) is of use for a folder of HTK files only" in answer.err
    answer = cli(
        "features", "import", tmp_path / "kaldi", "--hop", 0.01, "--output", tmp_path / "f"
    )
    assert "hop_s (--hop) is of no use for HTK files, which say it" in answer.err


def test_an_imported_store_is_not_taken_for_one_to_extract_into(named, small_corpus, tmp_path, cli):
    import_frames(named, tmp_path / "frames")
    words = ("features", "extract", small_corpus / "utterances.csv", "--output")
    answer = cli(*words, tmp_path / "frames")
    assert answer.status == 1
    assert "frames: holds frames that were imported; expected a new folder, or a" in answer.err
    assert list(FrameStore.open(tmp_path / "frames").places) == [name for name, _ in named]

from __future__ import annotations

import tempfile
from contextlib import contextmanager

import pytest

from speakergmm.errors import ManifestError, OutputError
from speakergmm.gmm.model_file import load_background_model
from speakergmm.recipes import load_settings, score_lists, train_on_list

SETTINGS = load_settings(None, {"ubm.n_components": "4", "training.max_iterations": "3"})


def test_train_and_score_are_the_stages_of_a_recipe(small_corpus, small_recipe, tmp_path):
    """The single commands give what the recipe gives, on the same lists."""
    from speakergmm.recipes import Experiment, load_recipe

    recipe = load_recipe(small_recipe)
    Experiment(recipe, small_corpus, tmp_path / "out").run()
    ubm = tmp_path / "ubm.safetensors"
    lists = small_corpus / "utterances.csv"
    train_on_list(lists, ubm, recipe.settings, split="background")
    by_recipe = load_background_model(tmp_path / "out" / "ubm.safetensors")
    by_hand = load_background_model(ubm)
    # The store of the background alone is cut into other chunks, so sums round differently.
    assert by_hand.gmm.means == pytest.approx(by_recipe.gmm.means, abs=1e-3)
    assert by_hand.n_frames == by_recipe.n_frames
    recipe_ubm = tmp_path / "out" / "ubm.safetensors"
    score_lists(
        small_corpus / "evaluation",
        lists,
        recipe_ubm,
        tmp_path / "scores.csv",
        recipe.settings,
    )
    theirs = (tmp_path / "out" / "scores.csv").read_text().splitlines()
    ours = (tmp_path / "scores.csv").read_text().splitlines()
    assert ours == [line.rsplit(",", 1)[0] for line in theirs]


def test_without_trials_every_model_meets_every_test(small_corpus, tmp_path):
    ubm = tmp_path / "ubm.safetensors"
    utterances = small_corpus / "utterances.csv"
    train_on_list(utterances, ubm, SETTINGS)
    lists = tmp_path / "lists"
    lists.mkdir()
    for name in ("enrollment.csv", "tests.csv"):
        (lists / name).write_bytes((small_corpus / "development" / name).read_bytes())
    output = tmp_path / "scores.csv"
    scores = score_lists(lists, utterances, ubm, output, SETTINGS).scores
    assert len(scores.trials) == 5 * 10
    assert scores.trials.is_target.sum() == 10


def test_frames_can_be_kept_and_used_again(small_corpus, tmp_path):
    utterances = small_corpus / "utterances.csv"
    frames = tmp_path / "frames"
    first = train_on_list(utterances, tmp_path / "a", SETTINGS, frames=frames)
    before = {p.name: p.stat().st_mtime_ns for p in frames.glob("shard-*")}
    second = train_on_list(utterances, tmp_path / "b", SETTINGS, frames=frames)
    assert {p.name: p.stat().st_mtime_ns for p in frames.glob("shard-*")} == before
    assert first.data_digest == second.data_digest
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_unknown_split(small_corpus, tmp_path):
    with pytest.raises(ManifestError, match="no utterance of split 'train'; splits are 'backgr"):
        train_on_list(small_corpus / "utterances.csv", tmp_path / "ubm", SETTINGS, split="train")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small_files(tmp_path, monkeypatch):
    """Have temporary files in a folder of their own, and none of more than 8,000 bytes there."""
    resource = pytest.importorskip("resource")
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    @contextmanager
    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (8000, limits[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert list(folder.iterdir()) == []

    return limited


def test_where_frames_go_is_said_when_they_do_not_fit(small_corpus, tmp_path, small_files):
    told = r"shard-00000\.npy: cannot be written .*; free .*: set TMPDIR, .* give --frames FOLDER$"
    with small_files(), pytest.raises(OutputError, match=told):
        train_on_list(small_corpus / "utterances.csv", tmp_path / "ubm", SETTINGS, jobs=1)


def test_where_models_go_is_said_when_they_do_not_fit(small_corpus, tmp_path, small_files):
    lists, ubm, frames = small_corpus / "utterances.csv", tmp_path / "ubm", tmp_path / "frames"
    settings = load_settings(None, {"ubm.n_components": "32", "training.max_iterations": "1"})
    train_on_list(lists, ubm, settings)
    evaluation, output = small_corpus / "evaluation", tmp_path / "scores.csv"
    score_lists(evaluation, lists, ubm, output, settings, frames=frames)
    told = r"enrollment\.safetensors: cannot be written .*: set TMPDIR, .* temporary files$"
    with small_files(), pytest.raises(OutputError, match=told):
        score_lists(evaluation, lists, ubm, output, settings, frames=frames)

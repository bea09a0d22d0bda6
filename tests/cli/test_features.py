"""Frame stores on the command line: made, used, refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile

from speakergmm.corpora import read_scores
from speakergmm.features import FrameStore
from speakergmm.gmm.model_file import load_background_model

pytestmark = pytest.mark.usefixtures("leaves_nothing_half_written")

TRAIN = ("--components", 4, "--set", "training.max_iterations=3", "--quiet")


@pytest.fixture
def utterances(small_corpus):
    return small_corpus / "utterances.csv"


@pytest.fixture
def store(cli, utterances, tmp_path):
    folder = tmp_path / "frames"
    answer = cli("features", "extract", utterances, "--split", "background", "--output", folder)
    assert answer.status == 0
    return folder


def test_extract_tells_what_it_did_and_does_it_once(cli, utterances, store):
    again = cli("features", "extract", utterances, "--split", "background", "--output", store)
    frames = FrameStore.open(store)
    assert f"{len(frames.places)} utterances" in again.out
    assert f"{frames.n_frames:,} frames of 30 features" in again.out
    assert f"0 computed, {len(frames.places)} already there" in again.out
    about = json.loads(
        cli("features", "extract", utterances, "--split", "background", "--output", store,
            "--json").out
    )  # fmt: skip
    assert about == {
        "output": str(store),
        "utterances": len(frames.places),
        "computed": 0,
        "frames": frames.n_frames,
        "features": 30,
        "recording_s": pytest.approx(frames.recording_s, abs=0.01),
        "speech_s": pytest.approx(frames.n_frames / 100),
        "left_out": {},
    }
    assert 0 < about["speech_s"] <= about["recording_s"]


def test_recordings_that_cannot_be_used_are_listed_or_left_out(cli, small_corpus, tmp_path):
    recording = next((small_corpus / "audio").rglob("*.flac"))
    silent = tmp_path / "silent.wav"
    soundfile.write(silent, np.zeros(16_000), 16_000)
    text = "utterance_id,speaker_id,path\n"
    lines = [f"good,a,{recording}", f"silent,b,{silent}", f"gone,c,{tmp_path / 'gone.wav'}"]
    utterances = tmp_path / "utterances.csv"
    utterances.write_text(text + "\n".join(lines) + "\n")
    command = ["features", "extract", utterances, "--output", tmp_path / "frames"]
    stopped = cli(*command)
    assert stopped.status == 1
    assert "recording not found" in stopped.err
    skipped = cli(*command, "--on-error", "skip")
    assert skipped.status == 0
    assert "1 utterances of" in skipped.out
    assert "left out: 2 problems" in skipped.out
    assert f"utterance silent: {silent}: silent: every sample is zero" in skipped.out
    assert f"utterance gone: {tmp_path / 'gone.wav'}: no such file" in skipped.out
    as_json = cli(*command, "--on-error", "skip", "--json")
    about = json.loads(as_json.out)
    assert set(about["left_out"]) == {"silent", "gone"}
    assert about["computed"] == 0
    utterances.write_text(text + "\n".join(lines[:2]) + "\n")
    assert "utterance silent" in cli(*command).err


def test_a_list_of_which_nothing_can_be_used_is_an_error_also_under_skip(cli, tmp_path):
    utterances = tmp_path / "utterances.csv"
    utterances.write_text("utterance_id,speaker_id,path\na,a,gone.wav\nb,b,gone.wav\n")
    answer = cli(
        "features", "extract", utterances, "--output", tmp_path / "frames", "--on-error", "skip"
    )
    assert answer.status == 1
    assert "no utterance of the list can be used: 2 problems" in answer.err


def test_settings_come_from_a_file_options_or_a_model(cli, utterances, small_recipe, tmp_path):
    by_option = tmp_path / "by_option"
    cli("features", "extract", utterances, "--output", by_option, "--config", small_recipe,
        "--set", "front_end.n_mfcc=12", "--set", "front_end.deltas=1")  # fmt: skip
    assert FrameStore.open(by_option).n_features == 24
    ubm = tmp_path / "ubm.safetensors"
    assert cli("ubm", "train", by_option, "--output", ubm, *TRAIN).status == 0
    by_model = tmp_path / "by_model"
    cli("features", "extract", utterances, "--output", by_model, "--ubm", ubm)
    assert FrameStore.open(by_model).digest() == FrameStore.open(by_option).digest()
    answer = cli("features", "extract", utterances, "--output", by_model, "--ubm", ubm,
                 "--set", "front_end.n_mfcc=12")  # fmt: skip
    assert answer.status == 2
    assert "--ubm brings its front end" in answer.err


def test_training_on_a_store_is_training_on_its_list(cli, utterances, store, tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    assert cli("ubm", "train", store, "--output", one, *TRAIN).status == 0
    cli("ubm", "train", utterances, "--split", "background", "--output", other, *TRAIN)
    assert one.read_bytes() == other.read_bytes()
    assert load_background_model(one).front_end == FrameStore.open(store).front_end


@pytest.mark.parametrize(
    "option", [("--split", "background"), ("--set", "front_end.n_mfcc=12"), ("--frames", "f")]
)
def test_what_a_store_has_decided_cannot_be_chosen_again(cli, store, tmp_path, option):
    answer = cli("ubm", "train", store, "--output", tmp_path / "ubm", *option)
    assert answer.status == 2
    assert "of no use with a frame store" in answer.err
    assert not (tmp_path / "ubm").exists()


def test_a_store_that_is_none_or_damaged_is_refused_in_one_line(cli, store, tmp_path):
    answer = cli("ubm", "train", tmp_path, "--output", tmp_path / "ubm")
    assert answer.status == 1
    assert answer.err.startswith(f"error: {tmp_path / 'store.json'}: not there; no store")
    shard = store / "shard-00000.npy"
    shard.write_bytes(shard.read_bytes()[:-7])
    answer = cli("ubm", "train", store, "--output", tmp_path / "ubm")
    assert answer.status == 1
    assert f"{shard}: shard cannot be read (it holds " in answer.err
    assert answer.err.count("\n") == 1


def test_frames_that_are_not_finite_are_named_by_their_utterance(cli, store, tmp_path):
    frames = FrameStore.open(store)
    name, place = list(frames.places.items())[2]
    path = store / f"shard-{place.shard:05d}.npy"
    rows = np.load(path)
    rows[place.start + 5, 7] = np.nan
    np.save(path, rows)
    answer = cli("ubm", "train", store, "--output", tmp_path / "ubm", "--quiet")
    assert answer.status == 1
    assert f"error: utterance {name}, frame 5, feature 7 is nan; expected finite" in answer.err


def test_more_components_than_frames(cli, store, tmp_path):
    answer = cli("ubm", "train", store, "--output", tmp_path / "ubm", "--components", 10**6)
    assert answer.status == 1
    assert "frames cannot train 1,000,000 components" in answer.err


def test_scores_by_the_best_components(cli, utterances, small_corpus, store, tmp_path):
    ubm = tmp_path / "ubm.safetensors"
    cli("ubm", "train", store, "--output", ubm, *TRAIN)
    files = {}
    for top_c in (None, 4, 2):
        files[top_c] = tmp_path / f"{top_c}.csv"
        option = [] if top_c is None else ["--top-c", top_c]
        answer = cli("score", small_corpus / "evaluation", "--utterances", utterances, "--ubm", ubm,
                     "--output", files[top_c], "--quiet", *option)  # fmt: skip
        assert answer.status == 0
    exact, all_four, two = (read_scores(file).score for file in files.values())
    np.testing.assert_allclose(all_four, exact, rtol=0, atol=1e-4)
    assert 1e-6 < np.abs(two - exact).max() < 0.5
    answer = cli("score", small_corpus / "evaluation", "--utterances", utterances, "--ubm", ubm,
                 "--output", tmp_path / "none.csv", "--top-c", 5, "--quiet")  # fmt: skip
    assert answer.status == 1
    assert "top_c is 5" in answer.err
    assert not (tmp_path / "none.csv").exists()

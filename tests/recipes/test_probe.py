"""How much of a result is the room: the same experiment on the frames without speech."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import scipy.signal
import soundfile

from speakergmm.recipes import Experiment, load_recipe

SECTION = "The voice or the room"
QUICK = ("--quiet", "--set", "evaluation.n_resamples=100")


def add_rooms(small_corpus, folder, *, by_speaker):
    """Copy the corpus with a loud hum in all of each recording: of the speaker's, or anyone's."""
    shutil.copytree(small_corpus, folder)
    for path in sorted(folder.glob("audio/*/*.flac")):
        samples, rate = soundfile.read(path)
        speaker = int("".join(filter(str.isdigit, path.parent.name)))
        # Neighbors in the list are far apart.
        center = 300 * 1.2 ** (7 * speaker % 16) if by_speaker else 1300
        noise = np.random.default_rng(len(path.name) + speaker).normal(size=len(samples))
        b, a = scipy.signal.iirpeak(center, 8, fs=rate)
        hum = scipy.signal.lfilter(b, a, noise)
        level = 0.02 * np.abs(samples).max() / hum.std()
        noisy = samples + level * hum + 3e-4 * noise
        soundfile.write(path, 0.9 * noisy / np.abs(noisy).max(), rate)
    return folder


@pytest.fixture(scope="module")
def rooms(small_corpus, tmp_path_factory):
    """The corpus with a room for each speaker. Not to be written to."""
    return add_rooms(small_corpus, tmp_path_factory.mktemp("rooms") / "corpus", by_speaker=True)


@pytest.fixture(scope="module")
def one_room(small_corpus, tmp_path_factory):
    """The corpus with the same room for all. Not to be written to."""
    return add_rooms(small_corpus, tmp_path_factory.mktemp("one") / "corpus", by_speaker=False)


@pytest.fixture(scope="module")
def probed(rooms, small_recipe_text, tmp_path_factory):
    """An experiment that has been run with its probe. Not to be written to."""
    folder = tmp_path_factory.mktemp("probed")
    recipe = folder / "recipe.toml"
    recipe.write_text(small_recipe_text, encoding="utf-8")
    result = Experiment(load_recipe(recipe), rooms, folder / "out", probe=True).run()
    return recipe, folder / "out", result


def test_a_room_for_each_speaker_is_found_in_the_pauses(probed):
    _, output, result = probed
    assert list(result.probe) == ["development", "evaluation"]
    found = result.probe["evaluation"].metrics
    # Chance is one half.
    assert found["eer"].value < 0.2
    assert found["auc"].low > 0.5
    page = (output / "report.html").read_text(encoding="utf-8")
    assert SECTION in page
    assert "of this result is the recording, not the voice" in page
    assert f"{100 * found['eer'].value:.2f} %" in page


def test_the_same_room_for_all_tells_little(one_room, small_recipe, tmp_path, probed):
    result = Experiment(load_recipe(small_recipe), one_room, tmp_path / "o", probe=True).run()
    alike = result.probe["evaluation"].metrics
    apart = probed[2].probe["evaluation"].metrics
    assert alike["eer"].value > 0.3
    assert alike["auc"].value < apart["auc"].value - 0.2
    page = (tmp_path / "o" / "report.html").read_text(encoding="utf-8")
    assert SECTION in page
    assert "No cue besides the voice was found" in page


def test_the_probe_is_an_experiment_of_its_own_on_the_same_trials(probed):
    from speakergmm.gmm.model_file import load_background_model

    _, output, result = probed
    metrics = json.loads((output / "probe" / "metrics.json").read_text())
    for split, evaluation in result.probe.items():
        assert metrics[split]["eer"]["value"] == evaluation.metrics["eer"].value
        of_speech = result.evaluations[split]
        assert (evaluation.n_target, evaluation.n_nontarget) == (
            of_speech.n_target, of_speech.n_nontarget,
        )  # fmt: skip
    keeps = [
        load_background_model(folder / "ubm.safetensors").front_end.vad_keeps
        for folder in (output, output / "probe")
    ]
    assert keeps == ["speech", "pauses"]


def test_the_probe_changes_nothing_else(probed, rooms, tmp_path):
    recipe, output, result = probed
    alone = Experiment(load_recipe(recipe), rooms, tmp_path / "o").run()
    assert alone.probe is None
    assert alone.evaluations == result.evaluations
    for name in ("ubm.safetensors", "scores.csv", "calibration.json", "det.svg"):
        assert (tmp_path / "o" / name).read_bytes() == (output / name).read_bytes(), name
    assert not (tmp_path / "o" / "probe").exists()
    assert SECTION not in (tmp_path / "o" / "report.html").read_text(encoding="utf-8")


def test_a_second_run_makes_nothing_again_and_one_without_takes_the_section_away(
    probed, rooms, tmp_path
):
    recipe, output, _ = probed
    shutil.copytree(output, tmp_path / "o")

    def times():
        return {p: p.stat().st_mtime_ns for p in (tmp_path / "o").rglob("*") if p.is_file()}

    before = times()
    again = Experiment(load_recipe(recipe), rooms, tmp_path / "o", probe=True).run()
    assert all(stage.reused for stage in again.stages)
    assert times() == before
    Experiment(load_recipe(recipe), rooms, tmp_path / "o").run()
    assert SECTION not in (tmp_path / "o" / "report.html").read_text(encoding="utf-8")
    assert {p.name for p, t in times().items() if before.get(p) != t} <= {
        "report.html", "metrics.json", "provenance.json", "breakdown.json", "conditions.json",
        "conditions.csv", "det.svg", "det.png", "stages.json",
    }  # fmt: skip


def test_without_voice_activity_detection_there_are_pauses_too(rooms, small_recipe, tmp_path):
    loaded = load_recipe(small_recipe, {"front_end.vad": "none"})
    result = Experiment(loaded, rooms, tmp_path / "o", probe=True).run()
    assert result.probe["evaluation"].metrics["auc"].low > 0.5


def test_the_command_says_what_the_probe_found(cli, small_recipe, rooms, tmp_path):
    command = ("recipe", "run", small_recipe, "--corpus", rooms, "--output", tmp_path / "o")
    answer = cli(*command, *QUICK, "--probe")
    assert (answer.status, answer.err) == (0, "")
    said = [line for line in answer.out.splitlines() if "the recording, not the voice" in line]
    assert len(said) == 1
    again = cli(*command, *QUICK, "--probe")
    assert said[0] in again.out
    assert again.out.count("unchanged") == 7
    without = cli(*command, *QUICK)
    assert "the recording, not the voice" not in without.out

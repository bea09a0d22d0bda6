from __future__ import annotations

import itertools
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
import soundfile

from speakergmm.cli.app import app
from speakergmm.corpora import read_scores

pytestmark = pytest.mark.usefixtures("leaves_nothing_half_written")


def every_command(group, path=()):
    """Give the words that lead to each command and group."""
    yield list(path)
    context = click.Context(group)
    for name in group.list_commands(context) if isinstance(group, click.Group) else ():
        yield from every_command(group.get_command(context, name), (*path, name))


@pytest.fixture(scope="module")
def ubm(small_corpus, tmp_path_factory):
    from speakergmm.recipes import load_settings, train_on_list

    path = tmp_path_factory.mktemp("ubm") / "ubm.safetensors"
    # It hears the level of recordings, of which `verify` warns.
    settings = load_settings(None, {"ubm.n_components": "4", "front_end.normalization": "none"})
    train_on_list(small_corpus / "utterances.csv", path, settings, split="background")
    return path


@pytest.fixture
def recordings(small_corpus):
    """Recordings of two speakers of the evaluation, by session."""
    return {name: sorted((small_corpus / "audio" / name).glob("*.flac")) for name in ("s11", "s12")}


@pytest.mark.parametrize("command", list(every_command(app)), ids=" ".join)
def test_help_teaches_by_example(cli, command):
    answer = cli(*command, "--help")
    assert answer.status == 0
    assert answer.out.startswith(f"Usage: speakergmm {' '.join(command)}".rstrip())
    if command:
        assert "Example" in answer.out
        assert f"\n    speakergmm {' '.join(command)} " in answer.out
    # An example that was rewrapped would show the marker that forbids it.
    assert "\\b" not in answer.out


def test_demo_tells_the_result_and_what_to_do_next(cli, tmp_path, monkeypatch):
    answer = cli("demo", "--output", tmp_path / "demo", "--quiet")
    assert answer.status == 0
    assert "computed, not\nspoken" in answer.out
    assert "EER" in answer.out
    assert "minDCF" in answer.out
    assert "about one in" in answer.out
    assert "16 speakers, 64 same-speaker and 960 different-speaker trials" in answer.out
    assert answer.out.count("  speakergmm ") == 7
    for name in ("report.html", "scores.csv", "metrics.json", "det.svg", "system.safetensors"):
        assert name in answer.out
        assert (tmp_path / "demo" / name).exists()
    assert answer.err == ""
    evaluation = json.loads((tmp_path / "demo" / "metrics.json").read_text())["evaluation"]
    # Where a demo's error rate should lie: some errors, far from chance.
    assert 0.03 <= evaluation["eer"]["value"] <= 0.10
    again = cli("recipe", "run", tmp_path / "demo", "--corpus", tmp_path / "demo" / "corpus",
                "--output", tmp_path / "demo", "--quiet")  # fmt: skip
    assert again.out.count("unchanged") == 7
    # What it says to do next works as it stands there.
    monkeypatch.chdir(tmp_path)
    lines = [line for line in answer.out.splitlines() if line.startswith("  speakergmm ")]
    statuses = []
    for line in lines[:3]:
        words = [
            sorted(Path(word).parent.glob(Path(word).name)) if "*" in word else [word]
            for word in shlex.split(line)[1:]
        ]
        statuses.append(cli(*itertools.chain(*words)).status)
    assert statuses == [0, 0, 3]


def test_recipe_run_twice_and_from(cli, small_recipe, small_corpus, tmp_path):
    command = ["recipe", "run", small_recipe, "--corpus", small_corpus, "--output", tmp_path / "o"]
    first = cli(*command)
    assert first.status == 0
    assert "A small synthetic corpus" in first.out
    assert "unchanged" not in first.out
    assert "features (86) ..." in first.err
    assert "ubm unchanged, enrollment unchanged" in cli(*command).out
    forced = cli(*command, "--from", "scoring").out
    assert "enrollment unchanged, scoring" in forced
    assert "scoring unchanged" not in forced
    provenance = json.loads((tmp_path / "o" / "provenance.json").read_text())
    typed = [str(word) for word in [*command, "--from", "scoring"]]
    assert provenance["command"] == shlex.join(["speakergmm", *typed])


def test_recipe_run_with_wrong_words(cli, small_recipe, small_corpus, tmp_path):
    command = ["recipe", "run", small_recipe, "--corpus", small_corpus, "--output", tmp_path / "o"]
    answer = cli(*command, "--from", "train")
    assert (answer.status, answer.out) == (1, "")
    assert "error: no stage 'train'" in answer.err
    answer = cli(*command, "--set", "n_components")
    assert answer.status == 2
    assert "expected TABLE.NAME=VALUE" in answer.err
    answer = cli(*command, "--set", "ubm.components=3")
    assert answer.status == 1
    assert "unknown setting 'components'; did you mean 'n_components'?" in answer.err
    assert not (tmp_path / "o").exists()


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    """A folder of two noises."""
    folder = tmp_path_factory.mktemp("noise")
    rng = np.random.default_rng(0)
    for name in ("one.wav", "two.wav"):
        soundfile.write(folder / name, 0.1 * rng.normal(size=30_000), 16_000)
    return folder


def test_recipe_run_under_conditions(cli, small_recipe, small_corpus, noise, tmp_path):
    text = small_recipe.read_text(encoding="utf-8")
    text = text.replace("[recipe]", '[recipe]\nconditions = ["speech:0.5"]')
    small_recipe.write_text(text, encoding="utf-8")
    command = ["recipe", "run", small_recipe, "--corpus", small_corpus, "--output", tmp_path / "o",
               "--condition", "noise:5", "--condition", "speech:0.50", "--condition",
               "telephone@enrollment+test", "--noise", noise]  # fmt: skip
    answer = cli(*command)
    assert answer.status == 0
    assert "evaluation of noise:5 ..." in answer.err
    lines = answer.out.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("EER under"))
    assert lines[start].split() == [
        "EER", "under", "development", "(95", "%", "interval)", "evaluation", "(95", "%",
        "interval)",
    ]  # fmt: skip
    expected = json.loads((tmp_path / "o" / "conditions.json").read_text())
    names = ["clean", "speech:0.5", "noise:5", "telephone@enrollment+test"]
    assert list(expected) == names
    for name, line in zip(names, lines[start + 1 :], strict=False):
        assert line.split()[0] == name
        for split in ("development", "evaluation"):
            estimate = expected[name][split]["eer"]
            value, low, high = (f"{100 * estimate[key]:.2f} %" for key in ("value", "low", "high"))
            assert f"{value} ({low} to {high})" in " ".join(line.split())
    assert lines[start + 1 + len(names)].startswith("warning: calibrated on 5 speakers")
    assert lines[-1].startswith("Report: ")
    again = cli(*command, "--quiet")
    assert (again.status, again.err) == (0, "")
    assert again.out.splitlines()[start:] == lines[start:]
    provenance = json.loads((tmp_path / "o" / "provenance.json").read_text())
    assert "--condition noise:5" in provenance["command"]


def test_recipe_run_without_conditions_prints_no_table(cli, small_recipe, small_corpus, tmp_path):
    answer = cli("recipe", "run", small_recipe, "--corpus", small_corpus, "--output",
                 tmp_path / "o", "--condition", "clean", "--quiet")  # fmt: skip
    assert answer.status == 0
    assert "EER under" not in answer.out


def test_conditions_that_cannot_be_run(cli, small_recipe, small_corpus, noise, tmp_path):
    command = ["recipe", "run", small_recipe, "--corpus", small_corpus, "--output", tmp_path / "o"]
    wrong = {
        ("--condition", "nois:5"): "unknown step 'nois'; did you mean 'noise'?",
        ("--condition", "noise:5@tests"): "unknown role 'tests'; expected background, enrollment",
        ("--condition", "multisession"): "a condition adds noise; give a folder of noises with --n",
        ("--set", "recipe.condition=noise:5"): "a condition adds noise; give a folder of noises",
        ("--set", "recipe.conditions=noise:5"): "conditions is 'noise:5'; expected",
        ("--condition", "noise:5", "--noise", tmp_path): "holds no noises; expected files named",
    }
    for words, message in wrong.items():
        answer = cli(*command, *words)
        assert (answer.status, answer.out) == (1, ""), words
        assert answer.err.startswith("error: ")
        assert answer.err.count("\n") == 1
        assert message in answer.err
    for words in (("--noise", tmp_path / "nowhere"), ("--condition",)):
        assert cli(*command, *words).status == 2
    assert not (tmp_path / "o").exists()


def test_recipe_list_and_show(cli, small_recipe, tmp_path):
    folder = tmp_path / "recipes" / "small"
    folder.mkdir(parents=True)
    shutil.copy(small_recipe, folder)
    assert cli("recipe", "list", tmp_path / "recipes").out.endswith("A small synthetic corpus\n")
    shown = cli("recipe", "show", folder, "--set", "front_end.n_mfcc=9").out
    assert "n_mfcc = 9\n" in shown
    assert "n_components = 8\n" in shown
    answer = cli("recipe", "list", tmp_path / "nowhere")
    assert answer.status == 1
    assert "no recipes; expected folders with a recipe.toml" in answer.err


def test_train_score_evaluate_on_lists(cli, small_corpus, tmp_path):
    ubm, scores = tmp_path / "ubm.safetensors", tmp_path / "scores.csv"
    lists = small_corpus / "utterances.csv"
    answer = cli(
        "ubm", "train", lists, "--split", "background", "--components", 4, "--output", ubm
    )  # fmt: skip
    assert answer.status == 0
    assert "4 components over 30 features" in answer.out
    assert "log-likelihood per frame" in answer.out
    answer = cli(
        "score", small_corpus / "evaluation", "--utterances", lists, "--ubm", ubm,
        "--output", scores,
    )  # fmt: skip
    assert "72 trials of 6 models and 12 tests (12 same speaker, 60 different)" in answer.out
    answer = cli("evaluate", scores, "--output", tmp_path / "results")
    assert answer.status == 0
    assert "Threshold at which both errors are equally frequent" in answer.out
    assert (tmp_path / "results" / "det.svg").exists()
    metrics = json.loads(cli("evaluate", scores, "--json").out)
    assert metrics == json.loads((tmp_path / "results" / "metrics.json").read_text())
    assert metrics["evaluation"]["n_target"] == 12
    found = metrics["evaluation"]["thresholds"]["eer"]
    read = read_scores(scores)
    assert found["p_miss"] == np.mean(read.target() < found["score"])
    assert found["p_fa"] == np.mean(read.nontarget() >= found["score"])


def test_evaluate_takes_the_cost_model(cli, tmp_path):
    rows = ["model_id,test_id,label,score"]
    rows += [f"m{i},t{i},target,{s}" for i, s in enumerate((0.1, 0.5, 0.9, 1.4))]
    rows += [f"m{i},t9{i},nontarget,{s}" for i, s in enumerate((-1.0, 0.0, 0.05, 0.7))]
    scores = tmp_path / "s.csv"
    scores.write_text("\r\n".join(rows) + "\r\n")
    costs = [
        json.loads(cli("evaluate", scores, "--p-target", p, "--json").out)["evaluation"]["min_dcf"][
            "value"
        ]
        for p in (0.5, 0.01)
    ]
    # By hand: at p = 0.5 from 0.1 on nobody is missed and one of four accepted wrongly; p = 0.01
    # can only afford to accept nobody wrongly: from 0.9 on, half are missed.
    assert costs == pytest.approx([0.25, 0.5])
    answer = cli("evaluate", scores, "--p-target", 1.5)
    assert answer.status == 1
    assert "error: p_target is 1.5; expected" in answer.err


def test_enroll_then_verify(cli, ubm, recordings, tmp_path):
    store = tmp_path / "speakers.db"
    own, other = recordings["s11"], recordings["s12"]
    answer = cli("enroll", "anna", *own[:2], "--ubm", ubm, "--store", store)
    assert answer.status == 0
    assert "anna: " in answer.out
    assert "from 2 recordings added" in answer.out
    common = ["--ubm", ubm, "--store", store]
    heard = [
        json.loads(cli("verify", "anna", f, *common, "--threshold", 0, "--json").out)["score"]
        for f in (own[2], other[2])
    ]
    threshold = sum(heard) / 2
    genuine, stranger = sorted([own[2], other[2]], key=lambda f: -heard[f is other[2]])
    accepted = cli("verify", "anna", genuine, *common, "--threshold", threshold)
    assert accepted.status == 0
    assert accepted.out.startswith("accepted: ")
    rejected = cli("verify", "anna", stranger, *common, "--threshold", threshold)
    assert rejected.status == 3
    assert rejected.out.startswith("rejected: ")
    assert "below the threshold" in rejected.out
    more = cli("enroll", "anna", own[3], *common, "--json")
    assert json.loads(more.out)["n_recordings"] == 3


def test_enroll_and_verify_warn_of_what_recordings_lack(cli, ubm, recordings, tmp_path):
    from speakergmm.audio.quality import recording_quality

    first, second, test = recordings["s11"][:3]
    samples, rate = soundfile.read(test)
    clipped = tmp_path / "clipped.wav"
    soundfile.write(clipped, np.clip(8 * samples, -0.5, 0.5), rate)
    common = ["--ubm", ubm, "--store", tmp_path / "speakers.db"]
    answer = cli("enroll", "anna", first, second, *common)
    summary, *warnings = answer.out.splitlines()
    assert summary.startswith("anna: ")
    assert "components have heard the speaker" in warnings.pop(0)
    assert "recordings fit the speaker's others by " in warnings.pop(0)
    assert "s of speech in all; below 10 s" in warnings.pop(0)
    assert warnings == [
        f"warning: {path}: {warning.text}"
        for path in (first, second)
        for warning in recording_quality(path).warnings
        if warning.code != "short_speech"
    ]
    answer = cli("verify", "anna", clipped, *common, "--threshold", -99)
    assert answer.status == 0
    decision, *_ = lines = answer.out.splitlines()
    assert decision == f"accepted: {clipped} as 'anna'"
    enrolled, *warnings = [line for line in lines if line.startswith("warning: ")]
    assert "'anna' is enrolled with 2.4 s of speech" in enrolled
    expected = recording_quality(clipped).warnings
    assert {"short_speech", "clipped"} <= {warning.code for warning in expected}
    assert "13 dB louder than the enrollment" in warnings.pop(0)
    # How much speech there is, is said by what was scored.
    assert "s of speech (below 3 s)" in warnings.pop(0)
    assert warnings == [
        f"warning: {warning.text}" for warning in expected if warning.code != "short_speech"
    ]
    answer = cli("verify", "anna", clipped, *common, "--threshold", 99, "--json")
    assert answer.status == 3
    quality = json.loads(answer.out)["quality"]
    assert quality == json.loads(json.dumps(recording_quality(clipped).to_json()))
    assert [warning["text"] for warning in quality["warnings"]] == [w.text for w in expected]
    report = json.loads(cli("enroll", "berta", test, *common, "--json").out)
    assert list(report["quality"]) == [str(test)]
    assert report["quality"][str(test)]["net_speech_s"] == recording_quality(test).net_speech_s


def test_verify_needs_a_threshold(cli, ubm, recordings, tmp_path):
    answer = cli("verify", "anna", recordings["s11"][0], "--ubm", ubm, "--store", tmp_path / "s.db")
    assert answer.status == 2
    assert "no threshold: a score means nothing without one" in answer.err
    assert not (tmp_path / "s.db").exists()


def test_relevance_factor_reaches_the_score(cli, ubm, recordings, tmp_path):
    common = ["--ubm", ubm, "--store", tmp_path / "speakers.db"]
    cli("enroll", "anna", recordings["s11"][0], *common)
    command = ["verify", "anna", recordings["s11"][1], *common, "--threshold", -99, "--json"]
    scores = [
        json.loads(cli(*command, *more).out)["score"]
        for more in ([], ["--relevance-factor", 16], ["--relevance-factor", 1e9])
    ]
    assert scores[0] == scores[1]
    # A background model of this strength does not move: the speaker's model is the UBM.
    assert scores[2] == pytest.approx(0, abs=1e-3)
    assert cli(*command, "--relevance-factor", -1).status == 1


def test_model_show(cli, ubm, tmp_path):
    shown = json.loads(cli("model", "show", ubm, "--json").out)
    assert shown["n_components"] == 4
    assert shown["front_end"]["n_mfcc"] == shown["n_features"] == 30
    text = cli("model", "show", ubm).out
    assert "n_components: 4\n" in text
    assert "  sample_rate: 16000\n" in text
    (tmp_path / "x").write_bytes(b"x" * 100)
    answer = cli("model", "show", tmp_path / "x")
    assert answer.status == 1
    assert "not a system file, or a damaged one" in answer.err


def bad_recordings(folder):
    """Recordings that cannot be used, each with what is to be said of it."""
    rng = np.random.default_rng(0)
    noise = (0.1 * rng.normal(size=16000)).astype(np.float32)
    soundfile.write(folder / "whole.wav", noise, 16000)
    soundfile.write(folder / "whole.flac", noise, 16000)
    soundfile.write(folder / "no_samples.wav", noise[:0], 16000)
    soundfile.write(folder / "zeros.wav", np.zeros(16000), 16000)
    soundfile.write(folder / "short.wav", noise[:399], 16000)
    soundfile.write(folder / "telephone.wav", noise[:8000], 8000)
    soundfile.write(
        folder / "nan.wav", np.where(np.arange(16000) == 7, np.nan, noise), 16000, "FLOAT"
    )
    (folder / "empty.wav").write_bytes(b"")
    (folder / "text.wav").write_bytes(b"this is not audio" * 99)
    (folder / "cut.wav").write_bytes((folder / "whole.wav").read_bytes()[:9000])
    (folder / "cut.flac").write_bytes((folder / "whole.flac").read_bytes()[:9000])
    return {
        "missing.wav": "no such file",
        "no_samples.wav": "holds no samples",
        "zeros.wav": "silent: every sample is zero",
        "short.wav": "too short: 24.9 ms; expected at least one analysis window (25 ms)",
        "telephone.wav": "audio is 8000 Hz, the model expects 16000 Hz",
        "nan.wav": "1 samples are NaN or infinite (the first is number 7)",
        "empty.wav": "the file is empty (0 bytes)",
        "text.wav": "not audio that can be decoded",
        "cut.wav": "truncated: 23,044 bytes fewer than its header says",
        "cut.flac": "cut.flac: ",
    }


def test_bad_recordings_get_one_clear_line(cli, ubm, recordings, tmp_path):
    expected = bad_recordings(tmp_path)
    store = tmp_path / "speakers.db"
    cli("enroll", "anna", recordings["s11"][0], "--ubm", ubm, "--store", store)
    before = store.read_bytes()
    for name, message in expected.items():
        path = tmp_path / name
        answers = [
            cli("enroll", "anna", path, "--ubm", ubm, "--store", store),
            cli("verify", "anna", path, "--ubm", ubm, "--store", store, "--threshold", 0),
        ]
        for answer in answers:
            assert (answer.status, answer.out) == (1, ""), name
            assert answer.err.startswith(f"error: {path}: "), answer.err
            assert message in answer.err
            assert answer.err.count("\n") == 1
    assert store.read_bytes() == before


def test_bad_recordings_of_a_list_are_named_together(cli, tmp_path):
    bad = [name for name in bad_recordings(tmp_path) if name != "missing.wav"]
    rows = [f"u{i},s{i},{name}" for i, name in enumerate(["whole.wav", *bad])]
    (tmp_path / "u.csv").write_text("\n".join(["utterance_id,speaker_id,path", *rows]))
    output = tmp_path / "ubm.safetensors"
    answer = cli("ubm", "train", tmp_path / "u.csv", "--output", output, "--components", 2)
    assert answer.status == 1
    assert "Traceback" not in answer.err
    # What the headers tell is refused before anything is computed, with the line of the list.
    for i, name in enumerate(["whole.wav", *bad]):
        if name in ("empty.wav", "text.wav", "cut.wav"):
            assert f"u.csv:{i + 2}: utterance u{i}: " in answer.err
    kept = [row for row, name in zip(rows, ["whole.wav", *bad], strict=True)
            if name not in ("empty.wav", "text.wav", "cut.wav")]  # fmt: skip
    (tmp_path / "u.csv").write_text("\n".join(["utterance_id,speaker_id,path", *kept]))
    answer = cli("ubm", "train", tmp_path / "u.csv", "--output", output, "--components", 2)
    assert answer.status == 1
    for name in ("no_samples.wav", "zeros.wav", "short.wav", "telephone.wav", "nan.wav"):
        assert name in answer.err
    assert not output.exists()


BAD_LISTS = {
    "": "the file is empty; expected the header 'utterance_id,speaker_id,path'",
    "utterance_id,speaker_id,path\n": "the list is empty",
    "utterance_id,speaker,path\nu,s,a\n": "unknown column 'speaker'; did you mean 'speaker_id'?",
    "utterance_id,path\nu,a\n": "missing column 'speaker_id'",
    "utterance_id,speaker_id,path\nu,s,a.wav\n": "recording not found: ",
    "utterance_id,speaker_id,path\nu,s,whole.wav\nu,s,whole.wav\n": ":3: duplicate utterance_id",
    "utterance_id,speaker_id,path,end_s\nu,s,whole.wav,0\n": "expected start_s < end_s",
    "utterance_id,speaker_id,path,start_s,end_s\nu,s,whole.wav,0.5,1.5\n": "beyond the end of",
}


@pytest.mark.parametrize("content", BAD_LISTS)
def test_bad_lists(cli, tmp_path, content):
    bad_recordings(tmp_path)
    (tmp_path / "u.csv").write_text(content)
    answer = cli("ubm", "train", tmp_path / "u.csv", "--output", tmp_path / "ubm.safetensors")
    assert (answer.status, answer.out) == (1, "")
    assert "error: u.csv cannot be used: " in answer.err
    assert f"{tmp_path / 'u.csv'}:" in answer.err
    assert BAD_LISTS[content] in answer.err
    assert not (tmp_path / "ubm.safetensors").exists()


@pytest.mark.parametrize(
    ("trials", "message"),
    [
        ("model_id,test_id,label\nnobody,t,target\n", "unknown model_id 'nobody'"),
        ("model_id,test_id,label\ns11,nothing,target\n", "unknown test_id 'nothing'"),
        ("model_id,test_id,label\ns11,s11-2-a,same\n", "label is 'same'; expected 'target' or"),
        ("model_id,test_id,label\ns11,s12-2-a,target\n", "label is 'target', but model 's11'"),
        ("model_id,test_id,label\n", "the list is empty"),
    ],
)
def test_bad_trials(cli, small_corpus, ubm, tmp_path, trials, message):
    lists = tmp_path / "lists"
    shutil.copytree(small_corpus / "evaluation", lists)
    (lists / "trials.csv").write_text(trials)
    answer = cli(
        "score", lists, "--utterances", small_corpus / "utterances.csv", "--ubm", ubm,
        "--output", tmp_path / "scores.csv",
    )  # fmt: skip
    assert answer.status == 1
    assert message in answer.err
    assert not (tmp_path / "scores.csv").exists()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a,b,target,nan\n", "score is 'nan'; expected a number"),
        ("a,b,target,1,5\n", "5 cells; the header has 4 columns"),
        ("a,b,impostor,1\n", "label is 'impostor'"),
        ("a,b,target,1\na,b,target,1\n", "duplicate trial: a, b"),
        ("a,b,target,1\n", "there are no nontarget scores"),
        ("a,b,nontarget,1\n", "there are no target scores"),
    ],
)
def test_bad_scores(cli, tmp_path, rows, message):
    (tmp_path / "s.csv").write_text("model_id,test_id,label,score\n" + rows)
    answer = cli("evaluate", tmp_path / "s.csv")
    assert (answer.status, answer.out) == (1, "")
    assert message in answer.err


def test_too_few_frames_for_the_components(cli, small_corpus, tmp_path):
    answer = cli(
        "ubm", "train", small_corpus / "utterances.csv", "--output", tmp_path / "ubm",
        "--components", 10**6,
    )  # fmt: skip
    assert answer.status == 1
    assert "frames cannot train 1,000,000 components" in answer.err


def test_output_that_cannot_be_written(cli, small_corpus, ubm, tmp_path):
    (tmp_path / "file").write_text("mine")
    answer = cli(
        "score", small_corpus / "evaluation", "--utterances", small_corpus / "utterances.csv",
        "--ubm", ubm, "--output", tmp_path / "file" / "scores.csv",
    )  # fmt: skip
    assert answer.status == 1
    assert "scores.csv: cannot be written" in answer.err
    assert (tmp_path / "file").read_text() == "mine"


def test_full_disk_keeps_the_old_result(cli, small_corpus, ubm, tmp_path, monkeypatch):
    import errno
    from pathlib import Path

    output = tmp_path / "scores.csv"
    output.write_text("old")

    def full(self, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    answer = cli(
        "score", small_corpus / "evaluation", "--utterances", small_corpus / "utterances.csv",
        "--ubm", ubm, "--output", output,
    )  # fmt: skip
    monkeypatch.undo()
    assert answer.status == 1
    assert "No space left on device" in answer.err
    assert output.read_text() == "old"


def test_interruption_is_said(cli, small_corpus, tmp_path, monkeypatch):
    from speakergmm import recipes

    def interrupted(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(recipes, "train_on_list", interrupted)
    answer = cli("ubm", "train", small_corpus / "utterances.csv", "--output", tmp_path / "ubm")
    assert answer.status == 130
    assert "interrupted; run the same command to continue" in answer.err


def test_wrong_usage_exits_with_two(cli):
    for words in (["enroll"], ["nothing"], ["ubm", "train", "--bad"], ["verify", "x"]):
        assert cli(*words).status == 2


@pytest.mark.parametrize("name", ["recipe.toml", "scores.csv", "system.safetensors"])
def test_demo_does_not_write_over_other_files(cli, tmp_path, name):
    (tmp_path / name).write_text("mine")
    answer = cli("demo", "--output", tmp_path)
    assert answer.status == 1
    assert f"{name}: exists, and not from a demo; choose another folder" in answer.err
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda t: np.where(t == 8000, 0.9, 0.0), "s of speech; expected at least 0.2 s"),
        (lambda t: np.full(len(t), 0.25), "constant: every sample has the same value"),
    ],
)
def test_what_holds_no_speech_is_not_enrolled(cli, ubm, tmp_path, make, message):
    path = tmp_path / "odd.wav"
    soundfile.write(path, make(np.arange(16000)), 16000)
    answer = cli("enroll", "anna", path, "--ubm", ubm, "--store", tmp_path / "s.db")
    assert answer.status == 1
    assert message in answer.err
    assert not (tmp_path / "s.db").exists()


@pytest.mark.skipif(os.name != "posix", reason="names are bytes on POSIX only")
def test_names_that_are_no_text(cli, ubm, recordings, tmp_path):
    path = tmp_path / os.fsdecode(b"bad\xff.flac")
    shutil.copy(recordings["s11"][0], path)
    common = ["--ubm", ubm, "--store", tmp_path / "s.db"]
    assert cli("enroll", "anna", path, *common).status == 0
    answer = cli("enroll", os.fsdecode(b"ann\xff"), path, *common)
    assert answer.status == 1
    assert "is not text; expected UTF-8" in answer.err


def test_threshold_must_be_a_number(cli, ubm, recordings, tmp_path):
    common = ["--ubm", ubm, "--store", tmp_path / "s.db"]
    cli("enroll", "anna", recordings["s11"][0], *common)
    answer = cli("verify", "anna", recordings["s11"][1], *common, "--threshold", "nan")
    assert answer.status == 1
    assert "threshold is nan; expected a finite number" in answer.err


# A command that works in a temporary folder, as training from a list does, until it is ended.
WORKING = """
import tempfile, time
from speakergmm.cli import app, main

def work(**options):
    with tempfile.TemporaryDirectory() as folder:
        print(folder, flush=True)
        time.sleep(60)

app.main = work
main()
"""


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="needs the signals of POSIX")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_command_that_is_asked_to_end_leaves_nothing(name):
    words = [sys.executable, "-c", WORKING]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        folder = Path(run.stdout.readline().strip())
        assert folder.is_dir()
        run.send_signal(getattr(signal, name))
        _, err = run.communicate(timeout=30)
    assert (run.returncode, err) == (130, "interrupted; run the same command again\n")
    assert not folder.exists()


@pytest.mark.skipif(shutil.which("nohup") is None, reason="needs nohup")
def test_under_nohup_a_closed_terminal_ends_nothing():
    words = ["nohup", sys.executable, "-c", WORKING]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        folder = Path(run.stdout.readline().strip())
        run.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            run.wait(0.3)
        run.terminate()
        run.communicate(timeout=30)
    assert run.returncode == 130
    assert not folder.exists()

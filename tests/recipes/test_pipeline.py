"""Experiments under several conditions: what is shared, what is made anew, and what it should be.

The oracle computes every score from the recordings themselves: samples, degraded one by one, their
frames, a model, a ratio.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest
import soundfile

from speakergmm import (
    FrameStore,
    FrontEnd,
    accumulate,
    fit_calibration,
    log_likelihood_ratio,
    map_adapt,
)
from speakergmm.audio.noises import NoisePool
from speakergmm.corpora import read_scores, read_split, read_utterances
from speakergmm.errors import AudioError, ConfigError, MissingError
from speakergmm.evaluation import eer
from speakergmm.features import cmn, relative_level
from speakergmm.gmm.model_file import load_background_model
from speakergmm.recipes import Condition, Experiment, load_recipe

# Scores are means over float32 blocks, of other shapes here than there.
SCORE_TOLERANCE = 1e-4

MANY = (
    "noise:5",
    "cut:0.6+gain:-6",
    "speech:0.5",
    "telephone@enrollment",
    "telephone@background",
    "mulaw@enrollment+test",
    "multisession",
)
SPLITS = ("development", "evaluation")
RESULTS = (
    "ubm.safetensors", "scores.csv", "development/scores.csv", "calibration.json", "det.svg",
    "development/enrollment.safetensors", "evaluation/enrollment.safetensors",
    "features/shard-00000.npy", "features/shard-00000.json", "features/store.json",
)  # fmt: skip


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    """A folder of two noises, of which one is shorter than the recordings and at another rate."""
    folder = tmp_path_factory.mktemp("noise")
    rng = np.random.default_rng(5)
    soundfile.write(folder / "hiss.wav", 0.1 * rng.normal(size=40_000), 16_000)
    hum = np.sin(2 * np.pi * 120 * np.arange(5_000) / 8_000) + 0.1 * rng.normal(size=5_000)
    soundfile.write(folder / "hum.wav", 0.3 * hum, 8_000)
    return folder


@pytest.fixture(scope="module")
def recipe(small_recipe_text, tmp_path_factory):
    file = tmp_path_factory.mktemp("recipe") / "recipe.toml"
    file.write_text(small_recipe_text.replace("n_resamples = 50", "n_resamples = 10"))
    return file


@pytest.fixture(scope="module")
def run(recipe, small_corpus, noise):
    """Run the small experiment."""

    def run(output, conditions=(), **options):
        loaded = load_recipe(recipe, options.pop("overrides", None))
        options = {"noise": noise, "jobs": 2} | options
        corpus = options.pop("corpus", small_corpus)
        return Experiment(loaded, corpus, output, conditions=conditions, **options).run()

    return run


@pytest.fixture(scope="module")
def plain(run, tmp_path_factory):
    """The experiment without conditions. Not to be written to."""
    output = tmp_path_factory.mktemp("plain") / "out"
    return output, run(output, noise=None)


@pytest.fixture(scope="module")
def many(run, tmp_path_factory):
    """The experiment under many conditions. Not to be written to."""
    output = tmp_path_factory.mktemp("many") / "out"
    return output, run(output, MANY)


@pytest.fixture
def again(many, tmp_path):
    """A copy of the experiment under many conditions, to be run over."""
    shutil.copytree(many[0], tmp_path / "out")
    return tmp_path / "out"


def files(folder):
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]


def times(folder):
    return {path: path.stat().st_mtime_ns for path in files(folder)}


def contents(folder):
    """Give all files but those that say when, or how fast, they were made."""
    timed = {"metrics.json", "stages.json", "provenance.json", "report.html"}
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in files(folder)
        if path.name not in timed
    }


def place(output, text):
    return output / "conditions" / Condition.parse(text).folder


def entries(store):
    """Number of frames by the name of each entry."""
    return {name: p.stop - p.start for name, p in FrameStore.open(store).places.items()}


# --- what is shared, and what is made anew ---


def test_conditions_change_nothing_of_the_experiment_itself(plain, many):
    for name in RESULTS:
        assert (plain[0] / name).read_bytes() == (many[0] / name).read_bytes(), name
    for split in SPLITS:
        alone, among = plain[1].evaluations[split], many[1].evaluations[split]
        assert alone == among == many[1].conditions["clean"][split]
    assert list(plain[1].conditions) == ["clean"]
    assert list(many[1].conditions) == ["clean", *MANY]
    assert [stage.name for stage in many[1].stages] == [
        "features", "ubm", "enrollment", "scoring", "calibration", "system", "evaluation",
    ]  # fmt: skip
    assert not (plain[0] / "conditions").exists()


@pytest.mark.parametrize("text", MANY)
def test_a_condition_makes_only_what_it_changes(many, small_corpus, text):
    folder, roles = place(many[0], text), Condition.parse(text).roles
    made = {path.relative_to(folder).as_posix() for path in files(folder)}
    enrolls = "background" in roles or "enrollment" in roles
    assert ("ubm.safetensors" in made) == ("background" in roles)
    for split in SPLITS:
        assert (f"{split}/enrollment.safetensors" in made) == enrolls
    assert {"scores.csv", "development/scores.csv", "calibration.json", "metrics.json"} <= made
    # What is left as it is stands in the experiment's own store.
    assert not any(name.startswith("features/") for name in made)
    utterances = read_utterances(small_corpus / "utterances.csv")
    names = entries(folder / "features-degraded").keys()
    if "background" in roles:
        assert {u for u in names if u in utterances} >= {
            u.utterance_id for u in utterances.values() if u.split == "background"
        }
    else:
        assert not any(u in utterances and utterances[u].split == "background" for u in names)
    if not enrolls:
        own = (many[0] / "calibration.json").read_bytes()
        assert (folder / "calibration.json").read_bytes() == own


# --- what the scores should be ---


def oracle(recipe, corpus, output, condition, split, degraded):
    """Scores of a split, model by model and test by test.

    ``degraded`` (samples, rate, utterance) gives the samples under the condition.
    """
    loaded, roles = load_recipe(recipe), condition.roles
    config = loaded.settings.front_end
    front_end = FrontEnd(dataclasses.replace(config, normalization="none"))
    utterances = read_utterances(corpus / "utterances.csv")
    protocol = read_split(corpus, split, utterances)
    folder = place(output, str(condition)) if "background" in roles else output
    ubm = load_background_model(folder / "ubm.safetensors").gmm

    def side(pool, role):
        is_cut = role in roles and condition.speech_s is not None
        parts, room = [], round(100 * condition.speech_s) if is_cut else None
        for utterance_id in pool:
            samples, rate = soundfile.read(utterances[utterance_id].path, dtype="float32")
            if role in roles:
                samples = degraded(samples, rate, utterance_id)
            frames = front_end(samples, rate)[:room]
            if len(frames):
                parts.append(relative_level(frames, per_db=config.level_per_db))
            room = room and room - len(frames)
        return np.concatenate(parts)

    factor = loaded.settings.enrollment.relevance_factor
    models = {
        m: map_adapt(ubm, accumulate(ubm, side(pool, "enrollment")), relevance_factor=factor)
        for m, pool in protocol.enrollment.items()
    }
    tests = {t: side(pool, "test") for t, pool in protocol.tests.items()}
    trials = protocol.trials
    return np.array([
        log_likelihood_ratio(
            models[trials.model_ids[m]], ubm, tests[trials.test_ids[t]]
        )
        for m, t in zip(trials.model_index, trials.test_index, strict=True)
    ])  # fmt: skip


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("text", MANY)
def test_scores_are_those_of_samples_degraded_one_by_one(
    many, recipe, small_corpus, noise, text, split
):
    output, condition = many[0], Condition.parse(text)
    noises = NoisePool.load(noise)

    def degraded(samples, rate, utterance_id):
        if text == "cut:0.6+gain:-6":
            # Nothing is drawn, so by hand.
            return (samples[: round(0.6 * rate)] * 10 ** (-6 / 20)).astype(np.float32)
        return condition.degradation(samples, rate, utterance_id, noises, 0)

    expected = oracle(recipe, small_corpus, output, condition, split, degraded)
    folder = place(output, text)
    name = "scores.csv" if split == "evaluation" else f"{split}/scores.csv"
    scores, own = read_scores(folder / name), read_scores(output / name)
    np.testing.assert_allclose(scores.score, expected, rtol=0, atol=SCORE_TOLERANCE)
    # The condition does something.
    assert np.abs(scores.score - own.score).max() > 100 * SCORE_TOLERANCE
    metrics = json.loads((folder / "metrics.json").read_text())[split]
    assert metrics["eer"]["value"] == pytest.approx(
        eer(scores.target(), scores.nontarget()), rel=1e-12
    )
    calibration = json.loads((folder / "calibration.json").read_text())
    ratios = calibration["scale"] * scores.score + calibration["offset"]
    np.testing.assert_allclose(scores.llr, ratios, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("text", [t for t in MANY if set(Condition.parse(t).roles) != {"test"}])
def test_other_models_are_calibrated_on_their_own_development(many, text):
    folder = place(many[0], text)
    development = read_scores(folder / "development" / "scores.csv")
    expected = fit_calibration(development.target(), development.nontarget())
    found = json.loads((folder / "calibration.json").read_text())
    assert (found["scale"], found["offset"]) == pytest.approx((expected.scale, expected.offset))
    assert found["fitted_on"] == "development"


def test_so_many_seconds_of_each_test_are_used(many, small_corpus):
    used = entries(place(many[0], "speech:0.5") / "features-degraded")
    utterances = read_utterances(small_corpus / "utterances.csv")
    tests = {
        f"{split} test {t}"
        for split in SPLITS
        for t in read_split(small_corpus, split, utterances).tests
    }
    assert used.keys() == tests
    assert set(used.values()) == {50}


def test_longer_speech_than_there_is_changes_no_score(plain, run, tmp_path):
    shutil.copytree(plain[0], tmp_path / "out")
    run(tmp_path / "out", ["speech:100@enrollment+test"])
    folder = place(tmp_path / "out", "speech:100@enrollment+test")
    for name in ("scores.csv", "development/scores.csv"):
        assert (folder / name).read_bytes() == (plain[0] / name).read_bytes()


# --- run over, interrupted, forced ---


def test_second_run_uses_all_again(again, run):
    before = times(again)
    result = run(again, MANY)
    assert all(stage.reused for stage in result.stages)
    assert times(again) == before


def test_a_condition_more_leaves_the_others(again, run):
    before = times(again)
    run(again, [*MANY, "gain:-20"])
    after = times(again)
    changed = {path.relative_to(again).as_posix() for path in before if before[path] != after[path]}
    assert not any(name.startswith("conditions/") for name in changed)
    assert "scores.csv" not in changed
    assert "report.html" in changed
    assert list(json.loads((again / "conditions.json").read_text())) == ["clean", *MANY, "gain:-20"]


def test_from_a_stage_runs_it_and_those_after_it_under_every_condition(again, run):
    before, bytes_before = times(again), contents(again)
    run(again, MANY, force_from="scoring")
    after = times(again)
    assert contents(again) == bytes_before
    for folder in (again, *(place(again, text) for text in MANY)):
        for name in ("scores.csv", "development/scores.csv", "calibration.json", "metrics.json"):
            assert after[folder / name] != before[folder / name], (folder.name, name)
    for path in before:
        if path.name == "enrollment.safetensors" or "features" in path.parent.name:
            assert after[path] == before[path], path
        if path.name == "ubm.safetensors":
            assert after[path] == before[path], path


def test_from_the_features_on_all_is_done_again_to_the_same_bytes(again, run):
    conditions = ["noise:5", "telephone@background"]
    folders = [again / "features", *(place(again, text) for text in conditions)]
    before, bytes_before = times(again), list(map(contents, folders))
    run(again, conditions, force_from="features")
    assert list(map(contents, folders)) == bytes_before
    after = times(again)
    for path in (path for folder in folders for path in files(folder)):
        if path.name in ("shard-00000.npy", "ubm.safetensors", "enrollment.safetensors"):
            assert after[path] != before[path], path


class InterruptWithin:
    """Presses Ctrl-C at the n-th report of progress after a folder has come to be."""

    def __init__(self, folder, n):
        self.folder, self.left = folder, n

    def tick(self, *_):
        self.left -= self.folder.exists()
        if self.left == 0:
            raise KeyboardInterrupt

    start = advance = note = tick


@pytest.mark.usefixtures("leaves_nothing_half_written")
@pytest.mark.parametrize(
    ("text", "n"), [("multisession", 1), ("multisession", 12), ("multisession", 36), ("noise:5", 4)]
)
def test_interrupted_within_a_condition_it_goes_on_to_the_same_bytes(
    many, plain, run, tmp_path, text, n
):
    output = tmp_path / "out"
    shutil.copytree(plain[0], output)
    folder = place(output, text)
    with pytest.raises(KeyboardInterrupt):
        run(output, [text], progress=InterruptWithin(folder, n))
    assert not (folder / "metrics.json").exists()
    run(output, [text])
    assert contents(folder) == contents(place(many[0], text))


def test_other_noises_change_only_the_conditions_with_noise(again, run, noise, tmp_path):
    other = shutil.copytree(noise, tmp_path / "noise")
    samples, rate = soundfile.read(other / "hiss.wav")
    soundfile.write(other / "hiss.wav", samples[::-1], rate)
    before = contents(again)
    run(again, ["multisession", "noise:5", "telephone@enrollment"], noise=other)
    after = contents(again)
    changed = {name.split("/")[1] for name in before
               if name.endswith("/scores.csv") and before[name] != after[name]
               and name.startswith("conditions/")}  # fmt: skip
    assert changed == {Condition.parse(text).folder for text in ("noise:5", "multisession")}
    for name in RESULTS:
        assert before[name] == after[name]


def test_another_seed_draws_other_noise(again, run):
    name = "features-degraded/shard-00000.npy"
    before = (place(again, "noise:5") / name).read_bytes()
    by_id = np.load(place(again, "multisession") / name)
    run(again, ["noise:5", "multisession"], overrides={"recipe.seed": "1"})
    assert (place(again, "noise:5") / name).read_bytes() != before
    # Its channels are defined by the utterances' ids alone.
    np.testing.assert_array_equal(np.load(place(again, "multisession") / name), by_id)


def test_results_do_not_depend_on_the_workers(many, run, tmp_path):
    run(tmp_path / "one", MANY, jobs=1)
    assert contents(tmp_path / "one") == contents(many[0])


def test_a_renamed_split_is_measured_again(run, plain, small_corpus, tmp_path):
    output, lists = tmp_path / "out", tmp_path / "lists"
    shutil.copytree(plain[0], output)
    run(output, ["gain:3"])
    shutil.copytree(small_corpus, lists, ignore=shutil.ignore_patterns("audio"))
    (lists / "evaluation").rename(lists / "final")
    text = (lists / "utterances.csv").read_text().replace(",evaluation", ",final")
    (lists / "utterances.csv").write_text(text)
    overrides = {"recipe.manifests": f"'{lists}'", "recipe.evaluation": "final"}
    result = run(output, ["gain:3"], overrides=overrides)
    for evaluations in result.conditions.values():
        assert list(evaluations) == ["development", "final"]


# --- which conditions ---


def test_conditions_of_recipe_and_caller_come_together(recipe, small_corpus, noise, tmp_path):
    file = tmp_path / "recipe.toml"
    head = '[recipe]\ncondition = "gain:0"\nconditions = ["noise:5", "clean", "telephone@test"]\n'
    file.write_text(recipe.read_text().replace("[recipe]\n", head))
    # The experiment's own counts as one of them.
    head_only = load_recipe(file, {"recipe.conditions": '["noise:5", "telephone@test"]'})
    experiment = Experiment(
        head_only,
        small_corpus,
        tmp_path / "out",
        conditions=["telephone", "mulaw", "noise:5.0@test", "gain:0@test", "mulaw"],
        noise=noise,
    )
    assert str(experiment.pipeline.condition) == "gain:0"
    assert [str(p.condition) for p in experiment.others] == ["noise:5", "telephone", "mulaw"]
    assert not (tmp_path / "out").exists()


def test_conditions_of_the_recipe_are_run(many, run, plain, tmp_path):
    shutil.copytree(plain[0], tmp_path / "out")
    result = run(tmp_path / "out", ["speech:0.50"], overrides={"recipe.conditions": '["noise:5"]'})
    assert list(result.conditions) == ["clean", "noise:5", "speech:0.5"]
    for text in ("noise:5", "speech:0.5"):
        assert result.conditions[text] == many[1].conditions[text]


def test_the_experiments_own_condition(many, run, tmp_path):
    overrides = {"recipe.condition": "multisession"}
    result = run(tmp_path / "out", ["multisession@all"], overrides=overrides)
    assert list(result.conditions) == ["multisession"]
    assert result.evaluations == many[1].conditions["multisession"]
    folder = place(many[0], "multisession")
    for name in ("ubm.safetensors", "scores.csv", "calibration.json", "development/scores.csv"):
        assert (tmp_path / "out" / name).read_bytes() == (folder / name).read_bytes(), name
    assert not (tmp_path / "out" / "features").exists()
    assert not (tmp_path / "out" / "conditions").exists()


def test_an_own_condition_of_the_tests_alone(many, run, tmp_path):
    result = run(tmp_path / "out", overrides={"recipe.condition": "speech:0.5"})
    assert (tmp_path / "out" / "ubm.safetensors").read_bytes() == (
        many[0] / "ubm.safetensors"
    ).read_bytes()
    name = "scores.csv"
    scores = read_scores(tmp_path / "out" / name).score
    np.testing.assert_array_equal(
        scores, read_scores(place(many[0], "speech:0.5") / name).score
    )  # fmt: skip
    # Calibrated on tests as short as these, where among other conditions it is on whole ones.
    development = read_scores(tmp_path / "out" / "development" / name)
    expected = fit_calibration(development.target(), development.nontarget())
    assert result.calibration["scale"] == pytest.approx(expected.scale)
    assert (
        entries(tmp_path / "out" / "features-degraded").keys()
        == entries(place(many[0], "speech:0.5") / "features-degraded").keys()
    )


def test_clean_beside_another_own_condition_is_made_anew(run, tmp_path):
    # What the own condition degrades is not taken from it.
    run(tmp_path / "plain")
    result = run(tmp_path / "out", ["clean"], overrides={"recipe.condition": "multisession"})
    clean = place(tmp_path / "out", "clean")
    for name in ("ubm.safetensors", "scores.csv", "development/scores.csv"):
        assert (clean / name).read_bytes() == (tmp_path / "plain" / name).read_bytes()
    assert list(result.conditions) == ["multisession", "clean"]


@pytest.mark.parametrize("where", ["own", "recipe", "caller"])
def test_noise_is_asked_for_before_anything_is_done(run, tmp_path, where):
    overrides = {
        "own": {"recipe.condition": "multisession"},
        "recipe": {"recipe.conditions": '["telephone", "noise:5"]'},
        "caller": {},
    }[where]
    conditions = ["telephone", "noise:5+opus:8@all"] if where == "caller" else []
    with pytest.raises(ConfigError, match="a condition adds noise; give a folder of noises with -"):
        run(tmp_path / "out", conditions, noise=None, overrides=overrides)
    assert not (tmp_path / "out").exists()


def test_noise_that_is_not_there(run, tmp_path):
    with pytest.raises(MissingError, match="nowhere: no such folder; expected a folder of noises"):
        run(tmp_path / "out", ["noise:5"], noise=tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(AudioError, match="empty: holds no noises; expected files named"):
        run(tmp_path / "out", ["noise:5"], noise=tmp_path / "empty")
    with pytest.raises(ConfigError, match="degradation 'nois:5': unknown step 'nois'"):
        run(tmp_path / "out", ["nois:5"])
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_degraded_names_the_utterance(run, plain, small_corpus, tmp_path):
    corpus = tmp_path / "corpus"
    shutil.copytree(small_corpus, corpus)
    path = corpus / "audio" / "s12" / "s12-2-1.flac"
    samples, rate = soundfile.read(path)
    soundfile.write(path, np.repeat(samples, 6), 6 * rate)
    with pytest.raises((AudioError, ConfigError), match=r"utterance s12-2-1.*96000"):
        run(tmp_path / "out", ["telephone"], corpus=corpus)


# --- sides ---


TOGETHER = {"front_end.normalization": "cmn", "front_end.normalization_over": "side"}


@pytest.fixture(scope="module")
def together(run, tmp_path_factory):
    """The experiment with sides normalized together, under one condition. Not to be written to."""
    output = tmp_path_factory.mktemp("together") / "out"
    return output, run(output, ["cut:0.6", "speech:0.5"], overrides=TOGETHER)


def test_sides_are_pooled_in_the_store(together, small_corpus):
    output, _ = together
    utterances = read_utterances(small_corpus / "utterances.csv")
    sessions = {u.session_id for u in utterances.values() if u.split == "background"}
    models, tests = set(), set()
    for split in SPLITS:
        protocol = read_split(small_corpus, split, utterances)
        models |= {f"{split} enrollment {m}" for m in protocol.enrollment}
        tests |= {f"{split} test {t}" for t in protocol.tests}
    found = entries(output / "features").keys()
    assert found >= models | tests
    # The rest is the background, by speaker and session.
    assert len(found - models - tests) == len(sessions) < len(utterances) / 2
    for session in sessions:
        assert sum(session in name for name in found - models - tests) == 1
    for text in ("cut:0.6", "speech:0.5"):
        assert entries(place(output, text) / "features-degraded").keys() == tests


def test_sides_are_normalized_together_and_scored_so(together, recipe, small_corpus):
    output, _ = together
    loaded = load_recipe(recipe)
    front_end = FrontEnd(dataclasses.replace(loaded.settings.front_end, normalization="none"))
    ubm = load_background_model(output / "ubm.safetensors").gmm
    utterances = read_utterances(small_corpus / "utterances.csv")
    protocol = read_split(small_corpus, "evaluation", utterances)

    def side(pool, seconds=None):
        parts = []
        for utterance_id in pool:
            samples, rate = soundfile.read(utterances[utterance_id].path, dtype="float32")
            parts.append(front_end(samples[: seconds and round(seconds * rate)], rate))
        return np.concatenate(parts)

    models = {
        m: map_adapt(ubm, accumulate(ubm, cmn(side(pool))), relevance_factor=4)
        for m, pool in protocol.enrollment.items()
    }
    trials = protocol.trials
    for folder, frames_of in (
        (output, side),
        (place(output, "cut:0.6"), lambda pool: side(pool, 0.6)),
        (place(output, "speech:0.5"), lambda pool: side(pool)[:50]),
    ):
        tests = {t: cmn(frames_of(pool)) for t, pool in protocol.tests.items()}
        expected = [
            log_likelihood_ratio(models[trials.model_ids[m]], ubm, tests[trials.test_ids[t]])
            for m, t in zip(trials.model_index, trials.test_index, strict=True)
        ]
        found = read_scores(folder / "scores.csv").score
        np.testing.assert_allclose(found, expected, rtol=0, atol=SCORE_TOLERANCE)


def test_pooled_sides_do_not_depend_on_the_workers(together, run, tmp_path):
    run(tmp_path / "one", ["cut:0.6", "speech:0.5"], overrides=TOGETHER, jobs=1)
    assert contents(tmp_path / "one") == contents(together[0])


# --- tables and report ---


def test_tables_of_conditions_hold_every_number(many):
    output, result = many
    as_json = json.loads((output / "conditions.json").read_text())
    assert list(as_json) == ["clean", *MANY]
    own = json.loads((output / "metrics.json").read_text())
    assert as_json["clean"] == {split: own[split] for split in SPLITS}
    for text in MANY:
        metrics = json.loads((place(output, text) / "metrics.json").read_text())
        assert as_json[text] == {split: metrics[split] for split in SPLITS}
    with (output / "conditions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["condition", "split", "metric", "value", "low", "high"]
    assert len(rows) == sum(
        len(evaluation.metrics)
        for evaluations in result.conditions.values()
        for evaluation in evaluations.values()
    )
    for row in rows:
        estimate = as_json[row["condition"]][row["split"]][row["metric"]]
        for bound in ("value", "low", "high"):
            found = float(row[bound]) if row[bound] else None
            assert found == estimate[bound]


class Page(HTMLParser):
    """Checks that every element is closed, in order; collects the text of headings and cells."""

    EMPTY = ("meta", "br", "img", "link", "hr")

    def __init__(self, page):
        super().__init__()
        self.open, self.headings, self.rows = [], [], []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        assert len(attrs) == len(dict(attrs)), (tag, attrs)
        if tag not in self.EMPTY:
            self.open.append(tag)
        if tag == "h2":
            self.headings.append("")
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "h2":
            self.headings[-1] += data
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data


def test_report_has_a_section_with_each_condition(many, plain):
    output, result = many
    text = (output / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert "Under other conditions" in page.headings
    start = page.rows.index(
        ["condition", "EER", "95 % interval", "minDCF", "minCllr", "Cllr"]
    )  # fmt: skip
    table = page.rows[start + 1 : start + 2 + len(MANY)]
    assert [row[0] for row in table] == ["clean", *MANY]
    for name, *cells in table:
        metrics = result.conditions[name]["evaluation"].metrics
        rate = metrics["eer"]
        assert cells[0] == f"{100 * rate.value:.2f} %"
        assert cells[1] == f"{100 * rate.low:.2f} % to {100 * rate.high:.2f} %"
        assert cells[2:] == [f"{metrics[m].value:.3f}" for m in ("min_dcf", "min_cllr", "cllr")]
    assert not re.search(r"""(src|href)\s*=\s*["']?(?!["'#]|data:)|url\((?!#)|@import""", text)
    alone = Page((plain[0] / "report.html").read_text(encoding="utf-8"))
    assert "Under other conditions" not in alone.headings
    assert [h for h in page.headings if h != "Under other conditions"] == alone.headings


def test_without_its_conditions_an_experiment_has_no_section_on_them(again, run):
    result = run(again)
    assert list(result.conditions) == ["clean"]
    assert list(json.loads((again / "conditions.json").read_text())) == ["clean"]
    page = Page((again / "report.html").read_text(encoding="utf-8"))
    assert "Under other conditions" not in page.headings


def test_conditions_without_a_calibration_have_no_cllr(run, many, tmp_path, monkeypatch):
    from speakergmm.errors import ScoreError
    from speakergmm.verification import calibration_record

    def impossible(*_, **__):
        raise ScoreError("perfectly separated")

    monkeypatch.setattr(calibration_record, "fit_calibration", impossible)
    result = run(tmp_path / "out", ["gain:3"])
    assert "cllr" not in result.conditions["gain:3"]["evaluation"].metrics
    assert read_scores(place(tmp_path / "out", "gain:3") / "scores.csv").llr is None
    page = Page((tmp_path / "out" / "report.html").read_text(encoding="utf-8"))
    row = next(row for row in page.rows if row[0] == "gain:3")
    assert len(row) == 6
    assert row[-1] == ""

"""Recipes that tell two classes apart: their lists, their scores, their intervals."""

from __future__ import annotations

import dataclasses
import html
import json
import re
import shutil

import numpy as np
import pytest

from speakergmm import FrontEnd, log_likelihood_ratio
from speakergmm.corpora import read_scores, read_utterances, trial_speakers
from speakergmm.corpora.classes import ClassSettings, class_notes, read_class_split
from speakergmm.errors import ConfigError, FrameError, ManifestError
from speakergmm.features import FrameStore, utterance_frames
from speakergmm.gmm.model_file import load_background_model
from speakergmm.recipes import Experiment, load_recipe
from speakergmm.recipes.variants import compare_variants

SEX = ClassSettings("sex", ("f",), ("m",))
OVERRIDES = {
    "classes.column": '"sex"', "classes.target": '["f"]', "classes.nontarget": '["m"]',
    # The default, which the small recipe changes.
    "enrollment.relevance_factor": "16",
}  # fmt: skip


@pytest.fixture(scope="module")
def experiment(small_recipe_text, small_corpus, tmp_path_factory):
    """The small recipe as one of women and men, with a condition and the probe."""
    folder = tmp_path_factory.mktemp("classes")
    (folder / "recipe.toml").write_text(small_recipe_text, encoding="utf-8")
    recipe = load_recipe(folder, OVERRIDES)
    options = {"conditions": ["telephone"], "probe": True, "jobs": 1}
    result = Experiment(recipe, small_corpus, folder / "out", **options).run()
    return recipe, folder / "out", result


def test_scores_are_the_ratio_of_the_two_models(experiment, small_corpus):
    recipe, output, _ = experiment
    models = [
        load_background_model(output / f"{name}.safetensors") for name in ("target", "nontarget")
    ]
    front_end = FrontEnd(recipe.settings.front_end)
    utterances = read_utterances(small_corpus / "utterances.csv")
    protocol = read_class_split(small_corpus, "evaluation", utterances, SEX)
    raw = read_scores(output / "scores.csv")
    assert raw.trials.model_ids == ("f",)
    for row in range(0, len(raw.trials), 5):
        _, test_id = raw.trials.pair(row)
        frames = np.concatenate(
            [utterance_frames(utterances[u], front_end) for u in protocol.tests[test_id]]
        )
        expected = log_likelihood_ratio(models[0].gmm, models[1].gmm, frames)
        assert raw.score[row] == pytest.approx(expected, abs=1e-4)


def test_each_model_is_trained_on_its_class_alone(experiment, small_corpus):
    _, output, _ = experiment
    utterances = read_utterances(small_corpus / "utterances.csv")
    digests = json.loads((output / "provenance.json").read_text())["digests"]
    assert {"target", "nontarget"} <= digests.keys()
    store = FrameStore.open(output / "features")
    background = [u for u in utterances.values() if u.split == "background"]
    for name, sex in (("target", "f"), ("nontarget", "m")):
        model = load_background_model(output / f"{name}.safetensors")
        own = [u.utterance_id for u in background if u.sex == sex]
        assert 0 < len(own) < len(background)
        assert model.n_frames == store.select(own).n_frames


def test_all_that_a_recipe_leaves_is_there_but_a_system(experiment):
    _, output, result = experiment
    assert not (output / "system.safetensors").exists()
    for name in ("report.html", "metrics.json", "calibration.json"):
        assert (output / name).stat().st_size > 0
    assert [stage.name for stage in result.stages] == [
        "features", "ubm", "scoring", "calibration", "evaluation",
    ]  # fmt: skip
    assert set(result.conditions) == {"clean", "telephone"}
    assert result.probe is not None
    evaluation = result.evaluations["evaluation"]
    assert evaluation.n_speakers == 6
    assert evaluation.metrics["eer"].low is not None


@pytest.mark.parametrize(
    "words", ["same-speaker", "same speaker", "stranger", "true speaker", "MAP adaptation"]
)
def test_the_report_speaks_of_classes_not_of_speakers_who_are_the_same(experiment, words):
    _, output, _ = experiment
    assert words not in (output / "report.html").read_text(encoding="utf-8")


def test_the_screen_and_the_report_name_the_classes(experiment, small_corpus, cli):
    recipe, output, _ = experiment
    options = [f"--set={name}={value}" for name, value in OVERRIDES.items()]
    answer = cli(
        "recipe", "run", recipe.folder, "--corpus", small_corpus, "--output", output,
        "--condition", "telephone", "--probe", "--quiet", *options,
    )  # fmt: skip
    assert answer.status == 0, answer.err
    assert "evaluation unchanged" in answer.out
    page = (output / "report.html").read_text(encoding="utf-8")
    assert re.search(r"on \d+ tests of female and \d+ of male speakers, 6 speakers in all", page)
    assert re.search(r"\nevaluation: 6 speakers, \d+ tests of female and \d+ of male", answer.out)
    for text in (page, answer.out):
        assert "tell female and male speakers apart" in text
    assert not re.search("same-speaker|stranger|true speaker", answer.out)
    assert "one of female speakers and one of male speakers, of 8 components each, on" in page


@pytest.mark.parametrize("folder", ["", "conditions/telephone"])
def test_scores_by_themselves_give_the_intervals_of_the_recipe(experiment, folder, cli):
    recipe, output, _ = experiment
    settings = recipe.settings.evaluation
    answer = cli(
        "evaluate", output / folder / "scores.csv", "--json", "--quiet",
        "--seed", recipe.head.seed, "--resamples", settings.n_resamples,
        "--p-target", settings.p_target, "--c-miss", settings.c_miss, "--c-fa", settings.c_fa,
    )  # fmt: skip
    assert answer.status == 0, answer.err
    expected = json.loads((output / folder / "metrics.json").read_text())["evaluation"]
    assert json.loads(answer.out)["evaluation"] == expected
    assert expected["n_speakers"] == 6


def test_evaluate_and_compare_speak_of_the_classes(experiment, tmp_path, cli):
    _, output, _ = experiment
    options = ("--resamples", 20, "--quiet", "--output")
    answer = cli("evaluate", output / "scores.csv", *options, tmp_path / "one", "--plots")
    assert answer.status == 0, answer.err
    page = (tmp_path / "one/report.html").read_text(encoding="utf-8")
    compared = cli("compare", output, output / "conditions/telephone", *options, tmp_path / "two")
    assert compared.status == 0, compared.err
    both = (tmp_path / "two/report.html").read_text(encoding="utf-8")
    for text in (answer.out, page, both):
        assert re.search(r"\d+ tests of female and \d* ?of male speakers|tests of female", text)
        assert not re.search("same-speaker|different-speaker|stranger|true speaker", text)
    assert re.search(r"tests of female and \d+ of male speakers, 6 speakers in all\.", both)
    # Where nothing says which classes they are, as in a copy.
    shutil.copy(output / "scores.csv", tmp_path / "copy.csv")
    copied = cli("evaluate", tmp_path / "copy.csv", "--resamples", 20, "--quiet")
    assert re.search(r"\d+ tests of 'target' and \d+ of 'nontarget'", copied.out)
    assert "same-speaker" not in copied.out


def test_a_second_run_does_nothing_again(experiment, small_corpus):
    recipe, output, _ = experiment
    again = Experiment(
        recipe, small_corpus, output, conditions=["telephone"], probe=True, jobs=1
    ).run()
    assert all(stage.reused for stage in again.stages)


def test_a_class_model_is_of_nobody_and_tests_are_of_their_speakers(small_corpus):
    utterances = read_utterances(small_corpus / "utterances.csv")
    protocol = read_class_split(small_corpus, "evaluation", utterances, SEX)
    model, tests, n = trial_speakers(protocol.trials)
    assert n == 6
    assert model.tolist() == [6]
    assert len({*tests.tolist()}) == 6
    named = {test_id: protocol.test_speakers[test_id] for test_id in protocol.trials.test_ids}
    assert len({*zip(named.values(), tests.tolist(), strict=True)}) == 6


def test_a_class_without_tests_is_named_with_what_there_is(small_corpus):
    utterances = read_utterances(small_corpus / "utterances.csv")
    with pytest.raises(
        ManifestError,
        match=r"tests.csv: no test whose sex is 'x', but 'm' \(6\), 'f' \(6\); expected",
    ):
        read_class_split(
            small_corpus, "evaluation", utterances, ClassSettings("sex", ("x",), ("m",))
        )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("sex", (), ("m",)), r"target is \[\] of the column 'sex'; expected a column"),
        (("", ("f",), ("m",)), r"target is \['f'\] of the column ''; expected a column"),
        (("sex", ("f",), ("m", "f")), "'f' is in both classes; expected each value in one"),
        (("age", ("f",), ("m",)), "column is 'age'; expected"),
    ],
)
def test_settings_that_are_no_two_classes(settings, message):
    with pytest.raises(ConfigError, match=message):
        ClassSettings(*settings)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("score_normalization.method", '"z"', "score_normalization.method is 'z'; expected 'none'"),
        ("scoring.top_c", "5", "scoring.top_c is 5; expected 'none' in a recipe with"),
        ("scoring.scorer", '"linear"', "scoring.scorer is 'linear'; expected 'exact'"),
        ("enrollment.relevance_factor", "4", r"\[enrollment\] is changed in a recipe with"),
        ("ubm.pool_by", '"sex"', "ubm.pool_by is 'sex'; expected 'none'"),
    ],
)
def test_settings_without_meaning_are_refused(
    name, value, message, small_recipe, small_corpus, tmp_path
):
    recipe = load_recipe(small_recipe, {**OVERRIDES, name: value})
    with pytest.raises(ConfigError, match=message):
        Experiment(recipe, small_corpus, tmp_path / "out")


def test_variants_are_refused(small_recipe, small_corpus, tmp_path):
    with pytest.raises(ConfigError, match=r"the recipe has \[classes\]"):
        compare_variants(
            small_recipe, small_corpus, tmp_path, {"a": {}, "b": {}}, overrides=OVERRIDES
        )


def test_a_background_of_one_class_is_refused(small_recipe, small_corpus, tmp_path):
    text = (small_corpus / "utterances.csv").read_text()
    lists = tmp_path / "lists"
    lists.mkdir()
    changed = [
        line.replace(",f,background", ",m,background") for line in text.splitlines(keepends=True)
    ]
    (lists / "utterances.csv").write_text("".join(changed))
    for split in ("development", "evaluation"):
        (lists / split).symlink_to(small_corpus / split)
    recipe = load_recipe(small_recipe, {**OVERRIDES, "recipe.manifests": f"'{lists}'"})
    with pytest.raises(
        ManifestError,
        match=r"no utterance of .background. whose sex is 'f', but 'm' \(\d+\); e",
    ):
        Experiment(recipe, small_corpus, tmp_path / "out", jobs=1).run()


def test_what_is_left_out_and_who_stands_for_a_class_is_said(small_corpus):
    utterances = dict(read_utterances(small_corpus / "utterances.csv"))
    women = {u.speaker_id for u in utterances.values() if (u.split, u.sex) == ("background", "f")}
    kept = min(women)
    for name, u in utterances.items():
        if u.speaker_id in women - {kept}:
            utterances[name] = dataclasses.replace(u, sex="")
    protocols = {"evaluation": read_class_split(small_corpus, "evaluation", utterances, SEX)}
    left, women, men = class_notes(utterances, "background", protocols, SEX)
    n_left = sum(u.sex == "" for u in utterances.values())
    n_used = sum(u.split in ("background", "evaluation") for u in utterances.values())
    assert left == (
        f"{n_left} of {n_used} utterances are of neither class, and left out: their sex is '' "
        f"({n_left})"
    )
    assert women == (
        "few speakers whose sex is 'f': 1 in background, 3 in evaluation; with fewer than 5 a "
        "model or a figure tells these voices, not the class: add speakers"
    )
    assert men.startswith("few speakers whose sex is 'm': 3 in background, 3 in evaluation; with")


def test_the_report_says_what_is_left_out(experiment):
    _, output, result = experiment
    page = (output / "report.html").read_text(encoding="utf-8")
    assert result.notes
    for note in result.notes:
        assert note in html.unescape(page)


def test_accents_are_the_same_however_they_are_written(small_corpus):
    parted, joined = "franc\u0327ais", "fran\u00e7ais"
    classes = ClassSettings("condition", (joined,), (f"{parted} parl\u00e9",))
    assert classes.nontarget == ("fran\u00e7ais parl\u00e9",)
    utterance = next(iter(read_utterances(small_corpus / "utterances.csv").values()))
    assert classes.value(dataclasses.replace(utterance, condition=parted)) == joined
    with pytest.raises(ConfigError, match="is in both classes"):
        ClassSettings("condition", (joined,), (parted,))


def test_a_class_with_too_few_frames_is_named(small_recipe, small_corpus, tmp_path):
    recipe = load_recipe(small_recipe, {**OVERRIDES, "ubm.n_components": "3000"})
    with pytest.raises(FrameError, match=r"^sex 'm': [\d,]+ frames cannot train 3,000 components"):
        Experiment(recipe, small_corpus, tmp_path / "out", jobs=1).run()

"""One experiment scored in several ways: each variant is the plain recipe with its settings."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest

from speakergmm.corpora import read_scores
from speakergmm.errors import ConfigError
from speakergmm.evaluation import eer
from speakergmm.recipes import Experiment, load_recipe
from speakergmm.recipes.variants import (
    COHORT_FOLDER,
    NORMALIZATIONS,
    SCORERS,
    compare_variants,
)
from speakergmm.verification.origin import read_origin

pytestmark = pytest.mark.usefixtures("leaves_nothing_half_written", "without_pictures")

SPLITS = ("development", "evaluation")
# Ten best components are asked for; four top scores are fewer than the cohort has models.
COMMON = {"ubm.n_components": "12", "score_normalization.top_n": "4"}
COMMON_OPTIONS = [word for name, value in COMMON.items() for word in ("--set", f"{name}={value}")]
ADAPTED = {
    "as it is": {},
    "often": {"enrollment.iterations": "2", "scoring.top_c": "5"},
    "linear, zt": {"scoring.scorer": "linear", "score_normalization.method": "zt"},
    "by few": {"score_normalization.method": "s", "enrollment.relevance_factor": "9"},
    "prior": {"calibration.p_target": "0.1"},
    "speech": {"calibration.side_information": '["enrollment_speech"]'},
}
ALL = {**SCORERS, **NORMALIZATIONS, **ADAPTED}


@pytest.fixture(scope="module")
def recipe(small_recipe_text, tmp_path_factory):
    file = tmp_path_factory.mktemp("recipe") / "recipe.toml"
    file.write_text(small_recipe_text.replace("n_resamples = 50", "n_resamples = 10"))
    return file


@pytest.fixture(scope="module")
def compare(recipe, small_corpus, without_pictures):
    """Compare variants of the small experiment."""

    def compare(output, variants, overrides=COMMON, **options):
        return compare_variants(
            options.pop("recipe", recipe), small_corpus, output, variants, overrides=overrides,
            **{"jobs": 2} | options,
        )  # fmt: skip

    return compare


@pytest.fixture(scope="module")
def compared(compare, tmp_path_factory):
    """All variants side by side. Not to be written to."""
    output = tmp_path_factory.mktemp("compared") / "out"
    return output, {variant.name: variant for variant in compare(output, ALL)}


@pytest.fixture(scope="module")
def plain(recipe, small_corpus, without_pictures, tmp_path_factory):
    """Run the recipe itself with the settings of a variant, in a folder of its own.

    Frames and background model are copied, so that only the rest is made.
    """
    first = tmp_path_factory.mktemp("plain") / "out"

    def run(settings, output):
        loaded = load_recipe(recipe, COMMON | settings)
        return Experiment(loaded, small_corpus, output, jobs=2).run()

    run({}, first)

    def with_settings(settings, output):
        shutil.copytree(first, output)
        return output, run(settings, output)

    return with_settings


@pytest.fixture
def again(compared, tmp_path):
    """A copy of the comparison, to be run over."""
    shutil.copytree(compared[0], tmp_path / "out")
    return tmp_path / "out"


def score_file(folder, split):
    return folder / ("scores.csv" if split == "evaluation" else f"{split}/scores.csv")


@pytest.mark.parametrize("name", [name for name in ALL if name not in ("none", "as it is")])
def test_a_variant_is_the_recipe_with_its_settings(compared, plain, tmp_path, name):
    output, variants = compared
    alone, result = plain(ALL[name], tmp_path / "alone")
    folder = output / "variants" / name
    for split in SPLITS:
        found, expected = score_file(folder, split), score_file(alone, split)
        assert found.read_bytes() == expected.read_bytes(), split
        assert read_origin(found) == read_origin(expected)
    assert variants[name].evaluations == result.evaluations
    found, expected = (
        json.loads((place / "calibration.json").read_text()) for place in (folder, alone)
    )
    assert found == expected


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("score_normalization.tests_per_speaker", "1"),
        ("score_normalization.enrollment_s", "4.4"),
        ("score_normalization.test_s", "3.0"),
        ("calibration.conditions", '["speech:0.5"]'),
    ],
)
def test_no_setting_of_a_variant_is_passed_over(compare, plain, tmp_path, setting, value):
    """What a variant changes has its effect, or is refused; it is never silently left out."""
    settings = {"score_normalization.method": "s", setting: value}
    refused = ""
    try:
        (variant,) = compare(tmp_path / "out", {"changed": settings})
    except ConfigError as error:
        refused = str(error)
    if refused:
        assert setting in refused
        return
    alone, result = plain(settings, tmp_path / "alone")
    folder = tmp_path / "out" / "variants" / "changed"
    assert (folder / "scores.csv").read_bytes() == (alone / "scores.csv").read_bytes()
    assert variant.evaluations == result.evaluations


def test_a_recipe_that_learns_from_conditions(compare, plain, tmp_path):
    """Either every variant learns from them, or the comparison is refused: not one alone."""
    learned = {"calibration.conditions": '["speech:0.5"]'}
    chosen = {"exact": {}, "top-5": SCORERS["top-5"]}
    refused = ""
    try:
        compare(tmp_path / "out", chosen, COMMON | learned)
    except ConfigError as error:
        refused = str(error)
    if refused:
        assert "calibration.conditions" in refused
        return
    for name, settings in chosen.items():
        alone, _ = plain(learned | settings, tmp_path / name)
        found = tmp_path / "out" / "variants" / name / "scores.csv"
        assert found.read_bytes() == (alone / "scores.csv").read_bytes(), name


def test_the_first_line_agrees_with_itself(compared):
    _, variants = compared
    first, *others = variants.values()
    assert first.name == "exact"
    assert first.correlation == pytest.approx(1.0, abs=1e-12)
    assert first.llr_difference == 0.0
    assert all(other.correlation <= 1 + 1e-12 for other in others)
    # The same settings under another name.
    for name in ("none", "as it is"):
        assert variants[name].correlation == pytest.approx(1.0, abs=1e-12)
        assert variants[name].llr_difference == 0.0
    assert variants["linear"].llr_difference > 0


def test_agreement_is_by_definition(compared):
    output, variants = compared
    first = read_scores(output / "variants" / "exact" / "scores.csv")
    for name, variant in variants.items():
        scores = read_scores(output / "variants" / name / "scores.csv")
        a, b = first.score - first.score.mean(), scores.score - scores.score.mean()
        correlation = (a @ b) / np.sqrt((a @ a) * (b @ b))
        assert variant.correlation == pytest.approx(correlation, rel=1e-9)
        difference = np.linalg.norm(first.llr - scores.llr) / np.sqrt(len(scores.llr))
        assert variant.llr_difference == pytest.approx(difference, rel=1e-9, abs=1e-15)
        rate = pytest.approx(eer(scores.target(), scores.nontarget()), rel=1e-12)
        assert variant.evaluations["evaluation"].metrics["eer"].value == rate
        assert variant.microseconds > 0


def test_ten_best_of_twelve_components_are_nearly_all(compared):
    _, variants = compared
    assert variants["top-10"].correlation > 0.9999
    assert variants["top-10"].llr_difference < variants["linear"].llr_difference


def test_frames_and_background_model_are_made_once(compared):
    output, _ = compared
    assert len(list(output.rglob("ubm.safetensors"))) == 1
    # The recipe itself has no cohort, and is left as it is: that of the variants lies apart.
    shared = output / "variants" / COHORT_FOLDER
    stores = {path.parent for path in output.rglob("shard-*.npy")}
    assert stores == {output / "features", shared / "features"}
    # A cohort is adapted as the trials are.
    cohorts = {path.parent for path in output.rglob("cohort.safetensors")}
    assert cohorts == {shared, output / "variants" / "by few"}
    enrolled = {path.parents[1] for path in output.rglob("evaluation/enrollment.safetensors")}
    assert enrolled == {output, *(output / "variants" / name for name in ("often", "by few"))}
    # Of all cohort scores every normalization is made.
    for name in NORMALIZATIONS:
        assert not list((output / "variants" / name).rglob("raw_scores.safetensors"))


def test_numbers_are_written(compared):
    output, variants = compared
    entries = json.loads((output / "variants.json").read_text())
    assert list(entries) == list(ALL)
    for name, variant in variants.items():
        entry = entries[name]
        assert entry["correlation"] == variant.correlation
        assert entry["llr_difference"] == variant.llr_difference
        assert entry["microseconds_per_trial"] == variant.microseconds
        for split in SPLITS:
            rate = variant.evaluations[split].metrics["eer"]
            assert entry[split]["eer"] == {"value": rate.value, "low": rate.low, "high": rate.high}
    with (output / "variants.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["variant", "split", "metric", "value", "low", "high"]
    assert len(rows) == sum(
        len(evaluation.metrics)
        for variant in variants.values()
        for evaluation in variant.evaluations.values()
    )
    for row in rows:
        estimate = entries[row["variant"]][row["split"]][row["metric"]]
        for bound in ("value", "low", "high"):
            assert (float(row[bound]) if row[bound] else None) == estimate[bound]


def test_second_run_reuses_everything(again, compare, compared):
    made_again = {"variants.json", "variants.csv"}

    def times():
        return {p: p.stat().st_mtime_ns for p in again.rglob("*") if p.name not in made_again}

    before, numbers = times(), [(again / name).read_bytes() for name in sorted(made_again)]
    found = compare(again, ALL)
    after = times()
    changed = {
        str(p.relative_to(again)) for p in after if before.get(p) != after[p] and p.is_file()
    }
    assert changed == set()
    # Times are those of when scores were made.
    assert [(again / name).read_bytes() for name in sorted(made_again)] == numbers
    assert found == list(compared[1].values())


def test_workers_change_nothing_but_times(compared, compare, tmp_path):
    chosen = {name: ALL[name] for name in ("linear", "often", "as", "by few")}
    output = tmp_path / "out"
    compare(output, chosen, jobs=1)
    for name in chosen:
        for split in SPLITS:
            found = score_file(output / "variants" / name, split)
            expected = score_file(compared[0] / "variants" / name, split)
            assert found.read_bytes() == expected.read_bytes()


class InterruptIn:
    """Presses Ctrl-C at the n-th report of progress after a folder has come to be."""

    def __init__(self, folder, n):
        self.folder, self.left = folder, n

    def tick(self, *_):
        self.left -= self.folder.exists()
        if self.left == 0:
            raise KeyboardInterrupt

    start = advance = note = tick


@pytest.mark.parametrize(("name", "n"), [("often", 8), ("by few", 30)])
def test_interrupted_it_goes_on_to_the_same_numbers(compared, again, compare, name, n):
    folder = again / "variants" / name
    wanted = score_file(folder, "evaluation").read_bytes()
    shutil.rmtree(folder)
    (again / "variants.csv").unlink()
    with pytest.raises(KeyboardInterrupt):
        compare(again, ALL, progress=InterruptIn(folder, n))
    assert not (again / "variants.csv").exists()
    compare(again, ALL)
    assert score_file(folder, "evaluation").read_bytes() == wanted
    name = "variants.csv"
    assert (again / name).read_bytes() == (compared[0] / name).read_bytes()


def test_without_a_calibration_there_is_no_difference(compare, tmp_path, monkeypatch):
    from speakergmm.errors import ScoreError
    from speakergmm.verification import calibration_record

    def impossible(*_, **__):
        raise ScoreError("perfectly separated")

    monkeypatch.setattr(calibration_record, "fit_calibration", impossible)
    found = compare(tmp_path / "out", {"exact": {}, "top": {"scoring.top_c": "5"}})
    assert [variant.llr_difference for variant in found] == [None, None]
    entry = json.loads((tmp_path / "out" / "variants.json").read_text())["top"]
    assert entry["llr_difference"] is None
    assert "cllr" not in entry["evaluation"]


def test_what_is_compared_has_the_same_speech_and_model(compare, tmp_path):
    for setting, value in (
        ("ubm.n_components", "4"),
        ("front_end.n_mfcc", "9"),
        ("training.max_iterations", "2"),
        ("recipe.seed", "3"),
        ("evaluation.p_target", "0.5"),
    ):
        with pytest.raises(
            ConfigError,
            match=rf"variant 'x' changes {setting}; expected settings of enrollment, scoring, "
            "score_normalization, calibration: frames and background model are the same for all",
        ):
            compare(tmp_path / "out", {"exact": {}, "x": {setting: value}})
    with pytest.raises(ConfigError, match="there are no variants to compare; expected one or more"):
        compare(tmp_path / "out", {})
    with pytest.raises(ConfigError, match="unknown setting 'top'; did you mean 'top_c'"):
        compare(tmp_path / "out", {"x": {"scoring.top": "3"}})
    assert not (tmp_path / "out").exists()


def test_the_experiments_own_condition_is_that_of_all(compare, recipe, small_corpus, tmp_path):
    own = COMMON | {"recipe.condition": "speech:0.5"}
    chosen = {"exact": {}, "often": ADAPTED["often"], "s": NORMALIZATIONS["s"]}
    compare(tmp_path / "out", chosen, own)
    for name, settings in chosen.items():
        alone = tmp_path / "alone"
        Experiment(load_recipe(recipe, own | settings), small_corpus, alone, jobs=2).run()
        found = score_file(tmp_path / "out" / "variants" / name, "evaluation")
        assert found.read_bytes() == score_file(alone, "evaluation").read_bytes(), name


# --- the command ---


def test_help_teaches_by_example(cli):
    answer = cli("recipe", "variants", "--help")
    assert answer.status == 0
    assert answer.out.startswith("Usage: speakergmm recipe variants [OPTIONS] RECIPE")
    assert "\n    speakergmm recipe variants recipes/speech_commands --corpus DIR" in answer.out
    assert "\\b" not in answer.out


@pytest.fixture
def variants(cli, recipe, small_corpus, tmp_path):
    """Run `recipe variants`."""

    def run(*options, output=tmp_path / "out"):
        return cli("recipe", "variants", recipe, "--corpus", small_corpus, "--output", output,
                   *COMMON_OPTIONS, *options)  # fmt: skip

    return run


def test_the_table(variants, again, compared):
    answer = variants(
        "--scorers", "--normalizations", "--variant",
        "enrollment.iterations=2,scoring.top_c=5", "--quiet", output=again,
    )  # fmt: skip
    assert (answer.status, answer.err) == (0, "")
    header, *lines, last = answer.out.splitlines()
    of_split = "EER {} (95 % interval) minDCF minCllr Cllr"
    columns = ["µs a trial correlation LLR difference", *map(of_split.format, SPLITS)]
    assert " ".join(header.split()) == " ".join(columns)
    assert last == f"Numbers: {again / 'variants.csv'}, {again / 'variants.json'}"
    names = [*SCORERS, *NORMALIZATIONS, "enrollment.iterations=2,scoring.top_c=5"]
    assert [line.split()[0] for line in lines] == names
    entries = json.loads((again / "variants.json").read_text())
    assert list(entries) == names
    for name, line in zip(names, lines, strict=True):
        entry = entries[name]
        cells = line.split()
        assert cells[1] == f"{entry['microseconds_per_trial']:.1f}"
        assert cells[2] == f"{entry['correlation']:.4f}"
        assert cells[3] == f"{entry['llr_difference']:.3f}"
        for split in SPLITS:
            rate = entry[split]["eer"]
            value, low, high = (f"{100 * rate[key]:.2f} %" for key in ("value", "low", "high"))
            others = " ".join(
                f"{entry[split][metric]['value']:.3f}" for metric in ("min_dcf", "min_cllr", "cllr")
            )
            assert f"{value} ({low} to {high}) {others}" in " ".join(cells)
    assert lines[0].split()[2:4] == ["1.0000", "0.000"]
    own = compared[1]["often"].evaluations["evaluation"].metrics["eer"].value
    assert entries[names[-1]]["evaluation"]["eer"]["value"] == own


def test_scorers_alone_need_no_cohort(variants, tmp_path):
    answer = variants("--scorers")
    assert answer.status == 0
    assert "evaluation of linear ..." in answer.err
    assert "cohort" not in answer.err
    assert not list((tmp_path / "out").rglob("cohort.safetensors"))
    again = variants("--scorers", "--quiet")
    assert (again.status, again.err, again.out) == (0, "", answer.out)


def test_words_that_cannot_be_compared(variants, tmp_path):
    answer = variants()
    assert (answer.status, answer.out) == (2, "")
    said = " ".join(answer.err.split())
    assert "nothing to compare: give --scorers, --normalizations or --variant." in said
    answer = variants("--variant", "ubm.n_components=4")
    assert (answer.status, answer.out) == (1, "")
    assert answer.err == (
        "error: variant 'ubm.n_components=4' changes ubm.n_components; expected settings of "
        "enrollment, scoring, score_normalization, calibration: frames and background model are "
        "the same for all\n"
    )
    answer = variants("--scorers", "--variant", "scoring.top_c=99999999999")
    assert answer.status == 1
    assert "top_c" in answer.err
    answer = variants("--variant", "scoring.top_c=0")
    assert (answer.status, answer.out) == (1, "")
    assert "top_c is 0; expected" in answer.err
    answer = variants("--variant", "often")
    assert (answer.status, answer.out) == (2, "")
    said = " ".join(answer.err.split())
    assert "Invalid value for --variant: 'often'; expected TABLE.NAME=VALUE" in said


def test_a_list_in_a_variant_is_one_value(variants, tmp_path):
    text = 'calibration.side_information=["enrollment_speech","test_speech"]'
    answer = variants("--variant", "scoring.top_c=5", "--variant", text, "--quiet")
    assert answer.status == 0
    entry = json.loads((tmp_path / "out" / "variants.json").read_text())
    assert list(entry) == ["scoring.top_c=5", text]


def test_many_top_scores_of_a_small_cohort_are_refused(cli, recipe, small_corpus, tmp_path):
    answer = cli("recipe", "variants", recipe, "--corpus", small_corpus, "--output",
                 tmp_path / "out", "--normalizations", "--quiet")  # fmt: skip
    assert (answer.status, answer.out) == (1, "")
    assert "top_n is 50; the cohort has 10 scores for each model: expected at most" in answer.err

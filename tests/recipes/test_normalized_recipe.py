"""Experiments with score normalization, side information, pooled and repeated adaptation."""

from __future__ import annotations

import csv
import json
import math
import shutil

import numpy as np
import pytest
import soundfile

from speakergmm import (
    FrontEnd,
    accumulate,
    as_norm,
    fit_calibration,
    log_likelihood_ratio,
    map_adapt,
    s_norm,
    t_norm,
    z_norm,
    zt_norm,
)
from speakergmm.audio import duration_s
from speakergmm.corpora import read_scores, read_split, read_utterances
from speakergmm.errors import CohortError, ConfigError, ManifestError
from speakergmm.files import file_digest
from speakergmm.gmm.model_file import load_background_model
from speakergmm.recipes import Condition, Experiment, load_recipe, train_on_list
from speakergmm.recipes.raw_scores import load_raw_scores
from speakergmm.verification.calibration_file import load_calibration
from speakergmm.verification.cohort_file import load_cohort
from speakergmm.verification.origin import read_origin

pytestmark = pytest.mark.usefixtures("without_pictures")

# Scores are means over float32 blocks, of other shapes here than there.
SCORE_TOLERANCE = 1e-4

METHODS = ("z", "t", "zt", "s", "as")
TOP_N = 4
SPLITS = ("development", "evaluation")
STAGES = [
    "features", "ubm", "enrollment", "cohort", "scoring", "calibration", "system", "evaluation",
]  # fmt: skip
TIMED = {"metrics.json", "stages.json", "provenance.json", "report.html"}
SHORT = "speech:0.5"
SIDE = {
    "calibration.conditions": f'["{SHORT}"]',
    "calibration.side_information": '["test_speech"]',
}


def score_file(output, split):
    return output / ("scores.csv" if split == "evaluation" else f"{split}/scores.csv")


def normalized_by(method):
    return {"score_normalization.method": method, "score_normalization.top_n": str(TOP_N)}


def reused(result):
    return [stage.name for stage in result.stages if stage.reused]


def contents(folder):
    """Give all files but those that say when, or how fast, they were made."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in TIMED and path.name != ".lock"
    }


@pytest.fixture(scope="module")
def recipe(small_recipe_text, tmp_path_factory):
    file = tmp_path_factory.mktemp("recipe") / "recipe.toml"
    file.write_text(small_recipe_text.replace("n_resamples = 50", "n_resamples = 10"))
    return file


@pytest.fixture(scope="module")
def run(recipe, small_corpus, without_pictures):
    """Run the small experiment."""

    def run(output, overrides=None, **options):
        options = {"jobs": 2, "corpus": small_corpus} | options
        corpus = options.pop("corpus")
        return Experiment(load_recipe(recipe, overrides), corpus, output, **options).run()

    return run


@pytest.fixture(scope="module")
def plain(run, tmp_path_factory):
    """The experiment without normalization. Not to be written to."""
    output = tmp_path_factory.mktemp("plain") / "out"
    return output, run(output)


@pytest.fixture(scope="module")
def normalized(run, tmp_path_factory):
    """The experiment with each normalization, each from nothing. Not to be written to."""
    outputs = {}
    for method in METHODS:
        output = tmp_path_factory.mktemp(method) / "out"
        outputs[method] = output, run(output, normalized_by(method))
    return outputs


@pytest.fixture
def again(normalized, tmp_path):
    """A copy of the experiment with adaptive normalization, to be run over."""
    shutil.copytree(normalized["as"][0], tmp_path / "out")
    return tmp_path / "out"


# --- what the scores are ---


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("method", METHODS)
def test_scores_are_the_raw_ones_normalized(plain, normalized, method, split):
    output, _ = normalized[method]
    known = load_raw_scores(output / split / "raw_scores.safetensors")
    raw = read_scores(score_file(plain[0], split))
    np.testing.assert_array_equal(known.score, raw.score)
    # Every model meets every test.
    shape = len(raw.trials.model_ids), len(raw.trials.test_ids)
    matrix, cohort = raw.score.reshape(shape), known.cohort
    of_models, of_tests = cohort.models_vs_cohort, cohort.cohort_vs_tests
    expected = {
        "z": lambda: z_norm(matrix, of_models),
        "t": lambda: t_norm(matrix, of_tests),
        "zt": lambda: zt_norm(
            matrix, of_models, of_tests, cohort.cohort_vs_cohort, same_speaker=cohort.same_speaker
        ),
        "s": lambda: s_norm(matrix, of_models, of_tests.T),
        "as": lambda: as_norm(matrix, of_models, of_tests.T, top_n=TOP_N),
    }[method]()
    scores = read_scores(score_file(output, split))
    np.testing.assert_allclose(scores.score, expected.ravel(), rtol=1e-12, atol=1e-12)
    assert np.abs(scores.score - raw.score).max() > 0.5
    # What is not needed is not computed.
    assert (of_models is None) == (method == "t")
    assert (of_tests is None) == (method == "z")
    assert (cohort.cohort_vs_cohort is None) == (method != "zt")
    calibration = load_calibration(output / "calibration.json").calibration
    np.testing.assert_allclose(
        scores.llr, calibration.scale * scores.score + calibration.offset, rtol=1e-12, atol=1e-12
    )


def test_scores_with_the_cohort_are_ratios_of_its_speech(normalized, small_corpus):
    output, _ = normalized["zt"]
    model = load_background_model(output / "ubm.safetensors")
    ubm, front_end = model.gmm, FrontEnd(model.front_end)
    cohort = load_cohort(output / "cohort.safetensors", file_digest(output / "ubm.safetensors"))
    utterances = read_utterances(small_corpus / "utterances.csv")
    protocol = read_split(small_corpus, "evaluation", utterances)

    def side(pool):
        return np.concatenate(
            [front_end(*soundfile.read(utterances[u].path, dtype="float32")) for u in pool]
        )

    models = [
        map_adapt(ubm, accumulate(ubm, side(pool)), relevance_factor=4)
        for pool in protocol.enrollment.values()
    ]
    tests = [side(pool) for pool in protocol.tests.values()]
    cohort_models = list(cohort.models(ubm))
    cohort_tests = [cohort.test_frames(i) for i in range(len(cohort.test_speakers))]
    known = load_raw_scores(output / "evaluation" / "raw_scores.safetensors").cohort
    for found, rows, columns in (
        (known.models_vs_cohort, models, cohort_tests),
        (known.cohort_vs_tests, cohort_models, tests),
        (known.cohort_vs_cohort, cohort_models, cohort_tests),
    ):
        expected = [[log_likelihood_ratio(m, ubm, x) for x in columns] for m in rows]
        np.testing.assert_allclose(found, expected, rtol=0, atol=SCORE_TOLERANCE)


def test_the_cohort_is_of_the_background_alone(normalized, small_corpus):
    cohorts = [load_cohort(output / "cohort.safetensors") for output, _ in normalized.values()]
    cohort = cohorts[0]
    utterances = read_utterances(small_corpus / "utterances.csv")
    background = {u.speaker_id for u in utterances.values() if u.split == "background"}
    assert {source.speaker_id for source in cohort.sources} == background
    assert {*cohort.model_speakers, *cohort.test_speakers} <= background
    assert cohort.enrollment.relevance_factor == 4
    # The method has no part in it.
    for output, _ in normalized.values():
        own = normalized["z"][0] / "cohort.safetensors"
        assert (output / "cohort.safetensors").read_bytes() == own.read_bytes()
    # As much speech as the development's models and tests: two recordings of a second and a half,
    # and two of one.
    protocol = read_split(small_corpus, "development", utterances)
    for pools, wanted_s in ((protocol.enrollment, 3.0), (protocol.tests, 2.0)):
        lengths = [sum(duration_s(utterances[u].path) for u in pool) for pool in pools.values()]
        assert np.median(lengths) == pytest.approx(wanted_s)
    models_s = sum(cohort.n_frames) / 100 / len(cohort.model_speakers)
    assert 1.5 < models_s <= 3.0
    assert len(cohort.model_speakers) == len(set(cohort.model_speakers)) == 5


@pytest.mark.parametrize(
    ("setting", "value", "n_tests"), [("tests_per_speaker", "1", 5), ("test_s", "1.5", 10)]
)
def test_the_cohorts_size_is_a_setting(again, run, setting, value, n_tests):
    result = run(again, normalized_by("as") | {f"score_normalization.{setting}": value})
    cohort = load_cohort(again / "cohort.safetensors")
    assert len(cohort.test_speakers) == n_tests
    assert {"ubm", "enrollment"} <= set(reused(result))
    known = load_raw_scores(again / "evaluation" / "raw_scores.safetensors").cohort
    assert known.models_vs_cohort.shape == (6, n_tests)


def test_scores_say_how_they_were_normalized(normalized, plain):
    for method, (output, _) in normalized.items():
        for split in SPLITS:
            origin = read_origin(score_file(output, split))
            assert origin.normalization == {"as": f"as-{TOP_N}"}.get(method, method)
            assert origin.cohort == file_digest(output / "cohort.safetensors")
            assert origin.ubm == file_digest(output / "ubm.safetensors")
        assert load_calibration(output / "calibration.json").origins == (origin,)
    origin = read_origin(plain[0] / "scores.csv")
    assert (origin.normalization, origin.cohort) == ("none", "")


# --- stages ---


def test_only_normalization_makes_a_cohort(plain, normalized):
    assert [stage.name for stage in plain[1].stages] == [s for s in STAGES if s != "cohort"]
    assert not (plain[0] / "cohort.safetensors").exists()
    for output, result in normalized.values():
        assert [stage.name for stage in result.stages] == STAGES
        assert reused(result) == []
        assert (output / "cohort.safetensors").exists()
        seconds = json.loads((output / "metrics.json").read_text())["seconds"]
        assert list(seconds) == STAGES


def test_second_run_reuses_everything(again, run):
    before = {path: path.stat().st_mtime_ns for path in again.rglob("*") if path.is_file()}
    result = run(again, normalized_by("as"))
    assert reused(result) == STAGES
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.parametrize(
    ("changed", "kept"),
    [
        ({"score_normalization.top_n": "3"}, STAGES[:-3]),
        ({"calibration.p_target": "0.2"}, STAGES[:-3]),
        ({"calibration.side_information": '["enrollment_speech"]'}, STAGES[:-3]),
        # The cohort's models are adapted alike; the statistics of the enrolled stay.
        ({"enrollment.relevance_factor": "9"}, ["features", "ubm", "enrollment"]),
        ({"scoring.top_c": "3"}, ["features", "ubm", "enrollment", "cohort"]),
        ({"score_normalization.method": "zt"}, ["features", "ubm", "enrollment", "cohort"]),
    ],
)
def test_a_changed_setting_runs_only_what_depends_on_it(again, plain, run, tmp_path, changed, kept):
    settings = normalized_by("as") | changed
    assert reused(run(again, settings)) == kept
    shutil.copytree(plain[0], tmp_path / "new")
    run(tmp_path / "new", settings)
    for name in ("scores.csv", "development/scores.csv", "calibration.json"):
        assert (again / name).read_bytes() == (tmp_path / "new" / name).read_bytes(), name


def test_other_top_scores_calibrate_anew(again, run):
    before = (again / "calibration.json").read_bytes()
    run(again, normalized_by("as") | {"score_normalization.top_n": "3"})
    assert (again / "calibration.json").read_bytes() != before
    assert read_origin(again / "scores.csv").normalization == "as-3"


def test_another_prior_moves_only_the_ratios(again, run):
    before = read_scores(again / "scores.csv")
    run(again, normalized_by("as") | {"calibration.p_target": "0.01"})
    after = read_scores(again / "scores.csv")
    np.testing.assert_array_equal(after.score, before.score)
    development = read_scores(again / "development" / "scores.csv")
    fitted = fit_calibration(development.target(), development.nontarget(), p_target=0.01)
    assert load_calibration(again / "calibration.json").calibration == fitted
    assert (after.llr != before.llr).all()


def test_normalization_can_be_left_off_again(again, run, plain):
    result = run(again)
    assert [stage.name for stage in result.stages] == [s for s in STAGES if s != "cohort"]
    for name in ("scores.csv", "development/scores.csv", "calibration.json"):
        assert (again / name).read_bytes() == (plain[0] / name).read_bytes(), name


def test_from_the_cohort_on_all_is_done_again(again, run):
    before = contents(again)
    result = run(again, normalized_by("as"), force_from="cohort")
    assert reused(result) == ["features", "ubm", "enrollment"]
    assert contents(again) == before


def test_a_damaged_cohort_is_made_again(again, run):
    wanted = contents(again)
    (again / "cohort.safetensors").write_bytes(b"cut short")
    result = run(again, normalized_by("as"))
    assert reused(result) == [name for name in STAGES if name != "cohort"]
    assert contents(again) == wanted


def test_workers_change_nothing(normalized, run, tmp_path):
    run(tmp_path / "out", normalized_by("zt"), jobs=1)
    assert contents(tmp_path / "out") == contents(normalized["zt"][0])


class InterruptIn:
    """Presses Ctrl-C at the n-th report of progress of some tasks."""

    def __init__(self, n, *tasks):
        self.tasks, self.left, self.current = tasks, n, ""

    def start(self, task, total=None):
        self.current = task
        self.advance()

    def advance(self, steps=1):
        self.left -= self.current in self.tasks
        if self.left == 0:
            raise KeyboardInterrupt

    def note(self, text):
        pass


@pytest.mark.usefixtures("leaves_nothing_half_written")
@pytest.mark.parametrize(
    ("task", "n"),
    [
        ("cohort", 4),
        ("scores with the cohort's tests", 1),
        ("scores with the cohort's models", 2),
        ("scores within the cohort", 1),
        # Of the second split.
        ("scores within the cohort", 6),
    ],
)
def test_interrupted_anywhere_it_goes_on_to_the_same_bytes(
    normalized, plain, run, tmp_path, task, n
):
    output = tmp_path / "out"
    shutil.copytree(plain[0], output)
    with pytest.raises(KeyboardInterrupt):
        run(output, normalized_by("zt"), progress=InterruptIn(n, task))
    run(output, normalized_by("zt"))
    # The store of the background that was there first is kept beside the cohort's.
    wanted = contents(normalized["zt"][0])
    found = contents(output)
    for name in wanted:
        if not name.startswith("features/"):
            assert found[name] == wanted[name], name


@pytest.mark.usefixtures("leaves_nothing_half_written")
@pytest.mark.parametrize("n", [1, 4])
def test_interrupted_in_calibration_it_goes_on_to_the_same_bytes(
    normalized, again, run, monkeypatch, n
):
    from speakergmm.recipes import calibration_stage

    wanted = contents(normalized["as"][0])
    calls = []
    for name in ("write_scores", "write_origin"):
        write = getattr(calibration_stage, name)

        def counted(*args, write=write):
            calls.append(args)
            if len(calls) == n:
                raise KeyboardInterrupt
            write(*args)

        monkeypatch.setattr(calibration_stage, name, counted)
    with pytest.raises(KeyboardInterrupt):
        run(again, normalized_by("as"), force_from="calibration")
    monkeypatch.undo()
    result = run(again, normalized_by("as"))
    assert reused(result) == [name for name in STAGES if name != "calibration"]
    assert contents(again) == wanted


# --- what is refused, and what is said ---


def test_few_speakers_are_said(plain, normalized):
    few = "calibrated on 5 speakers; with fewer than 20 it depends on who they happen to be: add"
    few_strangers = "the cohort has 5 speakers; with fewer than 30 the normalized scores depend on"
    for output, n_warnings in ((plain[0], 1), (normalized["s"][0], 2)):
        warnings = json.loads((output / "calibration.json").read_text())["warnings"]
        assert len(warnings) == n_warnings
        assert warnings[0].startswith(few)
        assert all(text.startswith(few_strangers) for text in warnings[1:])
    assert plain[1].calibration["warnings"] == [f"{few} speakers"]


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("method", "znorm", "method is 'znorm'; expected"),
        ("top_n", "0", "top_n is 0; expected"),
        ("tests_per_speaker", "0", "tests_per_speaker is 0; expected"),
        ("enrollment_s", "0.01", "enrollment_s is 0.01; expected 0.1 to 86,400 s, or 'none'"),
        ("cohort", "x", "unknown setting 'cohort'"),
    ],
)
def test_settings_that_cannot_be(recipe, setting, value, message):
    with pytest.raises(ConfigError, match=message):
        load_recipe(recipe, {f"score_normalization.{setting}": value})


def test_more_top_scores_than_the_cohort_has(plain, run, tmp_path):
    shutil.copytree(plain[0], tmp_path / "out")
    # The default is made for cohorts of some size.
    with pytest.raises(ConfigError, match=r"top_n is 50; .* has 5 models and 10 tests: expected"):
        run(tmp_path / "out", {"score_normalization.method": "as"})


def test_too_little_background_for_a_cohort(plain, run, tmp_path):
    shutil.copytree(plain[0], tmp_path / "out")
    settings = normalized_by("z") | {"score_normalization.enrollment_s": "6"}
    with pytest.raises(CohortError, match="of 5 speakers none has speech for a cohort test: wante"):
        run(tmp_path / "out", settings)


# --- side information ---


@pytest.fixture(scope="module")
def sided(run, tmp_path_factory):
    """The experiment with a calibration that knows how long tests are. Not to be written to."""
    output = tmp_path_factory.mktemp("sided") / "out"
    return output, run(output, SIDE)


def test_speech_enters_the_calibration_of_both_conditions(sided, plain, recipe, small_corpus):
    output, result = sided
    front_end = FrontEnd(load_recipe(recipe).settings.front_end)
    utterances = read_utterances(small_corpus / "utterances.csv")
    short = output / "conditions" / Condition.parse(SHORT).folder
    record = load_calibration(output / "calibration.json")
    (term,) = record.calibration.side
    assert term.name == "test_speech"
    assert record.fitted_on == f"development under clean, {SHORT}"
    pooled = {True: [], False: []}
    for split in SPLITS:
        protocol = read_split(small_corpus, split, utterances)
        whole_s = {
            test: sum(len(front_end(*soundfile.read(utterances[u].path))) for u in pool) / 100
            for test, pool in protocol.tests.items()
        }
        for folder, speech_s in (
            (output, whole_s),
            (short, {test: min(0.5, seconds) for test, seconds in whole_s.items()}),
        ):
            scores = read_scores(score_file(folder, split))
            trials = scores.trials
            quantity = np.array([math.log(speech_s[t]) for t in trials.test_ids])[trials.test_index]
            scale = record.calibration.scale + term.scale * quantity
            offset = record.calibration.offset + term.offset * quantity
            np.testing.assert_allclose(scores.llr, scale * scores.score + offset, atol=1e-9)
            if split == "development":
                for kind in (True, False):
                    own = trials.is_target == kind
                    pooled[kind].append(np.column_stack([scores.score[own], quantity[own]]))
    target, nontarget = (np.concatenate(pooled[kind]) for kind in (True, False))
    expected = fit_calibration(
        target[:, 0], nontarget[:, 0], side=["test_speech"], target_side=target[:, 1:],
        nontarget_side=nontarget[:, 1:],
    )  # fmt: skip
    assert record.calibration.scale == pytest.approx(expected.scale, rel=1e-6)
    assert term.scale == pytest.approx(expected.side[0].scale, rel=1e-6)
    assert record.n_target == 2 * 10
    # Twice the trials are not twice the speakers.
    assert record.n_speakers == 5
    assert list(result.conditions) == ["clean", SHORT]
    np.testing.assert_array_equal(
        read_scores(output / "scores.csv").score, read_scores(plain[0] / "scores.csv").score
    )
    own = json.loads((short / "calibration.json").read_text())
    assert own["side"] == json.loads((output / "calibration.json").read_text())["side"]


def test_another_condition_takes_the_experiments_calibration(sided, run, tmp_path):
    shutil.copytree(sided[0], tmp_path / "out")
    run(tmp_path / "out", SIDE, conditions=["speech:0.8"])
    folder = tmp_path / "out" / "conditions" / Condition.parse("speech:0.8").folder
    record = load_calibration(folder / "calibration.json")
    assert record == load_calibration(sided[0] / "calibration.json")
    scores = read_scores(folder / "scores.csv")
    # Not one line: the tests have more speech or less.
    slope, at_zero = np.polyfit(scores.score, scores.llr, 1)
    deviation = np.abs(scores.llr - (slope * scores.score + at_zero)).max()
    lengths = load_raw_scores(folder / "evaluation/raw_scores.safetensors").side
    assert (deviation > 1e-6) == (np.ptp(lengths.values["test_speech"]) > 0)


def test_without_side_information_conditions_are_pooled(run, plain, tmp_path):
    shutil.copytree(plain[0], tmp_path / "out")
    run(tmp_path / "out", {"calibration.conditions": f'["{SHORT}"]'})
    short = tmp_path / "out" / "conditions" / Condition.parse(SHORT).folder
    parts = [read_scores(f / "development" / "scores.csv") for f in (tmp_path / "out", short)]
    expected = fit_calibration(
        np.concatenate([part.target() for part in parts]),
        np.concatenate([part.nontarget() for part in parts]),
    )
    for folder in (tmp_path / "out", short):
        found = load_calibration(folder / "calibration.json").calibration
        assert (found.scale, found.offset) == pytest.approx((expected.scale, expected.offset))


def test_learned_conditions_are_run_over_and_changed(sided, run, tmp_path):
    output = tmp_path / "out"
    shutil.copytree(sided[0], output)
    before = {path: path.stat().st_mtime_ns for path in output.rglob("*") if path.is_file()}
    plain_stages = [name for name in STAGES if name != "cohort"]
    assert reused(run(output, SIDE)) == plain_stages
    assert {path: path.stat().st_mtime_ns for path in before} == before
    both = SIDE | {"calibration.conditions": f'["{SHORT}", "speech:0.8"]'}
    assert reused(run(output, both)) == plain_stages[:-3]
    run(tmp_path / "new", both, jobs=1)
    assert contents(output) == contents(tmp_path / "new")


@pytest.mark.parametrize("text", ["telephone@background", "mulaw@background+test", "gain:3@all"])
def test_a_condition_of_another_background_model_is_refused(run, tmp_path, text):
    with pytest.raises(
        ConfigError,
        match=r"calibration\.conditions has .*, which makes another background model, whose scores "
        "mean something else; expected conditions of enrollment and tests",
    ):
        run(tmp_path / "out", {"calibration.conditions": f'["{text}"]'})
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            '["test_length"]',
            r"\['test_length'\]; expected a list of 'enrollment_speech'",
        ),
        ('["test_speech", "test_speech"]', "expected each quantity once"),
        (
            "test_speech",
            "'test_speech'; expected a list of 'enrollment_speech'",
        ),
    ],
)
def test_side_information_that_cannot_be(recipe, value, message):
    with pytest.raises(ConfigError, match=rf"side_information is .*{message}"):
        load_recipe(recipe, {"calibration.side_information": value})


def test_the_score_command_knows_the_side_of_its_trials(sided, cli, small_corpus, tmp_path):
    """A recipe's calibration serves scoring; a score file alone does not hold what it needs."""
    output, _ = sided
    answer = cli("score", small_corpus / "evaluation", "--utterances",
                 small_corpus / "utterances.csv", "--ubm", output / "ubm.safetensors",
                 "--relevance-factor", 4, "--calibration", output / "calibration.json", "--output",
                 tmp_path / "scores.csv", "--quiet")  # fmt: skip
    assert answer.status == 0
    found, expected = read_scores(tmp_path / "scores.csv"), read_scores(output / "scores.csv")
    np.testing.assert_allclose(found.llr, expected.llr, rtol=1e-9, atol=1e-9)
    answer = cli("evaluate", tmp_path / "scores.csv", "--calibration",
                 output / "calibration.json", "--quiet")  # fmt: skip
    assert (answer.status, answer.out) == (1, "")
    assert answer.err.startswith(f"error: {output / 'calibration.json'}: needs test_speech")
    assert "which score files do not hold" in answer.err


# --- pooled background models, repeated adaptation ---


@pytest.fixture(scope="module")
def pooled(run, plain, tmp_path_factory):
    """The experiment with a background model of women and men. Not to be written to."""
    output = tmp_path_factory.mktemp("pooled") / "out"
    shutil.copytree(plain[0], output)
    return output, run(output, {"ubm.pool_by": "sex"})


def test_a_background_model_of_women_and_men(pooled, recipe, plain, small_corpus, tmp_path):
    output, result = pooled
    assert reused(result) == ["features"]
    model = load_background_model(output / "ubm.safetensors")
    assert [part.name for part in model.parts] == ["f", "m"]
    assert [part.n_components for part in model.parts] == [4, 4]
    assert [part.share for part in model.parts] == [0.5, 0.5]
    assert model.gmm.weights[:4].sum() == pytest.approx(0.5)
    assert sum(part.n_frames for part in model.parts) == model.n_frames
    loaded = load_recipe(recipe, {"ubm.n_components": "4"})
    with (small_corpus / "utterances.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for part, sex in enumerate("fm"):
        path = tmp_path / f"{sex}.csv"
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(row for row in rows if row["sex"] == sex)
        train_on_list(
            path, tmp_path / sex, loaded.settings, audio=small_corpus, split="background"
        )  # fmt: skip
        own = load_background_model(tmp_path / sex).gmm
        of_part = slice(4 * part, 4 * part + 4)
        # The store of one sex alone is cut into other chunks, so sums round differently.
        np.testing.assert_allclose(model.gmm.means[of_part], own.means, atol=1e-3)
        np.testing.assert_allclose(2 * model.gmm.weights[of_part], own.weights, atol=1e-3)
    assert (output / "scores.csv").read_bytes() != (plain[0] / "scores.csv").read_bytes()


def test_a_pooled_model_is_used_again(pooled, run, tmp_path):
    shutil.copytree(pooled[0], tmp_path / "out")
    result = run(tmp_path / "out", {"ubm.pool_by": "sex"})
    assert reused(result) == [name for name in STAGES if name != "cohort"]


def test_a_pooled_model_is_weighted_by_frames(run, plain, tmp_path):
    output = tmp_path / "out"
    shutil.copytree(plain[0], output)
    run(output, {"ubm.pool_by": "sex", "ubm.pool_weights": "frames"})
    model = load_background_model(output / "ubm.safetensors")
    for part, weights in zip(model.parts, np.split(model.gmm.weights, 2), strict=True):
        assert part.share == pytest.approx(part.n_frames / model.n_frames)
        assert weights.sum() == pytest.approx(part.share)


@pytest.mark.usefixtures("leaves_nothing_half_written")
@pytest.mark.parametrize("n", [5, 11])
def test_a_pooled_model_interrupted_goes_on_to_the_same_bytes(pooled, run, plain, tmp_path, n):
    output, settings = tmp_path / "out", {"ubm.pool_by": "sex"}
    shutil.copytree(plain[0], output)
    training = InterruptIn(n, "UBM: k-means", "UBM: EM")
    with pytest.raises(KeyboardInterrupt):
        run(output, settings, progress=training)
    run(output, settings, jobs=1)
    for name in ("ubm.safetensors", "scores.csv"):
        assert (output / name).read_bytes() == (pooled[0] / name).read_bytes()
    assert list(output.glob("*.checkpoint")) == []


def test_a_model_that_cannot_be_pooled(run, plain, small_corpus, tmp_path):
    lists = tmp_path / "lists"
    shutil.copytree(small_corpus, lists, ignore=shutil.ignore_patterns("audio"))
    shutil.copytree(plain[0], tmp_path / "out")
    with pytest.raises(
        ManifestError, match="the background model cannot be pooled by 'condition': fill in the c"
    ):
        run(tmp_path / "out", {"ubm.pool_by": "condition"})
    text = (lists / "utterances.csv").read_text().replace(",f,background", ",m,background")
    (lists / "utterances.csv").write_text(text)
    overrides = {"ubm.pool_by": "sex", "recipe.manifests": f"'{lists}'"}
    with pytest.raises(ManifestError, match="pooled by 'sex': all utterances have 'm'; expected"):
        run(tmp_path / "out", overrides)
    with pytest.raises(ConfigError, match="n_components is 1; expected at least one for each of"):
        run(tmp_path / "out", {"ubm.pool_by": "sex", "ubm.n_components": "1"})


@pytest.mark.parametrize("iterations", [2, 3])
def test_repeated_adaptation(run, recipe, plain, small_corpus, tmp_path, iterations):
    output = tmp_path / "out"
    shutil.copytree(plain[0], output)
    settings = {"enrollment.iterations": str(iterations)}
    assert reused(run(output, settings)) == ["features", "ubm"]
    model = load_background_model(output / "ubm.safetensors")
    ubm, front_end = model.gmm, FrontEnd(model.front_end)
    utterances = read_utterances(small_corpus / "utterances.csv")
    protocol = read_split(small_corpus, "evaluation", utterances)

    def side(pool):
        return np.concatenate(
            [front_end(*soundfile.read(utterances[u].path, dtype="float32")) for u in pool]
        )

    tests = [side(pool) for pool in protocol.tests.values()]
    expected = []
    for pool in protocol.enrollment.values():
        frames, speaker = side(pool), ubm
        for _ in range(iterations):
            speaker = map_adapt(ubm, accumulate(speaker, frames), relevance_factor=4)
        expected.append([log_likelihood_ratio(speaker, ubm, x) for x in tests])
    found = read_scores(output / "scores.csv").score
    np.testing.assert_allclose(found, np.ravel(expected), rtol=0, atol=2 * SCORE_TOLERANCE)
    once = read_scores(plain[0] / "scores.csv").score
    assert np.abs(found - once).max() > 100 * SCORE_TOLERANCE
    # Statistics under the speaker's own model depend on how it is adapted.
    again = run(output, settings | {"enrollment.relevance_factor": "9"})
    assert reused(again) == ["features", "ubm"]


def test_the_cohort_is_adapted_as_often(run, plain, tmp_path):
    output = tmp_path / "out"
    shutil.copytree(plain[0], output)
    run(output, normalized_by("t") | {"enrollment.iterations": "2"})
    cohort = load_cohort(output / "cohort.safetensors")
    assert cohort.enrollment.iterations == 2
    shutil.rmtree(output)
    shutil.copytree(plain[0], output)
    run(output, normalized_by("t"))
    once = load_cohort(output / "cohort.safetensors")
    np.testing.assert_array_equal(once.frames, cohort.frames)
    assert np.abs(once.n - cohort.n).max() > 1.0

"""`speakergmm cohort`, and what `score` and `evaluate` do with cohorts and calibrations."""

from __future__ import annotations

import csv
import functools
import json
import shutil

import numpy as np
import pytest
import soundfile

from speakergmm import FrontEnd, accumulate, linear_score, log_likelihood_ratio, map_adapt
from speakergmm.corpora import Scores, read_scores, read_split, read_utterances, write_scores
from speakergmm.files import file_digest
from speakergmm.gmm.model_file import load_background_model
from speakergmm.verification.calibration_file import load_calibration
from speakergmm.verification.cohort_file import load_cohort
from speakergmm.verification.origin import origin_path, read_origin

pytestmark = pytest.mark.usefixtures("leaves_nothing_half_written")

# Scores are means over float32 blocks, of other shapes here than there; the deviations of cohort
# scores that they are divided by are some hundredths and more.
SCORE_TOLERANCE = 1e-4
NORMALIZED_TOLERANCE = 5e-3

FEW = (
    "warning: the cohort has 5 speakers; with fewer than 30 the normalized scores depend on who "
    "they happen to be: use more speakers\n"
)

METHODS = {
    "z": ["--normalization", "z"],
    "t": ["--normalization", "t"],
    "zt": ["--normalization", "zt"],
    "s": [],
    "as": ["--normalization", "as", "--top-n", 4],
}


@pytest.fixture
def score(cli, small_corpus, background_model, tmp_path):
    """Score the evaluation's trials into ``scores.csv``."""

    def run(*options, ubm=background_model, output=tmp_path / "scores.csv"):
        return cli("score", small_corpus / "evaluation", "--utterances",
                   small_corpus / "utterances.csv", "--ubm", ubm, "--output", output, "--quiet",
                   *options)  # fmt: skip

    return run


def refuses(answer, *messages, status=1):
    assert (answer.status, answer.out) == (status, ""), answer
    said = " ".join(answer.err.split())
    for message in messages:
        assert message in said


# --- cohort make, cohort show ---


@pytest.mark.parametrize("command", [["cohort"], ["cohort", "make"], ["cohort", "show"]])
def test_help_teaches_by_example(cli, command):
    answer = cli(*command, "--help")
    assert answer.status == 0
    assert answer.out.startswith(f"Usage: speakergmm {' '.join(command)}")
    if len(command) > 1:
        assert f"\n    speakergmm {' '.join(command)} " in answer.out
    assert "\\b" not in answer.out


def test_make_says_who_is_in_it(cli, small_corpus, background_model, tmp_path):
    output = tmp_path / "cohort.safetensors"
    command = ["cohort", "make", small_corpus / "utterances.csv", "--split", "background", "--ubm",
               background_model, "--output", output, "--enrollment-seconds", 3]  # fmt: skip
    answer = cli(*command)
    assert answer.status == 0
    # Six seconds of each: a model of half of them, of the rest one test.
    assert answer.out == (f"{output}: 5 speakers, 5 models and 5 tests\n{FEW}")
    assert "features (20) ..." in answer.err
    cohort = load_cohort(output, file_digest(background_model))
    assert cohort.model_speakers == cohort.test_speakers == ("s01", "s02", "s03", "s04", "s05")
    content = output.read_bytes()
    assert cli(*command, "--jobs", 1, "--quiet").err == ""
    assert output.read_bytes() == content


def test_make_takes_what_options_say(cli, small_corpus, background_model, tmp_path):
    output = tmp_path / "cohort.safetensors"
    command = ["cohort", "make", small_corpus / "utterances.csv", "--ubm", background_model,
               "--output", output, "--quiet", "--enrollment-seconds", 1.5, "--test-seconds",
               1.5]  # fmt: skip
    # All splits are sixteen people; each has more than a test of a second and a half.
    assert "16 speakers, 16 models and 48 tests" in cli(*command, "--tests-per-speaker", 3).out
    assert "16 speakers, 16 models and 16 tests" in cli(*command, "--tests-per-speaker", 1).out
    cli(*command, "--relevance-factor", 4)
    assert load_cohort(output).enrollment.relevance_factor == 4.0
    assert cli(*command, "--tests-per-speaker", 0).status == 2


def test_make_is_what_its_models_and_tests_are(strangers, background_model, small_corpus):
    ubm = load_background_model(background_model)
    cohort, front_end = load_cohort(strangers), FrontEnd(ubm.front_end)
    folder = small_corpus / "audio"
    first = sorted((folder / "s01").glob("*.flac"))
    frames = [front_end(*soundfile.read(path, dtype="float32")) for path in first]
    found = accumulate(ubm.gmm, frames[0])
    np.testing.assert_allclose(cohort.n[0], found.n, rtol=0, atol=1e-3)
    np.testing.assert_allclose(cohort.f[0], found.f, rtol=0, atol=0.05)
    np.testing.assert_array_equal(cohort.test_frames(0), frames[1])
    np.testing.assert_array_equal(cohort.test_frames(1), frames[2])
    digests = {source.digest for source in cohort.sources}
    assert {file_digest(path) for path in first[:3]} <= digests


def test_show(cli, strangers, background_model):
    answer = cli("cohort", "show", strangers)
    assert (answer.status, answer.err) == (0, "")
    assert f"ubm: {file_digest(background_model)}\n" in answer.out
    assert "n_speakers: 5\nn_models: 5\nn_tests: 10\n" in answer.out
    assert "\nspeech:\n  s01: s01-1-1.flac" in answer.out
    cohort = load_cohort(strangers)
    shown = json.loads(cli("cohort", "show", strangers, "--json").out)
    assert shown == json.loads(json.dumps(cohort.described()))
    assert shown["n_test_frames"] == len(cohort.frames)
    assert [source["speaker_id"] for source in shown["sources"]] == [
        source.speaker_id for source in cohort.sources
    ]


def test_show_names_the_pieces_of_a_recording(cli, small_corpus, background_model, tmp_path):
    output = tmp_path / "cohort.safetensors"
    # Of six seconds in one recording, of two people who differ in level.
    samples, rate = soundfile.read(small_corpus / "audio" / "s01" / "s01-1-1.flac")
    for name in ("a", "b"):
        soundfile.write(tmp_path / f"{name}.wav", np.tile(samples, 4) * (1 + (name == "b")), rate)
    rows = ["utterance_id,speaker_id,path", "a,a,a.wav", "b,b,b.wav"]
    (tmp_path / "long.csv").write_text("\n".join(rows))
    cli("cohort", "make", tmp_path / "long.csv", "--ubm", background_model, "--output", output,
        "--enrollment-seconds", 2.5, "--test-seconds", 1.25, "--quiet")  # fmt: skip
    answer = cli("cohort", "show", output)
    for name in ("a", "b"):
        for span in ("[0 to 2.5 s]", "[2.5 to 3.75 s]", "[3.75 to 5 s]"):
            assert f"  {name}: {name}.wav {span}\n" in answer.out


def test_too_little_speech(cli, small_corpus, background_model, tmp_path):
    output = tmp_path / "cohort.safetensors"
    command = ["cohort", "make", small_corpus / "utterances.csv", "--split", "background", "--ubm",
               background_model, "--output", output, "--quiet"]  # fmt: skip
    refuses(
        cli(*command, "--enrollment-seconds", 60),
        "of 5 speakers none has speech for a cohort test: wanted are 60 s for the model and 3 s "
        "for the test; give longer recordings, or less",
    )
    refuses(cli(*command, "--enrollment-seconds", 0), "enrollment_s is 0.0; expected")
    refuses(cli(*command, "--test-seconds", "nan"), "test_s is nan; expected")
    refuses(
        cli(*command[:4], "train", *command[5:]),
        "no utterance of split 'train'; splits are 'background', 'development', 'evaluation'",
    )
    assert not output.exists()


def test_cohort_files_that_cannot_be_used(cli, strangers, background_model, tmp_path):
    refuses(
        cli("cohort", "show", tmp_path / "no"),
        f"{tmp_path / 'no'}: no such file; expected a cohort that `cohort make` or `recipe run` "
        "wrote",
    )
    refuses(cli("cohort", "show", background_model), f"{background_model}: not a speakergmm cohort")
    (tmp_path / "cut").write_bytes(strangers.read_bytes()[:-500])
    refuses(cli("cohort", "show", tmp_path / "cut"), "not a cohort file, or a damaged one")


def test_an_output_that_cannot_be_written(cli, small_corpus, background_model, tmp_path):
    (tmp_path / "file").write_text("mine")
    answer = cli("cohort", "make", small_corpus / "utterances.csv", "--split", "background",
                 "--ubm", background_model, "--output", tmp_path / "file" / "cohort",
                 "--enrollment-seconds", 1.5, "--quiet")  # fmt: skip
    refuses(answer, "cohort: cannot be written")
    assert (tmp_path / "file").read_text() == "mine"


# --- score --cohort ---


SCORERS = {
    "exact": ([], log_likelihood_ratio),
    "top-2": (["--top-c", 2], functools.partial(log_likelihood_ratio, top_c=2)),
    "linear": (
        ["--scorer", "linear"],
        lambda model, ubm, frames: linear_score(model, ubm, accumulate(ubm, frames))[0, 0],
    ),
}


@pytest.fixture(scope="module")
def all_by_hand(small_corpus, background_model, strangers):
    """By scorer: raw scores (S, N), and those with the cohort (S, Z), (C, N), (C, Z), by pairs."""
    model = load_background_model(background_model)
    ubm, front_end, cohort = model.gmm, FrontEnd(model.front_end), load_cohort(strangers)
    utterances = read_utterances(small_corpus / "utterances.csv")
    protocol = read_split(small_corpus, "evaluation", utterances)

    def side(pool):
        return np.concatenate(
            [front_end(*soundfile.read(utterances[u].path, dtype="float32")) for u in pool]
        )

    models = [map_adapt(ubm, accumulate(ubm, side(pool))) for pool in protocol.enrollment.values()]
    tests = [side(pool) for pool in protocol.tests.values()]
    cohort_models = list(cohort.models(ubm))
    cohort_tests = [cohort.test_frames(i) for i in range(len(cohort.test_speakers))]
    same = np.array(cohort.model_speakers)[:, None] == np.array(cohort.test_speakers)

    def known(ratio):
        def scores(rows, columns):
            return np.array([[ratio(m, ubm, x) for x in columns] for m in rows])

        return {
            "raw": scores(models, tests),
            "models": scores(models, cohort_tests),
            "tests": scores(cohort_models, tests),
            "cohort": scores(cohort_models, cohort_tests),
            "same": same,
        }

    return {name: known(ratio) for name, (_, ratio) in SCORERS.items()}


@pytest.fixture(scope="module")
def by_hand(all_by_hand):
    return all_by_hand["exact"]


def expected_scores(method, known):
    """Normalize by the definitions, one trial at a time."""
    raw, of_models, of_tests = known["raw"], known["models"], known["tests"]
    result = np.empty_like(raw)
    for i, j in np.ndindex(*raw.shape):
        z_side, t_side = of_models[i], of_tests[:, j]
        if method == "as":
            z_side, t_side = np.sort(z_side)[-4:], np.sort(t_side)[-4:]
        z = (raw[i, j] - z_side.mean()) / z_side.std()
        t = (raw[i, j] - t_side.mean()) / t_side.std()
        if method == "zt":
            impostors = [
                row[~same] for row, same in zip(known["cohort"], known["same"], strict=True)
            ]
            of_cohort = [
                (score - own.mean()) / own.std()
                for score, own in zip(t_side, impostors, strict=True)
            ]
            result[i, j] = (z - np.mean(of_cohort)) / np.std(of_cohort)
        else:
            result[i, j] = {"z": z, "t": t}.get(method, (z + t) / 2)
    return result


@pytest.mark.parametrize("method", METHODS)
def test_scores_are_normalized_by_the_cohort(score, strangers, by_hand, method, tmp_path):
    answer = score("--cohort", strangers, *METHODS[method])
    assert answer.status == 0
    assert answer.out.partition("\n")[2] == FEW
    scores = read_scores(tmp_path / "scores.csv")
    expected = expected_scores(method, by_hand)
    np.testing.assert_allclose(
        scores.score, expected.ravel(), rtol=NORMALIZED_TOLERANCE, atol=NORMALIZED_TOLERANCE
    )
    assert np.abs(scores.score - by_hand["raw"].ravel()).max() > 0.5
    label = {"as": "as-4"}.get(method, method)
    assert read_origin(tmp_path / "scores.csv").normalization == label
    assert read_origin(tmp_path / "scores.csv").cohort == file_digest(strangers)


def test_without_a_cohort_scores_are_raw(score, by_hand, tmp_path):
    assert score().out.count("\n") == 1
    raw = read_scores(tmp_path / "scores.csv").score
    np.testing.assert_allclose(raw, by_hand["raw"].ravel(), rtol=0, atol=SCORE_TOLERANCE)


@pytest.mark.parametrize("scorer", ["top-2", "linear"])
def test_the_cohort_is_scored_as_the_trials_are(score, strangers, all_by_hand, scorer, tmp_path):
    assert score("--cohort", strangers, *SCORERS[scorer][0]).status == 0
    found = read_scores(tmp_path / "scores.csv").score
    expected = expected_scores("s", all_by_hand[scorer]).ravel()
    np.testing.assert_allclose(
        found, expected, rtol=NORMALIZED_TOLERANCE, atol=NORMALIZED_TOLERANCE
    )
    exact = expected_scores("s", all_by_hand["exact"]).ravel()
    assert np.abs(found - exact).max() > 10 * NORMALIZED_TOLERANCE


def test_cohorts_that_do_not_fit(
    score, strangers, other_model, background_model, make_cohort_file, tmp_path
):
    def digest(path):
        return file_digest(path)[:12]

    refuses(
        score("--cohort", strangers, ubm=other_model),
        f"{strangers}: made with the background model {digest(background_model)}, not with "
        f"{digest(other_model)}; give that model, or make a cohort with this one",
    )
    refuses(
        score("--cohort", strangers, "--relevance-factor", 4),
        "the cohort's models are adapted with relevance factor 16, means, 1 iteration(s), those of "
        "the trials with relevance factor 4, means, 1 iteration(s); expected the same: adapt "
        "alike, or make the cohort anew",
    )
    refuses(
        score("--normalization", "z"),
        "score normalization 'z' needs a cohort; make one with `cohort make`",
    )
    refuses(
        score("--cohort", strangers, "--top-n", 3),
        "--top-n is for --normalization as; give both, or neither.",
        status=2,
    )
    refuses(
        score("--cohort", strangers, "--normalization", "as", "--top-n", 6),
        "top_n is 6; the cohort has 5 scores for each test: expected at most that many",
    )
    refuses(score("--cohort", tmp_path / "no"), f"{tmp_path / 'no'}: no such file; expected a co")
    refuses(score("--cohort", background_model), "not a speakergmm cohort")
    own = make_cohort_file(background_model, tmp_path / "own", split="evaluation")
    refuses(
        score("--cohort", own),
        "cohort and trials share speakers, whose scores are no strangers'; make the cohort of "
        "others",
        *(f"speaker '{name}' is in both" for name in ("s11", "s12", "s13", "s14", "s15", "s16")),
    )
    assert not (tmp_path / "scores.csv").exists()


def test_a_recording_under_another_name_is_found(
    cli, small_corpus, background_model, strangers, tmp_path
):
    lists = tmp_path / "lists"
    shutil.copytree(small_corpus, lists, ignore=shutil.ignore_patterns("audio"))
    with (lists / "utterances.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    twin = next(row["path"] for row in rows if row["utterance_id"] == "s02-1-1")
    own = next(row for row in rows if row["utterance_id"] == "s11-1-1")
    text = (lists / "utterances.csv").read_text().replace(own["path"], twin)
    (lists / "utterances.csv").write_text(text)
    answer = cli("score", lists / "evaluation", "--utterances", lists / "utterances.csv", "--audio",
                 small_corpus, "--ubm", background_model, "--output", tmp_path / "scores.csv",
                 "--cohort", strangers, "--quiet")  # fmt: skip
    refuses(
        answer,
        "utterance 's11-1-1' of 's11' is the recording of 's02-1-1' of 's02' in the cohort",
    )


# --- where scores come from ---


def test_scores_say_where_they_come_from(score, strangers, background_model, tmp_path):
    scores = tmp_path / "scores.csv"
    assert score("--top-c", 3, "--relevance-factor", 8).status == 0
    assert origin_path(scores) == tmp_path / "scores.origin.json"
    entry = json.loads((tmp_path / "scores.origin.json").read_text(encoding="utf-8"))
    assert entry["scores"] == file_digest(scores)
    assert entry["origin"]["ubm"] == file_digest(background_model)
    origin = read_origin(scores)
    assert origin.scoring.label == "top-3"
    assert origin.enrollment.relevance_factor == 8
    assert (origin.normalization, origin.cohort) == ("none", "")


def test_calibrated_scores_have_ratios(score, make_calibration, strangers, tmp_path):
    for options, calibration in (
        ([], make_calibration()),
        (["--top-c", 2], make_calibration(scoring__top_c="2")),
        (["--cohort", strangers], make_calibration(strangers, score_normalization__method="s")),
    ):
        score(*options)
        plain = read_scores(tmp_path / "scores.csv")
        assert plain.llr is None
        answer = score(*options, "--calibration", calibration)
        assert answer.status == 0
        assert "warning: calibrated on 11 speakers; with fewer than 20" in answer.out
        found = read_scores(tmp_path / "scores.csv")
        np.testing.assert_array_equal(found.score, plain.score)
        fitted = load_calibration(calibration).calibration
        np.testing.assert_allclose(
            found.llr, fitted.scale * found.score + fitted.offset, rtol=1e-12, atol=1e-12
        )


@pytest.fixture
def contradictions(make_calibration, strangers, other_model, background_model):
    """Options, and what is said of them with a calibration of other scores."""

    def digest(path):
        return file_digest(path)[:12]

    plain, normalized = (
        make_calibration(),
        make_calibration(strangers, score_normalization__method="s"),
    )
    cohort = digest(strangers)
    return [
        (plain, ["--top-c", 2], {}, "scorer exact, not top-2"),
        (plain, ["--scorer", "linear"], {}, "scorer exact, not linear"),
        (make_calibration(scoring__scorer="linear"), [], {}, "scorer linear, not exact"),
        (plain, ["--relevance-factor", 4], {}, "relevance factor 16, not 4"),
        (plain, ["--cohort", strangers], {},
         f"normalization none, not s; cohort none, not {cohort}"),
        (normalized, [], {}, f"normalization s, not none; cohort {cohort}, not none"),
        (normalized, ["--cohort", strangers, "--normalization", "as", "--top-n", 4], {},
         "made with normalization s, not as-4: a calibration"),
        (plain, [], {"ubm": other_model},
         f"background model {digest(background_model)}, not {digest(other_model)}"),
        (plain, ["--top-c", 2, "--relevance-factor", 4.5], {},
         "made with scorer exact, not top-2; relevance factor 16, not 4.5: a calibration holds"),
    ]  # fmt: skip


def test_score_refuses_the_calibration_of_other_scores(score, contradictions, tmp_path):
    for calibration, options, named, message in contradictions:
        if "--cohort" in options and "--normalization" not in options:
            # Without an option the calibration says how to score, and this one says: without.
            expected = "a cohort is of no use without score normalization"
        elif not options and not named:
            continue
        else:
            expected = message
        answer = score(*options, "--calibration", calibration, **named)
        refuses(answer, expected)
        assert not (tmp_path / "scores.csv").exists()
        assert not (tmp_path / "scores.origin.json").exists()


def test_score_scores_as_its_calibration_says(score, make_calibration, strangers, tmp_path):
    linear = make_calibration(scoring__scorer="linear", enrollment__relevance_factor="4")
    assert score("--calibration", linear).status == 0
    origin = read_origin(tmp_path / "scores.csv")
    assert (origin.scoring.label, origin.enrollment.relevance_factor) == ("linear", 4.0)
    normalized = make_calibration(strangers, score_normalization__method="t")
    refuses(score("--calibration", normalized), "score normalization 't' needs a cohort")
    assert score("--calibration", normalized, "--cohort", strangers).status == 0
    assert read_origin(tmp_path / "scores.csv").normalization == "t"


def test_evaluate_refuses_the_calibration_of_other_scores(cli, score, contradictions, tmp_path):
    for calibration, options, named, message in contradictions:
        assert score(*options, **named).status == 0
        answer = cli("evaluate", tmp_path / "scores.csv", "--calibration", calibration)
        refuses(answer, f"error: {calibration}: made with ", message)


def test_scores_changed_since_come_from_nowhere(cli, score, make_calibration, tmp_path):
    scores = tmp_path / "scores.csv"
    score("--top-c", 2)
    evaluate = ["evaluate", scores, "--calibration", make_calibration(), "--json", "--quiet"]
    assert cli(*evaluate).status == 1
    scores.write_bytes(scores.read_bytes().replace(b"s11-2-a", b"renamed"))
    assert read_origin(scores) is None
    assert cli(*evaluate).status == 0
    # So of a file without one.
    (tmp_path / "scores.origin.json").unlink()
    assert cli(*evaluate).status == 0
    score("--top-c", 2)
    (tmp_path / "scores.origin.json").write_text("{")
    refuses(cli(*evaluate), "scores.origin.json: damaged (", "remove it, or score again")


def test_calibrations_that_cannot_be_used(cli, score, tmp_path):
    score()
    wrong = {
        "missing": (None, "no such file; expected a calibration that `calibrate` wrote"),
        "text": ("x", "not a calibration file"),
        "list": ("[]", "not a calibration file; expected a JSON object"),
        "other": ("{}", "not a calibration; expected a file that `calibrate` or `recipe run`"),
        "none": ('{"unavailable": "too few"}', "holds no calibration: too few"),
    }
    for name, (content, message) in wrong.items():
        path = tmp_path / name
        if content is not None:
            path.write_text(content)
        for answer in (
            cli("evaluate", tmp_path / "scores.csv", "--calibration", path),
            score("--calibration", path, output=tmp_path / "new.csv"),
        ):
            refuses(answer, f"error: {path}: ", message)
    assert not (tmp_path / "new.csv").exists()


def test_evaluate_calibrates(cli, score, make_calibration, tmp_path):
    score()
    scores, calibration = read_scores(tmp_path / "scores.csv"), make_calibration()
    common = ["--resamples", 10, "--quiet"]
    plain = json.loads(cli("evaluate", tmp_path / "scores.csv", "--json", *common).out)
    assert "cllr" not in plain["evaluation"]
    answer = cli("evaluate", tmp_path / "scores.csv", "--calibration", calibration, "--json",
                 "--output", tmp_path / "results", *common)  # fmt: skip
    found = json.loads(answer.out)["evaluation"]
    assert found["eer"]["value"] == plain["evaluation"]["eer"]["value"]
    written = read_scores(tmp_path / "results" / "scores.csv")
    np.testing.assert_array_equal(written.score, scores.score)
    fitted = load_calibration(calibration).calibration
    expected = fitted.scale * scores.score + fitted.offset
    np.testing.assert_allclose(written.llr, expected, rtol=1e-12, atol=1e-12)
    # Cllr in bits by its definition.
    is_target = scores.trials.is_target
    loss = np.mean(np.logaddexp(0, -written.llr[is_target])) / 2
    loss += np.mean(np.logaddexp(0, written.llr[~is_target])) / 2
    assert found["cllr"]["value"] == pytest.approx(loss / np.log(2), rel=1e-9)
    cli("evaluate", tmp_path / "scores.csv", "--output", tmp_path / "plain", *common)
    assert not (tmp_path / "plain" / "scores.csv").exists()


@pytest.fixture
def two_systems(cli, small_corpus, background_model, tmp_path):
    """Score files of two systems with trials of all eleven people, and their fusion."""
    files = tmp_path / "exact.csv", tmp_path / "linear.csv"
    for name in ("enrollment.csv", "tests.csv"):
        first, second = (
            (small_corpus / split / name).read_text() for split in ("development", "evaluation")
        )
        (tmp_path / name).write_text(first + second.partition("\n")[2])
    for file, options in zip(files, ([], ["--scorer", "linear"]), strict=True):
        answer = cli("score", tmp_path, "--utterances", small_corpus / "utterances.csv", "--ubm",
                     background_model, "--output", file, "--quiet", *options)  # fmt: skip
        assert answer.status == 0
    fusion = tmp_path / "fusion.json"
    answer = cli("calibrate", *files, "--p-target", 0.5, "--output", fusion, "--resamples", 0,
                 "--quiet")  # fmt: skip
    assert answer.status == 0
    return files, fusion


def test_evaluate_fuses(cli, two_systems, tmp_path):
    files, fusion = two_systems
    answer = cli("evaluate", *files, "--calibration", fusion, "--output", tmp_path / "fused",
                 "--resamples", 10, "--json", "--quiet")  # fmt: skip
    assert answer.status == 0
    record = load_calibration(fusion)
    assert [origin.scoring.label for origin in record.origins] == ["exact", "linear"]
    first, second = map(read_scores, files)
    a, b = record.calibration.scale
    expected = a * first.score + b * second.score + record.calibration.offset
    written = read_scores(tmp_path / "fused" / "scores.csv")
    np.testing.assert_allclose(written.llr, expected, rtol=1e-10, atol=1e-10)
    np.testing.assert_array_equal(written.score, written.llr)


def test_a_fusion_takes_its_systems_in_order(cli, two_systems, make_calibration):
    files, fusion = two_systems
    refuses(
        cli("evaluate", *files),
        "several score files are fused by a calibration: fit one with `calibrate`, and give it "
        "with --calibration; or set them side by side with `compare`.",
        status=2,
    )
    refuses(
        cli("evaluate", *files[::-1], "--calibration", fusion),
        f"error: {fusion}, system 0: made with scorer exact, not linear",
    )
    refuses(
        cli("evaluate", files[0], "--calibration", fusion),
        f"error: {fusion}: fuses 2 systems, got the scores of 1; give one score file for each, in "
        "the order of the fit",
    )
    refuses(
        cli("evaluate", *files, "--calibration", make_calibration()),
        "got the scores of 2",
    )


def test_fused_scores_are_of_the_same_trials(cli, two_systems, tmp_path):
    files, fusion = two_systems
    lines = files[1].read_text().splitlines()
    files[1].write_text("\n".join(lines[:-1]))
    refuses(
        cli("evaluate", *files, "--calibration", fusion),
        f"{files[0]} and {files[1]} are not of the same trials: 1 only in {files[0]}, such as ",
    )


def test_a_fusion_scores_no_single_list(score, two_systems, tmp_path):
    _, fusion = two_systems
    refuses(score("--calibration", fusion, output=tmp_path / "new.csv"), "fuses 2 systems, got")
    assert not (tmp_path / "new.csv").exists()


def test_infinite_scores_have_infinite_ratios(cli, score, make_calibration, tmp_path):
    score()
    scores = read_scores(tmp_path / "scores.csv")
    values = scores.score.copy()
    values[0] = -np.inf
    write_scores(tmp_path / "s.csv", Scores(scores.trials, values))
    answer = cli("evaluate", tmp_path / "s.csv", "--calibration", make_calibration(), "--output",
                 tmp_path / "o", "--resamples", 0, "--quiet")  # fmt: skip
    assert answer.status == 0
    assert read_scores(tmp_path / "o" / "scores.csv").llr[0] == -np.inf

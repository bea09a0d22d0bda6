"""`speakergmm calibrate`: what it says, what it writes, and what it refuses."""

from __future__ import annotations

import csv
import json
import math
import re
import shutil

import numpy as np
import pytest
import soundfile

from speakergmm import fit_calibration
from speakergmm.corpora import Scores, all_against_all, read_scores, write_scores
from speakergmm.corpora.classes import ClassSettings
from speakergmm.files import file_digest
from speakergmm.recipes import load_settings
from speakergmm.recipes.calibrating import Goal, calibrate_recordings, calibrate_scores
from speakergmm.verification.calibration_file import load_calibration
from speakergmm.verification.origin import ScoreOrigin, write_origin

pytestmark = pytest.mark.usefixtures("leaves_nothing_half_written")

QUIET = ("--quiet", "--resamples", 20)

NO_SESSIONS = (
    "warning: the recordings name no sessions, so those of one speaker are taken for different "
    "sittings; if they are of one, with one microphone, expect more errors in use"
)
FEW = (
    "warning: calibrated on 11 speakers; with fewer than 20 it depends on who they happen to be: "
    "add speakers"
)


@pytest.fixture
def output(tmp_path):
    return tmp_path / "calibration.json"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Work in a folder of one's own, where the system is written to."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def calibrate(cli, background_model, output):
    """Run `calibrate` on recordings."""

    def run(source, *options):
        return cli("calibrate", source, "--ubm", background_model, "--output", output, *QUIET,
                   *options)  # fmt: skip

    return run


@pytest.fixture
def failing(output):
    """Check an answer that refuses: what it says, and that nothing was written."""

    def check(answer, *messages, status=1):
        assert (answer.status, answer.out) == (status, ""), answer
        if status == 1:
            assert answer.err.startswith("error: ")
            # One line, unless it lists problems.
            first, *listed, end = answer.err.split("\n")
            assert end == ""
            assert bool(listed) == first.endswith("problems")
            assert all(line.startswith("  ") for line in listed)
        # Click breaks the lines of a wrong usage.
        said = " ".join(answer.err.split())
        for message in messages:
            assert message in said
        assert not output.exists()

    return check


def scored(n_speakers=8, n_tests=4, *, seed=0, shift=1.5):
    """Scores of every model with every test, both kinds a normal deviate each."""
    rng = np.random.default_rng(seed)
    models = {f"m{i}": str(i) for i in range(n_speakers)}
    tests = {f"t{i}-{k}": str(i) for i in range(n_speakers) for k in range(n_tests)}
    trials = all_against_all(models, tests)
    return Scores(trials, rng.normal(size=len(trials)) + shift * trials.is_target)


@pytest.fixture
def score_file(tmp_path):
    """Write a score file."""

    def write(scores, name="scores.csv"):
        write_scores(tmp_path / name, scores)
        return tmp_path / name

    return write


def test_help_teaches_by_example(cli):
    answer = cli("calibrate", "--help")
    assert answer.status == 0
    assert answer.out.startswith("Usage: speakergmm calibrate [OPTIONS] SOURCES...")
    assert "Examples:\n    speakergmm calibrate recordings/ --ubm ubm.safetensors\n" in answer.out
    assert "\\b" not in answer.out


# --- recordings ---


def test_it_is_said_in_plain_words(calibrate, people, background_model, output):
    answer = calibrate(people)
    assert (answer.status, answer.err) == (0, "")
    report = calibrate_recordings(
        people, background_model, load_settings(None, {}), Goal(), n_resamples=20
    )
    record, decision = report.record, report.decision
    lines = answer.out.splitlines()
    # Six recordings of each of eleven speakers: each is left out once, and meets every model of
    # the ten others.
    assert lines[0] == (
        "11 speakers, 66 recordings, 66 same-speaker and 3,960 different-speaker trials"
    )
    metrics = report.evaluation.metrics
    assert lines[1] == (
        f"EER {100 * metrics['eer'].value:.2f} %; Cllr {metrics['cllr'].value:.3f} bits (0 perfect,"
        " 1 useless), on speakers left out of the fit"
    )
    scale, offset = record.calibration.scale, record.calibration.offset
    assert f"log-likelihood ratio = {scale:.4g} · score {offset:+.4g}" in lines
    assert (
        "For the lowest cost, when 1 % of trials are true speakers, a miss costs 1 and a false "
        "alarm 1:"
    ) in lines
    # ln 99, of one true speaker in a hundred.
    assert "  accept when the log-likelihood ratio is 4.60 or more" in lines
    assert f"  which is a score of {(math.log(99) - offset) / scale:.4f} or more" in lines
    for what, rate, n_wrong, n_trials in (
        ("strangers accepted", decision.p_fa, decision.n_fa, "3,960"),
        ("true speakers rejected", decision.p_miss, decision.n_miss, "66"),
    ):
        (line,) = (line for line in lines if line.startswith(f"  {what}: "))
        assert line.startswith(
            f"  {what}: {100 * rate.value:.2f} % (95 % interval {100 * rate.low:.2f} to "
            f"{100 * rate.high:.2f} %), {n_wrong:,} of {n_trials} trials, "
        )
    assert lines[-4:] == [
        NO_SESSIONS, FEW, f"Calibration: {output}", "System:      system.safetensors",
    ]  # fmt: skip


def test_the_file_holds_what_was_fitted_on_all_trials(calibrate, people, background_model, output):
    calibrate(people)
    record = load_calibration(output)
    expected = calibrate_recordings(
        people, background_model, load_settings(None, {}), Goal(), n_resamples=0
    ).record
    assert record == expected
    assert record.fitted_on == str(people)
    assert record.origins[0].ubm == file_digest(background_model)
    assert record.threshold == pytest.approx(math.log(99))


def test_json_is_one_document(calibrate, people, output):
    answer = calibrate(people, "--json")
    assert (answer.status, answer.err) == (0, "")
    found = json.loads(answer.out)
    assert list(found) == [
        "calibration", "decision", "evaluation", "n_recordings", "warnings",
    ]  # fmt: skip
    assert found["calibration"] == json.loads(output.read_text(encoding="utf-8"))
    assert found["n_recordings"] == 66
    decision = found["decision"]
    assert decision["threshold"] == found["calibration"]["threshold"]
    assert decision["p_fa"]["value"] == decision["n_fa"] / 3960
    assert decision["p_miss"]["value"] == decision["n_miss"] / 66
    for rate in (decision["p_fa"], decision["p_miss"]):
        assert rate["low"] <= rate["value"] <= rate["high"]
    assert [f"warning: {text}" for text in found["warnings"]] == [NO_SESSIONS, FEW]


def test_progress_goes_to_standard_error(cli, people, background_model, output):
    answer = cli("calibrate", people, "--ubm", background_model, "--output", output,
                 "--resamples", 0, "--json")  # fmt: skip
    assert json.loads(answer.out)["decision"]["p_fa"]["low"] is None
    for task in ("features (66) ...", "scores", "cross-validation (55) ...", "error rates ..."):
        assert task in answer.err


def test_without_resamples_there_are_no_intervals(calibrate, people):
    answer = calibrate(people, "--resamples", 0)
    assert answer.status == 0
    assert "interval" not in answer.out
    assert re.search(r"strangers accepted: \d\.\d\d %, \d+ of 3,960 trials, ", answer.out)


def test_it_serves_scoring_evaluation_and_verification(
    cli, calibrate, people, background_model, small_corpus, output, tmp_path
):
    calibrate(people)
    scores, store = tmp_path / "scores.csv", tmp_path / "speakers.db"
    common = ["--ubm", background_model, "--calibration", output]
    lists = small_corpus / "evaluation", "--utterances", small_corpus / "utterances.csv"
    answer = cli("score", *lists, "--output", scores, *common, "--quiet")
    assert answer.status == 0
    record = load_calibration(output)
    read = read_scores(scores)
    np.testing.assert_allclose(read.llr, record.calibration(read.score), rtol=1e-12)
    answer = cli("evaluate", scores, "--calibration", output, "--json", *QUIET)
    assert answer.status == 0
    assert "cllr" in json.loads(answer.out)["evaluation"]
    first, *_, last = sorted((people / "s11").iterdir())
    cli("enroll", "anna", first, "--ubm", background_model, "--store", store)
    answer = cli("verify", "anna", last, *common, "--store", store)
    assert answer.status in (0, 3)
    assert "threshold 4.60" in answer.out


def test_the_same_again_gives_the_same_bytes(calibrate, people, output):
    first = calibrate(people, "--jobs", 1)
    content = output.read_bytes()
    assert calibrate(people, "--jobs", 2) == first
    assert output.read_bytes() == content


def test_a_second_run_takes_the_place_of_the_first(calibrate, people, output):
    calibrate(people)
    before = load_calibration(output)
    assert calibrate(people, "--scorer", "linear").status == 0
    assert load_calibration(output).origins[0].scoring.scorer == "linear"
    assert load_calibration(output) != before


def test_a_false_accept_rate_is_kept(calibrate, people, output):
    answer = calibrate(people, "--false-accept-rate", 0.01)
    assert answer.status == 0
    assert "\nFor at most 1 % of strangers accepted:\n" in answer.out
    # One in a hundred of 3,960 is 39 and a bit.
    assert re.search(r"strangers accepted: 0\.98 % .*, 39 of 3,960 trials, about one", answer.out)
    threshold = load_calibration(output).threshold
    assert f"accept when the log-likelihood ratio is {threshold:.2f} or more" in answer.out
    # Lower rates are harder to keep.
    calibrate(people, "--false-accept-rate", 0.1)
    assert load_calibration(output).threshold < threshold


def test_a_false_accept_rate_needs_trials(calibrate, failing, people):
    answer = calibrate(people, "--false-accept-rate", 0.001)
    failing(
        answer,
        "not enough data for a false-accept rate of 0.1 %: have 3,960 different-speaker trials, "
        "need about 30,000 (30 errors, to know the rate within a third); add speakers (about 31 "
        "with as many recordings each, instead of 11), or ask for 0.76 % or more",
    )


@pytest.mark.parametrize("rate", ["0", "1", "nan"])
def test_a_false_accept_rate_is_a_fraction(calibrate, failing, people, rate):
    answer = calibrate(people, f"--false-accept-rate={rate}")
    failing(answer, f"the false-accept rate is {float(rate)!r}; expected a fraction between 0")


@pytest.mark.parametrize(
    ("costs", "message"),
    [
        (
            ("--p-target", 1e-5),
            (
                "not enough data for a threshold at the log-likelihood ratio 11.51: have 3,960 "
                "different-speaker trials, need about 2,999,970 (30 errors of a kind that happens "
                "once in 99,999 trials or less); add speakers (about 303 with as many recordings "
                "each, instead of 11), or choose a less extreme cost"
            ),
        ),
        (
            ("--p-target", 0.5, "--c-fa", 1e5),
            "not enough data for a threshold at the log-likelihood ratio 11.51: have 3,960 diff",
        ),
        (
            ("--p-target", 0.999),
            (
                "not enough data for a threshold at the log-likelihood ratio -6.91: have 66 "
                "same-speaker trials, need about 29,970"
            ),
        ),
        (("--p-target", 1.5), "p_target is 1.5; expected"),
        (("--p-target", 0), "p_target is 0.0; expected"),
        (("--c-miss", -1), "c_miss is -1.0; expected"),
        (("--c-fa", "nan"), "c_fa is nan; expected"),
    ],
)
def test_costs_that_the_trials_cannot_tell(calibrate, failing, people, costs, message):
    failing(calibrate(people, *costs), message)


def test_costs_that_the_trials_hardly_tell_are_said(calibrate, people, output):
    answer = calibrate(people, "--p-target", 0.002, "--c-miss", 1, "--c-fa", 1)
    assert answer.status == 0
    assert (
        "warning: the error rates at this threshold are uncertain: have 3,960 different-speaker "
        "trials, need about 14,970 (30 errors of a kind that happens once in 499 trials or less); "
        "add speakers (about 22 with as many recordings each, instead of 11)\n"
    ) in answer.out
    assert load_calibration(output).threshold == pytest.approx(math.log(499))


def test_costs_move_the_threshold_and_nothing_else(calibrate, people, output):
    found = []
    for costs in (["--p-target", 0.5, "--c-miss", 2, "--c-fa", 3], ["--p-target", 0.4]):
        assert calibrate(people, *costs).status == 0
        found.append(load_calibration(output))
    assert found[0].calibration == found[1].calibration
    # Twice the odds of a target by the costs of two to three, or by two of five being one.
    assert [record.threshold for record in found] == pytest.approx([math.log(1.5)] * 2)


def test_enrollment_as_in_use(calibrate, people, background_model, output):
    calibrate(people)
    all_others = output.read_bytes()
    calibrate(people, "--enroll", 5)
    assert output.read_bytes() == all_others
    calibrate(people, "--enroll", 1)
    expected = calibrate_recordings(
        people, background_model, load_settings(None, {}), max_enrollment=1, n_resamples=0
    )
    assert load_calibration(output) == expected.record
    assert output.read_bytes() != all_others
    assert calibrate(people, "--enroll", 0).status == 2


@pytest.mark.parametrize(
    ("options", "scoring", "normalization", "relevance_factor"),
    [
        ((), (None, "exact"), "none", 16.0),
        (("--top-c", 2), (2, "exact"), "none", 16.0),
        (("--scorer", "linear"), (None, "linear"), "none", 16.0),
        (("--relevance-factor", 4), (None, "exact"), "none", 4.0),
        (("--cohort",), (None, "exact"), "s", 16.0),
        (("--normalization", "zt", "--cohort"), (None, "exact"), "zt", 16.0),
        (("--normalization", "as", "--top-n", 4, "--cohort"), (None, "exact"), "as-4", 16.0),
    ],
)
def test_the_file_says_what_made_the_scores(
    calibrate, people, strangers, output, options, scoring, normalization, relevance_factor
):
    uses_cohort = "--cohort" in options
    answer = calibrate(people, *options, *([strangers] if uses_cohort else []))
    assert answer.status == 0
    (origin,) = load_calibration(output).origins
    assert (origin.scoring.top_c, origin.scoring.scorer) == scoring
    assert origin.normalization == normalization
    assert origin.enrollment.relevance_factor == relevance_factor
    assert origin.cohort == (file_digest(strangers) if uses_cohort else "")
    said = "warning: the cohort has 5 speakers; with fewer than 30 the normalized scores depend"
    assert (said in answer.out) == uses_cohort


def test_options_that_contradict_each_other(calibrate, failing, people, strangers):
    failing(
        calibrate(people, "--cohort", strangers, "--top-n", 4),
        "--top-n is for --normalization as; give both, or neither.",
        status=2,
    )
    failing(
        calibrate(people, "--normalization", "z"),
        "score normalization 'z' needs a cohort; make one with `cohort make`",
    )
    failing(calibrate(people, "--scorer", "linear", "--top-c", 2), "top_c")
    failing(calibrate(people, "--relevance-factor", -1), "relevance_factor is -1.0; expected")
    failing(
        calibrate(people, "--cohort", strangers, "--relevance-factor", 4),
        "the cohort's models are adapted with relevance factor 16, means, 1 iteration(s), those of "
        "the trials with relevance factor 4, means, 1 iteration(s); expected the same",
    )
    failing(
        calibrate(people, "--cohort", strangers, "--normalization", "as"),
        "top_n is 50; the cohort has 10 scores for each model: expected at most that many",
    )


def test_people_of_the_cohort_are_refused(
    calibrate, failing, people, make_cohort_file, background_model, tmp_path
):
    cohort = make_cohort_file(background_model, tmp_path / "cohort", split="evaluation")
    failing(
        calibrate(people, "--cohort", cohort),
        "cohort and trials share speakers, whose scores are no strangers'; make the cohort of",
        "speaker 's11' is in both",
    )


@pytest.fixture
def copied(people, tmp_path):
    """Copy the recordings of some speakers, at most so many of each."""

    def copy(n_speakers, n_recordings=6):
        for speaker in sorted(people.iterdir())[:n_speakers]:
            (tmp_path / "own" / speaker.name).mkdir(parents=True)
            for path in sorted(speaker.iterdir())[:n_recordings]:
                shutil.copy(path, tmp_path / "own" / speaker.name)
        return tmp_path / "own"

    return copy


def test_too_few_people(calibrate, failing, copied):
    folder = copied(4)
    failing(
        calibrate(folder),
        "the trials are of 4 speaker(s); expected at least 5 to learn what scores mean for others, "
        "better 20: add speakers",
    )
    for name in ("s07", "s08", "s09"):
        shutil.rmtree(folder / name)
    failing(
        calibrate(folder),
        "all recordings are of the speaker 's06'; expected several speakers: what a stranger "
        "scores is learned from the others",
    )


def test_one_recording_of_each_is_not_enough(calibrate, failing, copied):
    failing(
        calibrate(copied(6, 1)),
        "none of the 6 speakers has two recordings of different sessions; one to enroll and "
        "another to test are needed: record more",
    )


def test_the_same_recording_twice_is_named(calibrate, failing, copied):
    folder = copied(6)
    shutil.copy(folder / "s06" / "s06-1-1.flac", folder / "s06" / "again.flac")
    shutil.copy(folder / "s06" / "s06-1-2.flac", folder / "s07" / "other.flac")
    failing(
        calibrate(folder),
        "recordings stand there twice, and would match themselves",
        "'s06/s06-1-1.flac' of 's06' is the same as 's06/again.flac' of 's06'",
        "'s07/other.flac' of 's07' is the same as 's06/s06-1-2.flac' of 's06'",
    )


def test_folders_that_do_not_say_who_speaks(calibrate, failing, copied, tmp_path):
    folder = copied(6)
    shutil.copy(folder / "s06" / "s06-1-1.flac", folder / "stray.flac")
    failing(
        calibrate(folder),
        f"{folder}: expected a folder for each speaker, with that speaker's recordings",
        "stray.flac lies in no speaker's folder",
    )
    (tmp_path / "empty").mkdir()
    failing(calibrate(tmp_path / "empty"), f"{tmp_path / 'empty'}: no recordings (")


def test_a_bad_recording_is_named(calibrate, failing, copied):
    folder = copied(6)
    (folder / "s08" / "bad.wav").write_bytes(b"not audio")
    failing(calibrate(folder), f"{folder / 's08' / 'bad.wav'}: not audio that can be decoded")
    soundfile.write(folder / "s08" / "bad.wav", np.zeros(16_000), 16_000)
    failing(calibrate(folder), f"{folder / 's08' / 'bad.wav'}: silent")


def test_sessions_in_folders_are_never_parted(calibrate, copied, output):
    folder = copied(6)
    for path in sorted(folder.rglob("*.flac")):
        session = path.parent / path.name.split("-")[1]
        session.mkdir(exist_ok=True)
        path.rename(session / path.name)
    answer = calibrate(folder)
    assert answer.status == 0
    # Two models of each of six speakers, who have six recordings in two sessions.
    assert answer.out.startswith(
        "6 speakers, 36 recordings, 36 same-speaker and 360 different-speaker trials\n"
    )
    assert NO_SESSIONS not in answer.out
    assert "warning: calibrated on 6 speakers" in answer.out
    assert load_calibration(output).n_speakers == 6


def write_list(path, rows, columns):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_a_list_with_sessions_and_one_without(calibrate, small_corpus, rows, people, tmp_path):
    columns = ["utterance_id", "speaker_id", "path"]
    path = write_list(tmp_path / "without.csv", rows, columns)
    without = calibrate(path, "--audio", small_corpus)
    assert without.status == 0
    assert NO_SESSIONS in without.out
    # As the folders, which name no sessions either.
    assert without.out.splitlines()[:4] == calibrate(people).out.splitlines()[:4]
    path = write_list(tmp_path / "with.csv", rows, [*columns, "session_id"])
    answer = calibrate(path, "--audio", small_corpus)
    assert answer.status == 0
    assert NO_SESSIONS not in answer.out
    assert answer.out.startswith(
        "11 speakers, 66 recordings, 66 same-speaker and 1,320 different-speaker trials\n"
    )


def test_a_list_that_cannot_be_used(calibrate, failing, rows, small_corpus, tmp_path):
    columns = ["utterance_id", "speaker_id", "path"]
    path = write_list(tmp_path / "list.csv", rows, columns)
    failing_line = f"{path}:2: recording not found: "
    answer = calibrate(path)
    assert (answer.status, answer.out) == (1, "")
    assert failing_line in answer.err
    path = write_list(tmp_path / "list.csv", rows, ["utterance_id", "path"])
    answer = calibrate(path, "--audio", small_corpus)
    assert (answer.status, answer.out) == (1, "")
    assert "missing column 'speaker_id'" in answer.err


def test_recordings_need_a_background_model(cli, failing, people, output, tmp_path):
    answer = cli("calibrate", people, "--output", output, *QUIET)
    failing(
        answer, "recordings are scored with a background model: give --ubm.", status=2
    )  # fmt: skip
    ubm = tmp_path / "no.safetensors"
    answer = cli("calibrate", people, "--ubm", ubm, "--output", output, *QUIET)
    failing(answer, f"{ubm}: no such file")


def test_one_source_of_recordings(cli, failing, people, background_model, score_file, output):
    common = ["--ubm", background_model, "--output", output, *QUIET]
    message = "several sources are for score files; give one folder or list of recordings."
    failing(cli("calibrate", people, people, *common), message, status=2)
    scores = score_file(scored())
    failing(cli("calibrate", scores, people, *common), message, status=2)


def test_sources_that_are_not_there(cli, failing, output, tmp_path):
    answer = cli("calibrate", tmp_path / "nowhere", "--output", output)
    failing(answer, "does not exist", status=2)
    failing(cli("calibrate", "--output", output), "Missing argument", status=2)


def test_an_output_that_cannot_be_written(cli, people, background_model, tmp_path):
    (tmp_path / "file").write_text("mine")
    answer = cli("calibrate", people, "--ubm", background_model, "--output",
                 tmp_path / "file" / "calibration.json", *QUIET)  # fmt: skip
    assert (answer.status, answer.out) == (1, "")
    assert "calibration.json: cannot be written" in answer.err
    assert (tmp_path / "file").read_text() == "mine"
    (tmp_path / "folder").mkdir()
    answer = cli(
        "calibrate", people, "--ubm", background_model, "--output", tmp_path / "folder", *QUIET
    )
    assert answer.status == 2
    assert "is a directory" in answer.err


def test_a_failure_keeps_the_calibration_that_was_there(calibrate, people, output):
    calibrate(people)
    content = output.read_bytes()
    assert calibrate(people, "--p-target", 1e-6).status == 1
    assert calibrate(people, "--normalization", "s").status == 1
    assert output.read_bytes() == content


# --- score files ---


def test_scores_are_calibrated(cli, score_file, output):
    scores = scored()
    file = score_file(scores)
    answer = cli("calibrate", file, "--p-target", 0.5, "--output", output, *QUIET)
    assert (answer.status, answer.err) == (0, "")
    assert answer.out.startswith(
        "8 speakers, 32 same-speaker and 224 different-speaker trials\nEER "
    )
    record = load_calibration(output)
    assert record.calibration == fit_calibration(scores.target(), scores.nontarget())
    assert (record.n_target, record.n_nontarget, record.n_speakers) == (32, 224, 8)
    assert record.fitted_on == str(file)
    assert record.threshold == 0
    # Nothing says what made these scores.
    assert record.origins == (None,)
    assert "warning: calibrated on 8 speakers" in answer.out


def test_error_rates_are_of_speakers_left_out(cli, score_file, output):
    scores = scored()
    answer = cli("calibrate", score_file(scores), "--p-target", 0.5, "--output", output, "--json",
                 *QUIET)  # fmt: skip
    found = json.loads(answer.out)
    report = calibrate_scores(
        [scores], [None], Goal(), names=["x"], n_resamples=0, warnings=()
    )  # fmt: skip
    is_target = scores.trials.is_target
    assert found["decision"]["n_miss"] == int((report.scores.llr[is_target] < 0).sum())
    assert found["decision"]["n_fa"] == int((report.scores.llr[~is_target] >= 0).sum())
    assert found["n_recordings"] is None


def test_several_files_are_fused(cli, score_file, output):
    first, second = scored(seed=1), scored(seed=2)
    files = score_file(first, "first.csv"), score_file(second, "second.csv")
    answer = cli("calibrate", *files, "--p-target", 0.5, "--output", output, *QUIET)
    assert (answer.status, answer.err) == (0, "")
    record = load_calibration(output)
    is_target = first.trials.is_target
    matrix = np.column_stack([first.score, second.score])
    expected = fit_calibration(matrix[is_target], matrix[~is_target])
    assert record.calibration == expected
    a, b = expected.scale
    assert (
        f"log-likelihood ratio = {a:.4g} · score 1 {b:+.4g} · score 2 {expected.offset:+.4g}\n"
    ) in answer.out
    # A ratio is no longer a matter of one score.
    assert "which is a score of" not in answer.out
    assert record.fitted_on == f"{files[0]}, {files[1]}"
    common = ["--p-target", 0.5, "--output", output, "--json", *QUIET]
    found = [cli("calibrate", *chosen, *common).out for chosen in (files, files[:1], files[1:])]
    fused, *alone = (json.loads(text)["evaluation"]["cllr"]["value"] for text in found)
    # Two independent witnesses say more than one, also on speakers that the fit does not know.
    assert fused < min(alone)


def test_the_order_of_trials_does_not_matter(cli, score_file, output):
    first, second = scored(seed=1), scored(seed=2)
    file, other = score_file(first, "first.csv"), score_file(second, "second.csv")
    cli("calibrate", file, other, "--p-target", 0.5, "--output", output, *QUIET)
    expected = load_calibration(output).calibration
    header, *lines = other.read_text().splitlines()
    other.write_text("\n".join([header, *lines[::-1]]))
    cli("calibrate", file, other, "--p-target", 0.5, "--output", output, *QUIET)
    assert load_calibration(output).calibration == expected


def test_scores_of_other_trials_are_named(cli, failing, score_file, output):
    file = score_file(scored(), "first.csv")
    lines = file.read_text().splitlines()
    other = file.with_name("second.csv")
    other.write_text("\n".join([*lines[:-1], "m7,new,target,1.0"]))
    failing(
        cli("calibrate", file, other, "--output", output, *QUIET),
        f"{file} and {other} are not of the same trials: 1 only in {file}, such as m7 with t7-3; "
        f"1 only in {other}, such as m7 with new; score the same list with both systems",
    )
    other.write_text("\n".join([*lines[:-1], lines[-1].replace("target", "nontarget")]))
    failing(
        cli("calibrate", file, other, "--output", output, *QUIET),
        f"{other}: 1 of 256 trials have another label than in {file}; expected the same trials",
    )


def test_options_of_recordings_are_of_no_use_with_scores(
    cli, failing, score_file, background_model, strangers, output, tmp_path
):
    file = score_file(scored())
    options = {
        "--ubm": background_model, "--enroll": 3, "--audio": tmp_path, "--cohort": strangers,
        "--normalization": "as", "--top-n": 4, "--relevance-factor": 8, "--scorer": "linear",
        "--top-c": 2,
    }  # fmt: skip
    for name, value in options.items():
        answer = cli("calibrate", file, name, value, "--output", output, *QUIET)
        message = f"{name}: of no use with score files, which are scored already."
        failing(answer, message, status=2)
    given = [word for pair in options.items() for word in pair]
    answer = cli("calibrate", file, *given, "--output", output, *QUIET)
    failing(answer, f"{', '.join(options)}: of no use with score files", status=2)


@pytest.mark.parametrize("text", ["nan", "NaN", "", "much"])
def test_a_score_that_is_no_number_is_named(cli, failing, score_file, output, text):
    file = score_file(scored())
    lines = file.read_text().splitlines()
    lines[3] = "m0,t0-2,target," + text
    file.write_text("\n".join(lines))
    answer = cli("calibrate", file, "--output", output, *QUIET)
    assert (answer.status, answer.out) == (1, "")
    assert f"{file}:4: " in answer.err
    assert "score" in answer.err
    assert not output.exists()


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_an_infinite_score_is_named(cli, failing, score_file, output, value):
    scores = scored()
    scores.score[[2, 40]] = value
    failing(
        cli("calibrate", score_file(scores), "--output", output, *QUIET),
        f"2 of 256 scores are not finite: m0 with t0-2 ({value}), m1 with t2-0 ({value}); score "
        "these trials again, or leave them out",
    )


def test_scores_of_one_kind(cli, failing, score_file, output):
    file = score_file(scored())
    header, *lines = file.read_text().splitlines()
    for kind, other in (("target", "nontarget"), ("nontarget", "target")):
        file.write_text("\n".join([header, *(x for x in lines if f",{kind}," in x)]))
        failing(
            cli("calibrate", file, "--output", output, *QUIET),
            f"there are no {other} scores; calibration needs trials of both kinds",
        )


def test_scores_with_nothing_between_them(cli, failing, score_file, output):
    failing(
        cli("calibrate", score_file(scored(shift=99.0)), "--output", output, *QUIET),
        "the 32 target and 224 nontarget scores are perfectly separated: no finite calibration "
        "exists; use more or harder trials",
    )
    equal = scored()
    equal.score[:] = 0.25
    failing(
        cli("calibrate", score_file(equal), "--output", output, *QUIET),
        "scores are equal; they hold nothing that could be calibrated",
    )


def test_scores_that_are_separated_without_some_speakers(cli, failing, score_file, output):
    # One speaker's trials alone keep the two kinds from falling apart.
    scores = scored(shift=99.0)
    trials = scores.trials
    of_first = np.char.startswith(np.array(trials.model_ids)[trials.model_index], "m0")
    scores.score[of_first & trials.is_target] = 0.0
    failing(
        cli("calibrate", score_file(scores), "--p-target", 0.5, "--output", output, *QUIET),
        "not enough data to check a calibration: with some of the 8 speakers left out, the 24 ",
        "perfectly separated",
        "; add recordings, or harder ones, and speakers (20 or more)",
    )


def test_scores_of_few_speakers(cli, failing, score_file, output):
    failing(
        cli("calibrate", score_file(scored(n_speakers=4)), "--output", output, *QUIET),
        "the trials are of 4 speaker(s); expected at least 5",
    )
    failing(
        cli("calibrate", score_file(scored(n_speakers=1)), "--output", output, *QUIET),
        "the trials are of 1 speaker(s); expected at least 5",
    )


def test_distances_are_told_from_scores(cli, score_file, output):
    scores = scored(n_speakers=25)
    answer = cli("calibrate", score_file(Scores(scores.trials, -scores.score)), "--p-target", 0.5,
                 "--output", output, *QUIET)  # fmt: skip
    assert answer.status == 0
    assert [line for line in answer.out.splitlines() if line.startswith("warning")] == [
        (
            "warning: higher scores speak for nontarget trials here (the scale is negative): check "
            "the labels, and that the scores are no distances"
        )
    ]
    assert "which is a score of" not in answer.out


def test_no_false_alarm_is_not_no_doubt(cli, score_file, output):
    scores = scored()
    scores.score[0] = -0.5
    scores.score[scores.trials.is_target] += 2.0
    answer = cli("calibrate", score_file(scores), "--false-accept-rate", 0.2, "--output", output,
                 "--json", *QUIET)  # fmt: skip
    # At the threshold for a fifth of the strangers no true speaker is lost here; the rule of three
    # still allows 3 in 32.
    decision = json.loads(answer.out)["decision"]
    assert (decision["n_miss"], decision["n_fa"]) == (0, 44)
    assert decision["p_miss"]["high"] == pytest.approx(3 / 32)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"score\n1\n", "missing column"),
        (b"model_id,test_id,label,score\n", "the list is empty"),
        (b"model_id,test_id,label,score\na,b,same,1\n", "label is 'same'; expected 'target' or"),
        (b"\xff\xfe\x00scores", "not UTF-8 text"),
    ],
)
def test_files_that_hold_no_scores(cli, output, tmp_path, background_model, content, message):
    (tmp_path / "scores.csv").write_bytes(content)
    options = [] if b"score\n" in content else ["--ubm", background_model]
    answer = cli("calibrate", tmp_path / "scores.csv", "--output", output, *QUIET, *options)
    assert (answer.status, answer.out) == (1, "")
    assert "Traceback" not in answer.err
    assert "scores.csv" in answer.err
    assert message in answer.err
    assert not output.exists()


def test_interruption_is_said(cli, score_file, output, monkeypatch):
    from speakergmm.recipes import calibrating

    def interrupted(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(calibrating, "calibrate_scores", interrupted)
    answer = cli("calibrate", score_file(scored()), "--output", output, *QUIET)
    assert (answer.status, answer.err) == (130, "\ninterrupted; run the same command again\n")
    assert not output.exists()


def test_scores_of_two_classes_are_spoken_of_as_such(cli, output, tmp_path):
    rng = np.random.default_rng(0)
    header = "model_id,test_id,label,score,model_speaker,test_speaker\n"
    rows = [
        f"f,t{i},{'nontarget' if i % 2 else 'target'},{rng.normal(-2 * (i % 2), 1)},,s{i // 4}\n"
        for i in range(160)
    ]
    file = tmp_path / "scores.csv"
    file.write_text(header + "".join(rows))
    command = ("calibrate", file, "--output", output, *QUIET)
    unnamed = cli(*command, "--p-target", 0.5)
    assert "80 tests of 'target' and 80 of 'nontarget'" in unnamed.out
    classes = ClassSettings("sex", ("f",), ("m",))
    write_origin(file, ScoreOrigin("digest"), classes)
    answer = cli(*command, "--p-target", 0.5)
    assert answer.status == 0, answer.err
    assert answer.out.startswith("40 speakers, 80 tests of female and 80 of male speakers\n")
    for said in (
        "10 times as likely in a test of a female speaker as in a test of a male speaker, -2.3",
        "when 50 % of trials are tests of female speakers, a miss costs 1",
        "\n  tests of male speakers accepted: ",
        "\n  tests of female speakers rejected: ",
    ):
        assert said in answer.out
    few = cli(*command, "--false-accept-rate", 0.01)
    assert "have 80 tests of male speakers, need about 3,000" in few.err
    for text in (unnamed.out, answer.out, few.err):
        assert not re.search("same-speaker|different-speaker|stranger|true speaker|claimed", text)

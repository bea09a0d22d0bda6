"""Calibrations and what they were made from: fitted, kept in a file, refused where not theirs."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speakergmm import Calibration, fit_calibration
from speakergmm.corpora import Scores, Trials, all_against_all
from speakergmm.errors import CalibrationError, ConfigError, OutputError, ScoreError
from speakergmm.verification import (
    CalibrationConfig,
    CalibrationRecord,
    EnrollmentConfig,
    ScoreOrigin,
    ScoringConfig,
)
from speakergmm.verification.calibration import SideTerm
from speakergmm.verification.calibration_file import (
    VERSION,
    load_calibration,
    record_from_json,
    record_to_json,
    save_calibration,
)
from speakergmm.verification.calibration_record import (
    FEW_SPEAKERS,
    MIN_SPEAKERS,
    check_finite,
    fit_record,
)
from speakergmm.verification.expected_errors import ExpectedErrors

LAW = settings(derandomize=True, deadline=None, max_examples=60)

ORIGIN = ScoreOrigin("ab" * 32, ScoringConfig(top_c=5), EnrollmentConfig(8.0), "as-50", "cd" * 32)

PLAIN = CalibrationRecord(Calibration(2.5, -1.25), (ORIGIN,), "dev.csv", 0.5, 20, 380, 20)
FUSED = CalibrationRecord(
    Calibration((1.5, -0.1), 1 / 3), (ORIGIN, None), "a.csv, b.csv", 0.01, 5, 20, 5, 4.6
)
SIDED = CalibrationRecord(
    Calibration(1.0, 0.0, (SideTerm("test_speech", 0.5, -0.25), SideTerm("test_snr", 0.0, 0.1))),
    (None,),
    "däta.csv",
    0.5,
    20,
    380,
    20,
    0.0,
)

RECORDS = {"plain": PLAIN, "fused": FUSED, "sided": SIDED}

every_record = pytest.mark.parametrize("name", list(RECORDS))


def scored(n_speakers=20, *, seed=0, gap=2.0):
    """Score every speaker's model with every speaker's test."""
    trials = all_against_all(
        {f"m{i}": f"s{i}" for i in range(n_speakers)}, {f"t{i}": f"s{i}" for i in range(n_speakers)}
    )
    noise = np.random.default_rng(seed).normal(size=len(trials))
    # The first target below all and the first nontarget above, so that no threshold separates.
    score = gap * trials.is_target + noise
    score[:2] = [-6.0, 6.0][: len(score)]
    return Scores(trials, score)


# --- fitting -------------------------------------------------------------------------------------


@pytest.mark.parametrize("p_target", [0.5, 0.05])
def test_a_record_holds_the_calibration_and_what_it_was_made_from(p_target):
    scores = scored(20)
    record = fit_record(
        [scores], [ORIGIN], fitted_on="dev.csv", config=CalibrationConfig(p_target=p_target)
    )
    expected = fit_calibration(scores.target(), scores.nontarget(), p_target=p_target)
    assert record == CalibrationRecord(expected, (ORIGIN,), "dev.csv", p_target, 20, 380, 20)
    assert record.threshold is None
    assert record.warnings == ()


def test_several_systems_are_fused():
    systems = [scored(20, seed=seed) for seed in (0, 1)]
    record = fit_record(systems, [ORIGIN, None], fitted_on="both")
    matrix = np.column_stack([scores.score for scores in systems])
    is_target = systems[0].trials.is_target
    assert record.calibration == fit_calibration(matrix[is_target], matrix[~is_target])
    assert record.calibration.n_systems == 2
    assert record.origins == (ORIGIN, None)


def test_side_information_enters_as_the_configuration_names_it():
    scores = scored(20)
    side = np.random.default_rng(1).normal(size=(len(scores.trials), 2))
    names = ("test_speech", "enrollment_snr")
    record = fit_record(
        [scores],
        [None],
        fitted_on="dev",
        config=CalibrationConfig(side_information=names),
        side=side,
    )
    is_target = scores.trials.is_target
    expected = fit_calibration(
        scores.target(),
        scores.nontarget(),
        side=names,
        target_side=side[is_target],
        nontarget_side=side[~is_target],
    )
    assert record.calibration == expected
    assert [term.name for term in record.calibration.side] == list(names)


def test_side_information_that_the_configuration_does_not_name_is_not_used():
    scores = scored(20)
    side = np.zeros((len(scores.trials), 1))
    record = fit_record([scores], [None], fitted_on="dev", side=side)
    assert record == fit_record([scores], [None], fitted_on="dev")


def test_side_information_that_is_missing_is_refused():
    config = CalibrationConfig(side_information=("test_snr",))
    with pytest.raises(ScoreError, match=r"target side information has shape .* each of test_snr"):
        fit_record([scored(20)], [None], fitted_on="dev", config=config)


@pytest.mark.parametrize("n_speakers", range(1, MIN_SPEAKERS))
def test_too_few_speakers_are_refused(n_speakers):
    message = (
        rf"the trials are of {n_speakers} speaker\(s\); expected at least 5 to learn what scores "
        "mean for others, better 20: add speakers"
    )
    with pytest.raises(ScoreError, match=message):
        fit_record([scored(n_speakers)], [None], fitted_on="dev")


def test_many_trials_of_few_speakers_are_still_of_few():
    # Four speakers with five tests each.
    trials = all_against_all(
        {f"m{i}": f"s{i}" for i in range(4)}, {f"t{i}": f"s{i % 4}" for i in range(20)}
    )
    score = np.random.default_rng(0).normal(size=len(trials))
    with pytest.raises(ScoreError, match=r"the trials are of 4 speaker\(s\)"):
        fit_record([Scores(trials, score)], [None], fitted_on="dev")


def test_speakers_are_counted_by_their_numbers_where_a_list_has_them():
    scores = scored(6)
    trials = replace(
        scores.trials,
        model_speaker=np.array([0, 0, 0, 0, 0, 0]),
        test_speaker=np.array([0, 0, 0, 1, 1, 1]),
    )
    with pytest.raises(ScoreError, match=r"the trials are of 2 speaker\(s\)"):
        fit_record([replace(scores, trials=trials)], [None], fitted_on="dev")


@pytest.mark.parametrize("n_speakers", [MIN_SPEAKERS, FEW_SPEAKERS - 1, FEW_SPEAKERS])
def test_few_speakers_are_warned_of(n_speakers):
    record = fit_record([scored(n_speakers)], [None], fitted_on="dev")
    assert record.n_speakers == n_speakers
    expected = (
        f"calibrated on {n_speakers} speakers; with fewer than 20 it depends on who they happen to "
        "be: add speakers"
    )
    assert record.warnings == ((expected,) if n_speakers < FEW_SPEAKERS else ())


def test_a_negative_scale_is_warned_of():
    scores = scored(20)
    record = fit_record([replace(scores, score=-scores.score)], [None], fitted_on="distances")
    assert record.calibration.scale < 0
    (warning,) = record.warnings
    assert warning == (
        "higher scores speak for nontarget trials here (the scale is negative): check the labels, "
        "and that the scores are no distances"
    )
    few, negative = replace(record, n_speakers=7).warnings
    assert few.startswith("calibrated on 7 speakers; with fewer than 20")
    assert negative == warning


def test_a_negative_weight_among_several_is_no_reason_for_a_warning():
    assert replace(FUSED, n_speakers=20).warnings == ()
    # The scale at no side information says nothing about the scale of a trial.
    negative = replace(SIDED.calibration, scale=-1.0)
    assert replace(SIDED, calibration=negative).warnings == ()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({3: np.nan}, "1 of 400 scores are not finite: m0 with t3 (nan); score these trials again"),
        (
            {25: -np.inf, 21: np.inf},
            "2 of 400 scores are not finite: m1 with t1 (inf), m1 with t5 (-inf); score these",
        ),
        (
            dict.fromkeys(range(40, 45), np.nan),
            "m2 with t3 (nan), m2 with t4 (nan); score these trials again, or leave them out",
        ),
        (
            dict.fromkeys(range(40, 52), np.nan),
            "m2 with t3 (nan), m2 with t4 (nan) and 7 more; score these trials again, or leave",
        ),
    ],
)
def test_scores_that_are_not_finite_are_named(values, message):
    scores = scored(20)
    for trial, value in values.items():
        scores.score[trial] = value
    with pytest.raises(ScoreError, match=re.escape(message)):
        check_finite(scores)
    # Of any system.
    for systems in ([scores], [scored(20), scores]):
        with pytest.raises(ScoreError, match=re.escape(message)):
            fit_record(systems, [None] * len(systems), fitted_on="dev")


def test_finite_scores_pass():
    check_finite(scored(5))
    check_finite(
        Scores(Trials((), (), *np.zeros((2, 0), np.int32), np.zeros(0, bool)), np.zeros(0))
    )


def test_what_fit_calibration_refuses_is_refused():
    scores = scored(20)
    separated = np.where(scores.trials.is_target, 1.0, -1.0)
    with pytest.raises(ScoreError, match="the 20 target and 380 nontarget scores are perfectly"):
        fit_record([replace(scores, score=separated)], [None], fitted_on="dev")
    flat = replace(scores, score=np.zeros(400))
    with pytest.raises(ScoreError, match="scores of system 1 are equal"):
        fit_record([scores, flat], [None, None], fitted_on="dev")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"p_target": 0.0}, "p_target is 0.0; expected"),
        ({"p_target": 1}, "p_target is 1; expected"),
        ({"p_target": math.nan}, "p_target is nan; expected"),
        (
            {"side_information": ("length",)},
            "side_information is 'length'; expected one of 'enrollment_speech', 'test_speech', ",
        ),
        (
            {"side_information": ("test_snr", "test_snr")},
            "side_information is ['test_snr', 'test_snr']; expected each quantity once",
        ),
    ],
)
def test_settings_out_of_range_are_refused(values, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        CalibrationConfig(**values)


# --- the file ------------------------------------------------------------------------------------

FINITE = st.floats(allow_nan=False, allow_infinity=False)
CALIBRATIONS = st.one_of(
    st.builds(Calibration, FINITE, FINITE),
    st.builds(Calibration, st.lists(FINITE, min_size=1, max_size=4).map(tuple), FINITE),
    st.builds(
        Calibration,
        FINITE,
        FINITE,
        st.lists(st.builds(SideTerm, st.text(), FINITE, FINITE), max_size=3).map(tuple),
    ),
)
COUNTS = st.integers(1, 10**9)


@st.composite
def records(draw):
    calibration = draw(CALIBRATIONS)
    n = calibration.n_systems
    origins = draw(st.lists(st.sampled_from([None, ORIGIN]), min_size=n, max_size=n))
    return CalibrationRecord(
        calibration,
        tuple(origins),
        draw(st.text(st.characters(exclude_categories=["Cs"]))),
        draw(st.floats(1e-9, 1 - 1e-9)),
        *(draw(COUNTS) for _ in range(3)),
        draw(st.none() | FINITE),
    )


@LAW
@given(records())
def test_json_reads_back_as_the_same_record(record):
    text = json.dumps(record_to_json(record), allow_nan=False)
    assert record_from_json(json.loads(text), "x") == record


@every_record
def test_json_that_never_was_text_reads_back_too(name):
    record = RECORDS[name]
    assert record_from_json(record_to_json(record), "x") == record


@every_record
@pytest.mark.usefixtures("leaves_nothing_half_written")
def test_a_file_reads_back_as_the_same_record(name, tmp_path):
    path = tmp_path / "new" / "calibration.json"
    save_calibration(path, RECORDS[name])
    assert load_calibration(path) == RECORDS[name]
    assert load_calibration(str(path)) == RECORDS[name]
    entry = json.loads(path.read_text(encoding="utf-8"))
    assert entry["format"] == "speakergmm-calibration"
    assert entry["version"] == VERSION


def test_a_fitted_record_gives_the_same_ratios_after_a_file(tmp_path):
    systems = [scored(20, seed=seed) for seed in (0, 1)]
    for chosen in (systems[:1], systems):
        record = fit_record(chosen, [ORIGIN] * len(chosen), fitted_on="dev")
        save_calibration(tmp_path / "c.json", record)
        read = load_calibration(tmp_path / "c.json")
        np.testing.assert_array_equal(read.calibrated(chosen).llr, record.calibrated(chosen).llr)


def test_a_file_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "calibration.json").mkdir()
    with pytest.raises(OutputError, match=r"calibration\.json: cannot be written"):
        save_calibration(tmp_path / "calibration.json", PLAIN)


def test_a_missing_file_is_said(tmp_path):
    message = r"none\.json: no such file; expected a calibration that `calibrate` wrote"
    with pytest.raises(CalibrationError, match=message):
        load_calibration(tmp_path / "none.json")


def test_a_folder_is_no_calibration(tmp_path):
    with pytest.raises(CalibrationError, match=r": not a calibration file \(.+\)"):
        load_calibration(tmp_path)


@every_record
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_truncated_file_is_refused(name, share, tmp_path):
    path = tmp_path / "cal.json"
    save_calibration(path, RECORDS[name])
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(CalibrationError, match=r"cal\.json: not a calibration file \(.+\)"):
        load_calibration(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe\x00", r"not a calibration file \(.*utf-8"),
        (b"[]", "not a calibration file; expected a JSON object"),
        (b"null", "not a calibration file; expected a JSON object"),
        (b"2.5", "not a calibration file; expected a JSON object"),
        (b"scale,offset\n1,2\n", r"not a calibration file \("),
        (b"{}", "not a calibration; expected a file that `calibrate` or `recipe run` wrote"),
        (b'{"format": "speakergmm-cohort", "version": 1}', "not a calibration; expected a file"),
        (b'{"scale": 1.0, "offset": 0.0}', "not a calibration; expected a file"),
        (
            b'{"unavailable": "the trials are of 3 speaker(s)"}',
            r"holds no calibration: the trials are of 3 speaker\(s\)",
        ),
    ],
)
def test_files_that_are_no_calibration_are_refused(content, message, tmp_path):
    path = tmp_path / "cal.json"
    path.write_bytes(content)
    with pytest.raises(CalibrationError, match=rf"cal\.json: {message}"):
        load_calibration(path)


def loaded_with(tmp_path, record, change):
    """Save a record, change its entry, and load it."""
    path = tmp_path / "cal.json"
    entry = json.loads(json.dumps(record_to_json(record)))
    change(entry)
    path.write_text(json.dumps(entry), encoding="utf-8")
    return load_calibration(path)


@every_record
@pytest.mark.parametrize("key", sorted(record_to_json(PLAIN).keys() - {"format"}))
def test_a_file_that_lacks_a_part_is_refused(name, key, tmp_path):
    message = rf"cal\.json: damaged calibration \('{key}'\); calibrate again"
    with pytest.raises(CalibrationError, match=message):
        loaded_with(tmp_path, RECORDS[name], lambda entry: entry.pop(key))


@pytest.mark.parametrize("key", ["name", "scale", "offset"])
def test_a_side_term_that_lacks_a_part_is_refused(key, tmp_path):
    message = rf"cal\.json: damaged calibration \('{key}'\); calibrate again"
    with pytest.raises(CalibrationError, match=message):
        loaded_with(tmp_path, SIDED, lambda entry: entry["side"][1].pop(key))


@pytest.mark.parametrize("key", ["ubm", "scoring", "enrollment", "normalization", "cohort"])
def test_an_origin_that_lacks_a_part_is_refused(key, tmp_path):
    message = rf"cal\.json: damaged calibration \('{key}'\); calibrate again"
    with pytest.raises(CalibrationError, match=message):
        loaded_with(tmp_path, FUSED, lambda entry: entry["origins"][0].pop(key))


DAMAGED = r"cal\.json: damaged calibration \(.+\); calibrate again"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("version", "one"),
        ("version", None),
        ("scale", "steep"),
        ("scale", None),
        ("scale", {}),
        ("scale", [1.0, "steep"]),
        ("scale", [1.0, None]),
        ("scale", []),
        ("offset", "high"),
        ("offset", None),
        ("offset", [1.0]),
        ("side", 3),
        ("side", None),
        ("side", [3]),
        ("side", ["test_snr"]),
        ("side", {"test_snr": 1.0}),
        ("origins", 3),
        ("origins", None),
        ("origins", "none"),
        ("origins", [3]),
        ("origins", [[]]),
        ("origins", ["none"]),
        # Not one for each system.
        ("origins", []),
        ("origins", [None, None]),
        ("p_target", "half"),
        ("p_target", None),
        ("n_target", "many"),
        ("n_target", None),
        ("n_nontarget", [1]),
        ("n_speakers", None),
        ("threshold", "high"),
        ("threshold", [1.0]),
    ],
)
def test_a_part_of_another_kind_is_refused(key, value, tmp_path):
    with pytest.raises(CalibrationError, match=DAMAGED):
        loaded_with(tmp_path, PLAIN, lambda entry: entry.update({key: value}))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    "key", ["scale", "offset", "p_target", "threshold", "n_target", "n_nontarget", "n_speakers"]
)
def test_numbers_that_are_not_finite_are_refused(key, value, tmp_path):
    with pytest.raises(CalibrationError, match=DAMAGED):
        loaded_with(tmp_path, PLAIN, lambda entry: entry.update({key: value}))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_and_side_terms_that_are_not_finite_are_refused(value, tmp_path):
    with pytest.raises(CalibrationError, match=DAMAGED):
        loaded_with(tmp_path, FUSED, lambda entry: entry.update(scale=[1.0, value]))
    for key in ("scale", "offset"):
        with pytest.raises(CalibrationError, match=DAMAGED):
            loaded_with(
                tmp_path, SIDED, lambda entry, key=key: entry["side"][1].update({key: value})
            )


@pytest.mark.parametrize("key", ["scale", "offset", "p_target", "threshold"])
def test_numbers_that_no_float_holds_are_refused(key, tmp_path):
    # JSON has whole numbers of any length.
    with pytest.raises(CalibrationError, match=DAMAGED):
        loaded_with(tmp_path, PLAIN, lambda entry: entry.update({key: 10**400}))


@pytest.mark.parametrize(
    ("table", "name", "value", "words"),
    [
        ("scoring", "scorer", "neural", "[scoring]: scorer is 'neural'; expected 'exact' or"),
        ("scoring", "depth", 3, "[scoring]: unknown setting 'depth'; known are top_c, scorer"),
        (
            "enrollment",
            "relevance_factor",
            -1.0,
            "[enrollment]: relevance_factor is -1.0; expected",
        ),
    ],
)
def test_an_origin_with_settings_that_are_none_is_refused(table, name, value, words, tmp_path):
    def change(entry):
        entry["origins"][0][table][name] = value

    with pytest.raises(CalibrationError, match=re.escape(words)):
        loaded_with(tmp_path, PLAIN, change)


@pytest.mark.parametrize("value", [[], 3, None, "exact"])
@pytest.mark.parametrize("table", ["scoring", "enrollment"])
def test_an_origin_whose_parts_are_of_another_kind_is_refused(table, value, tmp_path):
    with pytest.raises(CalibrationError, match=DAMAGED):
        loaded_with(tmp_path, PLAIN, lambda entry: entry["origins"][0].update({table: value}))


def test_a_newer_version_is_refused(tmp_path):
    message = (
        rf"cal\.json: calibration version {VERSION + 1}, this program reads up to {VERSION}; "
        "upgrade speakergmm"
    )
    with pytest.raises(CalibrationError, match=message):
        loaded_with(tmp_path, PLAIN, lambda entry: entry.update(version=VERSION + 1))
    # Whatever else it holds, or lacks.
    with pytest.raises(CalibrationError, match=message):
        record_from_json({"format": "speakergmm-calibration", "version": VERSION + 1}, "cal.json")


# --- whose scores it is for ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (replace(ORIGIN, ubm="ef" * 32), "background model abababababab, not efefefefefef"),
        (replace(ORIGIN, scoring=ScoringConfig()), "scorer top-5, not exact"),
        (replace(ORIGIN, scoring=ScoringConfig(scorer="linear")), "scorer top-5, not linear"),
        (replace(ORIGIN, scoring=ScoringConfig(top_c=10)), "scorer top-5, not top-10"),
        (replace(ORIGIN, enrollment=EnrollmentConfig(16.0)), "relevance factor 8, not 16"),
        (
            replace(ORIGIN, enrollment=EnrollmentConfig(8.0, "all")),
            "adapted means, not all",
        ),
        (
            replace(ORIGIN, enrollment=EnrollmentConfig(8.0, iterations=3)),
            "MAP iterations 1, not 3",
        ),
        (replace(ORIGIN, normalization="as-200"), "normalization as-50, not as-200"),
        (replace(ORIGIN, normalization="none"), "normalization as-50, not none"),
        (replace(ORIGIN, cohort="ef" * 32), "cohort cdcdcdcdcdcd, not efefefefefef"),
        (replace(ORIGIN, cohort=""), "cohort cdcdcdcdcdcd, not none"),
    ],
)
def test_scores_of_another_origin_are_refused(other, words):
    message = (
        f"cal.json: made with {words}: a calibration holds for the scores that it was made with; "
        "score alike, or calibrate anew"
    )
    with pytest.raises(CalibrationError, match=f"^{re.escape(message)}$"):
        PLAIN.check([other], "cal.json")
    with pytest.raises(CalibrationError, match=f"^calibration: made with {re.escape(words)}"):
        PLAIN.check([other])


def test_scores_of_the_same_or_of_an_unknown_origin_pass():
    PLAIN.check([ORIGIN])
    PLAIN.check([None])
    replace(PLAIN, origins=(None,)).check([ORIGIN])
    FUSED.check([ORIGIN, replace(ORIGIN, ubm="ef" * 32)])
    FUSED.check([None, None])


def test_the_system_that_differs_is_named():
    record = replace(FUSED, origins=(ORIGIN, ORIGIN))
    other = replace(ORIGIN, normalization="s")
    for i, origins in enumerate([(other, ORIGIN), (ORIGIN, other)]):
        message = f"^f.json, system {i}: made with normalization as-50, not s: a calibration"
        with pytest.raises(CalibrationError, match=message):
            record.check(origins, "f.json")


@pytest.mark.parametrize(
    ("record", "origins", "numbers"),
    [
        (FUSED, [ORIGIN], "fuses 2 systems, got the scores of 1"),
        (FUSED, [None] * 3, "fuses 2 systems, got the scores of 3"),
        (PLAIN, [ORIGIN, ORIGIN], "fuses 1 systems, got the scores of 2"),
    ],
)
def test_another_number_of_systems_is_refused(record, origins, numbers):
    message = f"^cal.json: {numbers}; give one score file for each, in the order of the fit$"
    with pytest.raises(CalibrationError, match=message):
        record.check(origins, "cal.json")


def test_a_single_origin_is_given():
    assert PLAIN.single_origin("cal.json") == ORIGIN


@pytest.mark.parametrize(
    ("record", "what"),
    [
        (FUSED, "fuses 2 systems; expected one system's calibration: score the list with each"),
        (replace(FUSED, origins=(ORIGIN, ORIGIN)), "fuses 2 systems"),
        (SIDED, "does not say what made its scores; calibrate with recordings, or with scores"),
    ],
)
def test_no_single_origin_is_refused(record, what):
    message = f"cal.json: {what}"
    with pytest.raises(CalibrationError, match=f"^{re.escape(message)}"):
        record.single_origin("cal.json")


# --- ratios --------------------------------------------------------------------------------------


def test_the_ratio_of_one_trial():
    assert PLAIN.of_trial(2.0, {}) == 3.75
    assert PLAIN.of_trial(2.0, {"test_snr": 12.0}) == 3.75
    assert PLAIN.of_trial(math.inf, {}) == math.inf
    assert isinstance(PLAIN.of_trial(np.float64(2.0), {}), float)


def test_the_ratio_of_one_trial_with_side_information():
    # Scale 1 + 0.5 · log(e²) = 2, offset -0.25 · 2 + 0.1 · 20.
    side = {"test_speech": math.e**2, "test_snr": 20.0, "enrollment_snr": 1.0}
    assert SIDED.of_trial(3.0, side) == pytest.approx(6 + 1.5)
    np.testing.assert_allclose(
        SIDED.of_trial(3.0, side), SIDED.calibration([3.0], [[2.0, 20.0]])[0]
    )


@pytest.mark.parametrize(
    ("side", "missing"),
    [
        ({}, "test_speech, test_snr"),
        ({"test_speech": 3.0}, "test_snr"),
        ({"test_snr": 3.0, "enrollment_speech": 3.0}, "test_speech"),
    ],
)
def test_side_information_that_a_trial_lacks_is_named(side, missing):
    message = (
        f"^the calibration needs {missing}, which is not known of this trial; calibrate without it$"
    )
    with pytest.raises(CalibrationError, match=message):
        SIDED.of_trial(0.0, side)


def test_scores_of_one_system_get_their_ratios():
    scores = scored(5)
    before = scores.score.copy()
    calibrated = PLAIN.calibrated([scores])
    assert calibrated.trials is scores.trials
    np.testing.assert_array_equal(calibrated.score, before)
    np.testing.assert_array_equal(calibrated.llr, 2.5 * before - 1.25)
    assert scores.llr is None


def test_scores_of_several_systems_become_one_ratio():
    one, other = scored(5, seed=0), scored(5, seed=1)
    fused = FUSED.calibrated([one, other])
    assert fused.trials is one.trials
    np.testing.assert_allclose(fused.llr, 1.5 * one.score - 0.1 * other.score + 1 / 3)
    np.testing.assert_array_equal(fused.score, fused.llr)


def test_what_a_score_file_does_not_hold_is_missed():
    message = r"side information has shape .*fitted with 2 quantities \(test_speech, test_snr\)"
    with pytest.raises(ScoreError, match=message):
        SIDED.calibrated([scored(5)])


@pytest.mark.parametrize(("record", "n"), [(FUSED, 1), (FUSED, 3), (PLAIN, 2)])
def test_ratios_of_another_number_of_systems_are_refused(record, n):
    with pytest.raises(ScoreError, match=f"there are scores of {n} systems; this calibration"):
        record.calibrated([scored(5)] * n)


# --- ratios by how much speech there is ---


def table_record(*, side=(), expected=None):
    rows = (
        ExpectedErrors(1.0, 0.2, 0.2, 0.2, 0.5, -1.0, 40, 360),
        ExpectedErrors(4.0, 0.1, 0.1, 0.1, 2.0, 1.0, 40, 360),
    )
    expected = rows if expected is None else expected
    calibration = Calibration(3.0, -0.5, tuple(side))
    return CalibrationRecord(calibration, (None,), "x", 0.5, 40, 360, 30, 0.0, expected, "x")


def test_ratios_are_read_from_the_table():
    record = table_record()
    assert record.knows_lengths
    # In between linear in the logarithm; beyond the ends as at the ends.
    for speech_s, scale, offset in (
        (1.0, 0.5, -1.0), (2.0, 1.25, 0.0), (4.0, 2.0, 1.0), (0.2, 0.5, -1.0), (60.0, 2.0, 1.0),
    ):  # fmt: skip
        for score in (-2.0, 0.0, 1.5):
            found = record.of_recording(score, {"test_speech": speech_s, "test_snr": 20.0})
            assert found == pytest.approx(scale * score + offset, rel=1e-12, abs=1e-12)
            # What whole tests' are worth does not change.
            assert record.of_trial(score, {}) == 3.0 * score - 0.5


def test_ratios_of_many_are_those_of_each():
    record, rng = table_record(), np.random.default_rng(0)
    scores, speech_s = rng.normal(size=50), np.repeat(rng.uniform(0.2, 9.0, 25), 2)
    each = [
        record.of_recording(score, {"test_speech": s})
        for score, s in zip(scores, speech_s, strict=True)
    ]
    np.testing.assert_array_equal(record.by_length(scores, speech_s), each)
    np.testing.assert_array_equal(record.by_length(scores, list(speech_s)), each)


def test_without_a_table_or_with_side_information_the_calibration_tells():
    plain = table_record(expected=())
    by_side = table_record(side=[SideTerm("test_speech", 0.5, 0.25)])
    for record in (plain, by_side):
        assert not record.knows_lengths
        for speech_s in (0.5, 2.0, 9.0):
            side = {"test_speech": speech_s}
            assert record.of_recording(1.5, side) == record.of_trial(1.5, side)
    assert plain.of_recording(1.5, {"test_speech": 1.0}) == 4.0
    assert by_side.of_recording(1.5, {"test_speech": np.e}) == pytest.approx(3.5 * 1.5 - 0.25)

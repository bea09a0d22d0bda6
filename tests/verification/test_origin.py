"""Where scores come from: its file beside the scores, and what differs between two of them."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speakergmm.errors import CalibrationError, ConfigError, OutputError
from speakergmm.gmm import ADAPTED
from speakergmm.verification import EnrollmentConfig, ScoreOrigin, ScoringConfig
from speakergmm.verification.origin import origin_path, read_origin, write_origin

LAW = settings(derandomize=True, deadline=None, max_examples=60)

DIGEST = st.text("0123456789abcdef", min_size=64, max_size=64)
SCORERS = st.builds(ScoringConfig, st.none() | st.integers(1, 2048)) | st.just(
    ScoringConfig(scorer="linear")
)
ENROLLMENTS = st.builds(
    EnrollmentConfig,
    st.floats(0, 1e3),
    st.sampled_from(ADAPTED),
    st.integers(1, 100),
)
ORIGINS = st.builds(
    ScoreOrigin,
    DIGEST,
    SCORERS,
    ENROLLMENTS,
    st.sampled_from(["none", "z", "t", "zt", "s", "as-50"]),
    st.just("") | DIGEST,
)

ORIGIN = ScoreOrigin(
    "ab" * 32,
    ScoringConfig(top_c=5),
    EnrollmentConfig(8.0, "means+variances", 2),
    "as-300",
    "cd" * 32,
)


@pytest.fixture
def scores(tmp_path):
    """Give a score file."""
    file = tmp_path / "dev.csv"
    file.write_text("model_id,test_id,label,score\nm,t,target,1.5\n", encoding="utf-8")
    return file


# --- JSON and words ------------------------------------------------------------------------------


@LAW
@given(ORIGINS)
def test_json_reads_back_as_the_same_origin(origin):
    assert ScoreOrigin.from_json(json.loads(json.dumps(origin.to_json())), "x") == origin
    assert ScoreOrigin.from_json(origin.to_json(), "x") == origin


def test_an_origin_is_described_in_words():
    assert ORIGIN.described() == {
        "background model": "abababababab",
        "scorer": "top-5",
        "relevance factor": "8",
        "adapted": "means+variances",
        "MAP iterations": "2",
        "normalization": "as-300",
        "cohort": "cdcdcdcdcdcd",
    }
    plain = ScoreOrigin("ef" * 32).described()
    assert plain["scorer"] == "exact"
    assert plain["normalization"] == plain["cohort"] == "none"


@LAW
@given(ORIGINS)
def test_scores_of_the_same_origin_pass(origin):
    origin.check(replace(origin), "holder")


def test_every_difference_is_named_with_both_values():
    other = ScoreOrigin("ef" * 32, ScoringConfig(scorer="linear"))
    message = (
        "cal.json: made with background model abababababab, not efefefefefef; scorer top-5, not "
        "linear; relevance factor 8, not 16; adapted means+variances, not means; MAP iterations 2, "
        "not 1; normalization as-300, not none; cohort cdcdcdcdcdcd, not none: a calibration holds "
        "for the scores that it was made with; score alike, or calibrate anew"
    )
    with pytest.raises(CalibrationError, match=f"^{re.escape(message)}$"):
        ORIGIN.check(other, "cal.json")


@pytest.mark.parametrize(
    ("table", "name", "value", "message"),
    [
        ("scoring", "scorer", "cosine", "x [scoring]: scorer is 'cosine'; expected 'exact' or"),
        ("scoring", "top_c", 0, "x [scoring]: top_c is 0; expected"),
        ("scoring", "topc", 5, "x [scoring]: unknown setting 'topc'; did you mean 'top_c'?"),
        ("enrollment", "relevance_factor", "much", "x [enrollment]: relevance_factor is 'much'"),
        ("enrollment", "iterations", 1.5, "x [enrollment]: iterations is 1.5; expected a whole"),
    ],
)
def test_json_with_settings_that_are_none_is_refused(table, name, value, message):
    entry = ORIGIN.to_json()
    entry[table][name] = value
    with pytest.raises(ConfigError, match=re.escape(message)):
        ScoreOrigin.from_json(entry, "x")


# --- the file beside a score file ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("scores", "beside"),
    [
        ("dev.csv", "dev.origin.json"),
        ("a/b.c/dev.csv", "a/b.c/dev.origin.json"),
        ("dev", "dev.origin.json"),
    ],
)
def test_the_file_is_named_after_the_score_file(scores, beside, tmp_path):
    assert origin_path(tmp_path / scores) == tmp_path / beside
    assert origin_path(str(tmp_path / scores)) == tmp_path / beside


@pytest.mark.usefixtures("leaves_nothing_half_written")
def test_what_was_written_is_read(scores):
    for origin in (ORIGIN, ScoreOrigin("ef" * 32)):
        write_origin(scores, origin)
        assert read_origin(scores) == origin
        assert read_origin(str(scores)) == origin


def test_a_score_file_without_one_has_no_origin(scores):
    assert read_origin(scores) is None


def test_a_score_file_that_was_moved_with_it_keeps_its_origin(scores, tmp_path):
    write_origin(scores, ORIGIN)
    moved = tmp_path / "elsewhere" / "evaluation.csv"
    moved.parent.mkdir()
    origin_path(scores).rename(origin_path(moved))
    scores.rename(moved)
    assert read_origin(moved) == ORIGIN


@pytest.mark.parametrize("change", ["append", "other", "empty"])
def test_a_score_file_that_was_changed_has_no_known_origin(scores, change):
    write_origin(scores, ORIGIN)
    content = scores.read_text(encoding="utf-8")
    changed = {"append": content + "m,u,nontarget,0\n", "other": "x" + content[1:], "empty": ""}
    scores.write_text(changed[change], encoding="utf-8")
    assert read_origin(scores) is None
    scores.write_text(content, encoding="utf-8")
    assert read_origin(scores) == ORIGIN


def test_an_origin_is_not_written_where_there_are_no_scores(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_origin(tmp_path / "none.csv", ORIGIN)
    assert list(tmp_path.iterdir()) == []


def test_an_origin_that_cannot_be_written_is_said(scores):
    origin_path(scores).mkdir()
    with pytest.raises(OutputError, match=r"dev\.origin\.json: cannot be written"):
        write_origin(scores, ORIGIN)


def damaged(scores, change):
    """Write an origin and change its content before it is read."""
    write_origin(scores, ORIGIN)
    path = origin_path(scores)
    entry = json.loads(path.read_text(encoding="utf-8"))
    path.write_bytes(change(entry))
    return r"dev\.origin\.json.*; remove it, or score again$"


@pytest.mark.parametrize("left", [0, 1, 50, -3])
def test_a_truncated_file_is_refused(scores, left):
    ends = damaged(scores, lambda entry: json.dumps(entry).encode()[:left])
    with pytest.raises(CalibrationError, match=r"dev\.origin\.json: damaged \(.+") as refused:
        read_origin(scores)
    assert re.search(ends, str(refused.value))


@pytest.mark.parametrize("content", [b"\xff\xfe{}", b"[]", b"3", b"null", b'"text"', b"{}"])
def test_a_file_that_is_something_else_is_refused(scores, content):
    damaged(scores, lambda entry: content)
    with pytest.raises(CalibrationError, match=r"dev\.origin\.json: damaged \(.+\); remove it, or"):
        read_origin(scores)


def without(entry, *keys):
    *way, last = keys
    inner = entry
    for key in way:
        inner = inner[key]
    del inner[last]
    return json.dumps(entry).encode()


@pytest.mark.parametrize(
    "keys",
    [
        ("scores",),
        ("origin",),
        ("origin", "ubm"),
        ("origin", "scoring"),
        ("origin", "enrollment"),
        ("origin", "normalization"),
        ("origin", "cohort"),
    ],
)
def test_a_file_that_lacks_a_part_is_refused(scores, keys):
    damaged(scores, lambda entry: without(entry, *keys))
    message = rf"dev\.origin\.json: damaged \('{keys[-1]}'\); remove it, or score again"
    with pytest.raises(CalibrationError, match=message):
        read_origin(scores)


def with_origin(entry, origin):
    return json.dumps({**entry, "origin": origin}).encode()


@pytest.mark.parametrize("value", [[], ["top_c"], 3, None, "exact", [{}]], ids=json.dumps)
@pytest.mark.parametrize("part", ["scoring", "enrollment"])
def test_a_file_whose_parts_are_of_another_kind_is_refused(scores, part, value):
    ends = damaged(scores, lambda entry: with_origin(entry, {**entry["origin"], part: value}))
    with pytest.raises(CalibrationError, match=ends):
        read_origin(scores)


@pytest.mark.parametrize("origin", [None, [], "text", 3])
def test_a_file_whose_origin_is_none_is_refused(scores, origin):
    ends = damaged(scores, lambda entry: with_origin(entry, origin))
    with pytest.raises(CalibrationError, match=ends):
        read_origin(scores)


def test_a_setting_of_another_program_is_named(scores):
    scoring = {"top_c": 5, "scorer": "neural"}
    damaged(scores, lambda entry: with_origin(entry, {**entry["origin"], "scoring": scoring}))
    message = (
        r"dev\.origin\.json \[scoring\]: scorer is 'neural'; expected 'exact' or 'linear'; remove "
        "it, or score again"
    )
    with pytest.raises(CalibrationError, match=message):
        read_origin(scores)

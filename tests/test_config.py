"""Settings read from plain tables: what fits, and what each slip is told."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field, fields
from typing import Literal

import numpy as np
import pytest

from speakergmm import CostModel, TrainingConfig
from speakergmm.audio.synthetic import SyntheticConfig
from speakergmm.config import check_choice, check_range, check_whole, config_from_table
from speakergmm.errors import ConfigError
from speakergmm.evaluation import EvaluationConfig
from speakergmm.features import FrontEndConfig
from speakergmm.verification import (
    CalibrationConfig,
    EnrollmentConfig,
    NormalizationConfig,
    ScoringConfig,
)
from speakergmm.verification.sequential import SequentialTest
from speakergmm.verification.streaming import StreamConfig

WHERE = "recipe.toml [front_end]"


@dataclass(frozen=True)
class AllKinds:
    whole: int = 3
    number: float = 0.5
    flag: bool = False
    text: str = "x"
    scale: Literal["slaney", "htk"] = "slaney"
    order: Literal[0, 1, 2] = 0
    limit: float | None = 80.0
    channel: int | Literal["mix"] = "mix"
    pair: tuple[float, float] = (1.0, 2.0)
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_range("whole", self.whole, 1, 10, "pieces")


@dataclass(frozen=True)
class Required:
    first: int
    second: str
    third: float = 1.0
    fourth: list[int] = field(default_factory=list)


def make(**table):
    return config_from_table(AllKinds, table, WHERE)


# --- what fits ---


def test_an_empty_table_is_the_defaults():
    assert make() == AllKinds()
    assert config_from_table(FrontEndConfig, {}, WHERE) == FrontEndConfig()


def test_named_settings_replace_their_defaults_and_nothing_else():
    config = make(whole=7, text="y")
    assert config == AllKinds(whole=7, text="y")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("whole", 1),
        ("number", 0.25),
        ("number", -3),
        ("flag", True),
        ("text", ""),
        ("scale", "htk"),
        ("order", 2),
        ("limit", None),
        ("limit", 1.5),
        ("limit", 60),
        ("channel", "mix"),
        ("channel", 1),
    ],
)
def test_a_value_of_the_right_kind_is_taken(name, value):
    assert getattr(make(**{name: value}), name) == value


def test_none_is_a_word_where_a_setting_may_be_left_out():
    assert make(limit="none").limit is None
    assert make(text="none").text == "none"


def test_a_list_becomes_a_tuple():
    assert make(pair=[3, 4.5]).pair == (3.0, 4.5)
    assert make(names=["a", "b", "c"]).names == ("a", "b", "c")
    assert make(names=[]).names == ()
    assert make(pair=(3.0, 4.5)).pair == (3.0, 4.5)


@pytest.mark.parametrize("name", ["number", "limit"])
def test_a_whole_number_where_a_number_is_wanted_becomes_one(name):
    """So that equal settings are written, and digested, the same."""
    assert type(getattr(make(**{name: 16}), name)) is float


def test_every_default_of_the_front_end_survives_its_own_table():
    table = {f.name: getattr(FrontEndConfig(), f.name) for f in fields(FrontEndConfig)}
    assert config_from_table(FrontEndConfig, table, WHERE) == FrontEndConfig()


# --- names ---


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("wole", "did you mean 'whole'?"),
        ("chanel", "did you mean 'channel'?"),
        ("Limit", "did you mean 'limit'?"),
        (
            "weather",
            "known are whole, number, flag, text, scale, order, limit, channel, pair, names",
        ),
        ("", "known are whole"),
    ],
)
def test_an_unknown_name_is_told_with_the_nearest_or_all(name, hint):
    with pytest.raises(ConfigError, match=re.escape(f"{WHERE}: unknown setting {name!r}; {hint}")):
        make(**{name: 1})


def test_missing_settings_are_all_named():
    with pytest.raises(ConfigError, match=re.escape(f"{WHERE}: no value for first, second")):
        config_from_table(Required, {"third": 2.0}, WHERE)
    with pytest.raises(ConfigError, match=r"no value for second$"):
        config_from_table(Required, {"first": 1}, WHERE)
    assert config_from_table(Required, {"first": 1, "second": "x"}, WHERE) == Required(1, "x")


# --- kinds ---


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("whole", True, "a whole number"),
        ("whole", 1.0, "a whole number"),
        ("whole", "3", "a whole number"),
        ("whole", None, "a whole number"),
        ("whole", [3], "a whole number"),
        ("number", True, "a number"),
        ("number", "0.5", "a number"),
        ("number", None, "a number"),
        ("flag", 1, "true or false"),
        ("flag", 0, "true or false"),
        ("flag", "true", "true or false"),
        ("text", 1, "text"),
        ("text", False, "text"),
        ("scale", "mel", "'slaney' or 'htk'"),
        ("scale", 1, "'slaney' or 'htk'"),
        ("order", 3, "0 or 1 or 2"),
        ("order", True, "0 or 1 or 2"),
        ("order", "1", "0 or 1 or 2"),
        ("order", 1.0, "0 or 1 or 2"),
        ("limit", False, "a number or 'none'"),
        ("limit", "nothing", "a number or 'none'"),
        ("whole", "none", "a whole number"),
        ("channel", "left", "a whole number or 'mix'"),
        ("channel", 0.5, "a whole number or 'mix'"),
        ("channel", True, "a whole number or 'mix'"),
        ("pair", 1.0, ""),
        ("pair", [1.0, "x"], ""),
        ("pair", [1.0, True], ""),
        ("pair", [1.0], ""),
        ("pair", [1.0, 2.0, 3.0], ""),
        ("names", "abc", ""),
        ("names", ["a", 1], ""),
    ],
)
def test_a_value_of_the_wrong_kind_is_quoted(name, value, expected):
    told = re.escape(f"{WHERE}: {name} is {value!r}; expected ")
    told += f"{expected}$" if expected else "."
    with pytest.raises(ConfigError, match=told):
        make(**{name: value})


# --- ranges ---


@pytest.mark.parametrize("value", [0, 11, -1])
def test_a_value_out_of_range_is_told_with_its_table(value):
    told = f"{WHERE}: whole is {value}; expected 1 to 10 pieces"
    with pytest.raises(ConfigError, match=re.escape(told) + "$"):
        make(whole=value)


@pytest.mark.parametrize("value", [1, 10, 5, 2.5])
def test_both_ends_of_a_range_belong_to_it(value):
    check_range("x", value, 1, 10)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0.999, "x is 0.999; expected 1 to 10 dB"),
        (10.001, "x is 10.001; expected 1 to 10 dB"),
        (float("nan"), "x is nan; expected 1 to 10 dB"),
        (float("inf"), "x is inf; expected 1 to 10 dB"),
        (True, "x is True; expected 1 to 10 dB"),
        ("5", "x is '5'; expected 1 to 10 dB"),
        (None, "x is None; expected 1 to 10 dB"),
        ([5], "x is [5]; expected 1 to 10 dB"),
    ],
)
def test_what_is_outside_a_range_or_no_number_is_refused(value, told):
    with pytest.raises(ConfigError, match=f"^{re.escape(told)}$"):
        check_range("x", value, 1, 10, "dB")


@pytest.mark.parametrize("value", [-0.001, float("nan"), -float("inf")])
def test_a_range_without_an_upper_end(value):
    check_range("x", 1e300, 0)
    with pytest.raises(ConfigError, match=rf"^x is {value}; expected 0 or more$"):
        check_range("x", value, 0)


@pytest.mark.parametrize("value", ["c", "", None, 3, True, 1.5])
def test_what_is_none_of_the_choices_is_refused_with_the_choices(value):
    told = f"x is {value!r}; expected one of 'a', 'b', 1"
    with pytest.raises(ConfigError, match=f"^{re.escape(told)}$"):
        check_choice("x", value, ("a", "b", 1))


@pytest.mark.parametrize("value", ["a", "b", 1])
def test_a_choice_is_taken(value):
    check_choice("x", value, ("a", "b", 1))


# --- numbers of NumPy ---


def test_a_whole_number_is_given_back_as_pythons_own():
    number = check_whole("rows", np.uint8(200), 1)
    assert type(number) is int
    assert 5 * number == 1000  # of 8 bits it would be 232


@pytest.mark.parametrize(
    "config",
    [
        TrainingConfig(max_iterations=np.int64(3), tolerance=np.float32(0.5)),
        EnrollmentConfig(relevance_factor=np.float32(8), iterations=np.uint8(2)),
        ScoringConfig(top_c=np.int32(5)),
        NormalizationConfig("as", top_n=np.int64(30), test_s=np.float32(2)),
        CalibrationConfig(p_target=np.float32(0.25)),
        EvaluationConfig(p_target=np.float32(0.25), n_resamples=np.int16(100)),
        CostModel(p_target=np.float32(0.25), c_miss=np.int64(10)),
        SequentialTest(p_fa=np.float32(0.25), n_agreeing=np.int64(3)),
        StreamConfig(every_s=np.float32(0.25), test=None),
        SyntheticConfig(sessions=np.int64(2)),
    ],
    ids=lambda config: type(config).__name__,
)
def test_settings_from_an_array_can_be_written_and_are_equal(config):
    written = json.loads(json.dumps(asdict(config)))
    assert config == config_from_table(type(config), written, "file")

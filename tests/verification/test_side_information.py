"""What is known of trials besides scores: which model's and test's, in which unit."""

from __future__ import annotations

import math

import numpy as np
import pytest

from speakergmm.corpora import Trials
from speakergmm.errors import ScoreError
from speakergmm.verification.side_information import SIDE_NAMES, TrialSide, side_quantity

# Models m0 to m2, tests t0 and t1, in no order.
TRIALS = Trials(
    ("m0", "m1", "m2"),
    ("t0", "t1"),
    np.array([2, 0, 1, 2], dtype=np.int32),
    np.array([1, 1, 0, 0], dtype=np.int32),
    np.array([True, False, False, False]),
)

SIDE = TrialSide(
    {
        "enrollment_speech": np.array([1.0, 10.0, 100.0]),
        "test_speech": np.array([math.e, 1 / math.e]),
        "enrollment_snr": np.array([5.0, -3.0, 30.0]),
        "test_snr": np.array([0.0, 12.5]),
    }
)


def test_names_are_those_that_are_known():
    assert set(SIDE_NAMES) == set(SIDE.values)


def test_speech_becomes_the_logarithm_of_its_seconds():
    np.testing.assert_allclose(
        SIDE.of_trials(TRIALS, ("enrollment_speech", "test_speech")),
        [[math.log(100), -1], [0, -1], [math.log(10), 1], [math.log(100), 1]],
    )


def test_decibels_stay_as_they_are():
    np.testing.assert_array_equal(
        SIDE.of_trials(TRIALS, ("test_snr", "enrollment_snr")),
        [[12.5, 30], [12.5, 5], [0, -3], [0, 30]],
    )


@pytest.mark.parametrize("name", SIDE_NAMES)
def test_each_quantity_is_taken_from_the_model_or_the_test_that_it_is_of(name):
    # Item i of the quantity is i + 1, or its logarithm.
    n, index = (3, TRIALS.model_index) if name.startswith("enrollment") else (2, TRIALS.test_index)
    numbered = np.arange(1.0, n + 1)
    column = TrialSide({name: numbered}).of_trials(TRIALS, [name])
    assert column.shape == (4, 1)
    expected = np.log(numbered) if name.endswith("speech") else numbered
    np.testing.assert_array_equal(column[:, 0], expected[index])


def test_columns_stand_in_the_order_of_the_names():
    both = SIDE.of_trials(TRIALS, SIDE_NAMES)
    assert both.shape == (4, 4)
    for column, name in zip(both.T, SIDE_NAMES, strict=True):
        np.testing.assert_array_equal(column, SIDE.of_trials(TRIALS, [name])[:, 0])


def test_no_quantity_is_a_matrix_without_columns():
    assert SIDE.of_trials(TRIALS, ()).shape == (4, 0)


def test_measurements_are_not_changed():
    before = {name: values.copy() for name, values in SIDE.values.items()}
    SIDE.of_trials(TRIALS, SIDE_NAMES)
    for name, values in SIDE.values.items():
        np.testing.assert_array_equal(values, before[name])


def test_twice_as_much_speech_is_the_same_step_everywhere():
    seconds = np.array([0.5, 3.0, 60.0])
    for name in ("enrollment_speech", "test_speech"):
        step = side_quantity(name, 2 * seconds) - side_quantity(name, seconds)
        np.testing.assert_allclose(step, math.log(2))


@pytest.mark.parametrize(
    ("values", "name", "message"),
    [
        (
            {"test_snr": np.zeros(2), "test_speech": np.ones(2)},
            "enrollment_snr",
            "enrollment_snr was not measured with these scores; known is test_snr, test_speech",
        ),
        ({}, "test_snr", "test_snr was not measured with these scores; known is nothing"),
        ({"test_snr": np.zeros(2)}, "test_snrs", "test_snrs was not measured with these scores"),
    ],
)
def test_what_was_not_measured_is_named(values, name, message):
    with pytest.raises(ScoreError, match=message):
        TrialSide(values).of_trials(TRIALS, [name])

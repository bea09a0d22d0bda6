"""One exception tree, and how many problems are told as one message."""

from __future__ import annotations

import inspect

import pytest

from speakergmm import errors
from speakergmm.errors import SpeakerGMMError, problem_report

CLASSES = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, Exception) and kind is not SpeakerGMMError
]


@pytest.mark.parametrize("kind", CLASSES)
def test_each_error_is_of_the_tree_and_of_a_fitting_built_in(kind):
    assert issubclass(kind, SpeakerGMMError)
    assert issubclass(kind, (ValueError, OSError, LookupError, RuntimeError))
    assert str(kind("what, expected, got, fix")) == "what, expected, got, fix"
    assert kind.__doc__


def test_built_ins_fit_what_went_wrong():
    assert issubclass(errors.OutputError, OSError)
    assert issubclass(errors.MissingError, LookupError)
    assert issubclass(errors.ManifestError, ValueError)
    assert issubclass(errors.AudioError, ValueError)
    assert issubclass(errors.ConfigError, ValueError)


def test_one_problem_stays_on_the_line_of_its_heading():
    assert problem_report("x.csv cannot be used", ["line 3: bad"]) == (
        "x.csv cannot be used: line 3: bad"
    )


@pytest.mark.parametrize("n_problems", [2, 19, 20, 21, 22, 5000])
def test_many_problems_are_counted_and_the_first_20_told(n_problems):
    report = problem_report("heading", (f"problem {number}" for number in range(n_problems)))
    first, *rest = report.split("\n")
    assert first == f"heading: {n_problems:,} problems"
    n_shown = min(n_problems, 20)
    assert rest[:n_shown] == [f"  problem {number}" for number in range(n_shown)]
    n_more = n_problems - n_shown
    assert rest[n_shown:] == ([f"  ... and {n_more:,} more"] if n_more else [])

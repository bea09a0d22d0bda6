"""Parts of a list: what falls into each, in which order, and that their numbers are their own."""

from __future__ import annotations

import csv
import io
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speakergmm.corpora import (
    Column,
    Scores,
    all_against_all,
    read_scores,
    select_scores,
    write_scores,
)
from speakergmm.evaluation import Estimate, EvaluationConfig, evaluate_scores
from speakergmm.evaluation.breakdown import MAX_VALUES, N_RANGES, N_RESAMPLES, Part, break_down

LAW = settings(derandomize=True, deadline=None, max_examples=40)
QUICK = EvaluationConfig(p_target=0.1, n_resamples=0)
# Of sums in another order.
ROUNDING = 1e-12


def full_scores(n_speakers=6, tests_each=4, *, calibrated=False):
    models = {f"m{i}": f"s{i}" for i in range(n_speakers)}
    tests = {f"t{i}-{k}": f"s{i}" for i in range(n_speakers) for k in range(tests_each)}
    trials = all_against_all(models, tests)
    score = np.random.default_rng(1).normal(size=len(trials)) + 1.5 * trials.is_target
    return Scores(trials, score, 1.5 * (score - 0.75) if calibrated else None)


def column_of(cells):
    values = tuple(dict.fromkeys(cells))
    place = {value: i for i, value in enumerate(values)}
    return Column(values, np.array([place[cell] for cell in cells], dtype=np.int32))


def drawn_cells(n, values, seed=2):
    return [values[i] for i in np.random.default_rng(seed).integers(len(values), size=n)]


def break_down_cells(scores, cells, **kwargs):
    return break_down(scores, "column", column_of(cells), QUICK, **kwargs)


def names_of(scores, cells):
    return [part.name for part in break_down_cells(scores, cells).parts]


def n_trials(part):
    return part.n_target + part.n_nontarget


def count_of(values):
    """Parts of a column whose rows take these values in turn."""
    scores = full_scores()
    return names_of(scores, [values[i % len(values)] for i in range(len(scores.trials))])


# --- what falls into a part ----------------------------------------------------------------------


@LAW
@given(st.integers(1, 20), st.integers(0, 100), st.booleans())
def test_every_trial_is_in_one_part(n_values, seed, numeric):
    if not numeric:
        n_values = min(n_values, MAX_VALUES)
    scores = full_scores()
    values = [str(i) if numeric else f"v{i}" for i in range(n_values)]
    parts = break_down_cells(scores, drawn_cells(len(scores.trials), values, seed)).parts
    assert sum(part.n_target for part in parts) == scores.trials.is_target.sum()
    assert sum(part.n_nontarget for part in parts) == (~scores.trials.is_target).sum()


def test_numbers_of_a_part_are_those_of_a_file_with_its_rows_alone(tmp_path):
    scores = full_scores(8, calibrated=True)
    cells = drawn_cells(len(scores.trials), ["f", "m", "", "?"])
    write_scores(tmp_path / "scores.csv", scores)
    header, *lines = (tmp_path / "scores.csv").read_text(encoding="utf-8").splitlines()
    found = break_down_cells(scores, cells)
    assert found.column == "column"
    assert [part.name for part in found.parts] == ["(empty)", "?", "f", "m"]
    for part, value in zip(found.parts, ["", "?", "f", "m"], strict=True):
        kept = [line for line, cell in zip(lines, cells, strict=True) if cell == value]
        (tmp_path / "part.csv").write_text("\n".join([header, *kept]) + "\n", encoding="utf-8")
        own = evaluate_scores(read_scores(tmp_path / "part.csv"), QUICK)
        assert (part.n_target, part.n_nontarget) == (own.n_target, own.n_nontarget)
        assert list(part.metrics) == list(own.metrics)
        for metric, estimate in part.metrics.items():
            assert estimate.value == pytest.approx(own.metrics[metric].value, abs=ROUNDING)


def test_intervals_are_those_of_the_selected_trials_and_speakers():
    scores = full_scores(8)
    cells = drawn_cells(len(scores.trials), ["a", "b"])
    config = EvaluationConfig(n_resamples=40)
    found = break_down(scores, "column", column_of(cells), config, rng=5)
    for part in found.parts:
        of_part = select_scores(scores, np.array([cell == part.name for cell in cells]))
        own = evaluate_scores(of_part, config, rng=5)
        assert part.metrics == own.metrics
        assert part.n_speakers == own.n_speakers == 8
        assert part.metrics["eer"].low is not None


def test_resamples_are_no_more_than_parts_need():
    scores, cells = full_scores(5, 2), ["a"] * 50
    most = EvaluationConfig(n_resamples=N_RESAMPLES)
    more = EvaluationConfig(n_resamples=N_RESAMPLES + 300)
    assert break_down(scores, "c", column_of(cells), more) == break_down(
        scores, "c", column_of(cells), most
    )


def test_a_constant_column_is_the_whole_list():
    scores = full_scores()
    (part,) = break_down_cells(scores, ["7"] * len(scores.trials)).parts
    whole = evaluate_scores(scores, QUICK)
    assert part == Part("7", whole.n_target, whole.n_nontarget, 6, whole.metrics)


def test_parts_with_trials_of_one_kind_have_no_metrics():
    scores = full_scores()
    cells = ["target" if is_target else "nontarget" for is_target in scores.trials.is_target]
    nontarget, target = break_down_cells(scores, cells).parts
    assert (target.n_target, target.n_nontarget, target.metrics) == (24, 0, {})
    assert (nontarget.n_target, nontarget.n_nontarget, nontarget.metrics) == (0, 120, {})
    assert set(target.to_json()) == {"name", "n_target", "n_nontarget", "n_speakers"}


def test_parts_with_trials_of_one_kind_have_speakers():
    scores = full_scores()
    cells = ["target" if is_target else "nontarget" for is_target in scores.trials.is_target]
    assert [part.n_speakers for part in break_down_cells(scores, cells).parts] == [6, 6]


def test_without_trials_there_are_no_parts():
    scores = full_scores()
    nothing = select_scores(scores, np.zeros(len(scores.trials), dtype=bool))
    assert break_down_cells(nothing, []).parts == ()


# --- values, their order, and those that are left out --------------------------------------------


def test_numbers_come_by_size_before_everything_else():
    assert count_of(["10", "b", "9", "-1", "a", "", "1e1", "2.5"]) == [
        "-1", "2.5", "9", "10", "1e1", "(empty)", "a", "b",
    ]  # fmt: skip


def test_what_is_no_number_does_not_disturb_the_order():
    assert count_of(["10", "nan", "9", "2"]) == ["2", "9", "10", "nan"]


def test_a_slip_is_no_number():
    assert count_of(["1_5", "20", "100"]) == ["20", "100", "1_5"]


def test_of_many_values_those_with_the_most_trials_are_taken():
    scores = full_scores(8)
    n = len(scores.trials)
    cells = [f"v{i:02}" for i in range(15)]
    # v00 once, v01 twice and so on; the rest are v14.
    cells = [value for i, value in enumerate(cells) for _ in range(i + 1)]
    cells += ["v14"] * (n - len(cells))
    assert names_of(scores, cells) == [f"v{i:02}" for i in range(3, 15)]


def test_twelve_numbers_are_parts_and_thirteen_are_ranges():
    assert MAX_VALUES == 12
    assert count_of([str(i) for i in range(12)]) == [str(i) for i in range(12)]
    assert count_of([str(i) for i in range(13)]) == ["0 to 3", "3 to 6", "6 to 9", "9 to 12"]


def test_values_that_no_trial_has_are_no_parts():
    scores = full_scores()
    cells = drawn_cells(len(scores.trials), ["a", "b", "c"])
    rows = np.array([cell != "b" for cell in cells])
    some = select_scores(scores, rows)
    column = column_of(cells).take(np.flatnonzero(rows))
    assert [part.name for part in break_down(some, "c", column, QUICK).parts] == ["a", "c"]


def test_values_that_no_trial_has_do_not_turn_values_into_ranges():
    scores = full_scores()
    cells = drawn_cells(len(scores.trials), [str(i) for i in range(20)])
    rows = np.array([int(cell) < 3 for cell in cells])
    some = select_scores(scores, rows)
    column = column_of(cells).take(np.flatnonzero(rows))
    assert [part.name for part in break_down(some, "c", column, QUICK).parts] == ["0", "1", "2"]


# --- ranges --------------------------------------------------------------------------------------


@LAW
@given(st.integers(0, 1000), st.sampled_from([1e-3, 1.0, 1e6]), st.booleans())
def test_ranges_hold_about_as_many_trials_each(seed, scale, negative):
    scores = full_scores(8)
    values = scale * np.random.default_rng(seed).gamma(2, size=len(scores.trials))
    values *= -1 if negative else 1
    parts = break_down_cells(scores, [repr(value) for value in values.tolist()]).parts
    assert len(parts) == N_RANGES
    assert max(map(n_trials, parts)) - min(map(n_trials, parts)) <= 1
    assert sum(map(n_trials, parts)) == len(values)


def test_ranges_rise_and_each_begins_after_the_end_of_the_one_before():
    scores = full_scores()
    values = np.random.default_rng(4).uniform(0, 100, len(scores.trials))
    found = break_down_cells(scores, [repr(value) for value in values.tolist()])
    edges = np.quantile(values, [0, 0.25, 0.5, 0.75, 1])
    for part, low, high in zip(found.parts, edges[:-1], edges[1:], strict=True):
        assert part.name == f"{low:.3g} to {high:.3g}"
        inside = (values > low) & (values <= high) | (values == edges[0]) & (low == edges[0])
        assert n_trials(part) == inside.sum()
        assert part.n_target == (inside & scores.trials.is_target).sum()


def test_numbers_with_an_infinity_are_values():
    scores = full_scores()
    values = [*(str(i) for i in range(19)), "inf"]
    cells = ["inf"] * 30 + drawn_cells(len(scores.trials) - 30, values)
    names = names_of(scores, cells)
    assert len(names) == MAX_VALUES
    assert names[-1] == "inf"


def test_one_number_in_many_spellings_is_one_part():
    assert count_of(["1." + "0" * i for i in range(14)]) == ["1"]


def test_large_numbers_are_named_in_full():
    names = count_of([str(1000 * i) for i in range(13)])
    assert names == ["0 to 3,000", "3,000 to 6,000", "6,000 to 9,000", "9,000 to 12,000"]


@pytest.mark.parametrize("base", [1.0, 999.5, 1990.0])
def test_ranges_have_different_names(base):
    names = count_of([repr(base + i / 10_000) for i in range(20)])
    assert len(set(names)) == N_RANGES
    assert not any("e+" in name for name in names)


def test_an_empty_cell_does_not_keep_numbers_from_being_cut_into_ranges():
    scores = full_scores()
    cells = [repr(i / 10) for i in range(len(scores.trials))]
    cells[5] = ""
    found = break_down_cells(scores, cells)
    assert sum(map(n_trials, found.parts)) == len(cells)
    assert found.parts[-1].name == "(empty)"
    assert len(found.parts) == N_RANGES + 1


def test_a_frequent_number_does_not_hide_the_others():
    # Three in four recordings have no reverberation, the others have some.
    scores = full_scores()
    n = len(scores.trials)
    cells = ["0" if i < 0.8 * n else repr(i / 10) for i in range(n)]
    assert len(names_of(scores, cells)) > 1


@LAW
@given(st.lists(st.integers(0, 40), min_size=144, max_size=144))
def test_tied_numbers_stay_together_and_no_range_is_empty(numbers):
    scores = full_scores()
    parts = break_down_cells(scores, [str(number) for number in numbers]).parts
    assert sum(map(n_trials, parts)) == len(numbers)
    assert all(n_trials(part) for part in parts)


# --- in and out ----------------------------------------------------------------------------------


def test_a_part_is_strict_json_with_infinity_as_text():
    part = Part("f", 3, 4, 5, {"eer": Estimate(0.25), "cllr": Estimate(math.inf, 1.5, math.inf)})
    entry = json.loads(json.dumps(part.to_json(), allow_nan=False))
    assert entry == {
        "name": "f", "n_target": 3, "n_nontarget": 4, "n_speakers": 5,
        "eer": {"value": 0.25}, "cllr": {"value": "inf", "low": 1.5, "high": "inf"},
    }  # fmt: skip
    # As Python reads it.
    assert float(entry["cllr"]["high"]) == math.inf


def test_an_infinite_ratio_makes_its_own_part_infinite_alone():
    scores = full_scores(calibrated=True)
    cells = drawn_cells(len(scores.trials), ["a", "b"])
    first = next(i for i, cell in enumerate(cells) if cell == "a" and scores.trials.is_target[i])
    scores.llr[first] = -np.inf
    one, other = break_down_cells(scores, cells).parts
    assert one.metrics["cllr"].value == math.inf
    assert other.metrics["cllr"].value < math.inf
    json.dumps([part.to_json() for part in (one, other)], allow_nan=False)


def test_a_column_of_a_file_is_broken_down(tmp_path):
    scores = full_scores()
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["model_id", "test_id", "label", "score", "sex"])
    for i, score in enumerate(scores.score.tolist()):
        label = "target" if scores.trials.is_target[i] else "nontarget"
        writer.writerow([*scores.trials.pair(i), label, score, "fm"[i % 2]])
    path = tmp_path / "scores.csv"
    path.write_text(text.getvalue(), encoding="utf-8")
    read = read_scores(path, columns=["sex"])
    found = break_down(read, "sex", read.trials.columns["sex"], QUICK)
    assert [(part.name, n_trials(part)) for part in found.parts] == [("f", 72), ("m", 72)]

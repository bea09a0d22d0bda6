"""Pictures: what their lines hold is what the numbers say, and their text stands in any page."""

from __future__ import annotations

import itertools
import math
import re
import subprocess
import sys
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from scipy.special import ndtri

from speakergmm.corpora import Scores, Trials, all_against_all
from speakergmm.errors import ConfigError, ScoreError
from speakergmm.evaluation import (
    Estimate,
    EvaluationConfig,
    cllr,
    eer,
    evaluate_scores,
    min_cllr,
    operating_points,
    plots,
)
from speakergmm.evaluation.breakdown import Breakdown, Part
from speakergmm.evaluation.curves import cost_curves, reliability
from speakergmm.evaluation.detection import detect
from speakergmm.evaluation.plots.det import COARSE, FINE, along_line
from speakergmm.evaluation.plots.score_plots import ratio_name
from speakergmm.evaluation.speakers import SpeakerErrors, speaker_errors

MAX_BYTES = 120_000


def speaker_scores(n_speakers=12, gap=2.5, *, calibrated=True):
    trials = all_against_all(
        {f"m{i}": f"speaker{i}" for i in range(n_speakers)},
        {f"t{i}": f"speaker{i % n_speakers}" for i in range(4 * n_speakers)},
    )
    score = np.random.default_rng(1).normal(size=len(trials)) + gap * trials.is_target
    return Scores(trials, score, gap * score - gap**2 / 2 if calibrated else None)


def plain_scores(target, nontarget, *, calibrated=True):
    """Scores of one model, for pictures in which nobody asks whose they are."""
    score = np.concatenate([target, nontarget]).astype(float)
    is_target = np.arange(len(score)) < len(target)
    nowhere = np.zeros(len(score), dtype=np.int32)
    trials = Trials(("m",), ("t",), nowhere, nowhere, is_target)
    return Scores(trials, score, score if calibrated else None)


def many_scores(n=1_000_000):
    rng = np.random.default_rng(0)
    return plain_scores(rng.normal(3, 2, n // 10), rng.normal(-3, 2, n - n // 10))


def sides(scores):
    is_target = scores.trials.is_target
    return scores.llr[is_target], scores.llr[~is_target]


def lines(figure):
    return [np.asarray(line.get_xydata(), dtype=float) for line in figure.axes[0].lines]


def labels(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


DEGENERATE = {
    "one of each": plain_scores([1.0], [0.0]),
    "few": plain_scores([1.0, 2.0], [0.0, 1.0, -1.0]),
    "perfect": plain_scores([9.0, 8.0, 10.0], [-9.0, -8.0]),
    "inverted": plain_scores([-9.0, -8.0, -10.0], [9.0, 8.0]),
    "constant": plain_scores([0.0] * 4, [0.0] * 5),
    "infinite": plain_scores([np.inf, 1.0, 0.0, -np.inf], [-np.inf, 0.5, np.inf, -2.0]),
    "all infinite": plain_scores([np.inf, np.inf], [-np.inf]),
    "far off": plain_scores([1.0, 2.0, 3.0, 4.0], [-1e9, 0.0, -1.0, -2.0, 1.5]),
    "uncalibrated": plain_scores([1.0, 2.0], [0.0, 1.0], calibrated=False),
}


def all_figures(scores):
    """Every picture that these scores allow."""
    points = operating_points(scores.target(), scores.nontarget())
    figures = {
        "det": plots.det_figure({"s": scores}, points={"s": points}),
        "histogram": plots.histogram_figure(scores, points["eer"].score),
        "tippett": plots.tippett_figure(scores),
        "cost": plots.cost_figure(scores),
        "zoo": plots.zoo_figure(speaker_errors(scores, points["eer"].score), points["eer"].score),
    }
    if scores.llr is not None:
        figures["reliability"] = plots.reliability_figure(scores)
        figures["entropy"] = plots.entropy_figure(scores)
    return figures


@pytest.mark.parametrize("kind", DEGENERATE)
def test_odd_scores_are_drawn_without_warnings(kind):
    # Warnings are errors here.
    for name, figure in all_figures(DEGENERATE[kind]).items():
        ET.fromstring(plots.figure_svg(figure, name, label=name))


def test_a_million_trials_stay_small():
    for name, figure in all_figures(many_scores()).items():
        assert len(plots.figure_svg(figure, name, label=name)) < MAX_BYTES, name


def test_thousands_of_speakers_stay_small():
    rng = np.random.default_rng(0)
    animals = [("sheep",), ("goat",), ("lamb", "wolf"), ("wolf",)]
    crowd = [
        SpeakerErrors(f"s{i}", 9, 1, 99, 1, 99, 1, *rng.normal(size=3), animals[i % 4])
        for i in range(5000)
    ]
    figure = plots.zoo_figure(crowd, 0.0)
    assert "wolves: accepted as others (2,500)" in labels(figure)
    assert len(plots.figure_svg(figure, "zoo", label="")) < MAX_BYTES


def test_svg_is_the_same_each_time_and_its_ids_are_its_own():
    scores = speaker_scores()
    texts = [
        plots.figure_svg(plots.histogram_figure(scores, 1.0), name, label='a < b & "c"')
        for name in ("first", "first", "second")
    ]
    assert texts[0] == texts[1]
    found = []
    for text, name in zip(texts[1:], ("first", "second"), strict=True):
        root = ET.fromstring(text)
        assert (root.get("role"), root.get("aria-label")) == ("img", 'a < b & "c"')
        assert root.get("width") is None
        assert re.fullmatch(r"0 0 [\d.]+ [\d.]+", root.get("viewBox"))
        ids = [element.get("id") for element in root.iter() if element.get("id")]
        referred = set(re.findall(r'(?:href="|url\()#([^")]+)', text))
        assert referred
        assert referred <= set(ids)
        assert all(i == name or i.startswith(f"{name}-") for i in ids)
        found += ids
    assert len(found) == len(set(found))
    # Nothing that would change the page around it, or that no page may hold.
    assert not re.search(r"<style|<!|<\?|xlink|<metadata", texts[0])


def test_files_and_texts_are_the_same_in_any_order(tmp_path):
    figure = plots.tippett_figure(speaker_scores())
    before = plots.figure_svg(figure, "t", label="")
    for name in ("1.png", "1.svg", "2.svg", "2.png", "3.pdf"):
        plots.save_figure(figure, tmp_path / name)
    for kind in ("svg", "png"):
        assert (tmp_path / f"1.{kind}").read_bytes() == (tmp_path / f"2.{kind}").read_bytes()
    assert plots.figure_svg(figure, "t", label="") == before


@pytest.mark.parametrize("name", ["", "1st", "a b", 'x"', "ä"])
def test_a_name_that_is_no_id_is_refused(name):
    figure = plots.likelihood_figure({"ubm": [1.0]})
    with pytest.raises(ConfigError, match="cannot begin an id"):
        plots.figure_svg(figure, name, label="")


def test_names_are_taken_literally():
    name = "_x$y$ <z> & #1 url(#a) 語"
    text = plots.figure_svg(plots.likelihood_figure({name: [1.0], "b": [2.0]}), "l", label="")
    shown = "".join(ET.fromstring(text).itertext())
    assert name in shown


def test_importing_the_package_does_not_import_matplotlib():
    code = (
        "import sys, speakergmm.evaluation, speakergmm.evaluation.plots as plots;"
        "sys.exit('matplotlib' in sys.modules or not plots.__all__)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("gap", [0.5, 2.5])
def test_det_hull_goes_through_the_equal_error_rate(gap):
    scores = speaker_scores(gap=gap)
    figure = plots.det_figure({"a": scores})
    _, raw, hull, dot = lines(figure)
    equal = eer(scores.target(), scores.nontarget())
    np.testing.assert_allclose(dot, [[ndtri(equal)] * 2])
    i = int(np.argmax(hull[:, 1] >= hull[:, 0]))
    x = hull[i - 1 : i + 1]
    share = (x[0, 0] - x[0, 1]) / ((x[1] - x[0]) @ [-1, 1])
    # The line between two kept points is no farther from the curve than a cell.
    assert abs(x[0] + share * (x[1] - x[0]) - ndtri(equal)).max() < COARSE
    assert f"{100 * equal:.2f} %" in labels(figure)[0]
    # No line that is drawn through operating points lies better than their hull.
    visible = raw[np.abs(raw).max(axis=1) < 3]
    on_hull = np.interp(visible[:, 0], hull[::-1, 0], hull[::-1, 1])
    assert (visible[:, 1] >= on_hull - 2 * COARSE).mean() > 0.99


def test_thinned_line_stays_on_its_curve():
    rng = np.random.default_rng(3)
    p_miss, p_fa = detect(rng.normal(2, 1, 20_000), rng.normal(0, 1, 20_000)).rates
    x, y = along_line(p_miss, p_fa, FINE)
    assert len(x) < 2000
    assert (np.diff(x) <= 0).all()
    assert (np.diff(y) >= 0).all()
    inside = (p_miss > 0.01) & (p_miss < 0.9) & (p_fa > 0.01)
    expected = np.interp(ndtri(p_fa[inside]), x[::-1], y[::-1])
    assert abs(expected - ndtri(p_miss[inside])).max() < 3 * FINE


def test_band_encloses_the_hull():
    scores = speaker_scores()
    band = evaluate_scores(scores, EvaluationConfig(n_resamples=100)).band
    figure = plots.det_figure({"a": scores}, bands={"a": band})
    outline = figure.axes[0].patches[0].get_path()
    p_miss, p_fa = detect(scores.target(), scores.nontarget()).hull
    corners = np.arange(len(p_miss))
    along = np.linspace(0, corners[-1], 500)
    misses, false_alarms = (np.interp(along, corners, rates) for rates in (p_miss, p_fa))
    ratio = misses / np.maximum(false_alarms, 1e-9)
    seen = (ratio > 0.002) & (ratio < 500)
    hull = np.stack([ndtri(false_alarms[seen]), ndtri(misses[seen])], axis=1)
    # Between the ratios that it was computed at, the outline is straight.
    assert outline.contains_points(hull, radius=0.05).mean() > 0.97


def test_det_marks_points_inside_and_beyond():
    scores = plain_scores([1.0, 2.0, 3.0, 0.2], [0.0, 0.1, 1.5, -1.0, -2.0])
    points = operating_points(scores.target(), scores.nontarget())
    figure = plots.det_figure({"a": scores}, points={"a": points})
    axes = figure.axes[0]
    marked = {line.get_marker(): line.get_xydata()[0] for line in axes.lines}
    equal, best = points["eer"], points["min_dcf"]
    np.testing.assert_allclose(marked["s"], [ndtri(equal.p_fa), ndtri(equal.p_miss)])
    # A rate of 0 has no place on these axes.
    assert best.p_fa == 0
    np.testing.assert_allclose(marked["D"], [axes.get_xlim()[0], ndtri(best.p_miss)])
    assert "minDCF threshold" in labels(figure)


def test_det_axes_begin_where_trials_resolve_but_not_lower():
    start = [
        plots.det_figure({"a": scores}).axes[0].get_xlim()[0]
        for scores in (speaker_scores(6), speaker_scores(12), many_scores())
    ]
    assert start[0] > start[1] > start[2]
    assert start[2] == pytest.approx(ndtri(0.0001))


def test_histogram_areas_are_one_and_infinite_values_are_counted():
    scores = plain_scores([1.0, 2.5, 3.0, np.inf], [0.0, 1.0, -1.0, -np.inf, -np.inf])
    figure = plots.histogram_figure(scores, 1.25)
    steps = [patch.get_data() for patch in figure.axes[0].patches]
    assert len(steps) == 4
    for values, edges, _ in steps:
        assert (values * np.diff(edges)).sum() == pytest.approx(1)
        assert (edges[0], edges[-1]) == (-1.0, 3.0)
    notes = [text.get_text() for text in figure.axes[0].texts]
    assert notes == ["← beyond: 2 nontarget", "1 target beyond →"]
    assert lines(figure)[0][0, 0] == 1.25
    assert figure.axes[0].get_xlabel() == "log-likelihood ratio (nats)"


def test_histogram_of_scores_without_ratios():
    figure = plots.histogram_figure(speaker_scores(calibrated=False))
    assert figure.axes[0].get_xlabel() == "score"
    assert len(labels(figure)) == 2


def test_tippett_lines_are_the_shares():
    target = np.log([0.5, 2.0, 20.0, 200.0])
    nontarget = np.array([-np.inf, np.log(0.1), np.log(0.01), 0.0, np.log(3)])
    figure = plots.tippett_figure(plain_scores(target, nontarget))
    for line, side in zip(lines(figure), (target, nontarget), strict=False):
        for x, percent in line[:-1]:
            # Ties of floats that were divided.
            assert percent == pytest.approx(100 * (side >= x * math.log(10) - 1e-9).mean())
        assert line[-1, 1] == 0
    assert labels(figure)[0].endswith("25.00 %")
    assert labels(figure)[1].endswith("40.00 %")
    ticks = [text.get_text() for text in figure.axes[0].get_xticklabels()]
    assert {"1/100", "1/10", "1", "10", "100"} <= set(ticks)


def test_ratios_in_words():
    assert [ratio_name(power) for power in (-6, -2, 0, 4, 12)] == [
        "10⁻⁶", "1/100", "1", "10,000", "10¹²",
    ]  # fmt: skip


def test_reliability_points_are_those_of_the_bins():
    scores = speaker_scores()
    expected = reliability(*sides(scores))
    figure = plots.reliability_figure(scores)
    identity, points, *_ = lines(figure)
    np.testing.assert_array_equal(identity[:, 0], identity[:, 1])
    np.testing.assert_array_equal(points, np.stack([expected.given, expected.found], axis=1))
    (bars,) = figure.axes[0].collections
    ends = np.array(bars.get_segments())[:, :, 1]
    np.testing.assert_allclose(ends, np.stack([expected.low, expected.high], axis=1))


def test_entropy_at_equal_odds_is_cllr():
    scores = speaker_scores()
    actual, minimal, neutral, _ = lines(plots.entropy_figure(scores))
    at_zero = [np.interp(0, *line.T) for line in (actual, minimal, neutral)]
    expected = [cllr(*sides(scores)), min_cllr(*sides(scores)), 1.0]
    np.testing.assert_allclose(at_zero, expected, rtol=1e-9)


def test_cost_lines_are_the_curves_and_evaluations_are_marked():
    scores = speaker_scores()
    figure = plots.cost_figure(scores)
    expected = cost_curves(scores.target(), scores.nontarget(), sides(scores))
    minimal, actual, *_ = lines(figure)
    np.testing.assert_array_equal(minimal[:, 1], expected.minimal)
    np.testing.assert_array_equal(actual[:, 1], expected.actual)
    marked = {note.get_text(): note.xy[0] for note in figure.axes[0].texts}
    assert marked["sre16, voxceleb"] == pytest.approx(-math.log(99), abs=1e-5)
    assert marked["voxsrc"] == pytest.approx(-math.log(19), abs=1e-5)
    uncalibrated = plots.cost_figure(speaker_scores(calibrated=False))
    assert labels(uncalibrated) == ["best threshold (minDCF)"]


@pytest.mark.parametrize("draw", [plots.reliability_figure, plots.entropy_figure])
def test_pictures_of_ratios_need_ratios(draw):
    with pytest.raises(ScoreError, match="calibrate the scores first"):
        draw(speaker_scores(calibrated=False))


def speaker(name, x, y, *animals):
    return SpeakerErrors(name, 5, 1, 20, 2, 20, 2, y, x, 0.0, animals or ("sheep",))


def test_zoo_marks_animals_and_names_them():
    speakers = [
        *(speaker(f"sheep{i}", -i, 5 + i) for i in range(7)),
        speaker("billy", 0.0, 1.0, "goat"),
        speaker("both", 2.0, 1.5, "goat", "lamb"),
        speaker("akela", 1.0, 6.0, "wolf"),
        speaker("unseen", math.nan, 3.0),
    ]
    figure = plots.zoo_figure(speakers, 1.2)
    sheep, goats, lambs, wolves, *threshold = lines(figure)
    assert [len(marks) for marks in (sheep, goats, lambs, wolves)] == [7, 2, 1, 1]
    np.testing.assert_array_equal(goats, [[0.0, 1.0], [2.0, 1.5]])
    assert [threshold[0][0, 1], threshold[1][0, 0]] == [1.2, 1.2]
    notes = {note.get_text(): tuple(note.xy) for note in figure.axes[0].texts}
    assert notes == {"billy": (0.0, 1.0), "both": (2.0, 1.5), "akela": (1.0, 6.0)}
    assert "1 without finite scores" in figure.axes[0].get_xlabel()


def test_zoo_names_do_not_overlap():
    rng = np.random.default_rng(0)
    crowd = [speaker(f"{i}-is-a-very-long-name", *rng.normal(size=2), "wolf") for i in range(40)]
    figure = plots.zoo_figure(crowd, 0.0)
    figure.draw_without_rendering()
    boxes = [note.get_window_extent() for note in figure.axes[0].texts]
    assert 3 <= len(boxes) <= 12
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))


def test_breakdown_in_percent_with_intervals():
    parts = (
        Part("f", 10, 200, 5, {"eer": Estimate(0.1, 0.05, 0.3)}),
        Part("m", 10, 200, 5, {"eer": Estimate(0.2)}),
        Part("unknown", 0, 7, 1, {}),
    )
    figure = plots.breakdown_figure(Breakdown("sex", parts))
    interval, first, second = lines(figure)
    np.testing.assert_allclose(interval, [[5, 0], [30, 0]])
    np.testing.assert_allclose([*first, *second], [[10, 0], [20, 1]])
    axes = figure.axes[0]
    assert [t.get_text() for t in axes.texts] == ["too few trials"]
    assert axes.get_yticklabels()[2].get_text() == "unknown\n0 + 7 trials"
    # The first part stands on top.
    assert axes.get_ylim()[0] > axes.get_ylim()[1]


def test_likelihood_begins_at_iteration_one():
    figure = plots.likelihood_figure({"female": [-60.0, -55.0], "male": [-61.0, -54.0, -53.0]})
    first, second = lines(figure)
    np.testing.assert_array_equal(first, [[1, -60], [2, -55]])
    np.testing.assert_array_equal(second[:, 0], [1, 2, 3])
    assert labels(figure) == ["female", "male"]
    assert not plots.likelihood_figure({"ubm": [1.0]}).legends

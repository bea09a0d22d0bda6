"""Pages as text: well-formed, whole, escaped, the same each time; the browser sees the rest."""

from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser

import pytest
from report_cases import (
    FEW,
    HOSTILE,
    LANGUAGES,
    LONG,
    NAMES,
    make_analysis,
    make_comparison,
    make_full_report,
    make_plain_report,
)

from speakergmm.errors import OutputError
from speakergmm.evaluation import EvaluationConfig
from speakergmm.evaluation.report import render_comparison, render_report, write_report
from speakergmm.evaluation.wording import (
    LABELS,
    format_interval,
    format_value,
    meaning,
    probe_sentence,
)

NO_INTERVALS = EvaluationConfig(n_resamples=0)
VOID = {"meta", "link", "br", "img", "hr"}
OPTIONAL = {"The voice or the room", "Under other conditions", "Parts of the trials", "System",
            "Time"}  # fmt: skip


class Page(HTMLParser):
    """Reads a page strictly: every element is closed in its turn."""

    def __init__(self, text):
        super().__init__()
        self.open, self.rows, self.headings, self.said = [], [], [], []
        self.addresses, self.tags, self.anchors = [], set(), []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.addresses += [v for k, v in attrs if k in ("src", "href", "action", "srcset")]
        assert not [k for k, _ in attrs if k.startswith("on")]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        elif tag == "h2":
            self.headings.append("")

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "h2":
            self.headings[-1] += data
        elif self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data
        if not {"style", "svg"}.intersection(self.open):
            self.said.append(data)


@pytest.fixture(scope="module")
def full():
    contents = make_full_report()
    return contents, render_report(contents)


@pytest.fixture(scope="module")
def comparison():
    return render_comparison(make_comparison())


def test_every_number_stands_in_the_page_with_how_to_read_it(full):
    contents, text = full
    rows = Page(text).rows
    for split, analysis in contents.analyses.items():
        evaluation = analysis.evaluation
        assert set(evaluation.metrics) == set(LABELS), split
        for name, estimate in evaluation.metrics.items():
            row = [
                LABELS[name],
                format_value(name, estimate.value),
                format_interval(name, estimate),
                meaning(name, evaluation, contents.cost),
            ]
            assert row in rows
    evaluation = contents.analyses["evaluation"].evaluation
    for point in evaluation.points.values():
        shown = [
            part
            for metric in ("min_dcf", "actual_dcf")
            for part in (
                format_value(metric, point[metric].value),
                format_interval(metric, point[metric]),
            )
        ]
        assert any(row[1:5] == shown for row in rows)
    for name, found in contents.conditions.items():
        rate = found["evaluation"].metrics["eer"]
        row = [name, format_value("eer", rate.value), format_interval("eer", rate)]
        assert any(seen[:3] == row for seen in rows)


def test_the_page_says_what_the_pauses_tell(full):
    contents, text = full
    evaluation = contents.analyses["evaluation"].evaluation
    assert probe_sentence(evaluation, contents.probe) in "".join(Page(text).said)


def test_the_hardest_trials_name_their_recordings(full):
    contents, text = full
    rows = Page(text).rows
    for trial in contents.analyses["evaluation"].hardest:
        for identity in (trial.model_id, trial.test_id):
            cell = f"{identity}: {identity}/{LONG}.flac, a b.wav from 1 s to 2.5 s"
            assert any(cell in row for row in rows)


def test_names_are_text_and_never_markup(full, comparison):
    for text in (full[1], comparison):
        page = Page(text)
        assert HOSTILE not in text
        assert HOSTILE in "".join(page.said)
        assert not {"script", "b", "img", "iframe"}.intersection(page.tags)
    cells = {cell for row in Page(full[1]).rows for cell in row}
    assert set(LANGUAGES) <= cells


@pytest.mark.parametrize("name", NAMES)
def test_any_name_can_be_of_a_system(name):
    analyses = {name: make_analysis()}
    contents = dataclasses.replace(make_plain_report(), analyses=analyses, title=name)
    page = Page(render_report(contents))
    assert f"({name})." in "".join(page.said)


def test_nothing_is_fetched(full, comparison):
    for text in (full[1], comparison):
        page = Page(text)
        assert [a for a in page.addresses if not a.startswith(("#", "data:,"))] == []
        # The name of the format of pictures looks like an address.
        assert set(re.findall(r"https?://[^\s\"<&]+", text)) == {"http://www.w3.org/2000/svg"}
        assert not re.search(r"url\((?!#)|@import", text)


def test_sections_are_there_for_what_there_is(full):
    assert set(Page(full[1]).headings) >= OPTIONAL
    page = Page(render_report(make_plain_report(NO_INTERVALS, calibrated=False)))
    assert not OPTIONAL.intersection(page.headings)
    said = " ".join("".join(page.said).split())
    assert "There are no intervals: speakers are too few, or none were asked for." in said
    assert "Intervals are by bootstrap" not in said
    labels = {row[0] for row in page.rows}
    assert {"EER", "AUC", "minDCF", "minCllr"} <= labels
    assert not {"Cllr", "actual DCF", "calibration loss"}.intersection(labels)
    assert not any("LLR" in row for row in page.rows)


def test_pictures_of_ratios_are_there_where_there_are_ratios():
    with_llr, without = (
        render_report(make_plain_report(calibrated=calibrated)) for calibrated in (True, False)
    )
    for caption in ("Empirical cross-entropy", "were worth, against what they said"):
        assert caption in with_llr
        assert caption not in without


def test_the_same_contents_give_the_same_bytes(full, comparison):
    assert render_report(make_full_report()) == full[1]
    assert render_comparison(make_comparison()) == comparison


def test_one_speaker_and_strangers_are_enough():
    import numpy as np

    from speakergmm.corpora import Scores, Trials
    from speakergmm.evaluation.analysis import analyze

    trials = Trials(
        ("anna",), ("own", "strange"), np.array([0, 0]), np.array([0, 1]), np.array([True, False])
    )
    analysis = analyze(Scores(trials, np.array([1.0, 0.0])), FEW)
    contents = dataclasses.replace(make_plain_report(), analyses={"one": analysis})
    said = "".join(Page(render_report(contents)).said)
    assert "The same-speaker trial scored above every different-speaker trial" in said
    assert "No trial is decided wrongly" in said


def test_infinite_scores_have_a_page():
    analysis = make_analysis()
    scores = analysis.scores
    score = scores.score.copy()
    score[scores.trials.is_target.argmax()] = float("-inf")
    from speakergmm.corpora import Scores
    from speakergmm.evaluation.analysis import analyze

    for llr in (None, score):
        found = analyze(Scores(scores.trials, score, llr), FEW)
        text = render_report(dataclasses.replace(make_plain_report(), analyses={"s": found}))
        shown = {row[0]: row[1] for row in Page(text).rows if len(row) == 4}
        assert shown.get("Cllr") == (None if llr is None else "infinite")


def test_a_comparison_says_each_difference_in_words(comparison):
    contents = make_comparison()
    from speakergmm.evaluation.wording import difference_sentence, format_difference

    rows = Page(comparison).rows
    for pair in contents.comparisons:
        for metric in ("eer", "min_dcf", "actual_dcf", "min_cllr", "cllr"):
            row = [
                f"{pair.second} less {pair.first}",
                LABELS[metric],
                *format_difference(metric, pair.differences[metric]),
                difference_sentence(metric, pair),
            ]
            assert row in rows
    assert len(contents.comparisons) == 3


def test_a_page_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match=r"report\.html"):
        write_report(tmp_path / "file" / "report.html", make_plain_report())
    assert [path.name for path in tmp_path.iterdir()] == ["file"]

"""Explanations as pages, pictures and numbers: whole, honest, and unharmed by names and sizes."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
import time
import tracemalloc
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from explanation_cases import (
    HOP_S,
    SAMPLE_RATE,
    make_explanation,
    make_hostile_explanation,
    make_samples,
    make_times,
)
from matplotlib.image import imread
from report_cases import HOSTILE
from test_report import Page

from speakergmm.errors import ConfigError, OutputError
from speakergmm.evaluation import plots
from speakergmm.evaluation.gallery import explanation_pictures
from speakergmm.evaluation.overview import (
    LOWEST_DB,
    MOST_COLUMNS,
    MOST_ROWS,
    sides,
    spectrogram,
    speech_spans,
    waveform,
)
from speakergmm.evaluation.plots.evidence_plots import AGAINST, CHANGES, FOR
from speakergmm.evaluation.report import render_explanation, write_explanation
from speakergmm.evaluation.wording import (
    decision_sentence,
    explanation_sentences,
    reading_sentences,
    seconds_sentence,
    seconds_span,
    signed,
    told_apart,
)
from speakergmm.names import shortened, visible
from speakergmm.verification.explanation_values import SecondLeftOut

KINDS = ("html", "png", "svg", "json")
HEADINGS = [
    "The recording", "Along the recording", "Stretches for and against", "Without single pieces",
    "Components", "How to read this",
]  # fmt: skip


@pytest.fixture(scope="module")
def plain():
    return make_explanation()


@pytest.fixture(scope="module")
def hostile():
    return make_hostile_explanation()


def with_evidence(value, seconds=4.0, **options):
    """An explanation whose frames all say the same."""
    explanation = make_explanation(seconds, answer=value, **options)
    same = np.full(len(explanation.evidence), value)
    left_out = tuple(dataclasses.replace(s, answer_without=value) for s in explanation.seconds)
    return dataclasses.replace(
        explanation, evidence=same, curve=same, stretches=(), seconds=left_out
    )


def said_by(explanation):
    page = Page(render_explanation(explanation))
    return page, " ".join(page.said)


def panel(figure, color):
    """The filled path of that color in each part of a picture, or None."""
    from matplotlib.colors import to_rgba

    return [
        next((p for p in axes.patches if p.get_facecolor() == to_rgba(color)), None)
        for axes in figure.axes
    ]


# The page.


@pytest.mark.parametrize(
    ("answer", "is_calibrated"), [(4.4, True), (2.3, True), (2.29999, True), (-1.5, False)]
)
def test_the_page_says_the_decision_and_the_number(answer, is_calibrated):
    explanation = make_explanation(2.0, answer=answer, is_calibrated=is_calibrated)
    page, said = said_by(explanation)
    assert page.headings == HEADINGS
    accepted = answer >= 2.3
    assert ("Accepted: the recording was taken for anna" in said) == accepted
    assert ("Rejected: the recording was not taken for anna" in said) == (not accepted)
    assert ["decision", "accepted" if accepted else "rejected"] in page.rows
    shown = str(answer).replace("-", "\N{MINUS SIGN}")
    assert f"{shown} nats" in said if is_calibrated else f"The score {shown} " in said
    assert ("times as likely from" in said) == is_calibrated
    assert ("It is not calibrated" in said) == (not is_calibrated)


def test_all_parts_are_on_the_page(plain):
    plain = dataclasses.replace(plain, warnings=("too quiet",))
    page, said = said_by(plain)
    for fact in plain.facts:
        assert list(fact) in page.rows
    for sentence in ("too quiet", *plain.notes, *reading_sentences(plain)):
        assert sentence in said
    numbers = [row[3] for row in page.rows if row[2:3] in (["for"], ["against"])]
    assert numbers == [signed(stretch.share) for stretch in plain.stretches]
    named = [row[:2] for row in page.rows if row[0].startswith("no. ")]
    assert named == [[f"no. {c.number}", signed(c.share)] for c in plain.components]
    assert signed(plain.others_share) in said


def test_the_page_needs_nothing_else(plain):
    text = render_explanation(plain)
    page = Page(text)
    assert "script" not in page.tags
    assert not re.search(r"@import|url\((?!#)", text)
    fetched = [address for address in page.addresses if not address.startswith(("#", "data:"))]
    assert fetched == []
    assert re.search(r'href="data:image/png;base64,', text)


def test_the_same_explanation_gives_the_same_page(plain):
    assert render_explanation(plain) == render_explanation(plain)


def test_names_are_data(hostile):
    page, said = said_by(hostile)
    assert page.tags.isdisjoint({"script", "b"})
    assert HOSTILE in said
    assert "$x$ \\alpha \\u202e👩\u200d💻" in said
    assert "\\x00\\udc80" in said
    text = render_explanation(hostile)
    assert not re.search(r"[\x00\u202a-\u202e\u2066-\u2069\ud800-\udfff]", text)
    # A name of ten thousand letters is not what the page is about.
    headline = text[text.index("<h1>") : text.index("<nav")]
    assert len(headline) < 800
    assert "…" in headline
    assert len(hostile.speaker_id) > 10_000
    assert "long" * 400 not in text


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_names_can_be_written(tmp_path, hostile, kind):
    write_explanation(tmp_path / f"a.{kind}", hostile)
    assert [path.name for path in tmp_path.iterdir()] == [f"a.{kind}"]
    if kind == "png":
        assert imread(tmp_path / "a.png").shape[1] > 500
    elif kind == "svg":
        shown = "".join(ET.parse(tmp_path / "a.svg").getroot().itertext())
        assert "$y^2$ ünï.wav" in shown
    elif kind == "json":
        assert json.loads((tmp_path / "a.json").read_text())["speaker_id"] == hostile.speaker_id


DEGENERATE = {
    "one frame": lambda: make_explanation(0.03, samples=make_samples(0.03)),
    "one component": lambda: make_explanation(2.0, n_components=1),
    "no components": lambda: make_explanation(2.0, n_components=0),
    "no envelopes": lambda: make_explanation(2.0, envelopes=False),
    "no evidence": lambda: with_evidence(0.0),
    "equal evidence": lambda: with_evidence(4.0),
    "against alone": lambda: with_evidence(-1e-9),
    "huge": lambda: make_explanation(2.0, answer=1e9, threshold=-1e9),
    "silence": lambda: make_explanation(2.0, samples=np.zeros(32_000, np.float32)),
    "no samples": lambda: make_explanation(2.0, samples=np.zeros(0, np.float32)),
    "one sample": lambda: make_explanation(0.03, samples=np.ones(1, np.float32)),
    "no seconds": lambda: dataclasses.replace(make_explanation(2.0), seconds=()),
    "nothing left": lambda: dataclasses.replace(
        make_explanation(2.0), seconds=(SecondLeftOut(0.0, 1.0, np.nan, False, 100),)
    ),
    "44.1 kHz": lambda: make_explanation(2.0, sample_rate=44_100),
    "infinite": lambda: make_explanation(2.0, threshold=np.inf),
}


@pytest.mark.parametrize("kind", DEGENERATE)
def test_odd_explanations_are_written_without_warnings(tmp_path, kind):
    # Warnings are errors here.
    explanation = DEGENERATE[kind]()
    for suffix in ("html", "svg", "json"):
        write_explanation(tmp_path / f"a.{suffix}", explanation)
    page = Page((tmp_path / "a.html").read_text(encoding="utf-8"))
    assert ("Components" in page.headings) == (kind != "no components")
    ET.parse(tmp_path / "a.svg")


def test_no_stretch_against_is_no_fault(plain):
    favorable = tuple(s for s in plain.stretches if s.share > 0)
    page, _ = said_by(dataclasses.replace(plain, stretches=favorable))
    kinds = [row[2] for row in page.rows if row[2:3] in (["for"], ["against"])]
    assert kinds == ["for"] * len(favorable)
    _, said = said_by(dataclasses.replace(plain, stretches=()))
    assert "No stretch of speech stands out" in said


def test_an_hour_stays_small(tmp_path):
    explanation = make_explanation(3600.0, samples=np.tile(make_samples(60.0), 60))
    begun = time.monotonic()
    tracemalloc.start()
    write_explanation(tmp_path / "hour.html", explanation)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    text = (tmp_path / "hour.html").read_text(encoding="utf-8")
    assert len(text) < 1_500_000
    # Half of what the samples take, and time for a loaded machine.
    assert peak < explanation.samples.nbytes / 2
    assert time.monotonic() - begun < 60
    assert "smaller stretches add together" in text


# Files.


@pytest.mark.parametrize("name", ["a.pdf", "a", "a.html.gz", ".html"])
def test_unknown_suffixes_are_refused_with_the_known(tmp_path, plain, name):
    with pytest.raises(ConfigError, match=r"as \.html, \.png, \.svg or \.json"):
        write_explanation(tmp_path / name, plain)
    assert list(tmp_path.iterdir()) == []


def test_suffixes_may_be_capitals(tmp_path, plain):
    write_explanation(tmp_path / "a.JSON", plain)
    assert json.loads((tmp_path / "a.JSON").read_text())["answer"] == 4.4


@pytest.mark.parametrize("kind", KINDS)
def test_what_cannot_be_written_is_said(tmp_path, plain, kind):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="cannot be written"):
        write_explanation(tmp_path / "file" / f"a.{kind}", plain)


def test_json_has_all_but_the_samples_and_no_nan(tmp_path):
    explanation = dataclasses.replace(
        make_explanation(2.0, threshold=np.inf),
        answer=np.float64(1.5),
        seconds=(SecondLeftOut(0.0, 1.0, -np.inf, np.bool_(False), np.int64(3)),),
    )
    explanation.curve[3] = np.nan
    write_explanation(tmp_path / "a.json", explanation)
    found = json.loads((tmp_path / "a.json").read_text(), parse_constant=pytest.fail)
    names = {field.name for field in dataclasses.fields(explanation)}
    assert set(found) == names - {"samples"}
    assert (found["threshold"], found["answer"], found["curve"][3]) == (None, 1.5, None)
    assert found["seconds"][0]["answer_without"] is None
    assert np.mean(found["evidence"]) == pytest.approx(4.4)
    assert found["facts"][1] == ["SNR", "23 dB"]
    component = found["components"][0]
    assert len(component["frequencies_hz"]) == len(component["ubm_envelope_db"]) == 40
    bare = make_explanation(2.0, envelopes=False).to_json()["components"][0]
    assert bare["frequencies_hz"] is None


# What is said.


def test_numbers_are_told_apart():
    assert told_apart(4.4, 2.3) == ("4.4", "2.3")
    assert told_apart(2.3456, 2.3457) == ("2.3456", "2.3457")
    assert told_apart(-0.1, -0.1) == ("\N{MINUS SIGN}0.1",) * 2
    assert told_apart(1.0, np.nextafter(1.0, 2)) == ("1", "1.0000000000000002")
    assert told_apart(np.inf, 1) == ("inf", "1")


def test_times_as_players_show_them():
    assert seconds_span(1, 2.5) == "1.00 to 2.50 s"
    assert seconds_span(59.996, 60.004) == "1:00.00 to 1:00.00"
    assert seconds_span(119.5, 3725.25) == "1:59.50 to 62:05.25"


def left_out(*answers, threshold=2.3):
    return tuple(
        SecondLeftOut(float(i), i + 1.0, answer, answer >= threshold, 90)
        for i, answer in enumerate(answers)
    )


OTHER = ", and the decision would be the other: it hangs on "


@pytest.mark.parametrize(
    ("answer", "without", "said"),
    [
        (4.4, (5.0, 3.1, 4.0), "be 3.1 instead of 4.4; no single piece changes the decision."),
        (2.5, (2.7, 2.2), f"be 2.2 instead of 2.5{OTHER}this piece."),
        (2.1, (2.4, 2.6, 1.0), f"be 2.6 instead of 2.1{OTHER}single pieces, on each of 2."),
    ],
)
def test_what_the_decision_hangs_on(answer, without, said):
    explanation = dataclasses.replace(
        make_explanation(2.0, answer=answer), seconds=left_out(*without)
    )
    assert seconds_sentence(explanation) == f"Without 1.00 to 2.00 s it would {said}"
    assert explanation_sentences(explanation, "anna")[-1] == seconds_sentence(explanation)
    nothing = dataclasses.replace(explanation, seconds=left_out(np.nan))
    assert seconds_sentence(nothing) == "There is too little speech to leave a piece out."


def test_deciding_seconds_come_first_on_the_page():
    explanation = dataclasses.replace(
        make_explanation(2.0, answer=2.5), seconds=left_out(9.0, 2.2, 2.4)
    )
    page, _ = said_by(explanation)
    shown = [row[2] for row in page.rows if row[-1] in ("accepted", "rejected") and len(row) == 5]
    assert shown == ["2.2", "9", "2.4"]


def test_the_sides_of_the_threshold_are_seen():
    explanation = make_explanation(2.0, answer=2.2999)
    assert decision_sentence(explanation, "x").endswith(
        "The log-likelihood ratio 2.2999 nats is below the threshold 2.3 nats."
    )


def test_unseen_characters_are_shown():
    assert visible("a\tb\u202e\u2028\U000e0001\ud800\ufffe") == (
        "a\\x09b\\u202e\\u2028\\U000e0001\\ud800\\ufffe"
    )
    kept = "ünï 語 ب\u200cج 👩\u200d💻 $\\alpha$"
    assert visible(kept) == kept


def test_long_names_lose_their_middle():
    assert shortened("abcdefghij", 5) == "ab…ij"
    assert shortened("abcde", 5) == "abcde"


# What a recording comes down to.


def test_spans_are_rows_of_frames():
    times = np.array([0.1, 0.11, 0.12, 0.3, 0.5, 0.51])
    spans = speech_spans(times, 0.01)
    np.testing.assert_allclose(spans, [[0.095, 0.125], [0.295, 0.305], [0.495, 0.515]])
    assert speech_spans(times[:0], 0.01).shape == (0, 2)


@pytest.mark.parametrize("n", [1, 50, 1200, 7777, 100_000])
def test_waveform_keeps_the_extremes(n):
    samples = np.random.default_rng(n).normal(size=n).astype(np.float32)
    spans = np.array([[0.1, 0.25], [0.5, 0.9]]) * n / 100
    found = waveform(samples, 100, spans)
    assert len(found.low) == min(n, MOST_COLUMNS)
    assert (found.low.min(), found.high.max()) == (samples.min(), samples.max())
    is_speech = np.zeros(n, dtype=bool)
    for start, end in np.rint(spans * 100).astype(int):
        is_speech[start:end] = True
    edges = np.rint(found.edges_s * 100).astype(int)
    for i, (start, end) in enumerate(itertools.pairwise(edges)):
        inside = samples[start:end][is_speech[start:end]]
        expected = (inside.min(), inside.max()) if len(inside) else (np.nan, np.nan)
        np.testing.assert_array_equal([found.speech_low[i], found.speech_high[i]], expected)


@pytest.mark.parametrize("sample_rate", [8000, 16_000, 44_100])
@pytest.mark.parametrize("seconds", [0.5, 30.0])
def test_spectrogram_has_a_tone_where_it_is(sample_rate, seconds):
    place = np.arange(int(seconds * sample_rate)) / sample_rate
    samples = np.sin(2 * np.pi * 1500 * place).astype(np.float32)
    samples[: len(samples) // 2] *= 0.1
    decibels, highest = spectrogram(samples, sample_rate)
    rows, columns = decibels.shape
    assert rows <= MOST_ROWS
    assert columns <= MOST_COLUMNS
    assert highest == pytest.approx(min(8000, sample_rate / 2), rel=0.01)
    loudest = (np.argmax(decibels, axis=0) + 0.5) * highest / rows
    assert abs(loudest - 1500).max() < 2 * highest / rows
    assert decibels.max() == 0
    levels = decibels.max(axis=0)
    assert levels[columns // 4] - levels[3 * columns // 4] == pytest.approx(-20, abs=0.5)


def test_silence_has_no_loudest_place():
    decibels, _ = spectrogram(np.zeros(4000, np.float32), 8000)
    assert (decibels == LOWEST_DB).all()


def test_few_values_are_kept_and_many_keep_their_extremes():
    values = np.random.default_rng(0).normal(size=5000)
    times = make_times(70.0)[:5000]
    kept = sides(times[:900], values[:900], HOP_S)
    np.testing.assert_array_equal(kept[1] + kept[2], values[:900])
    places, above, below, step = sides(times, values, HOP_S)
    assert len(places) <= MOST_COLUMNS
    assert (above.max(), below.min()) == (values.max(), values.min())
    assert step > HOP_S
    # Pauses stay pauses.
    assert len(speech_spans(places, step)) == len(speech_spans(times, HOP_S))


# Pictures.


def test_the_curve_lies_on_its_sides(plain):
    figure = plots.evidence_figure(plain)
    for color, choose in ((FOR, np.maximum), (AGAINST, np.minimum)):
        outline = panel(figure, color)[2].get_path().vertices
        expected = np.stack([plain.times_s, choose(plain.curve, 0)], axis=1)
        assert {tuple(point) for point in expected} <= {tuple(point) for point in outline}
        np.testing.assert_array_equal(choose(outline[:, 1], 0), outline[:, 1])


def test_the_largest_stretches_are_numbered(plain):
    numbers = {text.get_text(): text.get_position()[0] for text in evidence_part(plain).texts}
    assert len(numbers) > 3
    for number, place in numbers.items():
        stretch = plain.stretches[int(number) - 1]
        assert place == pytest.approx((stretch.start_s + stretch.end_s) / 2)


def evidence_part(explanation):
    return plots.evidence_figure(explanation).axes[2]


def test_gaps_stay_empty(plain):
    outline = panel(plots.evidence_figure(plain), FOR)[2].get_path()
    spans = speech_spans(plain.times_s, HOP_S)
    assert len(spans) > 1
    for end, start in zip(spans[:-1, 1], spans[1:, 0], strict=True):
        assert not outline.contains_point(((end + start) / 2, 0.01))


def test_seconds_that_change_the_decision_are_black():
    explanation = dataclasses.replace(
        make_explanation(3.0, answer=2.5), seconds=left_out(2.7, 2.2, 2.45)
    )
    figure = plots.evidence_figure(explanation)
    black = panel(figure, CHANGES)[3].get_path().vertices
    assert (black[:, 0].min(), black[:, 0].max()) == (1, 2)
    assert (black[:, 1].min(), black[:, 1].max()) == pytest.approx((2.2, 2.5))
    thresholds = [line.get_ydata()[0] for line in figure.axes[3].lines]
    assert thresholds == [2.5, 2.3]
    assert panel(plots.evidence_figure(make_explanation(3.0)), CHANGES)[3] is None


def test_a_threshold_far_off_is_said_not_drawn(plain):
    figure = plots.evidence_figure(dataclasses.replace(plain, threshold=-250.0))
    assert [text.get_text() for text in figure.axes[3].texts] == ["↓ threshold \N{MINUS SIGN}250"]
    assert figure.axes[3].get_ylim()[0] > 0


def test_parts_share_their_time(plain):
    figure = plots.evidence_figure(plain)
    assert {axes.get_xlim() for axes in figure.axes} == {(0.0, 6.0)}
    assert figure.axes[3].get_xlabel() == "time (s)"
    assert [axes.get_ylabel() for axes in figure.axes] == [
        "amplitude\n(full: 1)", "frequency\n(kHz)", "evidence\n(nats)", "LLR (nats)",
    ]  # fmt: skip


def test_bars_add_up_to_the_answer(hostile):
    bars = plots.component_figure(hostile).axes[0].patches
    assert len(bars) == 13
    assert sum(bar.get_width() for bar in bars) == pytest.approx(hostile.answer)


def test_envelopes_are_of_the_first(plain):
    figure = plots.component_figure(plain)
    shown = figure.axes[1:]
    assert len(shown) == 6
    for axes, component in zip(shown, plain.components, strict=False):
        speaker, everyone = axes.lines
        np.testing.assert_array_equal(speaker.get_ydata(), component.speaker_envelope_db)
        np.testing.assert_array_equal(everyone.get_ydata(), component.ubm_envelope_db)
        assert axes.get_title("left").startswith(f"no. {component.number}:")


@pytest.mark.parametrize("size", ["plain", "hostile"])
def test_no_text_of_the_whole_picture_is_cut_off(request, size):
    explanation = request.getfixturevalue(size)
    figure = plots.explanation_figure(explanation, f"{'word ' * 30}$x$")
    figure.draw_without_rendering()
    box = figure.bbox
    for axes in figure.axes:
        texts = (*axes.texts, axes.title, axes._left_title, axes.xaxis.label, axes.yaxis.label)
        for text in texts:
            if text.get_text():
                extent = text.get_window_extent()
                assert box.x0 <= extent.x0 <= extent.x1 <= box.x1 + 1, text.get_text()
    assert "$x$" in figure.get_suptitle().replace(r"\$", "$")


def test_pictures_say_how_to_read_them(plain):
    evidence, components = explanation_pictures(plain)
    assert (evidence.name, components.name) == ("evidence", "components")
    assert "smoothed over 0.25 s" in evidence.caption
    assert len(explanation_pictures(make_explanation(2.0, n_components=0))) == 1


def test_the_example_is_realistic(plain):
    assert len(plain.samples) == 6 * SAMPLE_RATE
    assert plain.evidence.mean() == pytest.approx(plain.answer)
    shares = sum(stretch.share for stretch in plain.stretches)
    assert shares == pytest.approx(plain.answer)

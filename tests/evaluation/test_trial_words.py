"""What a trial asks, in words: every place that says it takes the words that it is given."""

from __future__ import annotations

import dataclasses
import re

import pytest
from report_cases import make_analysis, make_full_report

from speakergmm.evaluation import CostModel, Estimate, Evaluation, plots
from speakergmm.evaluation.report import render_report
from speakergmm.evaluation.report.evaluation_page import headline_sentence
from speakergmm.evaluation.summary import METRICS
from speakergmm.evaluation.trial_words import SPEAKERS, TrialWords, class_words
from speakergmm.evaluation.wording import meaning, probe_sentence, rate_sentence, system_sentence
from speakergmm.features import FrontEndConfig

WOMEN = class_words("sex", ("f",), ("m",))
GENUINE = class_words("condition", ("bonafide",), ("spoof",))

OF_SPEAKERS = re.compile(r"same[- ]speaker|different[- ]speaker|stranger|true speaker|MAP adapt")


def evaluation(**values):
    metrics = {name: Estimate(value) for name, value in values.items()}
    return Evaluation(metrics, {}, 58, 1264, 1, 1322, 61)


def said_of(words: TrialWords) -> list[str]:
    """All that the words hold, one after the other."""
    return [
        part
        for value in dataclasses.astuple(words)
        for part in (value if isinstance(value, tuple) else (value,))
    ]


@pytest.mark.parametrize("words", [WOMEN, GENUINE, class_words("sex", ("x",), ("f", "m"))])
def test_nothing_is_said_of_one_speaker_or_another(words):
    assert not [text for text in said_of(words) if OF_SPEAKERS.search(text)]
    found = evaluation(**dict.fromkeys(METRICS, 0.1))
    for name in METRICS:
        said = meaning(name, found, CostModel(), words=words)
        assert said.endswith((".", "(bits)."))
        assert not OF_SPEAKERS.search(said)


def test_the_meaning_of_an_error_rate_names_both_classes():
    found = evaluation(eer=0.0287, auc=0.9943)
    assert meaning("eer", found, CostModel(), words=WOMEN).endswith(
        "about one in 35 tests of female speakers is rejected and about one in 35 of male ones "
        "accepted."
    )
    assert meaning("eer", found, CostModel(), words=GENUINE).endswith(
        "about one in 35 tests of 'bonafide' is rejected and about one in 35 of 'spoof' accepted."
    )
    assert meaning("auc", found, CostModel(), words=WOMEN).startswith(
        "Of a test of a female speaker and one of a male speaker, the former scores higher in 99.43"
    )


@pytest.mark.parametrize(
    ("n_target", "said"),
    [
        (58, "Every one of the 58 tests of female speakers scored above every test of a male spea"),
        (1, "The test of a female speaker scored above every test of a male speaker: too few"),
    ],
)
def test_no_error_is_said_of_the_tests(n_target, said):
    found = dataclasses.replace(evaluation(eer=0.0), n_target=n_target)
    assert meaning("eer", found, CostModel(), words=WOMEN).startswith(said)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            SPEAKERS,
            "58 same-speaker and 1,264 different-speaker trials of 61 speakers (evaluation).",
        ),
        (WOMEN, "58 tests of female and 1,264 of male speakers, 61 speakers in all (evaluation)."),
        (GENUINE, "58 tests of 'bonafide' and 1,264 of 'spoof', 61 speakers in all (evaluation)."),
    ],
)
def test_the_headline_counts_what_was_tested(words, said):
    found = headline_sentence("evaluation", evaluation(eer=0.1), words=words)
    assert found == f"Equal error rate 10.00 % on {said}"


@pytest.mark.parametrize(
    ("words", "p_miss", "said"),
    [
        (
            SPEAKERS,
            0.02,
            (
                "When no more than 10 % of strangers may be accepted, about one in 50 true "
                "speakers is rejected."
            ),
        ),
        (
            WOMEN,
            0.7,
            (
                "When no more than 10 % of tests of male speakers may be accepted, about 7 of 10 "
                "tests of female speakers are rejected."
            ),
        ),
        (SPEAKERS, 0, "No true speaker need be rejected to keep out all but 10 % of strangers."),
        (
            GENUINE,
            0,
            "No test of 'bonafide' need be rejected to keep out all but 10 % of tests of 'spoof'.",
        ),
    ],
)
def test_a_rate_where_the_other_is_fixed(words, p_miss, said):
    assert rate_sentence(0.1, p_miss, words=words) == said


def test_the_probe_speaks_of_the_classes():
    speech = evaluation(eer=0.05, min_cllr=0.2, auc=0.98)
    said = probe_sentence(speech, evaluation(eer=0.2, min_cllr=0.6, auc=0.9), words=WOMEN)
    assert "tell female and male speakers apart by themselves with an EER of 20.00 %" in said
    assert "they carry 0.40 bits about which of the two it is, 50 % as much as" in said
    # Frames that were thrown away may hold weak speech, which is of a class as well.
    assert said.startswith(
        "Part of this result is in the pauses too. The frames that voice activity detection threw "
        "away tell female"
    )
    assert "recording, not the voice" not in said
    assert said.endswith(
        "That may be weak speech among them, or recordings of the two that differ in room, in "
        "microphone or in what was done to them; where these are alike, expect more errors."
    )
    chance = probe_sentence(speech, evaluation(eer=0.5, min_cllr=1.0, auc=0.5), words=GENUINE)
    assert chance.startswith("Nothing of this result was found in the pauses: the frames")
    assert "tell 'bonafide' and 'spoof' apart no better than chance" in chance


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ((("F",), ("m",)), ("female tests", "male tests")),
        ((("f", "F"), ("m",)), ("female tests", "male tests")),
        ((("Female",), ("m", "male")), ("female tests", "male tests")),
        # A word that is not known leaves both as the list has them.
        ((("f",), ("man",)), ("'f' tests", "'man' tests")),
        ((("f", "m"), ("child",)), ("'f'/'m' tests", "'child' tests")),
        ((tuple("abcd"), ("\x1b",)), ("'a'/'b'/'c'/… tests", r"'\x1b' tests")),
        ((("x" * 99,), ("y",)), (f"'{'x' * 11}…{'x' * 12}' tests", "'y' tests")),
    ],
)
def test_sexes_have_names_and_other_values_are_quoted(values, said):
    assert class_words("sex", *values).kinds == said
    assert class_words("condition", ("f",), ("m",)).kinds == ("'f' tests", "'m' tests")


@pytest.mark.parametrize(
    ("front_end", "said"),
    [
        ({}, "30 MFCC, normalized by level"),
        (
            {"mel_scale": "linear", "n_mfcc": 20, "c0": False, "deltas": 2,
             "normalization": "none"},
            "19 LFCC and first and second slopes",
        ),
        (
            {"n_mfcc": 7, "log_energy": True, "deltas": 1, "shifted_deltas": (7, 1, 3, 7),
             "normalization": "sliding_cmn"},
            (
                "7 MFCC, log energy, first slopes and 7-1-3-7 shifted deltas, normalized by "
                "sliding cmn"
            ),
        ),
    ],
)  # fmt: skip
def test_two_mixtures_are_described_with_their_frames(front_end, said):
    settings = {
        "classes": {"column": "sex"},
        "ubm": {"n_components": 128},
        "front_end": dataclasses.asdict(FrontEndConfig(**front_end)),
    }
    assert system_sentence(settings, words=WOMEN) == (
        "Two Gaussian mixture models by EM, one of female speakers and one of male speakers, of "
        f"128 components each, on frames of {said}; score: mean log-likelihood ratio per frame."
    )


def drawn_texts(figure) -> str:
    """All that a figure says."""
    axes = figure.axes[0]
    legends = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    texts = [text.get_text() for text in axes.texts]
    return "\n".join([axes.get_xlabel(), axes.get_ylabel(), *legends, *texts])


@pytest.mark.parametrize(
    ("draw", "said"),
    [
        (
            lambda scores, **words: plots.det_figure({"x": scores}, **words),
            ("false alarms: {tests[1]} accepted (%)", "misses: {tests[0]} rejected (%)"),
        ),
        (plots.histogram_figure, ("target ({is[0]}): ", "nontarget ({is[1]}): ")),
        (plots.tippett_figure, ("target ({is[0]}): misleading", "nontarget ({is[1]}): misl")),
        (plots.reliability_figure, ("above: {is[0]}\nlikelier", "below: {is[0]}\nless likely")),
    ],
)
@pytest.mark.parametrize("words", [SPEAKERS, WOMEN, GENUINE])
def test_pictures_say_what_was_tested(draw, said, words):
    found = drawn_texts(draw(make_analysis().scores, words=words))
    for text in said:
        assert text.format(tests=words.many, **{"is": words.hypotheses}) in found
    if words is not SPEAKERS:
        assert not OF_SPEAKERS.search(found)


def test_any_value_can_be_drawn():
    words = class_words("condition", ("$x$", "_a", "word " * 20, "d"), ("{", "$"))
    scores = make_analysis().scores
    for figure in (
        plots.det_figure({"x": scores}, words=words),
        plots.histogram_figure(scores, words=words),
        plots.tippett_figure(scores, words=words),
        plots.reliability_figure(scores, words=words),
    ):
        assert r"'\$x\$'" in drawn_texts(figure)
        assert plots.figure_svg(figure, "picture", label="").startswith("<svg")
        assert max(map(len, drawn_texts(figure).splitlines())) < 70


def test_the_page_is_of_the_classes():
    contents = make_full_report()
    settings = {
        "classes": {"column": "sex"},
        "ubm": {"n_components": 8},
        "front_end": dataclasses.asdict(FrontEndConfig()),
    }
    # Where classes are told apart nothing is known of a speaker by themselves.
    analyses = {
        split: dataclasses.replace(analysis, speakers=())
        for split, analysis in contents.analyses.items()
    }
    page = render_report(
        dataclasses.replace(contents, analyses=analyses, settings=settings, words=GENUINE)
    )
    assert not OF_SPEAKERS.findall(page)
    for said in (
        "Is a piece of speech of 'bonafide' rather than of 'spoof'?",
        "one of the speech of each kind; the column condition of the list says",
        "test of 'bonafide' rejected",
        "Tests of 'bonafide' that stay low and tests of 'spoof' that reach high are misleading",
        "missing to know which of the two it is, over the prior odds",
        "Likelihood of the background speech of either kind under its own model, by iteration",
        "Two Gaussian mixture models by EM, one of 'bonafide' and one of 'spoof', of 8 components",
        "Intervals are by bootstrap over speakers",
    ):
        assert said.replace("'", "&#x27;") in page or said in page

"""Why a recording was taken for a speaker, or not: as a page, a picture or numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from speakergmm.errors import ConfigError
from speakergmm.evaluation.gallery import explanation_pictures
from speakergmm.evaluation.plots import explanation_figure, save_figure
from speakergmm.evaluation.report.page import figure, page, paragraph, table
from speakergmm.evaluation.wording import (
    decision_sentence,
    explanation_sentences,
    reading_sentences,
    seconds_sentence,
    seconds_span,
    signed,
    told_apart,
)
from speakergmm.files import write_json, write_text
from speakergmm.names import shortened, visible

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from speakergmm.evaluation.gallery import Picture
    from speakergmm.verification.explanation_values import (
        ComponentEvidence,
        Explanation,
        SecondLeftOut,
        Stretch,
    )

EXPLANATION_SUFFIXES = (".html", ".png", ".svg", ".json")
# Letters of a name in a title or a sentence, and in the table of facts.
NAME_LENGTH, FACT_LENGTH = 48, 400
MOST_STRETCHES, MOST_COMPONENTS, MOST_SECONDS = 16, 24, 10


def check_explanation_path(path: Path | str) -> str:
    """Give the suffix of a file that an explanation can be written to, in lower case.

    Raises
    ------
    ConfigError
        When it is none of those known.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in EXPLANATION_SUFFIXES:
        known = f"{', '.join(EXPLANATION_SUFFIXES[:-1])} or {EXPLANATION_SUFFIXES[-1]}"
        has = f"ends in {suffix!r}" if suffix else "has no suffix"
        raise ConfigError(
            f"{path}: the file name {has}; an explanation is written as {known}: give the file "
            "a name that ends so"
        )
    return suffix


def write_explanation(path: Path | str, explanation: Explanation) -> None:
    """Write a page (.html), a picture (.png, .svg) or all numbers (.json), atomically.

    Raises
    ------
    ConfigError
        When the suffix is none of these.
    OutputError
        When the file cannot be written.
    """
    suffix = check_explanation_path(path)
    if suffix == ".json":
        write_json(path, explanation.to_json())
    elif suffix == ".html":
        write_text(path, render_explanation(explanation))
    else:
        shown = _visible(explanation)
        title = f"{shortened(shown.recording, NAME_LENGTH)}. {_decision(shown)}"
        save_figure(explanation_figure(shown, title), path)


def render_explanation(explanation: Explanation) -> str:
    """Make the page: HTML with style and pictures inside, no script, nothing to fetch."""
    shown = _visible(explanation)
    pictures = {picture.name: picture for picture in explanation_pictures(shown)}
    recording, speaker = (
        shortened(name, NAME_LENGTH) for name in (shown.recording, shown.speaker_id)
    )
    is_not = "" if shown.accepted else " not"
    return page(
        f"Why {recording} was{is_not} taken for {speaker}",
        explanation_sentences(shown, speaker),
        [
            ("The recording", _warnings(shown) + _facts(shown) + _notes(shown)),
            ("Along the recording", _figure(pictures, "evidence", "broad")),
            ("Stretches for and against", _stretches(shown.stretches)),
            ("Without single pieces", _seconds(shown)),
            ("Components", _figure(pictures, "components") + _components(shown)),
            ("How to read this", "".join(paragraph(said) for said in reading_sentences(shown))),
        ],
    )


def _visible(explanation: Explanation) -> Explanation:
    """Show names and notes of any origin with what is not seen in them."""
    return replace(
        explanation,
        speaker_id=visible(explanation.speaker_id),
        recording=visible(explanation.recording),
        warnings=tuple(map(visible, explanation.warnings)),
        notes=tuple(map(visible, explanation.notes)),
        facts=tuple((visible(name), visible(value)) for name, value in explanation.facts),
    )


def _decision(explanation: Explanation) -> str:
    return decision_sentence(explanation, shortened(explanation.speaker_id, NAME_LENGTH))


def _figure(pictures: Mapping[str, Picture], name: str, kind: str = "") -> str:
    if name not in pictures:
        return ""
    return figure(pictures[name].svg, pictures[name].caption, kind)


def _warnings(explanation: Explanation) -> str:
    return "".join(paragraph(warning, "notice") for warning in explanation.warnings)


def _notes(explanation: Explanation) -> str:
    return "".join(paragraph(note, "quiet") for note in explanation.notes)


def _facts(explanation: Explanation) -> str:
    answer, threshold = told_apart(explanation.answer, explanation.threshold)
    unit = " nats" if explanation.is_calibrated else ""
    name = "log-likelihood ratio" if explanation.is_calibrated else "score"
    rows = [
        ("claimed speaker", shortened(explanation.speaker_id, FACT_LENGTH)),
        ("recording", shortened(explanation.recording, FACT_LENGTH)),
        ("decision", "accepted" if explanation.accepted else "rejected"),
        (name, answer + unit),
        ("threshold", threshold + unit),
        *explanation.facts,
    ]
    return table(("", "value"), rows, names=[1])


def _stretches(stretches: Sequence[Stretch]) -> str:
    if not stretches:
        return paragraph("No stretch of speech stands out for or against the speaker.")
    rows = [
        (
            place,
            seconds_span(stretch.start_s, stretch.end_s),
            "for" if stretch.share > 0 else "against",
            signed(stretch.share),
        )
        for place, stretch in enumerate(stretches[:MOST_STRETCHES], start=1)
    ]
    header = ("", "when", "speaks", "adds to the answer")
    return table(header, rows, "The largest first") + _rest(
        stretches[MOST_STRETCHES:], "stretches", "stretch"
    )


def _rest(others: Sequence[Stretch | ComponentEvidence], many: str, one: str) -> str:
    if not others:
        return ""
    total = sum(other.share for other in others)
    n = len(others)
    adds = f"{one} adds" if n == 1 else f"{many} add together"
    return paragraph(f"{n:,} smaller {adds} {signed(total)}.", "quiet")


def _seconds(explanation: Explanation) -> str:
    said = paragraph(seconds_sentence(explanation))
    seconds = _deciding_first(explanation)
    if not seconds:
        return said
    rows = [
        (
            seconds_span(second.start_s, second.end_s),
            second.n_frames,
            told_apart(second.answer_without, explanation.answer)[0],
            signed(second.answer_without - explanation.answer),
            "accepted" if second.accepted_without else "rejected",
        )
        for second in seconds[:MOST_SECONDS]
    ]
    header = ("without", "frames in it", "answer", "change", "decision")
    return said + table(header, rows, "What matters most first")


def _deciding_first(explanation: Explanation) -> list[SecondLeftOut]:
    answer = explanation.answer
    return sorted(
        explanation.seconds,
        key=lambda second: (
            second.accepted_without == explanation.accepted,
            -abs(second.answer_without - answer),
        ),
    )


def _components(explanation: Explanation) -> str:
    components = explanation.components
    if not components:
        return ""
    rows = [
        (
            f"no. {component.number}",
            signed(component.share),
            f"{100 * component.occupancy:.2g} %",
            f"{100 * component.weight:.2g} %",
            f"{component.adapted_by:,.0f}",
        )
        for component in components[:MOST_COMPONENTS]
    ]
    header = ("component", "adds to the answer", "of these frames", "of all speech", "enrolled on")
    others = paragraph(
        f"All components that are not listed add {signed(explanation.others_share)} together. "
        "The last column is how many frames of enrollment speech the component saw.",
        "quiet",
    )
    return table(header, rows) + _rest(components[MOST_COMPONENTS:], "ones", "one") + others

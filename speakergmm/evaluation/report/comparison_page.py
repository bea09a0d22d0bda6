"""The page of a comparison: several systems on the same trials."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from speakergmm.evaluation.gallery import det_picture
from speakergmm.evaluation.report.page import (
    details,
    figure,
    figures,
    page,
    paragraph,
    preformatted,
    table,
)
from speakergmm.evaluation.trial_words import SPEAKERS, TrialWords
from speakergmm.evaluation.wording import (
    LABELS,
    difference_sentence,
    format_difference,
    format_interval,
    format_value,
)
from speakergmm.files import write_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from speakergmm.evaluation.analysis import Analysis
    from speakergmm.evaluation.comparison import Comparison

# Shown of each system, and compared in sentences.
SHOWN = ("eer", "min_dcf", "actual_dcf", "min_cllr", "cllr")


@dataclass(frozen=True)
class ComparisonContents:
    """What goes into the page: systems by name, every pair of them, and how it came about.

    ``words`` say what a trial asks.
    """

    analyses: Mapping[str, Analysis]
    comparisons: Sequence[Comparison]
    provenance: Mapping[str, Any]
    words: TrialWords = SPEAKERS


def render_comparison(contents: ComparisonContents) -> str:
    """Make the page: HTML with style and pictures inside, no script, nothing to fetch."""
    first = next(iter(contents.analyses.values())).evaluation
    words = contents.words
    det = det_picture(contents.analyses, words=words)
    same = (
        f"{len(contents.analyses)} systems on the same "
        f"{words.counts(first.n_target, first.n_nontarget)}"
        f"{words.among.format(first.n_speakers)}."
    )
    headline = [
        same,
        *(difference_sentence("eer", comparison) for comparison in contents.comparisons[:3]),
    ]
    return page(
        " and ".join(contents.analyses) if len(contents.analyses) < 4 else "Comparison of systems",
        headline,
        [
            ("Systems", _systems(contents.analyses)),
            ("Differences", _differences(contents.comparisons)),
            ("Errors against each other", figures([figure(det.svg, det.caption)])),
            (
                "Provenance",
                details(
                    "Files, versions and seed",
                    preformatted(json.dumps(contents.provenance, indent=2, ensure_ascii=False)),
                ),
            ),
        ],
    )


def _systems(analyses: Mapping[str, Analysis]) -> str:
    metrics = [m for m in SHOWN if any(m in a.evaluation.metrics for a in analyses.values())]
    header = ["system"]
    for metric in metrics:
        header += [LABELS[metric], "95 % interval"]
    rows = []
    for name, analysis in analyses.items():
        row = [name]
        for metric in metrics:
            estimate = analysis.evaluation.metrics.get(metric)
            row.append(format_value(metric, estimate.value if estimate else None))
            row.append(format_interval(metric, estimate) if estimate else "")
        rows.append(row)
    return table(header, rows, names=[0])


def _differences(comparisons: Sequence[Comparison]) -> str:
    rows = [
        (
            f"{comparison.second} less {comparison.first}",
            LABELS[metric],
            *format_difference(metric, comparison.differences[metric]),
            difference_sentence(metric, comparison),
        )
        for comparison in comparisons
        for metric in SHOWN
        if metric in comparison.differences
    ]
    header = ("", "", "difference", "95 % interval", "p", "in words")
    return table(header, rows, names=[0], long=[5]) + paragraph(
        "Paired bootstrap over speakers: in each resample all systems meet the same speakers, so "
        "what is hard for all of them cancels out, and a difference may be certain though the "
        "intervals of two systems overlap. p is how often the choice of speakers alone would bring "
        "about so large a difference, over all pairs of systems together (Holm)."
    )


def write_comparison(path: Path | str, contents: ComparisonContents) -> None:
    """Write the page, atomically.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    write_text(path, render_comparison(contents))

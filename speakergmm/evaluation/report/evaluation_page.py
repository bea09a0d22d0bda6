"""The report: one HTML page that holds all of an evaluation and needs nothing else to be read."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from speakergmm.evaluation.cost import COST_POINTS
from speakergmm.evaluation.gallery import Picture, pictures_of
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
    calibration_sentence,
    format_interval,
    format_value,
    meaning,
    probe_sentence,
    rate_sentence,
    system_sentence,
)
from speakergmm.files import write_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from speakergmm.evaluation.analysis import Analysis
    from speakergmm.evaluation.breakdown import Breakdown
    from speakergmm.evaluation.cost import CostModel
    from speakergmm.evaluation.speakers import SpeakerErrors
    from speakergmm.evaluation.summary import Evaluation

# What tells conditions and parts apart: how well speakers are told apart, what ratios are worth.
SHORT_METRICS = ("eer", "min_dcf", "min_cllr", "cllr")

SHORT_HEADER = ("EER", "95 % interval", *(LABELS[metric] for metric in SHORT_METRICS[1:]))

SCORE_PICTURES = ("histogram", "tippett", "reliability", "entropy", "cost")

COST_NAMES = {
    "sre08": "NIST SRE 2008",
    "sre10": "NIST SRE 2010",
    "sre16": "NIST SRE 2016",
    "voxceleb": "VoxCeleb1",
    "voxsrc": "VoxSRC",
}


@dataclass(frozen=True)
class ReportContents:
    """What goes into a report.

    ``analyses`` has one for each split, the last of which is the result. ``data`` has a row
    (column → value) per split, ``settings`` a table per part of the system, ``calibration`` what
    was fitted and on what, or why nothing could be. ``conditions`` has the evaluations under each
    condition, the experiment's own first; empty where there is but one. ``probe`` is the evaluation
    of the frames without speech, ``likelihoods`` the training of each background model. ``words``
    say what a trial asks, ``notes`` what is to be known of the data.
    """

    title: str
    analyses: Mapping[str, Analysis]
    cost: CostModel
    data: Sequence[Mapping[str, Any]]
    provenance: Mapping[str, Any]
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    calibration: Mapping[str, Any] = field(default_factory=dict)
    conditions: Mapping[str, Mapping[str, Evaluation]] = field(default_factory=dict)
    probe: Evaluation | None = None
    likelihoods: Mapping[str, Sequence[float]] = field(default_factory=dict)
    words: TrialWords = SPEAKERS
    notes: Sequence[str] = ()


def render_report(contents: ReportContents) -> str:
    """Make the page: HTML with style and pictures inside, no script, nothing to fetch."""
    split, last = list(contents.analyses.items())[-1]
    result, words = last.evaluation, contents.words
    drawn = pictures_of(contents.analyses, contents.likelihoods, words=words)
    pictures = {picture.name: picture for picture in drawn}
    headline = (
        headline_sentence(split, result, words=words),
        meaning("eer", result, contents.cost, words=words),
    )
    question = words.question + (f" {words.apart}" if contents.settings else "")
    parts = [_breakdown(part, pictures, words) for part in last.breakdowns]
    return page(
        contents.title,
        headline,
        [
            ("Question", paragraph(question)),
            ("Numbers", _numbers(contents)),
            ("Errors against each other", _shown(pictures, "det")),
            ("Scores and ratios", _shown(pictures, *SCORE_PICTURES)),
            (words.probe, _probe(result, contents.probe, words)),
            ("Under other conditions", _conditions(split, contents.conditions)),
            ("Parts of the trials", "".join(parts)),
            ("Speakers", _speakers(last.speakers, pictures)),
            ("The most wrong trials", _hardest(last, words)),
            ("Data", _data(contents.data, contents.notes)),
            ("System", _system(contents, pictures)),
            ("Time", _time(contents.seconds)),
            ("Provenance", _provenance(contents.provenance)),
        ],
    )


def write_report(path: Path | str, contents: ReportContents) -> None:
    """Write the page, atomically.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    write_text(path, render_report(contents))


def headline_sentence(split: str, result: Evaluation, *, words: TrialWords = SPEAKERS) -> str:
    """Say the equal error rate and what it was measured on."""
    rate = result.metrics["eer"]
    interval = format_interval("eer", rate)
    shown = f" (95 % interval {interval})" if interval else ""
    return (
        f"Equal error rate {format_value('eer', rate.value)}{shown} on "
        f"{words.counts(result.n_target, result.n_nontarget)}"
        f"{words.among.format(result.n_speakers)} ({split})."
    )


def _shown(pictures: Mapping[str, Picture], *names: str) -> str:
    return figures(
        figure(pictures[name].svg, pictures[name].caption) for name in names if name in pictures
    )


def _numbers(contents: ReportContents) -> str:
    tables = [
        _number_table(name, analysis.evaluation, contents.cost, contents.words)
        for name, analysis in reversed(list(contents.analyses.items()))
    ]
    last = list(contents.analyses.values())[-1].evaluation
    intervals = (
        "Intervals are by bootstrap over speakers, since trials that share a speaker are not "
        "independent: they say what other speakers like these would have given."
        if last.metrics["eer"].low is not None
        else "There are no intervals: speakers are too few, or none were asked for."
    )
    calibration = calibration_sentence(contents.calibration) if contents.calibration else ""
    return (
        "".join(tables)
        + paragraph(f"{intervals} {calibration}")
        + _points_table(last)
        + _rates_table(last, contents.words)
    )


def _number_table(split: str, evaluation: Evaluation, cost: CostModel, words: TrialWords) -> str:
    rows = [
        (
            label,
            format_value(name, evaluation.metrics[name].value),
            format_interval(name, evaluation.metrics[name]),
            meaning(name, evaluation, cost, words=words),
        )
        for name, label in LABELS.items()
        if name in evaluation.metrics
    ]
    header = ("", "value", "95 % interval", "how to read it")
    return table(header, rows, split, long=[3], kind="read")


def _points_table(evaluation: Evaluation) -> str:
    """Show the detection costs of well-known evaluations."""
    if not evaluation.points:
        return ""
    rows = []
    for name, found in evaluation.points.items():
        costs = COST_POINTS[name]
        priors = " and ".join(f"{100 * cost.p_target:g}" for cost in costs)
        weight = "" if costs[0].c_miss == 1 else f", a miss costs {costs[0].c_miss:g} false alarms"
        row = [COST_NAMES[name]]
        for metric in ("min_dcf", "actual_dcf"):
            estimate = found.get(metric)
            row += [
                format_value(metric, estimate.value if estimate else None),
                format_interval(metric, estimate) if estimate else "",
            ]
        rows.append((*row, f"{priors} % of trials are targets{weight}"))
    header = ("operating point", "minDCF", "95 % interval", "actual DCF", "95 % interval", "when")
    return table(header, rows, "Detection cost at well-known operating points", long=[5])


def _rates_table(evaluation: Evaluation, words: TrialWords) -> str:
    """Show one error rate where the other is fixed."""
    rows = [
        (
            f"{100 * float(rate):g} %",
            format_value("eer", value),
            rate_sentence(float(rate), value, words=words),
        )
        for rate, value in evaluation.p_miss_at.items()
        if float(rate) * evaluation.n_nontarget >= 1
    ]
    if not rows:
        return ""
    header = ("false alarms at most", "misses", "how to read it")
    return table(header, rows, "Misses at a fixed rate of false alarms", long=[2], kind="read")


def _probe(result: Evaluation, probe: Evaluation | None, words: TrialWords) -> str:
    if probe is None:
        return ""
    rows = []
    for name, evaluation in (("speech", result), ("pauses alone", probe)):
        row = [name]
        for metric in ("eer", "min_cllr"):
            estimate = evaluation.metrics[metric]
            row += [format_value(metric, estimate.value), format_interval(metric, estimate)]
        rows.append(row)
    header = ("frames", "EER", "95 % interval", "minCllr", "95 % interval")
    return paragraph(probe_sentence(result, probe, words=words), "notice") + table(header, rows)


def _conditions(split: str, conditions: Mapping[str, Mapping[str, Evaluation]]) -> str:
    if not conditions:
        return ""
    rows = [(name, *_short(evaluations[split].metrics)) for name, evaluations in conditions.items()]
    return table(("condition", *SHORT_HEADER), rows, split) + paragraph(
        "The same trials, with speech made worse on purpose: of the tests, but of all speech under "
        "multisession, or where the condition says so. Where models are those of the first line, "
        "so is their calibration: a Cllr far above minCllr says that the ratios mislead there."
    )


def _short(metrics: Mapping[str, Any]) -> list[str]:
    row = []
    for metric in SHORT_METRICS:
        estimate = metrics.get(metric)
        row.append(format_value(metric, estimate.value if estimate else None))
        if metric == "eer":
            row.append(format_interval(metric, estimate) if estimate else "")
    return row


def _breakdown(breakdown: Breakdown, pictures: Mapping[str, Picture], words: TrialWords) -> str:
    rows = [
        (part.name, part.n_target, part.n_nontarget, part.n_speakers or "", *_short(part.metrics))
        for part in breakdown.parts
    ]
    header = (breakdown.column, *words.kinds, "speakers", *SHORT_HEADER)
    shown = [
        figure(picture.svg, picture.caption)
        for picture in pictures.values()
        if picture.column == breakdown.column
    ]
    return table(header, rows, f"by {breakdown.column}", names=[0]) + figures(shown)


def _speakers(speakers: Sequence[SpeakerErrors], pictures: Mapping[str, Picture]) -> str:
    if not speakers:
        return ""
    rows = [
        (
            speaker.name,
            ", ".join(speaker.animals),
            f"{speaker.n_missed:,} of {speaker.n_target:,}",
            f"{speaker.n_accepted_as_model:,} of {speaker.n_as_model:,}",
            f"{speaker.n_accepted_as_test:,} of {speaker.n_as_test:,}",
        )
        for speaker in speakers
        if speaker.animals != ("sheep",)
    ]
    n = len(speakers)
    if not rows:
        said = (
            f"None of the {n:,} speakers stands out: at the threshold of equal errors nobody is "
            "rejected, imitated or taken for others more often than chance explains."
        )
        return paragraph(said) + _shown(pictures, "speakers")
    header = ("speaker", "", "rejected", "strangers accepted as", "accepted as others")
    said = (
        f"{len(rows):,} of {n:,} speakers stand out at the threshold of equal errors: goats are "
        "rejected, lambs imitated, wolves taken for others more often than the errors of all "
        "speakers together explain (binomial, 5 % over all speakers). With one recording of "
        "someone, it may be the recording."
    )
    return paragraph(said) + table(header, rows, names=[0]) + _shown(pictures, "speakers")


def _hardest(analysis: Analysis, words: TrialWords) -> str:
    trials = analysis.hardest
    if not trials:
        return paragraph("No trial is decided wrongly at the threshold of equal errors.")
    has_llr = trials[0].llr is not None
    has_files = any(trial.model_files or trial.test_files for trial in trials)
    header = ["", "model", "test", "score", *(["LLR"] if has_llr else [])]
    rows = []
    for trial in trials:
        row: list[object] = [
            f"{words.one[0]} rejected" if trial.is_target else f"{words.one[1]} accepted",
            _with_files(trial.model_id, trial.model_files),
            _with_files(trial.test_id, trial.test_files),
            f"{trial.score:.3f}",
        ]
        if has_llr:
            row.append(f"{trial.llr:.2f}")
        rows.append(row)
    said = (
        "Furthest on the wrong side of the threshold of equal errors. Listen to these first: wrong "
        "labels, empty recordings and mixed-up files end up here"
        + ("." if has_files else "; the trial list does not say which recordings they are.")
    )
    return paragraph(said) + table(header, rows, names=[1, 2])


def _with_files(identity: str, files: Sequence[str]) -> str:
    return f"{identity}: {', '.join(files)}" if files else identity


def _data(data: Sequence[Mapping[str, Any]], notes: Sequence[str]) -> str:
    columns = list(dict.fromkeys(column for row in data for column in row))
    rows = [[row.get(column, "") for column in columns] for row in data]
    return table(columns, rows) + "".join(paragraph(f"Note: {note}.") for note in notes)


def _system(contents: ReportContents, pictures: Mapping[str, Picture]) -> str:
    if not contents.settings:
        return ""
    settings = "".join(
        table(("setting", "value"), [(k, json.dumps(v)) for k, v in part.items()], caption=name)
        for name, part in contents.settings.items()
    )
    return (
        paragraph(system_sentence(contents.settings, words=contents.words))
        + _shown(pictures, "training")
        + details("All settings", settings)
    )


def _time(seconds: Mapping[str, float]) -> str:
    if not seconds:
        return ""
    rows = [(stage, f"{value:.1f} s") for stage, value in seconds.items()]
    total = math.fsum(seconds.values())
    return table(("stage", "time"), [*rows, ("all", f"{total:.1f} s")]) + paragraph(
        "Each stage when it last ran; those that were current are not run again.", "quiet"
    )


def _provenance(provenance: Mapping[str, Any]) -> str:
    command = provenance.get("command", "")
    again = paragraph("To have it again:") + preformatted(command) if command else ""
    return again + details(
        "Versions, seeds and digests",
        preformatted(json.dumps(provenance, indent=2, ensure_ascii=False)),
    )

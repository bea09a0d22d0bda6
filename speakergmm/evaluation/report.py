"""The report: one HTML page that holds all of an evaluation and needs nothing else to be read."""

from __future__ import annotations

import html
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from speakergmm.evaluation.wording import (
    LABELS,
    calibration_sentence,
    format_interval,
    format_value,
    meaning,
    system_sentence,
)
from speakergmm.files import write_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from speakergmm.evaluation.cost import CostModel
    from speakergmm.evaluation.summary import Evaluation

STYLE = """
:root { color-scheme: light dark; --line: #8886; --soft: #8881; --ink: #1a1a1a; --paper: #fff; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e8e8; --paper: #16181c; } }
body { margin: 0 auto; max-width: 56rem; padding: 1.5rem 1rem 4rem; color: var(--ink);
  background: var(--paper); font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.2; } h2 { margin-top: 2.2rem; font-size: 1.2rem; }
.headline { font-size: 1.15rem; border-left: .3rem solid #0072b2; padding: .2rem 0 .2rem 1rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .8rem .35rem 0; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top; } td.number, .numbers td:not(:last-child) { white-space: nowrap; }
.numbers td:last-child { min-width: 16rem; }
caption { text-align: left;
  font-weight: 600; padding: .8rem 0 .2rem; }
figure { margin: 1rem 0; background: #fff; border-radius: .4rem; padding: .5rem; max-width: 34rem; }
figure svg { width: 100%; height: auto; display: block; }
figcaption { color: #333; font-size: .9rem; }
pre { background: var(--soft); padding: .8rem; border-radius: .4rem; white-space: pre-wrap;
  overflow-wrap: anywhere; }
@media print { body { max-width: none; } h2 { break-after: avoid; }
  figure, tr { break-inside: avoid; } }
"""


@dataclass(frozen=True)
class ReportContents:
    """What goes into a report.

    ``data`` has a row (column → value) per split, ``settings`` a table per part of the system,
    ``calibration`` what was fitted and on what, or why nothing could be. ``conditions`` has the
    evaluations under each condition, the experiment's own first; empty where there is but one.
    """

    title: str
    evaluations: Mapping[str, Evaluation]
    cost: CostModel
    data: Sequence[Mapping[str, Any]]
    settings: Mapping[str, Mapping[str, Any]]
    seconds: Mapping[str, float]
    calibration: Mapping[str, Any]
    provenance: Mapping[str, Any]
    det_svg: str
    conditions: Mapping[str, Mapping[str, Evaluation]] = field(default_factory=dict)


def _text(value: object) -> str:
    return html.escape("" if value is None else str(value))


def _table(
    header: Sequence[str], rows: Iterable[Sequence[object]], caption: str = "", kind: str = ""
) -> str:
    head = "".join(f'<th scope="col">{_text(cell)}</th>' for cell in header)
    body = "".join(
        "<tr>" + "".join(f"<td{_kind(cell)}>{_text(_shown(cell))}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    title = f"<caption>{_text(caption)}</caption>" if caption else ""
    return (
        f'<div class="wide"><table class="{kind}">{title}<thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _kind(cell: object) -> str:
    return ' class="number"' if isinstance(cell, (int, float)) else ""


def _shown(cell: object) -> str:
    return f"{cell:,}" if isinstance(cell, (int, float)) else str(cell)


def _numbers(split: str, evaluation: Evaluation, cost: CostModel) -> str:
    rows = [
        (
            label,
            format_value(name, evaluation.metrics[name].value),
            format_interval(name, evaluation.metrics[name]),
            meaning(name, evaluation, cost),
        )
        for name, label in LABELS.items()
        if name in evaluation.metrics
    ]
    return _table(("", "value", "95 % interval", "how to read it"), rows, split, "numbers")


# What tells conditions apart: how well speakers are told apart, and what the ratios are worth.
CONDITION_METRICS = ("eer", "min_dcf", "min_cllr", "cllr")


def _conditions(contents: ReportContents) -> str:
    """Make the section on conditions, where there are several."""
    if not contents.conditions:
        return ""
    split = list(contents.evaluations)[-1]
    rows = []
    for name, evaluations in contents.conditions.items():
        row = [name]
        for metric in CONDITION_METRICS:
            estimate = evaluations[split].metrics.get(metric)
            row.append(format_value(metric, estimate.value if estimate else None))
            if metric == "eer" and estimate:
                row.append(format_interval(metric, estimate))
        rows.append(row)
    eer, *others = (LABELS[metric] for metric in CONDITION_METRICS)
    table = _table(("condition", eer, "95 % interval", *others), rows, split)
    return f"""<h2>Under other conditions</h2>
{table}
<p>The same trials, with speech made worse on purpose: of the tests, but of all speech under
multisession, or where the condition says so. Where models are those of the first line, so is their
calibration: a Cllr far above minCllr says that the ratios mislead there.</p>
"""


def render_report(contents: ReportContents) -> str:
    """Make the page: HTML with style and pictures inside, no script, nothing to fetch."""
    split, result = list(contents.evaluations.items())[-1]
    rate = result.metrics["eer"]
    interval = format_interval("eer", rate)
    headline = (
        f"Equal error rate {format_value('eer', rate.value)}"
        + (f" (95 % interval {interval})" if interval else "")
        + f" on {result.n_target:,} same-speaker and {result.n_nontarget:,} different-speaker "
        f"trials of {result.n_speakers:,} speakers ({split})."
    )
    columns = list(dict.fromkeys(column for row in contents.data for column in row))
    data = _table(columns, [[row.get(column, "") for column in columns] for row in contents.data])
    numbers = "".join(
        _numbers(name, evaluation, contents.cost)
        for name, evaluation in reversed(list(contents.evaluations.items()))
    )
    settings = "".join(
        _table(("setting", "value"), [(k, json.dumps(v)) for k, v in table.items()], caption=name)
        for name, table in contents.settings.items()
    )
    seconds = _table(("stage", "seconds"), list(contents.seconds.items()))
    svg = contents.det_svg[contents.det_svg.index("<svg") :]
    provenance = _text(json.dumps(contents.provenance, indent=2, ensure_ascii=False))
    title = _text(contents.title)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{STYLE}</style>
</head>
<body>
<h1>{title}</h1>
<p class="headline">{_text(headline)} {_text(meaning("eer", result, contents.cost))}</p>
<h2>Question</h2>
<p>Do two pieces of speech come from the same speaker? Each trial compares a model, made from a
speaker's enrollment, with a test. The background model and all choices come from speakers who are
not in the evaluation.</p>
<h2>Numbers</h2>
{numbers}
<p>Intervals are percentiles of a bootstrap over speakers, since trials that share a speaker are not
independent. {_text(calibration_sentence(contents.calibration))}</p>
{_conditions(contents)}<h2>Errors against each other</h2>
<figure>{svg}<figcaption>Detection error trade-off. Thick: convex hull; thin: the thresholds
themselves; dot: equal error rate. Lower left is better.</figcaption></figure>
<h2>Data</h2>
{data}
<h2>System</h2>
<p>{_text(system_sentence(contents.settings))}</p>
{settings}
<h2>Time</h2>
{seconds}
<h2>Provenance</h2>
<pre>{provenance}</pre>
</body>
</html>
"""


def write_report(path: Path | str, contents: ReportContents) -> None:
    """Write the page, atomically.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    write_text(path, render_report(contents))

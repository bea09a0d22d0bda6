"""What the evaluation and the comparison of score files leave in a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from speakergmm.corpora.tables import format_table
from speakergmm.evaluation.gallery import det_picture, pictures_of, save_pictures
from speakergmm.evaluation.report import (
    ComparisonContents,
    ReportContents,
    render_report,
    write_comparison,
)
from speakergmm.evaluation.trial_words import SPEAKERS
from speakergmm.files import file_digest, remove, write_json, write_text
from speakergmm.gmm.model_file import software_versions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from speakergmm.evaluation.analysis import Analysis
    from speakergmm.evaluation.comparison import Comparison
    from speakergmm.evaluation.cost import CostModel
    from speakergmm.evaluation.trial_words import TrialWords

METRICS_FILE = "metrics.json"
BREAKDOWN_FILE = "breakdown.json"
COMPARISON_FILES = ("comparison.json", "comparison.csv")
REPORT_FILE = "report.html"
PLOTS_FOLDER = "plots"


def write_evaluation(
    folder: Path,
    files: Sequence[Path],
    analysis: Analysis,
    cost: CostModel,
    *,
    command: str,
    seed: int,
    plots: bool = False,
    words: TrialWords = SPEAKERS,
) -> None:
    """Write the numbers, the detection error trade-off and the report of a score file.

    Parameters
    ----------
    files : sequence of path
        What the scores were read from.
    command : str
        How to have it again.
    plots : bool
        Whether every picture is also written as a file of its own.
    words : TrialWords
        For what a trial asks.

    Raises
    ------
    OutputError
        When a file cannot be written.
    """
    analyses = {files[0].stem: analysis}
    found = analysis.evaluation
    data = {
        "scores": files[0].name,
        "speakers": found.n_speakers,
        "models": found.n_models,
        "tests": found.n_tests,
        words.trials[0]: found.n_target,
        words.trials[1]: found.n_nontarget,
    }
    contents = ReportContents(
        title=f"Evaluation of {', '.join(file.name for file in files)}",
        analyses=analyses,
        cost=cost,
        data=[data],
        provenance=_provenance({str(file): file for file in files}, command, seed),
        words=words,
    )
    # The page takes longest to make: what is there stays as it is until all can be written.
    page = render_report(contents)
    save_pictures([det_picture(analyses, words=words)], folder)
    if plots:
        save_pictures(pictures_of(analyses, words=words), folder / PLOTS_FOLDER)
    metrics = analysis.to_json()
    breakdown = metrics.pop("breakdown", None)
    write_json(folder / METRICS_FILE, metrics)
    if breakdown is not None:
        write_json(folder / BREAKDOWN_FILE, breakdown)
    else:
        # What an earlier run left is of other numbers.
        remove(folder / BREAKDOWN_FILE)
    write_text(folder / REPORT_FILE, page)


def write_compared(
    folder: Path,
    files: Mapping[str, Path],
    analyses: Mapping[str, Analysis],
    comparisons: Sequence[Comparison],
    *,
    command: str,
    seed: int,
    words: TrialWords = SPEAKERS,
) -> None:
    """Write the numbers of several systems, their differences, and the page about them.

    Parameters
    ----------
    files : mapping
        What the scores of each system were read from.
    words : TrialWords
        For what a trial asks.

    Raises
    ------
    OutputError
        When a file cannot be written.
    """
    save_pictures([det_picture(analyses, words=words)], folder)
    as_json, as_csv = (folder / name for name in COMPARISON_FILES)
    write_json(as_json, comparison_json(analyses, comparisons))
    rows = [
        [c.second, c.first, metric, d.value, d.low, d.high, d.p_value, d.adjusted_p_value]
        for c in comparisons
        for metric, d in c.differences.items()
    ]
    header = [
        "system", "less", "metric", "difference", "low", "high", "p_value", "adjusted_p_value",
    ]  # fmt: skip
    write_text(as_csv, format_table(header, rows))
    contents = ComparisonContents(analyses, comparisons, _provenance(files, command, seed), words)
    write_comparison(folder / REPORT_FILE, contents)


def comparison_json(
    analyses: Mapping[str, Analysis], comparisons: Sequence[Comparison]
) -> dict[str, Any]:
    """Give the metrics of each system and the differences of each pair, for programs."""
    return {
        "systems": {name: analysis.evaluation.to_json() for name, analysis in analyses.items()},
        "comparisons": [comparison.to_json() for comparison in comparisons],
    }


def _provenance(files: Mapping[str, Path], command: str, seed: int) -> dict[str, Any]:
    return {
        "command": command,
        "seed": seed,
        "versions": software_versions(),
        # A pipe has been read to its end, and has none.
        "digests": {name: file_digest(file) for name, file in files.items() if file.is_file()},
    }

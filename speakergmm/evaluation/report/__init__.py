"""Pages that hold all of an evaluation, a comparison or an explanation, and need nothing else."""

from speakergmm.evaluation.report.comparison_page import (
    ComparisonContents,
    render_comparison,
    write_comparison,
)
from speakergmm.evaluation.report.evaluation_page import (
    ReportContents,
    render_report,
    write_report,
)
from speakergmm.evaluation.report.explanation_page import (
    check_explanation_path,
    render_explanation,
    write_explanation,
)

__all__ = [
    "ComparisonContents",
    "ReportContents",
    "check_explanation_path",
    "render_comparison",
    "render_explanation",
    "render_report",
    "write_comparison",
    "write_explanation",
    "write_report",
]

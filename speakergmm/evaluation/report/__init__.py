"""Pages that hold all of an evaluation or a comparison and need nothing else to be read."""

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

__all__ = [
    "ComparisonContents",
    "ReportContents",
    "render_comparison",
    "render_report",
    "write_comparison",
    "write_report",
]

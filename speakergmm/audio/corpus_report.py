"""What was found of the recordings of a corpus, as a table and as JSON: every file in both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from speakergmm.corpora.tables import format_table
from speakergmm.files import write_text

if TYPE_CHECKING:
    from pathlib import Path

    from speakergmm.audio.corpus_check import CheckedRecording, CorpusCheck, Duplicates

COLUMNS = (
    "path", "usable", "problems", "speakers", "utterances", "format", "sample_rate", "channels",
    "duration_s", "peak_dbfs", "dc_offset", "clipped_share", "sha256", "same_as", "about",
)  # fmt: skip


def rows(check: CorpusCheck) -> list[dict[str, Any]]:
    """Give a row for each recording, in the order of the list, by `COLUMNS`.

    ``problems`` are kinds, as in `corpus_check.HEADINGS`; ``same_as`` is the first recording with
    the same samples, ``about`` the lines on the problems. What could not be measured is None.
    """
    groups = {path: group for group in check.duplicates for path in group.paths}
    return [_row(recording, groups.get(recording.path)) for recording in check.recordings]


def _row(recording: CheckedRecording, group: Duplicates | None) -> dict[str, Any]:
    kinds = [finding.kind for finding in recording.findings]
    kinds += [] if group is None else [group.kind]
    levels, is_decoded = recording.levels, bool(recording.digest)
    values = (
        str(recording.path),
        recording.is_usable,
        list(dict.fromkeys(kinds)),
        list(recording.speakers),
        recording.n_utterances,
        recording.coding or None,
        recording.sample_rate if is_decoded else None,
        recording.n_channels if is_decoded else None,
        recording.duration_s if is_decoded else None,
        recording.peak_dbfs,
        None if levels is None else levels.dc_offset,
        None if levels is None else levels.clipped_share,
        recording.digest or None,
        None if group is None or group.paths[0] == recording.path else str(group.paths[0]),
        [finding.text for finding in recording.findings],
    )
    return dict(zip(COLUMNS, values, strict=True))


def write_report(path: Path | str, check: CorpusCheck) -> None:
    """Write the rows as CSV; several values of a cell are parted by semicolons.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    table = ([_cell(row[name]) for name in COLUMNS] for row in rows(check))
    write_text(path, format_table(COLUMNS, table))


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    return "; ".join(map(str, value)) if isinstance(value, list) else value


def to_json(check: CorpusCheck) -> dict[str, Any]:
    """Give the summary, the groups of recordings with the same samples, and every row."""
    shortest, middle, longest = check.durations_s or (None, None, None)
    return {
        "recordings": len(check.recordings),
        "usable": check.n_usable,
        "speakers": check.n_speakers,
        "utterances": check.n_utterances,
        "total_s": check.total_s,
        "shortest_s": shortest,
        "median_s": middle,
        "longest_s": longest,
        "sample_rates": {str(rate): n for rate, n in check.counts("sample_rate").items()},
        "channels": {str(channels): n for channels, n in check.counts("n_channels").items()},
        "formats": check.counts("coding"),
        "problems": {kind: len(lines) for kind, lines in check.problems().items()},
        "duplicates": [
            {
                "kind": group.kind,
                "paths": [str(path) for path in group.paths],
                "speakers": list(group.speakers),
            }
            for group in check.duplicates
        ],
        "files": rows(check),
    }

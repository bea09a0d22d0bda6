"""Speed, accuracy and memory against peers and the machine's limit: one command, one table.

    python benchmarks/run.py [--quick] [--corpus DIR] [--only NAME ...] [--json FILE]

How to read the rows: README.md in this folder.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import os
import platform
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import rows_accuracy
import rows_em
import rows_everyday
import rows_evidence
import rows_intervals
import rows_machine
import rows_memory
import rows_processes
import rows_scores
import rows_scoring
from threadpoolctl import threadpool_info
from work import Size, Work

if TYPE_CHECKING:
    from measure import Line

# Name → the function that measures it and gives its lines of the table.
ROWS = {
    "startup": rows_machine.startup,
    "machine": rows_machine.machine,
    "em": rows_em.em,
    "growth": rows_em.growth,
    "accuracy": rows_accuracy.accuracy,
    "memory": rows_memory.memory,
    "mfcc": rows_machine.mfcc,
    "map": rows_scoring.map_adaptation,
    "scoring": rows_scoring.scoring,
    "topc": rows_scoring.topc,
    "scores": rows_scores.scores,
    "evidence": rows_evidence.evidence,
    "everyday": rows_everyday.everyday,
    "bootstrap": rows_scoring.bootstrap,
    "intervals": rows_intervals.intervals,
    "jobs": rows_machine.jobs,
    "files": rows_machine.files,
    "kills": rows_processes.kills,
    "cluster": rows_processes.cluster,
}

FULL = Size(
    frames=200_000,
    many_frames=100_000,
    exact_frames=50_000,
    growth_frames=32_768,
    store_frames=5_000_000,
    speakers=50,
    enrolled=10_000,
    tests=50,
    trials=10_000_000,
    resamples=1000,
    evaluations=500,
    files=2000,
    kills=20,
    rounds=7,
    peer_rounds=2,
)
QUICK = Size(
    frames=32_768,
    many_frames=8_192,
    exact_frames=8_192,
    growth_frames=16_384,
    store_frames=500_000,
    speakers=10,
    enrolled=1_000,
    tests=10,
    trials=1_000_000,
    resamples=100,
    evaluations=100,
    files=200,
    kills=3,
    rounds=5,
    peer_rounds=3,
)

HEADER = ("row", "measured", "", "against", "", "ratio", "quartiles", "bar", "")
RIGHT_ALIGNED = {2, 4, 5}
PACKAGES = ("speakergmm", "numpy", "scipy", "scikit-learn", "librosa", "numba")
PEERS = ("distributed", "torch", "torchgmm", "bob.learn.em")
RESULTS = Path(__file__).parent / "results"


def parse_arguments() -> argparse.Namespace:
    """Read the command line; ``corpus`` becomes absolute."""
    parser = argparse.ArgumentParser(description="Measure speakergmm; see benchmarks/README.md.")
    parser.add_argument("--quick", action="store_true", help="smaller sizes, fewer rounds")
    parser.add_argument(
        "--corpus",
        type=Path,
        metavar="DIR",
        help="folder with utterances.csv and evaluation/: em, accuracy and jobs then use its "
        "background speech, and topc its evaluation lists",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        choices=ROWS,
        default=list(ROWS),
        metavar="NAME",
        help=f"rows to measure: {', '.join(ROWS)}",
    )
    parser.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help="where to write; default: results/full.json or results/quick.json in this folder",
    )
    arguments = parser.parse_args()
    if arguments.corpus is not None:
        arguments.corpus = arguments.corpus.resolve()
        if not (arguments.corpus / "utterances.csv").is_file():
            parser.error(f"--corpus {arguments.corpus}: no utterances.csv there")
    return arguments


def with_unit(value: float, unit: str) -> str:
    if unit == "s" and value < 1:
        value, unit = value * 1e3, "ms"
    if isinstance(value, int):
        number = f"{value:,}"
    elif 0 < abs(value) < 0.01:
        number = f"{value:.1e}"
    else:
        digits = 2 - math.floor(math.log10(abs(value) or 1))
        number = f"{value:,.{max(0, digits)}f}"
    return f"{number} {unit}".rstrip()


def with_digits(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.3f}"


def cells(row: str, line: Line) -> list[str]:
    quartiles = (
        f"{with_digits(line.low)}-{with_digits(line.high)}"
        if line.low is not None and line.high is not None
        else ""
    )
    bar = "" if line.bar is None else f"{'MISSED' if line.is_missed else 'met'} {line.bar:.2f}"
    return [
        row,
        line.what,
        with_unit(line.value, line.unit),
        line.against,
        with_unit(line.against_value, line.unit),
        "" if line.ratio is None else with_digits(line.ratio),
        quartiles,
        bar,
        line.note,
    ]


def format_table(lines: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if i in RIGHT_ALIGNED else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def installed(names: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def provenance() -> dict[str, object]:
    libraries = [
        {key: library.get(key) for key in ("internal_api", "version", "architecture")}
        for library in threadpool_info()
        if library["user_api"] == "blas"
    ]
    return {
        "python": platform.python_version(),
        "packages": installed(PACKAGES + PEERS),
        "blas": libraries,
        "system": platform.system(),
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
    }


def measure(name: str, work: Work) -> list[tuple[str, Line]]:
    print(f"{name} ...", end=" ", file=sys.stderr, flush=True)
    began = time.perf_counter()
    lines = ROWS[name](work)
    print(f"{time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    return [(name, line) for line in lines]


def report(measured: list[tuple[str, Line]], work: Work, path: Path) -> None:
    """Print the table, and write it with the versions of everything involved."""
    description = work.description
    print(f"em, accuracy and jobs: {description}; everything else: made up\n")
    print(format_table([list(HEADER), *(cells(name, line) for name, line in measured)]))
    result = {
        "size": dataclasses.asdict(work.size),
        "frames": description,
        "lines": [{"row": name, **dataclasses.asdict(line)} for name, line in measured],
        **provenance(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    arguments = parse_arguments()
    kind, size = ("quick", QUICK) if arguments.quick else ("full", FULL)
    measured: list[tuple[str, Line]] = []
    with tempfile.TemporaryDirectory(prefix="speakergmm-benchmarks-") as folder:
        work = Work(size, arguments.corpus, Path(folder))
        try:
            for name in arguments.only:
                measured += measure(name, work)
        finally:
            # Also where a row fails: the others have taken minutes.
            report(measured, work, arguments.json or RESULTS / f"{kind}.json")


if __name__ == "__main__":
    main()

"""Speed and memory against peers and against the machine's limit: one command, one table.

    python benchmarks/run.py [--quick] [--only NAME ...] [--json FILE]

How to read the rows: README.md in this folder.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path

import rows
from threadpoolctl import threadpool_info
from workload import Size

# Name → the function that measures it and gives its lines of the table.
ROWS = {
    "startup": rows.startup,
    "machine": rows.machine,
    "em": rows.em,
    "mfcc": rows.mfcc,
    "scoring": rows.scoring,
    "map": rows.map_adaptation,
    "jobs": rows.jobs,
    "bootstrap": rows.bootstrap,
    "memory": rows.memory,
}

FULL = Size(frames=200_000, speakers=50, tests=50, resamples=1000, rounds=7)
QUICK = Size(frames=32_768, speakers=10, tests=5, resamples=100, rounds=5)

HEADER = ("row", "measured", "", "against", "", "ratio", "quartiles", "")
RIGHT_ALIGNED = {2, 4, 5}
PACKAGES = ("speakergmm", "numpy", "scipy", "scikit-learn", "librosa")
RESULTS = Path(__file__).parent / "results"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure speakergmm; see benchmarks/README.md.")
    parser.add_argument("--quick", action="store_true", help="smaller sizes, fewer rounds")
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
    return parser.parse_args()


def with_unit(value: float, unit: str) -> str:
    if unit == "s" and value < 1:
        value, unit = value * 1e3, "ms"
    digits = max(0, 3 - len(str(int(value))))
    return f"{value:,.{digits}f} {unit}"


def cells(row: str, line: rows.Line) -> list[str]:
    return [
        row,
        line.what,
        with_unit(line.value, line.unit),
        line.against,
        with_unit(line.against_value, line.unit),
        f"{line.ratio:.2f}",
        f"{line.low:.2f}-{line.high:.2f}" if line.low is not None else "",
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


def provenance() -> dict[str, object]:
    libraries = [
        {key: library.get(key) for key in ("internal_api", "version", "architecture")}
        for library in threadpool_info()
        if library["user_api"] == "blas"
    ]
    return {
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "blas": libraries,
        "system": platform.system(),
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
    }


def main() -> None:
    arguments = parse_arguments()
    size = QUICK if arguments.quick else FULL
    measured = []
    for name in arguments.only:
        print(f"{name} ...", file=sys.stderr, flush=True)
        measured += [(name, line) for line in ROWS[name](size)]
    print(format_table([list(HEADER), *(cells(name, line) for name, line in measured)]))

    path = arguments.json or RESULTS / f"{'quick' if arguments.quick else 'full'}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    result = {
        "size": dataclasses.asdict(size),
        "lines": [{"row": name, **dataclasses.asdict(line)} for name, line in measured],
        **provenance(),
    }
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

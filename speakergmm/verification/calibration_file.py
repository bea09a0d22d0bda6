"""The calibration file: JSON that a person can read, checked before it is believed."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from speakergmm.errors import CalibrationError
from speakergmm.files import write_json
from speakergmm.tensor_files import check_version, each_once
from speakergmm.verification.calibration import Calibration, SideTerm
from speakergmm.verification.calibration_record import CalibrationRecord
from speakergmm.verification.expected_errors import RATES, ExpectedErrors
from speakergmm.verification.origin import ScoreOrigin

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = "speakergmm-calibration"
VERSION = 2

# What the first version did not say.
VERSION_1: dict[str, Any] = {"expected": (), "measured_on": ""}

# Of a row of expected errors, what each number may be.
ROW: dict[str, Any] = {
    field.name: int if field.name.startswith("n_") else (int, float)
    for field in dataclasses.fields(ExpectedErrors)
}

# A calibration is a few kilobytes.
MAX_BYTES = 1 << 26


def record_to_json(record: CalibrationRecord) -> dict[str, Any]:
    """Give the content of the calibration file."""
    entry = dataclasses.asdict(record)
    fitted = entry.pop("calibration")
    entry["origins"] = [origin and origin.to_json() for origin in record.origins]
    return {"format": FORMAT, "version": VERSION, **fitted, **entry}


def record_from_json(entry: Mapping[str, Any], where: str) -> CalibrationRecord:
    """Read what `record_to_json` gave.

    Raises
    ------
    CalibrationError
        When it is none, damaged, or of a newer version; or says why there is none.
    """
    if "unavailable" in entry:
        raise CalibrationError(f"{where}: holds no calibration: {entry['unavailable']}")
    if entry.get("format") != FORMAT:
        raise CalibrationError(
            f"{where}: not a calibration; expected a file that `calibrate` or `recipe run` wrote"
        )
    try:
        check_version(entry["version"])
        if entry["version"] > VERSION:
            raise CalibrationError(
                f"{where}: calibration version {entry['version']}, this program reads up to "
                f"{VERSION}; upgrade speakergmm"
            )
        scale = entry["scale"]
        terms = tuple(
            SideTerm(str(t["name"]), float(t["scale"]), float(t["offset"])) for t in entry["side"]
        )
        calibration = Calibration(
            tuple(map(float, scale)) if isinstance(scale, (list, tuple)) else float(scale),
            float(entry["offset"]),
            terms,
        )
        origins = tuple(
            None if origin is None else ScoreOrigin.from_json(origin, where)
            for origin in entry["origins"]
        )
        threshold = entry["threshold"]
        said = VERSION_1 | dict(entry) if entry["version"] == 1 else entry
        record = CalibrationRecord(
            calibration,
            origins,
            str(entry["fitted_on"]),
            float(entry["p_target"]),
            int(entry["n_target"]),
            int(entry["n_nontarget"]),
            int(entry["n_speakers"]),
            None if threshold is None else float(threshold),
            tuple(_expected_errors(row) for row in said["expected"]),
            str(said["measured_on"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        if isinstance(error, CalibrationError):
            raise
        raise CalibrationError(f"{where}: damaged calibration ({error}); calibrate again") from None
    if len(origins) != calibration.n_systems or calibration.scale == ():
        raise CalibrationError(
            f"{where}: damaged calibration ({len(origins)} origins for "
            f"{calibration.n_systems} systems); calibrate again"
        )
    numbers = [calibration.scale, calibration.offset, *((t.scale, t.offset) for t in terms)]
    numbers += [record.p_target, 0.0 if record.threshold is None else record.threshold]
    if not all(math.isfinite(x) for number in numbers for x in np.ravel(number)):
        raise CalibrationError(f"{where}: damaged calibration (not finite); calibrate again")
    lengths = [row.speech_s for row in record.expected]
    if lengths != sorted(set(lengths)):
        raise CalibrationError(f"{where}: damaged calibration (its lengths); calibrate again")
    return record


def _expected_errors(row: Mapping[str, Any]) -> ExpectedErrors:
    """Read a row of the table, of which every number is a number, and in its range."""
    numbers: dict[str, Any] = {name: row[name] for name in ROW}
    if len(row) > len(ROW):
        raise ValueError(f"a row of expected errors has more than {', '.join(ROW)}")
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, ROW[name]):
            raise ValueError(f"{name} is {value!r}")
        if ROW[name] is not int:
            numbers[name] = float(value)
    found = ExpectedErrors(**numbers)
    fit = (
        found.speech_s > 0
        and all(0 <= getattr(found, name) <= 1 for name in RATES)
        and min(found.n_target, found.n_nontarget) > 0
        and all(map(math.isfinite, dataclasses.astuple(found)))
    )
    if not fit:
        raise ValueError(f"expected errors out of their range: {found}")
    return found


def save_calibration(path: Path | str, record: CalibrationRecord) -> None:
    """Write a calibration file, atomically.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    write_json(path, record_to_json(record))


def load_calibration(path: Path | str) -> CalibrationRecord:
    """Read a calibration file and check it.

    Raises
    ------
    CalibrationError
        When there is no such file, it is none, damaged, of a newer version, or says that no
        calibration could be fitted.
    """
    path = Path(path)
    try:
        # What is no file may be a pipe, which would be waited for.
        if not path.is_file():
            if path.exists():
                raise ValueError("a folder, a pipe or a device")
            raise CalibrationError(
                f"{path}: no such file; expected a calibration that `calibrate` wrote"
            )
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"{path.stat().st_size:,} bytes")
        entry = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=each_once)
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, CalibrationError):
            raise
        raise CalibrationError(f"{path}: not a calibration file ({error})") from None
    if not isinstance(entry, dict):
        raise CalibrationError(f"{path}: not a calibration file; expected a JSON object")
    return record_from_json(entry, str(path))

"""The stages of an experiment, and what makes each of them current.

A stage has a key: a digest of its settings, of the content of all that it reads, and of the
software's versions. It is run again only when the key has changed or what it wrote is not there any
more, unaltered. Times of files play no part.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from speakergmm.errors import MissingError
from speakergmm.files import file_digest, value_digest, write_json
from speakergmm.gmm.model_file import software_versions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STAGES = (
    "features", "ubm", "enrollment", "cohort", "scoring", "calibration", "system", "evaluation",
)  # fmt: skip

STAGES_FILE = "stages.json"

# To be raised when a change of the program changes what a stage writes.
VERSION = 3


@dataclass(frozen=True)
class StageResult:
    """What became of a stage in this run; ``seconds`` is its time when it last ran."""

    name: str
    seconds: float
    reused: bool


def _is_entry(value: Any) -> bool:
    return isinstance(value, dict) and {"key", "outputs", "seconds"} <= value.keys()


class StageLog:
    """Remembers in ``stages.json`` of the output folder what each stage was made from.

    Parameters
    ----------
    folder : path
        The output folder.
    force_from : str, optional
        This stage and those after it count as out of date.

    Raises
    ------
    MissingError
        When there is no such stage.
    """

    def __init__(self, folder: Path, force_from: str | None = None) -> None:
        if force_from is not None and force_from not in STAGES:
            raise MissingError(f"no stage {force_from!r}; stages are {', '.join(STAGES)}")
        self.folder = folder
        self.file = folder / STAGES_FILE
        self.entries: dict[str, Any] = {}
        self.results: list[StageResult] = []
        first = len(STAGES) if force_from is None else STAGES.index(force_from)
        self.forced = STAGES[first:]
        # What is missing or damaged is not known to be current, so its stage runs.
        with suppress(OSError, ValueError, AttributeError):
            known = json.loads(self.file.read_text(encoding="utf-8"))
            self.entries = {name: e for name, e in known.items() if _is_entry(e)}

    def seconds(self) -> dict[str, float]:
        """Seconds of every stage so far, when it last ran."""
        return {result.name: round(result.seconds, 3) for result in self.results}

    def run(self, name: str, inputs: Any, outputs: list[str], work: Callable[[], None]) -> None:
        """Run a stage unless it is current.

        Parameters
        ----------
        inputs : JSON value
            Settings and digests of all that the stage reads.
        outputs : list of str
            Files that it writes, relative to the folder.
        """
        key = value_digest([VERSION, software_versions(), name, inputs])
        if self._is_current(name, key, outputs):
            self.results.append(StageResult(name, self.entries[name]["seconds"], reused=True))
            return
        began = time.perf_counter()
        # A stage that is cut short must not look current; those after it have its digests as keys.
        self._forget(name)
        work()
        seconds = time.perf_counter() - began
        written = {output: file_digest(self.folder / output) for output in outputs}
        self.entries[name] = {"key": key, "outputs": written, "seconds": seconds}
        write_json(self.file, self.entries)
        self.results.append(StageResult(name, seconds, reused=False))

    def note(self, name: str, digest: str, seconds: float, has_run: bool) -> None:
        """Record a stage that keeps itself current."""
        if has_run or name not in self.entries:
            self.entries[name] = {"key": digest, "outputs": {}, "seconds": seconds}
            write_json(self.file, self.entries)
        self.results.append(StageResult(name, self.entries[name]["seconds"], reused=not has_run))

    def output_digest(self, stage: str, output: str) -> str:
        """Digest of a file that a stage of this run wrote or found current."""
        return str(self.entries[stage]["outputs"][output])

    def _forget(self, name: str) -> None:
        if name in self.entries:
            del self.entries[name]
            write_json(self.file, self.entries)

    def _is_current(self, name: str, key: str, outputs: list[str]) -> bool:
        entry = self.entries.get(name)
        if name in self.forced or entry is None or entry["key"] != key:
            return False
        try:
            found = {output: file_digest(self.folder / output) for output in outputs}
        except OSError:
            return False
        return bool(found == entry["outputs"])

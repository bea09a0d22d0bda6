"""The models of a list: statistics of their speech in a file, row by row, and models made of them.

So only those models are in memory that are being worked on, however many are enrolled.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from speakergmm.files import writing
from speakergmm.gmm import DiagonalGMM, Statistics
from speakergmm.gmm.models_on_demand import ModelsOnDemand
from speakergmm.parallel import map_in_order
from speakergmm.verification.cohort import pool_statistics

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from speakergmm.corpora import Pools, Protocol
    from speakergmm.features import FrameStore
    from speakergmm.parallel import Jobs
    from speakergmm.progress import Progress
    from speakergmm.verification import EnrollmentConfig

# Names of the types in a safetensors file.
DTYPES = {np.dtype(np.float64): "F64", np.dtype(np.int64): "I64"}

# Of the length of the header, before it.
LENGTH_BYTES = 8


def needs_second_order(settings: EnrollmentConfig) -> bool:
    """Tell whether models need the statistics that variances are made of."""
    return settings.parameters in ("means+variances", "all")


def enroll_models(
    path: Path,
    enrollment: Pools,
    store: FrameStore,
    ubm: DiagonalGMM,
    settings: EnrollmentConfig,
    *,
    jobs: Jobs,
    progress: Progress,
) -> None:
    """Write the statistics of every model's pooled frames, in the order of the list."""
    progress.start("enrollment", len(enrollment))
    found = map_in_order(pool_statistics, enrollment.values(), ubm, store, settings, jobs=jobs)
    with_s = needs_second_order(settings)

    def rows() -> Iterable[dict[str, NDArray[Any]]]:
        for statistics in found:
            row = {"n": statistics.n, "f": statistics.f}
            if with_s:
                row["s"] = statistics.s
            yield row | {"n_frames": np.array(statistics.n_frames, dtype=np.int64)}
            progress.advance()

    shapes: dict[str, tuple[tuple[int, ...], type]] = {
        "n": ((ubm.n_components,), np.float64),
        "f": ((ubm.n_components, ubm.n_features), np.float64),
        "n_frames": ((), np.int64),
    }
    if with_s:
        shapes["s"] = shapes["f"]
    write_rows(path, len(enrollment), shapes, rows())


def write_rows(
    path: Path,
    n_rows: int,
    shapes: Mapping[str, tuple[tuple[int, ...], type]],
    rows: Iterable[Mapping[str, NDArray[Any]]],
) -> None:
    """Write a safetensors file of arrays that are never in memory as a whole, atomically.

    Parameters
    ----------
    shapes : mapping
        Name → shape of a row, and its type.
    rows : iterable of mapping
        Name → the row's part of that array, ``n_rows`` times.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    header, starts, lengths, end = {}, {}, {}, 0
    for name, (shape, kind) in shapes.items():
        dtype = np.dtype(kind)
        starts[name], lengths[name] = end, math.prod(shape) * dtype.itemsize
        end += n_rows * lengths[name]
        header[name] = {
            "dtype": DTYPES[dtype],
            "shape": [n_rows, *shape],
            "data_offsets": [starts[name], end],
        }
    text = json.dumps(header).encode()
    # The arrays begin where numbers may.
    text += b" " * (-len(text) % LENGTH_BYTES)
    begin = LENGTH_BYTES + len(text)
    with writing(path) as temporary, temporary.open("wb") as file:
        file.write(len(text).to_bytes(LENGTH_BYTES, "little") + text)
        file.truncate(begin + end)
        for i, row in enumerate(rows):
            for name, values in row.items():
                file.seek(begin + starts[name] + i * lengths[name])
                file.write(np.ascontiguousarray(values).tobytes())


class AdaptedModels(ModelsOnDemand):
    """Speaker models, made from the statistics of a file when they are asked for."""

    def __init__(
        self, path: Path, rows: Sequence[int], ubm: DiagonalGMM, settings: EnrollmentConfig
    ) -> None:
        from safetensors import safe_open

        self.rows, self.ubm, self.settings = rows, ubm, settings
        self.file: Any = safe_open(str(path), framework="numpy")
        self.unused = np.zeros((ubm.n_components, ubm.n_features))

    def __len__(self) -> int:
        return len(self.rows)

    def made(self, number: int) -> DiagonalGMM:
        """Make the model of this number."""
        n, f, n_frames = (self._row(name, number) for name in ("n", "f", "n_frames"))
        s = self._row("s", number) if needs_second_order(self.settings) else self.unused
        statistics = Statistics(n, f, s, 0.0, int(n_frames))
        return self.settings.speaker_model(self.ubm, statistics)

    def _row(self, name: str, number: int) -> NDArray[Any]:
        row = self.rows[number]
        values: NDArray[Any] = self.file.get_slice(name)[row : row + 1][0]
        return values


def enrolled_models(
    path: Path, protocol: Protocol, ubm: DiagonalGMM, settings: EnrollmentConfig
) -> AdaptedModels:
    """Give the models of a protocol's trials, out of the file that `enroll_models` wrote."""
    row = {model_id: i for i, model_id in enumerate(protocol.enrollment)}
    rows = [row[model_id] for model_id in protocol.trials.model_ids]
    return AdaptedModels(path, rows, ubm, settings)

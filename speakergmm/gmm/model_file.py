"""The model file: parameters in safetensors, and in its header where they come from.

Never pickle: reading a model file runs no code. The front end travels with the parameters, so that
frames of another kind are refused instead of shifting every score.
"""

from __future__ import annotations

import dataclasses
import math
import platform
from dataclasses import dataclass, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speakergmm._version import __version__
from speakergmm.config import config_from_table
from speakergmm.errors import ConfigError, ModelError, ModelFileError
from speakergmm.features import FrontEndConfig
from speakergmm.files import file_digest
from speakergmm.gmm.em import TrainingConfig
from speakergmm.gmm.model import DiagonalGMM
from speakergmm.gmm.training import TrainingHistory
from speakergmm.tensor_files import (
    TensorFileKind,
    check_version,
    damaged,
    load_tensors,
    save_tensors,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

MODEL_FILE = TensorFileKind(
    key="speakergmm-ubm",
    version=5,
    checked_from=4,
    what="model",
    made_by="`ubm train` or `recipe run`",
    error=ModelFileError,
)

# What front ends up to each version did, in words that they did not have yet.
UNSAID: Mapping[int, Mapping[str, Any]] = {
    4: {"imported_features": 0},
    2: {"vad_keeps": "speech"},
    1: {
        "noise_subtraction": 0.0,
        "log_energy": False,
        "rasta": False,
        "shifted_deltas": None,
        "vad": "energy",
        "vad_min_speech_s": 0.0,
        "vad_min_pause_s": 0.0,
        "normalization_window_s": 3.0,
        "normalization_centered": True,
        "normalization_frames": "speech",
        "normalization_over": "utterance",
    },
}
TENSORS = ("weights", "means", "variances")

KINDS = {"seed": int, "data_digest": str, "n_frames": int, "versions": dict}


@dataclass(frozen=True)
class UbmPart:
    """One of the models that were pooled into a UBM.

    ``name`` is the value of the column that they were parted by; ``share`` is what the part weighs.
    """

    name: str
    n_components: int
    share: float
    n_frames: int
    history: TrainingHistory


@dataclass(frozen=True, eq=False)
class BackgroundModel:
    """A UBM with all that is needed to use it and to know where it comes from.

    Parameters
    ----------
    gmm : DiagonalGMM
    front_end : FrontEndConfig
        What made the frames that it was trained on, and must make those that it is used on.
    training : TrainingConfig
    history : TrainingHistory
    seed : int
    data_digest : str
        Of the training frames' sources: list, audio, front end.
    n_frames : int
        Frames that it was trained on.
    versions : dict
        Of this program and its libraries at training.
    parts : tuple of UbmPart
        Of a pooled model, whose own ``history`` has no curve; else empty.
    """

    gmm: DiagonalGMM
    front_end: FrontEndConfig
    training: TrainingConfig
    history: TrainingHistory
    seed: int
    data_digest: str
    n_frames: int
    versions: dict[str, str]
    parts: tuple[UbmPart, ...] = ()


def software_versions() -> dict[str, str]:
    """Versions of this program, Python and the libraries that numbers depend on."""
    versions = {"speakergmm": __version__, "python": platform.python_version()}
    for name in ("numpy", "scipy", "librosa", "soundfile", "soxr", "scikit-learn", "numba"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def save_background_model(path: Path | str, model: BackgroundModel) -> None:
    """Write a model file, atomically. The same model gives the same bytes.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    tensors = {name: getattr(model.gmm, name) for name in TENSORS}
    save_tensors(path, MODEL_FILE, model_to_table(model), tensors)


def model_to_table(model: BackgroundModel) -> dict[str, Any]:
    """Give all but the parameters as a JSON object."""
    return {
        "front_end": dataclasses.asdict(model.front_end),
        "training": dataclasses.asdict(model.training),
        "history": _history_table(model.history),
        "seed": model.seed,
        "data_digest": model.data_digest,
        "n_frames": model.n_frames,
        "versions": model.versions,
        "parts": [
            dataclasses.asdict(part) | {"history": _history_table(part.history)}
            for part in model.parts
        ],
    }


def _history_table(history: TrainingHistory) -> dict[str, Any]:
    # Seconds are left out: two equal trainings shall give equal files.
    return {k: v for k, v in dataclasses.asdict(history).items() if k != "seconds"}


def _history(table: dict[str, Any]) -> TrainingHistory:
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in table.items()}
    return TrainingHistory(**(values | {"seconds": math.nan}))


def load_background_model(path: Path | str) -> BackgroundModel:
    """Read a model file and check it.

    Raises
    ------
    ModelFileError
        When there is no such file, it is not a model file, is damaged, was written by a newer
        version, or its parameters do not fit its front end.
    """
    return read_background_model(path)[0]


def read_background_model(path: Path | str) -> tuple[BackgroundModel, str]:
    """Read a model file as `load_background_model`, and give its digest too."""
    path = Path(path)
    file = load_tensors(path, MODEL_FILE)
    return model_from_table(path, MODEL_FILE, file.tensors, file.about), file.digest


def model_from_table(
    path: Path, kind: TensorFileKind, tensors: dict[str, Any], about: dict[str, Any]
) -> BackgroundModel:
    """Read what `model_to_table` gave, and the parameters, out of a file of some kind."""
    try:
        return _background_model(path, {name: tensors[name] for name in TENSORS}, about)
    except ModelError as error:
        raise kind.error(f"{path}: damaged: {error}; train it again") from None
    except ConfigError as error:
        raise kind.error(f"{error}; train the model again") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, kind.error):
            raise
        raise damaged(path, kind, error) from None


def _background_model(
    path: Path, tensors: dict[str, Any], about: dict[str, Any]
) -> BackgroundModel:
    # A system file holds a model under the model's own version.
    check_version(about["version"])
    if about["version"] > MODEL_FILE.version:
        raise ModelFileError(
            f"{path}: holds a model of version {about['version']}, this program ({__version__}) "
            f"reads up to {MODEL_FILE.version}; upgrade speakergmm"
        )
    for name, expected in KINDS.items():
        if type(about[name]) is not expected:
            raise ValueError(f"{name} is {about[name]!r}")
    gmm = DiagonalGMM(**tensors)
    front_end = _front_end(path, about)
    if gmm.n_features != front_end.n_features:
        raise ModelFileError(
            f"{path}: damaged: the model has {gmm.n_features} features, its front end gives "
            f"{front_end.n_features}"
        )
    return BackgroundModel(
        gmm,
        front_end,
        config_from_table(TrainingConfig, about["training"], f"{path} [training]"),
        _history(about["history"]),
        about["seed"],
        about["data_digest"],
        about["n_frames"],
        about["versions"],
        tuple(
            UbmPart(**(part | {"history": _history(part["history"])}))
            for part in about.get("parts", ())
        ),
    )


def _front_end(path: Path, about: dict[str, Any]) -> FrontEndConfig:
    """Read the front end; a setting that the file does not have must not become today's default."""
    table = unsaid_settings(about["version"]) | about["front_end"]
    front_end = config_from_table(FrontEndConfig, table, f"{path} [front_end]")
    missing = {field.name for field in fields(FrontEndConfig)} - table.keys()
    if missing:
        raise ModelFileError(
            f"{path}: its front end does not say {', '.join(sorted(missing))}; train the model "
            "again"
        )
    return front_end


def unsaid_settings(version: int) -> dict[str, Any]:
    """Give what a model file of a version says by not saying it."""
    found: dict[str, Any] = {}
    for last, settings in UNSAID.items():
        if version <= last:
            found |= settings
    return found


def model_digest(path: Path | str) -> str:
    """Digest of a model file's content, by which speaker stores know their UBM."""
    return file_digest(path)

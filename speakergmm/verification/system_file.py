"""The system file: a whole system in one file, with nothing left to be built or looked for.

The constants of the front end (window, filters, cosine transform) are in it too, so that loading
it builds nothing and needs no library for that.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speakergmm.config import config_from_table
from speakergmm.errors import (
    CalibrationError,
    CohortError,
    ConfigError,
    ModelFileError,
    SpeakerGMMError,
)
from speakergmm.features import FrontEnd
from speakergmm.gmm.model_file import (
    MODEL_FILE,
    TENSORS,
    model_from_table,
    model_to_table,
)
from speakergmm.tensor_files import TensorFileKind, damaged, kind_of, load_tensors, save_tensors
from speakergmm.verification.calibration_file import record_from_json, record_to_json
from speakergmm.verification.cohort_file import cohort_from_table, cohort_tensors, cohort_to_table
from speakergmm.verification.enrollment import EnrollmentConfig
from speakergmm.verification.model_card import write_card
from speakergmm.verification.scoring import ScoringConfig
from speakergmm.verification.system import System, assemble_system
from speakergmm.verification.trial_normalization import NormalizationConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

SYSTEM_FILE = TensorFileKind(
    key="speakergmm-system",
    version=2,
    checked_from=1,
    what="system",
    made_by="`calibrate`, `recipe run` or `model build`",
    error=ModelFileError,
)
UBM, FRONT_END, COHORT = "ubm.", "front_end.", "cohort."


def save_system(path: Path | str, system: System) -> None:
    """Write a system file, atomically. The same system gives the same bytes.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    cohort, calibration = system.cohort, system.calibration
    about = {
        "name": system.name,
        "card": system.card or write_card(system),
        # Its own version, since what a setting that it lacks meant depends on it.
        "ubm": {"version": MODEL_FILE.version, **model_to_table(system.background)},
        "ubm_digest": system.ubm_digest,
        "enrollment": dataclasses.asdict(system.enrollment),
        "scoring": dataclasses.asdict(system.scoring),
        "normalization": system.normalization.label,
        "cohort": None if cohort is None else cohort_to_table(cohort),
        "cohort_digest": system.cohort_digest,
        "calibration": None if calibration is None else record_to_json(calibration),
        "versions": system.background.versions,
    }
    tensors = {UBM + name: getattr(system.ubm, name) for name in TENSORS}
    tensors |= _prefixed(FRONT_END, system.front_end.constants())
    if cohort is not None:
        tensors |= _prefixed(COHORT, cohort_tensors(cohort))
    save_tensors(path, SYSTEM_FILE, about, tensors)


def load_system(path: Path | str) -> System:
    """Read a system file, or a model file, which is a system without calibration.

    Raises
    ------
    ModelFileError
        When there is no such file, it is neither, is damaged, or was written by a newer version.
    """
    if kind_of(path) == MODEL_FILE.key:
        return assemble_system(path)
    path = Path(path)
    file = load_tensors(path, SYSTEM_FILE)
    try:
        return _system(path, file.about, file.tensors)
    except (CalibrationError, CohortError, ConfigError) as error:
        raise damaged(path, SYSTEM_FILE, error) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, SpeakerGMMError):
            raise
        raise damaged(path, SYSTEM_FILE, error) from None


def _system(path: Path, about: dict[str, Any], tensors: dict[str, NDArray[Any]]) -> System:
    background = model_from_table(path, SYSTEM_FILE, _part(UBM, tensors), about["ubm"])
    cohort, calibration = about["cohort"], about["calibration"]
    if cohort is not None:
        cohort = cohort_from_table(path, SYSTEM_FILE, _part(COHORT, tensors), cohort)
    if calibration is not None:
        calibration = record_from_json(calibration, str(path))
    system = System(
        background,
        str(about["ubm_digest"]),
        FrontEnd.with_constants(background.front_end, _part(FRONT_END, tensors)),
        config_from_table(EnrollmentConfig, about["enrollment"], f"{path} [enrollment]"),
        config_from_table(ScoringConfig, about["scoring"], f"{path} [scoring]"),
        NormalizationConfig.from_label(about["normalization"]),
        cohort,
        str(about["cohort_digest"]),
        calibration,
        str(about["name"]),
        str(about["card"]),
    )
    _check_parts(system, str(path))
    return system


def _check_parts(system: System, where: str) -> None:
    """Refuse parts of which one was not made for the other."""
    cohort, method = system.cohort, system.normalization.method
    if (cohort is None) != (method == "none"):
        raise ConfigError(
            f"normalization is {method!r} {'without' if cohort is None else 'with'} a cohort"
        )
    if cohort is not None:
        shapes = system.ubm.means.shape, cohort.f.shape[1:]
        if cohort.ubm != system.ubm_digest or shapes[0] != shapes[1]:
            raise ConfigError("its cohort is of another background model")
        cohort.check_enrollment(system.enrollment)
    if system.calibration is not None:
        system.calibration.check([system.origin], where)


def _prefixed(prefix: str, tensors: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {prefix + name: tensor for name, tensor in tensors.items()}


def _part(prefix: str, tensors: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }

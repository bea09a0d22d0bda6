"""The cohort file: a cohort's tensors in safetensors, and in its header where they come from."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from speakergmm.config import config_from_table
from speakergmm.errors import CohortError
from speakergmm.tensor_files import TensorFileKind, damaged, load_tensors, save_tensors
from speakergmm.verification.cohort import Cohort, Source
from speakergmm.verification.enrollment import EnrollmentConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

COHORT_FILE = TensorFileKind(
    key="speakergmm-cohort",
    version=3,
    checked_from=2,
    what="cohort",
    made_by="`cohort make` or `recipe run`",
    error=CohortError,
)
TENSORS = ("n", "f", "s", "n_frames", "frames", "bounds")


def save_cohort(path: Path | str, cohort: Cohort) -> None:
    """Write a cohort file, atomically. The same cohort gives the same bytes.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    save_tensors(path, COHORT_FILE, cohort_to_table(cohort), cohort_tensors(cohort))


def cohort_to_table(cohort: Cohort) -> dict[str, Any]:
    """Give all but the arrays as a JSON object."""
    return {
        "ubm": cohort.ubm,
        "enrollment": dataclasses.asdict(cohort.enrollment),
        "model_speakers": cohort.model_speakers,
        "test_speakers": cohort.test_speakers,
        "sources": [dataclasses.asdict(source) for source in cohort.sources],
    }


def cohort_tensors(cohort: Cohort) -> dict[str, NDArray[Any]]:
    """Give the arrays, by name."""
    return {name: getattr(cohort, name) for name in TENSORS}


def load_cohort(path: Path | str, ubm_digest: str | None = None) -> Cohort:
    """Read a cohort file and check it.

    Parameters
    ----------
    ubm_digest : str, optional
        Of the background model that it is to be used with; default: any.

    Raises
    ------
    CohortError
        When there is no such file, it is not a cohort file, is damaged, was written by a newer
        version, or was made with another background model.
    """
    path = Path(path)
    file = load_tensors(path, COHORT_FILE)
    cohort = cohort_from_table(path, COHORT_FILE, file.tensors, file.about)
    if ubm_digest is not None and cohort.ubm != ubm_digest:
        raise CohortError(
            f"{path}: made with the background model {cohort.ubm[:12]}, not with "
            f"{ubm_digest[:12]}; give that model, or make a cohort with this one"
        )
    return cohort


def cohort_from_table(
    path: Path, kind: TensorFileKind, tensors: Mapping[str, Any], about: Mapping[str, Any]
) -> Cohort:
    """Read what `cohort_to_table` and `cohort_tensors` gave, out of a file of some kind."""
    try:
        cohort = Cohort(
            ubm=str(about["ubm"]),
            enrollment=config_from_table(EnrollmentConfig, about["enrollment"], str(path)),
            model_speakers=tuple(about["model_speakers"]),
            test_speakers=tuple(about["test_speakers"]),
            sources=tuple(Source(**source) for source in about["sources"]),
            **{name: tensors[name] for name in TENSORS},
        )
        _check(path, kind, cohort)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, kind.error):
            raise
        raise damaged(path, kind, error) from None
    return cohort


def _check(path: Path, kind: TensorFileKind, cohort: Cohort) -> None:
    """Refuse tensors that do not fit each other."""
    n_models, n_tests = len(cohort.model_speakers), len(cohort.test_speakers)
    bounds = cohort.bounds
    fit = (
        cohort.n.ndim == cohort.frames.ndim == 2
        and bounds.dtype.kind == cohort.n_frames.dtype.kind == "i"
        and len(cohort.n) == len(cohort.n_frames) == n_models
        and cohort.f.shape == cohort.s.shape == (*cohort.n.shape, cohort.frames.shape[-1])
        and bounds.shape == (n_tests + 1,)
        and bounds[0] == 0
        and bool((np.diff(bounds) > 0).all())
        and bounds[-1] == len(cohort.frames)
        and all(np.isfinite(getattr(cohort, name)).all() for name in TENSORS)
    )
    if not fit:
        raise kind.error(f"{path}: damaged: its tables do not fit each other; make it again")

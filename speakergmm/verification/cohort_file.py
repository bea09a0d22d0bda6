"""The cohort file: a cohort's tensors in safetensors, and in its header where they come from."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np

from speakergmm.config import config_from_table
from speakergmm.errors import CohortError
from speakergmm.files import writing
from speakergmm.verification.cohort import Cohort, Source
from speakergmm.verification.enrollment import EnrollmentConfig

FORMAT = "speakergmm-cohort"
VERSION = 1
TENSORS = ("n", "f", "s", "n_frames", "frames", "bounds")


def save_cohort(path: Path | str, cohort: Cohort) -> None:
    """Write a cohort file, atomically. The same cohort gives the same bytes.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    from safetensors.numpy import save

    about = {
        "version": VERSION,
        "ubm": cohort.ubm,
        "enrollment": dataclasses.asdict(cohort.enrollment),
        "model_speakers": cohort.model_speakers,
        "test_speakers": cohort.test_speakers,
        "sources": [dataclasses.asdict(source) for source in cohort.sources],
    }
    tensors = {name: np.ascontiguousarray(getattr(cohort, name)) for name in TENSORS}
    content = save(tensors, metadata={FORMAT: json.dumps(about, sort_keys=True)})
    with writing(path) as temporary:
        temporary.write_bytes(content)


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
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise CohortError(f"{path}: no such file; expected a cohort that `cohort make` wrote")
    try:
        with safe_open(str(path), framework="numpy") as file:
            metadata = file.metadata() or {}
            if FORMAT not in metadata:
                raise CohortError(
                    f"{path}: not a cohort (no {FORMAT!r} in its metadata); expected a file that "
                    "`cohort make` or `recipe run` wrote"
                )
            tensors = {name: file.get_tensor(name) for name in TENSORS}
        about = json.loads(metadata[FORMAT])
        if about["version"] > VERSION:
            raise CohortError(
                f"{path}: cohort file version {about['version']}, this program reads up to "
                f"{VERSION}; upgrade speakergmm"
            )
        cohort = Cohort(
            ubm=str(about["ubm"]),
            enrollment=config_from_table(EnrollmentConfig, about["enrollment"], str(path)),
            model_speakers=tuple(about["model_speakers"]),
            test_speakers=tuple(about["test_speakers"]),
            sources=tuple(Source(**source) for source in about["sources"]),
            **tensors,
        )
        _check(path, cohort)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, CohortError):
            raise
        raise CohortError(
            f"{path}: not a cohort file, or a damaged one ({error}); copy or make it again"
        ) from None
    if ubm_digest is not None and cohort.ubm != ubm_digest:
        raise CohortError(
            f"{path}: made with the background model {cohort.ubm[:12]}, not with "
            f"{ubm_digest[:12]}; give that model, or make a cohort with this one"
        )
    return cohort


def _check(path: Path, cohort: Cohort) -> None:
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
        raise CohortError(f"{path}: damaged: its tables do not fit each other; make it again")

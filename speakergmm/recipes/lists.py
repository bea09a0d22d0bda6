"""Single jobs on a user's own lists: train a background model, score a trial list."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from speakergmm.audio import duration_s
from speakergmm.corpora import read_protocol, read_utterances, write_scores
from speakergmm.corpora.cohort_lists import cached, cohort_lists
from speakergmm.errors import ConfigError, ManifestError
from speakergmm.features import FrameStore, extract_features
from speakergmm.features.extraction import OnError, extract_sides
from speakergmm.features.sides import by_name, pooled_sides, training_sides
from speakergmm.files import file_digest
from speakergmm.gmm.model_file import load_background_model, model_digest
from speakergmm.parallel import is_remote
from speakergmm.progress import SILENT
from speakergmm.recipes.steps import (
    background_parts,
    enroll_models,
    score_split,
    train_background_model,
    used_utterances,
)
from speakergmm.verification import ScoreOrigin
from speakergmm.verification.calibration_record import load_calibration
from speakergmm.verification.cohort import build_cohort
from speakergmm.verification.cohort_file import load_cohort, save_cohort
from speakergmm.verification.origin import write_origin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from speakergmm.corpora import Protocol, Scores, Utterance, Utterances
    from speakergmm.features import FrontEndConfig
    from speakergmm.gmm.model_file import BackgroundModel
    from speakergmm.parallel import Jobs
    from speakergmm.progress import Progress
    from speakergmm.recipes.config import Settings
    from speakergmm.verification import CalibrationRecord, Cohort, EnrollmentConfig


@dataclass(frozen=True, eq=False)
class ScoredList:
    """Scored trials, what made their scores, and what makes them less certain, a line each."""

    scores: Scores
    origin: ScoreOrigin
    warnings: tuple[str, ...]


@contextmanager
def _frames_folder(wanted: Path | None, jobs: Jobs) -> Iterator[Path]:
    """Give the folder in which frames are kept, or one that is gone afterwards."""
    if wanted is not None:
        yield wanted
    elif is_remote(jobs):
        raise ConfigError(
            "a cluster's machines share frames through a folder that all of them see; give one "
            "(--frames FOLDER)"
        )
    else:
        with tempfile.TemporaryDirectory(prefix="speakergmm-") as folder:
            yield Path(folder) / "frames"


def extract_list(
    utterances_file: Path | str,
    output: Path | str,
    front_end: FrontEndConfig,
    *,
    audio: Path | None = None,
    split: str | None = None,
    on_error: OnError = "stop",
    jobs: Jobs = None,
    progress: Progress = SILENT,
) -> tuple[FrameStore, int]:
    """Compute the frames of a list's utterances into a store, or bring the store up to date.

    Parameters
    ----------
    utterances_file : path
        ``utterances.csv``.
    output : path
        The store's folder.
    audio : path, optional
        Where the list's paths begin; default: its folder.
    split : str, optional
        Use only the utterances of this split.
    on_error : {"stop", "skip"}
        What becomes of recordings that are missing or cannot be used: an error that names each, or
        they are left out; see ``FrameStore.left_out``.

    Returns
    -------
    store : FrameStore
    n_computed : int
        Utterances whose frames were not there yet.

    Raises
    ------
    ManifestError, AudioError, OutputError
        When the list or a recording cannot be used, or the store cannot be written.
    """
    skips = on_error == "skip"
    # What is wrong with single recordings then belongs into the store's index, not in an error.
    utterances = read_utterances(
        utterances_file,
        audio,
        durations=None if skips else duration_s,
        must_exist=not skips,
    )
    chosen = _of_split(utterances, split, utterances_file)
    return extract_features(
        chosen, output, front_end, on_error=on_error, jobs=jobs, progress=progress
    )


def train_on_list(
    utterances_file: Path | str,
    output: Path | str,
    settings: Settings,
    *,
    audio: Path | None = None,
    split: str | None = None,
    seed: int = 0,
    frames: Path | None = None,
    jobs: Jobs = None,
    progress: Progress = SILENT,
) -> BackgroundModel:
    """Train a UBM on the recordings of a list and write its file.

    Parameters
    ----------
    utterances_file : path
        ``utterances.csv``.
    output : path
        The model file.
    audio : path, optional
        Where the list's paths begin; default: its folder.
    split : str, optional
        Use only the utterances of this split.
    frames : path, optional
        Keep the frame store there, and use what is current in it; default: a temporary folder.

    Raises
    ------
    ManifestError, AudioError, FrameError, OutputError
        When the list, a recording or the frames cannot be used, or the file cannot be written.
    """
    utterances = read_utterances(utterances_file, audio, durations=duration_s)
    chosen = _of_split(utterances, split, utterances_file)
    sides = training_sides(chosen.values(), settings.front_end)
    # Before any time is spent: the column by which the model is to be parted may be empty.
    parts = background_parts({side.name: side.utterances for side in sides}, settings.ubm.pool_by)
    with _frames_folder(frames, jobs) as folder:
        store, _ = extract_sides(sides, folder, settings.front_end, jobs=jobs, progress=progress)
        return train_background_model(
            Path(output), store, settings, seed=seed, parts=parts, jobs=jobs, progress=progress
        )


def train_on_store(
    folder: Path | str,
    output: Path | str,
    settings: Settings,
    *,
    seed: int = 0,
    jobs: Jobs = None,
    progress: Progress = SILENT,
) -> BackgroundModel:
    """Train a UBM on the frames of a store and write its file.

    Parameters
    ----------
    folder : path
        The store, from `extract_list` or `speakergmm.features.extract_features`.
    output : path
        The model file.
    settings : Settings
        Of these, ``ubm`` and ``training`` are used; the front end is the store's.

    Raises
    ------
    FrameStoreError, FrameError, OutputError
        When the store or its frames cannot be used, or the file cannot be written.
    """
    if settings.ubm.pool_by != "none":
        raise ConfigError(
            f"pool_by is {settings.ubm.pool_by!r}; a frame store does not say which speech that "
            "is: train on the list of utterances"
        )
    store = FrameStore.open(folder)
    return train_background_model(
        Path(output), store, settings, seed=seed, jobs=jobs, progress=progress
    )


def score_lists(
    lists: Path | str,
    utterances_file: Path | str,
    ubm: Path | str,
    output: Path | str,
    settings: Settings,
    *,
    audio: Path | None = None,
    frames: Path | None = None,
    cohort: Path | None = None,
    calibration: Path | None = None,
    jobs: Jobs = None,
    progress: Progress = SILENT,
) -> ScoredList:
    """Enroll the models of a folder of lists, score its trials, and write ``scores.csv``.

    Beside it, ``scores.origin.json`` says what made the scores.

    Parameters
    ----------
    lists : path
        Folder with ``enrollment.csv``, ``tests.csv`` and, unless every model is to meet every test,
        ``trials.csv``.
    ubm : path
        Model file; its front end makes the frames.
    settings : Settings
        Of these, ``enrollment``, ``scoring`` and ``score_normalization`` are used.
    cohort : path, optional
        Cohort file, by which scores are normalized.
    calibration : path, optional
        Calibration file; adds log-likelihood ratios.

    Raises
    ------
    ManifestError, AudioError, ModelFileError, OutputError
        When a list, a recording or the model cannot be used, or the file cannot be written.
    CohortError, CalibrationError
        When cohort or calibration cannot be used, were made for another system, or the cohort has
        speakers of the trials.
    """
    lists = Path(lists)
    record = None if calibration is None else load_calibration(calibration)
    utterances = read_utterances(utterances_file, audio, durations=duration_s)
    trials = lists / "trials.csv"
    protocol = read_protocol(
        lists / "enrollment.csv",
        lists / "tests.csv",
        trials if trials.exists() else None,
        utterances,
    )
    scored = score_protocol(
        protocol,
        utterances,
        ubm,
        settings,
        frames=frames,
        cohort=cohort,
        calibration=record,
        jobs=jobs,
        progress=progress,
    )
    write_scores(output, scored.scores)
    write_origin(output, scored.origin)
    return scored


def score_protocol(
    protocol: Protocol,
    utterances: Utterances,
    ubm: Path | str,
    settings: Settings,
    *,
    frames: Path | None = None,
    cohort: Path | None = None,
    calibration: CalibrationRecord | None = None,
    jobs: Jobs = None,
    progress: Progress = SILENT,
) -> ScoredList:
    """Enroll the models of a protocol and score its trials; see `score_lists`."""
    normalization = settings.score_normalization
    if normalization.method != "none" and cohort is None:
        raise ConfigError(
            f"score normalization {normalization.method!r} needs a cohort; make one with "
            "`cohort make`"
        )
    if normalization.method == "none" and cohort is not None:
        raise ConfigError(
            f"{cohort}: a cohort is of no use without score normalization; choose a method: z, t, "
            "zt, s or as"
        )
    model, digest = load_background_model(ubm), model_digest(ubm)
    strangers = None if cohort is None else load_cohort(cohort, digest)
    origin = ScoreOrigin(
        digest,
        settings.scoring,
        settings.enrollment,
        normalization.label,
        "" if cohort is None else file_digest(cohort),
    )
    warnings: tuple[str, ...] = ()
    if calibration is not None:
        calibration.check([origin])
        warnings += calibration.warnings
    if strangers is not None:
        strangers.check_enrollment(settings.enrollment)
        strangers.check_apart(used_utterances(protocol, utterances))
        warnings += strangers.warnings(normalization)
    config = model.front_end
    models, enrollment_pools = pooled_sides(protocol.enrollment, utterances, config, "enrollment")
    tests, test_pools = pooled_sides(protocol.tests, utterances, config, "test")
    sides = by_name(models, tests)
    with _frames_folder(frames, jobs) as folder, tempfile.TemporaryDirectory() as scratch:
        store, _ = extract_sides(list(sides.values()), folder, config, jobs=jobs, progress=progress)
        enrollment = Path(scratch) / "enrollment.safetensors"
        enroll_models(
            enrollment, enrollment_pools, store, model.gmm, settings.enrollment,
            jobs=jobs, progress=progress,
        )  # fmt: skip
        raw = score_split(
            enrollment,
            protocol,
            (enrollment_pools, test_pools),
            (store, store),
            model.gmm,
            settings,
            cohort=strangers,
            jobs=jobs,
            progress=progress,
        )
    scores = raw.normalized(protocol.trials, normalization)
    if calibration is not None:
        scores = raw.calibrated(scores, calibration)
    return ScoredList(scores, origin, warnings)


def make_cohort(
    utterances_file: Path | str,
    ubm: Path | str,
    output: Path | str,
    enrollment: EnrollmentConfig,
    *,
    enrollment_s: float,
    test_s: float,
    tests_per_speaker: int = 2,
    audio: Path | None = None,
    split: str | None = None,
    frames: Path | None = None,
    jobs: Jobs = None,
    progress: Progress = SILENT,
) -> Cohort:
    """Make a cohort of a list's utterances and write its file.

    Parameters
    ----------
    enrollment : EnrollmentConfig
        As for the models whose scores it is to normalize.
    enrollment_s, test_s, tests_per_speaker
        As for `speakergmm.corpora.cohort_lists.cohort_lists`.
    audio, split, frames
        As for `train_on_list`.

    Raises
    ------
    ManifestError, AudioError, ModelFileError, CohortError, OutputError
        When the list, a recording or the model cannot be used, there is too little speech, or the
        file cannot be written.
    """
    utterances = read_utterances(utterances_file, audio, durations=duration_s)
    model, digest = load_background_model(ubm), model_digest(ubm)
    cohort = cohort_lists(
        _of_split(utterances, split, utterances_file).values(),
        cached(duration_s),
        enrollment_s=enrollment_s,
        test_s=test_s,
        tests_per_speaker=tests_per_speaker,
    )
    config = model.front_end
    models, model_pools = pooled_sides(
        cohort.enrollment, cohort.utterances, config, "cohort enrollment"
    )
    tests, test_pools = pooled_sides(cohort.tests, cohort.utterances, config, "cohort test")
    sides = by_name(models, tests)
    with _frames_folder(frames, jobs) as folder:
        store, _ = extract_sides(list(sides.values()), folder, config, jobs=jobs, progress=progress)
        made = build_cohort(
            cohort,
            store,
            (model_pools, test_pools),
            model.gmm,
            digest,
            enrollment,
            jobs=jobs,
            progress=progress,
        )
    save_cohort(output, made)
    return made


def _of_split(
    utterances: Utterances, split: str | None, utterances_file: Path | str
) -> dict[str, Utterance]:
    """Narrow a list to a split; refuse one that is empty."""
    chosen = {u: v for u, v in utterances.items() if split is None or v.split == split}
    if not chosen:
        found = ", ".join(sorted({repr(u.split) for u in utterances.values()}))
        raise ManifestError(
            f"{utterances_file}: no utterance of split {split!r}; splits are {found}"
        )
    return chosen

"""Scoring a user's own lists, and making the cohort that normalizes such scores."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from speakergmm.audio import duration_s
from speakergmm.corpora import read_protocol, read_utterances, write_scores
from speakergmm.corpora.cohort_lists import cached, cohort_lists
from speakergmm.errors import ConfigError, ManifestError
from speakergmm.features.extraction import extract_sides
from speakergmm.features.sides import by_name, pooled_sides
from speakergmm.files import file_digest
from speakergmm.gmm.model_file import load_background_model, read_background_model
from speakergmm.progress import SILENT
from speakergmm.recipes.enrolled_models import enroll_models
from speakergmm.recipes.lists import frames_folder, of_split, temporary_folder
from speakergmm.recipes.shorter_tests import lengths_below, median_speech_s, score_shorter
from speakergmm.recipes.steps import score_split, used_utterances
from speakergmm.verification import ScoreOrigin
from speakergmm.verification.calibration_file import load_calibration
from speakergmm.verification.cohort import build_cohort
from speakergmm.verification.cohort_file import load_cohort, save_cohort
from speakergmm.verification.origin import write_origin

if TYPE_CHECKING:
    from speakergmm.corpora import Protocol, Scores, Utterances
    from speakergmm.parallel import Jobs
    from speakergmm.progress import Progress
    from speakergmm.recipes.config import Settings
    from speakergmm.verification import CalibrationRecord, Cohort, EnrollmentConfig


@dataclass(frozen=True, eq=False)
class ScoredList:
    """Scored trials, what made their scores, and what makes them less certain, a line each.

    ``by_length``, where it was asked for, has the same trials with tests cut to so many seconds of
    speech; its longest are the whole ones, by their median.
    """

    scores: Scores
    origin: ScoreOrigin
    warnings: tuple[str, ...]
    by_length: dict[float, Scores] = field(default_factory=dict)


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
    if load_background_model(ubm).front_end.imported_features:
        if frames is None:
            raise ConfigError(
                f"{ubm}: trained on frames that another program made; give those of the lists' "
                "utterances too (--frames FOLDER, from `features import`)"
            )
        # There may be no recordings, and none is needed.
        utterances = read_utterances(utterances_file, audio, must_exist=False)
    else:
        utterances = read_utterances(utterances_file, audio, durations=duration_s)
    _check_folder(lists)
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


def _check_folder(lists: Path) -> None:
    """Refuse a folder of splits in the place of one of them."""
    splits = sorted(place.parent.name for place in lists.glob("*/enrollment.csv"))
    if splits and not (lists / "enrollment.csv").exists():
        raise ManifestError(
            f"{lists}: no enrollment.csv in it, but in {', '.join(splits)}; expected the folder of "
            f"one split, such as {lists / splits[-1]}"
        )


def score_protocol(
    protocol: Protocol,
    utterances: Utterances,
    ubm: Path | str,
    settings: Settings,
    *,
    frames: Path | None = None,
    cohort: Path | None = None,
    calibration: CalibrationRecord | None = None,
    with_shorter: bool = False,
    jobs: Jobs = None,
    progress: Progress = SILENT,
) -> ScoredList:
    """Enroll the models of a protocol and score its trials; see `score_lists`.

    ``with_shorter`` asks for `ScoredList.by_length`.
    """
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
    model, digest = read_background_model(ubm)
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
    with frames_folder(frames, jobs) as folder, temporary_folder() as scratch:
        store, _ = extract_sides(list(sides.values()), folder, config, jobs=jobs, progress=progress)
        enrollment = scratch / "enrollment.safetensors"
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
        shorter = {}
        if with_shorter:
            shorter = score_shorter(
                raw,
                lengths_below(median_speech_s(raw)),
                enrollment,
                protocol,
                test_pools,
                store,
                model,
                settings,
                cohort=strangers,
                jobs=jobs,
                progress=progress,
            )
    scores = raw.normalized(protocol.trials, normalization)
    by_length = {
        length: part.normalized(protocol.trials, normalization) for length, part in shorter.items()
    }
    if with_shorter:
        by_length[median_speech_s(raw)] = scores
    if calibration is not None:
        scores = raw.calibrated(scores, calibration)
    return ScoredList(scores, origin, warnings, by_length)


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
    model, digest = read_background_model(ubm)
    cohort = cohort_lists(
        of_split(utterances, split, utterances_file).values(),
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
    with frames_folder(frames, jobs) as folder:
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

"""Calibration on a user's own trials: fitted, checked on speakers left out, and made a decision."""

from __future__ import annotations

import dataclasses
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from speakergmm.audio import duration_s
from speakergmm.corpora import Scores, align_scores, read_utterances, trial_speakers
from speakergmm.corpora.folders import leave_one_out, utterances_in_folder
from speakergmm.errors import ConfigError, ManifestError, ScoreError, problem_report
from speakergmm.evaluation import CostModel, Evaluation, EvaluationConfig, evaluate_scores
from speakergmm.evaluation.decisions import Decision, check_support, decide, threshold_for
from speakergmm.evaluation.trial_words import SPEAKERS
from speakergmm.files import digests_once
from speakergmm.gmm.model_file import load_background_model
from speakergmm.progress import SILENT
from speakergmm.recipes.list_scoring import score_protocol
from speakergmm.recipes.shorter_tests import expected_errors, measured_on
from speakergmm.verification.calibration import fit_calibration
from speakergmm.verification.calibration_file import record_to_json
from speakergmm.verification.calibration_record import (
    CalibrationConfig,
    CalibrationRecord,
    fit_record,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from speakergmm.corpora import Utterance
    from speakergmm.evaluation.trial_words import TrialWords
    from speakergmm.parallel import Jobs
    from speakergmm.progress import Progress
    from speakergmm.recipes.config import Settings
    from speakergmm.verification import ScoreOrigin

# Groups of speakers that are left out in turn; every pair of them, since a trial may be of two.
MAX_FOLDS = 10


@dataclass(frozen=True)
class Goal:
    """What a threshold is chosen for: the lowest cost, or a share of strangers accepted.

    Parameters
    ----------
    cost : CostModel
        Gives the threshold by Bayes' rule, unless ``p_fa`` is given.
    p_fa : float, optional
        Strangers accepted, as a fraction; the threshold is found on the trials at hand.
    """

    cost: CostModel = dataclasses.field(default_factory=CostModel)
    p_fa: float | None = None

    def __post_init__(self) -> None:
        if self.p_fa is not None and not 0 < self.p_fa < 1:
            raise ConfigError(
                f"the false-accept rate is {self.p_fa!r}; expected a fraction between 0 and 1, "
                "such as 0.01 for one in a hundred"
            )


@dataclass(frozen=True)
class CalibrationReport:
    """A calibration fitted on trials, and how it does on speakers that it does not know.

    Parameters
    ----------
    record : CalibrationRecord
        Fitted on all trials, with the threshold.
    decision : Decision
        The threshold's error rates, by the ratios of ``scores``.
    evaluation : Evaluation
        All metrics of these.
    scores : Scores
        The trials, with ratios by calibrations that were fitted without the speakers of each trial.
    n_recordings : int or None
        How many there were, where trials were made of recordings.
    warnings : tuple of str
        What makes the answer less certain, a line each.
    """

    record: CalibrationRecord
    decision: Decision
    evaluation: Evaluation
    scores: Scores
    n_recordings: int | None
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Give the report as JSON."""
        return {
            "calibration": record_to_json(self.record),
            "decision": dataclasses.asdict(self.decision),
            "evaluation": self.evaluation.to_json(),
            "n_recordings": self.n_recordings,
            "warnings": list(self.warnings),
        }


def calibrate_scores(
    systems: Sequence[Scores],
    origins: Sequence[ScoreOrigin | None],
    goal: Goal = Goal(),
    *,
    names: Sequence[str] = (),
    p_target: float = 0.5,
    n_resamples: int = 1000,
    seed: int = 0,
    n_recordings: int | None = None,
    by_length: Mapping[float, Scores] | None = None,
    warnings: Sequence[str] = (),
    words: TrialWords = SPEAKERS,
    progress: Progress = SILENT,
) -> CalibrationReport:
    """Fit a calibration, or a fusion, to scored trials, and choose a threshold.

    Parameters
    ----------
    systems : sequence of Scores
        Of the same trials.
    origins, names
        Of each system's scores.
    p_target : float
        Prior for which the fit is best.
    by_length : mapping, optional
        Of one system: seconds of speech → the same trials with tests of so much, for the errors to
        expect.
    words : TrialWords
        For what the trials ask.

    Raises
    ------
    ScoreError
        When no calibration can be fitted, or the data are too few for the goal: with what is there
        and about what is needed.
    ManifestError
        When the systems were not scored on the same trials.
    """
    names = names or [f"scores {i}" for i in range(1, len(systems) + 1)]
    aligned = align_scores(systems, names)
    config = CalibrationConfig(p_target)
    record = fit_record(aligned, origins, fitted_on=", ".join(names), config=config)
    llr = cross_validated(aligned, p_target, seed=seed, progress=progress)
    scores = dataclasses.replace(aligned[0], score=llr, llr=llr)
    if goal.p_fa is None:
        threshold = goal.cost.threshold
        warnings = [*warnings, *check_support(scores, threshold, words=words)]
    else:
        threshold = threshold_for(scores, goal.p_fa, words=words)
    progress.start("error rates")
    judged = {}
    for length, part in (by_length or {}).items():
        # Of some lengths there may be too few errors to tell.
        with suppress(ScoreError):
            llr = cross_validated([part], p_target, seed=seed)
            judged[length] = dataclasses.replace(part, llr=llr)
    return CalibrationReport(
        dataclasses.replace(
            record,
            threshold=threshold,
            expected=expected_errors(by_length or {}, judged, record, threshold),
            measured_on=f"{record.fitted_on}, on speakers left out" if judged else "",
        ),
        decide(scores, threshold, n_resamples=n_resamples, rng=seed),
        evaluate_scores(
            scores,
            EvaluationConfig(
                goal.cost.p_target, goal.cost.c_miss, goal.cost.c_fa, n_resamples=n_resamples
            ),
            rng=seed,
            progress=progress,
        ),
        scores,
        n_recordings,
        (*warnings, *record.warnings),
    )


def cross_validated(
    systems: Sequence[Scores],
    p_target: float,
    *,
    seed: int = 0,
    progress: Progress = SILENT,
) -> NDArray[np.float64]:
    """Calibrate each trial by a fit that knows neither of its speakers.

    Speakers are dealt into ten groups (one each where there are fewer). The trials between two
    groups, or within one, are calibrated by the trials among all the others.

    Returns
    -------
    (N,) float64
        Log-likelihood ratios.

    Raises
    ------
    ScoreError
        When the trials that are left for a fit allow none.
    """
    trials = systems[0].trials
    model_speaker, test_speaker, n_speakers = trial_speakers(trials)
    n_folds = min(MAX_FOLDS, n_speakers)
    fold_of = np.random.default_rng(seed).permutation(np.arange(n_speakers) % n_folds)
    test_fold = fold_of[test_speaker][trials.test_index]
    model = model_speaker[trials.model_index]
    # A model of a class is of nobody: the number that follows the last.
    model_fold = np.where(model == n_speakers, test_fold, fold_of[model % n_speakers])
    low, high = np.minimum(model_fold, test_fold), np.maximum(model_fold, test_fold)
    matrix = np.column_stack([scores.score for scores in systems])
    values = matrix if len(systems) > 1 else matrix[:, 0]
    llr = np.empty(len(trials))
    pairs = [(i, j) for i in range(n_folds) for j in range(i, n_folds)]
    progress.start("cross-validation", len(pairs))
    for i, j in pairs:
        held = (low == i) & (high == j)
        progress.advance()
        if not held.any():
            continue
        kept = (low != i) & (low != j) & (high != i) & (high != j)
        try:
            calibration = fit_calibration(
                values[kept & trials.is_target], values[kept & ~trials.is_target], p_target=p_target
            )
        except ScoreError as error:
            raise ScoreError(
                f"not enough data to check a calibration: with some of the {n_speakers} speakers "
                f"left out, {error}; add recordings, or harder ones, and speakers (20 or more)"
            ) from None
        llr[held] = calibration(values[held])
    return llr


def calibrate_recordings(
    source: Path | str,
    ubm: Path | str,
    settings: Settings,
    goal: Goal = Goal(),
    *,
    audio: Path | None = None,
    max_enrollment: int | None = None,
    cohort: Path | None = None,
    n_resamples: int = 1000,
    seed: int = 0,
    jobs: Jobs = None,
    progress: Progress = SILENT,
) -> CalibrationReport:
    """Calibrate on a few recordings of each of a few speakers.

    All trials are made that these allow (`leave_one_out`), scored, and given to `calibrate_scores`.

    Parameters
    ----------
    source : path
        A folder with a folder for each speaker, or ``utterances.csv``.
    ubm, audio, cohort
        As for `score_lists`.
    settings : Settings
        Of these, ``enrollment``, ``scoring``, ``score_normalization`` and the prior of
        ``calibration`` are used.
    max_enrollment : int, optional
        Recordings that a model is made of, at most; default: all that are left.

    Raises
    ------
    ManifestError, AudioError, ScoreError, ModelFileError, CohortError
        When the recordings cannot be used, or are too few, with what is there and what is needed.
    """
    source = Path(source)
    utterances = (
        utterances_in_folder(source)
        if source.is_dir()
        else read_utterances(source, audio, durations=duration_s)
    )
    _check_different(utterances.values())
    protocol = leave_one_out(utterances, max_enrollment=max_enrollment)
    scored = score_protocol(
        protocol, utterances, ubm, settings, cohort=cohort, with_shorter=True, jobs=jobs,
        progress=progress,
    )  # fmt: skip
    warnings = list(scored.warnings)
    sessions = {(u.speaker_id, u.session_id) for u in utterances.values()}
    if not any(session for _, session in sessions):
        warnings.append(
            "the recordings name no sessions, so those of one speaker are taken for different "
            "sittings; if they are of one, with one microphone, expect more errors in use"
        )
    report = calibrate_scores(
        [scored.scores],
        [scored.origin],
        goal,
        names=[str(source)],
        p_target=settings.calibration.p_target,
        n_resamples=n_resamples,
        seed=seed,
        n_recordings=len(utterances),
        by_length=scored.by_length,
        warnings=warnings,
        progress=progress,
    )
    trials = measured_on(report.record.measured_on, load_background_model(ubm).front_end)
    record = dataclasses.replace(report.record, measured_on=trials)
    return dataclasses.replace(report, record=record)


def _check_different(utterances: Iterable[Utterance]) -> None:
    """Refuse the same audio under two names: it would match itself."""
    seen: dict[tuple[Any, ...], Utterance] = {}
    problems = []
    digest = digests_once()
    for utterance in utterances:
        segment = utterance.start_s, utterance.end_s, utterance.channel
        key = (digest(utterance.path), *segment)
        first = seen.setdefault(key, utterance)
        if first is not utterance:
            problems.append(
                f"{utterance.utterance_id!r} of {utterance.speaker_id!r} is the same as "
                f"{first.utterance_id!r} of {first.speaker_id!r}"
            )
    if problems:
        raise ManifestError(
            problem_report("recordings stand there twice, and would match themselves", problems)
        )

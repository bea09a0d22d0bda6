"""A calibration with what it was made from, and the file that keeps it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from speakergmm.config import check_choice, check_range, use_plain_numbers
from speakergmm.corpora import trial_speakers
from speakergmm.errors import CalibrationError, ConfigError, ScoreError
from speakergmm.verification.calibration import Calibration, fit_calibration
from speakergmm.verification.expected_errors import expected_at
from speakergmm.verification.side_information import SIDE_NAMES, SideName, side_quantity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from speakergmm.corpora import Scores
    from speakergmm.verification.expected_errors import ExpectedErrors
    from speakergmm.verification.origin import ScoreOrigin

    Floats: TypeAlias = NDArray[np.float64]

# Two points make a line, and as few speakers make any; with fewer than the second number the fit
# depends much on who they are.
MIN_SPEAKERS, FEW_SPEAKERS = 5, 20

# Trials whose scores are shown when they cannot be used.
SHOWN = 5


@dataclass(frozen=True)
class CalibrationConfig:
    """Settings of calibration.

    Parameters
    ----------
    p_target : float
        Prior for which the fit is best.
    side_information : tuple of str
        What scale and offset may depend on: ``enrollment_speech`` and ``test_speech``, the natural
        logarithm of the seconds of net speech, ``enrollment_snr`` and ``test_snr`` in dB.
    conditions : tuple of str
        Conditions whose development trials are pooled with the experiment's own, each with the same
        weight: short tests, say, so that it is learned what they are worth.
    """

    p_target: float = 0.5
    side_information: tuple[SideName, ...] = ()
    conditions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        use_plain_numbers(self)
        check_range("p_target", self.p_target, 1e-9, 1 - 1e-9)
        for name in self.side_information:
            check_choice("side_information", name, SIDE_NAMES)
        if len(set(self.side_information)) < len(self.side_information):
            raise ConfigError(
                f"side_information is {list(self.side_information)}; expected each quantity once"
            )


@dataclass(frozen=True)
class CalibrationRecord:
    """A calibration, and what it was made from.

    Parameters
    ----------
    calibration : Calibration
    origins : tuple of (ScoreOrigin or None)
        Of each system's scores; None where it is not known.
    fitted_on : str
        Names the trials.
    p_target : float
        Prior of the fit.
    n_target, n_nontarget, n_speakers : int
        Of the trials.
    threshold : float, optional
        Log-likelihood ratio from which to accept, where a decision was asked for.
    expected : tuple of ExpectedErrors
        Error rates at this threshold by how much speech was heard, ascending; the last is of whole
        tests. Empty where they were not measured.
    measured_on : str
        Names the trials of these.
    """

    calibration: Calibration
    origins: tuple[ScoreOrigin | None, ...]
    fitted_on: str
    p_target: float
    n_target: int
    n_nontarget: int
    n_speakers: int
    threshold: float | None = None
    expected: tuple[ExpectedErrors, ...] = ()
    measured_on: str = ""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Say what makes it less certain, a line each."""
        found = []
        if self.n_speakers < FEW_SPEAKERS:
            found.append(
                f"calibrated on {self.n_speakers} speakers; with fewer than {FEW_SPEAKERS} it "
                "depends on who they happen to be: add speakers"
            )
        scale = self.calibration.scale
        if isinstance(scale, float) and not self.calibration.side and scale < 0:
            found.append(
                "higher scores speak for nontarget trials here (the scale is negative): check the "
                "labels, and that the scores are no distances"
            )
        return tuple(found)

    def check(self, origins: Sequence[ScoreOrigin | None], holder: str = "calibration") -> None:
        """Refuse scores that others than its own systems made; what is not known passes.

        Raises
        ------
        CalibrationError
            Naming the differences.
        """
        if len(origins) != len(self.origins):
            raise CalibrationError(
                f"{holder}: fuses {len(self.origins)} systems, got the scores of {len(origins)}; "
                "give one score file for each, in the order of the fit"
            )
        for i, (own, other) in enumerate(zip(self.origins, origins, strict=True)):
            if own is not None and other is not None:
                own.check(other, holder if len(origins) == 1 else f"{holder}, system {i}")

    def single_origin(self, holder: str) -> ScoreOrigin:
        """Give the origin of the one system whose scores are calibrated.

        Raises
        ------
        CalibrationError
            When several are fused, or it is not known what made the scores.
        """
        if len(self.origins) != 1:
            raise CalibrationError(
                f"{holder}: fuses {len(self.origins)} systems; expected one system's calibration: "
                "score the list with each, and give the score files to `evaluate --calibration`"
            )
        if self.origins[0] is None:
            raise CalibrationError(
                f"{holder}: does not say what made its scores; calibrate with recordings, or with "
                "scores that `score` wrote"
            )
        return self.origins[0]

    def of_trial(self, score: float, side: Mapping[str, float]) -> float:
        """Give the log-likelihood ratio of one trial of one system.

        Parameters
        ----------
        side : mapping
            As `TrialSide.values`, of the trial.

        Raises
        ------
        CalibrationError
            When the calibration needs what is not known.
        """
        missing = [term.name for term in self.calibration.side if term.name not in side]
        if missing:
            raise CalibrationError(
                f"the calibration needs {', '.join(missing)}, which is not known of this trial; "
                "calibrate without it"
            )
        known = [
            side_quantity(term.name, np.array([side[term.name]])) for term in self.calibration.side
        ]
        return float(self.calibration([score], np.column_stack(known) if known else None)[0])

    def of_recording(self, score: float, side: Mapping[str, float]) -> float:
        """Give the log-likelihood ratio of a score of one recording, by how much speech it has.

        What a score of so much speech is worth is read from the table of expected errors, where
        there is one; where the calibration itself depends on side information, or there is no
        table, this is `of_trial`.

        Parameters
        ----------
        side : mapping
            As for `of_trial`; ``test_speech`` has to be there.
        """
        if not self.knows_lengths:
            return self.of_trial(score, side)
        return float(self.by_length(np.array([score]), [side["test_speech"]])[0])

    @property
    def knows_lengths(self) -> bool:
        """Whether ratios are read from the table of expected errors; see `of_recording`."""
        return bool(self.expected) and not self.calibration.side

    def by_length(self, scores: Floats, speech_s: Sequence[float] | Floats) -> Floats:
        """Give the ratios of scores (N,) of tests with so many seconds of speech each (N,)."""
        lengths, place = np.unique(np.asarray(speech_s, dtype=np.float64), return_inverse=True)
        rows = [expected_at(self.expected, float(length)) for length in lengths]
        scale, offset = np.array([(row.scale, row.offset) for row in rows if row is not None]).T
        return np.asarray(scale[place] * scores + offset[place])

    def calibrated(self, systems: Sequence[Scores]) -> Scores:
        """Give the first system's scored trials with the ratios that all systems' scores make.

        Where several are fused, the ratio is also the score.

        Parameters
        ----------
        systems : sequence of Scores
            Of the same trials in the same order.

        Raises
        ------
        ScoreError
            When the calibration needs side information, which a score file does not hold.
        """
        first = systems[0]
        n_systems = self.calibration.n_systems
        if len(systems) != n_systems:
            raise ScoreError(
                f"there are scores of {len(systems)} systems; this calibration is for {n_systems}: "
                "expected one score list for each"
            )
        if n_systems == 1:
            return dataclasses.replace(first, llr=self.calibration(first.score))
        llr = self.calibration(np.column_stack([scores.score for scores in systems]))
        return dataclasses.replace(first, score=llr, llr=llr)


def fit_record(
    systems: Sequence[Scores],
    origins: Sequence[ScoreOrigin | None],
    *,
    fitted_on: str,
    config: CalibrationConfig = CalibrationConfig(),
    side: Floats | None = None,
) -> CalibrationRecord:
    """Fit a calibration to a scored trial list, or a fusion to several systems' scores of it.

    Parameters
    ----------
    systems : sequence of Scores
        Of the same trials in the same order.
    side : (N, Q), optional
        The quantities that the configuration names, as `TrialSide.of_trials` gives them.

    Raises
    ------
    ScoreError
        When there are fewer than five speakers, scores are not finite (naming the trials), or for
        what `fit_calibration` refuses.
    """
    trials = systems[0].trials
    n_speakers = trial_speakers(trials)[2]
    if n_speakers < MIN_SPEAKERS:
        raise ScoreError(
            f"the trials are of {n_speakers} speaker(s); expected at least {MIN_SPEAKERS} to learn "
            f"what scores mean for others, better {FEW_SPEAKERS}: add speakers"
        )
    for scores in systems:
        check_finite(scores)
    is_target = trials.is_target
    matrix = np.column_stack([scores.score for scores in systems])
    values = matrix if len(systems) > 1 else matrix[:, 0]
    known = None if side is None or not config.side_information else side
    calibration = fit_calibration(
        values[is_target],
        values[~is_target],
        p_target=config.p_target,
        side=config.side_information,
        target_side=None if known is None else known[is_target],
        nontarget_side=None if known is None else known[~is_target],
    )
    n_target = int(is_target.sum())
    return CalibrationRecord(
        calibration,
        tuple(origins),
        fitted_on,
        config.p_target,
        n_target,
        len(trials) - n_target,
        n_speakers,
    )


def check_finite(scores: Scores) -> None:
    """Refuse scores that are NaN or infinite.

    Raises
    ------
    ScoreError
        Naming the first trials and counting the others.
    """
    bad = np.flatnonzero(~np.isfinite(scores.score))
    if len(bad) == 0:
        return
    trials = scores.trials
    named = ", ".join(
        f"{trials.model_ids[trials.model_index[i]]} with {trials.test_ids[trials.test_index[i]]} "
        f"({scores.score[i]})"
        for i in bad[:SHOWN]
    )
    more = f" and {len(bad) - SHOWN:,} more" if len(bad) > SHOWN else ""
    raise ScoreError(
        f"{len(bad):,} of {len(trials):,} scores are not finite: {named}{more}; score these trials "
        "again, or leave them out"
    )

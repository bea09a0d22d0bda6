"""What the verifier answers: values that can be printed, or written as JSON."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from speakergmm.audio.quality import SHORT_SPEECH_S

if TYPE_CHECKING:
    from speakergmm.audio.quality import Quality
    from speakergmm.verification.expected_errors import ExpectedErrors

# Below, the model is mostly the background model.
SHORT_ENROLLMENT_S = 10.0

# How much speech there is, an answer says by what was scored, which is not to the last word what
# the quality counts.
OF_LENGTH = "short_speech"


@dataclass(frozen=True, slots=True)
class EnrollmentReport:
    """What an enrollment added, and what is now known; seconds are of net speech.

    Parameters
    ----------
    speaker_id : str
    speech_s : float
        Added.
    total_speech_s : float
        In all.
    n_recordings : int
        In all.
    quality : dict
        Of each recording, by its name.
    share_seen : float
        Share of the background model's components that have seen a frame's worth of speech or more,
        by now: what sounds the enrollment holds.
    share_adapted : float
        Share of them that have moved half way to the speaker or further (n ≥ relevance factor).
    fit : dict
        Of each recording, by its name: the log-likelihood ratio (calibrated, or else per frame)
        against the model of the speaker's other recordings; None where there are none.
    misfits : tuple of str
        Recordings that do not fit the others: below 0 they sound more like somebody else. Where two
        are left that do not fit each other these are the last two, the second of them whatever its
        own fit, since nobody knows which is wrong.
    duplicates : tuple of (str, str)
        Recordings that are also part of another speaker's enrollment, and who that is.
    """

    speaker_id: str
    speech_s: float
    total_speech_s: float
    n_recordings: int
    quality: dict[str, Quality]
    share_seen: float
    share_adapted: float
    fit: dict[str, float | None]
    misfits: tuple[str, ...] = ()
    duplicates: tuple[tuple[str, str], ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What may harm decisions about this speaker, a line each; names the recording."""
        found = [
            f"{name}: this is also a recording of {other!r}; one of the two enrollments is wrong: "
            "remove it and enroll again"
            for name, other in self.duplicates
        ]
        # What is left over with the one before it is named whatever its fit.
        fits = {name: self.fit[name] or 0.0 for name in self.misfits}
        found += [
            f"{name}: does not fit the other recordings ({fit:.2f}, below 0 it sounds more like "
            "somebody else); listen to it, and if it is, remove the speaker and enroll again "
            "without it"
            for name, fit in fits.items()
            if fit < 0
        ]
        found += [
            f"{name}: may be the one that is somebody else's, as there is only {other} to compare "
            "it with; listen to both"
            for other, name in pairwise(self.misfits)
            if fits[name] >= 0
        ]
        if self.total_speech_s < SHORT_ENROLLMENT_S:
            found.append(
                f"{self.total_speech_s:.1f} s of speech in all; below {SHORT_ENROLLMENT_S:g} s "
                "errors are much more frequent: enroll more recordings, best of other days"
            )
        found += [
            f"{name}: {warning.text}"
            for name, quality in self.quality.items()
            for warning in quality.warnings
            if warning.code != OF_LENGTH
        ]
        return tuple(found)

    def to_json(self) -> dict[str, Any]:
        """Give the report as JSON."""
        quality = {name: quality.to_json() for name, quality in self.quality.items()}
        return dataclasses.asdict(self) | {"quality": quality, "warnings": list(self.warnings)}


@dataclass(frozen=True, slots=True)
class Verification:
    """The answer to "is this that speaker?".

    Parameters
    ----------
    speaker_id, recording : str
    score : float
        What the scorer gives, normalized where there is a cohort.
    threshold : float
        It was accepted when ``llr``, or without a calibration ``score``, reached this.
    accepted : bool
    speech_s : float
        Net speech that was heard, in seconds.
    quality : Quality
        What the recording is like.
    llr : float, optional
        Calibrated log-likelihood ratio, natural log: above 0 such a score is likelier from the
        claimed speaker than from a stranger. None without a calibration.
    expected : ExpectedErrors, optional
        Error rates with so much speech, at the calibration's threshold, where they were measured
        and that is the threshold used.
    better : ExpectedErrors, optional
        Those with a length that would make the answer much surer.
    notes : tuple of str
        What besides quality makes the answer less certain, a line each.
    """

    speaker_id: str
    recording: str
    score: float
    threshold: float
    accepted: bool
    speech_s: float
    quality: Quality
    llr: float | None = None
    expected: ExpectedErrors | None = None
    better: ExpectedErrors | None = None
    notes: tuple[str, ...] = ()

    @property
    def value(self) -> float:
        """What was compared with the threshold."""
        return self.score if self.llr is None else self.llr

    @property
    def warnings(self) -> tuple[str, ...]:
        """What may harm the decision, a line each."""
        return _warnings(self.notes, self.speech_s, self.quality)

    def to_json(self) -> dict[str, Any]:
        """Give the answer as JSON."""
        return _with_quality(self, self.quality) | {"warnings": list(self.warnings)}


@dataclass(frozen=True, slots=True)
class Candidate:
    """An enrolled speaker whom a recording may be of.

    ``score`` and ``llr`` are as in `Verification`; ``posterior`` is the probability that it is this
    speaker, None without a calibration.
    """

    speaker_id: str
    score: float
    llr: float | None
    posterior: float | None


@dataclass(frozen=True, slots=True)
class Identification:
    """The answer to "who of those enrolled is this?".

    Parameters
    ----------
    recording : str
    candidates : tuple of Candidate
        The best, the best first.
    speaker_id : str or None
        Who it is taken to be; None: none of them.
    is_closed : bool
        Whether it was said to be one of them, so that the best is the answer.
    threshold : float or None
        Of an open set: what the best has to reach. With ratios it is that of a claim plus ln S,
        since a stranger has S chances to be taken for one of S speakers.
    posterior_none : float or None
        Probability that it is none of them; None without a calibration, 0 of a closed set.
    n_enrolled : int
        Speakers that were compared.
    speech_s : float
        Net speech that was heard, in seconds.
    quality : Quality
    p_known : float
        How often a recording is of somebody enrolled, for whom the threshold is right: of ratios
        1 / (1 + e^threshold), before ln S is added. By it the probabilities were made.
    notes : tuple of str
        What besides quality makes the answer less certain, a line each.
    """

    recording: str
    candidates: tuple[Candidate, ...]
    speaker_id: str | None
    is_closed: bool
    threshold: float | None
    posterior_none: float | None
    n_enrolled: int
    speech_s: float
    quality: Quality
    p_known: float
    notes: tuple[str, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What may harm the decision, a line each."""
        return _warnings(self.notes, self.speech_s, self.quality)

    def to_json(self) -> dict[str, Any]:
        """Give the answer as JSON."""
        return _with_quality(self, self.quality) | {"warnings": list(self.warnings)}


def _warnings(notes: tuple[str, ...], speech_s: float, quality: Quality) -> tuple[str, ...]:
    found = [*notes]
    if speech_s < SHORT_SPEECH_S:
        found.append(
            f"{speech_s:.1f} s of speech (below {SHORT_SPEECH_S:g} s): short recordings raise both "
            "error rates; record more"
        )
    return (*found, *(w.text for w in quality.warnings if w.code != OF_LENGTH))


def _with_quality(answer: Any, quality: Quality) -> dict[str, Any]:
    return dataclasses.asdict(answer) | {"quality": quality.to_json()}

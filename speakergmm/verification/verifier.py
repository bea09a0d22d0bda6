"""The verifier: a background model and the speakers enrolled with it, for everyday use."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from speakergmm.audio import recording_info
from speakergmm.audio.quality import Quality, recording_quality
from speakergmm.config import check_range
from speakergmm.corpora import Utterance, all_against_all
from speakergmm.errors import AudioError, ConfigError
from speakergmm.features import FrontEnd
from speakergmm.features.reading import recorded_side
from speakergmm.features.sides import is_pooled
from speakergmm.files import file_digest
from speakergmm.gmm import Statistics, accumulate
from speakergmm.gmm.model_file import load_background_model, model_digest
from speakergmm.parallel import single_threaded_libraries
from speakergmm.verification.answers import EnrollmentReport, Verification
from speakergmm.verification.calibration_file import load_calibration
from speakergmm.verification.cohort_file import load_cohort
from speakergmm.verification.cohort_scoring import score_cohort
from speakergmm.verification.enrollment import EnrollmentConfig
from speakergmm.verification.linear import linear_score
from speakergmm.verification.ratio import log_likelihood_ratio
from speakergmm.verification.scoring import ScoringConfig
from speakergmm.verification.speaker_store import Enrollment, SpeakerStore
from speakergmm.verification.trial_normalization import NormalizationConfig, normalize_trials

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from speakergmm.features.reading import SideFrames
    from speakergmm.gmm.model_file import BackgroundModel
    from speakergmm.verification.calibration_record import CalibrationRecord
    from speakergmm.verification.cohort import Cohort

# A click or a breath has less; the shortest words have more.
MIN_SPEECH_S = 0.2


@dataclass(frozen=True)
class Verifier:
    """Enrolls and verifies speakers. Make one with `Verifier.load`.

    Parameters
    ----------
    model : BackgroundModel
    front_end : FrontEnd
        The model's.
    store : SpeakerStore
    enrollment : EnrollmentConfig
        How a speaker's model is made.
    scoring : ScoringConfig
        How a recording is scored.
    calibration : CalibrationRecord, optional
        What makes log-likelihood ratios of scores.
    normalization : NormalizationConfig
    cohort : Cohort, optional
        By which scores are normalized.
    """

    model: BackgroundModel
    front_end: FrontEnd
    store: SpeakerStore
    enrollment: EnrollmentConfig
    scoring: ScoringConfig = field(default_factory=ScoringConfig)
    calibration: CalibrationRecord | None = None
    normalization: NormalizationConfig = field(default_factory=NormalizationConfig)
    cohort: Cohort | None = None

    @classmethod
    def load(
        cls,
        ubm: Path | str,
        store: Path | str = "speakers.db",
        *,
        enrollment: EnrollmentConfig | None = None,
        calibration: Path | str | None = None,
        cohort: Path | str | None = None,
    ) -> Verifier:
        """Load a background model, and name the file of enrolled speakers.

        Parameters
        ----------
        ubm, store : path
        enrollment : EnrollmentConfig, optional
            How a speaker's model is made. Default: as for the calibration, where there is one.
        calibration : path, optional
            Calibration file. Scores are then made as those that it was fitted on.
        cohort : path, optional
            Cohort file, which a calibration of normalized scores needs.

        Raises
        ------
        ModelFileError
            When the model file is missing, damaged or not one.
        CalibrationError, CohortError
            When calibration or cohort are missing, damaged, or were made for another system.
        """
        model, digest = load_background_model(ubm), model_digest(ubm)
        speakers = SpeakerStore(Path(store), digest)
        front_end = FrontEnd(model.front_end)
        if calibration is None:
            if cohort is not None:
                raise ConfigError(
                    f"{cohort}: a cohort changes what scores mean; give the calibration that was "
                    "made with it"
                )
            return cls(model, front_end, speakers, enrollment or EnrollmentConfig())
        record = load_calibration(calibration)
        origin = record.single_origin(str(calibration))
        if cohort is None and origin.cohort:
            raise ConfigError(
                f"{calibration}: of scores that a cohort normalizes ({origin.normalization}); give "
                "that cohort too"
            )
        strangers = None if cohort is None else load_cohort(cohort, digest)
        wanted = replace(
            origin,
            ubm=digest,
            enrollment=enrollment or origin.enrollment,
            cohort="" if cohort is None else file_digest(cohort),
        )
        record.check([wanted], str(calibration))
        if wanted.enrollment.iterations > 1:
            raise ConfigError(
                f"{calibration}: made with {wanted.enrollment.iterations} iterations of "
                "adaptation; the store keeps statistics for one: calibrate with "
                "enrollment.iterations = 1"
            )
        return cls(
            model,
            front_end,
            speakers,
            wanted.enrollment,
            origin.scoring,
            record,
            NormalizationConfig.from_label(origin.normalization),
            strangers,
        )

    def enroll(self, speaker_id: str, recordings: Sequence[Path | str]) -> EnrollmentReport:
        """Add recordings to a speaker's enrollment, all of them or none.

        Raises
        ------
        AudioError
            When a recording cannot be used.
        SpeakerStoreError
            When a recording is already enrolled, or the store cannot be used.
        """
        if not recordings:
            raise ConfigError("no recordings to enroll; expected one or more")
        digests: dict[str, Path] = {}
        for recording in map(Path, recordings):
            # That it can be read is checked first: a digest would not say what is wrong with it.
            recording_info(recording)
            digest = file_digest(recording)
            if digest in digests:
                raise AudioError(
                    f"{recording}: the same recording as {digests[digest]}; the same speech twice "
                    "teaches nothing: give it once"
                )
            digests[digest] = recording
        total = Statistics.zero(self.model.gmm.n_components, self.model.gmm.n_features)
        # Where sides are normalized together, these recordings are one side.
        together = is_pooled(self.model.front_end)
        for side in [recordings] if together else [[recording] for recording in recordings]:
            with single_threaded_libraries():
                total = total + accumulate(self.model.gmm, self.frames(*side))
        quality = {str(recording): self.quality(recording) for recording in recordings}
        enrollment = self.store.enroll(speaker_id, total, tuple(digests))
        frames_per_s = self.model.front_end.frames_per_s
        return EnrollmentReport(
            speaker_id,
            total.n_frames / frames_per_s,
            enrollment.statistics.n_frames / frames_per_s,
            len(enrollment.recordings),
            quality,
        )

    def verify(
        self, speaker_id: str, recording: Path | str, *, threshold: float | None = None
    ) -> Verification:
        """Score a recording against a speaker's model and compare with the threshold.

        Parameters
        ----------
        threshold : float, optional
            Accept from here on: of the log-likelihood ratio where there is a calibration, else of
            the score. Default: the calibration's.

        Raises
        ------
        ConfigError
            When there is no threshold, or it is not a finite number.
        MissingError
            When no such speaker is enrolled.
        AudioError
            When the recording cannot be used.
        CohortError
            When the speaker, or one of the recordings, is part of the cohort.
        """
        if threshold is None:
            threshold = None if self.calibration is None else self.calibration.threshold
            if threshold is None:
                raise ConfigError(
                    "no threshold: a score means nothing without one; give one, or a calibration "
                    "that has one"
                )
        check_range("threshold", threshold, -math.inf)
        known = self.store.find(speaker_id)
        if self.cohort is not None:
            self.cohort.check_apart([Utterance(str(recording), speaker_id, Path(recording))])
            self.cohort.check_enrolled(speaker_id, known.recordings)
        heard = self._heard(recording)
        frames = heard.frames
        score = self._score(known, recording, frames)
        frames_per_s = self.model.front_end.frames_per_s
        speech_s = len(frames) / frames_per_s
        llr = None
        if self.calibration is not None:
            side = {
                "enrollment_speech": known.statistics.n_frames / frames_per_s,
                "test_speech": speech_s,
                "test_snr": heard.snr_db,
            }
            llr = self.calibration.of_trial(score, side)
        return Verification(
            speaker_id,
            str(recording),
            score,
            threshold,
            (score if llr is None else llr) >= threshold,
            speech_s,
            self.quality(recording),
            llr,
        )

    def _score(
        self, known: Enrollment, recording: Path | str, frames: NDArray[np.float32]
    ) -> float:
        """Score one trial as the configuration says, and normalize it."""
        ubm = self.model.gmm
        speaker_model = self.enrollment.speaker_model(ubm, known.statistics)
        with single_threaded_libraries():
            if self.scoring.scorer == "linear":
                score = float(linear_score(speaker_model, ubm, accumulate(ubm, frames))[0, 0])
            else:
                top_c = self.scoring.top_c
                score = log_likelihood_ratio(speaker_model, ubm, frames, top_c=top_c)
        if self.cohort is None:
            return score
        against = score_cohort(
            self.cohort,
            ubm,
            [speaker_model],
            [str(recording)],
            lambda _: frames,
            self.scoring,
            self.normalization.method,
            jobs=1,
        )
        trials = all_against_all({known.speaker_id: "speaker"}, {str(recording): "test"})
        normalized = normalize_trials(np.array([score]), trials, against, self.normalization)
        return float(normalized[0])

    def quality(self, recording: Path | str) -> Quality:
        """Measure the quality of a recording, of the channel that is listened to.

        Raises
        ------
        AudioError
            When the recording cannot be used, naming it.
        """
        return recording_quality(recording, channel=self.model.front_end.channel)

    def frames(self, *recordings: Path | str) -> NDArray[np.float32]:
        """Frames (T, D) of recordings of one side, by the front end of the model's training.

        Raises
        ------
        AudioError
            When a recording cannot be used, naming it.
        """
        return self._heard(*recordings).frames

    def _heard(self, *recordings: Path | str) -> SideFrames:
        heard = recorded_side(recordings, self.front_end)
        speech_s = len(heard.frames) / self.front_end.config.frames_per_s
        if speech_s < MIN_SPEECH_S:
            named = ", ".join(map(str, recordings))
            raise AudioError(
                f"{named}: {speech_s:.2f} s of speech; expected at least {MIN_SPEECH_S:g} s, "
                "better several seconds: record more"
            )
        return heard

"""The verifier: a system and the speakers enrolled with it, for everyday use."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from speakergmm.config import check_whole
from speakergmm.verification.engine import Engine
from speakergmm.verification.enrolling import enroll_recordings
from speakergmm.verification.speaker_store import SpeakerStore
from speakergmm.verification.system import assemble_system
from speakergmm.verification.system_file import load_system

if TYPE_CHECKING:
    from collections.abc import Sequence

    from speakergmm.audio.sources import Recording
    from speakergmm.verification.answers import (
        EnrollmentReport,
        Identification,
        Verification,
    )
    from speakergmm.verification.enrollment import EnrollmentConfig
    from speakergmm.verification.explanation_values import Explanation
    from speakergmm.verification.streaming import Stream, StreamConfig


@dataclass(frozen=True)
class Verifier(Engine):
    """Enrolls, verifies and identifies speakers. Make one with `Verifier.load`.

    It may be used by many threads at once, and so may the store by many processes.

    Parameters
    ----------
    system : System
    store : SpeakerStore
        Of the system's background model.

    Examples
    --------
    >>> verifier = Verifier.load("system.safetensors", "speakers.db")  # doctest: +SKIP
    >>> verifier.enroll("alice", ["alice1.wav", "alice2.wav"]).warnings  # doctest: +SKIP
    ()
    >>> answer = verifier.verify("alice", "unknown.wav")  # doctest: +SKIP
    >>> answer.accepted, round(answer.llr, 1)  # doctest: +SKIP
    (True, 5.9)
    """

    @classmethod
    def load(
        cls,
        system: Path | str,
        store: Path | str = "speakers.db",
        *,
        enrollment: EnrollmentConfig | None = None,
        calibration: Path | str | None = None,
        cohort: Path | str | None = None,
    ) -> Verifier:
        """Load a system, and name the file of enrolled speakers.

        Parameters
        ----------
        system : path
            System file, which needs none of the others; or the model file of a background model.
        store : path
            Made at the first enrollment.
        enrollment : EnrollmentConfig, optional
            How a speaker's model is made. Default: as for the calibration, where there is one.
        calibration : path, optional
            Calibration file. Scores are then made as those that it was fitted on.
        cohort : path, optional
            Cohort file, which a calibration of normalized scores needs.

        Raises
        ------
        ModelFileError
            When the file is missing, damaged or neither.
        CalibrationError, CohortError
            When calibration or cohort are missing, damaged, or were made for another system.
        """
        parts = (enrollment, calibration, cohort)
        if all(part is None for part in parts):
            loaded = load_system(system)
        else:
            loaded = assemble_system(
                system, enrollment=enrollment, calibration=calibration, cohort=cohort
            )
        return cls(loaded, SpeakerStore(Path(store), loaded.ubm_digest))

    def enroll(self, speaker_id: str, recordings: Sequence[Recording]) -> EnrollmentReport:
        """Add recordings to a speaker's enrollment, all of them or none.

        Parameters
        ----------
        speaker_id : str
            Any text that is not empty; a new one begins an enrollment.
        recordings : sequence
            Paths, files open for reading, or tuples of samples (n,) or (n, channels) and their
            sample rate.

        Raises
        ------
        AudioError
            When a recording cannot be used.
        CohortError
            When the speaker, or one of the recordings, is part of the cohort.
        SpeakerStoreError
            When a recording is already enrolled, or the store cannot be used.
        """
        return enroll_recordings(self, speaker_id, recordings)

    def verify(
        self, speaker_id: str, recording: Recording, *, threshold: float | None = None
    ) -> Verification:
        """Score a recording against a speaker's model and compare with the threshold.

        Parameters
        ----------
        speaker_id : str
            Who it is claimed to be.
        recording : path, file or (samples, sample_rate)
            As for `enroll`.
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
        limit = self.threshold(threshold)
        speaker = self.speaker(speaker_id)
        return self.answer(speaker, self.hear([recording]), limit)

    def identify(
        self,
        recording: Recording,
        *,
        top: int = 5,
        closed: bool = False,
        p_known: float | None = None,
        threshold: float | None = None,
    ) -> Identification:
        """Tell who of those enrolled a recording is of, or that it is none of them.

        Parameters
        ----------
        recording : path, file or (samples, sample_rate)
            As for `enroll`.
        top : int
            Candidates to name, at most.
        closed : bool
            Whether it is known to be one of them.
        p_known : float, optional
            How often it is one of them, each as often as any other; instead of a threshold. Then
            somebody is named who is more probable than nobody.
        threshold : float, optional
            What a claim has to reach, as for `verify`; see `Identification.threshold`. Default: the
            calibration's.

        Raises
        ------
        ConfigError
            When there is no threshold and the set is open, or a setting is out of its range.
        SpeakerStoreError, MissingError
            When nobody is enrolled.
        AudioError, CohortError
            As for `verify`.
        """
        from speakergmm.verification.identifying import identify_recording

        top = check_whole("top", top, 1, unit="candidates")
        limit = self.identification_limit(closed, p_known, threshold)
        return identify_recording(self, self.hear([recording]), top, limit)

    def explain(
        self, speaker_id: str, recording: Recording, *, threshold: float | None = None
    ) -> tuple[Verification, Explanation]:
        """Verify, and say what the answer rests on: when, which sounds, which seconds.

        Raises
        ------
        ConfigError, MissingError, AudioError, CohortError
            As for `verify`.
        """
        from speakergmm.verification.explanation import explain_recording

        return explain_recording(self, speaker_id, recording, self.threshold(threshold))

    def stream(
        self,
        speaker_id: str,
        sample_rate: int,
        *,
        threshold: float | None = None,
        config: StreamConfig | None = None,
    ) -> Stream:
        """Begin to verify speech that is still arriving; see `Stream`.

        Parameters
        ----------
        sample_rate : int
            Of the samples that will come, in Hz.
        config : StreamConfig, optional
            When to answer, and when to stop.

        Raises
        ------
        ConfigError, MissingError
            As for `verify`.
        AudioError
            When it is no sample rate, or one that the system's front end does not take.
        """
        from speakergmm.verification.streaming import Stream, StreamConfig

        limit = self.threshold(threshold)
        return Stream(self, self.speaker(speaker_id), sample_rate, limit, config or StreamConfig())

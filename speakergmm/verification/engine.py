"""What answers are made of: hearing, models at hand, scores, ratios, verdicts.

`speakergmm.Verifier` is what people use of it; enrollment, identification, explanations, streams
and lists work with the same pieces.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from speakergmm.config import check_range
from speakergmm.errors import ConfigError
from speakergmm.features.reading import heard_side
from speakergmm.parallel import single_threaded_libraries
from speakergmm.verification.answers import (
    SHORT_ENROLLMENT_S,
    Verification,
)
from speakergmm.verification.cohort import Source
from speakergmm.verification.enough_speech import check_enough_speech
from speakergmm.verification.expected_errors import better_length, expected_at
from speakergmm.verification.roster import Roster
from speakergmm.verification.trial_scorer import TrialScorer

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from speakergmm.audio.sources import Recording
    from speakergmm.features.reading import HeardSide
    from speakergmm.verification.expected_errors import ExpectedErrors
    from speakergmm.verification.speaker_store import SpeakerStore
    from speakergmm.verification.speaker_store.enrolled import Enrollment
    from speakergmm.verification.system import System
    from speakergmm.verification.trial_scorer import Bank

    Floats = NDArray[np.float64]

# So much quieter, twice as many tests of true speakers were rejected: 12 instead of 6 % of 50, read
# speech of 2 s each.
OTHER_LEVEL_DB = 10.0

# Speakers whose models are kept at hand.
MOST_AT_HAND = 64


@dataclass(frozen=True, eq=False)
class KnownSpeaker:
    """A speaker's enrollment, and the model made of it, ready to be scored."""

    enrollment: Enrollment
    bank: Bank
    cohort_scores: Floats | None


@dataclass(frozen=True)
class Engine:
    """A system and a store at work; may be used by many threads at once.

    Parameters
    ----------
    system : System
    store : SpeakerStore
        Of the system's background model.
    """

    system: System
    store: SpeakerStore
    scorer: TrialScorer = field(init=False, repr=False, compare=False)
    roster: Roster = field(init=False, repr=False, compare=False)
    # A copy with another store must not know this one's speakers.
    _at_hand: OrderedDict[str, KnownSpeaker] = field(
        default_factory=OrderedDict, init=False, repr=False, compare=False
    )
    _lock: threading.Lock = field(
        default_factory=threading.Lock, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "scorer", TrialScorer(self.system))
        object.__setattr__(self, "roster", Roster(self.scorer, self.store))

    def __reduce__(self) -> tuple[Any, ...]:
        # To other processes goes what it is made of, not what it has at hand.
        return type(self), (self.system, self.store)

    @property
    def frames_per_s(self) -> float:
        """Frames in a second."""
        return self.system.front_end.config.frames_per_s

    def threshold(self, given: float | None) -> float:
        """Give the threshold that counts.

        Raises
        ------
        ConfigError
            When there is none, or it is not a finite number.
        """
        limit = self.system.threshold if given is None else given
        if limit is None:
            raise ConfigError(
                "no threshold: a score means nothing without one; give one, or a system that is "
                "calibrated and has one"
            )
        check_range("threshold", limit, -math.inf)
        # Also one of NumPy's: answers are written as JSON, which takes none of those.
        return float(limit)

    def identification_limit(
        self, closed: bool, p_known: float | None, threshold: float | None
    ) -> float | None:
        """Give what a claim has to reach, by a threshold or a prior; None of a closed set.

        Raises
        ------
        ConfigError
            When both are given, one of a closed set, or there is neither.
        """
        if (threshold is not None) + (p_known is not None) + closed > 1:
            raise ConfigError(
                "a threshold, the share of those known, and a closed set each decide by themselves "
                "when somebody is named; give one of them"
            )
        if closed:
            return None
        if p_known is None:
            return self.threshold(threshold)
        check_range("p_known", p_known, 1e-9, 1 - 1e-9)
        if self.system.calibration is None:
            raise ConfigError(
                "without a calibration scores have no probabilities; give a threshold, or a system "
                "that is calibrated"
            )
        return math.log((1 - p_known) / p_known)

    def check_store(self) -> None:
        """Refuse a store that cannot be used; nothing happens where there is none yet.

        Raises
        ------
        SpeakerStoreError
            When it is damaged, or of another background model.
        """
        self.store.is_begun()

    def hear(self, recordings: Sequence[Recording]) -> HeardSide:
        """Listen to the recordings of one side, each once.

        Raises
        ------
        AudioError
            When one cannot be used, or all have too little speech.
        """
        heard = heard_side(recordings, self.system.front_end)
        names = [recording.name for recording in heard.recordings]
        check_enough_speech(names, len(heard.frames) / self.frames_per_s)
        return heard

    def speaker(self, speaker_id: str) -> KnownSpeaker:
        """Give a speaker's model, which is made again where the enrollment has changed.

        Raises
        ------
        MissingError
            When no such speaker is enrolled.
        SpeakerStoreError
            When the store cannot be used.
        CohortError
            When the speaker is part of the cohort.
        """
        known = self.store.find(speaker_id)
        with self._lock:
            at_hand = self._at_hand.get(speaker_id)
            if at_hand is not None and at_hand.enrollment.revision == known.revision:
                self._at_hand.move_to_end(speaker_id)
                return at_hand
        if self.system.cohort is not None:
            digests = [recording.file_digest for recording in known.recordings]
            self.system.cohort.check_enrolled(speaker_id, digests)
        model = self.system.enrollment.speaker_model(self.system.ubm, known.statistics)
        bank = self.scorer.bank([model])
        made = KnownSpeaker(known, bank, self._cohort_scores(known, bank))
        with self._lock:
            self._at_hand[speaker_id] = made
            while len(self._at_hand) > MOST_AT_HAND:
                self._at_hand.popitem(last=False)
        return made

    def _cohort_scores(self, known: Enrollment, bank: Bank) -> Floats | None:
        """Scores (1, Z) of a speaker's model with the cohort's tests, kept since enrollment."""
        if not self.scorer.compares_models:
            return None
        key, revision = self.scorer.key, known.revision
        kept = self.store.derived(known.speaker_id, key, revision=revision)
        if kept is not None:
            return kept[None, :]
        with single_threaded_libraries():
            return self.scorer.cohort_scores(bank)

    def answer(self, speaker: KnownSpeaker, heard: HeardSide, limit: float) -> Verification:
        """Decide whether what was heard is a speaker."""
        known = speaker.enrollment
        self.check_stranger(known.speaker_id, heard)
        return self.verdict(known, heard, self.score(speaker, heard.frames), limit)

    def verdict(
        self, known: Enrollment, heard: HeardSide, score: float, limit: float
    ) -> Verification:
        """Say what a normalized score of what was heard means."""
        llr = self.llr(score, known.statistics.n_frames, len(heard.frames), heard.snr_db)
        speech_s = len(heard.frames) / self.frames_per_s
        table: tuple[ExpectedErrors, ...] = ()
        if self.system.calibration is not None and limit == self.system.threshold:
            table = self.system.calibration.expected
        return Verification(
            known.speaker_id,
            ", ".join(recording.name for recording in heard.recordings),
            score,
            limit,
            (score if llr is None else llr) >= limit,
            speech_s,
            heard.recordings[0].quality,
            llr,
            expected_at(table, speech_s),
            better_length(table, speech_s),
            self._notes(known, heard),
        )

    def score(self, speaker: KnownSpeaker, frames: NDArray[np.floating]) -> float:
        """Score frames (T, D) against a speaker's model, normalized."""
        names = [speaker.enrollment.speaker_id]
        with single_threaded_libraries():
            scores = self.scorer.score(speaker.bank, frames, names, speaker.cohort_scores)
        return float(scores[0])

    def llr(self, score: float, n_enrolled: int, n_heard: int, snr_db: float) -> float | None:
        """Give the log-likelihood ratio of a normalized score; None without a calibration.

        Parameters
        ----------
        n_enrolled, n_heard : int
            Frames of speech that the speaker is enrolled with, and of the recording.
        snr_db : float
            Of the recording.
        """
        if self.system.calibration is None:
            return None
        side = {
            "enrollment_speech": n_enrolled / self.frames_per_s,
            "test_speech": n_heard / self.frames_per_s,
            "test_snr": snr_db,
        }
        return self.system.calibration.of_recording(score, side)

    def check_stranger(self, speaker_id: str, heard: HeardSide) -> None:
        """Refuse a trial of a speaker or a recording that is part of the cohort.

        Raises
        ------
        CohortError
            Naming them.
        """
        if self.system.cohort is None:
            return
        self.system.cohort.check_sources(
            Source(r.name, speaker_id, r.name, r.file_digest(), None, None)
            for r in heard.recordings
        )

    def _notes(self, known: Enrollment, heard: HeardSide) -> tuple[str, ...]:
        """Say what makes an answer less certain."""
        notes = []
        own = {recording.audio_digest for recording in known.recordings}
        if any(recording.audio_digest in own for recording in heard.recordings):
            notes.append(
                f"this recording is part of the enrollment of {known.speaker_id!r}, so it tells "
                "nothing: give another"
            )
        enrolled_s = known.statistics.n_frames / self.frames_per_s
        if enrolled_s < SHORT_ENROLLMENT_S:
            notes.append(
                f"{known.speaker_id!r} is enrolled with {enrolled_s:.1f} s of speech; below "
                f"{SHORT_ENROLLMENT_S:g} s errors are much more frequent: enroll more recordings"
            )
        louder_db = self._louder_db(known, heard)
        if abs(louder_db) > OTHER_LEVEL_DB:
            notes.append(
                f"{abs(louder_db):.0f} dB {'louder' if louder_db > 0 else 'quieter'} than the "
                f"enrollment (more than {OTHER_LEVEL_DB:g} dB): this system takes the level for a "
                "part of the voice, so expect more errors; bring both to one level"
            )
        return (*notes, *self.system.warnings)

    def _louder_db(self, known: Enrollment, heard: HeardSide) -> float:
        """Give how much louder the speech is than that enrolled; 0 where it does not matter."""
        if not self.system.front_end.config.hears_level:
            return 0.0
        levels, speech_s = [], []
        for recording in known.recordings:
            if recording.level_dbfs is not None:
                levels.append(recording.level_dbfs)
                speech_s.append(recording.speech_s)
        if not levels or sum(speech_s) <= 0:
            return 0.0
        enrolled = sum(a * b for a, b in zip(levels, speech_s, strict=True)) / sum(speech_s)
        return heard.recordings[0].quality.speech_level_dbfs - enrolled

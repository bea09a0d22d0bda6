"""Answers about single recordings in words: what was heard, decided, to expect, and to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speakergmm.evaluation.wording import ratio_sentence
from speakergmm.names import counted, visible
from speakergmm.verification.speaker_store.enrolled import as_named

if TYPE_CHECKING:
    from collections.abc import Iterator

    from speakergmm.audio.quality import Quality
    from speakergmm.verification.answers import EnrollmentReport, Identification, Verification
    from speakergmm.verification.expected_errors import ExpectedErrors
    from speakergmm.verification.streaming import StreamAnswer


def heard_sentence(speech_s: float, quality: Quality) -> str:
    """Say what was heard."""
    # The last frame may stand around the very end.
    speech_s = min(speech_s, quality.duration_s)
    text = f"heard {speech_s:.1f} s of speech in {quality.duration_s:.1f} s"
    if quality.snr_db is None:
        return f"{text}, no noise"
    return f"{text}, {quality.snr_db:.0f} dB above the noise"


def verification_lines(answer: Verification, measured_on: str = "") -> Iterator[str]:
    """Say what was decided about a claim, and all that it rests on, a line each.

    Parameters
    ----------
    measured_on : str
        Names the trials by which the errors to expect were counted.
    """
    decided = "accepted" if answer.accepted else "rejected"
    yield f"{decided}: {visible(answer.recording)} as {answer.speaker_id!r}"
    relation = "at or above" if answer.accepted else "below"
    if answer.llr is None:
        yield f"  score {answer.score:.4f}, {relation} the threshold {answer.threshold:.4g}"
    else:
        yield (
            f"  log-likelihood ratio {answer.llr:.2f}, {relation} the threshold "
            f"{answer.threshold:.2f} (score {answer.score:.4f})"
        )
        yield f"  {ratio_sentence(answer.llr)}"
    yield f"  {heard_sentence(answer.speech_s, answer.quality)}"
    if answer.expected is not None:
        yield f"  {expected_sentence(answer.expected, measured_on)}"
    if answer.expected is not None and answer.better is not None:
        yield f"  {advice_sentence(answer.expected, answer.better)}"


def expected_sentence(expected: ExpectedErrors, measured_on: str = "") -> str:
    """Say which errors to expect of decisions on so much speech."""
    source = f" (measured on {measured_on})" if measured_on else ""
    return (
        f"with {expected.speech_s:.1f} s of speech {_rate(expected.p_miss, expected.n_target)} of "
        f"true speakers are rejected and {_rate(expected.p_fa, expected.n_nontarget)} of strangers "
        f"accepted{source}"
    )


def advice_sentence(expected: ExpectedErrors, better: ExpectedErrors) -> str:
    """Say what would make an answer surer."""
    return (
        f"{expected.speech_s:.1f} s of speech: with {better.speech_s:.1f} s the equal error rate "
        f"falls from {_rate(expected.eer)} to {_rate(better.eer, better.n_target)}"
    )


def identification_lines(answer: Identification) -> Iterator[str]:
    """Say who a recording was taken to be of, and who else it might be, a line each."""
    n = f"{answer.n_enrolled:,} enrolled"
    best = answer.candidates[0]
    if answer.speaker_id is None:
        yield f"none of them: {visible(answer.recording)} ({n})"
    else:
        yield f"{as_named(answer.speaker_id)}: {visible(answer.recording)} ({n})"
    if answer.threshold is not None:
        reached = "reaches" if answer.speaker_id is not None else "does not reach"
        value = best.score if best.llr is None else best.llr
        yield (
            f"  the best, {best.speaker_id!r} with {value:.2f}, {reached} the threshold "
            f"{answer.threshold:.2f}{_chances(answer)}"
        )
    yield f"  {heard_sentence(answer.speech_s, answer.quality)}"
    for rank, candidate in enumerate(answer.candidates, 1):
        if candidate.llr is None:
            yield f"  {rank}. {as_named(candidate.speaker_id)}: score {candidate.score:.4f}"
        else:
            yield (
                f"  {rank}. {as_named(candidate.speaker_id)}: log-likelihood ratio "
                f"{candidate.llr:.2f}, probability {_probability(candidate.posterior)}"
            )
    if answer.posterior_none is not None and not answer.is_closed:
        known = _rate(answer.p_known)
        yield (
            f"  none of them: probability {_probability(answer.posterior_none)} (where {known} of "
            "recordings are of somebody enrolled)"
        )


def _chances(answer: Identification) -> str:
    if answer.candidates[0].llr is None or answer.n_enrolled == 1:
        return ""
    return f" (of a claim, plus ln {answer.n_enrolled:,}: so many chances has a stranger)"


def enrollment_lines(report: EnrollmentReport, store: object) -> Iterator[str]:
    """Say what an enrollment added, a line each."""
    added = counted(len(report.quality), "recording")
    yield (
        f"{as_named(report.speaker_id)}: {report.speech_s:.1f} s of speech from {added} added; "
        f"{report.total_speech_s:.1f} s from {report.n_recordings:,} in all, in "
        f"{visible(str(store))}"
    )
    yield (
        f"  {100 * report.share_seen:.0f} % of the background model's components have heard the "
        f"speaker, {100 * report.share_adapted:.0f} % have moved half way or further"
    )
    known = [value for value in report.fit.values() if value is not None]
    if known:
        low, high = min(known), max(known)
        what = "the recording fits" if len(known) == 1 else "the recordings fit"
        span = f"{low:.2f}" if len(known) == 1 else f"{low:.2f} to {high:.2f}"
        yield f"  {what} the speaker's others by {span} (above 0: one voice rather than two)"


def stream_line(answer: StreamAnswer) -> str:
    """Say how an answer stands while speech arrives."""
    heard = f"{answer.heard_s:6.1f} s"
    if answer.score is None:
        return f"{heard}: no speech yet"
    heard = f"{heard}, {answer.speech_s:.1f} s of speech"
    if answer.llr is None:
        return f"{heard}: score {answer.score:.2f}"
    return f"{heard}: log-likelihood ratio {answer.llr:.2f}"


def _rate(rate: float, n_trials: int | None = None) -> str:
    """Write a rate; of no errors in so many trials, what they rule out (the rule of three)."""
    if rate <= 0 and n_trials:
        return f"less than {_rate(min(1.0, 3 / n_trials))}"
    percent = 100 * rate
    return f"{percent:.2g} %" if percent < 99.5 else "100 %"


def _probability(value: float | None) -> str:
    if value is None:
        return "unknown"
    if value >= 0.9995:
        return "over 99.9 %"
    return f"{100 * value:.1f} %" if value >= 0.0005 else "under 0.1 %"

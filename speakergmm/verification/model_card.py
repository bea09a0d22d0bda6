"""The model card: what a system is for, what it was made from, what to expect of it; Markdown.

After Mitchell et al. (2019), "Model cards for model reporting", with the parts that a file can know
by itself. What it cannot know (who is in the recordings, whether they agreed) it asks for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from speakergmm.verification.calibration_record import CalibrationRecord
    from speakergmm.verification.system import System

SHOWN_DIGITS = 12

LIMITS = """\
## Limits

- It says how much better speech fits a speaker's model than the background model. It knows nothing
  of what is said, and does not tell a living speaker from a recording or a synthetic voice.
- The error rates above hold for speakers, microphones and rooms like those that they were measured
  on. Where these differ, calibrate with recordings of your own.
- Who the speakers are, how they were chosen and whether they agreed is not known to this file: add
  it here."""
LEVEL_LIMIT = """
- The level of a recording counts as a part of the voice (c0, not normalized): where the level
  differs much between enrollment and test, expect more errors."""


def write_card(system: System) -> str:
    """Write the card of a system."""
    sections = [
        f"# {_on_one_line(system.name) or 'Speaker verification system'}",
        (
            "Gaussian mixture models: a universal background model, speakers by MAP adaptation "
            "(Reynolds, Quatieri & Dunn 2000), scored by log-likelihood ratios."
        ),
        _made_of(system),
        _decisions(system.calibration),
        LIMITS + (LEVEL_LIMIT if system.front_end.config.hears_level else ""),
    ]
    if system.warnings:
        sections.append("## Warnings\n\n" + "\n".join(f"- {line}" for line in system.warnings))
    return "\n\n".join(section for section in sections if section) + "\n"


def _made_of(system: System) -> str:
    background, front_end = system.background, system.front_end.config
    hours = background.n_frames / front_end.frames_per_s / 3600
    facts = [
        ("Background model", f"{system.ubm.n_components} components, {_short(system.ubm_digest)}"),
        ("Trained on", f"{hours:.2f} hours of speech, data {_short(background.data_digest)}"),
        ("Seed", str(background.seed)),
        ("Front end", _front_end(system)),
        ("Adaptation", _adaptation(system)),
        ("Scorer", system.scoring.label),
        ("Score normalization", _normalization(system)),
        ("Software", ", ".join(f"{name} {v}" for name, v in background.versions.items())),
    ]
    return "## What it is made of\n\n" + _table(("part", "what"), facts)


def _front_end(system: System) -> str:
    config = system.front_end.config
    return (
        f"{config.n_features} features from {config.n_mels} filters at {config.sample_rate} Hz, "
        f"{1000 * config.window_s:g} ms windows every {1000 * config.hop_s:g} ms, voice activity "
        f"{config.vad}, normalization {config.normalization}"
    )


def _adaptation(system: System) -> str:
    enrollment = system.enrollment
    return f"{enrollment.parameters}, relevance factor {enrollment.relevance_factor:g}"


def _normalization(system: System) -> str:
    if system.cohort is None:
        return "none"
    return f"{system.normalization.label}, by {system.cohort.n_speakers} strangers"


def _decisions(record: CalibrationRecord | None) -> str:
    """Say what ratios and thresholds rest on, and the errors to expect."""
    if record is None:
        return (
            "## Decisions\n\nNot calibrated: scores have no meaning by themselves, and there is no "
            "threshold. `speakergmm calibrate` makes both from recordings of yours."
        )
    text = (
        "## Decisions\n\nLog-likelihood ratios are calibrated on "
        f"{_on_one_line(record.fitted_on)}: {record.n_speakers} speakers, "
        f"{record.n_target:,} same-speaker and {record.n_nontarget:,} different-speaker trials."
    )
    if record.threshold is not None:
        text += f" A claim is accepted from a ratio of {record.threshold:.2f} (natural log) on."
    if not record.expected:
        return text
    rows = [
        (
            f"{row.speech_s:.1f} s",
            f"{100 * row.eer:.1f} %",
            f"{100 * row.p_miss:.1f} %",
            f"{100 * row.p_fa:.1f} %",
        )
        for row in record.expected
    ]
    last = record.expected[-1]
    header = ("speech heard", "EER", "true speakers rejected", "strangers accepted")
    return (
        f"{text}\n\n## Errors to expect\n\nMeasured on {_on_one_line(record.measured_on)}: "
        f"{last.n_target:,} same-speaker and {last.n_nontarget:,} different-speaker trials.\n\n"
        f"{_table(header, rows)}"
    )


def _short(digest: str) -> str:
    return digest[:SHOWN_DIGITS]


def _on_one_line(text: str) -> str:
    """Give what people have named, such as files, without what would end a line."""
    return "".join(letter if letter.isprintable() else " " for letter in " ".join(text.split()))


def _cell(text: str) -> str:
    return _on_one_line(text).replace("|", "/")


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)

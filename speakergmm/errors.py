"""One exception tree; every message names the thing, what was expected, what was got, the fix.

Each class also derives from the built-in that fits it, so ``except ValueError`` and
``except OSError`` keep working for callers who do not know this package. The command line turns
any of them into one line on standard error and exit status 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_PROBLEMS_SHOWN = 20


class SpeakerGMMError(Exception):
    """Base of every error that this package raises on purpose."""


class ManifestError(SpeakerGMMError, ValueError):
    """A list (utterances, enrollment, tests, trials, scores) cannot be used as it is."""


class AudioError(SpeakerGMMError, ValueError):
    """A recording cannot be read, or holds nothing that can be used."""


class FrameError(SpeakerGMMError, ValueError):
    """Feature frames have the wrong shape or values, or there are too few of them."""


class FrameStoreError(SpeakerGMMError, ValueError):
    """A frame store is missing a part, or was made by something else than was expected."""


class ModelError(SpeakerGMMError, ValueError):
    """Parameters that are not a Gaussian mixture, or do not fit what they are used with."""


class ModelFileError(SpeakerGMMError, ValueError):
    """A model file that is not one, is damaged, or belongs to something else."""


class SpeakerStoreError(SpeakerGMMError, ValueError):
    """A speaker store that is not one, is damaged, or belongs to another background model."""


class AlreadyEnrolledError(SpeakerStoreError):
    """All recordings given are already part of the speaker's enrollment."""


class ScoreError(SpeakerGMMError, ValueError):
    """Scores from which no metric can be computed."""


class CohortError(SpeakerGMMError, ValueError):
    """A cohort that is damaged, made for another system, or shares speakers with the trials."""


class CalibrationError(SpeakerGMMError, ValueError):
    """A calibration that is damaged, or was made with scores of another kind."""


class ConfigError(SpeakerGMMError, ValueError):
    """A setting with an unknown name, the wrong kind, or a value out of its range."""


class OutputError(SpeakerGMMError, OSError):
    """A file or folder cannot be written."""


class DownloadError(SpeakerGMMError, OSError):
    """A file cannot be fetched, is not the one that was expected, or cannot be unpacked."""


class WorkerError(SpeakerGMMError, RuntimeError):
    """Workers, on other machines or processes on this one, cannot be reached, or were lost."""


class MissingError(SpeakerGMMError, LookupError):
    """Something named by the user does not exist: a file, a speaker, a stage, a recipe."""


def problem_report(heading: str, problems: Iterable[str]) -> str:
    """Join all problems of one input into one message: the first 20, then a count.

    Parameters
    ----------
    heading : str
        What is wrong with what, without the number of problems.
    problems : iterable of str
        One line each.
    """
    lines = list(problems)
    if len(lines) == 1:
        return f"{heading}: {lines[0]}"
    shown = [f"  {line}" for line in lines[:MAX_PROBLEMS_SHOWN]]
    if len(lines) > MAX_PROBLEMS_SHOWN:
        shown.append(f"  ... and {len(lines) - MAX_PROBLEMS_SHOWN:,} more")
    return "\n".join([f"{heading}: {len(lines):,} problems", *shown])

"""All recordings of a corpus decoded to their ends: what they are, and which cannot be used."""

from __future__ import annotations

import functools
import math
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING, Any

from speakergmm.audio.channel_checks import QUIET_DBFS, ChannelChecks, Finding
from speakergmm.audio.listening import new_digest, update_digest
from speakergmm.audio.quality import CLIPPED_SHARE, DC_RELATIVE
from speakergmm.audio.recordings import all_channels
from speakergmm.corpora.manifests import segment_problem
from speakergmm.corpora.overlaps import shared_stretches
from speakergmm.errors import AudioError
from speakergmm.parallel import count_workers, map_in_order, map_in_processes
from speakergmm.progress import SILENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from speakergmm.audio.passing_levels import Levels
    from speakergmm.audio.samples import Channel
    from speakergmm.corpora.manifests import Utterance, Utterances
    from speakergmm.parallel import Jobs
    from speakergmm.progress import Progress

# What makes a recording unusable, and what only is to be known; each with its heading.
ERRORS = {
    "missing": "not found",
    "undecodable": "cannot be decoded",
    "not_finite": "NaN or infinite samples",
    "no_sound": "no sound",
    "no_channel": "utterances of a channel that is not there",
    "beyond_end": "utterances beyond the end",
}
WARNINGS = {
    "other_speakers": "same audio under different speakers",
    "same_audio": "same audio more than once",
    "quiet": f"nearly silent (no sample beyond {QUIET_DBFS:g} dBFS)",
    "clipped": f"clipped ({CLIPPED_SHARE:.1%} of the samples or more)",
    "dc_offset": f"offset of {DC_RELATIVE:g} times the level or more",
    "other_rate": "another sample rate than most",
}
HEADINGS = ERRORS | WARNINGS

# About half of the time that a short recording takes, Python holds its lock, so threads win little;
# of fewer recordings, processes have hardly started when threads are done.
PROCESSES_FROM = 2000


@dataclass(frozen=True, slots=True)
class CheckedRecording:
    """A recording that was decoded to its end, or could not be.

    Parameters
    ----------
    path : Path
    speakers : tuple of str
        Who speaks in it, by the list; empty without one.
    n_utterances : int
        Rows of the list that are cut out of it.
    coding : str
        Container and coding, such as FLAC PCM_16; "" where it could not be opened.
    sample_rate, n_channels, duration_s
        Hz, channels, seconds that were decoded; 0 where it could not be.
    digest : str
        `Listening.audio_digest`: equal for equal samples, whatever file they are in; "" where it
        was not decoded to its end.
    levels : Levels or None
        Of the channels that the list wants; None where there are none that could be measured.
    findings : tuple of Finding
        Errors first.
    """

    path: Path
    speakers: tuple[str, ...] = ()
    n_utterances: int = 0
    coding: str = ""
    sample_rate: int = 0
    n_channels: int = 0
    duration_s: float = 0.0
    digest: str = ""
    levels: Levels | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def is_usable(self) -> bool:
        """Whether nothing stands against its use."""
        return not any(finding.kind in ERRORS for finding in self.findings)

    @property
    def peak_dbfs(self) -> float | None:
        """Largest sample in dB of full scale; None for silence, and what was not measured."""
        return 20 * math.log10(self.levels.peak) if self.levels and self.levels.peak else None


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Recordings with the same samples, in the order of the list."""

    paths: tuple[Path, ...]
    speakers: tuple[str, ...]
    is_of_one: bool

    @property
    def kind(self) -> str:
        """One of `WARNINGS`; that different people said exactly the same is the worse one."""
        return "same_audio" if self.is_of_one else "other_speakers"


@dataclass(frozen=True)
class CorpusCheck:
    """What was found of the recordings of a corpus, in the order of the list."""

    recordings: tuple[CheckedRecording, ...]
    duplicates: tuple[Duplicates, ...]

    @property
    def n_usable(self) -> int:
        """Recordings that can be used, with warnings or without."""
        return sum(recording.is_usable for recording in self.recordings)

    @functools.cached_property
    def decoded(self) -> tuple[CheckedRecording, ...]:
        """Recordings that were decoded to their ends."""
        return tuple(recording for recording in self.recordings if recording.digest)

    @property
    def n_speakers(self) -> int:
        """Speakers of the list."""
        return len({speaker for recording in self.recordings for speaker in recording.speakers})

    @property
    def n_utterances(self) -> int:
        """Rows of the list."""
        return sum(recording.n_utterances for recording in self.recordings)

    @property
    def total_s(self) -> float:
        """Seconds of all that was decoded."""
        return math.fsum(recording.duration_s for recording in self.decoded)

    @property
    def durations_s(self) -> tuple[float, float, float] | None:
        """Shortest, median and longest recording in seconds; None where none was decoded."""
        lengths = [recording.duration_s for recording in self.decoded]
        return (min(lengths), median(lengths), max(lengths)) if lengths else None

    def counts(self, what: str) -> dict[Any, int]:
        """Count recordings by an attribute, such as ``sample_rate``, the most frequent first."""
        return dict(Counter(getattr(recording, what) for recording in self.decoded).most_common())

    def problems(self) -> dict[str, list[str]]:
        """Give a line for each problem, by kind, the worst first; duplicates one a group."""
        lines: dict[str, list[str]] = {kind: [] for kind in HEADINGS}
        for recording in self.recordings:
            for finding in recording.findings:
                lines[finding.kind].append(finding.text)
        for group in self.duplicates:
            names = " = ".join(map(str, group.paths))
            who = f" ({', '.join(group.speakers)})" if group.speakers else ""
            lines[group.kind].append(f"{names}{who}")
        return {kind: found for kind, found in lines.items() if found}


def check_recordings(
    recordings: Utterances | Iterable[Path],
    *,
    jobs: Jobs = None,
    may_use_processes: bool = False,
    progress: Progress = SILENT,
) -> CorpusCheck:
    """Decode every recording to its end, and say what is to be known of each and of all.

    Parameters
    ----------
    recordings : mapping of utterances, or paths
        Recordings of which several utterances are cut out are decoded once. A recording that is
        not there is a finding, not an error.
    jobs : int or Cluster, optional
        See `speakergmm.parallel.map_in_order`.
    may_use_processes : bool
        Whether ``jobs`` may be processes, which start more slowly but do not wait for each other;
        they are used from `PROCESSES_FROM` recordings on. See
        `speakergmm.parallel.map_in_processes` for what that asks of a script.
    progress : Progress
        Told of every recording.
    """
    items = _by_recording(recordings)
    progress.start("recordings", len(items))
    checked = []
    for one in _checked(items, jobs, may_use_processes):
        checked.append(one)
        progress.advance()
    return CorpusCheck(tuple(_with_rates(checked)), tuple(_duplicates(checked)))


def _checked(
    items: Sequence[tuple[Path, tuple[Utterance, ...]]], jobs: Jobs, may_use_processes: bool
) -> Iterator[CheckedRecording]:
    """Check each, in their order, by whoever does it soonest."""
    is_worth_it = may_use_processes and len(items) >= PROCESSES_FROM
    if isinstance(jobs, int | None) and is_worth_it and count_workers(jobs) > 1:
        return map_in_processes(_check, items, jobs=jobs)
    return map_in_order(_check, items, jobs=jobs)


def _by_recording(
    recordings: Utterances | Iterable[Path],
) -> list[tuple[Path, tuple[Utterance, ...]]]:
    if not hasattr(recordings, "values"):
        return [(path, ()) for path in recordings]
    found: dict[Path, list[Utterance]] = {}
    for utterance in recordings.values():
        found.setdefault(utterance.path, []).append(utterance)
    return [(path, tuple(utterances)) for path, utterances in found.items()]


def _check(item: tuple[Path, tuple[Utterance, ...]]) -> CheckedRecording:
    path, utterances = item
    speakers = tuple(dict.fromkeys(utterance.speaker_id for utterance in utterances))
    checked = CheckedRecording(path, speakers, len(utterances))
    wanted: list[Channel] = [
        "mix" if channel is None else channel
        for channel in dict.fromkeys(utterance.channel for utterance in utterances)
    ]
    try:
        checked = _decoded(checked, wanted or ["mix"])
    except AudioError as error:
        kind = "missing" if _is_missing(path) else "undecodable"
        return replace(checked, findings=(Finding(kind, str(error)),))
    found = [finding for utterance in utterances for finding in _misfits(utterance, checked)]
    return replace(checked, findings=(*found, *checked.findings, *_shared(path, utterances)))


def _misfits(utterance: Utterance, checked: CheckedRecording) -> Iterable[Finding]:
    """Say what of an utterance is not in its recording."""
    problem = segment_problem(utterance, checked.duration_s)
    if problem is not None:
        yield Finding("beyond_end", problem)
    n_channels = checked.n_channels
    if utterance.channel is not None and utterance.channel >= n_channels:
        there = "one, channel 0" if n_channels == 1 else f"channels 0 to {n_channels - 1}"
        text = f"is of channel {utterance.channel} of {utterance.path}, which has {there}"
        yield Finding("no_channel", f"utterance {utterance.utterance_id} {text}")


def _shared(path: Path, utterances: Iterable[Utterance]) -> Iterable[Finding]:
    """Say which speakers the list gives the same stretch of a recording."""
    for one, other in shared_stretches(utterances):
        names = f"utterances {one.utterance_id} and {other.utterance_id}"
        text = f"{path}: {names} share audio ({one.speaker_id}, {other.speaker_id})"
        yield Finding("other_speakers", text)


def _is_missing(path: Path) -> bool:
    try:
        path.stat()
    except FileNotFoundError:
        return True
    except (OSError, ValueError):
        # Too long a name, say, or a folder that may not be searched.
        return False
    return False


def _decoded(checked: CheckedRecording, wanted: Sequence[Channel]) -> CheckedRecording:
    """Decode a recording, and look at some of its channels, or their mean.

    Raises
    ------
    AudioError
        When that is not possible.
    """
    info, blocks = all_channels(checked.path)
    there = [channel for channel in wanted if channel == "mix" or channel < info.n_channels]
    digest, checks = new_digest(info), ChannelChecks(checked.path, info.n_channels, there)
    n_samples = 0
    with closing(blocks):
        for block in blocks:
            update_digest(digest, block)
            checks.look(block)
            n_samples += len(block)
    return replace(
        checked,
        coding=info.coding,
        sample_rate=info.sample_rate,
        n_channels=info.n_channels,
        duration_s=n_samples / info.sample_rate,
        digest=digest.hexdigest(),
        levels=checks.levels(),
        findings=tuple(checks.findings()),
    )


def _with_rates(checked: list[CheckedRecording]) -> Iterable[CheckedRecording]:
    """Note which recordings have another rate than most."""
    rates = Counter(recording.sample_rate for recording in checked if recording.digest)
    usual = rates.most_common(1)[0][0] if rates else 0
    for recording in checked:
        if not recording.digest or recording.sample_rate == usual:
            yield recording
            continue
        text = f"{recording.path}: {recording.sample_rate:,} Hz, most have {usual:,} Hz"
        found = (*recording.findings, Finding("other_rate", text))
        yield replace(recording, findings=found)


def _duplicates(checked: Iterable[CheckedRecording]) -> Iterable[Duplicates]:
    """Group the recordings with sound whose samples agree."""
    groups: dict[str, list[CheckedRecording]] = {}
    for recording in checked:
        # Of several channels, one may be silent.
        silent = recording.levels is not None and recording.levels.swing == 0.0
        no_sound = any(finding.kind == "no_sound" for finding in recording.findings)
        if recording.digest and not (silent and no_sound):
            groups.setdefault(recording.digest, []).append(recording)
    for group in groups.values():
        if len(group) > 1:
            speakers = dict.fromkeys(s for recording in group for s in recording.speakers)
            yield Duplicates(
                tuple(recording.path for recording in group),
                tuple(speakers),
                is_of_one=len({frozenset(recording.speakers) for recording in group}) == 1,
            )

"""Lhotse manifests, written: recordings and supervisions as packed JSON lines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from speakergmm.corpora.formats.lhotse import DIGITS, RECORDINGS, SUPERVISIONS, WHOLE_S
from speakergmm.corpora.formats.marks import replacing
from speakergmm.corpora.formats.names import names_of_recordings, sex_letter
from speakergmm.corpora.text_files import writing_text
from speakergmm.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from speakergmm.corpora.formats.names import Lengths
    from speakergmm.corpora.manifests import Utterance, Utterances

RECORDINGS_FILE, SUPERVISIONS_FILE = (f"{kind}.jsonl.gz" for kind in (RECORDINGS, SUPERVISIONS))

GENDERS = {"m": "male", "f": "female"}


def write_lhotse(folder: Path, utterances: Utterances, lengths: Lengths) -> None:
    """Write ``recordings.jsonl.gz`` and then ``supervisions.jsonl.gz``, with absolute paths.

    Sessions, splits, conditions and marked speech go into the supervisions' field ``custom``.

    Raises
    ------
    AudioError
        When a recording is not there, or cannot be read: Lhotse wants to know how long it is.
    ManifestError
        When an utterance is not within its recording, or on a channel that it has not.
    OutputError
        When a file cannot be written, or is there and was not converted.
    """
    paths = {name: utterance.path.absolute() for name, utterance in utterances.items()}
    ids = names_of_recordings(paths)
    known = {path: lengths(path) for path in ids}
    # All is made before the first file is written.
    supervisions = [
        _supervision(utterance, ids[paths[name]], known[paths[name]])
        for name, utterance in utterances.items()
    ]
    with replacing(folder, (RECORDINGS_FILE, SUPERVISIONS_FILE)):
        with writing_text(folder / RECORDINGS_FILE) as text:
            text.writelines(_line(_recording(ids[path], path, known[path])) for path in ids)
        with writing_text(folder / SUPERVISIONS_FILE) as text:
            text.writelines(map(_line, supervisions))


def _line(entry: Mapping[str, Any]) -> str:
    return json.dumps(entry, ensure_ascii=False) + "\n"


def _recording(name: str, path: Path, length: tuple[int, int, int]) -> dict[str, Any]:
    rate, n_samples, n_channels = length
    channels = list(range(n_channels))
    return {
        "id": name,
        "sources": [{"type": "file", "channels": channels, "source": str(path)}],
        "sampling_rate": rate,
        "num_samples": n_samples,
        "duration": n_samples / rate,
        "channel_ids": channels,
    }


def _supervision(
    utterance: Utterance, recording: str, length: tuple[int, int, int]
) -> dict[str, Any]:
    rate, n_samples, n_channels = length
    whole_s = n_samples / rate
    start_s = utterance.start_s or 0.0
    end_s = whole_s if utterance.end_s is None else utterance.end_s
    if not start_s < end_s <= whole_s + WHOLE_S:
        raise ManifestError(
            f"utterance {utterance.utterance_id}: {start_s:g} to {end_s:g} s is not within "
            f"{utterance.path} ({whole_s:.3f} s)"
        )
    custom = {
        "session_id": utterance.session_id,
        "split": utterance.split,
        "condition": utterance.condition,
        "speech": utterance.speech_s,
    }
    entry: dict[str, Any] = {
        "id": utterance.utterance_id,
        "recording_id": recording,
        "start": start_s,
        "duration": end_s if not start_s else round(end_s - start_s, DIGITS),
        "channel": _channel(utterance, n_channels),
        "speaker": utterance.speaker_id,
        "gender": GENDERS.get(sex_letter(utterance.sex), utterance.sex) or None,
        "custom": {name: value for name, value in custom.items() if value} or None,
    }
    return {name: value for name, value in entry.items() if value is not None}


def _channel(utterance: Utterance, n_channels: int) -> int | list[int]:
    """Give the channel, or all of them where none is chosen."""
    channel = utterance.channel
    if channel is None:
        return 0 if n_channels == 1 else list(range(n_channels))
    if channel >= n_channels:
        raise ManifestError(
            f"utterance {utterance.utterance_id} is on channel {channel}; expected a channel of "
            f"{utterance.path}, which has {n_channels}, counted from 0"
        )
    return channel

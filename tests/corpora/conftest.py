"""Lists written on the spot, and a few utterances for the lists that refer to them."""

from __future__ import annotations

from pathlib import Path

import pytest

from speakergmm.corpora import Utterance


@pytest.fixture
def write(tmp_path):
    """Write a file below the test's folder (text as UTF-8) and give its path."""

    def write_file(name, content=""):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        return path

    return write_file


@pytest.fixture
def utterances():
    """Three utterances of ann, two of bob, one of zoë."""
    speakers = {"a1": "ann", "a2": "ann", "a3": "ann", "b1": "bob", "b2": "bob", "z1": "zoë"}
    return {
        utterance_id: Utterance(utterance_id, speaker_id, Path(f"{utterance_id}.wav"))
        for utterance_id, speaker_id in speakers.items()
    }

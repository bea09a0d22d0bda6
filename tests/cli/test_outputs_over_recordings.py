"""No command writes its output over a recording."""

from __future__ import annotations

import pytest

COMMANDS = {
    "validate": ["corpus", "validate", "LISTS/utterances.csv"],
    "ubm train": ["ubm", "train", "LISTS/utterances.csv", "--components", "2"],
    "cohort make": [
        "cohort", "make", "LISTS/utterances.csv", "--ubm", "u", "--enrollment-seconds", "1",
        "--test-seconds", "1",
    ],
    "score": ["score", "LISTS/evaluation", "--utterances", "LISTS/utterances.csv", "--ubm", "u"],
    "calibrate": ["calibrate", "LISTS/audio", "--ubm", "u"],
    "enroll": ["enroll", "--list", "LISTS/utterances.csv", "--ubm", "u"],
    "model build": ["model", "build", "--ubm", "LISTS/utterances.csv"],
}  # fmt: skip


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
@pytest.mark.parametrize("by_link", [False, True], ids=["itself", "by a link"])
def test_a_recording_stays_what_it_is(words, by_link, small_corpus, tmp_path, cli):
    recording = tmp_path / "a.wav"
    content = next((small_corpus / "audio").rglob("*.flac")).read_bytes()
    recording.write_bytes(content)
    output = recording
    if by_link:
        output = tmp_path / "scores.csv"
        output.symlink_to(recording)
    words = [word.replace("LISTS", str(small_corpus)) for word in words]
    answer = cli(*words, "--output", output)
    assert answer.status == 1
    assert f"error: {output}: is a recording, and would be written over; choose" in answer.err
    assert recording.read_bytes() == content


def test_a_new_file_may_have_any_name(small_corpus, tmp_path, cli):
    words = ["corpus", "validate", small_corpus / "utterances.csv"]
    answer = cli(*words, "--output", tmp_path / "report.wav", "--quiet")
    assert answer.status == 0
    assert (tmp_path / "report.wav").read_text().startswith("path,")

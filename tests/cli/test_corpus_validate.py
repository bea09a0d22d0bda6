"""`corpus validate` on the command line: a summary for a person, every file for programs."""

from __future__ import annotations

import csv
import json
import os
import shutil

import numpy as np
import pytest
import soundfile

from speakergmm.audio.synthetic import draw_voice, speak

RATE = 16_000


def voice(seed, seconds=0.5):
    rng = np.random.default_rng(seed)
    return 0.4 * speak(draw_voice(rng), seconds, rng)


@pytest.fixture
def folder(tmp_path):
    """Three recordings of two speakers, and their list."""
    place = tmp_path / "speech"
    for name, seed in (("ann/1.wav", 1), ("ann/2.wav", 2), ("bob/1.flac", 3)):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(place / name, voice(seed), RATE)
    write_list(tmp_path, "a1,ann,ann/1.wav", "a2,ann,ann/2.wav", "b1,bob,bob/1.flac")
    return place


def write_list(tmp_path, *rows, header="utterance_id,speaker_id,path"):
    path = tmp_path / "utterances.csv"
    path.write_text("\n".join([header, *rows, ""]), encoding="utf-8")
    return path


def test_a_good_list_is_a_few_lines(cli, folder, tmp_path):
    answer = cli("corpus", "validate", tmp_path / "utterances.csv", "--audio", folder)
    assert answer.status == 0
    assert answer.out.splitlines() == [
        "recordings   3, all usable",
        "utterances   3 of 2 speakers",
        "length       1.5 s in all; shortest 0.5 s, median 0.5 s, longest 0.5 s",
        "sample rate  16,000 Hz",
        "channels     1",
        "format       WAV PCM_16: 2; FLAC PCM_16: 1",
    ]
    assert answer.err == "recordings (3) ...\n"
    quiet = cli("corpus", "validate", tmp_path / "utterances.csv", "--audio", folder, "--quiet")
    assert (quiet.out, quiet.err) == (answer.out, "")


def test_channels_that_cannot_be_used_fail(cli, folder, tmp_path):
    soundfile.write(folder / "call.wav", np.stack([voice(4), np.zeros(RATE // 2)], axis=1), RATE)
    path = write_list(
        tmp_path, "c0,ann,call.wav,0", "c1,bob,call.wav,1", "a3,ann,ann/1.wav,3",
        header="utterance_id,speaker_id,path,channel",
    )  # fmt: skip
    answer = cli("corpus", "validate", path, "--audio", folder, "--quiet")
    assert answer.status == 1
    assert "error: no sound: 1" in answer.out
    assert "call.wav: channel 1: silent: every sample is zero" in answer.out
    assert "error: utterances of a channel that is not there: 1" in answer.out
    assert answer.err == "error: 2 of 2 recordings cannot be used\n"


def test_warnings_do_not_fail(cli, folder, tmp_path):
    shutil.copy(folder / "ann" / "1.wav", folder / "bob" / "2.wav")
    soundfile.write(folder / "bob" / "3.wav", voice(9), 8000)
    path = write_list(
        tmp_path, "a1,ann,ann/1.wav", "b1,bob,bob/1.flac", "b2,bob,bob/2.wav", "b3,bob,bob/3.wav"
    )
    answer = cli("corpus", "validate", path, "--audio", folder, "--quiet")
    assert (answer.status, answer.err) == (0, "")
    assert "sample rate  16,000 Hz: 3; 8,000 Hz: 1" in answer.out
    _, same, rate = answer.out.split("\n\n")
    assert same.splitlines() == [
        "warning: same audio under different speakers: 1",
        f"  {folder / 'ann/1.wav'} = {folder / 'bob/2.wav'} (ann, bob)",
    ]
    assert rate.splitlines() == [
        "warning: another sample rate than most: 1",
        f"  {folder / 'bob/3.wav'}: 8,000 Hz, most have 16,000 Hz",
    ]


def test_what_cannot_be_used_fails_and_is_told_by_kind(cli, folder, tmp_path):
    (folder / "ann" / "2.wav").write_bytes(b"nothing of the kind" * 9)
    path = write_list(
        tmp_path,
        "a1,ann,ann/1.wav,0.9",
        "a2,ann,ann/2.wav,",
        "a3,ann,ann/3.wav,",
        header="utterance_id,speaker_id,path,end_s",
    )
    answer = cli("corpus", "validate", path, "--audio", folder, "--quiet")
    assert (answer.status, answer.err) == (1, "error: 3 of 3 recordings cannot be used\n")
    assert answer.out.startswith("recordings   3, 0 usable\n")
    _, missing, undecodable, beyond = answer.out.split("\n\n")
    assert missing.splitlines() == [
        "error: not found: 1",
        f"  {folder / 'ann/3.wav'}: no such file; expected a recording",
    ]
    assert undecodable.startswith("error: cannot be decoded: 1\n")
    assert beyond.splitlines() == [
        "error: utterances beyond the end: 1",
        f"  utterance a1 ends at 0.9 s, beyond the end of {folder / 'ann/1.wav'} (0.500 s)",
    ]


def test_of_many_problems_the_first_are_told_and_the_rest_counted(cli, folder, tmp_path):
    path = write_list(tmp_path, *(f"u{n},ann,ann/gone{n:02}.wav" for n in range(23)))
    answer = cli("corpus", "validate", path, "--audio", folder, "--quiet")
    assert answer.status == 1
    assert "recordings   23, 0 usable\nutterances   23 of 1 speakers\n\nerror: not" in answer.out
    lines = answer.out.splitlines()
    assert lines[3] == "error: not found: 23"
    assert len([line for line in lines if "no such file" in line]) == 20
    assert lines[-1] == "  ... and 3 more"


def test_a_folder_is_walked(cli, folder):
    answer = cli("corpus", "validate", folder, "--quiet")
    assert (answer.status, answer.err) == (0, "")
    assert answer.out.startswith("recordings   3, all usable\nlength ")


def test_links_that_lead_nowhere_are_named_and_the_rest_is_checked(cli, folder):
    (folder / "ann" / "gone.wav").symlink_to("nowhere.wav")
    (folder / "bob" / "self.wav").symlink_to("self.wav")
    (folder / "round").symlink_to("round")
    answer = cli("corpus", "validate", folder, "--quiet")
    assert (answer.status, answer.err) == (1, "error: 2 of 5 recordings cannot be used\n")
    _, missing, undecodable = answer.out.split("\n\n")
    assert missing.splitlines() == [
        "error: not found: 1",
        f"  {folder / 'ann/gone.wav'}: no such file; expected a recording",
    ]
    assert undecodable.splitlines() == [
        "error: cannot be decoded: 1",
        f"  {folder / 'bob/self.wav'}: cannot be read (Too many levels of symbolic links)",
    ]


def test_the_twins_for_programs_have_every_file(cli, folder, tmp_path):
    (folder / "ann" / "2.wav").unlink()
    output = tmp_path / "new" / "report.csv"
    answer = cli(
        "corpus", "validate", tmp_path / "utterances.csv", "--audio", folder, "--json",
        "--output", output, "--jobs", 2, "--quiet",
    )  # fmt: skip
    assert answer.status == 1
    about = json.loads(answer.out)
    assert (about["recordings"], about["usable"]) == (3, 2)
    with output.open(newline="") as file:
        table = list(csv.DictReader(file))
    paths = [str(folder / name) for name in ("ann/1.wav", "ann/2.wav", "bob/1.flac")]
    assert [row["path"] for row in table] == [row["path"] for row in about["files"]] == paths
    assert [row["usable"] for row in table] == ["yes", "no", "yes"]


def test_names_that_would_command_the_terminal_are_shown(cli, folder):
    (folder / "ann" / "evil\x1b[2J.wav").write_bytes(b"x" * 99)
    answer = cli("corpus", "validate", folder, "--quiet")
    assert "\x1b" not in answer.out
    assert r"evil\x1b[2J.wav" in answer.out


def test_wrong_usage_is_one_line(cli, folder, tmp_path):
    answer = cli("corpus", "validate", folder, "--audio", folder)
    assert answer.status == 2
    assert "--audio is for a list; of a folder all recordings are checked." in answer.err
    (tmp_path / "none").mkdir()
    answer = cli("corpus", "validate", tmp_path / "none")
    assert answer.status == 1
    assert answer.err == (
        f"error: {tmp_path / 'none'}: no recordings (.wav, .flac, .sph, .ogg, .opus, .mp3, .aiff, "
        ".aif) in this folder\n"
    )
    answer = cli("corpus", "validate", tmp_path / "gone.csv")
    assert (answer.status, "gone.csv: no such file" in answer.err) == (1, True)
    listed = tmp_path / "utterances.csv"
    answer = cli("corpus", "validate", listed, "--audio", folder, "--output", listed)
    assert (answer.status, "is read here, and would be written over" in answer.err) == (1, True)
    answer = cli("corpus", "validate", folder, "--output", folder / "ann/1.wav/x.csv")
    assert (answer.status, "cannot be written" in answer.err) == (1, True)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_list_may_come_through_a_pipe_of_the_shell_but_not_a_named_one(cli, folder, tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    answer = cli("corpus", "validate", tmp_path / "pipe.csv")
    expected = f"error: {tmp_path / 'pipe.csv'}: is a pipe; expected a file: write the list to one"
    assert (answer.status, answer.err) == (1, f"{expected} first\n")
    read_end, write_end = os.pipe()
    with os.fdopen(write_end, "wb") as text:
        text.write((tmp_path / "utterances.csv").read_bytes())
    with os.fdopen(read_end):
        answer = cli("corpus", "validate", f"/dev/fd/{read_end}", "--audio", folder, "--quiet")
    assert (answer.status, answer.out.splitlines()[0]) == (0, "recordings   3, all usable")


@pytest.mark.corpus
def test_on_a_real_corpus(cli, corpora):
    answer = cli(
        "corpus", "validate", corpora / "librispeech_excerpts" / "utterances.csv", "--quiet"
    )
    assert (answer.status, answer.err) == (0, "")
    assert answer.out.splitlines()[:6] == [
        "recordings   248, all usable",
        "utterances   450 of 248 speakers",
        "length       51.9 min in all; shortest 1.6 s, median 14.1 s, longest 17.2 s",
        "sample rate  16,000 Hz",
        "channels     1",
        "format       FLAC PCM_16",
    ]
    assert "warning: offset of 0.1 times the level or more: 16\n" in answer.out

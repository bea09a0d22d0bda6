"""`speakergmm verify ID -`: speech through a pipe, in a process of its own."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import re
import signal
import struct
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import soundfile

from speakergmm.verification import Verifier
from speakergmm.verification.calibration import Calibration
from speakergmm.verification.calibration_record import CalibrationRecord
from speakergmm.verification.expected_errors import ExpectedErrors
from speakergmm.verification.system_file import save_system

RATE = 16_000
# Of 16 bits, a tenth of a second.
PACKET = RATE // 10 * 2
COMMAND = [sys.executable, "-c", "from speakergmm.cli import main; main()", "verify", "alice", "-"]
PATIENCE_S = 60

needs_signals = pytest.mark.skipif(os.name == "nt", reason="no such signals")


@pytest.fixture(scope="module")
def speech(people):
    """Six seconds of two speakers, as integers of 16 bits."""
    found = {}
    for name in ("s11", "s12"):
        parts = [soundfile.read(p, dtype="int16")[0] for p in sorted((people / name).iterdir())]
        found[name] = np.concatenate(parts)[: 6 * RATE]
    return found


@pytest.fixture(scope="module")
def folder(speech, background_model, tmp_path_factory):
    """A folder with a system that soon is sure, and Alice enrolled, who is s11."""
    folder = tmp_path_factory.mktemp("stream")
    plain = Verifier.load(background_model, folder / "speakers.db")
    floats = {name: samples / np.float32(2**15) for name, samples in speech.items()}
    plain.enroll("alice", [(floats["s11"][: 3 * RATE], RATE)])
    own, other = (
        plain.verify("alice", (floats[name], RATE), threshold=0).score for name in ("s11", "s12")
    )
    scale = 40 / (own - other)
    offset = -scale * (own + other) / 2
    row = ExpectedErrors(1.0, 0.02, 0.1, 0.01, scale, offset, 100, 1000)
    record = CalibrationRecord(
        Calibration(scale, offset), (plain.system.origin,), "trials", 0.5, 100, 1000, 20,
        threshold=1.0, expected=(row,), measured_on="trials",
    )  # fmt: skip
    system = dataclasses.replace(plain.system, calibration=record)
    save_system(folder / "system.safetensors", system)
    return folder


def wav(samples, size=None, rate=RATE):
    """Give a WAV file; ``size``: what its header says instead of the number of bytes."""
    content = np.asarray(samples, dtype="<i2").tobytes()
    size = len(content) if size is None else size
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16)
    return (
        struct.pack("<4sI4s", b"RIFF", min(size + 36, 2**32 - 1), b"WAVE")
        + form
        + struct.pack("<4sI", b"data", size)
        + content
    )


# What recorders write into a pipe.
OPEN = 0xFFFFFFFF
BOTH = [("s11", 0, "accepted"), ("s12", 3, "rejected")]


@pytest.fixture
def start(folder):
    """Start a verification that reads from a pipe; it is ended with the test."""
    begun = []

    def run(*options, **settings):
        process = subprocess.Popen(
            [*COMMAND, *options], cwd=folder,
            **dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE) | settings,
        )  # fmt: skip
        begun.append(process)
        return process

    yield run
    for process in begun:
        if process.poll() is None:
            process.kill()
        process.wait(PATIENCE_S)
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    # What was written was not read.
                    continue


def sent(start, content, *options):
    """Send all of it, and wait for the end: status, lines of output and of complaints."""
    process = start(*options)
    out, err = process.communicate(content, timeout=PATIENCE_S)
    return process.returncode, out.decode().splitlines(), err.decode().splitlines()


class StandardInput(io.BytesIO):
    """Standard input of this process, where starting another would only take time."""

    name = "<stdin>"

    @property
    def buffer(self):
        return self


@pytest.fixture
def here(cli, folder, monkeypatch):
    """Verify in this process what standard input gives, as `sent` does in another."""

    def run(content, *options):
        monkeypatch.setattr(sys, "stdin", StandardInput(content))
        monkeypatch.chdir(folder)
        answer = cli("verify", "alice", "-", *options)
        return answer.status, answer.out.splitlines(), answer.err.splitlines()

    return run


def one_error(found, *words):
    status, out, err = found
    assert (status, out) == (1, [])
    assert err[-1].startswith("error: ")
    assert not any("Traceback" in line for line in err)
    for word in words:
        assert word in err[-1]


@pytest.mark.parametrize(
    ("name", "status", "word"), [("s11", 0, "accepted"), ("s12", 3, "rejected")]
)
def test_it_answers_and_ends_before_the_writer_does(start, speech, name, status, word):
    process = start()
    written = []

    def write():
        # An endless call, as fast as a person speaks ten times over.
        content = wav(np.tile(speech[name], 20), OPEN)
        try:
            for at in range(0, len(content), PACKET):
                process.stdin.write(content[at : at + PACKET])
                process.stdin.flush()
                written.append(at)
                time.sleep(0.01)
        except (BrokenPipeError, OSError, ValueError):
            pass

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    first = process.stderr.readline().decode()
    assert re.match(r" *\d+\.\d s(:|, .* of speech:)", first)
    assert process.poll() is None
    out = process.stdout.read().decode().splitlines()
    assert process.wait(PATIENCE_S) == status
    assert out[0] == f"{word}: standard input as 'alice'"
    assert "log-likelihood ratio" in out[1]
    writer.join(PATIENCE_S)
    # It did not wait for the end.
    assert len(written) * PACKET < 20 * 2 * len(speech[name])
    rest = process.stderr.read().decode()
    assert "Traceback" not in rest
    assert "error" not in rest


def test_json_is_an_object_a_line_and_the_last_the_verification(here, speech):
    status, out, err = here(wav(speech["s11"]), "--json")
    assert (status, err) == (0, [])
    *answers, last = map(json.loads, out)
    assert answers
    keys = {"heard_s", "speech_s", "score", "llr", "accepted", "decided"}
    assert all(answer.keys() == keys for answer in answers)
    assert all((answer["score"] is None) == (answer["llr"] is None) for answer in answers)
    assert [a["decided"] for a in answers] == [None] * (len(answers) - 1) + ["accepted"]
    assert last["accepted"] is True
    assert [last[key] for key in ("score", "llr")] == [answers[-1][key] for key in ("score", "llr")]
    assert [last["expected"], last["better"]] == [None, None]
    assert last["speaker_id"] == "alice"


def test_to_the_end_is_the_verification_of_the_file(here, cli, folder, speech, tmp_path):
    path = tmp_path / "whole.wav"
    path.write_bytes(wav(speech["s12"]))
    whole = json.loads(
        cli("verify", "alice", path, "--system", folder / "system.safetensors", "--store",
            folder / "speakers.db", "--json").out
    )  # fmt: skip
    for content, options in (
        (path.read_bytes(), []),
        (speech["s12"].astype("<i2").tobytes(), ["--raw-rate", "16000"]),
        (
            (speech["s12"] / np.float32(2**15)).astype("<f4").tobytes(),
            ["--raw-rate", "16000", "--raw-encoding", "f32le"],
        ),
    ):
        status, out, _ = here(content, "--to-the-end", "--json", *options)
        *answers, last = map(json.loads, out)
        assert status == 3
        assert answers[-1]["heard_s"] > 4
        assert last | {"recording": ""} == whole | {"recording": ""}


def test_quiet_says_the_answer_alone(here, speech):
    status, out, err = here(wav(speech["s11"]), "--quiet")
    assert (status, err) == (0, [])
    assert out[0].startswith("accepted: ")


def test_without_a_table_it_listens_to_the_end_and_says_so(here, background_model, speech):
    options = ["--ubm", background_model, "--threshold", "0"]
    status, out, err = here(wav(speech["s11"]), *options)
    assert err[0].startswith("note: listening to the end")
    assert status in {0, 3}
    assert "score" in out[1]


def test_nothing_comes(start):
    one_error(sent(start, b""), "standard input: empty")
    process = start(stdin=subprocess.DEVNULL)
    out, err = process.communicate(timeout=PATIENCE_S)
    one_error((process.returncode, out.decode().splitlines(), err.decode().splitlines()), "empty")


@pytest.mark.skipif(os.name == "nt", reason="no such shell")
def test_standard_input_is_closed(folder):
    words = " ".join(f"'{word}'" for word in COMMAND)
    found = subprocess.run(
        f"{words} <&-", shell=True, cwd=folder, capture_output=True, text=True, check=False,
        timeout=PATIENCE_S,
    )  # fmt: skip
    lines = found.stdout.splitlines(), found.stderr.splitlines()
    one_error((found.returncode, *lines), "standard input: closed")


def test_what_cannot_be_used(here, speech):
    flac = io.BytesIO()
    soundfile.write(flac, speech["s11"], RATE, format="FLAC")
    one_error(here(flac.getvalue()), "looks like FLAC", "ffmpeg -i FILE -f wav -")
    whole = wav(speech["s11"])
    one_error(here(whole[:20]), "truncated")
    one_error(here(whole[: len(whole) - 2 * RATE], "--to-the-end"), "truncated", "send all")
    one_error(here(wav(np.zeros(RATE, np.int16))), "silent")
    one_error(here(whole, "--raw-rate", "16000"), "leave out --raw-rate")


def stream_until_updates(process, content):
    """Write some speech, wait for what is said of it, and leave the pipe open."""
    process.stdin.write(content)
    process.stdin.flush()
    lines = []
    while not lines or "of speech" not in lines[-1]:
        lines.append(process.stderr.readline().decode())
        assert lines[-1], lines
    return lines


@needs_signals
@pytest.mark.parametrize(
    ("name", "status", "word"), [("s11", 0, "accepted"), ("s12", 3, "rejected")]
)
def test_ctrl_c_gives_the_answer_to_what_was_heard(start, speech, name, status, word):
    process = start("--to-the-end")
    stream_until_updates(process, wav(speech[name], OPEN))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == status
    assert out.decode().startswith(f"{word}: standard input")
    assert b"Traceback" not in err


@needs_signals
def test_ctrl_c_before_there_is_speech(start):
    process = start()
    process.stdin.write(wav(np.zeros(RATE, np.int16), OPEN))
    process.stdin.flush()
    assert b"no speech yet" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, out) == (130, b"")
    assert b"interrupted" in err
    assert b"Traceback" not in err


@needs_signals
def test_a_terminal_has_one_line_that_moves(start, speech):
    ours, theirs = os.openpty()
    process = start("--to-the-end", stderr=theirs)
    os.close(theirs)
    process.communicate(wav(speech["s11"]), timeout=PATIENCE_S)
    shown = b""
    try:
        while part := os.read(ours, 1 << 16):
            shown += part
    except OSError:
        # So ends what a terminal gives on Linux.
        pass
    os.close(ours)
    assert process.returncode == 0
    *moving, last = shown.decode().replace("\r\n", "\n").split("\r")
    assert "\n" not in "".join(moving)
    assert last.endswith("\n")
    assert moving.count("") <= 1
    assert len(moving) > 1
    assert "log-likelihood ratio" in last

"""Where audio comes from: what is taken, and the words in which the rest is refused."""

from __future__ import annotations

import hashlib
import io
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from hostile_files import encoded, voice, wav
from open_files import Failing, Pipe

from speakergmm.audio.sources import GivenSamples, MemoryFile, content_digest, name_of, source_of
from speakergmm.errors import AudioError

RATE = 16_000


def refused(recording, message):
    with pytest.raises(AudioError) as caught:
        source_of(recording)
    assert str(caught.value) == message


@pytest.mark.parametrize("path", ["a.wav", Path("a.wav")])
def test_a_path_stays_one_and_is_not_opened(path):
    assert source_of(path) == Path("a.wav")


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_an_open_file_is_read_from_where_it_is(kind):
    assert source_of(Failing(kind(b"abc"))) == MemoryFile("audio", b"abc")
    file = io.BytesIO(b"12345")
    file.seek(3)
    assert source_of(file) == MemoryFile("audio", b"45")
    assert source_of(Pipe(b"12345")) == MemoryFile("a pipe", b"12345")


@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("x/a.wav", "x/a.wav"),
        ("<stdin>", "standard input"),
        (None, "audio"),
        ("", "audio"),
        (3, "audio"),
        (b"a.wav", "audio"),
    ],
)
def test_names(name, called):
    assert name_of(Failing(b"", name)) == called


def test_a_file_that_was_opened_by_its_path_is_called_by_it(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(wav())
    with path.open("rb") as file:
        assert str(source_of(file)) == str(path)
        assert content_digest(source_of(path)) == hashlib.sha256(wav()).hexdigest()


@pytest.mark.parametrize(
    ("outcome", "message"),
    [
        (OSError(5, "Input/output error"), "a.wav: cannot be read (Input/output error)"),
        (OSError("timed out"), "a.wav: cannot be read (timed out)"),
        (io.UnsupportedOperation("read"), "a.wav: not opened for reading; open it in mode 'rb'"),
        (None, "a.wav: nothing has arrived, and the file does not wait; open it in blocking mode"),
        ("text", "a.wav: gives str; expected bytes: open it in binary mode"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read(outcome, message):
    refused(Failing(outcome, "a.wav"), message)


def test_a_closed_file_and_one_opened_for_writing(tmp_path):
    path = tmp_path / "a.wav"
    with path.open("wb") as file:
        refused(file, f"{path}: not opened for reading; open it in mode 'rb'")
    with path.open("rb") as file:
        pass
    refused(file, f"{path}: cannot be read (read of closed file)")


def test_a_file_opened_as_text(tmp_path):
    path = tmp_path / "a.wav"
    path.write_text("abc")
    with path.open(encoding="utf-8") as file:
        refused(file, f"{path}: gives str; expected bytes: open it in binary mode")
    path.write_bytes(b"\xff\xff")
    with (
        path.open(encoding="utf-8") as file,
        pytest.raises(AudioError, match=r"cannot be read \('utf-8' codec"),
    ):
        source_of(file)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_samples_become_columns(kind):
    samples = np.arange(6, dtype=kind) / 8
    mono = source_of((samples, RATE))
    assert isinstance(mono, GivenSamples)
    assert mono.samples.shape == (6, 1)
    assert np.shares_memory(mono.samples, samples)
    stereo = source_of((samples.reshape(3, 2), np.int64(RATE)))
    assert (stereo.samples.shape, stereo.sample_rate, str(stereo)) == ((3, 2), RATE, "audio")
    assert content_digest(stereo) == ""


NO_FLOATS = "expected floats with full scale ±1: divide 16-bit samples by 32768"
NO_SHAPE = "expected (n_samples,) or (n_samples, n_channels)"
NO_RATE = "expected a whole number of 1,000 to 768,000 Hz"


@pytest.mark.parametrize(
    ("samples", "rate", "message"),
    [
        (np.zeros(9, np.int16), RATE, f"samples are int16; {NO_FLOATS}"),
        (np.zeros(9, np.bool_), RATE, f"samples are bool; {NO_FLOATS}"),
        (np.zeros((9, 1, 1)), RATE, f"samples have shape (9, 1, 1); {NO_SHAPE}"),
        (np.float32(1), RATE, f"samples have shape (); {NO_SHAPE}"),
        (
            np.zeros((2, 9)),
            RATE,
            "samples have shape (2, 9), 9 channels; expected (n_samples, n_channels): transpose",
        ),
        (np.zeros(9), 0, f"sample rate is 0; {NO_RATE}"),
        (np.zeros(9), 999, f"sample rate is 999; {NO_RATE}"),
        (np.zeros(9), 16000.5, f"sample rate is 16000.5; {NO_RATE}"),
        (np.zeros(9), float("nan"), f"sample rate is nan; {NO_RATE}"),
        (np.zeros(9), True, f"sample rate is True; {NO_RATE}"),
        (np.zeros(9), "16k", f"sample rate is '16k'; {NO_RATE}"),
    ],
)
def test_samples_that_are_none(samples, rate, message):
    refused((samples, rate), f"audio: {message}")


@pytest.mark.parametrize("rate", [RATE, np.int64(RATE), np.int16(RATE), 16e3, np.float32(16e3)])
def test_a_whole_rate_of_any_kind(rate):
    given = source_of((np.zeros(9), rate))
    assert given.sample_rate == RATE
    assert type(given.sample_rate) is int


@pytest.mark.parametrize(
    ("recording", "kind"),
    [(np.zeros(9), "ndarray"), (wav(), "bytes"), (None, "NoneType"), ((1, 2, 3), "tuple")],
)
def test_what_is_no_recording(recording, kind):
    refused(
        recording,
        f"audio: given as {kind}; expected a path, a file opened in binary mode, or (samples, "
        "sample_rate)",
    )


def test_a_file_in_memory_is_opened_anew_each_time():
    file = MemoryFile("a.wav", encoded(voice()))
    assert file.open().read() == file.open().read() == file.content
    assert content_digest(file) == hashlib.sha256(file.content).hexdigest()


def test_a_file_that_is_gone_has_no_digest(tmp_path):
    path = tmp_path / "a.wav"
    with pytest.raises(AudioError, match=re.escape(f"{path}: cannot be read (No such file")):
        content_digest(path)


@pytest.mark.parametrize(
    ("offset", "whence", "place"),
    [(5, 0, 5), (2, 1, 5), (-2, 2, 6), (9, 0, 9), (2**63 - 1, 1, sys.maxsize),
     (-1, 0, 3), (-4, 1, 3), (-9, 2, 3)],
)  # fmt: skip
def test_a_file_in_memory_is_not_sent_before_its_beginning(offset, whence, place):
    file = MemoryFile("a.wav", b"12345678").open()
    file.seek(3)
    assert file.seek(offset, whence) == file.tell() == place
    assert file.read(1) == b"12345678"[place : place + 1]

"""One pass over a recording: the same samples, digest and quality wherever it comes from."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import struct

import numpy as np
import pytest
import soundfile
from hostile_files import EMPTY, NO_AUDIO, encoded, voice, wav
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from open_files import Pipe

import speakergmm.audio.quality as quality_module
import speakergmm.audio.recordings as recordings_module
from speakergmm.audio import read_channels, read_recording
from speakergmm.audio.listening import listen
from speakergmm.audio.quality import recording_quality
from speakergmm.audio.synthetic import draw_voice, speak
from speakergmm.errors import AudioError

RATE = 16_000
STEREO = np.stack([voice(2.0), 0.5 * voice(2.0)[::-1]], axis=1)

CODED = [
    ("a.wav", "WAV", "PCM_16"),
    ("a.wav", "WAV", "PCM_24"),
    ("a.wav", "WAV", "FLOAT"),
    ("a.flac", "FLAC", "PCM_16"),
    ("a.ogg", "OGG", "VORBIS"),
    ("a.opus", "OGG", "OPUS"),
    ("a.mp3", "MP3", "MPEG_LAYER_III"),
    ("a.sph", "NIST", "PCM_16"),
]


def heard(recording, channel="mix"):
    """Give the samples, and what was listened to."""
    with listen(recording, channel) as listening:
        blocks = list(listening.blocks)
    return np.concatenate(blocks), listening


def digest_of(samples, rate=RATE):
    """The digest by its definition."""
    columns = np.asarray(samples, np.float32).reshape(len(samples), -1)
    head = struct.pack("<II", rate, columns.shape[1])
    return hashlib.sha256(head + columns.astype("<f4").tobytes()).hexdigest()


@pytest.fixture(params=CODED, ids=[f"{name}-{subtype}" for name, _, subtype in CODED])
def coded(request, tmp_path):
    """A file of two channels, by each coder."""
    name, container, subtype = request.param
    if subtype not in soundfile.available_subtypes(container):
        pytest.skip(f"this libsndfile does not write {subtype}")
    path = tmp_path / name
    path.write_bytes(encoded(STEREO, container, subtype))
    return path


# --- the same from everywhere ---


@pytest.mark.parametrize("channel", ["mix", 0, 1])
def test_path_open_file_pipe_and_array_give_the_same(coded, channel):
    expected, _ = read_recording(coded, channel=channel)
    quality = recording_quality(coded, channel=channel)
    channels, rate = read_channels(coded)
    content = coded.read_bytes()
    sources = [coded, str(coded), io.BytesIO(content), Pipe(content), (channels, rate)]
    for source in sources:
        samples, listening = heard(source, channel)
        np.testing.assert_array_equal(samples, expected)
        assert samples.dtype == np.float32
        assert listening.audio_digest == digest_of(channels)
        assert listening.quality() == quality
        assert listening.sample_rate == RATE
        assert listening.duration_s == quality.duration_s
        digest = "" if isinstance(source, tuple) else hashlib.sha256(content).hexdigest()
        assert listening.file_digest() == digest


def test_names():
    assert heard((voice(), RATE))[1].name == "audio"
    assert heard(io.BytesIO(wav()))[1].name == "audio"
    assert heard(Pipe(wav()))[1].name == "a pipe"


@pytest.mark.parametrize("bits", [16, 24])
def test_the_digest_is_of_the_samples_not_of_the_file(bits):
    # Integers: from floats, libsndfile's coders round each in its own way.
    samples = (np.round(STEREO * 2 ** (bits - 1)).astype(np.int32)) << (32 - bits)
    digests = []
    for kind, taken in (("WAV", samples), ("FLAC", samples), ("FLAC", samples[:-1])):
        file = io.BytesIO()
        soundfile.write(file, taken, RATE, format=kind, subtype=f"PCM_{bits}")
        digests.append(heard(io.BytesIO(file.getvalue()))[1].audio_digest)
    digests.append(heard((samples / 2.0**31, RATE))[1].audio_digest)
    wave, flac, shorter, array = digests
    assert wave == flac == array != shorter


def test_the_digest_depends_on_rate_channels_and_every_sample():
    samples = voice()
    changed = samples.copy()
    changed[777] += 2.0**-20
    given_ = [(samples, RATE), (samples, 8000), (samples.reshape(-1, 2), RATE), (changed, RATE),
              (samples[:-1], RATE), (-samples, RATE)]  # fmt: skip
    assert len({heard(source)[1].audio_digest for source in given_}) == len(given_)


def test_the_digest_does_not_depend_on_the_channel_that_is_heard():
    digests = {heard((STEREO, RATE), channel)[1].audio_digest for channel in ("mix", 0, 1)}
    assert digests == {digest_of(STEREO)}


@given(
    arrays(np.float32, st.tuples(st.integers(3, 40), st.integers(1, 3)),
           elements=st.floats(-1, 1, width=32)),
    st.integers(1, 50),
)  # fmt: skip
def test_blocks_of_any_size_give_the_same_digest(samples, at_once):
    # So that it is not silent.
    samples[0], samples[1] = 0.5, 0.25
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recordings_module, "BLOCK_VALUES", at_once)
        mono, listening = heard((samples, RATE))
    assert listening.audio_digest == digest_of(samples)
    np.testing.assert_array_equal(mono, samples.mean(axis=1, dtype=np.float32))


@pytest.mark.parametrize("kind", [np.float16, np.float64, np.dtype(">f4")])
def test_samples_of_other_kinds_and_layouts(kind):
    samples = np.asfortranarray(STEREO.astype(np.float16).astype(kind))
    assert heard((samples, RATE))[1].audio_digest == digest_of(samples)
    assert heard((samples[::-2], RATE))[1].audio_digest == digest_of(samples[::-2])


def test_samples_are_not_written_to():
    samples = voice().astype(np.float32)
    samples.flags.writeable = False
    heard((samples, RATE))[1].quality()


# --- long recordings ---


@pytest.mark.parametrize("n_channels", [1, 3])
@pytest.mark.parametrize("max_values", [31_999, 32_000, 96_000, 288_000])
def test_of_a_long_recording_the_beginning_is_measured(
    tmp_path, monkeypatch, n_channels, max_values
):
    rng = np.random.default_rng(1)
    mono = speak(draw_voice(rng), 6.0, rng)
    path = tmp_path / "long.wav"
    soundfile.write(path, np.repeat(mono[:, None], n_channels, axis=1), RATE, subtype="FLOAT")
    monkeypatch.setattr(quality_module, "MAX_VALUES", max_values)
    monkeypatch.setattr(recordings_module, "BLOCK_VALUES", 16_000)
    expected = recording_quality(path)
    for source in (path, io.BytesIO(path.read_bytes()), read_channels(path)):
        samples, listening = heard(source)
        assert len(samples) == len(mono)
        assert listening.quality() == expected
    # What is held is no more than is needed, but for a part of a block.
    assert expected.measured_s * RATE * n_channels < max_values + 16_000
    assert expected.duration_s == pytest.approx(6.0)


# --- what is refused ---


def test_what_is_known_at_the_end_is_not_told_before():
    listening = listen((voice(), RATE))
    told = "audio: not heard to its end; take all of its blocks first"
    with pytest.raises(AudioError, match=told):
        _ = listening.audio_digest
    with pytest.raises(AudioError, match=told):
        listening.quality()
    assert listening.duration_s == 0.6
    assert listening.file_digest() == ""


def test_a_file_is_closed_where_it_was_left(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(wav())
    with listen(path) as listening:
        assert len(next(listening.blocks))
    assert list(listening.blocks) == []
    path.unlink()


# Damaged, as a file and as the content of one.
BAD = [
    ("a.wav", b"", EMPTY),
    ("a.wav", b"R", NO_AUDIO),
    ("a.wav", wav()[:30], NO_AUDIO),
    ("a.wav", wav()[:-100], "truncated: 100 bytes fewer than its header says; copy the file again"),
    ("a.wav", wav([]), "holds no samples; expected a recording"),
    ("a.wav", wav(rate=0), NO_AUDIO),
    ("a.wav", wav(rate=999), "its header says 999 Hz; expected 1,000 to 768,000 Hz"),
    ("a.wav", wav(np.zeros(9000)), "silent: every sample is zero"),
    ("a.wav", wav(np.full(9000, 0.25)), "constant: every sample has the same value"),
    ("a.flac", encoded(voice(), "FLAC")[:5000], "truncated"),
    ("a.ogg", encoded(voice(), "OGG", "VORBIS")[:-500], "truncated: the stream has no end"),
    ("a.mp3", encoded(voice(), "MP3", "MPEG_LAYER_III")[:-50], "truncated"),
    ("a.raw", wav()[44:], "samples without a header"),
    ("a.RAW", wav(), "samples without a header"),
    ("a.txt", b"utterance_id,path\n" * 50, NO_AUDIO),
]


@pytest.mark.parametrize(("name", "content", "message"), BAD)
def test_an_open_file_is_refused_in_the_same_words_as_its_path(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(AudioError, match=message) as by_path:
        heard(path)
    assert str(by_path.value).startswith(f"{path}: ")
    with path.open("rb") as file, pytest.raises(AudioError) as opened:
        heard(file)
    assert str(opened.value) == str(by_path.value)
    if not name.lower().endswith(".raw"):
        with pytest.raises(AudioError) as nameless:
            heard(io.BytesIO(content))
        assert str(nameless.value) == str(by_path.value).replace(str(path), "audio")


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros(0), "audio: holds no samples; expected a recording"),
        (np.zeros((9, 0)), "audio: holds no samples; expected a recording"),
        (np.zeros(900), "audio: silent: every sample is zero"),
        ([0.5, np.nan, 0.5], r"audio: 1 samples are NaN or infinite \(the first is number 1\)"),
        ([0.5, 0.25, 1e300], r"audio: 1 samples are NaN or infinite \(the first is number 2\)"),
    ],
)
def test_samples_in_which_no_speech_can_be_found(samples, message):
    with pytest.raises(AudioError, match=message):
        heard((np.asarray(samples), RATE))


def test_no_such_channel():
    with pytest.raises(AudioError, match="audio: has no channel 2; expected 0 to 1, or 'mix'"):
        heard((STEREO, RATE), 2)


def test_quality_that_cannot_be_measured_names_the_recording(tmp_path):
    path = tmp_path / "short.wav"
    path.write_bytes(wav(voice(0.01)))
    with pytest.raises(AudioError) as expected:
        recording_quality(path)
    _, listening = heard(path)
    with pytest.raises(AudioError) as caught:
        listening.quality()
    assert str(caught.value) == str(expected.value)
    assert str(caught.value).startswith(f"{path}: 160 samples are 10 ms")


def test_one_channel_of_a_long_recording_is_measured_alike(tmp_path, monkeypatch):
    path = tmp_path / "a.wav"
    path.write_bytes(encoded(STEREO))
    monkeypatch.setattr(quality_module, "MAX_VALUES", 32_000)
    monkeypatch.setattr(recordings_module, "BLOCK_VALUES", 16_000)
    expected = recording_quality(path, channel=1)
    assert expected == heard(path, 1)[1].quality()
    assert dataclasses.replace(expected, duration_s=1.0).measured_s == 1.0

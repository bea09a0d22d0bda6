"""Audio that arrives through a pipe: what libsndfile would read, as soon as it is there."""

from __future__ import annotations

import io
import os
import struct
import threading

import numpy as np
import pytest
import soundfile
from hostile_files import chunk, encoded, patched, voice, wav
from hypothesis import assume, given
from hypothesis import strategies as st
from open_files import BY_BYTE, UNEVEN, Endless, Failing, Pipe

from speakergmm.audio.arriving import READ_BYTES
from speakergmm.audio.streams import OTHER_MAGICS, WAV_MAGICS, RawFormat, open_stream
from speakergmm.audio.wav_header import MAX_HEADER_BYTES
from speakergmm.errors import AudioError, ConfigError

RATE = 16_000
STEREO = np.stack([voice(0.1), voice(0.1)[::-1]], axis=1)
SUBTYPES = ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"]
CONTAINERS = ["WAV", "WAVEX", "RF64"]
RAW_TYPES = {"s16le": "PCM_16", "s32le": "PCM_32", "f32le": "FLOAT"}


def taken(file, raw=None):
    """Give all samples of a stream, and the stream."""
    stream = open_stream(file, raw=raw)
    blocks = list(stream.blocks)
    for block in blocks:
        assert block.dtype == np.float32
        assert block.shape[1] == stream.n_channels
        assert len(block)
    return np.concatenate(blocks), stream


def by_libsndfile(content):
    return soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)[0]


def refused(content, message, raw=None):
    """Check that a stream is refused, however it is cut, in one line that begins with its name."""
    for sizes in (BY_BYTE, UNEVEN, (1 << 20,)):
        with pytest.raises(AudioError, match=message) as caught:
            taken(Pipe(content, sizes), raw)
        assert str(caught.value).startswith("a pipe: ")
        assert "\n" not in str(caught.value)


def sized(content, size, riff=None):
    """Give a WAV file whose header says so many bytes of samples."""
    at = content.index(b"data") + 4
    changed = patched(content, **{f"_{at}": struct.pack("<I", size)})
    return patched(changed, _4=struct.pack("<I", size if riff is None else riff))


# --- what libsndfile would read ---


@pytest.mark.parametrize("sizes", [BY_BYTE, UNEVEN, (1 << 20,)], ids=["bytes", "uneven", "all"])
@pytest.mark.parametrize("subtype", SUBTYPES)
@pytest.mark.parametrize("container", CONTAINERS)
def test_a_wav_stream_gives_the_samples_of_the_file(container, subtype, sizes):
    content = encoded(STEREO, container, subtype)
    samples, stream = taken(Pipe(content, sizes))
    np.testing.assert_array_equal(samples, by_libsndfile(content))
    assert (stream.name, stream.sample_rate, stream.n_channels) == ("a pipe", RATE, 2)


@pytest.mark.parametrize("sizes", [BY_BYTE, UNEVEN, (1 << 20,)], ids=["bytes", "uneven", "all"])
@pytest.mark.parametrize("encoding", RAW_TYPES)
@pytest.mark.parametrize("n_channels", [1, 2])
def test_raw_samples(encoding, n_channels, sizes):
    samples = STEREO[:, :n_channels]
    content = encoded(samples, "RAW", RAW_TYPES[encoding])
    expected = by_libsndfile(encoded(samples, "WAV", RAW_TYPES[encoding]))
    read, stream = taken(Pipe(content, sizes), RawFormat(8000, encoding, n_channels))
    np.testing.assert_array_equal(read, expected)
    assert (stream.sample_rate, stream.n_channels) == (8000, n_channels)


@given(
    st.sampled_from(CONTAINERS),
    st.sampled_from(SUBTYPES),
    st.integers(1, 3),
    st.integers(1, 60),
    st.lists(st.integers(1, 50), min_size=1),
    st.integers(0, 2**32 - 1),
)
def test_packets_of_any_sizes(container, subtype, n_channels, n_samples, sizes, seed):
    samples = np.random.default_rng(seed).uniform(-1, 1, (n_samples, n_channels))
    content = encoded(samples, container, subtype)
    np.testing.assert_array_equal(taken(Pipe(content, sizes))[0], by_libsndfile(content))


@given(st.sampled_from(list(RAW_TYPES)), st.integers(1, 3), st.binary(max_size=100), st.data())
def test_any_bytes_as_raw_samples(encoding, n_channels, content, data):
    assume(content[:4] not in {*OTHER_MAGICS, *WAV_MAGICS})
    sizes = data.draw(st.lists(st.integers(1, 20), min_size=1))
    kind = {"s16le": "<i2", "s32le": "<i4", "f32le": "<f4"}[encoding]
    width = np.dtype(kind).itemsize * n_channels
    values = np.frombuffer(content[: len(content) // width * width], kind)
    try:
        samples, _ = taken(Pipe(content, sizes), RawFormat(RATE, encoding, n_channels))
    except AudioError:
        assert values.size == 0 or not np.isfinite(values).all()
        return
    scale = {"s16le": 2**15, "s32le": 2**31, "f32le": 1}[encoding]
    np.testing.assert_array_equal(samples.ravel(), values.astype(np.float32) / np.float32(scale))


def test_a_real_file_without_read1(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(wav())
    with path.open("rb", buffering=0) as file:
        samples, stream = taken(file)
    np.testing.assert_array_equal(samples, by_libsndfile(wav()))
    assert stream.name == str(path)


# --- as soon as it is there ---


def test_a_packet_is_given_on_when_it_arrives():
    """Nobody writes the second packet before the first was given on."""
    header, content = wav()[:44], wav()[44:]
    reads, writes = os.pipe()
    with os.fdopen(reads, "rb") as file, os.fdopen(writes, "wb", buffering=0) as packets:
        # An opening that waited for more than it needs would wait for ever.
        watch = threading.Timer(10, packets.close)
        watch.start()
        packets.write(header)
        stream = open_stream(file)
        for start in range(0, 6400, 640):
            packets.write(content[start : start + 640])
            block = next(stream.blocks)
            assert block.shape == (320, 1)
        packets.write(content[6400:6401])
        packets.write(content[6401:])
        packets.close()
        watch.cancel()
        rest = sum(len(block) for block in stream.blocks)
        assert 3200 + rest == len(content) // 2


def test_what_comes_after_the_samples_is_not_waited_for():
    content = wav()
    pipe = Pipe(content + bytes(1 << 20), (640,))
    np.testing.assert_array_equal(taken(pipe)[0], by_libsndfile(content))
    assert pipe.n_read < len(content) + 640


def test_blocks_are_of_bounded_size():
    endless = Endless(sized(wav([]), 0xFFFFFFFF), bytes([1, 2]))
    stream = open_stream(endless)
    for _ in range(20):
        assert len(next(stream.blocks)) <= READ_BYTES // 2
    assert endless.n_read <= 22 * READ_BYTES


# --- sizes ---


# ffmpeg, arecord, SoX; GStreamer and others that write none; larger than 31 bits.
OPEN_SIZES = [0xFFFFFFFF, 0x7FFFFF00, 0x7FFFF000, 0, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF - 36]


@pytest.mark.parametrize("size", OPEN_SIZES)
@pytest.mark.parametrize("container", ["WAV", "WAVEX"])
def test_a_stream_whose_size_is_open_goes_on_to_its_end(size, container):
    content = encoded(STEREO, container)
    samples, _ = taken(Pipe(sized(content, size)))
    np.testing.assert_array_equal(samples, by_libsndfile(content))
    # What is left of a recorder that was killed within a sample.
    samples, _ = taken(Pipe(sized(content, size)[:-1]))
    np.testing.assert_array_equal(samples, by_libsndfile(content)[:-1])


@pytest.mark.parametrize("size", [0, 2**63 - 1, 2**64 - 1])
def test_an_rf64_stream_whose_size_is_open_goes_on_to_its_end(size):
    content = encoded(STEREO, "RF64")
    at = content.index(b"ds64") + 8
    streamed = patched(content, **{f"_{at}": struct.pack("<QQ", size, size)})
    assert streamed[streamed.index(b"data") + 4 :][:4] == b"\xff" * 4
    np.testing.assert_array_equal(taken(Pipe(streamed))[0], by_libsndfile(content))


def test_the_size_of_an_rf64_stream_counts():
    content = encoded(STEREO, "RF64")
    refused(content[:-100], "truncated: 100 bytes fewer than its header says; send all of it")
    np.testing.assert_array_equal(taken(Pipe(content + bytes(99)))[0], by_libsndfile(content))


@pytest.mark.parametrize("missing", [1, 2, 1000, len(wav()) - 44])
def test_a_stream_that_ends_before_its_header_says(missing):
    refused(
        wav()[: len(wav()) - missing],
        f"truncated: {missing:,} bytes fewer than its header says; send all of it",
    )


def test_what_came_before_the_end_was_given_on():
    stream = open_stream(Pipe(wav()[:-1000], (1 << 20,)))
    assert len(next(stream.blocks)) == (len(wav()) - 44 - 1000) // 2
    with pytest.raises(AudioError, match="truncated: 1,000 bytes"):
        next(stream.blocks)


def test_a_part_of_a_sample_that_the_header_counts_is_dropped():
    content = encoded(STEREO)
    size = len(content) - content.index(b"data") - 8
    samples, _ = taken(Pipe(sized(content, size - 1)))
    np.testing.assert_array_equal(samples, by_libsndfile(content)[:-1])


# --- chunks ---


@pytest.mark.parametrize("length", [0, 1, 4, 5, 70_001])
def test_chunks_before_the_samples_are_skipped(length):
    content = wav()
    extra = chunk(b"LIST", bytes(length)) + bytes(length % 2)
    for at in (12, 36):
        longer = content[:at] + extra + content[at:]
        np.testing.assert_array_equal(taken(Pipe(longer))[0], by_libsndfile(content))


def test_a_format_chunk_may_be_longer_than_what_is_known_of_it():
    content = wav()
    longer = content[:12] + chunk(b"fmt ", content[20:36] + bytes(75)) + b"\0" + content[36:]
    np.testing.assert_array_equal(taken(Pipe(longer))[0], by_libsndfile(content))


@given(st.data())
def test_a_stream_cut_anywhere_is_refused_as_such(data):
    content = encoded(STEREO, data.draw(st.sampled_from(CONTAINERS)), "PCM_24")
    content = content[:12] + chunk(b"JUNK", b"odd") + b"\0" + content[12:]
    kept = data.draw(st.integers(1, len(content) - 1))
    with pytest.raises(AudioError, match=r"a pipe: (truncated|begins with)"):
        taken(Pipe(content[:kept], (97,)))


@given(st.data())
def test_damaged_headers_give_samples_or_one_line(data):
    content = bytearray(encoded(STEREO[:50], data.draw(st.sampled_from(CONTAINERS))))
    content[12:12] = chunk(b"LIST", bytes(9)) + b"\0"
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, min(120, len(content) - 4)))
        kind, value = data.draw(
            st.tuples(st.just("B"), st.integers(0, 255))
            | st.tuples(st.just("<I"), st.sampled_from([0, 1, 0x7FFFFFFF, 0x80000000, 2**32 - 1]))
        )
        struct.pack_into(kind, content, at, value)
    try:
        samples, stream = taken(Pipe(bytes(content)))
    except AudioError as error:
        said = str(error)
    else:
        assert samples.size <= len(content)
        assert stream.n_channels >= 1
        assert 1000 <= stream.sample_rate <= 768_000
        return
    assert said.startswith("a pipe: ")
    assert "\n" not in said


@pytest.mark.parametrize("then", [b"\0", b"LIST\0\0\0\0", b"LIST\0\0\0\x02", b"\xff"])
def test_headers_without_an_end_are_given_up(then):
    endless = Endless(wav()[:36], then)
    with pytest.raises(AudioError, match=r"no samples within 1,000 chunks and 64 MB of header"):
        open_stream(endless)
    assert endless.n_read <= MAX_HEADER_BYTES + 2 * READ_BYTES


HEADER = wav()[:36]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"RIFF", "truncated: it ends within its header; send all of it"),
        (wav()[:44], "truncated: .* bytes fewer"),
        (wav([]), "holds no samples; expected a recording"),
        (sized(wav([]), 0xFFFFFFFF) + b"x", "holds no samples; expected a recording"),
        (sized(wav(), 1), "holds no samples; expected a recording"),
        (patched(wav(), _8=b"AVI "), "damaged WAV header: RIFF, but not WAVE; send it again"),
        (HEADER[:12] + wav()[36:], "damaged WAV header: its samples come before their format"),
        (HEADER[:12] + chunk(b"fmt ", bytes(14)), "its format has 14 bytes; expected 16 or more"),
        (HEADER + chunk(b"LIST", b"", 0x7FFFFFF0) + wav()[36:], "no samples within 1,000 chunks"),
        (HEADER + chunk(b"LIST", b"", 1 << 25) + wav()[36:], "truncated: it ends within its head"),
        (wav(channels=0, align=0), "damaged WAV header: 0 channels; expected 1 to 1,024"),
        (wav(channels=2000), "damaged WAV header: 2,000 channels; expected 1 to 1,024"),
        (wav(align=0), "damaged WAV header: 0 bytes for a sample of all channels; expected 2"),
        (wav(align=3), "damaged WAV header: 3 bytes for a sample of all channels; expected 2"),
        (wav(rate=0), "its header says 0 Hz; expected 1,000 to 768,000 Hz; correct the header"),
        (wav(rate=999), "its header says 999 Hz"),
        (wav(rate=2**31), "its header says 2,147,483,648 Hz"),
        (wav(bits=12), "its samples are coding 0x0001 of 12 bits; expected PCM of 8, 16, 24 or 32"),
        (wav(coding=0xFFFE), "its samples are coding 0xfffe of 16 bits"),
        (encoded(STEREO, "WAV", "ULAW"), "its samples are µ-law; .* ffmpeg -i FILE -f wav -"),
        (encoded(STEREO, "WAV", "IMA_ADPCM"), "its samples are ADPCM"),
        (encoded(STEREO, "WAVEX", "ALAW"), "its samples are A-law"),
    ],
)  # fmt: skip
def test_headers_that_cannot_be_used(content, message):
    refused(content, message)


# --- something else ---


OTHERS = [
    (encoded(STEREO, "FLAC"), "FLAC"),
    (encoded(STEREO, "OGG", "VORBIS"), r"Ogg \(Vorbis or Opus\)"),
    (encoded(STEREO, "OGG", "OPUS"), r"Ogg \(Vorbis or Opus\)"),
    (encoded(voice(), "MP3", "MPEG_LAYER_III"), "MP3"),
    (b"ID3\x04\0\0\0\0\x01\0", "MP3"),
    (b"\xff\xfb\x90\x64", "MP3"),
    (encoded(STEREO, "AIFF"), "AIFF"),
    (encoded(STEREO, "NIST"), "NIST SPHERE"),
    (encoded(STEREO, "AU"), "AU"),
    (encoded(STEREO, "CAF"), "CAF"),
    (encoded(STEREO, "W64"), "W64"),
    (b"RIFX" + bytes(40), r"WAV with the high byte first \(RIFX\)"),
    (b"\x1aE\xdf\xa3" + bytes(40), "Matroska or WebM"),
]


@pytest.mark.parametrize(("content", "looks"), OTHERS)
def test_formats_that_have_to_be_decoded_first(content, looks):
    refused(
        content,
        f"looks like {looks}; expected WAV or raw samples; decode it first: "
        r"ffmpeg -i FILE -f wav - \| speakergmm verify \.\.\.",
    )
    if looks != "MP3":
        refused(content, f"looks like {looks}", RawFormat(RATE))


def test_raw_samples_may_begin_like_an_mp3_file():
    samples, _ = taken(Pipe(b"\xff\xfb\x90\x64"), RawFormat(RATE))
    np.testing.assert_array_equal(samples[:, 0] * 2**15, [-1025, 0x6490])


def test_nothing_or_something_strange():
    refused(b"", r"empty \(0 bytes\); expected audio")
    refused(b"", r"empty \(0 bytes\); expected audio", RawFormat(RATE))
    refused(b"\x01\x02", r"begins with b'\\x01\\x02'; expected WAV; .* give the rate: --raw-rate")
    refused(bytes(640), "expected WAV; of samples without a header, give the rate: --raw-rate")
    refused(b"\x01", "holds no samples; expected a recording", RawFormat(RATE))
    refused(wav(), "looks like WAV; expected raw samples; leave out --raw-rate", RawFormat(RATE))


def test_standard_input_is_called_so():
    with pytest.raises(AudioError, match=r"^standard input: empty \(0 bytes\)"):
        open_stream(Failing(b"", "<stdin>"))


@pytest.mark.parametrize(
    ("outcome", "message"),
    [
        (OSError(104, "Connection reset by peer"), r"cannot be read \(Connection reset by peer\)"),
        (None, "nothing has arrived, and the file does not wait"),
        ("text", "gives str; expected bytes: open it in binary mode"),
    ],
)
def test_a_stream_that_cannot_be_read(outcome, message):
    with pytest.raises(AudioError, match=f"audio: {message}"):
        open_stream(Failing(outcome))


# --- samples and settings ---


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
@pytest.mark.parametrize("sizes", [UNEVEN, (1 << 20,)])
def test_samples_that_are_no_numbers(value, sizes):
    samples = STEREO.copy()
    samples[700, 1] = samples[1200, 0] = value
    told = r"a pipe: [12] samples are NaN or infinite \(the first is number 700\); write the"
    with pytest.raises(AudioError, match=told):
        taken(Pipe(encoded(samples, "WAV", "DOUBLE"), sizes))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sample_rate": 999}, "sample_rate is 999; expected 1000 to 768000 Hz"),
        ({"sample_rate": 16000.0}, "sample_rate is 16000.0; expected a whole number"),
        ({"encoding": "s16be"}, "encoding is 's16be'; expected one of 's16le', 's32le', 'f32le'"),
        ({"n_channels": 0}, "n_channels is 0; expected 1 to 1024"),
    ],
)
def test_settings_of_raw_samples(settings, message):
    with pytest.raises(ConfigError, match=message):
        RawFormat(**{"sample_rate": RATE} | settings)

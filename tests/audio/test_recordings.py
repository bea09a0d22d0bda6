"""A recording → mono float32 samples: what is read exactly, what is refused, in which words."""

from __future__ import annotations

import inspect
import io
import itertools
import os
import re
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hostile_files import chunk, wav

from speakergmm.audio import (
    check_samples,
    duration_s,
    read_blocks,
    read_recording,
    recording_info,
    recordings,
    resample,
    resample_blocks,
)
from speakergmm.audio.headers import is_cut_ogg, uncounted_bytes
from speakergmm.audio.samples import SampleCheck
from speakergmm.errors import AudioError, ConfigError

RATE = 16000

# Peaks may be off by one step of the quantizer.
STEP_16, STEP_24 = 2.0**-15, 2.0**-23

# Format, subtype, suffix, largest error of a sample.
LOSSLESS = [
    ("WAV", "PCM_16", "wav", STEP_16),
    ("WAV", "PCM_24", "wav", STEP_24),
    ("WAV", "FLOAT", "wav", 0.0),
    ("WAV", "DOUBLE", "wav", 0.0),
    ("WAVEX", "PCM_16", "wav", STEP_16),
    ("FLAC", "PCM_16", "flac", STEP_16),
    ("FLAC", "PCM_24", "flac", STEP_24),
    ("NIST", "PCM_16", "sph", STEP_16),
    ("AIFF", "PCM_16", "aiff", STEP_16),
]
# Format, subtype, suffix.
LOSSY = [
    ("OGG", "VORBIS", "ogg"),
    ("OGG", "OPUS", "opus"),
    ("MP3", "MPEG_LAYER_III", "mp3"),
]

# An Opus decoder that begins in the middle takes 80 ms to forget its state (RFC 7845, 4.6).
LOSSY_SEGMENT_TOLERANCE = 5e-3


def tone(frequency_hz, rate=RATE, seconds=0.5, level=0.5):
    return level * np.sin(2 * np.pi * frequency_hz * np.arange(round(seconds * rate)) / rate)


def noise(n_samples, seed=0):
    """Seeded noise within ±0.8."""
    return np.random.default_rng(seed).uniform(-0.8, 0.8, n_samples).astype(np.float32)


def sing(seconds=1.0, rate=RATE):
    """Three harmonics that swell and fade: something that a lossy coder keeps."""
    swell = 0.6 + 0.4 * np.sin(2 * np.pi * 3 * np.arange(round(seconds * rate)) / rate)
    voice = sum(tone(220 * k, rate, seconds, 0.3 / k) for k in (1, 2, 3))
    return (swell * voice).astype(np.float32)


def decibels(ratio):
    return 20 * np.log10(ratio)


def rms(samples):
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


@pytest.fixture
def save(tmp_path):
    """Write samples to a file by soundfile, skipping formats that its libsndfile lacks."""

    def write(name, samples, rate=RATE, kind="WAV", subtype="PCM_16"):
        if subtype not in soundfile.available_subtypes(kind):
            pytest.skip(f"this libsndfile does not write {kind} {subtype}")
        path = tmp_path / name
        soundfile.write(path, samples, rate, format=kind, subtype=subtype)
        return path

    return write


def refused(path, *telling, **options):
    """Check that a recording is refused in one line that begins with its path."""
    with pytest.raises(AudioError) as caught:
        read_recording(path, **options)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    for words in telling:
        assert re.search(words, message), message


# --- formats ---


@pytest.mark.parametrize(("kind", "subtype", "suffix", "tolerance"), LOSSLESS)
def test_lossless_formats_give_back_the_samples(save, kind, subtype, suffix, tolerance):
    samples = noise(8000)
    path = save(f"a.{suffix}", samples, kind=kind, subtype=subtype)
    read, rate = read_recording(path)
    assert (read.dtype, read.shape, rate) == (np.float32, samples.shape, RATE)
    assert read.flags.c_contiguous
    np.testing.assert_allclose(read, samples, rtol=0, atol=tolerance)


@pytest.mark.parametrize(("kind", "subtype", "suffix"), LOSSY)
def test_lossy_formats_give_back_the_sound(save, kind, subtype, suffix):
    samples = sing()
    read, rate = read_recording(save(f"a.{suffix}", samples, kind=kind, subtype=subtype))
    assert (read.dtype, read.shape, rate) == (np.float32, samples.shape, RATE)
    assert np.corrcoef(read, samples)[0, 1] > 0.99
    assert abs(decibels(rms(read) / rms(samples))) < 0.5


@pytest.mark.parametrize("subtype", ["ULAW", "ALAW"])
@pytest.mark.parametrize(("kind", "suffix"), [("NIST", "sph"), ("WAV", "wav")])
def test_telephone_speech_is_expanded(save, kind, suffix, subtype):
    # ITU-T G.711: about 38 dB between signal and quantization noise over the useful range.
    samples = tone(440, rate=8000)
    read, rate = read_recording(save(f"a.{suffix}", samples, 8000, kind, subtype))
    assert rate == 8000
    assert decibels(rms(read - samples) / rms(samples)) < -30


def test_the_suffix_does_not_matter(save):
    samples = noise(4000)
    path = save("a.wav", samples, kind="FLAC")
    np.testing.assert_allclose(read_recording(path)[0], samples, rtol=0, atol=STEP_16)


def test_names_in_any_script_with_spaces(save, tmp_path):
    (tmp_path / "日本 語").mkdir()
    path = save("日本 語/größe, ø.flac", noise(400), kind="FLAC")
    assert len(read_recording(path)[0]) == 400
    assert len(read_recording(str(path))[0]) == 400


@pytest.mark.parametrize(
    ("kind", "suffix"), [("WAV", "wav"), ("FLAC", "flac"), ("NIST", "sph"), ("AIFF", "aiff")]
)
def test_the_header_tells_rate_length_and_channels(save, kind, suffix):
    path = save(f"a.{suffix}", np.zeros((4410, 2)), 22050, kind)
    info = recording_info(path)
    assert (info.sample_rate, info.n_samples, info.n_channels) == (22050, 4410, 2)
    assert info.duration_s == duration_s(path) == duration_s(str(path)) == 0.2


# --- channels ---


def test_the_mix_is_the_mean_of_the_channels(save):
    channels = np.stack([noise(800, seed) for seed in range(3)], axis=1)
    path = save("a.wav", channels, subtype="FLOAT")
    mix, _ = read_recording(path)
    np.testing.assert_allclose(mix, channels.mean(axis=1, dtype=np.float64), rtol=0, atol=1e-7)
    np.testing.assert_array_equal(read_recording(path, channel="mix")[0], mix)


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_a_channel_is_that_channel(save, channel):
    channels = np.stack([noise(800, seed) for seed in range(3)], axis=1)
    read, _ = read_recording(save("a.wav", channels, subtype="FLOAT"), channel=channel)
    np.testing.assert_array_equal(read, channels[:, channel])
    assert read.flags.c_contiguous


@pytest.mark.parametrize("channel", [2, -1])
def test_no_such_channel(save, channel):
    path = save("a.wav", np.stack([noise(800), noise(800)], axis=1))
    refused(path, f"has no channel {channel}; expected 0 to 1, or 'mix'", channel=channel)


def test_one_silent_channel_can_be_left_out(save):
    path = save("a.wav", np.stack([noise(800), np.zeros(800)], axis=1))
    refused(path, "silent: every sample is zero; check the microphone, and the channel", channel=1)
    assert read_recording(path, channel=0)[0].any()


# --- segments ---

SEGMENTS = [(0.0, 0.25), (0.25, 0.5), (0.12347, 0.71236), (None, 0.3), (0.6, None), (0.0, 1.0)]


@pytest.mark.parametrize(("start", "end"), SEGMENTS)
@pytest.mark.parametrize(("kind", "subtype", "suffix", "tolerance"), LOSSLESS)
def test_a_segment_is_the_slice_of_the_whole(save, kind, subtype, suffix, tolerance, start, end):
    path = save(f"a.{suffix}", noise(RATE), kind=kind, subtype=subtype)
    whole, _ = read_recording(path)
    segment, rate = read_recording(path, start_s=start, end_s=end)
    slice_ = whole[round((start or 0) * rate) : None if end is None else round(end * rate)]
    np.testing.assert_array_equal(segment, slice_)


@pytest.mark.parametrize(("start", "end"), SEGMENTS)
@pytest.mark.parametrize(("kind", "subtype", "suffix"), LOSSY)
def test_a_segment_of_a_lossy_file_is_the_slice_of_the_whole(
    save, kind, subtype, suffix, start, end
):
    path = save(f"a.{suffix}", sing(), kind=kind, subtype=subtype)
    whole, _ = read_recording(path)
    segment, rate = read_recording(path, start_s=start, end_s=end)
    slice_ = whole[round((start or 0) * rate) : None if end is None else round(end * rate)]
    assert segment.shape == slice_.shape
    np.testing.assert_allclose(segment, slice_, rtol=0, atol=LOSSY_SEGMENT_TOLERANCE)


def test_neighboring_segments_make_up_the_whole(save):
    path = save("a.flac", noise(RATE), kind="FLAC")
    cuts = [0.0, 0.1, 0.33333, 0.5, 0.9999, 1.0]
    parts = [
        read_recording(path, start_s=start, end_s=end)[0] for start, end in itertools.pairwise(cuts)
    ]
    np.testing.assert_array_equal(np.concatenate(parts), read_recording(path)[0])


def test_an_end_rounded_to_milliseconds_is_the_end(save):
    path = save("a.wav", noise(RATE + 7))
    assert len(read_recording(path, end_s=1.001)[0]) == RATE + 7


@pytest.mark.parametrize(
    ("start", "end", "telling"),
    [
        (0.5, 3.0, "segment 0.5 to 3 s does not lie within the recording's 1.000 s"),
        (0.0, 1.01, "segment 0 to 1.01 s does not lie within"),
        (2.0, None, "segment 2 to .* does not lie within the recording's 1.000 s"),
        (1.0, None, "does not lie within"),
        (-0.5, None, "segment -0.5 to 1 s does not lie within"),
        (0.6, 0.4, "segment 0.6 to 0.4 s does not lie within"),
        (0.5, 0.5, "segment 0.5 to 0.5 s does not lie within"),
        (0.0, 1e300, "does not lie within"),
        (float("nan"), None, "does not lie within"),
        (None, float("nan"), "does not lie within"),
        (None, float("inf"), "does not lie within"),
    ],
)
def test_a_segment_outside_the_recording(save, start, end, telling):
    path = save("a.wav", noise(RATE))
    refused(path, telling, start_s=start, end_s=end)


def test_only_the_segment_is_judged(save):
    # Silence, then sound: a long pause is no fault of the segment that was asked for.
    path = save("a.wav", np.concatenate([np.zeros(8000), noise(8000)]))
    assert read_recording(path, start_s=0.5)[0].any()
    refused(path, "silent", end_s=0.5)


# --- resampling ---

# Away from the ends, where the filter sees the silence outside, soxr's HQ is good to 20 bits.
EDGE_S = 0.05
RESAMPLE_TOLERANCE = 1e-4


def middle(samples, rate):
    edge = round(EDGE_S * rate)
    return samples[edge:-edge]


@pytest.mark.parametrize(
    ("rate", "wanted", "frequency_hz"),
    [(16000, 8000, 440), (16000, 8000, 3000), (44100, 16000, 1000), (48000, 16000, 6500)],
)
def test_a_tone_below_half_the_new_rate_survives(save, rate, wanted, frequency_hz):
    """Frequency, level and phase at once: the same tone, sampled at the new rate."""
    path = save("a.wav", tone(frequency_hz, rate), rate, subtype="FLOAT")
    read, read_rate = read_recording(path, sample_rate=wanted)
    expected = tone(frequency_hz, wanted)
    assert (read_rate, read.dtype, read.shape) == (wanted, np.float32, expected.shape)
    np.testing.assert_allclose(
        middle(read, wanted), middle(expected, wanted), rtol=0, atol=RESAMPLE_TOLERANCE
    )


@pytest.mark.parametrize(
    ("rate", "wanted", "frequency_hz"),
    [(16000, 8000, 6000), (16000, 8000, 4500), (44100, 16000, 9000), (48000, 16000, 20000)],
)
def test_a_tone_above_half_the_new_rate_vanishes(save, rate, wanted, frequency_hz):
    """Nothing is mirrored into the band that stays: below -90 dB of the tone."""
    samples = tone(frequency_hz, rate)
    path = save("a.wav", samples, rate, subtype="FLOAT")
    read, _ = read_recording(path, sample_rate=wanted)
    assert decibels(rms(middle(read, wanted)) / rms(samples)) < -90


def test_the_recordings_own_rate_leaves_every_sample(save):
    path = save("a.wav", noise(4000))
    asked, rate = read_recording(path, sample_rate=RATE, resample_policy="never")
    assert rate == RATE
    np.testing.assert_array_equal(asked, read_recording(path)[0])


def test_upward_is_refused_by_default_with_both_rates(save):
    path = save("a.wav", tone(440, 8000), 8000)
    refused(
        path,
        "audio is 8000 Hz, the model expects 16000 Hz",
        "front_end.resample=any",
        sample_rate=16000,
    )


def test_upward_is_done_when_allowed(save):
    path = save("a.wav", tone(440, 8000), 8000, subtype="FLOAT")
    read, rate = read_recording(path, sample_rate=16000, resample_policy="any")
    assert rate == 16000
    np.testing.assert_allclose(
        middle(read, rate), middle(tone(440, 16000), rate), rtol=0, atol=RESAMPLE_TOLERANCE
    )


@pytest.mark.parametrize(("rate", "fix"), [(48000, "resample=down"), (8000, "sample_rate=8000")])
def test_never_refuses_both_ways(save, rate, fix):
    path = save("a.wav", tone(440, rate), rate)
    told = f"audio is {rate} Hz, the model expects 16000 Hz; .*{fix}"
    refused(path, told, sample_rate=16000, resample_policy="never")


def test_an_unknown_policy_is_refused_even_when_nothing_is_to_be_done():
    with pytest.raises(
        ConfigError, match="resample is 'up'; expected one of 'down', 'any', 'never'"
    ):
        resample(noise(100), 16000, 16000, policy="up")


def test_a_recording_too_short_to_leave_a_sample_at_the_new_rate(save):
    refused(save("a.wav", noise(2), 48000), "no samples", sample_rate=8000)


def test_the_default_policy_is_the_same_everywhere():
    default = inspect.signature(resample).parameters["policy"].default
    assert inspect.signature(read_recording).parameters["resample_policy"].default == default
    assert inspect.signature(resample_blocks).parameters["policy"].default == default


# --- bad input: each its own words ---


def test_a_missing_file(tmp_path):
    path = tmp_path / "none.wav"
    refused(path, "no such file; expected a recording")
    with pytest.raises(AudioError, match=r"none\.wav: no such file"):
        recording_info(path)


def test_an_empty_file(tmp_path):
    path = tmp_path / "a.wav"
    path.touch()
    refused(path, r"the file is empty \(0 bytes\)")


def test_a_folder(tmp_path):
    refused(tmp_path, "not a file; expected a recording")


def test_permission_denied(save, monkeypatch):
    path = save("a.wav", noise(100))

    def refuse(self, *args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    refused(path, r"cannot be read \(Permission denied\)")


# libsndfile looks at some suffixes before it looks at the bytes.
@pytest.mark.parametrize("suffix", ["wav", "flac", "sph", "ogg", "txt", "raw", "RAW"])
@pytest.mark.parametrize("content", ["random", "text"])
def test_bytes_that_are_no_audio(tmp_path, suffix, content):
    path = tmp_path / f"a.{suffix}"
    random = b"\x01" + np.random.default_rng(0).bytes(4000)
    path.write_bytes(random if content == "random" else b"utterance_id,path\n" * 50)
    advice = "ffmpeg -f s16le" if suffix.lower() == "raw" else "ffmpeg -i IN OUT.wav"
    expected = "expected WAV, FLAC, OGG, Opus, MP3 or SPHERE: "
    refused(path, "not audio that can be decoded", expected, advice)
    with pytest.raises(AudioError, match="not audio that can be decoded"):
        recording_info(path)


def test_a_single_byte(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(b"R")
    refused(path, "not audio that can be decoded")


@pytest.mark.parametrize(
    ("kind", "subtype", "suffix"),
    [("WAV", "PCM_16", "wav"), ("NIST", "PCM_16", "sph"), ("AIFF", "PCM_16", "aiff")],
)
def test_a_header_without_samples(save, kind, subtype, suffix):
    path = save(f"a.{suffix}", noise(0), kind=kind, subtype=subtype)
    assert path.stat().st_size > 0
    refused(path, "holds no samples")


def test_a_segment_of_a_header_without_samples(save):
    refused(save("a.wav", noise(0)), "holds no samples", start_s=0.5, end_s=1.0)


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.999])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_a_wav_cut_short_in_its_data(save, subtype, kept):
    path = save("a.wav", noise(8000), subtype=subtype)
    whole = path.read_bytes()
    start = whole.index(b"data") + 8
    end = start + int(kept * (len(whole) - start))
    path.write_bytes(whole[:end])
    missing = len(whole) - end
    refused(path, f"truncated: {missing:,} bytes fewer than its header says; copy the file again")
    with pytest.raises(AudioError, match="truncated"):
        duration_s(path)


def test_a_wav_cut_short_is_refused_also_for_a_segment_that_is_there(save):
    path = save("a.wav", noise(8000))
    path.write_bytes(path.read_bytes()[:-1000])
    refused(path, "truncated: 1,000 bytes fewer", start_s=0.0, end_s=0.1)


def test_a_wav_cut_short_in_its_header(save):
    path = save("a.wav", noise(8000))
    path.write_bytes(path.read_bytes()[:30])
    refused(path, "not audio that can be decoded")


@pytest.mark.parametrize("kept", [0.4, 0.6, 0.95])
def test_a_flac_cut_short_is_told_from_what_is_no_audio(save, kept):
    path = save("a.flac", noise(2 * RATE), kind="FLAC")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])
    refused(path, "truncated|damaged|cut short", "copy the file again")


@pytest.mark.parametrize(("subtype", "suffix"), [("VORBIS", "ogg"), ("OPUS", "opus")])
def test_an_ogg_file_whose_last_page_has_no_flag_of_the_end_is_read(save, subtype, suffix):
    # As Android records voice messages: all pages are whole, and none says that it is the last.
    path = save(f"a.{suffix}", sing(5.0), kind="OGG", subtype=subtype)
    whole, _ = read_recording(path)
    content = path.read_bytes()
    path.write_bytes(content[: content.rindex(b"OggS")])
    samples, _ = read_recording(path)
    assert 0.5 * len(whole) < len(samples) < len(whole)
    np.testing.assert_allclose(samples, whole[: len(samples)], rtol=0, atol=1e-6)
    path.write_bytes(content[: content.rindex(b"OggS") - 1])
    refused(path, "truncated: the stream has no end; copy the file again")


@pytest.mark.parametrize(
    ("flags", "last_segment", "is_cut"),
    [(0, 254, False), (0, 255, True), (4, 255, False), (1, 255, True)],
)
def test_an_ogg_file_that_ends_within_a_packet_is_cut(flags, last_segment, is_cut):
    page = b"OggS\0" + bytes([flags]) + bytes(20) + bytes([2, 255, last_segment])
    content = page + bytes(255 + last_segment)
    assert is_cut_ogg(io.BytesIO(content)) is is_cut
    assert is_cut_ogg(io.BytesIO(content[:-1]))
    assert is_cut_ogg(io.BytesIO(content[:20]))


def test_a_sphere_file_cut_short(save):
    # Its header tells sample_count, which libsndfile passes over.
    path = save("a.sph", noise(8000), kind="NIST")
    path.write_bytes(path.read_bytes()[:-4000])
    refused(path, "truncated")


def test_a_sphere_file_that_is_compressed(save):
    # As on many discs of the Linguistic Data Consortium; libsndfile does not decode it.
    path = save("a.sph", noise(8000), kind="NIST")
    content = path.read_bytes()
    header = content[:1024].rstrip(b"\0").replace(b"-s3 pcm", b"-s25 pcm,embedded-shorten-v2.00")
    path.write_bytes(header.ljust(1024, b"\0") + b"ajkg" + content[1024:9000])
    refused(path, "SPHERE compressed by shorten, .*; unpack it: sph2pipe -f wav IN.sph OUT.wav")


@pytest.mark.parametrize("n_samples", [1, 8000])
def test_silence(save, n_samples):
    told = "silent: every sample is zero; check the microphone, and the channel"
    refused(save("a.wav", np.zeros(n_samples)), told)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_samples_that_are_no_numbers(save, value, subtype):
    samples = noise(8000)
    samples[[1234, 5000]] = value
    path = save("a.wav", samples, subtype=subtype)
    refused(path, r"2 samples are NaN or infinite \(the first is number 1,234\)")


def test_infinities_that_cancel_in_the_mix_are_no_warning(save):
    samples = np.stack([noise(800), noise(800)], axis=1)
    samples[7] = np.inf, -np.inf
    path = save("a.wav", samples, subtype="FLOAT")
    refused(path, r"1 samples are NaN or infinite \(the first is number 7\)")


# --- headers that a streaming program could not complete ---

# Sizes of RIFF and data; the last is SoX's for a pipe (MS_UNSPEC in its wav.c).
STREAMED = {
    "all ones": (0xFFFFFFFF, 0xFFFFFFFF),
    "all ones less the header": (0xFFFFFFFF, 0xFFFFFFFF - 36),
    "largest signed": (0x7FFFFFFF, 0x7FFFFFFF),
    "largest signed less the header": (0x7FFFFFFF, 0x7FFFFFFF - 36),
    "SoX": (0x7FFFF000 + 36, 0x7FFFF000),
}


@pytest.mark.parametrize(("riff", "data"), STREAMED.values(), ids=STREAMED.keys())
def test_a_streamed_wav_is_read_to_its_end(save, riff, data):
    samples = noise(8000)
    path = save("a.wav", samples)
    content = bytearray(path.read_bytes())
    content[4:8] = struct.pack("<I", riff)
    content[40:44] = struct.pack("<I", data)
    path.write_bytes(content)
    read, _ = read_recording(path)
    np.testing.assert_allclose(read, samples, rtol=0, atol=STEP_16)
    assert duration_s(path) == 0.5


# What Python's wave module leaves of a recording that was broken off, and what others do.
@pytest.mark.parametrize("riff", [36, 0, 0xFFFFFFFF])
def test_a_wav_that_was_never_finished_is_told_from_an_empty_one(save, riff):
    path = save("a.wav", noise(8000))
    content = bytearray(path.read_bytes())
    content[4:8] = struct.pack("<I", riff)
    content[40:44] = bytes(4)
    path.write_bytes(content)
    follow = "unfinished: 16,000 bytes follow where its header says that there are no samples"
    refused(path, follow, "ffmpeg -i IN.wav OUT.wav")


class Sparse(io.BytesIO):
    """A file that goes on with zeros, which take no room."""

    def __init__(self, start, size):
        super().__init__(start)
        self.size = size

    def seek(self, offset, whence=0):
        return super().seek(self.size if whence == 2 else offset)

    def read(self, n_bytes=-1):
        return super().read(n_bytes).ljust(min(n_bytes, max(0, self.size - self.tell())), b"\0")


GB_4 = 1 << 32


@pytest.mark.parametrize(
    ("size", "said", "uncounted"),
    [
        (6_000_000_000, 6_000_000_000 - GB_4, GB_4),
        (7_000_000_000, 7_000_000_000 - GB_4, GB_4),
        (6_000_000_000, 0xFFFFFFFF, 6_000_000_000 - 0xFFFFFFFF),
        (3_000_000_000, 0x7FFFF000, 3_000_000_000 - 0x7FFFF000),
        (3_000_000_000, 3_000_000_000, 0),
        (3_000_000_000, 0xFFFFFFFF, 0),
        (4_000_000_000, 1_000_000, 0),
    ],
)
def test_a_wav_that_is_larger_than_its_header_can_say(size, said, uncounted):
    # Zeros behind the samples are chunks without a name or content, which are no end of a file.
    file = Sparse(wav(noise(100), data_size=said), 44 + size)
    assert uncounted_bytes(file) == uncounted


def test_chunks_behind_many_samples_are_counted_by_themselves():
    note = chunk(b"note", bytes(100_000))
    content = wav(noise(100), data_size=0x7FFFF000) + note

    class Placed(Sparse):
        def read(self, n_bytes=-1):
            at = self.tell() - 44 - 0x7FFFF000
            return note[at : at + n_bytes] if at >= 0 else super().read(n_bytes)

    assert uncounted_bytes(Placed(content[:244], 44 + 0x7FFFF000 + len(note))) == 0


def test_a_wav_that_is_larger_than_its_header_can_say_is_refused(save):
    path = save("a.wav", noise(8000))
    os.truncate(path, path.stat().st_size + GB_4)
    told = f"too large for its header: {GB_4:,} bytes follow the samples that it counts; make"
    refused(path, told, "ffmpeg -ignore_length 1 -i IN.wav OUT.flac")


@pytest.mark.parametrize("behind", [b"", chunk(b"LIST", b"INFO"), chunk(b"note", b"odd")])
def test_a_wav_without_samples_may_have_chunks_behind_them(tmp_path, behind):
    path = tmp_path / "a.wav"
    path.write_bytes(wav([]) + behind)
    refused(path, "holds no samples")


def test_a_streamed_flac_is_read_to_its_end(save):
    """A FLAC header may leave the number of samples open (RFC 9639, 8.2)."""
    samples = noise(8000)
    path = save("a.flac", samples, kind="FLAC")
    content = bytearray(path.read_bytes())
    # After "fLaC", the block's header and 13 bytes: the low half of one byte, and four more.
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    path.write_bytes(content)
    read, _ = read_recording(path)
    np.testing.assert_allclose(read, samples, rtol=0, atol=STEP_16)
    segment, _ = read_recording(path, start_s=0.25)
    np.testing.assert_array_equal(segment, read[4000:])
    assert duration_s(path) == 0.5


def test_chunks_before_and_after_the_data_are_passed_over(save):
    samples = noise(8000)
    path = save("a.wav", samples)
    content = path.read_bytes()
    # An odd length is followed by one byte of padding.
    extra = b"LIST" + struct.pack("<I", 5) + b"INFOx\0"
    path.write_bytes(content[:36] + extra + content[36:] + extra)
    np.testing.assert_allclose(read_recording(path)[0], samples, rtol=0, atol=STEP_16)
    path.write_bytes(content[:36] + extra + content[36:-10])
    refused(path, "truncated: 10 bytes fewer")


# --- samples from elsewhere ---


def test_good_samples_pass():
    check_samples(noise(100))
    check_samples(np.array([1e-30], dtype=np.float32))
    check_samples(np.array([0.0, -1.0, 0.0], dtype=np.float32))


def test_large_but_finite_samples_are_no_fault_and_no_warning():
    check_samples(np.array([1e30, 0.5], dtype=np.float32))


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros(0), "there are no samples; expected a recording"),
        (np.zeros(10), "silent: every sample is zero"),
        (np.array([1.0, np.nan]), r"1 samples are NaN or infinite \(the first is number 1\)"),
        (np.ones((10, 2)), r"samples have shape \(10, 2\); expected \(n_samples,\), one channel"),
        (np.float32(1.0), r"samples have shape \(\); expected \(n_samples,\)"),
    ],
)
def test_bad_samples(samples, message):
    with pytest.raises(AudioError, match=message):
        check_samples(np.asarray(samples, dtype=np.float32))


@pytest.mark.parametrize("value", [1.0, -0.25, 1e-30])
def test_samples_of_one_value_are_refused(value):
    with pytest.raises(AudioError, match="constant: every sample has the same value; check the"):
        check_samples(np.full(10, value, dtype=np.float32))
    check_samples(np.array([value], dtype=np.float32))


def test_a_constant_recording(save):
    refused(save("a.wav", np.full(800, 0.25)), "constant: every sample has the same value")


# --- samples that come in blocks ---


@pytest.mark.parametrize("sizes", [[10], [3, 7], [0, 1, 0, 9], [1] * 10])
def test_checking_blocks_is_checking_the_whole(sizes):
    samples = noise(10)
    blocks = np.split(samples, np.cumsum(sizes)[:-1])
    check = SampleCheck()
    for block in blocks:
        check.look(block)
    check.finish()
    assert check.n_samples == 10
    assert check.first == samples[0]
    assert check.varies


def test_bad_samples_are_counted_from_the_first_block():
    check = SampleCheck()
    check.look(noise(1000))
    with pytest.raises(AudioError, match=r"1 samples .* \(the first is number 1,002\)"):
        check.look(np.array([0.5, 0.5, np.nan], dtype=np.float32))


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ([], "there are no samples"),
        ([[], []], "there are no samples"),
        ([[0.0, 0.0], [], [0.0]], "silent: every sample is zero"),
        ([[0.5], [0.5, 0.5]], "constant"),
    ],
)
def test_what_is_wrong_with_all_blocks_is_said_at_the_end(blocks, message):
    check = SampleCheck()
    for block in blocks:
        check.look(np.array(block, dtype=np.float32))
    with pytest.raises(AudioError, match=message):
        check.finish()


def test_blocks_that_differ_from_each_other_alone_are_no_constant():
    check = SampleCheck()
    for value in (0.5, 0.25):
        check.look(np.full(10, value, dtype=np.float32))
    check.finish()


@pytest.mark.parametrize("at_once", [1, 997, 8000, 8001, 1 << 20])
@pytest.mark.parametrize(
    ("kind", "subtype", "suffix"),
    [("WAV", "PCM_16", "wav"), ("FLAC", "PCM_16", "flac"), ("WAV", "FLOAT", "wav"), *LOSSY],
)
def test_blocks_make_up_the_recording(save, monkeypatch, kind, subtype, suffix, at_once):
    samples = sing(0.05 if at_once == 1 else 0.5)
    path = save(f"a.{suffix}", samples, kind=kind, subtype=subtype)
    whole, _ = read_recording(path)
    monkeypatch.setattr(recordings, "BLOCK_VALUES", at_once)
    opened = read_blocks(path)
    blocks = list(opened.blocks)
    assert opened.sample_rate == RATE
    assert [len(block) for block in blocks[:-1]] == [at_once] * (len(blocks) - 1)
    np.testing.assert_array_equal(np.concatenate(blocks), whole)
    np.testing.assert_array_equal(read_recording(path)[0], whole)


@pytest.mark.parametrize("channel", ["mix", 0, 2])
def test_blocks_of_a_segment_of_a_channel(save, monkeypatch, channel):
    path = save("a.flac", np.stack([noise(RATE, seed) for seed in range(3)], axis=1), kind="FLAC")
    expected, _ = read_recording(path, start_s=0.2, end_s=0.7, channel=channel)
    monkeypatch.setattr(recordings, "BLOCK_VALUES", 3000)
    opened = read_blocks(path, start_s=0.2, end_s=0.7, channel=channel)
    blocks = list(opened.blocks)
    # Memory is bounded whatever the number of channels.
    assert [len(block) for block in blocks] == [1000] * 8
    assert {(block.ndim, block.dtype.name) for block in blocks} == {(1, "float32")}
    np.testing.assert_array_equal(np.concatenate(blocks), expected)


def test_what_is_wrong_with_the_file_is_said_at_once(save, tmp_path):
    for path, message in (
        (tmp_path / "none.wav", "no such file"),
        (save("empty.wav", noise(0)), "holds no samples"),
    ):
        with pytest.raises(AudioError, match=message) as caught:
            read_blocks(path)
        assert str(caught.value).startswith(f"{path}: ")
    with pytest.raises(AudioError, match="segment 2 to 3 s does not lie within"):
        read_blocks(save("a.wav", noise(RATE)), start_s=2.0, end_s=3.0)


def test_what_is_wrong_with_the_samples_is_said_where_they_are_read(save, monkeypatch):
    monkeypatch.setattr(recordings, "BLOCK_VALUES", 1000)
    samples = noise(8000)
    samples[5500] = np.nan
    path = save("a.wav", samples, subtype="FLOAT")
    blocks = read_blocks(path).blocks
    assert sum(len(next(blocks)) for _ in range(5)) == 5000
    with pytest.raises(AudioError, match=r"a\.wav: 1 samples are NaN .* number 5,500\)"):
        next(blocks)
    blocks = read_blocks(save("b.wav", np.zeros(2500))).blocks
    assert [len(next(blocks)) for _ in range(3)] == [1000, 1000, 500]
    with pytest.raises(AudioError, match=r"b\.wav: silent: every sample is zero"):
        next(blocks)
    with pytest.raises(AudioError, match=r"c\.wav: has no channel 3"):
        next(read_blocks(save("c.wav", noise(100)), channel=3).blocks)


def test_a_file_that_is_not_read_to_its_end_is_closed(save):
    path = save("a.wav", noise(8000))
    opened = read_blocks(path)
    del opened
    path.unlink()


@pytest.mark.parametrize("size", [1, 160, 4097, 30_000])
@pytest.mark.parametrize("rate", [8000, 22_050, 44_100, 48_000, 96_000])
def test_resampling_in_blocks_is_resampling_the_whole(rate, size):
    samples = noise(2000 if size == 1 else 30_000)
    blocks = (samples[i : i + size] for i in range(0, len(samples), size))
    resampled = list(resample_blocks(blocks, rate, 16_000, policy="any"))
    assert {block.dtype.name for block in resampled} == {"float32"}
    expected = resample(samples, rate, 16_000, policy="any")
    np.testing.assert_array_equal(np.concatenate(resampled), expected)


def test_one_channel_of_many_in_blocks_is_resampled_alike():
    channels = np.stack([noise(10_000, seed) for seed in range(2)], axis=1)
    channels.flags.writeable = False
    blocks = [channels[:4000, 1], channels[4000:4000, 1], channels[4000:, 1]]
    resampled = np.concatenate(list(resample_blocks(blocks, 48_000, 16_000)))
    np.testing.assert_array_equal(resampled, resample(channels[:, 1].copy(), 48_000, 16_000))


def test_blocks_at_the_rate_wanted_are_passed_on():
    blocks = [noise(10), noise(20)]
    for got, given in zip(resample_blocks(blocks, RATE, RATE, policy="never"), blocks, strict=True):
        assert got is given


def test_a_rate_that_must_not_be_changed_is_refused_at_once():
    with pytest.raises(AudioError, match="audio is 8000 Hz, the model expects 16000 Hz"):
        resample_blocks([noise(10)], 8000, 16_000)
    with pytest.raises(ConfigError, match="resample is 'up'"):
        resample_blocks([noise(10)], RATE, RATE, policy="up")


@pytest.mark.parametrize(
    ("container", "subtype"), [("OGG", "VORBIS"), ("OGG", "OPUS"), ("AIFF", "PCM_16")]
)
def test_a_stream_that_was_cut_off_is_refused(tmp_path, container, subtype):
    if subtype not in soundfile.available_subtypes(container):
        pytest.skip(f"libsndfile here does not write {subtype}")
    path = tmp_path / "speech.audio"
    noise = 0.1 * np.random.default_rng(0).normal(size=160_000)
    soundfile.write(path, noise, 16000, format=container, subtype=subtype)
    assert recording_info(path).n_samples == 160_000
    content = path.read_bytes()
    for share in (0.1, 0.5, 0.95):
        path.write_bytes(content[: int(share * len(content))])
        with pytest.raises(AudioError, match=r"speech\.audio: truncated"):
            read_recording(path)

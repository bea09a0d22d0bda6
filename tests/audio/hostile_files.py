"""Files on which a reader may crash, hang, or run out of memory, and what is to become of each."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import socket
import struct
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import soundfile

if TYPE_CHECKING:
    from pathlib import Path

RATE = 16_000

# What is said of a file: patterns.
NO_AUDIO = "not audio that can be decoded"
EMPTY = r"the file is empty \(0 bytes\)"
TRUNCATED = "truncated: "
DAMAGED = "truncated or damaged: decoding failed"
ANY_DAMAGE = "|".join([
    NO_AUDIO, "truncated", "holds no samples", "its header says .* Hz", "NaN or infinite",
    "silent", "constant", "too short", "beyond full scale", "audio is .* Hz, the model expects",
])  # fmt: skip


@dataclass(frozen=True)
class HostileFile:
    """A file, and what reading it is to give.

    ``reason`` is a pattern of the message; None where the file can be used. ``may_work``: it may
    also be usable, as libsndfile likes. ``readable``: it has samples, and only the front end
    refuses them. ``in_list``: it is among those of which features are extracted.
    """

    path: Path
    reason: str | None = None
    may_work: bool = False
    readable: bool = False
    in_list: bool = True


class Folder:
    """A folder that is filled with hostile files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: list[HostileFile] = []

    def add(self, name, content=None, reason=None, **expected):
        """Add a file; without content, one that is there already, or is not to be there."""
        path = self.folder / os.fsdecode(name)
        if content is not None:
            path.write_bytes(content)
        self.files.append(HostileFile(path, reason, **expected))
        return path


# --- contents ---


def voice(seconds=0.6, rate=RATE):
    """Something that every coder keeps: a tone that swells and fades, with a little noise."""
    times = np.arange(round(seconds * rate)) / rate
    swell = 0.6 + 0.4 * np.sin(2 * np.pi * 3 * times)
    noise = np.random.default_rng(0).standard_normal(len(times))
    return 0.4 * swell * np.sin(2 * np.pi * 220 * times) + 0.02 * noise


def encoded(samples, container="WAV", subtype="PCM_16", rate=RATE):
    """Encode by libsndfile, through a file: some of its containers cannot be written otherwise."""
    samples = np.asarray(samples, dtype=np.float64)
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    coded = io.BytesIO()
    options = {"format": container, "subtype": subtype}
    with soundfile.SoundFile(coded, "w", rate, channels, **options) as file:
        # libsndfile's Vorbis encoder crashes when it is given much at once.
        for start in range(0, len(samples), 4096):
            file.write(samples[start : start + 4096])
    return coded.getvalue()


def wav(samples=None, *, rate=RATE, channels=1, bits=16, coding=1, align=None, data_size=None):
    """Write 16-bit PCM under a header that says what is wanted."""
    samples = voice() if samples is None else np.asarray(samples)
    data = np.round(samples * 32767).astype("<i2").tobytes()
    align = (channels * bits // 8 if align is None else align) & 0xFFFF
    size = len(data) if data_size is None else data_size
    fmt = struct.pack("<HHIIHH", coding, channels, rate, rate * align & 0xFFFFFFFF, align, bits)
    riff = struct.pack("<4sI4s", b"RIFF", min(36 + size, 0xFFFFFFFF), b"WAVE")
    return riff + chunk(b"fmt ", fmt) + struct.pack("<4sI", b"data", size) + data


def chunk(name, content, size=None, order="<"):
    return struct.pack(f"{order}4sI", name, len(content) if size is None else size) + content


def patched(content, **at):
    """Overwrite bytes: ``_24=b"..."`` at 24."""
    changed = bytearray(content)
    for place, new in at.items():
        start = int(place[1:])
        changed[start : start + len(new)] = new
    return bytes(changed)


# --- whole, cut and flipped files of every format ---

# Name of the file, container, subtype, where the samples begin (None: that is not to be seen).
CODED = [
    ("u8.wav", "WAV", "PCM_U8", b"data"),
    ("s16.wav", "WAV", "PCM_16", b"data"),
    ("s24.wav", "WAV", "PCM_24", b"data"),
    ("s32.wav", "WAV", "PCM_32", b"data"),
    ("float.wav", "WAV", "FLOAT", b"data"),
    ("double.wav", "WAV", "DOUBLE", b"data"),
    ("ulaw.wav", "WAV", "ULAW", b"data"),
    ("ima.wav", "WAV", "IMA_ADPCM", b"data"),
    ("ms.wav", "WAV", "MS_ADPCM", b"data"),
    ("gsm.wav", "WAV", "GSM610", b"data"),
    ("g721.wav", "WAV", "G721_32", b"data"),
    ("wavex.wav", "WAVEX", "PCM_16", b"data"),
    ("sony.w64", "W64", "PCM_16", b"data"),
    ("ebu.rf64", "RF64", "PCM_16", b"data"),
    ("apple.aiff", "AIFF", "PCM_16", b"SSND"),
    ("sun.au", "AU", "PCM_16", None),
    ("core.caf", "CAF", "PCM_16", b"data"),
    ("alac.caf", "CAF", "ALAC_16", b"data"),
    ("free.flac", "FLAC", "PCM_16", None),
    ("vorbis.ogg", "OGG", "VORBIS", None),
    ("opus.opus", "OGG", "OPUS", None),
    ("layer3.mp3", "MP3", "MPEG_LAYER_III", None),
    ("nist.sph", "NIST", "PCM_16", None),
]


def add_coded(folder):
    rng = np.random.default_rng(1)
    for name, container, subtype, marker in CODED:
        if subtype not in soundfile.available_subtypes(container):
            continue
        whole = encoded(voice(), container, subtype)
        folder.add(f"whole-{name}", whole)
        kept = {"half": len(whole) // 2 | 1, "last": len(whole) - 1}
        cut_off = f"{TRUNCATED}|{DAMAGED}"
        for how, n_bytes in kept.items():
            # FLAC has no end to look for, and libsndfile pads ALAC by a byte of no meaning.
            may_work = how == "last" and name in {"free.flac", "alac.caf"}
            folder.add(f"cut-{how}-{name}", whole[:n_bytes], cut_off, may_work=may_work)
        if marker:
            at = whole.index(marker) + (24 if container == "W64" else 8)
            folder.add(f"cut-header-{name}", whole[:at], f"{cut_off}|{NO_AUDIO}")
        for n_bytes in rng.integers(1, len(whole), 2):
            folder.add(f"cut-{n_bytes}-{name}", whole[:n_bytes], f"{cut_off}|{NO_AUDIO}")
        for number in range(3):
            flipped = np.frombuffer(whole, dtype=np.uint8).copy()
            at = rng.integers(4, 80, 4)
            flipped[at] ^= rng.integers(1, 256, 4).astype(np.uint8)
            folder.add(f"flipped-{number}-{name}", flipped.tobytes(), ANY_DAMAGE, may_work=True)


# --- headers that lie ---


def add_wav_headers(folder):
    for rate in (0, 1, 999, 2**24, 2**31 - 1, 2**31, 2**32 - 1):
        reason = f"{NO_AUDIO}|its header says {rate:,} Hz"
        folder.add(f"rate-{rate}.wav", wav(rate=rate), reason)
    folder.add("rate-384000.wav", wav(voice(rate=384_000), rate=384_000))
    told = "audio is 8000 Hz, the model expects 16000 Hz"
    folder.add("rate-8000.wav", wav(rate=8000), told, readable=True)
    folder.add("channels-8.wav", wav(np.repeat(voice(), 8), channels=8))
    folder.add("channels-1024.wav", wav(np.repeat(voice(0.1), 1024), channels=1024))
    for channels in (0, 1025, 65535):
        folder.add(f"channels-{channels}.wav", wav(channels=channels), NO_AUDIO)
    for align in (0, 3, 65535):
        folder.add(f"align-{align}.wav", wav(align=align), ANY_DAMAGE, may_work=True)
    for bits in (0, 1, 7, 64, 65535):
        folder.add(f"bits-{bits}.wav", wav(bits=bits), ANY_DAMAGE, may_work=True)
    for coding in (0, 0x55, 0xFFFE, 0xFFFF):
        folder.add(f"coding-{coding}.wav", wav(coding=coding), ANY_DAMAGE, may_work=True)
    folder.add("size-0xffffffff.wav", wav(data_size=0xFFFFFFFF))
    folder.add("size-0x7fffffff.wav", wav(data_size=0x7FFFFFFF))
    folder.add("size-huge.wav", wav(data_size=0x70000000), TRUNCATED)
    folder.add("size-odd.wav", wav(data_size=19199), may_work=True, reason=ANY_DAMAGE)
    folder.add("size-0.wav", wav(data_size=0), "unfinished: 19,200 bytes follow", may_work=True)
    three_hours = 3 * 3600 * RATE * 2
    folder.add("three-hours.wav", wav([], data_size=three_hours), TRUNCATED)
    folder.add("header-only.wav", wav([]), "holds no samples")
    start, rest = wav()[:36], wav()[36:]
    beyond = chunk(b"LIST", b"INFO", 0x7FFFFFF0)
    folder.add("chunk-beyond.wav", start + beyond + rest, f"{NO_AUDIO}|{TRUNCATED}")
    folder.add("chunk-backward.wav", start + chunk(b"LIST", b"", 0xFFFFFFF0) + rest, ANY_DAMAGE,
               may_work=True)  # fmt: skip
    folder.add("chunks-many.wav", start + 50_000 * chunk(b"junk", b"") + rest, ANY_DAMAGE,
               may_work=True)  # fmt: skip
    folder.add("chunks-of-zeros.wav", wav()[:12] + bytes(20_000_000), NO_AUDIO)
    folder.add("no-format.wav", wav()[:12] + rest, NO_AUDIO)
    folder.add("two-formats.wav", start + wav()[12:36] + rest, ANY_DAMAGE, may_work=True)
    folder.add("riff-in-riff.wav", 200 * wav()[:12] + wav(), ANY_DAMAGE, may_work=True)


def add_other_headers(folder):
    """Headers of the other formats: lengths left open are good, lies are not."""
    huge = struct.pack(">Q", 1 << 61)
    flac = encoded(voice(), "FLAC")
    au, caf, w64, rf64, aiff, sph = (
        encoded(voice(), container) for container in ("AU", "CAF", "W64", "RF64", "AIFF", "NIST")
    )
    # STREAMINFO: 20 bits of rate, 3 of channels, 5 of bits, 36 of the number of samples.
    folder.add("samples-huge.flac", patched(flac, _21=b"\xff" * 5), f"{TRUNCATED}|{DAMAGED}")
    folder.add("samples-open.flac", patched(flac, _21=bytes([flac[21] & 0xF0, 0, 0, 0, 0])))
    folder.add("rate-0.flac", patched(flac, _18=b"\0\0\x00"), ANY_DAMAGE)
    folder.add("rate-1.flac", patched(flac, _18=b"\0\0\x10"), ANY_DAMAGE)
    folder.add("rate-655350.flac", patched(flac, _18=b"\x9f\xff\x60"), ANY_DAMAGE, may_work=True)
    folder.add("three-hours.flac", patched(flac[:42], _22=struct.pack(">I", 3 * 3600 * RATE)),
               ANY_DAMAGE)  # fmt: skip
    folder.add("size-open.au", patched(au, _8=b"\xff" * 4))
    folder.add("size-huge.au", patched(au, _8=b"\x70\0\0\0"), TRUNCATED)
    folder.add("offset-beyond.au", patched(au, _4=b"\x70\0\0\0"), f"{TRUNCATED}|{NO_AUDIO}")
    folder.add("offset-0.au", patched(au, _4=bytes(4)), ANY_DAMAGE, may_work=True)
    folder.add("coding-999.au", patched(au, _12=b"\0\0\x03\xe7"), NO_AUDIO)
    folder.add("rate-0.au", patched(au, _16=bytes(4)), ANY_DAMAGE)
    folder.add("rate-negative.au", patched(au, _16=b"\x80\0\0\0"), ANY_DAMAGE)
    folder.add("channels-0.au", patched(au, _20=bytes(4)), NO_AUDIO)
    data_at = caf.index(b"data") + 4
    # libsndfile takes no CAF whose length is left open.
    open_caf = patched(caf, **{f"_{data_at}": b"\xff" * 8})
    folder.add("size-open.caf", open_caf, NO_AUDIO, may_work=True)
    folder.add("size-huge.caf", patched(caf, **{f"_{data_at}": huge}), TRUNCATED)
    folder.add("chunk-negative.caf", patched(caf, _12=b"\xff" * 7 + b"\0"), ANY_DAMAGE,
               may_work=True)  # fmt: skip
    for rate in (0.0, -1.0, 1e-300, 1e300, float("nan"), float("inf")):
        folder.add(f"rate-{rate}.caf", patched(caf, _20=struct.pack(">d", rate)), ANY_DAMAGE)
    # Position 16 is the size of the file, 96 that of the data: 64 bits each.
    open_w64 = struct.pack("<Q", (1 << 63) - 1)
    folder.add("size-open.w64", patched(w64, _16=open_w64, _96=open_w64), ANY_DAMAGE, may_work=True)
    folder.add("size-huge.w64", patched(w64, _96=huge[::-1]), f"{TRUNCATED}|{NO_AUDIO}")
    folder.add("chunk-loop.w64", patched(w64, _56=bytes(8)), ANY_DAMAGE, may_work=True)
    folder.add("chunk-backward.w64", patched(w64, _56=b"\xff" * 8), ANY_DAMAGE, may_work=True)
    folder.add("size-0.rf64", patched(rf64, _20=bytes(24)), ANY_DAMAGE, may_work=True)
    folder.add("size-huge.rf64", patched(rf64, _28=huge[::-1]), TRUNCATED)
    folder.add("no-ds64.rf64", rf64[:12] + rf64[48:], ANY_DAMAGE, may_work=True)
    folder.add("size-open.aiff", patched(aiff, _4=b"\x7f\0\0\x2e"), ANY_DAMAGE, may_work=True)
    for name, rate in {
        "0": bytes(10),
        "nan": b"\x7f\xff" + b"\xff" * 8,
        "minus": b"\xc0\x0c\xfa",
    }.items():
        folder.add(f"rate-{name}.aiff", patched(aiff, _28=rate), ANY_DAMAGE, may_work=True)
    for name, size in {"minus": b"   -100\n", "huge": b"9999999\n", "word": b"   many\n"}.items():
        folder.add(f"header-{name}.sph", patched(sph, _8=size), ANY_DAMAGE, may_work=True)
    for count in (b"-1", b"9" * 30, b"nan"):
        text = sph.replace(b"sample_count -i 9600", b"sample_count -i " + count)
        folder.add(f"count-{count.decode()}.sph", text[:1024] + sph[1024:], ANY_DAMAGE,
                   may_work=True)  # fmt: skip


def add_mp3_streams(folder):
    """What stands around the frames of an MP3 file is no sign that it was cut; a part of one is."""
    if "MP3" not in soundfile.available_formats():
        return
    whole = encoded(voice(), "MP3", "MPEG_LAYER_III")
    # The first frame holds the Xing header, and no sound.
    frame = whole.index(b"\xff\xf3", 4)
    plain = whole[frame:]
    id3v1 = b"TAG" + bytes(125)
    ape = b"APETAGEX" + struct.pack("<IIII", 2000, 32, 0, 0) + bytes(8)
    id3v2 = b"ID3\x04\0\0\0\0\x01\x00" + bytes(128)
    folder.add("tag-id3v1.mp3", whole + id3v1)
    folder.add("tag-ape.mp3", whole + ape)
    folder.add("tag-ape-id3v1.mp3", whole + ape + id3v1)
    folder.add("tag-id3v2.mp3", id3v2 + whole)
    folder.add("tag-all.mp3", id3v2 + plain + ape + id3v1)
    folder.add("no-xing.mp3", plain)
    folder.add("zeros-after.mp3", plain + bytes(500))
    counted = int.from_bytes(whole[25:29], "big") + len(id3v1)
    folder.add("xing-counts-tag.mp3", patched(whole, _25=struct.pack(">I", counted)))
    folder.add("xing-open.mp3", patched(whole, _25=b"\xff" * 4))
    folder.add("xing-huge.mp3", patched(whole, _25=b"\x01\0\0\0"), TRUNCATED)
    folder.add("cut-no-xing.mp3", plain[:-50], TRUNCATED)
    folder.add("cut-in-id3v2.mp3", (id3v2 + whole)[:70], TRUNCATED)
    folder.add("cut-after-frames.mp3", whole[: frame + frame * 2], TRUNCATED)


# --- what is no audio at all, or nothing to hear ---


SUFFIXES = [
    "wav", "flac", "ogg", "opus", "mp3", "sph", "aiff", "caf", "w64", "raw", "RAW", "au", "AU",
    "snd", "vox", "gsm", "sd2", "txt",
]  # fmt: skip


def add_contents(folder):
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("a.wav", wav())
    folder.add("empty.wav", b"", EMPTY)
    folder.add("empty.raw", b"", EMPTY)
    folder.add("one-byte.wav", b"R", NO_AUDIO)
    folder.add("magic.wav", b"RIFF", NO_AUDIO)
    folder.add("magic-wave.wav", b"RIFF\0\0\0\0WAVE", NO_AUDIO)
    folder.add("page.wav", b"<!DOCTYPE html>\n<title>404 Not Found</title>\n", NO_AUDIO)
    folder.add("text.wav", b"utterance_id,speaker_id,path\n" * 30, NO_AUDIO)
    folder.add("text-id3.mp3", b"ID3 tags and other stories\n" * 30, NO_AUDIO)
    folder.add("pointer.wav", b"version https://git-lfs.github.com/spec/v1\n", NO_AUDIO)
    folder.add("zip.wav", zipped.getvalue(), NO_AUDIO)
    folder.add("gzip.wav", gzip.compress(wav(), mtime=0), NO_AUDIO)
    folder.add("._apple-double.wav", b"\0\x05\x16\x07\0\x02\0\0Mac OS X" + bytes(4000), NO_AUDIO)
    folder.add("zeros.wav", bytes(100_000), NO_AUDIO)
    folder.add("ones.mp3", b"\xff" * 100_000, NO_AUDIO)
    folder.add("samples.raw", wav()[44:], NO_AUDIO)
    folder.add("wav.raw", wav(), NO_AUDIO)
    for number, suffix in enumerate(SUFFIXES):
        random = np.random.default_rng(number).bytes(20_000)
        folder.add(f"random.{suffix}", random, NO_AUDIO)
    sparse = folder.add("sparse.wav", b"", NO_AUDIO, in_list=False)
    os.truncate(sparse, 10 << 30)


def add_samples(folder):
    sound, silence = voice(), np.zeros(RATE)
    for value in (np.nan, np.inf, -np.inf, 1e300):
        bad = sound.copy()
        bad[1000] = value
        told = r"1 samples are NaN or infinite \(the first is number 1,000\)"
        folder.add(f"value-{value}.wav", encoded(bad, subtype="DOUBLE"), told)
    folder.add("far-beyond.wav", encoded(sound * 1e30, subtype="FLOAT"), "far beyond full scale",
               readable=True)  # fmt: skip
    folder.add("beyond.wav", encoded(sound * 1e4, subtype="FLOAT"))
    folder.add("subnormal.wav", encoded(sound * 1e-40, subtype="FLOAT"))
    folder.add("silent.wav", wav(silence), "silent: every sample is zero")
    folder.add("constant.wav", wav(silence + 0.25), "constant: every sample has the same value")
    folder.add("one-sample.wav", wav([0.5]), "too short: 0.1 ms", readable=True)
    folder.add("ten-ms.wav", wav(voice(0.01)), "too short: 10.0 ms", readable=True)
    folder.add("one-window.wav", wav(voice(0.025)))
    square = np.sign(sound)
    folder.add("square.wav", wav(square))
    click = silence.copy()
    click[8000] = 1.0
    folder.add("click.wav", wav(click))
    channels = np.repeat(sound[:, None], 8, axis=1)
    channels[:, 3] = 0
    folder.add("one-of-8-silent.wav", encoded(channels))
    opposite = encoded(np.stack([sound, -sound], axis=1), subtype="FLOAT")
    folder.add("opposite.wav", opposite, "silent: every sample is zero; .* opposite phase cancel")
    infinite = np.stack([sound + np.inf, sound - np.inf], axis=1)
    folder.add("infinities-cancel.wav", encoded(infinite, subtype="FLOAT"), "NaN or infinite")


# --- names and kinds of files ---

NAMES = [
    " ", "two words.wav", " leading and trailing .wav ", "'single'.wav", '"double".wav',
    "a`b$(c).wav", "new\nline.wav", "carriage\rreturn.wav", "tab\there.wav", "-rf.wav", "--help",
    "%s%n%d.wav", "100%.wav", "{brace}.wav", "back\\slash.wav", "a,b;c.wav", "*?.wav", "#.wav",
    "~.wav", "...wav", "\x1b[31mred.wav", "größe.wav", "日本語.wav", "שלום.wav", "\u202egnp.wav",
    "e\u0301.wav", "🎤.wav", "\u200b.wav", "\ufeff.wav", "NUL.wav", "a" * 251 + ".wav",
]  # fmt: skip


def add_names(folder):
    for name in NAMES:
        folder.add(f"{name}", wav())
    for name in (b"latin-\xe9.wav", b"\xff\xfe.wav"):
        # Some file systems take text only.
        with contextlib.suppress(OSError):
            folder.add(name, wav())
    folder.add("silent\nnew\tline \"'%s.wav", wav(np.zeros(100)), "silent: every sample is zero")
    with contextlib.suppress(OSError):
        folder.add(b"silent-\xff.wav", wav(np.zeros(100)), "silent: every sample is zero")
    folder.add("b" * 300 + ".wav", None, r"cannot be read \(File name too long\)")
    folder.add("x/" * 5000 + "a.wav", None, r"cannot be read \(File name too long\)")
    folder.add("missing.wav", None, "no such file")
    folder.add("two words.wav/inside.wav", None, r"cannot be read \(Not a directory\)")


def add_kinds(folder):
    no_file = "not a file; expected a recording"
    (folder.folder / "folder.wav").mkdir()
    folder.add("folder.wav", None, no_file)
    (folder.folder / "link.wav").symlink_to("whole-s16.wav")
    folder.add("link.wav")
    (folder.folder / "dangling.wav").symlink_to("nowhere.wav")
    folder.add("dangling.wav", None, "no such file")
    (folder.folder / "loop-a.wav").symlink_to("loop-b.wav")
    (folder.folder / "loop-b.wav").symlink_to("loop-a.wav")
    folder.add("loop-a.wav", None, r"cannot be read \(Too many levels of symbolic links\)")
    (folder.folder / "self.wav").symlink_to("self.wav")
    folder.add("self.wav", None, r"cannot be read \(Too many levels of symbolic links\)")
    os.mkfifo(folder.folder / "pipe.wav")
    folder.add("pipe.wav", None, no_file)
    for device in ("zero", "null", "random"):
        (folder.folder / f"dev-{device}.wav").symlink_to(f"/dev/{device}")
        folder.add(f"dev-{device}.wav", None, no_file)
    with socket.socket(socket.AF_UNIX) as listening, contextlib.chdir(folder.folder):
        listening.bind("socket.wav")
    folder.add("socket.wav", None, no_file)
    may_read = os.geteuid() == 0
    path = folder.add("locked.wav", wav(), None if may_read else r"cannot be read \(Permission")
    path.chmod(0)


def make_hostile_files(place: Path) -> list[HostileFile]:
    """Make all files in a folder."""
    place.mkdir()
    folder = Folder(place)
    for add in (
        add_coded, add_wav_headers, add_other_headers, add_mp3_streams, add_contents, add_samples,
        add_names, add_kinds,
    ):  # fmt: skip
        add(folder)
    return folder.files

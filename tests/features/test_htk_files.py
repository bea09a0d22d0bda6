"""HTK parameter files: there and back, against a reader of single bytes, and what is refused."""

from __future__ import annotations

import math
import struct
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from speakergmm.errors import ConfigError, FrameError, MissingError, OutputError
from speakergmm.features.htk_files import read_htk, read_htk_folder, write_htk

LAW = settings(derandomize=True, deadline=None, max_examples=60)

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)
MATRICES = arrays(np.float32, st.tuples(st.integers(1, 7), st.integers(1, 5)), elements=FLOATS)

# The HTK Book, 5.10.1, written down once more and independently: codes are decimal.
MFCC, USER, PLP = 6, 9, 11
E, N, D, A, C, Z, K, ZERO, V, T = 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder for files that are written over and over."""
    return tmp_path_factory.mktemp("htk")


# --- an oracle that looks at single bytes ---


def whole(content):
    """A big-endian whole number with a sign."""
    value = 0
    for byte in content:
        value = 256 * value + byte
    return value - 256 ** len(content) if content[0] >= 128 else value


def number(content):
    """An IEEE single, exactly, as a fraction."""
    bits = whole(b"\0" + content)
    sign, exponent, mantissa = bits >> 31, (bits >> 23) & 255, bits & (2**23 - 1)
    scale = Fraction(2) ** (max(exponent, 1) - 150)
    return (-1) ** sign * scale * (mantissa + (2**23 if exponent else 0))


def oracle(content, *, compressed=False):
    """Frames as fractions, hop in 100 ns, and kind, of a big-endian file."""
    n, period = whole(content[0:4]), whole(content[4:8])
    size, kind = whole(content[8:10]), whole(b"\0" + content[10:12])
    position = 12

    def take(width, convert, count):
        nonlocal position
        found = [
            convert(content[position + i * width : position + (i + 1) * width])
            for i in range(count)
        ]
        position += count * width
        return found

    if not compressed:
        return [take(4, number, size // 4) for _ in range(n)], period, kind
    scales, offsets = take(4, number, size // 2), take(4, number, size // 2)
    rows = [
        [(x + b) / a for x, a, b in zip(take(2, whole, size // 2), scales, offsets, strict=True)]
        for _ in range(n - 4)
    ]
    return rows, period, kind


def header(n, period, size, kind, order="big"):
    fields = ((n, 4), (period, 4), (size, 2), (kind, 2))
    return b"".join((value % 256**width).to_bytes(width, order) for value, width in fields)


def floats(values, order=">"):
    return np.asarray(values, dtype=f"{order}f4").tobytes()


def shorts(values, order=">"):
    return np.asarray(values, dtype=f"{order}i2").tobytes()


# --- laws ---


@LAW
@given(MATRICES, st.integers(1, 10**9), st.sampled_from(["USER", "FBANK", "ANON", "MFCC_0_Z"]))
def test_there_and_back_is_the_same_to_the_bit(folder, frames, period, kind):
    write_htk(folder / "a.htk", frames, period / 1e7, kind)
    found = read_htk(folder / "a.htk")
    assert found.frames.dtype == np.float32
    np.testing.assert_array_equal(found.frames, frames)
    assert found.hop_s == period / 1e7
    assert set(found.kind.split("_")) == set(kind.split("_"))
    assert found.byte_order == "big"


@LAW
@given(MATRICES, st.integers(1, 2**31 - 1))
def test_what_is_written_is_what_the_book_says(folder, frames, period):
    write_htk(folder / "b.htk", frames, period / 1e7, "PLP_E")
    rows, hop, kind = oracle((folder / "b.htk").read_bytes())
    assert rows == [[Fraction(float(x)) for x in row] for row in frames]
    assert (hop, kind) == (period, PLP + E)


@LAW
@given(
    arrays(np.int16, st.tuples(st.integers(1, 5), st.integers(1, 4))),
    st.data(),
    st.booleans(),
    st.sampled_from(["big", "little"]),
)
def test_compressed_files_are_expanded(folder, values, data, has_checksum, order):
    n_features = values.shape[1]
    scale = st.floats(2.0**-10, 2.0**10, width=32)
    scales = data.draw(arrays(np.float32, n_features, elements=scale))
    offsets = data.draw(arrays(np.float32, n_features, elements=st.floats(-1e4, 1e4, width=32)))
    kind = MFCC + E + C + has_checksum * K
    letter = {"big": ">", "little": "<"}[order]
    content = header(len(values) + 4, 100_000, 2 * n_features, kind, order)
    content += floats(scales, letter) + floats(offsets, letter) + shorts(values, letter)
    (folder / "c.htk").write_bytes(content + has_checksum * b"\x12\x34")
    found = read_htk(folder / "c.htk")
    assert (found.kind, found.hop_s, found.byte_order) == ("MFCC_E", 0.01, order)
    big = header(len(values) + 4, 100_000, 2 * n_features, kind)
    rows, _, _ = oracle(big + floats(scales) + floats(offsets) + shorts(values), compressed=True)
    # One rounding to float64, one to float32.
    np.testing.assert_allclose(
        found.frames, [[float(x) for x in row] for row in rows], rtol=2**-23, atol=2.0**-120
    )


@LAW
@given(MATRICES)
def test_little_endian_files_are_read_and_said_to_be(folder, frames):
    content = header(len(frames), 50_000, 4 * frames.shape[1], USER, "little")
    (folder / "d.htk").write_bytes(content + floats(frames, "<"))
    found = read_htk(folder / "d.htk")
    np.testing.assert_array_equal(found.frames, frames)
    assert (found.byte_order, found.hop_s, found.kind) == ("little", 0.005, "USER")


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (1, "LPC"), (2, "LPREFC"), (3, "LPCEPSTRA"), (4, "LPDELCEP"), (7, "FBANK"), (8, "MELSPEC"),
        (12, "ANON"), (MFCC + ZERO, "MFCC_0"), (MFCC + E + D + A + Z, "MFCC_E_D_A_Z"),
        (MFCC + E + N + D + A + T + K, "MFCC_E_D_N_A_T"), (PLP + D + A + ZERO, "PLP_D_A_0"),
    ],
)  # fmt: skip
def test_kinds_have_the_names_that_htk_gives_them(tmp_path, code, name):
    checksum = b"\0\0" if code & K else b""
    path = tmp_path / "a.mfc"
    path.write_bytes(header(2, 100_000, 48, code) + floats(np.arange(24)) + checksum)
    assert read_htk(path).kind == name


def test_a_kind_is_written_with_its_bits(tmp_path):
    path = tmp_path / "a.htk"
    write_htk(path, np.zeros((2, 12)), 0.01, "MFCC_E_D_A_T_Z_0")
    assert oracle(path.read_bytes())[2] == MFCC + E + D + A + T + Z + ZERO
    # Twelve static features and energy, with slopes: 26, but for the static energy.
    write_htk(path, np.zeros((2, 25)), 0.01, "MFCC_E_D_N")
    assert oracle(path.read_bytes())[2] == MFCC + E + D + N


# --- what is refused ---

FOUR = floats([1, 2, 3, 4])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"a\.htk: 0 bytes; expected an HTK parameter file, whose header alone has 12"),
        (b"RIFF1234", r"a\.htk: 8 bytes; expected an HTK"),
        (
            header(2, 100_000, 8, USER) + FOUR[:-1],
            r"or a damaged one: by its header it has 2 frames of 8 bytes .*so 28 bytes; it has 27",
        ),
        (header(2, 100_000, 8, USER) + FOUR + b"\0", "so 28 bytes; it has 29"),
        (header(2, 100_000, 8, USER + K) + FOUR, "so 30 bytes; it has 28"),
        (header(-2, 100_000, 8, USER) + FOUR, "it has -2 frames of 8 bytes"),
        (
            header(2, 0, 8, USER) + FOUR,
            "a damaged one: by its header frames follow one another after 0 times 100 ns; expec",
        ),
        (
            header(2, -100_000, 8, USER) + FOUR,
            "after -100,000 times 100 ns; expected 1 or more: write it again with the hop of its f",
        ),
        (
            struct.pack("<iihH", 2, 0, 8, USER) + FOUR,
            "by its header frames follow one another after 0 times 100 ns",
        ),
        (header(2, 100_000, -8, USER) + FOUR, "2 frames of -8 bytes"),
        (header(2, 100_000, 8, 13) + FOUR, "its frames are of kind 13; expected 0 to 12"),
        (header(2**31 - 1, 1, 2**15 - 1, USER) + FOUR, "so 70,366,596,661,261 bytes"),
        (b"{'not': 'htk at all'}" * 3, "not an HTK parameter file"),
        (
            header(2, 100_000, 8, 0) + FOUR,
            "kind WAVEFORM: samples of a waveform; give the recordin",
        ),
        (header(2, 100_000, 8, 5) + FOUR, "kind IREFC: reflection coefficients as 16-bit integers"),
        (header(2, 100_000, 8, 10) + FOUR, "kind DISCRETE: numbers of code words; expected frames"),
        (header(2, 100_000, 8, MFCC + V) + FOUR, r"kind MFCC_V has numbers of code words \(_V\)"),
        (header(2, 100_000, 6, USER) + b"\0" * 12, "2 frames of 6 bytes; expected 4-byte floats"),
        (header(4, 100_000, 3, USER + C) + b"\0" * 12, "expected 4 or more of 2-byte integers"),
        (header(3, 100_000, 4, USER + C) + b"\0" * 12, "3 frames of 4 bytes; expected 4 or more"),
        (header(0, 100_000, 8, USER), r"has no frames \(shape \(0, 2\)\); expected one or more"),
        (header(4, 100_000, 4, USER + C) + FOUR, "has no frames"),
        (
            header(2, 100_000, 8, USER) + floats([1, 2, math.nan, 4]),
            "frame 1, feature 0 is nan; expected finite numbers",
        ),
        (
            header(5, 100_000, 2, USER + C) + floats([0, 1]) + shorts([7]),
            "frame 0, feature 0 is inf; expected finite",
        ),
    ],
)
def test_files_that_are_refused(tmp_path, content, message):
    path = tmp_path / "a.htk"
    path.write_bytes(content)
    with pytest.raises(FrameError, match=message):
        read_htk(path)


def test_what_is_not_there_or_no_file(tmp_path):
    with pytest.raises(
        MissingError, match=r"gone\.htk: no such file; expected an HTK parameter fi"
    ):
        read_htk(tmp_path / "gone.htk")
    with pytest.raises(FrameError, match="not a file; expected an HTK parameter file"):
        read_htk(tmp_path)
    with pytest.raises(OutputError, match="cannot be written"):
        write_htk(tmp_path, np.ones((2, 2)), 0.01)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("MFC", "kind is 'MFC'; expected one of LPC, LPREFC, .*USER, PLP, ANON, and any of _E, _D"),
        ("WAVEFORM", "kind is 'WAVEFORM'; expected one of"),
        ("MFCC_O", r"kind is 'MFCC_O'; .*_Z, _0 behind it, such as 'MFCC_0_D'"),
        ("MFCC_C", "kind is 'MFCC_C'"),
        ("MFCC_0_D", "kind is 'MFCC_0_D', of 2 parts of one size; the frames have 3 features"),
    ],
)
def test_kinds_that_are_refused(tmp_path, kind, message):
    with pytest.raises(ConfigError, match=message):
        write_htk(tmp_path / "a.htk", np.ones((2, 3)), 0.01, kind)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("frames", "hop_s", "error", "message"),
    [
        (np.ones(3), 0.01, FrameError, r"a\.htk: holds float64 of shape \(3,\); expected real num"),
        (np.ones((2, 0)), 0.01, FrameError, r"has no frames \(shape \(2, 0\)\)"),
        (np.array([["a"]]), 0.01, FrameError, r"holds <U1 of shape \(1, 1\); expected real"),
        (np.full((2, 2), np.inf), 0.01, FrameError, "frame 0, feature 0 is inf; expected finite"),
        (np.full((2, 2), 1e39), 0.01, FrameError, r"is 1e\+39; .* within float32 \(4 are not\)"),
        (np.ones((1, 8192)), 0.01, FrameError, "has room for 8,191 features and 2,147,483,647 fra"),
        (np.ones((2, 2)), 0.0, ConfigError, r"hop_s is 0\.0; expected 1e-07 to 214\.748 seconds"),
        (np.ones((2, 2)), 300, ConfigError, "hop_s is 300; expected 1e-07 to 214"),
    ],
)
def test_frames_that_cannot_be_written(tmp_path, frames, hop_s, error, message):
    with pytest.raises(error, match=message):
        write_htk(tmp_path / "a.htk", frames, hop_s)
    assert not list(tmp_path.iterdir())


# --- folders ---


def test_a_folder_is_read_file_by_file_in_the_order_of_names(tmp_path):
    for number_, name in enumerate(("b", "a", "c.d")):
        write_htk(tmp_path / f"{name}.mfc", np.full((2, 3), number_), 0.01)
    (tmp_path / "notes.txt").write_text("no frames")
    found = list(read_htk_folder(tmp_path, "*.mfc"))
    assert [(name, one.frames[0, 0]) for name, one in found] == [("a", 1), ("b", 0), ("c.d", 2)]
    with pytest.raises(
        MissingError, match=r"no file '\*\.htk' there; expected HTK parameter files"
    ):
        read_htk_folder(tmp_path)


@pytest.mark.parametrize(
    ("shape", "hop_s", "kind"),
    [((2, 4), 0.01, "USER"), ((2, 3), 0.02, "USER"), ((2, 3), 0.01, "PLP")],
)
def test_files_of_a_folder_are_of_one_kind(tmp_path, shape, hop_s, kind):
    write_htk(tmp_path / "a.htk", np.ones((5, 3)), 0.01)
    write_htk(tmp_path / "b.htk", np.ones(shape), hop_s, kind)
    reader = read_htk_folder(tmp_path)
    assert next(reader)[0] == "a"
    message = (
        rf"b\.htk: {shape[1]} features {kind} every {hop_s} s; a\.htk has 3 features USER ever"
    )
    with pytest.raises(FrameError, match=message):
        next(reader)


def test_two_files_of_one_utterance(tmp_path):
    for suffix in (".htk", ".mfc"):
        write_htk(tmp_path / f"a{suffix}", np.ones((5, 3)), 0.01)
    with pytest.raises(FrameError, match="several files of utterance 'a'; expected one of each"):
        read_htk_folder(tmp_path, "*")

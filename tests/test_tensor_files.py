"""Files of arrays: what is written is read, and whatever else is there is refused in one line."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import random
import stat
import struct
import threading
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from speakergmm.errors import CalibrationError, CohortError, OutputError, SpeakerGMMError
from speakergmm.gmm.model_file import MODEL_FILE, load_background_model
from speakergmm.tensor_files import (
    BLANK,
    TensorFileKind,
    damaged,
    kind_of,
    load_tensors,
    save_tensors,
)
from speakergmm.verification.calibration_file import load_calibration
from speakergmm.verification.cohort_file import COHORT_FILE, load_cohort
from speakergmm.verification.speaker_store.files import SPEAKERS_FILE, read_speakers
from speakergmm.verification.system_file import SYSTEM_FILE, load_system

KIND = TensorFileKind("a-key", 3, 2, "thing", "`make things`", CohortError)
ARRAYS = {"x": np.arange(6.0).reshape(2, 3), "y": np.zeros((0, 4), np.float32)}

LAW = settings(derandomize=True, deadline=None, max_examples=150)
EMPTY = '{"sha256": "' + BLANK + '"}'

# A kind of file → how it is read.
LOADERS = {
    "model": (load_background_model, MODEL_FILE.error),
    "cohort": (load_cohort, COHORT_FILE.error),
    "system": (load_system, SYSTEM_FILE.error),
    "speakers": (lambda path: read_speakers(path, "a"), SPEAKERS_FILE.error),
    "calibration": (load_calibration, CalibrationError),
}
every_loader = pytest.mark.parametrize("name", list(LOADERS))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file.safetensors"


@pytest.fixture
def written(path):
    save_tensors(path, KIND, {"said": "ä | b\n"}, ARRAYS)
    return path.read_bytes()


def refusal(path, load=lambda path: load_tensors(path, KIND), error=CohortError):
    """Give the message of a refusal, which is of the right class, one line, and names the file."""
    with pytest.raises(SpeakerGMMError) as caught:
        load(path)
    message = str(caught.value)
    assert type(caught.value) is error
    assert str(path) in message
    assert message.isprintable()
    assert len(message) - len(str(path)) < 700
    return message


def with_header(header, rest=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + rest


def with_entry(entry):
    """Make a file whose metadata's entry is this text."""
    return with_header({"__metadata__": {KIND.key: entry}})


# --- laws ----------------------------------------------------------------------------------------

shapes = st.lists(st.integers(0, 4), max_size=3).map(tuple)
kinds = st.sampled_from([np.float64, np.float32, np.int64, np.int32, np.uint8, np.bool_])


@st.composite
def arrays(draw):
    array = np.empty(draw(shapes), draw(kinds))
    content = draw(st.binary(min_size=array.nbytes, max_size=array.nbytes))
    if array.dtype == np.bool_:
        content = bytes(value % 2 for value in content)
    return np.frombuffer(content, array.dtype).reshape(array.shape)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(), part, max_size=3),
    max_leaves=8,
)  # fmt: skip


@LAW
@given(
    st.dictionaries(st.text().filter(lambda n: n not in {"version", "sha256"}), anything),
    st.dictionaries(
        st.text(max_size=9).filter(lambda n: n != "__metadata__"), arrays(), max_size=4
    ),
)
def test_what_is_written_is_read(tmp_path_factory, about, tensors):
    path = tmp_path_factory.getbasetemp() / "law.safetensors"
    save_tensors(path, KIND, about, tensors)
    found = load_tensors(path, KIND)
    digest = found.about.pop("sha256")
    assert found.about == about | {"version": 3}
    assert len(digest) == 64
    assert digest != BLANK
    assert found.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found.tensors.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert found.tensors[name].dtype == tensor.dtype
        assert found.tensors[name].shape == tensor.shape
        assert found.tensors[name].tobytes() == tensor.tobytes()
    assert kind_of(path) == KIND.key


def test_the_same_content_gives_the_same_bytes(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    save_tensors(one, KIND, {"a": 1, "b": {"c": 2, "d": 3}}, ARRAYS)
    save_tensors(other, KIND, {"b": {"d": 3, "c": 2}, "a": 1}, dict(reversed(ARRAYS.items())))
    assert one.read_bytes() == other.read_bytes()


def test_arrays_that_are_not_in_one_piece(path):
    whole = np.arange(24.0).reshape(4, 6)
    parts = {"transposed": whole.T, "every other": whole[::2, ::-1], "none": np.float64(3.5)}
    save_tensors(path, KIND, {}, parts)
    found = load_tensors(path, KIND).tensors
    for name, part in parts.items():
        np.testing.assert_array_equal(found[name], part)


def test_a_private_file_is_its_owners(path):
    path.write_bytes(b"old")
    path.chmod(0o644)
    save_tensors(path, KIND, {}, ARRAYS, private=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    # What a killed process of the same number left.
    left = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    left.write_bytes(b"half")
    left.chmod(0o666)
    save_tensors(path, KIND, {"new": 1}, ARRAYS, private=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_tensors(path, KIND).about["new"] == 1
    assert not left.exists()


@pytest.mark.parametrize("private", [False, True])
def test_a_failed_write_leaves_the_old_file(path, written, private, monkeypatch):
    def full(self, content):
        with self.open("wb") as file:
            file.write(content[:50])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(path), "write_bytes", full)
    with pytest.raises(OutputError, match="cannot be written"):
        save_tensors(path, KIND, {"other": 1}, ARRAYS, private=private)
    assert path.read_bytes() == written
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_what_json_has_no_number_for_is_not_written(path, number):
    with pytest.raises(ValueError, match="not JSON compliant"):
        save_tensors(path, KIND, {"x": number}, ARRAYS)
    assert not path.exists()


# --- nothing that a user names is taken for the digest -------------------------------------------

ZEROS = f'sha256": "{BLANK}'


def escaped(text, times):
    for _ in range(times):
        text = json.dumps(text)[1:-1]
    return text


HOSTILE_ABOUTS = {
    **{f"as a name, escaped {n} times": {"name": f'x{escaped(ZEROS, n)}"}}'} for n in range(5)},
    **{f"as a key, escaped {n} times": {escaped(ZEROS, n): "x"} for n in range(5)},
    "as an entry of a part": {"versions": {"sha256": BLANK}, "zz": {"a sha256": BLANK}},
    "as a text that ends so": {"a": "sha256", "b": BLANK, "z": ["sha256", BLANK]},
    "as the key and its start": {"card": f'"a-key":"{{\\"sha256\\": \\"{BLANK}\\"'},
    "as an entry before": {"": {"sha256": BLANK}, "A": {"sha256": BLANK}},
}


@pytest.mark.parametrize("about", HOSTILE_ABOUTS.values(), ids=HOSTILE_ABOUTS)
def test_no_text_is_taken_for_the_digest(path, about):
    save_tensors(path, KIND, about, {f'sha256": "{BLANK}': np.zeros(2)})
    found = load_tensors(path, KIND)
    assert {name: found.about[name] for name in about} == about
    assert len(json.dumps(found.about).split(BLANK)) == len(json.dumps(about).split(BLANK))
    content = path.read_bytes()
    for place in range(0, len(content), 7):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(CohortError):
            load_tensors(path, KIND)


def test_the_digest_is_not_the_callers(path):
    save_tensors(path, KIND, {"sha256": "of something else"}, ARRAYS)
    assert len(load_tensors(path, KIND).about["sha256"]) == 64


@LAW
@given(
    st.lists(
        st.sampled_from(["sha256", '"', "\\", ": ", BLANK, "{", "}", "a-key", ":", "version"]),
        max_size=12,
    ).map("".join)
)
def test_no_mixture_of_its_parts_is_taken_for_the_digest(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "text.safetensors"
    save_tensors(path, KIND, {"name": text, text or "x": {text: text}}, {text or "x": np.ones(1)})
    assert load_tensors(path, KIND).about["name"] == text


# --- damage --------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [2, 3])
def test_any_changed_byte_is_noticed(path, written, version, rewrite_file):
    if version == 2:
        rewrite_file(path, KIND.key, {"version": 2})
        assert load_tensors(path, KIND).about["version"] == 2
    content = path.read_bytes()
    # Of these masks some make a digit of a version another digit, some a quote a letter.
    for mask in (1, 7, 0x20, 0xFF) if version == 3 else (5,):
        for place in range(len(content)):
            path.write_bytes(
                content[:place] + bytes([content[place] ^ mask]) + content[place + 1 :]
            )
            refusal(path)


def test_every_truncation_is_noticed(path, written):
    for length in range(len(written)):
        path.write_bytes(written[:length])
        refusal(path)


@pytest.mark.parametrize("more", [b"\0", b"x" * 100, bytes(1000)])
def test_appended_bytes_are_noticed(path, written, more):
    path.write_bytes(written + more)
    refusal(path)
    path.write_bytes(more + written)
    refusal(path)


@pytest.mark.parametrize(
    "length", [9_999, 99_999_999, 100_000_000, 2**31, 2**32 + 5, 2**63 - 1, 2**63, 2**64 - 1]
)
@every_loader
def test_headers_that_claim_too_much_cost_nothing(path, written, length, name):
    path.write_bytes(length.to_bytes(8, "little") + written[8:])
    tracemalloc.start()
    try:
        refusal(path, *LOADERS[name])
        assert kind_of(path) == ""
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_a_large_file_of_another_kind_is_not_read(path):
    with path.open("wb") as file:
        file.write(b"RIFF\xff\xff\xff\x7fWAVE")
        file.truncate(1 << 40)
    for load, error in LOADERS.values():
        tracemalloc.start()
        try:
            refusal(path, load, error)
            assert tracemalloc.get_traced_memory()[1] < 5_000_000
        finally:
            tracemalloc.stop()


DEEP = "[" * 200_000
ENTRIES = {
    "not JSON": "{",
    "deep": DEEP,
    "deep objects": '{"a":' * 100_000,
    "a list": "[]",
    "a text": '"version"',
    "a number": "3",
    "null": "null",
    "empty": "",
    "no version": "{}",
    "version true": '{"version": true}',
    "version 1.0": '{"version": 1.0}',
    "version text": '{"version": "2"}',
    "version null": '{"version": null}',
    "version list": '{"version": [2]}',
    "version 0": '{"version": 0}',
    "version -1": '{"version": -1}',
    "version huge": f'{{"version": {10**400}}}',
    "version too long to read": f'{{"version": {"9" * 5_000}}}',
    "version 1e999": '{"version": 1e999}',
    "version NaN": '{"version": NaN}',
    "NaN": '{"version": 1, "x": NaN}',
    "Infinity": '{"version": 1, "x": [-Infinity]}',
    "a name twice": '{"version": 1, "version": 1}',
    "a name twice inside": '{"version": 1, "a": [{"b": 1, "b": 2}]}',
    "a control letter": '{"version": "\\u001b[31m\\n"}',
    "a long text": json.dumps({"version": "v" * 100_000}),
    "no digest": '{"version": 3}',
    "digest null": '{"version": 3, "sha256": null}',
    "digest short": '{"sha256": "00", "version": 3}',
    "digest wrong": f'{{"sha256": "{BLANK}", "version": 3}}',
    "digest not first": f'{{"version": 3, "sha256": "{BLANK}"}}',
    "digest not text": f'{{"sha256": "{"ä" * 64}", "version": 1}}',
    "an old version with a digest": f'{{"sha256": "{BLANK}", "version": 1}}',
}


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_entries_that_are_none(path, entry):
    path.write_bytes(with_entry(entry))
    assert "not a thing file, or a damaged one (" in refusal(path)


HEADERS = {
    "no JSON": b"{",
    "deep": DEEP.encode(),
    "a list": b"[]",
    "a number": b"7",
    "null": b"null",
    "empty": b"",
    "metadata a list": {"__metadata__": ["a-key"]},
    "metadata a list of lists": {"__metadata__": [[], {}]},
    "metadata a text": {"__metadata__": "with a-key in it"},
    "metadata a number": {"__metadata__": 7},
    "the entry no text": {"__metadata__": {"a-key": {"version": 3}}},
    "the entry a number": {"__metadata__": {"a-key": 3}},
    "the entry null": {"__metadata__": {"a-key": None}},
    "metadata twice": b'{"__metadata__":{"a-key":"{}"},"__metadata__":{"a-key":"{}"}}',
    "no UTF-8": b'{"__metadata__":{"a-key":"\xff\xfe"}}',
    "UTF-16": json.dumps({"__metadata__": {"a-key": '{"version": 1}'}}).encode("utf-16"),
    "a mark before": b"\xef\xbb\xbf" + json.dumps({"__metadata__": {}}).encode(),
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_headers_that_are_none(path, header):
    path.write_bytes(with_header(header))
    assert "not a" in refusal(path)


TENSORS = {
    "an unknown type": {"dtype": "F12", "shape": [1], "data_offsets": [0, 8]},
    "a type that numpy lacks": {"dtype": "BF16", "shape": [4], "data_offsets": [0, 8]},
    "a small type that numpy lacks": {"dtype": "F8_E4M3", "shape": [8], "data_offsets": [0, 8]},
    "a negative size": {"dtype": "F64", "shape": [-1], "data_offsets": [0, 8]},
    "a size beyond all memory": {"dtype": "F64", "shape": [2**62], "data_offsets": [0, 8]},
    "sizes that overflow": {"dtype": "F64", "shape": [2**32, 2**32], "data_offsets": [0, 8]},
    "nothing of a size beyond all": {"dtype": "F64", "shape": [0, 2**63], "data_offsets": [0, 0]},
    "many dimensions": {"dtype": "F64", "shape": [1] * 100, "data_offsets": [0, 8]},
    "no offsets": {"dtype": "F64", "shape": [1]},
    "offsets turned around": {"dtype": "F64", "shape": [1], "data_offsets": [8, 0]},
    "offsets beyond the end": {"dtype": "F64", "shape": [2], "data_offsets": [0, 16]},
    "a hole before": {"dtype": "U8", "shape": [4], "data_offsets": [4, 8]},
    "null": None,
    "a list": [],
}


@pytest.mark.parametrize("tensor", TENSORS.values(), ids=TENSORS)
def test_arrays_that_are_none(path, tensor):
    # Of a version before there were digests, of which nothing else is noticed.
    header = {"__metadata__": {KIND.key: '{"version": 1}'}, "x": tensor}
    path.write_bytes(with_header(header, bytes(8)))
    refusal(path)


def test_a_file_from_before_there_were_digests(path):
    path.write_bytes(save({"x": np.ones(3)}, metadata={KIND.key: '{"version": 1}'}))
    np.testing.assert_array_equal(load_tensors(path, KIND).tensors["x"], 1)


def test_a_newer_version_is_refused_with_both(path, written, rewrite_file):
    rewrite_file(path, KIND.key, {"version": 4, "versions": {"speakergmm": "9.0\n\x1b[2J"}})
    message = refusal(path)
    assert "thing file version 4, this program (" in message
    assert "reads up to 3; upgrade speakergmm (the file was written by 9.0 ?[2J)" in message
    for versions in (3, "9", ["9"], {"speakergmm": ["x"] * 999}, {}):
        rewrite_file(path, KIND.key, {"version": 4, "versions": versions})
        refusal(path)


@LAW
@given(st.binary(max_size=300), st.booleans())
def test_random_bytes_are_refused(tmp_path_factory, content, framed):
    path = tmp_path_factory.getbasetemp() / "random"
    path.write_bytes(with_header(content) if framed else content)
    for load, error in LOADERS.values():
        refusal(path, load, error)
    refusal(path)


def test_mutated_files_are_refused(path, written):
    generator = random.Random(3)
    for _ in range(800):
        content = bytearray(written)
        for _ in range(generator.randint(1, 4)):
            if len(content) < 2:
                break
            place = generator.randrange(len(content))
            what = generator.choice(["change", "drop", "double", "cut", "swap"])
            if what == "change":
                content[place] = generator.randrange(256)
            elif what == "drop":
                del content[place : place + generator.randint(1, 9)]
            elif what == "double":
                content[place:place] = content[place : place + generator.randint(1, 9)]
            elif what == "cut":
                del content[max(place, 1) :]
            else:
                content[place], content[-1] = content[-1], content[place]
        path.write_bytes(content)
        if content != written:
            refusal(path)


# --- other files ---------------------------------------------------------------------------------


def wav():
    samples = np.zeros(800, np.int16).tobytes()
    form = struct.pack("<IHHIIHH", 16, 1, 1, 16000, 32000, 2, 16)
    body = b"WAVEfmt " + form + b"data" + len(samples).to_bytes(4, "little") + samples
    return b"RIFF" + len(body).to_bytes(4, "little") + body


def zipped(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x", "y" * 100)
    return path.read_bytes()


def ran(*_):
    pytest.fail("reading ran code")


class Hostile:
    def __reduce__(self):
        return ran, ()


@pytest.fixture
def others(tmp_path):
    """Files of every other kind, by what they are."""
    found = {
        "wav": wav(),
        "png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(50),
        "pickle": pickle.dumps(Hostile()),
        "zip": zipped(tmp_path / "x.zip"),
        "empty": b"",
        "one byte": b"{",
        "text": b"utterance_id,speaker_id\n",
        "JSON": b'{"format": "something", "version": 1}',
        "deep JSON": DEEP.encode(),
        "JSON with a name twice": b'{"format": "speakergmm-calibration", "format": "x"}',
        "a list": b"[1, 2]",
        "no UTF-8": b'{"format": "\xff"}',
        "safetensors": save({"x": np.zeros(3)}),
        "safetensors of others": save({"x": np.zeros(3)}, metadata={"format": "pt" * 999}),
        "safetensors with control letters": save({}, metadata={"a\x1b[2J\nb": "c"}),
    }
    for kind in (MODEL_FILE, COHORT_FILE, SYSTEM_FILE, SPEAKERS_FILE):
        save_tensors(tmp_path / "made", kind, {}, ARRAYS)
        found[f"an empty {kind.what}"] = (tmp_path / "made").read_bytes()
    for number, content in enumerate(found.values()):
        (tmp_path / str(number)).write_bytes(content)
    return {what: tmp_path / str(number) for number, what in enumerate(found)}


@every_loader
def test_files_of_other_kinds_are_refused(others, name):
    for what, path in others.items():
        message = refusal(path, *LOADERS[name])
        assert "not a" in message or "damaged" in message or what == f"an empty {name}"
    for what in ("model", "cohort", "speakers"):
        if name not in {what, "calibration"} and (name, what) != ("system", "model"):
            message = refusal(others[f"an empty {what}"], *LOADERS[name])
            assert f"not a speakergmm {name} (no 'speakergmm-" in message
            assert "in its metadata, which says 'speakergmm-" in message


@every_loader
def test_what_is_no_file_is_refused(tmp_path, name):
    pipe, loop, gone = (tmp_path / which for which in ("pipe", "loop", "gone"))
    os.mkfifo(pipe)
    loop.symlink_to(loop)
    gone.symlink_to(tmp_path / "nowhere")
    load, error = LOADERS[name]
    # A pipe must not be waited for.
    for path in (tmp_path, pipe):
        assert "not a" in refusal(path, load, error)
        assert kind_of(path) == ""
    for path in (tmp_path / "missing", gone, tmp_path / "missing" / "x"):
        assert ": no such file; expected a" in refusal(path, load, error)
    (tmp_path / "file").write_bytes(b"")
    for path in (loop, tmp_path / ("n" * 300), tmp_path / "file" / "x"):
        refusal(path, load, error)
    with pytest.raises(error):
        load(tmp_path / "nul\0")


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="needs users")
@every_loader
def test_what_may_not_be_read_is_refused(path, written, name):
    path.chmod(0)
    is_root = os.geteuid() == 0
    if is_root:
        path.parent.chmod(0o755)
        for folder in list(path.parents)[:3]:
            folder.chmod(folder.stat().st_mode | 0o055)
        os.seteuid(65534)
    try:
        message = refusal(path, *LOADERS[name])
    finally:
        if is_root:
            os.seteuid(0)
    assert "Permission denied" in message


def test_messages_are_one_line_whatever_a_file_says():
    message = str(damaged("f", KIND, "a\nb\x1b[31m" + "c" * 9_999))
    assert message.startswith("f: not a thing file, or a damaged one (a b?[31mccc")
    assert message.isprintable()
    assert len(message) < 400

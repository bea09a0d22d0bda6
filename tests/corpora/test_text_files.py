"""Lists as streams of text: plain and gzip, cut off, damaged, and written whole or not at all."""

from __future__ import annotations

import gzip
import os
import re
import threading
from pathlib import Path

import pytest

from speakergmm.corpora import read_scores, read_trial_labels, read_utterances
from speakergmm.corpora.tables import read_header
from speakergmm.corpora.text_files import reading_text, writing_text
from speakergmm.errors import ManifestError, OutputError

TEXT = "model_id,test_id,label,score\n" + "".join(
    f"m{i % 7},t{i},{'target' if i % 3 else 'nontarget'},{i / 7!r}\n" for i in range(5000)
)


def read(path):
    with reading_text(path) as text:
        return text.read()


def assert_same_scores(a, b):
    assert a.score.tolist() == b.score.tolist()
    assert a.trials.model_ids == b.trials.model_ids
    assert a.trials.test_index.tolist() == b.trials.test_index.tolist()
    assert a.trials.is_target.tolist() == b.trials.is_target.tolist()


@pytest.mark.parametrize("name", ["scores.csv.gz", "SCORES.CSV.GZ", "scores.csv"])
def test_what_is_compressed_reads_the_same(write, name):
    packed, plain = write(name, gzip.compress(TEXT.encode())), write("plain.csv", TEXT)
    assert_same_scores(read_scores(packed), read_scores(plain))
    assert read_header(packed) == read_header(plain)


def test_several_members_are_one_text(write):
    half = len(TEXT) // 2
    parts = (gzip.compress(part.encode()) for part in (TEXT[:half], TEXT[half:]))
    assert read(write("scores.csv.gz", b"".join(parts))) == TEXT


def test_other_lists_may_be_compressed_too(write):
    write("a.wav")
    content = b"utterance_id,speaker_id,path\nu,s,a.wav\n"
    assert list(read_utterances(write("utterances.csv.gz", gzip.compress(content)))) == ["u"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_pipe_is_read_once(tmp_path, pack):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=[pack(TEXT.encode())])
    writer.start()
    scores = read_scores(path)
    writer.join()
    assert len(scores.trials) == 5000


def test_an_empty_file_named_gz_is_empty(write):
    with pytest.raises(ManifestError, match="the file is empty; expected the header"):
        read_scores(write("scores.csv.gz", b""))


@pytest.mark.parametrize("n_bytes", [11, 200, -9, -1])
def test_a_gzip_file_that_is_cut_off(write, n_bytes):
    path = write("scores.csv.gz", gzip.compress(TEXT.encode(), mtime=0)[:n_bytes])
    message = f"{path}: the gzip file is cut off or damaged; copy it, or compress the list, again"
    with pytest.raises(ManifestError, match=f"^{re.escape(message)}$"):
        read_scores(path)


def test_a_gzip_file_that_is_damaged(write):
    content = bytearray(gzip.compress(TEXT.encode()))
    # The checksum, which comes before the length of four bytes.
    content[-5] ^= 255
    with pytest.raises(ManifestError, match="the gzip file is cut off or damaged; copy it, or"):
        read_scores(write("scores.csv", bytes(content)))


def test_no_gzip_file_though_its_name_says_so(write):
    path = write("scores.csv.gz", TEXT)
    message = f"{path}: not a gzip file; expected one by its name: rename it, or compress the list"
    with pytest.raises(ManifestError, match=f"^{re.escape(message)}$"):
        read_scores(path)


def test_files_of_bosaris_that_are_no_text(tmp_path):
    for begin, what in (
        (b"\x89HDF\r\n\x1a\n\0\0", "an HDF5 file"),
        # Of it, 7.3 is HDF5 with a text before; the first zero byte of 5.0 is read as UTF-16's.
        (b"MATLAB 7.3 MAT-file, Platform: GLNXA64\0", "a MATLAB file"),
        (b"MATLAB 5.0 MAT-file, Platform: GLNXA64\0", "a MATLAB file"),
    ):
        path = tmp_path / "scores.h5"
        path.write_bytes(begin)
        with pytest.raises(
            ManifestError, match=f"scores.h5: is {what}, and lists are read as text"
        ):
            read(path)


def test_text_that_is_no_utf8_inside_gzip(write):
    path = write("scores.csv.gz", gzip.compress(TEXT.encode() + b"\xff"))
    with pytest.raises(ManifestError, match=rf"not UTF-8 text \(byte {len(TEXT)}\)"):
        read_scores(path)


def test_text_that_is_cut_off_within_a_letter(write):
    path = write("scores.csv", (TEXT + "é").encode()[:-1])
    with pytest.raises(ManifestError, match=rf"not UTF-8 text \(byte {len(TEXT)}\)"):
        read_scores(path)


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("t.csv", "save the list as CSV in UTF-8"),
        ("t.CSV.gz", "save the list as CSV in UTF-8"),
        ("utt2spk", "save it as text in UTF-8"),
        ("trials.txt", "save it as text in UTF-8"),
    ],
)
def test_what_to_save_is_said_in_the_words_of_the_file(write, name, advice):
    for encoding, what in (("utf-16-le", "looks like UTF-16"), ("utf-16", "not UTF-8 text .*")):
        content = TEXT.encode(encoding)
        path = write(name, gzip.compress(content) if name.endswith("gz") else content)
        with pytest.raises(ManifestError, match=f"{re.escape(str(path))}: {what}; {advice}$"):
            read_header(path)


@pytest.mark.parametrize("read_list", [read_scores, read_trial_labels, read_header])
def test_files_that_cannot_be_read(tmp_path, monkeypatch, read_list):
    missing = tmp_path / "nowhere.csv"
    with pytest.raises(ManifestError, match=re.escape(f"{missing}: no such file; expected a list")):
        read_list(missing)
    with pytest.raises(ManifestError, match=re.escape(f"{tmp_path}: cannot be read (Is a dir")):
        read_list(tmp_path)

    def refuse(self, mode):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ManifestError, match=r"nowhere\.csv: cannot be read \(Permission denied\)"):
        read_list(missing)


# --- writing ---


@pytest.mark.parametrize("name", ["new/t.csv", "new/t.csv.gz", "t.GZ"])
def test_what_is_written_reads_back(tmp_path, name):
    text = "é,\r\n\n山\n"
    with writing_text(tmp_path / name) as file:
        file.write(text)
    assert read(tmp_path / name) == text
    is_packed = (tmp_path / name).read_bytes()[:2] == b"\x1f\x8b"
    assert is_packed == name.lower().endswith("gz")


def test_the_same_text_gives_the_same_bytes_under_any_name(tmp_path):
    for name in ("one.csv.gz", "two.gz"):
        with writing_text(tmp_path / name) as file:
            file.write(TEXT)
    content = (tmp_path / "one.csv.gz").read_bytes()
    assert content == (tmp_path / "two.gz").read_bytes()
    # Bytes 4 to 8 are the time.
    assert content[4:8] == bytes(4)
    assert gzip.decompress(content).decode() == TEXT


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
def test_a_write_that_fails_leaves_the_old_file(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), writing_text(path) as file:  # noqa: PT012
        file.write(TEXT)
        raise ZeroDivisionError
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    path = tmp_path / "file" / "t.csv.gz"
    with pytest.raises(OutputError, match=re.escape(f"{path}: cannot be written")):  # noqa: SIM117
        with writing_text(path):
            pass

"""`corpus download` as a person meets it; what may go wrong on the way is in test_downloads.py."""

from __future__ import annotations

import hashlib
import io
import re
import shlex
import shutil
import sys
import zipfile

import click
import pytest
from file_server import FileServer, serving

from speakergmm.corpora import known, transfer
from speakergmm.corpora.known.corpus import Archive, KnownCorpus


def packed(**files):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"Tiny/{name}.wav", content)
    return stream.getvalue()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(transfer, "RETRY_AFTER_S", ())
    with serving(FileServer({"one.zip": packed(a=b"1"), "two.zip": packed(b=b"2")})) as running:
        yield running


@pytest.fixture
def knows(monkeypatch):
    """Make the command know one corpus, of these archives."""

    def know(*archives, **facts):
        about = {
            "name": "tiny", "title": "A tiny corpus of digits", "language": "English",
            "licence": "CC BY 4.0", "home": "https://example.org/tiny", "n_speakers": 1,
            "n_utterances": 1, "hours": 0.1, "cite": "", "layout": "", "scan": None,
            "protocols": {},
        }  # fmt: skip
        corpus = KnownCorpus(**(about | facts), archives=archives)
        monkeypatch.setattr(known, "known_corpus", {corpus.name: corpus}.__getitem__)

    return know


@pytest.fixture
def tiny(server, knows):
    content = server.files["one.zip"]
    digest = hashlib.md5(content).hexdigest()
    knows(
        Archive(f"{server.url}/one.zip", "first", len(content), f"md5:{digest}"),
        Archive(f"{server.url}/two.zip", "second", about_bytes=2_000),
    )


def test_the_next_command_can_be_pasted(cli, tiny, tmp_path):
    answer = cli("corpus", "download", "tiny", tmp_path / "my corpora")
    command = shlex.split(answer.out.splitlines()[-1])
    assert command[4:] == ["tiny", str(tmp_path / "my corpora" / "Tiny"), "--output", "lists"]


def test_the_licence_and_the_size_come_first_and_the_next_command_last(cli, server, tiny, tmp_path):
    answer = cli("corpus", "download", "tiny", tmp_path / "to")
    assert answer.status == 0
    title, licence, home, header, first, second, size, one, two, then = answer.out.splitlines()
    assert (title, licence) == ("A tiny corpus of digits", "licence: CC BY 4.0")
    assert home == "home: https://example.org/tiny"
    assert header.split() == ["part", "file", "size"]
    n_bytes = len(server.files["one.zip"])
    assert first.split() == ["first", "one.zip", str(n_bytes), "bytes"]
    assert second.split() == ["second", "two.zip", "about", "2.0", "kB"]
    assert re.fullmatch(
        rf"to get: about 2.1 kB; free in {tmp_path / 'to'}: "
        r"[\d,.]+ [kMGT]B \(unpacked, a corpus takes as much again, or more\)",
        size,
    )
    assert one == "one.zip: done, with the published hash"
    sha256 = hashlib.sha256(server.files["two.zip"]).hexdigest()
    assert two == f"two.zip: done; no hash is published, compare for yourself: sha256 {sha256}"
    assert then == f"next: speakergmm corpus prepare tiny {tmp_path / 'to' / 'Tiny'} --output lists"
    assert sorted(path.name for path in (tmp_path / "to" / "Tiny").iterdir()) == ["a.wav", "b.wav"]
    assert "getting one.zip, MB (1) ..." in answer.err
    assert "unpacking two.zip, MB (1) ..." in answer.err


def test_again_all_is_there(cli, server, tiny, tmp_path):
    cli("corpus", "download", "tiny", tmp_path, "--quiet")
    server.requests.clear()
    answer = cli("corpus", "download", "tiny", tmp_path, "--quiet")
    assert (answer.status, answer.err, server.requests) == (0, "", [])
    lines = answer.out.splitlines()
    assert lines[6].startswith("to get: 0 bytes")
    assert lines[7] == "one.zip: was there, with the published hash"
    assert lines[8].startswith("two.zip: was there; no hash is published")


def test_a_file_that_changed_is_told_with_both_hashes(cli, server, tiny, tmp_path):
    def sha256():
        return hashlib.sha256(server.files["two.zip"]).hexdigest()

    cli("corpus", "download", "tiny", tmp_path, "--quiet")
    before = sha256()
    shutil.rmtree(tmp_path / "Tiny")
    (tmp_path / "two.zip").unlink()
    server.files["two.zip"] = packed(b=b"another")
    answer = cli("corpus", "download", "tiny", tmp_path, "--quiet")
    assert answer.out.splitlines()[8] == (
        f"two.zip: done; no hash is published, compare for yourself: sha256 {sha256()} (it is "
        f"another file than an earlier run got: sha256 {before})"
    )


def test_a_part_from_a_mirror_of_which_nothing_but_the_speech_is_kept(cli, server, tiny, tmp_path):
    (tmp_path / "lying").mkdir()
    (tmp_path / "lying" / "one.zip").write_bytes(server.files["one.zip"])
    answer = cli(
        "corpus", "download", "tiny", tmp_path / "to", "--part", "first",
        "--mirror", tmp_path / "lying", "--remove-archives", "--quiet",
    )  # fmt: skip
    assert (answer.status, answer.err, server.requests) == (0, "", [])
    assert "two.zip" not in answer.out
    assert [path.name for path in (tmp_path / "to").iterdir() if path.name[0] != "."] == ["Tiny"]


def test_cut_off_it_says_how_to_go_on(cli, server, tiny, tmp_path):
    server.cut_after = [50]
    answer = cli("corpus", "download", "tiny", tmp_path, "--quiet")
    assert answer.status == 1
    assert answer.err == (
        f"error: {server.url}/one.zip: cut off at 50 bytes of {len(server.files['one.zip'])} bytes "
        "(the connection was closed); what has come is kept: run the same command to continue\n"
    )
    assert cli("corpus", "download", "tiny", tmp_path, "--quiet").status == 0
    assert server.requests[1].range == "bytes=50-"


def test_interrupted_it_says_how_to_go_on(cli, tiny, tmp_path, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(transfer.Megabytes, "at", interrupt)
    answer = cli("corpus", "download", "tiny", tmp_path, "--quiet")
    assert answer.status == 130
    assert answer.err.strip() == "interrupted; run the same command to continue"


def test_a_wrong_hash_and_no_network_are_one_line(cli, server, knows, tmp_path):
    knows(Archive(f"{server.url}/one.zip", "all", digest="md5:" + "0" * 32, about_bytes=9))
    answer = cli("corpus", "download", "tiny", tmp_path, "--quiet")
    assert answer.status == 1
    got = hashlib.md5(server.files["one.zip"]).hexdigest()
    assert answer.err == (
        f"error: {tmp_path / 'one.zip'}: has the md5 digest {got}, expected {'0' * 32}; it is "
        "damaged, or another version, so it was set aside as one.zip.wrong-hash and is not used: "
        "run the same command to get it again, or try another --mirror\n"
    )
    knows(Archive("http://127.0.0.1:1/one.zip", "all", about_bytes=9))
    answer = cli("corpus", "download", "tiny", tmp_path, "--quiet")
    assert answer.status == 1
    assert answer.err == (
        "error: 127.0.0.1:1 cannot be reached (the connection is refused); check the network, or "
        f"get one.zip from http://127.0.0.1:1/one.zip with a browser, put it into {tmp_path}, and "
        "run the same command again\n"
    )


@pytest.mark.parametrize("mirror", ["http://[::1", "http://a..b/"])
@pytest.mark.parametrize("name", ["tiny", "listed"])
def test_a_mirror_that_cannot_be_is_one_line(cli, server, knows, tmp_path, mirror, name):
    knows(*([Archive(f"{server.url}/one.zip", "all")] if name == "tiny" else []), index="http://x/")
    answer = cli("corpus", "download", "tiny", tmp_path, "--mirror", mirror, "--quiet")
    assert answer.status == 1
    assert re.fullmatch(rf"error: mirror is '{re.escape(mirror)}', which is no .*\n", answer.err)


def test_of_a_licensed_corpus_it_says_what_to_get(cli, knows, tmp_path):
    knows(name="paid", how_to_get="order it", licence="for a fee")
    answer = cli("corpus", "download", "paid", tmp_path / "to")
    assert answer.status == 1
    assert answer.err == (
        "error: paid is not free to fetch (for a fee): order it. See https://example.org/tiny. "
        "Then: speakergmm corpus prepare paid FOLDER --output lists\n"
    )
    assert not (tmp_path / "to").exists()


# --- large ones ---


@pytest.fixture
def large(knows, monkeypatch):
    """A corpus of 9 GB in three files that cannot be had, on a disk with room for it."""
    usage = shutil.disk_usage("/")._replace(free=100_000_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    address = "http://127.0.0.1:1"
    knows(
        Archive(f"{address}/a.zip", "dev", 1_000_000_000),
        Archive(f"{address}/b.zip", "train", 3_900_000_000),
        Archive(f"{address}/c.zip", "train", 4_100_000_000),
    )


def test_much_is_not_got_unasked(cli, large, tmp_path):
    answer = cli("corpus", "download", "tiny", tmp_path / "to")
    assert answer.status == 1
    assert answer.err == (
        "error: tiny: 9.0 GB may be too much to get unasked; add --yes, or choose with --part from "
        "dev (1.0 GB), train (8.0 GB)\n"
    )
    assert not (tmp_path / "to").exists()
    assert "train  2 files  8.0 GB" in answer.out
    for options in (["--yes"], ["--part", "dev"]):
        answer = cli("corpus", "download", "tiny", tmp_path / "to", *options)
        assert "cannot be reached" in answer.err


def test_what_nobody_knows_the_size_of_is_not_got_unasked(cli, server, knows, tmp_path):
    first = Archive(f"{server.url}/one.zip", "first", len(server.files["one.zip"]))
    for known_too, amount in (((), ""), ((first,), f"{first.n_bytes} bytes and ")):
        knows(*known_too, Archive(f"{server.url}/two.zip", "second"))
        answer = cli("corpus", "download", "tiny", tmp_path)
        assert answer.status == 1
        assert f"to get: {amount}files of unknown size; free" in answer.out
        assert answer.err.startswith(
            f"error: tiny: {amount}files of unknown size may be too much to get unasked; add --yes"
        )
    assert not server.requests
    assert cli("corpus", "download", "tiny", tmp_path, "--yes", "--quiet").status == 0
    # What is there already is no question.
    assert cli("corpus", "download", "tiny", tmp_path, "--quiet").status == 0


def test_a_rough_size_is_said_and_asked_about(cli, large, knows, tmp_path):
    knows(Archive("http://127.0.0.1:1/a.zip", "all", about_bytes=15_000_000_000))
    answer = cli("corpus", "download", "tiny", tmp_path)
    assert "all   a.zip  about 15 GB" in answer.out
    assert answer.err.startswith("error: tiny: about 15 GB may be too much to get unasked; add")


def test_after_lists_it_says_how_to_get_the_recordings(cli, server, knows, tmp_path):
    server.files["list.txt"] = b"1 a b"
    knows(Archive(f"{server.url}/list.txt", "trials", 5), how_to_get="the recordings by request")
    answer = cli("corpus", "download", "tiny", tmp_path, "--quiet")
    about, then = answer.out.splitlines()[-2:]
    assert about == "These are lists, without the recordings. To be had: the recordings by request."
    command = f"speakergmm corpus prepare tiny {tmp_path} --output lists"
    assert then == f"next: with the recordings in {tmp_path}, {command}"


def test_recordings_of_one_s_own_are_nowhere_to_be_fetched(cli, tmp_path):
    assert cli("corpus", "download", "folders", tmp_path).err == (
        "error: folders is nowhere to be fetched: record some twenty people or more, two sessions "
        "each, in a folder for each of them. Then: speakergmm corpus prepare folders FOLDER "
        "--output lists\n"
    )


def test_every_way_to_get_a_corpus_is_told_as_a_sentence():
    assert not [c.name for c in known.CORPORA.values() if c.how_to_get.endswith(".")]


@pytest.mark.parametrize("wanted", [True, False])
def test_where_somebody_can_be_asked_it_asks(cli, large, tmp_path, monkeypatch, wanted):
    asked = []
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(click, "confirm", lambda text, **_: asked.append(text) or wanted)
    answer = cli("corpus", "download", "tiny", tmp_path, "--quiet")
    assert asked == ["Get 9.0 GB?"]
    expected = "cannot be reached" if wanted else "error: tiny: nothing was downloaded; choose with"
    assert expected in answer.err
    assert answer.status == 1


def test_of_many_files_the_first_are_told(cli, server, knows, tmp_path):
    server.files = {f"{n}.txt": b"x" for n in range(25)}
    knows(*(Archive(f"{server.url}/{n}.txt", "all", 1) for n in range(25)))
    answer = cli("corpus", "download", "tiny", tmp_path, "--quiet")
    assert "all   25 files  25 bytes" in answer.out
    assert answer.out.count(".txt: done") == 20
    assert "... and 5 more files" in answer.out
    assert answer.out.endswith(f"next: speakergmm corpus prepare tiny {tmp_path} --output lists\n")

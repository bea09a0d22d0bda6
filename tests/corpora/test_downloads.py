"""Downloads from a server on the loopback address, which may cut off, lie, or not be there."""

from __future__ import annotations

import email.utils
import gzip
import hashlib
import io
import json
import shutil
import socket
import subprocess
import sys
import tarfile
import threading
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import requests
from file_server import FileServer, serving

from speakergmm.corpora import downloads, transfer, unpacking
from speakergmm.corpora.connection_errors import wait_asked_for
from speakergmm.corpora.downloads import (
    bytes_to_get,
    choose_archives,
    download_corpus,
    fetch_archive,
    unpack,
)
from speakergmm.corpora.known import CORPORA, known_corpus
from speakergmm.corpora.known.corpus import Archive, KnownCorpus
from speakergmm.corpora.listed_archives import with_archives
from speakergmm.errors import DownloadError, MissingError, OutputError
from speakergmm.files import readable_size
from speakergmm.progress import Silent

CONTENT = np.random.default_rng(0).bytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server(monkeypatch):
    # A proxy, where there is one, does not know this machine's loopback.
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(transfer, "RETRY_AFTER_S", (0.0, 0.0))
    with serving(FileServer({"x.bin": CONTENT})) as running:
        yield running


@pytest.fixture
def saying(monkeypatch):
    """Give the address of a server that says something once and closes the connection."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    threads = []

    def say(answer):
        listening = socket.create_server(("127.0.0.1", 0))

        def talk():
            with listening, listening.accept()[0] as connection:
                connection.recv(1 << 16)
                connection.sendall(answer)

        threads.append(threading.Thread(target=talk))
        threads[-1].start()
        return f"http://127.0.0.1:{listening.getsockname()[1]}"

    yield say
    for thread in threads:
        thread.join()


def archive_at(server, name="x.bin", **facts):
    return Archive(f"{server.url}/{name}", "all", **facts)


def published(server, name="x.bin"):
    content = server.files[name]
    digest = hashlib.sha256(content).hexdigest()
    return archive_at(server, name, n_bytes=len(content), digest=f"sha256:{digest}")


def corpus_of(*archives, **facts):
    about = {
        "name": "tiny", "title": "A tiny corpus", "language": "English", "licence": "CC0",
        "home": "https://example.org/tiny", "n_speakers": 1, "n_utterances": 1, "hours": 0.1,
        "cite": "Nobody, 2020", "layout": "", "scan": None, "protocols": {},
    }  # fmt: skip
    return KnownCorpus(**(about | facts), archives=archives)


def names(folder):
    return sorted(p.name for p in folder.iterdir() if p.name != ".speakergmm")


def interrupt_after(n_bytes, monkeypatch):
    """Interrupt the next transfer, as Ctrl-C does, when so much has been written."""
    at = transfer.Megabytes.at

    def stop(self, done):
        at(self, done)
        if done >= n_bytes:
            monkeypatch.setattr(transfer.Megabytes, "at", at)
            raise KeyboardInterrupt

    monkeypatch.setattr(transfer.Megabytes, "at", stop)


# --- one file ---


@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
def test_a_file_is_got_whole_and_nothing_else_is_left(server, tmp_path, algorithm):
    digest = f"{algorithm}:{hashlib.new(algorithm, CONTENT).hexdigest().upper()}"
    archive = archive_at(server, n_bytes=len(CONTENT), digest=digest)
    path = fetch_archive(archive, tmp_path / "new" / "folder")
    assert path == tmp_path / "new" / "folder" / "x.bin"
    assert path.read_bytes() == CONTENT
    assert names(path.parent) == ["x.bin"]
    assert names(path.parent / ".speakergmm") == [".lock"]
    assert [(r.range, r.status) for r in server.requests] == [(None, 200)]


def test_what_is_there_is_not_got_again(server, tmp_path):
    archive = published(server)
    fetch_archive(archive, tmp_path)
    server.requests.clear()
    assert fetch_archive(archive, tmp_path).read_bytes() == CONTENT
    (tmp_path / "by hand").mkdir()
    (tmp_path / "by hand" / "x.bin").write_bytes(CONTENT)
    fetch_archive(archive, tmp_path / "by hand")
    assert server.requests == []


def test_without_a_published_hash_the_one_found_is_noted(server, tmp_path):
    archive = archive_at(server)
    fetch_archive(archive, tmp_path)
    assert names(tmp_path) == ["x.bin", "x.bin.sha256"]
    assert (tmp_path / "x.bin.sha256").read_text() == f"{SHA256}  x.bin\n"
    fetch_archive(archive, tmp_path)
    assert len(server.requests) == 1


def test_a_redirection_is_followed(server, tmp_path):
    server.redirects["latest/x.bin"] = f"{server.url}/x.bin"
    archive = Archive(f"{server.url}/latest/x.bin", "all", digest=f"sha256:{SHA256}")
    assert fetch_archive(archive, tmp_path).read_bytes() == CONTENT


def test_a_redirection_without_end_is_one_line(server, tmp_path):
    server.redirects["x.bin"] = f"{server.url}/x.bin"
    with pytest.raises(DownloadError, match=r"cannot be reached \(it redirects without end\)"):
        fetch_archive(published(server), tmp_path)


def test_progress_is_told_in_megabytes_and_never_goes_back(server, tmp_path):
    class Told:
        def __init__(self):
            self.tasks, self.steps = [], []

        def start(self, task, total=None):
            self.tasks.append((task, total))

        def advance(self, steps=1):
            self.steps.append(steps)

        def note(self, text):
            self.tasks.append(text)

    server.files["x.bin"] = CONTENT * 20
    server.cut_after = [4_500_000]
    server.knows_ranges = False
    told = Told()
    fetch_archive(published(server), tmp_path, progress=told)
    assert told.tasks == [
        ("getting x.bin, MB", 6),
        "the connection was closed; trying again",
        ("checking x.bin", None),
    ]
    assert sum(told.steps) == 6
    assert all(step > 0 for step in told.steps)


# --- cut off, and continued ---


def test_a_connection_that_breaks_is_taken_up_where_it_broke(server, tmp_path):
    server.cut_after = [100_000, 50_000]
    assert fetch_archive(published(server), tmp_path).read_bytes() == CONTENT
    assert [r.range for r in server.requests] == [None, "bytes=100000-", "bytes=150000-"]
    assert server.n_served == [100_000, 50_000, 150_000]
    assert server.requests[1].if_range == '"one"'


def test_a_server_that_gives_a_range_in_pieces_is_asked_for_each(server, tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "FURTHER", 50_000)
    server.cut_after = [100_000]
    server.most_of_a_range = 50_000
    assert fetch_archive(published(server), tmp_path).read_bytes() == CONTENT
    assert server.n_served == [100_000, 50_000, 50_000, 50_000, 50_000]


def test_cut_off_again_and_again_is_one_line_and_the_next_run_goes_on(server, tmp_path):
    archive = published(server)
    server.cut_after = [100_000, 0, 0]
    expected = (
        rf"{server.url}/x.bin: cut off at 100 kB of 300 kB \(the connection was closed\); what has "
        "come is kept: run the same command to continue"
    )
    with pytest.raises(DownloadError, match=expected):
        fetch_archive(archive, tmp_path)
    assert names(tmp_path) == ["x.bin.part"]
    server.requests.clear()
    assert fetch_archive(archive, tmp_path).read_bytes() == CONTENT
    assert [(r.range, r.status) for r in server.requests] == [("bytes=100000-", 206)]
    assert server.n_served == [200_000]
    assert names(tmp_path) == ["x.bin"]


@pytest.mark.parametrize("has_hash", [True, False])
def test_interrupted_by_a_person_it_goes_on_in_the_next_run(
    server, tmp_path, monkeypatch, has_hash
):
    archive = published(server) if has_hash else archive_at(server)
    monkeypatch.setattr(transfer, "CHUNK", 1 << 14)
    interrupt_after(100_000, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        fetch_archive(archive, tmp_path)
    assert names(tmp_path) == ["x.bin.part"]
    n_there = (tmp_path / "x.bin.part").stat().st_size
    assert n_there >= 100_000
    server.requests.clear()
    assert fetch_archive(archive, tmp_path).read_bytes() == CONTENT
    assert [(r.range, r.if_range) for r in server.requests] == [(f"bytes={n_there}-", '"one"')]
    assert server.n_served == [len(CONTENT) - n_there]


def test_killed_it_goes_on_in_the_next_run(server, tmp_path):
    """A process that is killed cannot tidy up."""
    archive = published(server)
    server.files["x.bin"] = CONTENT
    program = (
        "import os, sys\n"
        "from speakergmm.corpora import transfer\n"
        "from speakergmm.corpora.downloads import fetch_archive\n"
        "from speakergmm.corpora.known.corpus import Archive\n"
        "transfer.CHUNK = 1 << 14\n"
        "at = transfer.Megabytes.at\n"
        "def die(self, done):\n"
        "    if done > 100_000: os.kill(os.getpid(), 9)\n"
        "transfer.Megabytes.at = die\n"
        f"fetch_archive(Archive({archive.url!r}, 'all', digest={archive.digest!r}), sys.argv[1])\n"
    )
    ended = subprocess.run([sys.executable, "-c", program, tmp_path], check=False)
    assert ended.returncode == -9
    work = tmp_path / ".speakergmm"
    assert [name for name in names(work) if name.startswith("tmp")]
    n_there = (tmp_path / "x.bin.part").stat().st_size
    assert 0 < n_there < len(CONTENT)
    server.requests.clear()
    assert fetch_archive(archive, tmp_path).read_bytes() == CONTENT
    assert [r.range for r in server.requests] == [f"bytes={n_there}-"]
    assert names(tmp_path) == ["x.bin"]
    assert names(work) == [".lock"]


def test_whole_but_not_yet_checked_it_is_not_asked_for(server, tmp_path):
    (tmp_path / "x.bin.part").write_bytes(CONTENT)
    assert fetch_archive(published(server), tmp_path).read_bytes() == CONTENT
    assert server.requests == []


def test_whole_of_a_size_that_is_not_known_the_server_says_so(server, tmp_path):
    (tmp_path / "x.bin.part").write_bytes(CONTENT)
    archive = archive_at(server, digest=f"sha256:{SHA256}")
    assert fetch_archive(archive, tmp_path).read_bytes() == CONTENT
    assert [(r.range, r.status) for r in server.requests] == [(f"bytes={len(CONTENT)}-", 416)]


def test_a_part_larger_than_the_file_is_begun_anew(server, tmp_path):
    (tmp_path / "x.bin.part").write_bytes(CONTENT + b"more")
    assert fetch_archive(published(server), tmp_path).read_bytes() == CONTENT
    assert [r.status for r in server.requests] == [416, 200]


def test_a_server_without_ranges_begins_anew(server, tmp_path):
    server.knows_ranges = False
    server.cut_after = [100_000]
    assert fetch_archive(published(server), tmp_path).read_bytes() == CONTENT
    assert [(r.range, r.status) for r in server.requests] == [(None, 200), ("bytes=100000-", 200)]
    assert server.n_served == [100_000, 300_000]


@pytest.mark.parametrize(
    ("etag", "last_modified", "if_range"),
    [
        ('"one"', "", '"one"'),
        ("", "Tue, 01 Mar 2022 10:00:00 GMT", "Tue, 01 Mar 2022 10:00:00 GMT"),
        # Weak tags must not be sent; that they differ tells all the same.
        ('W/"one"', "", None),
    ],
)
def test_a_file_that_changed_meanwhile_is_begun_anew(
    server, tmp_path, etag, last_modified, if_range
):
    server.etag, server.last_modified = etag, last_modified
    server.cut_after = [100_000, 0, 0]
    archive = archive_at(server)
    with pytest.raises(DownloadError, match="cut off"):
        fetch_archive(archive, tmp_path)
    assert server.requests[-1].if_range == if_range
    changed = CONTENT[::-1] + b"longer"
    server.files["x.bin"] = changed
    server.etag = etag.replace("one", "two")
    server.last_modified = last_modified.replace("01 Mar", "02 Mar")
    assert fetch_archive(archive, tmp_path).read_bytes() == changed


def test_a_part_of_another_place_is_used_only_where_a_hash_can_tell(server, tmp_path):
    for name, archive, ranges in (
        ("known", published(server), ["bytes=100000-"]),
        ("unknown", archive_at(server), [None]),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.bin.part").write_bytes(CONTENT[:100_000])
        server.requests.clear()
        fetch_archive(archive, tmp_path / name)
        assert [r.range for r in server.requests] == ranges
        assert [r.if_range for r in server.requests] == [None]


def test_a_busy_server_is_asked_again(server, tmp_path):
    server.errors = [503, 429]
    assert fetch_archive(published(server), tmp_path).read_bytes() == CONTENT
    server.errors = [503, 503, 503]
    expected = (
        rf"x.bin: nothing comes \(the server answers 503 \(Service Unavailable\)\); run the same "
        rf"command again later, or get x.bin from {server.url}/x.bin with a browser"
    )
    with pytest.raises(DownloadError, match=expected):
        fetch_archive(archive_at(server), tmp_path / "other")


@pytest.mark.parametrize(
    ("asked", "waited"),
    [
        ("7", 7.0), (" 0", 0.0), ("later", 0.0), ("-5", 0.0), ("", 0.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
    ],
)  # fmt: skip
def test_a_server_that_asks_to_wait_is_waited_for(server, tmp_path, monkeypatch, asked, waited):
    waits, notes = [], []
    monkeypatch.setattr(transfer.time, "sleep", waits.append)
    monkeypatch.setattr(Silent, "note", lambda _self, text: notes.append(text))
    server.errors, server.retry_after = [429], asked
    assert fetch_archive(published(server), tmp_path).read_bytes() == CONTENT
    assert waits == [waited]
    wish = f", and asks to wait {waited:.0f} s" if waited else ""
    assert notes == [f"the server answers 429 (Too Many Requests){wish}; trying again"]


def test_a_date_until_which_to_wait_is_read(server):
    then = datetime.now(UTC) + timedelta(seconds=40)
    assert 30 < wait_asked_for(email.utils.format_datetime(then, usegmt=True)) <= 40
    assert 30 < wait_asked_for(email.utils.format_datetime(then.replace(tzinfo=None))) <= 40


def test_a_server_that_asks_to_wait_long_is_not_waited_for(server, tmp_path):
    server.errors, server.retry_after = [503], "3600"
    with pytest.raises(DownloadError, match=r"nothing comes .*, and asks to wait 3,600 s\); run"):
        fetch_archive(published(server), tmp_path)
    assert len(server.requests) == 1


def test_a_proxy_that_does_not_work_is_said_to_be_one(tmp_path, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    expected = (
        r"corpora\.example cannot be reached \(the proxy of HTTPS_PROXY or HTTP_PROXY does not"
    )
    with pytest.raises(DownloadError, match=expected):
        fetch_archive(Archive("http://corpora.example/x.bin", "all"), tmp_path)


def test_without_a_length_it_ends_where_the_connection_does(server, tmp_path):
    server.says_length = False
    assert fetch_archive(published(server), tmp_path).read_bytes() == CONTENT


def test_a_network_that_goes_away_in_the_middle_is_waited_for(server, tmp_path, monkeypatch):
    import requests

    get, calls = requests.get, []

    def sometimes(*args, **options):
        calls.append(args)
        if len(calls) == 2:
            raise requests.ConnectionError("no route")
        return get(*args, **options)

    monkeypatch.setattr(requests, "get", sometimes)
    server.cut_after = [100_000]
    assert fetch_archive(published(server), tmp_path).read_bytes() == CONTENT
    assert len(calls) == 3


# --- what is not the file ---


def test_a_wrong_hash_is_refused_and_the_file_set_aside(server, tmp_path):
    archive = archive_at(server, digest="sha256:" + "0" * 64)
    expected = (
        rf"{tmp_path / 'x.bin'}: has the sha256 digest {SHA256}, expected {'0' * 64}; it is "
        "damaged, or another version, so it was set aside as x.bin.wrong-hash and is not used: run "
        "the same command to get it again, or try another --mirror"
    )
    with pytest.raises(DownloadError, match=expected):
        fetch_archive(archive, tmp_path)
    assert names(tmp_path) == ["x.bin.wrong-hash"]
    assert (tmp_path / "x.bin.wrong-hash").read_bytes() == CONTENT
    # Begun anew, not with what was wrong; and no file set aside is lost.
    with pytest.raises(DownloadError, match=r"set aside as x\.bin\.wrong-hash-2"):
        fetch_archive(archive, tmp_path)
    assert names(tmp_path) == ["x.bin.wrong-hash", "x.bin.wrong-hash-2"]
    assert [r.range for r in server.requests] == [None, None]


def test_so_is_a_wrong_file_that_was_put_there_by_hand(server, tmp_path):
    archive = published(server)
    (tmp_path / "x.bin").write_bytes(CONTENT[:-1])
    with pytest.raises(DownloadError, match="has 299,999 bytes, expected 300,000; it is damaged"):
        fetch_archive(archive, tmp_path)
    (tmp_path / "x.bin").write_bytes(CONTENT[::-1])
    with pytest.raises(DownloadError, match="has the sha256 digest"):
        fetch_archive(archive, tmp_path)
    assert names(tmp_path) == ["x.bin.wrong-hash", "x.bin.wrong-hash-2"]
    assert server.requests == []


def test_where_files_have_no_second_names_a_wrong_one_is_kept_too(server, tmp_path, monkeypatch):
    def refuse(self, target):
        raise OSError("not here")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    assert fetch_archive(published(server), tmp_path / "right").read_bytes() == CONTENT
    with pytest.raises(DownloadError, match="set aside"):
        fetch_archive(archive_at(server, digest="sha256:" + "0" * 64), tmp_path / "wrong")
    assert names(tmp_path / "wrong") == ["x.bin.wrong-hash"]


def test_another_size_is_refused_before_anything_is_taken(server, tmp_path):
    (tmp_path / "x.bin.part").write_bytes(b"what came before")
    archive = archive_at(server, n_bytes=12, digest="sha256:" + "0" * 64)
    server.knows_ranges = False
    expected = (
        rf"{server.url}/x.bin: has 300,000 bytes, expected 12: it is another file, or another "
        "version; try another --mirror, or see the corpus's home page"
    )
    with pytest.raises(DownloadError, match=expected):
        fetch_archive(archive, tmp_path)
    assert (tmp_path / "x.bin.part").read_bytes() == b"what came before"


def test_a_page_that_asks_to_log_in_is_no_archive(server, tmp_path):
    server.kind = "text/html; charset=utf-8"
    expected = "the server gives a web page; expected x.bin: it may ask to log in, or to accept"
    with pytest.raises(DownloadError, match=expected):
        fetch_archive(archive_at(server), tmp_path)
    assert names(tmp_path) == []


def test_where_nothing_has_come_no_folder_is_left(server, tmp_path):
    for refused in (
        lambda: fetch_archive(archive_at(server, "no.zip"), tmp_path / "a" / "b"),
        lambda: download_corpus(corpus_of(archive_at(server, "no.zip")), tmp_path),
    ):
        with pytest.raises(DownloadError, match="404"):
            refused()
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("status", "words"), [(404, "Not Found"), (403, "Forbidden")])
def test_what_a_server_refuses_is_one_line_with_the_way_by_hand(server, tmp_path, status, words):
    archive = published(server)
    server.errors = [status]
    expected = (
        rf"{server.url}/x.bin: the server answers {status} \({words}\); get x.bin from "
        rf"{server.url}/x.bin with a browser, put it into {tmp_path}, and run the same command "
        "again"
    )
    with pytest.raises(DownloadError, match=expected):
        fetch_archive(archive, tmp_path)


def test_that_a_range_is_beyond_the_end_is_no_answer_where_none_was_asked_for(server, tmp_path):
    server.errors = [416]
    expected = rf"{server.url}/x.bin: the server answers 416 \(.*\); get x.bin from"
    with pytest.raises(DownloadError, match=expected):
        fetch_archive(archive_at(server), tmp_path)
    assert names(tmp_path) == []


LIST = b"1 a.wav b.wav\n" * 9
PAGE = b"\xef\xbb\xbf\n<!DOCTYPE HTML><html>Log in</html>"


@pytest.mark.parametrize(
    ("name", "content", "wrong"),
    [
        ("list.txt", b"", "is empty"),
        ("x.zip", b"", "is empty"),
        ("list.txt", PAGE, "is a web page, expected a list"),
        ("list.CSV", b"<html lang=en>", "is a web page, expected a list"),
        ("list.txt", gzip.compress(PAGE, mtime=0), "is a web page, expected a list"),
        ("list.txt", gzip.compress(LIST, mtime=0)[:-9], "is packed by gzip, expected a text"),
    ],
    ids=["empty text", "empty archive", "page", "other page", "packed page", "cut off"],
)
def test_what_cannot_be_the_file_is_set_aside_though_no_hash_tells(
    server, tmp_path, name, content, wrong
):
    server.files[name] = content
    expected = (
        rf"{tmp_path / name}: {wrong}; it is damaged, or another version, so it was set aside as "
        rf"{name}.wrong-hash and is not used"
    )
    with pytest.raises(DownloadError, match=expected):
        fetch_archive(archive_at(server, name), tmp_path)
    assert names(tmp_path) == [f"{name}.wrong-hash"]
    assert (tmp_path / f"{name}.wrong-hash").read_bytes() == content
    # So it is when it was put there by hand, unpacked by a browser or not.
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DownloadError, match=r"set aside as .*\.wrong-hash-2"):
        fetch_archive(archive_at(server, name), tmp_path)
    # What was published is believed.
    assert fetch_archive(published(server, "x.bin"), tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("digest", [None, f"sha256:{hashlib.sha256(LIST).hexdigest()}"])
def test_a_list_that_is_packed_for_the_way_is_unpacked(server, tmp_path, digest):
    server.files["list.txt"] = gzip.compress(LIST)
    archive = archive_at(server, "list.txt", digest=digest)
    assert fetch_archive(archive, tmp_path).read_bytes() == LIST
    assert fetch_archive(archive, tmp_path).read_bytes() == LIST
    assert len(server.requests) == 1


@pytest.mark.parametrize("name", ["x.bin", "tiny.tgz"])
def test_only_lists_are_judged_by_how_they_begin(server, tmp_path, name):
    for content in (PAGE, gzip.compress(LIST)):
        server.files[name] = content
        place = tmp_path / str(len(content))
        assert fetch_archive(archive_at(server, name), place).read_bytes() == content


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"garbage\r\n\r\n", "its answer is not that of a web server"),
        (b"", "the connection was closed"),
    ],
)
def test_a_server_that_answers_something_else_is_one_line(tmp_path, saying, answer, reason):
    url = saying(answer)
    with pytest.raises(DownloadError, match=rf"cannot be reached \({reason}\); check the network"):
        fetch_archive(Archive(f"{url}/x.bin", "all"), tmp_path)


def test_pieces_that_end_early_are_a_connection_that_was_closed(tmp_path, monkeypatch, saying):
    monkeypatch.setattr(transfer, "RETRY_AFTER_S", ())
    url = saying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n9\r\nab")
    expected = r"x\.bin: cut off at \d bytes \(the connection was closed\); what has come is kept"
    with pytest.raises(DownloadError, match=expected):
        fetch_archive(Archive(f"{url}/x.bin", "all"), tmp_path)


# --- no network ---


def test_a_refused_connection_is_one_line_with_the_way_by_hand(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{bound.getsockname()[1]}"
        expected = (
            rf"{host} cannot be reached \(the connection is refused\); check the network, or get "
            rf"a.zip from http://{host}/a.zip with a browser, put it into {tmp_path}, and run the "
            "same command again"
        )
        with pytest.raises(DownloadError, match=expected):
            fetch_archive(Archive(f"http://{host}/a.zip", "all"), tmp_path)
    assert names(tmp_path) == []


def test_so_is_a_name_that_cannot_be_resolved(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")

    def fail(*args, **options):
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(
        DownloadError, match=r"www.example.org cannot be reached \(its name cannot be resolved\)"
    ):
        fetch_archive(Archive("https://www.example.org/a.zip", "all"), tmp_path)


def test_so_is_a_server_that_does_not_answer(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(transfer, "READ_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/a.zip"
        with pytest.raises(DownloadError, match=r"cannot be reached \(no answer in time\)"):
            fetch_archive(Archive(url, "all"), tmp_path)


def test_so_is_a_server_that_is_not_what_it_says(server, tmp_path):
    url = server.url.replace("http", "https")
    with pytest.raises(DownloadError, match="its certificate or encryption is not accepted"):
        fetch_archive(Archive(f"{url}/x.bin", "all"), tmp_path)


# --- mirrors ---


def test_a_mirror_is_a_server_a_folder_or_its_address(server, tmp_path):
    archive = Archive("https://gone.example.org/a/x.bin", "all", len(CONTENT), f"sha256:{SHA256}")
    lying = tmp_path / "lying here"
    lying.mkdir()
    (lying / "x.bin").write_bytes(CONTENT)
    server.files["deep/down/x.bin"] = CONTENT
    mirrors = [f"{server.url}/deep/down/", f"{server.url}/deep/down", str(lying), lying.as_uri()]
    for number, mirror in enumerate(mirrors):
        folder = tmp_path / str(number)
        assert fetch_archive(archive, folder, mirror=mirror).read_bytes() == CONTENT
        assert names(folder) == ["x.bin"]
    assert (lying / "x.bin").read_bytes() == CONTENT


def test_what_a_mirror_gives_is_checked(server, tmp_path):
    lying = tmp_path / "lying"
    lying.mkdir()
    archive = published(server)
    (lying / "x.bin").write_bytes(CONTENT[::-1])
    with pytest.raises(DownloadError, match="has the sha256 digest"):
        fetch_archive(archive, tmp_path / "new", mirror=str(lying))
    assert (lying / "x.bin").read_bytes() == CONTENT[::-1]
    (lying / "x.bin").write_bytes(b"short")
    with pytest.raises(DownloadError, match=r"lying/x.bin: has 5 bytes, expected 300,000"):
        fetch_archive(archive, tmp_path / "new", mirror=str(lying))
    (lying / "x.bin").unlink()
    with pytest.raises(
        DownloadError, match=r"lying/x.bin: no such file; expected the mirror to hold it"
    ):
        fetch_archive(archive, tmp_path / "new", mirror=str(lying))


@pytest.mark.parametrize(
    ("mirror", "expected"),
    [
        ("no/such/folder", "mirror is 'no/such/folder'; expected an address"),
        ("ftp://example.org", "mirror is 'ftp://example.org'; expected an address"),
        ("", "mirror is ''; expected an address"),
        ("x\0y", "mirror is .*; expected an address"),
        ("x" * 5000, "mirror is .*; expected an address"),
        (
            "http://[::1",
            r"mirror is 'http://\[::1', which is no address \(Invalid IPv6 URL\); exp",
        ),
        (
            "http://a..b/",
            r"mirror is 'http://a..b/', which is no address \(.*label.*\); expected",
        ),
        (f"http://{'a' * 64}/", r"which is no address \(.*label.*\); expected an address"),
        ("http://a:99999/", r"which is no address \(Port out of range 0-65535\); expected an addr"),
        ("http:///x", "is 'http:///x', which names no server; expected an address"),
    ],
)
def test_what_is_no_mirror_is_said(server, tmp_path, mirror, expected):
    with pytest.raises(DownloadError, match=expected):
        fetch_archive(published(server), tmp_path / "to", mirror=mirror)
    with pytest.raises(DownloadError, match=expected):
        download_corpus(corpus_of(published(server)), tmp_path / "too", mirror=mirror)
    assert not (tmp_path / "too").exists()
    with pytest.raises(DownloadError, match=expected):
        with_archives(known_corpus("voxforge"), mirror)


@pytest.mark.parametrize("address", ["file:///etc/hostname", "ftp://127.0.0.1/x.bin"])
def test_a_redirection_out_of_the_web_is_not_followed(server, tmp_path, address):
    server.redirects["x.bin"] = address
    expected = r"cannot be reached \(it redirects to what is not http or https\); check"
    with pytest.raises(DownloadError, match=expected):
        fetch_archive(archive_at(server), tmp_path)
    assert names(tmp_path) == []


def test_a_file_without_hash_is_not_taken_from_where_anybody_could_change_it(
    server, tmp_path, monkeypatch
):
    get = requests.get
    monkeypatch.setattr(requests, "get", lambda url, **o: get(url.replace("https", "http"), **o))
    secure = server.url.replace("http", "https")
    expected = rf"{secure}/x.bin: redirects to {server.url}/x.bin, which is not encrypted, and no"
    with pytest.raises(DownloadError, match=expected):
        fetch_archive(Archive(f"{secure}/x.bin", "all"), tmp_path)
    assert names(tmp_path) == []
    archive = Archive(f"{secure}/x.bin", "all", digest=f"sha256:{SHA256}")
    assert fetch_archive(archive, tmp_path).read_bytes() == CONTENT


def test_a_redirection_to_an_address_that_cannot_be_is_one_line(server, tmp_path):
    server.redirects["x.bin"] = "http://a..b/x.bin"
    with pytest.raises(DownloadError, match=r"cannot be reached \(Failed to parse: .*\); check"):
        fetch_archive(archive_at(server), tmp_path)
    assert names(tmp_path) == []


def test_only_a_wrong_hash_is_taken_for_one(server, tmp_path, monkeypatch):
    def break_down(self, url):
        raise ValueError("a mistake of ours")

    monkeypatch.setattr(transfer.Transfer, "download", break_down)
    with pytest.raises(ValueError, match="a mistake of ours"):
        fetch_archive(published(server), tmp_path)


# --- disks ---


def test_a_disk_that_is_too_full_is_said_before(server, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=250_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage)
    expected = rf"{tmp_path}: x.bin needs 300 kB, and 250 kB are free; free some space, or choose"
    with pytest.raises(DownloadError, match=expected):
        fetch_archive(archive_at(server), tmp_path)
    with pytest.raises(DownloadError, match=rf"{tmp_path}: tiny needs 300 kB"):
        download_corpus(corpus_of(published(server)), tmp_path)
    assert names(tmp_path) == []
    # Of what has come already, only the rest needs room.
    (tmp_path / "x.bin.part").write_bytes(CONTENT[:100_000])
    assert fetch_archive(published(server), tmp_path).read_bytes() == CONTENT


def test_a_disk_that_fills_up_meanwhile_keeps_what_has_come(server, tmp_path, monkeypatch):
    def full(response):
        yield CONTENT[:1000]
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(transfer, "_chunks", full)
        expected = rf"{tmp_path / 'x.bin'}: cannot be written \(No space left on device\); free"
        with pytest.raises(DownloadError, match=expected):
            fetch_archive(published(server), tmp_path)
    assert names(tmp_path) == ["x.bin.part"]
    fetch_archive(published(server), tmp_path)
    assert server.requests[-1].range == "bytes=1000-"


def test_a_folder_that_cannot_be_made_is_said(server, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(OutputError, match="cannot be written"):
        fetch_archive(published(server), tmp_path / "file" / "in it")


# --- unpacking ---


FILES = {"Tiny/a/1.wav": b"one" * 999, "Tiny/b/2.wav": b"two", "Tiny/README": b"read me"}


def packed_zip(files):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def packed_tar(files, mode="w:gz"):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:
        for name, content in files.items():
            member = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo(name)
            if isinstance(content, bytes):
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
            else:
                archive.addfile(member)
    return stream.getvalue()


PACKED = {
    "t.zip": packed_zip(FILES),
    "t.tar.gz": packed_tar(FILES),
    "t.tgz": packed_tar(FILES),
    "t.tar": packed_tar(FILES, "w"),
    "t.tar.bz2": packed_tar(FILES, "w:bz2"),
}


def files_in(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".speakergmm" not in path.parts
    }


@pytest.mark.parametrize("name", PACKED)
def test_archives_of_each_kind_are_unpacked(tmp_path, name):
    archive = tmp_path / name
    archive.write_bytes(PACKED[name])
    folder = tmp_path / "to"
    assert unpack(archive, folder) == (folder / "Tiny",)
    assert files_in(folder) == FILES
    # Again is no harm.
    assert unpack(archive, folder) == (folder / "Tiny",)
    assert files_in(folder) == FILES


def test_archives_join_in_one_folder_beside_what_is_there(tmp_path):
    (tmp_path / "Tiny").mkdir()
    (tmp_path / "Tiny" / "mine").write_bytes(b"stays")
    for name, files in (
        ("one.zip", FILES),
        ("two.zip", {"Tiny/a/3.wav": b"three", "Tiny/README": b"read me", "more": b"!"}),
    ):
        (tmp_path / name).write_bytes(packed_zip(files))
    assert unpack(tmp_path / "one.zip", tmp_path) == (tmp_path / "Tiny",)
    assert unpack(tmp_path / "two.zip", tmp_path) == (tmp_path / "Tiny", tmp_path / "more")
    found = files_in(tmp_path)
    expected = {**FILES, "Tiny/a/3.wav": b"three", "more": b"!", "Tiny/mine": b"stays"}
    assert {name: found[name] for name in found if not name.endswith(".zip")} == expected


def test_what_is_there_is_never_replaced_by_something_else(tmp_path):
    (tmp_path / "t.zip").write_bytes(PACKED["t.zip"])
    (tmp_path / "Tiny").mkdir()
    (tmp_path / "Tiny" / "README").write_bytes(b"my own")
    expected = (
        rf"t.zip: holds other files than are there already; move these away, or choose another "
        rf"folder: {tmp_path / 'Tiny' / 'README'}"
    )
    with pytest.raises(DownloadError, match=expected):
        unpack(tmp_path / "t.zip", tmp_path)
    assert files_in(tmp_path / "Tiny") == {"README": b"my own"}


def test_archives_within_are_unpacked_where_they_lie(tmp_path):
    inner = packed_tar({"train/S1/a.wav": b"a", "train/S1/b.wav": b"b"})
    outer = {"aishell/wav/S1.tar.gz": inner, "aishell/transcript/t.txt": b"text"}
    (tmp_path / "outer.tgz").write_bytes(packed_tar(outer))
    unpack(tmp_path / "outer.tgz", tmp_path / "to")
    assert files_in(tmp_path / "to") == {
        "aishell/wav/train/S1/a.wav": b"a",
        "aishell/wav/train/S1/b.wav": b"b",
        "aishell/transcript/t.txt": b"text",
    }


def link(name, target, kind=tarfile.SYMTYPE):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


MALICIOUS = {
    "up.zip": packed_zip({"fine": b"", "a/../../evil": b"!"}),
    "root.zip": packed_zip({"/evil": b"!"}),
    "back.zip": packed_zip({"..\\evil": b"!"}),
    "drive.zip": packed_zip({"C:\\evil": b"!"}),
    "up.tar.gz": packed_tar({"fine": b"", "../evil": b"!"}),
    "link.tar.gz": packed_tar({"l": link("l", "../.."), "l/evil": b"!"}),
    "absolute.tar.gz": packed_tar({"l": link("l", "/etc/passwd")}),
    "device.tar.gz": packed_tar({"d": link("d", "", tarfile.CHRTYPE)}),
}


@pytest.mark.parametrize("name", MALICIOUS)
def test_what_would_write_elsewhere_is_refused_whole(tmp_path, name):
    (tmp_path / name).write_bytes(MALICIOUS[name])
    expected = (
        f"{name}: holds '.*', which would be written outside of the folder or is no plain file; "
        "nothing was unpacked: this is not how a corpus is packed, so get it from elsewhere"
    )
    with pytest.raises(DownloadError, match=expected):
        unpack(tmp_path / name, tmp_path / "to" / "here")
    assert files_in(tmp_path) == {name: MALICIOUS[name]}


def test_a_member_from_the_root_of_a_tar_comes_into_the_folder(tmp_path):
    (tmp_path / "t.tar").write_bytes(packed_tar({"/abs/x": b"x"}, "w"))
    unpack(tmp_path / "t.tar", tmp_path / "to")
    assert files_in(tmp_path / "to") == {"abs/x": b"x"}


@pytest.mark.parametrize("name", PACKED)
def test_damaged_archives_are_said_and_leave_nothing(tmp_path, name):
    archive = tmp_path / name
    for damage in (PACKED[name][: len(PACKED[name]) // 2], b"<html>not it</html>" * 99, b""):
        archive.write_bytes(damage)
        expected = "cut off, damaged, or no archive .*; nothing was unpacked: move it away"
        if name == "t.tar" and damage == b"":
            # What an empty tar file is has changed from one Python to the next.
            expected = f"({expected}|holds no files)"
        with pytest.raises(DownloadError, match=f"{name}: {expected}"):
            unpack(archive, tmp_path / "to")
        assert files_in(tmp_path / "to") == {}


def test_an_archive_that_python_cannot_open_is_said(tmp_path):
    content = bytearray(packed_zip({"a": b"secret"}))
    # The flag of encryption, in both headers.
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "t.zip").write_bytes(content)
    with pytest.raises(
        DownloadError, match=r"cannot be unpacked here \('a' is encrypted\); unpack it by hand"
    ):
        unpack(tmp_path / "t.zip", tmp_path / "to")


@pytest.mark.parametrize("packed", [packed_zip, packed_tar])
@pytest.mark.parametrize(
    ("members", "reason"),
    [
        (("a", "a/b"), "'a/b' is where another file or folder of it is"),
        (("a/b", "a"), "'a' is where another file or folder of it is"),
        (("x" * 300,), "the name '.*x…x.*' is too long for this disk"),
    ],
)
def test_names_that_no_disk_can_give_are_said(tmp_path, packed, members, reason):
    archive = tmp_path / ("t.zip" if packed is packed_zip else "t.tgz")
    archive.write_bytes(packed(dict.fromkeys(members, b"x")))
    with pytest.raises(
        DownloadError, match=rf"cannot be unpacked here \({reason}\); unpack it by hand"
    ):
        unpack(archive, tmp_path / "to")
    assert files_in(tmp_path / "to") == {}


def folder_member(name):
    member = tarfile.TarInfo(name)
    member.type = tarfile.DIRTYPE
    return member


EMPTY = {
    "none.zip": packed_zip({}),
    "folders.zip": packed_zip({"Tiny/": b"", "Tiny/a/": b""}),
    "none.tgz": packed_tar({}),
    "folders.tgz": packed_tar({"Tiny": folder_member("Tiny")}),
}


@pytest.mark.parametrize("name", EMPTY)
def test_an_archive_without_files_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(EMPTY[name])
    expected = f"{name}: holds no files; expected those of a corpus: move it away, and get it again"
    with pytest.raises(DownloadError, match=expected):
        unpack(tmp_path / name, tmp_path / "to")
    assert names(tmp_path / "to") == []


def test_without_the_filter_of_later_pythons_no_tar_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.delattr(tarfile, "data_filter")
    monkeypatch.setattr(unpacking, "FILTER_ERROR", ())
    (tmp_path / "t.tgz").write_bytes(PACKED["t.tgz"])
    with pytest.raises(DownloadError, match=r"Python 3.11.4 or later is needed; unpack it by hand"):
        unpack(tmp_path / "t.tgz", tmp_path / "to")


def test_where_nothing_can_be_written_more_space_is_no_help(server, tmp_path, monkeypatch):
    (tmp_path / "t.zip").write_bytes(PACKED["t.zip"])

    def refuse(*args):
        raise OSError(13, "Permission denied")

    monkeypatch.setattr(zipfile.ZipFile, "extract", refuse)
    expected = rf"{tmp_path / 'to'} \(Permission denied\); choose another folder"
    with pytest.raises(DownloadError, match=expected):
        unpack(tmp_path / "t.zip", tmp_path / "to")
    monkeypatch.setattr(transfer, "_chunks", refuse)
    expected = r"x\.bin: cannot be written \(Permission denied\); choose another folder"
    with pytest.raises(DownloadError, match=expected):
        fetch_archive(published(server), tmp_path)


@pytest.mark.parametrize("name", ["t.zip", "t.tar"])
def test_what_does_not_fit_is_not_begun(tmp_path, monkeypatch, name):
    (tmp_path / name).write_bytes(PACKED[name])
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage)
    with pytest.raises(
        DownloadError, match=rf"{tmp_path}/to: unpacking {name} needs .* kB, and 1.0 kB"
    ):
        unpack(tmp_path / name, tmp_path / "to")


def test_a_file_that_says_to_be_larger_than_the_disk_is_not_begun(tmp_path):
    bomb = tarfile.TarInfo("Tiny/bomb.wav")
    bomb.size = 1 << 60
    (tmp_path / "t.tgz").write_bytes(gzip.compress(bomb.tobuf()))
    with pytest.raises(DownloadError, match=r"to: unpacking Tiny/bomb.wav of t.tgz needs .* TB"):
        unpack(tmp_path / "t.tgz", tmp_path / "to")
    assert names(tmp_path / "to") == []


@pytest.mark.parametrize("name", ["t.zip", "t.tar"])
def test_an_archive_cannot_say_that_others_are_unpacked(tmp_path, name):
    pack = packed_zip if name == "t.zip" else packed_tar
    content = pack({".speakergmm/other.tgz.unpacked": b"{}", "Tiny/1.wav": b"1"})
    (tmp_path / name).write_bytes(content)
    with pytest.raises(
        DownloadError, match=r"holds '\.speakergmm', which would be written outside"
    ):
        unpack(tmp_path / name, tmp_path / "to")
    assert files_in(tmp_path / "to") == {}


def test_a_disk_that_fills_up_while_unpacking_leaves_nothing(tmp_path, monkeypatch):
    (tmp_path / "t.zip").write_bytes(PACKED["t.zip"])

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "extract", full)
    with pytest.raises(
        DownloadError, match=r"cannot be unpacked into .* \(No space left on device\); free some"
    ):
        unpack(tmp_path / "t.zip", tmp_path / "to")
    assert files_in(tmp_path / "to") == {}


# --- whole corpora ---


@pytest.fixture
def tiny(server):
    """A corpus of two archives and a list."""
    server.files = {
        "one.zip": packed_zip({"Tiny/1.wav": b"1"}),
        "two.tgz": packed_tar({"Tiny/2.wav": b"2"}),
        "list.txt": b"1 2",
    }
    archives = []
    for name, part in (("one.zip", "first"), ("two.tgz", "second"), ("list.txt", "lists")):
        known = published(server, name)
        archives.append(Archive(known.url, part, known.n_bytes, known.digest))
    return corpus_of(*archives)


def test_a_corpus_is_fetched_unpacked_and_then_there(server, tiny, tmp_path):
    done = download_corpus(tiny, tmp_path)
    assert [one.was_there for one in done] == [False] * 3
    assert [one.contents for one in done] == [
        (tmp_path / "Tiny",), (tmp_path / "Tiny",), (tmp_path / "list.txt",),
    ]  # fmt: skip
    assert files_in(tmp_path / "Tiny") == {"1.wav": b"1", "2.wav": b"2"}
    assert names(tmp_path) == ["Tiny", "list.txt", "one.zip", "two.tgz"]
    server.requests.clear()
    made = (tmp_path / "Tiny" / "1.wav").stat().st_mtime_ns
    assert all(one.was_there for one in download_corpus(tiny, tmp_path))
    assert (tmp_path / "Tiny" / "1.wav").stat().st_mtime_ns == made
    assert server.requests == []
    assert bytes_to_get(tiny.archives, tmp_path) == 0


def test_parts_are_chosen_by_name(server, tiny, tmp_path):
    assert len(choose_archives(tiny)) == 3
    done = download_corpus(tiny, tmp_path, parts=["second"])
    assert [one.archive.name for one in done] == ["two.tgz"]
    assert names(tmp_path) == ["Tiny", "two.tgz"]
    with pytest.raises(MissingError, match=r"tiny: no part 'secnd'; did you mean 'second'\?"):
        choose_archives(tiny, ["secnd"])
    with pytest.raises(MissingError, match="tiny: no part 'x'; the parts are first, second, lists"):
        choose_archives(tiny, ["x"])


def test_archives_may_go_when_they_are_unpacked(server, tiny, tmp_path):
    download_corpus(tiny, tmp_path, keep_archives=False)
    assert names(tmp_path) == ["Tiny", "list.txt"]
    server.requests.clear()
    assert all(one.was_there for one in download_corpus(tiny, tmp_path, keep_archives=False))
    assert server.requests == []


def test_what_was_unpacked_and_is_gone_is_unpacked_again(server, tiny, tmp_path):
    download_corpus(tiny, tmp_path)
    shutil.rmtree(tmp_path / "Tiny")
    server.requests.clear()
    # Also when only a part was asked for in between, which makes the folder anew.
    download_corpus(tiny, tmp_path, parts=["first"])
    download_corpus(tiny, tmp_path)
    assert files_in(tmp_path / "Tiny") == {"1.wav": b"1", "2.wav": b"2"}
    assert server.requests == []


def test_what_is_gone_deep_inside_comes_back_when_the_note_is_removed(server, tmp_path):
    server.files["t.zip"] = PACKED["t.zip"]
    corpus = corpus_of(published(server, "t.zip"))
    download_corpus(corpus, tmp_path)
    kept = tmp_path / "Tiny" / "b" / "2.wav"
    made = kept.stat().st_mtime_ns
    (tmp_path / "Tiny" / "a" / "1.wav").unlink()
    assert download_corpus(corpus, tmp_path)[0].was_there
    (tmp_path / ".speakergmm" / "t.zip.unpacked").unlink()
    assert not download_corpus(corpus, tmp_path)[0].was_there
    assert {name: files_in(tmp_path)[name] for name in FILES} == FILES
    assert kept.stat().st_mtime_ns == made


@pytest.fixture
def shared(server):
    """A corpus of archives that share a folder, and one more that shares a folder in it."""
    server.files = {
        f"{part}.tgz": packed_tar({f"Libri/{part}/1.wav": part.encode(), "Libri/README": b"r"})
        for part in ("clean", "other")
    }
    server.files["more.tgz"] = packed_tar({"Libri/clean/2.wav": b"2", "Libri/README": b"r"})
    return corpus_of(
        *(
            Archive(f"{server.url}/{name}", name.partition(".")[0])
            for name in ("clean.tgz", "other.tgz", "more.tgz")
        )
    )


@pytest.mark.parametrize("order", [("clean", "other", "more"), ("other", "more", "clean")])
@pytest.mark.parametrize("gone", ["clean", "other"])
def test_what_is_gone_of_a_folder_that_archives_share_is_seen(
    server, shared, tmp_path, order, gone
):
    for part in order:
        download_corpus(shared, tmp_path, parts=[part])
    whole = files_in(tmp_path / "Libri")
    assert all(one.was_there for one in download_corpus(shared, tmp_path))
    shutil.rmtree(tmp_path / "Libri" / gone)
    (done,) = download_corpus(shared, tmp_path, parts=[gone])
    assert not done.was_there
    assert done.contents == (tmp_path / "Libri",)
    assert (tmp_path / "Libri" / gone / "1.wav").read_bytes() == gone.encode()
    done = download_corpus(shared, tmp_path)
    assert [one.archive.part for one in done if not one.was_there] == (
        ["more"] if gone == "clean" else []
    )
    assert files_in(tmp_path / "Libri") == whole


def test_a_link_that_leads_nowhere_is_there_nevertheless(server, tmp_path):
    server.files["l.tgz"] = packed_tar({"Libri/l": link("Libri/l", "later"), "Libri/a": b"a"})
    corpus = corpus_of(archive_at(server, "l.tgz"))
    download_corpus(corpus, tmp_path)
    assert (tmp_path / "Libri" / "l").is_symlink()
    assert download_corpus(corpus, tmp_path)[0].was_there


def test_a_note_of_an_earlier_version_holds(server, shared, tmp_path):
    download_corpus(shared, tmp_path, parts=["clean"])
    path = tmp_path / ".speakergmm" / "clean.tgz.unpacked"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"contents": ["Libri"]}))
    (done,) = download_corpus(shared, tmp_path, parts=["clean"])
    assert done.was_there
    assert done.contents == (tmp_path / "Libri",)


def test_the_hash_of_a_file_that_changed_is_the_new_one(server, shared, tmp_path):
    (first,) = download_corpus(shared, tmp_path, parts=["clean"])
    assert first.sha256_before == ""
    shutil.rmtree(tmp_path / "Libri")
    first.path.unlink()
    server.files["clean.tgz"] = packed_tar({"Libri/clean/1.wav": b"changed"})
    (second,) = download_corpus(shared, tmp_path, parts=["clean"])
    assert second.sha256 == hashlib.sha256(server.files["clean.tgz"]).hexdigest()
    assert second.sha256_before == first.sha256
    (third,) = download_corpus(shared, tmp_path, parts=["clean"])
    assert (third.was_there, third.sha256, third.sha256_before) == (True, second.sha256, "")
    # Another file put there by hand.
    shutil.rmtree(tmp_path / "Libri")
    by_hand = packed_tar({"Libri/clean/1.wav": b"mine"})
    first.path.write_bytes(by_hand)
    (fourth,) = download_corpus(shared, tmp_path, parts=["clean"])
    assert fourth.sha256 == hashlib.sha256(by_hand).hexdigest()
    assert fourth.sha256_before == second.sha256
    assert (tmp_path / "clean.tgz.sha256").read_text() == f"{fourth.sha256}  clean.tgz\n"


def test_an_archive_that_is_published_anew_is_fetched_anew(server, tiny, tmp_path):
    download_corpus(tiny, tmp_path, parts=["first"], keep_archives=False)
    server.files["one.zip"] = packed_zip({"Tiny/1.wav": b"1", "Tiny/new.wav": b"new"})
    download_corpus(corpus_of(published(server, "one.zip")), tmp_path)
    assert files_in(tmp_path / "Tiny") == {"1.wav": b"1", "new.wav": b"new"}


@pytest.mark.parametrize("moment", ["extracting", "moving"])
def test_killed_while_unpacking_the_next_run_repairs_it(server, tmp_path, moment):
    server.files["t.zip"] = PACKED["t.zip"]
    archive = published(server, "t.zip")
    fetch_archive(archive, tmp_path)
    # So that files move one by one.
    (tmp_path / "Tiny").mkdir()
    program = (
        "import os, shutil, sys, zipfile\n"
        "from speakergmm.corpora.downloads import unpack\n"
        "owner, name = {'extracting': (zipfile.ZipFile, 'extract'), 'moving': (shutil, 'move')}"
        f"[{moment!r}]\n"
        "do, calls = getattr(owner, name), []\n"
        "def die(*args):\n"
        "    calls.append(args)\n"
        "    if len(calls) == 2: os.kill(os.getpid(), 9)\n"
        "    return do(*args)\n"
        "setattr(owner, name, die)\n"
        "unpack(sys.argv[1] + '/t.zip', sys.argv[1])\n"
    )
    ended = subprocess.run([sys.executable, "-c", program, tmp_path], check=False)
    assert ended.returncode == -9
    assert (tmp_path / ".speakergmm" / "t.zip.unpacking").exists()
    assert len(files_in(tmp_path / "Tiny")) == (0 if moment == "extracting" else 1)
    download_corpus(corpus_of(archive), tmp_path)
    assert files_in(tmp_path / "Tiny") == {
        name.removeprefix("Tiny/"): content for name, content in FILES.items()
    }
    assert names(tmp_path / ".speakergmm") == [".lock", "t.zip.unpacked"]


def test_a_note_that_is_damaged_is_no_note(server, tiny, tmp_path):
    download_corpus(tiny, tmp_path)
    for note in (tmp_path / ".speakergmm").glob("*.unpacked"):
        note.write_text("{" if "one" in note.name else json.dumps([1]))
    assert not any(one.was_there for one in download_corpus(tiny, tmp_path)[:2])


def test_two_runs_into_one_folder_are_kept_apart(server, tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "fetch_unlocked", lambda *args: download_corpus(tiny, tmp_path))
    with pytest.raises(OutputError, match="another run works here"):
        download_corpus(tiny, tmp_path)


def test_every_archive_has_the_name_of_one():
    archives = [archive for corpus in CORPORA.values() for archive in corpus.archives]
    assert len(archives) > 20
    assert not [
        a.url for a in archives if not a.name.endswith((".zip", ".tgz", ".gz", ".txt", ".csv"))
    ]


def test_of_a_licensed_corpus_it_is_said_what_to_get_and_where():
    corpus = corpus_of(
        name="timit",
        licence="LDC, for a fee",
        home="https://catalog.ldc.upenn.edu/LDC93S1",
        how_to_get="order LDC93S1 from the Linguistic Data Consortium and unpack it",
    )
    expected = (
        r"timit is not free to fetch \(LDC, for a fee\): order LDC93S1 from the Linguistic Data "
        r"Consortium and unpack it. See https://catalog.ldc.upenn.edu/LDC93S1. Then: speakergmm "
        "corpus prepare timit FOLDER --output lists"
    )
    with pytest.raises(DownloadError, match=expected):
        choose_archives(corpus)


def test_unknown_corpora_are_said_with_the_nearest_name():
    with pytest.raises(MissingError, match="no corpus 'no-such-corpus'; "):
        known_corpus("no-such-corpus")


@pytest.mark.parametrize(
    ("n_bytes", "text"),
    [
        (0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (12_345, "12 kB"),
        (999_499, "999 kB"), (999_500, "1.0 MB"), (6_387_309_499, "6.4 GB"),
        (60_000_000_000, "60 GB"), (1_500_000_000_000_000, "1,500 TB"),
    ],
)  # fmt: skip
def test_sizes_are_said_as_a_person_would(n_bytes, text):
    assert readable_size(n_bytes) == text

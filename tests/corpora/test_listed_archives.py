"""Corpora of thousands of archives, which a page lists."""

from __future__ import annotations

import dataclasses
import io
import socket
import tarfile

import pytest
from file_server import FileServer, serving

from speakergmm.corpora.downloads import download_corpus
from speakergmm.corpora.known import known_corpus
from speakergmm.corpora.listed_archives import with_archives
from speakergmm.errors import DownloadError


def packed(name):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for inside in ("etc/README", "wav/a0001.wav"):
            data = b"User Name:Aaron\n"
            about = tarfile.TarInfo(f"{name}/{inside}")
            about.size = len(data)
            archive.addfile(about, io.BytesIO(data))
    return content.getvalue()


NAMES = ("Aaron-20080318-kdl", "anonymous-20100502-a+b")
PAGE = b"""<html><body><a href="?C=N;O=D">Name</a> <a href="/up/">Parent</a>
<a href="Aaron-20080318-kdl.tgz">Aaron-20080318-kdl.tgz</a>
<a href="anonymous-20100502-a%2Bb.tgz">anonymous</a> <a href="notes.txt">notes</a>
<a href="other/x.tgz">elsewhere</a> <a>no address</a></body></html>"""


@pytest.fixture
def corpus():
    return known_corpus("voxforge")


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    files = {f"{name}.tgz": packed(name) for name in NAMES}
    with serving(FileServer(files | {"": PAGE, "empty/": b"<html></html>"})) as running:
        yield running


def test_those_of_a_page_are_got_and_unpacked(corpus, server, tmp_path):
    listed = with_archives(dataclasses.replace(corpus, index=server.url))
    assert [archive.name for archive in listed.archives] == [f"{name}.tgz" for name in NAMES]
    done = download_corpus(listed, tmp_path)
    assert [one.was_there for one in done] == [False, False]
    assert (tmp_path / NAMES[0] / "etc/README").read_text() == "User Name:Aaron\n"
    assert all(one.was_there for one in download_corpus(listed, tmp_path))


def test_a_mirror_may_be_a_folder(corpus, tmp_path):
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    for name in NAMES:
        (mirror / f"{name}.tgz").write_bytes(packed(name))
    (mirror / "notes.txt").write_text("x")
    listed = with_archives(corpus, str(mirror))
    download_corpus(listed, tmp_path / "copy", mirror=str(mirror))
    assert {path.name for path in (tmp_path / "copy").iterdir() if path.is_dir()} == {
        *NAMES, ".speakergmm",
    }  # fmt: skip
    assert len(corpus.scan(tmp_path / "copy").utterances) == 2


def test_corpora_whose_archives_are_known_are_left_as_they_are():
    known = known_corpus("audiomnist")
    assert with_archives(known, "nowhere") is known


def test_a_page_without_archives(corpus, server):
    place = f"{server.url}/empty/"
    with pytest.raises(DownloadError, match=r"empty/: no archives listed; expected those of voxf"):
        with_archives(corpus, place)


def test_what_a_page_links_to_that_cannot_be_a_file(corpus, server):
    server.files["odd/"] = (
        b'<a href="http://[::1/a.tgz"> <a href="%00.tgz"> <a href="..tgz"> <a href="a.tgz">'
    )
    listed = with_archives(corpus, f"{server.url}/odd")
    assert [archive.name for archive in listed.archives] == ["a.tgz"]


def test_a_mirror_may_be_the_address_of_a_folder(corpus, tmp_path):
    (tmp_path / "a.tgz").write_bytes(b"")
    assert [a.name for a in with_archives(corpus, tmp_path.as_uri()).archives] == ["a.tgz"]
    nowhere = (tmp_path / "no").as_uri()
    with pytest.raises(DownloadError, match=r"no: cannot be read \(No such file.*; expected a fol"):
        with_archives(corpus, nowhere)


def test_a_page_that_leads_to_no_address(corpus, server):
    server.redirects["led"] = "http://a..b/"
    server.redirects["led/"] = "http://a..b/"
    with pytest.raises(DownloadError, match=r"cannot be reached \(Failed to parse: 'a..b'"):
        with_archives(corpus, f"{server.url}/led")


def test_a_page_that_is_not_there(corpus, server):
    with pytest.raises(DownloadError, match=r"nowhere/: 404; give another place .* by hand: the"):
        with_archives(corpus, f"{server.url}/nowhere/")


def test_a_server_that_is_not_there(corpus, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{unused.getsockname()[1]}"
    with pytest.raises(DownloadError, match=f"{host} cannot be reached .the connection is refuse"):
        with_archives(corpus, f"http://{host}/x")


def test_the_command(cli, corpus, server, tmp_path):
    answer = cli("corpus", "download", "voxforge", tmp_path, "--mirror", server.url,
                 "--yes", "--quiet")  # fmt: skip
    assert answer.status == 0, answer.err
    assert "2 files" in answer.out
    assert f"next: speakergmm corpus prepare voxforge {tmp_path} --output lists" in answer.out

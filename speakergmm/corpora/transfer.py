"""From a server or a folder into a part of a file, continued where it was cut off."""

from __future__ import annotations

import json
import re
import shutil
import time
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from speakergmm.corpora.connection_errors import reason_of, wait_asked_for
from speakergmm.errors import DownloadError
from speakergmm.files import readable_size, write_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from speakergmm.corpora.known.corpus import Archive
    from speakergmm.progress import Progress

CHUNK = 1 << 20
# Of a slow connection, what has come of a chunk is lost with it.
CHUNK_OF_NETWORK = 1 << 16
CONNECT_S, READ_S = 20.0, 60.0

# Waits before what was cut off is taken up again; counted anew when an attempt has got further.
RETRY_AFTER_S = (1.0, 4.0, 10.0)
FURTHER = 1 << 20

# A server that asks for a longer one is not waited for.
LONGEST_WAIT_S = 120.0

# What a server says that is overloaded, or being restarted.
BUSY = frozenset({408, 429, 500, 502, 503, 504})
MEGABYTE = 1_000_000


class _CutOffError(Exception):
    """An attempt ended early; another may go on from there, after what the server asks to wait."""

    def __init__(self, reason: str, wait_s: float = 0.0) -> None:
        super().__init__(f"{reason}, and asks to wait {wait_s:,.0f} s" if wait_s else reason)
        self.wait_s = wait_s


@dataclass(frozen=True, slots=True)
class _Validators:
    """What tells a file on a server from another that takes its place later."""

    url: str
    etag: str = ""
    last_modified: str = ""

    @property
    def if_range(self) -> str:
        """What to send along with the wish for the rest; weak tags are not allowed there."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.last_modified

    def is_other_than(self, noted: _Validators) -> bool:
        """Tell whether both say something, and not the same."""
        pairs = ((self.etag, noted.etag), (self.last_modified, noted.last_modified))
        return any(mine and its and mine != its for mine, its in pairs)


class Megabytes:
    """Reports bytes as steps of a megabyte, and never goes back."""

    def __init__(self, progress: Progress, task: str) -> None:
        self.progress, self.task, self.done, self.is_started = progress, task, 0, False

    def start(self, total: int | None) -> None:
        """Say how much there will be, the first time that this is known."""
        if not self.is_started:
            steps = None if total is None else max(1, total // MEGABYTE)
            self.progress.start(f"{self.task}, MB", steps)
        self.is_started = True

    def at(self, n_bytes: int) -> None:
        """Say how much is there."""
        steps = n_bytes // MEGABYTE - self.done
        if steps > 0:
            self.progress.advance(steps)
            self.done += steps


def size_of(path: Path) -> int:
    """Give the bytes of a file; 0 where there is none."""
    return path.stat().st_size if path.is_file() else 0


def check_space(folder: Path, n_bytes: int, what: str) -> None:
    """Refuse to begin what would fill the disk.

    Raises
    ------
    DownloadError
        With how much is needed, and how much is free.
    """
    free = shutil.disk_usage(folder).free
    if n_bytes > free:
        raise DownloadError(
            f"{folder}: {what} needs {readable_size(n_bytes)}, and {readable_size(free)} are free; "
            "free some space, or choose another folder"
        )


class Transfer:
    """The way of one file into a part, which stays when it is interrupted.

    Parameters
    ----------
    archive : Archive
        What is wanted; a published digest makes it safe to continue what came from elsewhere.
    part, notes : path
        What is there of it, and of which file on the server that is.
    progress : Progress
        Told of megabytes.
    """

    def __init__(self, archive: Archive, part: Path, notes: Path, progress: Progress) -> None:
        self.archive, self.part, self.notes = archive, part, notes
        self.bytes = Megabytes(progress, f"getting {archive.name}")
        self.progress = progress
        self.total: int | None = archive.n_bytes
        self.was_reached = False

    def copy(self, source: Path) -> None:
        """Copy the file from a folder, from its beginning.

        Raises
        ------
        DownloadError
            When it is not there, has another size than is known, or would fill the disk.
        """
        if not source.is_file():
            raise DownloadError(f"{source}: no such file; expected the mirror to hold it")
        self._expect(source.stat().st_size, str(source))
        self._forget()
        check_space(self.part.parent, source.stat().st_size, self.archive.name)
        self.bytes.start(self.total)
        with source.open("rb") as file, self.part.open("wb") as copied:
            while chunk := file.read(CHUNK):
                copied.write(chunk)
                self.bytes.at(copied.tell())

    def download(self, url: str) -> None:
        """Get the rest of the file, or all of it, by as many attempts as it takes.

        Raises
        ------
        DownloadError
            When the server cannot be reached, refuses, gives another file than is known, or cuts
            the transfer off again and again; when the file would fill the disk.
        """
        n_failed = 0
        while True:
            before = size_of(self.part)
            if before and before == self.archive.n_bytes:
                return
            try:
                self._attempt(url)
                return
            except _CutOffError as error:
                n_failed = 1 if size_of(self.part) >= before + FURTHER else n_failed + 1
                if n_failed > len(RETRY_AFTER_S) or error.wait_s > LONGEST_WAIT_S:
                    raise self._given_up(url, error) from None
                self.progress.note(f"{error}; trying again")
                time.sleep(max(error.wait_s, RETRY_AFTER_S[n_failed - 1]))

    def _given_up(self, url: str, error: _CutOffError) -> DownloadError:
        n_bytes = size_of(self.part)
        if not n_bytes:
            return DownloadError(
                f"{url}: nothing comes ({error}); run the same command again later, or "
                + self._by_hand()
            )
        of = "" if self.total is None else f" of {readable_size(self.total)}"
        return DownloadError(
            f"{url}: cut off at {readable_size(n_bytes)}{of} ({error}); what has come "
            "is kept: run the same command to continue"
        )

    def _attempt(self, url: str) -> None:
        """Ask for what is missing, and take what comes.

        Raises
        ------
        _CutOffError
            When it ends early.
        """
        import requests

        noted = self._noted()
        start = size_of(self.part) if self._can_continue(url, noted) else 0
        # As it is, not packed for the way: sizes and ranges are those of the file.
        headers = {"Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
            if noted is not None and noted.url == url and noted.if_range:
                headers["If-Range"] = noted.if_range
        try:
            response = requests.get(url, headers=headers, stream=True, timeout=(CONNECT_S, READ_S))
        except (requests.RequestException, ValueError) as error:
            # Of an address that no server can have, some are only found here: ValueError.
            if self.was_reached:
                raise _CutOffError(reason_of(error)) from None
            raise self._unreachable(url, error) from None
        self.was_reached = True
        with response:
            found = _Validators(
                url, response.headers.get("ETag", ""), response.headers.get("Last-Modified", "")
            )
            if response.status_code == HTTPStatus.OK:
                # All of it: the server does not know ranges, or has another file by now.
                start = 0
            elif start and not self._goes_on(response, start, noted, found):
                self._forget()
                self._attempt(url)
                return
            # Of what has come to its end already, nothing is left to be given.
            is_whole = response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and start
            if not is_whole:
                self._check_answer(response, url)
                self._take(response, start, found)

    def _can_continue(self, url: str, noted: _Validators | None) -> bool:
        """Tell whether what is there may be the beginning of what the address gives."""
        is_same = noted is not None and noted.url == url
        return is_same or self.archive.digest is not None

    def _goes_on(
        self, response: Any, start: int, noted: _Validators | None, found: _Validators
    ) -> bool:
        """Tell whether an answer is the rest of what is there, which may be nothing."""
        content_range = response.headers.get("Content-Range", "")
        if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return bool(re.fullmatch(rf"bytes \*/{start}", content_range))
        if response.status_code == HTTPStatus.PARTIAL_CONTENT:
            changed = noted is not None and noted.url == found.url and found.is_other_than(noted)
            return content_range.startswith(f"bytes {start}-") and not changed
        # An error says nothing of what is there.
        return True

    def _check_answer(self, response: Any, url: str) -> None:
        status = response.status_code
        said = f"the server answers {status} ({response.reason})"
        if status in BUSY:
            raise _CutOffError(said, wait_asked_for(response.headers.get("Retry-After", "")))
        if status not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
            raise DownloadError(f"{url}: {said}; {self._by_hand()}")
        if self.archive.digest is None and not _is_as_safe(response.url, url):
            raise DownloadError(
                f"{url}: redirects to {response.url}, which is not encrypted, and no hash is "
                f"published that could tell the file from another; {self._by_hand()}"
            )
        kind = response.headers.get("Content-Type", "")
        if kind.startswith("text/html") and not self.archive.name.endswith((".html", ".htm")):
            raise DownloadError(
                f"{url}: the server gives a web page; expected {self.archive.name}: it may ask to "
                f"log in, or to accept terms; {self._by_hand()}"
            )

    def _take(self, response: Any, start: int, found: _Validators) -> None:
        """Write what comes behind what is there."""
        total = _total(response, start)
        if total is not None:
            self._expect(total, found.url)
            check_space(self.part.parent, total - start, self.archive.name)
        if start == 0:
            # Before the notes change, so that they never speak of another file's beginning.
            self._forget()
        if not self.notes.exists():
            write_json(self.notes, asdict(found))
        self.bytes.start(self.total)
        self.bytes.at(start)
        with self.part.open("ab") as file:
            for chunk in _chunks(response):
                file.write(chunk)
                self.bytes.at(file.tell())
        if total is not None and size_of(self.part) < total:
            raise _CutOffError("the connection was closed")

    def _expect(self, total: int, place: str) -> None:
        if self.archive.n_bytes is not None and total != self.archive.n_bytes:
            raise DownloadError(
                f"{place}: has {total:,} bytes, expected {self.archive.n_bytes:,}: it is another "
                "file, or another version; try another --mirror, or see the corpus's home page"
            )
        self.total = total

    def _noted(self) -> _Validators | None:
        try:
            return _Validators(**json.loads(self.notes.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def _forget(self) -> None:
        self.part.unlink(missing_ok=True)
        self.notes.unlink(missing_ok=True)

    def _unreachable(self, url: str, error: Exception) -> DownloadError:
        host = urlsplit(url).netloc or url
        return DownloadError(
            f"{host} cannot be reached ({reason_of(error)}); check the network, or "
            + self._by_hand()
        )

    def _by_hand(self) -> str:
        return (
            f"get {self.archive.name} from {self.archive.url} with a browser, put it into "
            f"{self.part.parent}, and run the same command again"
        )


def _is_as_safe(there: str, url: str) -> bool:
    return there.startswith("https:") or not url.startswith("https:")


def _total(response: Any, start: int) -> int | None:
    """Give the size of the whole file, where an answer says it; some give a range in pieces."""
    in_range = re.search(r"/(\d+)$", response.headers.get("Content-Range", ""))
    if in_range:
        return int(in_range[1])
    length = response.headers.get("Content-Length", "")
    return start + int(length) if length.isdigit() else None


def _chunks(response: Any) -> Iterator[bytes]:
    """Yield the bytes as they were sent, also where the server says that they are packed.

    Raises
    ------
    _CutOffError
        When the connection ends early. What cannot be written is not caught here.
    """
    import urllib3

    stream = response.raw.stream(CHUNK_OF_NETWORK, decode_content=False)
    while True:
        try:
            chunk = next(stream, b"")
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise _CutOffError(reason_of(error)) from None
        if not chunk:
            return
        yield chunk

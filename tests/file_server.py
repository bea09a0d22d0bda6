"""A web server on the loopback address that holds a few files, and can be told to behave badly."""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote


@dataclass
class Request:
    """What was asked, and what was answered."""

    path: str
    range: str | None
    if_range: str | None
    status: int = 0
    n_bytes: int = 0


@dataclass
class FileServer:
    """Files by name, how they are served, and what was asked so far.

    ``cut_after`` takes one number a request: the bytes after which the connection is closed.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    etag: str = '"one"'
    last_modified: str = ""
    knows_ranges: bool = True
    says_length: bool = True
    # Of a range, no more than so many bytes are given at a time.
    most_of_a_range: int | None = None
    kind: str = "application/octet-stream"
    cut_after: list[int] = field(default_factory=list)
    # Answered, one a request, before anything else.
    errors: list[int] = field(default_factory=list)
    # Said along with these.
    retry_after: str = ""
    redirects: dict[str, str] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def n_served(self) -> list[int]:
        return [request.n_bytes for request in self.requests]

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        asked = Request(
            unquote(handler.path).lstrip("/"), handler.headers["Range"], handler.headers["If-Range"]
        )
        self.requests.append(asked)
        if self.errors:
            headers = {"Retry-After": self.retry_after} if self.retry_after else {}
            self._head(handler, asked, self.errors.pop(0), {"Content-Length": "0", **headers})
        elif asked.path in self.redirects:
            there = {"Location": self.redirects[asked.path], "Content-Length": "0"}
            self._head(handler, asked, 302, there)
        elif asked.path not in self.files:
            self._head(handler, asked, 404, {"Content-Length": "0"})
        else:
            self._give(handler, asked, self.files[asked.path])

    def _give(self, handler, asked: Request, content: bytes) -> None:
        headers = {"Content-Type": self.kind}
        headers |= {"ETag": self.etag} if self.etag else {}
        headers |= {"Last-Modified": self.last_modified} if self.last_modified else {}
        is_same = asked.if_range in (None, self.etag, self.last_modified)
        start, status = 0, 200
        if asked.range and self.knows_ranges and is_same:
            start = int(re.fullmatch(r"bytes=(\d+)-", asked.range)[1])
            if start >= len(content):
                headers |= {"Content-Range": f"bytes */{len(content)}", "Content-Length": "0"}
                self._head(handler, asked, 416, headers)
                return
            status = 206
        body = content[start:]
        if status == 206:
            body = body[: self.most_of_a_range]
            headers["Content-Range"] = f"bytes {start}-{start + len(body) - 1}/{len(content)}"
        if self.says_length:
            headers["Content-Length"] = str(len(body))
        self._head(handler, asked, status, headers)
        cut = self.cut_after.pop(0) if self.cut_after else len(body)
        asked.n_bytes = len(body[:cut])
        handler.wfile.write(body[:cut])

    def _head(self, handler, asked: Request, status: int, headers: dict[str, str]) -> None:
        asked.status = status
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()


@contextmanager
def serving(server: FileServer):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            server.answer(self)

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        server.port = listening.server_port
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            listening.shutdown()
            thread.join()

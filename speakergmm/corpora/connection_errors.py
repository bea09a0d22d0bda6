"""Why there is no connection, in a few words."""

from __future__ import annotations

import http.client
import socket
import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def reason_of(error: BaseException) -> str:
    """Say why an address cannot be reached, or why what it gave has ended early."""
    import requests
    import urllib3

    chain = list(_chain(error))
    for kind, words in (
        (socket.gaierror, "its name cannot be resolved"),
        (ConnectionRefusedError, "the connection is refused"),
        (ssl.SSLError, "its certificate or encryption is not accepted"),
        ((requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError), "no answer in time"),
        (requests.TooManyRedirects, "it redirects without end"),
        ((http.client.IncompleteRead, ConnectionError), "the connection was closed"),
        (http.client.HTTPException, "its answer is not that of a web server"),
    ):
        if any(isinstance(link, kind) for link in chain):
            return words
    return next((e.strerror for e in chain if isinstance(e, OSError) and e.strerror), str(error))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Follow an error to what it came from."""
    while error is not None:
        yield error
        for inner in (getattr(error, "reason", None), *error.args):
            if isinstance(inner, BaseException):
                yield inner
        error = error.__cause__ or error.__context__

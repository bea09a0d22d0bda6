"""Why there is no connection, in a few words, and how long a server asks to wait."""

from __future__ import annotations

import email.utils
import http.client
import socket
import ssl
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def reason_of(error: BaseException) -> str:
    """Say why an address cannot be reached, or why what it gave has ended early."""
    import requests
    import urllib3

    chain = list(_chain(error))
    for kind, words in (
        (requests.exceptions.ProxyError, "the proxy of HTTPS_PROXY or HTTP_PROXY does not work"),
        (socket.gaierror, "its name cannot be resolved"),
        (ConnectionRefusedError, "the connection is refused"),
        (ssl.SSLError, "its certificate or encryption is not accepted"),
        ((requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError), "no answer in time"),
        (requests.TooManyRedirects, "it redirects without end"),
        (requests.exceptions.InvalidSchema, "it redirects to what is not http or https"),
        ((http.client.IncompleteRead, ConnectionError), "the connection was closed"),
        (http.client.HTTPException, "its answer is not that of a web server"),
    ):
        if any(isinstance(link, kind) for link in chain):
            return words
    return next((e.strerror for e in chain if isinstance(e, OSError) and e.strerror), str(error))


def wait_asked_for(retry_after: str) -> float:
    """Read the header Retry-After, seconds or a date, as seconds from now; 0 where it says none."""
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        then = email.utils.parsedate_to_datetime(retry_after)
    except ValueError:
        return 0.0
    # A date without a zone is one of the world's.
    then = then if then.tzinfo else then.replace(tzinfo=UTC)
    return max(0.0, (then - datetime.now(UTC)).total_seconds())


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Follow an error to what it came from."""
    while error is not None:
        yield error
        for inner in (getattr(error, "reason", None), *error.args):
            if isinstance(inner, BaseException):
                yield inner
        error = error.__cause__ or error.__context__

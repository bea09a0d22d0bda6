"""Archives that are not known one by one, but listed on a page or in a folder."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urljoin, urlsplit

from speakergmm.corpora.connection_errors import reason_of
from speakergmm.corpora.known.corpus import Archive
from speakergmm.corpora.mirrors import mirror_place
from speakergmm.corpora.transfer import CONNECT_S, READ_S
from speakergmm.corpora.unpacking import is_packed
from speakergmm.errors import DownloadError

if TYPE_CHECKING:
    from speakergmm.corpora.known.corpus import KnownCorpus

PART = "all"


def with_archives(corpus: KnownCorpus, mirror: str | None = None) -> KnownCorpus:
    """Fill in the archives of a corpus that are listed on a page; others stay as they are.

    Parameters
    ----------
    mirror : str, optional
        Where the page's files lie instead: an address that lists them, or a folder.

    Raises
    ------
    DownloadError
        When the page cannot be reached, or lists no archive, or the mirror is none.
    """
    if corpus.archives or not corpus.index:
        return corpus
    place = mirror_place(corpus.index if mirror is None else mirror)
    if isinstance(place, Path):
        urls = _files(place)
    else:
        place += "/"
        urls = _links(corpus, place)
    archives = tuple(Archive(url, PART, file=_name(url)) for url in urls if _is_archive(_name(url)))
    if not archives:
        raise DownloadError(
            f"{place}: no archives listed; expected those of {corpus.name}, such as .tgz files: "
            f"see {corpus.home}"
        )
    return replace(corpus, archives=archives)


def _files(folder: Path) -> list[str]:
    """Give the addresses of what lies in a folder, sorted."""
    try:
        return [path.absolute().as_uri() for path in sorted(folder.iterdir())]
    except OSError as error:
        raise DownloadError(
            f"{folder}: cannot be read ({error.strerror}); expected a folder of archives"
        ) from None


def _name(url: str) -> str:
    return unquote(urlsplit(url).path).rpartition("/")[2]


def _is_archive(name: str) -> bool:
    # A page may say anything; not all of it can be the name of a file.
    return is_packed(name) and name.isprintable() and not name.startswith(".")


class _Links(HTMLParser):
    """Gathers where the links of a page lead."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, None] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take the address of a link."""
        target = dict(attrs).get("href") if tag == "a" else None
        if target:
            self.found[target] = None


def _links(corpus: KnownCorpus, page: str) -> list[str]:
    """Give the files that lie directly below a page and that it links to, sorted."""
    import requests

    try:
        response = requests.get(page, timeout=(CONNECT_S, READ_S))
    except (requests.RequestException, ValueError) as error:
        host = urlsplit(page).netloc or page
        raise DownloadError(
            f"{host} cannot be reached ({reason_of(error)}); check the network, or "
            + _by_hand(corpus)
        ) from None
    if not response.ok:
        raise DownloadError(f"{page}: {response.status_code}; {_by_hand(corpus)}")
    links = _Links()
    links.feed(response.text)
    urls = {url for target in links.found if (url := _joined(response.url, target))}
    return sorted(url for url in urls if url.rpartition("/")[0] == response.url.rstrip("/"))


def _joined(page: str, target: str) -> str:
    try:
        return urljoin(page, target)
    except ValueError:
        # No address at all.
        return ""


def _by_hand(corpus: KnownCorpus) -> str:
    return f"give another place that lists them (--mirror), or by hand: {corpus.how_to_get}"

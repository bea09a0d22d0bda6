"""What is known of a corpus: where it is to be had, what it holds, and how its folder looks."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from urllib.parse import urlsplit

from speakergmm.files import readable_size

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from speakergmm.corpora.lists import Lists
    from speakergmm.corpora.manifests import Utterances


# Of a corpus whose recordings are not among its archives.
LISTS_ONLY = "lists only"


@dataclass(frozen=True, slots=True)
class Archive:
    """A file that a corpus is fetched as.

    Parameters
    ----------
    url : str
        Where it is.
    part : str
        What to call it on the command line, where only some of a corpus is wanted.
    n_bytes : int, optional
        Its size, where it is published or was measured.
    digest : str, optional
        ``"sha256:..."`` or ``"md5:..."`` as published; None where none is.
    file : str, optional
        Its name, where the address ends in one that says nothing. Default: the end of the address.
    about_bytes : int, optional
        Its size roughly, where ``n_bytes`` is not known.
    """

    url: str
    part: str
    n_bytes: int | None = None
    digest: str | None = None
    file: str = ""
    about_bytes: int | None = None

    @property
    def name(self) -> str:
        """What the file is called on disk, and at a mirror."""
        return self.file or PurePosixPath(urlsplit(self.url).path).name

    def describe(self) -> str:
        """Say what it is called, how large it is and where, for a person."""
        return f"{self.part}: {self.url}" + (f" ({self.size})" if self.size else "")

    @property
    def size(self) -> str:
        """Say how large it is, as far as that is known; else ""."""
        if self.n_bytes is not None:
            return readable_size(self.n_bytes)
        return "" if self.about_bytes is None else f"about {readable_size(self.about_bytes)}"


class Scanned(NamedTuple):
    """What was found in a copy of a corpus: utterances by id, and what is to be said of them.

    The path of an utterance is relative to the corpus's folder.
    """

    utterances: Utterances
    notes: tuple[str, ...] = ()


class MakeLists(Protocol):
    """Makes the lists of a protocol.

    ``folder`` is the copy of the corpus, ``seed`` decides what is drawn.
    """

    def __call__(self, utterances: Utterances, folder: Path, seed: int) -> Lists:
        """Make them."""


@dataclass(frozen=True, slots=True)
class KnownProtocol:
    """Who enrolls, who is tested and who trains the background model.

    ``summary`` says it in a sentence, with the numbers that the whole corpus gives.
    """

    summary: str
    make: MakeLists


@dataclass(frozen=True, slots=True)
class KnownCorpus:
    """A corpus that many have.

    Parameters
    ----------
    name : str
        What the command line calls it.
    title, language, licence, home : str
        ``home`` is the page where it is described.
    n_speakers, n_utterances : int or None
        Of the whole corpus, as published; None where copies differ.
    hours : float or None
        Of recordings.
    cite : str
        Authors, year, title.
    layout : str
        A picture of the folder, for messages and the documentation.
    scan : callable
        Folder → `Scanned`; raises `ManifestError` naming what is missing or misnamed.
    protocols : mapping
        By name; the first is taken unless another is asked for.
    archives : tuple of Archive
        Where it is free to fetch; else empty.
    how_to_get : str
        What to get, and where: for those that are not free to fetch, and when a download fails.
    index : str
        Of a corpus of very many archives: the page that lists them.
    """

    name: str
    title: str
    language: str
    licence: str
    home: str
    n_speakers: int | None
    n_utterances: int | None
    hours: float | None
    cite: str
    layout: str
    scan: Callable[[Path], Scanned]
    protocols: Mapping[str, KnownProtocol]
    archives: tuple[Archive, ...] = field(default=())
    how_to_get: str = ""
    index: str = ""

    @property
    def to_be_had(self) -> str:
        """How it is to be had, in a word or two."""
        if self.archives and self.how_to_get and not self.index:
            return LISTS_ONLY
        return "download" if self.archives or self.index else "by hand"

    def describe(self) -> str:
        """Say all that is known of it, for a person."""
        command = f"speakergmm corpus download {self.name} FOLDER"
        how = command if self.index else self.how_to_get or command
        told = {
            "language": self.language,
            "size": self._size(),
            "licence": self.licence,
            "home": self.home,
            "cite": self.cite,
            "to be had": how,
        }
        facts = [
            self.title,
            *(f"{name}: {fact}" for name, fact in told.items() if fact),
            *(f"  {archive.describe()}" for archive in self.archives),
            "protocols:",
            *(f"  {name}: {known.summary}" for name, known in self.protocols.items()),
            "folder:",
            self.layout,
        ]
        return "\n".join(facts)

    def _size(self) -> str:
        """Say how large it is, as far as that is known."""
        counts = (("speakers", self.n_speakers), ("utterances", self.n_utterances))
        parts = [f"{count:,} {what}" for what, count in counts if count is not None]
        return ", ".join(parts if self.hours is None else [*parts, f"{self.hours:,.4g} hours"])

    def to_json(self) -> dict[str, Any]:
        """Give what is known of it as plain values."""
        plain = ("name", "title", "language", "licence", "home", "n_speakers", "n_utterances")
        return {
            **{name: getattr(self, name) for name in (*plain, "hours", "cite", "how_to_get")},
            "protocols": {name: known.summary for name, known in self.protocols.items()},
            "archives": [asdict(archive) for archive in self.archives],
        }

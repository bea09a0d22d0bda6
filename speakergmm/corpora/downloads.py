"""Corpora that are free to fetch: their archives got, checked and unpacked."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from speakergmm.corpora.fetching import (
    PART_SUFFIX,
    fetch_archive,
    fetch_unlocked,
    noted_digest,
)
from speakergmm.corpora.mirrors import mirror_place
from speakergmm.corpora.transfer import check_space, size_of
from speakergmm.corpora.unpacking import (
    STATE_FOLDER,
    is_packed,
    marker_of,
    note_unpacked,
    tops,
    unpack,
    unpack_listing,
    unpacked_before,
)
from speakergmm.errors import DownloadError, MissingError
from speakergmm.files import locked, remove
from speakergmm.progress import SILENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from speakergmm.corpora.known.corpus import Archive, KnownCorpus
    from speakergmm.progress import Progress

__all__ = [
    "Downloaded",
    "archives_to_get",
    "bytes_to_get",
    "choose_archives",
    "download_corpus",
    "fetch_archive",
    "unpack",
]


@dataclass(frozen=True, slots=True)
class Downloaded:
    """What became of an archive.

    Parameters
    ----------
    archive : Archive
    path : Path
        The file; it need not be kept.
    contents : tuple of Path
        What lay at its top, in its place; of a file that is no archive, the file.
    was_there : bool
        Whether an earlier run had done it.
    sha256 : str
        The digest that was found where none is published; else "".
    sha256_before : str
        Where an earlier run found another digest of a file of this name: that one; else "".
    """

    archive: Archive
    path: Path
    contents: tuple[Path, ...]
    was_there: bool
    sha256: str
    sha256_before: str


def choose_archives(corpus: KnownCorpus, parts: Sequence[str] = ()) -> tuple[Archive, ...]:
    """Give the archives of the parts wanted; without ``parts`` all.

    Raises
    ------
    DownloadError
        When the corpus is not free to fetch, with what to get and where.
    MissingError
        When it has no such part.
    """
    if not corpus.archives:
        what = f"is not free to fetch ({corpus.licence}): {corpus.how_to_get}. See {corpus.home}"
        if not corpus.home:
            what = f"is nowhere to be fetched: {corpus.how_to_get}"
        raise DownloadError(
            f"{corpus.name} {what}. Then: speakergmm corpus prepare {corpus.name} FOLDER --output "
            "lists"
        )
    known = list(dict.fromkeys(archive.part for archive in corpus.archives))
    for part in parts:
        if part not in known:
            near = difflib.get_close_matches(part, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"the parts are {', '.join(known)}"
            raise MissingError(f"{corpus.name}: no part {part!r}; {hint}")
    return tuple(archive for archive in corpus.archives if not parts or archive.part in parts)


def archives_to_get(archives: Sequence[Archive], folder: Path | str) -> tuple[Archive, ...]:
    """Give those that are not there yet."""
    folder = Path(folder)
    return tuple(
        archive
        for archive in archives
        if not (folder / archive.name).exists() and unpacked_before(archive, folder) is None
    )


def bytes_to_get(archives: Sequence[Archive], folder: Path | str) -> int:
    """Count the bytes that are not there yet, of archives whose size is known at least roughly."""
    folder = Path(folder)
    return sum(
        max(
            0,
            (archive.n_bytes or archive.about_bytes or 0)
            - size_of(folder / f"{archive.name}{PART_SUFFIX}"),
        )
        for archive in archives_to_get(archives, folder)
    )


def download_corpus(
    corpus: KnownCorpus,
    folder: Path | str,
    *,
    parts: Sequence[str] = (),
    mirror: str | None = None,
    keep_archives: bool = True,
    progress: Progress = SILENT,
) -> tuple[Downloaded, ...]:
    """Fetch, check and unpack the archives of a corpus, one after the other.

    Interrupted at any moment and called again, it goes on: with a file where it was cut off, with
    an archive that was being unpacked at its beginning; what is done is not done again.

    Parameters
    ----------
    folder : path
        Where the archives, and what is in them, are to lie.
    parts : sequence of str
        Only these; default: all.
    mirror : str, optional
        Where files of the same names lie: an address, or a folder.
    keep_archives : bool
        Whether the archives stay when they have been unpacked.

    Raises
    ------
    DownloadError, MissingError
        As `choose_archives`, `fetch_archive` and `unpack`.
    OutputError
        When the folder cannot be written, or another run works there.
    """
    archives, folder = choose_archives(corpus, parts), Path(folder)
    if mirror is not None:
        mirror_place(mirror)
    with locked(folder / STATE_FOLDER):
        check_space(folder, bytes_to_get(archives, folder), corpus.name)
        for archive in corpus.archives:
            # Before another archive makes the folder anew that they share.
            if unpacked_before(archive, folder) is None:
                remove(marker_of(archive, folder))
        return tuple(
            _download(archive, folder, mirror, keep_archives, progress) for archive in archives
        )


def _download(
    archive: Archive, folder: Path, mirror: str | None, keep: bool, progress: Progress
) -> Downloaded:
    path, contents = folder / archive.name, unpacked_before(archive, folder)
    was_there, before = contents is not None, noted_digest(archive, path)
    if contents is None:
        fetch_unlocked(archive, folder, mirror, progress)
        found = (
            unpack_listing(path, folder, progress)
            if is_packed(path)
            else (PurePosixPath(archive.name),)
        )
        note_unpacked(archive, folder, found)
        contents = tops(found, folder)
    if not keep and is_packed(path):
        remove(path)
    sha256 = noted_digest(archive, path)
    return Downloaded(
        archive, path, contents, was_there, sha256, before if before != sha256 else ""
    )

"""One file of a corpus: fetched, and checked that it is the one that was published.

pooch decides that. Its downloader is ours: what came of a file stays beside its place as
``NAME.part``, and the next attempt, or the next run, goes on there.
"""

from __future__ import annotations

import logging
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from speakergmm.corpora.arrived_files import content_problem, unpack_text
from speakergmm.corpora.mirrors import mirror_place
from speakergmm.corpora.transfer import Transfer
from speakergmm.corpora.unpacking import STATE_FOLDER
from speakergmm.errors import DownloadError
from speakergmm.files import NO_SPACE, locked, write_text
from speakergmm.progress import SILENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from speakergmm.corpora.known.corpus import Archive
    from speakergmm.progress import Progress

PART_SUFFIX, ASIDE_SUFFIX, DIGEST_SUFFIX = ".part", ".wrong-hash", ".sha256"


def fetch_archive(
    archive: Archive,
    folder: Path | str,
    *,
    mirror: str | None = None,
    progress: Progress = SILENT,
) -> Path:
    """Fetch a file and check it, unless it is there; go on with what an earlier run has left.

    Parameters
    ----------
    folder : path
        Where it is to lie.
    mirror : str, optional
        Where a file of the same name lies: an address, or a folder.

    Returns
    -------
    Path
        Of the file. Beside one without a published digest, ``NAME.sha256`` holds the file's own,
        in place of what an earlier run found.

    Raises
    ------
    DownloadError
        When it cannot be reached, with the way by hand; when it is cut off again and again; when it
        is not the file that was published, or, where no hash is, is empty or a web page in the
        place of a list: it is set aside as ``NAME.wrong-hash`` then.
    OutputError
        When the folder cannot be written, or another run works there.
    """
    folder = Path(folder)
    with locked(folder / STATE_FOLDER):
        return fetch_unlocked(archive, folder, mirror, progress)


def fetch_unlocked(archive: Archive, folder: Path, mirror: str | None, progress: Progress) -> Path:
    """Fetch a file as `fetch_archive` does, in a folder that is locked already."""
    place = folder / archive.name
    try:
        if place.exists():
            _check(archive, place, progress)
        else:
            _retrieve(archive, place, _source(archive, mirror), progress)
        if archive.digest is None:
            note = place.with_name(place.name + DIGEST_SUFFIX)
            write_text(note, f"{_digest(place, 'sha256')}  {place.name}\n")
    except OSError as error:
        if isinstance(error, DownloadError) or not error.strerror:
            raise
        advice = "free some space, or choose" if error.errno in NO_SPACE else "choose"
        raise DownloadError(
            f"{place}: cannot be written ({error.strerror}); {advice} another folder"
        ) from error
    return place


def _source(archive: Archive, mirror: str | None) -> str | Path:
    """Give the address of a file, or its path."""
    place = None if mirror is None else mirror_place(mirror)
    if isinstance(place, Path):
        return place / archive.name
    if place is not None:
        return f"{place}/{archive.name}"
    parts = urlsplit(archive.url)
    return Path(url2pathname(parts.path)) if parts.scheme == "file" else archive.url


def _retrieve(archive: Archive, place: Path, source: str | Path, progress: Progress) -> None:
    """Have pooch get a file, and check it before it comes to its place."""
    import pooch

    part = place.with_name(place.name + PART_SUFFIX)
    work = place.parent / STATE_FOLDER
    transfer = Transfer(archive, part, work / f"{place.name}.json", progress)
    has_come = False

    def get(_url: str, output_file: str, _pooch: object) -> None:
        nonlocal has_come
        if isinstance(source, Path):
            transfer.copy(source)
        else:
            transfer.download(source)
        progress.start(f"checking {archive.name}")
        _give(archive, part, Path(output_file))
        if archive.digest is None and (wrong := content_problem(Path(output_file), archive.name)):
            raise _set_aside(part, place, wrong)
        has_come = True

    for left_over in work.glob("tmp*"):
        left_over.unlink()
    try:
        with _quiet(pooch.get_logger()):
            got = pooch.retrieve(
                str(source), archive.digest, fname=place.name, path=work, downloader=get
            )
    except ValueError:
        if not has_come:
            raise
        # Pooch has deleted its copy; the part is what came.
        raise _set_aside(part, place, _difference(archive, part)) from None
    Path(got).replace(place)
    for done in (part, transfer.notes):
        done.unlink(missing_ok=True)


def _give(archive: Archive, part: Path, place: Path) -> None:
    """Let pooch have the file, which it deletes or moves, and keep it for what may follow."""
    if unpack_text(part, place, archive.name):
        return
    place.unlink(missing_ok=True)
    try:
        place.hardlink_to(part)
    except OSError:
        # Some file systems have no second names.
        shutil.copyfile(part, place)


@contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    """Keep pooch from talking: what there is to say is said here."""
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def _check(archive: Archive, place: Path, progress: Progress) -> None:
    """Check a file that is there, from an earlier run or put there by hand."""
    if archive.n_bytes is not None and place.stat().st_size != archive.n_bytes:
        raise _set_aside(place, place, _difference(archive, place))
    if archive.digest is not None:
        progress.start(f"checking {archive.name}")
        algorithm, _, expected = archive.digest.partition(":")
        if _digest(place, algorithm) != expected.lower():
            raise _set_aside(place, place, _difference(archive, place))
    elif wrong := content_problem(place, archive.name):
        raise _set_aside(place, place, wrong)


def _difference(archive: Archive, file: Path) -> str:
    """Say how a file differs from what was published."""
    n_bytes = file.stat().st_size
    if archive.n_bytes is not None and n_bytes != archive.n_bytes:
        return f"has {n_bytes:,} bytes, expected {archive.n_bytes:,}"
    algorithm, _, expected = (archive.digest or "").partition(":")
    return f"has the {algorithm} digest {_digest(file, algorithm)}, expected {expected}"


def _set_aside(file: Path, place: Path, wrong: str) -> DownloadError:
    """Move a wrong file out of the way, and say what is wrong with it."""
    aside = place.with_name(place.name + ASIDE_SUFFIX)
    n = 1
    while aside.exists():
        n += 1
        aside = place.with_name(f"{place.name}{ASIDE_SUFFIX}-{n}")
    file.replace(aside)
    (place.parent / STATE_FOLDER / f"{place.name}.json").unlink(missing_ok=True)
    return DownloadError(
        f"{place}: {wrong}; it is damaged, or another version, so it was set aside as "
        f"{aside.name} and is not used: run the same command to get it again, or try another "
        "--mirror"
    )


def _digest(path: Path, algorithm: str) -> str:
    import pooch

    return str(pooch.file_hash(str(path), alg=algorithm)).lower()


def noted_digest(archive: Archive, path: Path) -> str:
    """Read the digest that was found of a file, of which none is published."""
    if archive.digest is not None:
        return ""
    try:
        return path.with_name(path.name + DIGEST_SUFFIX).read_text(encoding="utf-8").split()[0]
    except (OSError, ValueError, IndexError):
        return ""

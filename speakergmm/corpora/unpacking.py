"""An archive and the files in it: all of them in their places, or none."""

from __future__ import annotations

import errno
import filecmp
import json
import os
import shutil
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from speakergmm.corpora.transfer import Megabytes, check_space
from speakergmm.errors import DownloadError, problem_report
from speakergmm.files import NO_SPACE, write_json
from speakergmm.names import shortened
from speakergmm.progress import SILENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from speakergmm.corpora.known.corpus import Archive
    from speakergmm.progress import Progress

ZIP_SUFFIXES = (".zip",)
TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
PACKED_SUFFIXES = ZIP_SUFFIXES + TAR_SUFFIXES

# From Python 3.11.4 on; nothing is unpacked without it.
FILTER_ERROR: Any = getattr(tarfile, "FilterError", ())

# Of names that a disk cannot give, or has given to something else in the archive.
BAD_NAMES = frozenset({errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST})
MOST_OF_A_NAME = 60

# A flag of a zip file's members.
ENCRYPTED = 1

# What a folder holds besides the corpora: what is under way, and what was unpacked already.
STATE_FOLDER = ".speakergmm"


def is_packed(path: Path | str) -> bool:
    """Tell by its name whether a file is an archive that can be unpacked."""
    return str(path).lower().endswith(PACKED_SUFFIXES)


def unpack(
    archive: Path | str, folder: Path | str, progress: Progress = SILENT
) -> tuple[Path, ...]:
    """Unpack an archive, and the archives in it, into a folder.

    It is unpacked beside its place first, so that what is cut short leaves nothing half-written;
    done again, it begins anew. Archives within (AISHELL-1 has one a speaker) are unpacked where
    they lie, and not kept there.

    Parameters
    ----------
    archive : path
        ``.zip``, ``.tar``, ``.tar.gz``, ``.tgz``, or a tar file packed by bzip2 or xz.
    folder : path
        May hold other things. A file that is there already, with the same content, stays.

    Returns
    -------
    tuple of Path
        What lies at the top of the archive, in its place.

    Raises
    ------
    DownloadError
        When it is damaged or holds no files, would write outside of the folder or fill the disk,
        or holds another file than the one that is in its place. Nothing has changed then.
    """
    return tops(unpack_listing(archive, folder, progress), folder)


def unpack_listing(
    archive: Path | str, folder: Path | str, progress: Progress = SILENT
) -> tuple[PurePosixPath, ...]:
    """Unpack an archive as `unpack`, and give what to look for, to see whether it is still there.

    That is what lies at its top and right below, since archives share the folder at the top
    (LibriSpeech's do), and all that was moved, where they share more; relative to the folder.
    """
    archive, folder = Path(archive), Path(folder)
    beside = folder / STATE_FOLDER / f"{archive.name}.unpacking"
    try:
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        _extract(archive, beside, progress)
        if all(path.is_dir() and not path.is_symlink() for path in beside.rglob("*")):
            raise DownloadError(
                f"{archive}: holds no files; expected those of a corpus: move it away, and get it "
                "again, or from elsewhere"
            )
        if (beside / STATE_FOLDER).exists():
            # Else it could say of other archives that they are unpacked.
            raise _outside(archive, STATE_FOLDER)
        for inner in sorted(filter(is_packed, beside.rglob("*"))):
            if inner.is_file():
                _extract(inner, inner.parent, SILENT)
                inner.unlink()
        upper = [path.relative_to(beside) for level in ("*", "*/*") for path in beside.glob(level)]
        moved = [path.relative_to(folder) for path in _put_in_place(archive, beside, folder)]
    except OSError as error:
        if isinstance(error, DownloadError):
            raise
        advice = "free some space, or choose" if error.errno in NO_SPACE else "choose"
        raise DownloadError(
            f"{archive}: cannot be unpacked into {folder} ({error.strerror or error}); {advice} "
            "another folder"
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return tuple(PurePosixPath(path.as_posix()) for path in sorted({*upper, *moved}))


def tops(paths: Iterable[PurePosixPath], folder: Path | str) -> tuple[Path, ...]:
    """Give where the topmost of some paths lie in a folder, each once."""
    return tuple(Path(folder) / top for top in dict.fromkeys(path.parts[0] for path in paths))


def _extract(archive: Path, place: Path, progress: Progress) -> None:
    """Unpack one archive, file by file.

    Raises
    ------
    DownloadError
        When it is damaged, or a member would lie outside.
    """
    bytes_done = Megabytes(progress, f"unpacking {archive.name}")
    bytes_done.start(archive.stat().st_size)
    extract = _extract_zip if archive.name.lower().endswith(ZIP_SUFFIXES) else _extract_tar
    try:
        for position in extract(archive, place):
            bytes_done.at(position)
    except FILTER_ERROR as error:
        raise _outside(archive, error.tarinfo.name) from None
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error) as error:
        raise _damaged(archive, error) from None
    except OSError as error:
        # Of gzip and bzip2, these have no number.
        if error.errno is None and not isinstance(error, DownloadError):
            raise _damaged(archive, error) from None
        if error.errno in BAD_NAMES:
            raise _cannot(archive, _about_name(error, place)) from None
        raise
    except (RuntimeError, ValueError) as error:
        # Packed in a way that Python does not know.
        raise DownloadError(
            f"{archive}: cannot be unpacked here ({error}); unpack it by hand"
        ) from None


def _about_name(error: OSError, place: Path) -> str:
    """Say of which member the name cannot be given to it."""
    name = shortened(os.path.relpath(error.filename or place, place), MOST_OF_A_NAME)
    if error.errno == errno.ENAMETOOLONG:
        return f"the name {name!r} is too long for this disk"
    return f"{name!r} is where another file or folder of it is"


def _extract_zip(archive: Path, place: Path) -> Iterator[int]:
    """Yield how many bytes of the archive are done."""
    with zipfile.ZipFile(archive) as packed:
        members = packed.infolist()
        _check_room(archive, place, sum(member.file_size for member in members))
        for member in members:
            if _leaves(member.filename):
                raise _outside(archive, member.filename)
            if member.flag_bits & ENCRYPTED:
                raise _cannot(archive, f"{member.filename!r} is encrypted")
        done = 0
        for member in members:
            packed.extract(member, place)
            done += member.compress_size
            yield done


def _extract_tar(archive: Path, place: Path) -> Iterator[int]:
    """Yield how many bytes of the archive are done."""
    if not hasattr(tarfile, "data_filter"):
        raise DownloadError(
            f"{archive}: to unpack tar files safely, Python 3.11.4 or later is needed; unpack it "
            "by hand"
        )
    # Sound that is packed hardly becomes larger, and how large is only known at the end.
    _check_room(archive, place, archive.stat().st_size)
    with archive.open("rb") as file, tarfile.open(fileobj=file, mode="r:*") as packed:
        for member in packed:
            # A bomb of some kilobytes is seen before it has filled the disk.
            _check_room(archive, place, member.size, of=member.name)
            packed.extract(member, place, filter="data")
            yield file.tell()


def _check_room(archive: Path, place: Path, n_bytes: int, *, of: str = "") -> None:
    """Refuse what would fill the disk; said is the folder that it is for, not where it is made."""
    above = [folder.parent for folder in place.parents if folder.name == STATE_FOLDER]
    what = f"{shortened(of, MOST_OF_A_NAME)} of {archive.name}" if of else archive.name
    check_space(above[0] if above else place, n_bytes, f"unpacking {what}")


def _leaves(name: str) -> bool:
    """Tell whether a member's name leads out of the folder."""
    path = PurePosixPath(name.replace("\\", "/"))
    has_drive = any(part[1:2] == ":" for part in path.parts[:1])
    return path.is_absolute() or ".." in path.parts or has_drive


def _outside(archive: Path, member: str) -> DownloadError:
    return DownloadError(
        f"{archive}: holds {member!r}, which would be written outside of the folder or is no plain "
        "file; nothing was unpacked: this is not how a corpus is packed, so get it from elsewhere"
    )


def _cannot(archive: Path, reason: str) -> DownloadError:
    return DownloadError(f"{archive}: cannot be unpacked here ({reason}); unpack it by hand")


def _damaged(archive: Path, error: BaseException) -> DownloadError:
    # Of a tar file that is none, all that was tried follows.
    said = str(error).partition(":\n")[0]
    return DownloadError(
        f"{archive}: cut off, damaged, or no archive ({said}); nothing was unpacked: move it "
        "away, and run the same command to get it again"
    )


def _put_in_place(archive: Path, source: Path, folder: Path) -> list[Path]:
    """Move what was unpacked, unless it would replace something else; return where it went."""
    moves = list(_moves(source, folder))
    others = [str(there) for come, there in moves if there.exists() and not _is_same(come, there)]
    if others:
        raise DownloadError(
            problem_report(
                f"{archive}: holds other files than are there already; move these away, or choose "
                "another folder",
                others,
            )
        )
    missing = [(come, there) for come, there in moves if not there.exists()]
    for come, there in missing:
        # As a renaming, unless a folder in between is a link to another disk.
        shutil.move(come, there)
    return [there for _, there in missing]


def _moves(source: Path, target: Path) -> Iterator[tuple[Path, Path]]:
    """Yield what comes and where to, whole folders where nothing is in their place."""
    for come in sorted(source.iterdir()):
        there = target / come.name
        if come.is_dir() and there.is_dir() and not come.is_symlink():
            yield from _moves(come, there)
        else:
            yield come, there


def _is_same(come: Path, there: Path) -> bool:
    return come.is_file() and there.is_file() and filecmp.cmp(come, there, shallow=False)


def marker_of(archive: Archive, folder: Path) -> Path:
    """Name the file that says that an archive was unpacked into a folder."""
    return folder / STATE_FOLDER / f"{archive.name}.unpacked"


def _identity(archive: Archive) -> dict[str, object]:
    return {"url": archive.url, "n_bytes": archive.n_bytes, "digest": archive.digest}


def note_unpacked(archive: Archive, folder: Path, contents: Iterable[PurePosixPath]) -> None:
    """Note that an archive was unpacked, and what is to be there since."""
    note = {"archive": _identity(archive), "contents": [str(path) for path in contents]}
    write_json(marker_of(archive, folder), note)


def unpacked_before(archive: Archive, folder: Path) -> tuple[Path, ...] | None:
    """Give what was unpacked of an archive; None where it was not, or is gone or outdated."""
    try:
        note = json.loads(marker_of(archive, folder).read_text(encoding="utf-8"))
        contents = [PurePosixPath(path) for path in note["contents"]]
        is_current = note["archive"] == _identity(archive)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    is_there = is_current and all(os.path.lexists(folder / path) for path in contents)
    return tops(contents, folder) if is_there else None

"""`speakergmm corpus download`."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from speakergmm.cli.console import quiet_option, showing_progress
from speakergmm.errors import DownloadError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from speakergmm.corpora.downloads import Downloaded
    from speakergmm.corpora.known.corpus import Archive, KnownCorpus

# Larger downloads are asked about first.
ASK_FROM_BYTES = 5_000_000_000

UNKNOWN = "files of unknown size"

# Of hundreds of files, as some corpora have, the first are told.
MAX_SHOWN = 20


@click.command("download")
@click.argument("name", metavar="CORPUS")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--part",
    "parts",
    multiple=True,
    metavar="NAME",
    help="Only this part of the corpus; may be repeated.  [default: all]",
)
@click.option(
    "--mirror",
    metavar="ADDRESS",
    help="Get the files from here, where they have the same names: https://..., http://..., "
    "file://... or a folder. They are checked as those from the corpus's own place.",
)
@click.option(
    "--keep-archives/--remove-archives",
    "keep_archives",
    default=True,
    show_default=True,
    help="Whether the archives stay when they have been unpacked.",
)
@click.option(
    "--yes",
    is_flag=True,
    help="Do not ask before getting more than 5 GB, or files of unknown size.",
)
@quiet_option
def download(
    name: str,
    folder: Path,
    parts: tuple[str, ...],
    mirror: str | None,
    keep_archives: bool,
    yes: bool,
    quiet: bool,
) -> None:
    """Get CORPUS, check it and unpack it into FOLDER; `corpus list` names the corpora.

    Interrupted, by Ctrl-C or a lost connection, and run again, it goes on where it was. A file
    that is not the one that was published is set aside as NAME.wrong-hash and never used. A file
    that was put into FOLDER by hand is checked and used. Of a corpus that is not free to fetch it
    says what to get, and where.

    \b
    Examples:
      speakergmm corpus download audiomnist /data
      speakergmm corpus download librispeech /data --part dev-clean --part test-clean
      speakergmm corpus download librispeech /data --mirror https://mirror.example.org/12
    """
    from speakergmm.corpora.downloads import archives_to_get, choose_archives, download_corpus
    from speakergmm.corpora.known import known_corpus
    from speakergmm.corpora.listed_archives import with_archives
    from speakergmm.corpora.mirrors import mirror_place

    if mirror is not None:
        mirror_place(mirror)
    corpus = with_archives(known_corpus(name), mirror)
    archives = choose_archives(corpus, parts)
    _print_plan(corpus, archives, folder)
    if not yes and _may_be_much(archives_to_get(archives, folder), folder):
        _ask(corpus, archives, folder)
    with showing_progress(quiet=quiet) as progress:
        done = download_corpus(
            corpus,
            folder,
            parts=parts,
            mirror=mirror,
            keep_archives=keep_archives,
            progress=progress,
        )
    _print_result(corpus, folder, done)


def _may_be_much(wanted: Sequence[Archive], folder: Path) -> bool:
    """Tell whether to ask before so much is got, or before nobody knows how much."""
    from speakergmm.corpora.downloads import bytes_to_get

    return bytes_to_get(wanted, folder) > ASK_FROM_BYTES or not all(one.size for one in wanted)


def _amount(archives: Sequence[Archive], folder: Path) -> str:
    """Say how much is to get, as far as that is known."""
    from speakergmm.corpora.downloads import archives_to_get, bytes_to_get
    from speakergmm.files import readable_size

    wanted = archives_to_get(archives, folder)
    is_rough = any(one.n_bytes is None and one.size for one in wanted)
    size = ("about " if is_rough else "") + readable_size(bytes_to_get(wanted, folder))
    if all(one.size for one in wanted):
        return size
    return f"{size} and files of unknown size" if any(one.size for one in wanted) else UNKNOWN


def _print_plan(corpus: KnownCorpus, archives: Sequence[Archive], folder: Path) -> None:
    """Say what will be got, under which licence, and how large it is, before it begins."""
    from speakergmm.cli.console import print_table
    from speakergmm.files import readable_size

    click.echo(f"{corpus.title}\nlicence: {corpus.licence}\nhome: {corpus.home}")
    rows = [(part, *_files(of_part)) for part, of_part in _by_part(archives).items()]
    print_table(("part", "file", "size"), rows)
    at = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    click.echo(
        f"to get: {_amount(archives, folder)}; free in {folder}: "
        f"{readable_size(shutil.disk_usage(at).free)} (unpacked, a corpus takes as much again, or "
        "more)"
    )


def _by_part(archives: Iterable[Archive]) -> dict[str, list[Archive]]:
    parts: dict[str, list[Archive]] = {}
    for archive in archives:
        parts.setdefault(archive.part, []).append(archive)
    return parts


def _files(archives: Sequence[Archive]) -> tuple[str, str]:
    """Say what the files of a part are, and how large."""
    from speakergmm.files import readable_size

    name = archives[0].name if len(archives) == 1 else f"{len(archives):,} files"
    if not all(archive.size for archive in archives):
        return name, "unknown"
    size = readable_size(sum(one.n_bytes or one.about_bytes or 0 for one in archives))
    return name, size if all(one.n_bytes is not None for one in archives) else f"about {size}"


def _ask(corpus: KnownCorpus, archives: Sequence[Archive], folder: Path) -> None:
    """Go on only if so much is wanted.

    Raises
    ------
    DownloadError
        When it is not, or nobody can be asked.
    """
    parts = _by_part(archives).items()
    sizes = ", ".join(f"{part} ({_files(of_part)[1]})" for part, of_part in parts)
    choice = f"choose with --part from {sizes}"
    amount = _amount(archives, folder)
    if not sys.stdin.isatty():
        raise DownloadError(
            f"{corpus.name}: {amount} may be too much to get unasked; add --yes, or {choice}"
        )
    if not click.confirm(f"Get {amount}?", err=True):
        raise DownloadError(f"{corpus.name}: nothing was downloaded; {choice}")


def _print_result(corpus: KnownCorpus, folder: Path, done: Sequence[Downloaded]) -> None:
    from speakergmm.corpora.known.corpus import LISTS_ONLY
    from speakergmm.names import visible

    for one in done[:MAX_SHOWN]:
        what = "was there" if one.was_there else "done"
        click.echo(visible(f"{one.archive.name}: {what}{_certainty(one)}"))
    if len(done) > MAX_SHOWN:
        click.echo(f"... and {len(done) - MAX_SHOWN:,} more files")
    tops = {path for one in done for path in one.contents}
    only = next(iter(tops)) if len(tops) == 1 else folder
    place = only if only.is_dir() else folder
    prepare = f"speakergmm corpus prepare {corpus.name} {shlex.quote(str(place))} --output lists"
    if corpus.to_be_had == LISTS_ONLY:
        click.echo(f"These are lists, without the recordings. To be had: {corpus.how_to_get}.")
        prepare = f"with the recordings in {place}, {prepare}"
    click.echo(visible(f"next: {prepare}"))


def _certainty(one: Downloaded) -> str:
    """Say how sure it is that the file is the right one."""
    if one.archive.digest is not None:
        return ", with the published hash"
    if not one.sha256:
        return ""
    before = f" (it is another file than an earlier run got: sha256 {one.sha256_before})"
    return (
        f"; no hash is published, compare for yourself: sha256 {one.sha256}"
        f"{before if one.sha256_before else ''}"
    )

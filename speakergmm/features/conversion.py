"""Frames for other toolkits: out of a frame store, and between Kaldi's archives and HTK's files."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from speakergmm.config import check_choice
from speakergmm.errors import ConfigError, FrameError, MissingError
from speakergmm.features.exported_files import exporting
from speakergmm.features.htk_files import SUFFIX, read_htk_folder, write_htk
from speakergmm.features.importing import import_frames
from speakergmm.features.kaldi_archives import WRITTEN_FILES, read_ark, read_scp, write_kaldi
from speakergmm.features.kaldi_scripts import scp_entries
from speakergmm.features.named_frames import checked, of_one_size
from speakergmm.files import check_apart
from speakergmm.names import visible
from speakergmm.progress import SILENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from speakergmm.features.named_frames import NamedFrames
    from speakergmm.features.store import FrameStore
    from speakergmm.progress import Progress

Toolkit: TypeAlias = Literal["kaldi", "htk"]
TOOLKITS: tuple[Toolkit, ...] = ("kaldi", "htk")

# Kaldi's archives do not say how far apart frames are; its default.
KALDI_HOP_S = 0.010


@dataclass(frozen=True)
class Written:
    """How much was written."""

    n_utterances: int
    n_frames: int
    n_features: int


def export_store(
    store: FrameStore, output: Path | str, to: Toolkit, *, progress: Progress = SILENT
) -> Written:
    """Write the frames of a store for another toolkit, in the order of the utterances' ids.

    They are what the store holds: speech only, normalized, as its front end says, which does not go
    with them. HTK files are of the kind USER.

    Parameters
    ----------
    output : path
        A folder, for ``feats.ark`` and ``feats.scp``, or for a file for each utterance.
    to : {"kaldi", "htk"}

    Raises
    ------
    FrameError
        When an id cannot be a key there, or the name of a file.
    OutputError
        When the files cannot be written, are there and were not exported, or HTK files would be
        beside others.
    """
    check_choice("to", to, TOOLKITS)
    # The order of Unicode is that of UTF-8's bytes, which Kaldi sorts by.
    names = sorted(store.places)
    if to == "htk":
        for name in names:
            _check_file_name(name)
    progress.start("features: export", len(names))
    named = ((name, store.frames(name)) for name in names)
    return _write(named, Path(output), to, store.front_end.hop_s, progress)


def convert_features(
    source: Path | str,
    output: Path | str,
    to: Toolkit,
    *,
    hop_s: float | None = None,
    pattern: str | None = None,
    progress: Progress = SILENT,
) -> Written:
    """Write features of one toolkit in the way of the other, or of the same.

    Parameters
    ----------
    source : path
        A Kaldi script file (``.scp``) or archive (``.ark``), or a folder of HTK files.
    output, to
        As for `export_store`.
    hop_s : float, optional
        Of a source that does not say it: Kaldi's. Default: `KALDI_HOP_S`.
    pattern : str, optional
        How the HTK files in ``source`` are called. Default: ``*.htk``.

    Raises
    ------
    ConfigError
        When an option is given that has no use.
    FrameError, MissingError
        When the source cannot be read; see its readers.
    OutputError
        When the files cannot be written, are there and were not exported, would take the place of
        what is read, or HTK files would be beside others.
    """
    check_choice("to", to, TOOLKITS)
    source, output = Path(source), Path(output)
    is_folder = source.is_dir()
    if (source / "store.json").exists():
        raise FrameError(f"{source}: a frame store; give it to `features export`")
    if hop_s is not None and (is_folder or to == "kaldi"):
        raise ConfigError(
            "hop_s (--hop) is of use from Kaldi to HTK only, where nothing else says it"
        )
    if pattern is not None and not is_folder:
        raise ConfigError("pattern (--pattern) is of use for a folder of HTK files only")
    if to == "kaldi":
        _check_not_read(source, output)
    elif is_folder:
        check_apart(output, [source])
    if is_folder:
        named, hop_s, kind = _htk_folder(source, pattern or f"*{SUFFIX}")
    else:
        named, hop_s, kind = _kaldi(source), KALDI_HOP_S if hop_s is None else hop_s, "USER"
    progress.start("features: convert")
    return _write(named, output, to, hop_s, progress, kind)


def import_features(
    source: Path | str,
    output: Path | str,
    *,
    hop_s: float | None = None,
    pattern: str | None = None,
    progress: Progress = SILENT,
) -> FrameStore:
    """Put features of another toolkit into a frame store; see `import_frames`.

    Parameters
    ----------
    source, hop_s, pattern
        As for `convert_features`.
    output : path
        Folder of the store.

    Raises
    ------
    ConfigError
        When an option is given that has no use.
    FrameError, FrameStoreError, MissingError
        When the source cannot be read.
    OutputError
        When the store cannot be written.
    """
    source, output = Path(source), Path(output)
    is_folder = source.is_dir()
    if hop_s is not None and is_folder:
        raise ConfigError("hop_s (--hop) is of no use for HTK files, which say it")
    if pattern is not None and not is_folder:
        raise ConfigError("pattern (--pattern) is of use for a folder of HTK files only")
    check_apart(output, [source])
    if is_folder:
        named, found_s, _ = _htk_folder(source, pattern or f"*{SUFFIX}")
    else:
        named, found_s = _kaldi(source), KALDI_HOP_S if hop_s is None else hop_s
    return import_frames(named, output, hop_s=found_s, progress=progress)


def _htk_folder(folder: Path, pattern: str) -> tuple[NamedFrames, float, str]:
    """Open a folder of HTK files: their frames, and the hop and kind of all of them."""
    files = read_htk_folder(folder, pattern)
    name, first = next(files)
    rest = ((name, found.frames) for name, found in files)
    return itertools.chain([(name, first.frames)], rest), first.hop_s, first.kind


def _kaldi(source: Path) -> NamedFrames:
    if source.suffix == ".scp":
        return read_scp(source)
    if source.suffix == ".ark":
        return read_ark(source)
    raise (FrameError if source.exists() else MissingError)(
        f"{source}: expected a Kaldi script file (.scp), a Kaldi archive (.ark), or a folder of "
        "HTK files"
    )


def _check_not_read(source: Path, output: Path) -> None:
    """Refuse to write archives over those that are read."""
    is_script = source.suffix == ".scp" and source.exists()
    read: Iterable[Path] = {entry.path for entry in scp_entries(source)} if is_script else ()
    for name in WRITTEN_FILES:
        check_apart(output / name, [source, *read])


def _write(
    named: NamedFrames,
    output: Path,
    to: Toolkit,
    hop_s: float,
    progress: Progress,
    kind: str = "USER",
) -> Written:
    n_features = 0

    def counted() -> Iterator[tuple[str, NDArray[np.float32]]]:
        nonlocal n_features
        for name, frames in named:
            yield name, frames
            n_features = frames.shape[1]
            progress.advance()

    if to == "kaldi":
        written = write_kaldi(output, counted())
    else:
        written = write_htk_folder(output, counted(), hop_s, kind)
    return Written(*written, n_features)


def write_htk_folder(
    folder: Path | str, named: NamedFrames, hop_s: float, kind: str = "USER"
) -> tuple[int, int]:
    """Write a file ``<utterance_id>.htk`` for each utterance; all are there in the end, or none.

    They take the place of the HTK files that were written into the folder before.

    Returns
    -------
    n_utterances, n_frames : int

    Raises
    ------
    FrameError
        When an id cannot be the name of a file or comes twice, or frames are not of one size.
    ConfigError
        See `write_htk`.
    OutputError
        When files cannot be written, or the folder holds others.
    """
    folder = Path(folder)
    seen: set[str] = set()
    n_frames = 0
    with exporting(folder, SUFFIX) as place:
        for name, frames in of_one_size(checked(named), folder):
            _check_file_name(name)
            if name in seen:
                raise FrameError(f"utterance {name!r} comes twice; expected each once")
            seen.add(name)
            write_htk(place / f"{name}{SUFFIX}", frames, hop_s, kind)
            n_frames += len(frames)
    return len(seen), n_frames


def _check_file_name(name: str) -> None:
    if not name or name.startswith(".") or re.search(r"[/\\:]", name) or visible(name) != name:
        raise FrameError(
            f"utterance {name!r} cannot be the name of a file; expected an id without / \\ : and "
            "without a dot ahead: rename it in the list"
        )

"""Single jobs on a user's own lists: train a background model, score a trial list."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from speakergmm.audio import duration_s
from speakergmm.corpora import read_utterances
from speakergmm.errors import ConfigError, ManifestError, OutputError
from speakergmm.features import FrameStore, extract_features
from speakergmm.features.extraction import OnError, extract_sides
from speakergmm.features.sides import training_sides
from speakergmm.parallel import is_remote
from speakergmm.progress import SILENT
from speakergmm.recipes.ubm_training import background_parts, train_background_model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from speakergmm.corpora import Utterance, Utterances
    from speakergmm.features import FrontEndConfig
    from speakergmm.gmm.model_file import BackgroundModel
    from speakergmm.parallel import Jobs
    from speakergmm.progress import Progress
    from speakergmm.recipes.config import Settings


@contextmanager
def temporary_folder(otherwise: str = "") -> Iterator[Path]:
    """Give a folder that is gone afterwards, and say how to have another when it is too small.

    ``otherwise`` is what else helps.
    """
    with tempfile.TemporaryDirectory(prefix="speakergmm-") as folder:
        try:
            yield Path(folder)
        except OutputError as error:
            if folder not in str(error):
                raise
            raise OutputError(
                f"{error}: set TMPDIR, the folder of temporary files{otherwise}"
            ) from None


@contextmanager
def frames_folder(wanted: Path | None, jobs: Jobs) -> Iterator[Path]:
    """Give the folder in which frames are kept, or one that is gone afterwards."""
    if wanted is not None:
        yield wanted
    elif is_remote(jobs):
        raise ConfigError(
            "a cluster's machines share frames through a folder that all of them see; give one "
            "(--frames FOLDER)"
        )
    else:
        with temporary_folder(", or give --frames FOLDER") as folder:
            yield folder / "frames"


def extract_list(
    utterances_file: Path | str,
    output: Path | str,
    front_end: FrontEndConfig,
    *,
    audio: Path | None = None,
    split: str | None = None,
    on_error: OnError = "stop",
    jobs: Jobs = None,
    progress: Progress = SILENT,
) -> tuple[FrameStore, int]:
    """Compute the frames of a list's utterances into a store, or bring the store up to date.

    Parameters
    ----------
    utterances_file : path
        ``utterances.csv``.
    output : path
        The store's folder.
    audio : path, optional
        Where the list's paths begin; default: its folder.
    split : str, optional
        Use only the utterances of this split.
    on_error : {"stop", "skip"}
        What becomes of recordings that are missing or cannot be used: an error that names each, or
        they are left out; see ``FrameStore.left_out``.

    Returns
    -------
    store : FrameStore
    n_computed : int
        Utterances whose frames were not there yet.

    Raises
    ------
    ManifestError, AudioError, OutputError
        When the list or a recording cannot be used, or the store cannot be written.
    """
    skips = on_error == "skip"
    # What is wrong with single recordings then belongs into the store's index, not in an error.
    utterances = read_utterances(
        utterances_file,
        audio,
        durations=None if skips else duration_s,
        must_exist=not skips,
    )
    chosen = of_split(utterances, split, utterances_file)
    return extract_features(
        chosen, output, front_end, on_error=on_error, jobs=jobs, progress=progress
    )


def train_on_list(
    utterances_file: Path | str,
    output: Path | str,
    settings: Settings,
    *,
    audio: Path | None = None,
    split: str | None = None,
    seed: int = 0,
    frames: Path | None = None,
    jobs: Jobs = None,
    progress: Progress = SILENT,
) -> BackgroundModel:
    """Train a UBM on the recordings of a list and write its file.

    Parameters
    ----------
    utterances_file : path
        ``utterances.csv``.
    output : path
        The model file.
    audio : path, optional
        Where the list's paths begin; default: its folder.
    split : str, optional
        Use only the utterances of this split.
    frames : path, optional
        Keep the frame store there, and use what is current in it; default: a temporary folder.

    Raises
    ------
    ManifestError, AudioError, FrameError, OutputError
        When the list, a recording or the frames cannot be used, or the file cannot be written.
    """
    utterances = read_utterances(utterances_file, audio, durations=duration_s)
    chosen = of_split(utterances, split, utterances_file)
    sides = training_sides(chosen.values(), settings.front_end)
    # Before any time is spent: the column by which the model is to be parted may be empty.
    parts = background_parts({side.name: side.utterances for side in sides}, settings.ubm.pool_by)
    with frames_folder(frames, jobs) as folder:
        store, _ = extract_sides(sides, folder, settings.front_end, jobs=jobs, progress=progress)
        return train_background_model(
            Path(output), store, settings, seed=seed, parts=parts, jobs=jobs, progress=progress
        )


def train_on_store(
    folder: Path | str,
    output: Path | str,
    settings: Settings,
    *,
    seed: int = 0,
    jobs: Jobs = None,
    progress: Progress = SILENT,
) -> BackgroundModel:
    """Train a UBM on the frames of a store and write its file.

    Parameters
    ----------
    folder : path
        The store, from `extract_list` or `speakergmm.features.extract_features`.
    output : path
        The model file.
    settings : Settings
        Of these, ``ubm`` and ``training`` are used; the front end is the store's.

    Raises
    ------
    FrameStoreError, FrameError, OutputError
        When the store or its frames cannot be used, or the file cannot be written.
    """
    if settings.ubm.pool_by != "none":
        raise ConfigError(
            f"pool_by is {settings.ubm.pool_by!r}; a frame store does not say which speech that "
            "is: train on the list of utterances"
        )
    store = FrameStore.open(folder)
    return train_background_model(
        Path(output), store, settings, seed=seed, jobs=jobs, progress=progress
    )


def of_split(
    utterances: Utterances, split: str | None, utterances_file: Path | str
) -> dict[str, Utterance]:
    """Narrow a list to a split; refuse one that is empty."""
    chosen = {u: v for u, v in utterances.items() if split is None or v.split == split}
    if not chosen:
        found = ", ".join(sorted({repr(u.split) for u in utterances.values()}))
        raise ManifestError(
            f"{utterances_file}: no utterance of split {split!r}; splits are {found}"
        )
    return chosen

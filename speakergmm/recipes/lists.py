"""Single jobs on a user's own lists: train a background model, score a trial list."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from speakergmm.audio import duration_s
from speakergmm.corpora import Scores, read_protocol, read_utterances, write_scores
from speakergmm.errors import ConfigError, ManifestError
from speakergmm.features import FrameStore, extract_features
from speakergmm.features.extraction import OnError, extract_sides
from speakergmm.features.sides import by_name, pooled_sides
from speakergmm.gmm.model_file import load_background_model
from speakergmm.parallel import is_remote
from speakergmm.progress import SILENT
from speakergmm.recipes.steps import enroll_models, score_split, train_background_model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from speakergmm.features import FrontEndConfig
    from speakergmm.gmm.model_file import BackgroundModel
    from speakergmm.parallel import Jobs
    from speakergmm.progress import Progress
    from speakergmm.recipes.config import Settings


@contextmanager
def _frames_folder(wanted: Path | None, jobs: Jobs) -> Iterator[Path]:
    """Give the folder in which frames are kept, or one that is gone afterwards."""
    if wanted is not None:
        yield wanted
    elif is_remote(jobs):
        raise ConfigError(
            "a cluster's machines share frames through a folder that all of them see; give one "
            "(--frames FOLDER)"
        )
    else:
        with tempfile.TemporaryDirectory(prefix="speakergmm-") as folder:
            yield Path(folder) / "frames"


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
    chosen = {u: v for u, v in utterances.items() if split is None or v.split == split}
    if not chosen:
        found = ", ".join(sorted({repr(u.split) for u in utterances.values()}))
        raise ManifestError(
            f"{utterances_file}: no utterance of split {split!r}; splits are {found}"
        )
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
    with _frames_folder(frames, jobs) as folder:
        store, _ = extract_list(
            utterances_file,
            folder,
            settings.front_end,
            audio=audio,
            split=split,
            jobs=jobs,
            progress=progress,
        )
        return train_background_model(
            Path(output), store, settings, seed=seed, jobs=jobs, progress=progress
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
    store = FrameStore.open(folder)
    return train_background_model(
        Path(output), store, settings, seed=seed, jobs=jobs, progress=progress
    )


def score_lists(
    lists: Path | str,
    utterances_file: Path | str,
    ubm: Path | str,
    output: Path | str,
    settings: Settings,
    *,
    audio: Path | None = None,
    frames: Path | None = None,
    jobs: Jobs = None,
    progress: Progress = SILENT,
) -> Scores:
    """Enroll the models of a folder of lists, score its trials, and write ``scores.csv``.

    Parameters
    ----------
    lists : path
        Folder with ``enrollment.csv``, ``tests.csv`` and, unless every model is to meet every test,
        ``trials.csv``.
    ubm : path
        Model file; its front end makes the frames.
    settings : Settings
        Of these, ``enrollment`` and ``scoring`` are used.

    Raises
    ------
    ManifestError, AudioError, ModelFileError, OutputError
        When a list, a recording or the model cannot be used, or the file cannot be written.
    """
    lists = Path(lists)
    model = load_background_model(ubm)
    utterances = read_utterances(utterances_file, audio, durations=duration_s)
    trials = lists / "trials.csv"
    protocol = read_protocol(
        lists / "enrollment.csv",
        lists / "tests.csv",
        trials if trials.exists() else None,
        utterances,
    )
    config = model.front_end
    models, enrollment_pools = pooled_sides(protocol.enrollment, utterances, config, "enrollment")
    tests, test_pools = pooled_sides(protocol.tests, utterances, config, "test")
    sides = by_name(models, tests)
    with _frames_folder(frames, jobs) as folder, tempfile.TemporaryDirectory() as scratch:
        store, _ = extract_sides(list(sides.values()), folder, config, jobs=jobs, progress=progress)
        enrollment = Path(scratch) / "enrollment.safetensors"
        enroll_models(
            enrollment, enrollment_pools, store, model.gmm, settings.enrollment,
            jobs=jobs, progress=progress,
        )  # fmt: skip
        raw = score_split(
            enrollment,
            protocol,
            (enrollment_pools, test_pools),
            (store, store),
            model.gmm,
            settings,
            jobs=jobs,
            progress=progress,
        )
    scores = raw.normalized(protocol.trials, settings.score_normalization)
    write_scores(output, scores)
    return scores

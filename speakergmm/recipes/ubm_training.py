"""Training a background model of the frames of a store, and writing its file."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from speakergmm.errors import ConfigError, FrameError, ManifestError, problem_report
from speakergmm.files import remove
from speakergmm.gmm import DiagonalGMM, TrainingHistory, pool_mixtures, train_ubm
from speakergmm.gmm.model_file import (
    BackgroundModel,
    UbmPart,
    save_background_model,
    software_versions,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from speakergmm.corpora import Utterance
    from speakergmm.features import FrameStore
    from speakergmm.parallel import Jobs
    from speakergmm.progress import Progress
    from speakergmm.recipes.config import Settings


def checkpoint_of(path: Path, part: int = 0) -> Path:
    """Name the file that keeps the state of a training while a model file is being made."""
    return path.with_name(f"{path.name}.{part}.checkpoint" if part else f"{path.name}.checkpoint")


def background_parts(
    utterances: Mapping[str, Sequence[Utterance]], column: str
) -> dict[str, list[str]]:
    """Part the entries of a store by a column of the list: value → entries, by value.

    Parameters
    ----------
    utterances : mapping
        Entry → its utterances.
    column : str
        ``"sex"`` or ``"condition"``; ``"none"`` parts nothing.

    Raises
    ------
    ManifestError
        When the column is empty for an utterance, or has the same value for all.
    """
    if column == "none":
        return {}
    parts: dict[str, list[str]] = {}
    problems = []
    for name, members in utterances.items():
        values = sorted({str(getattr(utterance, column)) for utterance in members})
        if len(values) != 1 or not values[0]:
            found = ", ".join(map(repr, values))
            problems.append(f"{name}: {column} is {found}; expected one value")
        else:
            parts.setdefault(values[0], []).append(name)
    if problems:
        heading = f"the background model cannot be pooled by {column!r}: fill in the column"
        raise ManifestError(problem_report(heading, problems))
    if len(parts) < 2:
        raise ManifestError(
            f"the background model cannot be pooled by {column!r}: all utterances have "
            f"{next(iter(parts), '')!r}; expected two values or more, or pool_by = 'none'"
        )
    return dict(sorted(parts.items()))


def train_background_model(
    path: Path,
    background: FrameStore,
    settings: Settings,
    *,
    seed: int,
    parts: Mapping[str, Sequence[str]] | None = None,
    jobs: Jobs,
    progress: Progress,
) -> BackgroundModel:
    """Train the UBM on the frames of a store and write its file.

    Killed at any moment and called again, it goes on from the last iteration and writes the same
    bytes: until the model is written, its state is kept beside it.

    Parameters
    ----------
    parts : mapping, optional
        Name → entries of the store: a model is trained on each, and they are pooled.
    """
    if parts:
        gmm, history, pooled = _train_parts(
            path, background, settings, parts, seed=seed, jobs=jobs, progress=progress
        )
    else:
        pooled = ()
        gmm, history = train_ubm(
            background,
            settings.ubm.n_components,
            config=settings.training,
            rng=seed,
            jobs=jobs,
            checkpoint=checkpoint_of(path),
            progress=progress,
        )
    model = BackgroundModel(
        gmm,
        background.front_end,
        settings.training,
        history,
        seed,
        background.digest(),
        background.n_frames,
        software_versions(),
        pooled,
    )
    save_background_model(path, model)
    for number in range(len(parts or ()) + 1):
        remove(checkpoint_of(path, number))
    return model


@contextmanager
def naming(part: str) -> Iterator[None]:
    """Name the part of the background whose frames a model cannot be trained on."""
    try:
        yield
    except FrameError as error:
        raise FrameError(f"{part}: {error}") from None


def _train_parts(
    path: Path,
    background: FrameStore,
    settings: Settings,
    parts: Mapping[str, Sequence[str]],
    *,
    seed: int,
    jobs: Jobs,
    progress: Progress,
) -> tuple[DiagonalGMM, TrainingHistory, tuple[UbmPart, ...]]:
    """Train a model on each part of the background, and pool them."""
    n_components, n_parts = settings.ubm.n_components, len(parts)
    if n_components < n_parts:
        raise ConfigError(
            f"n_components is {n_components}; expected at least one for each of the {n_parts} parts"
        )
    mixtures, found = [], []
    for number, (name, entries) in enumerate(parts.items()):
        own = background.select(entries)
        with naming(f"{settings.ubm.pool_by} {name!r}"):
            gmm, history = train_ubm(
                own,
                n_components // n_parts + (number < n_components % n_parts),
                config=settings.training,
                rng=seed,
                jobs=jobs,
                checkpoint=checkpoint_of(path, number + 1),
                progress=progress,
            )
        by_frames = settings.ubm.pool_weights == "frames"
        share = own.n_frames / background.n_frames if by_frames else 1 / n_parts
        mixtures.append(gmm)
        found.append(UbmPart(name, gmm.n_components, share, own.n_frames, history))
    whole = TrainingHistory(
        (), (), (), (),
        sum(part.history.seconds for part in found),
        all(part.history.converged for part in found),
    )  # fmt: skip
    return pool_mixtures(mixtures, [part.share for part in found]), whole, tuple(found)

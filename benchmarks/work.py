"""What the rows share: how much there is to do, and the speech that it is done with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from workload import FRONT_END, MANY_COMPONENTS, N_COMPONENTS, draw_frames, random_mixture

from speakergmm.gmm.model_file import load_background_model
from speakergmm.recipes import Settings, extract_list, load_settings, train_on_store

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from speakergmm import DiagonalGMM, FrameStore

# The split of a corpus that background models are trained on.
BACKGROUND = "background"


@dataclass(frozen=True)
class Size:
    """How much work the rows do.

    Parameters
    ----------
    frames, many_frames : int
        Of EM with 512 and with 2,048 components.
    exact_frames : int
        Of the comparison with float64.
    growth_frames : int
        The smallest number of frames in ``growth``.
    store_frames : int
        Of the store that memory is measured on.
    speakers, tests : int
        To adapt to, and to score.
    enrolled : int
        Speakers among whom to identify.
    files : int
        Recordings of one second, from file to frames.
    trials : int
        To normalize and calibrate, to read from a file, and to compute metrics of.
    resamples : int
        Of the bootstrap.
    evaluations : int
        Whose intervals are held against what is known.
    kills : int
        Trainings that are killed.
    rounds, peer_rounds : int
        In which contestants are timed; fewer for peers that take very long.
    """

    frames: int
    many_frames: int
    exact_frames: int
    growth_frames: int
    store_frames: int
    speakers: int
    tests: int
    enrolled: int
    trials: int
    resamples: int
    evaluations: int
    files: int
    kills: int
    rounds: int
    peer_rounds: int

    def em_frames(self, n_components: int) -> int:
        """Frames of EM with so many components."""
        return self.frames if n_components == N_COMPONENTS else self.many_frames


@dataclass(frozen=True)
class Work:
    """The sizes, the corpus if there is one, and a folder that is gone afterwards.

    With a corpus, `mixture` and `frames` are a UBM trained on its background speech and that
    speech; without, a random mixture and frames drawn from it.
    """

    size: Size
    corpus: Path | None
    folder: Path

    @property
    def description(self) -> str:
        """Say which frames EM, accuracy and jobs are measured on."""
        if self.corpus is None:
            return "frames drawn from random mixtures"
        n_frames, n_features = self.speech.shape
        return (
            f"{n_frames:,} frames of {n_features} features of the {BACKGROUND} split of "
            f"{self.corpus.name}, repeated where more are needed"
        )

    def settings(self, n_components: int = N_COMPONENTS, top_c: int | None = None) -> Settings:
        """Give the settings of the models that are trained on a corpus."""
        overrides = {
            "front_end.n_mfcc": str(FRONT_END.n_mfcc),
            "front_end.deltas": str(FRONT_END.deltas),
            "ubm.n_components": str(n_components),
            "training.max_iterations": "6",
            "training.kmeans_iterations": "5",
        }
        if top_c is not None:
            overrides["scoring.top_c"] = str(top_c)
        return load_settings(None, overrides)

    @cached_property
    def store(self) -> FrameStore:
        """Frames of the corpus's background speech."""
        store, _ = extract_list(
            self.require_corpus() / "utterances.csv",
            self.folder / "background",
            FRONT_END,
            split=BACKGROUND,
        )
        return store

    @cached_property
    def speech(self) -> NDArray[np.float32]:
        """All of those frames (T, D)."""
        return self.store.pooled(list(self.store.places))

    def require_corpus(self) -> Path:
        """Give the corpus's folder.

        Raises
        ------
        RuntimeError
            When there is none.
        """
        if self.corpus is None:
            raise RuntimeError("this needs a corpus; give one with --corpus")
        return self.corpus

    def model_file(self, n_components: int) -> Path:
        """Train a UBM on the background speech, once."""
        path = self.folder / f"ubm-{n_components}.safetensors"
        if not path.exists():
            train_on_store(self.store.folder, path, self.settings(n_components))
        return path

    def mixture(self, n_components: int = N_COMPONENTS) -> DiagonalGMM:
        """Give the mixture of so many components."""
        if self.corpus is None:
            return random_mixture(n_components)
        return load_background_model(self.model_file(n_components)).gmm

    def frames(self, n_components: int, n_frames: int) -> NDArray[np.float32]:
        """Give frames (T, D) for the mixture of so many components.

        Of real speech, frames from all over it, as the mixture was trained on, and over again where
        more are wanted than there are.
        """
        if self.corpus is None:
            return draw_frames(random_mixture(n_components), n_frames)
        if n_frames >= len(self.speech):
            return np.resize(self.speech, (n_frames, self.speech.shape[1]))
        rows = np.linspace(0, len(self.speech) - 1, n_frames).astype(int)
        return self.speech[rows]

    def both(self, n_frames: int) -> list[tuple[DiagonalGMM, NDArray[np.float32]]]:
        """Both mixtures, each with so many frames."""
        return [
            (self.mixture(k), self.frames(k, n_frames)) for k in (N_COMPONENTS, MANY_COMPONENTS)
        ]

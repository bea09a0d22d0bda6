"""The state of a training on disk: killed at any moment, it goes on from the last iteration."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from speakergmm.errors import ModelError
from speakergmm.files import writing
from speakergmm.gmm.em import TrainingState
from speakergmm.gmm.model import DiagonalGMM

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = "speakergmm-training"
PARAMETERS = ("weights", "means", "variances")


@dataclass(frozen=True)
class Checkpoint:
    """A file that holds the state of one training.

    ``key`` is the digest of all that the training depends on: a state with another key is of
    another training, and not used.
    """

    path: Path
    key: str

    def save(self, state: TrainingState) -> None:
        """Write the state, atomically: the one before stays whole until then.

        Raises
        ------
        OutputError
            When it cannot be written.
        """
        from safetensors.numpy import save

        tensors = {name: getattr(state.gmm, name) for name in PARAMETERS}
        if state.unsplit is not None:
            tensors |= {f"unsplit_{name}": getattr(state.unsplit, name) for name in PARAMETERS}
        about = {
            field.name: getattr(state, field.name)
            for field in dataclasses.fields(state)
            if field.name not in ("gmm", "unsplit")
        }
        content = save(tensors, metadata={FORMAT: json.dumps({"key": self.key, "state": about})})
        with writing(self.path) as temporary:
            temporary.write_bytes(content)

    def load(self) -> TrainingState | None:
        """Read the state; None where there is none of this training, or none that is whole."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(str(self.path), framework="numpy") as file:
                about = json.loads((file.metadata() or {})[FORMAT])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            if about["key"] != self.key:
                return None
            state: dict[str, Any] = {
                k: tuple(v) if isinstance(v, list) else v for k, v in about["state"].items()
            }
            gmm = DiagonalGMM(*(tensors[name] for name in PARAMETERS))
            unsplit = None
            if "unsplit_means" in tensors:
                unsplit = DiagonalGMM(*(tensors[f"unsplit_{name}"] for name in PARAMETERS))
            return TrainingState(gmm, unsplit, **state)
        except (SafetensorError, OSError, KeyError, ValueError, TypeError, ModelError):
            return None

"""What is known of a trial besides its score: how much speech there was, and how clean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from speakergmm.errors import ScoreError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from speakergmm.corpora import Trials

    Floats: TypeAlias = NDArray[np.float64]

SideName: TypeAlias = Literal["enrollment_speech", "test_speech", "enrollment_snr", "test_snr"]
SIDE_NAMES: tuple[SideName, ...] = (
    "enrollment_speech", "test_speech", "enrollment_snr", "test_snr",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class TrialSide:
    """What is known of models (M,) and tests (K,) besides scores, by name.

    ``enrollment_speech`` and ``test_speech`` in seconds of net speech, ``enrollment_snr`` and
    ``test_snr`` in dB.
    """

    values: Mapping[str, Floats]

    def of_trials(self, trials: Trials, names: Sequence[str]) -> Floats:
        """Give the quantities (N, Q) that calibration uses, of each trial.

        Raises
        ------
        ScoreError
            When one was not measured.
        """
        columns = []
        for name in names:
            if name not in self.values:
                known = ", ".join(self.values) or "nothing"
                raise ScoreError(f"{name} was not measured with these scores; known is {known}")
            index = trials.model_index if name.startswith("enrollment") else trials.test_index
            columns.append(side_quantity(name, self.values[name])[index])
        return np.column_stack(columns) if columns else np.empty((len(trials), 0))


def side_quantity(name: str, values: Floats) -> Floats:
    """Turn what was measured into what enters the regression: seconds into their logarithm."""
    return np.log(values) if name.endswith("_speech") else values

"""How much speech is the least that anything can be said of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speakergmm.errors import AudioError

if TYPE_CHECKING:
    from collections.abc import Iterable

# A click or a breath has less; the shortest words have more.
MIN_SPEECH_S = 0.2


def check_enough_speech(names: Iterable[str], speech_s: float) -> None:
    """Refuse recordings that have too little speech together.

    Raises
    ------
    AudioError
        Naming them.
    """
    if speech_s < MIN_SPEECH_S:
        raise AudioError(
            f"{', '.join(names)}: {speech_s:.2f} s of speech; expected at least {MIN_SPEECH_S:g} "
            "s, better several seconds: record more"
        )

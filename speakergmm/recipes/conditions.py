"""Conditions: under which an experiment is run again, with some of its speech made worse."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from speakergmm.audio.degradation import Degradation
from speakergmm.corpora.tables import number
from speakergmm.errors import ConfigError
from speakergmm.files import value_digest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from speakergmm.audio.noises import NoisePool

ROLES = ("background", "enrollment", "test")
EVERYWHERE = "all"

# The step that belongs to a whole enrollment or test, not to each recording.
SPEECH = "speech"
MIN_SPEECH_S, MAX_SPEECH_S = 0.05, 86_400


@dataclass(frozen=True)
class Condition:
    """What is done to the speech of which roles.

    Parameters
    ----------
    degradation : Degradation
        What is done to each utterance.
    roles : tuple of str
        To which speech: of the ``background``, the ``enrollment``, the ``test``.
    speech_s : float, optional
        So many seconds of the speech of each enrollment and test are used; default: all.
    """

    degradation: Degradation
    roles: tuple[str, ...]
    speech_s: float | None = None

    @classmethod
    def parse(cls, text: str) -> Condition:
        """Read a condition: the steps of a degradation, and where they are taken.

        ``noise:10``, ``cut:3+opus:8@test``, ``telephone@enrollment+test``, ``multisession``,
        ``speech:2`` (two seconds of speech, as voice activity detection finds it). Steps are joined
        by ``+``; after ``@`` stand roles joined by ``+``, or ``all``. Without: ``multisession``
        is for all, everything else for the tests.

        Raises
        ------
        ConfigError
            For an unknown step or role, or a value that is missing or out of range.
        """
        steps_text, at, roles_text = text.partition("@")
        steps = [step.strip() for step in steps_text.split("+")]
        speech = [step for step in steps if step.partition(":")[0].strip() == SPEECH]
        others = [step for step in steps if step not in speech]
        degradation = _degradation(text, others) if others else Degradation()
        if at:
            roles = tuple(role.strip() for role in roles_text.split("+"))
        else:
            is_for_all = any(step.name == "multisession" for step in degradation.steps)
            roles = (EVERYWHERE,) if is_for_all else ("test",)
        known = ROLES if roles == (EVERYWHERE,) else roles
        for role in known:
            if role not in ROLES:
                raise ConfigError(
                    f"condition {text!r}: unknown role {role!r}; expected {', '.join(ROLES)}, "
                    f"joined by +, or {EVERYWHERE}"
                )
        if len(speech) > 1:
            raise ConfigError(f"condition {text!r}: {SPEECH} stands there twice; expected once")
        speech_s = _speech_s(text, speech[0]) if speech else None
        if speech_s is not None and not {"enrollment", "test"} & set(known):
            raise ConfigError(
                f"condition {text!r}: {SPEECH} is of an enrollment or a test; expected one of them "
                "after @"
            )
        if not degradation.steps:
            # A cut to seconds of speech is nothing to the background.
            known = () if speech_s is None else tuple(set(known) - {"background"})
        return cls(degradation, tuple(role for role in ROLES if role in known), speech_s)

    @property
    def is_clean(self) -> bool:
        """Whether nothing is done to any speech."""
        return not self.roles

    def __str__(self) -> str:
        steps = [str(step) for step in self.degradation.steps]
        if self.speech_s is not None:
            steps.append(f"{SPEECH}:{np.format_float_positional(self.speech_s, trim='-')}")
        text = "+".join(steps) or "clean"
        usual = Condition.parse(text).roles if self.roles else ()
        if self.roles == usual:
            return text
        return f"{text}@{EVERYWHERE if self.roles == ROLES else '+'.join(self.roles)}"

    @property
    def folder(self) -> str:
        """Name for the folder of its results."""
        return re.sub(r"[^A-Za-z0-9.-]+", "_", str(self))


def _degradation(text: str, steps: list[str]) -> Degradation:
    try:
        return Degradation.parse("+".join(steps))
    except ConfigError as error:
        also = f", {SPEECH}" if "known are" in str(error) else ""
        raise ConfigError(f"condition {text!r}: {error}{also}") from None


def _speech_s(text: str, step: str) -> float:
    given = step.partition(":")[2].strip()
    value = number(given)
    if not MIN_SPEECH_S <= value <= MAX_SPEECH_S:
        raise ConfigError(
            f"condition {text!r}: {SPEECH} has the value {given!r}; expected {MIN_SPEECH_S:g} to "
            f"{MAX_SPEECH_S:,} s, such as {SPEECH}:2"
        )
    return value


@dataclass(frozen=True)
class Degrader:
    """A degradation with all that it draws from: what extraction does to samples first."""

    degradation: Degradation
    noises: NoisePool | None
    seed: int

    @property
    def digest(self) -> str:
        """Digest of all that the result depends on besides samples, rate and utterance."""
        needed = self.noises if self.degradation.needs_noise else None
        return value_digest([str(self.degradation), needed and needed.digest, self.seed])

    def __call__(
        self, samples: NDArray[np.float32], sample_rate: int, utterance_id: str
    ) -> NDArray[np.float32]:
        """Degrade the samples (n_samples,) of an utterance."""
        return self.degradation(samples, sample_rate, utterance_id, self.noises, self.seed)

"""What is wrong with those channels of a recording that a list wants, found as they pass."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from speakergmm.audio.passing_levels import PassingLevels
from speakergmm.audio.quality import CLIPPED_SHARE, DC_RELATIVE
from speakergmm.audio.samples import SampleCheck, check_finite, one_channel
from speakergmm.errors import AudioError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from speakergmm.audio.passing_levels import Levels
    from speakergmm.audio.samples import Channel

# Of what is left without an offset: nobody was recorded, or a plug was loose.
QUIET_DBFS = -60.0


class Finding(NamedTuple):
    """What is to be known of a recording: its kind, one of `corpus_check.HEADINGS`, and a line."""

    kind: str
    text: str


class ChannelChecks:
    """Looks at the wanted channels of blocks (n, n_channels) as they pass.

    Parameters
    ----------
    path : Path
        Of the recording, for what is said.
    wanted : sequence of int or "mix"
        Channels of the recording, each once. Where their mean is wanted, all are looked at.
    """

    def __init__(self, path: Path, n_channels: int, wanted: Sequence[Channel]) -> None:
        self.path = path
        self.checks = {channel: SampleCheck() for channel in wanted}
        named = sorted(channel for channel in wanted if channel != "mix")
        self.measured = named if len(named) == len(wanted) else list(range(n_channels))
        self.passing = PassingLevels(len(self.measured))
        self.refused: Finding | None = None

    def look(self, block: NDArray[np.float32]) -> None:
        """Look at the next block."""
        if self.refused is not None or not self.measured:
            return
        measured = block if len(self.measured) == block.shape[1] else block[:, self.measured]
        try:
            # Those of single channels may cancel in the mix.
            check_finite(measured, self.passing.n_samples)
            for channel, check in self.checks.items():
                check.look(one_channel(block, channel, self.path))
        except AudioError as error:
            self.refused = Finding("not_finite", f"{self.path}: {error}")
            return
        self.passing.look(measured)

    def levels(self) -> Levels | None:
        """Say what the channels were like; None where that could not be measured."""
        is_measured = self.refused is None and self.passing.n_samples
        return self.passing.levels() if is_measured else None

    def findings(self) -> Iterator[Finding]:
        """Say what is to be known of each channel, errors first."""
        if self.refused is not None:
            yield self.refused
            return
        sounding = []
        for channel, check in self.checks.items():
            try:
                check.finish()
                sounding.append(channel)
            except AudioError as error:
                yield Finding("no_sound", f"{self._name(channel)}: {error}")
        for channel in sounding:
            columns = None if channel == "mix" else [self.measured.index(channel)]
            yield from _warnings(self._name(channel), self.passing.levels(columns))

    def _name(self, channel: Channel) -> str:
        return str(self.path) if channel == "mix" else f"{self.path}: channel {channel}"


def _warnings(name: str, levels: Levels) -> Iterator[Finding]:
    """Say what is to be known of samples that are no silence."""
    # A single sample is no silence, and has no swing.
    swing_db = 20 * math.log10(max(levels.swing, 1e-30))
    if swing_db < QUIET_DBFS:
        # What is left are some steps of quantization, which would look clipped as well.
        loudest = f"its loudest sample is at {swing_db:.0f} dBFS"
        yield Finding("quiet", f"{name}: {loudest if levels.swing else 'it is one sample'}")
        return
    if levels.clipped_share >= CLIPPED_SHARE:
        yield Finding("clipped", f"{name}: {levels.clipped_share:.2%} of the samples")
    if abs(levels.dc_offset) >= DC_RELATIVE * levels.rms:
        text = f"{levels.dc_offset:+.2%} of full scale, {abs(levels.dc_offset) / levels.rms:.2g} "
        yield Finding("dc_offset", f"{name}: {text}times its level")

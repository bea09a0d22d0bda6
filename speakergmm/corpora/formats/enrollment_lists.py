"""Which utterances make a model, in lists of other toolkits."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from speakergmm.corpora.formats.plain_lists import (
    first_lines,
    note_if_comment,
    parted,
    parted_by_commas,
)
from speakergmm.corpora.formats.sides import (
    CHANNELS,
    EXPECTED_SIDE,
    NO_SIDE,
    Side,
    by_recordings,
    called_as_known,
    refuse_alike,
    renamed,
    side_column,
)
from speakergmm.corpora.tables import Problems
from speakergmm.corpora.text_files import reading_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from speakergmm.corpora.manifests import Pools, Utterances

MODEL_HEADERS = ("modelid", "model_id")


@dataclass(frozen=True, slots=True)
class Enrollment:
    """What makes each model.

    ``sides`` are those of utterances that are one of a recording's, ``utterances`` those that come
    with it, of a Kaldi data folder.
    """

    pools: Pools
    sides: Mapping[str, Side] = field(default_factory=dict)
    utterances: Utterances = field(default_factory=dict)

    def among(self, utterances: Utterances) -> Enrollment:
        """Call utterances as they are known, such as sides by their recordings."""
        names = called_as_known(self._members(), self.sides, frozenset(utterances))
        return self._called(names, {}) if names else self

    def by_recordings(self) -> Enrollment:
        """Call sides by their recordings, where these are of one channel."""
        names = by_recordings(self._members(), self.sides)
        sides = {names.get(name, name): side for name, side in self.sides.items()}
        return self._called(names, sides) if names else self

    def _members(self) -> Iterable[str]:
        return dict.fromkeys(member for pool in self.pools.values() for member in pool)

    def _called(self, names: Mapping[str, str], sides: Mapping[str, Side]) -> Enrollment:
        pools = {model: renamed(pool, names) for model, pool in self.pools.items()}
        return replace(self, pools=pools, sides=sides)


def read_enrollment_list(path: Path) -> Enrollment:
    """Read which utterances make a model: ``MODEL UTTERANCE ...``, in one line or several.

    ALIZE's ``trainModel.ndx``, the Identity Toolbox's ``speaker_model_maps.lst``, Kaldi's
    ``spk2utt`` and NIST's lists since 2016 (with a header, ``modelid`` and ``segmentid``) are all
    of this form; so is ``enrollment.csv``.

    Raises
    ------
    ManifestError
        With each line that names no utterance, or a side that is none.
    """
    problems = Problems(path)
    lines = first_lines(path)
    commas = parted_by_commas(lines)
    rows = [parted(line, commas=commas) for line in lines]
    has_header = bool(rows) and rows[0][0].lower() in MODEL_HEADERS
    side_place = side_column(rows[0], rows[1:]) if has_header else None
    pools: dict[str, dict[str, None]] = {}
    sides: dict[str, Side] = {}
    whole: list[str] = []
    is_header = has_header
    with reading_text(path) as text:
        for number, line in enumerate(text, 1):
            cells = parted(line, commas=commas)
            if not "".join(cells) or note_if_comment(line, number, problems):
                continue
            if is_header:
                is_header = False
            elif len(cells) == 1:
                problems.add(number, f"{cells[0]!r} alone; expected MODEL UTTERANCE ...")
            else:
                # What else stands behind the utterance of a list with a header is passed over.
                members = cells[1:2] if has_header else cells[1:]
                side = None
                if side_place is not None:
                    side = _side(cells, side_place, number, problems)
                if side is not None:
                    members = [side.name]
                    sides[side.name] = side
                else:
                    whole += members
                pools.setdefault(cells[0], {}).update(dict.fromkeys(members))
    if not pools and not problems.n:
        problems.add(1, "the list is empty; expected MODEL UTTERANCE ... in each line")
    problems.raise_if_any()
    refuse_alike(path, whole, sides)
    return Enrollment({model: tuple(pool) for model, pool in pools.items()}, sides)


def _side(cells: Sequence[str], place: int, number: int, problems: Problems) -> Side | None:
    """Read which side of a recording a line names, if it is but one."""
    letter = cells[place] if place < len(cells) else ""
    channel = CHANNELS.get(letter.lower())
    if channel is None:
        problems.add(number, f"side is {letter!r}; expected {EXPECTED_SIDE}")
        return None
    return None if channel == NO_SIDE else Side(cells[1], channel)

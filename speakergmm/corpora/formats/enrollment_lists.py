"""Which utterances make a model, in lists of other toolkits."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

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
    file_and_channel,
    refuse_alike,
    renamed,
    side_column,
)
from speakergmm.corpora.formats.trial_forms import HEADER_WORDS, LETTERS, TEST, UNUSED
from speakergmm.corpora.tables import Problems
from speakergmm.corpora.text_files import reading_text
from speakergmm.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from speakergmm.corpora.manifests import Pools, Utterances

MODEL_HEADERS = ("modelid", "model_id")
UTTERANCE_HEADERS = frozenset(
    ("utterance_id", *(word for word, role in HEADER_WORDS.items() if role == TEST))
)
SEXES = LETTERS[UNUSED]


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


class _ListForm(NamedTuple):
    """Where in a line the utterances stand: one in a list with a header, else all from there on."""

    commas: bool
    has_header: bool
    first: int
    side: int | None

    def names(self, cells: Sequence[str]) -> Sequence[str]:
        """Give the cells of a line that are names."""
        last = self.first + 1 if self.has_header else None
        return (cells[0], *cells[self.first : last])

    def members(
        self, cells: Sequence[str], number: int, problems: Problems
    ) -> Iterator[tuple[str, int]]:
        """Give the files that a line names, and their channels."""
        if self.side is not None:
            letter = cells[self.side] if self.side < len(cells) else ""
            channel = CHANNELS.get(letter.lower())
            if channel is None:
                problems.add(number, f"side is {letter!r}; expected {EXPECTED_SIDE}")
            yield cells[self.first], NO_SIDE if channel is None else channel
            return
        # What else stands behind the utterance of a list with a header is passed over.
        for cell in self.names(cells)[1:]:
            parts = [file_and_channel(part) for part in cell.split(",")]
            told = [part for part in parts if part is not None]
            yield from told if len(told) == len(parts) else [(cell, NO_SIDE)]


def _form_of(path: Path) -> _ListForm:
    """Tell how a list is made by its first lines."""
    lines = first_lines(path)
    commas = parted_by_commas(lines)
    rows = [parted(line, commas=commas) for line in lines]
    header = [cell.lower() for cell in rows[0]] if rows else []
    if not header or header[0] not in MODEL_HEADERS:
        has_sex = bool(rows) and all(len(row) > 2 and row[1] in SEXES for row in rows)
        return _ListForm(commas, has_header=False, first=2 if has_sex else 1, side=None)
    side = side_column(header, rows[1:])
    # The name of the second of two columns does not matter.
    others = [place for place in range(1, len(header)) if place != side]
    named = [place for place in others if header[place] in UTTERANCE_HEADERS]
    if not named and len(others) > 1:
        raise ManifestError(
            f"{path}: the columns are {', '.join(rows[0])}; expected one of utterances, such as "
            "'segmentid', by which it is known what makes a model"
        )
    return _ListForm(commas, has_header=True, first=next(iter((*named, *others)), 1), side=side)


def read_enrollment_list(path: Path) -> Enrollment:
    """Read which utterances make a model: ``MODEL UTTERANCE ...``, in one line or several.

    ALIZE's ``trainModel.ndx``, the Identity Toolbox's ``speaker_model_maps.lst``, Kaldi's
    ``spk2utt`` and NIST's lists since 2016 (with a header, ``modelid`` and ``segmentid``) are all
    of this form; so is ``enrollment.csv``. NIST's of 2008 and 2010 are ``MODEL FILE:SIDE,...``,
    with a sex behind the model or not.

    Raises
    ------
    ManifestError
        With each line that names no utterance, or a side that is none; when a header does not tell
        where utterances stand.
    """
    problems = Problems(path)
    form = _form_of(path)
    pools: dict[str, dict[str, None]] = {}
    sides: dict[str, Side] = {}
    whole: list[str] = []
    is_header = form.has_header
    with reading_text(path) as text:
        for number, line in enumerate(text, 1):
            cells = parted(line, commas=form.commas)
            if not "".join(cells) or note_if_comment(line, number, problems):
                continue
            if is_header:
                is_header = False
            elif len(cells) <= form.first:
                problems.add(number, f"{' '.join(cells)!r} alone; expected MODEL UTTERANCE ...")
            elif not all(form.names(cells)):
                problems.add(
                    number,
                    "a name is empty (two commas, or one at the end); expected MODEL UTTERANCE ...",
                )
            else:
                members = []
                for name, channel in form.members(cells, number, problems):
                    if channel == NO_SIDE:
                        members.append(name)
                        whole.append(name)
                    else:
                        side = Side(name, channel)
                        members.append(side.name)
                        sides[side.name] = side
                pools.setdefault(cells[0], {}).update(dict.fromkeys(members))
    if not pools and not problems.n:
        problems.add(1, "the list is empty; expected MODEL UTTERANCE ... in each line")
    problems.raise_if_any()
    refuse_alike(path, whole, sides)
    return Enrollment({model: tuple(pool) for model, pool in pools.items()}, sides)

"""Official lists of trials: a pair and whether it is one speaker, a line each, millions of them.

What a list names that a copy does not hold is left out and said, so that a part of a corpus can be
used; what contradicts itself is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from speakergmm.corpora.lists import protocol_of
from speakergmm.corpora.pairs import in_order_of_appearance, repeated_rows
from speakergmm.corpora.text_files import reading_text
from speakergmm.corpora.trials import Trials
from speakergmm.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from speakergmm.corpora.manifests import Pools, Utterances
    from speakergmm.corpora.protocols import Protocol

# Characters whose lines are read at once.
BLOCK_LENGTH = 1 << 22

# Cells of a line.
N_CELLS = 3


class Ids(dict[str, int]):
    """Names as a list writes them → numbers of their ids, in order of appearance."""

    def __init__(self, id_of: Callable[[str], str]) -> None:
        super().__init__()
        self.id_of = id_of
        self.numbers: dict[str, int] = {}

    def __missing__(self, name: str) -> int:
        number = self.numbers.setdefault(self.id_of(name), len(self.numbers))
        self[name] = number
        return number

    def read(self, names: Sequence[str]) -> NDArray[np.int32]:
        """Give the number of each name."""
        return np.fromiter(map(self.__getitem__, names), np.int32, len(names))

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids met so far."""
        return tuple(self.numbers)


@dataclass(frozen=True, eq=False)
class PairList:
    """N pairs of a model and a test.

    ``model_index`` and ``test_index`` (N,) point into the ids, ``lines`` (N,) are those of the
    file.
    """

    path: Path
    model_ids: tuple[str, ...]
    test_ids: tuple[str, ...]
    model_index: NDArray[np.int32]
    test_index: NDArray[np.int32]
    is_target: NDArray[np.bool_]
    lines: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.lines)

    def pair(self, row: int) -> str:
        """Name the ids of one trial."""
        model, test = self.model_index[row], self.test_index[row]
        return f"{self.model_ids[model]} {self.test_ids[test]}"


class Made(NamedTuple):
    """A protocol, and what is to be said of it."""

    protocol: Protocol
    notes: tuple[str, ...]


def read_pair_list(
    path: Path,
    example: str,
    *,
    label_at: int,
    model_id_of: Callable[[str], str],
    test_id_of: Callable[[str], str],
) -> PairList:
    """Read a list with three cells a line, one of them 1 (the same speaker) or 0.

    Parameters
    ----------
    path : path
        The list, plain or gzip.
    example : str
        A line as it should be, for messages.
    label_at : int
        Place of the label; of the others the first is the model, the second the test.
    model_id_of, test_id_of : callable
        What the list calls a model or a test → its id.

    Raises
    ------
    ManifestError
        When the list is empty or cannot be read; naming the first line that is something else.
    """
    models, tests = Ids(model_id_of), Ids(test_id_of)
    parts: list[tuple[NDArray[np.int32], ...]] = []
    places = [place for place in range(N_CELLS) if place != label_at]
    n_lines = 0
    with reading_text(path) as text:
        while lines := text.readlines(BLOCK_LENGTH):
            numbers = np.arange(n_lines + 1, n_lines + len(lines) + 1, dtype=np.int32)
            n_lines += len(lines)
            cells = "".join(lines).split()
            labels = cells[label_at::N_CELLS]
            # The loop over lines only says which of them is wrong, and drops blank ones.
            if len(cells) != N_CELLS * len(lines) or not set(labels) <= {"0", "1"}:
                kept = _checked(path, lines, int(numbers[0]), label_at, example)
                cells, numbers = list(chain.from_iterable(kept.values())), np.array([*kept], "i4")
                labels = cells[label_at::N_CELLS]
            is_target = np.fromiter(map("1".__eq__, labels), np.int32, len(labels))
            names = [cells[place::N_CELLS] for place in places]
            parts.append((models.read(names[0]), tests.read(names[1]), is_target, numbers))
    if not n_lines or not models:
        raise ManifestError(f"{path}: no trials in it; expected lines such as {example!r}")
    model, test, target, line = (np.concatenate(part) for part in zip(*parts, strict=True))
    return PairList(path, models.ids, tests.ids, model, test, target == 1, line)


def _checked(
    path: Path, lines: Sequence[str], first: int, label_at: int, example: str
) -> dict[int, list[str]]:
    """Give the cells of lines that are not blank, by their numbers."""
    kept = {}
    for number, line in enumerate(lines, first):
        cells = line.split()
        if cells and (len(cells) != N_CELLS or cells[label_at] not in ("0", "1")):
            raise ManifestError(
                f"{path}:{number}: {line.strip()!r}; expected a line such as {example!r}"
            )
        if cells:
            kept[number] = cells
    return kept


def protocol_of_pairs(
    pairs: PairList, enrollment: Pools, tests: Pools, utterances: Utterances
) -> Made:
    """Make a protocol of the pairs whose recordings are there.

    A pair that stands there again is left out, and one of which both sides are the same recording:
    neither can be told from the other trials, or says anything.

    Parameters
    ----------
    enrollment, tests : mapping
        Utterances of the models and tests that are there, by the list's ids.

    Raises
    ------
    ManifestError
        When no target or no nontarget trial is left, or a label contradicts the speakers.
    """
    model_speakers = _speakers(pairs.model_ids, enrollment, utterances)
    test_speakers = _speakers(pairs.test_ids, tests, utterances)
    codes = {name: i for i, name in enumerate(dict.fromkeys((*model_speakers, *test_speakers)))}
    of_model = np.array([codes[name] for name in model_speakers], dtype=np.int32)
    of_test = np.array([codes[name] for name in test_speakers], dtype=np.int32)
    of_model, of_test = of_model[pairs.model_index], of_test[pairs.test_index]
    none = codes.get("", -1)
    there = (of_model != none) & (of_test != none)
    _refuse_contradictions(pairs, there & ((of_model == of_test) != pairs.is_target))
    code = pairs.model_index.astype(np.int64) * len(pairs.test_ids) + pairs.test_index
    again = np.zeros(len(pairs), dtype=bool)
    again[repeated_rows(code)] = True
    same = np.isin(code, _shared_codes(pairs, enrollment, tests))
    notes = (
        _note(pairs, ~there, "a recording is not there"),
        _note(pairs, there & again, "they stand there before"),
        _note(pairs, there & same & ~again, "both sides are the same recording"),
    )
    trials = _trials(pairs, np.flatnonzero(there & ~again & ~same))
    n_target = int(trials.is_target.sum())
    if not 0 < n_target < len(trials):
        raise ManifestError(
            f"{pairs.path}: {n_target:,} target and {len(trials) - n_target:,} nontarget trials "
            f"have their recordings here, of {len(pairs):,}, such as {pairs.pair(0)}; expected "
            "some of each: is the copy whole, and the list that of this corpus?"
        )
    used = {name: enrollment[name] for name in trials.model_ids}
    tried = {name: tests[name] for name in trials.test_ids}
    return Made(protocol_of(used, tried, utterances, trials), tuple(filter(None, notes)))


def _speakers(ids: Sequence[str], pools: Pools, utterances: Utterances) -> list[str]:
    """Give the speaker of each id, nobody where its recordings are not there."""
    return [utterances[pools[name][0]].speaker_id if name in pools else "" for name in ids]


def _refuse_contradictions(pairs: PairList, wrong: NDArray[np.bool_]) -> None:
    rows = np.flatnonzero(wrong)
    if len(rows):
        row = rows[0]
        told = "one speaker" if pairs.is_target[row] else "different speakers"
        raise ManifestError(
            f"{pairs.path}:{pairs.lines[row]}: {pairs.pair(row)} are told to be {told}, but their "
            f"names say otherwise ({len(rows):,} such lines): get the list again"
        )


def _shared_codes(pairs: PairList, enrollment: Pools, tests: Pools) -> NDArray[np.int64]:
    """Give the numbers of pairs whose test holds speech that its model was enrolled with."""
    tests_with: dict[str, list[int]] = {}
    for number, name in enumerate(pairs.test_ids):
        for member in tests.get(name, ()):
            tests_with.setdefault(member, []).append(number)
    codes = [
        model * len(pairs.test_ids) + test
        for model, name in enumerate(pairs.model_ids)
        for member in enrollment.get(name, ())
        for test in tests_with.get(member, ())
    ]
    return np.array(codes, dtype=np.int64)


def _note(pairs: PairList, left_out: NDArray[np.bool_], why: str) -> str:
    rows = np.flatnonzero(left_out)
    if not len(rows):
        return ""
    return (
        f"{len(rows):,} of the {len(pairs):,} trials of {pairs.path.name} left out: {why}, such as "
        f"{pairs.pair(rows[0])}"
    )


def _trials(pairs: PairList, rows: NDArray[np.intp]) -> Trials:
    models, model = in_order_of_appearance(pairs.model_ids, pairs.model_index[rows])
    tests, test = in_order_of_appearance(pairs.test_ids, pairs.test_index[rows])
    return Trials(models, tests, model, test, pairs.is_target[rows])


def length_note(pairs: PairList, n_published: int) -> tuple[str, ...]:
    """Say when a list has another number of trials than was published."""
    if len(pairs) == n_published:
        return ()
    there = f"{pairs.path.name} has {len(pairs):,} trials"
    return (f"{there}, where the published list has {n_published:,}",)


def single_pools(utterances: Mapping[str, object]) -> dict[str, tuple[str, ...]]:
    """Make every utterance a model, or a test, of its own, under its id."""
    return {name: (name,) for name in utterances}

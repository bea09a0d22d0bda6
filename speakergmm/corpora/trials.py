"""Trial lists and score files: which model is compared with which test, and what came out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from speakergmm.corpora.tables import Problems, format_table, number, read_rows
from speakergmm.errors import ManifestError
from speakergmm.files import write_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

TARGET, NONTARGET = "target", "nontarget"
ALL = "*"


@dataclass(frozen=True, eq=False)
class Trials:
    """N comparisons of a model with a test.

    ``model_index`` and ``test_index`` (N,) point into ``model_ids`` and ``test_ids``;
    ``is_target`` (N,) is True where both are the same speaker. ``model_speaker`` (M,) and
    ``test_speaker`` (K,) number the speakers, where these are known otherwise than by the target
    trials.
    """

    model_ids: tuple[str, ...]
    test_ids: tuple[str, ...]
    model_index: NDArray[np.int32]
    test_index: NDArray[np.int32]
    is_target: NDArray[np.bool_]
    model_speaker: NDArray[np.intp] | None = None
    test_speaker: NDArray[np.intp] | None = None

    def __len__(self) -> int:
        return len(self.model_index)


@dataclass(frozen=True, eq=False)
class Scores:
    """Trials with their scores (N,), and calibrated log-likelihood ratios (N,) where there are."""

    trials: Trials
    score: NDArray[np.float64]
    llr: NDArray[np.float64] | None = None

    def target(self) -> NDArray[np.float64]:
        """Scores of the target trials."""
        return self.score[self.trials.is_target]

    def nontarget(self) -> NDArray[np.float64]:
        """Scores of the nontarget trials."""
        return self.score[~self.trials.is_target]


class _TrialBuilder:
    """Numbers ids in order of appearance and refuses a pair that stands there twice."""

    def __init__(self) -> None:
        self.models: dict[str, int] = {}
        self.tests: dict[str, int] = {}
        self.labels: dict[tuple[int, int], bool] = {}

    def add(self, model_id: str, test_id: str, is_target: bool) -> bool:
        pair = (
            self.models.setdefault(model_id, len(self.models)),
            self.tests.setdefault(test_id, len(self.tests)),
        )
        if pair in self.labels:
            return False
        self.labels[pair] = is_target
        return True

    def build(self) -> Trials:
        pairs = np.array(list(self.labels), dtype=np.int32).reshape(-1, 2)
        return Trials(
            tuple(self.models),
            tuple(self.tests),
            pairs[:, 0].copy(),
            pairs[:, 1].copy(),
            np.array(list(self.labels.values()), dtype=bool),
        )


def read_trials(
    path: Path | str, model_speakers: Mapping[str, str], test_speakers: Mapping[str, str]
) -> Trials:
    """Read and check ``trials.csv``: ``model_id, test_id, label``.

    ``*`` for a model or a test means all of them. The label of such a row may be left empty: each
    trial is then a target where the model and the test are the same speaker.

    Raises
    ------
    ManifestError
        With every problem: columns, an unknown model or test, a pair twice, a label that is
        neither ``target`` nor ``nontarget`` or that contradicts the speakers.
    """
    path = Path(path)
    problems = Problems(path)
    builder = _TrialBuilder()
    lines_of_all: list[int] = []
    columns = ("model_id", "test_id", "label")
    for row in read_rows(path, columns, (), problems, may_be_empty=("label",)):
        known = True
        for column, speakers in (("model_id", model_speakers), ("test_id", test_speakers)):
            if row[column] != ALL and row[column] not in speakers:
                problems.add(row.line, f"unknown {column} {row[column]!r}")
                known = False
        expands = ALL in (row["model_id"], row["test_id"])
        if row["label"] not in (TARGET, NONTARGET) and not (expands and not row["label"]):
            problems.add(
                row.line, f"label is {row['label']!r}; expected {TARGET!r} or {NONTARGET!r}"
            )
            continue
        if not known:
            continue
        if row["model_id"] == row["test_id"] == ALL and not row["label"]:
            lines_of_all.append(row.line)
            continue
        models = model_speakers if row["model_id"] == ALL else (row["model_id"],)
        tests = test_speakers if row["test_id"] == ALL else (row["test_id"],)
        for model_id in models:
            for test_id in tests:
                same = model_speakers[model_id] == test_speakers[test_id]
                if row["label"] and (row["label"] == TARGET) != same:
                    problems.add(
                        row.line,
                        f"label is {row['label']!r}, but model {model_id!r} is speaker "
                        f"{model_speakers[model_id]!r} and test {test_id!r} is speaker "
                        f"{test_speakers[test_id]!r}",
                    )
                elif not builder.add(model_id, test_id, same):
                    problems.add(row.line, f"duplicate trial: {model_id}, {test_id}")
    if lines_of_all and (builder.labels or len(lines_of_all) > 1):
        text = "duplicate trial: *,* stands for all of them, and another row names some again"
        problems.add(lines_of_all[-1], text)
    problems.raise_if_any()
    if lines_of_all:
        # At once: a list of millions of trials is one line.
        return all_against_all(model_speakers, test_speakers)
    return builder.build()


def all_against_all(model_speakers: Mapping[str, str], test_speakers: Mapping[str, str]) -> Trials:
    """Make every model meet every test; a trial is a target where the speakers are the same."""
    models, tests = tuple(model_speakers), tuple(test_speakers)
    model_index, test_index = np.indices((len(models), len(tests)), dtype=np.int32).reshape(2, -1)
    model_speaker = np.array([model_speakers[model] for model in models])
    test_speaker = np.array([test_speakers[test] for test in tests])
    is_target = model_speaker[model_index] == test_speaker[test_index]
    return Trials(models, tests, model_index, test_index, is_target)


def pool_scores(parts: Mapping[str, Scores]) -> Scores:
    """Join scores of the same models under several names, such as conditions, part after part.

    A test that is in two parts is two tests, unless there is but one part.
    """
    if len(parts) == 1:
        return next(iter(parts.values()))
    models = next(iter(parts.values())).trials.model_ids
    tests: list[str] = []
    offsets = []
    for name, scores in parts.items():
        offsets.append(len(tests))
        tests += [f"{test_id} ({name})" for test_id in scores.trials.test_ids]
    every = list(parts.values())
    trials = Trials(
        models,
        tuple(tests),
        np.concatenate([scores.trials.model_index for scores in every]),
        np.concatenate(
            [s.trials.test_index + offset for s, offset in zip(every, offsets, strict=True)]
        ),
        np.concatenate([scores.trials.is_target for scores in every]),
    )
    return Scores(trials, np.concatenate([scores.score for scores in every]))


def align_scores(every: Sequence[Scores], names: Sequence[str]) -> list[Scores]:
    """Bring score lists of the same trials into the order of the first.

    Raises
    ------
    ManifestError
        When they are not of the same trials with the same labels: how many differ, and the first.
    """
    first = every[0].trials
    aligned = [every[0]]
    own = _pair_codes(first, first)
    order = np.argsort(own)
    for scores, name in zip(every[1:], names[1:], strict=True):
        codes = _pair_codes(scores.trials, first)
        place = np.argsort(codes)
        if len(codes) != len(own) or not np.array_equal(codes[place], own[order]):
            raise ManifestError(_mismatch(first, scores.trials, names[0], name))
        index = np.empty(len(own), dtype=np.intp)
        index[order] = place
        if not np.array_equal(scores.trials.is_target[index], first.is_target):
            n = int((scores.trials.is_target[index] != first.is_target).sum())
            raise ManifestError(
                f"{name}: {n:,} of {len(own):,} trials have another label than in {names[0]}; "
                "expected the same trials: correct one of them"
            )
        llr = None if scores.llr is None else scores.llr[index]
        aligned.append(Scores(first, scores.score[index], llr))
    return aligned


def _pair_codes(trials: Trials, reference: Trials) -> NDArray[np.int64]:
    """Give each trial a number by the ids of a reference, below 0 where it has none of them."""
    models = {model: i for i, model in enumerate(reference.model_ids)}
    tests = {test: i for i, test in enumerate(reference.test_ids)}
    model = np.array([models.get(m, -1) for m in trials.model_ids], dtype=np.int64)
    test = np.array([tests.get(t, -1) for t in trials.test_ids], dtype=np.int64)
    known = (model[trials.model_index] >= 0) & (test[trials.test_index] >= 0)
    codes = model[trials.model_index] * len(tests) + test[trials.test_index]
    codes[~known] = -1 - np.arange(int((~known).sum()))
    return codes


def _mismatch(first: Trials, other: Trials, first_name: str, other_name: str) -> str:
    pairs = [
        {(t.model_ids[m], t.test_ids[k]) for m, k in zip(t.model_index, t.test_index, strict=True)}
        for t in (first, other)
    ]
    parts = []
    for only, name in ((pairs[0] - pairs[1], first_name), (pairs[1] - pairs[0], other_name)):
        if only:
            model, test = min(only)
            parts.append(f"{len(only):,} only in {name}, such as {model} with {test}")
    return (
        f"{first_name} and {other_name} are not of the same trials: {'; '.join(parts)}; score the "
        "same list with both systems"
    )


def trial_speakers(trials: Trials) -> tuple[NDArray[np.intp], NDArray[np.intp], int]:
    """Tell the speakers of models (M,) and tests (K,) apart.

    Where the list does not number them, by what the target trials say: that their model and their
    test are one speaker. What no target trial joins is then taken for different speakers.

    Returns
    -------
    model_speaker, test_speaker, n_speakers
    """
    if trials.model_speaker is not None and trials.test_speaker is not None:
        speakers = np.unique(np.concatenate([trials.model_speaker, trials.test_speaker]))
        return trials.model_speaker, trials.test_speaker, len(speakers)
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n_models, n_tests = len(trials.model_ids), len(trials.test_ids)
    rows = trials.model_index[trials.is_target]
    columns = n_models + trials.test_index[trials.is_target]
    size = n_models + n_tests
    links = coo_array((np.ones(len(rows)), (rows, columns)), shape=(size, size))
    n_speakers, speaker = connected_components(links, directed=False)
    speaker = speaker.astype(np.intp)
    return speaker[:n_models], speaker[n_models:], int(n_speakers)


def write_scores(path: Path | str, scores: Scores) -> None:
    """Write ``scores.csv``: ``model_id,test_id,label,score`` and ``llr`` where there is one.

    Numbers are written with the fewest digits that read back as the same value.
    """
    trials = scores.trials
    header = ["model_id", "test_id", "label", "score"]
    columns: list[Sequence[object]] = [
        [trials.model_ids[i] for i in trials.model_index],
        [trials.test_ids[i] for i in trials.test_index],
        [TARGET if target else NONTARGET for target in trials.is_target],
        [repr(score) for score in scores.score.tolist()],
    ]
    if scores.llr is not None:
        header.append("llr")
        columns.append([repr(llr) for llr in scores.llr.tolist()])
    write_text(path, format_table(header, zip(*columns, strict=True)))


def read_scores(path: Path | str) -> Scores:
    """Read and check a score file: ``model_id,test_id,label,score[,llr]``.

    Scores may be infinite (``inf``, ``-inf``), never NaN. A higher score says "same speaker".

    Raises
    ------
    ManifestError
        With every problem: columns, a label that is neither ``target`` nor ``nontarget``, a score
        that is not a number, a pair twice.
    """
    path = Path(path)
    problems = Problems(path)
    builder = _TrialBuilder()
    values: dict[str, list[float]] = {"score": [], "llr": []}
    has_llr = False
    for row in read_rows(path, ("model_id", "test_id", "label", "score"), ("llr",), problems):
        has_llr = "llr" in row.cells
        if row["label"] not in (TARGET, NONTARGET):
            problems.add(
                row.line, f"label is {row['label']!r}; expected {TARGET!r} or {NONTARGET!r}"
            )
        for column in ("score", "llr") if has_llr else ("score",):
            value = number(row[column])
            if math.isnan(value):
                problems.add(row.line, f"{column} is {row[column]!r}; expected a number")
            values[column].append(value)
        if not builder.add(row["model_id"], row["test_id"], row["label"] == TARGET):
            problems.add(row.line, f"duplicate trial: {row['model_id']}, {row['test_id']}")
    problems.raise_if_any()
    llr = np.array(values["llr"]) if has_llr else None
    return Scores(builder.build(), np.array(values["score"]), llr)

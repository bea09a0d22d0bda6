"""Tables of NIST's speaker recognition evaluations: models, keys of trials, keys of segments.

Up to SRE10: ``train/*.trn`` with ``model m segment.sph:A`` or ``model segment.sph:A,other.sph:B``,
and keys with ``model,segment,a,target`` (``*.trialkey.csv``, ``*.trial.key``). From SRE16 on tables
with a header: ``docs/*_enrollment.tsv``, ``*_trial_key.tsv``, ``*_segment_key.tsv``. The columns of
SRE08 and SRE10 are those that Kaldi's egs/sre16/v1/local/make_sre08.pl and make_sre10.pl read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import compress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from speakergmm.corpora.known.layout import lines_of
from speakergmm.corpora.known.nist_columns import Block, Table, column_of
from speakergmm.corpora.known.pair_lists import Ids, PairList
from speakergmm.corpora.manifests import AUDIO_SUFFIXES
from speakergmm.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

SEXES = {"m": "m", "f": "f", "male": "m", "female": "f"}
LABELS = {"target": True, "nontarget": False}
CHANNELS = {"a": 0, "b": 1, "1": 0, "2": 1}
NOT_SCORED = "NOT_SCORED"

# What columns are called in one year or another.
MODEL = ("modelid", "model_id", "model")
SEGMENT = ("segmentid", "segment_id", "segment")
SIDE = ("side", "channel")
LABEL = ("targettype", "target_type", "target")
SUBJECT = ("subjectid", "subject_id", "subject", "speakerid", "speaker_id", "speaker")
SEX = ("gender", "sex")
CALL = ("call_id", "callid", "call")
SCORED = ("is_scored", "scored")

# Keys that tell it in a column, whether they name it or not.
SCORED_KEY = ".trialkey.csv"

TRN_EXAMPLE = "10001 m tabcd.sph:A"
KEY_EXAMPLE = "10001,tabcd,a,target"


class Segment(NamedTuple):
    """One side of a recording; the channel is None where none is told."""

    stem: str
    channel: int | None = None

    @property
    def name(self) -> str:
        """Its id."""
        return self.stem if self.channel is None else f"{self.stem}_{'ab'[self.channel]}"


@dataclass(frozen=True, slots=True)
class Model:
    """What a model is made of."""

    segments: tuple[Segment, ...]
    sex: str = ""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """One set of trials, with its models.

    ``segments`` are the tests by id. ``speakers`` and ``sexes`` are those that keys tell, of models
    and segments by id, ``sessions`` those of segments. ``notes`` say what is left out.
    """

    name: str
    key: Path
    models: Mapping[str, Model]
    pairs: PairList
    segments: Mapping[str, Segment]
    speakers: Mapping[str, str] = field(default_factory=dict)
    sexes: Mapping[str, str] = field(default_factory=dict)
    sessions: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def stem_of(name: str) -> str:
    """Give a recording's name without folder and suffix, in lower case."""
    short = PurePosixPath(name).name.lower()
    suffix = next((suffix for suffix in (*AUDIO_SUFFIXES, ".mp4") if short.endswith(suffix)), "")
    return short[: len(short) - len(suffix)]


def segment_of(name: str, side: str = "") -> Segment:
    """Read ``tabcd.sph:A``, or a name and its side."""
    short, _, inside = name.partition(":")
    return Segment(stem_of(short), CHANNELS.get((inside or side).lower()))


def read_trn(path: Path) -> dict[str, Model]:
    """Read a list of models of the years up to SRE10; the sex may be that of the folder.

    Raises
    ------
    ManifestError
        For a line without a segment.
    """
    folder_sex = SEXES.get(path.parent.name.lower(), "")
    models = {}
    for number, line in lines_of(path):
        model, *cells = re.split(r"[\s,]+", line.strip(" ,"))
        sex = SEXES.get(cells[0].lower(), "") if cells else ""
        segments = tuple(segment_of(cell) for cell in cells[bool(sex) :])
        if not segments:
            raise ManifestError(
                f"{path}:{number}: {line!r}; expected a line such as {TRN_EXAMPLE!r}"
            )
        models[model] = Model(segments, sex or folder_sex)
    return models


class ModelKey(NamedTuple):
    """What is told of models, by their ids; the speaker of those not scored is ``NOT_SCORED``."""

    speakers: dict[str, str]
    sexes: dict[str, str]


def read_model_key(path: Path) -> ModelKey:
    """Read whose the models are, with or without a header.

    SRE08 has ``model,sex,segment:side,speaker``, SRE10 ``model,speaker``.

    Raises
    ------
    ManifestError
        When no column has the speakers.
    """
    table = Table(path)
    header = [re.sub(r"\W", "_", name) for name in table.first]
    # What is in a column is seen best in the last row that is held: the first may be a header.
    cells = list(enumerate(table.top[-1] if table.top else ()))[1:]
    others = (i for i, cell in cells if cell not in SEXES and ":" not in cell)
    speaker = column_of(header, SUBJECT) or next(others, None)
    if speaker is None:
        raise ManifestError(
            f"{path}: no column of speakers; expected lines such as '10001,m,tabcd:a,SPEAKER' or "
            "'10001,SPEAKER'"
        )
    sex = next((i for i, cell in cells if cell in SEXES), None)
    models, speakers, words = table.columns(0, speaker, sex)
    # A header that was not taken says nothing of any model.
    sexes = {model: SEXES.get(word.lower(), "") for model, word in zip(models, words, strict=False)}
    return ModelKey(dict(zip(models, speakers, strict=True)), sexes)


class _Places(NamedTuple):
    """Where the columns of a key stand; None where it has none."""

    model: int
    segment: int
    label: int
    side: int | None
    scored: int | None = None
    sex: int | None = None


class TrialKey(NamedTuple):
    """What a key tells: trials, their tests by id, and sexes of models, where they are told."""

    pairs: PairList
    segments: dict[str, Segment]
    sexes: dict[str, str]
    notes: tuple[str, ...]


def read_csv_key(path: Path) -> TrialKey:
    """Read a key of the years up to SRE10, with or without a header.

    In those of SRE10 (``*.trialkey.csv``) whether a trial is scored follows the label.

    Raises
    ------
    ManifestError
        For a row that has not the label where the first has it.
    """
    table = Table(path)
    header = [] if {*table.first} & {*LABELS} else table.take_header()
    label = next((place for place, cell in enumerate(table.first) if cell in LABELS), None)
    if label not in (2, 3):
        raise ManifestError(
            f"{path}: no key of trials; expected lines such as {KEY_EXAMPLE!r}, with or without "
            "a header"
        )
    side = 2 if label == 3 else None
    scored = column_of(header, SCORED)
    if not header and path.name.lower().endswith(SCORED_KEY) and len(table.first) > label + 1:
        scored = label + 1
    return _read_key(table, _Places(0, 1, label, side, scored))


def read_tsv_key(path: Path) -> TrialKey:
    """Read a key of SRE16 and later.

    Raises
    ------
    ManifestError
        When a column is missing; for a label that is none.
    """
    table = Table(path)
    header = table.take_header()
    model, segment, label = (table.place(header, names) for names in (MODEL, SEGMENT, LABEL))
    side, sex = column_of(header, SIDE), column_of(header, SEX)
    return _read_key(table, _Places(model, segment, label, side, sex=sex))


def _read_key(table: Table, places: _Places) -> TrialKey:
    segments: dict[str, Segment] = {}

    def id_of(name_and_side: str) -> str:
        name, _, side = name_and_side.partition("\t")
        segment = segment_of(name, side)
        segments[segment.name] = segment
        return segment.name

    models, tests = Ids(str), Ids(id_of)
    sexes: dict[str, str] = {}
    parts: list[tuple[NDArray[np.int32], ...]] = []
    n_out = 0
    for whole in table.blocks(*places):
        block = _scored(whole)
        n_out += len(whole.lines) - len(block.lines)
        model, segment, words, side, _, sex = block.columns
        sexes |= zip(model, sex, strict=False)
        labels = _labels(table, words, block.lines)
        written = list(map("\t".join, zip(segment, side, strict=True))) if side else segment
        parts.append((models.read(model), tests.read(written), labels, block.lines))
    if not models:
        raise ManifestError(f"{table.path}: no trials in it; expected such as {KEY_EXAMPLE!r}")
    model_index, test_index, target, lines = map(np.concatenate, zip(*parts, strict=True))
    pairs = PairList(table.path, models.ids, tests.ids, model_index, test_index, target == 1, lines)
    told = {model: SEXES.get(word.lower(), "") for model, word in sexes.items()}
    note = (
        f"{n_out:,} of the {n_out + len(pairs):,} trials of {table.path.name} left out: the key "
        "says that they are not scored"
    )
    return TrialKey(pairs, segments, told, (note,) if n_out else ())


def _scored(block: Block) -> Block:
    """Leave out the trials that a key says are not scored."""
    kept = [word.upper() != "N" for word in block.columns[_Places._fields.index("scored")]]
    if all(kept):
        return block
    return Block(block.lines[kept], [list(compress(column, kept)) for column in block.columns])


def _labels(table: Table, words: Sequence[str], lines: NDArray[np.int32]) -> NDArray[np.int32]:
    """Give 1 for target, 0 for nontarget."""
    is_target = {word: LABELS.get(word.lower()) for word in set(words)}
    if None in is_target.values():
        bad = next(i for i, word in enumerate(words) if is_target[word] is None)
        raise ManifestError(
            f"{table.path}:{lines[bad]}: label is {words[bad]!r}; expected 'target' or 'nontarget'"
        )
    return np.fromiter(map(is_target.__getitem__, words), np.int32, len(words))


def read_enrollment(path: Path) -> dict[str, Model]:
    """Read the models of SRE16 and later."""
    table = Table(path)
    header = table.take_header()
    places = (table.place(header, MODEL), table.place(header, SEGMENT), column_of(header, SIDE))
    names, segments, sides = table.columns(*places)
    models: dict[str, Model] = {}
    for name, written, told in zip(names, segments, sides or [""] * len(names), strict=True):
        before = models[name].segments if name in models else ()
        models[name] = Model((*before, segment_of(written, told)))
    return models


@dataclass(frozen=True, slots=True)
class SegmentKey:
    """What is told of segments, by their stems."""

    speakers: dict[str, str]
    sexes: dict[str, str]
    sessions: dict[str, str]


def read_segment_key(path: Path) -> SegmentKey:
    """Read who speaks in which segment and in which call, as far as a key tells."""
    table = Table(path)
    header = table.take_header()
    places = (table.place(header, SEGMENT), *(column_of(header, n) for n in (SUBJECT, SEX, CALL)))
    segments, *columns = table.columns(*places)
    stems = list(map(stem_of, segments))
    # A column that is not there is empty.
    told = [{s: v for s, v in zip(stems, column, strict=False) if v} for column in columns]
    speakers, sexes, sessions = told
    words = {stem: SEXES.get(word.lower(), "") for stem, word in sexes.items()}
    return SegmentKey(speakers, words, sessions)

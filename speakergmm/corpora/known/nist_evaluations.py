"""The sets of trials in a folder of NIST's evaluations, each with its models and keys."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from speakergmm.corpora.folders import recordings_below
from speakergmm.corpora.known.layout import need
from speakergmm.corpora.known.nist_tables import (
    NOT_SCORED,
    Evaluation,
    read_csv_key,
    read_enrollment,
    read_model_key,
    read_segment_key,
    read_trn,
    read_tsv_key,
)
from speakergmm.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LAYOUT = """\
  up to SRE10:
    data/.../tabcd.sph                  (two channels, a and b)
    train/core.trn                      (10001 m tabcd.sph:A,tefgh.sph:B)
    keys/core-core.trialkey.csv         (10001,tijkl,a,target)
    keys/core.modelkey.csv              (10001,SPEAKER or 10001,m,tabcd:a,SPEAKER; if there is one)
  SRE16 and later:
    data/enrollment/..., data/test/...
    docs/sre16_eval_enrollment.tsv, sre16_eval_trial_key.tsv, sre16_eval_segment_key.tsv
    docs/sre16_dev_...                  (development; in the same folder or beside it)
  people of neither:
    data/unlabeled/..., or background/SPEAKER/..."""

TRIAL_KEY, MODEL_KEY = (re.compile(rf"[._-]?{what}[._-]?key") for what in ("trial", "model"))
ENROLLMENT = re.compile(r"_enrollments?\.tsv")
SEGMENT_KEY = "_segment_key.tsv"
TABLES = (".trn", ".tsv", ".csv", ".key", ".ndx")


@dataclass(frozen=True, slots=True)
class TrialSet:
    """A set of trials that was found, and not read yet.

    ``tables`` are all that are in the folder, ``key`` among them.
    """

    folder: Path
    key: Path
    tables: tuple[Path, ...]

    @property
    def name(self) -> str:
        """What its key's name begins with."""
        return TRIAL_KEY.split(self.key.name.lower())[0]

    @property
    def is_development(self) -> bool:
        """Whether it is a development set, by its name."""
        return "dev" in re.split(r"[^a-z]+", self.name)

    def read(self) -> Evaluation:
        """Read its tables.

        Raises
        ------
        ManifestError
            When one is missing, or has something else in it than expected.
        """
        return _read_later(self) if self.key.suffix.lower() == ".tsv" else _read_earlier(self)


def trial_sets_in(folder: Path) -> list[TrialSet]:
    """Find all sets of trials that have a key.

    Raises
    ------
    ManifestError
        When there is none.
    """
    tables = tuple(sorted(_tables(folder)))
    keys = [table for table in tables if TRIAL_KEY.search(table.name.lower())]
    if not keys:
        without = [t.name for t in tables if t.name.lower().endswith((".ndx", "_trials.tsv"))]
        there = f"; {without[0]} has trials without saying which are target" if without else ""
        raise ManifestError(
            f"{folder}: no key of trials (*.trialkey.csv, *.trial.key or *_trial_key.tsv){there}; "
            f"expected an evaluation:\n{LAYOUT}"
        )
    return [TrialSet(folder, key, tables) for key in keys]


def _tables(folder: Path) -> Iterator[Path]:
    for path in recordings_below(folder, suffixes=TABLES):
        # Faces are tried as well from SRE19 on.
        if "visual" not in path.name.lower():
            yield path


def _read_earlier(found: TrialSet) -> Evaluation:
    """Read the trials of an evaluation up to SRE10."""
    name, tables = found.name, found.tables
    condition = name.rpartition("-")[0] or name
    lists = [table for table in tables if table.suffix.lower() == ".trn"]
    lists = [t for t in lists if condition.endswith(t.stem.lower())] or lists
    if not lists:
        raise ManifestError(
            f"{found.folder}: no list of models (*.trn) for {found.key.name}; expected "
            f"{condition}.trn, with lines such as '10001 m tabcd.sph:A'"
        )
    keys = [table for table in tables if MODEL_KEY.search(table.name.lower())]
    own = [t for t in keys if MODEL_KEY.split(t.name.lower())[0].endswith(condition)]
    told = [read_model_key(table) for table in own or keys]
    speakers = {model: s for one in told for model, s in one.speakers.items()}
    sexes = {model: sex for one in told for model, sex in one.sexes.items()}
    models = {model: m for table in lists for model, m in read_trn(table).items()}
    scored = {model: m for model, m in models.items() if speakers.get(model) != NOT_SCORED}
    key = read_csv_key(found.key)
    speakers = {model: s for model, s in speakers.items() if model in scored}
    return Evaluation(
        name, found.key, scored, key.pairs, key.segments, speakers, sexes, notes=key.notes
    )


def _read_later(found: TrialSet) -> Evaluation:
    """Read the trials of SRE16 or later."""
    name, place = found.name, found.key.parent
    beside = [table for table in found.tables if table.parent == place]
    lists = [
        t
        for t in beside
        if (end := ENROLLMENT.search(t.name.lower())) and t.name.lower()[: end.start()] == name
    ]
    keys = [table.name for table in beside if "_key." in table.name.lower()]
    table = lists[0] if lists else need(place, f"{name}_enrollment.tsv", "the models", keys)
    models, key = read_enrollment(table), read_tsv_key(found.key)
    evaluation = Evaluation(
        name, found.key, models, key.pairs, key.segments, sexes=key.sexes, notes=key.notes
    )
    for segment_key in (t for t in beside if t.name.lower().endswith(SEGMENT_KEY)):
        told = read_segment_key(segment_key)
        evaluation = replace(
            evaluation,
            speakers={**evaluation.speakers, **told.speakers},
            sexes={**evaluation.sexes, **told.sexes},
            sessions={**evaluation.sessions, **told.sessions},
        )
    return evaluation

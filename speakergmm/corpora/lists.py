"""All lists of an experiment as one value: made here, written as CSV, read back by recipes."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from speakergmm.corpora.fields import NONTARGET, TARGET
from speakergmm.corpora.manifests import pool_speakers
from speakergmm.corpora.protocols import Protocol
from speakergmm.corpora.tables import format_table
from speakergmm.corpora.text_files import writing_text
from speakergmm.corpora.told_speakers import further_columns
from speakergmm.corpora.trials import all_against_all
from speakergmm.errors import ManifestError, OutputError
from speakergmm.files import remove, write_json, write_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from speakergmm.corpora.manifests import Pools, Utterance, Utterances
    from speakergmm.corpora.trials import Trials

BACKGROUND, DEVELOPMENT, EVALUATION = "background", "development", "evaluation"

UTTERANCES_FILE = "utterances.csv"
MARK_FILE, MARK = "lists.json", "speakergmm-lists"
SPLIT_FILES = ("enrollment.csv", "tests.csv", "trials.csv")

TRIAL_COLUMNS = ("model_id", "test_id", "label")

REQUIRED = ("utterance_id", "speaker_id", "path")
# Written where any utterance has it.
OPTIONAL = ("session_id", "start_s", "end_s", "sex", "split", "speech", "condition", "channel")


@dataclass(frozen=True, eq=False)
class Lists:
    """Utterances, and the protocol of each split that has trials; ``notes`` say what is missing."""

    utterances: Utterances
    protocols: Mapping[str, Protocol]
    notes: tuple[str, ...] = ()


def protocol_of(
    enrollment: Pools, tests: Pools, utterances: Utterances, trials: Trials | None = None
) -> Protocol:
    """Put a protocol together; without ``trials`` every model meets every test."""
    models, test_speakers = pool_speakers(enrollment, utterances), pool_speakers(tests, utterances)
    if trials is None:
        trials = all_against_all(models, test_speakers)
    return Protocol(enrollment, tests, trials, models, test_speakers)


def in_splits(utterances: Utterances, split_of: Mapping[str, str]) -> dict[str, Utterance]:
    """Give utterances the splits of their speakers."""
    return {
        name: replace(utterance, split=split_of.get(utterance.speaker_id, ""))
        for name, utterance in utterances.items()
    }


def write_lists(folder: Path | str, lists: Lists, made_by: Mapping[str, object]) -> None:
    """Write ``utterances.csv`` and ``<split>/{enrollment,tests,trials}.csv``.

    Where nobody is enrolled, since classes are told apart, a split has ``tests.csv`` alone.
    ``lists.json`` says what made them and which files they are; those that it names of an earlier
    time go first, and nothing else in the folder is touched. ``utterances.csv`` is written last, so
    that lists which were cut short do not look whole.

    Parameters
    ----------
    made_by : mapping
        What the lists were made of, as plain values.

    Raises
    ------
    ManifestError
        When a name or a path is one that no list can hold.
    OutputError
        When a file cannot be written, or one is there that was not written by this.
    """
    folder = Path(folder)
    _check_names(lists)
    pools = {
        f"{split}/tests.csv": ("test_id", protocol.tests)
        for split, protocol in lists.protocols.items()
    }
    pools |= {
        f"{split}/enrollment.csv": ("model_id", protocol.enrollment)
        for split, protocol in lists.protocols.items()
        if protocol.enrollment
    }
    trials = {
        f"{split}/trials.csv": protocol.trials
        for split, protocol in lists.protocols.items()
        if protocol.enrollment
    }
    files = [UTTERANCES_FILE, *pools, *trials]
    _remove_older(folder, files)
    write_json(folder / MARK_FILE, {"format": MARK, "made_by": dict(made_by), "files": files})
    for name, (id_column, members) in pools.items():
        write_pools(folder / name, id_column, members)
    for name, pairs in trials.items():
        write_trials(folder / name, pairs)
    write_utterances(folder / UTTERANCES_FILE, lists.utterances.values())


def _remove_older(folder: Path, files: Iterable[str]) -> None:
    """Remove lists that were written here before; refuse to write over others."""
    own = _written_before(folder)
    for name in files:
        if name not in own and (folder / name).exists():
            raise OutputError(
                f"{folder / name}: exists, and was not made by `corpus prepare` or `corpus "
                "convert`; choose another folder for the lists"
            )
    for name in own:
        remove(folder / name)


def _written_before(folder: Path) -> list[str]:
    """Name the lists that the folder's mark tells to be ours."""
    try:
        mark = json.loads((folder / MARK_FILE).read_text(encoding="utf-8"))
        names = mark["files"] if mark["format"] == MARK else []
        return [name for name in names if _is_list(name)]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _is_list(name: object) -> bool:
    """Tell whether a name is one of a list; a mark may have been changed."""
    parts = PurePosixPath(name).parts if isinstance(name, str) else ()
    return parts == (UTTERANCES_FILE,) or (
        len(parts) == 2 and parts[0] not in ("..", "/") and parts[1] in SPLIT_FILES
    )


def _check_names(lists: Lists) -> None:
    """Refuse what would not be read back: blanks at the ends are cut off, line breaks part rows."""
    names = [cell for utterance in lists.utterances.values() for cell in _cells(utterance).values()]
    for protocol in lists.protocols.values():
        names += [*protocol.enrollment, *protocol.tests]
    for name in names:
        if name.isprintable() and name == name.strip():
            continue
        if name != name.strip() or "\n" in name or "\r" in name:
            raise ManifestError(
                f"{name!r} begins or ends with a blank, or has a line break, which no list can "
                "hold; rename it in the corpus"
            )
        if any("\udc80" <= character <= "\udcff" for character in name):
            raise ManifestError(
                f"{name!r} is not text in UTF-8, which lists are; rename it in the corpus"
            )


def write_utterances(path: Path | str, utterances: Iterable[Utterance]) -> None:
    """Write ``utterances.csv``; paths with slashes, columns that nobody fills left out.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    rows = [_cells(utterance) for utterance in utterances]
    used = [*REQUIRED, *(name for name in OPTIONAL if any(row[name] for row in rows))]
    write_text(path, format_table(used, ([row[name] for name in used] for row in rows)))


def _cells(utterance: Utterance) -> dict[str, str]:
    speech = " ".join(f"{start:.10g}-{end:.10g}" for start, end in utterance.speech_s or ())
    return {
        "utterance_id": utterance.utterance_id,
        "speaker_id": utterance.speaker_id,
        "path": utterance.path.as_posix(),
        "session_id": utterance.session_id,
        "start_s": _seconds(utterance.start_s),
        "end_s": _seconds(utterance.end_s),
        "sex": utterance.sex,
        "split": utterance.split,
        "speech": speech,
        "condition": utterance.condition,
        "channel": "" if utterance.channel is None else str(utterance.channel),
    }


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.10g}"


def write_pools(path: Path | str, id_column: str, pools: Pools) -> None:
    """Write ``enrollment.csv`` (``id_column`` ``"model_id"``) or ``tests.csv`` (``"test_id"``).

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    rows = ([pool_id, member] for pool_id, pool in pools.items() for member in pool)
    write_text(path, format_table([id_column, "utterance_id"], rows))


def write_trials(path: Path | str, trials: Trials) -> None:
    """Write ``trials.csv``, plain or ``.gz``, one row a trial.

    Where speakers are known by name, ``model_speaker`` and ``test_speaker`` follow, and then what
    further columns the trials have.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    import csv

    further = further_columns(trials, TRIAL_COLUMNS)
    cells = (
        map(trials.model_ids.__getitem__, trials.model_index.tolist()),
        map(trials.test_ids.__getitem__, trials.test_index.tolist()),
        map((NONTARGET, TARGET).__getitem__, trials.is_target.tolist()),
        *(map(column.cells.__getitem__, column.place.tolist()) for column in further),
    )
    with writing_text(path) as text:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*TRIAL_COLUMNS, *(column.name for column in further)])
        writer.writerows(zip(*cells, strict=True))

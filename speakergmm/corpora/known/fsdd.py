"""Free Spoken Digit Dataset (Jackson et al.): ten digits, fifty times each, of six speakers.

Names, counts and licence are those of the README of the repository.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from speakergmm.corpora.known.corpus import Archive, KnownCorpus, KnownProtocol, Scanned
from speakergmm.corpora.known.drawing import Scheme
from speakergmm.corpora.known.layout import (
    Passed,
    home_of,
    named_as,
    optional_table,
    recordings,
    without_sex,
)
from speakergmm.corpora.manifests import Utterance
from speakergmm.corpora.tables import read_text
from speakergmm.errors import ManifestError

if TYPE_CHECKING:
    from pathlib import Path

LAYOUT = """\
  metadata.py
  recordings/
    0_george_0.wav ... 9_yweweler_49.wav     (digit_speaker_take)"""

NAME = re.compile(r"(?P<digit>\d)_(?P<speaker>.+)_(?P<take>\d+)")
RECORDINGS = "recordings"
META = "metadata.py"
SEXES = {"female": "f", "male": "m"}


def scan(folder: Path) -> Scanned:
    """Find the utterances: all takes of a speaker are one session."""
    is_inside = folder.name == RECORDINGS and folder.is_dir()
    names = [place.name for place in sorted(folder.glob("free-spoken-digit-dataset*"))]
    home = folder.parent if is_inside else home_of(folder, names, (RECORDINGS,), LAYOUT)
    table, notes = optional_table(home, META, "the sexes of the speakers are not known")
    sexes = {} if table is None else _sexes(table)
    utterances: dict[str, Utterance] = {}
    passed = Passed()
    below = folder if is_inside else home / RECORDINGS
    for path, match in named_as(recordings(folder, below), NAME, "DIGIT_SPEAKER_TAKE", passed):
        speaker = match["speaker"]
        utterances[path.stem] = Utterance(
            path.stem, speaker, path, session_id=speaker, sex=sexes.get(speaker, "")
        )
    return Scanned(utterances, (*notes, *without_sex(utterances, table), *passed.notes()))


def _sexes(table: Path) -> dict[str, str]:
    """Read the table of speakers, which is a Python dictionary; it is not executed."""
    text = read_text(table)
    try:
        (entries,) = (
            ast.literal_eval(line.value)
            for line in ast.parse(text).body
            if isinstance(line, ast.Assign)
        )
        return {name: SEXES.get(entry["gender"], "") for name, entry in entries.items()}
    except (SyntaxError, ValueError, KeyError, TypeError, AttributeError):
        raise ManifestError(
            f"{table}: not the table of the Free Spoken Digit Dataset; expected Python such as "
            "metadata = {'jackson': {'gender': 'male', ...}, ...}: get it again"
        ) from None


FSDD = KnownCorpus(
    name="fsdd",
    title="Free Spoken Digit Dataset",
    language="English (spoken digits, four accents)",
    licence="CC BY-SA 4.0",
    home="https://github.com/Jakobovski/free-spoken-digit-dataset",
    n_speakers=6,
    n_utterances=3_000,
    hours=0.36,
    cite="Z. Jackson et al. 2016-2020, Free Spoken Digit Dataset (FSDD), "
    "github.com/Jakobovski/free-spoken-digit-dataset",
    layout=LAYOUT,
    scan=scan,
    protocols={
        "drawn": KnownProtocol(
            "speakers by lot: 2 background, 2 development, 2 evaluation; enrolled with 20 digits, "
            "36 tests of 5 digits each; evaluation 72 target + 72 nontarget trials",
            Scheme(enroll=20, test=5, n_tests=36, sessions_apart=False),
        )
    },
    archives=(
        Archive(
            "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/heads/master.zip",
            "all",
            file="free-spoken-digit-dataset-master.zip",
            # That of so many hours, unpacked.
            about_bytes=21_000_000,
        ),
    ),
)

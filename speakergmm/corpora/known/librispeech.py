"""LibriSpeech (Panayotov et al. 2015): chapters of audio books, read by 2,484 volunteers.

Speakers and hours are those of the paper, utterances as the Montreal Forced Aligner counts them
(mfa-models, LibriSpeech English); sizes and SHA-256 of the archives those of TensorFlow
Datasets and torchaudio.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from speakergmm.corpora.known.corpus import Archive, KnownCorpus, KnownProtocol, Scanned
from speakergmm.corpora.known.drawing import Scheme
from speakergmm.corpora.known.layout import (
    Passed,
    home_of,
    lines_of,
    named_as,
    optional_table,
    recordings,
    shortlist,
    without_sex,
)
from speakergmm.corpora.lists import BACKGROUND, DEVELOPMENT, EVALUATION
from speakergmm.corpora.manifests import Utterance
from speakergmm.errors import ManifestError

if TYPE_CHECKING:
    from pathlib import Path

    from speakergmm.corpora.lists import Lists
    from speakergmm.corpora.manifests import Utterances

LAYOUT = """\
  SPEAKERS.TXT
  train-clean-100/19/198/19-198-0000.flac ...     (part, speaker, chapter)
  ... train-clean-360, train-other-500
  dev-clean, dev-other, test-clean, test-other"""

PARTS = (
    "train-clean-100", "train-clean-360", "train-other-500", "dev-clean", "dev-other",
    "test-clean", "test-other",
)  # fmt: skip
NAMES = ("LibriSpeech", "audio")
SPLITS = {"train": BACKGROUND, "dev": DEVELOPMENT, "test": EVALUATION}

# The parts above, and those of the small copies that are made of them: train-clean-5, dev-clean-2.
PART = re.compile(r"(?P<kind>train|dev|test)-(?P<condition>clean|other)(-\d+)?")
NAME = re.compile(r"(?P<speaker>\d+)-(?P<chapter>\d+)-\d+")
TABLE = "SPEAKERS.TXT"
SEXES = {"F": "f", "M": "m"}

# A part of another name that is so like one of these is a slip, and would be missed silently.
SLIP_LIKENESS = 0.85

# Some twenty seconds of one chapter, against one sentence of another.
SCHEME = Scheme(enroll=3, test=1, n_tests=8)


def scan(folder: Path) -> Scanned:
    """Find the utterances: a session is a chapter."""
    is_part = PART.fullmatch(folder.name) is not None and folder.is_dir()
    home = folder.parent if is_part else _home(folder)
    parts = [folder.name] if is_part else _parts_of(home)
    table, notes = optional_table(home, TABLE, "the sexes of the speakers are not known")
    sexes = {} if table is None else _sexes(table)
    utterances: dict[str, Utterance] = {}
    passed = Passed()
    part_of = {path: part for part in parts for path in recordings(folder, home / part)}
    for path, match in named_as(part_of, NAME, "SPEAKER-CHAPTER-NUMBER", passed):
        name, speaker = path.stem, match["speaker"]
        utterances[name] = Utterance(
            name, speaker, path, session_id=match["chapter"],
            sex=sexes.get(speaker, ""), condition=part_of[path].split("-")[1],
        )  # fmt: skip
    parts = [part for part in parts if part in part_of.values()]
    notes = (*_missing(parts), *notes, *without_sex(utterances, table))
    return Scanned(utterances, (*notes, *passed.notes()))


def _home(folder: Path) -> Path:
    """Find the folder that holds any part, of the corpus or of a small copy."""
    for place in (folder, *(folder / name for name in NAMES)):
        if place.is_dir() and any(PART.fullmatch(entry.name) for entry in place.iterdir()):
            return place
    return home_of(folder, NAMES, PARTS, LAYOUT)


def _parts_of(home: Path) -> list[str]:
    """List the parts that are there; a name that is nearly that of a missing one is refused."""
    folders = sorted(entry.name for entry in home.iterdir() if entry.is_dir())
    parts = [name for name in folders if PART.fullmatch(name)]
    missing = [name for name in PARTS if name not in parts]
    for name in folders:
        # "dev-clean.old" is one too.
        stem = name.lower().split(".")[0]
        near = difflib.get_close_matches(stem, missing, n=1, cutoff=SLIP_LIKENESS)
        if name not in parts and near:
            raise ManifestError(
                f"{home / near[0]}: missing, but {name!r}: is it misnamed? Expected the part of "
                "the corpus; rename it"
            )
    return parts


def _missing(parts: list[str]) -> tuple[str, ...]:
    missing = [name for name in PARTS if name not in parts]
    kinds = [kind for kind in SPLITS if not any(name.startswith(kind) for name in parts)]
    drawn = f", so speakers are drawn: there is no {'-, no '.join(kinds)}- part" if kinds else ""
    return (f"parts not there, or empty: {shortlist(missing)}{drawn}",) if missing else ()


def _sexes(table: Path) -> dict[str, str]:
    sexes = {}
    for number, line in lines_of(table, loosely=True):
        if line.startswith(";"):
            continue
        # A name may have bars in it: "60 | M | train-clean-100 | 20.18 | |CBW|Simon".
        cells = [cell.strip() for cell in line.split("|", 4)]
        if len(cells) < 4 or not cells[0].isdigit() or cells[1] not in SEXES:
            raise ManifestError(
                f"{table}:{number}: expected ID | F or M | part | minutes | name, got {line!r}; "
                "get the table again"
            )
        sexes[cells[0]] = SEXES[cells[1]]
    return sexes


def by_parts(utterances: Utterances, folder: Path, seed: int) -> Lists:
    """Draw models and tests within the parts, or speakers too where a kind of part is missing."""
    splits = {name: _split_of(utterance) for name, utterance in utterances.items()}
    if {*splits.values()} != {*SPLITS.values()}:
        return SCHEME(utterances, folder, seed)
    given = replace(SCHEME, split_of=lambda utterance: splits[utterance.utterance_id])
    return given(utterances, folder, seed)


def _split_of(utterance: Utterance) -> str:
    """Give the split of the part in an utterance's path."""
    for name in utterance.path.parts:
        match = PART.fullmatch(name)
        if match is not None:
            return SPLITS[match["kind"]]
    return ""


SERVER = "https://www.openslr.org/resources/12"

LIBRISPEECH = KnownCorpus(
    name="librispeech",
    title="LibriSpeech",
    language="English (read books)",
    licence="CC BY 4.0",
    home="https://www.openslr.org/12",
    n_speakers=2_484,
    n_utterances=292_367,
    hours=982,
    cite="V. Panayotov, G. Chen, D. Povey, S. Khudanpur 2015, LibriSpeech: an ASR corpus based on "
    "public domain audio books, ICASSP",
    layout=LAYOUT,
    scan=scan,
    protocols={
        "parts": KnownProtocol(
            "train-* background (2,338 speakers), dev-* development (73), test-* evaluation (73); "
            "enrolled with 3 sentences of a chapter, up to 8 tests of a sentence of other "
            "chapters. Who read one chapter alone has no model; evaluation has 584 target + 42,048 "
            "nontarget trials at most. In a copy without one of the three kinds, as drawn",
            by_parts,
        ),
        "drawn": KnownProtocol(
            "speakers by lot: half background, a fifth development, three tenths evaluation of "
            "those with two chapters; enrolled and tested as above; of train-clean-100 alone "
            "evaluation has at most 75 speakers, 600 target + 44,400 nontarget trials",
            SCHEME,
        ),
    },
    archives=tuple(
        Archive(f"{SERVER}/{part}.tar.gz", part, n_bytes, f"sha256:{digest}")
        for part, n_bytes, digest in (
            ("train-clean-100", 6_387_309_499,
             "d4ddd1d5a6ab303066f14971d768ee43278a5f2a0aa43dc716b0e64ecbbbf6e2"),
            ("train-clean-360", 23_049_477_885,
             "146a56496217e96c14334a160df97fffedd6e0a04e66b9c5af0d40be3c792ecf"),
            ("train-other-500", 30_593_501_606,
             "ddb22f27f96ec163645d53215559df6aa36515f26e01dd70798188350adcb6d2"),
            ("dev-clean", 337_926_286,
             "76f87d090650617fca0cac8f88b9416e0ebf80350acb97b343a85fa903728ab3"),
            ("dev-other", 314_305_928,
             "12661c48e8c3fe1de2c1caa4c3e135193bfb1811584f11f569dd12645aa84365"),
            ("test-clean", 346_663_984,
             "39fde525e59672dc6d1551919b1478f724438a95aa55f874b576be21967e6c23"),
            ("test-other", 328_757_843,
             "d09c181bba5cf717b3dee7d4d592af11a3ee3a09e08ae025c5506f6ebe961c29"),
        )
    ),
)  # fmt: skip

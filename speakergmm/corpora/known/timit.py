"""TIMIT (Garofolo et al. 1993, LDC93S1): ten sentences each of 630 speakers, in one sitting.

The form of the trials is that of Microsoft's Identity Toolbox (Sadjadi, Slaney & Heck 2013): 100
speakers, 30 women and 70 men, enrolled with nine sentences and tested with the tenth. Which 100
is not told; here they are of the TEST part, its other 68 are development, and TRAIN is background.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from speakergmm.corpora.known.corpus import KnownCorpus, KnownProtocol, Scanned
from speakergmm.corpora.known.drawing import by_speaker, in_drawn_order
from speakergmm.corpora.known.layout import Passed, home_of, lines_of, need, recordings
from speakergmm.corpora.lists import (
    BACKGROUND,
    DEVELOPMENT,
    EVALUATION,
    Lists,
    in_splits,
    protocol_of,
)
from speakergmm.corpora.manifests import Utterance
from speakergmm.errors import ManifestError
from speakergmm.names import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from speakergmm.corpora.manifests import Utterances

LAYOUT = """\
  TRAIN/DR1/FCJF0/SA1.WAV ... SI1027.WAV, SX37.WAV    (dialect, sex and speaker, sentence; also in
    ... DR8/                                           lower case, or as SA1.WAV.wav)
  TEST/DR1/FAKS0/...
  DOC/SPKRINFO.TXT"""

SPEAKER = re.compile(r"[FM][A-Z]{3}\d")
SENTENCE = re.compile(r"S[AIX]\d{1,4}")
PARTS = ("TRAIN", "TEST")
NAMES = (
    "TIMIT", "timit", "data", "TIMIT/data", "timit/data", "timit/TIMIT", "timit/timit",
    "TIMIT/TIMIT", "TIMIT/timit", "archive/data", "LDC93S1/timit/TIMIT", "timit/raw/TIMIT",
)  # fmt: skip

# Sentences that everybody reads: they are not tests, since all models know their text.
COMMON = ("SA1", "SA2")

# Of the speakers of a sex in TEST, those who are evaluation: 30 of 56 women, 70 of 112 men.
SHARES = {"f": (30, 56), "m": (70, 112)}

SPKRINFO_EXAMPLE = "ABC0  M  6  TRN  03/03/86  06/17/60  5'11\"  WHT  BS"


def scan(folder: Path) -> Scanned:
    """Find the utterances: all sentences of a speaker are one session."""
    home = _home(folder)
    sexes = _sexes(home)
    utterances: dict[str, Utterance] = {}
    passed = Passed()
    below = sorted(entry for entry in home.iterdir() if entry.name.upper() in PARTS)
    for path in (path for part in below for path in recordings(folder, part)):
        speaker, sentence = path.parent.name.upper(), path.name.split(".")[0].upper()
        if not (SPEAKER.fullmatch(speaker) and SENTENCE.fullmatch(sentence)):
            passed.add("not named SPEAKER/SENTENCE", path)
            continue
        name = f"{speaker}_{sentence}"
        if name not in utterances or _is_copy(path.name):
            sex = sexes.get(speaker, speaker[0].lower())
            utterances[name] = Utterance(name, speaker, path, session_id=speaker, sex=sex)
    return Scanned(utterances, passed.notes())


def _home(folder: Path) -> Path:
    return home_of(folder, NAMES, (*PARTS, *(part.lower() for part in PARTS)), LAYOUT)


def _is_copy(name: str) -> bool:
    """Tell a copy in RIFF, which lies beside the SPHERE file of the disc in some copies."""
    return len(name.split(".")) > len(("stem", "suffix"))


def _sexes(home: Path) -> dict[str, str]:
    """Read the sexes from the table of speakers, which names begin with anyway; none without it."""
    places = [home, home.parent]
    places += [entry for place in places for entry in _named(place, "doc")]
    tables = [table for place in places for table in _named(place, "spkrinfo.txt")]
    sexes = {}
    for number, line in lines_of(tables[0]) if tables else ():
        if line.startswith(";"):
            continue
        cells = line.split()
        if len(cells) < len(SPKRINFO_EXAMPLE.split()) - 1 or cells[1].upper() not in ("F", "M"):
            raise ManifestError(
                f"{tables[0]}:{number}: {line!r}; expected a line such as {SPKRINFO_EXAMPLE!r}"
            )
        sexes[f"{cells[1]}{cells[0]}".upper()] = cells[1].lower()
    return sexes


def _named(place: Path, name: str) -> list[Path]:
    """Give what is called so, in capitals or not."""
    return sorted(entry for entry in place.iterdir() if entry.name.lower() == name)


def make(utterances: Utterances, folder: Path, seed: int) -> Lists:
    """Make the lists: nine sentences enroll, the tenth is the test."""
    home = _home(folder)
    for part in PARTS:
        if not _named(home, part.lower()):
            need(home, part, f"the part {part}:\n{LAYOUT}")
    splits = _splits(utterances, folder, seed)
    protocols = {}
    for split in (DEVELOPMENT, EVALUATION):
        enrollment, tests = {}, {}
        for speaker, members in by_speaker(utterances).items():
            if splits[speaker] == split and (test := _test(members, seed)):
                tests[test] = (test,)
                names = (u.utterance_id for u in members)
                enrollment[speaker] = tuple(name for name in names if name != test)
        protocols[split] = protocol_of(enrollment, tests, utterances)
    return Lists(in_splits(utterances, splits), protocols)


def _test(members: Sequence[Utterance], seed: int) -> str | None:
    """Draw the sentence that is tested, of the eight that not everybody reads; None without.

    Six others read the same SX sentence, and may have enrolled with it; an SI one nobody else.
    """
    names = [u.utterance_id for u in members if not u.utterance_id.endswith(COMMON)]
    return in_drawn_order(names, seed)[0] if names and len(members) > 1 else None


def _splits(utterances: Utterances, folder: Path, seed: int) -> dict[str, str]:
    parts: dict[str, dict[str, str]] = {part: {} for part in PARTS}
    for utterance in utterances.values():
        part = next(p.upper() for p in _parts_of(utterance, folder) if p.upper() in PARTS)
        parts[part][utterance.speaker_id] = utterance.sex
    splits = dict.fromkeys(parts["TRAIN"], BACKGROUND) | dict.fromkeys(parts["TEST"], DEVELOPMENT)
    for sex, (n, of) in SHARES.items():
        speakers = in_drawn_order((s for s, own in parts["TEST"].items() if own == sex), seed)
        splits |= dict.fromkeys(speakers[: round(len(speakers) * n / of)], EVALUATION)
    for split, part in ((BACKGROUND, "TRAIN"), (DEVELOPMENT, "TEST"), (EVALUATION, "TEST")):
        n = list(splits.values()).count(split)
        if n < 2:
            raise ManifestError(
                f"{folder}: {counted(n, 'speaker')} for {split}; expected 2 or more, of the part "
                f"{part}, where {counted(len(parts[part]), 'speaker')} can be found: is the copy "
                f"whole?\n{LAYOUT}"
            )
    return splits


def _parts_of(utterance: Utterance, folder: Path) -> Iterable[str]:
    """Give the folders of an utterance, from the inside: those given may be the part itself."""
    return reversed((folder / utterance.path).parts)


TIMIT = KnownCorpus(
    name="timit",
    title="TIMIT",
    language="American English, eight dialects; read sentences",
    licence="LDC93S1, for a fee",
    home="https://catalog.ldc.upenn.edu/LDC93S1",
    n_speakers=630,
    n_utterances=6300,
    hours=5.4,
    cite="J. S. Garofolo et al. 1993, TIMIT Acoustic-Phonetic Continuous Speech Corpus, LDC93S1",
    layout=LAYOUT,
    scan=scan,
    protocols={
        "msr": KnownProtocol(
            "background: the 462 speakers of TRAIN; evaluation: 30 women and 70 men of TEST by "
            "lot, enrolled with 9 sentences, tested with the tenth: 100 target + 9,900 nontarget "
            "trials; development: the other 26 women and 42 men of TEST alike, 68 target + 4,556 "
            "nontarget trials",
            make,
        )
    },
    how_to_get="order LDC93S1 from the Linguistic Data Consortium, and unpack it",
)

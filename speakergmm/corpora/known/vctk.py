"""VCTK (Yamagishi, Veaux & MacDonald): 110 speakers read 400 sentences each, in one booth.

Both versions: 0.92 has two microphones and pauses trimmed, 0.80 the first microphone alone. Counts
and size of 0.92 are those of TensorFlow Datasets, its SHA-256 that of torchaudio; two speakers
(p280, p315) lack the second microphone. The hours are an estimate, 41 a microphone: none are
published, and those of others (some 44, of the first microphone) are mostly of version 0.80, of
which the pauses are not trimmed.
"""

from __future__ import annotations

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
    without_sex,
)
from speakergmm.corpora.lists import Lists
from speakergmm.corpora.manifests import Utterance
from speakergmm.errors import ManifestError

if TYPE_CHECKING:
    from pathlib import Path

    from speakergmm.corpora.manifests import Utterances

LAYOUT = """\
  speaker-info.txt
  wav48_silence_trimmed/p225/p225_001_mic1.flac, p225_001_mic2.flac ...     (version 0.92)
  or wav48/p225/p225_001.wav ...                                            (version 0.80)"""

# The newer first.
AUDIO = ("wav48_silence_trimmed", "wav48", "wav16")
NAME = re.compile(r"(?P<speaker>[ps]\d+)_(?P<sentence>\d{3})(?:_(?P<mic>mic[12]))?")
TABLE = "speaker-info.txt"
SEXES = {"f": "f", "female": "f", "m": "m", "male": "m"}
MIC1, MIC2 = "mic1", "mic2"

# Five sentences of some 3.5 s, against one.
SCHEME = Scheme(enroll=5, test=1, n_tests=20, sessions_apart=False)


def scan(folder: Path) -> Scanned:
    """Find the utterances: all of a speaker are one session; the condition is the microphone."""
    is_inside = folder.name in AUDIO and folder.is_dir()
    names = ("VCTK-Corpus-0.92", "VCTK-Corpus")
    home = folder.parent if is_inside else home_of(folder, names, AUDIO, LAYOUT)
    versions = [folder.name] if is_inside else [name for name in AUDIO if (home / name).exists()]
    audio = home / versions[0]
    table, notes = optional_table(home, TABLE, "the sexes of the speakers are not known")
    sexes = {} if table is None else _sexes(table)
    utterances: dict[str, Utterance] = {}
    passed = Passed()
    form = "SPEAKER/SPEAKER_SENTENCE or ..._mic1, ..._mic2"
    for path, match in named_as(recordings(folder, audio), NAME, form, passed, _misplaced):
        name, speaker = path.stem, match["speaker"]
        utterances[name] = Utterance(
            name, speaker, path, session_id=speaker, sex=sexes.get(speaker, ""),
            condition=match["mic"] or MIC1,
        )  # fmt: skip
    unused = tuple(f"{name} is not used, but {versions[0]}" for name in versions[1:])
    notes = (*unused, *_one_microphone(utterances), *notes, *without_sex(utterances, table))
    return Scanned(utterances, (*notes, *passed.notes()))


def _one_microphone(utterances: Utterances) -> tuple[str, ...]:
    """Say that there is but the first, of either version."""
    if not utterances or any(u.condition == MIC2 for u in utterances.values()):
        return ()
    if any(name.endswith(MIC1) for name in utterances):
        return ("no recordings of the second microphone (..._mic2): protocol 'across' needs them",)
    return ("one microphone, as in version 0.80, which has 109 speakers",)


def _misplaced(path: Path, match: re.Match[str]) -> str:
    return "" if path.parent.name == match["speaker"] else "in the folder of another speaker"


def _sexes(table: Path) -> dict[str, str]:
    """Read ``p225 23 F English ...``; version 0.80 leaves out the p, some copies the header."""
    sexes = {}
    for number, line in lines_of(table, loosely=True):
        cells = line.split()
        if cells[0].upper() == "ID":
            continue
        if len(cells) < 3 or cells[2].lower() not in SEXES:
            raise ManifestError(
                f"{table}:{number}: expected ID, age, F or M, accent, region, got {line!r}; get "
                "the table again"
            )
        name = f"p{cells[0]}" if cells[0].isdigit() else cells[0]
        sexes[name] = SEXES[cells[2].lower()]
    return sexes


def one_microphone(utterances: Utterances, folder: Path, seed: int) -> Lists:
    """Draw from what the first microphone heard; what the other did is in no split."""
    _need_first(utterances, folder)
    heard = {name: u for name, u in utterances.items() if u.condition == MIC1}
    return _with_all(SCHEME(heard, folder, seed), utterances)


def across_microphones(utterances: Utterances, folder: Path, seed: int) -> Lists:
    """Draw models of one microphone, tests of the other; each hears sentences of its own.

    Odd numbers are taken of the first, even ones of the second: no moment is on both sides.

    Raises
    ------
    ManifestError
        When there is but one microphone.
    """
    _need_first(utterances, folder)
    chosen = {
        name: replace(utterance, session_id=f"{utterance.speaker_id}_{utterance.condition}")
        for name, utterance in utterances.items()
        if _is_odd(name) == (utterance.condition == MIC1)
    }
    if not any(utterance.condition == MIC2 for utterance in chosen.values()):
        raise ManifestError(
            f"{folder}: no recordings of the second microphone (..._mic2); expected version 0.92 "
            "of VCTK: use protocol 'mic1'"
        )
    lists = replace(SCHEME, sessions_apart=True)(chosen, folder, seed)
    return _with_all(lists, utterances)


def _need_first(utterances: Utterances, folder: Path) -> None:
    if not any(utterance.condition == MIC1 for utterance in utterances.values()):
        raise ManifestError(
            f"{folder}: no recordings of the first microphone (..._mic1), which all protocols use; "
            "expected those too: get the corpus again"
        )


def _is_odd(name: str) -> bool:
    return int(name.split("_")[1]) % 2 == 1


def _with_all(lists: Lists, utterances: Utterances) -> Lists:
    """Add the utterances that are in no split."""
    every = {name: lists.utterances.get(name, u) for name, u in utterances.items()}
    return Lists(every, lists.protocols)


VCTK = KnownCorpus(
    name="vctk",
    title="VCTK 0.92",
    language="English (many accents)",
    licence="CC BY 4.0",
    home="https://datashare.ed.ac.uk/handle/10283/3443",
    n_speakers=110,
    # 44,455 of the first microphone, 43,873 of the second.
    n_utterances=88_328,
    hours=82,
    cite="J. Yamagishi, C. Veaux, K. MacDonald 2019, CSTR VCTK Corpus: English Multi-speaker "
    "Corpus for CSTR Voice Cloning Toolkit (version 0.92), doi:10.7488/ds/2645",
    layout=LAYOUT,
    scan=scan,
    protocols={
        "mic1": KnownProtocol(
            "the first microphone alone; speakers by lot: 55 background, 22 development, 33 "
            "evaluation (54, 22, 33 of version 0.80); enrolled with 5 sentences, 20 tests of one; "
            "evaluation 660 target + 21,120 nontarget trials",
            one_microphone,
        ),
        "across": KnownProtocol(
            "enrolled with one microphone, tested with the other and other sentences; speakers by "
            "lot: 56 background, 22 development, 32 evaluation; 5 sentences, 20 tests of one; "
            "evaluation 640 target + 19,840 nontarget trials",
            across_microphones,
        ),
    },
    archives=(
        # The server's earlier address, .../bitstream/handle/10283/3443/VCTK-Corpus-0.92.zip, does
        # not give the file itself any more, as some tell who fetch it; all use this one by now.
        Archive(
            "https://datashare.ed.ac.uk/server/api/core/bitstreams/"
            "535f4286-e54c-4038-838c-a02285e32cb2/content",
            "all",
            11_747_302_977,
            "sha256:f96258be9fdc2cbff6559541aae7ea4f59df3fcaf5cf963aae5ca647357e359c",
            file="VCTK-Corpus-0.92.zip",
        ),
    ),
)

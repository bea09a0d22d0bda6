"""AISHELL-1 (Bu et al. 2017, SLR33): 400 speakers of Mandarin, each in one sitting.

The form of the trials is that of Kaldi's egs/aishell/v1: three utterances by lot enroll, all others
are tests, and every model meets every test. Sizes of the archives are those of egs/aishell/s5, MD5
those of PaddleSpeech (dataset/aishell/aishell.py).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from speakergmm.corpora.known.corpus import Archive, KnownCorpus, KnownProtocol, Scanned
from speakergmm.corpora.known.drawing import Scheme
from speakergmm.corpora.known.layout import (
    Passed,
    home_of,
    lines_of,
    named_as,
    need,
    optional_table,
    recordings,
    without_sex,
)
from speakergmm.corpora.lists import BACKGROUND, DEVELOPMENT, EVALUATION
from speakergmm.corpora.manifests import Utterance
from speakergmm.errors import ManifestError
from speakergmm.names import counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LAYOUT = """\
  data_aishell/wav/train/S0002/BAC009S0002W0122.wav ...    (each speaker unpacked from S0002.tar.gz)
    wav/dev/S0724/...
    wav/test/S0764/...
  resource_aishell/speaker.info                           (sex)"""

NAME = re.compile(r"BAC\d{3}(?P<speaker>S\d{4})W\d{4}")
SPLITS = {"train": BACKGROUND, "dev": DEVELOPMENT, "test": EVALUATION}
NAMES = (
    "data_aishell", "aishell/data_aishell", "aishell1/data_aishell", "AISHELL-1/data_aishell",
    "AISHELL/data_aishell", "aishell", "AISHELL-1", "aishell1",
)  # fmt: skip
INFO = "speaker.info"
PACKED = ".tar.gz"

# More than any speaker has.
ALL_OTHERS = 1000


def scan(folder: Path) -> Scanned:
    """Find the utterances: all of a speaker are one session."""
    home = home_of(folder, NAMES, ("wav",), LAYOUT)
    wav = home / "wav"
    for part, split in SPLITS.items():
        if not (wav / part).exists() and (packed := _packed(wav)):
            raise ManifestError(_still_packed(wav, packed))
        need(wav, part, f"the speakers of the {split}")
    table, notes = _info(home, folder)
    sexes = {} if table is None else _sexes(table)
    utterances: dict[str, Utterance] = {}
    passed = Passed()
    form = "train, dev or test/SPEAKER/BAC009SPEAKERWNUMBER"
    for path, match in named_as(recordings(folder, wav), NAME, form, passed, _why_not):
        speaker = match["speaker"]
        utterances[path.stem] = Utterance(
            path.stem, speaker, path, session_id=speaker, sex=sexes.get(speaker, "")
        )
    there = {utterance.speaker_id for utterance in utterances.values()}
    still = [speaker for speaker in _packed(wav) if speaker not in there]
    splits = {_split(utterance) for utterance in utterances.values()}
    if still and splits != {*SPLITS.values()}:
        raise ManifestError(_still_packed(wav, still))
    if still:
        notes += (f"still packed: {counted(len(still), 'speaker')}, such as {still[0]}{PACKED}",)
    return Scanned(utterances, (*notes, *without_sex(utterances, table), *passed.notes()))


def _packed(wav: Path) -> list[str]:
    """Name the speakers whose archives are there."""
    return sorted({place.name.removesuffix(PACKED) for place in wav.rglob(f"*{PACKED}")})


def _still_packed(wav: Path, packed: Sequence[str]) -> str:
    return (
        f"{wav}: still packed: {counted(len(packed), 'speaker')}, such as {packed[0]}{PACKED}; "
        f"expected train, dev or test/{packed[0]}/...: unpack each in {wav} (tar xzf)"
    )


def _why_not(path: Path, match: re.Match[str]) -> str:  # noqa: ARG001
    return "" if path.parent.parent.name in SPLITS else "not below train, dev or test"


def _info(home: Path, folder: Path) -> tuple[Path | None, tuple[str, ...]]:
    """Find the table of speakers: beside the recordings, or in an archive of its own."""
    above = (home, home.parent, folder, folder.parent)
    places = [place / name for place in above for name in ("resource_aishell", "resource", "")]
    what = "the sexes of the speakers are not known (they are in resource_aishell.tgz)"
    first, *others = [place for place in places if place.is_dir()]
    return optional_table(first, INFO, what, *others)


def _sexes(table: Path) -> dict[str, str]:
    """Read lines such as ``0002 F``; in some copies the S is there too."""
    sexes = {}
    for number, line in lines_of(table):
        cells = line.split()
        if len(cells) < 2 or cells[1].upper() not in ("F", "M"):
            raise ManifestError(f"{table}:{number}: {line!r}; expected a line such as '0002 F'")
        sexes[f"S{cells[0].lstrip('S')}"] = cells[1].lower()
    return sexes


def _split(utterance: Utterance) -> str:
    return SPLITS[utterance.path.parent.parent.name]


AISHELL1 = KnownCorpus(
    name="aishell1",
    title="AISHELL-1",
    language="Mandarin; read sentences",
    licence="Apache 2.0",
    home="https://www.openslr.org/33",
    n_speakers=400,
    # Kaldi's recipe counts so many files; 141,600 of them have a transcript.
    n_utterances=141_925,
    hours=178.0,
    cite="H. Bu, J. Du, X. Na, B. Wu, H. Zheng 2017, AISHELL-1: An Open-Source Mandarin Speech "
    "Corpus and a Speech Recognition Baseline, O-COCOSDA",
    layout=LAYOUT,
    scan=scan,
    protocols={
        "official": KnownProtocol(
            "background, development and evaluation are the corpus's train (340 speakers), dev "
            "(40) and test (20); enrolled with 3 utterances by lot, all others are tests; "
            "evaluation 7,116 target + 135,204 nontarget trials, development 14,206 target + "
            "554,034 nontarget, by the 7,176 and 14,326 utterances that have a transcript",
            Scheme(enroll=3, test=1, n_tests=ALL_OTHERS, sessions_apart=False, split_of=_split),
        )
    },
    archives=(
        Archive(
            "https://www.openslr.org/resources/33/data_aishell.tgz",
            "data",
            15_582_913_665,
            "md5:2f494334227864a8a8fec932999db9d8",
        ),
        Archive(
            "https://www.openslr.org/resources/33/resource_aishell.tgz",
            "resource",
            1_246_920,
            "md5:957d480a0fcac85fc18e550756f624e5",
        ),
    ),
)

"""ASVspoof 2019, logical access (Todisco et al. 2019): genuine speech, and speech made by machine.

The countermeasure protocols have a line an utterance: speaker, file, ``-``, attack or ``-``,
``bonafide`` or ``spoof``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from speakergmm.corpora.classes import ClassSettings, class_protocol
from speakergmm.corpora.known.corpus import Archive, KnownCorpus, KnownProtocol, Scanned
from speakergmm.corpora.known.layout import Passed, home_of, lines_of, need, recordings, shortlist
from speakergmm.corpora.lists import BACKGROUND, DEVELOPMENT, EVALUATION, Lists
from speakergmm.corpora.manifests import Utterance
from speakergmm.errors import ManifestError
from speakergmm.names import counted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from speakergmm.corpora.manifests import Utterances

LAYOUT = """\
  ASVspoof2019_LA_cm_protocols/ASVspoof2019.LA.cm.train.trn.txt, ...dev.trl.txt, ...eval.trl.txt
  ASVspoof2019_LA_train/flac/LA_T_1138215.flac, ...
  ASVspoof2019_LA_dev/flac/LA_D_1047731.flac, ...
  ASVspoof2019_LA_eval/flac/LA_E_2834763.flac, ..."""

PROTOCOLS = "ASVspoof2019_LA_cm_protocols"
PARTS = {
    "train": (BACKGROUND, "ASVspoof2019.LA.cm.train.trn.txt"),
    "dev": (DEVELOPMENT, "ASVspoof2019.LA.cm.dev.trl.txt"),
    "eval": (EVALUATION, "ASVspoof2019.LA.cm.eval.trl.txt"),
}
TABLES = tuple(name for _, name in PARTS.values())
AUDIO = {part: f"ASVspoof2019_LA_{part}" for part in PARTS}
FOLDERS = (PROTOCOLS, *AUDIO.values())
CLASSES = ClassSettings("condition", ("bonafide",), ("spoof",))


def scan(folder: Path) -> Scanned:
    """Find the utterances; the class is their condition, the attack their session."""
    home = home_of(folder, ("LA", "ASVspoof2019/LA", "ASVspoof2019_LA"), (PROTOCOLS,), LAYOUT)
    utterances: dict[str, Utterance] = {}
    notes: list[str] = []
    passed = Passed()
    for part, (split, name) in PARTS.items():
        table = need(home / PROTOCOLS, name, "the list of the part's utterances", TABLES)
        audio = need(home, AUDIO[part], "the part's folder with its recordings", FOLDERS)
        places = {path.stem: path for path in recordings(folder, audio)}
        listed = {about.file: about for about in _read(table)}
        there = [about for file, about in listed.items() if file in places]
        missing = [file for file in listed if file not in places]
        if not there:
            raise ManifestError(
                f"{audio}: none of the {counted(len(listed), 'recording')} of {name} is there, "
                f"such as {next(iter(listed), '')}; expected {AUDIO[part]}/flac/*.flac: "
                "unpack that part"
            )
        for about in there:
            utterances[about.file] = Utterance(
                about.file, about.speaker, places[about.file], session_id=about.attack,
                split=split, condition=about.condition,
            )  # fmt: skip
        if missing:
            notes.append(f"{len(missing):,} without recording in {part}: {shortlist(missing)}")
        for file in sorted(places.keys() - listed.keys()):
            passed.add(f"not in {name}, as those that enroll for speaker verification", file)
    return Scanned(utterances, (*notes, *passed.notes()))


class _Listed(NamedTuple):
    """A line of a countermeasure protocol; the attack is "" where there is none."""

    speaker: str
    file: str
    attack: str
    condition: str


def _read(table: Path) -> Iterator[_Listed]:
    for number, line in lines_of(table):
        cells = line.split()
        if len(cells) != 5 or cells[4] not in ("bonafide", "spoof"):
            raise ManifestError(
                f"{table}:{number}: {line!r}; expected SPEAKER FILE - ATTACK bonafide|spoof"
            )
        yield _Listed(cells[0], cells[1], "" if cells[3] == "-" else cells[3], cells[4])


def make(utterances: Utterances, folder: Path, seed: int) -> Lists:  # noqa: ARG001
    """Make each utterance of development and evaluation a test."""
    protocols = {
        split: class_protocol(
            {name: (name,) for name, u in utterances.items() if u.split == split},
            utterances,
            CLASSES,
        )
        for split in (DEVELOPMENT, EVALUATION)
    }
    return Lists(utterances, protocols)


ASVSPOOF2019_LA = KnownCorpus(
    name="asvspoof2019_la",
    title="ASVspoof 2019, logical access",
    language="English (VCTK's speakers, read)",
    licence="ODC-BY 1.0",
    home="https://datashare.ed.ac.uk/handle/10283/3336",
    n_speakers=None,
    n_utterances=121_461,
    hours=None,
    cite="X. Wang et al. 2020, ASVspoof 2019: A large-scale public database of synthesized, "
    "converted and replayed speech, Computer Speech & Language 64",
    layout=LAYOUT,
    scan=scan,
    protocols={
        "official": KnownProtocol(
            "genuine or spoofed? train (2,580 bonafide, 22,800 spoof) is the background, dev "
            "(2,548 + 22,296) development, eval (7,355 + 63,882) evaluation; every utterance is a "
            "test; for recipes with [classes]",
            make,
        )
    },
    archives=(
        # Size and MD5 as Edinburgh DataShare tells them, quoted alike by many who fetched it; of
        # late from this address (see vctk.py).
        Archive(
            "https://datashare.ed.ac.uk/server/api/core/bitstreams/"
            "a9f87c35-f055-4015-80e2-2fdff0d46269/content",
            "la",
            7_640_952_520,
            "md5:30c98f11d8b2bc21f2c257bfd78bb5c5",
            file="LA.zip",
        ),
    ),
)

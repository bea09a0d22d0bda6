"""AudioMNIST (Becker et al. 2018): ten digits, fifty times each, of sixty speakers.

The authors tell of about 9.5 hours. The recordings cannot be so long: none has more than 47,998
samples at 48 kHz (to which MONSTER, monster-monash/AudioMNIST, pads them), and 30,000 of these are
8.3 hours. The 5.3 given here are an estimate, of takes of some 0.64 s.
"""

from __future__ import annotations

import json
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
  data/
    audioMNIST_meta.txt
    01/0_01_0.wav ... 9_01_49.wav     (digit_speaker_take)
    ... 60/"""

NAME = re.compile(r"(?P<digit>\d)_(?P<speaker>\d\d)_(?P<take>\d+)")
META = "audioMNIST_meta.txt"
SEXES = {"female": "f", "male": "m"}


def scan(folder: Path) -> Scanned:
    """Find the utterances: all takes of a speaker are one session."""
    names = ("AudioMNIST", "AudioMNIST-master", "AudioMNIST/data", "AudioMNIST-master/data")
    home = home_of(folder, names, ("data", META, "01"), LAYOUT)
    data = home / "data" if (home / "data").is_dir() else home
    table, notes = optional_table(data, META, "the sexes of the speakers are not known", home)
    sexes = {} if table is None else _sexes(table)
    utterances: dict[str, Utterance] = {}
    passed = Passed()
    form = "SPEAKER/DIGIT_SPEAKER_TAKE"
    for path, match in named_as(recordings(folder, data), NAME, form, passed, _misplaced):
        speaker = match["speaker"]
        utterances[path.stem] = Utterance(
            path.stem, speaker, path, session_id=speaker, sex=sexes.get(speaker, "")
        )
    return Scanned(utterances, (*notes, *without_sex(utterances, table), *passed.notes()))


def _misplaced(path: Path, match: re.Match[str]) -> str:
    return "" if path.parent.name == match["speaker"] else "in the folder of another speaker"


def _sexes(table: Path) -> dict[str, str]:
    text = read_text(table)
    try:
        entries = json.loads(text)
        return {name: SEXES.get(entry["gender"], "") for name, entry in entries.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ManifestError(
            f'{table}: not the table of AudioMNIST; expected JSON such as {{"01": {{"gender": '
            '"male", ...}, ...}: get it again'
        ) from None


AUDIOMNIST = KnownCorpus(
    name="audiomnist",
    title="AudioMNIST",
    language="English (spoken digits, many accents)",
    licence="MIT",
    home="https://github.com/soerenab/AudioMNIST",
    n_speakers=60,
    n_utterances=30_000,
    hours=5.3,
    cite="S. Becker, M. Ackermann, S. Lapuschkin, K.-R. Müller, W. Samek 2018, Interpreting and "
    "Explaining Deep Neural Networks for Classification of Audio Signals, arXiv:1807.03418",
    layout=LAYOUT,
    scan=scan,
    protocols={
        "drawn": KnownProtocol(
            "speakers by lot: 30 background, 12 development, 18 evaluation; enrolled with 10 "
            "digits, 20 tests of 2 digits each; evaluation 360 target + 6,120 nontarget trials",
            Scheme(enroll=10, test=2, n_tests=20, sessions_apart=False),
        )
    },
    archives=(
        Archive(
            "https://github.com/soerenab/AudioMNIST/archive/refs/heads/master.zip",
            "all",
            file="AudioMNIST-master.zip",
            # That of so many hours at 48 kHz, unpacked.
            about_bytes=1_800_000_000,
        ),
    ),
)

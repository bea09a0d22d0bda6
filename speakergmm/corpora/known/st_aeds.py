"""ST-AEDS (Surfing Technology 2018, SLR45): ten speakers of American English, 350 sentences each.

Speakers, sexes, licence and "about 350" are those of OpenSLR's page, which does not count files;
the hours are what others who fetched it report.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from speakergmm.corpora.known.corpus import Archive, KnownCorpus, KnownProtocol, Scanned
from speakergmm.corpora.known.drawing import Scheme
from speakergmm.corpora.known.layout import (
    Passed,
    instead_of_recordings,
    named_as,
    recordings,
    shortlist,
)
from speakergmm.corpora.manifests import Utterance
from speakergmm.errors import ManifestError

if TYPE_CHECKING:
    from pathlib import Path

LAYOUT = """\
  f0001_us_f0001_00001.wav ...     (sex and speaker, sentence)
  ... m0005_us_m0005_00350.wav, in one folder or in one for each speaker
  text.txt"""

NAME = re.compile(r"(?P<speaker>[fm]\d{4})_us_(?P=speaker)_\d+", re.IGNORECASE)
SPEAKERS = tuple(f"{sex}{number:04d}" for sex in "fm" for number in range(1, 6))


def scan(folder: Path) -> Scanned:
    """Find the utterances, wherever they are below: the names say who speaks, and the sex."""
    if not folder.is_dir():
        raise ManifestError(f"{folder}: no such folder; expected the corpus:\n{LAYOUT}")
    utterances: dict[str, Utterance] = {}
    passed = Passed()
    form = "SPEAKER_us_SPEAKER_SENTENCE"
    for path, match in named_as(recordings(folder, folder), NAME, form, passed):
        name, speaker = path.stem, match["speaker"].lower()
        utterances[name] = Utterance(name, speaker, path, session_id=speaker, sex=speaker[0])
    if not utterances:
        there = instead_of_recordings(folder, passed)
        raise ManifestError(
            f"{folder}: no recordings named as in ST-AEDS{there}; expected the corpus:\n{LAYOUT}"
        )
    found = {utterance.speaker_id for utterance in utterances.values()}
    missing = [name for name in SPEAKERS if name not in found]
    notes = (f"speakers not there: {shortlist(missing)}",) if missing else ()
    return Scanned(utterances, (*notes, *passed.notes()))


ST_AEDS = KnownCorpus(
    name="st_aeds",
    title="ST-AEDS-20180100, Free ST American English Corpus (SLR45)",
    language="English (American)",
    licence="CC BY-NC-ND 4.0",
    home="https://www.openslr.org/45",
    n_speakers=10,
    n_utterances=None,
    hours=4.7,
    cite="Surfing Technology Ltd. 2018, ST-AEDS-20180100_1, Free ST American English Corpus, "
    "openslr.org/45",
    layout=LAYOUT,
    scan=scan,
    protocols={
        "drawn": KnownProtocol(
            "speakers by lot: 4 background, 2 development, 4 evaluation; enrolled with 5 "
            "sentences, 50 tests of one; evaluation 200 target + 600 nontarget trials",
            Scheme(enroll=5, test=1, n_tests=50, sessions_apart=False, evaluation=0.4),
        )
    },
    archives=(
        Archive(
            "https://www.openslr.org/resources/45/ST-AEDS-20180100_1-OS.tgz",
            "all",
            # That of so many hours, unpacked.
            about_bytes=540_000_000,
        ),
    ),
)

"""A user's own recordings: a folder for each speaker, in it one for each session if need be."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from speakergmm.corpora.folders import utterances_in_folder
from speakergmm.corpora.known.corpus import KnownCorpus, KnownProtocol, Scanned
from speakergmm.corpora.known.drawing import Scheme
from speakergmm.corpora.known.layout import unread

if TYPE_CHECKING:
    from collections.abc import Iterable

LAYOUT = """\
  SPEAKER/RECORDING.wav
  or SPEAKER/SESSION/RECORDING.wav"""


def scan(folder: Path) -> Scanned:
    """Find the utterances; without folders of sessions, a recording is a session of its own."""
    found = utterances_in_folder(folder)
    utterances = {}
    for new, (name, utterance) in zip(_ids(found), found.items(), strict=True):
        utterances[new] = replace(
            utterance,
            utterance_id=new,
            path=utterance.path.relative_to(folder),
            session_id=utterance.session_id or Path(name).stem,
        )
    return Scanned(utterances, unread(folder).notes())


def _ids(paths: Iterable[str]) -> list[str]:
    """Make ids that files can be named by: ``SPEAKER-SESSION-RECORDING``.

    The suffix stays where ids would be the same without it, and what is still the same is numbered.
    """
    whole = [path.replace("/", "-") for path in paths]
    short = [name.rpartition(".")[0] for name in whole]
    # Some file systems do not tell capitals from small letters.
    n_short = Counter(map(str.casefold, short))
    ids: dict[str, str] = {}
    for name, without in zip(whole, short, strict=True):
        wanted = without if n_short[without.casefold()] == 1 else name
        new, n = wanted, 1
        while new.casefold() in ids:
            n += 1
            new = f"{wanted}-{n}"
        ids[new.casefold()] = new
    return list(ids.values())


OWN_FOLDERS = KnownCorpus(
    name="folders",
    title="Your own recordings, a folder a speaker",
    language="any",
    licence="yours",
    home="",
    n_speakers=None,
    n_utterances=None,
    hours=None,
    cite="",
    layout=LAYOUT,
    scan=scan,
    protocols={
        "drawn": KnownProtocol(
            "speakers by lot: half background, a fifth development, three tenths evaluation; "
            "enrolled with one recording, up to 4 others of other sessions are tests",
            Scheme(enroll=1),
        )
    },
    how_to_get="record some twenty people or more, two sessions each, in a folder for each of them",
)

"""VoxForge, English: sentences that volunteers read at home, a folder for each submission.

Folders, README and what is anonymous as Kaldi's recipe (egs/voxforge) and VoxForge's own
submission program have them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from speakergmm.corpora.known.corpus import KnownCorpus, KnownProtocol, Scanned
from speakergmm.corpora.known.drawing import Scheme
from speakergmm.corpora.known.layout import (
    Passed,
    instead_of_recordings,
    read_loosely,
    recordings,
)
from speakergmm.corpora.manifests import Utterance
from speakergmm.errors import ManifestError
from speakergmm.names import counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LAYOUT = """\
  Aaron-20080318-kdl/     (user, date, three letters)
    etc/README
    wav/a0001.wav ...     (or flac/a0001.flac)
  ... zombie-20100502-abc/, in one folder or in .../Trunk/Audio/Main/16kHz_16bit/"""

AUDIO = ("wav", "flac")
RATE = re.compile(r"\d+kHz_\d+bit", re.IGNORECASE)
WANTED_RATE = "16khz_16bit"

# Some old ones have a letter after the date, or no letters at all.
SUBMISSION = re.compile(r"(?P<user>.+?)-(?P<date>\d{8})\d{0,2}[a-z]?([-_].*)?")
USER = re.compile(r"^\W*user name\s*:[ \t]*(.*?)\s*$", re.IGNORECASE | re.MULTILINE)
# "Gender: Male", "Gender: [female];" in old ones, "Gender: Weiblich"; other words say nothing.
GENDER = re.compile(r"^\W*gender\s*:[^a-z\n]*(f|m|w(?=eib|om))\w*", re.IGNORECASE | re.MULTILINE)
ANONYMOUS = "anonymous"


@dataclass(frozen=True, slots=True)
class _Submission:
    speaker: str
    session: str
    sex: str
    is_anonymous: bool
    has_readme: bool


def scan(folder: Path) -> Scanned:
    """Find the utterances: a session is a date; an anonymous submission is its own speaker."""
    if not folder.is_dir():
        raise ManifestError(f"{folder}: no such folder; expected the corpus:\n{LAYOUT}")
    known: dict[str, _Submission | None] = {}
    utterances: dict[str, Utterance] = {}
    passed = Passed()
    for path in recordings(folder, folder):
        inside = path.parent
        rate = next((name for name in inside.parts if RATE.fullmatch(name)), WANTED_RATE)
        submission = _word(inside.parent.name)
        name = f"{submission}-{_word(path.stem)}"
        if inside.name.lower() not in AUDIO or not submission:
            passed.add("not in SUBMISSION/wav or SUBMISSION/flac", path)
        elif rate.lower() != WANTED_RATE:
            passed.add("not of 16kHz_16bit", path)
        elif name in utterances:
            passed.add("there twice", path)
        else:
            if submission not in known:
                known[submission] = _read_submission(folder / inside.parent, submission)
            about = known[submission]
            if about is None:
                passed.add("in no folder named USER-DATE-LETTERS or with etc/README", path)
                continue
            utterances[name] = Utterance(
                name, about.speaker, path, session_id=about.session, sex=about.sex
            )
    if not utterances:
        raise ManifestError(_nothing_in(folder, passed))
    return Scanned(utterances, (*_notes([*filter(None, known.values())]), *passed.notes()))


def _word(name: str) -> str:
    return "_".join(name.split())


def _read_submission(place: Path, name: str) -> _Submission | None:
    """Find who read, when, and of which sex, in the folder's name and in its README.

    None where neither tells that it is a submission.

    Users write their names now in capitals, now not: they are told apart without.
    """
    match = SUBMISSION.fullmatch(name)
    user, session = (match["user"], match["date"]) if match else (name, name)
    text = _readme(place / "etc")
    if match is None and text is None:
        return None
    named = USER.search(text or "")
    if named and named[1] and named[1].lower() != ANONYMOUS:
        user = _word(named[1])
    user = user.casefold()
    is_anonymous = user == ANONYMOUS
    gender = GENDER.search(text or "")
    sex = gender[1].lower().replace("w", "f") if gender else ""
    return _Submission(name if is_anonymous else user, session, sex, is_anonymous, text is not None)


def _readme(etc: Path) -> str | None:
    if not etc.is_dir():
        return None
    names = sorted(entry.name for entry in etc.iterdir())
    found = next((name for name in names if name.lower() in ("readme", "readme.txt")), None)
    return None if found is None else read_loosely(etc / found)


def _notes(known: Sequence[_Submission]) -> tuple[str, ...]:
    n_anonymous = sum(about.is_anonymous for about in known)
    n_bare = sum(not about.has_readme for about in known)
    notes = []
    if n_anonymous:
        notes.append(
            f"anonymous: {n_anonymous:,} of {counted(len(known), 'submission')}; each is taken for "
            "a speaker of its own, and never tested"
        )
    if n_bare:
        notes.append(
            f"without etc/README: {n_bare:,} of {counted(len(known), 'submission')}; the users are "
            "those of the folders' names, their sexes not known"
        )
    return tuple(notes)


def _nothing_in(folder: Path, passed: Passed) -> str:
    if passed.reasons:
        there = f"; {passed.notes()[0]}: is a folder misnamed?"
    elif any(folder.rglob("*.tgz")):
        there = "; the archives (.tgz) are not unpacked yet: unpack each in place"
    else:
        there = instead_of_recordings(folder, passed)
    return f"{folder}: no submissions{there}; expected the corpus:\n{LAYOUT}"


INDEX = "http://www.repository.voxforge1.org/downloads/SpeechCorpus/Trunk/Audio/Main/16kHz_16bit/"

VOXFORGE = KnownCorpus(
    name="voxforge",
    title="VoxForge, English",
    language="English (many accents)",
    licence="GPL",
    home="http://www.voxforge.org",
    n_speakers=None,
    n_utterances=None,
    hours=None,
    cite="K. MacLean 2006-, VoxForge, www.voxforge.org",
    layout=LAYOUT,
    scan=scan,
    protocols={
        "drawn": KnownProtocol(
            "speakers with two dates by lot: three tenths development, half evaluation; the others "
            "and all anonymous ones are background; enrolled with 5 sentences of one date, up to "
            "10 tests of one of other dates. The corpus grows; n speakers for evaluation give 10 n "
            "target + 10 n (n - 1) nontarget trials at most",
            Scheme(enroll=5, test=1, n_tests=10, development=0.3, evaluation=0.5),
        )
    },
    how_to_get=f"the archives SUBMISSION.tgz, thousands, are in {INDEX}: wget -r -np -nd -A tgz "
    "that address, then for each: tar xzf SUBMISSION.tgz",
    index=INDEX,
)

"""RAVDESS (Livingstone & Russo 2018): 24 actors say two sentences in eight emotions.

Names, counts and licence are those of the page at Zenodo; size and MD5 of the archive as several
who fetched it report them alike. The hours are an estimate, of recordings of some 3.7 s.
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
from speakergmm.corpora.lists import Lists, protocol_of
from speakergmm.corpora.manifests import Utterance
from speakergmm.errors import ManifestError

if TYPE_CHECKING:
    from pathlib import Path

    from speakergmm.corpora.manifests import Utterances

LAYOUT = """\
  Actor_01/03-01-01-01-01-01-01.wav ...
    (modality 03, channel 01 speech, emotion, intensity, statement, repetition, actor)
  ... Actor_24/"""

NAME = re.compile(r"(\d\d)-(?P<channel>\d\d)-(?P<emotion>0[1-8])-\d\d-\d\d-\d\d-(?P<actor>\d\d)")
FOLDER = re.compile(r"Actor_(\d+)", re.IGNORECASE)
SPEECH = "01"
NEUTRAL = "neutral"
EMOTIONS = {
    "01": NEUTRAL, "02": "calm", "03": "happy", "04": "sad",
    "05": "angry", "06": "fearful", "07": "disgust", "08": "surprised",
}  # fmt: skip
ACTORS = tuple(f"{number:02d}" for number in range(1, 25))

# Some eighteen seconds, in whatever emotions, against one sentence.
SCHEME = Scheme(enroll=5, test=1, n_tests=50, sessions_apart=False)


def scan(folder: Path) -> Scanned:
    """Find the speech, not the songs: an actor is one session; the condition is the emotion."""
    if not folder.is_dir():
        raise ManifestError(f"{folder}: no such folder; expected the corpus:\n{LAYOUT}")
    utterances: dict[str, Utterance] = {}
    passed = Passed()
    form = "MODALITY-CHANNEL-EMOTION-INTENSITY-...-ACTOR"
    for path, match in named_as(recordings(folder, folder), NAME, form, passed, _why_not):
        name, actor = path.stem, match["actor"]
        utterances[name] = Utterance(
            name, actor, path, session_id=actor, sex="fm"[int(actor) % 2],
            condition=EMOTIONS[match["emotion"]],
        )  # fmt: skip
    if not utterances:
        there = instead_of_recordings(folder, passed)
        raise ManifestError(
            f"{folder}: no speech named as in RAVDESS{there}; expected the corpus:\n{LAYOUT}"
        )
    found = {utterance.speaker_id for utterance in utterances.values()}
    missing = [name for name in ACTORS if name not in found]
    notes = (f"actors not there: {shortlist(missing)}",) if missing else ()
    return Scanned(utterances, (*notes, *passed.notes()))


def _why_not(path: Path, match: re.Match[str]) -> str:
    if match["channel"] != SPEECH:
        return "not speech (channel 01), but song"
    place = FOLDER.fullmatch(path.parent.name)
    wrong = place is not None and int(place[1]) != int(match["actor"])
    return "in the folder of another actor" if wrong else ""


def from_neutral(utterances: Utterances, folder: Path, seed: int) -> Lists:
    """Draw splits; models are made of all that is neutral, tests are all that is not.

    Raises
    ------
    ManifestError
        When an actor who enrolls has nothing neutral.
    """
    drawn = SCHEME(utterances, folder, seed)
    protocols = {}
    for split, protocol in drawn.protocols.items():
        enrollment: dict[str, tuple[str, ...]] = dict.fromkeys(protocol.enrollment, ())
        tests = {}
        for name, utterance in utterances.items():
            actor = utterance.speaker_id
            if actor in enrollment and utterance.condition == NEUTRAL:
                enrollment[actor] = (*enrollment[actor], name)
            elif actor in enrollment:
                tests[name] = (name,)
        without = [actor for actor, pool in enrollment.items() if not pool]
        if without:
            raise ManifestError(
                f"{folder}: nothing neutral (emotion 01) of actors {shortlist(without)}; expected "
                "four recordings of each: use protocol 'drawn', or get the corpus again"
            )
        protocols[split] = protocol_of(enrollment, tests, utterances)
    return Lists(drawn.utterances, protocols)


RAVDESS = KnownCorpus(
    name="ravdess",
    title="RAVDESS, speech",
    language="English (North American, acted emotions)",
    licence="CC BY-NC-SA 4.0",
    home="https://zenodo.org/records/1188976",
    n_speakers=24,
    n_utterances=1_440,
    hours=1.5,
    cite="S. R. Livingstone, F. A. Russo 2018, The Ryerson Audio-Visual Database of Emotional "
    "Speech and Song (RAVDESS), PLoS ONE 13(5): e0196391",
    layout=LAYOUT,
    scan=scan,
    protocols={
        "drawn": KnownProtocol(
            "actors by lot: 12 background, 5 development, 7 evaluation; enrolled with 5 recordings "
            "of any emotion, 50 tests of one; evaluation 350 target + 2,100 nontarget trials",
            SCHEME,
        ),
        "neutral": KnownProtocol(
            "the same actors, enrolled with their 4 neutral recordings; tests are the 56 others of "
            "each; evaluation 392 target + 2,352 nontarget trials",
            from_neutral,
        ),
    },
    archives=(
        Archive(
            "https://zenodo.org/records/1188976/files/Audio_Speech_Actors_01-24.zip",
            "speech",
            208_468_073,
            "md5:bc696df654c87fed845eb13823edef8a",
        ),
    ),
)

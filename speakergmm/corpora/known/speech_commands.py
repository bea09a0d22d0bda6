"""Speech Commands v0.02 (Warden 2018): one-second words, whole and its test set.

Sizes and SHA-256 of the archives are those of TensorFlow Datasets, counts and the rule that a
speaker is in one part alone those of the paper and of the README. The hours take every recording
for the full second that it may last, as nearly all do.
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
    need,
    recordings,
    shortlist,
)
from speakergmm.corpora.lists import BACKGROUND, DEVELOPMENT, EVALUATION
from speakergmm.corpora.manifests import Utterance
from speakergmm.errors import ManifestError

if TYPE_CHECKING:
    from pathlib import Path

    from speakergmm.corpora.lists import Lists
    from speakergmm.corpora.manifests import Utterances

LAYOUT = """\
  testing_list.txt, validation_list.txt
  backward/0165e0e8_nohash_0.wav ...     (speaker, take)
  ... zero/"""

TEST_LAYOUT = """\
  down/022cd682_nohash_0.wav ...     (speaker, take)
  ... yes/
  _unknown_/backward_0c540988_nohash_0.wav ..."""

NAME = re.compile(r"(?:(?P<word>[a-z]+)_)?(?P<speaker>[0-9a-f]{8})_nohash_(?P<take>\d+)")
LISTED = re.compile(r"[a-z]+/(?P<speaker>[0-9a-f]{8})_nohash_\d+\.wav")
COMMANDS = (
    "down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes",
)  # fmt: skip
OTHERS = (
    "backward", "bed", "bird", "cat", "dog", "eight", "five", "follow", "forward", "four", "happy",
    "house", "learn", "marvin", "nine", "one", "seven", "sheila", "six", "three", "tree", "two",
    "visual", "wow", "zero",
)  # fmt: skip
WORDS = sorted((*COMMANDS, *OTHERS))
UNKNOWN = "_unknown_"
NOT_SPEECH = ("_silence_", "_background_noise_")
PARTS = {"validation_list.txt": DEVELOPMENT, "testing_list.txt": EVALUATION}


def word_of(utterance: Utterance) -> str:
    """Give the word that is said."""
    return utterance.utterance_id.split("_")[1]


# So many words fill the five seconds that a model needs at least, and a test is not one word.
SCHEME = Scheme(enroll=5, test=2, n_tests=4, sessions_apart=False, text_of=word_of)


def scan(folder: Path) -> Scanned:
    """Find the utterances of the whole corpus; which recordings were one sitting is not known."""
    lists, home = _places(folder)
    for name, split in PARTS.items():
        need(lists, name, f"the list of the recordings for {split}")
    utterances, notes = _words_in(folder, home)
    missing = sorted({*WORDS} - {word_of(utterance) for utterance in utterances.values()})
    if utterances and missing:
        notes = (
            f"{len(missing)} of {len(WORDS)} words not there: {shortlist(missing)}",
            *notes,
        )
    return Scanned(utterances, notes)


def scan_test(folder: Path) -> Scanned:
    """Find the utterances of the test set, in the folders of its ten words and of others."""
    names = ("audio", "speech_commands_test_set_v0.02")
    home = home_of(folder, names, (UNKNOWN, *COMMANDS), TEST_LAYOUT)
    if _has_list(home):
        raise ManifestError(
            f"{home}: has {' and '.join(PARTS)}, so it is the whole corpus; expected the test set: "
            "prepare it as speech_commands"
        )
    return Scanned(*_words_in(folder, home))


def _places(folder: Path) -> tuple[Path, Path]:
    """Find the lists of recordings, and the folder of the words; the lists may lie above it."""
    if (folder / UNKNOWN).exists():
        raise ManifestError(
            f"{folder}: has {UNKNOWN!r}, so it is the test set; expected the whole corpus: prepare "
            "it as speech_commands_test"
        )
    above = folder.absolute().parent
    has_words = any((folder / word).is_dir() for word in WORDS)
    if has_words and not _has_list(folder) and _has_list(above):
        return above, folder
    names = ("speech_commands_v0.02", "SpeechCommands/speech_commands_v0.02", "audio", "train")
    home = home_of(folder, names, (*PARTS,), LAYOUT)
    return home, home


def _has_list(folder: Path) -> bool:
    return any((folder / name).exists() for name in PARTS)


def _words_in(folder: Path, home: Path) -> tuple[dict[str, Utterance], tuple[str, ...]]:
    utterances: dict[str, Utterance] = {}
    passed = Passed()
    for path in recordings(folder, home):
        word = path.parent.name
        match = NAME.fullmatch(path.stem)
        if word == UNKNOWN:
            word = match["word"] or "" if match else ""
        elif match and match["word"]:
            match = None
        name = f"{match['speaker']}_{word}_{match['take']}" if match else ""
        if path.parent.name in NOT_SPEECH:
            passed.add("no speech", path)
        elif match is None:
            passed.add("not named SPEAKER_nohash_TAKE", path)
        elif word not in WORDS:
            passed.add(f"none of the {len(WORDS)} words", path)
        elif name in utterances:
            passed.add("there twice", path)
        else:
            speaker = match["speaker"]
            utterances[name] = Utterance(name, speaker, path, session_id=speaker)
    return utterances, passed.notes()


def official(utterances: Utterances, folder: Path, seed: int) -> Lists:
    """Draw models and tests within the parts that the corpus's lists of recordings make."""
    home, _ = _places(folder)
    parts: dict[str, str] = {}
    for name, split in PARTS.items():
        for number, line in lines_of(home / name):
            match = LISTED.fullmatch(line)
            if match is None:
                raise ManifestError(
                    f"{home / name}:{number}: expected WORD/SPEAKER_nohash_TAKE.wav, got {line!r}; "
                    "get the list again"
                )
            if parts.setdefault(match["speaker"], split) != split:
                raise ManifestError(
                    f"{home / name}:{number}: speaker {match['speaker']!r} is in the other list "
                    "too; expected each in one: get the lists again"
                )
    by_list = replace(SCHEME, split_of=lambda u: parts.get(u.speaker_id, BACKGROUND))
    return by_list(utterances, folder, seed)


LICENCE = "CC BY 4.0"
HOME = "https://arxiv.org/abs/1804.03209"
CITE = (
    "P. Warden 2018, Speech Commands: A Dataset for Limited-Vocabulary Speech Recognition, "
    "arXiv:1804.03209"
)
DOWNLOADS = "http://download.tensorflow.org/data"

SPEECH_COMMANDS = KnownCorpus(
    name="speech_commands",
    title="Speech Commands v0.02",
    language="English (single words)",
    licence=LICENCE,
    home=HOME,
    n_speakers=2_618,
    n_utterances=105_829,
    hours=29.4,
    cite=CITE,
    layout=LAYOUT,
    scan=scan,
    protocols={
        "official": KnownProtocol(
            "development is validation_list.txt (9,981 recordings), evaluation testing_list.txt "
            "(11,005), background all others (84,843); enrolled with 5 words, up to 4 tests of 2 "
            "other words of each speaker who said 7 words. How many did is not published (at least "
            "164 for evaluation); n of them give 4 n target + 4 n (n - 1) nontarget trials at most",
            official,
        )
    },
    archives=(
        Archive(
            f"{DOWNLOADS}/speech_commands_v0.02.tar.gz",
            "all",
            2_428_923_189,
            "sha256:af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
        ),
    ),
)

SPEECH_COMMANDS_TEST = KnownCorpus(
    name="speech_commands_test",
    title="Speech Commands v0.02, the test set",
    language="English (single words)",
    licence=LICENCE,
    home=HOME,
    n_speakers=None,
    # 4,890 with 408 of silence, as TensorFlow Datasets counts them.
    n_utterances=4_482,
    hours=1.25,
    cite=CITE,
    layout=TEST_LAYOUT,
    scan=scan_test,
    protocols={
        "drawn": KnownProtocol(
            "of those who said 7 words a quarter development, more than half evaluation, by lot; "
            "all others background; enrolled with 5 words, up to 4 tests of 2 other words; in a "
            "copy without duplicates (239 speakers, 4,361 recordings) "
            "evaluation has 90 speakers, 233 target + 20,737 nontarget trials",
            replace(SCHEME, development=0.25, evaluation=0.55),
        )
    },
    archives=(
        Archive(
            f"{DOWNLOADS}/speech_commands_test_set_v0.02.tar.gz",
            "all",
            112_563_277,
            "sha256:cc2a00c1147c2254e9be3fa0f779d8c17421dc349b86366567a8edfa9acd51df",
        ),
    ),
)

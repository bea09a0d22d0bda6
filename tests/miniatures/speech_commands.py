"""Speech Commands v0.02: the whole corpus and its test set, with twenty speakers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miniatures.files import touch, write
from speakergmm.corpora.known.speech_commands import COMMANDS, UNKNOWN, WORDS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

SPEAKERS = [f"{number:08x}" for number in range(0xA0, 0xA0 + 20)]
VALIDATION, TESTING = SPEAKERS[:4], SPEAKERS[4:9]
NOISES = ["_background_noise_/white_noise.wav", "_background_noise_/README.md"]


def names_of(
    speakers: Iterable[str],
    words: Iterable[str] = WORDS[:10],
    suffix: str = ".wav",
    n_takes: int = 2,
) -> list[str]:
    """Name so many takes of each word."""
    return [
        f"{word}/{speaker}_nohash_{take}{suffix}"
        for speaker in speakers
        for word in words
        for take in range(n_takes)
    ]


def build(above: Path, *, n_words: int = 10, n_takes: int = 2) -> Path:
    """Make a copy of the whole corpus, unpacked as the archive is."""
    folder = above / "speech_commands_v0.02"
    words = WORDS[:n_words]
    for name, members in (("validation_list.txt", VALIDATION), ("testing_list.txt", TESTING)):
        write(folder, name, "\n".join(names_of(members, words, n_takes=n_takes)) + "\n")
    names = names_of(SPEAKERS, words, n_takes=n_takes)
    return touch(folder, ["LICENSE", "README.md", ".DS_Store", *NOISES, *names])


def build_test_set(above: Path) -> Path:
    """Make a copy of the test set: ten words, two others each, and silence."""
    others = [
        f"{UNKNOWN}/{word}_{name}_nohash_{take}.wav"
        for name in SPEAKERS
        for word in ("zero", "bed")
        for take in range(2)
    ]
    silence = [f"_silence_/{number}.wav" for number in range(8)]
    folder = above / "speech_commands_test_set_v0.02"
    return touch(folder, [*names_of(SPEAKERS, COMMANDS), *others, *silence])

"""VCTK: versions 0.92 and 0.80, with some of their sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miniatures.files import touch, write

if TYPE_CHECKING:
    from pathlib import Path

# As the corpus has it: two speakers lack the second microphone, one has another letter.
SPEAKERS = [*(f"p{number}" for number in range(225, 325)), "p280", "p315", "s5"]
SPEAKERS = sorted({*SPEAKERS, *(f"p{number}" for number in range(340, 349))})
ONE_MIC = ("p280", "p315")


def table_of(letter: str) -> str:
    """Make the table of speakers, whose ids have a letter or none."""
    rows = [
        f"{name if letter else name.lstrip('p')}  23  {'FM'[int(name[1:]) % 2]}    English    York"
        for name in SPEAKERS
    ]
    return "ID  AGE  GENDER  ACCENTS  REGION COMMENTS \n" + "\n".join(rows) + "\n"


def build(above: Path, *, n_speakers: int | None = None, n_sentences: int = 6) -> Path:
    """Make a copy of version 0.92, with so many of its speakers (all) and sentences."""
    folder = above / "VCTK-Corpus-0.92"
    write(folder, "speaker-info.txt", table_of("p"))
    names = [
        f"wav48_silence_trimmed/{name}/{name}_{sentence:03d}_{mic}.flac"
        for name in SPEAKERS[:n_speakers]
        for sentence in range(1, n_sentences + 1)
        for mic in ("mic1", "mic2")
        if mic == "mic1" or name not in ONE_MIC
    ]
    others = ["wav48_silence_trimmed/log.txt", "txt/p225/p225_001.txt"]
    return touch(folder, [*others, *names])


def build_old(above: Path, *, n_sentences: int = 30) -> Path:
    """Make a copy of version 0.80, with so many sentences of ten speakers."""
    folder = above / "VCTK-Corpus"
    write(folder, "speaker-info.txt", table_of(""))
    names = [
        f"wav48/{name}/{name}_{sentence:03d}.wav"
        for name in SPEAKERS[:10]
        for sentence in range(1, n_sentences + 1)
    ]
    return touch(folder, names)

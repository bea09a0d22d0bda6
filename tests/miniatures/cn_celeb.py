"""CN-Celeb1: ten speakers for training and four of the evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miniatures.files import touch, write

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

DEV = [f"id{number:05d}" for number in range(10)]
EVAL = [f"id{number:05d}" for number in range(800, 804)]
# The last is tested and not enrolled, as four are in the corpus.
ENROLLED = EVAL[:3]
GENRES = ("interview-01", "live_broadcast-02", "singing-03")


def utterances(speakers: Iterable[str]) -> list[tuple[str, str]]:
    """Give speaker and name of five utterances of each of three genres."""
    return [
        (speaker, f"{genre}-{number:03d}")
        for speaker in speakers
        for genre in GENRES
        for number in range(1, 6)
    ]


TESTS = [f"{speaker}-{rest}" for speaker, rest in utterances(EVAL)]
TRIALS = "".join(
    f"{name}-enroll test/{test}.wav {int(test.startswith(name))}\n"
    for name in ENROLLED
    for test in TESTS
)


def build(above: Path, *, name: str = "CN-Celeb_flac", suffix: str = ".flac") -> Path:
    """Make a copy of the version of that name."""
    folder = above / name
    touch(folder, [f"data/{s}/{rest}{suffix}" for s, rest in utterances(DEV + EVAL)])
    touch(folder, [f"eval/test/{test}{suffix}" for test in TESTS])
    touch(folder, [f"eval/enroll/{name}-enroll{suffix}" for name in ENROLLED])
    write(folder, "dev/dev.lst", "\n".join(DEV))
    write(folder, "eval/lists/trials.lst", TRIALS)
    lines = [f"{name}-enroll enroll/{name}-enroll.wav" for name in ENROLLED]
    write(folder, "eval/lists/enroll.lst", "\n".join(lines))
    return folder

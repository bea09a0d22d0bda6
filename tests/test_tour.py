"""The tour in docs/tour.md, walked: its commands give what the page shows.

After a change, `python tests/test_tour.py` walks it and writes down what it gave, pictures too.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

import speakergmm

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parent.parent
TOUR, PICTURES = ROOT / "docs" / "tour.md", ROOT / "docs" / "pictures"
# A block of commands with what they print, or a program with what it prints.
BLOCK = re.compile(
    r"^```console\n(?P<console>.*?)^```$"
    r"|^```python\n(?P<program>.*?)^```\n\n```text\n(?P<printed>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
# A command, with the lines that a backslash joins to it.
COMMAND = re.compile(r"^\$ ((?:[^\n]*\\\n)*[^\n]*)\n", re.MULTILINE)
PROGRAM = "tour.py"

NUMBER = re.compile(r"(?<![\w.-])-?\d[\d,]*(?:\.\d+)?(?!\w)")
# What differs from run to run.
PASSING = (
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"), "TIME"),
    (re.compile(r"Done in [\d.]+ s"), "Done in N s"),
)
CLOSE, NEAR = 0.02, 0.02


def walk(folder: Path, note: Callable[[str, str], None]) -> str:
    """Run all blocks in a folder, note (expected, printed) of each part; give the page anew."""
    commands = folder / ".commands"
    commands.mkdir()
    for name, arguments in (("speakergmm", "-m speakergmm"), ("python", "")):
        script = commands / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments} "$@"\n')
        script.chmod(0o755)
    environment = os.environ | {
        "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(Path(speakergmm.__file__).parent.parent),
        "COLUMNS": "100",
        "LC_ALL": "C.UTF-8",
    }

    def run(command: str) -> str:
        done = subprocess.run(
            ["bash", "-c", command], cwd=folder, env=environment, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, encoding="utf-8", timeout=300, check=False,
        )  # fmt: skip
        return done.stdout

    def renewed(block: re.Match[str]) -> str:
        if block["program"]:
            (folder / PROGRAM).write_text(block["program"], encoding="utf-8")
            printed = run(f"python {PROGRAM}")
            note(block["printed"], printed)
            return f"```python\n{block['program']}```\n\n```text\n{printed}```"
        text = ""
        _, *parts = COMMAND.split(block["console"])
        for command, expected in zip(parts[::2], parts[1::2], strict=True):
            printed = run(command)
            note(f"$ {command}\n{expected}", f"$ {command}\n{printed}")
            text += f"$ {command}\n{printed}"
        return f"```console\n{text}```"

    return BLOCK.sub(renewed, TOUR.read_text(encoding="utf-8"))


def shape_of(text: str) -> tuple[str, list[float]]:
    """Give the text without its numbers, and these."""
    for pattern, word in PASSING:
        text = pattern.sub(word, text)
    numbers = [float(number.replace(",", "")) for number in NUMBER.findall(text)]
    # A column is as wide as its numbers.
    return re.sub(r" +", " ", NUMBER.sub("#", text)).strip(), numbers


@pytest.mark.skipif(shutil.which("bash") is None, reason="the tour is for a Unix shell")
@pytest.mark.skipif(
    np.__version__.startswith("1."),
    reason="the last digits of frames, and so the page, are of NumPy 2",
)
def test_the_tour_gives_what_the_page_shows(tmp_path):
    def compare(expected: str, printed: str) -> None:
        (shape, numbers), (found, values) = shape_of(expected), shape_of(printed)
        assert found == shape, printed
        assert values == pytest.approx(numbers, rel=CLOSE, abs=NEAR), printed

    walk(tmp_path, compare)


def test_numbers_may_differ_in_their_last_digits_only():
    assert shape_of("llr -5.41 (1,024 of 3)") == ("llr # (# of #)", [-5.41, 1024, 3])
    assert shape_of("at 2026-01-31T12:00:00Z")[0] == "at TIME"
    assert shape_of("s47-1-1.flac")[0] == "s47-1-1.flac"


def test_pages_show_each_picture_of_the_tour_and_none_is_large():
    page = TOUR.read_text(encoding="utf-8")
    shown = re.findall(r"\]\((pictures/[^)]+)\)", page)
    assert len(shown) == 2
    assert all((TOUR.parent / name).stat().st_size < 250_000 for name in shown)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        written = walk(Path(place), lambda expected, printed: None)
        TOUR.write_text(written, encoding="utf-8")
        for picture in Path(place).glob("explanation_*.png"):
            # 128 colors are enough for lines and grays, and take a third of the room.
            few = Image.open(picture).convert("RGB").quantize(128, Image.Quantize.FASTOCTREE)
            few.save(PICTURES / picture.name)

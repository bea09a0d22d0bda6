"""VoxForge: ten users of two dates, one of one date, and three anonymous submissions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miniatures.files import touch, write

if TYPE_CHECKING:
    from pathlib import Path

README = """\
User Name:{user}

Speaker Characteristics:

Gender: {gender}
Age Range: Adult
Language: EN
Pronunciation dialect: American English

Recording Information:

Microphone make: n/a

File Info:

File type: wav
Sampling Rate: 48000
"""
USERS = [f"user{number}" for number in range(10)]
ANONYMOUS = ["anonymous-20080504-qvg", "anonymous-20080504-qvh", "anonymous-20090102-abc"]
OF_MAIN = "main/Trunk/Audio/Main/16kHz_16bit"


def add_submission(
    folder: Path, name: str, user: str, gender: str = "Male", kind: str = "wav", n: int = 6
) -> None:
    """Add a submission of so many sentences."""
    write(folder, f"{name}/etc/README", README.format(user=user, gender=gender))
    write(folder, f"{name}/etc/PROMPTS", "")
    touch(folder, [f"{name}/{kind}/a{number:04d}.{kind}" for number in range(n)])


def build(above: Path) -> Path:
    """Make a copy in the folders of the server."""
    folder = above / OF_MAIN
    for number, user in enumerate(USERS):
        gender = "Female" if number % 2 else "Male"
        add_submission(folder, f"{user}-20080318-kdl", user, gender)
        add_submission(folder, f"{user}-20090412-{user[-1]}bc", user, gender, kind="flac")
    add_submission(folder, "once-20100101-xyz", "once", "Please Select")
    for name in ANONYMOUS:
        add_submission(folder, name, "anonymous", "female")
    return folder

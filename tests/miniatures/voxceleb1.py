"""VoxCeleb1: some speakers of both parts, and of VoxCeleb2, with lists of trials."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miniatures.files import touch, write

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

DEV = [f"id{number}" for number in range(10001, 10013)]
TEST = [f"id{number}" for number in range(10270, 10273)]
VOXCELEB2 = [f"id{number:05d}" for number in range(12, 28)]
VIDEOS = ("-x6uYqmx31k", "8jEAjG6SegY", "na8-QEFmj44")
META = "VoxCeleb1 ID\tVGGFace1 ID\tGender\tNationality\tSet\n" + "".join(
    f"{name}\tSome_Body\t{'mf'[int(name[-1]) % 2]}\tUSA\t{'test' if name in TEST else 'dev'}\n"
    for name in DEV + TEST
)
META2 = "VoxCeleb2 ID ,VGGFace2 ID ,Gender ,Set \n" + "".join(
    f"{name} ,n0{name[1:]} ,{'mf'[int(name[-1]) % 2]} ,dev \n" for name in VOXCELEB2
)
A, B, C = TEST
TRIALS = f"""\
1 {A}/{VIDEOS[0]}/00001.wav {A}/{VIDEOS[1]}/00002.wav
0 {A}/{VIDEOS[0]}/00001.wav {C}/{VIDEOS[1]}/00001.wav
1 {B}/{VIDEOS[1]}/00001.wav {B}/{VIDEOS[2]}/00001.wav
0 {B}/{VIDEOS[1]}/00001.wav {A}/{VIDEOS[0]}/00002.wav
0 {C}/{VIDEOS[1]}/00002.wav {A}/{VIDEOS[0]}/00001.wav
"""


def recordings(speakers: Iterable[str], suffix: str = ".wav") -> list[str]:
    """Name two utterances of each of three videos."""
    return [
        f"{speaker}/{video}/{number:05d}{suffix}"
        for speaker in speakers
        for video in VIDEOS
        for number in (1, 2)
    ]


def build(above: Path) -> Path:
    """Make twelve speakers of the dev part and three of the test part, six utterances each."""
    folder = above / "VoxCeleb1"
    write(folder, "vox1_meta.csv", META)
    write(folder, "veri_test2.txt", TRIALS)
    return touch(folder, [f"wav/{name}" for name in recordings(DEV + TEST)])


def build_both(above: Path) -> Path:
    """Make beside it fourteen speakers of VoxCeleb2 dev, two of its test part, lists E and H."""
    folder = build(above)
    speakers = recordings(VOXCELEB2[:14], ".flac")
    touch(folder, [f"vox2_dev_wav/dev/aac/{name}" for name in speakers])
    touch(folder, [f"vox2_test_wav/{name}" for name in recordings(VOXCELEB2[14:])])
    write(folder, "vox2_meta.csv", META2)
    more = f"1 {DEV[0]}/{VIDEOS[0]}/00001.wav {DEV[0]}/{VIDEOS[1]}/00001.wav\n"
    write(folder, "list_test_all2.txt", TRIALS + more)
    write(folder, "list_test_hard2.txt", "".join(TRIALS.splitlines(keepends=True)[:3]))
    return folder

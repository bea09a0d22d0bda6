"""Check what a built sdist and wheel hold: `python .ci/check_distributions.py FOLDER`."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parent.parent


def problems_of_wheel(path: Path) -> list[str]:
    """Find what a wheel lacks, and what has no business in it."""
    names = zipfile.ZipFile(path).namelist()
    sources = {str(file.relative_to(ROOT)) for file in ROOT.glob("speakergmm/**/*.py")}
    about = {name for name in names if ".dist-info/" in name}
    wanted = sources | {"speakergmm/py.typed"}
    problems = [f"{path.name} lacks {name}" for name in sorted(wanted.difference(names))]
    problems += [f"{path.name} has {name}" for name in sorted(set(names) - wanted - about)]
    if not any(name.endswith("/licenses/LICENSE") for name in about):
        problems.append(f"{path.name} lacks the licence")
    return problems


def problems_of_sdist(path: Path) -> list[str]:
    """Find what git knows and the sdist lacks, and the reverse; nothing where there is no git."""
    answer = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, encoding="utf-8", check=False
    )
    if answer.returncode:
        print(f"no git: the content of {path.name} was not compared", file=sys.stderr)
        return []
    known = set(filter(None, answer.stdout.split("\0")))
    with tarfile.open(path) as archive:
        files = [PurePosixPath(entry.name) for entry in archive if entry.isfile()]
    held = {str(PurePosixPath(*file.parts[1:])) for file in files} - {"PKG-INFO"}
    problems = [f"{path.name} lacks {name}" for name in sorted(known - held)]
    return problems + [f"{path.name} has {name}" for name in sorted(held - known)]


def main(folder: Path) -> None:
    """Print every problem, and exit with 1 where there is one."""
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    problems = problems_of_wheel(wheel) + problems_of_sdist(sdist)
    sys.exit("\n".join(problems) or 0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""Run the recipes with the room probe, and picture their reports for `docs/evaluation.md`.

python recipes/picture_reports.py CORPORA_FOLDER

Needs Chromium, which draws the pages.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from speakergmm.recipes import Experiment, load_recipe

RECIPES = ("speech_commands", "librispeech_excerpts")
PICTURES = Path(__file__).parent.parent / "docs" / "pictures"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
    "--disable-background-networking",
)  # fmt: skip

# Of the page as it is drawn, and of the picture: small, and still to be read.
PAGE_WIDTH, PAGE_HEIGHT, PICTURE_WIDTH, COLORS = 1000, 5600, 760, 64


def picture(browser: str, page: Path, path: Path) -> None:
    """Draw the beginning of a page into a small PNG."""
    from PIL import Image

    with tempfile.TemporaryDirectory() as folder:
        screenshot = Path(folder) / "page.png"
        size = f"--window-size={PAGE_WIDTH},{PAGE_HEIGHT}"
        command = [browser, *FLAGS, f"--user-data-dir={folder}/profile", size]
        command += [f"--screenshot={screenshot}", page.resolve().as_uri()]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        drawn = Image.open(screenshot).convert("RGB")
    height = round(drawn.height * PICTURE_WIDTH / drawn.width)
    small = drawn.resize((PICTURE_WIDTH, height), Image.Resampling.LANCZOS)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Lines have few pixels: by their number, grays would take all colors.
    few = small.quantize(COLORS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    few.save(path, optimize=True)


def main(corpora: Path) -> None:
    """Make the pictures of all recipes that have a corpus in the folder."""
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        sys.exit(f"no browser to draw the pages with; expected one of {', '.join(BROWSERS)}")
    for name in RECIPES:
        recipe = load_recipe(Path(__file__).parent / name)
        command = f"speakergmm recipe run recipes/{name} --corpus CORPUS --output out --probe"
        with tempfile.TemporaryDirectory() as output:
            corpus = corpora / recipe.manifests.name
            Experiment(recipe, corpus, output, probe=True, command=command).run()
            picture(browser, Path(output) / "report.html", PICTURES / f"report-{name}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""The Python examples of README and docs run as they stand."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from test_tour import CLOSE, NEAR, shape_of

from speakergmm.audio.synthetic import write_corpus

ROOT = Path(__file__).parent.parent
# An example, and what it prints, where the page says so.
BLOCK = re.compile(r"^```python\n(.*?)^```(?:\n\n```text\n(.*?)^```)?", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    "name",
    ["README.md", "docs/method.md", "docs/evidence.md", "docs/evaluation.md", "docs/interop.md"],
)
def test_examples_run_and_print_what_the_page_says(name, capsys):
    blocks = BLOCK.findall((ROOT / name).read_text(encoding="utf-8"))
    assert blocks
    names: dict[str, object] = {}
    for block, expected in blocks:
        exec(compile(block, name, "exec"), names)
        printed = capsys.readouterr().out
        assert printed
        if expected:
            assert printed.rstrip() == expected.rstrip()


@pytest.mark.skipif(np.__version__.startswith("1."), reason="figures are those of NumPy 2")
def test_calibrate_answers_of_the_demos_voices_what_the_page_shows(cli, tmp_path, monkeypatch):
    page = (ROOT / "docs" / "evidence.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"^```\n(14 speakers.*?)^```", page, re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    write_corpus(tmp_path)
    with Path("utterances.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    with Path("development.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(row for row in rows if row["split"] == "development")
    model = "ubm.safetensors"
    options = ("--split", "background", "--components", 64, "--output", model)
    assert cli("ubm", "train", "utterances.csv", *options).status == 0
    answer = cli("calibrate", "development.csv", "--ubm", model)
    (expected, numbers), (printed, values) = shape_of(shown), shape_of(answer.out)
    place, found = 0, []
    for part in expected.split("...\n"):
        place = printed.index(part, place)
        before = printed[:place].count("#")
        found += values[before : before + part.count("#")]
        place += len(part)
    assert found == pytest.approx(numbers, rel=CLOSE, abs=NEAR)


def test_links_within_the_repository_lead_somewhere():
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("recipes/**/*.md")]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), (page.name, target)


def test_the_page_of_corpora_is_what_the_program_knows(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    import list_corpora

    assert list_corpora.PAGE.read_text(encoding="utf-8") == list_corpora.page()

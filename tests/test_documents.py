"""The Python examples of README and docs run as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

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


def test_links_within_the_repository_lead_somewhere():
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("recipes/**/*.md")]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), (page.name, target)


def test_the_page_of_corpora_is_what_the_program_knows(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    import list_corpora

    assert list_corpora.PAGE.read_text(encoding="utf-8") == list_corpora.page()

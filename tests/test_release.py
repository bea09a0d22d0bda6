"""What goes along with a release says the same as the package itself."""

from __future__ import annotations

import tomllib
from pathlib import Path

import yaml

import speakergmm

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_the_citation_is_of_this_version_and_licence():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == speakergmm.__version__
    assert citation["license"] == PROJECT["license"]
    assert citation["title"] == PROJECT["name"]
    # What version 1.2.0 of the format asks for.
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()


def test_the_changelog_begins_with_this_version():
    lines = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").splitlines()
    first = next(line for line in lines if line.startswith("## "))
    assert first.split()[1] == speakergmm.__version__


def test_the_lowest_versions_are_those_that_the_package_allows():
    extras = PROJECT["optional-dependencies"]
    allowed = PROJECT["dependencies"] + extras["distributed"] + extras["test"]
    lines = (ROOT / "constraints" / "lowest.txt").read_text(encoding="utf-8").splitlines()
    pinned = {line.replace("==", ">=") for line in lines if not line.startswith("#")}
    assert pinned == {entry for entry in allowed if not entry.startswith("speakergmm")}


def test_types_are_shipped():
    assert (Path(speakergmm.__file__).parent / "py.typed").is_file()

"""The API pages name everything that is public, and every public thing says what it is."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

import speakergmm

ROOT = Path(__file__).parent.parent
API = ROOT / "docs" / "api"
DIRECTIVE = re.compile(
    r"^\.\. auto(module|class|function):: (\S+)\n(?:   :members:(.*)\n)?", re.MULTILINE
)

# Rooms whose names are shown, all but the command line, which explains itself.
ROOMS = [
    name
    for _, name, is_room in pkgutil.walk_packages(speakergmm.__path__, "speakergmm.")
    if is_room and not name.startswith("speakergmm.cli")
]


def shown() -> set[str]:
    """Give the full names that the API pages show."""
    names = set()
    for page in API.glob("*.md"):
        for kind, target, members in DIRECTIVE.findall(page.read_text(encoding="utf-8")):
            if kind != "module":
                names.add(target)
                continue
            listed = [name.strip() for name in members.split(",") if name.strip()]
            names |= {f"{target}.{name}" for name in listed or public_names(target)}
    return names


def public_names(module_name: str) -> list[str]:
    """Give what a module offers: its `__all__`, or what it defines."""
    module = importlib.import_module(module_name)
    defined = [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module_name
    ]
    return list(getattr(module, "__all__", defined))


SHOWN = shown()


@pytest.mark.parametrize("room", ROOMS)
def test_each_public_name_of_a_room_is_on_a_page(room):
    assert {f"{room}.{name}" for name in public_names(room)} <= SHOWN


def test_each_name_of_the_package_is_in_the_table_and_on_a_page():
    table = (API / "index.md").read_text(encoding="utf-8")
    last_parts = {name.rpartition(".")[2] for name in SHOWN}
    for name in set(speakergmm.__all__) - {"features", "__version__"}:
        assert f"`{name}`" in table
        assert name in last_parts


def test_the_main_names_of_the_architecture_are_on_a_page():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (?:`|…)[^|]*\|[^|]*\|([^|]*)\|$", page, re.MULTILINE)
    names = [name for row in rows for name in re.findall(r"`([\w.]+)`", row)]
    assert len(names) > 50
    ends = tuple(SHOWN)
    assert [n for n in names if not any(f".{name}".endswith(f".{n}") for name in ends)] == []


def test_what_is_shown_exists_and_says_what_it_is():
    for full_name in sorted(SHOWN):
        module_name, _, name = full_name.rpartition(".")
        thing = getattr(importlib.import_module(module_name), name)
        # Constants and types by another name have their comment.
        if not inspect.isclass(thing) and not inspect.isroutine(thing):
            continue
        # A dataclass without a docstring gets its signature for one.
        text = thing.__doc__ or ""
        assert text, full_name
        assert not text.startswith(f"{name}("), full_name


WITH_EXAMPLES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in ROOT.glob("speakergmm/**/*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("module_name", WITH_EXAMPLES)
def test_examples_of_docstrings_run_as_they_stand(module_name):
    module = importlib.import_module(module_name)
    found = [test for test in doctest.DocTestFinder().find(module, globs={}) if test.examples]
    assert found
    runner = doctest.DocTestRunner()
    shown: list[str] = []
    for test in found:
        # Whoever copies an example has nothing but what it imports.
        runner.run(test, out=shown.append)
    assert runner.failures == 0, "".join(shown)


def test_functions_that_the_method_names_exist():
    page = (ROOT / "docs" / "method.md").read_text(encoding="utf-8")
    rooms = "audio|corpora|evaluation|features|gmm|parallel|recipes|verification"
    named = sorted(set(re.findall(rf"`((?:{rooms})\.[A-Za-z_.]+)`", page)))
    assert len(named) > 50
    for name in named:
        found, parts = speakergmm, name.split(".")
        for n, part in enumerate(parts):
            if not hasattr(found, part):
                found = importlib.import_module(".".join(["speakergmm", *parts[: n + 1]]))
            else:
                found = getattr(found, part)

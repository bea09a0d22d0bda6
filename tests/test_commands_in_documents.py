"""Commands that pages and help texts show exist, with each of their options.

They are parsed and not run, so that a page may name recordings that nobody has.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
from shown_commands import Shown, commands_of, shown_in

from speakergmm.cli.app import app

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    page
    for pattern in ("*.md", "docs/**/*.md", "recipes/**/*.md", "benchmarks/*.md")
    for page in ROOT.glob(pattern)
)
SIMPLE = (
    click.Choice, click.IntRange, click.FloatRange, type(click.INT), type(click.FLOAT),
)  # fmt: skip


def commands(group: click.Group = app, path: tuple[str, ...] = ()) -> Iterator[tuple]:
    """Give every command and group with the words that lead to it."""
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


def check(shown: Shown) -> None:
    """Raise where there is no such command, or it does not take these arguments."""
    command, words = app, list(shown.words)
    while isinstance(command, click.Group):
        if not words or words[0].startswith("-"):
            break
        name = words.pop(0)
        found = command.get_command(click.Context(command), name)
        if found is None:
            raise click.UsageError(f"no command {name!r}")
        command = found
    if words[:1] == ["..."]:
        return
    context = click.Context(command)
    parser = command.make_parser(context)
    if not shown.whole:
        # "`--threshold`" is how an option is named where its value is not the matter.
        words = [word for word in words if word.startswith("--")]
        known = {option for parameter in command.params for option in parameter.opts}
        unknown = {word.split("=")[0] for word in words} - known - {"--help"}
        if unknown:
            raise click.NoSuchOption(", ".join(sorted(unknown)))
        return
    values, rest, _ = parser.parse_args(words)
    if rest:
        raise click.UsageError(f"left over: {rest}")
    for parameter in command.params:
        value = values.get(parameter.name)
        given = isinstance(value, (str, tuple, list, bool)) and value not in ((), [])
        if parameter.required and not given:
            raise click.MissingParameter(param=parameter)
        if given and isinstance(parameter.type, SIMPLE):
            for each in value if isinstance(value, (tuple, list)) else (value,):
                parameter.type.convert(each, parameter, context)


def page_name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_commands_of_pages_exist_with_their_options(page):
    problems = []
    for shown in shown_in(page.read_text(encoding="utf-8")):
        try:
            check(shown)
        except click.ClickException as error:
            problems.append(f"speakergmm {shlex.join(shown.words)}: {error.format_message()}")
    assert problems == []


def test_commands_of_help_texts_exist_with_their_options():
    n_shown = 0
    for path, command in [((), app), *commands()]:
        text = (command.help or "").replace("\\\n", " ")
        lines = re.findall(r"^ *(speakergmm .*|.*\| speakergmm .*)$", text, re.MULTILINE)
        for words in commands_of("\n".join(lines)):
            n_shown += 1
            try:
                check(Shown(words, True))
            except click.ClickException as error:
                raise AssertionError(f"{path}: {words}: {error.format_message()}") from error
    assert n_shown > 50


def test_the_pages_show_most_commands():
    """A command that no page shows is one that nobody finds."""
    shown = {
        words[:length]
        for page in PAGES
        for words, _ in shown_in(page.read_text(encoding="utf-8"))
        for length in (1, 2)
    }
    hidden = [path for path, command in commands() if not isinstance(command, click.Group)]
    assert [path for path in hidden if path not in shown] == []


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("speakergmm sing", "no command 'sing'"),
        ("speakergmm demo --loud", "No such option"),
        ("speakergmm compare", "Missing"),
        ("speakergmm model show a.safetensors b.safetensors", "left over"),
        ("speakergmm score l --ubm u --utterances v --output o --scorer x", "'x' is not one of"),
        ("cat a.wav | speakergmm verify anna - --threshold high", "'high' is not a valid"),
    ],
)
def test_wrong_commands_are_found(line, reason):
    (shown,) = shown_in(f"```sh\n{line}\n```\n")
    with pytest.raises(click.ClickException) as refused:
        check(shown)
    assert reason in refused.value.format_message()


def test_commands_are_found_in_blocks_and_in_text():
    page = (
        "Then `speakergmm verify` it:\n\n"
        "```console\n$ cp a b && speakergmm enroll anna \\\n  a.wav\n"
        "speakergmm: printed\n```\n\n```sh\nspeakergmm demo --quiet > log.txt  # once\n```\n"
    )
    assert list(shown_in(page)) == [
        Shown(("enroll", "anna", "a.wav"), True),
        Shown(("demo", "--quiet"), True),
        Shown(("verify",), False),
    ]

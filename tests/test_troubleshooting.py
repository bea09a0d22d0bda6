"""docs/troubleshooting.md explains every message of the exception tree, and none that is gone."""

from __future__ import annotations

import ast
import inspect
import re

import error_messages
import pytest
from error_messages import PACKAGE, PAGE, Collector, differences, listed, normalized, warnings
from source_texts import GAP, Scope, Texts

from speakergmm import errors
from speakergmm.cli.app import (
    EXIT_BROKEN_PIPE,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_REJECTED,
)

TO_DO = "(`python tests/error_messages.py` prints them all)"

# Places that raise without a text of their own, and why they may.
PASSED_ON = {
    "audio/quality.py quality_of_channels: f'{name}: {error}'": "names the recording",
    "audio/recordings.py one_channel_of: f'{source}: {error}'": "names the recording",
    "audio/recordings.py read_recording: f'{path}: {error}'": "names the recording",
    "audio/streams.py _blocks: f'{stream.name}: {error}'": "names the stream",
    "config.py config_from_table: f'{where}: {error}'": "names the file and the table",
    "corpora/classes.py read_class_split: f'{path}: {error}'": "names the list",
    "corpora/formats/lhotse.py _read_recordings: str(problem)": "noted where it is raised",
    "corpora/formats/lhotse.py read_lhotse: str(problem)": "noted where it is raised",
    "corpora/known/preparing.py _make: f'{folder}: {error}'": "names the copy",
    "corpora/manifests.py read_utterances: f'utterance {utterance_id}: {error}'": "names it",
    "corpora/tables.py add_all: text(i)": "noted where it is called",
    "corpora/tables.py raise_not_csv: error": "for type checkers alone: a problem was noted",
    "corpora/told_speakers.py with_told_speakers: what()": "as of labels and enrollment lists",
    "features/exported_files.py exporting: type(error)(str(error).replace(str(temporary), "
    "str(folder)))": "names the folder",
    "features/reading.py _degraded: str(error)": "of another class",
    "features/reading.py _naming: f'{what}: {error}'": "names the utterance",
    "recipes/ubm_training.py naming: f'{part}: {error}'": "names the part of the background",
    "gmm/estimator_checks.py in_words_of_samples: type(error)(text)": "says it in other words",
    "parallel/cluster.py _result: failure": "an error of the work, from another machine",
    "recipes/config.py __post_init__: str(error)": "of another class",
    "verification/scoring.py _score_batch: f'test {test_id}: {error}'": "names the test",
}

SAMPLE = """
from speakergmm.errors import ManifestError

LIMIT, KINDS = 1_000, {"a": "the first of all kinds", "b": "the second of all kinds"}
LAYOUT = "several\\nlines"

def simple(path, n):
    raise ManifestError(
        f"{path}: has {n:,} rows; expected {LIMIT:,} "
        "or fewer"
    )

def choices(path, near, many):
    hint = f"did you mean {near!r}?" if near else f"known are {', '.join(many)}"
    raise ManifestError(f"{path}: unknown {'model' if many else 'test'}; {hint}" + f":\\n{LAYOUT}")

def helper(path, reason):
    return ManifestError(f"{path}: damaged ({reason}); copy it again")

def callers(path, error):
    if error:
        raise helper(path, "it ends too early")
    raise helper(path, error)

def table(path, key):
    raise ManifestError(f"{path}: it is {KINDS[key]}")

def returned(path, n):
    raise ManifestError(f"{path}: {_text(n, 'rows')}")

def _text(n, what) -> str:
    if n > 1:
        return f"too many {what} in here"
    return f"{n} {what}"
"""


@pytest.fixture(scope="module")
def collector():
    return Collector()


@pytest.fixture(scope="module")
def every_message(collector):
    return [*collector.messages, *warnings(collector.source)]


def test_every_message_is_in_the_page(every_message):
    missing, _ = differences(every_message, listed())
    told = [f"{message.text}\n    ({message.place})" for message in missing]
    assert not told, f"lines for docs/troubleshooting.md {TO_DO}:\n" + "\n".join(told)


def test_the_page_has_no_line_of_a_message_that_is_gone(every_message):
    _, gone = differences(every_message, listed())
    assert not gone, f"lines that no message has any more {TO_DO}:\n" + "\n".join(gone)


def test_as_many_are_found_as_a_plain_search_finds(collector):
    names = "|".join(name for name, _ in inspect.getmembers(errors, inspect.isclass))
    made = re.compile(rf"(?<!class )\b({names}|kind\.error|click\.UsageError)\((?!Speaker|\))")
    text = "\n".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    n_made = sum(not match[0].startswith("class") for match in made.finditer(text))
    assert n_made > 500
    assert len(collector.messages) + len(collector.passed_on) >= n_made
    assert collector.n_raised > 500
    assert len(re.findall(r"problems\.add(_all)?\(", text)) > 50


def test_what_has_no_text_of_its_own_is_known(collector):
    assert collector.passed_on == PASSED_ON.keys()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("simple", [f"{GAP}: has {GAP} rows; expected 1,000 or fewer"]),
        (
            "choices",
            [
                f"{GAP}: unknown {GAP}; did you mean {GAP}?:\n{GAP}",
                f"{GAP}: unknown {GAP}; known are {GAP}:\n{GAP}",
            ],
        ),
        (
            "table",
            [f"{GAP}: it is the first of all kinds", f"{GAP}: it is the second of all kinds"],
        ),
        ("returned", [f"{GAP}: {GAP}", f"{GAP}: too many rows in here"]),
    ],
)
def test_expressions_are_followed(name, expected, tmp_path, monkeypatch):
    source = _sample(name, tmp_path, monkeypatch)
    module = source.modules[f"of_{name}"]
    [text] = [n.exc.args[0] for n in ast.walk(module.functions[name]) if isinstance(n, ast.Raise)]
    assert source.of(text, Scope(module, module.around(text))) == expected


def test_functions_that_make_errors_are_followed_from_their_callers(tmp_path, monkeypatch):
    source = _sample("callers", tmp_path, monkeypatch)
    module = source.modules["of_callers"]
    calls = source.calls[module.functions["helper"]]
    assert len(calls) == 2
    given = [
        source.given(module.functions["helper"], call, Scope(module, module.around(call)))["reason"]
        for _, call in calls
    ]
    assert sorted(given) == [["it ends too early"], [GAP]]


def _sample(name, tmp_path, monkeypatch):
    folder = tmp_path / f"of_{name}"
    folder.mkdir()
    (folder / "__init__.py").write_text(SAMPLE)
    monkeypatch.syspath_prepend(tmp_path)
    return Texts(folder)


def test_names_of_things_before_a_message_are_left_out():
    assert normalized("…: no such file;\n  expected … …") == "no such file; expected …"
    assert normalized("…:…: utterance …: too short:") == "too short"
    assert normalized("… is …; expected one of …") == "… is …; expected one of …"


def test_the_classes_are_explained_with_their_built_ins():
    rows = re.findall(
        r"^\| `(\w+Error)` \| (.+?) \| (.+) \|$", PAGE.read_text("utf-8"), re.MULTILINE
    )
    explained = {name: (set(re.findall(r"`(\w+)`", bases)), text) for name, bases, text in rows}
    classes = dict(inspect.getmembers(errors, inspect.isclass))
    assert explained.keys() == classes.keys()
    for name, (bases, text) in explained.items():
        also = {kind.__name__ for kind in classes[name].__mro__ if kind.__module__ == "builtins"}
        assert bases & also
        assert bases <= also | classes.keys()
        assert text.strip()


def test_exit_statuses_are_those_of_the_command_line():
    told = set(map(int, re.findall(r"^\| (\d+) \|", PAGE.read_text("utf-8"), re.MULTILINE)))
    ends = {EXIT_FAILED, EXIT_REJECTED, EXIT_INTERRUPTED, EXIT_BROKEN_PIPE}
    assert told == {0, 2} | ends


def test_the_example_is_what_is_printed(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "note.txt").write_text("Call Ann.\n")
    answer = cli("audio", "check", "note.txt")
    assert answer.status == 1
    assert f"$ speakergmm audio check note.txt\n{answer.err}" in PAGE.read_text("utf-8")


def test_what_is_missing_is_printed_as_a_line_for_the_page():
    message = error_messages.Message("it is too long", "files.py writing, line 7")
    assert differences([message], ["gone"]) == ([message], ["gone"])
    assert differences([message], ["it is too long"]) == ([], [])

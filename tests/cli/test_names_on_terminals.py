"""What files and people are called does not command the terminal: it is shown by its codes."""

from __future__ import annotations

import json
import os
import shutil

import pytest

from speakergmm.names import visible

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no such names")

# Clears the screen, turns text around, and pretends to be another line.
ESCAPES = "\x1b[2J\x1b]0;x\x07\u202e\r"
SHOWN = r"\x1b[2J\x1b]0;x\x07\u202e\x0d"


@pytest.fixture(scope="module")
def take(people, tmp_path_factory):
    """A recording whose name is full of codes. Not to be written to."""
    folder = tmp_path_factory.mktemp("names")
    path = folder / f"a{ESCAPES}b.flac"
    shutil.copy(people / "s11" / "s11-1-1.flac", path)
    return path


@pytest.fixture(scope="module")
def other(people, tmp_path_factory):
    """Another one."""
    path = tmp_path_factory.mktemp("names") / f"c{ESCAPES}d.flac"
    shutil.copy(people / "s11" / "s11-2-1.flac", path)
    return path


@pytest.fixture
def options(background_model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return ["--ubm", background_model]


def check(answer, name=SHOWN):
    """Nothing but text and ends of lines; the name with its codes."""
    for text in (answer.out, answer.err):
        assert all(line.isprintable() for line in text.split("\n")), text
    assert name in answer.out + answer.err
    return answer


def test_it_is_shown_by_codes():
    assert visible(ESCAPES) == SHOWN
    assert visible("\x00\x7f\x9b\u2028\U000e0001\ud800") == r"\x00\x7f\x9b\u2028\U000e0001\ud800"
    assert visible("Büro 🎙 名前 | \\x1b") == "Büro 🎙 名前 | \\x1b"


def test_warnings_of_an_enrollment(cli, options, take):
    # Two recordings of one speaker, enrolled for another too: its name stands in a warning.
    assert cli("enroll", "first", take, *options).status == 0
    answer = check(cli("enroll", "second", take, *options))
    (line,) = [x for x in answer.out.splitlines() if "also a recording of 'first'" in x]
    assert line.startswith(f"warning: {visible(str(take))}: ")


def test_an_id_in_warnings_and_answers(cli, options, take, other):
    answer = check(cli("enroll", f"x{ESCAPES}y", take, *options), SHOWN.replace("x0d", "ry"))
    assert answer.status == 0
    for arguments in (
        ("verify", f"x{ESCAPES}y", other, *options, "--threshold", 0),
        ("identify", other, *options, "--closed"),
    ):
        answer = check(cli(*arguments))
        assert answer.status in {0, 3}
        assert visible(str(other)) in answer.out
        assert any("is enrolled with" in x for x in answer.out.splitlines()) == (
            arguments[0] == "verify"
        )


@pytest.mark.parametrize("command", ["enroll", "verify", "identify"])
def test_error_lines(cli, options, take, command, tmp_path):
    cli("enroll", "x", take, *options)
    wrong = tmp_path / f"no{ESCAPES}.wav"
    wrong.write_bytes(b"text")
    for path in (wrong, tmp_path / f"missing{ESCAPES}.wav"):
        arguments = {
            "enroll": ("enroll", "x", path),
            "verify": ("verify", "x", path, "--threshold", 0),
            "identify": ("identify", path, "--closed"),
        }[command]
        answer = check(cli(*arguments, *options))
        assert (answer.status, answer.out) == (1, "")
        assert answer.err.startswith("error: ")
        assert answer.err.count("\n") == 1
        assert visible(str(path)) in answer.err


def test_an_unknown_id_in_an_error_line(cli, options, take):
    cli("enroll", "x", take, *options)
    answer = check(
        cli("verify", f"y{ESCAPES}", take, *options, "--threshold", 0), r"\x1b[2J\x1b]0;x"
    )
    assert answer.status == 1


def test_a_store_in_an_error_line(cli, options, take, tmp_path):
    store = tmp_path / f"s{ESCAPES}.db"
    store.write_bytes(b"no store" * 200)
    answer = check(cli("verify", "x", take, *options, "--threshold", 0, "--store", store))
    assert answer.err.startswith(f"error: {visible(str(store))}: ")


def test_a_store_that_is_made(cli, options, take, tmp_path):
    check(cli("enroll", "x", take, *options, "--store", tmp_path / f"s{ESCAPES}.db"))


@pytest.mark.parametrize("usable", [True, False])
def test_the_check_of_recordings(cli, take, tmp_path, usable):
    wrong = tmp_path / f"no{ESCAPES}.wav"
    wrong.write_bytes(b"text")
    check(cli("audio", "check", take if usable else wrong))


def test_json_has_the_name_as_it_is(cli, options, take):
    answer = cli("enroll", "x", take, *options, "--json")
    assert list(json.loads(answer.out)["quality"]) == [str(take)]
    assert "\x1b" not in answer.out

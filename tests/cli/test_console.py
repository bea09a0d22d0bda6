from __future__ import annotations

import io
import sys
import threading

import pytest

from speakergmm.cli import console


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_quiet_says_nothing(capsys):
    with console.showing_progress(quiet=True) as progress:
        progress.start("work", 3)
        progress.advance()
        progress.note("x")
    assert capsys.readouterr().err == ""


def test_log_has_plain_lines_and_time_left(capsys, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    with console.showing_progress() as progress:
        progress.start("work", 1000)
        for _ in range(4):
            now[0] += 6.0
            progress.advance(100)
        progress.start("more")
        progress.advance()
    # After 12 s 200 of 1,000 are done, and again 12 s later 400.
    assert capsys.readouterr().err == (
        "work (1,000) ...\nwork 20 %, about 48 s left\nwork 40 %, about 36 s left\nmore ...\n"
    )


def test_terminal_gets_a_bar_that_goes_away(monkeypatch):
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    with console.showing_progress() as progress:
        progress.start("features", 10)
        progress.advance(4)
        progress.note("fine")
        progress.start("UBM", None)
        progress.bars.refresh()
    assert "features" in screen.getvalue()
    assert "10/10" in screen.getvalue()


def test_what_is_quick_is_not_told(capsys):
    with console.showing_progress(after_s=60.0) as progress:
        progress.start("work", 3)
        progress.advance()
        progress.note("x")
    assert capsys.readouterr().err == ""


def test_what_takes_longer_is_told_with_what_was_done(capsys, monkeypatch):
    told = threading.Event()
    started = console.LogProgress.start

    def start(log, task, total=None):
        started(log, task, total)
        told.set()

    monkeypatch.setattr(console.LogProgress, "start", start)
    with console.showing_progress(after_s=0.3) as progress:
        progress.start("first")
        progress.start("work", 1000)
        progress.advance(400)
        assert told.wait(10)
        progress.advance(100)
        assert progress.shown.done == 500
        progress.start("last")
    assert capsys.readouterr().err == "work (1,000) ...\n"


def test_table_is_aligned(capsys):
    console.print_table(["", "a"], [["x", "1.5"], ["longer", "10.25"]])
    assert capsys.readouterr().out == "            a\nx         1.5\nlonger  10.25\n"


@pytest.mark.parametrize("pair", ["x", ""])
def test_settings_need_a_value(pair):
    with pytest.raises(console.click.BadParameter, match=r"expected TABLE\.NAME=VALUE"):
        console.parse_settings([pair])


def test_settings_may_hold_equal_signs():
    assert console.parse_settings(["a.b=c=d", "e.f = 1"]) == {"a.b": "c=d", "e.f": "1"}

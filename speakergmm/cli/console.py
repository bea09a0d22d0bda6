"""What a person sees: progress with time left, tables, numbers in words."""

from __future__ import annotations

import logging
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from speakergmm.names import visible
from speakergmm.progress import SILENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from speakergmm.evaluation import CostModel, Evaluation
    from speakergmm.evaluation.trial_words import TrialWords
    from speakergmm.parallel import Jobs
    from speakergmm.progress import Progress

LOG_EVERY_S = 10.0

# Narrower terminals get percentages without a bar.
WIDE_COLUMNS = 80

jobs_option = click.option(
    "--jobs",
    type=click.IntRange(min=1),
    help="Workers. Results do not depend on it.  [default: the cores that may be used]",
)
scheduler_option = click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="Work on the Dask cluster of this scheduler, such as tcp://10.0.0.7:8786, instead of on "
    "this machine. All its machines must see the same files.",
)
config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="TOML file with settings, such as a recipe's.",
)
split_option = click.option("--split", help="Use only the utterances of this split.")
audio_option = click.option(
    "--audio",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder where the utterances' paths begin.  [default: the list's]",
)
frames_option = click.option(
    "--frames",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep the frames of this list in this folder, and use them again.",
)
ubm_option = click.option(
    "--ubm",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Background model, from `ubm train` or a recipe.",
)
noise_option = click.option(
    "--noise",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of the recordings of noise that conditions add.",
)
quiet_option = click.option("--quiet", is_flag=True, help="No progress.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


def print_warnings(warnings: Iterable[str]) -> None:
    """Print what makes an answer less certain, a line each."""
    for warning in warnings:
        click.echo(visible(f"warning: {warning}"))


@contextmanager
def chosen_workers(jobs: int | None, scheduler: str | None) -> Iterator[Jobs]:
    """Give the workers that the options ask for, and leave a cluster at the end."""
    if scheduler is None:
        yield jobs
        return
    if jobs is not None:
        raise click.UsageError(
            "--jobs is for work on this machine, --scheduler for a cluster; give one of them."
        )
    from speakergmm.parallel import Cluster

    # What goes wrong is said in one line by the error; Dask would add pages.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    with Cluster(scheduler) as cluster:
        yield cluster


def parse_settings(pairs: Sequence[str], option: str = "--set") -> dict[str, str]:
    """Turn ``("ubm.n_components=64",)`` into a table of overrides."""
    settings = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise click.BadParameter(
                f"{pair!r}; expected TABLE.NAME=VALUE, such as ubm.n_components=64",
                param_hint=option,
            )
        settings[name.strip()] = value.strip()
    return settings


set_option = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="TABLE.NAME=VALUE",
    help="Change a setting, such as --set ubm.n_components=64; may be repeated.",
)


class LogProgress:
    """Progress as plain lines on standard error, for logs: starts, and every ten seconds."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.task, self.total, self.done = "", 0, 0
        self.began = self.logged = time.monotonic()

    def start(self, task: str, total: int | None = None) -> None:
        """Name the task."""
        with self.lock:
            self.task, self.total, self.done = task, total or 0, 0
            self.began = self.logged = time.monotonic()
            size = f" ({total:,})" if total else ""
            click.echo(f"{task}{size} ...", err=True)

    def advance(self, steps: int = 1) -> None:
        """Count, and say now and then how far it is."""
        with self.lock:
            self.done += steps
            now = time.monotonic()
            if self.total and now - self.logged >= LOG_EVERY_S:
                self.logged = now
                left_s = (now - self.began) / self.done * (self.total - self.done)
                share = 100 * self.done / self.total
                click.echo(f"{self.task} {share:.0f} %, about {left_s:.0f} s left", err=True)

    def note(self, text: str) -> None:
        """Keep quiet: notes are for the moving display."""


class _BarProgress:
    """Progress as a moving bar on a terminal."""

    def __init__(self, bars: Any) -> None:
        self.bars = bars
        self.current: Any = None

    def start(self, task: str, total: int | None = None) -> None:
        self._finish()
        self.current = self.bars.add_task(task, total=total, note="")

    def advance(self, steps: int = 1) -> None:
        self.bars.advance(self.current, steps)

    def note(self, text: str) -> None:
        self.bars.update(self.current, note=text)

    def _finish(self) -> None:
        if self.current is not None:
            task = next(task for task in self.bars.tasks if task.id == self.current)
            total = task.total or 1
            self.bars.update(self.current, total=total, completed=total, note="")


class _Patient:
    """Progress that tells of a task only when it has gone on for some time."""

    def __init__(self, shown: Progress, after_s: float) -> None:
        self.shown, self.after_s = shown, after_s
        self.lock = threading.Lock()
        self.timer = threading.Timer(0, lambda: None)
        self.is_told = False
        self.n_waiting = 0

    def start(self, task: str, total: int | None = None) -> None:
        with self.lock:
            self.timer.cancel()
            self.is_told, self.n_waiting = False, 0
            self.timer = threading.Timer(self.after_s, self._tell, (task, total))
            self.timer.daemon = True
            self.timer.start()

    def _tell(self, task: str, total: int | None) -> None:
        with self.lock:
            # One that was cancelled too late to stop is not the one at hand.
            if threading.current_thread() is self.timer:
                self.shown.start(task, total)
                self.shown.advance(self.n_waiting)
                self.is_told = True

    def advance(self, steps: int = 1) -> None:
        with self.lock:
            if self.is_told:
                self.shown.advance(steps)
            else:
                self.n_waiting += steps

    def note(self, text: str) -> None:
        with self.lock:
            if self.is_told:
                self.shown.note(text)

    def stop(self) -> None:
        """Tell nothing any more."""
        with self.lock:
            self.timer.cancel()
            self.timer = threading.Timer(0, lambda: None)


@contextmanager
def showing_progress(*, quiet: bool = False, after_s: float = 0.0) -> Iterator[Progress]:
    """Give a progress that fits where standard error goes.

    Tasks that take less than ``after_s`` are not told.
    """
    if after_s and not quiet:
        with showing_progress() as shown:
            patient = _Patient(shown, after_s)
            try:
                yield patient
            finally:
                patient.stop()
    elif quiet:
        yield SILENT
    elif not sys.stderr.isatty():
        yield LogProgress()
    else:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            TaskProgressColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as Bars

        console = Console(stderr=True)
        wide = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", style="dim"),
        )
        narrow = TextColumn("{task.description}"), TaskProgressColumn(), TimeRemainingColumn()
        columns = wide if console.width >= WIDE_COLUMNS else narrow
        with Bars(*columns, console=console, transient=True) as bars:
            yield _BarProgress(bars)


def format_duration(seconds: float) -> str:
    """Say a time in the unit that a person would take."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def in_round_numbers(seconds: float) -> str:
    """Say an estimated time with the one digit that it deserves."""
    for unit_s, unit in ((3600, "h"), (60, "min")):
        if seconds >= 2 * unit_s:
            return f"{float(f'{seconds / unit_s:.1g}'):.0f} {unit}"
    return f"{float(f'{seconds:.1g}'):.0f} s"


def print_table(
    header: Sequence[str], rows: Iterable[Sequence[str]], *, text: Sequence[int] = (0,)
) -> None:
    """Print aligned columns: those of text to the left, numbers to the right."""
    lines = [list(header), *map(list, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    for line in lines:
        cells = [
            cell.ljust(width) if i in text else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        click.echo("  ".join(cells).rstrip())


def print_conditions(conditions: Mapping[str, Mapping[str, Evaluation]]) -> None:
    """Print the equal error rates of every split under every condition."""
    from speakergmm.evaluation.wording import format_interval, format_value

    splits = list(next(iter(conditions.values())))
    header = ["EER under"]
    for split in splits:
        header += [split, "(95 % interval)"]
    rows = []
    for name, evaluations in conditions.items():
        row = [name]
        for split in splits:
            estimate = evaluations[split].metrics["eer"]
            interval = format_interval("eer", estimate)
            row += [format_value("eer", estimate.value), f"({interval})" if interval else ""]
        rows.append(row)
    click.echo()
    print_table(header, rows)


def print_evaluations(
    evaluations: Mapping[str, Evaluation], cost: CostModel, *, words: TrialWords | None = None
) -> None:
    """Print the numbers of every split side by side, then what the last split's EER means.

    Without ``words`` a trial asks for a speaker.
    """
    from speakergmm.evaluation.trial_words import SPEAKERS
    from speakergmm.evaluation.wording import LABELS, format_interval, format_value, meaning

    words = words or SPEAKERS
    rows = []
    for name, label in LABELS.items():
        row = [label]
        for evaluation in evaluations.values():
            estimate = evaluation.metrics.get(name)
            if estimate is None:
                row += ["", ""]
            else:
                interval = format_interval(name, estimate)
                row += [format_value(name, estimate.value), f"({interval})" if interval else ""]
        if any(row[1:]):
            rows.append(row)
    header = [""]
    for split, evaluation in evaluations.items():
        with_interval = any(e.low is not None for e in evaluation.metrics.values())
        header += [split, "(95 % interval)" if with_interval else ""]
    print_table(header, rows)
    click.echo()
    for split, evaluation in evaluations.items():
        click.echo(
            f"{split}: {evaluation.n_speakers:,} speakers, "
            f"{words.counts(evaluation.n_target, evaluation.n_nontarget)}"
        )
    last = list(evaluations.values())[-1]
    click.echo(meaning("eer", last, cost, words=words))

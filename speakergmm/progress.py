"""How long work reports on itself without knowing who listens."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Told by the library what is being done; the shell shows it. Methods must be thread-safe."""

    def start(self, task: str, total: int | None = None) -> None:
        """Begin a task of ``total`` steps (None: unknown); ends the task before it."""

    def advance(self, steps: int = 1) -> None:
        """Report that so many more steps are done."""

    def note(self, text: str) -> None:
        """Say one line about the task."""


class Silent:
    """A `Progress` that says nothing."""

    def start(self, task: str, total: int | None = None) -> None:
        """Ignore the start."""

    def advance(self, steps: int = 1) -> None:
        """Ignore the steps."""

    def note(self, text: str) -> None:
        """Ignore the note."""


SILENT = Silent()

"""One state of a speaker store, to be read or changed."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from speakergmm.errors import SpeakerStoreError
from speakergmm.verification.speaker_store.enrolled import Enrollment, quoted
from speakergmm.verification.speaker_store.rows import (
    HEAD,
    SCHEMA,
    blob_of,
    derived_digest,
    head_from_row,
    is_text,
    row_of,
    statistics_from_row,
    summary_of,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from speakergmm.gmm import Statistics
    from speakergmm.verification.speaker_store.enrolled import SpeakerSummary
    from speakergmm.verification.speaker_store.rows import Head


@dataclass(frozen=True, slots=True)
class Transaction:
    """One state of the store's rows, to be read or changed.

    ``revision`` is the store's; in a change, the one that it makes. ``n_speakers`` is as it was
    at the start.
    """

    path: Path
    database: sqlite3.Connection
    version: int
    revision: int
    n_speakers: int
    table: str = "speakers"

    def head(self, speaker_id: str) -> Head | None:
        """Give a speaker's head, None where there is no such speaker."""
        if not is_text(speaker_id):
            return None
        rows = f"SELECT {HEAD[self.version]} FROM {self.table} WHERE speaker_id = ?"
        row = self.database.execute(rows, (speaker_id,)).fetchone()
        if row is None:
            return None
        found = self._head(row)
        with self._intact(speaker_id):
            if found.speaker_id != speaker_id:
                raise ValueError("index")
        return found

    def heads(self) -> Iterator[Head]:
        """Give all heads, in the order of their ids."""
        n_found = 0
        rows = f"SELECT {HEAD[self.version]} FROM speakers ORDER BY speaker_id"
        for row in self.database.execute(rows):
            n_found += 1
            yield self._head(row)
        self._check_count(n_found)

    def ids(self) -> list[str]:
        """Give all ids, in order."""
        found = self.some_ids(-1)
        self._check_count(len(found))
        return found

    def some_ids(self, limit: int) -> list[str]:
        """Give the first few ids; all where the limit is negative."""
        rows = "SELECT speaker_id FROM speakers ORDER BY speaker_id LIMIT ?"
        found = [row[0] for row in self.database.execute(rows, (limit,))]
        # A damaged index may hold anything.
        if not all(isinstance(speaker_id, str) for speaker_id in found):
            raise SpeakerStoreError(f"{self.path}: damaged: ids that are no text; restore a copy")
        return found

    def number(self, speaker_id: str) -> int | None:
        """Give the number of a speaker's row, damaged or not; None where there is none."""
        if not is_text(speaker_id):
            return None
        row = self.database.execute(
            "SELECT rowid FROM speakers WHERE speaker_id = ?", (speaker_id,)
        ).fetchone()
        return None if row is None else int(row[0])

    def count(self) -> int:
        """Count the speakers."""
        return int(self.database.execute("SELECT count(*) FROM speakers").fetchone()[0])

    def shape(self) -> tuple[int, int] | None:
        """(C, D) of the speakers' statistics; None where there is nobody."""
        sizes = "SELECT length(n), length(f) FROM speakers LIMIT 1"
        row = self.database.execute(sizes).fetchone()
        if row is None:
            return None
        # Of what is damaged, any wrong shape will do.
        return (row[0] // 8, row[1] // row[0]) if all(row) else (0, 0)

    def summary(self, head: Head) -> SpeakerSummary:
        """Give what a head says."""
        with self._intact(head.speaker_id):
            return summary_of(head, self.version)

    def enrollment(self, head: Head) -> Enrollment:
        """Give all that is known of a head's speaker."""
        summary = self.summary(head)
        return Enrollment(
            summary.speaker_id,
            self.statistics(head, with_s=True),
            summary.recordings,
            summary.adaptation,
            summary.enrolled_at,
            summary.changed_at,
            summary.revision,
        )

    def statistics(self, head: Head, *, with_s: bool) -> Statistics:
        """Read a head's statistics; without ``s`` it is zero throughout."""
        columns = "n, f, s" if with_s else "n, f"
        rows = f"SELECT {columns} FROM {self.table} WHERE speaker_id = ?"
        blobs = self.database.execute(rows, (head.speaker_id,)).fetchone()
        with self._intact(head.speaker_id):
            return statistics_from_row(blobs, head, self.version)

    def derived(self, speaker_id: str, key: str) -> NDArray[np.float64] | None:
        """Read an array that was derived of a speaker's statistics, None where there is none."""
        if self.version == 1 or not (is_text(speaker_id) and is_text(key)):
            return None
        row = self.database.execute(
            "SELECT value, derived.digest FROM derived JOIN speakers USING (number) "
            "WHERE speaker_id = ? AND key = ?",
            (speaker_id, key),
        ).fetchone()
        if row is None:
            return None
        with self._intact(speaker_id):
            value = row[0]
            if not isinstance(value, bytes) or row[1] != derived_digest(speaker_id, key, value):
                raise ValueError("checksum")
            return np.frombuffer(value, dtype="<f8")

    def owners(self, kind: str, digest: str) -> list[str]:
        """Give the ids of the speakers that a recording is enrolled for, in order."""
        if self.version == 1:
            heads = list(self.heads())
        else:
            columns = HEAD[2].replace(" digest", " speakers.digest")
            rows = self.database.execute(
                f"SELECT {columns} FROM speakers JOIN digests USING (number) "
                "WHERE kind = ? AND digests.digest = ? ORDER BY speaker_id",
                (kind, digest),
            )
            heads = [self._head(row) for row in rows]
        return [
            head.speaker_id
            for head in heads
            if any(getattr(found, kind) == digest for found in self.summary(head).recordings)
        ]

    def insert(
        self, enrollment: Enrollment, derived: Mapping[str, NDArray[np.float64]] | None = None
    ) -> None:
        """Write a speaker who is not there."""
        values = (None, *row_of(enrollment))
        places = ", ".join("?" * len(values))
        number = self.database.execute(f"INSERT INTO speakers VALUES ({places})", values).lastrowid
        self.database.executemany(
            "INSERT OR IGNORE INTO digests VALUES (?, ?, ?)",
            [
                (kind, getattr(recording, kind), number)
                for recording in enrollment.recordings
                for kind in ("audio_digest", "file_digest")
                if getattr(recording, kind)
            ],
        )
        for key, array in (derived or {}).items():
            value = blob_of(array)
            digest = derived_digest(enrollment.speaker_id, key, value)
            self.database.execute(
                "INSERT INTO derived VALUES (?, ?, ?, ?)", (number, key, digest, value)
            )

    def delete(self, speaker_id: str) -> None:
        """Delete a speaker, and all that was derived."""
        self.database.execute("DELETE FROM speakers WHERE speaker_id = ?", (speaker_id,))

    def _head(self, row: Sequence[Any]) -> Head:
        with self._intact(str(row[0])):
            return head_from_row(row, self.version)

    @contextmanager
    def _intact(self, speaker_id: str) -> Iterator[None]:
        try:
            yield
        except ValueError as error:
            raise SpeakerStoreError(
                f"{self.path}: speaker {quoted(speaker_id)} is damaged ({error}); restore a copy "
                "of the store, or remove the speaker and enroll again"
            ) from None

    def _check_count(self, n_found: int) -> None:
        if n_found != self.n_speakers:
            raise SpeakerStoreError(
                f"{self.path}: damaged: {n_found:,} speakers found, expected {self.n_speakers:,}; "
                "restore a copy"
            )


def migrate(old: Transaction) -> None:
    """Put the rows of a version 1 store into tables of this version."""
    ids = old.ids()
    old.database.execute("ALTER TABLE speakers RENAME TO speakers_1")
    for statement in SCHEMA:
        old.database.execute(statement)
    renamed = replace(old, table="speakers_1")
    for speaker_id in ids:
        head = renamed.head(speaker_id)
        if head is not None:
            old.insert(renamed.enrollment(head))
    old.database.execute("DROP TABLE speakers_1")

"""The speaker store: the statistics of enrolled speakers, in one SQLite file; never audio.

Statistics add, so an enrollment grows by adding recordings; the speaker's model is made from them
when it is needed. A store belongs to one background model and refuses every other.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from speakergmm.errors import MissingError, SpeakerStoreError
from speakergmm.gmm import Statistics

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FORMAT = "speakergmm-speakers"
VERSION = 1
WAIT_S = 30.0

SCHEMA = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE speakers (
    speaker_id TEXT PRIMARY KEY,
    n BLOB NOT NULL, f BLOB NOT NULL, s BLOB NOT NULL,
    log_likelihood REAL NOT NULL, n_frames INTEGER NOT NULL,
    recordings TEXT NOT NULL, changed_at TEXT NOT NULL
);
"""


@dataclass(frozen=True, eq=False)
class Enrollment:
    """What is known of a speaker: statistics, and the digests of the recordings they came from."""

    speaker_id: str
    statistics: Statistics
    recordings: tuple[str, ...]


@dataclass(frozen=True)
class SpeakerStore:
    """Enrolled speakers of one background model.

    Parameters
    ----------
    path : path
        The SQLite file. Made at the first enrollment, readable by its owner only.
    ubm_digest : str
        Of the background model's file.
    """

    path: Path
    ubm_digest: str

    def enroll(
        self, speaker_id: str, statistics: Statistics, recordings: tuple[str, ...]
    ) -> Enrollment:
        """Add recordings to a speaker's enrollment, all of them or none.

        Parameters
        ----------
        speaker_id : str
            Any text; it is data, never part of a path or a command.
        statistics : Statistics
            Of the recordings' frames under the store's background model, added up.
        recordings : tuple of str
            Digests of the recordings' content.

        Raises
        ------
        SpeakerStoreError
            When the id is empty, a recording is already part of the enrollment, or the store is
            damaged, cannot be written, or belongs to another background model.
        """
        if not speaker_id.strip():
            raise SpeakerStoreError("the speaker id is empty; expected a name or number")
        try:
            speaker_id.encode()
        except UnicodeEncodeError:
            raise SpeakerStoreError(
                f"the speaker id {speaker_id!r} is not text; expected UTF-8"
            ) from None
        with self._open(create=True) as database:
            known = self._find(database, speaker_id)
            if known is not None:
                if set(known.recordings) & set(recordings):
                    raise SpeakerStoreError(
                        f"speaker {speaker_id!r}: one of these recordings is already part of the "
                        "enrollment; the same speech twice teaches nothing: give other recordings"
                    )
                statistics = known.statistics + statistics
                recordings = known.recordings + recordings
            database.execute(
                "INSERT OR REPLACE INTO speakers VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    speaker_id,
                    *(getattr(statistics, name).astype("<f8").tobytes() for name in "nfs"),
                    statistics.log_likelihood,
                    statistics.n_frames,
                    json.dumps(recordings),
                    time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                ),
            )
        return Enrollment(speaker_id, statistics, recordings)

    def find(self, speaker_id: str) -> Enrollment:
        """Give a speaker's enrollment.

        Raises
        ------
        MissingError
            When there is no such speaker, with those that there are.
        SpeakerStoreError
            When the store is missing, damaged, or belongs to another background model.
        """
        with self._open(create=False) as database:
            found = self._find(database, speaker_id)
            if found is None:
                rows = database.execute("SELECT speaker_id FROM speakers ORDER BY 1 LIMIT 11")
                names = [row[0] for row in rows]
                known = ", ".join(repr(name) for name in names[:10]) or "nobody"
                more = ", ..." if len(names) > 10 else ""
                raise MissingError(
                    f"{self.path}: no speaker {speaker_id!r}; enrolled: {known}{more}"
                )
        return found

    @contextmanager
    def _open(self, *, create: bool) -> Iterator[sqlite3.Connection]:
        """Open the store in one transaction, which is undone when the block fails."""
        is_new = not self.path.exists()
        if is_new and not create:
            raise SpeakerStoreError(f"{self.path}: no such speaker store; enroll a speaker first")
        try:
            if is_new:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
            with closing(sqlite3.connect(self.path, timeout=WAIT_S)) as database:
                database.isolation_level = None
                database.execute("BEGIN IMMEDIATE" if create else "BEGIN")
                try:
                    if not database.execute("SELECT 1 FROM sqlite_master").fetchone() and create:
                        self._initialize(database)
                    self._check(database)
                    yield database
                    database.execute("COMMIT")
                except BaseException:
                    if database.in_transaction:
                        database.execute("ROLLBACK")
                    raise
        except (sqlite3.Error, OSError) as error:
            raise SpeakerStoreError(
                f"{self.path}: speaker store cannot be used ({error}); check that it is one, that "
                "its folder can be written, and that the disk is not full"
            ) from None

    def _initialize(self, database: sqlite3.Connection) -> None:
        # Statement by statement: executescript would end the transaction.
        for statement in SCHEMA.split(";"):
            if statement.strip():
                database.execute(statement)
        about = {"format": FORMAT, "version": str(VERSION), "ubm_digest": self.ubm_digest}
        database.executemany("INSERT INTO about VALUES (?, ?)", about.items())

    def _check(self, database: sqlite3.Connection) -> None:
        about = dict(database.execute("SELECT name, value FROM about"))
        if about.get("format") != FORMAT or about.get("version") != str(VERSION):
            raise SpeakerStoreError(
                f"{self.path}: format {about.get('format')!r} version {about.get('version')!r}; "
                f"expected {FORMAT!r} version '{VERSION}'"
            )
        if about.get("ubm_digest") != self.ubm_digest:
            raise SpeakerStoreError(
                f"{self.path}: belongs to the UBM {about.get('ubm_digest', '')[:12]}, not to "
                f"{self.ubm_digest[:12]}; give that UBM, or enroll into another store"
            )

    def _find(self, database: sqlite3.Connection, speaker_id: str) -> Enrollment | None:
        row = database.execute(
            "SELECT n, f, s, log_likelihood, n_frames, recordings FROM speakers "
            "WHERE speaker_id = ?",
            (speaker_id,),
        ).fetchone()
        if row is None:
            return None
        n, f, s = (np.frombuffer(blob, dtype="<f8") for blob in row[:3])
        if len(n) == 0 or len(f) != len(s) or len(f) % len(n):
            raise SpeakerStoreError(f"{self.path}: speaker {speaker_id!r} is damaged; enroll again")
        shape = (len(n), -1)
        statistics = Statistics(n, f.reshape(shape), s.reshape(shape), row[3], row[4])
        return Enrollment(speaker_id, statistics, tuple(json.loads(row[5])))

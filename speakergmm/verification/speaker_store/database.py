"""The file of a speaker store: how it is opened, checked, changed and wiped.

The database is in WAL mode, so that reading and writing do not wait for each other, and every
commit is on the disk when it returns. While it is open there are two files beside it, ``-wal``
with the newest changes and ``-shm``; SQLite gives them the mode of the main file.
"""

from __future__ import annotations

import functools
import os
import secrets
import sqlite3
import stat
import time
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from speakergmm.errors import SpeakerStoreError
from speakergmm.files import value_digest
from speakergmm.verification.speaker_store.rows import SCHEMA
from speakergmm.verification.speaker_store.transaction import Transaction, migrate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FORMAT = "speakergmm-speakers"
VERSION = 2
APPLICATION_ID = int.from_bytes(b"sGMM", "big")
# Of 63 bits, which leaves room for two thousand million changes.
MOST_STEP = 1 << 32

WAIT_S = 30.0
SMALLEST_PAGE = 512

ABOUT = "CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL)"
CHECKPOINT = "PRAGMA wal_checkpoint(TRUNCATE)"
PRAGMAS = (
    "synchronous = FULL",
    "foreign_keys = ON",
    # What is deleted is overwritten with zeros.
    "secure_delete = ON",
    # A damaged or hostile file is to be noticed, and to run nothing.
    "cell_size_check = ON",
    "trusted_schema = OFF",
)

# By SQLite's primary error code: what is the matter, and what to do.
REASONS = {
    sqlite3.SQLITE_BUSY: "another program is writing and does not finish; try again",
    sqlite3.SQLITE_READONLY: "the file or its folder is read-only; make both writable, or give "
    "another store",
    sqlite3.SQLITE_CANTOPEN: "the file or its folder is read-only or not accessible; expected "
    "both to be writable",
    sqlite3.SQLITE_FULL: "the disk is full; free some space",
    sqlite3.SQLITE_IOERR: "the disk is full or fails; free some space, or choose another place",
    sqlite3.SQLITE_CORRUPT: "it is damaged; restore a copy",
    sqlite3.SQLITE_NOTADB: "it is not a speaker store, or damaged; name another file, or restore "
    "a copy",
}
OTHER_REASON = "it is not a speaker store, or damaged; name another file, or restore a copy"


class About(NamedTuple):
    """What a store says of itself."""

    version: int
    revision: int
    n_speakers: int


@dataclass(frozen=True, slots=True)
class SpeakerDatabase:
    """The SQLite file at ``path``, of the background model with the digest ``ubm_digest``."""

    path: Path
    ubm_digest: str

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """Read one state of the store, whatever others write meanwhile."""
        self._check_file()
        with self._explained(), closing(_connect_to_read(self.path)) as database:
            database.execute("BEGIN")
            about = self._about(database)
            if about is None:
                raise SpeakerStoreError(
                    f"{self.path}: the file is empty, nobody is enrolled; enroll a speaker first"
                )
            yield Transaction(self.path, database, *about)

    def is_begun(self) -> bool:
        """Tell whether anybody was ever enrolled; what a killed first enrollment left says no."""
        if not self.path.exists():
            return False
        self._check_file()
        with self._explained(), closing(_connect_to_read(self.path)) as database:
            database.execute("BEGIN")
            return self._about(database) is not None

    @contextmanager
    def writing(self, *, create: bool) -> Iterator[Transaction]:
        """Change the store in one transaction, which is undone when the block fails."""
        if create:
            self._make_file()
        self._check_writable()
        with self._explained(), closing(_connect(self.path)) as database:
            # What is not a store is not touched, not even by a change of its journal.
            self._check_about(database)
            _use_wal(database)
            database.execute("BEGIN IMMEDIATE")
            try:
                about = self._prepared(database)
                transaction = Transaction(
                    self.path, database, VERSION, _next_revision(about.revision), about.n_speakers
                )
                yield transaction
                self._write_about(database, transaction.revision, transaction.count())
                database.execute("COMMIT")
            except BaseException:
                # A full disk has undone it already.
                if database.in_transaction:
                    with suppress(sqlite3.Error):
                        database.execute("ROLLBACK")
                raise

    def wipe(self) -> None:
        """Rewrite the file, so that nothing is left of what was deleted.

        Raises
        ------
        SpeakerStoreError
            When traces may remain, since another program reads or the disk is full.
        """
        self._check_writable()
        with self._explained(), closing(_connect(self.path)) as database:
            self._check_about(database)
            try:
                # Deleted pages go from the log into the file as zeros, the file is written anew
                # without them, and the log is cut to nothing.
                for statement in (CHECKPOINT, "VACUUM", CHECKPOINT):
                    is_busy = database.execute(statement).fetchone() or (False,)
                    if is_busy[0]:
                        raise sqlite3.OperationalError("another program is reading it")
            except sqlite3.Error as error:
                raise SpeakerStoreError(
                    f"{self.path}: the speakers are removed, but traces of them may remain in the "
                    f"file ({error}); run `speakers remove` or `compact` again when nobody uses it"
                ) from None

    def _check_file(self) -> None:
        try:
            found = self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            raise SpeakerStoreError(
                f"{self.path}: no such speaker store; enroll a speaker first"
            ) from None
        except OSError as error:
            raise SpeakerStoreError(
                f"{self.path}: speaker store cannot be read ({error.strerror}); check its folder"
            ) from None
        except ValueError:
            raise SpeakerStoreError(
                f"{str(self.path)!r}: no file can have this name; expected a speaker store"
            ) from None
        if not stat.S_ISREG(found.st_mode):
            raise SpeakerStoreError(f"{self.path}: not a file; expected a speaker store")
        # SQLite takes what is shorter than its smallest page for nothing, and would overwrite it.
        if 0 < found.st_size < SMALLEST_PAGE:
            raise SpeakerStoreError(f"{self.path}: {REASONS[sqlite3.SQLITE_NOTADB]}")

    def _check_writable(self) -> None:
        # SQLite would find out too, but leave read-only files beside that keep others out.
        self._check_file()
        if not _is_writable(self.path):
            raise SpeakerStoreError(
                f"{self.path}: cannot be changed: {REASONS[sqlite3.SQLITE_READONLY]}"
            )

    def _make_file(self) -> None:
        try:
            if self.path.exists():
                if self.path.stat().st_size == 0:
                    # Nobody has said yet who may read it.
                    self.path.chmod(0o600)
                return
            self.path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            raise SpeakerStoreError(
                f"{self.path}: speaker store cannot be made ({error.strerror}); choose another "
                "place"
            ) from None
        except ValueError:
            raise SpeakerStoreError(
                f"{str(self.path)!r}: no file can have this name; choose another for the store"
            ) from None

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except UnicodeEncodeError as error:
            raise SpeakerStoreError(
                f"{self.path}: {error.object[:60]!r} is not text; expected UTF-8"
            ) from None
        except UnicodeDecodeError:
            # Python cannot decode SQLite's message, since it quotes damaged bytes.
            raise SpeakerStoreError(
                f"{self.path}: speaker store cannot be used: {REASONS[sqlite3.SQLITE_CORRUPT]}"
            ) from None
        except sqlite3.Error as error:
            # The lower byte of an extended code is the primary one.
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            raise SpeakerStoreError(
                f"{self.path}: speaker store cannot be used ({error}): "
                f"{REASONS.get(code, OTHER_REASON)}"
            ) from None

    def _about(self, database: sqlite3.Connection) -> About | None:
        """Read what the store says of itself, and check it; None of an empty file."""
        application, version = _numbers(database)
        if not database.execute("SELECT 1 FROM sqlite_master").fetchone() and not application:
            return None
        rows = database.execute("SELECT name, value FROM about")
        about = {str(name): str(value) for name, value in rows}
        said = about.get("version", "")
        if about.get("format") != FORMAT or not said.isdecimal():
            raise SpeakerStoreError(
                f"{self.path}: format {about.get('format')!r} version {said!r}; expected "
                f"{FORMAT!r} version {VERSION} or older: name another file"
            )
        if int(said) > VERSION:
            raise SpeakerStoreError(
                f"{self.path}: speaker store version {said}, this program reads up to {VERSION}; "
                "upgrade speakergmm"
            )
        if about.get("ubm_digest") != self.ubm_digest:
            raise SpeakerStoreError(
                f"{self.path}: belongs to the UBM {about.get('ubm_digest', '')[:12]}, not to "
                f"{self.ubm_digest[:12]}; give that UBM, or enroll into another store"
            )
        if said == "1" and (application, version) == (0, 0):
            # A version 1 store only grows. Frames counted as revisions never fall, and are all
            # less than what follows when it is migrated.
            total = "SELECT coalesce(sum(n_frames), 0), count(*) FROM speakers"
            return About(1, *database.execute(total).fetchone())
        digest = about.pop("digest", None)
        if (application, version) != (APPLICATION_ID, VERSION) or digest != value_digest(about):
            raise SpeakerStoreError(
                f"{self.path}: damaged: what it says of itself does not fit together; restore a "
                "copy"
            )
        return About(VERSION, int(about["revision"]), int(about["speakers"]))

    def _check_about(self, database: sqlite3.Connection) -> None:
        """Check what the store says of itself, of one state: another may be making it just now."""
        database.execute("BEGIN")
        self._about(database)
        database.execute("COMMIT")

    def _prepared(self, database: sqlite3.Connection) -> About:
        """Give an empty or older file the tables of this version."""
        about = self._about(database)
        if about is not None and about.version == VERSION:
            return about
        if about is None:
            for statement in (ABOUT, *SCHEMA):
                database.execute(statement)
        else:
            migrate(Transaction(self.path, database, *about))
        database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        database.execute(f"PRAGMA user_version = {VERSION}")
        return about or About(VERSION, 0, 0)

    def _write_about(self, database: sqlite3.Connection, revision: int, n_speakers: int) -> None:
        about = {
            "format": FORMAT,
            "version": str(VERSION),
            "ubm_digest": self.ubm_digest,
            "revision": str(revision),
            "speakers": str(n_speakers),
        }
        about["digest"] = value_digest(about)
        database.executemany("INSERT OR REPLACE INTO about VALUES (?, ?)", about.items())


def _next_revision(revision: int) -> int:
    """Give the next change a number that no copy of the store gives another change.

    Whoever restores a copy, or begins a store anew, goes on from where that was; what others
    remember of the store by its revision must not pass for what it holds then.
    """
    return revision + 1 + secrets.randbelow(MOST_STEP)


def _connect(path: Path, mode: str = "mode=rw") -> sqlite3.Connection:
    database = sqlite3.connect(
        # Quotes what a URI gives a meaning to, and the bytes of names that are not text.
        f"{path.absolute().as_uri()}?{mode}",
        uri=True,
        timeout=WAIT_S,
        isolation_level=None,
        # A stream of models may be read by another thread than the one that asked for it.
        check_same_thread=False,
    )
    # Damaged text shall fail its checksum, not the decoder.
    database.text_factory = functools.partial(str, encoding="utf-8", errors="surrogateescape")
    try:
        for pragma in PRAGMAS:
            database.execute(f"PRAGMA {pragma}")
    except BaseException:
        database.close()
        raise
    return database


def _connect_to_read(path: Path) -> sqlite3.Connection:
    """Open a store for reading, also where it, or its folder, cannot be written.

    SQLite reads a WAL database with the help of its ``-shm`` file, which it makes where there is
    none. In a read-only folder it cannot; beside a read-only file it makes a read-only one, which
    stays and would keep everybody from writing later. Where no changes wait in a ``-wal`` or
    ``-journal`` file, all is in the main file, and ``immutable`` reads that alone. Should somebody
    with more rights write just then, the checksums tell.
    """
    settled = not any(_has_content(path, end) for end in ("-wal", "-journal"))
    if settled and not (_is_writable(path) and _is_writable(path.resolve().parent)):
        return _connect(path, "mode=ro&immutable=1")
    return _connect(path)


def _is_writable(path: Path) -> bool:
    return os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def _has_content(path: Path, end: str) -> bool:
    # SQLite follows links before it adds the ending.
    beside = os.fspath(path.resolve()) + end
    try:
        return os.stat(beside).st_size > 0  # noqa: PTH116
    except FileNotFoundError:
        return False


def _use_wal(database: sqlite3.Connection) -> None:
    """Switch to WAL mode; SQLite does not wait for others who do the same."""
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            database.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _numbers(database: sqlite3.Connection) -> tuple[int, int]:
    application = database.execute("PRAGMA application_id").fetchone()[0]
    return application, database.execute("PRAGMA user_version").fetchone()[0]

"""A SQLite file that may be lost: opened with a layout number, set aside when damaged or of another layout.

One connection writes and another reads, in WAL mode, so reading never waits for a write. Losing the file
costs time only, so a file that cannot be used is a warning in the log and an empty answer. Nothing here knows
what the tables mean.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

LOCK_SECONDS = 5.0

Result = TypeVar("Result")
Work = Callable[[sqlite3.Connection], Result]

logger = logging.getLogger(__name__)


class Database:
    """Safe to use from several threads and processes.

    `layout` is stored in the file; a file that holds another one is set aside. `schema` are statements that
    make the tables where they are missing, run at every opening.
    """

    def __init__(self, path: Path, layout: int, schema: Sequence[str]) -> None:
        self._path = path
        self._layout = layout
        self._schema = schema
        self._reading = threading.Lock()
        self._writing = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._open()

    def read(self, work: Work[Result]) -> Result | None:
        """What `work` gives on the reading connection; None when the file cannot be used."""
        return self._attempt(lambda: self._read(work))

    def write(self, work: Work[Result]) -> Result | None:
        """What `work` gives within one transaction, kept whole or not at all; None when it was not."""
        return self._attempt(lambda: self._write(work))

    def query(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of one reading statement."""
        return self.read(lambda connection: connection.execute(statement, values).fetchall()) or []

    def close(self) -> None:
        with self._writing, self._reading:
            self._reader.close()
            self._writer.close()

    def _read(self, work: Work[Result]) -> Result:
        with self._reading:
            return work(self._reader)

    def _write(self, work: Work[Result]) -> Result:
        with self._writing:
            self._writer.execute("BEGIN IMMEDIATE")
            # Commits, or rolls back what an exception left.
            with self._writer:
                return work(self._writer)

    def _attempt(self, work: Callable[[], Result]) -> Result | None:
        try:
            return work()
        except (sqlite3.OperationalError, sqlite3.ProgrammingError) as error:
            # Locked for long, a full or read-only disk, closed while work went on: nothing is wrong with it.
            logger.warning("%s was not used: %s", self._path.name, error)
        except sqlite3.DatabaseError as error:
            logger.warning("%s is damaged and is begun anew: %s", self._path.name, error)
            with self._writing, self._reading:
                self._reader.close()
                self._writer.close()
                set_aside(self._path)
                self._open()
        return None

    def _open(self) -> None:
        try:
            self._writer = connect(self._path, self._layout, self._schema)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            logger.warning("%s cannot be read and is begun anew: %s", self._path.name, error)
            set_aside(self._path)
            self._writer = connect(self._path, self._layout, self._schema)
        self._reader = open_connection(self._path)


def connect(path: Path, layout: int, schema: Sequence[str]) -> sqlite3.Connection:
    """Open the file and make its tables. Raises sqlite3.DatabaseError when it is damaged or has another
    layout.
    """
    connection = open_connection(path)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if found != layout and tables:
            raise sqlite3.DatabaseError(f"its layout is {found}, not {layout}")
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            for statement in schema:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version={layout}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def open_connection(path: Path) -> sqlite3.Connection:
    """A connection in which transactions begin where the code says so."""
    return sqlite3.connect(path, timeout=LOCK_SECONDS, check_same_thread=False, isolation_level=None)


def set_aside(path: Path) -> None:
    """Keep the file under another name, for whoever wants to look at it; its journals are of no use without
    it.
    """
    for journal in ("-wal", "-shm"):
        Path(f"{path}{journal}").unlink(missing_ok=True)
    if path.exists():
        path.replace(path.with_suffix(".damaged"))

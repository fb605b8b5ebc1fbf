"""What never changes is fetched once: text by repository, commit and kind, in SQLite.

A damaged file, or one of an older layout, is set aside and begun anew; losing it costs time only. Nothing
here knows what the texts mean.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from pathlib import Path

LAYOUT = 1
MOST_ENTRIES = 20_000
LOCK_SECONDS = 5.0
CREATE = """CREATE TABLE IF NOT EXISTS entries (
    repo TEXT NOT NULL, revision TEXT NOT NULL, kind TEXT NOT NULL, value TEXT NOT NULL, stored REAL NOT NULL,
    PRIMARY KEY (repo, revision, kind)) WITHOUT ROWID"""
PRUNE = """DELETE FROM entries WHERE stored <= (
    SELECT stored FROM entries ORDER BY stored DESC LIMIT 1 OFFSET ?)"""

logger = logging.getLogger(__name__)


class Cache:
    """A file of texts, safe to use from several threads and processes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = self._open()

    def get(self, repo: str, commit: str, kind: str) -> str | None:
        with self._lock:
            rows = self._run(
                "SELECT value FROM entries WHERE repo=? AND revision=? AND kind=?", (repo, commit, kind)
            )
        return rows[0][0] if rows else None

    def put(self, repo: str, commit: str, kind: str, value: str) -> None:
        with self._lock:
            self._run(
                "INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?)",
                (repo, commit, kind, value, time.time()),
            )

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def _run(self, statement: str, values: tuple[str | float, ...]) -> list[tuple[str]]:
        try:
            with self._connection:
                return self._connection.execute(statement, values).fetchall()
        except sqlite3.OperationalError as error:
            # Locked for long, a full or read-only disk: the work goes on without the cache.
            logger.warning("The cache was not used: %s", error)
        except sqlite3.DatabaseError as error:
            logger.warning("The cache is damaged and is begun anew: %s", error)
            self._connection.close()
            set_aside(self._path)
            self._connection = self._open()
        return []

    def _open(self) -> sqlite3.Connection:
        try:
            return connect(self._path)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            logger.warning("The cache cannot be read and is begun anew: %s", error)
            set_aside(self._path)
            return connect(self._path)


def connect(path: Path) -> sqlite3.Connection:
    """Open the file with the present layout.

    Raises sqlite3.DatabaseError when it is damaged or has another one.
    """
    connection = sqlite3.connect(path, timeout=LOCK_SECONDS, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        layout = connection.execute("PRAGMA user_version").fetchone()[0]
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if layout != LAYOUT and tables:
            raise sqlite3.DatabaseError(f"its layout is {layout}, not {LAYOUT}")
        with connection:
            connection.execute(CREATE)
            connection.execute(f"PRAGMA user_version={LAYOUT}")
            connection.execute(PRUNE, (MOST_ENTRIES,))
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def set_aside(path: Path) -> None:
    """Keep the file under another name, for whoever wants to look at it; its journals are of no use without
    it.
    """
    for journal in ("-wal", "-shm"):
        Path(f"{path}{journal}").unlink(missing_ok=True)
    if path.exists():
        path.replace(path.with_suffix(".damaged"))

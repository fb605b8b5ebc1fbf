"""What never changes is fetched once: text by repository, commit and kind, compressed, in SQLite.

The oldest texts go when there are too many. Nothing here knows what the texts mean.
"""

from __future__ import annotations

import time
import zlib
from itertools import count
from pathlib import Path

from adapter_ui.catalog.storage.database import Database

LAYOUT = 2
MOST_ENTRIES = 20_000
PUTS_BETWEEN_PRUNINGS = 1_000
FAST = 1
CREATE = """CREATE TABLE IF NOT EXISTS entries (
    repo TEXT NOT NULL, revision TEXT NOT NULL, kind TEXT NOT NULL, value BLOB NOT NULL, stored REAL NOT NULL,
    PRIMARY KEY (repo, revision, kind)) WITHOUT ROWID"""
PRUNE = """DELETE FROM entries WHERE stored <= (
    SELECT stored FROM entries ORDER BY stored DESC LIMIT 1 OFFSET ?)"""


class Cache:
    """A file of texts, safe to use from several threads and processes."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path, LAYOUT, (CREATE,))
        self._puts = count(1)
        self._prune()

    def get(self, repo: str, commit: str, kind: str) -> str | None:
        rows = self._database.query(
            "SELECT value FROM entries WHERE repo=? AND revision=? AND kind=?", (repo, commit, kind)
        )
        try:
            return zlib.decompress(rows[0][0]).decode() if rows else None
        except (zlib.error, UnicodeDecodeError):
            # Bytes that changed on the disk: fetched again, as if never kept.
            return None

    def put(self, repo: str, commit: str, kind: str, value: str) -> None:
        entry = (repo, commit, kind, zlib.compress(value.encode(), FAST), time.time())
        self._database.write(
            lambda connection: connection.execute(
                "INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?)", entry
            )
        )

        if next(self._puts) % PUTS_BETWEEN_PRUNINGS == 0:
            self._prune()

    def _prune(self) -> None:
        self._database.write(lambda connection: connection.execute(PRUNE, (MOST_ENTRIES,)))

    def close(self) -> None:
        self._database.close()

"""Downloads as the page sees them, without a disk."""

from __future__ import annotations

from adapter_ui.domain import DiskUse, Downloaded, Held
from adapter_ui.errors import NotFoundOrPrivate
from tests.ui.fake_data import MB, SMOL


class FakeDisk:
    """A base with an adapter on it."""

    def __init__(self) -> None:
        self.downloaded = (
            Downloaded(SMOL, Held.BASE, 269 * MB, "2026-01-02T03:04:05+00:00"),
            Downloaded("acme/pirate", Held.ADAPTER, 6 * MB, "2026-01-02T03:04:05+00:00"),
        )

    def disk(self) -> DiskUse:
        return DiskUse(self.downloaded, 5_300 * MB)

    def delete_downloaded(self, repo_id: str, *, visitor: str = "") -> None:
        if repo_id not in {one.repo_id for one in self.downloaded}:
            raise NotFoundOrPrivate(f"Nothing of {repo_id} is on this disk; look at the Library again.")
        self.downloaded = tuple(one for one in self.downloaded if one.repo_id != repo_id)

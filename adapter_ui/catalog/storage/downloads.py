"""Download chosen files of a Hub repository at one commit: watched, shared, resumable, checked.

The Hub client's own download reports every 10 MB and throws an interrupted file away, so the bytes are read
here: through the client's session and headers, in small pieces, into a partial file that a later download
continues. A file appears in the snapshot only when its size and its checksum are those that the Hub lists.
Which files make a base or an adapter is for `adapter_ui.catalog.storage.bases` to say.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx2
from huggingface_hub import get_session, hf_hub_url
from huggingface_hub.utils import build_hf_headers

from adapter_ui.catalog.hub.client import Hub, check_file_answer
from adapter_ui.catalog.hub.errors import hub_errors, no_answer
from adapter_ui.catalog.hub.transport import hub_headers, raise_for_refusal
from adapter_ui.catalog.storage.shared_work import SharedWork, share
from adapter_ui.catalog.storage.snapshots import RepoCache
from adapter_ui.domain import COMMIT, Progress
from adapter_ui.errors import DoesNotFit, HubError, HubUnreachable
from adapter_ui.settings import Settings

CONNECT_SECONDS = 10.0
STALL_SECONDS = 15.0
READ_BYTES = 1024**2
SPARE_DISK_BYTES = 256 * 1024**2
ATTEMPTS = 4
DROPPED = (httpx2.NetworkError, httpx2.RemoteProtocolError)


@dataclass(frozen=True)
class RemoteFile:
    """A file at a commit. Large files carry a SHA-256, small ones their git object id; `size` is in bytes."""

    name: str
    size: int
    sha256: str | None = None
    git_id: str | None = None

    def new_digest(self) -> hashlib._Hash:
        """A fresh hash that ends as `checksum` when it is fed the right content."""
        if self.sha256:
            return hashlib.sha256()
        return hashlib.sha1(b"blob %d\0" % self.size, usedforsecurity=False)

    @property
    def checksum(self) -> str | None:
        return self.sha256 or self.git_id


@dataclass(frozen=True)
class Listing:
    """The files of a repository at one commit."""

    repo_id: str
    commit: str
    files: Mapping[str, RemoteFile]


def list_repo(hub: Hub, repo_id: str, revision: str | None = None) -> Listing:
    """Ask the Hub, in one request, what a repository holds. Raises HubError."""
    info = hub.model(repo_id, revision)
    commit, siblings = info.get("sha"), info.get("siblings")
    if not isinstance(commit, str) or not COMMIT.fullmatch(commit) or not isinstance(siblings, list):
        raise no_answer(f"the repository {repo_id}")
    files = [file for sibling in siblings if (file := remote_file(sibling))]
    return Listing(repo_id, commit, {file.name: file for file in files})


def remote_file(sibling: object) -> RemoteFile | None:
    """One entry of the Hub's file list, or None where it lacks a name or a size."""
    match sibling:
        case {"rfilename": str(name), "size": int(size), "lfs": {"sha256": str(sha256)}} if size >= 0:
            return RemoteFile(name, size, sha256=sha256)
        case {"rfilename": str(name), "size": int(size), "blobId": str(git_id)} if size >= 0:
            return RemoteFile(name, size, git_id=git_id)
    return None


def fetch_files(
    settings: Settings, listing: Listing, names: Sequence[str]
) -> Generator[Progress, None, Path]:
    """Download the named files in this order, skip what is there, and return the snapshot's folder.

    The names are plain file names of the listing, or stand below plain folders. Closing the generator stops
    the download, unless somebody else waits for the same files. Raises HubError, and DoesNotFit when the disk
    is too full.
    """
    place = RepoCache(settings.hub_cache, listing.repo_id)
    folder = place.snapshot(listing.commit)
    transfer = Transfer(settings, place, listing.commit, [listing.files[name] for name in names])
    if not transfer.missing():
        return folder
    return (yield from share(f"{folder} {sorted(names)}", transfer.progress(), transfer.run))


class Transfer:
    """The work of one download: files of one repository at one commit, one after the other."""

    def __init__(
        self, settings: Settings, place: RepoCache, commit: str, files: Sequence[RemoteFile]
    ) -> None:
        self._settings = settings
        self._place = place
        self._commit = commit
        self._folder = place.snapshot(commit)
        self._files = files
        self._done = 0

    def missing(self) -> list[RemoteFile]:
        return [file for file in self._files if not (self._folder / file.name).is_file()]

    def progress(self) -> Progress:
        total = sum(file.size for file in self._files)
        return Progress("download", f"Downloading {self._place.repo_id}", self._done, total)

    def run(self, work: SharedWork) -> Path:
        self._folder.mkdir(parents=True, exist_ok=True)
        missing = self.missing()
        check_disk(self._folder, sum(file.size for file in missing), self._place.repo_id)
        self._done = sum(file.size for file in self._files if file not in missing)
        for file in missing:
            self._fetch(work, file)
        return self._folder

    def _fetch(self, work: SharedWork, file: RemoteFile) -> None:
        partial = self._place.partials / f"{self._commit}-{file.name}"
        for path in (partial, self._folder / file.name):
            path.parent.mkdir(parents=True, exist_ok=True)
        if partial.is_file() and partial.stat().st_size > file.size:
            partial.unlink()
        partial.touch()
        self._done += partial.stat().st_size
        attempts = ATTEMPTS
        while (size := partial.stat().st_size) < file.size:
            with hub_errors(f"{file.name} of {self._place.repo_id}"):
                try:
                    self._stream(work, file, partial, size)
                    if partial.stat().st_size <= size:
                        raise no_answer(f"{file.name} of {self._place.repo_id}")
                except httpx2.ReadTimeout as error:
                    raise self._stalled(file) from error
                except DROPPED:
                    attempts = ATTEMPTS if partial.stat().st_size > size else attempts - 1
                    if attempts == 0:
                        raise
        self._keep(work, file, partial)

    def _stream(self, work: SharedWork, file: RemoteFile, partial: Path, start: int) -> None:
        """Append what the Hub sends from byte `start` on; a server without ranges starts again at 0."""
        url = hf_hub_url(
            self._place.repo_id, file.name, revision=self._commit, endpoint=self._settings.hub_endpoint
        )
        wanted = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
        headers = build_hf_headers(token=self._settings.hub_token, headers=wanted)
        timeout = httpx2.Timeout(STALL_SECONDS, connect=CONNECT_SECONDS)
        with (
            get_session().stream(
                "GET", url, headers=headers, timeout=timeout, follow_redirects=True
            ) as response,
            partial.open("r+b") as out,
        ):
            raise_for_refusal(response)
            what = f"{file.name} of {self._place.repo_id}"
            check_file_answer(response.headers, hub_headers(response), start, what)
            if "Content-Range" not in response.headers:
                self._done -= start
                start = 0
            out.truncate(start)
            out.seek(start)
            for piece in response.iter_bytes():
                if out.tell() + len(piece) > file.size:
                    raise HubError(f"The Hub sent more of {file.name} than it lists; try again later.")
                with work.wanted():
                    out.write(piece)
                self._done += len(piece)
                work.report(self.progress())

    def _keep(self, work: SharedWork, file: RemoteFile, partial: Path) -> None:
        """Move the whole file into the snapshot; one with a wrong checksum is removed instead."""
        digest = file.new_digest()
        with partial.open("rb") as content:
            while piece := content.read(READ_BYTES):
                digest.update(piece)
                work.report(self.progress())
        if file.checksum and digest.hexdigest() != file.checksum:
            partial.unlink()
            raise HubError(f"{file.name} of {self._place.repo_id} arrived damaged; try again.")
        partial.replace(self._folder / file.name)

    def _stalled(self, file: RemoteFile) -> HubUnreachable:
        return HubUnreachable(
            f"The Hub sent nothing of {file.name} for {STALL_SECONDS:.0f} seconds; "
            "try again, the download goes on where it stopped."
        )


def check_disk(folder: Path, needed: int, what: str) -> None:
    """Raise DoesNotFit unless `needed` bytes and some spare room are free where `folder` is."""
    free = shutil.disk_usage(folder).free
    if needed + SPARE_DISK_BYTES > free:
        raise DoesNotFit(
            f"{what} needs {needed / 1e6:,.0f} MB on disk and {free / 1e6:,.0f} MB are free; "
            "free some space, then try again."
        )

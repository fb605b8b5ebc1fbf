"""LoopbackHub: the Hub running in a thread, and what tests use to furnish and watch it."""

import socket
import threading
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import uvicorn

from tests.hub.faults import Faults
from tests.hub.gateway import Gateway
from tests.hub.limits import RateLimits
from tests.hub.repository import FileSource, Gated, Repository
from tests.hub.request_log import RequestLog
from tests.hub.state import HubState, User

HOST = "127.0.0.1"
START_SECONDS = 10


class LoopbackHub:
    """`with LoopbackHub() as hub:` serves on `hub.endpoint`; large files come from `hub.cdn`, another origin.

    After `stop()` connections are refused; `start()` again takes the same port.
    """

    def __init__(self, port: int = 0) -> None:
        self._port = port
        self._state = HubState()
        self._gateway = Gateway(self._state)
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def endpoint(self) -> str:
        return self._state.endpoint

    @property
    def cdn(self) -> str:
        return self._state.cdn

    @property
    def requests(self) -> RequestLog:
        return self._gateway.requests

    @property
    def faults(self) -> Faults:
        return self._gateway.faults

    @property
    def limits(self) -> RateLimits:
        return self._gateway.limits

    def set_page_sizes(self, *, list: int = 1000, tree: int = 1000, expanded_tree: int = 50) -> None:
        self._state.list_page_size = list
        self._state.tree_page_size = tree
        self._state.expanded_tree_page_size = expanded_tree

    def start(self) -> Self:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, self._port))
        self._port = listener.getsockname()[1]
        self._state.endpoint = f"http://{HOST}:{self._port}"
        self._state.cdn = f"http://localhost:{self._port}"
        config = uvicorn.Config(
            self._gateway,
            lifespan="off",
            log_config=None,
            log_level="error",
            access_log=False,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([listener],), name="hub", daemon=True)
        self._thread.start()
        deadline = time.monotonic() + START_SECONDS
        while not self._server.started:
            if time.monotonic() > deadline or not self._thread.is_alive():
                raise RuntimeError("The loopback Hub did not start")
            time.sleep(0.005)
        return self

    def stop(self) -> None:
        if self._server and self._thread:
            self._server.should_exit = True
            self._thread.join()
            self._server = self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def add_repo(
        self,
        id: str,
        files: Mapping[str, FileSource] | Path,
        *,
        kind: str = "model",
        downloads: int = 0,
        likes: int = 0,
        trending_score: float = 0,
        gated: Gated = False,
        private: bool = False,
        disabled: bool = False,
        created: datetime | None = None,
        last_modified: datetime | None = None,
        tags: Iterable[str] = (),
    ) -> Repository:
        """Add a repository with one commit on main; `files` is a mapping, or a folder to take as it is."""
        created = created or datetime.now(UTC)
        repository = Repository(
            kind,
            id,
            created_at=created,
            downloads=downloads,
            likes=likes,
            trending_score=trending_score,
            gated=gated,
            private=private,
            disabled=disabled,
            extra_tags=tuple(tags),
            last_modified=last_modified,
        )
        repository.commit(files_of(files) if isinstance(files, Path) else files, date=created)
        with self._state.lock:
            self._state.add(repository)
        return repository

    def repo(self, id: str, kind: str = "model") -> Repository:
        """A repository by its id, to commit to, branch or change."""
        with self._state.lock:
            if repository := self._state.get(kind, id):
                return repository
        raise KeyError(f"{kind} {id}")

    def ids(self, kind: str = "model") -> list[str]:
        with self._state.lock:
            return [repository.id for repository in self._state.all_of(kind)]

    def rename(self, old: str, new: str, kind: str = "model") -> None:
        """Move a repository: its old id answers 307. If `old` names none, it becomes an old name of `new`."""
        with self._state.lock:
            self._state.rename(kind, old, new)

    def remove_repo(self, id: str, kind: str = "model") -> None:
        with self._state.lock:
            self._state.remove(self.repo(id, kind))

    def add_user(
        self,
        token: str,
        name: str,
        access: Iterable[str] = (),
        *,
        organizations: Iterable[str] = (),
        role: str = "write",
    ) -> User:
        user = User(token, name, frozenset(access), tuple(organizations), role)
        self._state.users[token] = user
        return user

    def environment(self, home: Path, token: str | None = None) -> dict[str, str]:
        """What a process must have in its environment before it imports huggingface_hub."""
        variables = {
            "HF_ENDPOINT": self.endpoint,
            "HF_HOME": str(home),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_OFFLINE": "0",
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
        }
        return variables | {"HF_TOKEN": token} if token else variables


def files_of(folder: Path) -> dict[str, Path]:
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path for path in paths}

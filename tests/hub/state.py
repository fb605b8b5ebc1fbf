"""The Hub's state: repositories, old names, users, uploaded objects; read and changed under its lock."""

import hashlib
import hmac
import secrets
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.hub import errors
from tests.hub.content import Content
from tests.hub.repository import Repository

KINDS = ("model", "dataset", "space")


@dataclass(frozen=True)
class User:
    """A token's owner. `access` lists the gated and private repositories opened to this user."""

    token: str
    name: str
    access: frozenset[str] = frozenset()
    organizations: tuple[str, ...] = ()
    role: str = "write"

    def owns(self, namespace: str) -> bool:
        return namespace == self.name or namespace in self.organizations


@dataclass
class HubState:
    endpoint: str = ""
    cdn: str = ""
    list_page_size: int = 1000
    tree_page_size: int = 1000
    expanded_tree_page_size: int = 50
    users: dict[str, User] = field(default_factory=dict)
    uploads: dict[str, Content] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)
    _repositories: dict[tuple[str, str], Repository] = field(default_factory=dict)
    _old_names: dict[tuple[str, str], str] = field(default_factory=dict)
    _signing_key: bytes = field(default_factory=lambda: secrets.token_bytes(16))

    def add(self, repository: Repository) -> None:
        self._repositories[repository.kind, repository.id] = repository
        self._old_names.pop((repository.kind, repository.id), None)

    def remove(self, repository: Repository) -> None:
        del self._repositories[repository.kind, repository.id]

    def get(self, kind: str, repo_id: str) -> Repository | None:
        return self._repositories.get((kind, repo_id))

    def all_of(self, kind: str) -> Iterable[Repository]:
        return [repository for (a_kind, _), repository in self._repositories.items() if a_kind == kind]

    def rename(self, kind: str, old_id: str, new_id: str) -> None:
        """Move a repository; when `old_id` names none, only record it as an old name of `new_id`."""
        if repository := self._repositories.pop((kind, old_id), None):
            repository.id = new_id
            self.add(repository)
        for key, target in self._old_names.items():
            if key[0] == kind and target == old_id:
                self._old_names[key] = new_id
        self._old_names[kind, old_id] = new_id

    def find(self, kind: str, repo_id: str, viewer: User | None) -> Repository:
        """The repository under exactly this id; `Moved` for an old name or another case."""
        current = self._current_id(kind, repo_id)
        repository = self.get(kind, current) if current else None
        if repository is None or not self.is_visible(repository, viewer):
            raise errors.repository_not_found(anonymous=viewer is None)
        if current != repo_id:
            raise errors.Moved(repo_id, current)
        return repository

    def is_visible(self, repository: Repository, viewer: User | None) -> bool:
        return not repository.private or self._is_let_in(repository, viewer)

    def check_files_open(self, repository: Repository, viewer: User | None) -> None:
        if repository.disabled:
            raise errors.disabled()
        if repository.gated and not self._is_let_in(repository, viewer):
            raise errors.gated(repository.id, repository.kind, anonymous=viewer is None)

    def check_writable(self, namespace: str, viewer: User | None) -> User:
        if viewer is None:
            raise errors.not_authenticated()
        if viewer.role == "read" or not viewer.owns(namespace):
            raise errors.forbidden(
                f'You don\'t have the rights to create or change a repo under the namespace "{namespace}"'
            )
        return viewer

    def sign(self, text: str) -> str:
        return hmac.new(self._signing_key, text.encode(), hashlib.sha256).hexdigest()[:32]

    def find_content(self, kind: str, repo_id: str, sha256: str) -> Content | None:
        """An LFS object of the repository, from any of its commits."""
        repository = self.get(kind, repo_id)
        for commit in repository.commits.values() if repository else ():
            for file in commit.files.values():
                if file.is_lfs and file.content.sha256 == sha256:
                    return file.content
        return None

    def _is_let_in(self, repository: Repository, viewer: User | None) -> bool:
        return viewer is not None and (viewer.owns(repository.owner) or repository.id in viewer.access)

    def _current_id(self, kind: str, repo_id: str) -> str | None:
        if (kind, repo_id) in self._repositories:
            return repo_id
        if (kind, repo_id) in self._old_names:
            return self._old_names[kind, repo_id]
        lowered = repo_id.lower()
        return next(
            (id for a_kind, id in self._repositories if a_kind == kind and id.lower() == lowered), None
        )

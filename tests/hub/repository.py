"""A repository with its commits, branches and tags, kept in memory. Knows nothing about HTTP or users."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tests.hub import errors
from tests.hub.content import Content, TrackedFile
from tests.hub.metadata import DerivedMetadata, derive_metadata

FileSource = bytes | str | Path | Content
Gated = bool | str
MAIN = "main"
SHORTEST_SHA = 7


def database_id(name: str) -> str:
    """The 24 hexadecimal digits that the API calls `_id`."""
    return hashlib.sha1(name.encode()).hexdigest()[:24]


@dataclass(frozen=True)
class Commit:
    sha: str
    parent: str | None
    title: str
    description: str
    author: str
    date: datetime
    files: Mapping[str, TrackedFile]
    touched: frozenset[str]


@dataclass
class Repository:
    """One model, dataset or space. `gated` is False, "auto" or "manual"."""

    kind: str
    id: str
    created_at: datetime
    downloads: int = 0
    likes: int = 0
    trending_score: float = 0
    gated: Gated = False
    private: bool = False
    disabled: bool = False
    extra_tags: tuple[str, ...] = ()
    last_modified: datetime | None = None
    space_sdk: str | None = None
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    pull_requests: dict[str, str] = field(default_factory=dict)
    commits: dict[str, Commit] = field(default_factory=dict)
    _metadata: dict[str, DerivedMetadata] = field(default_factory=dict)

    @property
    def owner(self) -> str:
        return self.id.split("/")[0]

    @property
    def database_id(self) -> str:
        return database_id(f"{self.kind}:{self.id}:{self.created_at}")

    @property
    def sha(self) -> str:
        return self.branches[MAIN]

    @property
    def head(self) -> Commit:
        return self.commits[self.sha]

    @property
    def modified_at(self) -> datetime:
        return self.last_modified or self.head.date

    def find_commit(self, revision: str) -> Commit:
        for names in (self.branches, self.tags, self.pull_requests):
            if revision in names:
                return self.commits[names[revision]]
        if len(revision) >= SHORTEST_SHA:
            for sha, commit in self.commits.items():
                if sha.startswith(revision):
                    return commit
        raise errors.revision_not_found(revision)

    def metadata(self, commit: Commit | None = None) -> DerivedMetadata:
        commit = commit or self.head
        if commit.sha not in self._metadata:
            self._metadata[commit.sha] = derive_metadata(commit.files)
        return self._metadata[commit.sha]

    def commit(
        self,
        files: Mapping[str, FileSource],
        *,
        deleted: Iterable[str] = (),
        title: str = "Upload files",
        description: str = "",
        author: str | None = None,
        branch: str = MAIN,
        date: datetime | None = None,
        parent: str | None = None,
    ) -> Commit:
        """Add a commit on a branch (or on a `refs/pr/N`); the first one makes the branch."""
        refs = self.pull_requests if branch.startswith("refs/pr/") else self.branches
        parent = parent or refs.get(branch)
        kept = dict(self.commits[parent].files) if parent else {}
        for path in deleted:
            kept.pop(path, None)
        for path, source in files.items():
            content = source if isinstance(source, Content) else Content(source)
            kept[path] = TrackedFile(path, content)
        date = date or datetime.now(UTC)
        sha = self._commit_sha(parent, kept, title, date)
        touched = frozenset(files) | frozenset(deleted)
        commit = Commit(sha, parent, title, description, author or self.owner, date, kept, touched)
        self.commits[sha] = commit
        refs[branch] = sha
        return commit

    def branch(self, name: str, revision: str = MAIN) -> None:
        self.branches[name] = self.find_commit(revision).sha

    def tag(self, name: str, revision: str = MAIN) -> None:
        self.tags[name] = self.find_commit(revision).sha

    def history(self, commit: Commit) -> list[Commit]:
        """The commit and its ancestors, newest first."""
        commits = [commit]
        while commits[-1].parent:
            commits.append(self.commits[commits[-1].parent])
        return commits

    def last_commit_touching(self, commit: Commit, path: str) -> Commit:
        for ancestor in self.history(commit):
            if any(name == path or name.startswith(f"{path}/") for name in ancestor.touched):
                return ancestor
        return commit

    def _commit_sha(
        self, parent: str | None, files: Mapping[str, TrackedFile], title: str, date: datetime
    ) -> str:
        digest = hashlib.sha1(f"{self.kind}:{self.id}:{parent}:{title}:{date.isoformat()}".encode())
        for path, file in sorted(files.items()):
            digest.update(f"{path}:{file.content.size}".encode())
        return digest.hexdigest()

"""What was downloaded, and how it is taken away: not under anybody who uses it.

Part of the service layer: knows the answers, the runs and the files; knows nothing of the page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from adapter_ui.answers import Answers, unload_where
from adapter_ui.catalog.storage.downloaded import delete_downloaded, disk_use
from adapter_ui.catalog.storage.shared_work import is_any_running
from adapter_ui.domain import AdapterRef, DiskUse, RunState, RunStatus
from adapter_ui.errors import InvalidInput
from adapter_ui.settings import Settings

TRAINING = (RunState.RUNNING, RunState.SAVING)


class OnDisk:
    """Lists what was downloaded, and takes it away."""

    def __init__(self, settings: Settings, answers: Answers, runs: Callable[[], Iterable[RunStatus]]) -> None:
        self.settings = settings
        self.answers = answers
        self.runs = runs

    def use(self) -> DiskUse:
        return disk_use(self.settings)

    def delete(self, repo_id: str) -> None:
        """Remove all that was downloaded of a repository. A base that it is, or that holds its adapter, is
        unloaded once the answers on it have ended. Raises NotFoundOrPrivate, and InvalidInput while a run
        trains with it or something is being downloaded, merged or mixed.
        """
        for run in self.runs():
            adapters = filter(None, [run.recipe.get("adapter")])  # the one that is trained further
            if run.state in TRAINING and repo_id in repos_of(run.base_model, adapters):
                raise InvalidInput(
                    f"The run “{run.name or run.run_id}” is training with {repo_id}; pause or stop it first.",
                    field="repo_id",
                )
        if is_any_running():
            raise InvalidInput(
                "Something is being downloaded, merged or mixed, perhaps with these files; wait until it has "
                "ended, then delete them.",
                field="repo_id",
            )
        delete_downloaded(self.settings, repo_id)
        self.answers.forget_repo(repo_id)
        unload_where(self.answers.engine, lambda base: repo_id in repos_of(base.base, base.adapters))


def repos_of(base: str, adapters: Iterable[str]) -> set[str]:
    return {base, *(AdapterRef.parse(adapter).repo_id for adapter in adapters)}

"""Push an adapter's files to a repository of the Hub, in one commit, as the owner of the token given.

Nothing that lies there is replaced without a yes, and nothing becomes public that was asked to be private.
The token is used for these requests and kept nowhere. Knows nothing of what an adapter is made of.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.hf_api import ModelInfo

from adapter_ui.catalog.hub.errors import hub_errors, no_answer, offline
from adapter_ui.domain import Progress, Pushed, is_hub_id
from adapter_ui.errors import BadAdapter, InvalidInput
from adapter_ui.settings import Settings

TOKEN = re.compile(r"[\x21-\x7e]{1,400}")
MESSAGE = "Upload an adapter with Adapter UI"


@dataclass(frozen=True)
class Upload:
    """Files by their names in the repository, and how they may go there."""

    adapter: str
    repo_id: str
    files: Mapping[str, Path]
    private: bool
    overwrite: bool


def push_files(settings: Settings, upload: Upload, token: str) -> Generator[Progress, None, Pushed]:
    """Make the repository if there is none, and commit the files. Closing the iterator stops before the next
    step; a commit is whole or not there.

    Raises InvalidInput for what would be replaced or become public, BadAdapter for a README.md that the Hub
    does not accept, and HubError.
    """
    check_name(upload.repo_id)
    check_token(settings, token)
    what = f"the repository {upload.repo_id}"
    if settings.offline:
        raise offline(what)
    api = HfApi(endpoint=settings.hub_endpoint, token=token)
    yield Progress("push", f"Asking the Hub for {upload.repo_id}")
    with hub_errors(what):
        api.create_repo(upload.repo_id, private=upload.private, exist_ok=True)
        info = api.model_info(upload.repo_id)
    refuse_to_replace(upload, info)
    size = sum(path.stat().st_size for path in upload.files.values())
    yield Progress("push", f"Uploading {len(upload.files)} files, {size / 1e6:,.1f} MB")
    commit = commit_files(api, upload, info, what)
    url = f"{settings.hub_endpoint}/{info.id}"
    return Pushed(upload.adapter, info.id, url, commit, bool(info.private))


def check_name(repo_id: str) -> None:
    if not is_hub_id(repo_id) or "/" not in repo_id:
        raise InvalidInput(
            f"repo_id is “{repo_id[:120]}”; name the repository as account/name, where account is yours or "
            "an organisation's.",
            field="repo_id",
        )


def check_token(settings: Settings, token: str) -> None:
    if not token:
        other = "" if settings.on_space else ", or set HF_TOKEN before the app starts"
        raise InvalidInput(
            "Pushing to the Hub needs a token that may write; paste one of your account, which is used for "
            f"this push alone{other}.",
            field="token",
        )
    if not TOKEN.fullmatch(token):
        raise InvalidInput("The token holds characters that no token has; copy it again.", field="token")


def refuse_to_replace(upload: Upload, info: ModelInfo) -> None:
    if upload.private and info.private is False:
        raise InvalidInput(
            f"The repository {info.id} is public, and the push is to be private; make it private on the Hub, "
            "choose another name, or push with private off.",
            field="private",
        )
    there = sorted(upload.files.keys() & {sibling.rfilename for sibling in info.siblings or ()})
    if there and not upload.overwrite:
        raise InvalidInput(
            f"The repository {info.id} has {', '.join(there)} already; choose another name, or say that it "
            "may be overwritten.",
            field="overwrite",
        )


def commit_files(api: HfApi, upload: Upload, info: ModelInfo, what: str) -> str:
    """The commit, made on top of what was looked at: what others pushed meanwhile is not replaced."""
    operations = [CommitOperationAdd(name, path) for name, path in upload.files.items()]
    try:
        with hub_errors(what):
            commit = api.create_commit(
                info.id, operations, commit_message=MESSAGE, parent_commit=info.sha, num_threads=1
            )
    except ValueError as error:
        reason = " ".join(str(error).split())[:300]
        raise BadAdapter(f"The Hub does not accept the adapter's README.md: {reason}") from error
    if not commit.oid:
        raise no_answer(what)
    return commit.oid

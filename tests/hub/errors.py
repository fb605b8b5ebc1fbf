"""The Hub's refusals, with the statuses, codes and messages its clients look at.

HubError    a refusal; the functions below make one per case
Moved       not a refusal: the repository lives under another id
"""


class HubError(Exception):
    def __init__(
        self, status: int, message: str, code: str | None = None, *, commit: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.commit = commit


class Moved(Exception):
    def __init__(self, old_id: str, new_id: str) -> None:
        super().__init__(f"{old_id} moved to {new_id}")
        self.old_id = old_id
        self.new_id = new_id


def not_authenticated() -> HubError:
    return HubError(401, "Invalid username or password.")


def bad_token() -> HubError:
    return HubError(401, "Invalid credentials in Authorization header")


def repository_not_found(anonymous: bool) -> HubError:
    """An anonymous visitor is not told whether the repository exists."""
    return not_authenticated() if anonymous else HubError(404, "Repository not found", "RepoNotFound")


def gated(repo_id: str, kind: str, anonymous: bool) -> HubError:
    message = f"Access to {kind} {repo_id} is restricted"
    if anonymous:
        message += ". You must have access to it and be authenticated to access it. Please log in."
    else:
        message += f" and you are not in the authorized list. Visit /{repo_id} to ask for access."
    return HubError(401 if anonymous else 403, message, "GatedRepo")


def disabled() -> HubError:
    return HubError(403, "Access to this resource is disabled.")


def revision_not_found(revision: str) -> HubError:
    return HubError(404, f"Invalid rev id: {revision}", "RevisionNotFound")


def entry_not_found(commit: str, message: str = "Entry not found") -> HubError:
    return HubError(404, message, "EntryNotFound", commit=commit)


def forbidden(message: str) -> HubError:
    return HubError(403, message)


def bad_request(message: str) -> HubError:
    return HubError(400, message)


def conflict(message: str) -> HubError:
    return HubError(409, message)

"""Links from the page to the Hub's own pages. A ref and a path become an address; nothing is asked."""

from __future__ import annotations

from urllib.parse import quote

from markupsafe import Markup

from adapter_ui.domain import AdapterProfile, Source, is_hub_id
from adapter_ui.ui.markup import fill

DEFAULT_REVISION = "main"


def outside(address: str, text: object, title: str = "") -> Markup:
    """A link that opens beside this page, and cannot reach back into it."""
    return fill(
        '<a class="outside" href="{address}" target="_blank" rel="noopener noreferrer" title="{title}">{text}'
        "</a>",
        address=address,
        text=text,
        title=title,
    )


def repository_page(endpoint: str, name: str, revision: str | None = None) -> str:
    """The page of a repository, at a revision when one is named."""
    page = f"{endpoint}/{quote(name)}"
    return f"{page}/tree/{quote(revision, safe='')}" if revision else page


def adapter_page(endpoint: str, profile: AdapterProfile) -> str | None:
    """The page of the adapter on the Hub; None for one of this machine."""
    if profile.ref.source is not Source.HUB:
        return None
    return repository_page(endpoint, profile.ref.name, profile.ref.revision)


def file_page(endpoint: str, profile: AdapterProfile, path: str) -> str | None:
    """The page of one of the adapter's files at the commit that was inspected."""
    if profile.ref.source is not Source.HUB:
        return None
    revision = profile.commit or profile.ref.revision or DEFAULT_REVISION
    return f"{endpoint}/{quote(profile.ref.name)}/blob/{quote(revision, safe='')}/{quote(path)}"


def base_link(endpoint: str, base_id: str) -> Markup:
    """The base's name, linked to its page where the name can be one on the Hub."""
    name = fill("<code>{name}</code>", name=base_id)
    return (
        outside(repository_page(endpoint, base_id), name, "The base model on the Hub")
        if is_hub_id(base_id)
        else name
    )

"""The adapter's files with their sizes, and the other places it can be read from: folders and revisions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from markupsafe import Markup

from adapter_ui.domain import AdapterProfile, Revision, Source
from adapter_ui.ui import format
from adapter_ui.ui.details.links import DEFAULT_REVISION, file_page, outside
from adapter_ui.ui.markup import empty, fill, join, table

MOST_ROWS = 200
MOST_CHIPS = 60
READING = Markup('<p class="hint" role="status">Reading the branches and tags …</p>')


def files_table(profile: AdapterProfile, endpoint: str) -> Markup:
    """Each file with its size, the largest first, linked to the commit that was inspected."""
    if not profile.files:
        return empty("No files", "The list of files could not be read.")
    rows = [
        (file_name(profile, endpoint, name), format.size(size))
        for name, size in sorted(profile.files, key=lambda one: -(one[1] or 0))
    ]
    known = [size for _, size in profile.files if size is not None]
    total = fill(
        '<p class="hint">{files}, {size} together.{rest}</p>',
        files=format.plural(len(profile.files), "file"),
        size=format.size(sum(known)),
        rest=f" The {MOST_ROWS} largest are listed." if len(rows) > MOST_ROWS else "",
    )
    return fill("{files}{total}", files=table(("File", "Size"), rows[:MOST_ROWS], numbers=(1,)), total=total)


def file_name(profile: AdapterProfile, endpoint: str, name: str) -> Markup:
    code, page = fill("<code>{name}</code>", name=name), file_page(endpoint, profile, name)
    return outside(page, code, "This file on the Hub") if page else code


def places(
    profile: AdapterProfile, revisions: Iterable[Revision] | None = None, *, reading: bool = False
) -> Markup:
    """Which revision and folder this is, and which others there are. Revisions are asked for by a button."""
    if profile.ref.source is not Source.HUB:
        return Markup("")
    commit = fill(" · commit <code>{commit}</code>", commit=profile.commit[:12]) if profile.commit else ""
    return fill(
        '<div class="places"><p>Revision <code>{revision}</code>{commit}</p>{revisions}{folders}</div>',
        revision=profile.ref.revision or DEFAULT_REVISION,
        commit=commit,
        revisions=READING if reading else revision_chips(profile, revisions),
        folders=folder_chips(profile),
    )


def revision_chips(profile: AdapterProfile, revisions: Iterable[Revision] | None) -> Markup:
    if revisions is None:
        return Markup('<button type="button" class="copy" data-choose-revision>Other revisions</button>')
    found = tuple(revisions)
    if not found:
        return Markup('<p class="hint">It has no other branches or tags.</p>')
    current = profile.ref.revision or DEFAULT_REVISION
    chips = join(
        chip(str(replace(profile.ref, revision=one.name)), one.name, one.name == current, one.kind)
        for one in found[:MOST_CHIPS]
    )
    rest = f"and {len(found) - MOST_CHIPS:,} more on the Hub" if len(found) > MOST_CHIPS else ""
    return fill('<p class="chips">{chips} <small>{rest}</small></p>', chips=chips, rest=rest)


def folder_chips(profile: AdapterProfile) -> Markup:
    """The folders of the repository that hold an adapter each."""
    if not profile.folders:
        return Markup("")
    chips = join(
        chip(str(replace(profile.ref, folder=folder)), folder, folder == profile.ref.folder, "folder")
        for folder in profile.folders[:MOST_CHIPS]
    )
    return fill('<p class="chips"><span>Folders with an adapter</span> {chips}</p>', chips=chips)


def chip(ref: str, name: str, current: bool, kind: str) -> Markup:
    return fill(
        '<button type="button" class="choose" data-choose="{ref}" aria-pressed="{current}" '
        'title="{kind}">{name}</button>',
        ref=ref,
        name=name,
        current="true" if current else "false",
        kind=kind,
    )

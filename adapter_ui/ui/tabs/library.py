"""The Library tab: what is on this machine. Models in memory, runs, mixes, merged models, downloads, and the
starter set.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import gradio as gr
from markupsafe import Markup

from adapter_ui.domain import (
    AdapterSummary,
    DiskUse,
    Downloaded,
    Held,
    LoadedBase,
    Merged,
    Precision,
    RunStatus,
    SearchQuery,
    Source,
)
from adapter_ui.errors import InvalidInput
from adapter_ui.service import AdapterService
from adapter_ui.ui import format
from adapter_ui.ui.browsing.results_table import method_name
from adapter_ui.ui.errors import shown_to_user
from adapter_ui.ui.markup import badge, empty, fill, join
from adapter_ui.ui.page import EACH, LOOK_UP, MODEL, Page, html
from adapter_ui.ui.run_states import STATE_BADGES
from adapter_ui.ui.tuning.run import adapter_of
from adapter_ui.ui.tuning.take_away import keeps
from adapter_ui.ui.visitor import who_asks

WATCH = "adapterUI.actions(element, (name, value) => trigger('act', {name, value}))"
NOTHING_LOADED = empty("Nothing in memory", "A model is loaded when you load or try an adapter.")
NO_RUNS = empty("No runs", "What you fine-tune is listed here, with its adapter.")
NO_MIXES = empty("No mixes", "Compare LoRAs of one base in Browse, then mix them into a new adapter.")
NO_MERGED = empty("No merged models", "An adapter of your own is merged into its base from its run's view.")
NO_DOWNLOADS = empty("Nothing downloaded", "Adapters and bases of the Hub are kept here when you load them.")
NO_ADAPTERS = empty("No adapters", "The starter set is not installed.")
PARTS = (
    ("loaded", "In memory"),
    ("runs", "Runs"),
    ("mixes", "Mixes"),
    ("merged", "Merged models"),
    ("downloads", "Downloaded from the Hub"),
    ("starter", "Starter set"),
)
DOWNLOAD, MERGED = "download", "merged"
"""What a value to delete begins with, where it is neither a run nor a mix."""


def library_tab(service: AdapterService, page: Page) -> None:
    parts = []
    for name, title in PARTS:
        html(fill('<h3 class="side-title">{title}</h3>', title=title))
        parts.append(html(elem_id=f"library-{name}", js_on_load=WATCH))
    show = partial(library, service)
    # what is there last counts, also when it changes while it is looked up
    quiet = {**LOOK_UP, "show_progress": "hidden", "trigger_mode": "always_last"}
    gr.on([page.tabs.change, page.load], show, None, parts, **quiet)

    def act(request: gr.Request, event: gr.EventData) -> tuple[Any, Any]:
        return acted(service, str(event.name), str(event.value), visitor=who_asks(service, request))

    # an unload waits for the answers on its base, so it takes no place of the look-ups
    for part in parts:
        acting = part.act(act, None, [page.asked, page.tabs], show_progress="hidden", **MODEL, **EACH)
        acting.success(show, None, parts, **quiet)


def acted(service: AdapterService, name: str, value: str, *, visitor: str = "") -> tuple[Any, Any]:
    """Do what a button of a row asks: unload, delete, keep a checkpoint, or show an adapter."""
    with shown_to_user():
        if name == "unload":
            base, _, precision = value.rpartition(" ")
            service.unload(base, Precision(precision), visitor=visitor)
        elif name == "delete":
            delete(service, value, visitor)
        elif name == "keep":
            service.keep_checkpoint(value)
        elif name in ("browse", "generate"):
            return value, gr.Tabs(selected=name)
        else:
            raise InvalidInput("The page asked for something that does not exist; reload it.")
        return gr.skip(), gr.skip()


def delete(service: AdapterService, value: str, visitor: str) -> None:
    """Delete a mix by its ref, a download or a merged model by its name, or a run by its id."""
    kind, _, name = value.partition(":")
    if kind == Source.MIX:
        service.delete_mix(name, visitor=visitor)
    elif kind == DOWNLOAD:
        service.delete_downloaded(name, visitor=visitor)
    elif kind == MERGED:
        service.delete_merged(name)
    else:
        service.delete_run(value)


def library(service: AdapterService) -> list[Markup]:
    with shown_to_user():
        starter = on_this_machine(service, Source.STARTER)
        return [
            loaded_rows(service.loaded()),
            run_rows(service.runs()),
            mix_rows(on_this_machine(service, Source.MIX)),
            merged_rows(service.merged_models()),
            downloaded_rows(service.disk()),
            adapter_rows(sorted(starter, key=lambda one: str(one.ref))),
        ]


def on_this_machine(service: AdapterService, source: Source) -> tuple[AdapterSummary, ...]:
    """Without what only the Hub knows, their bases' sizes: nothing here waits for it."""
    return service.search(SearchQuery(source=source, limit=100)).adapters


def loaded_rows(loaded: Iterable[LoadedBase]) -> Markup:
    """A row for each base and precision, in whatever classes it is there: they are unloaded together."""
    copies: dict[tuple[str, Precision], list[LoadedBase]] = {}
    for one in loaded:
        copies.setdefault((one.base, one.precision), []).append(one)
    return rows(
        (
            library_row(
                base,
                [badge(precision.value, "method"), *map(badge, unique(one.device for one in same))],
                " · ".join(
                    f"{one.model_class}: {', '.join(one.adapters) or 'no adapters on it'}" for one in same
                ),
                format.size(sum(one.measured_bytes for one in same)),
                [("unload", f"{base} {precision.value}", "Unload")],
            )
            for (base, precision), same in copies.items()
        ),
        NOTHING_LOADED,
    )


def unique(items: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(items))


def run_rows(runs: Iterable[RunStatus]) -> Markup:
    return rows(
        (
            library_row(
                run.name or run.run_id,
                [badge(run.state.value, STATE_BADGES[run.state])],
                f"{format.short_name(run.base_model)[1]} · {format.day(run.created)} · "
                f"{' · '.join(filter(None, (run.error or run.message, adapter_of(run), run.notes)))}",
                f"{run.step:,} steps",
                run_actions(run),
            )
            for run in runs
        ),
        NO_RUNS,
    )


def run_actions(run: RunStatus) -> list[tuple[str, str, str]]:
    use = [("generate", run.adapter, "Try it"), ("browse", run.adapter, "Show")] if run.adapter else []
    keep = [("keep", run.run_id, f"Keep step {run.checkpoint_step:,}")] if keeps(run) else []
    return [*use, *keep, ("delete", run.run_id, "Delete")] if run.state.ended else use


def mix_rows(mixes: Iterable[AdapterSummary]) -> Markup:
    return rows(
        (adapter_row(one, [*use(one), ("delete", str(one.ref), "Delete")]) for one in mixes), NO_MIXES
    )


def merged_rows(models: Iterable[Merged]) -> Markup:
    return rows(
        (
            library_row(
                model.adapter,
                [badge(model.precision.value, "method")],
                f"merged into {model.base}",
                format.size(model.size_bytes),
                [("delete", f"{MERGED}:{model.folder}", "Delete")],
            )
            for model in models
        ),
        NO_MERGED,
    )


def downloaded_rows(disk: DiskUse) -> Markup:
    """What each repository takes, under what they take together and what is left."""
    found = rows(map(downloaded_row, disk.downloaded), NO_DOWNLOADS)
    taken = format.size(sum(one.size_bytes for one in disk.downloaded))
    many = format.plural(len(disk.downloaded), "download")
    return fill(
        '<p class="hint">{many}, {taken}; {free} are free on this disk.</p>{found}',
        many=many,
        taken=taken,
        free=format.size(disk.free_bytes),
        found=found,
    )


def downloaded_row(one: Downloaded) -> Markup:
    show = [("browse", one.repo_id, "Show")] if one.held is Held.ADAPTER else []
    return library_row(
        one.repo_id,
        [badge(one.held.value, "method")],
        f"last added to {format.day(one.changed)}",
        format.size(one.size_bytes),
        [*show, ("delete", f"{DOWNLOAD}:{one.repo_id}", "Delete")],
    )


def adapter_rows(adapters: Iterable[AdapterSummary]) -> Markup:
    return rows((adapter_row(one, use(one)) for one in adapters), NO_ADAPTERS)


def use(one: AdapterSummary) -> list[tuple[str, str, str]]:
    return [("generate", str(one.ref), "Try it"), ("browse", str(one.ref), "Show")]


def adapter_row(one: AdapterSummary, actions: Iterable[tuple[str, str, str]]) -> Markup:
    return library_row(
        one.title or one.ref.name,
        [badge(method_name(one.method), "method")] if one.method else [],
        f"{one.ref} on {one.base_model}",
        format.size(one.size_bytes),
        actions,
    )


def library_row(
    title: str, badges: Iterable[Markup], detail: str, figure: str, actions: Iterable[tuple[str, str, str]]
) -> Markup:
    """A name with badges, a line under it, a figure, and buttons as (action, value, label)."""
    buttons = join(
        fill(
            '<button type="button" class="copy" data-act="{name}" data-value="{value}" '
            'title="{label}: {title}">{label}</button>',
            title=title,
            name=name,
            value=value,
            label=label,
        )
        for name, value, label in actions
    )
    return fill(
        '<li class="library-row"><div><span class="name">{title}</span> {badges}<span class="below">'
        "{detail}</span></div>"
        '<span class="figure">{figure}</span><span class="actions">{buttons}</span></li>',
        title=title,
        badges=join(badges),
        detail=detail,
        figure=figure,
        buttons=buttons,
    )


def rows(items: Iterable[Markup], otherwise: Markup) -> Markup:
    body = join(items)
    return fill('<ul class="library">{body}</ul>', body=body) if body else otherwise

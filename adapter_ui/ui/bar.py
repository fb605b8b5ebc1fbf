"""The thin bar on top of every tab: the selected adapter, what is loaded, memory, and the dark toggle."""

from __future__ import annotations

import threading
import time
from functools import partial

import gradio as gr
from markupsafe import Markup

from adapter_ui.domain import LoadedBase, MemoryUse, Precision
from adapter_ui.service import AdapterService
from adapter_ui.ui import format
from adapter_ui.ui.errors import shown_to_user
from adapter_ui.ui.markup import fill, join, meter
from adapter_ui.ui.page import INSTANT, Page, html
from adapter_ui.ui.state import Selection

TICK_SECONDS = 3.0
LOGO = Markup(
    '<svg class="logo" viewBox="0 0 24 24" aria-hidden="true"><rect x="3" y="3" width="18" height="18" '
    'rx="5"/>'
    '<path d="M7.5 16.5L12 7.5l4.5 9M9.2 13.2h5.6"/></svg>'
)
MOON = Markup(
    '<svg viewBox="0 0 20 20" aria-hidden="true"><path d="M10 2.5a7.5 7.5 0 1 0 0 15z"/><circle cx="10" '
    'cy="10" r="7.5"/></svg>'
)


class MemorySampler:
    """One reading of memory and loaded models for everybody who looks within `seconds`."""

    def __init__(self, service: AdapterService, seconds: float = TICK_SECONDS / 2) -> None:
        self.service = service
        self.seconds = seconds
        self.lock = threading.Lock()
        self.taken_at = float("-inf")
        self.sample: tuple[MemoryUse, tuple[LoadedBase, ...]] | None = None

    def read(self) -> tuple[MemoryUse, tuple[LoadedBase, ...]]:
        with self.lock:
            if self.sample is None or time.monotonic() - self.taken_at > self.seconds:
                self.sample = (self.service.memory(), self.service.loaded())
                self.taken_at = time.monotonic()
            return self.sample


def bar(service: AdapterService, page: Page) -> None:
    """Build the bar where it is called."""
    sampler = MemorySampler(service)
    area = html(elem_id="bar", js_on_load="adapterUI.bar(element, watch)")
    render = partial(render_bar, sampler)
    page.load(render, page.selected, area, **INSTANT)
    gr.Timer(TICK_SECONDS).tick(render, page.selected, area, **INSTANT)
    page.selected.change(render, page.selected, area, **INSTANT)


def render_bar(sampler: MemorySampler, selected: Selection) -> Markup:
    with shown_to_user():
        memory, loaded = sampler.read()
        return fill(
            '<div class="top-bar"><span class="brand">{logo}<b>Adapter UI</b></span>'
            '<span class="bar-selected" data-ref="{ref}" data-on="{base_model}" data-class="{model_class}">'
            "{selected}</span>"
            '<span class="bar-loaded">{loaded}</span>'
            '<span class="bar-memory">{memory}</span>'
            '<button type="button" class="dark-toggle" data-action="dark" aria-label="Switch between '
            'light and dark" title="Light or dark">{moon}</button></div>',
            logo=LOGO,
            ref=selected.ref,
            base_model=selected.choice.base_model,
            model_class=selected.choice.model_class,
            selected=selected_chip(selected),
            loaded=loaded_chip(loaded),
            memory=memory_chip(memory),
            moon=MOON,
        )


def selected_chip(selected: Selection) -> Markup:
    if not selected.ref:
        return Markup('<span class="muted">no adapter selected</span>')
    choice = selected.choice
    return fill(
        '<span class="chip" title="Selected adapter {ref}{on_base}{as_class}"><i class="dot"></i>'
        '<span class="cut">{ref}{on_base}{as_class}</span></span>',
        ref=selected.ref,
        on_base=f" on {choice.base_model}" if choice.base_model else "",
        as_class=f" as {choice.model_class}" if choice.model_class else "",
    )


def loaded_chip(loaded: tuple[LoadedBase, ...]) -> Markup:
    if not loaded:
        return Markup('<span class="muted">nothing loaded</span>')
    copies: dict[tuple[str, Precision], list[str]] = {}
    for one in loaded:  # a base may be there in several classes
        copies.setdefault((one.base, one.precision), []).extend(one.adapters)
    return join(
        fill(
            '<span class="chip chip-quiet" title="{base} on {device}: {adapters}"><span class="cut">{name} · '
            "{precision}{count}</span></span>",
            base=base,
            device=loaded[-1].device,
            adapters=", ".join(adapters) or "no adapters",
            name=format.short_name(base)[1],
            precision=precision.value,
            count=f" · {format.plural(len(adapters), 'adapter')}" if adapters else "",
        )
        for (base, precision), adapters in list(copies.items())[-2:]
    )


def memory_chip(memory: MemoryUse) -> Markup:
    used = max(0, memory.total - memory.available)
    text = f"{format.size(used)} of {format.size(memory.total)}"
    worker = f", {format.size(memory.worker)} by models" if memory.worker else ""
    share = used / memory.total if memory.total else 0
    return fill(
        '<span class="memory" title="{text} of memory in use{worker}">{bar}<span class="figure">'
        "{text}</span></span>",
        text=text,
        worker=worker,
        bar=meter(share, f"{text} of memory in use", "over" if share > 0.9 else "accent"),
    )

"""The panel under a comparison that mixes its adapters into a new one, and leads on to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gradio as gr
from markupsafe import Markup

from adapter_ui.domain import Level, Progress
from adapter_ui.errors import InvalidInput
from adapter_ui.service import AdapterService
from adapter_ui.ui import format
from adapter_ui.ui.errors import shown_to_user, staying
from adapter_ui.ui.markup import at_rest, fill, notice, progress
from adapter_ui.ui.mixing.form import mix_form, options_for, recipe_of, weights_for
from adapter_ui.ui.page import EACH, INSTANT, MODEL, SETS_STATE, Page, html
from adapter_ui.ui.visitor import for_visitor

WATCH = "adapterUI.actions(element, (name, value) => trigger('act', {name, value}))"
HINT = Markup(
    '<p class="hint">LoRAs of one base become one adapter, as PEFT mixes them. A weight of 1 is an adapter '
    "as it was trained; below 0 takes away what it learned.</p>"
)
STOPPED = Markup('<p class="hint">Stopped: nothing was mixed.</p>')


def mix_panel(
    service: AdapterService, page: Page, asked: gr.State, refs_of: Callable[[Any], Sequence[str]]
) -> None:
    """Build the panel; `asked` is the comparison's question, and `refs_of` tells its adapters."""
    with gr.Accordion("Mix into a new adapter", open=False, visible=False, elem_id="mix-panel") as panel:
        html(HINT)
        form = mix_form()
        with gr.Row(elem_id="mix-buttons"):
            start = gr.Button("Mix", variant="primary", scale=0, min_width=140, elem_id="mix-start")
            cancel = gr.Button(
                "Cancel", variant="stop", scale=0, min_width=140, visible=False, elem_id="mix-cancel"
            )
        result = html(elem_id="mix-result", js_on_load=WATCH)
    shown = [start, cancel, result]

    def follow(question: Any) -> list[Any]:
        return [*weights_for(refs_of(question)), ""]

    def begin(
        service: AdapterService, question: Any, *values: Any, visitor: str
    ) -> Iterator[tuple[Any, Any, Markup]]:
        yield from mix(service, refs_of(question), values, visitor=visitor)

    asked.change(follow, asked, [panel, *form.weights, result], **INSTANT)
    form.combination.input(options_for, form.combination, form.options, **INSTANT)
    mixing = gr.on(
        [start.click, form.name.submit],
        for_visitor(service, begin),
        [asked, *form.values],
        shown,
        show_progress="hidden",
        **MODEL,
    )
    mixing.failure(not_mixed, result, shown, **INSTANT)
    cancel.click(stopped, None, shown, cancels=[mixing], **INSTANT)
    result.act(use, None, [page.asked, page.tabs], **SETS_STATE, **EACH)


def mix(
    service: AdapterService, refs: Sequence[str], values: Sequence[Any], *, visitor: str = ""
) -> Iterator[tuple[Any, Any, Markup]]:
    """Mix with progress; closing the stream stops it."""

    def refused(sentence: str) -> tuple[Any, Any, Markup]:
        return *buttons(mixing=False), notice(f"Nothing was mixed. {sentence}", Level.BLOCKER)

    yield from staying(steps_of_mix(service, refs, values, visitor), refused)


def steps_of_mix(
    service: AdapterService, refs: Sequence[str], values: Sequence[Any], visitor: str
) -> Iterator[tuple[Any, Any, Markup]]:
    recipe = recipe_of(refs, values)
    yield *buttons(mixing=True), progress(Progress("start", "Starting"))
    for event in service.mix(recipe, visitor=visitor):
        if isinstance(event, Progress):
            yield *buttons(mixing=True), progress(event)
        else:
            yield *buttons(mixing=False), mixed(service, str(event))


def buttons(*, mixing: bool) -> tuple[Any, Any]:
    """Mix and Cancel."""
    return gr.Button(visible=not mixing), gr.Button(visible=mixing)


def mixed(service: AdapterService, ref: str) -> Markup:
    """What came of it, with the ways on."""
    found = service.inspect(ref)
    figures = ", ".join(
        filter(None, [f"rank {found.rank}" if found.rank else "", format.size(found.size_bytes)])
    )
    return fill(
        '{notice}<div class="mix-next">{buttons}</div>',
        notice=notice(f"{ref} is ready: {figures}.", Level.GOOD),
        buttons=Markup("").join(
            fill(
                '<button type="button" class="copy" data-act="{tab}" data-value="{ref}">{label}</button>',
                tab=tab,
                ref=ref,
                label=label,
            )
            for tab, label in (("browse", "Select it"), ("generate", "Try it"))
        ),
    )


def stopped() -> tuple[Any, Any, Markup]:
    return *buttons(mixing=False), STOPPED


def not_mixed(result: str) -> tuple[Any, Any, str]:
    """After an error, which the result says, and after Cancel, when a step may have come late."""
    return *buttons(mixing=False), at_rest(result, STOPPED)


def use(event: gr.EventData) -> tuple[str, Any]:
    """Select the new adapter and show it in a tab."""
    with shown_to_user():
        if event.name not in ("browse", "generate"):
            raise InvalidInput("The page asked for something that does not exist; reload it.")
        return str(event.value)[:400], gr.Tabs(selected=event.name)

"""What a reload brings back of a fine-tune being prepared: pasted rows, their columns, and the recipe.

The browser keeps it, and anyone can write there: what does not fit its field is left out. An uploaded file is
not kept.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import gradio as gr
from gradio.events import Dependency

from adapter_ui.training.methods import METHODS, OWN_FIELDS
from adapter_ui.ui.page import INSTANT, LOOK_UP, Page
from adapter_ui.ui.tuning.data import FORMS, MOST_KEPT_TEXT, SLOTS, DataStep, RowsDraft
from adapter_ui.ui.tuning.method import method_fields

ROWS = ("text", "form", *(f"column {at}" for at in range(SLOTS)))
LONGEST_VALUE = 4_000


def draft_events(page: Page, data: DataStep, fields: dict[str, gr.Component]) -> None:
    """Keep what changes, and bring it back when the page opens."""
    step = [data.form, *data.slots]
    rows = dict(zip(ROWS, [data.text, *step], strict=True))
    keep(page.kept_rows, rows, [one.input for one in step])
    keep_after(data.reading, page.kept_rows, rows)
    keep(page.kept_recipe, fields, [field.change for field in fields.values()])
    back = page.load(
        partial(recalled, fields),
        [page.kept_rows, page.kept_recipe],
        [data.text, data.draft, *fields.values()],
        show_progress="hidden",
        **LOOK_UP,
    )
    back.then(None, None, None, js="() => adapterUI.keepDrafts()", api_visibility="private")


def keep(kept: gr.BrowserState, fields: dict[str, gr.Component], changes: list[Any]) -> None:
    gr.on(changes, None, [kept, *fields.values()], kept, js=script(fields), **INSTANT)


def keep_after(event: Dependency, kept: gr.BrowserState, fields: dict[str, gr.Component]) -> None:
    event.then(None, [kept, *fields.values()], kept, js=script(fields), **INSTANT)


def script(fields: dict[str, gr.Component]) -> str:
    """What was kept before, until the page is restored from it; then the values by their names."""
    names = json.dumps(list(fields))
    return f"(kept, ...values) => adapterUI.draft(kept, {names}, values, {MOST_KEPT_TEXT})"


def recall_rows(kept: object) -> RowsDraft:
    values = kept if isinstance(kept, dict) else {}
    text, form, *columns = (values.get(name) for name in ROWS)
    if not isinstance(text, str) or len(text) > MOST_KEPT_TEXT:
        return RowsDraft()
    chosen = tuple(column if isinstance(column, str) else "" for column in columns)
    return RowsDraft(text, form, chosen) if form in FORMS else RowsDraft(text)


def recalled(fields: dict[str, gr.Component], rows: object, recipe: object) -> list[Any]:
    """The pasted text and what was chosen of it, then each field: shown as its method has it, with the value
    that was kept.
    """
    kept = recipe if isinstance(recipe, dict) else {}
    fitting = {name: kept[name] for name, field in fields.items() if name in kept and fits(field, kept[name])}
    own = [name for name in fields if name in OWN_FIELDS]
    method = fitting.get("method")
    info, *of_method = method_fields(own, method) if method in METHODS else [{}] * (1 + len(own))
    updates = {"method": info, **dict(zip(own, of_method, strict=True))}
    draft = recall_rows(rows)
    return [
        draft.text or gr.skip(),
        draft,
        *(
            gr.update(**updates.get(name, {}) | ({"value": fitting[name]} if name in fitting else {}))
            for name in fields
        ),
    ]


def fits(field: gr.Component, value: object) -> bool:
    if isinstance(field, gr.Dropdown):
        return isinstance(value, str) and value in [choice for _, choice in field.choices]
    if isinstance(field, gr.Checkbox):
        return isinstance(value, bool)
    if isinstance(field, gr.Number):
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, str) and len(value) <= (field.max_length or LONGEST_VALUE)

"""What a reload brings back of a fine-tune being prepared: pasted rows, their columns, and the recipe.

The browser keeps it, and anyone can write there: what does not fit its field is left out. An uploaded file is
not kept.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import gradio as gr

from adapter_ui.training.methods import METHODS, OWN_FIELDS
from adapter_ui.ui.kept import MOST_KEPT_TEXT, fitting, keep, keep_after, keep_from_now
from adapter_ui.ui.page import LOOK_UP, Page
from adapter_ui.ui.tuning.data import FORMS, SLOTS, DataStep, RowsDraft
from adapter_ui.ui.tuning.method import method_fields

ROWS = ("text", "form", *(f"column {at}" for at in range(SLOTS)))
FORM = "fine-tune"


def draft_events(page: Page, data: DataStep, fields: dict[str, gr.Component]) -> None:
    """Keep what changes, and bring it back when the page opens."""
    step = [data.form, *data.slots]
    rows = dict(zip(ROWS, [data.text, *step], strict=True))
    keep(FORM, page.kept_rows, rows, [one.input for one in step])
    keep_after(FORM, data.reading, page.kept_rows, rows)
    keep(FORM, page.kept_recipe, fields, [field.change for field in fields.values()])
    back = page.load(
        partial(recalled, fields),
        [page.kept_rows, page.kept_recipe],
        [data.text, data.draft, *fields.values()],
        show_progress="hidden",
        **LOOK_UP,
    )
    keep_from_now(FORM, back)


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
    kept = fitting(fields, recipe)
    own = [name for name in fields if name in OWN_FIELDS]
    method = kept.get("method")
    info, *of_method = method_fields(own, method) if method in METHODS else [{}] * (1 + len(own))
    updates = {"method": info, **dict(zip(own, of_method, strict=True))}
    draft = recall_rows(rows)
    return [
        draft.text or gr.skip(),
        draft,
        *(
            gr.update(**updates.get(name, {}) | ({"value": kept[name]} if name in kept else {}))
            for name in fields
        ),
    ]

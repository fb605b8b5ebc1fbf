"""The recipe's fields that are chosen for the situation: empty until somebody fills them, and each shows what
it is then, and why. Knows nothing of how the values are chosen.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import gradio as gr

from adapter_ui.errors import AdapterUIError
from adapter_ui.service import AdapterService
from adapter_ui.training.defaults import Default, RowFacts
from adapter_ui.training.recipe import FIELD_HELP
from adapter_ui.ui.page import LOOK_UP, SETS_STATE
from adapter_ui.ui.tuning.fields import FOLLOWING, following_choices

Job = Callable[[tuple[Any, ...]], tuple[dict[str, Any], Any]]
RecipeOf = Callable[[tuple[Any, ...]], dict[str, Any]]
# A base is looked up once its field is left.
DECIDING = ("method", "adapter")


def default_events(
    service: AdapterService,
    job_of: Job,
    job: list[gr.Component],
    recipe_of: RecipeOf,
    deciding: list[gr.Component],
    fields: dict[str, gr.Component],
    rows: gr.State,
    shown: Callable[..., Any],
) -> None:
    """Read the `rows` when the step is `shown`. Draw the defaults then, once the rows are known, and after
    each change that decides them. All of it is one event: of two, an older answer could come last.
    """
    shown(partial(rows_of, service, job_of), job, rows, **SETS_STATE)
    changes = [fields[name].change for name in DECIDING]
    gr.on(
        [shown, rows.change, fields["base_model"].blur, *changes],
        partial(draw, service, recipe_of),
        [rows, *deciding],
        [fields[name] for name in FOLLOWING],
        trigger_mode="always_last",
        show_progress="hidden",
        **LOOK_UP,
    )


def rows_of(service: AdapterService, job_of: Job, *values: Any) -> RowFacts:
    """Rows that cannot be read are the data step's to complain of."""
    try:
        recipe, data = job_of(values)
        return service.row_facts(recipe, data) if str(data).strip() else RowFacts()
    except AdapterUIError:
        return RowFacts()


def draw(service: AdapterService, recipe_of: RecipeOf, rows: RowFacts, *values: Any) -> list[Any]:
    """What cannot be told yet stays as it is: half a recipe is no error before the check."""
    try:
        found = service.finetune_defaults(recipe_of(values), rows)
    except AdapterUIError:
        return [gr.skip()] * len(FOLLOWING)
    return [shown_default(name, found[name]) for name in FOLLOWING]


def shown_default(name: str, default: Default) -> gr.Textbox | gr.Dropdown:
    info = f"{FIELD_HELP[name]} {explained(default)}"
    if choices := FOLLOWING[name]:
        return gr.Dropdown(choices=following_choices(choices, default.value), info=info)
    return gr.Textbox(placeholder=worded(default.value), info=info)


def explained(default: Default) -> str:
    return f"{worded(default.value)} by default: {default.reason}."


def worded(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:g}"

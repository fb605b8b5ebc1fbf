"""Step 1: the rows. Pasted or uploaded, shown as they were read, and what each column is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from markupsafe import Markup

from adapter_ui.domain import Table
from adapter_ui.service import AdapterService
from adapter_ui.training.examples import guess_columns
from adapter_ui.ui import format
from adapter_ui.ui.errors import shown_to_user
from adapter_ui.ui.markup import empty, fill, join, notice, table
from adapter_ui.ui.page import INSTANT, LOOK_UP, html
from adapter_ui.ui.tuning.example import example_rows
from adapter_ui.ui.tuning.hub_dataset import fetch_event, hub_dataset

SHOWN_ROWS, SHOWN_DROPPED, LONGEST_CELL = 6, 5, 160
MOST_TEXT = 2_000_000
MOST_KEPT_TEXT = 200_000
FORMS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    # what a row is: its task, and the roles of its columns, the ones after "|" optional
    "Prompt and answer": ("CAUSAL_LM", ("prompt", "completion", "input", "system")),
    "Conversations": ("CAUSAL_LM", ("messages", "system")),
    "Plain text": ("CAUSAL_LM", ("text",)),
    "Text and label": ("SEQ_CLS", ("text", "label", "text_pair")),
    "Words and tags": ("TOKEN_CLS", ("tokens", "tags")),
    "Text to text": ("SEQ_2_SEQ_LM", ("prompt", "completion", "input")),
    "Question on a text": ("QUESTION_ANS", ("question", "context", "answer", "answer_start")),
}
OPTIONAL = {"input", "system", "text_pair", "answer_start"}
SLOTS = 4
KEPT_HINT = Markup(
    '<p class="hint">A reload brings pasted rows (up to 200 kB) and the recipe back; a file has to be '
    "chosen again.</p>"
)
DROP_FILE = "(text, file) => [text.trim() ? null : file]"  # in the browser, for it is done at each key
NO_ROWS = empty("No rows yet", "Paste rows, upload a file, or take the example.")


@dataclass(frozen=True)
class DataStep:
    """What the other steps read: pasted text, uploaded file, the form of a row, a column for each role.

    `changes` are the events after which rows or columns are others, `tokens` where they are shown as tokens.
    """

    text: gr.Textbox
    file: gr.File
    form: gr.Radio
    slots: tuple[gr.Dropdown, ...]
    preview: gr.HTML
    columns: gr.Row
    tokens: gr.HTML
    changes: tuple[gr.events.Dependency, ...]

    @property
    def inputs(self) -> list[gr.Component]:
        return [self.text, self.file, self.form, *self.slots]

    @property
    def outputs(self) -> list[Any]:
        """Where the rows are shown once they are read."""
        return [self.preview, self.form, self.columns, *self.slots]


def data_step(service: AdapterService) -> tuple[DataStep, gr.Button]:
    """Build the step; gives its components and the button that goes on."""
    text, file, example = row_inputs()
    hub = hub_dataset()
    preview = html(NO_ROWS, elem_id="data-preview")
    form = gr.Radio(
        list(FORMS), value="Prompt and answer", label="A row is", visible=False, elem_id="data-form"
    )
    with gr.Row(visible=False, elem_id="data-columns") as columns:
        slots = tuple(
            gr.Dropdown([], label="", min_width=120, visible=False, elem_id=f"column-{at}")
            for at in range(SLOTS)
        )
    tokens = html("", elem_id="data-tokens")
    onward = gr.Button("Continue to the recipe", variant="primary", elem_id="data-next")
    read = partial(shown_table, service)
    outputs = [preview, form, columns, *slots]
    reading = {**LOOK_UP, "show_progress": "hidden", "trigger_mode": "always_last"}
    # not at each key, for half a row is no row; the page's script leaves the field after a paste
    # what was given last counts: other text takes the file's place; a paste is no `input` to Gradio
    text.change(None, [text, file], file, js=DROP_FILE, **INSTANT)
    given = gr.on([text.blur, file.upload, file.clear], read, [text, file], outputs, **reading)
    given.failure(no_table, None, outputs, **INSTANT)
    taken = example.click(lambda: (example_rows(), None), None, [text, file], **INSTANT).then(
        read, [text, file], outputs, **reading
    )
    fetched = fetch_event(service, hub, file).success(read, [text, file], outputs, **reading)
    fetched.failure(no_table, None, outputs, **INSTANT)
    formed = form.input(partial(shown_slots, service), [text, file, form], list(slots), **reading)
    changes = (given, taken, fetched, formed)
    return DataStep(text, file, form, slots, preview, columns, tokens, changes), onward


def row_inputs() -> tuple[gr.Textbox, gr.File, gr.Button]:
    """Pasted text, an uploaded file, and the example."""
    with gr.Row(equal_height=False):
        with gr.Column(scale=3, min_width=300):
            text = gr.Textbox(
                "",
                label="Rows",
                lines=9,
                max_lines=9,
                placeholder="CSV with a header, a JSON list, or one JSON object a "
                'line:\n{"prompt": "…", "completion": "…"}',
                max_length=MOST_TEXT,
                elem_id="data-text",
            )
        with gr.Column(scale=2, min_width=240):
            file = gr.File(
                label="or a file: CSV, JSON, Parquet, TXT",
                file_types=[".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet", ".txt"],
                height=150,
                elem_id="data-file",
            )
            html(KEPT_HINT)
            example = gr.Button("Take the example: 30 rows of pirate talk", size="sm", elem_id="data-example")
    return text, file, example


def source_of(text: str, file: str | None) -> str | Path:
    """What the service reads: the uploaded file where there is one, else the pasted text."""
    return Path(file) if file else text


def shown_table(
    service: AdapterService,
    text: str,
    file: str | None,
    chosen_form: str = "",
    chosen_columns: tuple[str, ...] = (),
) -> list[Any]:
    """The first rows, their form, and a choice of column for each role; guessed unless they were chosen."""
    if not text.strip() and not file:
        return no_table()
    with shown_to_user():
        rows = service.read_table(source_of(text, file))
        form, columns = guess_form(rows)
        if chosen_form and set(chosen_columns) <= {"", *rows.columns}:
            form, columns = chosen_form, columns_of(chosen_form, chosen_columns)
        return [
            preview_of(rows),
            gr.Radio(value=form, visible=True),
            gr.Row(visible=True),
            *slot_updates(rows, form, columns),
        ]


def no_table() -> list[Any]:
    """Nothing to show, not what was read before: what is there now are no rows."""
    return [
        NO_ROWS,
        gr.Radio(visible=False),
        gr.Row(visible=False),
        *[gr.Dropdown(visible=False)] * SLOTS,
    ]


def shown_slots(service: AdapterService, text: str, file: str | None, form: str) -> list[gr.Dropdown]:
    with shown_to_user():
        rows = service.read_table(source_of(text, file))
        return slot_updates(rows, form, guess_columns(rows, FORMS[form][0]))


def guess_form(rows: Table) -> tuple[str, dict[str, str]]:
    """The form of a row and its columns, by name. Plain text counts last: labels stand beside texts too.

    Whether an answer is found in the context or written, its place tells; for text to text the base decides,
    which is chosen later.
    """
    answered = guess_columns(rows, "QUESTION_ANS")
    if "answer_start" in answered or "answers" in answered.values():
        return "Question on a text", answered
    causal = guess_columns(rows, "CAUSAL_LM")
    if "messages" in causal:
        return "Conversations", causal
    if "prompt" in causal:
        return "Prompt and answer", causal
    for form in ("Words and tags", "Text and label"):
        if columns := guess_columns(rows, FORMS[form][0]):
            return form, columns
    return ("Plain text" if causal else "Prompt and answer"), causal


def slot_updates(rows: Table, form: str, columns: Mapping[str, str]) -> list[gr.Dropdown]:
    roles = FORMS[form][1]
    updates = []
    for at in range(SLOTS):
        if at >= len(roles):
            updates.append(gr.Dropdown([("–", "")], value="", visible=False))
            continue
        label = f"{roles[at]} (optional)" if roles[at] in OPTIONAL else roles[at]
        choices = [("–", ""), *((column, column) for column in rows.columns)]
        updates.append(gr.Dropdown(choices, value=columns.get(roles[at], ""), label=label, visible=True))
    return updates


def columns_of(form: str, chosen: tuple[str, ...]) -> dict[str, str]:
    """Role -> column, for the recipe; roles that no column was chosen for are left out."""
    return {role: column for role, column in zip(FORMS[form][1], chosen, strict=False) if column}


def preview_of(rows: Table) -> Markup:
    lines = [[shortened(row.get(column)) for column in rows.columns] for row in rows.rows[:SHOWN_ROWS]]
    more = len(rows.rows) - len(lines)
    count = f"{format.plural(len(rows.rows), 'row')}{f', the first {len(lines)} shown' if more > 0 else ''}"
    dropped = Markup("")
    if rows.dropped_rows:
        reasons = join(fill("<li>{reason}</li>", reason=reason) for reason in rows.dropped[:SHOWN_DROPPED])
        head = notice(f"{format.plural(rows.dropped_rows, 'row')} cannot be used and will be left out:")
        dropped = fill('{head}<ul class="notes">{reasons}</ul>', head=head, reasons=reasons)
    return fill(
        '<p class="hint">{count}</p>{table}{dropped}',
        count=count,
        table=table(rows.columns, lines),
        dropped=dropped,
    )


def shortened(value: object) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= LONGEST_CELL else f"{text[:LONGEST_CELL]}…"

"""Step 1: the rows. Pasted or uploaded, shown as they were read, and what each column is."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from markupsafe import Markup

from adapter_ui.domain import Level, Table
from adapter_ui.errors import AdapterUIError, InvalidRecipe
from adapter_ui.service import AdapterService
from adapter_ui.training.examples import guess_columns
from adapter_ui.ui import format
from adapter_ui.ui.errors import shown_to_user
from adapter_ui.ui.markup import empty, fill, join, notice, table
from adapter_ui.ui.page import INSTANT, LOOK_UP, SETS_STATE, html
from adapter_ui.ui.tuning.example import example_rows
from adapter_ui.ui.tuning.hub_dataset import fetch_event, hub_dataset

SHOWN_ROWS, SHOWN_DROPPED, LONGEST_CELL = 6, 5, 160
MOST_TEXT = 2_000_000
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
SHARED = notice(
    "This Space is shared: everybody who opens it can see your run, its rows and its adapter. Duplicate the "
    "Space to have your own.",
    Level.INFO,
)
DROP_FILE = "(text, file) => [text.trim() ? null : file]"  # in the browser, for it is done at each key
NO_ROWS = empty("No rows yet", "Paste rows, upload a file, or take the example.")


@dataclass(frozen=True)
class RowsDraft:
    """Pasted rows, the form of a row, and the columns chosen for its roles, in their order."""

    text: str = ""
    form: str = ""
    columns: tuple[str, ...] = ()

    def choice(self, rows: Table) -> tuple[str, dict[str, str]] | None:
        """The form and the columns, unless these rows have no such columns."""
        fitting = self.form and set(self.columns) <= {"", *rows.columns}
        return (self.form, columns_of(self.form, self.columns)) if fitting else None


@dataclass(frozen=True)
class Shown:
    """Which rows are on screen, and in which form: "" where they could not be read."""

    source: int = 0
    form: str = ""

    @classmethod
    def of(cls, text: str, file: str | None, form: str) -> Shown:
        return cls(hash((text, file)), form)


@dataclass(frozen=True)
class DataStep:
    """What the other steps read: pasted text, uploaded file, the form of a row, which rows are shown, and a
    column for each role.

    `draft` takes what a reload brings back. `reading` is the event after which rows or columns are others;
    it sets `shown`. `tokens` is where they are shown as tokens.
    """

    text: gr.Textbox
    file: gr.File
    form: gr.Radio
    slots: tuple[gr.Dropdown, ...]
    tokens: gr.HTML
    draft: gr.State
    shown: gr.State
    reading: gr.events.Dependency

    @property
    def inputs(self) -> list[gr.Component]:
        return [self.text, self.file, self.form, self.shown, *self.slots]


def data_step(service: AdapterService) -> tuple[DataStep, gr.Button]:
    """Build the step; gives its components and the button that goes on."""
    if service.settings.on_space:
        html(SHARED, elem_id="data-shared")
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
    shown, draft, brought = gr.State(Shown()), gr.State(RowsDraft()), gr.State(0)
    # what was given last counts: other text takes the file's place; a paste is no `input` to Gradio
    text.change(None, [text, file], file, js=DROP_FILE, **INSTANT)
    example.click(lambda: (example_rows(), None, unlike()), None, [text, file, brought], **SETS_STATE)
    fetch_event(service, hub, file).success(unlike, None, brought, **SETS_STATE)
    # not at each key, for half a row is no row; the page's script leaves the field after a paste
    reading = gr.on(
        [text.blur, file.upload, file.clear, brought.change, draft.change, form.input],
        partial(read_rows, service),
        [text, file, form, shown, draft],
        [preview, form, columns, *slots, shown],
        trigger_mode="always_last",  # one event for all: of several, an older answer could come last
        show_progress="hidden",
        **LOOK_UP,
    )
    return DataStep(text, file, form, slots, tokens, draft, shown, reading), onward


def unlike() -> int:
    """A value that no state has had, so that it changes."""
    return time.monotonic_ns()


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


def read_rows(
    service: AdapterService, text: str, file: str | None, form: str, shown: Shown, draft: RowsDraft
) -> list[Any]:
    """Draw what is there now: other rows than those `shown`, or another form for the same ones.

    A refusal is drawn and not raised: Gradio drops the reading that waits behind one that fails.
    """
    now = Shown.of(text, file, form)
    if now == shown:
        return [gr.skip()] * (4 + SLOTS)
    if not text.strip() and not file:
        return [*no_table(NO_ROWS), Shown()]
    with shown_to_user():
        try:
            rows = service.read_table(source_of(text, file))
        except AdapterUIError as error:
            return [*no_table(notice(error.message, Level.BLOCKER)), Shown(now.source)]
    if shown.form and now.source == shown.source:
        columns = guess_columns(rows, *FORMS[form])
        return [*[gr.skip()] * 3, *slot_updates(rows, form, columns), now]
    kept = draft.choice(rows) if text == draft.text and not file else None
    form, columns = kept or guess_form(rows)
    return [*table_shown(rows, form, columns), Shown(now.source, form)]


def table_shown(rows: Table, form: str, columns: Mapping[str, str]) -> list[Any]:
    """The first rows, their form, and a choice of column for each role."""
    return [
        preview_of(rows),
        gr.Radio(value=form, visible=True),
        gr.Row(visible=True),
        *slot_updates(rows, form, columns),
    ]


def no_table(why: Markup) -> list[Any]:
    """Nothing to show, not what was read before: what is there now are no rows."""
    return [why, gr.Radio(visible=False), gr.Row(visible=False), *[gr.Dropdown(visible=False)] * SLOTS]


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


def refuse_unsure_columns(now: Shown, shown: Shown, chosen: tuple[str, ...]) -> None:
    """Raises InvalidRecipe (field "columns") when the rows that are `shown` are those of `now`, and a role
    has no column, for a guess could train another form; or the columns are still those of another form. Of
    other rows the columns are told later.
    """
    if not shown.form or shown.source != now.source:
        return
    if shown.form != now.form:
        raise InvalidRecipe(
            f"The columns of “{now.form}” are being read; try again in a moment.", field="columns"
        )
    told = columns_of(now.form, chosen)
    if missing := [role for role in FORMS[now.form][1] if role not in OPTIONAL and role not in told]:
        raise InvalidRecipe(f"Choose a column for {' and '.join(missing)}.", field="columns")


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

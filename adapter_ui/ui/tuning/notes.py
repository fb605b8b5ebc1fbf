"""The title and the notes of the run in view, to be edited; they are shown when another run comes into
view, and when somebody has changed them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from adapter_ui.domain import RunStatus
from adapter_ui.service import AdapterService
from adapter_ui.ui.errors import shown_to_user
from adapter_ui.ui.page import SETS_STATE


@dataclass(frozen=True)
class NotesForm:
    form: gr.Accordion
    title: gr.Textbox
    notes: gr.Textbox
    save: gr.Button

    @property
    def fields(self) -> list[gr.Component]:
        return [self.title, self.notes]


def notes_form() -> NotesForm:
    with gr.Accordion("Name and notes", open=False, visible=False, elem_id="run-notes") as form:
        title = gr.Textbox(label="Title", max_lines=1, elem_id="run-title")
        notes = gr.Textbox(label="Notes", lines=3, max_lines=12, elem_id="run-notes-text")
        save = gr.Button("Save", scale=0, min_width=110, elem_id="save-notes")
    return NotesForm(form, title, notes, save)


def notes_events(service: AdapterService, form: NotesForm, drawn: gr.State) -> None:
    form.save.click(partial(rename, service), [drawn, *form.fields], form.form, **SETS_STATE)


def form_shown(run: RunStatus | None, *, anew: bool) -> list[Any]:
    """The form and its fields; texts are left alone, for somebody may be writing there, unless they are to be
    shown `anew`.
    """
    texts = (run.name, run.notes) if anew and run else (gr.skip(), gr.skip())
    return [gr.Accordion(visible=run is not None), *texts]


def rename(service: AdapterService, run_id: str, title: str, notes: str) -> gr.Accordion:
    """Write both down and fold the form."""
    with shown_to_user():
        service.rename_run(run_id, title, notes)
        return gr.Accordion(open=False)

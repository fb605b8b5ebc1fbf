"""The title and the notes of the run in view, to be edited; they are read when the form is unfolded."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

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


def notes_form() -> NotesForm:
    with gr.Accordion("Name and notes", open=False, visible=False, elem_id="run-notes") as form:
        title = gr.Textbox(label="Title", max_lines=1, elem_id="run-title")
        notes = gr.Textbox(label="Notes", lines=3, max_lines=12, elem_id="run-notes-text")
        save = gr.Button("Save", scale=0, min_width=110, elem_id="save-notes")
    return NotesForm(form, title, notes, save)


def notes_events(service: AdapterService, form: NotesForm, shown: gr.State) -> None:
    # another run may come into view before the form is folded: its texts are never written to that one
    edited = gr.State("")
    fields = [edited, form.title, form.notes]
    form.form.expand(partial(written, service), shown, fields, **SETS_STATE)
    form.save.click(partial(rename, service), fields, form.form, **SETS_STATE)


def form_shown(run: RunStatus | None, *, another: bool) -> gr.Accordion:
    """Folded once another run comes into view: what is written there is always about the run in view."""
    if another:
        return gr.Accordion(visible=run is not None, open=False)
    return gr.Accordion(visible=run is not None)


def written(service: AdapterService, run_id: str) -> tuple[str, str, str]:
    with shown_to_user():
        run = service.run(run_id)
        return run_id, run.name, run.notes


def rename(service: AdapterService, run_id: str, title: str, notes: str) -> gr.Accordion:
    """Write both down, and fold the form: it reads them anew when it is unfolded for another run."""
    with shown_to_user():
        service.rename_run(run_id, title, notes)
        return gr.Accordion(open=False)

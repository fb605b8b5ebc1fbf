"""What the run in view gives to take away: its adapter, a script that trains it again, or its checkpoint.

A file is written when it is asked for. It comes into a hidden component, from whose address the browser then
saves it: a DownloadButton of Gradio would save what it held before the click.
"""

from __future__ import annotations

from functools import partial

import gradio as gr
from gradio.events import Dependency

from adapter_ui.domain import RunStatus
from adapter_ui.service import AdapterService
from adapter_ui.ui.download import exported_file
from adapter_ui.ui.errors import shown_to_user
from adapter_ui.ui.page import INSTANT, LOOK_UP

LABELS = {"adapter": "Download adapter", "script": "Download script"}
KEEP, KEEP_LABEL = "keep", "Keep the checkpoint"
SAVE = (
    "(file) => Object.assign(document.createElement('a'), {href: file.url, download: file.orig_name}).click()"
)


def take_away_buttons() -> dict[str, gr.Button]:
    """One button a format, and one that keeps a checkpoint; shown by `take_away_shown`."""
    downloads = {
        format: gr.Button(label, visible=False, elem_id=f"download-{format}")
        for format, label in LABELS.items()
    }
    return {**downloads, KEEP: gr.Button(visible=False, elem_id="keep-checkpoint")}


def take_away_events(service: AdapterService, run_buttons: dict[str, gr.Button], shown: gr.State) -> None:
    file = gr.DownloadButton(visible="hidden")
    for format in LABELS:
        taking = run_buttons[format].click(partial(taken, service, format), shown, file, **LOOK_UP)
        save_when_ready(taking, file)
    run_buttons[KEEP].click(partial(keep, service), shown, None, **LOOK_UP)


def save_when_ready(writing: Dependency, file: gr.DownloadButton) -> None:
    """Let the browser save the file that an event puts into a hidden component."""
    writing.success(None, file, None, js=SAVE, **INSTANT)


def keep(service: AdapterService, run_id: str) -> None:
    with shown_to_user():
        service.keep_checkpoint(run_id)


def taken(service: AdapterService, format: str, run_id: str) -> str:
    with shown_to_user():
        return exported_file(service, run_id, format)


def take_away_shown(run: RunStatus | None) -> list[gr.Button]:
    """The adapter of a run that has ended; the script of one that has trained on a base alone; the checkpoint
    of one that broke off and left no adapter.
    """
    ended = run is not None and run.state.ended and run.adapter is not None
    from_a_base = run is not None and run.step > 0 and not run.recipe.get("adapter")
    return [
        gr.Button(visible=ended),
        gr.Button(visible=from_a_base),
        gr.Button(KEEP_LABEL, visible=keeps(run)),
    ]


def keeps(run: RunStatus | None) -> bool:
    """Whether the run broke off with a checkpoint and no adapter."""
    return run is not None and run.resumable and bool(run.checkpoint_step) and run.adapter is None

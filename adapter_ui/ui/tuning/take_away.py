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
from adapter_ui.training.scripts.script import LAUNCH
from adapter_ui.ui.download import exported_file
from adapter_ui.ui.errors import shown_to_user
from adapter_ui.ui.markup import fill
from adapter_ui.ui.page import INSTANT, LOOK_UP, MODEL, html
from adapter_ui.ui.visitor import once_for_visitor

LABELS = {"adapter": "Download adapter", "script": "Download script"}
KEEP, KEEP_LABEL = "keep", "Keep the checkpoint"
COMMAND = fill(
    '<div class="launch"><p class="hint">The script runs with <code>python train.py</code>, or in two '
    'processes with</p><div class="raw"><button type="button" class="copy" data-copy="text" '
    'data-text="{command}">Copy</button><pre tabindex="0"><code>{command}</code></pre></div></div>',
    command=LAUNCH,
)
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


def launch_command() -> gr.HTML:
    """How the script is started; shown with the button that gives it."""
    return html(COMMAND, visible=False, elem_id="script-command")


def take_away_events(service: AdapterService, run_buttons: dict[str, gr.Button], shown: gr.State) -> None:
    file = gr.DownloadButton(visible="hidden")
    for format in LABELS:
        take = once_for_visitor(service, partial(taken, format))
        taking = run_buttons[format].click(take, shown, file, **MODEL)
        save_when_ready(taking, file)
    run_buttons[KEEP].click(partial(keep, service), shown, None, **LOOK_UP)


def save_when_ready(writing: Dependency, file: gr.DownloadButton) -> None:
    """Let the browser save the file that an event puts into a hidden component."""
    writing.success(None, file, None, js=SAVE, **INSTANT)


def keep(service: AdapterService, run_id: str) -> None:
    with shown_to_user():
        service.keep_checkpoint(run_id)


def taken(format: str, service: AdapterService, run_id: str, *, visitor: str = "") -> str:
    with shown_to_user():
        return exported_file(service, run_id, format, visitor=visitor)


def take_away_shown(run: RunStatus | None) -> list[gr.Button | gr.HTML]:
    """The adapter of a run that has ended; the script of one that has trained, and its command; the
    checkpoint of one that broke off and left no adapter, or one of fewer steps.
    """
    ended = run is not None and run.state.ended and run.adapter is not None
    trained = run is not None and run.step > 0
    return [
        gr.Button(visible=ended),
        gr.Button(visible=trained),
        gr.Button(KEEP_LABEL, visible=keeps(run)),
        gr.HTML(visible=trained),
    ]


def keeps(run: RunStatus | None) -> bool:
    """Whether the run broke off with a checkpoint that has learned more than its adapter, if it has one."""
    if run is None or not run.resumable or not run.checkpoint_step:
        return False
    return run.adapter is None or (run.adapter_step or run.checkpoint_step) < run.checkpoint_step

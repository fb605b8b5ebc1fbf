"""Rows from a dataset on the Hub: fetched as one file, which then counts as an uploaded one."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from markupsafe import Markup

from adapter_ui.catalog.hub.datasets import DatasetRef
from adapter_ui.domain import Level, Progress
from adapter_ui.service import AdapterService
from adapter_ui.ui.download import served
from adapter_ui.ui.errors import shown_to_user
from adapter_ui.ui.markup import notice, progress
from adapter_ui.ui.page import INSTANT, MODEL, html
from adapter_ui.ui.visitor import for_visitor

NOTHING = Markup("")


@dataclass(frozen=True)
class HubDataset:
    """The fields that name a dataset, the button that fetches it, and the place for its progress."""

    fields: tuple[gr.Textbox, ...]
    fetch: gr.Button
    status: gr.HTML


def hub_dataset() -> HubDataset:
    with gr.Accordion("or a dataset on the Hub", open=False, elem_id="data-hub"):
        with gr.Row():
            name = field("Dataset", "org/name", "dataset", scale=3)
            config = field("Config", "the default", "config")
            split = field("Split", "train", "split")
            revision = field("Revision", "main", "revision")
        fetch = gr.Button("Fetch the rows", size="sm", elem_id="hub-fetch")
        status = html(NOTHING, elem_id="hub-status")
    return HubDataset((name, config, split, revision), fetch, status)


def field(label: str, placeholder: str, name: str, scale: int = 1) -> gr.Textbox:
    return gr.Textbox(
        "",
        label=label,
        placeholder=placeholder,
        max_length=255,
        min_width=110,
        scale=scale,
        elem_id=f"hub-{name}",
    )


def fetch_event(service: AdapterService, hub: HubDataset, file: gr.File) -> gr.events.Dependency:
    """Put the rows into the file's place; the event is over when they are there."""
    fetching = {"show_progress": "hidden", "trigger_mode": "once", **MODEL}
    triggers = [hub.fetch.click, *(one.submit for one in hub.fields)]
    event = gr.on(triggers, for_visitor(service, fetched), list(hub.fields), [hub.status, file], **fetching)
    event.failure(lambda: NOTHING, None, hub.status, **INSTANT)
    return event


def fetched(
    service: AdapterService, name: str, config: str, split: str, revision: str, *, visitor: str = ""
) -> Iterator[tuple[Any, Any]]:
    """Progress, then the file."""
    with shown_to_user():
        wanted = DatasetRef(*(text.strip() for text in (name, config, split, revision)))
        for found in fetched_file(service, wanted, visitor):
            if isinstance(found, Progress):
                yield progress(found), gr.skip()
            else:
                yield notice(f"The rows of {wanted.id} are here, as a file above.", Level.GOOD), found


def fetched_file(service: AdapterService, wanted: DatasetRef, visitor: str) -> Iterator[Progress | str]:
    """Progress, then the path of a copy of the file from where Gradio may serve it."""
    with tempfile.TemporaryDirectory(prefix="adapter-ui-dataset-") as folder:
        for event in service.fetch_dataset(wanted, Path(folder), visitor=visitor):
            yield event if isinstance(event, Progress) else served(event)

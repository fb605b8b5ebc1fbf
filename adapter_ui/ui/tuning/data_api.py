"""The public endpoint that brings rows here from a dataset on the Hub."""

from __future__ import annotations

import gradio as gr

from adapter_ui.catalog.hub.datasets import DatasetRef
from adapter_ui.service import AdapterService
from adapter_ui.ui.arguments import checked_text
from adapter_ui.ui.errors import told_to_caller
from adapter_ui.ui.tuning.hub_dataset import fetched_file
from adapter_ui.ui.visitor import who_asks


class DataApi:
    """The endpoint as a method: its name and arguments are the API's."""

    def __init__(self, service: AdapterService) -> None:
        self.service = service

    def fetch_dataset(
        self,
        dataset: str,
        config: str = "",
        split: str = "",
        revision: str = "",
        request: gr.Request | None = None,
    ) -> str:
        """The rows of a dataset on the Hub as one file, to be sent to `/check_finetune` and `/finetune`."""
        with told_to_caller():
            given = {"dataset": dataset, "config": config, "split": split, "revision": revision}
            wanted = DatasetRef(*(checked_text(text, field) for field, text in given.items()))
            events = fetched_file(self.service, wanted, who_asks(self.service, request))
            return next(found for found in events if isinstance(found, str))

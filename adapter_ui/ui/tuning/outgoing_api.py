"""The public endpoints of what becomes of a run or an adapter: kept, renamed, exported, merged, pushed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from adapter_ui.service import AdapterService
from adapter_ui.ui import json_shapes
from adapter_ui.ui.arguments import boolean, checked_text
from adapter_ui.ui.download import exported_file
from adapter_ui.ui.errors import told_to_caller
from adapter_ui.ui.visitor import who_asks


class OutgoingApi:
    """The endpoints as methods: their names and arguments are the API's, but for `request`, which Gradio
    gives.
    """

    def __init__(self, service: AdapterService) -> None:
        self.service = service

    def export(
        self,
        run_id: str = "",
        format: str = "adapter",
        adapter: str = "",
        base_model: str = "",
        model_class: str = "",
        request: gr.Request | None = None,
    ) -> str:
        """A zip of a run: format `adapter` is the plain PEFT folder, `script` trains it again without this
        app, `merged` is the base with the adapter in its weights, also of any other `adapter`.
        """
        with told_to_caller():
            given = {
                "run_id": run_id,
                "format": format,
                "adapter": adapter,
                "base_model": base_model,
                "model_class": model_class,
            }
            texts = [checked_text(text, field) for field, text in given.items()]
            return exported_file(self.service, *texts, visitor=who_asks(self.service, request))

    def merge(
        self,
        adapter: str,
        base_model: str = "",
        model_class: str = "",
        request: gr.Request | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Merge an adapter into its base; streams progress, then the folder and the measured difference.
        `model_class` "" is the class of the adapter's task.
        """
        with told_to_caller():
            given = {"adapter": adapter, "base_model": base_model, "model_class": model_class}
            texts = [checked_text(text, field) for field, text in given.items()]
            for event in self.service.merge(*texts, visitor=who_asks(self.service, request)):
                yield json_shapes.outgoing_event(event)

    def push(
        self,
        adapter: str,
        repo_id: str = "",
        private: bool = True,
        overwrite: bool = False,
        token: str = "",
        request: gr.Request | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Push an adapter of this machine to the Hub; streams progress, then the URL. The token is used for
        this call alone; "" is that of whoever started the app.
        """
        with told_to_caller():
            events = self.service.push(
                checked_text(adapter, "adapter"),
                checked_text(repo_id, "repo_id"),
                private=boolean(private, "private"),
                overwrite=boolean(overwrite, "overwrite"),
                token=checked_text(token, "token"),
                visitor=who_asks(self.service, request),
            )
            for event in events:
                yield json_shapes.outgoing_event(event)

    def rename_run(self, run_id: str, title: str = "", notes: str = "") -> dict[str, Any]:
        """Give a run a title, "" for its recipe's name, and notes; both replace what was there."""
        with told_to_caller():
            given = {"run_id": run_id, "title": title, "notes": notes}
            texts = [checked_text(text, field) for field, text in given.items()]
            return json_shapes.run(self.service.rename_run(*texts))

    def keep_checkpoint(self, run_id: str) -> dict[str, Any]:
        """Make the last whole checkpoint of a run that failed or was interrupted its adapter."""
        with told_to_caller():
            return json_shapes.run(self.service.keep_checkpoint(checked_text(run_id, "run_id")))

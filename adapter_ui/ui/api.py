"""The public endpoints, by the names and arguments that scripts rely on.

Every argument but the first has a default. Arguments are a stranger's: they become domain types, which check
them, and an error is one sentence that says what to do next.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from adapter_ui.domain import SearchQuery
from adapter_ui.errors import InvalidInput
from adapter_ui.service import AdapterService
from adapter_ui.ui import json_shapes
from adapter_ui.ui.arguments import boolean, bound, checked_text, strings, whole
from adapter_ui.ui.browsing.results import filled_page
from adapter_ui.ui.errors import told_to_caller
from adapter_ui.ui.mixing.endpoints import MixApi
from adapter_ui.ui.page import MODELS
from adapter_ui.ui.text_api import TextApi
from adapter_ui.ui.tuning.data_api import DataApi
from adapter_ui.ui.tuning.outgoing_api import OutgoingApi

DEFAULT = ""
LOOK_UPS = {"concurrency_limit": 16, "concurrency_id": "look-ups"}


def public_api(service: AdapterService) -> None:
    """Add the endpoints to the Blocks that is being built."""
    api, mixes, outgoing = Api(service), MixApi(service), OutgoingApi(service)
    for endpoint in (
        api.search,
        api.inspect,
        api.revisions,
        api.side_by_side,
        api.loaded,
        api.run,
        api.runs,
        api.stop_run,
        api.pause_run,
        api.resume_run,
        api.delete_run,
        outgoing.keep_checkpoint,
        outgoing.rename_run,
    ):
        gr.api(endpoint, api_name=endpoint.__name__, **LOOK_UPS)
    for endpoint in (
        api.load,
        api.unload,
        api.generate,
        api.compare,
        api.predict,
        mixes.mix,
        mixes.delete_mix,
        outgoing.merge,
        outgoing.push,
    ):
        gr.api(endpoint, api_name=endpoint.__name__, **MODELS)
    # A file argument is only checked and moved by Gradio when it belongs to a component.
    recipe, dataset, answer = gr.JSON(visible=False), gr.File(visible=False), gr.JSON(visible=False)
    trigger = gr.Button(visible=False)
    for endpoint in (api.check_finetune, api.finetune):
        trigger.click(endpoint, [recipe, dataset], answer, api_name=endpoint.__name__, **MODELS)
    wanted = [gr.Textbox("", visible=False) for _ in ("dataset", "config", "split", "revision")]
    fetch = DataApi(service).fetch_dataset
    trigger.click(fetch, wanted, gr.File(visible=False), api_name=fetch.__name__, **MODELS)
    names = [gr.Textbox(text, visible=False) for text in ("", "adapter", "", "", "")]
    trigger.click(outgoing.export, names, gr.File(visible=False), api_name="export", **MODELS)


class Api(TextApi):
    """The endpoints as methods: their names and arguments are the API's, but for `request`, which Gradio
    gives.
    """

    def search(
        self,
        query: str = "",
        base_model: str = "",
        variants: bool = False,
        author: str = "",
        task: str = "",
        method: str = "",
        min_rank: int | None = None,
        max_rank: int | None = None,
        min_size: int | None = None,
        max_size: int | None = None,
        license: str = "",
        access: str = "",
        safetensors: bool = False,
        source: str = "",
        sort: str = "trending",
        limit: int = 30,
        cursor: str = "",
    ) -> dict[str, Any]:
        """Adapters that match, with method, rank and sizes (bytes) filled in; `next` is the next cursor.
        `variants` takes in adapters of the base's finetunes and quantised copies; `access` is open or gated.
        """
        with told_to_caller():
            wanted = SearchQuery(
                text=checked_text(query, "query"),
                base_model=checked_text(base_model, "base_model"),
                variants=boolean(variants, "variants"),
                author=checked_text(author, "author"),
                task_type=checked_text(task, "task"),
                method=checked_text(method, "method"),
                min_rank=bound(min_rank, "min_rank"),
                max_rank=bound(max_rank, "max_rank"),
                min_size=bound(min_size, "min_size"),
                max_size=bound(max_size, "max_size"),
                license=checked_text(license, "license"),
                access=checked_text(access, "access"),
                safetensors=boolean(safetensors, "safetensors"),
                source=checked_text(source, "source"),
                sort=checked_text(sort, "sort"),
                limit=whole(limit, "limit"),
                cursor=checked_text(cursor, "cursor"),
            )
            return json_shapes.search_page(filled_page(self.service, wanted))

    def inspect(
        self, adapter: str, context: int = 2048, arms: int = 1, base_model: str = ""
    ) -> dict[str, Any]:
        """What an adapter is, from its config and its file's header, beside its own base or `base_model`; no
        weights are downloaded. `fit` is what fits with `context` tokens and `arms` answers at once.
        """
        with told_to_caller():
            room = whole(context, "context"), whole(arms, "arms")
            asked = checked_text(adapter, "adapter"), checked_text(base_model, "base_model")
            found = self.service.inspect(*asked)
            return json_shapes.profile(found, self.service.fit(found, *room))

    def revisions(self, adapter: str) -> list[dict[str, Any]]:
        """The branches and tags of an adapter on the Hub; none for one of this machine."""
        with told_to_caller():
            found = self.service.revisions(checked_text(adapter, "adapter"))
            return [json_shapes.revision(one) for one in found]

    def side_by_side(self, adapters: list[str]) -> dict[str, Any]:
        """Two to four adapters compared: figures, config, modules, and whether they can share a base."""
        with told_to_caller():
            found = self.service.side_by_side(strings(adapters, "adapters"))
            return json_shapes.side_by_side(found)

    def load(
        self,
        adapter: str,
        precision: str = DEFAULT,
        base_model: str = "",
        model_class: str = "",
        request: gr.Request | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Load an adapter on its base; streams progress, then the report."""
        with told_to_caller():
            events = self.service.load(
                checked_text(adapter, "adapter"),
                self.precision(precision),
                base_model=checked_text(base_model, "base_model"),
                model_class=checked_text(model_class, "model_class"),
                visitor=self.visitor(request),
            )
            for event in events:
                yield json_shapes.load_event(event)

    def loaded(self) -> list[dict[str, Any]]:
        """The bases in memory with their adapters."""
        with told_to_caller():
            return [json_shapes.loaded_base(base) for base in self.service.loaded()]

    def unload(
        self, base: str, precision: str = DEFAULT, request: gr.Request | None = None
    ) -> list[dict[str, Any]]:
        """Free a base and its adapters; gives what is still in memory."""
        with told_to_caller():
            wanted = checked_text(base, "base"), self.precision(precision)
            self.service.unload(*wanted, visitor=self.visitor(request))
            return self.loaded()

    def predict(
        self,
        adapter: str,
        text: str = "",
        text_pair: str = "",
        precision: str = DEFAULT,
        model_class: str = "",
        base_model: str = "",
        request: gr.Request | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Labels, entities, an answer, an embedding or text, by the adapter's task, or by that of the class;
        progress before.
        """
        with told_to_caller():
            given = {"adapter": adapter, "text": text, "text_pair": text_pair}
            texts = [checked_text(value, field) for field, value in given.items()]
            events = self.service.predict(
                *texts,
                self.precision(precision),
                base_model=checked_text(base_model, "base_model"),
                model_class=checked_text(model_class, "model_class"),
                visitor=self.visitor(request),
            )
            for event in events:
                yield json_shapes.prediction_event(event)

    def check_finetune(
        self, recipe: Any, dataset: str | None = None, request: gr.Request | None = None
    ) -> dict[str, Any]:
        """What a fine-tune would do and need; takes up to two minutes, for steps are measured."""
        with told_to_caller(), self.service.admissions.errands.waited(self.visitor(request)):
            asked, data = self.job(recipe, dataset)
            found = self.service.check_finetune(asked, data)
            *_, found = self.service.time_finetune(found, data)
            return json_shapes.preflight(found)

    def finetune(
        self, recipe: Any, dataset: str | None = None, request: gr.Request | None = None
    ) -> dict[str, Any]:
        """Start a fine-tune on the rows of a CSV, TSV, JSON, JSONL, Parquet or TXT file."""
        with told_to_caller(), self.service.admissions.errands.waited(self.visitor(request)):
            return {"run_id": self.service.finetune(*self.job(recipe, dataset))}

    def runs(self) -> list[dict[str, Any]]:
        """All fine-tuning runs, newest first."""
        with told_to_caller():
            return [json_shapes.run(status) for status in self.service.runs()]

    def run(self, run_id: str) -> dict[str, Any]:
        """Where a run stands."""
        with told_to_caller():
            return json_shapes.run(self.service.run(checked_text(run_id, "run_id")))

    def stop_run(self, run_id: str) -> dict[str, Any]:
        """Stop a run; what it has learned so far is kept."""
        with told_to_caller():
            return json_shapes.run(self.service.stop_run(checked_text(run_id, "run_id")))

    def pause_run(self, run_id: str) -> dict[str, Any]:
        """Let a run rest at a checkpoint, its memory free, until it is resumed."""
        with told_to_caller():
            return json_shapes.run(self.service.pause_run(checked_text(run_id, "run_id")))

    def resume_run(self, run_id: str) -> dict[str, Any]:
        """Go on with a run that was paused, stopped, failed or interrupted, from its newest checkpoint."""
        with told_to_caller():
            return json_shapes.run(self.service.resume_run(checked_text(run_id, "run_id")))

    def delete_run(self, run_id: str) -> list[dict[str, Any]]:
        """Delete an ended run with its adapter; gives the runs that are left."""
        with told_to_caller():
            self.service.delete_run(checked_text(run_id, "run_id"))
            return self.runs()

    def job(self, recipe: Any, dataset: str | None) -> tuple[Mapping[str, Any], Path]:
        if not isinstance(recipe, Mapping):
            raise InvalidInput("recipe must be a JSON object.", field="recipe")
        if not dataset:
            raise InvalidInput(
                "There is no dataset; give a CSV, TSV, JSON, JSONL, Parquet or TXT file.", field="dataset"
            )
        return recipe, Path(dataset)

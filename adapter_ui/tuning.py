"""The part of the service that tunes: rows, recipes, checks and runs.

Takes plain values and gives types of `adapter_ui.domain`, as the rest of the service does. Knows nothing of
models in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from adapter_ui.admission import Admissions
from adapter_ui.answers import Answers
from adapter_ui.catalog.catalog import Catalog
from adapter_ui.catalog.hub.datasets import DatasetRef
from adapter_ui.domain import (
    AdapterRef,
    Merged,
    Preflight,
    Progress,
    Pushed,
    RunState,
    RunStatus,
    Source,
    Table,
    TokenPreview,
)
from adapter_ui.errors import DoesNotFit
from adapter_ui.hub_rows import fetch_rows
from adapter_ui.outgoing import Outgoing
from adapter_ui.preparation import Preparation
from adapter_ui.timing import Timing
from adapter_ui.training.data import read_table
from adapter_ui.training.defaults import Default, RowFacts
from adapter_ui.training.examples import Examples, to_examples
from adapter_ui.training.prompt_template import refuse_template_of_whole_texts
from adapter_ui.training.recipe import Recipe
from adapter_ui.training.runs import Runs


class TuningService:
    """What AdapterService can do with data and runs; it sets the parts that are named here."""

    catalog: Catalog
    preparation: Preparation
    answers: Answers
    admissions: Admissions
    timing: Timing
    run_table: Runs
    outgoing: Outgoing

    def read_table(self, source: str | Path) -> Table:
        """Rows of pasted text or of an uploaded CSV, TSV, JSON, JSONL, Parquet or TXT file."""
        return read_table(source)

    def fetch_dataset(
        self, wanted: DatasetRef, folder: Path, *, visitor: str = ""
    ) -> Iterator[Progress | Path]:
        """Download rows of a dataset on the Hub into the folder; the last item is the file to read."""
        return self.admissions.errands.admitted(visitor, fetch_rows(self.catalog.hub, wanted, folder))

    def preview_tokens(self, recipe: Mapping[str, Any], data: str | Path) -> TokenPreview:
        """The first rows as the base's own tokens, and which of them would be learned."""
        return self.preparation.token_preview(*self.read_recipe(recipe, data))

    def check_finetune(self, recipe: Mapping[str, Any], data: str | Path) -> Preflight:
        """What a fine-tune would do and need, not started; counted exactly once its base is here. The
        report's recipe has every field; `reasons` says why those that were left out are as they are.
        """
        _, examples = self.read_recipe(recipe, data)
        whole, left_out = self.preparation.completed(recipe, examples)
        reasons = {name: one.reason for name, one in left_out.items()}
        return replace(self.preparation.preflight(whole, examples), reasons=reasons)

    def time_finetune(self, found: Preflight, data: str | Path) -> Iterator[Preflight]:
        """The report of a check once more, last with how long the run will take: two steps are measured,
        where the base is on this machine and there is room. Closing the iterator ends that.
        """
        return self.timing.told(found, self.read_recipe(found.recipe, data)[1])

    def company(self) -> str:
        """What else keeps this machine busy now, in words; "" for nothing."""
        training = any(run.state is RunState.RUNNING for run in self.runs())
        return "another run" if training else "another request" if self.admissions.requests.lines else ""

    def row_facts(self, recipe: Mapping[str, Any], data: str | Path) -> RowFacts:
        """What the defaults of a recipe's fields have to know of the rows."""
        _, examples = self.read_recipe(recipe, data)
        return RowFacts.of(examples.rows, len(examples.labels))

    def finetune_defaults(self, recipe: Mapping[str, Any], rows: RowFacts) -> dict[str, Default]:
        """The values of the fields that depend on task, method, rows, base and machine when they are left
        out, each with its reason.
        """
        return self.preparation.defaults(Recipe.parse(self.preparation.with_own_method(recipe)), rows)

    def finetune(self, recipe: Mapping[str, Any], data: str | Path) -> str:
        """Start a run and give its id; its folder keeps the recipe with every field. Raises InvalidRecipe
        or DoesNotFit when it cannot start.
        """
        _, examples = self.read_recipe(recipe, data)
        parsed, _ = self.preparation.completed(recipe, examples)
        if refusal := self.preparation.preflight(parsed, examples).refusal:
            raise DoesNotFit(refusal)
        return self.run_table.start(parsed, examples)

    def runs(self) -> tuple[RunStatus, ...]:
        """All runs, newest first."""
        return self.run_table.all()

    def run(self, run_id: str) -> RunStatus:
        return self.run_table.status(run_id)

    def stop_run(self, run_id: str) -> RunStatus:
        return self.run_table.stop(run_id)

    def pause_run(self, run_id: str) -> RunStatus:
        return self.run_table.pause(run_id)

    def resume_run(self, run_id: str) -> RunStatus:
        """Go on with a run that ended before it was done, from its newest whole checkpoint."""
        return self.run_table.resume(run_id)

    def keep_checkpoint(self, run_id: str) -> RunStatus:
        """Make the newest whole checkpoint of a run that ended before it was done its adapter."""
        return self.run_table.keep_checkpoint(run_id)

    def rename_run(self, run_id: str, title: str, notes: str) -> RunStatus:
        """Give a run a title, "" for its recipe's name, and notes."""
        return self.run_table.rename(run_id, title, notes)

    def export_run(self, run_id: str, format: str, *, visitor: str = "") -> Path:
        """A zip of the run: its `adapter` as a plain PEFT folder, or a `script` that trains it again."""
        with self.admissions.errands.waited(visitor):
            self.run_table.status(run_id)
            return self.outgoing.export_run(run_id, format)

    def merge(
        self, adapter: str, base_model: str = "", model_class: str = "", *, visitor: str = ""
    ) -> Iterator[Progress | Merged]:
        """Merge an adapter into its base, with progress; the last item is the merged model."""
        return self.admissions.made(visitor, self.outgoing.merge(adapter, base_model, model_class))

    def zip_merged(
        self, adapter: str, base_model: str = "", model_class: str = "", *, visitor: str = ""
    ) -> Iterator[Progress | Path]:
        """A merged model as one file, merged first if need be; the last item is the file."""
        return self.admissions.made(visitor, self.outgoing.merge_and_zip(adapter, base_model, model_class))

    def merged_models(self) -> tuple[Merged, ...]:
        """The merged models on this disk, the newest first."""
        return self.outgoing.merged_models()

    def delete_merged(self, folder: str) -> None:
        """Remove a merged model, and its zip. Raises InvalidInput when there is none in such a folder."""
        self.outgoing.delete_merged(folder)

    def push(
        self,
        adapter: str,
        repo_id: str,
        *,
        private: bool,
        overwrite: bool,
        token: str,
        visitor: str = "",
    ) -> Iterator[Progress | Pushed]:
        """Push an adapter of this machine to the Hub, with progress; the last item says where it lies."""
        events = self.outgoing.push(adapter, repo_id, private=private, overwrite=overwrite, token=token)
        return self.admissions.requests.admitted(visitor, events)

    def delete_run(self, run_id: str) -> None:
        self.run_table.delete(run_id)
        self.outgoing.forget(AdapterRef(Source.RUN, run_id))
        self.answers.forget(AdapterRef(Source.RUN, run_id))

    def read_recipe(self, recipe: Mapping[str, Any], data: str | Path) -> tuple[Recipe, Examples]:
        """The recipe and the rows in their form. Raises InvalidRecipe, also where they do not go together."""
        parsed = Recipe.parse(self.preparation.with_own_method(recipe))
        examples = to_examples(read_table(data), parsed.columns, parsed.task_type)
        refuse_template_of_whole_texts(parsed, examples)
        return parsed, examples

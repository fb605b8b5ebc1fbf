"""Everything that a fine-tuning run needs: defaults, what it would do and take, then its files on disk.

Part of the service layer: knows the catalog and the training's rules; knows nothing of processes or of the
page.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from adapter_ui.catalog.machine import machine_memory, own_devices, room_for_a_training
from adapter_ui.catalog.storage.bases import LocalModel, fetch_base, fetch_reading_files, find_base
from adapter_ui.catalog.storage.embedded import rounding
from adapter_ui.catalog.storage.snapshots import has_base
from adapter_ui.domain import AdapterRef, BaseFacts, Preflight, Progress, TokenPreview
from adapter_ui.engine.machine import precision_choices
from adapter_ui.errors import BaseUnavailable, DoesNotFit, HubError, InvalidRecipe
from adapter_ui.provision import Provision, loadable_base
from adapter_ui.training.checkpoints import newest_step
from adapter_ui.training.defaults import Default, RowFacts, Situation, chosen_defaults
from adapter_ui.training.examples import Examples
from adapter_ui.training.in_hand import memory_in_hand
from adapter_ui.training.measuring import measure
from adapter_ui.training.preflight import check, memory_of_run
from adapter_ui.training.preflight import refusal as refused
from adapter_ui.training.recipe import Recipe
from adapter_ui.training.run_folder import PreparedBase, RunFolder

IN_HAND = (
    "A run is training now, and its memory counts as free here; what this one needs is looked at again when "
    "its turn has come."
)
UNREADABLE = (HubError, BaseUnavailable, DoesNotFit)
"""Why the tokenizer of a base cannot be had now."""
Fetched = TypeVar("Fetched")
PREVIEWED_ROWS = 64
"""Read for a preview: enough that some have an answer within the limit, few enough to be quick."""


class Preparation:
    """Recipes completed, judged and provided with files."""

    def __init__(self, provision: Provision) -> None:
        self.provision = provision
        self.settings = provision.settings
        self.catalog = provision.catalog

    def defaults(self, asked: Recipe, rows: RowFacts) -> dict[str, Default]:
        """The fields that depend on task, method, rows, base and machine, as they are when they are left
        out.
        """
        base = self.catalog.base_facts(self.base_of(asked))
        choices = precision_choices(has_gpu=machine_memory().device != "cpu")
        precision = next(choice for choice in choices if choice.default)
        situation = Situation(asked.task_type, asked.method, rows, precision, base.parameters)
        return chosen_defaults(situation)

    def completed(self, given: Mapping[str, Any], examples: Examples) -> tuple[Recipe, dict[str, Default]]:
        """The recipe with what was left out filled in, and what that was. A given field is never changed."""
        given = self.with_own_method(given)
        chosen = self.defaults(Recipe.parse(given), RowFacts.of(examples.rows))
        left_out = {name: one for name, one in chosen.items() if name not in given}
        return Recipe.parse({**given, **{name: one.value for name, one in left_out.items()}}), left_out

    def training(self, run: RunFolder) -> Generator[Progress, None, PreparedBase]:
        """Files that a run trains on, and room for it; called by the run table when the run's turn comes.

        Raises DoesNotFit when the memory that it needs is not free now.
        """
        recipe = run.read_recipe()
        facts = self.catalog.base_facts(self.base_of(recipe))
        prepared = yield from self.files_to_train_on(run, recipe, facts)
        yield from self.make_room_to_train(recipe, run.read_examples(), facts, prepared)
        return prepared

    def files_to_train_on(
        self, run: RunFolder, recipe: Recipe, facts: BaseFacts
    ) -> Generator[Progress, None, PreparedBase]:
        """The base, and the adapter that is trained further. A run that goes on from a checkpoint goes on
        with the very base that it began with, whatever the Hub has by now.
        """
        begun = run.read_base() if newest_step(run.checkpoints) is not None else None
        if begun and has_base(begun.folder) and (begun.adapter is None or begun.adapter.is_dir()):
            return begun
        commit = begun.revision if begun else facts.commit
        base = yield from fetch_base(self.settings, self.catalog.hub, facts.id, commit)
        adapter = None
        if recipe.adapter:
            adapter = yield from self.provision.adapter_folder(AdapterRef.parse(recipe.adapter))
        rounded = rounding(self.settings, base.folder)
        return PreparedBase(base.folder, facts.id, base.commit, adapter, facts.license, rounded)

    def make_room_to_train(
        self, recipe: Recipe, examples: Examples, facts: BaseFacts, base: PreparedBase
    ) -> Iterator[Progress]:
        """Counted exactly only where the upper bound does not fit, for that takes a process of its own."""
        bound = memory_of_run(recipe, examples, facts, None)
        if bound is None or bound.total <= room_for_a_training():
            return
        yield Progress("memory", "Counting the memory that the training needs")
        figures = measure(recipe, examples, base)
        if exact := memory_of_run(recipe, examples, facts, figures):
            yield from self.provision.free(exact.total)
        if refusal := refused(recipe, examples, facts, room_for_a_training(), figures):
            raise DoesNotFit(f"{refusal} Resume the run when there is room.")

    def preflight(self, recipe: Recipe, examples: Examples) -> Preflight:
        """What a fine-tune would do and need; counted by the base's config and tokenizer where they can be
        had.
        """
        base_id = self.base_of(recipe)
        facts = self.catalog.base_facts(base_id)
        try:
            figures = measure(recipe, examples, self.readable(recipe, facts))
        except UNREADABLE:  # upper bounds are good enough until the download, which says what is wrong
            figures = None
        room, held = room_for_a_training(), memory_in_hand(self.settings.runs)
        if held:
            memory = machine_memory()
            room = room + held if memory.device == "cpu" else own_devices()[0].total
        found = check(recipe, examples, facts, room, figures)
        return replace(found, warnings=(*found.warnings, IN_HAND)) if held else found

    def token_preview(self, recipe: Recipe, examples: Examples) -> TokenPreview:
        """The first rows as tokens, where the base's tokenizer can be had; else what is missing."""
        facts = self.catalog.base_facts(self.base_of(recipe))
        try:
            readable = self.readable(recipe, facts)
        except UNREADABLE as error:
            missing = f"{facts.id} is not on this machine, so no tokens can be shown. {error.message}"
            return TokenPreview(missing=missing)
        first = replace(examples, rows=examples.rows[:PREVIEWED_ROWS])
        figures = measure(recipe, first, readable)
        return TokenPreview(figures.preview, figures.lengths.limit)

    def readable(self, recipe: Recipe, facts: BaseFacts) -> PreparedBase:
        """What `training` would give, if the base needs no download; else a folder with the base's config and
        tokenizer alone. Raises what UNREADABLE names when they cannot be had.
        """
        if here := self.already_here(recipe, facts.id):
            return here
        if facts.problem:
            raise BaseUnavailable(facts.problem)
        work = fetch_reading_files(self.settings, self.catalog.hub, facts.id, facts.commit)
        return self.with_adapter(recipe, finished(work))

    def already_here(self, recipe: Recipe, base_id: str) -> PreparedBase | None:
        """What `training` would give, if the base needs no download."""
        base = find_base(self.settings, base_id)
        return self.with_adapter(recipe, base) if base else None

    def with_adapter(self, recipe: Recipe, base: LocalModel) -> PreparedBase:
        adapter = (
            finished(self.provision.adapter_folder(AdapterRef.parse(recipe.adapter)))
            if recipe.adapter
            else None
        )
        return PreparedBase(base.folder, base.id, base.commit, adapter)

    def with_own_method(self, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """The fields of a recipe with the method of the adapter that is trained further, if there is one.
        Raises InvalidRecipe when they name another.
        """
        if not Recipe.parse(fields).adapter:
            return fields
        own = self.catalog.inspect(AdapterRef.parse(fields["adapter"])).config["peft_type"]
        if fields.get("method", own) != own:
            raise InvalidRecipe(
                f"The adapter to train further is of the method {own}, and method is {fields['method']}; "
                "leave method out.",
                field="method",
            )
        return {**fields, "method": own}

    def base_of(self, recipe: Recipe) -> str:
        """The base that a recipe trains on: named, or that of the adapter to continue."""
        if recipe.base_model:
            return recipe.base_model
        return loadable_base(self.catalog.inspect(AdapterRef.parse(recipe.adapter))).id


def finished(work: Generator[Progress, None, Fetched]) -> Fetched:
    """The result of a download that is too small to report on."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value

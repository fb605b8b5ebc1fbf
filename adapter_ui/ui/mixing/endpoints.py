"""The public endpoints of weighted mixes: `/mix` and `/delete_mix`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from adapter_ui.domain import MixRecipe, Progress
from adapter_ui.domain.mixes import USUAL_DENSITY
from adapter_ui.service import AdapterService
from adapter_ui.ui import json_shapes
from adapter_ui.ui.arguments import bound, checked_text, number, whole
from adapter_ui.ui.errors import told_to_caller
from adapter_ui.ui.visitor import who_asks


class MixApi:
    """The endpoints as methods: their names and arguments are the API's, but for `request`, which Gradio
    gives.
    """

    def __init__(self, service: AdapterService) -> None:
        self.service = service

    def mix(
        self,
        parts: list[dict[str, Any]],
        name: str,
        combination: str = "linear",
        density: float = USUAL_DENSITY,
        rank: int | None = None,
        seed: int = 0,
        request: gr.Request | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Combine two to eight LoRAs of one base into the adapter `mix:NAME`; streams progress, then the
        adapter. `parts` are `{adapter, weight}`; `density` counts where the combination prunes, `seed` where
        it draws, `rank` is for those by svd.
        """
        with told_to_caller():
            recipe = MixRecipe.of(
                parts,
                checked_text(combination, "combination"),
                name=checked_text(name, "name"),
                density=number(density, "density"),
                rank=bound(rank, "rank"),
                seed=whole(seed, "seed"),
            )
            for event in self.service.mix(recipe, visitor=who_asks(self.service, request)):
                if isinstance(event, Progress):
                    yield json_shapes.plain(event)
                else:
                    yield json_shapes.mixed(self.service.inspect(str(event)))

    def delete_mix(self, name: str, request: gr.Request | None = None) -> dict[str, Any]:
        """Delete a mix by its name, without `mix:`."""
        with told_to_caller():
            visitor = who_asks(self.service, request)
            self.service.delete_mix(checked_text(name, "name"), visitor=visitor)
            return {"deleted": name}

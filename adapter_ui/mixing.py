"""Mixes by name: adapters are inspected and fetched, held against each other, and made into a new one.

Between the service, which the page and the API call, and the catalog, which knows files. No base is needed:
a mix is made of the adapters' own tensors.
"""

from __future__ import annotations

from collections.abc import Iterator

from adapter_ui.answers import Answers, unload_where
from adapter_ui.catalog.comparison.mixable import base_of_mix
from adapter_ui.catalog.storage.mixes import Mixes, MixSources
from adapter_ui.domain import AdapterRef, MixRecipe, Progress, Source
from adapter_ui.settings import Settings


class Mixer:
    """Makes mixes and takes them away."""

    def __init__(self, settings: Settings, answers: Answers) -> None:
        self.answers = answers
        self.provision = answers.provision
        self.mixes = Mixes(settings)

    def mix(self, recipe: MixRecipe) -> Iterator[Progress | AdapterRef]:
        """Progress, and at last the ref of the new adapter. What forbids the mix is refused before any
        download.
        """
        self.mixes.refuse_taken(recipe.name)
        profiles = []
        for part in recipe.parts:
            yield Progress("inspect", f"Inspecting {part.adapter}")
            profiles.append(self.provision.catalog.inspect(part.adapter))
        base_model = base_of_mix(profiles)
        folders = []
        for part, profile in zip(recipe.parts, profiles, strict=True):
            folders.append((yield from self.provision.adapter_folder(part.adapter, profile.commit)))
        licenses = {
            part.adapter: profile.license
            for part, profile in zip(recipe.parts, profiles, strict=True)
            if profile.license
        }
        yield from self.mixes.make(recipe, MixSources(base_model, tuple(folders), licenses))
        yield recipe.ref

    def delete(self, name: str) -> None:
        """Remove a mix. A base that holds it is unloaded, since another one may get its name. Raises
        NotFoundOrPrivate.
        """
        self.mixes.delete(name)
        ref = AdapterRef(Source.MIX, name)
        self.answers.forget(ref)
        unload_where(self.answers.engine, lambda base: str(ref) in base.adapters)

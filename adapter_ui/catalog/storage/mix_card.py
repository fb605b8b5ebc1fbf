"""The model card of a mix: what it is made of, how, and the license where all parts share one (pure)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from adapter_ui.domain import AdapterRef, MixRecipe

GUIDE = "https://huggingface.co/docs/peft/developer_guides/model_merging"
PLAIN_WORD = re.compile(r"[\w.-]{1,60}", re.ASCII)


def mix_card(recipe: MixRecipe, base_model: str, licenses: Mapping[AdapterRef, str]) -> str:
    """The README, with the front matter that the Hub files it by. `licenses` are those that are known."""
    known = [licenses.get(part.adapter, "") for part in recipe.parts]
    shared = known[0] if len(set(known)) == 1 and PLAIN_WORD.fullmatch(known[0]) else ""
    return "\n".join(
        [
            "---",
            "library_name: peft",
            f"base_model: {base_model}",
            *([f"license: {shared}"] if shared else []),
            "tags:",
            f"- base_model:adapter:{base_model}",
            "- lora",
            "- merge",
            "- adapter-ui",
            "---",
            "",
            f"# {recipe.name}",
            "",
            f"A weighted mix of {len(recipe.parts)} LoRA adapters of `{base_model}`, combined by "
            f"`{recipe.combination}` as PEFT's `add_weighted_adapter` combines them: see "
            f"[model merging]({GUIDE}).",
            "",
            "| adapter | weight | license |",
            "|---|---|---|",
            *(
                f"| `{part.adapter}` | {part.weight:g} | {licensed(license)} |"
                for part, license in zip(recipe.parts, known, strict=True)
            ),
            "",
            *options(recipe),
        ]
    )


def licensed(license: str) -> str:
    return license if PLAIN_WORD.fullmatch(license) else "not known"


def options(recipe: MixRecipe) -> list[str]:
    """What else decides the result, as far as the combination heeds it."""
    said = [
        *([f"- density: {recipe.density:g}"] if recipe.combination.prunes else []),
        *([f"- seed: {recipe.seed}"] if recipe.combination.prunes_at_random else []),
        *([f"- rank: {recipe.rank}"] if recipe.rank else []),
    ]
    return [*said, ""] if said else []

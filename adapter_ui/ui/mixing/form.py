"""The form of a mix: a weight for each adapter of the comparison, how they are combined, and a name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from markupsafe import Markup

from adapter_ui.catalog.comparison.together import FEWEST, MOST
from adapter_ui.domain import Combination, MixRecipe
from adapter_ui.domain.mixes import LARGEST_MIX_RANK, USUAL_DENSITY
from adapter_ui.ui.markup import fill
from adapter_ui.ui.page import html

LIGHTEST, HEAVIEST, STEP = -2.0, 2.0, 0.05
LARGEST_OF_PARTS = 0
"""The rank that stands for “not given”: an empty number field shows 0 once it unfolds."""
MEANINGS = {
    Combination.LINEAR: "A and B of all adapters are added up: only roughly the sum of the changes.",
    Combination.CAT: "The exact sum of the changes; the ranks add up too.",
    Combination.SVD: "The sum of the changes, cut to the rank that loses least.",
    Combination.TIES: "Each keeps its largest numbers, by density, and of those the prevailing sign.",
    Combination.DARE_LINEAR: "Each keeps a random share of its numbers, the density, made larger to match.",
    Combination.DARE_TIES: "As dare_linear; of what is kept, only numbers of the prevailing sign count.",
    Combination.MAGNITUDE_PRUNE: "Each keeps its largest numbers, by density, and they are added up.",
}
BY_SVD = "As without svd, but on the whole change of each module, then cut to a rank: slow for large bases."


@dataclass(frozen=True)
class MixForm:
    """The widgets of the form; `meaning` says what the chosen combination does."""

    weights: list[gr.Slider]
    combination: gr.Dropdown
    density: gr.Slider
    rank: gr.Number
    seed: gr.Number
    name: gr.Textbox
    meaning: gr.HTML

    @property
    def values(self) -> list[Any]:
        """What `recipe_of` reads, in its order."""
        return [self.name, self.combination, self.density, self.rank, self.seed, *self.weights]

    @property
    def options(self) -> list[Any]:
        """What `options_for` sets, in its order."""
        return [self.meaning, self.density, self.rank, self.seed]


def mix_form() -> MixForm:
    with gr.Row(elem_id="mix-weights"):
        weights = [
            gr.Slider(
                LIGHTEST,
                HEAVIEST,
                1.0,
                step=STEP,
                visible=False,
                min_width=260,
                elem_id=f"mix-weight-{at}",
            )
            for at in range(MOST)
        ]
    with gr.Row(elem_id="mix-options"):
        combination = gr.Dropdown(
            [one.value for one in Combination],
            value=Combination.LINEAR.value,
            label="Combination",
            min_width=200,
            elem_id="mix-combination",
        )
        hidden = {"visible": False, "min_width": 200}
        density = gr.Slider(
            0.05, 1, USUAL_DENSITY, step=0.05, label="Density", elem_id="mix-density", **hidden
        )
        rank = gr.Number(
            LARGEST_OF_PARTS,
            label="Rank (0: the largest)",
            precision=0,
            minimum=LARGEST_OF_PARTS,
            maximum=LARGEST_MIX_RANK,
            elem_id="mix-rank",
            **hidden,
        )
        seed = gr.Number(0, label="Seed", precision=0, minimum=0, elem_id="mix-seed", **hidden)
        name = gr.Textbox(
            "",
            label="Name",
            placeholder="letters, digits, - and _",
            max_length=96,
            min_width=200,
            elem_id="mix-name",
        )
    explained = html(meaning(Combination.LINEAR), elem_id="mix-meaning")
    return MixForm(weights, combination, density, rank, seed, name, explained)


def meaning(combination: Combination) -> Markup:
    return fill('<p class="hint">{text}</p>', text=MEANINGS.get(combination, BY_SVD))


def weights_for(refs: Sequence[str]) -> list[Any]:
    """One slider an adapter, named by it; the panel that holds them comes first."""
    shown = refs[:MOST] if len(refs) >= FEWEST else ()
    sliders = [gr.Slider(label=ref, value=1.0, visible=True) for ref in shown]
    hidden = [gr.Slider(visible=False) for _ in range(MOST - len(sliders))]
    return [gr.Accordion(visible=bool(shown)), *sliders, *hidden]


def options_for(combination: str) -> list[Any]:
    """What the combination heeds: its meaning, density, rank and seed."""
    chosen = Combination(combination)
    return [
        meaning(chosen),
        gr.Slider(visible=chosen.prunes),
        gr.Number(visible=chosen.by_svd),
        gr.Number(visible=chosen.prunes_at_random),
    ]


def recipe_of(refs: Sequence[str], values: Sequence[Any]) -> MixRecipe:
    """The recipe that the form says. Raises InvalidInput."""
    name, combination, density, rank, seed, *weights = values
    parts = [{"adapter": ref, "weight": weight} for ref, weight in zip(refs, weights, strict=False)]
    by_svd = combination in set(Combination) and Combination(combination).by_svd
    return MixRecipe.of(
        parts,
        combination,
        name=str(name).strip(),
        density=density,
        rank=rank or None if by_svd else None,
        seed=seed or 0,
    )

"""The mix's form and endpoints: what they show, what they send on, what they refuse."""

from __future__ import annotations

import gradio as gr
import pytest

from adapter_ui.domain import AdapterRef, Combination, MixRecipe, Source
from adapter_ui.ui.mixing.endpoints import MixApi
from adapter_ui.ui.mixing.form import meaning, options_for, recipe_of, weights_for
from adapter_ui.ui.mixing.panel import mixed
from adapter_ui.ui.tabs.library import mix_rows
from tests.ui.fake_data import HOSTILE, ROWS
from tests.ui.fake_service import FakeService
from tests.ui.test_markup import Elements

REFS = ("starter:pirate", "starter:formal", "acme/roberta-entities")


def shown(updates: list) -> list[bool]:
    return [update.visible for update in updates]


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_adapters_are_not_mixed(count):
    assert not any(shown(weights_for(REFS[:count])))


def test_each_adapter_of_the_comparison_has_a_weight():
    panel, *sliders = weights_for(REFS)
    assert panel.visible
    assert shown(sliders) == [True, True, True, False]
    assert [slider.label for slider in sliders[:3]] == list(REFS)


@pytest.mark.parametrize(
    ("combination", "visible"),
    [
        ("linear", [False, False, False]),
        ("svd", [False, True, False]),
        ("ties", [True, False, False]),
        ("dare_ties_svd", [True, True, True]),
    ],
)
def test_only_what_the_combination_heeds_is_asked(combination, visible):
    explained, *options = options_for(combination)
    assert explained == meaning(Combination(combination))
    assert shown(options) == visible


def test_every_combination_is_explained():
    assert all(meaning(one).striptags().endswith(".") for one in Combination)


def test_the_form_says_a_recipe():
    values = ("  both ", "dare_ties_svd", 0.4, 8, 3, 1.0, 0.5, 1.0, 1.0)
    found = recipe_of(REFS[:2], values)
    parts = [{"adapter": REFS[0], "weight": 1.0}, {"adapter": REFS[1], "weight": 0.5}]
    assert found == MixRecipe.of(parts, "dare_ties_svd", name="both", density=0.4, rank=8, seed=3)


@pytest.mark.parametrize("empty", [0, None])
def test_an_empty_rank_is_the_largest_of_the_parts(empty):
    assert recipe_of(REFS[:2], ("both", "svd", 0.5, empty, 0, 1.0, 1.0, 1.0, 1.0)).rank is None


def test_a_rank_that_is_no_longer_shown_is_not_sent():
    assert recipe_of(REFS[:2], ("both", "linear", 0.5, 8, None, 1.0, 1.0, 1.0, 1.0)).rank is None


def test_what_came_of_it_leads_on_and_shows_names_as_text():
    drawn = mixed(FakeService(), "mix:both")
    assert 'data-act="browse" data-value="mix:both"' in drawn
    assert 'data-act="generate" data-value="mix:both"' in drawn
    assert "mix:both is ready" in drawn


def test_mixes_in_the_library_can_be_deleted_and_a_strangers_title_is_text():
    row = next(row for row in ROWS if row.title == HOSTILE)
    drawn = mix_rows([row, type(row)(AdapterRef(Source.MIX, "both"))])
    assert 'data-act="delete" data-value="mix:both"' in drawn
    assert not {"img", "script"} & Elements(drawn).tags
    assert "No mixes" in mix_rows([])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"parts": None}, "parts must be a list"),
        ({"parts": [{"adapter": REFS[0]}]}, "parts must hold 2 to 8"),
        ({"name": 5}, "name must be a string"),
        ({"name": "a b"}, "name must be"),
        ({"combination": ["linear"]}, "combination must be a string"),
        ({"combination": "mean"}, "combination must be one of"),
        ({"density": "half"}, "density must be a number"),
        ({"rank": 2.5, "combination": "svd"}, "rank must be a whole number"),
        ({"seed": None}, "seed must be a number"),
    ],
)
def test_the_endpoint_refuses_in_sentences_that_name_the_argument(arguments, sentence):
    fields = {"parts": [{"adapter": ref} for ref in REFS[:2]], "name": "both"} | arguments
    with pytest.raises(gr.Error, match=sentence):
        next(MixApi(FakeService()).mix(**fields))

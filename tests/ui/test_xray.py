"""The X-ray: a cell for every place and layer, what lies beside them, and what there is instead."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from adapter_ui.domain import ModuleInfo
from adapter_ui.ui.details import xray
from adapter_ui.ui.details.modules import modules_table
from tests.ui.drawn import Drawn
from tests.ui.fake_service import FakeService

SERVICE = FakeService()


def test_the_heatmap_has_a_cell_for_every_place_and_layer() -> None:
    drawn = Drawn(xray.xray(SERVICE.inspect("gallery/seven-kinds")))
    cells = [
        title
        for tag, title in zip((tag for tag, _ in drawn.elements if tag == "td"), drawn.cells(), strict=True)
    ]
    heat = [title for title in cells if "layer" in title]
    assert len(heat) == 4 * 32 + 3 * 28
    assert "gate_proj, layer 31: rank 64, 786.4k parameters" in heat
    assert "Saved whole" in drawn.text
    assert drawn.text.count("lm_head") == 2
    assert drawn.attributes("th", "scope").count("row") == 7


def test_layers_that_are_left_alone_stay_visible() -> None:
    only = ModuleInfo("model.layers.2.q_proj", "q_proj", 2, 8, 10)
    profile = replace(SERVICE.inspect("starter:pirate"), modules=(only,))
    assert xray.xray(profile).count("<td></td>") == 29


def test_an_encoder_and_a_decoder_are_two_tables() -> None:
    drawn = Drawn(xray.xray(SERVICE.inspect("gallery/encoder-decoder")))
    assert [
        attributes for tag, attributes in drawn.elements if attributes.get("class", "").startswith("heatmap ")
    ] == [{"class": "heatmap "}] * 2
    assert "encoder.block" in drawn.text
    assert "EncDecAttention.q" in drawn.text


def test_what_lies_beside_the_layers_is_bounded() -> None:
    many = tuple(ModuleInfo(f"head_{at}", "head", None, None, 5, whole=True) for at in range(2_000))
    drawn = Drawn(xray.xray(replace(SERVICE.inspect("starter:pirate"), modules=many)))
    assert "and 1,976 more" in drawn.text
    assert "left alone" not in drawn.text


def test_experts_share_a_cell() -> None:
    assert (
        "w1, layer 0: 4 modules, rank 16, 786.4k parameters"
        in Drawn(xray.xray(SERVICE.inspect("gallery/large"))).cells()
    )


def test_without_ranks_the_colour_says_parameters() -> None:
    drawn = Drawn(xray.xray(SERVICE.inspect("gallery/ia3")))
    assert "Colour by" not in drawn.text
    assert "xray by-parameters" in drawn.attributes("section", "class")


def test_a_layer_number_that_is_a_strangers_joke_draws_no_million_columns() -> None:
    joke = ModuleInfo("model.layers.999999999.q_proj", "q_proj", 999_999_999, 8, 10)
    assert len(xray.xray(replace(SERVICE.inspect("starter:pirate"), modules=(joke,)))) < 5_000


def test_kinds_places_and_stacks_without_end_cost_a_moment_and_are_counted() -> None:
    kinds = [
        ModuleInfo(f"m.layers.0.a{at}.x.q{at}", f"q{at}", 0, 8, 10, parts=("lora_A",)) for at in range(6_000)
    ]
    stacks = [ModuleInfo(f"n{at}.layers.190.q", "q", 190, 8, 10, parts=("lora_A",)) for at in range(3_000)]
    began = time.process_time()
    drawn = Drawn(xray.xray(replace(SERVICE.inspect("starter:pirate"), modules=(*kinds, *stacks))))
    assert time.process_time() - began < 10
    assert "And 5,952 more in the table below." in drawn.text
    assert "And 2,989 more stacks of layers in the table below." in drawn.text


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gallery/prompt", "Prompt tuning puts 20 learned tokens, each 576 numbers wide, before"),
        ("gallery/newer-method", "is not known for quantum tuning"),
        ("broken/pickle-only", "none could be read here"),
    ],
)
def test_an_adapter_without_modules_says_what_it_holds(name: str, words: str) -> None:
    assert words in Drawn(xray.xray(SERVICE.inspect(name))).text


def test_tensors_outside_the_layers_are_listed_beside_them() -> None:
    drawn = Drawn(xray.xray(SERVICE.inspect("gallery/vera")))
    assert "Outside the layers base_model.vera_A rank 256 · 1.0M parameters · float32" in drawn.text


def test_what_all_modules_share_is_said_once() -> None:
    same = Drawn(modules_table(SERVICE.inspect("starter:pirate"))).text
    assert same.count("lora_A, lora_B") == 1
    differing = Drawn(modules_table(SERVICE.inspect("gallery/vera"))).text
    assert "vera_lambda_b, vera_lambda_d" in differing
    assert "Each module" not in differing

"""A base with a layer that lies elsewhere than where it works: beside a GPU in RAM, beside RAM on disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM

from adapter_ui.domain import Precision
from adapter_ui.engine.protocol import ModelSpec
from adapter_ui.errors import UnsupportedAdapter
from adapter_ui.models.fingerprint import fingerprint
from adapter_ui.models.loading import LoadedModel, load_base, tensor_bytes
from adapter_ui.models.placement import described, is_offloaded
from adapter_ui.models.resident import Resident
from tests.models.test_decoding import Writer, prompt_of, spec_for

PLACES = {
    "model.embed_tokens": "cpu",
    "model.layers.0": "cpu",
    "model.layers.1": "disk",
    "model.norm": "cpu",
    "model.rotary_emb": "cpu",
    "lm_head": "cpu",
}


@pytest.fixture
def spec(tiny_models: Path) -> ModelSpec:
    return spec_for(tiny_models / "llama", tiny_models / "lora")


@pytest.fixture
def whole(tiny_models: Path, spec: ModelSpec) -> Resident:
    return Resident(spec, load_base(tiny_models / "llama", Precision.FP32, "AutoModelForCausalLM"))


@pytest.fixture
def spread(tiny_models: Path, spec: ModelSpec, whole: Resident, tmp_path: Path) -> Resident:
    model = AutoModelForCausalLM.from_pretrained(
        tiny_models / "llama", device_map=PLACES, offload_folder=str(tmp_path)
    )
    return Resident(spec, LoadedModel(model.eval(), whole.loaded.tokenizer, model.device))


def test_rows_with_an_adapter_and_without_are_those_of_the_whole_base(
    spec: ModelSpec, whole: Resident, spread: Resident
) -> None:
    assert is_offloaded(spread.bare) and not is_offloaded(whole.bare)
    written = []
    for resident in (whole, spread):
        assert resident.take_low_rank(spec.adapter, Path(spec.adapter_folder))
        writer = Writer(resident)
        rows = [writer.row(prompt_of(9), name) for name in ("", spec.adapter)]
        writer.finish()
        assert not writer.errors
        written.append([row.answer.tokens for row in rows])
    assert written[0] == written[1]
    assert written[0][0] != written[0][1]


def test_all_its_memory_is_counted(whole: Resident, spread: Resident) -> None:
    assert tensor_bytes(spread.bare) == tensor_bytes(whole.bare)
    assert (described(whole.bare), described(spread.bare)) == ("cpu", "cpu and RAM")


def test_what_peft_would_put_into_empty_layers_is_refused(tiny_models: Path, spread: Resident) -> None:
    before = fingerprint(spread.bare)
    with pytest.raises(UnsupportedAdapter, match="only plain LoRA adapters can be used"):
        spread.attach("org/dora", tiny_models / "dora")
    assert fingerprint(spread.bare) == before

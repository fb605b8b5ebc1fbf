"""Which parameters bitsandbytes quantises, told from names and shapes, against the modules that transformers
replaces in models of many families, built without memory.
"""

from __future__ import annotations

from math import prod

import pytest
import torch
import transformers
from torch import nn
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoModelForSeq2SeqLM
from transformers.core_model_loading import revert_weight_conversion
from transformers.pytorch_utils import Conv1D
from transformers.quantizers.base import HfQuantizer
from transformers.quantizers.quantizers_utils import should_convert_module

from adapter_ui.catalog.bases.architecture import architecture
from adapter_ui.catalog.bases.weights import Stored, facts_with_tensors
from adapter_ui.domain import BaseFacts

FAMILIES = [
    *(
        (AutoModelForCausalLM, name)
        for name in (
            "bloom", "codegen", "cohere", "falcon", "gemma", "gemma2", "gemma3_text", "gpt2", "gpt_bigcode",
            "gpt_neo", "gpt_neox", "gptj", "granite", "llama", "mistral", "mixtral", "mpt", "olmo2", "opt",
            "phi", "phi3", "qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "stablelm", "starcoder2",
        )
    ),
    *((AutoModelForSeq2SeqLM, name) for name in ("bart", "mt5", "pegasus", "t5")),
    *(
        (AutoModelForMaskedLM, name)
        for name in ("albert", "bert", "deberta-v2", "distilbert", "electra", "modernbert", "roberta")
    ),
]  # fmt: skip
SMALL = {"num_hidden_layers": 2, "num_layers": 2, "num_decoder_layers": 2, "encoder_layers": 2}


def build(auto, model_type: str) -> transformers.PreTrainedModel:
    """The family's model at its usual widths with two layers, on the meta device."""
    config = transformers.AutoConfig.for_model(model_type)
    layer_types = getattr(config, "layer_types", None)
    for name, count in SMALL.items():
        if getattr(config, name, None) is not None and not layer_types:
            setattr(config, name, count)
    with torch.device("meta"):
        return auto.from_config(config).eval()


def replaced(model: transformers.PreTrainedModel) -> list[nn.Module]:
    """The modules that transformers makes bitsandbytes' own."""
    kept = HfQuantizer.get_modules_to_not_convert(model, None, model._keep_in_fp32_modules)
    return [
        module
        for name, module in model.named_modules()
        if should_convert_module(name, kept) and (isinstance(module, Conv1D) or type(module) is nn.Linear)
    ]


def stored(model: transformers.PreTrainedModel) -> dict[str, Stored]:
    """The tensors as `save_pretrained` names them, without those that are tied to others."""
    tied = set(model.all_tied_weights_keys)
    state = {name: tensor for name, tensor in model.state_dict().items() if name not in tied}
    return {
        name: Stored("F32", tuple(tensor.shape))
        for name, tensor in revert_weight_conversion(model, state).items()
    }


@pytest.mark.parametrize(("auto", "model_type"), FAMILIES, ids=[name for _, name in FAMILIES])
def test_names_and_shapes_tell_the_linear_layers(auto, model_type):
    model = build(auto, model_type)
    facts = facts_with_tensors(BaseFacts("a/b", **architecture(model.config.to_dict())), stored(model))
    modules, total = replaced(model), sum(parameter.numel() for parameter in model.parameters())
    axis = [1 if isinstance(module, Conv1D) else 0 for module in modules]
    rows = sum(module.weight.shape[one] for module, one in zip(modules, axis, strict=True))
    assert facts.parameters == total
    assert abs(facts.linear_parameters - sum(module.weight.numel() for module in modules)) <= 0.02 * total
    assert facts.linear_rows == pytest.approx(rows, rel=0.1)
    assert facts.tied_embeddings is bool(model.all_tied_weights_keys)


def test_what_older_versions_saved_beside_the_weights_is_not_counted():
    tensors = {
        "h.0.attn.c_attn.weight": Stored("F32", (8, 24)),
        "h.0.attn.c_attn.bias": Stored("F32", (24,)),
        "h.0.attn.bias": Stored("F32", (1, 1, 1024, 1024)),
        "h.0.attn.masked_bias": Stored("F32", ()),
        "layers.0.rotary_emb.inv_freq": Stored("F32", (32,)),
        "embeddings.position_ids": Stored("I64", (1, 512)),
    }
    facts = facts_with_tensors(BaseFacts("a/b", model_type="gpt2", vocab_size=100), tensors)
    assert facts.parameters == 8 * 24 + 24
    assert (facts.linear_parameters, facts.linear_rows) == (8 * 24, 24)
    assert facts.size_bytes == sum(
        prod(one.shape) * (8 if one.dtype == "I64" else 4) for one in tensors.values()
    )

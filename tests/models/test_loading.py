"""Bases: bounds and refusals of their configs, six precisions, and 4-bit weights that stay as they are."""

import json
import shutil

import bitsandbytes
import pytest
import torch
from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training

from adapter_ui.domain import Precision
from adapter_ui.errors import BaseUnavailable, InvalidInput
from adapter_ui.models.adapters import attach
from adapter_ui.models.loading import class_named, load_base, tensor_bytes

INPUT = torch.tensor([[5, 9, 200, 17, 42, 8, 7]])


@pytest.fixture
def altered_base(tiny_models, tmp_path):
    def alter(**config):
        folder = tmp_path / "base"
        shutil.copytree(tiny_models / "llama", folder)
        raw = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(raw | config))
        return folder

    return alter


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"num_hidden_layers": 10_000_000}, "num_hidden_layers=10000000"),
        ({"vocab_size": -1}, "vocab_size=-1"),
        ({"model_type": "house-of-cards"}, "no model type “house-of-cards”"),
        (
            {"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}},
            "already quantised",
        ),
        ({"num_hidden_layers": 3}, "tensors missing"),
        ({"model_type": ["llama"]}, "no model type"),
        ({"hidden_size": "wide"}, "does not accept the base's config.json"),
        ({"num_attention_heads": 7}, "does not accept the base's config.json"),
    ],
)
def test_bases_that_cannot_be_trusted_are_refused_with_the_reason(altered_base, config, sentence):
    with pytest.raises(BaseUnavailable, match=sentence):
        load_base(altered_base(**config), Precision.FP32, "AutoModelForCausalLM")


def test_code_and_kernels_that_a_base_names_are_not_used(altered_base):
    folder = altered_base(auto_map={"AutoModelForCausalLM": "evil.Model"}, _attn_implementation="evil/kernel")
    loaded = load_base(folder, Precision.FP32, "AutoModelForCausalLM")
    assert type(loaded.model).__module__.startswith("transformers.")
    assert loaded.model.config._attn_implementation == "sdpa"


def test_a_base_that_is_an_adapter_is_refused(altered_base):
    folder = altered_base()
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(BaseUnavailable, match="itself an adapter"):
        load_base(folder, Precision.FP32, "AutoModelForCausalLM")


def test_a_generation_config_does_not_decide_how_to_decode(altered_base):
    folder = altered_base()
    (folder / "generation_config.json").write_text(
        '{"num_beams": 500, "max_new_tokens": 10000000, "eos_token_id": 2}'
    )
    config = load_base(folder, Precision.FP32, "AutoModelForCausalLM").model.generation_config
    assert config.num_beams in (None, 1)
    assert config.max_new_tokens is None
    assert config.eos_token_id == 2


@pytest.mark.parametrize("name", ["", "os.system", "AutoTokenizer", "Trainer", "NoSuchModel", "__class__"])
def test_a_class_that_is_no_model_is_refused(name):
    with pytest.raises(InvalidInput, match="no model class"):
        class_named(name)


@pytest.mark.parametrize("text", ["[]", "[" * 100_000, "{"], ids=["a list", "deep", "torn"])
def test_a_config_that_is_no_json_object_is_refused(altered_base, text):
    folder = altered_base()
    (folder / "config.json").write_text(text)
    with pytest.raises(BaseUnavailable, match=r"config\.json cannot be read"):
        load_base(folder, Precision.FP32, "AutoModelForCausalLM")


@pytest.mark.parametrize(
    "name",
    ["BertForMaskedLM", "T5ForConditionalGeneration", "PreTrainedModel", "AutoModelForImageClassification"],
)
def test_a_class_for_other_bases_is_refused_by_name(tiny_models, name):
    with pytest.raises(InvalidInput, match=f"{name} is no class for a base of type llama"):
        load_base(tiny_models / "llama", Precision.FP32, name)


@pytest.mark.parametrize("name", ["AutoModelForCausalLM", "LlamaForCausalLM", "OPTForCausalLM", "AutoModel"])
def test_model_classes_are_found_by_name(name):
    assert class_named(name).__name__ == name


def test_smaller_precisions_take_less_memory(tiny_models):
    sizes = [
        tensor_bytes(load_base(tiny_models / "llama", precision, "LlamaForCausalLM").model)
        for precision in (Precision.FP32, Precision.BF16, Precision.INT8, Precision.NF4)
    ]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == pytest.approx(2 * sizes[1], rel=0.01)


@pytest.mark.parametrize("precision", [Precision.NF4, Precision.FP4], ids=str)
def test_4bit_generate_then_train_then_merge_equals_a_fresh_model(tiny_models, precision):
    """bitsandbytes repacks 4-bit weights at the first forward on CPUs with AVX512-BF16, and nothing unpacks
    them.
    """
    used = load_base(tiny_models / "llama", precision, "AutoModelForCausalLM").model
    with torch.inference_mode():
        used.generate(INPUT, max_new_tokens=4, do_sample=False, pad_token_id=0)
    fresh = load_base(tiny_models / "llama", precision, "AutoModelForCausalLM").model
    (used_losses, used_merged), (fresh_losses, fresh_merged) = train_and_merge(used), train_and_merge(fresh)
    assert used_losses == fresh_losses
    assert fresh_losses[-1] < fresh_losses[0]
    for name, tensor in fresh_merged.items():
        assert torch.equal(used_merged[name], tensor), name


def train_and_merge(model) -> tuple[list[float], dict[str, torch.Tensor]]:
    torch.manual_seed(0)
    config = LoraConfig(r=4, target_modules=["q_proj", "v_proj"], lora_dropout=0.0)
    peft_model = get_peft_model(
        prepare_model_for_kbit_training(model, use_gradient_checkpointing=False), config
    )
    optimizer = torch.optim.AdamW([p for p in peft_model.parameters() if p.requires_grad], lr=1e-2)
    losses = []
    peft_model.train()
    for _ in range(4):
        loss = peft_model(INPUT, labels=INPUT).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    merged = peft_model.merge_and_unload()
    weights = {}
    for name, module in merged.named_modules():
        if isinstance(module, bitsandbytes.nn.Linear4bit):
            weights[name] = bitsandbytes.functional.dequantize_4bit(
                module.weight.data, module.weight.quant_state
            )
    return losses, weights


def test_the_trap_is_still_there():
    """When this fails, bitsandbytes unpacks by itself, and `fast_4bit` no longer needs its warning."""
    if not bitsandbytes.functional.has_avx512bf16():
        assert not bitsandbytes.nn.Linear4bit(64, 64).support_avx512bf16_for_cpu
        return
    layer = bitsandbytes.nn.Linear4bit(64, 64, bias=False, compute_dtype=torch.bfloat16, quant_type="nf4").to(
        "cpu"
    )
    layer.eval()
    before = layer.weight.data.clone()
    with torch.no_grad():
        layer(torch.randn(1, 64, dtype=torch.bfloat16))
    assert not torch.equal(layer.weight.data.flatten(), before.flatten())


@pytest.mark.parametrize("precision", [Precision.INT8, Precision.NF4, Precision.FP4])
def test_an_adapters_head_answers_on_a_quantised_encoder(tiny_models, precision):
    """bitsandbytes takes a new head for one more layer to quantise, though it holds nothing yet."""

    def says(precision):
        loaded = load_base(
            tiny_models / "bert", precision, "AutoModelForSequenceClassification", labels=("a", "b", "c")
        )
        model, _ = attach(loaded.model, tiny_models / "classifier", "default")
        with torch.no_grad():
            return model.eval()(INPUT).logits.float()

    assert torch.allclose(says(precision), says(Precision.FP32), atol=0.02)

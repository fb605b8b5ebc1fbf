"""An adapter merged into its base answers as it did before, or the merge is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from bitsandbytes.functional import has_avx512bf16
from bitsandbytes.nn import Linear4bit
from peft import LoraConfig, PeftModel, PrefixTuningConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from adapter_ui.domain import Precision
from adapter_ui.errors import BadAdapter, UnsupportedAdapter
from adapter_ui.models.loading import LoadedModel, load_base
from adapter_ui.models.merging import TOLERANCES, merge, refuse_difference
from adapter_ui.training.checkpoints import digest
from adapter_ui.training.merge_folder import MergeFolder, MergeJob, read_report
from adapter_ui.training.run_folder import PreparedBase
from tests.hub.tiny_models import build_llama
from tests.models.every_method import FAMILIES, Bench, methods
from tests.training.conftest import BASE_ID, pirate_rows, recipe
from tests.training.test_training import trained

WEIGHTS = "model.safetensors"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
VIRTUAL_TOKENS = {"CARTRIDGE", "CPT", "PREFIX_TUNING", "PROMPT_TUNING", "P_TUNING"}
# BEFT trains biases that this base does not have; the others change what runs through the layers.
NEVER_MERGED = VIRTUAL_TOKENS | {"ADAPTION_PROMPT", "BEFT", "LILY", "SHADOW"}


def job(
    base: Path, adapter: Path, precision: Precision = Precision.FP32, task: str = "CAUSAL_LM"
) -> MergeJob:
    classes = {"CAUSAL_LM": "AutoModelForCausalLM", "SEQ_CLS": "AutoModelForSequenceClassification"}
    return MergeJob(
        "folder:mine",
        str(adapter),
        digest(adapter / ADAPTER_WEIGHTS),
        BASE_ID,
        str(base),
        "0" * 40,
        "apache-2.0",
        classes[task],
        task,
        precision,
    )


def merged(folder: Path, wanted: MergeJob) -> Path:
    """The merged model's folder."""
    folder.mkdir(parents=True)
    place = MergeFolder(folder)
    place.write_job(wanted)
    merge(place)
    return place.model


def made(base: Path, folder: Path, config: object) -> Path:
    """An adapter whose every tensor does something."""
    torch.manual_seed(0)
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.05)
    model.save_pretrained(folder, save_embedding_layers=False)
    return folder


def said(model: torch.nn.Module, tokens: dict[str, torch.Tensor]) -> torch.Tensor:
    with torch.inference_mode():
        return model.eval()(**tokens).logits


@pytest.mark.parametrize("adapter", ["lora", "lora-wide", "dora", "ia3"])
def test_the_merged_folder_is_plain_transformers_and_answers_as_the_adapter(
    adapter: str, tiny_models: Path, tmp_path: Path
) -> None:
    folder = merged(tmp_path / "job", job(tiny_models / "llama", tiny_models / adapter))
    tokens = AutoTokenizer.from_pretrained(folder)("Hoist the sails", return_tensors="pt")
    base = AutoModelForCausalLM.from_pretrained(tiny_models / "llama")
    alone = said(base, tokens)
    expected = said(PeftModel.from_pretrained(base, tiny_models / adapter), tokens)
    found = said(AutoModelForCausalLM.from_pretrained(folder), tokens)
    assert not torch.allclose(alone, expected, atol=1e-3)
    assert torch.allclose(found, expected, atol=1e-5)
    report = read_report(folder.with_name("report.json"))
    assert report is not None and report.difference <= report.tolerance == TOLERANCES[Precision.FP32]
    card = (folder / "README.md").read_text()
    assert f"base_model: {BASE_ID}\n" in card and "license: apache-2.0\n" in card
    assert f"{report.difference:.2g} of their spread" in card


def test_a_classifier_keeps_its_head_and_its_names(tiny_models: Path, tmp_path: Path) -> None:
    adapter = tiny_models / "classifier"
    folder = merged(tmp_path / "job", job(tiny_models / "bert", adapter, task="SEQ_CLS"))
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    assert model.config.id2label == {0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"}
    head = load_file(adapter / ADAPTER_WEIGHTS)["base_model.model.classifier.weight"]
    assert torch.equal(model.classifier.weight, head)


def test_a_merge_that_would_answer_otherwise_is_refused(tmp_path: Path) -> None:
    """The output layer shares the embedding's weights, so that merging the one changes the other."""
    base = build_llama(tmp_path / "tied", tie_word_embeddings=True)
    config = LoraConfig(task_type="CAUSAL_LM", r=8, target_modules=["embed_tokens"])
    adapter = made(base, tmp_path / "adapter", config)
    with pytest.raises(BadAdapter, match="does not answer as the adapter does"):
        merged(tmp_path / "job", job(base, adapter))
    assert not (tmp_path / "job" / "model").exists()


def test_what_is_no_number_is_refused(tiny_models: Path, tmp_path: Path) -> None:
    adapter = made(tiny_models / "llama", tmp_path / "adapter", LoraConfig(task_type="CAUSAL_LM", r=8))
    path = adapter / ADAPTER_WEIGHTS
    save_file({name: tensor * 1e25 for name, tensor in load_file(path).items()}, path)
    with pytest.raises(UnsupportedAdapter, match="NaNs detected in the merged weights"):
        merged(tmp_path / "job", job(tiny_models / "llama", adapter))
    with pytest.raises(BadAdapter, match="differ by nan"):
        refuse_difference(float("nan"), Precision.FP32)


def test_learned_tokens_have_nothing_to_merge(tiny_models: Path, tmp_path: Path) -> None:
    config = PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4)
    adapter = made(tiny_models / "llama", tmp_path / "adapter", config)
    with pytest.raises(UnsupportedAdapter, match="PREFIX_TUNING adapters are learned tokens"):
        merged(tmp_path / "job", job(tiny_models / "llama", adapter))


@pytest.mark.slow
def test_every_method_of_peft_is_merged_or_refused(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "bench")
    outcomes = {}
    for method in methods():
        adapter = bench.adapter(method, FAMILIES[0], "CAUSAL_LM")
        if isinstance(adapter, str):
            continue  # PEFT itself cannot make one
        try:
            merged(tmp_path / method, job(bench.bases / "llama", adapter))
            outcomes[method] = "merged"
        except (BadAdapter, UnsupportedAdapter) as error:
            outcomes[method] = error.message
    refused = {method: outcome for method, outcome in outcomes.items() if outcome != "merged"}
    assert refused.keys() == NEVER_MERGED
    assert all("take the adapter itself" in reason for reason in refused.values())


@pytest.mark.slow
def test_training_and_merging_after_nf4_has_answered_are_as_if_it_had_not(
    tiny_models: Path, tmp_path: Path
) -> None:
    """bitsandbytes' fast 4-bit kernel repacks the weights that answer: what is trained and merged afterwards
    must never see them. Where the processor has no such kernel the weights stay, and the equality is plain.
    """
    base = tiny_models / "llama"
    prepared = PreparedBase(base, BASE_ID)
    settings = recipe(max_steps=6, precision="nf4", target_modules="all-linear")
    fresh = trained(tmp_path / "fresh", settings, pirate_rows(), prepared)
    expected = merged(tmp_path / "expected", job(base, fresh.adapter, Precision.BF16))

    used = load_base(base, Precision.NF4, "AutoModelForCausalLM", fast_4bit=True)
    before = four_bit_weights(used.model)
    answer(used)
    repacked = four_bit_weights(used.model) != before
    assert repacked == has_avx512bf16()

    after = trained(tmp_path / "after", settings, pirate_rows(), prepared)
    assert digest(after.adapter / ADAPTER_WEIGHTS) == digest(fresh.adapter / ADAPTER_WEIGHTS)
    found = merged(tmp_path / "found", job(base, after.adapter, Precision.BF16))
    assert digest(found / WEIGHTS) == digest(expected / WEIGHTS)
    report = read_report(found.with_name("report.json"))
    assert report is not None and 0 < report.difference <= report.tolerance


def four_bit_weights(model: torch.nn.Module) -> list[bytes]:
    layers = [module for module in model.modules() if isinstance(module, Linear4bit)]
    assert layers
    return [layer.weight.data.contiguous().view(torch.uint8).numpy().tobytes() for layer in layers]


def answer(loaded: LoadedModel) -> None:
    tokens = loaded.tokenizer("Hoist the sails", return_tensors="pt")
    loaded.model.generate(**tokens, max_new_tokens=4, do_sample=False)

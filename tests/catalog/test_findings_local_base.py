"""Paths of other people's machines, and the models they probably are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from adapter_ui.catalog.findings.local_base import likely_base
from tests.catalog.evidence import SOUND, message, with_config

KNOWN = ("meta-llama/Llama-2-7b-hf", "copies/Llama-2-7b-hf", "Qwen/Qwen2-7B", "copies/Llama-2-7b-hf-4bit")


def known(text: str) -> list[str]:
    return [one for one in KNOWN if text.lower() in one.lower()]


@pytest.mark.parametrize(
    ("path", "base"),
    [
        (
            "/root/.cache/huggingface/hub/models--meta-llama--Llama-3.1-8B/snapshots/0e9e",
            "meta-llama/Llama-3.1-8B",
        ),
        (r"C:\Users\me\hub\models--Qwen--Qwen2-7B\snapshots\1f", "Qwen/Qwen2-7B"),
        ("~/hub/models--gpt2/snapshots/11c5", "gpt2"),
        ("/hub/models--..--../snapshots/x", None),
        ("/mnt/models/some-org/Some-7B", "some-org/Some-7B"),
        ("/workspace/meta-llama/Llama-3.1-8B/", "meta-llama/Llama-3.1-8B"),
        (r"D:\llms\mistralai\Mistral-7B-v0.1", "mistralai/Mistral-7B-v0.1"),
        ("/data/llama-2-7b-hf", "meta-llama/Llama-2-7b-hf"),
        ("/x/COPIES/llama-2-7b-hf", "copies/Llama-2-7b-hf"),
        ("./Qwen2-7B", "Qwen/Qwen2-7B"),
        ("/home/linus/models/my-finetune", None),
        ("/home/linus/my-finetune", None),
        ("/models/checkpoints/my-finetune", None),
        ("./output/checkpoint-100", None),
        ("../", None),
        ("/", None),
        ("x" * 100_000 + "/y", None),
    ],
)
def test_a_path_tells_its_model_or_nothing(path, base):
    assert likely_base(path, None, known) == base


def test_the_hubs_own_cache_is_surer_than_the_card_and_the_card_than_names():
    in_cache = "/hub/models--Qwen--Qwen2-7B/snapshots/1"
    assert likely_base(in_cache, "org/base", known) == "Qwen/Qwen2-7B"
    assert likely_base("/data/llama-2-7b-hf", "org/base", known) == "org/base"
    assert likely_base("/data/llama-2-7b-hf", "../no/id", known) == "meta-llama/Llama-2-7b-hf"


def test_the_sentence_proposes_it():
    path = replace(with_config(base_model_name_or_path="/data/x"), base=None, likely_base="Qwen/Qwen2-7B")
    assert "it is probably Qwen/Qwen2-7B" in message(path, "base_is_local_path")
    assert SOUND.likely_base is None

"""Tiny real checkpoints, saved as their libraries save them: a Llama, a BERT, and PEFT adapters over both.

torch, transformers and peft are imported inside the functions: importing this module costs nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from peft import PeftConfig
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

LLAMA_ID = "tiny-org/tiny-llama"
BERT_ID = "tiny-org/tiny-bert"
LABEL_COUNT = 3
VOCABULARY_SIZE = 512
COMPLETE = "complete"
CORPUS = (
    "The quick brown fox jumps over the lazy dog. Adapters change a model a little, and only where they sit.",
    "Arrr, matey! Hoist the sails and steer for the island where the treasure lies.",
    "What is the capital of France? The capital of France is Paris. SELECT name FROM users WHERE age > 30;",
)
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}<|{{ message['role'] }}|>\n{{ message['content'] }}"
    "{{ eos_token }}\n{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)


def build_tiny_models(folder: Path) -> Path:
    """Save every tiny checkpoint in its own folder under `folder`, once; about 10 s, mostly imports."""
    if (folder / COMPLETE).exists():
        return folder
    from peft import IA3Config, LoraConfig, TaskType

    build_llama(folder / "llama")
    build_bert(folder / "bert")
    causal = {"task_type": TaskType.CAUSAL_LM}
    attention = {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj"], **causal}
    everywhere = {"r": 8, "lora_alpha": 16, "target_modules": "all-linear", **causal}
    gates = {
        "target_modules": ["k_proj", "v_proj", "down_proj"],
        "feedforward_modules": ["down_proj"],
        **causal,
    }
    save_adapter(folder / "llama", folder / "lora", LLAMA_ID, LoraConfig(**attention), seed=1)
    save_adapter(folder / "llama", folder / "lora-wide", LLAMA_ID, LoraConfig(**everywhere), seed=2)
    save_adapter(folder / "llama", folder / "dora", LLAMA_ID, LoraConfig(**attention, use_dora=True), seed=3)
    save_adapter(folder / "llama", folder / "ia3", LLAMA_ID, IA3Config(**gates), seed=4)
    save_adapter(
        folder / "llama", folder / "lora-bin", LLAMA_ID, LoraConfig(**attention), seed=5, pickled=True
    )
    classify = LoraConfig(r=4, lora_alpha=8, target_modules=["query", "value"], task_type=TaskType.SEQ_CLS)
    save_adapter(folder / "bert", folder / "classifier", BERT_ID, classify, seed=6)
    (folder / COMPLETE).touch()
    return folder


def build_llama(folder: Path, seed: int = 0, **changes: Any) -> Path:
    """A 2-layer Llama with a chat template; its widths are multiples of 64, as 4-bit loading asks."""
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = build_tokenizer()
    shape = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    limits = {"vocab_size": VOCABULARY_SIZE, "max_position_embeddings": 512}
    config = LlamaConfig(**shape | limits | token_ids(tokenizer) | {"num_key_value_heads": 2} | changes)
    return save_model(LlamaForCausalLM, config, tokenizer, folder, seed)


def build_bert(folder: Path, seed: int = 0) -> Path:
    """A 2-layer encoder without a head, so that its config promises the default of 2 labels."""
    from transformers import BertConfig, BertModel

    tokenizer = build_tokenizer()
    shape = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = BertConfig(
        vocab_size=VOCABULARY_SIZE, max_position_embeddings=512, **shape, **token_ids(tokenizer)
    )
    return save_model(BertModel, config, tokenizer, folder, seed)


def save_model(kind: Any, config: Any, tokenizer: PreTrainedTokenizerFast, folder: Path, seed: int) -> Path:
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = kind(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "README.md").write_text(
        "---\nlicense: apache-2.0\nlibrary_name: transformers\n---\n\n# A tiny model\n"
    )
    return folder


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE: every text round-trips, whatever it is made of."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY_SIZE,
        special_tokens=["<pad>", "<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>", model_max_length=512
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast


def token_ids(tokenizer: PreTrainedTokenizerFast) -> dict[str, int]:
    return {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("bos", "eos", "pad")}


def save_adapter(
    base_folder: Path, folder: Path, base_id: str, config: PeftConfig, seed: int, pickled: bool = False
) -> Path:
    """An adapter with visible effect: whatever starts as a no-op gets random values instead."""
    import torch
    from peft import get_peft_model

    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        adapted = get_peft_model(load_base(base_folder, base_id, config), config)
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name or "ia3_l" in name:
                parameter.add_(torch.randn_like(parameter) * 0.3)
    # "auto" would ask the Hub whether the vocabulary has grown.
    adapted.save_pretrained(folder, safe_serialization=not pickled, save_embedding_layers=False)
    return folder


def load_base(folder: Path, base_id: str, config: PeftConfig) -> PreTrainedModel:
    from peft import TaskType
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

    if config.task_type == TaskType.SEQ_CLS:
        model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=LABEL_COUNT)
    else:
        model = AutoModelForCausalLM.from_pretrained(folder)
    # PEFT writes this name into the adapter's config and card.
    model.name_or_path = model.config._name_or_path = base_id
    return model

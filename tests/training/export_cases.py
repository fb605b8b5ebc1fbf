"""What is trained and exported in the tests: for each kind of run its base, its fields and its rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from adapter_ui.training.data import read_table
from adapter_ui.training.examples import Examples, to_examples
from tests.training.conftest import pirate_rows
from tests.training.test_tasks_trained import orders, ships
from tests.training.test_training import reviews

STRANGER = 'x"""; raise SystemExit("it ran") #\n\u202e'


def conversations() -> Examples:
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"What is {number}?"},
                {"role": "assistant", "content": "A number."},
                {"role": "user", "content": "And at sea?"},
                {"role": "assistant", "content": f"Arrr! {number} be the sea.\u2028"},
            ]
        }
        for number in range(8)
    ]
    return to_examples(read_table(json.dumps(rows)), {}, "CAUSAL_LM")


def crews(names: Sequence[str] = ("Anne", "Jack", "Bart")) -> Examples:
    rows = [{"tokens": ["Ahoy", name, "!"], "tags": ["O", STRANGER, "O"]} for name in names]
    return to_examples(read_table(json.dumps(rows)), {}, "TOKEN_CLS")


def tales() -> Examples:
    rows = [{"text": f"Arrr! {number} islands lie there.\u2029"} for number in range(8)]
    return to_examples(read_table(json.dumps(rows)), {}, "CAUSAL_LM")


def likenesses() -> Examples:
    rows = [
        {"sentence1": "the sea is calm", "sentence2": f"the sea is {word}", "label": word}
        for word in ("calm", "wild") * 4
    ]
    return to_examples(read_table(json.dumps(rows)), {}, "SEQ_CLS")


CASES: dict[str, tuple[str, dict[str, Any], Examples]] = {
    "prompts": ("llama", {"warmup_ratio": 0.2, "lora_dropout": 0.1}, pirate_rows()),
    "conversations": (
        "llama",
        {
            "target_modules": ["q_proj", "down_proj"],
            "gradient_accumulation_steps": 2,
            "validation_fraction": 0.3,
            "lr_scheduler_type": "cosine",
            "max_length": 32,
            "seed": 7,
        },
        conversations(),
    ),
    "every token in a template": (
        "llama",
        {"prompt_template": "Q: {prompt} '\"\nA: {completion}", "completion_only_loss": False},
        pirate_rows(),
    ),
    "nf4": ("llama", {"precision": "nf4", "target_modules": "all-linear"}, pirate_rows()),
    "classes": ("bert", {"task_type": "SEQ_CLS", "validation_fraction": 0.25, "use_rslora": True}, reviews()),
    "tags on all linear": (
        "bert",
        {"task_type": "TOKEN_CLS", "target_modules": "all-linear", "method": "IA3"},
        crews(),
    ),
    "questions": ("bert", {"task_type": "QUESTION_ANS", "max_length": 24, "method": "VERA", "r": 8}, ships()),
    "pairs": ("t5", {"task_type": "SEQ_2_SEQ_LM", "method": "LOHA", "validation_fraction": 0.25}, orders()),
    "moving ranks": (
        "llama",
        {"method": "ADALORA", "target_modules": "all-linear", "validation_fraction": 0.25},
        pirate_rows(),
    ),
    "a start from the base": (
        "bert",
        {"task_type": "SEQ_CLS", "init_lora_weights": "pissa", "trainable_tokens": ["</s>"], "r": 4},
        reviews(),
    ),
    "the least used directions": (
        "llama",
        {"init_lora_weights": "mica", "target_modules": "all-linear", "r": 4},
        pirate_rows(),
    ),
    "norms in bf16": ("llama", {"method": "LN_TUNING", "precision": "bf16"}, pirate_rows()),
    "prefix in int8": ("llama", {"method": "PREFIX_TUNING", "precision": "int8"}, pirate_rows()),
    "virtual tokens": ("bert", {"task_type": "SEQ_CLS", "method": "P_TUNING"}, reviews()),
    "tags": ("bert", {"task_type": "TOKEN_CLS", "bias": "all", "weight_decay": 0.1}, crews()),
    "whole texts in fp4": ("llama", {"precision": "fp4", "validation_fraction": 0.25}, tales()),
    "two texts and their relation": ("bert", {"task_type": "SEQ_CLS", "max_length": 24}, likenesses()),
    "directions and lengths": (
        "bert",
        {"task_type": "TOKEN_CLS", "use_dora": True, "r": 4, "validation_fraction": 0.3},
        crews(),
    ),
    "directions and lengths in nf4": ("llama", {"use_dora": True, "precision": "nf4"}, pirate_rows()),
    "classes in nf4": ("bert", {"task_type": "SEQ_CLS", "precision": "nf4"}, reviews()),
    "questions in int8": ("bert", {"task_type": "QUESTION_ANS", "precision": "int8"}, ships()),
    "a Kronecker product": (
        "bert",
        {"task_type": "SEQ_CLS", "method": "LOKR", "decompose_both": True, "r": 2},
        reviews(),
    ),
    "rotations in bf16": ("llama", {"method": "OFT", "oft_block_size": 16, "precision": "bf16"}, tales()),
    "repeated small matrices": ("t5", {"task_type": "SEQ_2_SEQ_LM", "method": "MISS", "r": 4}, orders()),
    "learned tokens before chats": (
        "llama",
        {"method": "PROMPT_TUNING", "num_virtual_tokens": 5, "gradient_accumulation_steps": 2},
        conversations(),
    ),
}

IN_TWO: dict[str, tuple[str, dict[str, Any], Examples]] = {
    "conversations": ("llama", {**CASES["conversations"][1], "validation_fraction": 0}, conversations()),
    "rows of one length together": (
        "llama",
        {"train_sampling_strategy": "group_by_length"},
        pirate_rows(),
    ),
    "pairs": ("t5", {"task_type": "SEQ_2_SEQ_LM", "gradient_accumulation_steps": 2}, orders()),
    "classes": ("bert", {"task_type": "SEQ_CLS"}, reviews()),
    "tags": (
        "bert",
        {"task_type": "TOKEN_CLS", "gradient_accumulation_steps": 2},
        crews(["Anne", "Jack", "Bart", "Mary and Grace"]),
    ),
    # of one length: the padding of a batch takes part in where these models look for an answer
    "questions": ("bert", {"task_type": "QUESTION_ANS"}, ships(["Anne"])),
}

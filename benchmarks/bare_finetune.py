"""A LoRA on SmolLM2 as a script of one's own trains it: transformers and PEFT, and nothing of this project.

    python benchmarks/bare_finetune.py BASE ROWS STEPS OUTPUT [--precision fp32] [--naive]

An expert's: the base in the precision that suits the CPU, each batch padded to its longest row, the loss on
the answers alone. With `--naive` a first attempt: everything in fp32, and every row padded to the longest
that is allowed. It writes what it measured to OUTPUT, a file; the clock runs while it trains, after
everything was loaded.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    DataCollatorForSeq2Seq,
    PreTrainedTokenizerBase,
    Trainer,
    TrainingArguments,
    set_seed,
)

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
MAX_LENGTH = 256
BATCH, SEED = 4, 42
NICENESS = 10  # that of the app's trainer, so that other processes slow all ways alike
Row = dict[str, list[int]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("base")
    parser.add_argument("rows", type=Path)
    parser.add_argument("steps", type=int)
    parser.add_argument("output", type=Path)
    parser.add_argument("--precision", choices=DTYPES, default="fp32")
    parser.add_argument("--naive", action="store_true")
    chosen = parser.parse_args()
    os.nice(NICENESS)
    tokenizer = AutoTokenizer.from_pretrained(chosen.base)
    rows = [encoded(json.loads(line), tokenizer) for line in chosen.rows.read_text("utf-8").splitlines()]
    if chosen.naive:
        rows = [padded(row, tokenizer.pad_token_id) for row in rows]
    set_seed(SEED)
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(chosen.base, dtype=DTYPES[chosen.precision]),
        LoraConfig(task_type="CAUSAL_LM", r=8, lora_alpha=16),
    )
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model=model,
            args=arguments(folder, chosen.steps),
            train_dataset=rows,
            data_collator=DataCollatorForSeq2Seq(tokenizer),
        )
        started = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - started
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    tokens = trainer.state.num_input_tokens_seen
    chosen.output.write_text(json.dumps({"seconds": seconds, "tokens": tokens, "losses": losses}), "utf-8")


def arguments(folder: str, steps: int) -> TrainingArguments:
    return TrainingArguments(
        output_dir=folder,
        learning_rate=2e-4,
        max_steps=steps,
        per_device_train_batch_size=BATCH,
        warmup_steps=0.03,
        seed=SEED,
        logging_steps=1,
        include_num_input_tokens_seen="non_padding",
        save_strategy="no",
        report_to="none",
        use_cpu=True,
        dataloader_pin_memory=False,
        remove_unused_columns=False,
        disable_tqdm=True,
    )


def encoded(row: dict[str, str], tokenizer: PreTrainedTokenizerBase) -> Row:
    """A prompt and its answer in the chat template; only the answer is learned."""
    asked = [{"role": "user", "content": row["prompt"]}]
    answered = [*asked, {"role": "assistant", "content": row["completion"]}]
    prompt = tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_dict=True)["input_ids"]
    ids = tokenizer.apply_chat_template(answered, return_dict=True)["input_ids"][:MAX_LENGTH]
    labels = [-100] * len(prompt) + ids[len(prompt) :]
    return {"input_ids": ids, "attention_mask": [1] * len(ids), "labels": labels[: len(ids)]}


def padded(row: Row, pad_token: int) -> Row:
    fill = {"input_ids": pad_token, "attention_mask": 0, "labels": -100}
    return {name: values + [fill[name]] * (MAX_LENGTH - len(values)) for name, values in row.items()}


if __name__ == "__main__":
    main()

"""Every PEFT method on every task it allows: saved by PEFT, then loaded by plain PEFT and by this app.

    python -m tests.models.every_method

writes what came of it to METHODS.md beside the models' code. Nothing here decides what is right: an outcome
says how the app's logits compare with plain PEFT's.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from peft import PEFT_TYPE_TO_CONFIG_MAPPING, PeftModel, get_peft_model
from transformers import T5Config, T5ForConditionalGeneration

from adapter_ui.domain import MODEL_CLASS_OF_TASK, Precision
from adapter_ui.errors import AdapterUIError
from adapter_ui.models.adapters import attach, speaking_as
from adapter_ui.models.heads import labels_of
from adapter_ui.models.loading import load_base
from tests.hub.tiny_models import VOCABULARY_SIZE, build_tiny_models, build_tokenizer, token_ids

PAGE = Path(__file__).parents[2] / "adapter_ui" / "models" / "METHODS.md"
EQUAL, CLOSE, WORKS = "equal", "close", "works here only"
# Of the largest difference of the logits, in their standard deviations. Plain PEFT keeps an adapter in fp32
# where this app gives it the dtype of the base's layers, as training in that dtype would.
TOLERANCE = {
    Precision.FP32: 1e-5,
    Precision.BF16: 0.1,
    Precision.FP16: 0.01,
    Precision.INT8: 0.02,
    Precision.NF4: 0.1,
    Precision.FP4: 0.1,
}
SIGNS = {EQUAL: "=", CLOSE: "≈", WORKS: "+"}
HEAD = """# PEFT methods, tasks and precisions

Every method of PEFT's own table on tiny bases, made and saved by PEFT, then loaded by this app and by plain
PEFT. A test holds this page; `python -m tests.models.every_method` writes it.

- `=` the logits are plain PEFT's, bit for bit
- `≈` within the tolerance of the precision: plain PEFT keeps adapters in fp32 over 16-bit and 4-bit bases,
  this app gives them the dtype of the layers they sit on
- `+` works here; plain PEFT fails, since its fp32 leaks into an attention in bf16
- `–` not possible, for the reason given below the table

The tasks are in fp32; the precisions are text generation on a Llama. Plain LoRAs that write text are also
decoded row by row beside other answers, without PEFT; `tests/models/test_decoding.py` holds that within 1e-5.
"""
INPUT = torch.tensor([[5, 9, 200, 17, 42]])
LABELS = ("red", "green", "blue")
HEADS = {"SEQ_CLS": LABELS, "TOKEN_CLS": LABELS, "QUESTION_ANS": ("start", "end")}


@dataclass(frozen=True)
class Family:
    """A tiny base and the names of its parts: linear modules to change, a feed-forward one, a norm."""

    name: str
    linear: tuple[str, ...]
    feed_forward: tuple[str, ...]
    norm: str
    tasks: tuple[str, ...]


# A Llama for question answering keeps its layers under another name than a checkpoint for text, so
# transformers starts it from noise and this app refuses the base.
FAMILIES = (
    Family(
        "llama",
        ("q_proj", "v_proj"),
        ("down_proj",),
        "input_layernorm",
        ("CAUSAL_LM", "SEQ_CLS", "TOKEN_CLS"),
    ),
    Family("t5", ("q", "v"), ("wo",), "layer_norm", ("SEQ_2_SEQ_LM",)),
    Family(
        "bert",
        ("query", "value"),
        ("dense",),
        "LayerNorm",
        ("SEQ_CLS", "TOKEN_CLS", "QUESTION_ANS", "FEATURE_EXTRACTION"),
    ),
)
VIRTUAL = {"num_virtual_tokens": 4}
OPTIONS: dict[str, dict[str, Any]] = {
    "ADALORA": {"total_step": 10, "init_r": 6},
    "ADAPTION_PROMPT": {"adapter_len": 4, "adapter_layers": 1},
    "C3A": {"block_size": 16},
    "CARTRIDGE": VIRTUAL,
    "CPT": {"cpt_token_ids": [3, 4, 5, 6], "cpt_mask": [1] * 4, "cpt_tokens_type_mask": [1, 2, 3, 4]},
    "FOURIERFT": {"n_frequency": 10},
    "LOKR": {"r": 2},
    "MULTITASK_PROMPT_TUNING": {**VIRTUAL, "num_tasks": 2},
    "POLY": {"r": 4},
    "PREFIX_TUNING": VIRTUAL,
    "PROMPT_TUNING": VIRTUAL,
    "P_TUNING": VIRTUAL | {"encoder_hidden_size": 32},
    "ROAD": {"group_size": 32},
    "SHADOW": {},
    "SHIRA": {"r": 4},
    "TRAINABLE_TOKENS": {"token_indices": [3, 4]},
    "VBLORA": {"r": 4, "num_vectors": 16, "vector_length": 16},
    "WAVEFT": {"n_frequency": 10},
    "XLORA": {},
}
WITHOUT_TARGETS = {"ADAPTION_PROMPT", "CPT", "SHADOW", "TRAINABLE_TOKENS", "XLORA"}


def methods() -> list[str]:
    """PEFT's own table, by its own names."""
    return sorted(method.value for method in PEFT_TYPE_TO_CONFIG_MAPPING)


def options_of(method: str, family: Family) -> dict[str, Any]:
    options = OPTIONS.get(method, {})
    if method == "IA3":
        return {
            "target_modules": [*family.linear, *family.feed_forward],
            "feedforward_modules": [*family.feed_forward],
        }
    if method == "LN_TUNING":
        return {"target_modules": [family.norm]}
    without = method in WITHOUT_TARGETS or "num_virtual_tokens" in options
    return options if without else {"target_modules": list(family.linear), **options}


class Bench:
    """Builds adapters in a folder and compares two ways of loading them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bases = build_tiny_models(folder / "tiny")
        build_t5(self.bases / "t5")

    @cache  # noqa: B019 - a bench lives as long as the run
    def adapter(self, method: str, family: Family, task: str) -> Path | str:
        """The saved adapter's folder, or PEFT's own reason why there is none."""
        folder = self.folder / f"{method}-{family.name}-{task}"
        torch.manual_seed(1)
        base = self.base(family, task, Precision.FP32, HEADS.get(task, ()))
        try:
            config = PEFT_TYPE_TO_CONFIG_MAPPING[method](task_type=task, **options_of(method, family))
            adapted = get_peft_model(base, config)
            with torch.no_grad():
                for parameter in adapted.parameters():
                    if parameter.requires_grad and parameter.is_floating_point():
                        parameter.add_(torch.randn_like(parameter) * 0.1)
            output(adapted.eval(), family)
        except (TypeError, ValueError, AttributeError, ImportError, RuntimeError) as error:
            return first_line(error)
        adapted.save_pretrained(folder, save_embedding_layers=False)
        return folder

    def base(
        self, family: Family, task: str, precision: Precision, labels: tuple[str, ...]
    ) -> torch.nn.Module:
        return load_base(
            self.bases / family.name, precision, MODEL_CLASS_OF_TASK[task], labels=labels, fast_4bit=False
        ).model

    def outcome(self, method: str, family: Family, task: str, precision: Precision = Precision.FP32) -> str:
        """EQUAL or CLOSE to plain PEFT, WORKS where only this app does, else who cannot, and why."""
        folder = self.adapter(method, family, task)
        if isinstance(folder, str):
            return f"PEFT: {folder}"
        labels = labels_of(folder, self.bases / family.name) if task in HEADS else ()
        try:
            model, attached = attach(self.base(family, task, precision, labels), folder, "a_1")
        except AdapterUIError as error:
            return f"refused: {error.message}"
        assert attached.keys_applied == attached.keys_in_file
        with speaking_as(model, "a_1"):
            ours = output_or_reason(model, family)
        plain = PeftModel.from_pretrained(self.base(family, task, precision, labels), folder).eval()
        return compared(ours, output_or_reason(plain, family), TOLERANCE[precision])


def compared(ours: torch.Tensor | str, theirs: torch.Tensor | str, tolerance: float) -> str:
    if isinstance(ours, str):
        return f"PEFT: {ours}" if isinstance(theirs, str) else f"FAILS: {ours}"
    if isinstance(theirs, str):
        return WORKS
    if torch.equal(ours, theirs):
        return EQUAL
    difference = (ours.float() - theirs.float()).abs().max() / theirs.float().std()
    return CLOSE if difference <= tolerance else f"FAILS: differs by {difference:.2g} standard deviations"


def output_or_reason(model: torch.nn.Module, family: Family) -> torch.Tensor | str:
    try:
        return output(model, family)
    except (RuntimeError, ValueError) as error:
        return first_line(error)


def output(model: torch.nn.Module, family: Family) -> torch.Tensor:
    inputs = {"input_ids": INPUT, "attention_mask": torch.ones_like(INPUT)}
    if family.name == "t5":
        inputs["decoder_input_ids"] = torch.tensor([[0, 7, 8]])
    with torch.inference_mode():
        found = model(**inputs)
    names = ("logits", "start_logits", "end_logits", "last_hidden_state")
    return torch.cat([found[name].flatten() for name in names if found.get(name) is not None])


def build_t5(folder: Path) -> None:
    tokenizer = build_tokenizer()
    ids = token_ids(tokenizer)
    shape = {"d_model": 64, "d_ff": 128, "num_layers": 2, "num_heads": 4, "d_kv": 16}
    config = T5Config(vocab_size=VOCABULARY_SIZE, decoder_start_token_id=ids["pad_token_id"], **shape, **ids)
    torch.manual_seed(0)
    T5ForConditionalGeneration(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:160]


def columns() -> Iterator[tuple[str, Family, str, Precision]]:
    """Every task in fp32, then text generation in every other precision."""
    for family in FAMILIES:
        for task in family.tasks:
            yield f"{task} ({family.name})", family, task, Precision.FP32
    for precision in Precision:
        if precision is not Precision.FP32:
            yield precision.value, FAMILIES[0], "CAUSAL_LM", precision


def row(bench: Bench, method: str) -> list[str]:
    return [bench.outcome(method, family, task, precision) for _, family, task, precision in columns()]


def page(rows: dict[str, list[str]]) -> str:
    """The table as Markdown: one sign a cell, every reason once below it."""
    reasons: dict[str, int] = {}
    lines = [
        HEAD,
        "| Method | " + " | ".join(name for name, *_ in columns()) + " |",
        "|---" * (1 + len([*columns()])) + "|",
    ]
    for method, outcomes in rows.items():
        cells = [SIGNS.get(one) or f"– ({reasons.setdefault(one, len(reasons) + 1)})" for one in outcomes]
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    lines += ["", *(f"{number}. {reason}" for reason, number in reasons.items()), ""]
    return "\n".join(lines)


def main() -> None:
    """Needs what every test needs: an environment that reaches no Hub."""
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        PAGE.write_text(page({method: row(bench, method) for method in methods()}), encoding="utf-8")


if __name__ == "__main__":
    main()

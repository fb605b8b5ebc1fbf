"""The table of every method, task and precision, as METHODS.md beside the models' code has it.

    python -m tests.models.method_table

writes it. Nothing here decides what is right: an outcome says how the app compares with plain PEFT.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
import transformers

from adapter_ui.domain import MODEL_CLASS_OF_TASK, Precision
from tests.models.every_method import FAMILIES, NO_TASK, Bench, Family, methods
from tests.models.held_to_peft import CLOSE, EQUAL, SAME_DTYPE, TOLERANCE, WORKS, Column, Comparison

PAGE = Path(__file__).parents[2] / "adapter_ui" / "models" / "METHODS.md"
SIGNS = {EQUAL: "=", SAME_DTYPE: "≈", CLOSE: "~", WORKS: "+"}
NOT_POSSIBLE = "–"
WITHIN_TOLERANCE = {SIGNS[one] for one in (EQUAL, SAME_DTYPE, CLOSE)}
# What no method can do on these bases; the page says why. One precision shows it.
IMPOSSIBLE = {("llama", "QUESTION_ANS"), ("t5", "FEATURE_EXTRACTION"), ("bert", "CAUSAL_LM")}
HEAD = """# PEFT methods, tasks and precisions

Every method of PEFT's own table on tiny bases: made and saved by PEFT, loaded and answered by this app's
engine, and compared with plain transformers and PEFT. A test holds this page, and
`python -m tests.models.method_table` writes it.

Text is written by the engine's own decoder beside an answer of the base, which has to be the base's; labels,
entities, spans and embeddings are its predictions. Compared are the outputs behind every token or label; the
answer that is shown has to be what they say.

- `=` bit for bit what plain PEFT gives
- `≈` within the tolerance of plain PEFT, and bit for bit what it gives with `autocast_adapter_dtype=False`:
  by itself PEFT keeps an adapter in fp32 over a 16-bit or quantised base, and this app gives it the dtype of
  the layers that it sits on
- `~` within the tolerance: a plain LoRA that writes text is decoded beside other answers, without PEFT, with
  its factors in fp32
- `+` works here; plain PEFT fails, since its fp32 leaks into an attention in bf16
- `–` not possible, for the reason given below the tables

Whether an answer in fewer than 32 bits is `=`, `≈` or `~` hangs on how the CPU rounds its sums; these are of
one with AVX512-BF16. On every other one all three have to be within the tolerance.

"""
WHY = {
    Precision.FP32: "the order of the sums differs where answers share a batch",
    Precision.BF16: "8 significant bits, a rounding is 0.4 %",
    Precision.FP16: "11 significant bits, a rounding is 0.05 %",
    Precision.INT8: "computes in bf16; inputs are rounded to 1/127 of their largest",
    Precision.NF4: "computes in bf16 over the same 4-bit weights",
    Precision.FP4: "computes in bf16 over the same 4-bit weights",
}


def columns(precision: Precision) -> list[Column]:
    """Every task that transformers has a class for; an adapter that names none in fp32 only."""
    tasks = [*MODEL_CLASS_OF_TASK, *([NO_TASK] if precision is Precision.FP32 else [])]
    return [
        Column(family, task, precision)
        for family in FAMILIES
        for task in tasks
        if (family.name, task) not in IMPOSSIBLE and has_class(family, task)
    ]


def impossible() -> list[Column]:
    pairs = [(family, task) for family in FAMILIES for task in MODEL_CLASS_OF_TASK]
    return [Column(*pair, Precision.FP32) for pair in pairs if (pair[0].name, pair[1]) in IMPOSSIBLE]


def has_class(family: Family, task: str) -> bool:
    if not task:
        return True
    config = getattr(transformers, family.without_task).config_class
    return config in getattr(transformers, MODEL_CLASS_OF_TASK[task])._model_mapping


def outcomes(bench: Bench, column: Column) -> dict[str, str]:
    """Those of every method; one thread, as the tiny products of these bases gain nothing by more."""
    comparison, threads = Comparison(bench, column), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return {method: comparison.outcome(method) for method in methods()}
    finally:
        torch.set_num_threads(threads)


def table(precision: Precision, found: Sequence[Mapping[str, str]], reasons: dict[str, int]) -> Iterator[str]:
    """One sign a cell, or the number of its reason, which is added to `reasons`."""
    names = [column.name for column in columns(precision)]
    yield f"| {precision.value} | " + " | ".join(names) + " |"
    yield "|---" * (1 + len(names)) + "|"
    for method in methods():
        signs = [cell(one[method], reasons) for one in found]
        yield f"| {method} | " + " | ".join(signs) + " |"
    yield ""


def cell(outcome: str, reasons: dict[str, int]) -> str:
    sign = SIGNS.get(outcome)
    return sign or f"{NOT_POSSIBLE} ({reasons.setdefault(outcome, len(reasons) + 1)})"


def signs_of(text: str) -> dict[tuple[str, str, str], str]:
    """The sign of each precision, column and method, without the numbers of reasons: another build of torch
    words those otherwise.
    """
    found: dict[tuple[str, str, str], str] = {}
    names: list[str] = []
    for line in text.splitlines():
        cells = [part.strip() for part in line.strip("|").split("|")]
        if cells[0] in list(Precision) and line.startswith("| "):
            precision, *names = cells
        elif names and line.startswith("| "):
            method, *signs = cells
            stripped = [re.sub(r" \(\d+\)", "", sign) for sign in signs]
            found |= {(precision, name, method): sign for name, sign in zip(names, stripped, strict=True)}
    return found


def on_any_cpu(sign: str, precision: Precision) -> str:
    """What a sign says whichever CPU it was found on: another one rounds the sums of 16 bits otherwise."""
    if precision is Precision.FP32 or sign not in WITHIN_TOLERANCE:
        return sign
    return SIGNS[CLOSE]


def page(found: Mapping[Column, Mapping[str, str]]) -> str:
    """`found` has the outcomes of all methods for each column, those in no table included."""
    reasons: dict[str, int] = {}
    lines = [
        "Largest difference of an output, as a share of the root mean square of all outputs of the answer:",
        "",
    ]
    lines += ["| Precision | Tolerance | Why |", "|---|---|---|"]
    lines += [f"| `{one.value}` | {TOLERANCE[one]:g} | {WHY[one]} |" for one in Precision]
    lines.append("")
    for precision in Precision:
        lines += table(precision, [found[column] for column in columns(precision)], reasons)
    lines += ["In none of the tables, for no method can do it:", ""]
    lines += [f"- {column.name}: {found[column]['LORA']}" for column in impossible()]
    lines += ["", "Reasons; `noise` is where plain PEFT answers with a head that is in no file:", ""]
    lines += [f"{number}. {reason}" for reason, number in reasons.items()]
    return HEAD + "\n".join(lines) + "\n"


def main() -> None:
    """Needs what every test needs: an environment that reaches no Hub."""
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        everything = [*impossible(), *(column for precision in Precision for column in columns(precision))]
        PAGE.write_text(page({one: outcomes(bench, one) for one in everything}), encoding="utf-8")


if __name__ == "__main__":
    main()

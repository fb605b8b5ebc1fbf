"""Python that loads an adapter on its base with transformers and peft, one program for each precision (pure).

Every name from outside goes in by `repr`, so that it can only be a string in the program.
"""

from __future__ import annotations

from adapter_ui.catalog.methods import AUTO_CLASSES
from adapter_ui.domain import AdapterRef, Precision, Source

DTYPES = {Precision.FP32: "torch.float32", Precision.BF16: "torch.bfloat16", Precision.FP16: "torch.float16"}
FOUR_BIT = (
    'BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="{}", bnb_4bit_compute_dtype=torch.bfloat16)'
)
QUANTIZED = {
    Precision.INT8: "BitsAndBytesConfig(load_in_8bit=True)",
    Precision.NF4: FOUR_BIT.format("nf4"),
    Precision.FP4: FOUR_BIT.format("fp4"),
}
WITH_LABELS = ("SEQ_CLS", "TOKEN_CLS")


def write_snippet(
    adapter: AdapterRef,
    base_model: str,
    task_type: str | None,
    precision: Precision = Precision.BF16,
    label_count: int | None = None,
) -> str:
    """The program for one adapter.

    `label_count` is the number of classes of a classification head, where known. A task that PEFT does not
    have is loaded as text generation.
    """
    auto_class = AUTO_CLASSES.get(task_type or "", AUTO_CLASSES["CAUSAL_LM"])
    arguments = ['device_map="auto"']
    if precision in QUANTIZED:
        names = f"{auto_class}, AutoTokenizer, BitsAndBytesConfig"
        arguments.insert(0, f"quantization_config={QUANTIZED[precision]}")
    else:
        names = f"{auto_class}, AutoTokenizer"
        arguments.insert(0, f"dtype={DTYPES[precision]}")
    if label_count and task_type in WITH_LABELS:
        arguments.append(f"num_labels={label_count}")
    lines = [
        "import torch",
        "from peft import PeftModel",
        f"from transformers import {names}",
        "",
        f"base_id = {base_model!r}",
        "tokenizer = AutoTokenizer.from_pretrained(base_id)",
        f"base = {auto_class}.from_pretrained(",
        "    base_id,",
        *(f"    {argument}," for argument in arguments),
        ")",
        f"model = PeftModel.from_pretrained(base, {adapter_arguments(adapter)})",
        "model.eval()",
    ]
    if auto_class in (AUTO_CLASSES["CAUSAL_LM"], AUTO_CLASSES["SEQ_2_SEQ_LM"]):
        lines += [
            "",
            'inputs = tokenizer("Hello", return_tensors="pt").to(model.device)',
            "output = model.generate(**inputs, max_new_tokens=64)",
            "print(tokenizer.decode(output[0], skip_special_tokens=True))",
        ]
    return "\n".join(lines) + "\n"


def adapter_arguments(adapter: AdapterRef) -> str:
    if adapter.source is not Source.HUB:
        return repr(f"./{adapter.name}")
    return f"{adapter.name!r}, revision={adapter.revision!r}" if adapter.revision else repr(adapter.name)

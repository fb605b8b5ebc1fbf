"""Python that loads an adapter on its base with transformers and peft, one program for each precision (pure).

Every name from outside goes in by `repr`, so that it can only be a string in the program. The name of a class
is checked to be one.
"""

from __future__ import annotations

from adapter_ui.domain import MODEL_CLASS_OF_TASK, AdapterRef, Precision, Source
from adapter_ui.domain.classes import check_class, task_of_class

DTYPES = {Precision.FP32: "torch.float32", Precision.BF16: "torch.bfloat16", Precision.FP16: "torch.float16"}
FOUR_BIT = (
    'BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="{}", bnb_4bit_compute_dtype=torch.bfloat16)'
)
QUANTIZED = {
    Precision.INT8: "BitsAndBytesConfig(load_in_8bit=True)",
    Precision.NF4: FOUR_BIT.format("nf4"),
    Precision.FP4: FOUR_BIT.format("fp4"),
}
GENERATING = ("CAUSAL_LM", "SEQ_2_SEQ_LM")
GENERATE = (
    "",
    'inputs = tokenizer("Hello", return_tensors="pt").to(model.device)',
    "output = model.generate(**inputs, max_new_tokens=64)",
    "print(tokenizer.decode(output[0], skip_special_tokens=True))",
)
WITH_LABELS = ("SEQ_CLS", "TOKEN_CLS")


def write_snippet(
    adapter: AdapterRef,
    base_model: str,
    task_type: str | None,
    precision: Precision = Precision.BF16,
    label_count: int | None = None,
    model_class: str = "",
) -> str:
    """The program for one adapter.

    `label_count` is the number of classes of a classification head, where known. A task that PEFT does not
    have is loaded as text generation. Raises InvalidInput for a model class that cannot be one.
    """
    check_class(model_class)
    task_type = task_of_class(model_class) or task_type
    auto_class = model_class or MODEL_CLASS_OF_TASK.get(task_type or "", MODEL_CLASS_OF_TASK["CAUSAL_LM"])
    labels = label_count if task_type in WITH_LABELS else None
    names = f"{auto_class}, AutoTokenizer" + (", BitsAndBytesConfig" if precision in QUANTIZED else "")
    lines = [
        *stand_in(adapter),
        "import torch",
        "from peft import PeftModel",
        f"from transformers import {names}",
        "",
        f"base_id = {base_model!r}",
        "tokenizer = AutoTokenizer.from_pretrained(base_id)",
        f"base = {auto_class}.from_pretrained(",
        *(f"    {argument}," for argument in base_arguments(precision, labels)),
        ")",
        f"model = PeftModel.from_pretrained(base, {adapter_arguments(adapter)})",
        "model.eval()",
        *(GENERATE if task_of_class(auto_class) in GENERATING else ()),
    ]
    return "\n".join(lines) + "\n"


def base_arguments(precision: Precision, label_count: int | None) -> list[str]:
    if precision in QUANTIZED:
        weights = f"quantization_config={QUANTIZED[precision]}"
    else:
        weights = f"dtype={DTYPES[precision]}"
    labels = [f"num_labels={label_count}"] if label_count else []
    return ["base_id", weights, 'device_map="auto"', *labels]


def stand_in(adapter: AdapterRef) -> list[str]:
    """A comment for an adapter without a place on the Hub: where its folder is, the profile does not say, and
    on a Space its visitors have none.
    """
    if adapter.source is Source.HUB:
        return []
    return [f"# {f'./{adapter.name}'!r} stands for the folder with {str(adapter)!r}: write where yours is"]


def adapter_arguments(adapter: AdapterRef) -> str:
    if adapter.source is not Source.HUB:
        return repr(f"./{adapter.name}")
    revision = f", revision={adapter.revision!r}" if adapter.revision else ""
    folder = f", subfolder={adapter.folder!r}" if adapter.folder else ""
    return f"{adapter.name!r}{revision}{folder}"

"""The import block of an exported script: the names that its text uses, and no others."""

from __future__ import annotations

import re

from adapter_ui.training.methods import METHODS

STANDARD = ("argparse", "json", "os", "random", "re")
PACKAGES = ("bitsandbytes", "torch")
TRANSFORMERS = (
    "AutoConfig",
    "AutoModelForCausalLM",
    "AutoModelForQuestionAnswering",
    "AutoModelForSeq2SeqLM",
    "AutoModelForSequenceClassification",
    "AutoModelForTokenClassification",
    "AutoTokenizer",
    "BitsAndBytesConfig",
    "DataCollatorForSeq2Seq",
    "DataCollatorForTokenClassification",
    "DataCollatorWithPadding",
    "Trainer",
    "TrainerCallback",
    "TrainingArguments",
    "set_seed",
)
PEFT = (
    "PeftModel",
    "get_peft_model",
    "get_peft_model_state_dict",
    "prepare_model_for_kbit_training",
    "set_peft_model_state_dict",
)
SAFETENSORS = ("load_file", "save_file")
DEEPER = {
    "LNTuningLayer": "peft.tuners.ln_tuning.layer",
    "BaseTunerLayer": "peft.tuners.tuners_utils",
}
MAPPINGS = {
    "USUAL_TARGETS": "TRANSFORMERS_MODELS_TO_{}_TARGET_MODULES_MAPPING",
    "USUAL_FEEDFORWARD": "TRANSFORMERS_MODELS_TO_IA3_FEEDFORWARD_MODULES_MAPPING",
}
OWN_TARGETS = {"ADALORA": "ADALORA", "IA3": "IA3", "VERA": "VERA", "LN_TUNING": "LNTUNING"}
"""The methods for which PEFT has a choice of modules of its own; for the others it takes a LoRA's."""


def imports(body: str, method: str) -> str:
    """The lines that import what `body` names."""
    words = set(re.findall(r"\w+", body))
    config = METHODS[method].config_class
    return "\n".join(
        [
            *(f"import {name}" for name in STANDARD if name in words),
            *(["from bisect import bisect_right"] if "bisect_right" in words else []),
            "from pathlib import Path",
            "",
            *(f"import {name}" for name in PACKAGES if name in words),
            *(["from jinja2 import TemplateError"] if "TemplateError" in words else []),
            f"from peft import {', '.join(sorted(words.intersection((*PEFT, config)), key=constants_last))}",
            *(f"from {DEEPER[name]} import {name}" for name in DEEPER if name in words),
            *(
                f"from peft.utils.constants import (\n    {mapping.format(OWN_TARGETS.get(method, 'LORA'))} "
                f"as {name},\n)"
                for name, mapping in MAPPINGS.items()
                if name in words
            ),
            *(f"from safetensors.torch import {name}" for name in SAFETENSORS if name in words),
            "from transformers import (",
            *(f"    {name}," for name in TRANSFORMERS if name in words),
            ")",
            *(["from transformers.pytorch_utils import Conv1D"] if "Conv1D" in words else []),
        ]
    )


def constants_last(name: str) -> tuple[bool, str]:
    """Classes before functions, as formatters sort them."""
    return name[0].islower(), name

"""PEFT's own choice of modules as the installed PEFT has it: `python -m tests.training.peft_targets`

writes it to the file that the recipe's form reads, since the web process never imports PEFT.
"""

from __future__ import annotations

import json

from peft.utils import constants

from adapter_ui.training.peft_choice import TARGETS_FILE

TABLES = {
    "LORA": constants.TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING,
    "ADALORA": constants.TRANSFORMERS_MODELS_TO_ADALORA_TARGET_MODULES_MAPPING,
    "IA3": constants.TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING,
    "IA3_FEEDFORWARD": constants.TRANSFORMERS_MODELS_TO_IA3_FEEDFORWARD_MODULES_MAPPING,
    "VERA": constants.TRANSFORMERS_MODELS_TO_VERA_TARGET_MODULES_MAPPING,
}


def read_targets() -> dict[str, dict[str, list[str]]]:
    return {
        method: {family: list(names) for family, names in sorted(table.items())}
        for method, table in TABLES.items()
    }


if __name__ == "__main__":
    TARGETS_FILE.write_text(json.dumps(read_targets(), indent=1) + "\n", encoding="utf-8")

"""Model classes by name: the task that a class is for, and the one that an adapter was made with (pure).

PEFT writes that class into `auto_mapping`, by module and name. Only the name is read here, and only one that
ends as transformers' own classes do; nothing is imported by it. A class may be chosen instead; whether
transformers has it, only the model worker knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapter_ui.errors import InvalidInput

TASK_OF_ENDING = {
    "ForSequenceClassification": "SEQ_CLS",
    "ForTokenClassification": "TOKEN_CLS",
    "ForQuestionAnswering": "QUESTION_ANS",
    "ForConditionalGeneration": "SEQ_2_SEQ_LM",
    "ForSeq2SeqLM": "SEQ_2_SEQ_LM",
    "ForCausalLM": "CAUSAL_LM",
    "LMHeadModel": "CAUSAL_LM",
    "Model": "FEATURE_EXTRACTION",
}
LIBRARY = "transformers"
LONGEST_CLASS = 100


def check_class(name: str) -> None:
    """Raise InvalidInput unless the name is "" or can be that of a class; it becomes part of a program."""
    if name and not (name.isascii() and name.isidentifier() and len(name) <= LONGEST_CLASS):
        raise InvalidInput(
            f"“{name[:60]}” is no model class; name one of transformers, such as AutoModelForCausalLM, or "
            "leave model_class empty for the class of the adapter's task.",
            field="model_class",
        )


def class_of(config: Mapping[str, Any]) -> str:
    """The class of transformers that an adapter's config names; "" when it names none."""
    named = config.get("auto_mapping") or {}
    name, library = named.get("base_model_class"), named.get("parent_library")
    if not (isinstance(name, str) and isinstance(library, str)):
        return ""
    own = library == LIBRARY or library.startswith(f"{LIBRARY}.")
    return name if own and name.isidentifier() and task_of_class(name) else ""


def task_of_class(name: str) -> str | None:
    """The task that a class is for, by the end of its name; None for any other."""
    return next((task for ending, task in TASK_OF_ENDING.items() if name.endswith(ending)), None)


def task_of(task_type: str | None, config: Mapping[str, Any], chosen: str = "") -> str | None:
    """The task of the chosen class, else the one that an adapter states, else that of its own class."""
    return task_of_class(chosen) or task_type or task_of_class(class_of(config))

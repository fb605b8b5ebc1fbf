"""Which modules PEFT chooses for a method on an architecture, when a recipe names none.

The choices stand in a file, since this process never imports PEFT: `python -m tests.training.peft_targets`
writes it, and a test holds it against the installed PEFT.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

TARGETS_FILE = Path(__file__).with_name("peft_targets.json")
OWN_CHOICES = frozenset({"ADALORA", "IA3", "VERA"})
"""Methods with choices of their own; the others that sit on linear modules take those of LoRA."""


def chosen_modules(method: str, model_type: str | None) -> Sequence[str] | None:
    """Names of modules; None where PEFT has no choice, and all linear ones are taken."""
    return choices()[method if method in OWN_CHOICES else "LORA"].get(model_type or "")


def chosen_feedforward(model_type: str | None) -> Sequence[str]:
    """The modules that IA3 scales at their input; none where PEFT has no choice."""
    return choices()["IA3_FEEDFORWARD"].get(model_type or "", ())


@cache
def choices() -> Mapping[str, Mapping[str, Sequence[str]]]:
    return json.loads(TARGETS_FILE.read_text(encoding="utf-8"))

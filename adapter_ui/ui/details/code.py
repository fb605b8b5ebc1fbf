"""The program or command that runs the adapter elsewhere, one for each choice, or why there is none."""

from __future__ import annotations

from dataclasses import replace

from adapter_ui.catalog.snippets.transformers import write_snippet
from adapter_ui.catalog.snippets.vllm import vllm_refusal, write_vllm_command, write_vllm_program
from adapter_ui.domain import AdapterProfile, Precision
from adapter_ui.domain.classes import task_of

PRECISIONS = {"Plain": Precision.BF16, "8-bit": Precision.INT8, "4-bit": Precision.NF4}
VLLM = {"vLLM server": write_vllm_command, "vLLM Python": write_vllm_program}
CHOICES = (*PRECISIONS, *VLLM)


def code(profile: AdapterProfile | None, choice: str, model_class: str = "") -> tuple[str, str, str | None]:
    """The text, its language as gr.Code names it, and one sentence where there is nothing to show.

    `model_class` is the one that was chosen for the adapter; "" is that of its task.
    """
    if profile is None or profile.base is None:
        return "", "python", "The config names no base model, so there is nothing to load the adapter on."
    if choice not in VLLM:
        return python_of(profile, profile.base.id, choice, model_class), "python", None
    profile = replace(profile, task_type=task_of(profile.task_type, profile.config, model_class))
    refusal = vllm_refusal(profile)
    language = "shell" if choice == "vLLM server" else "python"
    return ("" if refusal else VLLM[choice](profile)), language, refusal


def python_of(profile: AdapterProfile, base: str, choice: str, model_class: str) -> str:
    """transformers and PEFT, with the base's weights in the chosen precision."""
    precision = PRECISIONS.get(choice, Precision.BF16)
    if precision is Precision.BF16 and profile.snippet and not model_class:
        return profile.snippet
    task_type = task_of(profile.task_type, profile.config)
    return write_snippet(profile.ref, base, task_type, precision, profile.label_count, model_class)

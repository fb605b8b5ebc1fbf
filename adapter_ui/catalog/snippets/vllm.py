"""What serves an adapter with vLLM: a shell command or a Python program, or why there is none (pure).

As vLLM's own `vllm/lora/peft_helper.py` and `vllm/config/lora.py` have it: LoRA on text generation, without
DoRA and without modules saved whole, up to a rank out of a fixed list. Every name from outside goes in by
`repr` or `shlex.quote`, so that it can only be one string.
"""

from __future__ import annotations

import shlex

from adapter_ui.catalog.snippets.transformers import stand_in
from adapter_ui.domain import AdapterProfile, AdapterRef, Source, is_hub_id

ALLOWED_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""The values that vLLM takes for `max_lora_rank`."""
LONGEST_WORD = 60
MERGE_INSTEAD = "merge the adapter into its base with PEFT, and serve the result."


def vllm_refusal(profile: AdapterProfile) -> str | None:
    """One sentence that says why vLLM cannot serve this adapter; None when it can."""
    if profile.base is None or not is_hub_id(profile.base.id):
        return "vLLM starts from a base model on the Hub, and the config of this adapter names none."
    if profile.method != "LORA":
        method = (profile.method or "unknown")[:LONGEST_WORD]
        return f"vLLM serves LoRA adapters only, and the method of this one is {method}."
    if profile.config.get("use_dora"):
        return f"vLLM does not serve DoRA; {MERGE_INSTEAD}"
    if profile.config.get("modules_to_save"):
        return f"vLLM serves no adapter that saves whole modules (modules_to_save); {MERGE_INSTEAD}"
    if profile.task_type not in (None, "CAUSAL_LM"):
        task = profile.task_type[:LONGEST_WORD]
        return f"vLLM serves LoRA for text generation (CAUSAL_LM), and the task of this adapter is {task}."
    if largest_rank(profile) > ALLOWED_RANKS[-1]:
        return f"vLLM takes ranks up to {ALLOWED_RANKS[-1]}, and this adapter has {largest_rank(profile)}."
    return None


def largest_rank(profile: AdapterProfile) -> int:
    """The largest rank of all modules, which `max_lora_rank` has to allow."""
    return max([profile.rank or 1, *(module.rank or 1 for module in profile.modules)])


def allowed_rank(profile: AdapterProfile) -> int:
    """The smallest value of `max_lora_rank` that is enough."""
    return next(rank for rank in ALLOWED_RANKS if rank >= largest_rank(profile))


def write_vllm_command(profile: AdapterProfile) -> str:
    """The shell command that serves base and adapter; to be asked for only when `vllm_refusal` is None.

    vLLM itself downloads a whole repository at its newest commit, so anything else is fetched first.
    """
    ref, base = profile.ref, profile.base.id if profile.base else ""
    name = served_name(ref)
    whole = ref.source is Source.HUB and not (ref.revision or ref.folder)
    place = ref.name if whole else "/".join(filter(None, (".", name, ref.folder)))
    lines = [
        *stand_in(ref),
        *([download_command(ref)] if ref.source is Source.HUB and not whole else []),
        f"vllm serve {shlex.quote(base)} \\",
        "    --enable-lora \\",
        f"    --lora-modules {shlex.quote(f'{name}={place}')} \\",
        f"    --max-lora-rank {allowed_rank(profile)}",
    ]
    return "\n".join(lines) + "\n"


def download_command(ref: AdapterRef) -> str:
    words = ["hf", "download", ref.name, "--revision", ref.revision or "main"]
    return shlex.join([*words, "--local-dir", f"./{served_name(ref)}"])


def write_vllm_program(profile: AdapterProfile) -> str:
    """The Python program that asks vLLM one question; to be asked for only when `vllm_refusal` is None."""
    ref, base = profile.ref, profile.base.id if profile.base else ""
    on_hub = ref.source is Source.HUB
    lines = [
        *stand_in(ref),
        *(["from huggingface_hub import snapshot_download"] if on_hub else []),
        "from vllm import LLM, SamplingParams",
        "from vllm.lora.request import LoRARequest",
        "",
        f"adapter = {download_call(ref) if on_hub else repr(f'./{ref.name}')}",
        f"llm = LLM(model={base!r}, enable_lora=True, max_lora_rank={allowed_rank(profile)})",
        "answers = llm.chat(",
        '    [{"role": "user", "content": "Hello"}],',
        "    SamplingParams(max_tokens=64),",
        f"    lora_request=LoRARequest({served_name(ref)!r}, 1, adapter),",
        ")",
        "print(answers[0].outputs[0].text)",
    ]
    return "\n".join(lines) + "\n"


def download_call(ref: AdapterRef) -> str:
    revision = f", revision={ref.revision!r}" if ref.revision else ""
    folder = f" + {f'/{ref.folder}'!r}" if ref.folder else ""
    return f"snapshot_download({ref.name!r}{revision}){folder}"


def served_name(ref: AdapterRef) -> str:
    """What vLLM calls the adapter in its API: the last part of its name."""
    return ref.name.rpartition("/")[2]

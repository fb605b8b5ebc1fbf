"""PEFT's modules for an adapter's config put into a base, still without the adapter's weights.

Knows PEFT's models and what may fail in them; nothing of files.
"""

from __future__ import annotations

import torch
from peft import MODEL_TYPE_TO_PEFT_MODEL_MAPPING, PeftConfig, PeftModel

from adapter_ui.errors import BadAdapter, HalfAttached


def add_empty_adapter(model: torch.nn.Module, config: PeftConfig, name: str) -> PeftModel:
    """The adapter's modules in place, with fresh weights, in the base's own dtype (PEFT would upcast to
    fp32).

    Raises BadAdapter when PEFT refuses, and HalfAttached when it does so after it has changed `model`.
    """
    before = parts(model)
    try:
        if isinstance(model, PeftModel):
            model.add_adapter(name, config, autocast_adapter_dtype=False)
            return model
        wrapper = MODEL_TYPE_TO_PEFT_MODEL_MAPPING.get(config.task_type, PeftModel)
        return wrapper(model, config, adapter_name=name, autocast_adapter_dtype=False)
    except (TypeError, ValueError, AttributeError, LookupError, ImportError, RuntimeError) as error:
        refusal = refused_by_peft(error)
        raise (refusal if parts(model) == before else HalfAttached(refusal.message)) from error


def refused_by_peft(error: Exception) -> BadAdapter:
    """PEFT's own reason in a sentence."""
    return BadAdapter(
        f"PEFT cannot put this adapter on this base ({first_line(error)}); choose its own base, or ask its "
        "author for a matching config."
    )


def parts(model: torch.nn.Module) -> set[str | int]:
    """What changes when PEFT wraps a module or adds an adapter to one."""
    return {*map(id, model.modules()), *(name for name, _ in model.named_parameters())}


def first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")[:300]

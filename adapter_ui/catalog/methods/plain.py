"""Whether an adapter is a plain LoRA, and for which tasks its product is added row by row (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapter_ui.catalog.methods.fields import default_fields
from adapter_ui.domain.plain_lora import beyond_plain_lora

LORA = "LORA"
WRITES_ROWS = ("CAUSAL_LM", None)


def is_plain_lora(method: str | None, fields: Mapping[str, Any]) -> bool:
    """Whether an adapter is a LoRA that asks for no more than a product, as far as its config tells."""
    return method == LORA and not beyond_plain_lora(fields, default_fields(LORA))

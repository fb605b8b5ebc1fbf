"""An adapter's config with what follows from its method: how strongly it speaks.

Which fields are sound is decided in `adapter_ui.domain.adapter_config`, by the same rules for a page and for
a load.
"""

from __future__ import annotations

from adapter_ui.catalog.methods.fields import default_fields
from adapter_ui.catalog.methods.scaling import scaling_of
from adapter_ui.domain.adapter_config import AdapterFields, parse_fields
from adapter_ui.domain.bounded_json import JSON_BYTES

CONFIG_BYTES = JSON_BYTES


class AdapterConfig(AdapterFields):
    """The checked fields of adapter_config.json."""

    @property
    def scaling(self) -> float | None:
        """What a LoRA's change is multiplied by: alpha/r, or alpha/√r with rsLoRA. None for other methods."""
        if self.peft_type != "LORA":
            return None
        found = scaling_of("LORA", {**default_fields("LORA"), **self.model_dump(exclude_unset=True)})
        return found.factor if found else None


def parse_config(data: bytes) -> AdapterConfig:
    """Read the bytes of adapter_config.json. Raises ConfigUnreadable, or NonFiniteNumber."""
    return parse_fields(data, AdapterConfig)

"""What a catalog knows of one base: the linear modules of SmolLM2-135M and its size."""

from __future__ import annotations

from adapter_ui.domain import BaseFacts
from adapter_ui.domain.modules import LinearModules

LAYERS = 30
SIZES = {
    "down_proj": (1536, 576),
    "gate_proj": (576, 1536),
    "k_proj": (576, 192),
    "o_proj": (576, 576),
    "q_proj": (576, 576),
    "up_proj": (576, 1536),
    "v_proj": (576, 192),
}


class FakeBases:
    def base_modules(self, base_id: str) -> tuple[LinearModules, ...]:
        return tuple(LinearModules(name, (size,) * LAYERS) for name, size in SIZES.items())

    def base_facts(self, base_id: str) -> BaseFacts:
        return BaseFacts(
            base_id,
            parameters=134_515_008,
            architectures=("LlamaForCausalLM",),
            model_type="llama",
            hidden_size=576,
            layers=LAYERS,
            key_value_heads=3,
            head_size=64,
        )

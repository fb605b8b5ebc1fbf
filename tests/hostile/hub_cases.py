"""Hostile repositories on the Hub, and names that are none: refused before any weights come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from adapter_ui.domain import ADAPTER_CONFIG, Precision
from tests.hostile import adapter_cases, base_cases
from tests.hostile.cases import adapter, alter
from tests.hub.tiny_models import LLAMA_ID, save_adapter

REPOSITORY = "{repository}"


@dataclass(frozen=True)
class HubCase:
    """`asked` is what a person types; `own_base` puts the case's base on the Hub and names it as the
    adapter's.
    """

    route: str
    name: str
    sentence: str
    change: Callable[[Path, Path], object] = lambda adapter, base: None
    asked: str = REPOSITORY
    own_base: bool = False
    precision: Precision = Precision.FP32

    def __str__(self) -> str:
        return f"{self.route}: {self.name}"


def named(asked: str) -> HubCase:
    return HubCase("name of the adapter", repr(asked), "is not the name of an adapter", asked=asked)


def at(revision: str) -> HubCase:
    return HubCase("revision", repr(revision), "is not the name", asked=f"{REPOSITORY}@{revision}")


def over(base: str) -> HubCase:
    """The card goes: it may name a base as well, and a sound one there would be loaded."""

    def change(folder: Path, _: Path) -> None:
        alter(folder / ADAPTER_CONFIG, base_model_name_or_path=base)
        (folder / "README.md").unlink()

    return HubCase("base by name (base_model_name_or_path)", repr(base), "base", change)


def loha(adapter: Path, base: Path) -> None:
    from peft import LoHaConfig

    save_adapter(base, adapter, LLAMA_ID, LoHaConfig(**ATTENTION), seed=7)


def delora(adapter: Path, base: Path) -> None:
    from peft import DeloraConfig

    save_adapter(base, adapter, LLAMA_ID, DeloraConfig(**ATTENTION), seed=7)


ATTENTION = {"r": 4, "target_modules": ["q_proj"], "task_type": "CAUSAL_LM"}
METHODS = "numbers and kinds of the adapter's config"
HUB_CASES = (
    *map(named, ("../evil", "/etc/passwd", "evil/a/b", "evil/..", "evil/x\0y", "folder:../x", "run:../../x")),
    *map(at, ("../../main", "main/../..", "..", "-x", "a\nb", "x" * 300)),
    *map(over, ("/etc", "../../outside", "./llama", "https://evil.example/x", "evil/..")),
    HubCase("pickled adapter weights", "alone", "pickle", adapter_cases.only_a_pickle),
    HubCase("pickled base weights", "alone", "pickle", base_cases.only_a_pickle, own_base=True),
    HubCase(
        "index of shards", "upwards", "unusual files", base_cases.sharded("../x.safetensors"), own_base=True
    ),
    HubCase("further adapters", "X-LoRA", "further adapters", adapter(peft_type="XLORA")),
    HubCase("module by name (megatron)", "config", "Megatron", adapter(megatron_config={"a": 1})),
    HubCase(METHODS, "a rank without end", "“r”", adapter(r=2**31 - 1)),
    HubCase(METHODS, "LoHa in 4 bits", "bf16", loha, precision=Precision.NF4),
    HubCase(METHODS, "DeLoRA in 8 bits", "fp32", delora, precision=Precision.INT8),
)

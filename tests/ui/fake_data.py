"""Believable adapters for the fake service: rows and profiles, with one of each thing there is to say."""

from __future__ import annotations

from adapter_ui.domain import (
    AdapterProfile,
    AdapterRef,
    AdapterSummary,
    BaseFacts,
    Finding,
    Level,
    MemoryEstimate,
    Precision,
)
from tests.ui import fake_modules
from tests.ui.fake_gallery import GALLERY

MB = 1_000_000
SMOL = "HuggingFaceTB/SmolLM2-135M-Instruct"
BASES = {
    SMOL: BaseFacts(
        SMOL,
        commit="12fd25f77366fa6b3b4b768ec3050bf629380bac",
        parameters=134_515_008,
        size_bytes=269_060_552,
        dtype="bfloat16",
        architectures=("LlamaForCausalLM",),
        model_type="llama",
        vocab_size=49_152,
        hidden_size=576,
        layers=30,
        key_value_heads=3,
        head_size=64,
        license="apache-2.0",
        weights="safetensors",
    ),
    "Qwen/Qwen3-0.6B": BaseFacts(
        "Qwen/Qwen3-0.6B", parameters=596_049_920, size_bytes=1_503_300_328, dtype="bfloat16", layers=28
    ),
    "meta-llama/Llama-3.1-8B": BaseFacts(
        "meta-llama/Llama-3.1-8B",
        parameters=8_030_261_248,
        size_bytes=16_060_556_616,
        dtype="bfloat16",
        hidden_size=4096,
        layers=32,
        key_value_heads=8,
        head_size=128,
        architectures=("LlamaForCausalLM",),
        weights="safetensors",
        license="llama3.1",
        gated=True,
    ),
    "meta-llama/Llama-3.3-70B-Instruct": BaseFacts(
        "meta-llama/Llama-3.3-70B-Instruct",
        parameters=70_553_706_496,
        size_bytes=141_107_412_992,
        dtype="bfloat16",
        architectures=("LlamaForCausalLM",),
        hidden_size=8192,
        layers=80,
        key_value_heads=8,
        head_size=128,
        license="llama3.3",
        weights="safetensors",
    ),
    "google/flan-t5-base": BaseFacts(
        "google/flan-t5-base",
        parameters=247_577_856,
        size_bytes=990_345_061,
        dtype="float32",
        architectures=("T5ForConditionalGeneration",),
        layers=12,
        license="apache-2.0",
    ),
    "FacebookAI/roberta-base": BaseFacts(
        "FacebookAI/roberta-base", parameters=124_697_433, size_bytes=498_818_054, dtype="float32", layers=12
    ),
}
VARIANTS = {"Qwen/Qwen3-0.6B": ("unsloth/Qwen3-0.6B-bnb-4bit",)}
HOSTILE = (
    '<img src=x onerror="window.hacked=1">${window.hacked=1}{{constructor}}`</div>'
    "<script>window.hacked=1</script>"
)
CARD = """# Pirate talk

Answers as a pirate would. **Trained on 3,000 rows** of [plain English](https://example.com/data).

<div align="center"><img src="https://example.com/track.png" onerror="window.hacked=1"></div>

![logo](https://example.com/logo.png)

| split | loss |
|---|---|
| train | 1.42 |
| validation | 1.61 |

```python
print("Arrr")
```
<form action="https://evil.example"><input name="password"></form>
[click](javascript:window.hacked=1)
"""


def row(name: str, base: str, **more: object) -> AdapterSummary:
    defaults = {"task_type": "CAUSAL_LM", "downloads": 120, "likes": 4, "updated": "2026-10-14T09:12:00Z"}
    return AdapterSummary(AdapterRef.parse(name), base_model=base, **{**defaults, **more})


NAMES = (
    "sql-coder",
    "support-tone",
    "haiku",
    "json-strict",
    "legal-summary",
    "math-steps",
    "story-teller",
    "triage",
)
ROWS = (
    row("starter:pirate", SMOL, title="Pirate talk", downloads=None, likes=None),
    row("starter:formal", SMOL, title="Formal answers", downloads=None, likes=None),
    row("acme/roberta-sentiment", "FacebookAI/roberta-base", task_type="SEQ_CLS", downloads=48_211, likes=97),
    row("acme/roberta-entities", "FacebookAI/roberta-base", task_type="TOKEN_CLS", downloads=9_812, likes=31),
    row("icml2026-7516/ThinkSafe-Qwen3-0.6B", "Qwen/Qwen3-0.6B", downloads=1_204, likes=12),
    row(
        "meta-fans/llama-3.1-8b-instruct-lora",
        "meta-llama/Llama-3.1-8B",
        downloads=1_761_332,
        likes=2_310,
        gated=True,
    ),
    row("fans/quantised-notes", "unsloth/Qwen3-0.6B-bnb-4bit", downloads=310, likes=2, license="apache-2.0"),
    row("someone/empty-adapter", SMOL, downloads=3, likes=0),
    row("broken/pickle-only", "Qwen/Qwen3-0.6B", task_type=None, downloads=17, likes=0),
    row("evil/hostile-card", HOSTILE, title=HOSTILE, downloads=1, likes=0),
    *(
        row(
            f"team-{number % 5}/{name}-{number}",
            list(BASES)[number % 3],
            downloads=7 ** (number % 8) + number,
            license=("apache-2.0", "mit", None)[number % 3],
        )
        for number, name in enumerate(NAMES * 5)
    ),
)
METHODS = ("LORA", "LORA", "LORA", "IA3", "LORA", "PROMPT_TUNING", "LORA", "LOHA")
FILES = (
    ("README.md", 5_174),
    ("adapter_config.json", 812),
    ("adapter_model.safetensors", 1_848_872),
    ("tokenizer.json", 2_104_556),
    ("training_args.bin", 5_368),
)


def details(summary: AdapterSummary) -> dict[str, object]:
    """What the files of a row say, the same at every call."""
    if summary.ref.name == "broken/pickle-only":
        return {}
    seed = sum(map(ord, str(summary.ref)))
    method = "LORA" if summary.task_type != "CAUSAL_LM" or seed % 3 else METHODS[seed % 8]
    rank = (8, 16, 32, 64)[seed % 4] if method in ("LORA", "LOHA") else None
    base = BASES.get(summary.base_model or "")
    return {
        "method": method,
        "rank": rank,
        "size_bytes": (rank or 1) * (110_000 + seed % 90 * 4_000),
        "base_size_bytes": base.size_bytes if base else None,
        "safetensors": True,
    }


def memory_of(base: BaseFacts, adapter_bytes: int) -> dict[Precision, MemoryEstimate]:
    share = {"fp32": 4.0, "bf16": 2.0, "int8": 1.25, "nf4": 0.86, "fp4": 0.86}
    parameters = base.parameters or 0
    return {
        Precision(name): MemoryEstimate(int(parameters * bytes_each), adapter_bytes * 2, 48 * MB, 120 * MB)
        for name, bytes_each in share.items()
    }


def findings_of(summary: AdapterSummary) -> tuple[Finding, ...]:
    name = summary.ref.name
    if name == "someone/empty-adapter":
        return (
            Finding(
                Level.WARNING, "changes_nothing", "Every B matrix is zero: this adapter changes nothing."
            ),
            Finding(Level.GOOD, "safetensors", "The weights are safetensors and match the config."),
        )
    if name == "broken/pickle-only":
        return (
            Finding(
                Level.BLOCKER,
                "pickle",
                "The weights are a pickle file, which can run code; ask the author for safetensors.",
            ),
        )
    if summary.gated:
        return (
            Finding(
                Level.BLOCKER,
                "gated",
                "The files need an accepted licence: accept it on the Hub and set HF_TOKEN.",
            ),
            Finding(
                Level.WARNING,
                "memory",
                "In bf16 it needs 16.3 GB and this machine has 9.4 GB free; nf4 fits.",
            ),
        )
    if name == HOSTILE_NAME:
        return tuple(Finding(level, HOSTILE, HOSTILE) for level in (Level.WARNING, Level.INFO, Level.GOOD))
    return (
        Finding(
            Level.GOOD,
            "matches",
            "All 120 tensors match the config: rank 8 on q_proj and v_proj of 30 layers.",
        ),
        Finding(Level.GOOD, "safetensors", "The weights are safetensors, which cannot run code."),
        Finding(
            Level.INFO, "no_license", "The card names no licence; ask the author before you publish with it."
        ),
    )


HOSTILE_NAME = "evil/hostile-card"


def profile_of(summary: AdapterSummary) -> AdapterProfile:
    """The profile of a row; `gallery/…` has one of each thing there is to draw."""
    other = dict(GALLERY.get(summary.ref.name, {}))
    known = {
        **details(summary),
        **{name: other[name] for name in ("method", "rank", "size_bytes") if name in other},
    }
    base = BASES.get(str(other.pop("base", summary.base_model or "")))
    size = known.get("size_bytes")
    ordinary = fake_modules.stack(
        "model.layers", range(30), ("self_attn.q_proj", "self_attn.v_proj"), lambda *_: known.get("rank") or 0
    )
    fields: dict[str, object] = {
        "commit": "f" * 40,
        "method": known.get("method"),
        "task_type": summary.task_type,
        "rank": known.get("rank"),
        "parameters": 460_800 if known else None,
        "size_bytes": size,
        "dtype": "float32" if known else None,
        "base": base,
        "modules": ordinary if known else (),
        "files": FILES,
        "findings": findings_of(summary),
        "memory": memory_of(base, size) if base and size else {},
        "available_bytes": 9_400 * MB,
        "snippet": snippet_of(summary),
        "card": HOSTILE if summary.ref.name == HOSTILE_NAME else CARD,
        "license": HOSTILE if summary.ref.name == HOSTILE_NAME else summary.license or "apache-2.0",
        "downloads": summary.downloads,
        "likes": summary.likes,
        "updated": summary.updated,
    }
    config = config_of(summary, known, base) | dict(other.pop("config", {}))
    return AdapterProfile(summary.ref, config=config, **{**fields, **other})


def config_of(summary: AdapterSummary, known: dict[str, object], base: BaseFacts | None) -> dict[str, object]:
    hostile = {HOSTILE: HOSTILE} if summary.ref.name == HOSTILE_NAME else {}
    return {
        "peft_type": known.get("method", "LORA"),
        "r": known.get("rank"),
        "lora_alpha": 16,
        "lora_dropout": 0.05,
        "target_modules": ["q_proj", "v_proj"],
        "bias": "none",
        "use_rslora": False,
        "base_model_name_or_path": base.id if base else summary.base_model,
        "task_type": summary.task_type,
        **hostile,
    }


def snippet_of(summary: AdapterSummary) -> str:
    return (
        "from peft import AutoPeftModelForCausalLM\n\n"
        f'model = AutoPeftModelForCausalLM.from_pretrained("{summary.ref}")\n'
    )

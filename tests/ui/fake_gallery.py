"""One adapter of each kind there is to draw: what makes it differ from an ordinary one."""

from __future__ import annotations

from tests.ui import fake_modules

GALLERY: dict[str, dict[str, object]] = {
    "gallery/seven-kinds": {
        "base": "meta-llama/Llama-3.1-8B",
        "rank": 64,
        "modules": fake_modules.SEVEN_KINDS,
        "config": {"use_dora": True, "rank_pattern": {"layers.31": 64}, "modules_to_save": ["lm_head"]},
        "parameters": 1_128_660_992,
        "size_bytes": 2_398_000_000,
    },
    "gallery/large": {"base": "meta-llama/Llama-3.3-70B-Instruct", "rank": 16, "modules": fake_modules.LARGE},
    "gallery/encoder-decoder": {
        "base": "google/flan-t5-base",
        "rank": 16,
        "task_type": "SEQ_2_SEQ_LM",
        "modules": fake_modules.ENCODER_DECODER,
    },
    "gallery/ia3": {"method": "IA3", "rank": None, "modules": fake_modules.IA3, "parameters": 51_840},
    "gallery/vera": {"method": "VERA", "rank": 256, "modules": fake_modules.VERA},
    "gallery/prompt": {
        "method": "PROMPT_TUNING",
        "rank": None,
        "modules": (),
        "parameters": 11_520,
        "config": {"num_virtual_tokens": 20, "token_dim": 576},
    },
    "gallery/newer-method": {"method": "QUANTUM_TUNING", "rank": None, "modules": (), "parameters": None},
    "gallery/folders": {"folders": ("checkpoint-100", "checkpoint-200", "final")},
    "gallery/stale": {"checked": "2026-11-23T18:00:00Z"},
}
"""What makes one adapter each differ from an ordinary one: a field of AdapterProfile, or of its config."""

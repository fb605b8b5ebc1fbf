"""The ways by which an adapter or a base could reach code, paths, other repositories, or work without an end.

Each is a name; the cases beside this file say which of them they try. A test fails for a route that is tried
by fewer than two.
"""

from __future__ import annotations

ROUTES = (
    "pickled adapter weights",
    "class by name (auto_mapping)",
    "module by name (megatron)",
    "base by name (base_model_name_or_path)",
    "code with the base (auto_map)",
    "code for generation (custom_generate)",
    "chat template",
    "tokenizer",
    "patterns",
    "numbers and kinds of the adapter's config",
    "inits that rewrite the base",
    "prompt state by path",
    "prompt text from a third repository",
    "further adapters",
    "index of shards",
    "revision",
    "safetensors of the adapter",
    "numbers of the base's config",
    "generation config",
    "adapter that is not applied",
    "name of the adapter",
    "pickled base weights",
)

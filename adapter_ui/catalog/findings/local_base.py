"""Which model of the Hub a path on someone else's machine probably is (pure)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from adapter_ui.domain import is_hub_id

CACHE_FOLDER = re.compile(r"models--([\w.-]+)", re.ASCII)
LONGEST_PATH = 4_096
# Folders of these names hold models, each by its owner and name.
STORES = frozenset(
    {"models", "model", "hub", "hf", "huggingface", "pretrained", "pretrained_models", "pretrained-models",
     "weights", "checkpoints", "llm", "llms", "base_models", "modelscope"}
)  # fmt: skip
OWNERS = frozenset(
    {"01-ai", "allenai", "baichuan-inc", "bigcode", "bigscience", "codellama", "cohereforai", "databricks",
     "deepseek-ai", "distilbert", "eleutherai", "facebook", "facebookai", "google", "google-bert",
     "google-t5", "huggingfaceh4", "huggingfacetb", "huggyllama", "ibm-granite", "internlm", "lmsys",
     "meta-llama",
     "microsoft", "mistralai", "mosaicml", "nousresearch", "nvidia", "openai-community", "openai", "qwen",
     "stabilityai", "thudm", "tiiuae", "tinyllama", "togethercomputer", "unsloth", "upstage"}
)  # fmt: skip
# The last folder of a path is no model's name then.
NO_NAMES = re.compile(r"checkpoint[-_]?\d*|snapshots?|main|output|outputs|model|models|base|final|merged")


def likely_base(path: str, card_base: str | None, known: Callable[[str], Sequence[str]]) -> str | None:
    """The id that a base's local path most likely had on the Hub, the surest sign first; None when none is.

    The signs: a folder of the Hub's own cache; the base that the card names; an owner's name before the
    model's; a base with the same name among those that `known` gives for it.
    """
    parts = [part for part in re.split(r"[/\\]+", path[:LONGEST_PATH]) if part not in ("", ".", "..")]
    for part in parts:
        cached = CACHE_FOLDER.fullmatch(part)
        if cached and is_hub_id(name := cached[1].replace("--", "/", 1)):
            return name
    if card_base and is_hub_id(card_base):
        return card_base
    if not parts or NO_NAMES.fullmatch(parts[-1].lower()):
        return None
    named = "/".join(parts[-2:])
    same = [one for one in known(parts[-1]) if last_part(one) == parts[-1].lower()]
    exact = next((one for one in same if one.lower() == named.lower()), None)
    if exact is None and is_owned(parts):
        return named
    return exact or next(iter(same), None)


def is_owned(parts: list[str]) -> bool:
    """Whether the last two parts are an owner and a model, not a user's folder and what lies in it."""
    if len(parts) < 2 or not is_hub_id("/".join(parts[-2:])):
        return False
    owner = parts[-2].lower()
    in_store = len(parts) > 2 and parts[-3].lower() in STORES
    return owner in OWNERS or (in_store and owner not in STORES)


def last_part(base_id: str) -> str:
    return base_id.rpartition("/")[2].lower()

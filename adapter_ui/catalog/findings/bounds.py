"""Numbers in the config that base and file must have room for: layers, tokens, virtual tokens (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from adapter_ui.catalog.findings.evidence import blocker, warning
from adapter_ui.catalog.profiles.config import AdapterConfig
from adapter_ui.domain import BaseFacts, Finding, TensorInfo

PROMPTS = ("PROMPT_TUNING", "P_TUNING", "PREFIX_TUNING")
# Their prompts are as wide as the base's hidden states; prefixes hold keys and values of all layers.
WIDE_PROMPTS = ("PROMPT_TUNING", "P_TUNING")
PROMPT_TENSOR = "prompt_embeddings"
# A model that reads with an encoder has the prompt twice.
MOST_SUBMODULES = 2


def bound_findings(
    config: AdapterConfig, tensors: Sequence[TensorInfo], base: BaseFacts | None
) -> Iterator[Finding]:
    if base is not None:
        yield from layer_findings(config, base)
        yield from token_findings(config, base)
    if config.peft_type in PROMPTS:
        yield from prompt_findings(config, tensors, base)


def layer_findings(config: AdapterConfig, base: BaseFacts) -> Iterator[Finding]:
    """An encoder and a decoder may have different numbers of layers, of which only one is known."""
    chosen = config.layers_to_transform
    numbers = [chosen] if isinstance(chosen, int) else chosen or []
    if base.layers is None or any(name.endswith("ConditionalGeneration") for name in base.architectures):
        return
    beyond = [number for number in numbers if number >= base.layers]
    if beyond:
        yield warning(
            "layers_beyond_base",
            f"The config names layer {max(beyond):,}, but the base {base.id} has {base.layers} layers, "
            "counted from 0; see whether it is for another base.",
        )


def token_findings(config: AdapterConfig, base: BaseFacts) -> Iterator[Finding]:
    numbers = [
        *token_numbers(config.trainable_token_indices),
        *token_numbers(config.extra.get("token_indices")),
        *token_numbers(config.extra.get("alora_invocation_tokens")),
    ]
    if base.vocab_size is None or not numbers:
        return
    beyond = [number for number in numbers if not 0 <= number < base.vocab_size]
    if beyond:
        yield warning(
            "tokens_beyond_vocabulary",
            f"The config names token {max(beyond):,}, but the base {base.id} has {base.vocab_size:,} tokens; "
            "the base must be resized first, or it is for another one.",
        )


def token_numbers(value: Any) -> Iterator[int]:
    """The whole numbers in a list, or in the lists of an object."""
    lists = value.values() if isinstance(value, dict) else [value]
    for one in lists:
        yield from (number for number in one if type(number) is int) if isinstance(one, list) else ()


def prompt_findings(
    config: AdapterConfig, tensors: Sequence[TensorInfo], base: BaseFacts | None
) -> Iterator[Finding]:
    prompt = next((one for one in tensors if one.name == PROMPT_TENSOR and len(one.shape) == 2), None)
    if prompt is None:
        return
    rows, width = prompt.shape
    stated = config.num_virtual_tokens
    if stated and rows not in [stated * count for count in range(1, MOST_SUBMODULES + 1)]:
        yield blocker(
            "virtual_tokens_mismatch",
            f"The config says {stated:,} virtual tokens but the weights have {rows:,}; ask the author for a "
            "matching pair.",
        )
    hidden = base.hidden_size if base is not None else None
    if hidden and width != hidden and config.peft_type in WIDE_PROMPTS:
        yield blocker(
            "shape_mismatch",
            f"Its prompt is {width:,} numbers wide, but the base {base.id} works with {hidden:,}; name its "
            "own base when you load it.",
        )

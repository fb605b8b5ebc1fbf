"""A conversation as the tokens that a base reads, and how many of them it can read.

The template and the tokenizer are a stranger's programs, so they run under a deadline. Knows a base; nothing
of adapters or of answers.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from jinja2 import TemplateError
from peft import PeftModel
from transformers import PreTrainedConfig, PreTrainedTokenizerBase

from adapter_ui.domain import ChatMessage
from adapter_ui.errors import BaseUnavailable, InvalidInput
from adapter_ui.models.loading import LoadedModel
from adapter_ui.models.strangers import Crashed, TookTooLong, memory_bound, within

Read = TypeVar("Read")
TEMPLATE_BOUND = 64_000
TEMPLATE_SECONDS = 2.0
MOST_CHARACTERS = 2_000_000
TEMPLATE_BYTES = 512 * 1024 * 1024
TOKENIZER_SECONDS = 10.0
UNSTATED_POSITIONS = 2048
PROMPT_SECONDS = TEMPLATE_SECONDS + TOKENIZER_SECONDS


def prompt_tokens(
    loaded: LoadedModel,
    messages: Sequence[ChatMessage],
    *,
    raw: bool,
    meanwhile: Callable[[], bool] | None = None,
) -> list[int]:
    """Token ids of the conversation through the base's chat template, or of the plain text where there is
    none. `meanwhile` does a piece of other work while the tokenizer runs, and says whether there was some.

    Raises InvalidInput when there is nothing to read, or more than the base can; BaseUnavailable when the
    template or the tokenizer takes too long or fails.
    """
    text, has_special_tokens = prompt_text(loaded.tokenizer, messages, raw=raw)
    tokens = tokenized(
        lambda: loaded.tokenizer(text, add_special_tokens=not has_special_tokens)["input_ids"], meanwhile
    )
    if not tokens:
        raise InvalidInput("The prompt is empty; write something to answer.", field="prompt")
    if len(tokens) > longest_prompt(loaded):
        raise InvalidInput(
            f"The prompt has {len(tokens)} tokens, and this base reads {longest_prompt(loaded)}; shorten "
            "it or clear the conversation.",
            field="prompt",
        )
    refuse_unknown_tokens(loaded, tokens, field="prompt")
    return tokens


def refuse_unknown_tokens(loaded: LoadedModel, tokens: Sequence[int], *, field: str) -> None:
    """Raise InvalidInput for a token that the base has no embedding of: some tokenizers were given more than
    their base has, and a GPU that looks one up answers nobody any more.
    """
    known = known_tokens(loaded.model)
    if (token := max(tokens)) >= known:
        name = loaded.tokenizer.convert_ids_to_tokens(token)
        raise InvalidInput(
            f"“{name[:60]}” is token {token} of the base's tokenizer, and the base knows {known} tokens; "
            "leave it out, or use another base.",
            field=field,
        )


def known_tokens(model: torch.nn.Module) -> int:
    """How many tokens have an embedding; nothing is known of models of characters, which have none."""
    try:
        return len(model.get_input_embeddings().weight)
    except (NotImplementedError, AttributeError):
        return sys.maxsize


def tokenized(read: Callable[[], Read], meanwhile: Callable[[], bool] | None = None) -> Read:
    """What the base's tokenizer makes of a text. Raises BaseUnavailable when it takes too long or fails."""
    try:
        return within(TOKENIZER_SECONDS, read, meanwhile)
    except TookTooLong:
        raise BaseUnavailable(
            f"The base's tokenizer was not done after {TOKENIZER_SECONDS:.0f} s; use less text, or another "
            "base."
        ) from None
    except Crashed as error:
        raise BaseUnavailable(
            f"The base's tokenizer fails on this text ({error}); use another base."
        ) from error


def prompt_text(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[ChatMessage], *, raw: bool
) -> tuple[str, bool]:
    """What the base reads, and whether a template has put its special tokens in."""
    if raw or not has_chat_template(tokenizer):
        return "\n\n".join(message.content for message in messages), False
    turns = [{"role": message.role, "content": message.content} for message in messages]

    def render() -> str:
        return tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)

    try:
        with memory_bound(TEMPLATE_BYTES):
            text = within(TEMPLATE_SECONDS, render)
    except TookTooLong:
        raise BaseUnavailable(
            f"The base's chat template was not done after {TEMPLATE_SECONDS:.0f} s; use plain completion."
        ) from None
    except MemoryError as error:
        raise BaseUnavailable(
            "The base's chat template takes too much memory; use plain completion."
        ) from error
    except (TemplateError, TypeError, ValueError, LookupError, ArithmeticError, RecursionError) as error:
        raise InvalidInput(
            f"The base's chat template refuses this conversation ({error}); leave the system prompt empty or "
            "use plain completion.",
            field="system",
        ) from error
    if len(text) > MOST_CHARACTERS:
        raise BaseUnavailable(
            f"The base's chat template makes {len(text):,} characters of this conversation; use plain "
            "completion."
        )
    return text, True


def has_chat_template(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether the base has a template for chats; of several, transformers takes the one called default.
    Raises BaseUnavailable for one of a size that nobody writes.
    """
    template = tokenizer.chat_template
    if isinstance(template, dict):
        template = template.get("default")
    if not isinstance(template, str):
        return False
    if len(template) > TEMPLATE_BOUND:
        raise BaseUnavailable(
            f"The base's chat template has {len(template):,} characters, and at most {TEMPLATE_BOUND:,} are "
            "read; use plain completion, or a prompt template of your own."
        )
    return True


def context_length(loaded: LoadedModel) -> int:
    """How many tokens of a text the model takes at once; of a decoder, a prompt and its answer together."""
    config = loaded.model.config.get_text_config()
    positions = getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None)
    return (positions or UNSTATED_POSITIONS) - unused_positions(loaded.model) - virtual_tokens(loaded.model)


def unused_positions(model: torch.nn.Module) -> int:
    """Positions that no token takes: RoBERTa and its kin count from the one after their padding's."""
    tables = (module for name, module in model.named_modules() if name.endswith("position_embeddings"))
    paddings = (getattr(table, "padding_idx", None) for table in tables)
    return max((padding + 1 for padding in paddings if padding is not None), default=0)


def longest_prompt(loaded: LoadedModel) -> int:
    """How many tokens a prompt can have, so that there is room for an answer."""
    config = loaded.model.config
    if not config.is_encoder_decoder:
        return context_length(loaded) - 1
    encoder = getattr(config, "encoder", config).get_text_config()
    return positions_of(encoder, "encoder") - virtual_tokens(loaded.model)


def longest_answer(loaded: LoadedModel, prompt_tokens: int) -> int:
    """How many tokens an answer can have; an encoder-decoder's takes no positions from its prompt."""
    config = loaded.model.config
    if not config.is_encoder_decoder:
        return context_length(loaded) - prompt_tokens
    return positions_of(config.get_text_config(), "decoder") - virtual_tokens(loaded.model)


def positions_of(config: PreTrainedConfig, side: str) -> int:
    """The positions of one side of an encoder-decoder.

    T5's are relative and have no end; its `n_positions` says with how many it was trained. What bounds them
    is memory: each layer holds a number for every pair of tokens in every head.
    """
    absolute = getattr(config, f"max_{side}_position_embeddings", None)
    absolute = absolute or getattr(config, "max_position_embeddings", None)
    return absolute or max(getattr(config, "n_positions", 0), UNSTATED_POSITIONS)


def virtual_tokens(model: torch.nn.Module) -> int:
    """How many learned tokens the adapter that answers puts before the text; they take positions, too."""
    if not isinstance(model, PeftModel):
        return 0
    config = model.active_peft_config
    return config.num_virtual_tokens if config.is_prompt_learning else 0


def end_tokens(loaded: LoadedModel) -> set[int]:
    """Tokens that end an answer, by the base's generation_config.json."""
    ids = loaded.model.generation_config.eos_token_id
    return set(ids if isinstance(ids, list) else [ids]) - {None}

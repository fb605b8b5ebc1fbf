"""A conversation as the tokens that a base reads, and how many of them it can read.

The template and the tokenizer are a stranger's programs, so they run under a deadline. Knows a base; nothing
of adapters or of answers.
"""

from __future__ import annotations

from collections.abc import Sequence

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from adapter_ui.domain import ChatMessage
from adapter_ui.errors import InvalidInput, ModelFailure
from adapter_ui.models.deadline import DeadlineExceeded, deadline
from adapter_ui.models.loading import LoadedModel

TEMPLATE_BOUND = 64_000
PROMPT_SECONDS = 10.0


def prompt_tokens(loaded: LoadedModel, messages: Sequence[ChatMessage], *, raw: bool) -> list[int]:
    """Token ids of the conversation through the base's chat template, or of the plain text where there is
    none.

    Raises InvalidInput when there is nothing to read, or more than the base can; ModelFailure when the
    template or the tokenizer takes too long.
    """
    try:
        with deadline(PROMPT_SECONDS):
            tokens = encoded(loaded.tokenizer, messages, raw=raw)
    except DeadlineExceeded:
        raise ModelFailure(
            f"The base's chat template or tokenizer took more than {PROMPT_SECONDS:.0f} s; use plain "
            "completion or less text."
        ) from None
    if not tokens:
        raise InvalidInput("The prompt is empty; write something to answer.", field="prompt")
    if len(tokens) >= context_length(loaded):
        raise InvalidInput(
            f"The prompt has {len(tokens)} tokens, and this base reads {context_length(loaded)}; shorten "
            "it or clear the conversation.",
            field="prompt",
        )
    return tokens


def encoded(tokenizer: PreTrainedTokenizerBase, messages: Sequence[ChatMessage], *, raw: bool) -> list[int]:
    if raw or not has_chat_template(tokenizer):
        return tokenizer("\n\n".join(message.content for message in messages))["input_ids"]
    turns = [{"role": message.role, "content": message.content} for message in messages]
    try:
        return tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=True)["input_ids"]
    except (TemplateError, TypeError, MemoryError, OverflowError) as error:
        raise InvalidInput(
            f"The base's chat template refuses this conversation ({error}); leave the system prompt empty or "
            "use plain completion.",
            field="system",
        ) from error


def has_chat_template(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether the base has a template for chats, of a size that one would write."""
    template = tokenizer.chat_template
    return isinstance(template, str) and len(template) <= TEMPLATE_BOUND


def context_length(loaded: LoadedModel) -> int:
    """How many tokens the base can read and write together."""
    config = loaded.model.config.get_text_config()
    return getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None) or 2048


def end_tokens(loaded: LoadedModel) -> set[int]:
    """Tokens that end an answer, by the base's generation_config.json."""
    ids = loaded.model.generation_config.eos_token_id
    return set(ids if isinstance(ids, list) else [ids]) - {None}

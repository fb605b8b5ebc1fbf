"""Write text, token by token, until a limit, a stop string or a cancel.

Knows a model and its tokenizer; does not know which adapter is active or who reads.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence

import torch
from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase, StoppingCriteria
from transformers.generation.streamers import BaseStreamer

from adapter_ui.domain import ChatMessage, Generation, GenerationOptions
from adapter_ui.errors import InvalidInput
from adapter_ui.models.loading import LoadedModel

EMIT_SECONDS = 0.04
TEMPLATE_BOUND = 64_000
GREEDY_BELOW = 1e-6  # logits divided by less than this overflow


def generate(
    loaded: LoadedModel,
    messages: Sequence[ChatMessage],
    options: GenerationOptions,
    emit: Callable[[Generation], None],
    cancelled: Callable[[], bool],
) -> Generation:
    """Decode an answer; `emit` gets the text so far, `cancelled` is asked at every token. Returns the last
    one.
    """
    inputs = encode_prompt(loaded, messages, raw=options.raw)
    room = context_length(loaded) - inputs["input_ids"].shape[1]
    if room < 1:
        raise InvalidInput(
            f"The prompt has {inputs['input_ids'].shape[1]} tokens, and this base reads "
            f"{context_length(loaded)}; shorten it or clear "
            "the conversation.",
            field="prompt",
        )
    seed = options.seed if options.seed is not None else secrets.randbelow(2**31)
    torch.manual_seed(seed)
    answer = GrowingAnswer(
        loaded.tokenizer, options.stop, inputs["input_ids"].shape[1], seed, emit, cancelled
    )
    with torch.inference_mode():
        loaded.model.generate(
            **inputs,
            **sampling(options),
            max_new_tokens=min(options.max_new_tokens, room),
            streamer=answer,
            stopping_criteria=[answer],
            pad_token_id=loaded.tokenizer.pad_token_id,
        )
    return answer.finished()


def sampling(options: GenerationOptions) -> dict[str, float | int | bool]:
    """Our own fixed list of decoding options; a base's generation_config.json decides none of them."""
    if options.temperature < GREEDY_BELOW:
        return {"do_sample": False, "num_beams": 1, "repetition_penalty": options.repetition_penalty,
                "temperature": 1.0, "top_p": 1.0, "top_k": 50}  # fmt: skip
    return {
        "do_sample": True,
        "num_beams": 1,
        "temperature": options.temperature,
        "top_p": options.top_p,
        "top_k": options.top_k,
        "repetition_penalty": options.repetition_penalty,
    }


def encode_prompt(
    loaded: LoadedModel, messages: Sequence[ChatMessage], *, raw: bool
) -> dict[str, torch.Tensor]:
    """Token ids of the conversation through the base's chat template, or of the plain text where there is
    none.
    """
    tokenizer = loaded.tokenizer
    if raw or not has_chat_template(tokenizer):
        text = "\n\n".join(message.content for message in messages)
        encoded = tokenizer(text, return_tensors="pt")
    else:
        turns = [{"role": message.role, "content": message.content} for message in messages]
        try:
            encoded = tokenizer.apply_chat_template(
                turns, add_generation_prompt=True, return_tensors="pt", return_dict=True
            )
        except (TemplateError, TypeError) as error:
            raise InvalidInput(
                f"The base's chat template refuses this conversation ({error}); leave the system prompt "
                "empty or use plain completion.",
                field="system",
            ) from error
    if encoded["input_ids"].shape[1] == 0:
        raise InvalidInput("The prompt is empty; write something to answer.", field="prompt")
    return {key: encoded[key].to(loaded.device) for key in ("input_ids", "attention_mask")}


def has_chat_template(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether the base has a template for chats, of a size that one would write."""
    template = tokenizer.chat_template
    return isinstance(template, str) and len(template) <= TEMPLATE_BOUND


def context_length(loaded: LoadedModel) -> int:
    """How many tokens the base can read and write together."""
    config = loaded.model.config.get_text_config()
    return getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None) or 2048


class GrowingAnswer(BaseStreamer, StoppingCriteria):
    """Receives each token, keeps the text so far, and says when to stop.

    One object is both streamer and stopping criterion, since a stop string is seen in the text that it
    streams.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        stop: Sequence[str],
        prompt_tokens: int,
        seed: int,
        emit: Callable[[Generation], None],
        cancelled: Callable[[], bool],
    ) -> None:
        self.tokenizer = tokenizer
        self.stop = tuple(text for text in stop if text)
        self.prompt_tokens = prompt_tokens
        self.seed = seed
        self.emit = emit
        self.cancelled = cancelled
        self.tokens: list[int] = []
        self.text = ""
        self.reason: str | None = None
        self.started = time.monotonic()
        self.first_token_seconds: float | None = None
        self.emitted = 0.0
        self.saw_prompt = False

    def put(self, value: torch.Tensor) -> None:
        if not self.saw_prompt:  # generate() sends the prompt first
            self.saw_prompt = True
            return
        self.tokens.extend(value.flatten().tolist())
        now = time.monotonic()
        if self.first_token_seconds is None:
            self.first_token_seconds = now - self.started
        if self.stop or now - self.emitted >= EMIT_SECONDS:
            self.read_text()
            if now - self.emitted >= EMIT_SECONDS:
                self.emitted = now
                self.emit(self.snapshot(done=False))

    def end(self) -> None:
        self.read_text()

    def read_text(self) -> None:
        """Decode all tokens so far: pieces of one character may be spread over several tokens."""
        text = self.tokenizer.decode(self.tokens, skip_special_tokens=True).rstrip("\ufffd")
        cuts = [position for stop in self.stop if (position := text.find(stop)) >= 0]
        if cuts:
            text = text[: min(cuts)]
            self.reason = "stop"
        self.text = text

    def __call__(
        self, input_ids: torch.LongTensor, scores: torch.FloatTensor, **_: object
    ) -> torch.BoolTensor:
        if self.cancelled():
            self.reason = "cancelled"
        return torch.full(
            (input_ids.shape[0],), self.reason is not None, device=input_ids.device, dtype=torch.bool
        )

    def finished(self) -> Generation:
        if self.reason is None:
            ended = bool(self.tokens) and self.tokens[-1] in self.end_tokens()
            self.reason = "stop" if ended else "length"
        return self.snapshot(done=True)

    def end_tokens(self) -> set[int]:
        return set(self.tokenizer.all_special_ids)

    def snapshot(self, *, done: bool) -> Generation:
        return Generation(
            text=self.text,
            tokens=len(self.tokens),
            prompt_tokens=self.prompt_tokens,
            seconds=time.monotonic() - self.started,
            first_token_seconds=self.first_token_seconds,
            done=done,
            reason=self.reason if done else None,
            seed=self.seed,
        )

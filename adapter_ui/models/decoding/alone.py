"""An answer written by transformers' own loop, one at a time: for bases and adapters that cannot be batched.

Encoder-decoders, sliding windows, recurrent states, and adapters that put virtual tokens before the prompt.
Knows a model and its tokenizer; does not know which adapter is active or who reads.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence

import torch
from transformers import LogitsProcessor, LogitsProcessorList, StoppingCriteria
from transformers.generation.streamers import BaseStreamer

from adapter_ui.domain import ChatMessage, Generation, GenerationOptions
from adapter_ui.models.decoding.answer import GrowingAnswer
from adapter_ui.models.decoding.pieces import Pieces, heard_between_pieces, left_when_asked, piece_of
from adapter_ui.models.decoding.prompt import end_tokens, longest_answer, prompt_tokens
from adapter_ui.models.decoding.sampler import GREEDY_BELOW, refuse_noise
from adapter_ui.models.loading import LoadedModel
from adapter_ui.models.wide import wide_products


def generate(
    loaded: LoadedModel,
    messages: Sequence[ChatMessage],
    options: GenerationOptions,
    emit: Callable[[Generation], None],
    cancelled: Callable[[], bool],
    reading: Callable[[int, int], None] = lambda tokens, done: None,
) -> Generation:
    """Decode an answer; `emit` gets the text so far, `cancelled` is asked at every token and between the
    pieces of a long prompt, `reading` is told the length of the prompt and how much of it has been read.
    Returns the last one. Raises ModelFailure when the scores are no numbers.
    """
    prompt = prompt_tokens(loaded, messages, raw=options.raw)
    reading(len(prompt), 0)
    seed = options.seed if options.seed is not None else secrets.randbelow(2**31)
    torch.manual_seed(seed)
    answer = GrowingAnswer(loaded.tokenizer, options.stop, end_tokens(loaded), len(prompt), seed, emit)
    most_tokens = min(options.max_new_tokens, longest_answer(loaded, len(prompt)))
    watch = Watch(answer, most_tokens, cancelled)
    input_ids = torch.tensor([prompt], device=loaded.device)
    piece = piece_of(loaded.model, len(prompt))
    heard = heard_between_pieces(loaded.model, Pieces(len(prompt), piece, cancelled, reading))
    with torch.inference_mode(), wide_products(), left_when_asked(answer), heard:
        loaded.model.generate(
            input_ids=input_ids,
            attention_mask=torch.ones_like(input_ids),
            **sampling(options),
            prefill_chunk_size=piece,
            max_new_tokens=most_tokens,
            streamer=watch,
            stopping_criteria=[watch],
            logits_processor=LogitsProcessorList([NoNoise()]),
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


class NoNoise(LogitsProcessor):
    """Ends the loop with an error when there is no best token: transformers would write one all the same."""

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        refuse_noise(scores.amax(-1))
        return scores


class Watch(BaseStreamer, StoppingCriteria):
    """Hands each token to the answer, and ends the loop when the answer has ended.

    One object is both streamer and stopping criterion, since a stop string is seen in the text that it
    streams.
    """

    def __init__(self, answer: GrowingAnswer, most_tokens: int, cancelled: Callable[[], bool]) -> None:
        self.answer, self.most_tokens, self.cancelled = answer, most_tokens, cancelled
        self.saw_prompt = False

    def __deepcopy__(self, memo: dict[int, object]) -> Watch:
        """Itself: PEFT copies all that a T5 with learned tokens is given to generate with, and a copy would
        take the answer to nobody.
        """
        return self

    def put(self, value: torch.Tensor) -> None:
        if not self.saw_prompt:  # generate() sends the prompt first
            self.saw_prompt = True
            return
        for token in value.flatten().tolist():
            self.answer.add(token, self.most_tokens)

    def end(self) -> None:
        self.answer.read_text()

    def __call__(
        self, input_ids: torch.LongTensor, scores: torch.FloatTensor, **_: object
    ) -> torch.BoolTensor:
        if self.answer.reason is None and self.cancelled():
            self.answer.cancel()
        ended = self.answer.reason is not None
        return torch.full((input_ids.shape[0],), ended, device=input_ids.device, dtype=torch.bool)

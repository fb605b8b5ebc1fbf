"""Rows that one base decodes together: they arrive, read their prompt, write a token a step, and leave.

Knows rows and the base's forward pass; nothing of requests, of adapters' files or of who reads.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from transformers import PreTrainedModel
from transformers.cache_utils import DynamicCache, DynamicLayer

from adapter_ui.models.decoding.answer import GrowingAnswer
from adapter_ui.models.decoding.cache import RowCache
from adapter_ui.models.decoding.lone import gains_without_onednn, without_onednn
from adapter_ui.models.decoding.mixture import Voice
from adapter_ui.models.decoding.sampler import Sampler
from adapter_ui.models.failures import in_words
from adapter_ui.models.wide import wide_products

log = logging.getLogger(__name__)

PREFILL_TOKENS = 256


@dataclass(eq=False, repr=False)
class Row:
    """One answer being written. `ended` is told once, with the error if there was one, and `reading` how many
    tokens of the prompt have been read.
    """

    prompt: list[int]
    voice: Voice
    most_tokens: int
    sampler: Sampler
    answer: GrowingAnswer
    cancelled: Callable[[], bool]
    ended: Callable[[Row, Exception | None], None]
    reading: Callable[[int], None] = lambda tokens: None
    is_over: bool = False

    @property
    def last_token(self) -> int:
        return self.answer.tokens[-1]

    @property
    def cached_tokens(self) -> list[int]:
        """The tokens whose keys and values are known once the row has ended: all but the last one."""
        return [*self.prompt, *self.answer.tokens[:-1]]

    def end(self, error: Exception | None = None) -> None:
        if not self.is_over:
            self.is_over = True
            self.ended(self, error)

    def left(self) -> bool:
        """Whether its reader has gone; it ends then."""
        if self.cancelled():
            self.answer.cancel()
            self.end()
        return self.answer.reason == "cancelled"

    def take(self, logits: torch.Tensor) -> bool:
        """Choose the next token from `logits` [vocabulary]; whether the row goes on. What fails here is of
        this row, and ends no other.
        """
        try:
            self.answer.add(self.sampler.choose(logits), self.most_tokens)
        except Exception as error:  # whatever it is becomes a sentence
            log.exception("a token could not be taken")
            self.end(in_words(error))
            return False
        if self.answer.reason is not None:
            self.end()
        return self.answer.reason is None


@dataclass(eq=False)
class Arrival:
    """Rows with prompts of one length, read together, a piece at a time; `cache` holds what was read."""

    rows: list[Row]
    cache: RowCache


@dataclass(eq=False)
class Batch:
    """The rows of one base. `compose` is told the rows' voices before every forward pass, `keep` is shown
    each row that has ended and its place in the cache, and `known` gives what is known of how a prompt
    begins.
    """

    model: PreTrainedModel
    compose: Callable[[Sequence[Voice]], None]
    keep: Callable[[Row, RowCache, int], None]
    known: Callable[[Row], RowCache | None]
    rows: list[Row] = field(default_factory=list)
    arrivals: list[Arrival] = field(default_factory=list)
    cache: RowCache = field(default_factory=RowCache)

    def __post_init__(self) -> None:
        self.arguments = set(inspect.signature(self.model.forward).parameters)
        self.faster_alone = gains_without_onednn(self.model)

    @property
    def everyone(self) -> list[Row]:
        return [*self.rows, *(row for arrival in self.arrivals for row in arrival.rows)]

    def admit(self, row: Row) -> None:
        """Let a row in; rows that arrive together with prompts of one length are read together."""
        cache = self.known(row)
        if cache is None:
            for arrival in self.arrivals:
                if not arrival.cache.length and len(arrival.rows[0].prompt) == len(row.prompt):
                    arrival.rows.append(row)
                    arrival.cache.starts.append(0)
                    return
            cache = RowCache([0])
        self.arrivals.append(Arrival([row], cache))

    def step(self) -> None:
        """Read a piece of a prompt that waits, then write a token of every row."""
        for arrival in list(self.arrivals):
            self.let_go(arrival)
        with torch.inference_mode():
            if self.arrivals:
                self.read(self.arrivals[0])
            if self.rows:
                self.write()

    def let_go(self, arrival: Arrival) -> None:
        """Drop the rows whose readers have gone while they waited to be read."""
        staying = [place for place, row in enumerate(arrival.rows) if not row.left()]
        arrival.rows = self.only(arrival.rows, arrival.cache, staying)
        if not arrival.rows:
            self.arrivals.remove(arrival)

    def read(self, arrival: Arrival) -> None:
        """Read a piece; rows that have been read join the others. What fails before that ends the arrival's
        own rows alone, since nobody else is in its cache.
        """
        try:
            is_read = self.read_piece(arrival)
        except Exception as error:  # whatever a model raises becomes a sentence
            log.exception("a prompt could not be read")
            self.arrivals.remove(arrival)
            for row in arrival.rows:
                row.end(in_words(error))
            return
        if not is_read:
            return
        if arrival.rows:
            self.cache.join(arrival.cache)
            self.rows += arrival.rows
        self.arrivals.remove(arrival)  # last, so that a failure before finds the rows to end

    def read_piece(self, arrival: Arrival) -> bool:
        """Whether all is read; each row that goes on has its first token then."""
        start = arrival.cache.length
        pieces = [row.prompt[start : start + PREFILL_TOKENS] for row in arrival.rows]
        logits = self.forward(arrival.rows, arrival.cache, pieces)
        for row in arrival.rows:
            row.reading(arrival.cache.length)
        if arrival.cache.length < len(arrival.rows[0].prompt):
            return False
        arrival.rows = self.chosen(arrival.rows, arrival.cache, logits)
        return True

    def write(self) -> None:
        self.rows = self.only(
            self.rows, self.cache, [place for place, row in enumerate(self.rows) if not row.left()]
        )
        if self.rows:
            logits = self.forward(self.rows, self.cache, [[row.last_token] for row in self.rows])
            self.rows = self.chosen(self.rows, self.cache, logits)

    def chosen(self, rows: list[Row], cache: RowCache, logits: torch.Tensor) -> list[Row]:
        """Every row with its next token; gives those that go on."""
        staying = []
        for place, row in enumerate(rows):
            if row.take(logits[place]):
                staying.append(place)
            elif row.answer.reason is not None:
                self.keep(row, cache, place)
        return self.only(rows, cache, staying)

    def only(self, rows: list[Row], cache: RowCache, staying: list[int]) -> list[Row]:
        if len(staying) < len(rows):
            cache.keep(staying)
        return [rows[place] for place in staying]

    def forward(self, rows: Sequence[Row], cache: RowCache, tokens: list[list[int]]) -> torch.Tensor:
        """Logits [rows, vocabulary] after the last of `tokens`, whose keys and values join the cache."""
        self.compose([row.voice for row in rows])
        device = self.model.device
        start, end = cache.length, cache.length + len(tokens[0])
        inputs = {"input_ids": torch.tensor(tokens, device=device), "past_key_values": cache}
        columns = torch.arange(end, device=device)[None]
        starts = torch.tensor(cache.starts, device=device)[:, None]
        if "position_ids" in self.arguments:
            inputs["position_ids"] = columns[:, start:] - starts
        if any(cache.starts):  # without a mask the attention is twice as fast
            inputs["attention_mask"] = (columns >= starts).long()
        if "logits_to_keep" in self.arguments:
            inputs["logits_to_keep"] = 1
        lone = len(rows) == len(tokens[0]) == 1
        with without_onednn(self.faster_alone) if lone else wide_products():
            return self.model(**inputs, use_cache=True).logits[:, -1]

    def fail(self, error: Exception) -> None:
        """End all rows with an error."""
        failed, self.rows, self.arrivals, self.cache = self.everyone, [], [], RowCache()
        for row in failed:
            row.end(error)


def can_batch(model: PreTrainedModel) -> bool:
    """Whether the base's whole state is keys and values of all tokens, as rows can join and leave then.

    Encoder-decoders, sliding windows and recurrent states are written one answer at a time by transformers.
    """
    if not model.can_generate() or model.config.is_encoder_decoder or model._is_stateful:
        return False
    if not model._supports_default_dynamic_cache():
        return False
    cache = DynamicCache(config=model.config.get_text_config(decoder=True))
    plain = all(type(layer) is DynamicLayer for layer in cache.layers)
    return plain and "past_key_values" in inspect.signature(model.forward).parameters

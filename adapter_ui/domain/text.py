"""Trying a model: conversations, how to decode, and answers."""

from __future__ import annotations

from dataclasses import dataclass

from adapter_ui.domain.models import OWN_MODEL, ModelChoice, Progress
from adapter_ui.errors import InvalidInput

TEXT_BOUND = 200_000
STRONGEST = 4.0


def check_number(field: str, value: float, low: float, high: float) -> None:
    """Raise InvalidInput unless `value` is a number from `low` to `high`."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        given = f"{value!r:.40}"
        raise InvalidInput(f"{field} must be a number from {low:,} to {high:,}, not {given}.", field=field)


@dataclass(frozen=True)
class GenerationOptions:
    """How to decode. temperature 0 is greedy; `seed` None draws a fresh one; `raw` skips the chat
    template.
    """

    max_new_tokens: int = 256
    temperature: float = 0.7
    top_p: float = 0.95
    top_k: int = 50
    repetition_penalty: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    raw: bool = False

    def __post_init__(self) -> None:
        check_number("max_new_tokens", self.max_new_tokens, 1, 8192)
        check_number("temperature", self.temperature, 0, 5)
        check_number("top_p", self.top_p, 0.01, 1)
        check_number("top_k", self.top_k, 0, 1000)
        check_number("repetition_penalty", self.repetition_penalty, 0.5, 3)
        if self.seed is not None:
            check_number("seed", self.seed, 0, 2**32 - 1)
        if len(self.stop) > 8 or any(len(text) > 200 for text in self.stop):
            raise InvalidInput("stop takes at most 8 strings of at most 200 characters.", field="stop")


@dataclass(frozen=True)
class ChatMessage:
    """One turn: role is system, user or assistant."""

    role: str
    content: str

    def __post_init__(self) -> None:
        if self.role not in ("system", "user", "assistant"):
            raise InvalidInput(f"“{self.role[:20]}” is no role; use system, user or assistant.", field="role")
        if len(self.content) > TEXT_BOUND:
            raise InvalidInput(
                f"A message has at most {TEXT_BOUND:,} characters; shorten it.", field="prompt"
            )


@dataclass(frozen=True)
class Generation:
    """The text so far. The last one has `done` set and the reason: stop, length or cancelled."""

    text: str
    tokens: int = 0
    prompt_tokens: int = 0
    seconds: float = 0.0
    first_token_seconds: float | None = None
    done: bool = False
    reason: str | None = None
    seed: int | None = None

    @property
    def tokens_per_second(self) -> float | None:
        """Decoding speed after the first token, which also pays for reading the prompt."""
        if self.first_token_seconds is None or self.tokens < 2 or self.seconds <= self.first_token_seconds:
            return None
        return (self.tokens - 1) / (self.seconds - self.first_token_seconds)


@dataclass(frozen=True)
class Arm:
    """One voice of a comparison: an adapter at a strength, or the base alone (`adapter` "").

    Strength 0 is the base, 1 the adapter as it was trained.
    """

    adapter: str = ""
    strength: float = 1.0
    choice: ModelChoice = OWN_MODEL

    def __post_init__(self) -> None:
        check_number("strength", self.strength, 0, STRONGEST)


@dataclass(frozen=True)
class Asked:
    """An arm and its own conversation: no arm reads what another one said."""

    arm: Arm
    messages: tuple[ChatMessage, ...]


@dataclass(frozen=True)
class ArmAnswer:
    """What an arm has said so far. `progress` is set while it waits or loads, `error` when it cannot answer.

    `takes_turns` says why the arm cannot be decoded in one batch with the others; empty when it can.
    """

    arm: Arm
    generation: Generation = Generation("")
    progress: Progress | None = None
    error: str = ""
    takes_turns: str = ""

    @property
    def ended(self) -> bool:
        return self.generation.done or bool(self.error)


@dataclass(frozen=True)
class LabelScore:
    label: str
    score: float


@dataclass(frozen=True)
class Entity:
    """A labelled span; `start` and `end` are character offsets in the text."""

    text: str
    label: str
    start: int
    end: int
    score: float


@dataclass(frozen=True)
class Prediction:
    """The answer of a model that is not a plain text generator; which fields are set depends on the task.

    SEQ_CLS: labels. TOKEN_CLS: entities. QUESTION_ANS: answer, start, end, score. FEATURE_EXTRACTION:
    embedding, pooling, and for a second text its `pair_embedding` and the cosine of both as `similarity`.
    CAUSAL_LM and SEQ_2_SEQ_LM: text. `unread_tokens` is how many tokens at the end the model could not take.
    """

    task_type: str
    labels: tuple[LabelScore, ...] = ()
    entities: tuple[Entity, ...] = ()
    answer: str | None = None
    start: int | None = None
    end: int | None = None
    score: float | None = None
    embedding: tuple[float, ...] = ()
    pooling: str | None = None
    pair_embedding: tuple[float, ...] = ()
    similarity: float | None = None
    text: str | None = None
    unread_tokens: int | None = None
    seconds: float = 0.0

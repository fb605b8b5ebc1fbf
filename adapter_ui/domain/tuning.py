"""Fine-tuning: data tables, what a run would need, and where it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from adapter_ui.domain.models import MemoryEstimate
from adapter_ui.domain.tokens import LengthHistogram, TokenRow


@dataclass(frozen=True)
class Table:
    """Rows of a data file as they were read: column names, rows of text values, and what was dropped and why.

    `places` says for each row where it came from: "line 7", or "row 7 (line 9)" of a JSON list.
    `dropped_rows` counts all dropped rows; `dropped` explains the first of them.
    """

    columns: tuple[str, ...]
    rows: tuple[Mapping[str, Any], ...]
    dropped: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    dropped_rows: int = 0


@dataclass(frozen=True)
class Preflight:
    """What is known of a fine-tune before it starts. `refusal` is set when it cannot start.

    `longest` and `tokens` are token counts after the chat template; `cut` counts rows longer than max_length,
    `lengths` all rows by their tokens. `preview` are the first rows as tokens. `recipe` has every field;
    `reasons` says of each that was chosen for the situation why it is as it is. `seconds` is how long the
    run will take, told from steps that were timed, of `step_seconds` each; `timing` says how, or why not.
    """

    recipe: Mapping[str, Any]
    rows: int
    validation_rows: int
    tokens: int | None
    longest: int | None
    cut: int
    steps: int
    trainable_parameters: int | None
    adapter_bytes: int | None
    memory: MemoryEstimate | None
    available_bytes: int
    warnings: tuple[str, ...] = ()
    refusal: str | None = None
    lengths: LengthHistogram | None = None
    preview: tuple[TokenRow, ...] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)
    seconds: float | None = None
    step_seconds: float | None = None
    timing: str = ""


class RunState(StrEnum):
    """The life of a fine-tuning run."""

    QUEUED = "queued"
    RUNNING = "running"
    SAVING = "saving"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    PAUSED = "paused"

    @property
    def ended(self) -> bool:
        """Whether no process has it in hand or will take it by itself; a paused run waits for a person."""
        return self not in (RunState.QUEUED, RunState.RUNNING, RunState.SAVING)


@dataclass(frozen=True)
class SampleAnswer:
    """What the model wrote when it had learned for so many steps."""

    step: int
    text: str


@dataclass(frozen=True)
class Sample:
    """A fixed prompt of the data, the answer that stands there, and the model's own: `before` the training,
    `after` it ("" until then), and at each step where it was asked. `held_back` says whether it stands
    only in rows that the model does not learn from; None for runs of versions that did not tell.
    """

    prompt: str
    expected: str = ""
    before: str = ""
    after: str = ""
    answers: tuple[SampleAnswer, ...] = ()
    held_back: bool | None = None


@dataclass(frozen=True)
class RunStatus:
    """Where a fine-tuning run stands. `history` holds one mapping a logged step: step, loss, learning_rate,
    … `checkpoint_step` is where it would go on if it were resumed. `metrics_before` and `metrics_after` are
    those on the validation rows around the whole training, by the names in `adapter_ui.training.metrics`.
    `adapter_step` is the step after which the adapter was saved, None for runs of versions that noted none.
    `notes` are a person's own. `place` counts from 1 while it waits for its turn.
    """

    run_id: str
    state: RunState
    name: str = ""
    message: str = ""
    base_model: str = ""
    step: int = 0
    total_steps: int | None = None
    history: tuple[Mapping[str, float], ...] = ()
    samples: tuple[Sample, ...] = ()
    eta_seconds: float | None = None
    seconds: float | None = None
    created: str | None = None
    adapter: str | None = None
    adapter_step: int | None = None
    error: str | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)
    checkpoint_step: int | None = None
    notes: str = ""
    place: int | None = None
    metrics_before: Mapping[str, float] = field(default_factory=dict)
    metrics_after: Mapping[str, float] = field(default_factory=dict)

    @property
    def resumable(self) -> bool:
        """Whether it ended before it was done; without a checkpoint it would begin anew."""
        return self.state.ended and self.state is not RunState.DONE

"""A method on a base for a task in a precision: loaded and answered by the engine, and by plain PEFT."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch

from adapter_ui.domain import ChatMessage, Generation, GenerationOptions, LoadReport, Precision, Prediction
from adapter_ui.domain.classes import task_of_class
from adapter_ui.domain.loadable import REFUSED_METHODS
from adapter_ui.engine import protocol
from adapter_ui.errors import AdapterUIError, UnsupportedAdapter
from tests.models.engine_here import EngineHere, Heard, heard_predicting, heard_writing
from tests.models.every_method import HEADS, PREDICTIONS, REASONS, Bench, Family, first_line
from tests.models.plain_peft import CONTEXT, TEXT, PlainBase, predicted, written
from tests.models.plain_reading import check_prediction, check_text

EQUAL, SAME_DTYPE, CLOSE, WORKS = "equal", "equal in the same dtype", "close", "works here only"
GREEDY = GenerationOptions(max_new_tokens=3, temperature=0, raw=True)
# Of the largest difference of the outputs, of their root mean square. Quantised bases compute in bf16.
TOLERANCE = {
    Precision.FP32: 1e-5,
    Precision.BF16: 0.15,
    Precision.FP16: 0.03,
    Precision.INT8: 0.1,
    Precision.NF4: 0.2,
    Precision.FP4: 0.2,
}
SMALLEST_EFFECT = 0.03
WITHOUT_EFFECT = {"UNILORA": (Precision.INT8, Precision.NF4, Precision.FP4)}
Outputs = list[torch.Tensor]


@dataclass(frozen=True)
class Column:
    family: Family
    task: str
    precision: Precision

    @property
    def name(self) -> str:
        return f"{self.task or 'no task'} ({self.family.name})"

    @property
    def answers_as(self) -> str:
        """The task of an adapter that names none is that of its class."""
        return self.task or task_of_class(self.family.without_task)

    @property
    def predicts(self) -> bool:
        return self.answers_as in PREDICTIONS

    @property
    def texts(self) -> tuple[str, ...]:
        return (TEXT, CONTEXT) if self.answers_as == "QUESTION_ANS" else (TEXT,)

    def spec(self, bench: Bench, method: str = "", folder: Path | None = None) -> protocol.ModelSpec:
        return protocol.ModelSpec(
            base=f"tiny/{self.family.name}",
            base_folder=str(bench.bases / self.family.name),
            precision=self.precision,
            model_class=self.family.model_class(self.task),
            adapter=method,
            adapter_folder=str(folder) if folder else "",
            task_type=self.answers_as,
        )


@dataclass
class Comparison:
    """A column's cells, one after the other: its adapters gather in one engine, as they would in the app."""

    bench: Bench
    column: Column
    engine: EngineHere = field(default_factory=EngineHere)
    largest: float = 0.0

    @property
    def plain(self) -> PlainBase:
        return self.bench.base(self.column.family, self.column.task, self.column.precision)

    def outcome(self, method: str) -> str:
        """How the engine's answer compares with plain PEFT's, or who has none, and why."""
        if method in REFUSED_METHODS:
            return f"not loaded here: {REFUSED_METHODS[method]}"
        if self.column.precision in WITHOUT_EFFECT.get(method, ()):
            return "PEFT: it is loaded and has no effect over quantised weights"
        folder = self.bench.adapter(method, self.column.family, self.column.task)
        if isinstance(folder, str):
            return f"PEFT: {folder}"
        try:
            ours, tokens = self.by_the_engine(method, folder)
        except UnsupportedAdapter as error:
            return f"refused: {error.message}"
        except AdapterUIError as error:
            return self.refusal(error, folder)
        return self.compared(ours, folder, tokens)

    def refusal(self, error: AdapterUIError, folder: Path) -> str:
        """PEFT's own reason, if it cannot answer either; where a head is in no file it answers with noise."""
        theirs, again = (self.by_peft(folder, [0], seed=seed) for seed in (0, 1))
        if isinstance(theirs, str):
            return f"PEFT: {theirs}"
        noise = isinstance(again, str) or not all(map(torch.equal, theirs, again))
        return f"{'noise' if noise else 'refused'}: {error.message}"

    def by_the_engine(self, method: str, folder: Path) -> tuple[Outputs, list[int]]:
        """The outputs behind the answer, and the tokens that were written. Raises what the engine says."""
        spec = self.column.spec(self.bench, method, folder)
        (events,) = self.engine.ask(protocol.Load(spec))
        report = next(event for event in events if isinstance(event, LoadReport))
        assert report.keys_applied == report.keys_in_file > 0
        return (self.predict(spec), []) if self.column.predicts else self.write(spec)

    def predict(self, spec: protocol.ModelSpec) -> Outputs:
        with heard_predicting(self.engine.resident(spec)) as heard:
            (events,) = self.engine.ask(protocol.Predict(spec, *self.column.texts))
        found = next(event for event in events if isinstance(event, Prediction))
        check_prediction(found, heard, self.plain.folder, HEADS.get(self.column.task, ()))
        return heard

    def write(self, spec: protocol.ModelSpec) -> tuple[Outputs, list[int]]:
        """The adapter's answer and the base's, both asked at once."""
        asked = [spec, self.column.spec(self.bench)]
        requests = [protocol.Generate(one, (ChatMessage("user", TEXT),), GREEDY) for one in asked]
        with heard_writing(self.engine.resident(spec)) as heard:
            answers = self.engine.ask(*requests)
        for one, events in zip(asked, answers, strict=True):
            last = [event for event in events if isinstance(event, Generation)][-1]
            check_text(last, heard[one.adapter], self.plain.folder)
        self.check_base(heard[""], heard[spec.adapter], spec.adapter)
        return heard[spec.adapter].logits, heard[spec.adapter].tokens

    def check_base(self, base: Heard, adapted: Heard, adapter: str) -> None:
        """The base beside an adapter is the base, and the adapter is not: else nothing is compared."""
        plain = written(self.plain.load(), self.plain.folder, base.tokens)
        assert self.apart(base.logits, plain) <= TOLERANCE[self.column.precision], f"base beside {adapter}"
        changed = apart(adapted.logits[0], base.logits[0])
        assert changed > SMALLEST_EFFECT, f"{adapter} changes too little: {changed}"

    def by_peft(
        self, folder: Path, tokens: list[int], *, seed: int = 0, cast_up: bool = True
    ) -> Outputs | str:
        """What plain PEFT answers, or why it does not. `cast_up` is its default for the adapter's dtype."""
        try:
            model = self.plain.with_adapter(folder, seed, cast_up)
            if self.column.predicts:
                return predicted(model, self.plain.folder, self.column.texts)
            return written(model, self.plain.folder, tokens)
        except REASONS as error:
            return first_line(error)

    def compared(self, ours: Outputs, folder: Path, tokens: list[int]) -> str:
        theirs = self.by_peft(folder, tokens)
        if not isinstance(theirs, str):
            if all(map(torch.equal, ours, theirs)):
                return EQUAL
            difference = self.apart(ours, theirs)
            if difference > TOLERANCE[self.column.precision]:
                return f"FAILS: differs by {difference:.2g} of the root mean square"
        same = self.by_peft(folder, tokens, cast_up=False)
        is_same = not isinstance(same, str) and all(map(torch.equal, ours, same))
        if isinstance(theirs, str):
            return WORKS if is_same or isinstance(same, str) else "FAILS: differs in the same dtype"
        return SAME_DTYPE if is_same else CLOSE

    def apart(self, ours: Outputs, theirs: Outputs) -> float:
        assert [one.shape for one in ours] == [one.shape for one in theirs]
        difference = max(map(apart, ours, theirs))
        self.largest = max(self.largest, difference)
        return difference


def apart(one: torch.Tensor, other: torch.Tensor) -> float:
    """The largest difference, as a share of the root mean square of `other`: a rounding is a share of what is
    rounded, and three labels that are about as likely hardly deviate from each other.
    """
    return float((one.float() - other.float()).abs().max() / other.float().square().mean().sqrt())

"""A real object with AdapterService's interface and made-up answers, with pauses, for the page's tests.

Start it as a page to look at: `python -m tests.ui.fake_service`.
"""

from __future__ import annotations

import math
import tempfile
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from adapter_ui.admission import Admissions
from adapter_ui.catalog.comparison.together import compare_adapters
from adapter_ui.catalog.hub.datasets import DatasetRef
from adapter_ui.catalog.profiles.config import AdapterConfig
from adapter_ui.catalog.profiles.explain import Explanation, explain
from adapter_ui.domain import (
    AdapterProfile,
    AdapterRef,
    AdapterSummary,
    ArmAnswer,
    Asked,
    BaseSuggestion,
    ChatMessage,
    Entity,
    Fit,
    Generation,
    GenerationOptions,
    LabelScore,
    LengthHistogram,
    LoadedBase,
    LoadReport,
    MemoryEstimate,
    MemoryUse,
    Precision,
    PrecisionChoice,
    Prediction,
    Preflight,
    Progress,
    Revision,
    RunState,
    RunStatus,
    Sample,
    SampleAnswer,
    SearchPage,
    SearchQuery,
    SideBySide,
    Table,
    Token,
    TokenPreview,
    TokenRow,
)
from adapter_ui.errors import DoesNotFit, GatedRepo, HubUnreachable, UnknownRun
from adapter_ui.settings import Settings
from adapter_ui.training.data import read_table
from adapter_ui.training.defaults import Default, RowFacts, Situation, chosen_defaults
from adapter_ui.training.recipe import Recipe, total_steps
from adapter_ui.ui.app import build_page, launch_options, queue_options
from tests.ui import fake_arms, fake_search
from tests.ui.fake_arms import ANSWER, PLAIN
from tests.ui.fake_base import FakeBases
from tests.ui.fake_data import BASES, MB, ROWS, SMOL, profile_of
from tests.ui.fake_disk import FakeDisk
from tests.ui.fake_fit import fit_of
from tests.ui.fake_outgoing import FakeOutgoing


@dataclass
class FakeService:
    """`pause` is the seconds between two pieces of a stream, `steps_a_look` how far a look moves a live
    run on; `unreachable` makes the Hub fail.
    """

    pause: float = 0.0
    steps_a_look: int = 4
    unreachable: bool = False
    in_memory: list[LoadedBase] = field(default_factory=list)
    tuned: dict[str, RunStatus] = field(default_factory=dict)
    closed_streams: int = 0
    asked: list[dict[str, Any]] = field(default_factory=list)
    outgoing: FakeOutgoing = field(default_factory=FakeOutgoing)
    on_disk: FakeDisk = field(default_factory=FakeDisk)
    catalog: FakeBases = field(default_factory=FakeBases)
    settings: Settings = field(default_factory=lambda: Settings(home=Path("nowhere")))

    def __post_init__(self) -> None:
        self.admissions = Admissions()
        self.merge, self.zip_merged = self.outgoing.merge, self.outgoing.zip_merged
        self.push = self.outgoing.push
        self.merged_models, self.delete_merged = self.outgoing.merged_models, self.outgoing.delete_merged
        self.disk, self.delete_downloaded = self.on_disk.disk, self.on_disk.delete_downloaded

    def close(self) -> None:
        self.in_memory.clear()

    def search(self, query: SearchQuery) -> SearchPage:
        return fake_search.search(query, unreachable=self.unreachable)

    def fill(self, query: SearchQuery, page: SearchPage) -> Iterator[SearchPage]:
        try:
            yield from fake_search.fill(query, page, self.pause)
        finally:
            self.closed_streams += 1

    def suggest_bases(self, text: str) -> tuple[BaseSuggestion, ...]:
        time.sleep(self.pause * 30 / max(1, len(text)))  # one letter takes longest, as on the Hub
        return fake_search.suggest_bases(text)

    def inspect(self, adapter: str, base_model: str = "") -> AdapterProfile:
        time.sleep(self.pause * 4)
        if adapter == "nobody/unreachable":
            raise HubUnreachable("The Hub cannot be reached; check the connection and try again.")
        ref = AdapterRef.parse(adapter)
        found = next((row for row in ROWS if row.ref == ref), None)
        row = found or AdapterSummary(ref, base_model=SMOL, task_type="CAUSAL_LM")
        return profile_of(replace(row, base_model=base_model) if base_model else row)

    @property
    def hub_endpoint(self) -> str:
        return "https://huggingface.co"

    def fit(self, profile: AdapterProfile, context: int = 2048, arms: int = 1) -> Fit | None:
        return fit_of(profile, context, arms, self.in_memory)

    def revisions(self, adapter: str) -> tuple[Revision, ...]:
        time.sleep(self.pause * 4)
        if self.unreachable:
            raise HubUnreachable("The Hub cannot be reached; check the connection and try again.")
        return (
            Revision("main", "branch", "f" * 40),
            Revision("v2-longer-training", "branch", "e" * 40),
            Revision("v1.0", "tag", "d" * 40),
        )

    def side_by_side(self, adapters: Sequence[str]) -> SideBySide:
        return compare_adapters(lambda ref: self.inspect(str(ref)), adapters, self.default_precision())

    def precisions(self) -> tuple[PrecisionChoice, ...]:
        return (
            PrecisionChoice(
                Precision.BF16,
                "16-bit bfloat",
                "half the memory of fp32, and fast on this processor",
                True,
            ),
            PrecisionChoice(Precision.FP32, "32-bit floats", "exact, the most memory"),
            PrecisionChoice(
                Precision.INT8, "8-bit integers by bitsandbytes", "a quarter of fp32's memory, slower"
            ),
            PrecisionChoice(
                Precision.NF4,
                "4-bit NormalFloat by bitsandbytes",
                "an eighth of fp32's memory, small loss of quality",
            ),
        )

    def default_precision(self) -> Precision:
        return Precision.BF16

    def warm(self) -> None:
        """Nothing to start."""

    def explain(self, profile: AdapterProfile) -> tuple[Explanation, ...]:
        return explain(AdapterConfig.model_validate(dict(profile.config)))

    def load(
        self,
        adapter: str,
        precision: Precision,
        *,
        base_model: str = "",
        model_class: str = "",
        visitor: str = "",
    ) -> Iterator[Progress | LoadReport]:
        if adapter == "meta-fans/llama-3.1-8b-instruct-lora":
            raise GatedRepo(
                "The files need an accepted licence; accept it on the Hub, then start this app with "
                "your HF_TOKEN."
            )
        if adapter == "team-4/too-big":
            raise DoesNotFit("It needs 32 GB in fp32 and 9.4 GB are free; nf4 would fit.", "nf4")
        try:
            for step in range(0, 11):
                yield Progress("download", "Downloading the base", step * 27 * MB, 270 * MB)
                time.sleep(self.pause)
            yield Progress("attach", "Attaching the adapter")
            time.sleep(self.pause * 3)
        finally:
            self.closed_streams += 1
        base = base_model or self.inspect(adapter).base.id
        self.remember(base, precision, adapter)
        yield LoadReport(
            adapter,
            base,
            precision,
            model_class or "AutoModelForCausalLM",
            "cpu",
            310 * MB,
            298 * MB,
            3.2,
            120,
            120,
            (),
        )

    def remember(self, base: str, precision: Precision, adapter: str) -> None:
        known = next((one for one in self.in_memory if (one.base, one.precision) == (base, precision)), None)
        adapters = dict.fromkeys((*(known.adapters if known else ()), *((adapter,) if adapter else ())))
        if known:
            self.in_memory.remove(known)
        self.in_memory.append(
            LoadedBase(base, precision, "AutoModelForCausalLM", "CAUSAL_LM", "cpu", 298 * MB, tuple(adapters))
        )

    def loaded(self) -> tuple[LoadedBase, ...]:
        return tuple(self.in_memory)

    def unload(self, base: str, precision: Precision, *, visitor: str = "") -> None:
        self.in_memory = [one for one in self.in_memory if (one.base, one.precision) != (base, precision)]

    def memory(self) -> MemoryUse:
        return MemoryUse(
            "cpu", 15_600 * MB, 9_400 * MB - sum(one.measured_bytes for one in self.in_memory), 298 * MB
        )

    def generate(
        self,
        adapter: str,
        messages: Sequence[ChatMessage],
        options: GenerationOptions,
        precision: Precision,
        *,
        strength: float = 1.0,
        base_model: str = "",
        model_class: str = "",
        visitor: str = "",
    ) -> Iterator[Progress | Generation]:
        self.asked.append(
            {
                "adapter": adapter,
                "messages": tuple(messages),
                "options": options,
                "strength": strength,
                "base_model": base_model,
                "model_class": model_class,
            }
        )
        base = base_model or (self.inspect(adapter).base or BASES[SMOL]).id
        if not any(one.base == base for one in self.in_memory):
            yield from (
                event
                for event in self.load(adapter, precision, base_model=base)
                if isinstance(event, Progress)
            )
            self.remember(base, precision, adapter)
        words = (ANSWER if adapter and strength else PLAIN).split(" ")
        try:
            for count in range(1, len(words) + 1):
                time.sleep(self.pause)
                done = count == len(words)
                yield Generation(
                    " ".join(words[:count]),
                    count,
                    36,
                    0.4 + count * 0.05,
                    0.4,
                    done,
                    "stop" if done else None,
                    options.seed or 7,
                )
        finally:
            self.closed_streams += 1

    def compare(
        self,
        asked: Sequence[Asked],
        options: GenerationOptions,
        precision: Precision,
        *,
        base_model: str = "",
        visitor: str = "",
    ) -> Iterator[tuple[ArmAnswer, ...]]:
        self.asked.append({"arms": tuple(asked), "options": options, "base_model": base_model})
        try:
            yield from fake_arms.compare(asked, options.seed, self.inspect, self.pause)
        finally:
            self.closed_streams += 1

    def predict(
        self,
        adapter: str,
        text: str,
        text_pair: str,
        precision: Precision,
        *,
        base_model: str = "",
        model_class: str = "",
        visitor: str = "",
    ) -> Iterator[Progress | Prediction]:
        self.asked.append({"adapter": adapter, "text": text, "model_class": model_class})
        yield Progress("load", "Loading the base", 120 * MB, 499 * MB)
        time.sleep(self.pause * 4)
        task = self.inspect(adapter).task_type
        if task == "TOKEN_CLS":
            words = [word for word in text.split() if word[:1].isupper()]
            spans = tuple(
                Entity(word, "PER", text.index(word), text.index(word) + len(word), 0.97) for word in words
            )
            yield Prediction(task, entities=spans, seconds=0.1)
            return
        scores = (LabelScore("positive", 0.91), LabelScore("neutral", 0.07), LabelScore("negative", 0.02))
        yield Prediction(task or "SEQ_CLS", labels=scores, seconds=0.08)

    def read_table(self, source: str | Path) -> Table:
        return read_table(source)

    def fetch_dataset(
        self, wanted: DatasetRef, folder: Path, *, visitor: str = ""
    ) -> Iterator[Progress | Path]:
        if self.unreachable:
            raise HubUnreachable("The Hub cannot be reached; check the connection and try again.")
        for done in (0, 40_000):
            yield Progress("download", f"Downloading {wanted.id}", done, 40_000)
            time.sleep(self.pause)
        path = folder / "org--talk.csv"
        path.write_text("question,answer\nWho are you?,A dataset.\nWhere from?,The Hub.\n")
        yield path

    def preview_tokens(self, recipe: Mapping[str, Any], data: str | Path) -> TokenPreview:
        asked = Recipe.parse(recipe)
        first = next(iter(self.read_table(data).rows))
        words = [word for value in first.values() for word in str(value).split(" ")]
        words = [*asked.prompt_template.partition("{")[0].split(), *words]
        everything = not asked.completion_only_loss
        tokens = tuple(Token(f" {word}", learned=at > 3 or everything) for at, word in enumerate(words))
        return TokenPreview((TokenRow(tokens, len(tokens)),), limit=512)

    def row_facts(self, recipe: Mapping[str, Any], data: str | Path) -> RowFacts:
        return RowFacts.of(self.read_table(data).rows)

    def finetune_defaults(self, recipe: Mapping[str, Any], rows: RowFacts) -> dict[str, Default]:
        asked = Recipe.parse(recipe)
        precision = next(choice for choice in self.precisions() if choice.default)
        return chosen_defaults(Situation(asked.task_type, asked.method, rows, precision, 135 * MB))

    def check_finetune(self, recipe: Mapping[str, Any], data: str | Path) -> Preflight:
        parsed = Recipe.parse(recipe)
        rows = len(self.read_table(data).rows)
        memory = MemoryEstimate(269 * MB, 8 * MB, 300 * MB, 120 * MB)
        warnings = ("30 rows are few: expect a change of style, not new knowledge.",)
        return Preflight(
            parsed.to_json(),
            rows,
            0,
            rows * 41,
            96,
            0,
            total_steps(parsed, rows),
            460_800,
            1_848_872,
            memory,
            9_400 * MB,
            warnings,
            lengths=LengthHistogram(20, (2, 14, 9, 4, 1), limit=512, longest=96),
        )

    def time_finetune(self, found: Preflight, data: str | Path) -> Iterator[Preflight]:
        for _ in range(4):
            time.sleep(self.pause)
            yield found
        yield replace(found, seconds=252.0, step_seconds=1.2, timing="2 steps measured")

    def finetune(self, recipe: Mapping[str, Any], data: str | Path) -> str:
        run_id = f"run{len(self.tuned) + 1:04d}"
        name = str(recipe.get("name") or "Pirate talk")
        base = str(recipe.get("base_model") or SMOL)
        self.tuned[run_id] = RunStatus(
            run_id,
            RunState.QUEUED,
            name,
            "Waiting",
            base,
            0,
            48,
            created="2026-11-23T21:40:00Z",
            recipe=dict(recipe),
        )
        return run_id

    def runs(self) -> tuple[RunStatus, ...]:
        return tuple(reversed([self.run(run_id) for run_id in list(self.tuned)]))

    def run(self, run_id: str) -> RunStatus:
        """Every look moves a live run on."""
        if run_id not in self.tuned:
            raise UnknownRun(f"There is no run “{run_id}”; it may have been deleted.")
        status = self.tuned[run_id]
        if not status.state.ended:
            self.tuned[run_id] = status = advanced(status, self.steps_a_look)
        return status

    def stop_run(self, run_id: str) -> RunStatus:
        run = self.run(run_id)
        self.tuned[run_id] = replace(
            run, state=RunState.CANCELLED, message="Stopped", checkpoint_step=run.step
        )
        return self.tuned[run_id]

    def pause_run(self, run_id: str) -> RunStatus:
        run = self.run(run_id)
        message = f"Paused at step {run.step} of 48; its memory is free."
        self.tuned[run_id] = replace(run, state=RunState.PAUSED, message=message, checkpoint_step=run.step)
        return self.tuned[run_id]

    def rename_run(self, run_id: str, title: str, notes: str) -> RunStatus:
        self.tuned[run_id] = replace(self.run(run_id), name=title or run_id, notes=notes)
        return self.tuned[run_id]

    def keep_checkpoint(self, run_id: str) -> RunStatus:
        run = self.run(run_id)
        self.tuned[run_id] = replace(run, adapter=f"run:{run_id}", adapter_step=run.checkpoint_step)
        return self.tuned[run_id]

    def resume_run(self, run_id: str) -> RunStatus:
        self.tuned[run_id] = replace(self.run(run_id), state=RunState.RUNNING, message="Resuming")
        return self.tuned[run_id]

    def export_run(self, run_id: str, format: str, *, visitor: str = "") -> Path:
        archive = Path(tempfile.mkdtemp()) / f"{run_id}-{format}.zip"
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("README.md", self.run(run_id).name)
        return archive

    def delete_run(self, run_id: str) -> None:
        self.run(run_id)
        del self.tuned[run_id]


def advanced(status: RunStatus, steps: int) -> RunStatus:
    step = min(status.step + steps, 48)
    history = tuple(
        {
            "step": at,
            "loss": 0.6 + 2.4 * math.exp(-at / 14) + 0.12 * math.sin(at * 1.7),
            "learning_rate": 2e-4,
            "grad_norm": 1.2,
            "tokens_per_second": 188.0,
            "memory_bytes": 700 * MB,
        }
        for at in range(1, step + 1)
    )
    done = step == 48
    answers = [SampleAnswer(0, PLAIN)]
    answers += [SampleAnswer(at, f"{at // 4} times Arrr! {PLAIN}") for at in (16, 32) if at <= step]
    answers += [SampleAnswer(48, ANSWER)] if done else []
    question = "What is the capital of France?"
    sample = Sample(question, "Arrr, Paris!", PLAIN, ANSWER if done else "", tuple(answers))
    return replace(
        status,
        state=RunState.DONE if done else RunState.RUNNING,
        message="Finished" if done else "Training",
        step=step,
        history=history,
        samples=(sample,),
        eta_seconds=None if done else (48 - step) * 1.4,
        seconds=step * 1.4,
        adapter=f"run:{status.run_id}" if done else None,
    )


def main() -> None:
    """Show the page over this service on port 7861, with pauses as a real one has them."""
    service = FakeService(pause=0.06)
    demo = build_page(service)
    demo.queue(**queue_options())
    demo.launch(server_port=7861, **launch_options())


if __name__ == "__main__":
    main()

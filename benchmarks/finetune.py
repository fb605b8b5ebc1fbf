"""How fast a LoRA is trained: this app's trainer beside a bare transformers script and a naive one.

    python benchmarks/finetune.py [--runs 3] [--steps 40] [--naive-steps 4]

SmolLM2-135M-Instruct on the CPU, on the rows of two starter adapters and on reviews, which are of very
different lengths. The bare script is an expert's: bf16 where the CPU has instructions for it, else fp32. The
app trains twice: with the bare script's settings, and with what it chooses for these rows when nobody says
(but no rows held back, which no script measures either). Each way is a process of its own, in turns, all at
the niceness of the app's trainer; the figures are medians, and the noise is the widest spread of one way's
runs. The clock runs while it trains, after the load; checkpoints count, and only the app writes any.
`bare_finetune.py` holds both scripts. Targets:

- examples a second: at least those of the bare script with the same settings
- the losses of both, in a short run of each without AMX: its sums in bf16 depend on the shape of a product,
  and the app computes the logits of the learned tokens alone
- with the app's choice at least 3 times those of the naive one (fp32, every row padded to 256 tokens)
- peak memory (VmHWM): at most that of the bare script
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from adapter_ui.settings import Settings, child_environment, prepare_environment  # noqa: E402

prepare_environment()

from adapter_ui.catalog.storage.embedded import EMBEDDED_BASE, fetch_embedded  # noqa: E402
from adapter_ui.domain import Precision, RunState  # noqa: E402
from adapter_ui.engine.machine import precision_choices  # noqa: E402
from adapter_ui.training.data import read_table  # noqa: E402
from adapter_ui.training.defaults import RowFacts, Situation, chosen_defaults  # noqa: E402
from adapter_ui.training.examples import Examples, to_examples  # noqa: E402
from adapter_ui.training.recipe import Recipe  # noqa: E402
from adapter_ui.training.run_folder import PreparedBase, RunFolder  # noqa: E402

AS_FAST_AS_BARE, TIMES_NAIVE = 1.0, 3.0
SAME_LOSS = {Precision.BF16: 1e-4, Precision.FP32: 1e-5}
BATCH = 4
SAME_SETTINGS = {
    "learning_rate": 2e-4,
    "num_train_epochs": 3.0,
    "per_device_train_batch_size": BATCH,
    "train_sampling_strategy": "random",
    "validation_fraction": 0.0,
}
PARAMETERS = 134_515_008
STARTERS = ("pirate", "orders")
LOSS_STEPS = 6
SAME_SUMS = {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_BF16"}
BARE = [sys.executable, str(ROOT / "benchmarks" / "bare_finetune.py")]


@dataclass(frozen=True)
class Training:
    """What one process did; `peak` is in bytes."""

    examples: float
    tokens: float
    losses: list[float]
    peak: int


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--naive-steps", type=int, default=4)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        base = finished(fetch_embedded(Settings(home=folder / "home")))
        rows = examples()
        job = Job(folder, base, rows)
        ways = {
            "bare script": lambda: job.bare(chosen.steps),
            "this app": lambda: job.same(chosen.steps),
            "its defaults": lambda: job.app(chosen.steps, job.defaults()),
            "naive script": lambda: job.script(chosen.naive_steps, "--naive"),
        }
        found: dict[str, list[Training]] = {name: [] for name in ways}
        for _ in range(chosen.runs):
            for name, way in ways.items():
                found[name].append(way())
        apart = job.losses_apart()
    return 0 if report(found, apart, SAME_LOSS[job.precision]) else 1


def examples() -> Examples:
    """Questions, orders, and reviews with what people thought of them."""
    rows = []
    for starter in STARTERS:
        lines = (ROOT / "adapter_ui" / "starter" / starter / "data.jsonl").read_text("utf-8").splitlines()
        rows += [json.loads(line) for line in lines]
    with (ROOT / "tests" / "training" / "real" / "sentences.csv").open(encoding="utf-8") as file:
        rows += [{"prompt": row["text"], "completion": row["label"]} for row in csv.DictReader(file)]
    return to_examples(read_table(json.dumps(rows)), {}, "CAUSAL_LM")


class Job:
    """The same rows on the same base, for each of the ways."""

    def __init__(self, folder: Path, base: Path, rows: Examples) -> None:
        self.folder, self.base, self.rows = folder, base, rows
        self.runs = 0
        self.precision_choice = next(choice for choice in precision_choices(has_gpu=False) if choice.default)
        self.precision = self.precision_choice.precision

    def defaults(self) -> dict[str, Any]:
        """What the app chooses for these rows on this machine."""
        rows = RowFacts.of(self.rows.rows)
        situation = Situation("CAUSAL_LM", "LORA", rows, self.precision_choice, PARAMETERS)
        chosen = {name: default.value for name, default in chosen_defaults(situation).items()}
        return chosen | {"validation_fraction": 0.0}

    def bare(self, steps: int, **environment: str) -> Training:
        return self.script(steps, f"--precision={self.precision}", **environment)

    def same(self, steps: int, **environment: str) -> Training:
        """The app with the bare script's settings."""
        return self.app(steps, SAME_SETTINGS | {"precision": self.precision}, **environment)

    def losses_apart(self) -> float:
        ours, theirs = (way(LOSS_STEPS, **SAME_SUMS).losses for way in (self.same, self.bare))
        return max(abs(one - other) for one, other in zip(ours, theirs, strict=True))

    def app(self, steps: int, settings: Mapping[str, Any], **environment: str) -> Training:
        """A run of this app, as its queue starts it."""
        self.runs += 1
        run = RunFolder(self.folder / f"run{self.runs}")
        run.path.mkdir()
        recipe = Recipe.parse({"base_model": EMBEDDED_BASE, "max_steps": steps, **settings})
        run.write(recipe, self.rows)
        run.write_base(PreparedBase(self.base, EMBEDDED_BASE))
        run.append("state", state=RunState.QUEUED)
        peak = peak_of([sys.executable, "-m", "adapter_ui.models.train", str(run.path)], environment)
        events = run.read_events()
        begun = next(event["time"] for event in events if event.get("message") == "Training.")
        ended = next(event["time"] for event in events if event.get("state") == RunState.SAVING)
        logs = [event for event in events if event["event"] == "log"]
        tokens = logs[-1]["tokens_per_second"]
        seen = recipe.per_device_train_batch_size * steps / (ended - begun)
        return Training(seen, tokens, [log["loss"] for log in logs], peak)

    def script(self, steps: int, *options: str, **environment: str) -> Training:
        """The bare script, or the naive one."""
        rows, output = self.folder / "rows.jsonl", self.folder / "measured.json"
        rows.write_text("\n".join(json.dumps(dict(row)) for row in self.rows.rows), "utf-8")
        command = [*BARE, str(self.base), str(rows), str(steps), str(output), *options]
        peak = peak_of(command, environment)
        measured = json.loads(output.read_text("utf-8"))
        seconds = measured["seconds"]
        return Training(BATCH * steps / seconds, measured["tokens"] / seconds, measured["losses"], peak)


def peak_of(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a process to its end, in the environment that the app's trainer gets with this beside it; its peak
    memory in bytes.
    """
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=child_environment(**environment),
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        if process.returncode:
            raise SystemExit(errors.read().decode()[-2_000:])
    return usage.ru_maxrss * 1024


def report(found: dict[str, list[Training]], apart: float, same_loss: float) -> bool:
    for name, runs in found.items():
        examples, tokens, peak = (median(figure, runs) for figure in ("examples", "tokens", "peak"))
        print(f"{name:14}{examples:8.2f} examples/s {tokens:8.0f} tokens/s {peak / 2**20:8.0f} MiB at most")
    bare, app, chosen, naive = found.values()
    noise = max(spread([run.examples for run in runs]) for runs in (bare, app))
    print(f"noise of the bare script and the app: {noise:.0%}")
    memory = median("peak", app) / median("peak", bare)
    return all(
        [
            told("examples/s, of the bare script's", ratio(app, bare), AS_FAST_AS_BARE, least=True),
            told(
                "examples/s chosen, times the naive script's", ratio(chosen, naive), TIMES_NAIVE, least=True
            ),
            told("peak memory, of the bare script's", memory, 1.0, least=False),
            told("losses, apart from the bare script's", apart, same_loss, least=False),
        ]
    )


def median(figure: str, runs: Sequence[Training]) -> float:
    return statistics.median(getattr(run, figure) for run in runs)


def ratio(ours: Sequence[Training], theirs: Sequence[Training]) -> float:
    """By pairs, which ran one after the other."""
    return statistics.median(a.examples / b.examples for a, b in zip(ours, theirs, strict=True))


def spread(figures: Sequence[float]) -> float:
    return (max(figures) - min(figures)) / statistics.median(figures)


def told(what: str, figure: float, target: float, *, least: bool) -> bool:
    met = figure >= target if least else figure <= target
    wanted = f"target at {'least' if least else 'most'} {target:g}"
    print(f"{what:44}{figure:9.3g}   {wanted}{'' if met else '   MISSED'}")
    return met


def finished(work: object) -> Path:
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


if __name__ == "__main__":
    raise SystemExit(main())

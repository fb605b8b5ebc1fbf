"""How fast text is written: one adapter and several at once, beside transformers' and PEFT's own loops.

    python benchmarks/engine.py [--runs 5] [--tokens 48] [--vllm PYTHON]

SmolLM2-135M-Instruct in bf16 on the CPU, greedy; the ways take turns, and the figures are medians. All are in
one process but vLLM's CPU build, which joins where PYTHON names the Python of an environment that has it.
Adapters come in two sizes: rank 8 on q_proj and v_proj, PEFT's own default for this base, and rank 16 on
every linear module of the layers. Targets:

- one adapter, one answer: at least 0.95 of the base's own `generate`
- the base and three adapters, two answers each: at least 0.7 of the base's own batch of eight, and at least
  1.8 times PEFT's `adapter_names` batch with the larger adapters (with the smaller ones PEFT itself reaches
  more than half of the base's own speed, so nothing could be 1.8 times as fast)
- and more than vLLM's own mixed batch of eight
- going from one resident adapter to another: less than the time of a token
- attaching an adapter: at least 5 times as fast as PEFT's `load_adapter`
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from adapter_ui.settings import Settings, prepare_environment

prepare_environment()

import torch  # noqa: E402 - reads the environment when imported
import transformers  # noqa: E402
from peft import LoraConfig, PeftModel, get_peft_model  # noqa: E402

from adapter_ui.catalog.storage.embedded import fetch_embedded  # noqa: E402
from adapter_ui.domain import GenerationOptions, Precision  # noqa: E402
from adapter_ui.engine.protocol import ModelSpec  # noqa: E402
from adapter_ui.models.decoding.answer import GrowingAnswer  # noqa: E402
from adapter_ui.models.decoding.batch import Row  # noqa: E402
from adapter_ui.models.decoding.sampler import Sampler  # noqa: E402
from adapter_ui.models.pool import Pool  # noqa: E402
from adapter_ui.models.resident import Resident  # noqa: E402

ONE, EIGHT, ATTACH, TIMES_VLLM = 0.95, 0.7, 5.0, 1.0
TIMES_PEFT = {"small": None, "large": 1.8}
ATTENTION = ["q_proj", "v_proj"]
EVERYWHERE = [*ATTENTION, "k_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
SIZES = {"small": (8, ATTENTION), "large": (16, EVERYWHERE)}
PROMPT = "Tell me about the sea, the ships that sail on it, and the people who live by it."
ADAPTERS = 3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--vllm", help="the Python of an environment with vLLM's CPU build")
    chosen = parser.parse_args()
    transformers.utils.logging.set_verbosity_error()
    with tempfile.TemporaryDirectory() as folder:
        base = finished(fetch_embedded(Settings(home=Path(folder) / "home")))
        results = [measured(base, Path(folder), size, chosen) for size in SIZES]
    return 0 if all(results) else 1


def finished(work: object) -> object:
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def measured(base: Path, folder: Path, size: str, chosen: argparse.Namespace) -> bool:
    rank, targets = SIZES[size]
    tokens = chosen.tokens
    print(f"\n{size} adapters: rank {rank} on {', '.join(targets)}")
    adapters = [save_lora(base, folder / f"{size}-{seed}", rank, targets, seed) for seed in range(ADAPTERS)]
    ours = Ours(base, adapters, tokens)
    theirs = Theirs(base, adapters, ours.prompt, tokens)
    ways: dict[str, Callable[[], float]] = {
        "transformers: base, 1 answer": lambda: theirs.write(1),
        "here: base, 1 answer": lambda: ours.write([""]),
        "here: 1 adapter, 1 answer": lambda: ours.write([adapters[0].name]),
        "transformers: base, 8 answers": lambda: theirs.write(8),
        "here: base, 8 answers": lambda: ours.write([""] * 8),
        "here: base + 3 adapters, 8 answers": lambda: ours.write(["", *(one.name for one in adapters)] * 2),
        "PEFT: base + 3 adapters, 8 answers": theirs.write_mixed,
    }
    if chosen.vllm:
        vllm = Vllm(chosen.vllm, base, adapters, ours.prompt, tokens)
        ways["vLLM: base + 3 adapters, 8 answers"] = lambda: vllm.write([0, 1, 2, 3] * 2)
        ways["vLLM: 1 adapter, 1 answer"] = lambda: vllm.write([1])
    for way in ways.values():
        way()
    speeds = {name: [] for name in ways}
    for _ in range(chosen.runs):
        for name, way in ways.items():
            speeds[name].append(way())
    for name, found in speeds.items():
        print(f"  {name:36} {statistics.median(found):7.1f} tokens/s   {min(found):.1f} to {max(found):.1f}")

    def ratio(one: str, other: str) -> float:
        return statistics.median(a / b for a, b in zip(speeds[one], speeds[other], strict=True))

    names = list(ways)
    token_seconds = 1 / statistics.median(speeds[names[2]])
    met = [
        told("1 adapter, of the base's own generate", ratio(names[2], names[0]), ONE),
        told("8 mixed answers, of the base's own 8", ratio(names[5], names[3]), EIGHT),
        told("8 mixed answers, times PEFT's", ratio(names[5], names[6]), TIMES_PEFT[size]),
        told("a token, of a switch of adapters", token_seconds / ours.switch_seconds(), 1.0),
        told("attaching, times as fast as PEFT", theirs.attach_seconds() / ours.attach_seconds(), ATTACH),
    ]
    if chosen.vllm:
        vllm.close()
        met.append(told("8 mixed answers, times vLLM's", ratio(names[5], names[7]), TIMES_VLLM))
        met.append(told("1 adapter, times vLLM's", ratio(names[2], names[8]), TIMES_VLLM))
    return all(met)


def told(what: str, figure: float, target: float | None) -> bool:
    met = target is None or figure >= target
    wanted = "no target" if target is None else f"target at least {target}"
    print(f"  {what:40} {figure:7.2f}   {wanted}{'' if met else '   MISSED'}")
    return met


class Ours:
    """The decoder of this app, without the process around it."""

    def __init__(self, base: Path, adapters: Sequence[Path], tokens: int) -> None:
        self.base, self.adapters, self.tokens = base, adapters, tokens
        self.resident = resident_with(base, adapters)
        tokenizer = self.resident.loaded.tokenizer
        turns = [{"role": "user", "content": PROMPT}]
        encoded = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=True)
        self.prompt: list[int] = encoded["input_ids"]

    def write(self, adapters: Sequence[str]) -> float:
        """Tokens per second of one answer for each adapter, prompts included."""
        started = time.perf_counter()
        for adapter in adapters:
            self.admit(adapter, self.tokens)
        self.finish()
        return len(adapters) * self.tokens / (time.perf_counter() - started)

    def admit(self, adapter: str, tokens: int) -> None:
        options = GenerationOptions(max_new_tokens=tokens, temperature=0)
        voice, attachment = self.resident.voice(adapter, 1.0)
        answer = GrowingAnswer(
            self.resident.loaded.tokenizer, (), (), len(self.prompt), 0, lambda event: None
        )
        row = Row(
            self.prompt, voice, tokens, Sampler(options, self.prompt, 0), answer, lambda: False, raise_error
        )
        self.resident.decoder.admit(row, attachment)

    def finish(self) -> None:
        while self.resident.decoder.writing:
            for batch in self.resident.decoder.turns():
                batch.step()

    def switch_seconds(self) -> float:
        """Making another resident adapter the one that speaks, without writing."""
        times = []
        for number in range(20):
            voice, _ = self.resident.voice(self.adapters[number % ADAPTERS].name, 1.0)
            started = time.perf_counter()
            self.resident.decoder.mixture.compose([voice])
            times.append(time.perf_counter() - started)
        self.resident.decoder.mixture.silence()
        return statistics.median(times)

    def attach_seconds(self) -> float:
        """Reading an adapter's file and making it ready to speak; the file is in the system's cache."""
        times = []
        for _ in range(5):
            self.resident.low_rank.clear()
            started = time.perf_counter()
            if not self.resident.take_low_rank(self.adapters[0].name, self.adapters[0]):
                raise SystemExit("the adapter is no plain LoRA")
            times.append(time.perf_counter() - started)
        return statistics.median(times)


def resident_with(base: Path, adapters: Sequence[Path]) -> Resident:
    pool = Pool()
    for adapter in adapters:
        resident, _ = pool.load(
            ModelSpec(
                base="base",
                base_folder=str(base),
                precision=Precision.BF16,
                model_class="AutoModelForCausalLM",
                adapter=adapter.name,
                adapter_folder=str(adapter),
                task_type="CAUSAL_LM",
            )
        )
    return resident


def raise_error(row: Row, error: Exception | None) -> None:
    if error is not None:
        raise error


class Theirs:
    """transformers' `generate` on a base of its own, and PEFT's mixed batch on another."""

    def __init__(self, base: Path, adapters: Sequence[Path], prompt: list[int], tokens: int) -> None:
        self.adapters, self.prompt, self.tokens = adapters, prompt, tokens
        self.base = transformers.AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16).eval()
        model = transformers.AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16)
        self.mixed = PeftModel.from_pretrained(model, adapters[0], adapter_name="a0").eval()
        for number, adapter in enumerate(adapters[1:], start=1):
            self.mixed.load_adapter(adapter, adapter_name=f"a{number}")

    def write(self, rows: int) -> float:
        return self.generate(self.base, rows)

    def write_mixed(self) -> float:
        names = ["__base__", *(f"a{number}" for number in range(ADAPTERS))] * 2
        return self.generate(self.mixed, len(names), adapter_names=names)

    def generate(self, model: torch.nn.Module, rows: int, **options: object) -> float:
        ids = torch.tensor([self.prompt] * rows)
        started = time.perf_counter()
        with torch.inference_mode():
            model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                do_sample=False,
                max_new_tokens=self.tokens,
                min_new_tokens=self.tokens,
                pad_token_id=0,
                **options,
            )
        return rows * self.tokens / (time.perf_counter() - started)

    def attach_seconds(self) -> float:
        times = []
        for number in range(5):
            name = f"more{number}"
            started = time.perf_counter()
            self.mixed.load_adapter(self.adapters[0], adapter_name=name)
            times.append(time.perf_counter() - started)
            self.mixed.delete_adapter(name)
        return statistics.median(times)


class Vllm:
    """vLLM's CPU build in a process of its own, on the same processors. It needs about half a minute to
    start.
    """

    def __init__(
        self, python: str, base: Path, adapters: Sequence[Path], prompt: list[int], tokens: int
    ) -> None:
        self.tokens = tokens
        processors = ",".join(map(str, sorted(os.sched_getaffinity(0))))
        mine = {
            "HF_HUB_OFFLINE": "1",
            "VLLM_NO_USAGE_STATS": "1",
            "VLLM_CPU_KVCACHE_SPACE": "1",
            "VLLM_CPU_OMP_THREADS_BIND": processors,
        }
        script = Path(__file__).with_name("vllm_engine.py")
        self.process = subprocess.Popen(
            [python, script, base, str(tokens), json.dumps(prompt), *adapters],
            env={**os.environ, **mine},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.said()

    def said(self) -> object:
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"vLLM ended with exit code {self.process.wait()}.")
        return json.loads(line)

    def write(self, rows: list[int]) -> float:
        self.process.stdin.write(json.dumps(rows) + "\n")
        self.process.stdin.flush()
        return len(rows) * self.tokens / self.said()

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def save_lora(base: Path, folder: Path, rank: int, targets: Sequence[str], seed: int) -> Path:
    """A LoRA with weights in both of its matrices, saved by PEFT."""
    torch.manual_seed(seed)
    model = transformers.AutoModelForCausalLM.from_pretrained(base)
    config = LoraConfig(task_type="CAUSAL_LM", r=rank, lora_alpha=2 * rank, target_modules=list(targets))
    model = get_peft_model(model, config)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.01)
    model.save_pretrained(folder)
    return folder


if __name__ == "__main__":
    raise SystemExit(main())

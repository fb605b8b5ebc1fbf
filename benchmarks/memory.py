"""How much memory a load takes and keeps beside the weights themselves, in each precision. Linux only.

    python benchmarks/memory.py [--base FOLDER] [--shard 60MB]

Every row is a fresh process with the model worker's environment. Its floor is what it holds after it loaded,
asked and dropped a tiny model in the same precision, so that imports are not counted. Then it loads the base
and reads every page of its weights, since those that are used as stored stay mapped to their file. Targets:
at most 0.5 of the weights kept beside them in int8, nf4 and fp4, and 0.1 in the others; and a peak of at most
1.25 times the weights plus the largest shard. The base is loaded as it is, then from smaller shards.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from adapter_ui.catalog.storage.embedded import fetch_embedded  # noqa: E402 - the path comes first
from adapter_ui.domain import Precision  # noqa: E402
from adapter_ui.settings import Settings, child_environment  # noqa: E402

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

KEPT = {Precision.INT8: 0.5, Precision.NF4: 0.5, Precision.FP4: 0.5}
KEPT_UNQUANTISED = 0.1
PEAK = 1.25
LONGEST_SECONDS = 600
MODEL_CLASS = "AutoModelForCausalLM"
PAGE, MIB = 4096, 1024**2
COLUMNS = ("shard", "weights", "kept", "target", "peak", "target", "answered")
HEADER = " " * 5 + "".join(f"{column:>9}" for column in COLUMNS)


@dataclass(frozen=True)
class Memory:
    """In bytes and above the floor: `loaded` after the load, `answered` after the first answer."""

    precision: Precision
    weights: int
    largest_shard: int
    loaded: int
    peak: int
    answered: int

    @property
    def kept(self) -> float:
        """Beside the weights, as a share of them."""
        return self.loaded / self.weights - 1

    @property
    def kept_target(self) -> float:
        return KEPT.get(self.precision, KEPT_UNQUANTISED)

    @property
    def peak_target(self) -> float:
        return PEAK * self.weights + self.largest_shard

    @property
    def met(self) -> bool:
        return self.kept <= self.kept_target and self.peak <= self.peak_target

    def __str__(self) -> str:
        megabytes = [value / MIB for value in (self.largest_shard, self.weights, self.peak, self.peak_target)]
        shard, weights, peak, peak_target = (f"{value:9.0f}" for value in megabytes)
        kept, answered = f"{self.kept:9.2f}", f"{self.answered / self.weights - 1:9.2f}"
        figures = (shard, weights, kept, f"{self.kept_target:9.1f}", peak, peak_target, answered)
        return f"{self.precision.value:5}{''.join(figures)}  {'met' if self.met else 'MISSED'}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", type=Path, help="a base in safetensors; else the embedded one")
    parser.add_argument("--shard", default="60MB", help="size of the files of the second row")
    chosen = parser.parse_args()
    base = chosen.base or embedded_base()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        tiny, shards = build_tiny(scratch / "tiny"), in_shards(base, chosen.shard, scratch / "shards")
        print(f"MiB; kept and answered as shares of the weights\n{HEADER}")
        met = True
        for precision in Precision:
            for folder in (base, shards):
                memory = measure_in_child(precision, folder, tiny)
                print(memory, flush=True)
                met = met and memory.met
    return 0 if met else 1


def embedded_base() -> Path:
    work = fetch_embedded(Settings.from_environment())
    while True:
        try:
            next(work)
        except StopIteration as stop:
            return stop.value


def build_tiny(folder: Path) -> Path:
    from tests.hub.tiny_models import build_llama

    return build_llama(folder)


def in_shards(base: Path, size: str, folder: Path) -> Path:
    """A copy of a base with its weights in several files."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    AutoModelForCausalLM.from_pretrained(base, dtype="auto").save_pretrained(folder, max_shard_size=size)
    AutoTokenizer.from_pretrained(base).save_pretrained(folder)
    return folder


def measure_in_child(precision: Precision, base: Path, tiny: Path) -> Memory:
    """Raises CalledProcessError when the child fails."""
    program = "import sys; from benchmarks.memory import print_measured; print_measured(*sys.argv[1:])"
    answered = subprocess.run(
        [sys.executable, "-c", program, precision.value, str(base), str(tiny)],
        env=child_environment(),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        timeout=LONGEST_SECONDS,
        check=True,
    )
    values = json.loads(answered.stdout.splitlines()[-1])
    return Memory(**values | {"precision": Precision(values["precision"])})


def print_measured(precision: str, base: str, tiny: str) -> None:
    print(json.dumps(asdict(measure(Precision(precision), Path(base), Path(tiny)))))


def measure(precision: Precision, base: Path, tiny: Path) -> Memory:
    """Load the base in this process, which has to be a fresh one."""
    import peft  # noqa: F401 - the model worker has it

    from adapter_ui.models.base_files import weight_files
    from adapter_ui.models.loading import load_base, tensor_bytes
    from adapter_ui.models.system_memory import give_memory_back

    answer(load_base(tiny, precision, MODEL_CLASS, fast_4bit=True).model)
    gc.collect()
    give_memory_back()
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from here
    floor = resident_bytes("VmRSS")
    model = load_base(base, precision, MODEL_CLASS, fast_4bit=True).model
    for parameter in model.parameters():
        read_every_page(parameter)
    loaded, peak, weights = resident_bytes("VmRSS"), resident_bytes("VmHWM"), tensor_bytes(model)
    answer(model)
    return Memory(
        precision=precision,
        weights=weights,
        largest_shard=max(file.stat().st_size for file in weight_files(base)),
        loaded=loaded - floor,
        peak=peak - floor,
        answered=resident_bytes("VmRSS") - floor,
    )


def answer(model: PreTrainedModel) -> None:
    import torch

    model.generate(torch.arange(3, 67)[None], max_new_tokens=8, do_sample=False, pad_token_id=0)


def read_every_page(tensor: torch.Tensor) -> None:
    import torch

    tensor.data.flatten().view(torch.uint8)[::PAGE].sum()


def resident_bytes(name: str) -> int:
    """This process's memory as the kernel counts it: VmRSS now, VmHWM at its highest."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


if __name__ == "__main__":
    raise SystemExit(main())

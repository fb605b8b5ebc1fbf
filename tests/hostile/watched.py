"""`python -m tests.hostile.watched FOLDER OUTSIDE` loads hostile folders and says what came of it.

A line of standard input names an adapter's and a base's folder below FOLDER; a line of standard output, in
JSON, tells how the load ended and what this process did meanwhile.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path

import torch

from adapter_ui.domain import Precision
from adapter_ui.errors import AdapterUIError
from adapter_ui.models.adapters import attach, speaking_as
from adapter_ui.models.fingerprint import fingerprint
from adapter_ui.models.loading import LoadedModel, load_base
from tests.hostile.watch import RESET_PEAK, Watch

INPUT = torch.tensor([[5, 9, 200, 17, 42]])


def load(adapter: Path, base: Path) -> dict[str, object]:
    """Load both, let the adapter and the base speak, take the adapter off again; `grown_bytes` is by how much
    the adapter made this process grow at its highest.
    """
    try:
        loaded = load_base(base, Precision.FP32, "AutoModelForCausalLM", fast_4bit=True)
    except AdapterUIError as error:
        return {"code": error.code, "message": error.message}
    before, answer = fingerprint(loaded.model), logits(loaded)
    told: dict[str, object] = {"code": "", "message": ""}
    started, begun = time.monotonic(), memory_bytes("VmRSS")
    Path(RESET_PEAK).write_text("5")
    try:
        loaded.model, _ = attach(loaded.model, adapter, "a_1")
    except AdapterUIError as error:
        told = {"code": error.code, "message": error.message}
    else:
        with speaking_as(loaded.model, "a_1"):
            told["finite"] = speaks_in_numbers(loaded)
        with speaking_as(loaded.model, ""):
            told["base_speaks"] = torch.equal(logits(loaded), answer)
        told["attached_base_same"] = fingerprint(loaded.model) == before
        loaded.model.delete_adapter("a_1")
    told["grown_bytes"] = memory_bytes("VmHWM") - begun
    told["seconds"] = time.monotonic() - started
    told["base_same"] = fingerprint(loaded.model) == before
    options = loaded.model.generation_config
    told["decoding"] = [options.num_beams, options.max_new_tokens, options.max_length, options.do_sample]
    return told


def memory_bytes(name: str) -> int:
    """This process's memory now (VmRSS), or at its highest since RESET_PEAK was written to (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def speaks_in_numbers(loaded: LoadedModel) -> bool | None:
    """None when the model itself fails; the worker makes a sentence of that."""
    try:
        return bool(torch.isfinite(logits(loaded)).all())
    except (TypeError, ValueError, AttributeError, LookupError, RuntimeError):
        return None


def logits(loaded: LoadedModel) -> torch.Tensor:
    with torch.inference_mode():
        return loaded.model(INPUT).logits


def main(folder: Path, outside: Path) -> None:
    events = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever libraries print
    load(folder / "lora", folder / "llama")
    allowed = [folder, Path(sys.prefix), Path(sys.base_prefix), Path(__file__).parents[2]]
    watch = Watch(allowed, outside)
    for line in sys.stdin:
        adapter, base = (folder / name for name in json.loads(line))
        told = load(adapter, base)
        told["done"] = watch.take()
        told["peak_bytes"] = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(json.dumps(told), file=events, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

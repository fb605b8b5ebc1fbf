"""`python -m tests.hostile.watched FOLDER OUTSIDE` loads hostile folders and says what came of it.

A line of standard input names an adapter's and a base's folder below FOLDER; a line of standard output, in
JSON, tells how the load ended and what this process did meanwhile.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from pathlib import Path

import torch

from adapter_ui.domain import Precision
from adapter_ui.errors import AdapterUIError
from adapter_ui.models.adapters import attach, speaking_as
from adapter_ui.models.fingerprint import fingerprint
from adapter_ui.models.loading import LoadedModel, load_base
from tests.hostile.watch import Watch

INPUT = torch.tensor([[5, 9, 200, 17, 42]])


def load(adapter: Path, base: Path) -> dict[str, object]:
    """Load both, let the adapter and the base speak, take the adapter off again."""
    try:
        loaded = load_base(base, Precision.FP32, "AutoModelForCausalLM", fast_4bit=True)
    except AdapterUIError as error:
        return {"code": error.code, "message": error.message}
    before, answer = fingerprint(loaded.model), logits(loaded)
    told: dict[str, object] = {"code": "", "message": ""}
    try:
        loaded.model, _ = attach(loaded.model, adapter, "a_1")
    except AdapterUIError as error:
        told = {"code": error.code, "message": error.message}
    else:
        with speaking_as(loaded.model, "a_1"):
            told["finite"] = bool(torch.isfinite(logits(loaded)).all())
        with speaking_as(loaded.model, ""):
            told["base_speaks"] = torch.equal(logits(loaded), answer)
        told["attached_base_same"] = fingerprint(loaded.model) == before
        loaded.model.delete_adapter("a_1")
    told["base_same"] = fingerprint(loaded.model) == before
    options = loaded.model.generation_config
    told["decoding"] = [options.num_beams, options.max_new_tokens, options.max_length, options.do_sample]
    return told


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

"""Where the parts of a base lie: on one device, over several GPUs, or partly in RAM beside them.

accelerate brings weights that lie in RAM to a GPU for the moment in which their module works (offloading);
the module shows them on the device “meta” until then.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from accelerate.hooks import AlignDevicesHook
from accelerate.utils.modeling import has_offloaded_params
from transformers import BitsAndBytesConfig
from transformers.integrations.accelerate import get_max_memory

from adapter_ui.domain import Precision
from adapter_ui.ram import ram


def placement(quantization: BitsAndBytesConfig | None) -> dict[str, Any]:
    """What from_pretrained is told: everything that fits on the GPUs, the rest in the RAM that is this
    process's. Quantised weights cannot be offloaded. Of several processes that train together, each is on
    its own GPU.
    """
    if not torch.cuda.is_available():
        return {"device_map": None}
    if torch.distributed.is_initialized():
        return {"device_map": {"": torch.cuda.current_device()}}
    memory = get_max_memory()
    memory["cpu"] = 0 if quantization else ram()[1]
    return {"device_map": "auto", "max_memory": memory}


def room_for_a_base(precision: Precision) -> int:
    """Bytes that a base could take now where it is placed; what torch keeps of a GPU for later is among
    them.
    """
    if not torch.cuda.is_available():
        return ram()[1]
    beside = 0 if precision.is_quantized else ram()[1]
    return sum(map(free_on_gpu, range(torch.cuda.device_count()))) + beside


def free_on_gpu(gpu: torch.device | int) -> int:
    """Bytes that tensors of this process could take there, of what torch keeps for later too."""
    kept = torch.cuda.memory_reserved(gpu) - torch.cuda.memory_allocated(gpu)
    return torch.cuda.mem_get_info(gpu)[0] + kept


def works_on(module: torch.nn.Module) -> torch.device:
    """The device on which a module's own weights meet its input."""
    hook = getattr(module, "_hf_hook", None)
    if isinstance(hook, AlignDevicesHook) and hook.execution_device is not None:
        return torch.device(hook.execution_device)
    return next(module.parameters(recurse=False)).device


def is_offloaded(model: torch.nn.Module) -> bool:
    return any(has_offloaded_params(module) for module in model.modules())


def offloaded(model: torch.nn.Module) -> Iterator[torch.Tensor]:
    """Stand-ins, on “meta”, of the weights that lie in RAM; one that several modules share comes once."""
    seen: set[int] = set()
    for module in model.modules():
        if has_offloaded_params(module):
            for tensor in module.parameters(recurse=False):
                if tensor.device.type == "meta" and id(tensor) not in seen:
                    seen.add(id(tensor))
                    yield tensor


def described(model: torch.nn.Module) -> str:
    """The devices that hold the model's weights, such as “cuda:0, cuda:1 and RAM”."""
    devices = sorted({str(part.device) for part in model.parameters() if part.device.type != "meta"})
    return " and ".join([", ".join(devices), "RAM"] if is_offloaded(model) else [", ".join(devices)])

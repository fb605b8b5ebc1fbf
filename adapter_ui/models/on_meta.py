"""A base, and an adapter's modules on it, as copies that hold no numbers: to see what transformers and PEFT
would create for real.

A tensor on torch's meta device has a shape and no memory, so whatever a config asks for costs nothing here.
Knows models and PEFT; nothing of files, nor of how much is too much.
"""

from __future__ import annotations

import copy
import time
import weakref
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from peft import PeftConfig, PeftModel, PeftType
from peft.utils import get_peft_model_state_dict
from torch.fx.experimental import _config as experimental
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import PretrainedConfig, PreTrainedModel, initialization

from adapter_ui.domain import ADAPTER_CONFIG
from adapter_ui.errors import AdapterUIError, BadAdapter, HalfAttached
from adapter_ui.models.empty_adapter import add_empty_adapter, refused_by_peft

META = torch.device("meta")
NAME = "a_0"
RANKS_OF_ADALORA = (("lora_E", 0), ("lora_A", 0), ("lora_B", 1))
# Of this thread's own time, which other work on the machine does not take from.
SECONDS, SECONDS_PER_MODULE = 2.0, 0.02
TO, ITEM = torch.ops.aten._to_copy.default, torch.ops.aten._local_scalar_dense.default


@dataclass(frozen=True)
class Created:
    """What PEFT creates for a config: `saved` are the tensors that it would save, by their names in a file,
    `parts` those in its modules, and `bytes` all that it keeps, at 4 for a number of a weight. The base has
    `base_bytes`.
    """

    saved: Mapping[str, torch.Tensor]
    parts: Mapping[str, torch.Tensor]
    bytes: int
    base_bytes: int


def created_by(config: PeftConfig, base: PreTrainedModel, most_bytes: int) -> Created:
    """What PEFT would create for `config` on `base`, neither of which is touched.

    Raises BadAdapter when PEFT refuses, when a single tensor on the way would take more than `most_bytes`
    beside twice the base, or when there is no end of tensors.
    """
    skeleton = without_numbers(type(base), base.config)
    own = {id(tensor): tensor for tensor in tensors_of(skeleton).values()}
    base_bytes = sum(tensor.nbytes for tensor in own.values())
    modules = sum(1 for _ in skeleton.modules())
    limits = Limits(
        most_bytes + 2 * base_bytes, SECONDS + SECONDS_PER_MODULE * modules, ADAPTER_CONFIG, BadAdapter
    )
    with META, limits, experimental.patch(meta_nonzero_assume_all_nonzero=True):
        own_config = copy.deepcopy(config)
        if left_of_ranks := ranks_left(config):
            own_config.rank_pattern = None
        model = added(skeleton, own_config)
        saved = saved_by(model, left_of_ranks)
    new = {name: tensor for name, tensor in tensors_of(model).items() if id(tensor) not in own}
    kept = bytes_kept([*new.values(), *limits.alive()], but=own.values())
    return Created(saved, new, kept, base_bytes)


def bytes_kept(tensors: Iterable[torch.Tensor], but: Iterable[torch.Tensor]) -> int:
    """Views and second names count once."""
    storages = {one._cdata: one for one in (tensor.untyped_storage() for tensor in tensors)}
    others = {tensor.untyped_storage()._cdata for tensor in but}
    return sum(storage.nbytes() for key, storage in storages.items() if key not in others)


def ranks_left(config: PeftConfig) -> Mapping[str, Any]:
    """Which of its first ranks an AdaLoRA has left, by the names of its tensors."""
    return (config.rank_pattern or {}) if config.peft_type is PeftType.ADALORA else {}


def saved_by(model: PeftModel, left_of_ranks: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    try:
        saved = get_peft_model_state_dict(model, adapter_name=NAME, save_embedding_layers=False)
        for name, left in left_of_ranks.items():
            for part, axis in RANKS_OF_ADALORA:
                key = f"base_model.model.{name.rpartition('.')[0]}.{part}"
                saved[key] = saved[key].narrow(axis, 0, sum(left))
    except (TypeError, ValueError, AttributeError, LookupError, RuntimeError) as error:
        raise refused_by_peft(error) from error
    return saved


def added(skeleton: PreTrainedModel, config: PeftConfig) -> PeftModel:
    try:
        return add_empty_adapter(skeleton, config, NAME)
    except HalfAttached as error:  # it is only the copy that is changed
        raise BadAdapter(error.message) from error


def without_numbers(model_class: type, config: PretrainedConfig) -> PreTrainedModel:
    """The base as transformers builds it before its weights come; one without quantisation."""
    with META, initialization.no_init_weights(), initialization.meta_device_safe_creation_ops():
        return model_class(copy.deepcopy(config))


def tensors_of(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


class Limits(TorchDispatchMode):
    """Sees every operation of torch in its block: keeps them on the meta device and within limits.

    Raises `refusal` for a tensor of more than `most_bytes`, and after so many seconds of this thread's time;
    its message blames `file`.
    """

    def __init__(self, most_bytes: int, seconds: float, file: str, refusal: type[AdapterUIError]) -> None:
        super().__init__()
        self.file, self.refusal = file, refusal
        self.most_bytes = most_bytes
        self.deadline = time.thread_time() + seconds
        self.results: list[weakref.ref[torch.Tensor]] = []

    def alive(self) -> list[torch.Tensor]:
        """The results that somebody still holds, in a module or elsewhere."""
        return [tensor for one in self.results if (tensor := one()) is not None]

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if time.thread_time() > self.deadline:
            raise self.refusal(
                f"{self.file} asks for more tensors than can be counted in time; no sound one does."
            )
        kwargs = dict(kwargs or {})
        from_meta = bool(args) and isinstance(args[0], torch.Tensor) and args[0].is_meta
        is_new = not args or not isinstance(args[0], torch.Tensor)
        if kwargs.get("device") is not None and (is_new or (from_meta and operation is TO)):
            kwargs["device"] = META
        if from_meta and operation is ITEM:
            return 0  # nobody knows; PEFT asks only where ones belong in a matrix
        result = operation(*args, **kwargs)
        for tensor in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(tensor, torch.Tensor):
                self.note(tensor)
        return result

    def note(self, tensor: torch.Tensor) -> None:
        if tensor.nbytes > self.most_bytes:
            raise self.refusal(
                f"{self.file} asks for about {tensor.nbytes / 1e9:.1f} GB in one tensor of shape "
                f"{tuple(tensor.shape)}, which the file cannot fill; ask the author for a matching pair."
            )
        self.results.append(weakref.ref(tensor))

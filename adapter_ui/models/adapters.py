"""Attach an adapter to a loaded base, and choose which one answers.

Only the tensors that PEFT itself would have saved for the adapter's config are applied: a file may carry
more, such as a weight of the base, and PEFT would write that into the base that others share. Knows nothing
of text or of requests.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import peft
import torch
from bitsandbytes.nn import Linear4bit, Linear8bitLt
from peft import PEFT_TYPE_TO_CONFIG_MAPPING, PeftConfig, PeftModel, PeftType
from peft.tuners.lora import LoraLayer
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils import get_peft_model_state_dict, set_peft_model_state_dict
from safetensors import SafetensorError
from safetensors.torch import load_file

from adapter_ui.domain import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from adapter_ui.domain.loadable import field_refusals, method_refusals
from adapter_ui.domain.own_copy import ONE_PROJECTION, changes_base, parameters_changed, trains_tokens
from adapter_ui.errors import BadAdapter, InvalidInput, UnsupportedAdapter
from adapter_ui.models.adapter_files import read_json, read_table
from adapter_ui.models.adapter_size import fitting_tensors, refuse_beyond_file
from adapter_ui.models.empty_adapter import add_empty_adapter, first_line, refused_by_peft
from adapter_ui.models.field_kinds import refuse_other_kinds
from adapter_ui.models.older_adapters import convert_config, converted_tensors
from adapter_ui.models.patterns import with_plain_names

# Code by name, third repositories, local paths, inits that only matter before training, and the noise of
# MonteCLoRA, which only matters while it trains.
NEVER_FROM_A_FILE = {
    "auto_mapping", "megatron_config", "megatron_core", "runtime_config", "loftq_config", "eva_config",
    "corda_config", "lora_ga_config", "monteclora_config", "tokenizer_name_or_path", "tokenizer_kwargs",
    "prompt_tuning_init_state_dict_path", "prompt_tuning_init_text", "revision",
}  # fmt: skip

QUANTISED = (Linear8bitLt, Linear4bit)


@dataclass(frozen=True)
class Attached:
    """How much of an adapter's file was applied, in the tensors that its base has a place for today."""

    keys_in_file: int
    keys_applied: int
    notices: tuple[str, ...] = ()


def attach(model: torch.nn.Module, folder: Path, name: str) -> tuple[PeftModel, Attached]:
    """Add the adapter in `folder` under the PEFT adapter name `name`; gives the PeftModel and what was
    applied.

    Raises BadAdapter when nothing in the file fits the base, UnsupportedAdapter when it must not be loaded;
    after both the base is as it was. Raises HalfAttached when it is not, and must not answer any more.
    """
    config = read_adapter_config(folder, model)
    tensors = converted_tensors(config, read_tensors(folder), model)
    refuse_beyond_file(config, tensors, model)
    peft_model = add_empty_adapter(model, config, name)
    with ExitStack() as undo:
        undo.callback(peft_model.delete_adapter, name)
        attached = fill(peft_model, tensors, name)
        undo.pop_all()
    answer_in_the_dtype_asked(peft_model)
    peft_model.eval()
    return peft_model, attached


def answer_in_the_dtype_asked(model: PeftModel) -> None:
    """Over a quantised base PEFT keeps adapters in fp32, and several methods let that leak into the layer's
    answer: attention then refuses its query, key and value of different dtypes.
    """
    for module in model.modules():
        if is_over_quantised(module) and as_asked not in module._forward_hooks.values():
            module.register_forward_hook(as_asked)


def is_over_quantised(module: torch.nn.Module) -> bool:
    """A layer of PEFT's over one of bitsandbytes'. Others choose their dtype: T5's norm has to answer in fp16
    when it is asked in fp32.
    """
    return isinstance(module, BaseTunerLayer) and isinstance(module.get_base_layer(), QUANTISED)


def as_asked(layer: torch.nn.Module, inputs: tuple[Any, ...], output: Any) -> Any:
    both = [value for value in (*inputs[:1], output) if isinstance(value, torch.Tensor)]
    floats = len(both) == 2 and all(value.is_floating_point() for value in both)
    return output.to(both[0].dtype) if floats else output


def fill(model: PeftModel, tensors: dict[str, torch.Tensor], name: str) -> Attached:
    """Copy the file's tensors into the adapter `name`, as far as PEFT would have saved them."""
    expected = get_peft_model_state_dict(model, adapter_name=name, save_embedding_layers=False)
    applied = fitting_tensors(expected, tensors)
    try:
        set_peft_model_state_dict(model, applied, adapter_name=name)
    except KeyError as error:
        raise BadAdapter(
            f"{ADAPTER_WEIGHTS} lacks {error.args[0]}, which the config asks for; try another revision."
        ) from error
    except (TypeError, ValueError, AttributeError, LookupError, RuntimeError) as error:
        raise refused_by_peft(error) from error
    notices = []
    if missing := len(expected.keys() - applied.keys()):
        notices.append(
            f"{missing} of the {len(expected)} tensors that the config asks for are not in the file."
        )
    if ignored := len(tensors) - len(applied):
        notices.append(f"{ignored} tensors of the file belong to no part of the adapter and were left out.")
    return Attached(len(tensors), len(applied), tuple(notices))


def read_tensors(folder: Path) -> dict[str, torch.Tensor]:
    """The tensors of the adapter's safetensors file, all finite, and none in numbers that no layer has."""
    read_table(folder)
    try:
        tensors = load_file(folder / ADAPTER_WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise BadAdapter(
            f"{ADAPTER_WEIGHTS} cannot be read ({error}); load the adapter again to download it afresh."
        ) from error
    for key, tensor in tensors.items():
        if tensor.is_complex() or tensor.dtype == torch.float4_e2m1fn_x2:
            kind = str(tensor.dtype).removeprefix("torch.")
            raise BadAdapter(
                f"{key} holds {kind} numbers, with which no layer calculates; try another revision."
            )
        if tensor.is_floating_point() and not torch.isfinite(comparable(tensor)).all():
            raise BadAdapter(
                f"{key} holds values that are not finite, so every answer would be noise; try another "
                "revision."
            )
    return tensors


def comparable(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor as it is, but 8-bit floats, which torch only stores and converts, in bf16."""
    return tensor.bfloat16() if tensor.itemsize == 1 else tensor


def read_adapter_config(folder: Path, model: torch.nn.Module) -> PeftConfig:
    """PEFT's config object from the fields of adapter_config.json that describe the adapter, and no others,
    with the names that the base of `model` has.
    """
    raw = read_json(folder)
    method = str(raw.get("peft_type"))
    for refusal in (*method_refusals(raw), *field_refusals(raw)):
        raise UnsupportedAdapter(refusal)
    config_class = PEFT_TYPE_TO_CONFIG_MAPPING.get(method)
    if config_class is None:
        raise UnsupportedAdapter(
            f"PEFT {peft.__version__} does not know the method “{method[:40]}”; the adapter may need a "
            "newer PEFT."
        )
    known = {field.name for field in dataclasses.fields(config_class)} - NEVER_FROM_A_FILE
    values = {key: value for key, value in raw.items() if key in known and value is not None}
    refuse_other_kinds(values, config_class)
    values["inference_mode"] = True
    if isinstance(values.get("init_lora_weights"), str):
        # The weights come from the file; pissa and others would rewrite the base.
        values["init_lora_weights"] = True
    if "prompt_tuning_init" in values:
        values["prompt_tuning_init"] = "RANDOM"
    try:
        config = config_class(**with_plain_names(values, model))
    except (TypeError, ValueError, AttributeError, LookupError, ImportError) as error:
        raise BadAdapter(
            f"PEFT does not accept this {ADAPTER_CONFIG} ({first_line(error)}); ask the author for a sound "
            "one."
        ) from error
    convert_config(config, model)
    return config


def method_of(folder: Path) -> str:
    """The adapter's peft_type, as its config has it."""
    return str(read_json(folder).get("peft_type"))


def sharing_key(folder: Path, adapter: str) -> str:
    """Adapters with equal keys can share one base in memory.

    PEFT puts adapters of one method side by side, but not of two, and the rest of a key after its method is
    what they have to agree in. A key without a method is of an adapter whose base nobody else can use.
    """
    raw = read_json(folder)
    if changes_base(raw) or trains_tokens(raw):
        return adapter
    method = str(raw.get("peft_type"))
    return f"{method} {adapter if method in ONE_PROJECTION else parameters_changed(raw)}".rstrip()


def trains_biases(folder: Path) -> bool:
    """Whether PEFT changes the base itself with this adapter, also while it is disabled."""
    return changes_base(read_json(folder))


@contextmanager
def speaking_as(model: torch.nn.Module, name: str, strength: float = 1.0) -> Iterator[None]:
    """Let the adapter `name` answer at `strength`; an empty name or strength 0 lets the base answer.

    Strength multiplies a LoRA's scaling (wise-ft, Wortsman et al. 2021). Raises InvalidInput where the
    method has none.
    """
    if not isinstance(model, PeftModel):
        yield
    elif not name or strength == 0:
        with model.disable_adapter():
            yield
    else:
        # PEFT refuses to freeze this one method; nothing is trained here, so that changes no answer.
        freezes = model.peft_config[name].peft_type is not PeftType.ADAPTION_PROMPT
        model.set_adapter(name, inference_mode=freezes)
        with scaled(model, name, strength):
            yield


@contextmanager
def scaled(model: PeftModel, name: str, strength: float) -> Iterator[None]:
    layers = [
        module for module in model.modules() if isinstance(module, LoraLayer) and name in module.scaling
    ]
    if strength != 1 and not layers:
        raise InvalidInput(
            f"{model.peft_config[name].peft_type.value} adapters have no strength to set; use 1 for the "
            "adapter or 0 for the base.",
            field="strength",
        )
    before = [layer.scaling[name] for layer in layers]
    for layer, scaling in zip(layers, before, strict=True):
        layer.scaling[name] = scaling * strength
    try:
        yield
    finally:
        for layer, scaling in zip(layers, before, strict=True):
            layer.scaling[name] = scaling

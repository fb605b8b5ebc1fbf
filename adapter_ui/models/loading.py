"""Load a base model from a local folder in a chosen precision.

Knows folders, classes and precisions; knows nothing of adapters, of where the folder came from, or of who
asked. Never touches the network and never runs code that comes with a model.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bitsandbytes
import torch
import transformers
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import (
    AutoTokenizer,
    BitsAndBytesConfig,
    GenerationConfig,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.models.auto.auto_factory import _BaseAutoModelClass
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from adapter_ui.domain import Precision
from adapter_ui.domain.heads import NEW_MODULES
from adapter_ui.errors import BaseUnavailable, InvalidInput
from adapter_ui.models.base_files import (
    check_tokenizer,
    check_tokenizer_program,
    check_weights,
    read_base_config,
)
from adapter_ui.models.base_size import refuse_larger_than_files
from adapter_ui.models.checkpoint import read_model
from adapter_ui.models.complete import OTHER_SHAPES, made_anew, refuse_incomplete
from adapter_ui.models.placement import offloaded
from adapter_ui.models.strangers import Crashed, panics_told
from adapter_ui.models.system_memory import little_memory
from adapter_ui.models.turns import Between
from adapter_ui.models.wide import can_multiply

TOKENIZER_ERRORS = (OSError, ValueError, TypeError, LookupError, AttributeError, ImportError)
# In the RuntimeError that transformers raises for it; other RuntimeErrors are a lack of memory.
SHAPES_DIFFER = "ignore_mismatched_sizes"
DTYPES = {Precision.FP32: torch.float32, Precision.BF16: torch.bfloat16, Precision.FP16: torch.float16}


@dataclass
class LoadedModel:
    """A base in memory. `model` is the base itself, or the PeftModel around it once an adapter was
    attached. `random` names the tensors of a new head, which are in no file of the base.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    device: torch.device
    random: tuple[str, ...] = ()


@little_memory()
def load_base(
    folder: Path,
    precision: Precision,
    model_class: str,
    *,
    labels: tuple[str, ...] = (),
    one_class: bool = False,
    fast_4bit: bool = False,
    between: Between | None = None,
) -> LoadedModel:
    """Load the base in `folder` (config, tokenizer and safetensors) as `model_class`, ready for inference.

    `labels` names the classes of a classification head, in order; a head of the base's own for another number
    of them is made anew. With `one_class` it says one of them, whatever the base's own says. `fast_4bit`
    allows bitsandbytes' AVX512-BF16 kernel, which repacks nf4 and fp4 weights in place at the first forward:
    twice as fast on such CPUs, but a model that ran once can then be neither trained nor merged (bitsandbytes
    issue 2078).
    `between` is called after every tensor, and may end the load by what it raises.
    Raises BaseUnavailable when the folder is no usable base, InvalidInput when the class does not exist.
    """
    config = read_config(folder)
    if labels:
        config.id2label = dict(enumerate(labels))
        config.label2id = {label: index for index, label in enumerate(labels)}
        config.problem_type = None if one_class else config.problem_type
    found = class_named(model_class)
    refuse_class_of_others(found, config)
    check_weights(folder)
    tokenizer = load_tokenizer(folder)
    # a new head holds nothing yet to quantise, so bitsandbytes could not run it
    quantized = quantization(precision, [*NEW_MODULES] if labels else None)
    dtype = DTYPES.get(precision, torch.bfloat16)
    model, info = read_weights(found, folder, config, dtype, quantized, between, other_shapes=bool(labels))
    refuse_incomplete(info, model, has_new_head=bool(labels) or model_class == "AutoModel")
    if not fast_4bit:
        keep_4bit_weights_as_they_are(model)
    if model.config.pad_token_id is None:
        model.config.pad_token_id = tokenizer.pad_token_id
    if model.can_generate():
        model.generation_config = only_special_tokens(model.generation_config)
    random = tuple(sorted(info["missing_keys"] | made_anew(info)))
    return LoadedModel(model.eval(), tokenizer, model.device, random)


def read_weights(
    found: type,
    folder: Path,
    config: PretrainedConfig,
    dtype: torch.dtype,
    quantized: BitsAndBytesConfig | None,
    between: Between | None,
    *,
    other_shapes: bool,
) -> tuple[PreTrainedModel, dict[str, Any]]:
    """transformers' own load, with nothing left for the folder to choose, and what it says of the tensors."""
    try:
        refuse_larger_than_files(found, config, folder)
        return read_model(found, folder, config, dtype, quantized, between, other_shapes=other_shapes)
    except (OSError, ValueError, TypeError, AttributeError, LookupError, SafetensorError) as error:
        raise BaseUnavailable(
            f"transformers cannot load the base's files ({in_one_line(error)}); try another revision."
        ) from error
    except RuntimeError as error:
        if SHAPES_DIFFER not in str(error):
            raise
        raise BaseUnavailable(OTHER_SHAPES) from error


def in_one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]


def read_config(folder: Path) -> PretrainedConfig:
    """The base's config.json without the fields by which it could choose code to run, and within bounds."""
    raw = read_base_config(folder)
    model_type = raw.pop("model_type", None)
    if not isinstance(model_type, str) or model_type not in CONFIG_MAPPING:
        raise BaseUnavailable(
            f"transformers {transformers.__version__} has no model type “{model_type}” of its own, and "
            "code from the Hub is never run."
        )
    try:
        return CONFIG_MAPPING[model_type].from_dict(raw)
    except (ValueError, TypeError, LookupError, StrictDataclassError) as error:
        raise BaseUnavailable(
            f"transformers does not accept the base's config.json ({in_one_line(error)}); try another "
            "revision."
        ) from error


def class_named(name: str) -> type:
    """A model class of transformers by its name: AutoModelForCausalLM, OPTForCausalLM, …"""
    found = getattr(transformers, name, None) if name.isidentifier() else None
    if not isinstance(found, type) or not issubclass(found, (PreTrainedModel, _BaseAutoModelClass)):
        raise InvalidInput(
            f"transformers has no model class “{name[:60]}”; use one such as AutoModelForCausalLM or "
            "OPTForCausalLM.",
            field="model_class",
        )
    return found


def refuse_class_of_others(found: type, config: PretrainedConfig) -> None:
    """A class of another family would fail somewhere in its own code."""
    if issubclass(found, PreTrainedModel):
        fits = found.config_class is not None and isinstance(config, found.config_class)
    else:
        fits = type(config) in found._model_mapping
    if not fits:
        raise InvalidInput(
            f"{found.__name__} is no class for a base of type {config.model_type}; leave model_class empty "
            "for the class of the adapter's task.",
            field="model_class",
        )


def quantization(precision: Precision, left_out: list[str] | None = None) -> BitsAndBytesConfig | None:
    """bitsandbytes' config for int8 (LLM.int8) and for nf4 and fp4 (QLoRA's 4-bit types). Modules that are
    `left_out` stay in bf16; None leaves out what the embeddings are tied to.
    """
    if precision is Precision.INT8:
        return BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=left_out)
    if precision.has_4_bits:
        return BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type=precision.value,
            bnb_4bit_compute_dtype=compute_dtype(),
            llm_int8_skip_modules=left_out,
        )
    return None


def compute_dtype() -> torch.dtype:
    """In which type 4-bit weights are multiplied: bf16, as QLoRA has it, but for a CPU without such products,
    which takes two to four times as long for them as for fp32's.
    """
    has_bf16 = torch.cuda.is_available() or can_multiply(torch.bfloat16)
    return torch.bfloat16 if has_bf16 else torch.float32


def only_special_tokens(config: GenerationConfig) -> GenerationConfig:
    """A base's generation_config.json may say where text starts and ends; how to decode is the user's
    choice.
    """
    names = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id")
    chosen = {name: getattr(config, name) for name in names}
    for name, value in chosen.items():
        if not all(type(one) is int for one in (value if isinstance(value, list) else [value or 0])):
            raise BaseUnavailable(f"The base's {name} is no token; choose another revision.")
    return GenerationConfig(**chosen)


def keep_4bit_weights_as_they_are(model: torch.nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, bitsandbytes.nn.Linear4bit):
            module.support_avx512bf16_for_cpu = False


def is_repacked(model: torch.nn.Module) -> bool:
    """Whether the fast 4-bit kernel has repacked weights of the model, which nothing but that kernel can read
    then.
    """
    layers = (module for module in model.modules() if isinstance(module, bitsandbytes.nn.Linear4bit))
    return any(getattr(layer.weight.quant_state, "packing_format_for_cpu", False) for layer in layers)


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The base's tokenizer, padding on the left with a pad token that exists."""
    check_tokenizer(folder)
    check_tokenizer_program(folder)
    config = read_config(folder)
    try:
        with panics_told():
            tokenizer = AutoTokenizer.from_pretrained(
                folder, config=config, trust_remote_code=False, local_files_only=True
            )
    except Crashed as error:
        raise BaseUnavailable(f"The base's tokenizer cannot be built ({error}); try another base.") from error
    except Exception as error:
        # The tokenizers library raises this very type for a program that is none.
        if not isinstance(error, TOKENIZER_ERRORS) and type(error) is not Exception:
            raise
        raise BaseUnavailable(
            f"transformers cannot load the base's tokenizer ({in_one_line(error)}); try another revision."
        ) from error
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "left"
    return tokenizer


def tensor_bytes(model: torch.nn.Module) -> int:
    """Memory held by a model's weights, buffers and bitsandbytes statistics, in bytes; shared storage counts
    once.
    """
    storages: dict[int, int] = {}
    for tensor in [*model.parameters(), *model.buffers()]:
        for part in (tensor, *quantization_statistics(tensor)):
            if part.device.type != "meta":
                storage = part.untyped_storage()
                storages[storage.data_ptr()] = storage.nbytes()
    return sum(storages.values()) + sum(part.nbytes for part in offloaded(model))


def quantization_statistics(tensor: torch.Tensor) -> list[torch.Tensor]:
    state = getattr(tensor, "quant_state", None)
    if state is None:
        return [tensor.SCB] if getattr(tensor, "SCB", None) is not None else []
    return [part for part in (state.absmax, state.code) if isinstance(part, torch.Tensor)]

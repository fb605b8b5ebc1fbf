"""Fill a model from a folder's safetensors tensor by tensor, without the whole files in memory.

Knows safetensors files and transformers' loader; knows nothing of which class or precision is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from transformers import BitsAndBytesConfig, GenerationConfig, PretrainedConfig, PreTrainedModel
from transformers.models.auto.auto_factory import _BaseAutoModelClass, _get_model_class
from transformers.utils.logging import set_tqdm_hook

from adapter_ui.models.base_files import read_base_config, weight_files
from adapter_ui.models.placement import placement
from adapter_ui.models.turns import Between

LOADING = "Loading weights"
"""What transformers calls the progress bar over a model's tensors."""
STORED_AS = {torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16"}


def read_model(
    found: type,
    folder: Path,
    config: PretrainedConfig,
    dtype: torch.dtype,
    quantization: BitsAndBytesConfig | None,
    between: Between | None = None,
    *,
    other_shapes: bool = False,
) -> tuple[PreTrainedModel, dict[str, Any]]:
    """The model of class `found`, which may be one of the Auto classes, and transformers' report of its keys.

    With `other_shapes`, what has another shape in the files is made anew and stands in the report.
    `between` is called after every tensor, and may end the load by what it raises. With a GPU transformers
    reads the files by itself: it spreads the tensors over devices, and tensors that leave for one stay
    nowhere else.
    """
    on_gpu = torch.cuda.is_available()
    with tensors_counted(between):
        model, info = own_class(found, config).from_pretrained(
            folder if on_gpu else None,
            state_dict=None if on_gpu else open_tensors(folder, None if quantization else dtype),
            config=config,
            dtype=dtype,
            quantization_config=quantization,
            **placement(quantization),
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            ignore_mismatched_sizes=other_shapes,
            output_loading_info=True,
        )
    model.name_or_path = model.config.name_or_path = str(folder)
    if model.can_generate():
        model.generation_config = read_generation_config(folder)
    return model, info


def own_class(found: type, config: PretrainedConfig) -> type:
    """The model's own class, where `found` is one of the Auto classes."""
    return _get_model_class(config, found._model_mapping) if is_auto(found) else found


@contextmanager
def tensors_counted(between: Between | None) -> Generator[None]:
    """Call `between` where transformers would move its progress bar: after every tensor, in this thread."""

    def bar(factory: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        if between is None or not args or options.get("desc") != LOADING:
            return factory(*args, **options)
        return counted(args[0], between)

    before = set_tqdm_hook(bar)
    try:
        yield
    finally:
        set_tqdm_hook(before)


def counted(things: Iterable[Any], between: Between) -> Iterator[Any]:
    every = list(things)
    for done, one in enumerate(every, start=1):
        yield one
        between(done, len(every))


def is_auto(found: type) -> bool:
    return issubclass(found, _BaseAutoModelClass)


def read_generation_config(folder: Path) -> GenerationConfig:
    """From the file of that name; older bases have it in their config.json."""
    try:
        return GenerationConfig.from_pretrained(folder, local_files_only=True)
    except OSError:
        return GenerationConfig.from_model_config(read_base_config(folder))


def open_tensors(folder: Path, used_as: torch.dtype | None) -> dict[str, Any]:
    """Every tensor of the folder's safetensors by name, as a slice that is read when the model asks for it.

    A tensor already stored in the dtype it is `used_as` stays mapped to its file: the system shares it
    between processes and can take its memory back. Any other is read into memory of its own, which goes when
    it was converted: one that stays mapped to be converted keeps its whole file in memory for as long as a
    neighbour is in use.
    """
    tensors: dict[str, Any] = {}
    for file in weight_files(folder):
        mapped = safe_open(file, framework="pt", backend="mmap")
        read = safe_open(file, framework="pt", backend="pread")
        for name in mapped.keys():  # noqa: SIM118 - it is no dict
            stays = used_as is not None and mapped.get_slice(name).get_dtype() == STORED_AS[used_as]
            tensors[name] = (mapped if stays else read).get_slice(name)
    return tensors

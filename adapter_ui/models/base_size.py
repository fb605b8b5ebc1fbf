"""What a base's config asks for is held against its files before any memory is taken.

transformers would build it first, and fill with noise what the files lack: position tables, experts or layers
of any size.
"""

from __future__ import annotations

from pathlib import Path

from transformers import PretrainedConfig

from adapter_ui.domain.base_config import MOST_SHARING
from adapter_ui.errors import BaseUnavailable
from adapter_ui.models.base_files import numbers_in_files
from adapter_ui.models.checkpoint import own_class
from adapter_ui.models.on_meta import Limits, tensors_of, without_numbers

CONFIG = "The base's config.json"
# Tables that are made and not saved, such as a mask, may be larger than a tiny base.
ALWAYS_ALLOWED = 64_000_000
FP32_BYTES = 4
# Of this thread's own time; hundreds of layers are built in a few.
SECONDS = 60.0


def refuse_larger_than_files(found: type, config: PretrainedConfig, folder: Path) -> None:
    """Raises BaseUnavailable when the model of class `found` has many times the numbers of the files."""
    most = max(ALWAYS_ALLOWED, MOST_SHARING * numbers_in_files(folder))
    with Limits(most * FP32_BYTES, SECONDS, CONFIG, BaseUnavailable):
        skeleton = without_numbers(own_class(found, config), config)
    asked = sum(tensor.numel() for tensor in tensors_of(skeleton).values())
    if asked > most:
        raise BaseUnavailable(
            f"{CONFIG} describes a model of {asked:,} numbers, many times what its files hold; choose "
            "another revision."
        )

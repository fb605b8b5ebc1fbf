"""What went wrong with a model, as an error that can be told to people."""

from __future__ import annotations

import torch

from adapter_ui.errors import AdapterUIError, ModelFailure


def in_words(error: Exception) -> AdapterUIError:
    """One sentence for what a model raised; an error of this app is one already."""
    if isinstance(error, AdapterUIError):
        return error
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "can't allocate memory" in str(error):
        return ModelFailure(
            "There was not enough memory to do this; unload what you do not need or choose a smaller "
            "precision."
        )
    first_line = (str(error).strip().splitlines() or ["no message"])[0][:300]
    return ModelFailure(f"The model failed with {type(error).__name__}: {first_line}")

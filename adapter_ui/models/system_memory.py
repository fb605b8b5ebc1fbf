"""The memory that this process holds from the system: glibc keeps what was freed, and grows around the holes;
torch keeps what was freed on a GPU.

Knows these allocators; knows nothing of models. Where there is another C library, or no GPU, that part does
nothing.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Generator
from contextlib import contextmanager

import torch

# From malloc.h. Blocks above the threshold are mapped one by one, and go back to the system when freed.
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
SMALLEST_OWN_MAPPING = 128 * 1024
# Where glibc's own rule ends up once a tensor of this size was freed: the highest it allows, and twice that.
USUAL_MMAP_THRESHOLD = 32 * 1024**2
USUAL_TRIM_THRESHOLD = 2 * USUAL_MMAP_THRESHOLD


@contextmanager
def little_memory() -> Generator[None]:
    """While a model is loaded, give every tensor that is freed back at once; also a decorator.

    glibc would put a quantised weight into the hole that its original left, so that the next original does
    not fit there: a heap several times the size of the model. Afterwards the heap serves tensors again,
    since mapping each activation of a forward anew costs time.
    """
    set_allocator(MMAP_THRESHOLD, SMALLEST_OWN_MAPPING)
    try:
        yield
    finally:
        set_allocator(MMAP_THRESHOLD, USUAL_MMAP_THRESHOLD)
        set_allocator(TRIM_THRESHOLD, USUAL_TRIM_THRESHOLD)
        give_memory_back()


def give_memory_back() -> None:
    """Both keep freed memory for later, so the system, the web process and a training process would not see
    that a model has gone.
    """
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    libc = c_library()
    if hasattr(libc, "malloc_trim"):  # musl has none
        libc.malloc_trim(0)


def set_allocator(option: int, value: int) -> None:
    libc = c_library()
    if hasattr(libc, "mallopt"):
        libc.mallopt(option, value)


def c_library() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if sys.platform == "linux" else None

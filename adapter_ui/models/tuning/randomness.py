"""The random numbers of a training: where each source of them stands, and how to go back there.

The sources are those that the Trainer writes into a checkpoint.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

import numpy as np
import torch


def random_state() -> Callable[[], None]:
    """What sets the random numbers of Python, numpy and torch back to where they stand now."""
    back = [
        partial(random.setstate, random.getstate()),
        partial(np.random.set_state, np.random.get_state()),
        partial(torch.set_rng_state, torch.get_rng_state()),
    ]
    if torch.cuda.is_available():
        back.append(partial(torch.cuda.set_rng_state_all, torch.cuda.get_rng_state_all()))

    def go_back() -> None:
        for source in back:
            source()

    return go_back

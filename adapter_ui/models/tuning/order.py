"""The order of rows where batches hold rows of about one length, which the Trainer draws anew in each epoch.

Knows the Trainer's sampler; nothing of models, data or runs.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.utils.data import DataLoader
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments


class OrderOfSeed(TrainerCallback):
    """Draws the order from the seed and the epoch alone. By itself the sampler draws it from whatever random
    numbers are left, so that a resumed run would see other batches than the one that was interrupted. Rows
    of about one length are put together for a whole step, whatever number of processes shares it.
    """

    def on_epoch_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        train_dataloader: DataLoader,
        **_: Any,
    ) -> None:
        batches = train_dataloader.batch_sampler
        sampler = getattr(batches, "batch_sampler", batches).sampler  # one of several processes has a share
        sampler.batch_size = args.train_batch_size * args.gradient_accumulation_steps * args.world_size
        sampler.generator = torch.Generator().manual_seed(args.seed + int(state.epoch or 0))

"""The loss of tasks whose models average each batch by itself.

The Trainer tells every model how many labels the whole step has, in all its passes and processes, and takes
it that the model's loss is a share of that. Encoders and T5 do not listen: with four passes to a step their
loss and gradient would be four times as large. Knows outputs and labels; nothing of models or runs.
"""

from __future__ import annotations

from typing import Any

import torch

from adapter_ui.models.tuning.data import IGNORED

AVERAGED_BY_THE_MODEL = ("SEQ_CLS", "TOKEN_CLS", "SEQ_2_SEQ_LM")


def share_of_step(
    outputs: Any, labels: torch.Tensor, num_items_in_batch: torch.Tensor | int | None = None
) -> torch.Tensor:
    """Cross-entropy summed over the batch, divided by the labels of the whole step; by the batch's own where
    no step is told, as in an evaluation.

    `labels` are [rows], or [rows, tokens] of which the model may have seen virtual ones before.
    """
    logits = outputs["logits"]
    if labels.dim() > 1:
        logits = logits[:, -labels.shape[1] :]
    items = (labels != IGNORED).sum() if num_items_in_batch is None else num_items_in_batch
    summed = torch.nn.functional.cross_entropy(
        logits.flatten(0, -2).float(), labels.flatten(), ignore_index=IGNORED, reduction="sum"
    )
    return summed / items

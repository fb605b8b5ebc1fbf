"""Rows with learned tokens before them, classified by their own last token.

PEFT hands these to the base as embeddings, in which no classifier of transformers finds where a row ends:
those of decoders then read the last place of the batch, which is padding for all but its longest rows. Knows
a base's forward pass; nothing of adapters or of the Trainer.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput


def classify_by_the_last_token(classifier: PreTrainedModel) -> None:
    """From now on the last place of a batch holds what each row's last token says. An encoder, which reads
    its first token, answers as before.
    """
    classifier.base_model.register_forward_hook(last_token_last, with_kwargs=True)


def last_token_last(
    layers: torch.nn.Module, inputs: tuple[Any, ...], given: dict[str, Any], output: BaseModelOutput
) -> BaseModelOutput:
    mask, states = given["attention_mask"], output.last_hidden_state
    last = (mask * torch.arange(mask.shape[1], device=mask.device)).argmax(-1).to(states.device)
    ends = states[torch.arange(len(states), device=states.device), last]
    output.last_hidden_state = torch.cat((states[:, :-1], ends.unsqueeze(1)), dim=1)
    return output

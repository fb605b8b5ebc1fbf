"""AdaLoRA's budget of rank: how long its three phases are, and the moments at which PEFT moves rank.

After the optimizer's step and before the gradients are cleared, PEFT weighs each direction by its value and
its gradient. Knows the Trainer and PEFT; nothing of runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from peft import PeftModel, PeftType
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

# Shares of all steps: at first the full rank is trained, at the end what was kept of it.
BEFORE, AFTER = 0.1, 0.3


@contextmanager
def loss_of_the_rows(model: PeftModel) -> Iterator[None]:
    """Within it, a loss is that of the rows alone: AdaLoRA's term for right angles says nothing of them, and
    weighs more or less by how a step is divided.
    """
    config = model.active_peft_config
    if config.peft_type != PeftType.ADALORA:
        yield
        return
    weight, config.orth_reg_weight = config.orth_reg_weight, 0.0
    try:
        yield
    finally:
        config.orth_reg_weight = weight


class RankBudget(TrainerCallback):
    """Tells the adapter how long its training is, and after each step lets it move rank between modules.

    A causal model's loss is its share of the step's, to which every pass and process adds PEFT's term for
    right angles in full: while it trains, that term weighs a share too.
    """

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: PeftModel,
        **_: Any,
    ) -> None:
        config = model.active_peft_config
        self.weight = config.orth_reg_weight
        if config.task_type == "CAUSAL_LM":
            config.orth_reg_weight /= args.gradient_accumulation_steps * args.world_size
        config.total_step = state.max_steps
        config.tinit, config.tfinal = int(BEFORE * state.max_steps), int(AFTER * state.max_steps)

    def on_train_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: PeftModel,
        **_: Any,
    ) -> None:
        model.active_peft_config.orth_reg_weight = self.weight

    def on_optimizer_step(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: PeftModel,
        **_: Any,
    ) -> None:
        if state.max_steps > 1:  # the one step of a training has nothing to weigh directions by
            model.base_model.update_and_allocate(state.global_step + 1)

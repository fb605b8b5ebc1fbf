"""Save a trained adapter as a plain PEFT folder that appears whole or not at all.

Beside PEFT's two files: `label_names.json` with a classifier's class names in order, since PEFT keeps none,
and a model card. Knows nothing of how the adapter was trained beyond what the card says.
"""

from __future__ import annotations

from collections.abc import Sequence

from peft import PeftModel

from adapter_ui.models.tuning.plain_lora import Factors, write_plain
from adapter_ui.training.card import TrainingFacts
from adapter_ui.training.keeping import new_partial, put_in_place, write_card, write_labels
from adapter_ui.training.run_folder import RunFolder

__all__ = ["TrainingFacts", "save_adapter"]


def save_adapter(
    run: RunFolder, model: PeftModel, labels: Sequence[str], facts: TrainingFacts, first: Factors
) -> None:
    """Write the adapter beside its place, let it reach the disk, and move it there in one step. `first` are
    the factors that its start took out of the base.
    """
    partial = new_partial(run)
    model.save_pretrained(partial, save_embedding_layers=False)
    write_plain(partial, first)
    if labels:
        write_labels(partial, tuple(labels))
    write_card(run, partial, tuple(labels), facts)
    put_in_place(run, partial, facts.step)

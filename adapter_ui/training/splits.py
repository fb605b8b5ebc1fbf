"""Warnings about how rows are divided: rows that stand twice, or on both sides of the split, and classes
that the training rows lack.

Duplicates are told from the rows; what falls on which side only the child process knows, in its Figures.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from adapter_ui.training.examples import Examples
from adapter_ui.training.figures import Figures
from adapter_ui.training.recipe import Recipe, validation_size

FEW_VALIDATION_ROWS = 5
NAMED_LABELS = 5


def split_warnings(recipe: Recipe, examples: Examples, figures: Figures | None) -> Iterator[str]:
    if twice := duplicates(examples):
        yield f"Rows that stand there more than once: {twice} repeat an earlier one; remove those."
    if figures and figures.leaked:
        yield (
            f"Validation rows that stand among the training rows too: {figures.leaked}; the validation will "
            "look better than it is, so remove the repeated rows."
        )
    if figures and figures.unseen:
        names = ", ".join(f"“{label[:40]}”" for label in figures.unseen[:NAMED_LABELS])
        yield (
            f"No training row has the label {names}, so it cannot be learned; add such rows, or change seed "
            "or validation_fraction."
        )
    held_back = validation_size(recipe, len(examples.rows) - (figures.unlearnable if figures else 0))
    if 0 < held_back < FEW_VALIDATION_ROWS:
        yield (
            f"Only {held_back} rows to validate on: their figures are chance; raise "
            "validation_fraction, or give more rows."
        )


def duplicates(examples: Examples) -> int:
    """Rows that are the same as an earlier one, in all that is trained on."""
    return len(examples.rows) - len({json.dumps(row, sort_keys=True) for row in examples.rows})

"""Whether a run learns its rows by heart, told from its losses. Pure reading."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

RISE = 1.05
"""How many times its lowest the validation loss has to be, before it is more than chance."""
FEWEST_SINCE = 2
"""How many evaluations have to be above it."""


def overfitting(history: Sequence[Mapping[str, float]]) -> str | None:
    """One sentence with the way out, once the validation loss has turned upwards; `history` is a RunStatus's.

    The usual rule of early stopping with patience (Prechelt 1998, “Early Stopping – But When?”).
    """
    measured = [log for log in history if math.isfinite(log.get("eval_loss", math.nan))]
    if not measured:
        return None
    lowest = min(measured, key=lambda log: log["eval_loss"])
    since, last = measured[measured.index(lowest) + 1 :], measured[-1]
    if len(since) < FEWEST_SINCE or last["eval_loss"] < RISE * lowest["eval_loss"]:
        return None
    epochs = round(lowest.get("epoch", 0))
    fewer = f"{epochs} epoch{'s' if epochs > 1 else ''}" if epochs else "fewer steps"
    return (
        f"The validation loss was lowest at step {lowest['step']:,} ({lowest['eval_loss']:.3f}) and has "
        f"risen to {last['eval_loss']:.3f} since, so rows are learned by heart; {fewer}, a lower learning "
        "rate or more rows would serve better."
    )

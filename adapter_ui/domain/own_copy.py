"""What keeps an adapter off the copy of its base that others of its method sit on (pure).

The pages say it before a download, and the model worker decides by the same rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NO_BIAS = ("none", None, False)
ONE_PROJECTION = frozenset({"FROD", "PVERA", "RANDLORA", "VERA"})
"""PEFT has one projection for all adapters of such a method on a base: of the first one's rank, width and
seed, and with the numbers of the last one's file."""


def changes_base(fields: Mapping[str, Any]) -> bool:
    """Whether PEFT writes into the base itself, which it does for trained biases, also while the adapter is
    disabled.
    """
    return fields.get("bias", "none") not in NO_BIAS


def trains_tokens(fields: Mapping[str, Any]) -> bool:
    """Whether single tokens are trained, beside which PEFT can attach no adapter without them."""
    return bool(fields.get("trainable_token_indices"))


def parameters_changed(fields: Mapping[str, Any]) -> str:
    """The single parameters that an adapter changes, in one order: PEFT takes beside it only those that
    change the same.
    """
    names = fields.get("target_parameters")
    return ", ".join(sorted(map(str, names))) if isinstance(names, (list, tuple)) else ""

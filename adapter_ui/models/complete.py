"""Whether a base's files fill its model: what they lack would be random.

Reads transformers' report of a load; loads nothing itself.
"""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedModel

from adapter_ui.domain.heads import NEW_MODULES
from adapter_ui.errors import BaseUnavailable

NEW = frozenset(NEW_MODULES)
OTHER_SHAPES = (
    "The base's files hold tensors of other shapes than its config.json says; try another revision."
)


def refuse_incomplete(info: dict[str, Any], model: PreTrainedModel, has_new_head: bool) -> None:
    """A tensor missing from the base's files would be random, and every answer with it; a new head is meant
    to be.
    """
    head = head_of(model)
    if not head.issuperset(made_anew(info)):
        raise BaseUnavailable(OTHER_SHAPES)
    missing = [name for name in sorted(info["missing_keys"]) if not (has_new_head and name in head)]
    if missing:
        raise BaseUnavailable(
            f"The base's files do not fill {type(model).__name__}: {len(missing)} tensors missing, such as "
            f"{missing[0]}; choose another model class or revision."
        )


def head_of(model: PreTrainedModel) -> set[str]:
    """The parameters that a base need not bring: those on top of it. Of a bare one it is the pooler, which no
    last hidden state depends on, and T5's for questions holds its layers beside its head.
    """
    every = set(dict(model.named_parameters()))
    if model.base_model is model:
        return {name for name in every if not NEW.isdisjoint(name.split("."))}
    return every - {f"{model.base_model_prefix}.{name}" for name, _ in model.base_model.named_parameters()}


def made_anew(info: dict[str, Any]) -> set[str]:
    """The tensors that have another shape in the base's files."""
    return {name for name, *_ in info["mismatched_keys"]}

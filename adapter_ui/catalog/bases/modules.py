"""A base's linear modules from its table of tensors (pure): their names, inputs and outputs.

Headers hold names and shapes, no modules; which tensors are a linear module's weight is told by the rules of
`weights`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from adapter_ui.catalog.bases.weights import TRANSPOSED, Stored, is_linear
from adapter_ui.domain import BaseFacts
from adapter_ui.domain.modules import LinearModules


def linear_modules(facts: BaseFacts, shapes: Mapping[str, tuple[int, ...]]) -> tuple[LinearModules, ...]:
    """All linear modules but the output layer, by their last name, in the order of the names."""
    any_family = replace(facts, model_type=None)  # bitsandbytes passes over some that PEFT does not
    found: dict[str, list[tuple[int, int]]] = {}
    outside: Counter[str] = Counter()
    for tensor, shape in shapes.items():
        if is_linear(tensor, Stored("", shape), any_family):
            *path, name = tensor.removesuffix(".weight").split(".")
            inputs, outputs = shape if facts.model_type in TRANSPOSED else reversed(shape)
            found.setdefault(name, []).append((inputs, outputs))
            outside[name] += not any(part.isdigit() for part in path)
    return tuple(LinearModules(name, tuple(found[name]), outside[name]) for name in sorted(found))

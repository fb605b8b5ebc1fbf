"""Who has to go when another model needs the memory."""

import pytest

from adapter_ui.domain import LoadedBase, Precision
from adapter_ui.engine.room import to_unload

OLDEST, MIDDLE, NEWEST = (
    LoadedBase(f"org/{name}", Precision.BF16, "LlamaForCausalLM", "CAUSAL_LM", "cpu", size)
    for name, size in (("oldest", 100), ("middle", 300), ("newest", 50))
)
LOADED = (OLDEST, MIDDLE, NEWEST)


@pytest.mark.parametrize(
    ("needed", "available", "gone"),
    [
        (10, 10, ()),
        (110, 10, (OLDEST,)),
        (111, 10, (OLDEST, MIDDLE)),
        (460, 10, (OLDEST, MIDDLE, NEWEST)),
        (461, 10, ()),
    ],
)
def test_as_few_as_needed_go_and_none_in_vain(needed, available, gone):
    assert to_unload(LOADED, needed, available) == gone

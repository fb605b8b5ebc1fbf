"""What each field of each method's config means, in our own words.

Written from the docstrings of PEFT's config classes and the papers that they name, and where these leave a
question, from the code that reads the field. A test holds the names against the installed PEFT's, both ways:
every field has a meaning, and every meaning a field.
"""

from __future__ import annotations

from adapter_ui.catalog.methods.meanings.common import COMMON
from adapter_ui.catalog.methods.meanings.low_rank import LOW_RANK
from adapter_ui.catalog.methods.meanings.prompts import PROMPTS
from adapter_ui.catalog.methods.meanings.rotations import ROTATIONS
from adapter_ui.catalog.methods.meanings.shared import SHARED

OWN: dict[str, dict[str, str]] = {**LOW_RANK, **SHARED, **ROTATIONS, **PROMPTS}
"""By method, the fields that it alone has, or gives a meaning of its own to, in the order to show them."""
PARENTS = {"ADALORA": "LORA"}
"""Methods whose config is built on that of another one."""


def meanings_of(method: str) -> dict[str, str]:
    """Every field of the method with its meaning, its own fields first; the common ones for any method."""
    own = OWN.get(method, {})
    inherited = OWN.get(PARENTS.get(method, ""), {})
    return {**own, **{name: text for name, text in {**COMMON, **inherited}.items() if name not in own}}

"""The kinds of values that a recipe's fields hold: numbers, shares, and names of modules and columns.

Reads what a page or a JSON file sends; knows no field by name.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from annotated_types import Ge, Le
from pydantic import BeforeValidator, Field, StringConstraints

MODULE_NAME = r"[A-Za-z_][\w.]{0,127}"


def refuse_checkbox(value: object) -> object:
    """A number field of a page sends 8 as 8.0; a checkbox's True is no number."""
    if isinstance(value, bool):
        raise ValueError("not a number")
    return value


def module_names(value: object) -> object:
    """A list of names as it may be typed: `q_proj, v_proj`."""
    if isinstance(value, str) and value.strip() != "all-linear":
        return [name for name in re.split(r"[\s,]+", value) if name]
    return value.strip() if isinstance(value, str) else value


def yes_as_word(value: object) -> object:
    """A dropdown sends PEFT's True as a word."""
    return True if value == "true" else value


Whole = Annotated[int, BeforeValidator(refuse_checkbox)]
Number = Annotated[float, BeforeValidator(refuse_checkbox), Field(allow_inf_nan=False)]
Share = Annotated[Number, Ge(0), Le(0.9)]
ModuleName = Annotated[str, StringConstraints(pattern=f"^{MODULE_NAME}$")]
ColumnName = Annotated[str, StringConstraints(min_length=1, max_length=256)]
ModuleNames = Annotated[list[ModuleName], Field(max_length=64), BeforeValidator(module_names)]
TokenName = Annotated[str, StringConstraints(min_length=1, max_length=100)]
TokenNames = Annotated[list[TokenName], Field(max_length=256), BeforeValidator(module_names)]
Targets = Annotated[
    Literal["all-linear"] | Annotated[list[ModuleName], Field(max_length=64)], BeforeValidator(module_names)
]

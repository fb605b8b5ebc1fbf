"""The sentence for a recipe's value that its field does not accept: what was given, and what is allowed.

Reads a field's own bounds; knows no recipe.
"""

from __future__ import annotations

from collections.abc import Mapping

from annotated_types import Ge, Gt, Le
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from adapter_ui.domain import Precision
from adapter_ui.errors import InvalidRecipe
from adapter_ui.training.methods import METHODS

SHOWN = 60


def refusal(detail: ErrorDetails, fields: Mapping[str, FieldInfo]) -> InvalidRecipe:
    """One sentence from pydantic's first finding: the field, what was given, what is allowed."""
    field = str(detail["loc"][0])
    given = (
        f"“{str(detail['input'])[:SHOWN]}”"
        if isinstance(detail["input"], (str, int, float))
        else kind_of(detail["input"])
    )
    if field == "method":
        methods = ", ".join(METHODS)
        return InvalidRecipe(
            f"The method {given} cannot be tuned here; the methods are {methods}.", field=field
        )
    return InvalidRecipe(f"{field} is {given}; allowed is {allowed(field, fields[field])}.", field=field)


def allowed(field: str, info: FieldInfo) -> str:
    """What a field accepts, in words, from its own bounds."""
    if field in WORDED:
        return WORDED[field]
    bounds = {type(bound): bound for bound in info.metadata}
    if Le in bounds:
        above, least = ("above ", bounds[Gt].gt) if Gt in bounds else ("", bounds[Ge].ge)
        kind = "a whole number" if info.annotation is int else "a number"
        return f"{kind} from {above}{least} to {bounds[Le].le}"
    choices = [str(choice) for choice in (*getattr(info.annotation, "__args__", ()),)]
    return " or ".join(choices)


WORDED = {
    "name": "a text of at most 100 characters",
    "base_model": "a model's id on the Hub, such as org/name",
    "adapter": "org/name, org/name@revision, starter:NAME, run:ID or folder:NAME",
    "precision": ", ".join(Precision),
    "columns": 'an object such as {"prompt": "question", "completion": "answer"}',
    "target_modules": "a list of at most 64 module names such as q_proj, or all-linear, or empty",
    "feedforward_modules": "a list of at most 64 module names such as down_proj, or empty",
    "trainable_tokens": "a list of at most 256 tokens such as <|user|>, or empty",
    "prompt_template": "a text of at most 4000 characters with {prompt} and then {completion}, or empty",
    "completion_only_loss": "true or false",
    "use_rslora": "true or false",
    "use_dora": "true or false",
    "decompose_both": "true or false",
    "init_lora_weights": "true, gaussian, orthogonal, pissa, pissa_niter_16, olora or mica",
}


def kind_of(value: object) -> str:
    return {dict: "an object", list: "a list", type(None): "empty", bool: "true or false"}.get(
        type(value), f"a {type(value).__name__}"
    )

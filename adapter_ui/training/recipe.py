"""A fine-tuning recipe: one flat set of fields, named as PEFT and the Trainer name them.

Says which values are allowed and explains every refusal; knows nothing of data, files or how to train.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import ErrorDetails

from adapter_ui.domain import AdapterRef, Precision, is_hub_id
from adapter_ui.errors import InvalidRecipe, InvalidRef

MODULE_NAME = r"[A-Za-z_][\w.]{0,127}"
SHOWN = 60


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


Whole = Annotated[int, BeforeValidator(refuse_checkbox)]
Number = Annotated[float, BeforeValidator(refuse_checkbox), Field(allow_inf_nan=False)]
ModuleName = Annotated[str, StringConstraints(pattern=f"^{MODULE_NAME}$")]
ColumnName = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Targets = Annotated[
    Literal["all-linear"] | Annotated[list[ModuleName], Field(max_length=64)], BeforeValidator(module_names)
]


class Recipe(BaseModel):
    """What to tune, on what, and how. Build it with `Recipe.parse`, whose errors are written for people."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    name: str = Field("", max_length=100, description="A name for the run, shown in the library.")
    base_model: str = Field(
        "", max_length=200, description="The base model's id on the Hub, such as org/name."
    )
    adapter: str = Field(
        "",
        max_length=400,
        description="An adapter to train further; its own rank, alpha and targets are kept.",
    )
    task_type: Literal["CAUSAL_LM", "SEQ_CLS", "TOKEN_CLS"] = Field(
        "CAUSAL_LM", description="What the model does: write text, classify a text, or label each word."
    )
    method: Literal["LORA"] = Field("LORA", description="The PEFT method of the adapter.")
    precision: Precision = Field(
        Precision.BF16,
        description="How the frozen base is held in memory; the adapter itself is trained in fp32.",
    )
    columns: dict[str, ColumnName] = Field(
        {},
        max_length=8,
        description="What each column of the data is; guessed from their names when left out.",
    )
    r: Annotated[Whole, Ge(1), Le(512)] = Field(
        8, description="The rank: higher learns more and makes a larger adapter."
    )
    lora_alpha: Annotated[Number, Gt(0), Le(4096)] = Field(
        16, description="The adapter's update is scaled by alpha/r, or by alpha/√r with rsLoRA."
    )
    lora_dropout: Annotated[Number, Ge(0), Le(0.9)] = Field(
        0.0, description="The share of the adapter's inputs dropped at random while training."
    )
    bias: Literal["none", "all", "lora_only"] = Field(
        "none",
        description="Which bias terms are trained too; anything but none changes the base's own answers.",
    )
    target_modules: Targets = Field(
        [],
        description="The modules that get an adapter: names, all-linear, or empty for PEFT's choice.",
    )
    use_rslora: bool = Field(False, description="Scale by alpha/√r, which keeps high ranks stable.")
    learning_rate: Annotated[Number, Gt(0), Le(1)] = Field(
        2e-4, description="The highest step size; 1e-4 to 5e-4 suits most LoRAs."
    )
    num_train_epochs: Annotated[Number, Gt(0), Le(1000)] = Field(
        3.0, description="How many times every row is seen; ignored when max_steps is set."
    )
    max_steps: Annotated[Whole, Ge(-1), Le(1_000_000)] = Field(
        -1, description="Stop after this many optimizer steps; -1 leaves it to the epochs."
    )
    per_device_train_batch_size: Annotated[Whole, Ge(1), Le(512)] = Field(
        4, description="Rows in one forward pass; more is faster and takes more memory."
    )
    gradient_accumulation_steps: Annotated[Whole, Ge(1), Le(512)] = Field(
        1, description="Forward passes that are summed into one optimizer step."
    )
    warmup_ratio: Annotated[Number, Ge(0), Le(0.9)] = Field(
        0.03, description="The share of all steps in which the learning rate rises from zero."
    )
    lr_scheduler_type: Literal["linear", "cosine", "constant", "constant_with_warmup"] = Field(
        "linear", description="How the learning rate falls after the warm-up."
    )
    weight_decay: Annotated[Number, Ge(0), Le(1)] = Field(
        0.0, description="How strongly weights are pulled to zero."
    )
    max_length: Annotated[Whole, Ge(8), Le(131_072)] = Field(
        512, description="Tokens kept of a row, prompt and answer together; the rest is cut off."
    )
    validation_fraction: Annotated[Number, Ge(0), Le(0.5)] = Field(
        0.0, description="The share of rows held back to measure the loss on unseen data."
    )
    seed: Annotated[Whole, Ge(0), Le(2**32 - 1)] = Field(
        42, description="The same seed and the same recipe give the same adapter on the same machine."
    )

    @classmethod
    def parse(cls, fields: Mapping[str, Any]) -> Recipe:
        """Read a recipe from a JSON object. Raises InvalidRecipe: the field and what is allowed."""
        if not isinstance(fields, Mapping):
            raise InvalidRecipe(f"A recipe is a JSON object of fields, not {kind_of(fields)}.")
        for field in fields:
            refuse_unknown_field(str(field))
        try:
            recipe = cls(**{str(field): value for field, value in fields.items()})
        except ValidationError as error:
            raise refusal(error.errors()[0]) from error
        refuse_bad_names(recipe)
        return recipe

    def to_json(self) -> dict[str, Any]:
        """The flat JSON object that `parse` reads back."""
        return self.model_dump(mode="json")


FIELD_HELP: Mapping[str, str] = {name: str(field.description) for name, field in Recipe.model_fields.items()}


def total_steps(recipe: Recipe, training_rows: int) -> int:
    """Optimizer steps that the Trainer will take over `training_rows` rows on one device."""
    if recipe.max_steps > 0:
        return recipe.max_steps
    batches = math.ceil(training_rows / recipe.per_device_train_batch_size)
    return math.ceil(
        recipe.num_train_epochs * max(1, math.ceil(batches / recipe.gradient_accumulation_steps))
    )


def validation_size(recipe: Recipe, rows: int) -> int:
    """Rows held back for validation: none when not asked for, else at least one, and never all."""
    if recipe.validation_fraction == 0 or rows < 2:
        return 0
    return max(1, int(rows * recipe.validation_fraction))


def refuse_unknown_field(field: str) -> None:
    if field in Recipe.model_fields:
        return
    near = difflib.get_close_matches(field, Recipe.model_fields, n=1, cutoff=0.4)
    advice = f"did you mean “{near[0]}”?" if near else f"the fields are {', '.join(Recipe.model_fields)}."
    raise InvalidRecipe(f"A recipe has no field “{field[:SHOWN]}”; {advice}", field=field[:SHOWN])


def refuse_bad_names(recipe: Recipe) -> None:
    """What the types cannot say: a base or an adapter is given, and both are names that can exist."""
    if recipe.max_steps == 0:
        raise InvalidRecipe(
            "max_steps is 0; give 1 or more, or -1 to train for num_train_epochs.", field="max_steps"
        )
    if not recipe.base_model and not recipe.adapter:
        raise InvalidRecipe(
            "The recipe names neither a base_model nor an adapter to continue; give one.", field="base_model"
        )
    if recipe.base_model and not is_hub_id(recipe.base_model):
        raise InvalidRecipe(
            f"base_model is “{recipe.base_model[:SHOWN]}”; give a model's id on the Hub, such as org/name.",
            field="base_model",
        )
    if recipe.adapter:
        try:
            AdapterRef.parse(recipe.adapter)
        except InvalidRef as error:
            raise InvalidRecipe(error.message, field="adapter") from error


def refusal(detail: ErrorDetails) -> InvalidRecipe:
    """One sentence from pydantic's first finding: the field, what was given, what is allowed."""
    field = str(detail["loc"][0])
    given = (
        f"“{str(detail['input'])[:SHOWN]}”"
        if isinstance(detail["input"], (str, int, float))
        else kind_of(detail["input"])
    )
    if field == "method":
        return InvalidRecipe(f"The method {given} cannot be tuned here; the one method is LORA.", field=field)
    return InvalidRecipe(f"{field} is {given}; allowed is {allowed(field)}.", field=field)


def allowed(field: str) -> str:
    """What a field accepts, in words, from its own bounds."""
    info = Recipe.model_fields[field]
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
    "use_rslora": "true or false",
}


def kind_of(value: object) -> str:
    return {dict: "an object", list: "a list", type(None): "empty", bool: "true or false"}.get(
        type(value), f"a {type(value).__name__}"
    )

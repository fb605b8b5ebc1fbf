"""A fine-tuning recipe: one flat set of fields, named as PEFT and the Trainer name them.

Says which values are allowed and explains every refusal; knows nothing of data, files or how to train.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from adapter_ui.domain import AdapterRef, Precision, is_hub_id
from adapter_ui.errors import InvalidRecipe, InvalidRef
from adapter_ui.training.combinations import refuse_bad_combinations
from adapter_ui.training.fields import (
    ColumnName,
    ModuleNames,
    Number,
    Share,
    Targets,
    TokenNames,
    Whole,
    yes_as_word,
)
from adapter_ui.training.methods import METHODS, MethodName, methods_with, strange_fields
from adapter_ui.training.prompt_template import LONGEST_TEMPLATE
from adapter_ui.training.refusals import SHOWN, kind_of, refusal


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
        description="An adapter to train further; its own method, sizes and targets are kept.",
    )
    task_type: Literal["CAUSAL_LM", "SEQ_CLS", "TOKEN_CLS", "SEQ_2_SEQ_LM", "QUESTION_ANS"] = Field(
        "CAUSAL_LM",
        description="What the model does: write text, classify a text, label each word, turn one text into "
        "another, or find an answer in a text.",
    )
    method: MethodName = Field(
        "LORA", description="The PEFT method of the adapter; each has some fields of its own."
    )
    precision: Precision = Field(
        Precision.BF16,
        description="How the frozen base is held in memory; the adapter itself is trained in fp32.",
    )
    columns: dict[str, ColumnName] = Field(
        {},
        max_length=8,
        description="What each column of the data is; guessed from their names when left out.",
    )
    prompt_template: str = Field(
        "",
        max_length=LONGEST_TEMPLATE,
        description="How a prompt and its answer make one text: “Q: {prompt} A: {completion}”. Empty for the "
        "base's chat template.",
    )
    completion_only_loss: bool = Field(
        True, description="Learn answers only; without it every token is learned, those of prompts too."
    )
    r: Annotated[Whole, Ge(1), Le(512)] = Field(
        8, description="The rank: higher learns more and makes a larger adapter."
    )
    lora_alpha: Annotated[Number, Gt(0), Le(4096)] = Field(
        16, description="The adapter's update is scaled by alpha/r, or by alpha/√r with rsLoRA."
    )
    lora_dropout: Share = Field(
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
    use_dora: bool = Field(
        False, description="Learn each weight's length apart from its direction (DoRA): slower, often better."
    )
    init_lora_weights: Annotated[
        Literal[True, "gaussian", "orthogonal", "pissa", "pissa_niter_16", "olora", "mica"],
        BeforeValidator(yes_as_word),
    ] = Field(
        True,
        description="From what the matrices start: noise, or (pissa, olora) the base's own weights, which "
        "doubles the saved rank, or (mica) their least used directions, of which only one matrix learns.",
    )
    trainable_tokens: TokenNames = Field(
        [], description="Tokens whose embeddings are trained as well, such as <|user|>."
    )
    init_r: Annotated[Whole, Ge(2), Le(512)] = Field(
        12, description="The rank of every module at first; some of it is taken away while training."
    )
    target_r: Annotated[Whole, Ge(1), Le(511)] = Field(
        8, description="The rank that a module keeps on average: important ones keep more."
    )
    orth_reg_weight: Annotated[Number, Ge(0), Le(10)] = Field(
        0.5, description="How strongly the directions are kept at right angles; part of the loss shown."
    )
    alpha: Annotated[Whole, Ge(1), Le(4096)] = Field(8, description="The update is scaled by alpha/r.")
    rank_dropout: Share = Field(0.0, description="The share of ranks dropped at random while training.")
    module_dropout: Share = Field(0.0, description="The share of steps in which a module is left as it was.")
    decompose_both: bool = Field(False, description="Split the first factor of the product by rank as well.")
    decompose_factor: Annotated[Whole, Ge(-1), Le(4096)] = Field(
        -1, description="The size of the first factor of the product; -1 splits evenly."
    )
    feedforward_modules: ModuleNames = Field(
        [], description="Which target modules are scaled at their input; empty for PEFT's choice."
    )
    oft_block_size: Annotated[Whole, Ge(2), Le(1024)] = Field(
        32, description="Inputs that are rotated together: larger learns more and makes a larger adapter."
    )
    vera_dropout: Share = Field(0.0, description="The share of inputs dropped at random while training.")
    d_initial: Annotated[Number, Gt(0), Le(1)] = Field(
        0.1, description="What the first of the two learned vectors starts with."
    )
    miss_dropout: Share = Field(0.0, description="The share of inputs dropped at random while training.")
    num_virtual_tokens: Annotated[Whole, Ge(1), Le(1000)] = Field(
        20, description="Learned tokens in front of the text; they take room of the context."
    )
    encoder_reparameterization_type: Literal["MLP", "LSTM"] = Field(
        "MLP", description="The small network that makes the virtual tokens while training."
    )
    encoder_hidden_size: Annotated[Whole, Ge(1), Le(8192)] = Field(
        128, description="The width of that network."
    )
    learning_rate: Annotated[Number, Gt(0), Le(1)] = Field(
        2e-4, description="The highest step size; each method has a default that suits it."
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
    train_sampling_strategy: Literal["random", "group_by_length"] = Field(
        "random",
        description="How rows come into batches: at random, or with others of about their length, which pads "
        "less and is faster on rows of very different lengths.",
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
        512,
        description="Tokens kept of a row, prompt and answer together (each for itself in seq2seq); the rest "
        "is cut off, and a context to find answers in is read in windows of so many.",
    )
    validation_fraction: Annotated[Number, Ge(0), Le(0.5)] = Field(
        0.0, description="The share of rows held back to measure on unseen data, before and after."
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
        given = {str(field): value for field, value in fields.items()}
        method = given.get("method", "LORA")
        try:
            recipe = cls(**{**defaults_of(method), **given})
        except ValidationError as error:
            raise refusal(error.errors()[0], cls.model_fields) from error
        refuse_strange_fields(recipe.method, given)
        refuse_bad_names(recipe)
        refuse_bad_combinations(recipe)
        return recipe

    def to_json(self) -> dict[str, Any]:
        """The flat JSON object that `parse` reads back; without the fields of other methods."""
        return self.model_dump(mode="json", exclude=set(strange_fields(self.method)))


FIELD_HELP: Mapping[str, str] = {name: str(field.description) for name, field in Recipe.model_fields.items()}


def defaults_of(method: object) -> dict[str, Any]:
    """The defaults that the method has of its own; none for what is no method, which is refused later."""
    if not isinstance(method, str) or method not in METHODS:
        return {}
    facts = METHODS[method]
    return {**facts.defaults, "learning_rate": facts.learning_rate}


def virtual_tokens(recipe: Recipe) -> int:
    """Learned tokens that stand in front of every row."""
    return recipe.num_virtual_tokens if "num_virtual_tokens" in METHODS[recipe.method].defaults else 0


def loses_its_ends(recipe: Recipe) -> bool:
    """Whether a classifier is not shown the ids by which it would find the last token of a row."""
    return recipe.task_type == "SEQ_CLS" and virtual_tokens(recipe) > 0


def total_steps(recipe: Recipe, training_rows: int) -> int:
    """Optimizer steps that the Trainer will take over `training_rows` rows on one device."""
    if recipe.max_steps > 0:
        return recipe.max_steps
    return math.ceil(recipe.num_train_epochs * steps_of_epoch(recipe, training_rows))


def steps_of_epoch(recipe: Recipe, training_rows: int) -> int:
    """Optimizer steps in which the Trainer goes over all rows once."""
    batches = math.ceil(training_rows / recipe.per_device_train_batch_size)
    return max(1, math.ceil(batches / recipe.gradient_accumulation_steps))


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


def refuse_strange_fields(method: str, given: Mapping[str, Any]) -> None:
    """A field of another method would do nothing, and whoever set it expects otherwise."""
    strange = strange_fields(method)
    for field in given:
        if field in strange:
            own = ", ".join(METHODS[method].defaults)
            raise InvalidRecipe(
                f"{method} has no field {field}, which belongs to {', '.join(methods_with(field))}; "
                f"leave it out. {method} has {own}.",
                field=field,
            )

"""A new adapter on a base: PEFT's config for a recipe's method, with the modules checked against the base.

Knows the methods and PEFT's own choice of modules; nothing of loading, data or training.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

import torch
from peft import PEFT_TYPE_TO_CONFIG_MAPPING, PeftConfig, PeftModel, get_peft_model
from peft.tuners.ln_tuning.layer import LNTuningLayer
from peft.tuners.lora import LoraLayer
from peft.utils.constants import TRANSFORMERS_MODELS_TO_ADALORA_TARGET_MODULES_MAPPING as ADALORA_TARGETS
from peft.utils.constants import TRANSFORMERS_MODELS_TO_IA3_FEEDFORWARD_MODULES_MAPPING as IA3_FEEDFORWARD
from peft.utils.constants import TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING as IA3_TARGETS
from peft.utils.constants import TRANSFORMERS_MODELS_TO_LNTUNING_TARGET_MODULES_MAPPING as NORM_TARGETS
from peft.utils.constants import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as LORA_TARGETS
from peft.utils.constants import TRANSFORMERS_MODELS_TO_VERA_TARGET_MODULES_MAPPING as VERA_TARGETS
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.pytorch_utils import Conv1D

from adapter_ui.domain.heads import HEADS, unsaved_heads
from adapter_ui.errors import InvalidRecipe
from adapter_ui.models.adapters import answer_in_the_dtype_asked, as_asked, first_line
from adapter_ui.training.methods import METHODS, STARTS_THAT_READ_THE_BASE
from adapter_ui.training.recipe import Recipe

# AdaLoRA's config wants the steps of the training, which `ranks` tells it when they are known.
UNTOLD_STEPS = 1
# PEFT takes a LoRA's modules for the other methods that sit on linear layers.
TARGETS_OF_METHOD: Mapping[str, Mapping[str, Sequence[str]]] = {
    "ADALORA": ADALORA_TARGETS,
    "IA3": IA3_TARGETS,
    "VERA": VERA_TARGETS,
    "LN_TUNING": NORM_TARGETS,
}


def with_new_adapter(model: PreTrainedModel, recipe: Recipe, tokenizer: PreTrainedTokenizerBase) -> PeftModel:
    """The base under a fresh adapter of the recipe's method; on the meta device both stay without numbers.

    Raises InvalidRecipe when the recipe does not fit the base.
    """
    config = adapter_config(recipe, model, tokenizer)
    try:
        peft_model = get_peft_model(model, config, low_cpu_mem_usage=model.device.type == "meta")
    except (ValueError, TypeError, RuntimeError) as error:
        raise InvalidRecipe(
            f"PEFT cannot put {METHODS[recipe.method].title} on this base: {first_line(error)}; choose "
            "another method.",
            field="method",
        ) from error
    refuse_too_high_rank(peft_model, recipe)
    if recipe.method == "ADALORA":
        keep_counts_as_they_are(peft_model)
    if recipe.method == "LN_TUNING":
        train_norms_in_fp32(peft_model)
    answer_in_the_dtype_asked(peft_model)
    return peft_model


def keep_counts_as_they_are(model: PeftModel) -> None:
    """Without numbers, on the meta device, PEFT would count a layer's rank itself among what is trained."""
    for name, parameter in model.named_parameters():
        if ".ranknum." in name:
            parameter.requires_grad_(False)


def learn_one_matrix(model: PeftModel, name: str) -> None:
    """Train an adapter further as MiCA does: no start matters any more but this one, whose second matrix
    stays as it is, and whose config says so to who loads it again.
    """
    model.peft_config[name].init_lora_weights = "mica"
    for layer in model.modules():
        if isinstance(layer, LoraLayer):
            layer.lora_B[name].requires_grad_(False)


def train_norms_in_fp32(model: PeftModel) -> None:
    """PEFT copies the base's norms in the base's dtype, and a step of training is lost in the rounding of a
    16-bit weight near 1. A norm in fp32 is fed in fp32; its layer answers in the dtype it was asked in.
    """
    for layer in model.modules():
        if isinstance(layer, LNTuningLayer):
            layer.register_forward_hook(as_asked)
            for norm in layer.ln_tuning_layers.values():
                norm.float()
                norm.register_forward_pre_hook(in_fp32)


def in_fp32(norm: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    return (inputs[0].float(), *inputs[1:])


def refuse_too_high_rank(model: PeftModel, recipe: Recipe) -> None:
    """A start from a weight's own directions has no more of them than its shorter side."""
    if recipe.init_lora_weights not in STARTS_THAT_READ_THE_BASE:
        return
    for name, layer in model.named_modules():
        if isinstance(layer, LoraLayer) and min(layer.in_features, layer.out_features) < recipe.r:
            side = min(layer.in_features, layer.out_features)
            raise InvalidRecipe(
                f"r is {recipe.r}, and {name.rpartition('.')[2]} has only {side} directions to start "
                f"from with {recipe.init_lora_weights}; lower r, or use another start.",
                field="r",
            )


def adapter_config(recipe: Recipe, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> PeftConfig:
    """PEFT's config for a new adapter of the recipe's method."""
    values = {name: getattr(recipe, name) for name in METHODS[recipe.method].defaults}
    if "lora_alpha" in values and recipe.lora_alpha == int(recipe.lora_alpha):
        values["lora_alpha"] = int(recipe.lora_alpha)
    if "target_modules" in values:
        values["target_modules"] = target_modules(recipe, model)
    if "feedforward_modules" in values:
        values["feedforward_modules"] = feedforward_modules(recipe, model)
    if "trainable_tokens" in values:
        tokens = values.pop("trainable_tokens")
        values["trainable_token_indices"] = token_ids(tokens, model, tokenizer) or None
    if unsaved := [name for name in unsaved_heads(recipe.task_type) if hasattr(model, name)]:
        values["modules_to_save"] = unsaved
    if recipe.method == "ADALORA":
        values["total_step"] = UNTOLD_STEPS
    return PEFT_TYPE_TO_CONFIG_MAPPING[recipe.method](task_type=recipe.task_type, **values)


def token_ids(tokens: Sequence[str], model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The numbers of the tokens in the base. Raises InvalidRecipe for one that it does not have."""
    known = tokenizer.get_vocab()
    rows = model.get_input_embeddings().num_embeddings
    for token in tokens:
        if known.get(token, rows) >= rows:
            near = difflib.get_close_matches(token, known, n=1)
            advice = f"did you mean “{near[0]}”?" if near else "name tokens as its tokenizer writes them."
            raise InvalidRecipe(f"The base has no token “{token}”; {advice}", field="trainable_tokens")
    return sorted({known[token] for token in tokens})


def target_modules(recipe: Recipe, model: PreTrainedModel) -> list[str] | str | None:
    """The recipe's targets, checked against the base; None leaves the choice to PEFT where it has one."""
    norms = recipe.method == "LN_TUNING"
    if recipe.target_modules == "all-linear":
        if norms:
            raise InvalidRecipe(
                "LN_TUNING trains normalisation modules and target_modules is all-linear; name some, or "
                "leave it empty.",
                field="target_modules",
            )
        return all_linear(recipe, model)
    there = [name for name, module in model.named_modules() if (is_norm if norms else is_linear)(module)]
    if not recipe.target_modules:
        if model.config.model_type in TARGETS_OF_METHOD.get(recipe.method, LORA_TARGETS):
            return None
        return there if norms else all_linear(recipe, model)
    kind = "normalisation" if norms else "linear"
    refuse_missing_modules(recipe.target_modules, there, kind)
    return list(recipe.target_modules)


def all_linear(recipe: Recipe, model: PreTrainedModel) -> list[str] | str:
    """PEFT's own word for it, or names where PEFT would put an adapter on a head that is trained whole."""
    if recipe.task_type not in ("TOKEN_CLS", "QUESTION_ANS"):
        return "all-linear"
    linear = (name for name, module in model.named_modules() if is_linear(module))
    return [name for name in linear if name.partition(".")[0] not in HEADS]


def refuse_missing_modules(targets: Sequence[str], there: Sequence[str], kind: str) -> None:
    names = sorted({name.rpartition(".")[2] for name in there})
    for target in targets:
        if not any(name == target or name.endswith(f".{target}") for name in there):
            near = difflib.get_close_matches(target, names, n=1)
            advice = f"did you mean {near[0]}?" if near else f"it has {', '.join(names[:20])}."
            raise InvalidRecipe(f"The base has no {kind} module “{target}”; {advice}", field="target_modules")


def feedforward_modules(recipe: Recipe, model: PreTrainedModel) -> list[str] | None:
    """The modules that IA3 scales at their input; None leaves the choice to PEFT where it has one."""
    if recipe.feedforward_modules or model.config.model_type not in IA3_FEEDFORWARD:
        return list(recipe.feedforward_modules)
    return None


def is_linear(module: torch.nn.Module) -> bool:
    return isinstance(module, (torch.nn.Linear, Conv1D))


def is_norm(module: torch.nn.Module) -> bool:
    """Each architecture has a class of its own, and all are named LayerNorm, RMSNorm or alike."""
    return "norm" in type(module).__name__.lower() and any(True for _ in module.parameters(recurse=False))

"""Fields that many methods have, in the order to show them."""

from __future__ import annotations

COMMON = {
    "peft_type": "the PEFT method",
    "task_type": "the task, which decides the model's class",
    "base_model_name_or_path": "the base model it was trained on",
    "revision": "the base's revision it was trained on",
    "r": "the rank: the width that the change of a module goes through",
    "alpha": "the strength set at training, set against the rank",
    "scaling": "what the change is multiplied by",
    "target_modules": "where it sits in the base",
    "exclude_modules": "where it does not sit, although it is targeted",
    "layers_to_transform": "only in these layers",
    "layers_pattern": "what the list of layers is called in the base, for layers_to_transform",
    "rank_pattern": "other ranks for some modules",
    "alpha_pattern": "other alphas for some modules",
    "modules_to_save": "modules trained and saved whole",
    "bias": "which biases of the base were trained with it",
    "fan_in_fan_out": "the base stores its weights transposed, as GPT-2 does",
    "init_weights": "how it was started",
    "module_dropout": "share of the training steps in which a module is left unchanged",
    "projection_prng_key": "the seed that the fixed random matrices are made from",
    "save_projection": "whether the fixed matrices lie in the file, or are made again from the seed",
    "inference_mode": "whether PEFT froze it when it was saved",
    "auto_mapping": "the class of a base that PEFT has no task for, by module and name",
    "peft_version": "the PEFT that saved it",
}

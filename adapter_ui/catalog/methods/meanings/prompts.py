"""Methods that put learned tokens before the prompt, train tokens, or choose among other adapters."""

from __future__ import annotations

VIRTUAL_TOKENS = {
    "num_virtual_tokens": "learned tokens put before the prompt",
    "token_dim": "how wide each of them is",
    "num_layers": "how many layers the base has",
    "num_attention_heads": "how many attention heads the base has",
    "num_transformer_submodules": "how many parts of the base get tokens: 2 for an encoder with a decoder",
}
STARTED_FROM_TEXT = {
    "prompt_tuning_init": "what the tokens started from: a text, random tokens, or noise",
    "prompt_tuning_init_text": "the text that they started from",
    "tokenizer_name_or_path": "the tokenizer that cut this text into tokens",
    "tokenizer_kwargs": "how this tokenizer was loaded",
}

PROMPTS: dict[str, dict[str, str]] = {
    "ADAPTION_PROMPT": {
        "adapter_len": "learned tokens that attention sees in each layer",
        "adapter_layers": "how many of the last layers have them",
        "target_modules": "what the attention modules are called in the base",
    },
    "CARTRIDGE": {
        **VIRTUAL_TOKENS,
        "num_virtual_tokens": "learned keys and values put before the prompt, in every layer",
        "num_frozen_tokens": "how many of the first ones stayed as they were",
    },
    "CPT": {
        **VIRTUAL_TOKENS,
        "cpt_token_ids": "the tokens of the examples that are put before the prompt",
        "cpt_mask": "which of them count",
        "cpt_tokens_type_mask": "which of them are inputs, formats and labels",
        "opt_weighted_loss_type": "whether earlier examples counted less in training",
        "opt_loss_decay_factor": "how much less",
        "opt_projection_epsilon": "how far the inputs' embeddings may move",
        "opt_projection_format_epsilon": "how far the formats' embeddings may move",
        "tokenizer_name_or_path": "the tokenizer that cut the examples into tokens",
    },
    "MULTITASK_PROMPT_TUNING": {
        **VIRTUAL_TOKENS,
        **STARTED_FROM_TEXT,
        "num_tasks": "how many tasks it was trained on",
        "num_ranks": "the rank of what each task changes in the shared tokens",
        "prompt_tuning_init_state_dict_path": "the file with the tokens that it started from",
        "prompt_tuning_init_task": "which task in that file",
    },
    "PREFIX_TUNING": {
        **VIRTUAL_TOKENS,
        "num_virtual_tokens": "learned keys and values put before the prompt, in every layer",
        "prefix_projection": "they were trained through a small network, which the file leaves out",
        "encoder_hidden_size": "how wide that network was",
    },
    "PROMPT_TUNING": {**VIRTUAL_TOKENS, **STARTED_FROM_TEXT},
    "P_TUNING": {
        **VIRTUAL_TOKENS,
        "encoder_reparameterization_type": "the network that the tokens were trained through: MLP or LSTM",
        "encoder_hidden_size": "how wide that network was",
        "encoder_num_layers": "how many layers it had",
        "encoder_dropout": "share of its inputs dropped",
    },
    "TRAINABLE_TOKENS": {
        "token_indices": "the tokens whose embeddings were trained",
        "target_modules": "the embeddings that they belong to; the base's own when empty",
    },
    "XLORA": {
        "adapters": "the LoRAs that are mixed, each a folder or a repository",
        "hidden_size": "how wide the base's states are",
        "enable_softmax": "the shares of the LoRAs add up to 1",
        "enable_softmax_topk": "the shares of those chosen by top_k_lora add up to 1",
        "top_k_lora": "how many LoRAs count for a token; all when empty",
        "layerwise_scalings": "each layer has shares of its own",
        "softmax_temperature": "how evenly the shares are spread",
        "global_scaling_weight": "what all shares are multiplied by",
        "scaling_pass_value": "the share of each LoRA while the shares are computed",
        "use_trainable_adapters": "the LoRAs were trained too",
        "xlora_depth": "how many layers the network that chooses has",
        "xlora_size": "how wide that network is",
        "xlora_dropout_p": "share of its inputs dropped",
    },
}

"""The families of bases whose modules and heads are known, and how many parameters a new head has there.

Pure arithmetic. A test builds every family named here, for each task.
"""

from __future__ import annotations

ENCODERS = frozenset({"bert", "distilbert", "deberta", "deberta-v2", "albert", "ernie", "modernbert"})
ENCODERS_WITH_DENSE = frozenset({"roberta", "xlm-roberta", "camembert", "electra", "mpnet"})
# Beside the encoder, where BERT has its pooler within.
ENCODERS_WITH_POOLER = frozenset({"deberta", "deberta-v2"})
DECODERS = frozenset(
    {
        *("llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "phi", "phi3", "smollm3", "stablelm"),
        *("starcoder2", "gpt2", "gpt_neo", "gpt_neox", "opt", "bloom", "nemotron", "glm"),
    }
)
DECODERS_WITHOUT_HEADS = frozenset({"gptj", "codegen", "falcon", "gpt_bigcode", "cohere", "granite", "olmo2"})
ENCODERS_WITH_DECODERS = frozenset({"t5", "mt5", "bart", "mbart"})
QUESTION_OUTPUTS = 2
KNOWN_FAMILIES = ENCODERS | ENCODERS_WITH_DENSE | DECODERS
# Its head for questions goes by another name, which PEFT does not train.
WITHOUT_TRAINED_QUESTION_HEAD = frozenset({"modernbert"})


def head_parameters(task_type: str, model_type: str | None, hidden: int | None, labels: int) -> int | None:
    """None where it is not certain; `labels` is 0 when the classes are not known."""
    outputs = QUESTION_OUTPUTS if task_type == "QUESTION_ANS" else labels
    if model_type not in KNOWN_FAMILIES or not hidden or not outputs:
        return None
    if task_type == "QUESTION_ANS" and model_type in WITHOUT_TRAINED_QUESTION_HEAD:
        return None
    if task_type == "SEQ_CLS" and model_type in DECODERS:
        return hidden * outputs
    dense = task_type == "SEQ_CLS" and model_type in ENCODERS_WITH_DENSE | ENCODERS_WITH_POOLER
    return (hidden + 1) * outputs + (hidden * (hidden + 1) if dense else 0)

"""The heads of transformers' models for tasks: what they are called, and how many classes they have (pure).

Read from the source of every class that AutoModelForSequenceClassification, …TokenClassification and
…QuestionAnswering stand for; a test builds such models and saves their heads with PEFT.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

MOST_CLASSES = 100_000

SAVED_BY_PEFT: Mapping[str, tuple[str, ...]] = {
    "SEQ_CLS": ("classifier", "score"),
    "TOKEN_CLS": ("classifier", "score"),
    "QUESTION_ANS": ("qa_outputs",),
}
"""By task, the modules that PEFT saves unasked. Others are there where modules_to_save says so."""

OTHER_HEADS: Mapping[str, tuple[str, ...]] = {
    # BART and T5; XLNet; XLM and FlauBERT.
    "SEQ_CLS": ("classification_head", "logits_proj", "sequence_summary"),
    "TOKEN_CLS": (),
    # BigBird; ModernBERT.
    "QUESTION_ANS": ("qa_classifier", "classifier"),
}
LAST_LAYERS = ("out_proj", "linear_out", "qa_outputs", "summary")
"""Of a head of several layers, the one that answers: RoBERTa's and BART's, Funnel's, BigBird's, XLM's."""

HEADS = tuple(
    dict.fromkeys(name for names in (*SAVED_BY_PEFT.values(), *OTHER_HEADS.values()) for name in names)
)
POOLER = "pooler"
"""DeBERTa's, which reads for its classifier; BERT's is a part of its base."""
NEW_MODULES = (*HEADS, POOLER)
"""What a base for a task may have that its files have not: it stays as it is where the rest is quantised."""
ANSWERING = re.compile(rf"(?:.*\.)?({'|'.join(HEADS)})(?:\.(?:{'|'.join(LAST_LAYERS)}))?\.weight")


def heads_of(task_type: str) -> tuple[str, ...]:
    """The names that a head for the task may have; none for a task without one."""
    return SAVED_BY_PEFT.get(task_type, ()) + OTHER_HEADS.get(task_type, ())


def unsaved_heads(task_type: str) -> tuple[str, ...]:
    """The names of parts of a head that PEFT trains and saves only where modules_to_save says so: elsewhere
    they would be random, and other ones in each load.
    """
    return OTHER_HEADS.get(task_type, ()) + ((POOLER,) if task_type == "SEQ_CLS" else ())


def class_count(shapes: Mapping[str, Sequence[int]]) -> int:
    """The classes of the head among these tensors: the rows of its last matrix. 0 where there is none.

    What an adapter adds to a head (as lora_B) has other names, and is none.
    """
    found = {
        match[1]: shape[0]
        for name, shape in shapes.items()
        if len(shape) == 2 and (match := ANSWERING.fullmatch(name))
    }
    # XLNet has a summary as wide as its layers before the projection that answers.
    return next((found[name] for name in HEADS if name in found), 0)

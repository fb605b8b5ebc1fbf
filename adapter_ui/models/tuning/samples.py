"""What the model answers to a few prompts of the data, before and after training, so that the change is seen.

Greedy and short. Knows nothing of the Trainer.
"""

from __future__ import annotations

from collections.abc import Sequence

from adapter_ui.domain import ChatMessage, GenerationOptions
from adapter_ui.models.decoding.alone import generate
from adapter_ui.models.loading import LoadedModel
from adapter_ui.models.tuning.data import messages_of
from adapter_ui.training.examples import Examples
from adapter_ui.training.run_folder import RunFolder

SAMPLES = 2
SAMPLE_TOKENS = 48
SHOWN_CHARACTERS = 2_000


def sample_prompts(examples: Examples) -> list[tuple[tuple[ChatMessage, ...], str]]:
    """The first prompts of the data, different ones, each with the answer that the data expects."""
    found: dict[str, tuple[tuple[ChatMessage, ...], str]] = {}
    if examples.task_type not in ("CAUSAL_LM", "SEQ_2_SEQ_LM") or "text" in examples.rows[0]:
        return []
    for row in examples.rows:
        turns = messages_of(row)
        asked = tuple(ChatMessage(turn["role"], turn["content"]) for turn in turns[:-1])
        found.setdefault(asked[-1].content, (asked, turns[-1]["content"]))
        if len(found) == SAMPLES:
            break
    return list(found.values())


def write_samples(
    run: RunFolder,
    loaded: LoadedModel,
    prompts: Sequence[tuple[tuple[ChatMessage, ...], str]],
    when: str,
) -> None:
    """Answer the prompts with the model as it is and write the answers down; `when` is before or after."""
    side = loaded.tokenizer.padding_side
    loaded.model.eval()
    for asked, expected in prompts:
        answer = generate(
            loaded,
            asked,
            GenerationOptions(max_new_tokens=SAMPLE_TOKENS, temperature=0, seed=0),
            emit=lambda _: None,
            cancelled=lambda: run.stop_asked and when == "before",
        )
        run.append(
            "sample",
            when=when,
            prompt=asked[-1].content[:SHOWN_CHARACTERS],
            expected=expected[:SHOWN_CHARACTERS],
            text=answer.text,
        )
    loaded.tokenizer.padding_side = side

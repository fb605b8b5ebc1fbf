"""What the model answers to a few prompts of the data before, while and after it trains, to show the change.

Greedy and short, and bounded: a training of many epochs is asked after some of them. The random numbers that
the training draws stay what they would be without.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from adapter_ui.domain import ChatMessage, GenerationOptions
from adapter_ui.models.decoding.alone import generate
from adapter_ui.models.decoding.prompt import context_length
from adapter_ui.models.loading import LoadedModel
from adapter_ui.models.tuning.data import EncodedData, row_limit
from adapter_ui.models.tuning.wording import messages_of
from adapter_ui.training.examples import Examples
from adapter_ui.training.prompt_template import in_template
from adapter_ui.training.recipe import Recipe
from adapter_ui.training.run_folder import RunFolder

SAMPLES = 2
SAMPLE_TOKENS = 32
MOST_TIMES = 8
SHOWN_CHARACTERS = 2_000


@dataclass(frozen=True)
class SamplePrompt:
    """Turns that end with a question, and the answer in the data; or `raw`, the one text of the recipe's own
    template. `held_back` says that the model never learns from this prompt.
    """

    asked: tuple[ChatMessage, ...]
    expected: str
    raw: bool = False
    held_back: bool = False


Prompts = Sequence[SamplePrompt]


class SamplesAtEvaluations(TrainerCallback):
    """Asks the prompts at each evaluation but the last, after which the training answers once more anyhow."""

    def __init__(self, run: RunFolder, loaded: LoadedModel, prompts: Prompts) -> None:
        self.run, self.loaded, self.prompts = run, loaded, prompts

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        every = math.ceil(state.num_train_epochs / MOST_TIMES)
        due = round(state.epoch or 0) % every == 0 and state.global_step < state.max_steps
        if due and not self.run.stop_asked:
            write_samples(self.run, self.loaded, self.prompts, "during", state.global_step)


def prompts_of(examples: Examples, data: EncodedData, recipe: Recipe, loaded: LoadedModel) -> Prompts:
    """The prompts that a training asks: of rows that are neither cut nor refused by the base's template, and
    for whose answers the base has room.
    """
    longest = min(row_limit(recipe, loaded), context_length(loaded) - SAMPLE_TOKENS)
    short = [
        row
        for at, (row, length) in enumerate(zip(examples.rows, data.lengths, strict=True))
        if length <= longest and at not in data.refusals
    ]
    return sample_prompts(examples, short, recipe.prompt_template, data.sources)


def sample_prompts(
    examples: Examples,
    askable: Sequence[Mapping[str, Any]],
    template: str = "",
    held_back: Sequence[Mapping[str, Any]] = (),
) -> list[SamplePrompt]:
    """The first prompts of the `askable` rows, different ones, each with the answer that the data expects.
    Prompts that stand only in rows that are `held_back` come first: what is said to the others may be known
    by heart.
    """
    if examples.task_type not in ("CAUSAL_LM", "SEQ_2_SEQ_LM") or "text" in examples.rows[0]:
        return []
    kept = {id(row) for row in held_back}
    trained = {last_prompt(row) for row in examples.rows if id(row) not in kept}
    unseen = [row for row in askable if id(row) in kept and last_prompt(row) not in trained]
    found: dict[str, SamplePrompt] = {}
    for rows, is_unseen in ((unseen, True), (askable, False)):
        for row in rows:
            if len(found) == SAMPLES:
                break
            prompt = sample_prompt(row, template, held_back=is_unseen)
            found.setdefault(prompt.asked[-1].content, prompt)
    return list(found.values())


def last_prompt(row: Mapping[str, Any]) -> str:
    return messages_of(row)[-2]["content"]


def sample_prompt(row: Mapping[str, Any], template: str, *, held_back: bool) -> SamplePrompt:
    turns = messages_of(row)
    asked = tuple(ChatMessage(turn["role"], turn["content"]) for turn in turns[:-1])
    if template:
        text, answers = in_template(turns, template)
        asked = (ChatMessage("user", text[: answers[-1][0]]),)
    return SamplePrompt(asked, turns[-1]["content"], bool(template), held_back)


def write_samples(run: RunFolder, loaded: LoadedModel, prompts: Prompts, when: str, step: int) -> None:
    """Answer the prompts with the model as it is and write the answers down; `when` is before, during or
    after the training.
    """
    side = loaded.tokenizer.padding_side
    loaded.model.eval()
    for prompt in prompts:
        with torch.random.fork_rng():
            answer = generate(
                loaded,
                prompt.asked,
                GenerationOptions(max_new_tokens=SAMPLE_TOKENS, temperature=0, seed=0, raw=prompt.raw),
                emit=lambda _: None,
                cancelled=lambda: run.stop_asked and when != "after",
            )
        if run.stop_asked and when != "after":
            break  # the answer may have been cut short, and is asked for again when the run goes on
        run.append(
            "sample",
            when=when,
            step=step,
            prompt=prompt.asked[-1].content[:SHOWN_CHARACTERS],
            expected=prompt.expected[:SHOWN_CHARACTERS],
            text=answer.text,
            held_back=prompt.held_back,
        )
    loaded.tokenizer.padding_side = side

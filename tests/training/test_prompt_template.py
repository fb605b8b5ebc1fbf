"""Templates of a person's own, and how much of a row is learned: in training, preview and exported script."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    DataCollatorForSeq2Seq,
    PreTrainedTokenizerFast,
    Trainer,
    TrainingArguments,
    set_seed,
)

from adapter_ui.errors import InvalidRecipe
from adapter_ui.models.tuning.data import IGNORED, encode_row
from adapter_ui.models.tuning.samples import sample_prompts
from adapter_ui.training.measuring import measure
from adapter_ui.training.prompt_template import Wording, in_template
from adapter_ui.training.recipe import Recipe
from adapter_ui.training.run_folder import PreparedBase
from adapter_ui.training.run_status import read_status
from adapter_ui.training.scripts.script import training_script
from tests.training.conftest import BASE_ID, pirate_rows, recipe
from tests.training.test_training import trained

LETTER = "Dear ship, {prompt}\nReply: {completion}\nThe end."
PAIR = {"prompt": "What is {completion}?", "completion": "Arrr, {prompt} it be!"}
CHAT = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "a?"},
        {"role": "assistant", "content": "A!"},
        {"role": "user", "content": "b?"},
        {"role": "assistant", "content": "B!"},
    ]
}
WHOLE = {"text": "Hoist the sails"}


@pytest.fixture
def tokenizer(tiny_models: Path) -> PreTrainedTokenizerFast:
    return AutoTokenizer.from_pretrained(tiny_models / "llama")


def learned(tokenizer: PreTrainedTokenizerFast, row: dict[str, Any], wording: Wording) -> str:
    labels = encode_row(row, {}, tokenizer, 512, wording)[0]["labels"]
    return tokenizer.decode([label for label in labels if label != IGNORED])


@pytest.mark.parametrize(
    ("template", "sentence"),
    [
        ("Q: A: {completion}", "no {prompt}"),
        ("Q: {prompt} A:", "must have {completion}"),
        ("{completion} {prompt}", "as the last one"),
        ("{prompt} {prompt} {completion}", "{prompt} twice"),
        ("{prompt} {answer} {completion}", "{answer}, and a row has {system} and {prompt} and {completion}"),
        ("{prompt}\x00{completion}", "control character"),
        ("{prompt}{completion}" + "x" * 4000, "at most 4000 characters"),
    ],
)
def test_a_template_that_cannot_be_filled_in_says_what_is_wrong(template: str, sentence: str) -> None:
    with pytest.raises(InvalidRecipe) as caught:
        recipe(prompt_template=template)
    assert sentence in caught.value.message
    assert caught.value.field == "prompt_template"


@pytest.mark.parametrize("fields", [{"prompt_template": LETTER}, {"completion_only_loss": False}])
def test_other_tasks_have_neither(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidRecipe, match=f"{next(iter(fields))} is for CAUSAL_LM") as caught:
        recipe(task_type="SEQ_CLS", **fields)
    assert caught.value.field in fields


def test_braces_that_are_no_place_and_a_rows_own_places_stay_text() -> None:
    turns = [{"role": "user", "content": "{completion} {0}"}, {"role": "assistant", "content": "{prompt}"}]
    text, spans = in_template(turns, '{"a": {1}, "b": "{prompt}"} %s {{completion}}')
    assert text == '{"a": {1}, "b": "{completion} {0}"} %s {{prompt}}'
    assert [text[begin:end] for begin, end in spans] == ["{prompt}}"]


def test_a_template_frames_each_exchange_and_a_system_text_has_its_place_or_stands_in_front() -> None:
    text, spans = in_template(CHAT["messages"], "Q: {prompt}\nA: {completion}")
    assert text == "Be brief.\n\nQ: a?\nA: A!\n\nQ: b?\nA: B!"
    assert [text[begin:end] for begin, end in spans] == [" A!", " B!"]
    text, _ = in_template(CHAT["messages"], "[{system}] {prompt} -> {completion}.")
    assert text == "[Be brief.] a? -> A!.\n\n[] b? -> B!."


def test_what_follows_the_prompt_is_learned_with_its_blank_and_its_end(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    row, _ = encode_row(PAIR, {}, tokenizer, 512, Wording(LETTER))
    whole = "<s>Dear ship, What is {completion}?\nReply: Arrr, {prompt} it be!\nThe end.</s>"
    assert tokenizer.decode(row["input_ids"]).replace("<s>", "", 1) == whole.replace("<s>", "", 1)
    assert learned(tokenizer, PAIR, Wording(LETTER)) == " Arrr, {prompt} it be!\nThe end.</s>"


def test_without_a_chat_template_every_answer_of_a_conversation_is_learned(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    tokenizer.chat_template = None
    assert learned(tokenizer, CHAT, Wording()) == "\n\nA!\n\nB!</s>"


@pytest.mark.parametrize("templated", [True, False], ids=["chat template", "no chat template"])
@pytest.mark.parametrize("template", ["", LETTER])
@pytest.mark.parametrize("row", [PAIR, CHAT, WHOLE], ids=["pair", "chat", "text"])
def test_everything_is_learned_where_the_recipe_says_so_and_the_script_does_the_same(
    row: dict[str, Any], template: str, templated: bool, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    tokenizer.chat_template = tokenizer.chat_template if templated else None
    for answers_only in (True, False):
        settings = recipe(prompt_template=template, completion_only_loss=answers_only)
        encoded, _ = encode_row(row, {}, tokenizer, 512, Wording.of(settings))
        everything = encoded["labels"][1:] == encoded["input_ids"][1:]
        assert everything is (not answers_only or row is WHOLE)
        script: dict[str, Any] = {"__name__": "script"}
        exec(training_script(settings, PreparedBase(tmp_path, BASE_ID), ()), script)
        assert script["encode"](row, tokenizer, 512) == [encoded]


def test_the_check_counts_and_shows_what_the_recipe_says(tiny_models: Path) -> None:
    base = PreparedBase(tiny_models / "llama", BASE_ID)
    rows = pirate_rows()

    def shown(**fields: Any) -> tuple[str, str]:
        first = measure(recipe(**fields), rows, base).preview[0]
        return "".join(token.text for token in first.tokens), "".join(
            token.text for token in first.tokens if token.learned
        )

    assert shown(prompt_template=LETTER)[1] == " Arrr! 0 be the sea.\nThe end.</s>"
    text, taught = shown(completion_only_loss=False)
    assert text.endswith(taught) and "What is 0?" in taught
    longer = measure(recipe(prompt_template=LETTER + "x" * 50), rows, base).tokens
    assert longer - measure(recipe(prompt_template=LETTER), rows, base).tokens == 50 * len(rows.rows)


def test_samples_are_asked_in_the_template() -> None:
    first = sample_prompts(pirate_rows(), pirate_rows().rows, LETTER)[0]
    assert (first.asked[0].content, first.raw) == ("Dear ship, What is 0?\nReply:", True)


@pytest.mark.parametrize("template", ["", LETTER])
def test_losses_are_those_of_a_plain_trainer_that_learns_every_token(
    template: str, tiny_models: Path, tmp_path: Path
) -> None:
    base = PreparedBase(tiny_models / "llama", BASE_ID)
    settings = recipe(completion_only_loss=False, prompt_template=template, target_modules=["q_proj"])
    run = trained(tmp_path / "run", settings, pirate_rows(), base)
    losses = [row["loss"] for row in read_status(run).history if "loss" in row]
    assert losses == pytest.approx(
        plain_losses(settings, base.folder, tmp_path / "plain"), rel=1e-6, abs=1e-6
    )


def plain_losses(settings: Recipe, folder: Path, output: Path) -> list[float]:
    """As one writes it by hand."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    rows = []
    for row in pirate_rows().rows:
        if settings.prompt_template:
            text = f"Dear ship, {row['prompt']}\nReply: {row['completion']}\nThe end.</s>"
            ids = tokenizer(text)["input_ids"]
        else:
            turns = [("user", row["prompt"]), ("assistant", row["completion"])]
            messages = [{"role": role, "content": content} for role, content in turns]
            ids = tokenizer.apply_chat_template(messages, return_dict=True)["input_ids"]
        rows.append({"input_ids": ids, "attention_mask": [1] * len(ids), "labels": list(ids)})
    set_seed(settings.seed)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    config = LoraConfig(r=settings.r, lora_alpha=16, target_modules=["q_proj"], task_type="CAUSAL_LM")
    arguments = TrainingArguments(
        output_dir=str(output),
        learning_rate=settings.learning_rate,
        max_steps=settings.max_steps,
        per_device_train_batch_size=2,
        warmup_steps=settings.warmup_ratio,
        lr_scheduler_type="linear",
        seed=settings.seed,
        logging_steps=1,
        report_to="none",
        save_strategy="no",
        use_cpu=True,
    )
    trainer = Trainer(
        get_peft_model(model, config), arguments, DataCollatorForSeq2Seq(tokenizer), train_dataset=rows
    )
    trainer.train()
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]

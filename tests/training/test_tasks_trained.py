"""Questions on texts and text to text: windows and pairs of tokens, a tiny base that learns them, metrics."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, PreTrainedTokenizerFast

from adapter_ui.domain import Precision, RunState
from adapter_ui.errors import InvalidRecipe
from adapter_ui.models.adapters import attach
from adapter_ui.models.heads import labels_of
from adapter_ui.models.loading import load_base
from adapter_ui.models.tasks import predict
from adapter_ui.models.train import trainer_for
from adapter_ui.models.tuning.data import IGNORED, encode_example, encode_examples, in_one_line, row_limit
from adapter_ui.models.tuning.events import RunCallback
from adapter_ui.models.tuning.model import load_trainable
from adapter_ui.models.tuning.windows import NOT_HERE, encode_question
from adapter_ui.models.windows import likeliest_span
from adapter_ui.training.data import read_table
from adapter_ui.training.examples import Examples, to_examples
from adapter_ui.training.measuring import measure
from adapter_ui.training.recipe import Recipe
from adapter_ui.training.run_folder import PreparedBase, RunFolder
from adapter_ui.training.run_status import read_status
from tests.training.conftest import BASE_ID, recipe
from tests.training.test_training import reviews, trained
from tests.training.tiny_t5 import T5_ID, build_t5

BERT_ID = "tiny-org/tiny-bert"


@pytest.fixture(scope="module")
def t5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_t5(tmp_path_factory.mktemp("t5"))


@pytest.fixture
def tokenizer(tiny_models: Path) -> PreTrainedTokenizerFast:
    return AutoTokenizer.from_pretrained(tiny_models / "bert")


def ships(names: Sequence[str] = ("Anne", "Jack", "Mary", "Bart")) -> Examples:
    rows = [{"question": "Who?", "context": f"Ahoy, {name} is here.", "answer": name} for name in names * 4]
    return to_examples(read_table(json.dumps(rows)), {}, "QUESTION_ANS")


def orders() -> Examples:
    rows = [{"input": f"row {number}", "target": "the fox jumps"} for number in range(8)]
    return to_examples(read_table(json.dumps(rows)), {}, "SEQ_2_SEQ_LM")


def row_of(context: str, answer: str, question: str = "Who?") -> dict[str, Any]:
    start = context.index(answer)
    return {"question": question, "context": context, "answers": [answer], "answer_start": start}


def test_an_answer_becomes_the_tokens_that_touch_it(tokenizer: PreTrainedTokenizerFast) -> None:
    row = row_of("Ahoy, Anne is here.", "nne i")
    ((window, places),), length = encode_question(row, tokenizer, 512)
    assert length == len(window["input_ids"]) == len(places)
    ids = window["input_ids"][window["start_positions"] : window["end_positions"] + 1]
    assert "nne i" in tokenizer.decode(ids)
    assert places[0] is None
    assert in_one_line(window, "QUESTION_ANS")[1].count(IGNORED) == length - len(ids)


def test_a_long_context_is_read_in_windows_that_overlap(tokenizer: PreTrainedTokenizerFast) -> None:
    row = row_of("The fox jumps over the dog. " * 20 + "Anne sails.", "Anne")
    windows, length = encode_question(row, tokenizer, 64)
    assert length > 64
    assert all(len(window["input_ids"]) <= 64 for window, _ in windows)
    covered = [{place for place in places if place} for _, places in windows]
    assert all(one & other for one, other in pairwise(covered))
    assert {at for places in covered for begin, end in places for at in range(begin, end)} == set(
        range(len(row["context"]))
    )
    found = [window for window, _ in windows if window["end_positions"] != NOT_HERE]
    assert found
    assert len(found) < len(windows)
    for window in found:
        ids = window["input_ids"][window["start_positions"] : window["end_positions"] + 1]
        assert tokenizer.decode(ids).strip() == "Anne"


def test_a_question_without_room_for_its_context_is_unlearnable(tokenizer: PreTrainedTokenizerFast) -> None:
    rows = [*ships().rows, row_of("Ahoy, Anne is here.", "Anne", question="Who " * 60)]
    data = encode_examples(
        Examples("QUESTION_ANS", {}, tuple(rows)), (), tokenizer, recipe(task_type="QUESTION_ANS"), 40
    )
    assert (data.unlearnable, data.cut, data.learned) == (1, 0, 16)


def test_windows_of_one_question_stay_on_one_side_of_the_split(tokenizer: PreTrainedTokenizerFast) -> None:
    rows = tuple(row_of(f"{'The fox jumps. ' * 30}Anne {number}", "Anne") for number in range(8))
    settings = recipe(task_type="QUESTION_ANS", validation_fraction=0.25)
    data = encode_examples(Examples("QUESTION_ANS", {}, rows), (), tokenizer, settings, 64)
    assert (data.held_back, data.learned) == (2, 6)
    assert len(data.validation) == len(data.sources) == len(data.places) > 2
    assert len(data.training) > 6


def test_the_likeliest_span_lies_in_the_context_and_runs_forward() -> None:
    places = [None, (0, 4), (5, 9), (10, 14)]
    logits = torch.tensor([[9.0, 9.0], [1.0, 3.0], [2.0, 0.0], [4.0, 1.0]]).numpy()
    # from the last token to the first would be 4 + 3, but an answer does not run backwards
    assert likeliest_span(logits, places) == (5.0, 10, 14)


def test_prompt_and_answer_are_a_pair_for_encoder_and_decoder(t5: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(t5)
    row = {"prompt": "The fox", "completion": "jumps over"}
    encoded = encode_example(row, "SEQ_2_SEQ_LM", {}, tokenizer, 512).rows[0]
    assert tokenizer.decode(encoded["input_ids"]) == "The fox"
    assert tokenizer.decode(encoded["labels"]) == "jumps over</s>"
    cut = encode_example(row, "SEQ_2_SEQ_LM", {}, tokenizer, 2)
    assert (len(cut.rows[0]["input_ids"]), len(cut.rows[0]["labels"])) == (2, 2)
    assert cut.length == max(len(encoded["input_ids"]), len(encoded["labels"]))


@pytest.fixture(scope="module")
def answering(tmp_path_factory: pytest.TempPathFactory, tiny_models: Path) -> RunFolder:
    settings = recipe(
        task_type="QUESTION_ANS",
        max_steps=60,
        learning_rate=0.02,
        validation_fraction=0.25,
        target_modules="all-linear",
        per_device_train_batch_size=4,
    )
    base = PreparedBase(tiny_models / "bert", BERT_ID)
    return trained(tmp_path_factory.mktemp("answering"), settings, ships(), base)


def test_questions_are_answered_and_measured_before_and_after(answering: RunFolder) -> None:
    status = read_status(answering)
    assert status.state is RunState.DONE
    assert status.metrics_before["exact_match"] < 0.5
    assert status.metrics_after["exact_match"] == status.metrics_after["token_f1"] == 1.0
    assert status.history[-1]["eval_exact_match"] == 1.0
    card = (answering.adapter / "README.md").read_text()
    assert "pipeline_tag: question-answering" in card
    assert "(4 more held back)" in card
    assert "| exact match | 0 | 1 |" in card


def test_the_saved_adapter_answers_as_the_page_asks_it(answering: RunFolder, tiny_models: Path) -> None:
    labels = labels_of(answering.adapter, tiny_models / "bert")
    loaded = load_base(tiny_models / "bert", Precision.FP32, "AutoModelForQuestionAnswering", labels=labels)
    loaded.model, _ = attach(loaded.model, answering.adapter, "tuned")
    assert predict(loaded, "QUESTION_ANS", "Who?", "Ahoy, Mary is here.").answer.strip() == "Mary"


def test_text_becomes_text_and_is_measured_by_what_is_written(tmp_path: Path, t5: Path) -> None:
    settings = recipe(
        task_type="SEQ_2_SEQ_LM",
        max_steps=60,
        learning_rate=0.02,
        validation_fraction=0.25,
        target_modules="all-linear",
    )
    run = trained(tmp_path, settings, orders(), PreparedBase(t5, T5_ID))
    status = read_status(run)
    assert status.metrics_before["rouge_l"] < 0.2
    assert status.metrics_after["rouge_l"] > 0.9
    assert [sample.after for sample in status.samples] == ["the fox jumps"] * 2
    assert "| ROUGE-L | 0 | 1 |" in (run.adapter / "README.md").read_text()
    model = PeftModel.from_pretrained(AutoModelForSeq2SeqLM.from_pretrained(t5), run.adapter).eval()
    tokenizer = AutoTokenizer.from_pretrained(t5)
    written = model.generate(**tokenizer("row 3", return_tensors="pt"), max_new_tokens=8)
    assert tokenizer.decode(written[0], skip_special_tokens=True) == "the fox jumps"


def test_perplexity_is_that_of_the_learned_tokens(tmp_path: Path, tiny_models: Path) -> None:
    rows = [{"prompt": "a", "completion": "Arrr! " * (number + 1)} for number in range(8)]
    examples = to_examples(read_table(json.dumps(rows)), {}, "CAUSAL_LM")
    settings = recipe(validation_fraction=0.5, per_device_train_batch_size=1)
    one_by_one = read_status(
        trained(tmp_path / "one", settings, examples, PreparedBase(tiny_models / "llama", BASE_ID))
    ).metrics_before
    padded = settings.model_copy(update={"per_device_train_batch_size": 4})
    together = read_status(
        trained(tmp_path / "four", padded, examples, PreparedBase(tiny_models / "llama", BASE_ID))
    ).metrics_before
    assert together["perplexity"] == pytest.approx(one_by_one["perplexity"], rel=1e-5)
    assert together["perplexity"] == pytest.approx(torch.tensor(together["loss"]).exp().item(), rel=1e-4)


def test_virtual_tokens_do_not_shift_the_perplexity(tmp_path: Path, tiny_models: Path) -> None:
    """With a batch of one row its loss is the mean over its learned tokens."""
    rows = [{"prompt": "a", "completion": "Arrr!"}] * 4
    examples = to_examples(read_table(json.dumps(rows)), {}, "CAUSAL_LM")
    settings = recipe(method="PROMPT_TUNING", num_virtual_tokens=5, validation_fraction=0.5)
    run = trained(tmp_path, settings, examples, PreparedBase(tiny_models / "llama", BASE_ID))
    for found in (read_status(run).metrics_before, read_status(run).metrics_after):
        assert found["perplexity"] == pytest.approx(torch.tensor(found["loss"]).exp().item(), rel=1e-4)


def test_classes_are_measured_beside_their_majority(tmp_path: Path, tiny_models: Path) -> None:
    settings = recipe(task_type="SEQ_CLS", max_steps=2, validation_fraction=0.25)
    run = trained(tmp_path, settings, reviews(), PreparedBase(tiny_models / "bert", BERT_ID))
    status = read_status(run)
    assert status.metrics_before.keys() == {"loss", "accuracy", "macro_f1", "majority_accuracy"}
    assert status.metrics_after.keys() == {"loss", "accuracy", "macro_f1"}


def test_measuring_before_changes_no_loss(tmp_path: Path, tiny_models: Path) -> None:
    """Dropout draws random numbers, which a measurement before the training must not use up."""
    base = PreparedBase(tiny_models / "bert", BERT_ID)
    settings = recipe(task_type="SEQ_CLS", lora_dropout=0.3, validation_fraction=0.25)
    run = trained(tmp_path / "measured", settings, reviews(), base)
    resumed = RunFolder(tmp_path / "unmeasured" / "run")
    resumed.path.mkdir(parents=True)
    losses = [row["loss"] for row in read_status(run).history]
    assert losses == pytest.approx(unmeasured_losses(base, settings, resumed), rel=1e-6, abs=1e-6)


def unmeasured_losses(base: PreparedBase, settings: Recipe, run: RunFolder) -> list[float]:
    live = load_trainable(settings, base, ("calm", "wild"))
    data = encode_examples(reviews(), ("calm", "wild"), live.tokenizer, settings, row_limit(settings, live))
    trainer = trainer_for(run, settings, live, data, RunCallback(run))
    trainer.train()
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def test_a_base_of_another_kind_is_refused_before_and_at_the_start(tmp_path: Path, tiny_models: Path) -> None:
    base = PreparedBase(tiny_models / "llama", BASE_ID)
    with pytest.raises(InvalidRecipe, match="an encoder with a decoder, such as T5") as caught:
        measure(recipe(task_type="SEQ_2_SEQ_LM"), orders(), base)
    assert caught.value.field == "base_model"
    with pytest.raises(InvalidRecipe, match="such as T5"):
        trained(tmp_path, recipe(task_type="SEQ_2_SEQ_LM"), orders(), base)


def test_the_check_counts_windows_and_pairs(tiny_models: Path, t5: Path) -> None:
    rows = tuple(row_of(f"{'The fox jumps. ' * 30}Anne {number}", "Anne") for number in range(4))
    settings = recipe(task_type="QUESTION_ANS", max_length=64)
    figures = measure(
        settings, Examples("QUESTION_ANS", {}, rows), PreparedBase(tiny_models / "bert", BERT_ID)
    )
    assert figures.training_rows is not None
    assert figures.training_rows > 4
    assert figures.cut == 0
    pairs = measure(recipe(task_type="SEQ_2_SEQ_LM"), orders(), PreparedBase(t5, T5_ID))
    assert pairs.training_rows == 8
    assert [token.text for token in pairs.preview[0].tokens if token.learned][-1] == "</s>"


@pytest.mark.parametrize("task", ["TOKEN_CLS", "QUESTION_ANS"])
def test_all_linear_leaves_a_head_out_that_is_trained_whole(task: str, tiny_models: Path) -> None:
    settings = recipe(task_type=task, target_modules="all-linear")
    labels = ("O", "PER") if task == "TOKEN_CLS" else ()
    model = load_trainable(settings, PreparedBase(tiny_models / "bert", BERT_ID), labels).model
    adapted = {name for name, _ in model.named_parameters() if "lora_A" in name}
    assert len(adapted) == 12
    assert not [name for name in adapted if "classifier" in name or "qa_outputs" in name]


def test_tags_that_are_numbers_are_measured_by_their_share(tiny_models: Path, tmp_path: Path) -> None:
    """Entity F1 would take each word of the commonest number for an entity."""
    rows = [{"tokens": ["Ahoy", name, "!"], "tags": [0, 3, 0]} for name in ("Anne", "Jack", "Bart", "Mary")]
    examples = to_examples(read_table(json.dumps(rows)), {}, "TOKEN_CLS")
    settings = recipe(task_type="TOKEN_CLS", validation_fraction=0.25, max_steps=2)
    base = PreparedBase(tiny_models / "bert", "tiny-org/tiny-bert")
    after = read_status(trained(tmp_path, settings, examples, base)).metrics_after
    assert after.keys() == {"loss", "accuracy"}
    assert round(after["accuracy"] * 3) == pytest.approx(after["accuracy"] * 3)

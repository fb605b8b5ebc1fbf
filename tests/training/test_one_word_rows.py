"""A word that stands alone is learned where its tokenizer puts nothing before it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers.processors import TemplateProcessing
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from adapter_ui.errors import InvalidRecipe
from adapter_ui.models.tuning.data import encode_examples
from adapter_ui.training.data import read_table
from adapter_ui.training.examples import Examples, to_examples
from adapter_ui.training.run_folder import PreparedBase
from adapter_ui.training.scripts.script import training_script
from tests.training.conftest import BASE_ID, recipe


@pytest.fixture
def tokenizer(tiny_models: Path) -> PreTrainedTokenizerFast:
    """One that adds no special tokens."""
    found = AutoTokenizer.from_pretrained(tiny_models / "llama")
    found.backend_tokenizer.post_processor = TemplateProcessing(single="$A", pair="$A $B", special_tokens=[])
    return found


def words() -> Examples:
    rows = [{"tokens": [word], "tags": [tag]} for word, tag in (("a", "O"), ("b", "B-P")) * 2]
    return to_examples(read_table(json.dumps(rows)), {}, "TOKEN_CLS")


def test_one_word_rows_are_learned(tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    settings = recipe(task_type="TOKEN_CLS")
    data = encode_examples(words(), words().labels, tokenizer, settings, 512)
    assert (len(data.training), data.unlearnable) == (4, 0)
    assert [len(row["labels"]) for row in data.training] == [1] * 4
    script: dict[str, Any] = {"__name__": "script", "__file__": str(tmp_path / "train.py")}
    (tmp_path / "data.jsonl").write_text("\n".join(map(json.dumps, words().rows)), encoding="utf-8")
    exec(training_script(settings, PreparedBase(tmp_path, BASE_ID), words().labels), script)
    rows, _ = script["read_rows"](tokenizer, 512)
    assert rows == data.training


def test_a_text_of_one_token_has_nothing_to_foretell_it_from(tokenizer: PreTrainedTokenizerFast) -> None:
    tokenizer.eos_token = None
    examples = Examples("CAUSAL_LM", {"text": "text"}, ({"text": "a"}, {"text": "b"}))
    with pytest.raises(InvalidRecipe, match="Only 0 rows"):
        encode_examples(examples, (), tokenizer, recipe(), 512)

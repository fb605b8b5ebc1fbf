"""What an adapter's card says: all of the run but its rows, and what strangers wrote as text only."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml
from markdown_it import MarkdownIt

from adapter_ui.domain import Precision
from adapter_ui.training.card import TrainingFacts, adapter_card, code, fingerprint, merged_card
from adapter_ui.training.merge_folder import MergeJob, MergeReport
from adapter_ui.training.methods import METHODS
from adapter_ui.training.run_folder import PreparedBase
from adapter_ui.training.scripts.script import training_script
from tests.training.conftest import BASE_ID, pirate_rows, recipe

STRANGER = "---\nlicense: mit\n`</code><img src=x onerror=alert(1)> ![x](http://x.org/y.png) | **b** \u202e"
BASE = PreparedBase(Path("/somewhere/secret"), BASE_ID, revision="0" * 40, license="apache-2.0")
ROWS = pirate_rows().rows
HISTORY = [{"step": step, "loss": 3.0 / step, "learning_rate": 1e-3} for step in range(1, 101)]


def test_no_invisible_character_ends_a_code_span() -> None:
    assert code("`\u200b`<b>x") == "``` ``<b>x ```"


def facts(**changes: Any) -> TrainingFacts:
    usual = {
        "rows": 6,
        "validation_rows": 2,
        "step": 100,
        "total_steps": 100,
        "measured": {"loss": 0.03},
        "before": {"loss": 3.5, "accuracy": 0.25},
        "after": {"loss": 0.1, "accuracy": 0.75},
    }
    return TrainingFacts(**{**usual, **changes})


def card(
    name: str = "Pirates", labels: tuple[str, ...] = (), base: PreparedBase = BASE, **changes: Any
) -> tuple[Mapping[str, Any], str]:
    """The front matter as YAML reads it, and the text below."""
    text = adapter_card(recipe(name=name), base, labels, ROWS, facts(**changes), HISTORY)
    _, front, body = text.split("---\n", 2)
    return yaml.safe_load(front), body


def elements(markdown: str) -> set[str]:
    """What Markdown makes of a text, raw HTML included."""
    pending, found = MarkdownIt("commonmark").enable("table").parse(markdown), set()
    while pending:
        token = pending.pop()
        found.add(token.type)
        pending += token.children or []
    return found


def test_the_front_matter_files_the_adapter_under_its_base_and_licence() -> None:
    front, _ = card()
    assert front == {
        "library_name": "peft",
        "base_model": BASE_ID,
        "pipeline_tag": "text-generation",
        "license": "apache-2.0",
        "tags": [f"base_model:adapter:{BASE_ID}", "lora", "adapter-ui"],
    }


def test_the_text_tells_the_run_and_not_its_rows() -> None:
    _, body = card()
    assert f"`{BASE_ID}` at revision `{'0' * 40}`" in body
    assert "on 6 rows (2 more held back) for 100 steps." in body
    assert "| accuracy | 0.25 | 0.75 |" in body
    assert '"learning_rate": 0.01' in body
    assert f"8 rows, SHA-256 `{fingerprint(ROWS)}`" in body
    assert "Arrr" not in body and "/somewhere" not in body
    for library in ("peft ", "transformers ", "torch "):
        assert library in body


def test_how_prompts_must_be_written_is_told_where_a_template_was_taken() -> None:
    assert "## Prompts" not in card()[1]
    own = recipe(prompt_template="``` Q: {prompt}\nA: {completion}!")
    body = adapter_card(own, BASE, (), ROWS, facts(), HISTORY)
    part = body.partition("## Prompts\n")[2].partition("##")[0]
    assert "chat template was not used" in part
    assert "````text\n``` Q: {prompt}\nA:\n````" in part


def test_a_metric_of_some_rows_only_says_so() -> None:
    assert "of the first 32 of these rows at most" in card(before={"rouge_l": 0.1}, after={"rouge_l": 0.6})[1]
    assert "ROUGE-L" not in card()[1]


def test_the_libraries_at_work_are_named_with_their_versions() -> None:
    assert f"accelerate {version('accelerate')}" in card()[1]
    assert "bitsandbytes" not in card()[1]
    quantized = adapter_card(recipe(precision="nf4"), BASE, (), ROWS, facts(), HISTORY)
    assert f"bitsandbytes {version('bitsandbytes')}" in quantized


def recipe_in(body: str) -> dict[str, Any]:
    return json.loads(body.partition("## Recipe\n")[2].partition("```json")[2].partition("```")[0])


def test_an_adapter_trained_further_names_where_it_began_and_no_sizes_that_are_not_its_own() -> None:
    begun = recipe(r=4, learning_rate=0.01)
    onward = recipe(adapter="acme/pirate", learning_rate=0.01)  # its r is the method's default
    bodies = [adapter_card(one, BASE, (), ROWS, facts(), HISTORY) for one in (begun, onward)]
    first, further = map(recipe_in, bodies)
    assert first["r"] == 4
    assert first["target_modules"] == []
    assert "trained further" not in bodies[0]
    assert "was trained further from `acme/pirate` on 6 rows" in bodies[1]
    assert not METHODS["LORA"].defaults.keys() & further.keys()
    assert first.keys() - further.keys() == METHODS["LORA"].defaults.keys()
    assert (further["learning_rate"], further["adapter"]) == (0.01, "acme/pirate")


def test_the_curve_has_at_most_twenty_rows_with_both_ends() -> None:
    table = card()[1].partition("## Curve\n")[2].partition("##")[0].strip().splitlines()
    steps = [int(line.split("|")[1]) for line in table[2:]]
    assert len(steps) == 20
    assert (steps[0], steps[-1]) == (1, 100)
    assert steps == sorted(set(steps))


def test_a_fingerprint_is_of_canonical_json() -> None:
    expected = hashlib.sha256('{"a":"é","b":1}\n{"a":2}\n'.encode()).hexdigest()
    assert fingerprint([{"b": 1, "a": "é"}, {"a": 2}]) == expected
    assert fingerprint([{"a": 2}, {"b": 1, "a": "é"}]) != expected


def test_a_stopped_run_and_a_kept_checkpoint_say_so() -> None:
    assert "for 40 steps of 100: the run was stopped." in card(step=40)[1]
    kept = card(step=40, rows=None, validation_rows=None)[1]
    assert "for 40 steps of 100: the run broke off, and this is its last whole checkpoint." in kept


def test_strangers_texts_stay_texts() -> None:
    plain = elements(card("Pirates", ("calm", "wild"))[1])
    base = PreparedBase(BASE.folder, BASE_ID, revision=STRANGER, license=STRANGER)
    front, body = card(STRANGER[:90], (STRANGER, "wild"), base)
    assert elements(body) == plain
    assert "license" not in front
    assert "\u202e" not in body.partition("## Recipe")[0]


def test_a_name_cannot_end_the_front_matter() -> None:
    base = PreparedBase(BASE.folder, "a/b\n---\nlicense: mit")
    text = adapter_card(recipe(), base, (), ROWS, facts(), HISTORY)
    front = next(yaml.safe_load_all(text.partition("---\n\n#")[0]))
    assert front["base_model"] == "a/b\n---\nlicense: mit"
    assert "license" not in front


def test_weights_that_are_not_the_hubs_are_told_in_every_card_and_script() -> None:
    base = PreparedBase(BASE.folder, BASE_ID, rounded="rounded to 4 bits")
    line = "- weights of the base: rounded to 4 bits; those on the Hub are not"
    assert line in adapter_card(recipe(), base, (), ROWS, facts(), HISTORY)
    assert line not in adapter_card(recipe(), BASE, (), ROWS, facts(), HISTORY)
    job = MergeJob(
        *(STRANGER, "/a", "f" * 64, BASE_ID, "/b", None, "mit", "AutoModelForCausalLM", None),
        precision=Precision.BF16,
        rounded=base.rounded,
    )
    assert line in merged_card(MergeReport(job, 0.0, 0.08))
    assert "had its weights rounded to 4 bits;" in training_script(recipe(), base, ())
    assert "weights rounded" not in training_script(recipe(), BASE, ())


def test_a_merged_model_tells_its_difference() -> None:
    job = MergeJob(
        STRANGER, "/a", "f" * 64, BASE_ID, "/b", None, "mit", "AutoModelForCausalLM", None, Precision.BF16
    )
    text = merged_card(MergeReport(job, 0.0234, 0.08))
    assert "by 0.023 of their spread (root mean square; 0.08 was allowed)" in text
    assert yaml.safe_load(text.split("---\n")[1])["base_model"] == BASE_ID
    assert not {"html_inline", "image", "html_block", "strong_open"} & elements(text.split("---\n", 2)[2])

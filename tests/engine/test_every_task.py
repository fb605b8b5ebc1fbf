"""Each task through the real worker: what it answers is what plain PEFT says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from adapter_ui.domain import ChatMessage, Generation, GenerationOptions, Precision, Prediction
from adapter_ui.engine import protocol
from adapter_ui.engine.local import LocalEngine
from adapter_ui.models.decoding.alone import sampling
from tests.models.every_method import HEADS, Bench
from tests.models.held_to_peft import Column
from tests.models.method_table import columns
from tests.models.plain_peft import TEXT, predicted, tokenizer_of
from tests.models.plain_reading import check_prediction

COLUMNS = columns(Precision.FP32)
GREEDY = GenerationOptions(max_new_tokens=12, temperature=0, raw=True)
# A tiny encoder-decoder repeats one token for ever unless it is let draw.
DRAWN = GenerationOptions(max_new_tokens=12, temperature=1.5, seed=4, raw=True)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("tasks"))


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEngine]:
    engine = LocalEngine(tmp_path_factory.mktemp("engine") / "worker.log")
    yield engine
    engine.close()


def plain_text(model: torch.nn.Module, folder: Path, options: GenerationOptions) -> str:
    tokenizer = tokenizer_of(folder)
    prompt = tokenizer(TEXT, return_tensors="pt")["input_ids"]
    torch.manual_seed(options.seed or 0)
    with torch.inference_mode():
        written = model.generate(
            input_ids=prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=options.max_new_tokens,
            **sampling(options),
        )[0]
    first = 1 if model.config.is_encoder_decoder else prompt.shape[1]
    return tokenizer.decode(written[first:], skip_special_tokens=True).rstrip("\ufffd")


@pytest.mark.parametrize("method", ["LORA", "PROMPT_TUNING"])
@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.name)
def test_the_worker_answers_as_plain_peft(
    engine: LocalEngine, bench: Bench, column: Column, method: str
) -> None:
    adapter = bench.adapter(method, column.family, column.task)
    if isinstance(adapter, str):
        assert method == "PROMPT_TUNING"  # PEFT itself has none; the table of methods says why
        return
    plain = bench.base(column.family, column.task)
    model, spec = plain.with_adapter(adapter), column.spec(bench, method, adapter)
    if column.predicts:
        events = engine.stream(protocol.Predict(spec, *column.texts), silence_seconds=120)
        (found,) = (event for event in events if isinstance(event, Prediction))
        outputs = predicted(model, plain.folder, column.texts)
        check_prediction(found, outputs, plain.folder, HEADS.get(column.task, ()))
        return
    options = DRAWN if model.config.is_encoder_decoder else GREEDY
    messages = (ChatMessage("user", TEXT),)
    events = list(engine.stream(protocol.Generate(spec, messages, options), silence_seconds=120))
    last = [event for event in events if isinstance(event, Generation)][-1]
    assert last.text == plain_text(model, plain.folder, options)
    assert len(last.text) > 1

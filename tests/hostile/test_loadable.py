"""What is refused before a download is what the page of methods says that cannot work."""

from __future__ import annotations

import pytest
import torch
from peft import PrefixTuningConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

from adapter_ui.domain import Precision
from adapter_ui.domain.loadable import UNSUPPORTED_PRECISIONS, method_refusals, unsupported_precision
from tests.models.method_table import NOT_POSSIBLE, PAGE, signs_of

SIGNS = signs_of(PAGE.read_text(encoding="utf-8"))
TASKS = sorted({task for precision, task, _ in SIGNS if precision == Precision.BF16})
METHODS = sorted({method for _, _, method in SIGNS})


def tasks_of(method: str, precision: Precision) -> set[str]:
    """Those in which the method works in this precision."""
    return {task for task in TASKS if SIGNS[precision, task, method] != NOT_POSSIBLE}


@pytest.mark.parametrize("method", [one for one in METHODS if tasks_of(one, Precision.BF16)])
def test_a_method_is_refused_in_the_precisions_that_it_fails_in(method: str) -> None:
    """Whatever the task: all that work in bf16 work in the precision, or none does."""
    for precision in Precision:
        refused = bool(unsupported_precision(method, precision))
        assert tasks_of(method, precision) == (set() if refused else tasks_of(method, Precision.BF16)), (
            precision
        )


def test_the_sentence_names_what_works() -> None:
    assert set(METHODS) >= UNSUPPORTED_PRECISIONS.keys()
    sentence = unsupported_precision("LOHA", Precision.NF4)
    assert sentence is not None
    assert sentence.endswith("choose one of fp32, bf16, fp16, int8.")
    assert unsupported_precision(None, Precision.NF4) is None


@pytest.mark.parametrize("submodules", [1, 2])
def test_prefixes_for_two_are_refused_where_peft_cannot_use_them(submodules: int) -> None:
    shape = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = PrefixTuningConfig(
        task_type="CAUSAL_LM", num_virtual_tokens=3, num_transformer_submodules=submodules
    )
    model = get_peft_model(LlamaForCausalLM(LlamaConfig(vocab_size=64, **shape)), config)
    refusals = list(method_refusals({**config.to_dict(), "peft_type": "PREFIX_TUNING"}))
    if submodules == 1:
        model(input_ids=torch.tensor([[5, 6]]))
        assert refusals == []
    else:
        with pytest.raises(AttributeError, match="EncoderDecoderCache"):
            model(input_ids=torch.tensor([[5, 6]]))
        assert len(refusals) == 1 and "num_transformer_submodules" in refusals[0]

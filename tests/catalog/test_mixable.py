"""Which adapters can be mixed, told from what an inspection says of them."""

from __future__ import annotations

import pytest

from adapter_ui.catalog.comparison.mixable import base_of_mix
from adapter_ui.domain import AdapterProfile, AdapterRef
from adapter_ui.errors import UnsupportedAdapter
from tests.catalog.folders import write_adapter


@pytest.fixture
def profile(catalog, settings):
    """The profile of an adapter in a folder, with a config of the test's own."""

    def inspected(name: str, **config: object) -> AdapterProfile:
        write_adapter(settings.folder / name, config=config)
        return catalog.inspect(AdapterRef.parse(f"folder:{name}"))

    return inspected


def test_loras_of_one_base_can_be_mixed_whatever_their_ranks(profile):
    assert base_of_mix([profile("one"), profile("two", lora_alpha=16)]) == "tiny-org/base"


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"base_model_name_or_path": "tiny-org/other"}, "different bases, tiny-org/base and tiny-org/other"),
        ({"base_model_name_or_path": None}, "folder:odd does not name its base"),
        ({"task_type": "SEQ_2_SEQ_LM"}, "different tasks, CAUSAL_LM and SEQ_2_SEQ_LM"),
        ({"peft_type": "LOHA"}, "folder:odd is LOHA, and only LoRAs"),
        ({"use_dora": True}, "folder:odd is a DoRA"),
        ({"bias": "all"}, "folder:odd trains biases"),
        ({"lora_bias": True}, "trains biases of its own"),
        ({"modules_to_save": ["lm_head"]}, "brings whole modules along"),
        ({"trainable_token_indices": [1, 2]}, "trains single tokens"),
        ({"target_parameters": ["experts.down"]}, "changes single parameters"),
        ({"alora_invocation_tokens": [1]}, "is an aLoRA"),
        ({"layer_replication": [[0, 2], [0, 2]]}, "folder:odd cannot be mixed: .*layer_replication"),
        ({"r": "four"}, "folder:odd cannot be mixed"),
    ],
)
def test_what_is_more_than_factors_of_one_base_is_refused_by_name(profile, config, sentence):
    with pytest.raises(UnsupportedAdapter, match=sentence):
        base_of_mix([profile("one"), profile("odd", **config)])

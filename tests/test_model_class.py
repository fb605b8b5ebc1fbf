"""A model class that was chosen: it holds for every request that names it, and for no other one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter_ui.catalog.findings.config import task_findings
from adapter_ui.catalog.profiles.config import AdapterConfig
from adapter_ui.domain import (
    OWN_MODEL,
    Arm,
    ArmAnswer,
    Asked,
    ChatMessage,
    GenerationOptions,
    ModelChoice,
    Precision,
    Prediction,
)
from adapter_ui.errors import BadAdapter, InvalidInput
from adapter_ui.service import AdapterService
from adapter_ui.settings import Settings
from tests.hub import catalogue
from tests.hub.server import LoopbackHub
from tests.hub.task_adapters import UNTOLD_ID, add_task_adapters

CLASSIFIER = "BertForSequenceClassification"
HELLO = (ChatMessage("user", "Hello"),)
GREEDY = GenerationOptions(max_new_tokens=4, temperature=0)


@pytest.fixture(scope="module")
def service(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdapterService]:
    with LoopbackHub() as hub:
        catalogue.add_real_repos(hub, tiny_models)
        add_task_adapters(hub, tiny_models, tmp_path_factory.mktemp("adapters"))
        home = tmp_path_factory.mktemp("home")
        service = AdapterService.start(Settings(home=home, hub_endpoint=hub.endpoint))
        yield service
        service.close()


def predicted(service: AdapterService, adapter: str, **options: str) -> Prediction:
    *_, last = service.predict(adapter, "Fine weather", "", Precision.FP32, **options)
    return last


@pytest.mark.parametrize("name", [CLASSIFIER, "AutoModelForSequenceClassification"])
def test_a_prediction_is_made_in_the_class_that_it_names(service, name):
    told = predicted(service, catalogue.CLASSIFIER_ID)
    untold = predicted(service, UNTOLD_ID, model_class=name)
    assert untold.task_type == "SEQ_CLS"
    assert untold.labels == told.labels


def test_the_class_of_one_request_is_not_that_of_the_next(service):
    predicted(service, UNTOLD_ID, model_class=CLASSIFIER)
    with pytest.raises(BadAdapter, match="None of the adapter's tensors"):
        predicted(service, UNTOLD_ID)
    list(service.load(UNTOLD_ID, Precision.FP32, model_class=CLASSIFIER))
    with pytest.raises(BadAdapter, match=r"None of the adapter's tensors .* \(model_class\)"):
        predicted(service, UNTOLD_ID)
    assert predicted(service, UNTOLD_ID, model_class=CLASSIFIER).labels


def test_an_answer_and_each_arm_are_written_in_the_class_that_they_name(service):
    lora = catalogue.LORA_ID
    own = service.generate(lora, HELLO, GREEDY, Precision.FP32)
    named = service.generate(lora, HELLO, GREEDY, Precision.FP32, model_class="LlamaForCausalLM")
    (*_, one), (*_, other) = own, named
    assert one.text == other.text
    with pytest.raises(InvalidInput, match="BertLMHeadModel is no class for a base of type llama"):
        list(service.generate(lora, HELLO, GREEDY, Precision.FP32, model_class="BertLMHeadModel"))

    arms = (Arm(lora), Arm(lora, choice=ModelChoice(model_class="BertLMHeadModel")), Arm())
    *_, answers = service.compare([Asked(arm, HELLO) for arm in arms], GREEDY, Precision.FP32)
    assert answers[0].generation.text == one.text
    assert "no class for a base of type llama" in answers[1].error
    assert answers[2].generation.done


def test_the_base_arm_answers_in_the_class_that_it_names(service):
    def base_arm(model_class: str) -> ArmAnswer:
        arms = (Arm(catalogue.LORA_ID), Arm(choice=ModelChoice(model_class=model_class)))
        *_, answers = service.compare([Asked(arm, HELLO) for arm in arms], GREEDY, Precision.FP32)
        assert answers[0].generation.done
        return answers[1]

    assert "no class for a base of type llama" in base_arm("BertLMHeadModel").error
    assert base_arm("LlamaForCausalLM").generation.text == base_arm("").generation.text


def test_the_base_arm_does_not_lend_its_neighbours_class_to_later_requests(service):
    arms = (Arm(), Arm(catalogue.LORA_ID, choice=ModelChoice(model_class="LlamaForCausalLM")))
    list(service.compare([Asked(arm, HELLO) for arm in arms], GREEDY, Precision.FP32))
    *_, report = service.load(catalogue.LORA_ID, Precision.FP32)
    assert report.model_class == "AutoModelForCausalLM"
    remembered = service.answers.specs
    assert all(asked.model_class in ("", spec.model_class) for (_, _, asked), spec in remembered.items())
    assert {spec.model_class for (_, _, asked), spec in remembered.items() if asked == OWN_MODEL} == {
        "AutoModelForCausalLM",
        "AutoModelForSequenceClassification",
    }


def test_an_adapter_is_merged_in_the_class_that_is_named(service):
    with pytest.raises(BadAdapter, match="None of the adapter's tensors"):
        list(service.merge(UNTOLD_ID))
    *_, merged = service.merge(UNTOLD_ID, model_class=CLASSIFIER)
    config = json.loads((service.outgoing.exports / merged.folder / "config.json").read_text())
    assert config["architectures"] == [CLASSIFIER]
    *_, archive = service.zip_merged(UNTOLD_ID, model_class=CLASSIFIER)
    assert archive.name == f"{merged.folder}.zip"


@pytest.mark.parametrize("name", ["os.system", "A B", "Ünmodel", "x" * 101, "print(1)"])
def test_what_can_be_no_class_is_refused_before_anything_is_looked_up(service, name):
    with pytest.raises(InvalidInput, match="is no model class") as caught:
        list(service.load("nobody/nothing", Precision.FP32, model_class=name))
    assert caught.value.field == "model_class"
    with pytest.raises(InvalidInput, match="is no model class"):
        ModelChoice(model_class=name)


@pytest.mark.parametrize(
    ("named", "task_type", "said"),
    [
        ("BertForSequenceClassification", "SEQ_CLS", "The class of its task is used."),
        ("BertForSequenceClassification", None, "BertForSequenceClassification is one of transformers"),
        ("Unheard", None, "choose a model class yourself"),
    ],
)
def test_the_finding_on_a_class_by_name_says_what_is_done_with_it(named, task_type, said):
    mapping = {"base_model_class": named, "parent_library": "transformers.models.bert.modeling_bert"}
    config = AdapterConfig(peft_type="LORA", task_type=task_type, auto_mapping=mapping)
    messages = {finding.code: finding.message for finding in task_findings(config)}
    assert said in messages["custom_class"]
    missing = messages.get("task_missing", "")
    assert (named in missing) == (task_type is None and named != "Unheard")

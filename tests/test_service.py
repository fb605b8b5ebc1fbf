"""The service over a loopback Hub and a real worker: which base and class a request gets, what is gone."""

import json
import shutil
from pathlib import Path

import pytest

from adapter_ui import answers, provision
from adapter_ui.domain import (
    Arm,
    Asked,
    ChatMessage,
    GenerationOptions,
    LoadReport,
    ModelChoice,
    Precision,
)
from adapter_ui.domain.classes import class_of, task_of
from adapter_ui.errors import DoesNotFit, InvalidInput, NotFoundOrPrivate, UnsupportedAdapter
from adapter_ui.service import AdapterService
from adapter_ui.settings import Settings
from adapter_ui.ui.state import Selection
from tests.hub import catalogue
from tests.hub.server import LoopbackHub, files_of
from tests.hub.tiny_models import build_llama

BASE, OTHER_BASE = "tiny-org/tiny-llama", "tiny-org/other-llama"
ADAPTER = catalogue.LORA_ID
HELLO = (ChatMessage("user", "Hello"),)
GREEDY = GenerationOptions(max_new_tokens=8, temperature=0)


@pytest.fixture(scope="module")
def hub(tiny_models, tmp_path_factory):
    with LoopbackHub() as hub:
        catalogue.add_real_repos(hub, tiny_models)
        hub.add_repo(OTHER_BASE, build_llama(tmp_path_factory.mktemp("bases") / "other", seed=1))
        yield hub


@pytest.fixture(scope="module")
def service(hub, tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    service = AdapterService.start(Settings(home=home, hub_endpoint=hub.endpoint))
    yield service
    service.close()


def load(service: AdapterService, **options: str) -> LoadReport:
    *_, report = service.load(ADAPTER, Precision.FP32, **options)
    return report


def answer(service: AdapterService, adapter: str = ADAPTER, base_model: str = "") -> str:
    *_, last = service.generate(adapter, HELLO, GREEDY, Precision.FP32, base_model=base_model)
    return last.text


def test_a_refused_class_does_not_spoil_the_requests_after_it(service):
    with pytest.raises(InvalidInput, match="no model class"):
        load(service, model_class="NoSuchModel")
    assert answer(service)


def test_the_base_of_one_request_is_not_the_base_of_the_next(service):
    """Whoever loads the adapter on another base changes nobody else's answers."""
    own = answer(service)
    assert load(service, base_model=OTHER_BASE).base == OTHER_BASE
    assert answer(service) == own
    other = answer(service, base_model=OTHER_BASE)
    assert other != own
    assert answer(service) == own
    assert load(service).base == BASE
    assert answer(service, base_model=OTHER_BASE) == other


def test_a_base_by_an_older_name_is_the_one_in_memory(hub, service):
    older = "tiny-org/older-llama"
    hub.rename(older, BASE)
    load(service)
    hub.requests.clear()
    *_, report = service.load("", Precision.FP32, base_model=older)
    assert report.base == BASE
    assert older not in {one.base for one in service.loaded()}
    assert not hub.requests.matching("*.safetensors")


def test_each_arm_answers_on_the_base_that_it_names(service):
    own, other = answer(service), answer(service, base_model=OTHER_BASE)
    arms = (Arm(ADAPTER), Arm(ADAPTER, choice=ModelChoice(OTHER_BASE)))
    *_, found = service.compare([Asked(arm, HELLO) for arm in arms], GREEDY, Precision.FP32)
    assert [one.generation.text for one in found] == [own, other]
    *_, (one,) = service.compare([Asked(arms[0], HELLO)], GREEDY, Precision.FP32, base_model=OTHER_BASE)
    assert one.generation.text == other


def test_a_base_arm_answers_on_the_base_that_it_names_and_else_on_the_first_adapters(service):
    plain, other = (answer(service, "", base_model=base) for base in (BASE, OTHER_BASE))
    on_other = Arm(choice=ModelChoice(OTHER_BASE))

    def said(*arms: Arm, base_model: str = "") -> list[str]:
        asked = [Asked(arm, HELLO) for arm in arms]
        *_, found = service.compare(asked, GREEDY, Precision.FP32, base_model=base_model)
        assert not any(one.error for one in found)
        return [one.generation.text for one in found]

    assert plain != other
    assert said(Arm(choice=ModelChoice(BASE)), on_other) == [plain, other]
    assert said(on_other, Arm(ADAPTER), Arm()) == [other, answer(service), plain]
    assert said(on_other, Arm(), base_model=BASE) == [other, plain]


def test_a_classifier_is_not_asked_for_text(service):
    with pytest.raises(InvalidInput, match=r"SEQ_CLS and writes no text; use the prediction \(/predict\)"):
        answer(service, catalogue.CLASSIFIER_ID)
    arms = (Arm(catalogue.CLASSIFIER_ID), Arm(ADAPTER), Arm())
    *_, found = service.compare([Asked(arm, HELLO) for arm in arms], GREEDY, Precision.FP32)
    assert "writes no text" in found[0].error
    expected = [answer(service), answer(service, "", base_model=BASE)]
    assert [one.generation.text for one in found[1:]] == expected
    assert catalogue.BERT_ID not in {base.base for base in service.loaded()}


def test_an_adapter_from_a_path_at_home_is_loaded_on_the_base_that_is_named(service, hub, tiny_models):
    hub.add_repo("linus/at-home", catalogue.trained_at_home(tiny_models / "lora"))
    profile = service.inspect("linus/at-home")
    assert [one.code for one in profile.blockers] == ["base_is_local_path"]
    beside = service.inspect("linus/at-home", BASE)
    assert beside.blockers == ()
    assert [one.code for one in beside.findings].count("base_chosen") == 1
    assert "fits_base" in {one.code for one in beside.findings}
    with pytest.raises(UnsupportedAdapter, match="name the base when you load it"):
        answer(service, "linus/at-home")
    assert answer(service, "linus/at-home", base_model=BASE) == answer(service)


def test_a_base_of_other_shapes_is_refused_before_it_is_downloaded(service, hub, tmp_path):
    folder = build_llama(tmp_path / "wider", hidden_size=128)
    hub.add_repo("tiny-org/wider", folder)
    beside = service.inspect(ADAPTER, "tiny-org/wider")
    assert beside.base.id == "tiny-org/wider"
    assert [one.code for one in beside.blockers] == ["shape_mismatch"]
    assert service.inspect(ADAPTER).blockers == ()
    with pytest.raises(UnsupportedAdapter, match="tiny-org/wider"):
        load(service, base_model="tiny-org/wider")
    weights = folder / "model.safetensors"
    assert hub.requests.bytes_served("tiny-org/wider", weights.name) < weights.stat().st_size / 2


def test_a_base_that_is_none_is_refused_before_anything_is_looked_up(service, hub):
    hub.requests.clear()
    with pytest.raises(InvalidInput, match="as org/name") as caught:
        load(service, base_model="../../etc")
    assert caught.value.field == "base_model"
    assert len(hub.requests) == 0


def test_what_is_in_memory_is_not_looked_up_again(service, hub):
    load(service)
    hub.requests.clear()
    answer(service)
    assert len(hub.requests) == 0


def test_an_adapter_in_a_folder_answers_as_it_does_alone(service, hub, tiny_models):
    """Load, generate and predict, on files of one folder at one commit."""
    below = {
        f"{folder}/{name}": source
        for folder in ("lora", "classifier")
        for name, source in files_of(tiny_models / folder).items()
    }
    hub.add_repo("ada/all-of-them", below)
    *_, report = service.load("ada/all-of-them:lora", Precision.FP32)
    assert (report.adapter, report.base) == ("ada/all-of-them:lora", BASE)
    assert report.keys_applied == report.keys_in_file > 0
    assert answer(service, "ada/all-of-them:lora") == answer(service)
    *_, there = service.predict("ada/all-of-them:classifier", "A text", "", Precision.FP32)
    *_, alone = service.predict(catalogue.CLASSIFIER_ID, "A text", "", Precision.FP32)
    assert there.labels == alone.labels


def test_a_deleted_run_is_gone_although_its_adapter_was_loaded(service, tiny_models):
    run_id = ended_run(service.settings.runs, tiny_models / "lora")
    ref = f"run:{run_id}"
    assert answer(service, ref)
    service.delete_run(run_id)
    with pytest.raises(NotFoundOrPrivate, match=ref):
        answer(service, ref)


@pytest.fixture
def scarce(service, monkeypatch):
    """A machine with room for one tiny base and no more, beside what is in memory."""

    one_base = service.inspect(ADAPTER).memory[Precision.FP32].total + 100_000

    def room() -> int:
        held = sum(base.measured_bytes for base in service.loaded())
        return one_base - held

    monkeypatch.setattr(answers, "room_for_a_model", room)
    monkeypatch.setattr(provision, "room_for_a_load", lambda precision: room())


def test_what_was_used_least_recently_makes_room(service, scarce):
    for base in service.loaded():
        service.unload(base.base, base.precision)
    load(service)
    *progress, report = service.load("", Precision.FP32, base_model=OTHER_BASE)
    assert report.base == OTHER_BASE
    assert [base.base for base in service.loaded()] == [OTHER_BASE]
    assert any(event.stage == "unload" and BASE in event.message for event in progress)
    assert answer(service)  # and the other way round


def test_room_is_made_again_for_what_others_loaded_during_the_download(service, scarce, hub, tmp_path):
    hub.add_repo("tiny-org/third-llama", build_llama(tmp_path / "third", seed=2))
    for base in service.loaded():
        service.unload(base.base, base.precision)
    waiting = service.load("", Precision.FP32, base_model="tiny-org/third-llama")
    assert next(event for event in waiting if event.stage == "download")
    load(service)
    *progress, report = waiting
    assert [base.base for base in service.loaded()] == [report.base] == ["tiny-org/third-llama"]
    assert any(event.stage == "unload" and BASE in event.message for event in progress)


def test_nothing_is_unloaded_for_what_cannot_fit_anyway(service, scarce, monkeypatch):
    load(service)
    monkeypatch.setattr(answers, "room_for_a_model", lambda: -(10**12))
    monkeypatch.setattr(provision, "room_for_a_load", lambda precision: 0)
    with pytest.raises(DoesNotFit, match="no precision fits"):
        list(service.load("", Precision.FP32, base_model=OTHER_BASE))
    assert BASE in {base.base for base in service.loaded()}


def ended_run(runs: Path, adapter: Path) -> str:
    """A finished run's folder, as a training leaves it behind."""
    folder = runs / "20250101-0000-abcd"
    shutil.copytree(adapter, folder / "adapter")
    (folder / "recipe.json").write_text(json.dumps({"base_model": BASE}))
    (folder / "events.jsonl").write_text(json.dumps({"event": "state", "time": 1.0, "state": "done"}) + "\n")
    return folder.name


def test_an_adapter_without_a_task_is_loaded_in_the_class_that_it_was_made_with(
    hub, service, tiny_models, tmp_path
):
    folder = shutil.copytree(tiny_models / "classifier", tmp_path / "untold")
    config = json.loads((folder / "adapter_config.json").read_text())
    named = {
        "base_model_class": "BertForSequenceClassification",
        "parent_library": "transformers.models.bert.modeling_bert",
    }
    (folder / "adapter_config.json").write_text(
        json.dumps(config | {"task_type": None, "auto_mapping": named})
    )
    hub.add_repo("ada/untold", folder)
    *_, told = service.predict(catalogue.CLASSIFIER_ID, "Fine weather", "", Precision.FP32)
    *_, untold = service.predict("ada/untold", "Fine weather", "", Precision.FP32)
    assert untold.task_type == "SEQ_CLS"
    assert [one.score for one in untold.labels] == [one.score for one in told.labels]
    assert Selection.of(service.inspect("ada/untold")).task_type == "SEQ_CLS"


@pytest.mark.parametrize(
    "named",
    [
        {"base_model_class": "os.system", "parent_library": "transformers"},
        {"base_model_class": "BertForSequenceClassification", "parent_library": "evil"},
        {"base_model_class": "PreTrainedTokenizer", "parent_library": "transformers"},
        {"base_model_class": 7, "parent_library": ["transformers"]},
    ],
)
def test_a_class_that_is_none_of_transformers_models_is_not_looked_at(named):
    assert class_of({"auto_mapping": named}) == ""
    assert task_of(None, {"auto_mapping": named}) is None

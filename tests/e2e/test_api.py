"""The public endpoints over HTTP: what a script sees, and what the loopback Hub was asked for."""

import json
import time
import zipfile
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from tests.hub import catalogue
from tests.hub.server import LoopbackHub

pytestmark = pytest.mark.slow

BASE = "tiny-org/tiny-llama"
ADAPTER = catalogue.LORA_ID
PRECISIONS = ("fp32", "bf16", "fp16", "int8", "nf4", "fp4")
HEAVY = {"torch", "transformers", "peft", "bitsandbytes", "accelerate"}
RUN_SECONDS = 120
ADAPTER_FILES = ["README.md", "adapter_config.json", "adapter_model.safetensors"]
SCRIPT_FILES = ["data.jsonl", "train.py"]


@pytest.fixture(scope="module")
def hub(tiny_models):
    with LoopbackHub() as hub:
        catalogue.add_users(hub)
        catalogue.add_real_repos(hub, tiny_models)
        catalogue.add_awkward_repos(hub)
        yield hub


@pytest.fixture(scope="module")
def client(app):
    return Client(app.url, verbose=False)


def rows_of(path: Path, count: int = 12) -> Path:
    rows = [{"prompt": f"Say {n}", "completion": f"Arrr, {n} it be!"} for n in range(count)]
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


def refusal(call) -> str:
    with pytest.raises(AppError) as caught:
        call()
    return str(caught.value)


def test_search_filters_by_base_and_fills_in_what_only_files_tell(client):
    found = client.predict(query="lora", base_model=BASE, api_name="/search")
    by_ref = {adapter["ref"]: adapter for adapter in found["adapters"]}
    assert by_ref[ADAPTER]["method"] == "LORA"
    assert by_ref[ADAPTER]["rank"] == 4
    assert by_ref[ADAPTER]["size_bytes"] > 0
    assert by_ref[ADAPTER]["base_size_bytes"] > by_ref[ADAPTER]["size_bytes"]
    assert {adapter["base_model"] for adapter in found["adapters"]} == {BASE}


def test_no_weights_are_fetched_before_a_load(client, hub, tiny_models):
    """Of the base only the table of its tensors is read, never a tensor."""
    hub.requests.clear()
    inspected = client.predict(adapter=catalogue.WIDE_LORA_ID, api_name="/inspect")
    assert inspected["base"]["id"] == BASE
    assert inspected["parameters"] > 0
    assert set(inspected["memory"]) == set(PRECISIONS)
    before = weights_read(hub)
    assert 0 < before <= 256 * 1024
    with (tiny_models / "llama" / "model.safetensors").open("rb") as file:
        table = 8 + int.from_bytes(file.read(8), "little")
    assert hub.requests.bytes_served(BASE, "model.safetensors") <= table
    *_, report = client.submit(adapter=catalogue.WIDE_LORA_ID, precision="bf16", api_name="/load")
    assert report["keys_applied"] == report["keys_in_file"]
    assert weights_read(hub) > before
    assert hub.requests.bytes_served(BASE, "model.safetensors") > table


def weights_read(hub: LoopbackHub) -> int:
    return hub.requests.bytes_served(catalogue.WIDE_LORA_ID, "adapter_model.safetensors")


@pytest.mark.parametrize("precision", PRECISIONS)
def test_each_precision_loads_and_generates(client, precision):
    *progress, report = client.submit(adapter=ADAPTER, precision=precision, api_name="/load")
    assert all(set(event) == {"stage", "message", "done_bytes", "total_bytes"} for event in progress)
    assert report["precision"] == precision
    assert report["measured_bytes"] == pytest.approx(report["predicted_bytes"], rel=0.05)
    *_, text = client.submit(
        adapter=ADAPTER, prompt="Hello", precision=precision, max_new_tokens=8, api_name="/generate"
    )
    assert isinstance(text, str)
    assert (BASE, precision) in {
        (base["base"], base["precision"]) for base in client.predict(api_name="/loaded")
    }


def test_unload_frees_one_precision(client):
    client.submit(adapter=ADAPTER, precision="fp4", api_name="/load").result()
    left = client.predict(base=BASE, precision="fp4", api_name="/unload")
    assert "fp4" not in {base["precision"] for base in left}
    assert "is not loaded" in refusal(lambda: client.predict(base=BASE, precision="fp4", api_name="/unload"))


def test_strength_zero_answers_as_the_base(client):
    greedy = {"prompt": "Hello", "temperature": 0, "max_new_tokens": 10, "precision": "fp32"}
    base = client.submit(adapter="", base_model=BASE, **greedy, api_name="/generate").result()
    assert client.submit(adapter=ADAPTER, strength=0, **greedy, api_name="/generate").result() == base
    assert client.submit(adapter=ADAPTER, **greedy, api_name="/generate").result() != base


def test_compare_streams_what_each_arm_says_alone(client):
    greedy = {"prompt": "Hello", "temperature": 0, "max_new_tokens": 10, "precision": "fp32"}
    arms = [{"adapter": ADAPTER}, {}, {"adapter": ADAPTER, "strength": 0}, {"adapter": "nobody/nothing"}]
    *_, last = client.submit(arms=arms, base_model=BASE, **greedy, api_name="/compare")
    alone = client.submit(adapter=ADAPTER, **greedy, api_name="/generate").result()
    base = client.submit(adapter="", base_model=BASE, **greedy, api_name="/generate").result()
    assert [one["text"] for one in last] == [alone, base, base, ""]
    assert [bool(one["error"]) for one in last] == [False, False, False, True]
    assert all(one["done"] for one in last)


def test_predict_gives_labels_of_a_classifier(client):
    found = client.predict(
        adapter=catalogue.CLASSIFIER_ID, text="Some text", precision="fp32", api_name="/predict"
    )
    assert set(found) == {"task_type", "labels", "seconds"}
    assert sum(label["score"] for label in found["labels"]) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    ("endpoint", "arguments", "sentence"),
    [
        ("/inspect", {"adapter": "../../etc/passwd"}, "is not the name of an adapter"),
        ("/inspect", {"adapter": "nobody/nothing"}, "not"),
        ("/load", {"adapter": ADAPTER, "precision": "int3"}, "precision must be one of"),
        ("/load", {"adapter": ADAPTER, "precision": "fp32", "model_class": "os.system"}, "no model class"),
        ("/load", {"adapter": catalogue.PICKLE_ID}, "safetensors"),
        ("/load", {"adapter": catalogue.NEWER_PEFT_ID}, "PEFT"),
        ("/load", {"adapter": catalogue.MISSING_BASE_ID}, "base"),
        ("/generate", {"adapter": ADAPTER, "prompt": "  "}, "prompt is empty"),
        ("/generate", {"adapter": ADAPTER, "prompt": "x", "temperature": 99}, "temperature must be a number"),
        ("/generate", {"adapter": ADAPTER, "prompt": "x", "strength": -1}, "strength must be a number"),
        ("/compare", {"prompt": "x"}, "Name 1 to 8 arms"),
        ("/compare", {"prompt": "x", "arms": "all of them"}, "arms must be a list"),
        ("/predict", {"adapter": ADAPTER, "text": ""}, "no text"),
        ("/run", {"run_id": "nothing"}, "nothing"),
        ("/export", {"run_id": "../../etc"}, "no fine-tuning run"),
    ],
)
def test_bad_arguments_get_one_sentence(client, endpoint, arguments, sentence):
    message = refusal(lambda: client.submit(**arguments, api_name=endpoint).result())
    assert sentence in message
    assert "Traceback" not in message


def test_a_fine_tune_survives_a_restart_of_the_app_and_its_adapter_answers(app, client, tmp_path):
    recipe = {"base_model": BASE, "max_steps": 40, "learning_rate": 1e-2, "precision": "fp32", "r": 4}
    data = handle_file(rows_of(tmp_path / "rows.jsonl"))
    checked = client.predict(recipe=recipe, dataset=data, api_name="/check_finetune")
    assert (checked["rows"], checked["steps"], checked["refusal"]) == (12, 40, None)
    run_id = client.predict(recipe=recipe, dataset=data, api_name="/finetune")["run_id"]
    client = Client(app.restart().url, verbose=False)
    assert run_id in {run["run_id"] for run in client.predict(api_name="/runs")}
    status = wait_for_end(client, run_id)
    assert status["state"] == "done", status["error"]
    losses = [entry["loss"] for entry in status["history"] if "loss" in entry]
    assert losses[-1] < losses[0]
    assert status["adapter"] == f"run:{run_id}"
    answer = {"prompt": "Say 3", "precision": "fp32", "temperature": 0, "max_new_tokens": 8}
    tuned = client.submit(adapter=f"run:{run_id}", **answer, api_name="/generate").result()
    base = client.submit(adapter="", base_model=BASE, **answer, api_name="/generate").result()
    assert tuned != base
    found = client.predict(source="run", api_name="/search")
    assert [adapter["ref"] for adapter in found["adapters"]] == [f"run:{run_id}"]
    assert names_in(client.predict(run_id=run_id, api_name="/export")) == ADAPTER_FILES
    assert names_in(client.predict(run_id=run_id, format="script", api_name="/export")) == SCRIPT_FILES
    assert "format is" in refusal(lambda: client.predict(run_id=run_id, format="exe", api_name="/export"))


def names_in(archive: str) -> list[str]:
    """The members of a zip that was really downloaded."""
    with zipfile.ZipFile(archive) as file:
        assert file.testzip() is None
        return file.namelist()


def wait_for_end(client: Client, run_id: str) -> dict:
    deadline = time.monotonic() + RUN_SECONDS
    while time.monotonic() < deadline:
        status = client.predict(run_id=run_id, api_name="/run")
        if status["state"] in ("done", "failed", "cancelled", "interrupted"):
            return status
        time.sleep(0.5)
    raise AssertionError(f"The run did not end: {status}")


def wait_for_step(client: Client, run_id: str) -> dict:
    deadline = time.monotonic() + RUN_SECONDS
    while time.monotonic() < deadline:
        status = client.predict(run_id=run_id, api_name="/run")
        if status["step"] >= 3:
            return status
        assert status["state"] in ("queued", "running"), status
        time.sleep(0.2)
    raise AssertionError(f"The run did not train: {status}")


def test_a_run_can_be_stopped_resumed_and_deleted(app, tmp_path):
    client = Client(app.url, verbose=False)
    recipe = {"base_model": BASE, "max_steps": 5000, "precision": "fp32"}
    data = handle_file(rows_of(tmp_path / "rows.jsonl"))
    run_id = client.predict(recipe=recipe, dataset=data, api_name="/finetune")["run_id"]
    wait_for_step(client, run_id)
    client.predict(run_id=run_id, api_name="/stop_run")
    stopped = wait_for_end(client, run_id)
    assert (stopped["state"], stopped["resumable"]) == ("cancelled", True)
    assert stopped["checkpoint_step"] == stopped["step"] > 0
    assert client.predict(run_id=run_id, api_name="/resume_run")["state"] in ("queued", "running")
    wait_for_step(client, run_id)
    client.predict(run_id=run_id, api_name="/stop_run")
    assert wait_for_end(client, run_id)["checkpoint_step"] >= stopped["checkpoint_step"]
    left = client.predict(run_id=run_id, api_name="/delete_run")
    assert run_id not in {run["run_id"] for run in left}


def test_the_web_process_holds_no_model_library_after_this_tour(app):
    """Last in this file: it ends the app that all the tests above used."""
    held = {name.partition(".")[0] for name in app.stop()}
    assert "gradio" in held
    assert not held & HEAVY

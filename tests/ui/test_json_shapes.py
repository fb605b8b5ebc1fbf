"""The API's shapes: bytes are bytes, and what is not known is null."""

from adapter_ui.domain import LabelScore, Prediction, Progress, Revision
from adapter_ui.ui import json_shapes
from tests.ui.fake_service import FakeService


def test_progress_in_seconds_is_not_called_bytes():
    download = json_shapes.load_event(Progress("download", "Downloading", 5, 9))
    assert (download["done_bytes"], download["total_bytes"]) == (5, 9)
    waiting = json_shapes.load_event(Progress("load", "Loading", 12, unit="seconds"))
    assert (waiting["done_bytes"], waiting["total_bytes"]) == (None, None)


def test_a_prediction_has_only_the_fields_of_its_task():
    found = Prediction("SEQ_CLS", labels=(LabelScore("positive", 0.9),), seconds=0.1)
    assert json_shapes.prediction(found) == {
        "task_type": "SEQ_CLS",
        "labels": [{"label": "positive", "score": 0.9}],
        "seconds": 0.1,
    }


def test_numbers_that_are_none_become_null():
    assert json_shapes.plain(LabelScore("odd", float("nan"))) == {"label": "odd", "score": None}


def test_an_inspection_says_what_fits_and_what_the_hub_knows_of_it():
    service = FakeService()
    profile = service.inspect("gallery/folders")
    shown = json_shapes.profile(profile, service.fit(profile, 4096, 2))
    assert (shown["fit"]["context"], shown["fit"]["arms"]) == (4096, 2)
    here = shown["fit"]["devices"][0]
    assert (here["here"], here["largest"], here["largest_to_train"]) == (True, "fp32", "int8")
    loading = shown["fit"]["loading"]["bf16"]
    terms = ("weights", "adapter", "kv_cache", "margin", "activations", "optimizer")
    assert loading["total"] == sum(loading[term] for term in terms)
    assert shown["folders"] == ["checkpoint-100", "checkpoint-200", "final"]
    assert (shown["license"], shown["checked"]) == ("apache-2.0", None)


def test_what_fits_is_null_where_the_base_is_not_known():
    assert json_shapes.profile(FakeService().inspect("evil/hostile-card"))["fit"] is None


def test_a_revision_has_its_name_kind_and_commit():
    shown = json_shapes.revision(Revision("v1", "tag", "abc"))
    assert shown == {"name": "v1", "kind": "tag", "commit": "abc"}

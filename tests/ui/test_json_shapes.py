"""The API's shapes: bytes are bytes, and what is not known is null."""

from adapter_ui.domain import LabelScore, Prediction, Progress
from adapter_ui.ui import json_shapes


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

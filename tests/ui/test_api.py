"""The endpoints' own checks: strangers' values become sentences that name the argument."""

from collections.abc import Iterator

import gradio as gr
import pytest

from adapter_ui.domain import Generation, Progress
from adapter_ui.errors import InvalidInput
from adapter_ui.ui.api import Api
from adapter_ui.ui.arguments import boolean, checked_text, number, strings, whole
from tests.ui.fake_service import FakeService

HUGE = 10**400


@pytest.mark.parametrize("value", [None, True, "1", [1], float("nan"), float("inf")])
def test_what_is_no_number_is_refused_by_name(value):
    with pytest.raises(InvalidInput, match="strength must be a number"):
        number(value, "strength")


def test_whole_numbers_may_come_as_floats_and_be_huge():
    assert (whole(8.0, "r"), whole(HUGE, "r")) == (8, HUGE)
    with pytest.raises(InvalidInput, match="whole number"):
        whole(8.5, "r")


@pytest.mark.parametrize("value", ["false", 0, None, []])
def test_only_true_and_false_are_booleans(value):
    with pytest.raises(InvalidInput, match="raw must be true or false"):
        boolean(value, "raw")


@pytest.mark.parametrize(
    ("value", "why"), [(None, "a string"), ("x" * 200_001, "at most"), ("\ud83d", "half")]
)
def test_texts_are_bounded_strings_of_whole_characters(value, why):
    with pytest.raises(InvalidInput, match=f"prompt .*{why}"):
        checked_text(value, "prompt")


@pytest.mark.parametrize("value", ["END", [1], {}, [["END"]]])
def test_stop_is_a_list_of_strings(value):
    with pytest.raises(InvalidInput, match="stop must be a list of strings"):
        strings(value, "stop")


@pytest.mark.parametrize(
    "arguments",
    [
        {"precision": []}, {"precision": {}}, {"precision": None}, {"system": []}, {"raw": "false"},
        {"seed": 2**32}, {"repetition_penalty": HUGE}, {"max_new_tokens": HUGE},
    ],
)  # fmt: skip
def test_bad_arguments_of_generate_are_sentences_of_ours(arguments):
    with pytest.raises(gr.Error) as caught:
        list(Api(FakeService()).generate("starter:pirate", "Hello", **arguments))
    field = next(iter(arguments))
    assert field in caught.value.message
    assert len(caught.value.message) < 200


def test_a_search_takes_every_filter_by_name_and_gives_the_filled_page():
    given = {
        "base_model": "Qwen/Qwen3-0.6B", "variants": True, "author": "fans", "task": "CAUSAL_LM",
        "method": "IA3", "min_rank": None, "max_rank": None, "min_size": 1000, "max_size": 2_000_000,
        "license": "apache-2.0", "access": "open", "safetensors": True,
        "source": "hub", "sort": "size", "limit": 5, "cursor": "",
    }  # fmt: skip
    found = Api(FakeService()).search("notes", **given)
    (row,) = found["adapters"]
    assert (row["ref"], row["method"], row["complete"]) == ("fans/quantised-notes", "IA3", True)
    assert 1000 <= row["size_bytes"] <= 2_000_000
    assert (found["next"], found["notice"]) == (None, None)


def test_a_search_reads_on_until_its_page_is_full_and_its_cursor_continues():
    api, seen, cursor = Api(FakeService()), [], ""
    while cursor is not None:
        found = api.search(min_rank=16, max_rank=32, limit=4, cursor=cursor)
        assert all(row["rank"] in (16, 32) for row in found["adapters"])
        seen += [row["ref"] for row in found["adapters"]]
        assert len(found["adapters"]) == 4 or found["next"] is None
        cursor = found["next"]
    assert len(seen) == len(set(seen)) > 8


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("query", 1), ("base_model", None), ("variants", "yes"), ("author", []), ("task", {}), ("method", 1),
        ("min_rank", "8"), ("max_rank", 1.5), ("min_size", "1 MB"), ("max_size", float("nan")),
        ("license", 0), ("access", True), ("safetensors", 1), ("source", None), ("sort", None),
        ("limit", "30"), ("cursor", 5),
    ],
)  # fmt: skip
def test_bad_arguments_of_a_search_are_sentences_that_name_the_field(field, value):
    with pytest.raises(gr.Error, match=f"{field} must be") as caught:
        Api(FakeService()).search(**{field: value})
    assert len(caught.value.message) < 200


class WaitingService(FakeService):
    def generate(self, *_: object, **__: object) -> Iterator[Progress | Generation]:
        yield Progress("queue", "Waiting for 1 earlier request")
        yield Generation("Arrr")
        yield Progress("work", "Reading the prompt")
        yield Generation("Arrr!", done=True)


def test_a_stream_gives_the_text_so_far_also_while_nothing_is_added():
    """Gradio can end a stream whose reader is gone only when it yields."""
    assert list(Api(WaitingService()).generate("starter:pirate", "Hello")) == ["", "Arrr", "Arrr", "Arrr!"]


def test_the_sentence_of_an_error_is_no_html():
    with pytest.raises(gr.Error, match="“a<b” is not the name of an adapter"):
        Api(FakeService()).inspect("a<b")

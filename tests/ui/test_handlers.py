"""What the page's events do with a service, without a browser."""

from __future__ import annotations

from functools import partial
from typing import Any

import gradio as gr
import pytest

from adapter_ui.domain import GenerationOptions, Precision
from adapter_ui.errors import InvalidInput, InvalidRecipe
from adapter_ui.training.defaults import RowFacts
from adapter_ui.ui.bar import MemorySampler, render_bar
from adapter_ui.ui.generating import prediction
from adapter_ui.ui.generating.sampling import options_of
from adapter_ui.ui.state import Selection
from adapter_ui.ui.tabs import finetune, library
from adapter_ui.ui.tuning import checking, defaults, tokens
from adapter_ui.ui.tuning.data import RowsDraft, Shown, columns_of, read_rows
from adapter_ui.ui.tuning.example import example_rows
from adapter_ui.ui.tuning.outgoing_panel import LastMerge
from adapter_ui.ui.tuning.recipe import recipe_of
from tests.ui.fake_data import SMOL
from tests.ui.fake_service import FakeService

PIRATE = Selection("starter:pirate", SMOL, "CAUSAL_LM", "LORA")
NOTHING, NO_DRAFT, NO_MERGE = Shown(), RowsDraft(), LastMerge()
LABELLED = "text,label\nfine,good\nawful,bad\n"
SAMPLING = (64, 0.7, 0.95, 50, 1.0, "11", "END\n\nSTOP", False)


def test_the_controls_become_options() -> None:
    assert options_of(*SAMPLING) == GenerationOptions(64, 0.7, 0.95, 50, 1.0, 11, ("END", "STOP"), False)
    assert options_of(*SAMPLING[:5], "", "", True).seed is None


@pytest.mark.parametrize("typed", ["-1", "1.5", "lucky", "99999999999"])
def test_a_seed_that_is_none_is_refused(typed: str) -> None:
    with pytest.raises(InvalidInput, match="seed"):
        options_of(*SAMPLING[:5], typed, "", True)


def test_entities_are_marked_in_their_text() -> None:
    *_, (result, *_) = prediction.predict(
        FakeService(), Selection("acme/roberta-entities", "", "TOKEN_CLS"), "bf16", "Ada met Bob", ""
    )
    assert "<mark>Ada<b>PER <small>0.970</small></b></mark> met <mark" in result


def read(text: str, form: str = "Prompt and answer", shown: Shown = NOTHING, draft: RowsDraft = NO_DRAFT):
    return read_rows(FakeService(), text, None, form, shown, draft)


def test_the_example_data_are_read_and_their_columns_guessed() -> None:
    preview, form, _, *slots, _ = read(example_rows())
    assert "30 rows" in preview
    assert form.value == "Prompt and answer"
    assert [slot.value for slot in slots[:2]] == ["prompt", "completion"]
    assert columns_of("Prompt and answer", ("prompt", "completion", "", "")) == {
        "prompt": "prompt",
        "completion": "completion",
    }


def test_a_conversation_and_a_text_to_text_offer_what_stands_beside_them() -> None:
    talk = '[{"conversations": [], "system": "Be brief."}]'
    _, form, _, *slots = read(talk)
    assert form.value == "Conversations"
    assert [slot.value for slot in slots[:2]] == ["conversations", "system"]
    alpaca = "instruction,input,output\na,b,c\n"
    *_, shown = read(alpaca)
    _, _, _, *slots = read(alpaca, "Text to text", shown)
    assert [slot.value for slot in slots[:3]] == ["instruction", "output", "input"]


def test_labels_beside_texts_are_recognised_as_classification() -> None:
    _, form, *_ = read(LABELLED)
    assert form.value == "Text and label"


def test_rows_that_are_shown_already_are_not_drawn_again_and_another_form_changes_the_columns_alone() -> None:
    *_, shown = read(LABELLED)
    assert read(LABELLED, "Text and label", shown) == [gr.skip()] * 8
    *others, slot, _, _, _, now = read(LABELLED, "Plain text", shown)
    assert others == [gr.skip()] * 3
    assert (slot.label, slot.value) == ("text", "text")
    assert now == Shown(shown.source, "Plain text")
    _, form, *_ = read(example_rows(), "Plain text", now)
    assert form.value == "Prompt and answer"


def test_columns_are_guessed_for_the_form_that_was_chosen_not_for_the_task_s_first() -> None:
    every = '[{"messages": [], "prompt": "a", "completion": "b", "text": "c", "system": "d"}]'
    guessed = {
        "Conversations": ["messages", "system", "", ""],
        "Prompt and answer": ["prompt", "completion", "", "system"],
        "Plain text": ["text", "", "", ""],
    }
    for form, columns in guessed.items():
        _, _, _, *slots, _ = read(every, form, Shown.of(every, None, "Text and label"))
        assert [slot.value for slot in slots] == columns


@pytest.mark.parametrize(
    ("form", "chosen", "sentence"),
    [
        ("Plain text", (), "Choose a column for text."),
        ("Conversations", ("", "system"), "Choose a column for messages."),
        ("Text and label", (), "Choose a column for text and label."),
        ("Prompt and answer", ("prompt", "", "completion"), "Choose a column for completion."),
    ],
)
def test_a_form_without_its_columns_is_no_job_and_every_step_says_so(
    form: str, chosen: tuple[str, ...], sentence: str
) -> None:
    text, service = "prompt,completion,system\na,b,c\nd,e,f\n", FakeService()
    slots = (*chosen, *[""] * (4 - len(chosen)))
    job_of = partial(finetune.job_of, ["base_model"])
    job = (text, None, form, Shown.of(text, None, form), *slots, SMOL)
    with pytest.raises(InvalidRecipe, match=sentence) as caught:
        job_of(job)
    assert caught.value.field == "columns"
    assert sentence in tokens.shown_tokens(service, job_of, *job)
    report, start, _ = checking.check(service, job_of, *job)
    assert sentence in report
    assert start.interactive is False
    assert defaults.rows_of(service, job_of, *job) == RowFacts()
    with pytest.raises(gr.Error, match=sentence):
        finetune.begin(service, ["base_model"], *job)


def test_the_columns_of_another_form_are_not_trained_as_those_of_the_one_just_chosen() -> None:
    text = "text,label,prompt,completion\na,b,c,d\ne,f,g,h\n"
    job = (
        text,
        None,
        "Prompt and answer",
        Shown.of(text, None, "Text and label"),
        "text",
        "label",
        "",
        "",
        SMOL,
    )
    with pytest.raises(gr.Error, match="columns of “Prompt and answer” are being read"):
        finetune.begin(FakeService(), ["base_model"], *job)


def test_rows_that_are_not_shown_yet_are_a_job_whose_columns_are_told_later() -> None:
    text = "prompt,completion\na,b\nc,d\n"
    job = (text, None, "Prompt and answer", NOTHING, "", "", "", "", SMOL)
    assert finetune.job_of(["base_model"], job)[0]["columns"] == {}


def test_what_cannot_be_read_is_said_in_place_of_older_rows_and_read_anew_when_it_is_given_again() -> None:
    *_, shown = read(LABELLED)
    for _ in range(2):
        preview, form, *_, shown = read("[1, 2", "Text and label", shown)
        assert "notice" in preview
        assert not form.visible
        assert shown.form == ""


def test_an_empty_field_leaves_the_default_and_an_adapter_replaces_the_base() -> None:
    recipe = recipe_of(
        ["base_model", "adapter", "seed", "r", "target_modules"],
        [SMOL, "starter:pirate", 8, 16, ""],
        "CAUSAL_LM",
        {},
    )  # what is trained further keeps its own rank
    assert recipe == {"adapter": "starter:pirate", "seed": 8, "task_type": "CAUSAL_LM", "columns": {}}


def test_runs_are_redrawn_only_when_something_moved() -> None:
    service = FakeService()
    run_id = service.finetune({"base_model": SMOL}, example_rows())
    drawn = finetune.refreshed(service, "", NO_MERGE, "", ())
    assert run_id in drawn[0]
    assert drawn[-2] == run_id
    while not service.run(run_id).state.ended:
        pass
    drawn = finetune.refreshed(service, "", NO_MERGE, *drawn[-2:])
    keep, command, panel, *_, notes = drawn[9:20]
    assert [button.visible for button in drawn[2:9]] == [False, False, False, True, True, True, True]
    assert (keep.visible, command.visible, panel.visible, notes.visible) == (False, True, True, True)
    assert finetune.refreshed(service, "", NO_MERGE, *drawn[-2:]) == [gr.skip()] * len(drawn)


def test_a_run_stays_in_view_until_another_is_chosen() -> None:
    service = FakeService()
    first, second = (service.finetune({"base_model": SMOL}, example_rows()) for _ in range(2))
    drawn = finetune.refreshed(service, first, NO_MERGE, "", ())
    service.finetune({"base_model": SMOL}, example_rows())
    drawn = finetune.refreshed(service, "", NO_MERGE, *drawn[-2:])
    assert drawn[-2] == first
    drawn = finetune.refreshed(service, second, NO_MERGE, *drawn[-2:])
    assert drawn[-2] == second
    service.delete_run(second)
    drawn = finetune.refreshed(service, second, NO_MERGE, *drawn[-2:])
    assert drawn[-2] not in ("", second)


def test_what_came_of_a_run_leaves_with_it_and_a_merge_that_goes_on_stays() -> None:
    service = FakeService()
    first, second = (service.finetune({"base_model": SMOL}, example_rows()) for _ in range(2))

    def results(chosen: str, last: LastMerge, drawn: str) -> list[Any]:
        return finetune.refreshed(service, chosen, last, drawn, ())[12:19]

    merged, going = LastMerge(first, ready=True), LastMerge(first)
    assert results(first, merged, first) == [gr.skip()] * 7
    merge, stop, download, text, last, overwrite, pushed = results(second, merged, first)
    assert (merge.visible, stop.visible, download.visible) == (True, False, False)
    assert (text, last, overwrite.value, pushed) == ("", LastMerge(), False, "")
    *of_merge, overwrite, pushed = results(second, going, first)
    assert of_merge == [gr.skip()] * 5
    assert (overwrite.value, pushed) == (False, "")
    _, _, download, text, last, *_ = results(first, merged, second)  # it was done while another was in view
    assert (download.visible, text, last) == (True, gr.skip(), gr.skip())


def test_the_library_lists_what_is_here_and_its_buttons_work() -> None:
    service = FakeService()
    service.remember(SMOL, Precision.BF16, "starter:pirate")
    [*_] = service.merge("run:run0001")
    loaded, runs, mixes, merged, downloads, starter = library.library(service)
    assert "Unload" in loaded
    assert "No runs" in runs
    assert "No mixes" in mixes
    assert "run:run0001" in merged
    assert "2 downloads, 275 MB; 5.3 GB are free on this disk." in downloads
    assert downloads.count("Delete") == 4
    assert downloads.count('data-act="browse"') == 1  # a base by itself has nothing to show
    assert "starter:pirate" in starter
    library.acted(service, "unload", f"{SMOL} bf16")
    assert service.loaded() == ()
    assert library.acted(service, "generate", "starter:pirate")[0] == "starter:pirate"
    library.acted(service, "delete", "download:acme/pirate")
    library.acted(service, "delete", "merged:run-0001-merged-7f3a")
    *_, merged, downloads, _ = library.library(service)
    assert "No merged models" in merged
    assert "acme/pirate" not in downloads
    for name, value in (("format", "c:"), ("delete", "download:acme/pirate")):
        with pytest.raises(gr.Error):
            library.acted(service, name, value)


def test_the_library_asks_the_hub_for_nothing() -> None:
    service = FakeService()
    library.library(service)
    assert service.closed_streams == 0  # those that read details


def test_the_bar_reads_memory_once_for_all_who_look() -> None:
    service = FakeService()
    sampler = MemorySampler(service, seconds=60)
    before = render_bar(sampler, PIRATE)
    service.remember(SMOL, Precision.BF16, "starter:pirate")
    assert render_bar(sampler, PIRATE) == before
    assert "nothing loaded" in before
    assert "6.2 GB of 15.6 GB" in before


def test_the_form_for_name_and_notes_follows_the_run_in_view() -> None:
    service = FakeService()
    first, second = (service.finetune({"base_model": SMOL}, example_rows()) for _ in range(2))
    service.rename_run(second, "Pirates", "Loud.")
    drawn = finetune.refreshed(service, first, NO_MERGE, "", ())
    assert drawn[-4:-1] == ["Pirate talk", "", first]
    drawn = finetune.refreshed(service, first, NO_MERGE, *drawn[-2:])
    assert drawn[-4:-2] == [gr.skip()] * 2  # somebody may be writing there
    drawn = finetune.refreshed(service, second, NO_MERGE, *drawn[-2:])
    assert drawn[-4:-1] == ["Pirates", "Loud.", second]
    service.rename_run(second, "Pirates", "Louder.")
    drawn = finetune.refreshed(service, second, NO_MERGE, *drawn[-2:])
    assert drawn[-4:-1] == ["Pirates", "Louder.", second]

"""What the panel's events do with a service, without a browser: inspect, choose, load."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import gradio as gr
import pytest

from adapter_ui.domain import OWN_MODEL, AdapterProfile, ModelChoice, Precision
from adapter_ui.ui.details import precisions
from adapter_ui.ui.details.fit import USUAL
from adapter_ui.ui.newest import Newest
from adapter_ui.ui.selected import handlers, loading
from adapter_ui.ui.selected.panel import Panel
from adapter_ui.ui.state import Chosen, Selection
from tests.ui.drawn import Drawn
from tests.ui.fake_data import SMOL
from tests.ui.fake_service import FakeService

QWEN = "Qwen/Qwen3-0.6B"
WANTED = handlers.Wanted("bf16", USUAL, "Plain")
PIRATE = Selection("starter:pirate", SMOL, "CAUSAL_LM", "LORA")


def inspect(ref: str, service: FakeService | None = None) -> list[handlers.Shown]:
    return list(handlers.inspect(service or FakeService(), Newest(), ref, Chosen(), *WANTED))


def caught_up(
    profile: AdapterProfile | None, drawn_for: handlers.Wanted | None, *wanted: Any
) -> handlers.Drawn:
    (drawn,) = handlers.catch_up(FakeService(), Newest(), profile, PIRATE, drawn_for, *wanted)
    return drawn


def test_every_output_has_its_widget() -> None:
    widgets = [part.name for part in fields(Panel)]
    assert list(handlers.Shown._fields) == ["selected", "profile", "drawn_for", *widgets]
    assert set(handlers.Drawn._fields) < set(handlers.Shown._fields)


def test_inspecting_shows_the_name_first_and_then_everything() -> None:
    first, last = inspect("starter:pirate")
    assert "skeleton" in first.head
    assert first.body == handlers.KEPT
    assert (first.profile, first.load.interactive, first.try_it.interactive) == (None, False, False)
    assert last.selected == PIRATE
    assert last.load.value == "Load in bf16"
    assert last.load.interactive is last.try_it.interactive is True
    assert all(part != handlers.KEPT for part in last)


def test_a_blocked_adapter_can_be_neither_loaded_nor_tried_and_says_why() -> None:
    *_, last = inspect("broken/pickle-only")
    assert last.load.interactive is last.try_it.interactive is False
    assert "finding-blocker" in last.head
    assert "ask the author for safetensors" in last.reason


def test_a_precision_that_the_method_does_not_work_in_cannot_be_loaded_and_says_why() -> None:
    service = FakeService()
    lokr = replace(service.inspect("starter:pirate"), method="LOKR")
    for precision, works in (("nf4", False), ("int8", True)):
        chosen, load, try_it, line = loading.choose_precision(service, lokr, precision)
        assert (chosen, load.interactive, try_it.interactive) == (precision, works, works)
        assert ("LOKR adapters do not work on a base in nf4" in line) is not works
    rows = Drawn(precisions.precision_choices(lokr, service.precisions(), "bf16", service.fit(lokr)))
    assert rows.text.count("not supported") == 1
    assert any("choose one of" in title for title in rows.attributes("label", "title"))


def test_what_is_in_memory_is_called_that_after_a_load() -> None:
    service = FakeService()
    profile = service.inspect("starter:pirate")
    asked = (service, Newest(), profile, "bf16", (131_072, 8))
    (before,) = loading.draw_again(*asked)
    assert (before.count("in memory"), before.count("too big")) == (0, 8)
    service.remember(SMOL, Precision.FP32, "starter:pirate")
    (after,) = loading.draw_again(*asked)
    assert ("in memory" in after, after.count("too big")) == (True, 6)
    assert list(loading.draw_again(service, Newest(), None, *asked[3:])) == [handlers.KEPT]


def test_another_base_is_chosen_for_this_adapter_alone() -> None:
    service = FakeService()
    profile = service.inspect("starter:pirate")
    rest, newest = ("", "bf16", USUAL, "4-bit"), Newest()
    *_, (chosen, *panel) = handlers.choose_model(service, newest, profile, Chosen(), f" {QWEN} ", *rest)
    shown = handlers.Shown(*panel)
    assert chosen == Chosen("starter:pirate", ModelChoice(QWEN))
    assert (shown.selected.base, shown.selected.choice) == (QWEN, ModelChoice(QWEN))
    assert shown.profile.base.id == QWEN
    assert shown.load.interactive is True
    assert "Cannot be loaded" not in shown.reason
    assert QWEN in shown.head
    assert QWEN in shown.code.value
    assert (shown.base, shown.model_class, shown.report) == (handlers.KEPT,) * 3
    assert chosen.of("acme/roberta-entities") == OWN_MODEL
    (again,) = handlers.choose_model(service, newest, profile, chosen, QWEN, *rest)
    assert again == (handlers.KEPT, *handlers.Shown())


@pytest.mark.parametrize("base, name, told", [("../<b>", "", "as org/name"), ("", "os.<i>", "os.&lt;i&gt;")])
def test_a_typo_in_base_or_class_is_told_and_keeps_what_is_on_screen(base: str, name: str, told: str) -> None:
    service = FakeService()
    asked = (service, Newest(), service.inspect("starter:pirate"), Chosen(), base, name, *WANTED)
    with pytest.warns(UserWarning, match=told):
        assert list(handlers.choose_model(*asked)) == [(handlers.KEPT, *handlers.Shown())]


def test_what_was_asked_before_draws_nothing_once_something_else_is_asked() -> None:
    service, newest = FakeService(), Newest()
    older = handlers.inspect(service, newest, "starter:pirate", Chosen(), *WANTED)
    assert "skeleton" in next(older).head
    revisions = handlers.revisions(service, newest, service.inspect("gallery/folders"))
    assert "Reading" in next(revisions)
    *_, last = handlers.inspect(service, newest, "acme/roberta-entities", Chosen(), *WANTED)
    assert last.selected.ref == "acme/roberta-entities"
    assert list(older) == [handlers.Shown()]
    assert list(revisions) == [handlers.KEPT]


def test_what_fails_after_it_was_overtaken_says_nothing_and_two_that_begin_at_once_are_two() -> None:
    def fails() -> Iterator[int]:
        yield 1
        raise RuntimeError("too late")

    newest = Newest()
    older = newest.begin(fails(), 0)
    assert next(older) == 1
    first, second = newest.begin(iter([2]), 0), newest.begin(iter([3]), 0)
    assert list(older) == [0]
    assert (list(first), list(second)) == ([0], [3])
    failing = newest.begin(fails(), 0)
    assert next(failing) == 1
    with pytest.raises(RuntimeError):
        next(failing)


def test_an_adapter_that_cannot_be_read_keeps_its_name_and_says_why_in_the_panel() -> None:
    *_, last = inspect("nobody/unreachable")
    assert "<h2>unreachable</h2>" in last.head
    assert "The Hub cannot be reached; check the connection and try again." in last.head
    assert last.retry.visible is True
    assert last.body.visible is False
    assert last.selected == handlers.KEPT


def test_a_worker_is_warmed_only_for_what_can_be_loaded() -> None:
    service, warmed = FakeService(), []
    service.warm = lambda: warmed.append(1)
    for profile in (None, service.inspect("broken/pickle-only"), service.inspect("starter:pirate")):
        handlers.warm(service, profile)
    assert len(warmed) == 1


def test_nothing_asked_is_nothing_selected() -> None:
    (shown,) = inspect("")
    assert shown.selected == Selection()
    assert "Select an adapter" in shown.head


def test_a_longer_context_needs_more_memory() -> None:
    service = FakeService()
    profile = service.inspect("starter:pirate")
    short = caught_up(profile, WANTED, "bf16", (512, 1), "Plain")
    long = caught_up(profile, WANTED, "bf16", (131_072, 8), "Plain")
    assert (short.drawn_for.room, long.drawn_for.room) == ((512, 1), (131_072, 8))
    assert "512 tokens" in short.precisions
    assert "131,072 tokens" in long.precisions
    assert "8 answers" in long.matrix


def test_what_was_chosen_while_it_was_read_is_drawn_afterwards() -> None:
    service = FakeService()
    profile = service.inspect("starter:pirate")
    drawn = caught_up(profile, WANTED, "nf4", USUAL, "4-bit")
    assert drawn.load.value == "Load in nf4"
    assert "BitsAndBytesConfig" in drawn.code.value
    assert caught_up(profile, WANTED, *WANTED) == handlers.Drawn()
    assert caught_up(None, None, *WANTED) == handlers.Drawn()


@pytest.mark.parametrize(("context", "arms"), [(10**9, 99), ("<b>", None), (-1, 0), ([], {})])
def test_a_room_that_the_page_does_not_offer_becomes_the_usual_one(context: object, arms: object) -> None:
    assert handlers.choose_room(context, arms) == USUAL
    assert handlers.choose_room(512, 8) == (512, 8)


def test_revisions_are_asked_for_only_when_they_are_wanted() -> None:
    service = FakeService()
    *_, last = inspect("gallery/folders", service)
    assert "v1.0" not in last.places
    reading, shown = handlers.revisions(service, Newest(), last.profile)
    assert "Reading" in reading
    assert 'data-choose="gallery/folders@v1.0"' in shown
    assert list(handlers.revisions(service, Newest(), None)) == [handlers.KEPT]


def test_revisions_that_cannot_be_read_are_an_error_for_the_user() -> None:
    service = FakeService(unreachable=True)
    with pytest.raises(gr.Error, match="cannot be reached"):
        list(handlers.revisions(service, Newest(), service.inspect("gallery/folders")))
    assert "data-choose-revision" in handlers.no_revisions(service.inspect("gallery/folders"))


def test_the_chosen_code_is_in_its_language_or_says_why_there_is_none() -> None:
    service = FakeService()
    note, command = handlers.choose_code(service.inspect("gallery/large"), Selection(), "vLLM server")
    assert (note, command.language, command.visible) == ("", "shell", True)
    assert command.value.startswith("vllm serve meta-llama/Llama-3.3-70B-Instruct")
    note, program = handlers.choose_code(service.inspect("gallery/ia3"), Selection(), "vLLM Python")
    assert "LoRA adapters only" in note
    assert program.visible is False
    _, four_bit = handlers.choose_code(service.inspect("gallery/ia3"), Selection(), "4-bit")
    assert "load_in_4bit=True" in four_bit.value


def test_loading_streams_progress_and_ends_with_the_report() -> None:
    service = FakeService()
    *steps, last = loading.load(service, PIRATE, "bf16", "", "")
    assert all(cancel.visible for _, cancel, _ in steps)
    assert "27.0 MB of 270 MB" in steps[2][2]
    assert "120 of 120" in last[2]
    assert service.loaded()[0].adapters == ("starter:pirate",)


def test_closing_a_load_closes_the_service_stream() -> None:
    service = FakeService()
    started = loading.load(service, PIRATE, "bf16", "", "")
    next(started), next(started)
    started.close()
    assert service.closed_streams == 1
    assert service.loaded() == ()


def test_only_precisions_of_this_machine_are_taken() -> None:
    profile = inspect("starter:pirate")[-1].profile
    chosen, load, _, reason = loading.choose_precision(FakeService(), profile, "nf4")
    assert (chosen, load.value, load.interactive) == ("nf4", "Load in nf4", True)
    assert "4-bit" in reason
    assert loading.choose_precision(FakeService(), profile, "<script>")[0] == "bf16"


def test_a_blocked_adapter_still_says_why_after_another_precision_is_chosen() -> None:
    shown = inspect("broken/pickle-only")[-1]
    _, load, try_it, reason = loading.choose_precision(FakeService(), shown.profile, "nf4")
    assert reason == shown.reason
    assert "Cannot be loaded" in reason
    assert load.interactive is try_it.interactive is False


def test_each_step_of_a_load_names_its_adapter_for_another_one_may_be_on_screen() -> None:
    assert all("starter:pirate" in shown for *_, shown in loading.load(FakeService(), PIRATE, "bf16", "", ""))

"""How the page's events are run, read from the page itself."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
import pytest

from adapter_ui.settings import Settings
from adapter_ui.ui.app import build_page
from tests.ui.fake_service import FakeService

GRADIOS_OWN = {"example_select"}


def test_no_choice_is_dropped_because_the_one_before_is_on_its_way() -> None:
    picked = [fn for fn in build_page(FakeService()).fns.values() if fn.collects_event_data]
    ours = [fn for fn in picked if {name for _, name in fn.targets}.isdisjoint(GRADIOS_OWN)]
    assert len(ours) > 15
    assert {fn.trigger_mode for fn in ours} == {"multiple"}


def test_what_changes_while_the_library_is_drawn_is_drawn_next() -> None:
    page = build_page(FakeService())
    drawing = [fn for fn in page.fns.values() if any(one.elem_id == "library-runs" for one in fn.outputs)]
    assert len(drawing) > 4
    assert {fn.trigger_mode for fn in drawing} == {"always_last"}


def test_every_field_has_a_name_for_who_does_not_see_it() -> None:
    blocks = build_page(FakeService()).blocks.values()
    fields = [one for one in blocks if isinstance(one, gr.Textbox) and one.elem_id]  # endpoints have some too
    assert len(fields) > 20
    assert [one.elem_id for one in fields if not one.label] == []


@pytest.mark.parametrize("on_space", [False, True])
def test_a_space_says_that_it_is_shared_before_rows_are_given(on_space: bool) -> None:
    page = build_page(FakeService(settings=Settings(home=Path("nowhere"), on_space=on_space)))
    said = [one for one in page.blocks.values() if "Space is shared" in str(getattr(one, "value", ""))]
    assert len(said) == on_space

"""Side by side in the Browse tab: a tray of chosen adapters, and their comparison in place of the results.

The chosen adapters live in the browser and in the page's address, and compare.js draws the tray; here is only
what answers when they are to be compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import gradio as gr
from markupsafe import Markup

from adapter_ui.catalog.comparison.together import FEWEST
from adapter_ui.service import AdapterService
from adapter_ui.ui.comparison.view import comparison_view, failed_view, waiting_view
from adapter_ui.ui.errors import shown_to_user
from adapter_ui.ui.mixing.panel import mix_panel
from adapter_ui.ui.page import EACH, INSTANT, LOOK_UP, SETS_STATE, Page, html

MOST_ASKED = 8
LONGEST_REF = 1000
VIEW = "side-by-side"
EMPTY_TRAY = Markup(
    '<div class="side-tray" hidden><span class="side-chosen"></span>'
    '<span class="side-said" role="status"></span></div>'
)
WATCH_TRAY = "adapterUI.tray(element, (refs) => trigger('compare', {refs}), (ref) => trigger('pick', {ref}))"
WATCH_VIEW = "adapterUI.comparison(element, watch)"


@dataclass(frozen=True)
class Asked:
    """Which adapters are to be compared; `number` makes asking for the same ones again a new question."""

    refs: tuple[str, ...] = ()
    number: int = 0

    def again(self, refs: object) -> Asked:
        """The next question, whatever the page sent: texts of a sane length, a few of them."""
        items = refs if isinstance(refs, list) else []
        return Asked(tuple(str(ref)[:LONGEST_REF] for ref in items[:MOST_ASKED]), self.number + 1)


def side_by_side_panel(service: AdapterService, page: Page) -> None:
    """The tray and the comparison, to stand above the results inside `#browse-left`.

    While a comparison is open, compare.js sets the class `comparing` on the document, and compare.css hides
    everything of `#browse` but this panel.
    """
    asked = gr.State(Asked())
    with gr.Column(elem_id="compare-panel"):
        tray = html(EMPTY_TRAY, elem_id="compare-tray", js_on_load=WATCH_TRAY)
        view = html(elem_id="compare-view", js_on_load=WATCH_VIEW)
        mix_panel(service, page, asked, lambda question: question.refs)
    tray.compare(ask, asked, asked, **SETS_STATE, **EACH)
    tray.pick(pick, None, page.asked, **SETS_STATE, **EACH)
    page.load(restore, None, asked, **SETS_STATE)
    compared = asked.change(
        partial(compare, service), asked, view, trigger_mode="always_last", show_progress="hidden", **LOOK_UP
    )
    compared.failure(failed_view, None, view, **INSTANT)


def ask(asked: Asked, event: gr.EventData) -> Asked:
    return asked.again(event.refs)


def pick(event: gr.EventData) -> str:
    return str(event.ref)[:LONGEST_REF]


def restore(request: gr.Request) -> Asked:
    """The comparison that the page's address shows, if any."""
    refs = request.query_params.get("compare", "").split(",")
    is_open = request.query_params.get("view") == VIEW and len(refs) >= FEWEST
    return Asked().again(refs) if is_open else Asked()


def compare(service: AdapterService, asked: Asked) -> Iterator[Markup]:
    """First the frame with the way back, then the comparison."""
    if not asked.refs:
        yield Markup("")
        return
    with shown_to_user():
        yield waiting_view(asked.refs)
        yield comparison_view(service.side_by_side(asked.refs))

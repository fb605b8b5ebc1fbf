"""The page: the bar, the tabs, and how they are launched. Knows where a tab stands and not what it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from adapter_ui.service import AdapterService
from adapter_ui.ui.api import public_api
from adapter_ui.ui.bar import bar
from adapter_ui.ui.page import MOST_THREADS, SETS_STATE, Page
from adapter_ui.ui.state import Chosen, Selection
from adapter_ui.ui.tabs.browse import browse_tab
from adapter_ui.ui.tabs.finetune import finetune_tab
from adapter_ui.ui.tabs.generate import generate_tab
from adapter_ui.ui.tabs.library import library_tab
from adapter_ui.ui.theme import page_theme

ASSETS = Path(__file__).parent / "assets"
STYLES = ("page.css", "browse.css", "inspect.css", "compare.css", "mix.css", "work.css", "generate.css")
SCRIPTS = ("page.js", "browse.js", "inspect.js", "compare.js", "arms.js")
TABS = {
    "browse": ("Browse", browse_tab),
    "generate": ("Generate", generate_tab),
    "finetune": ("Fine-tune", finetune_tab),
    "library": ("Library", library_tab),
}
HOUR = 3600
MOST_SESSIONS = 400
"""Gradio keeps 0.7 MB of each tab or script that was ever there, up to so many. The one not heard of for the
longest time goes first; an open page is heard of every few seconds.
"""
# Fixed, because what a browser keeps has to be readable after a restart; it protects nothing.
KEPT = ("adapter-ui-conversations", "adapter-ui-rows", "adapter-ui-recipe", "adapter-ui-settings")


def build_page(service: AdapterService) -> gr.Blocks:
    """The whole page over one service."""
    with gr.Blocks(
        title="Adapter UI", fill_width=True, analytics_enabled=False, delete_cache=(HOUR, HOUR)
    ) as demo:
        asked, selected, chosen = gr.State(""), gr.State(Selection()), gr.State(Chosen())
        precision = gr.State(service.default_precision().value)
        # not inside a tab, where it would only be read once that tab is shown
        kept = [gr.BrowserState({}, storage_key=name, secret=name) for name in KEPT]
        tabs = gr.Tabs(elem_id="tabs", render=False)
        page = Page(asked, selected, chosen, precision, *kept, tabs, demo.load)
        bar(service, page)
        tabs.render()
        with tabs:
            for name, (label, build) in TABS.items():
                with gr.Tab(label, id=name, elem_id=f"tab-{name}") as tab:
                    build(service, page)
                tab.select(
                    None,
                    None,
                    None,
                    js=f"() => adapterUI.remember(['tab'], ['{name}'])",
                    api_visibility="private",
                )

        def opened(asked: str, request: gr.Request) -> tuple[Any, ...]:
            offered = [choice.precision.value for choice in service.precisions()]
            return restore(asked, request.query_params, offered)

        restored = demo.load(opened, asked, [asked, chosen, precision, tabs], **SETS_STATE)
        restored.then(None, None, None, js="() => adapterUI.ready()", api_visibility="private")
        public_api(service)
        quieten(demo, asked)
    return demo


def quieten(demo: gr.Blocks, one: gr.Component) -> None:
    """Let the events without a visible progress report theirs to one component.

    Whenever an event starts or ends, Gradio's page tells it to every output of every event that ever ran, and
    searches the whole page for each of them: a quarter of what the page computed while it opened. Chats are
    told, since they show by it that an answer is on its way.
    """
    for event in demo.fns.values():
        if event.show_progress == "hidden" and not any(isinstance(to, gr.Chatbot) for to in event.outputs):
            event.show_progress_on = [one]


def restore(asked: str, said: Mapping[str, str], offered: Sequence[str]) -> tuple[Any, Any, Any, Any]:
    """The adapter, base and class where they were chosen, the precision of those offered, and the tab, as the
    page's address names them. Who has `asked` for an adapter while the page was still opening keeps that one.
    """
    ref, tab = said.get("adapter", "")[:400], said.get("tab", "browse")
    precision = said["precision"] if said.get("precision") in offered else gr.skip()
    shown = gr.Tabs(selected=tab if tab in TABS else "browse")
    if asked or not ref:
        return gr.skip(), gr.skip(), precision, shown
    return ref, Chosen.read(ref, said.get("on", ""), said.get("class", "")), precision, shown


def queue_options() -> dict[str, Any]:
    """What `demo.queue` is given: bounded, so that events cannot pile up without end. Those of models never
    wait here (see page.MODEL_SLOTS).
    """
    return {"max_size": 256, "default_concurrency_limit": 4}


def launch_options() -> dict[str, Any]:
    """What `demo.launch` is given: the look, and the settings of an app that strangers may open."""
    script = "\n".join((ASSETS / name).read_text(encoding="utf-8") for name in SCRIPTS)
    return {
        "theme": page_theme(),
        "css": "\n".join((ASSETS / name).read_text(encoding="utf-8") for name in STYLES),
        "head": f'<meta name="color-scheme" content="light dark"><script>{script}</script>',
        "footer_links": ["api"],
        "share": False,
        "max_threads": MOST_THREADS,
        "state_session_capacity": MOST_SESSIONS,
        "show_error": False,
        "max_file_size": "20mb",
        "allowed_paths": [],
        "enable_monitoring": False,
        "run_history": False,
        "strict_cors": True,
        "ssr_mode": False,
        # else Gradio gives its first page three seconds, once, and refuses to start on a machine that is busy
        "_frontend": False,
    }

"""The Generate tab: try the selected adapter. What its task needs is shown, nothing else."""

from __future__ import annotations

import gradio as gr

from adapter_ui.service import AdapterService
from adapter_ui.ui.generating.chat import chat
from adapter_ui.ui.generating.prediction import prediction
from adapter_ui.ui.markup import empty
from adapter_ui.ui.page import INSTANT, Page, html
from adapter_ui.ui.state import Selection

NOTHING = empty("No adapter selected", "Choose one in Browse; the starter set needs no download.")


def generate_tab(service: AdapterService, page: Page) -> None:
    with gr.Column(elem_id="nothing-to-try") as nothing:
        html(NOTHING)
        browse = gr.Button("Go to Browse", size="sm", elem_id="go-browse")
    with gr.Column(visible=False, elem_id="chat-area") as chat_area:
        chat(service, page)
    with gr.Column(visible=False, elem_id="predict-area") as predict_area:
        prediction(service, page)
    page.selected.change(shown_areas, page.selected, [nothing, chat_area, predict_area], **INSTANT)
    browse.click(lambda: gr.Tabs(selected="browse"), None, page.tabs, **INSTANT)


def shown_areas(selected: Selection) -> tuple[gr.Column, gr.Column, gr.Column]:
    """Text generators get a conversation, every other task its own form."""
    writes = bool(selected.ref) and selected.writes_text
    predicts = bool(selected.ref) and not selected.writes_text
    return gr.Column(visible=not selected.ref), gr.Column(visible=writes), gr.Column(visible=predicts)

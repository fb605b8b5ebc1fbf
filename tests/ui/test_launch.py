"""How the page is launched, where a machine is busy."""

from __future__ import annotations

import asyncio
from typing import Any

import gradio as gr
import httpx
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from adapter_ui.ui.app import launch_options

AS_LONG_AS_GRADIO_WAITS = 3.0


class Busy:
    """Answers the first request for the page later than Gradio waits for it."""

    def __init__(self, app: ASGIApp, asked: list[str]) -> None:
        self.app, self.asked = app, asked

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.asked.append(scope["path"])
            if scope["path"] == "/":
                await asyncio.sleep(AS_LONG_AS_GRADIO_WAITS + 0.5)
        await self.app(scope, receive, send)


def test_a_machine_that_is_slow_to_draw_the_first_page_serves_it_all_the_same() -> None:
    asked: list[str] = []
    with gr.Blocks(analytics_enabled=False) as demo:
        gr.Markdown("here")
    busy: dict[str, Any] = {"app_kwargs": {"middleware": [Middleware(Busy, asked=asked)]}}
    try:
        _, url, _ = demo.launch(
            prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", **launch_options(), **busy
        )
        assert asked and "/" not in asked  # that it listens was asked, which is not timed
        assert httpx.get(url, timeout=60).status_code == 200
    finally:
        demo.close()

"""The page over the fake service, served for a browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from adapter_ui.ui.app import build_page, launch_options, queue_options
from tests.ui.fake_service import FakeService


@contextmanager
def served(pause: float, service: type[FakeService] = FakeService) -> Iterator[str]:
    """The page's address; `pause` is the seconds between two pieces of what the fake service streams."""
    demo = build_page(service(pause=pause))
    demo.queue(**queue_options())
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", **launch_options())
    yield url.rstrip("/")
    demo.close()

"""How soon the first page is there, beside a trivial Gradio app started in the same run.

    python benchmarks/startup.py [--runs 5]

The two start in turn, each as a process of its own, and the clock stops at the first HTTP 200 for the page.
Target: at most 1.6 times the trivial app, by the medians.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TARGET = 1.6
LONGEST_SECONDS = 120
TRIVIAL = """
import gradio as gr
with gr.Blocks() as demo:
    box = gr.Textbox()
    box.submit(lambda text: text, box, box)
demo.launch(ssr_mode=False)
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as home:
        trivial, app = [sys.executable, "-c", TRIVIAL], [sys.executable, "app.py"]
        for command in (trivial, app):  # once uncounted, to warm the disk's cache
            seconds_to_page(command, home)
        pairs = [(seconds_to_page(trivial, home), seconds_to_page(app, home)) for _ in range(runs)]
    for name, times in zip(("trivial app", "Adapter UI"), zip(*pairs, strict=True), strict=True):
        span = f"from {min(times):5.2f} to {max(times):5.2f} s"
        print(f"{name:12} median {statistics.median(times):5.2f} s   {span}")
    ratio = statistics.median(ours for _, ours in pairs) / statistics.median(bare for bare, _ in pairs)
    print(f"ratio {ratio:.2f}, target at most {TARGET}")
    return 0 if ratio <= TARGET else 1


def seconds_to_page(command: list[str], home: str) -> float:
    """Start `command` and wait for its page."""
    started = time.monotonic()
    with served(command, home):
        return time.monotonic() - started


@contextmanager
def served(command: list[str], home: str) -> Iterator[str]:
    """The address of the page of `command`, which is started on a free port, once it is there."""
    port = free_port()
    environment = {
        **os.environ,
        "GRADIO_SERVER_NAME": "127.0.0.1",
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_ANALYTICS_ENABLED": "False",
        "ADAPTER_UI_HOME": home,
        "NO_PROXY": "127.0.0.1",
    }
    started = time.monotonic()
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while not page_is_there(port):
            if process.poll() is not None:
                raise SystemExit(f"{command[-1][:40]} ended with exit code {process.returncode}")
            if time.monotonic() - started > LONGEST_SECONDS:
                raise SystemExit(f"no page after {LONGEST_SECONDS} s")
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def page_is_there(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
            return answer.status == 200
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


if __name__ == "__main__":
    raise SystemExit(main())

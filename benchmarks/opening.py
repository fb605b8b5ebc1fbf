"""What a browser computes until the page can be used, beside a trivial Gradio app in the same run.

    python benchmarks/opening.py [--runs 5]

Both are open at once, and a fresh visitor opens them in turn in headless Chromium. Counted is the processor
time of all of Chromium's processes, from the address to two seconds after the page is there; on a busy
machine it says more than the clock does. Target: at most 2.5 times the trivial app, by the medians.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import psutil
from playwright.sync_api import Browser, sync_playwright
from startup import TRIVIAL, served

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.chromium import FLAGS, chromium

TARGET = 2.5
SETTLED_SECONDS = 2.0
THERE = {"trivial app": "textarea, input", "Adapter UI": "#bar .memory"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    commands = ([sys.executable, "-c", TRIVIAL], [sys.executable, "app.py"])
    with (
        tempfile.TemporaryDirectory() as home,
        served(commands[0], home) as trivial,
        served(commands[1], home) as ours,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(FLAGS))
        addresses = dict(zip(THERE, (trivial, ours), strict=True))
        times = [
            {name: seconds_of(browser, address, THERE[name]) for name, address in addresses.items()}
            for _ in range(runs + 1)
        ][1:]  # the first one warms the caches
        browser.close()
    medians = {}
    for name in THERE:
        taken = [one[name] for one in times]
        medians[name] = statistics.median(taken)
        print(f"{name:12} median {medians[name]:5.2f} s   from {min(taken):5.2f} to {max(taken):5.2f} s")
    ratio = medians["Adapter UI"] / medians["trivial app"]
    print(f"ratio {ratio:.2f}, target at most {TARGET}")
    return 0 if ratio <= TARGET else 1


def seconds_of(browser: Browser, address: str, there: str) -> float:
    """Processor time of one opening by a fresh visitor; his renderer has to be alive when it is read."""
    before = processor_seconds()
    context = browser.new_context()
    page = context.new_page()
    page.goto(address)
    page.locator(there).first.wait_for(timeout=60_000)
    time.sleep(SETTLED_SECONDS)
    taken = sum(now - before.get(pid, 0.0) for pid, now in processor_seconds().items())
    context.close()
    return taken


def processor_seconds() -> dict[int, float]:
    """Of each process of Chromium that this one has started and that lives."""
    found = {}
    for process in psutil.Process().children(recursive=True):
        try:
            if "chrom" in process.name():
                found[process.pid] = sum(process.cpu_times()[:2])
        except psutil.NoSuchProcess:
            continue
    return found


if __name__ == "__main__":
    raise SystemExit(main())

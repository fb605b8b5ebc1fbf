"""Take README's screenshots from the running app: `python -m tests.e2e.screenshots [FOLDER]`.

The app runs as its user starts it, on the real 135M model, with a loopback Hub full of made-up adapters.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser import fill_in
from tests.chromium import FLAGS, chromium
from tests.conftest import finish
from tests.e2e.app_process import AppProcess
from tests.hub import catalogue
from tests.hub.server import LoopbackHub

HERE = Path(__file__).parent / "screenshots"
SECONDS = 1000
DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home, LoopbackHub() as hub:
        catalogue.add_light_catalogue(hub, 60)
        fetch_base(Path(home))
        with AppProcess(Path(home), hub.endpoint) as app, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium(), args=list(FLAGS))
            browse(browser, app.url, folder)
            side_by_side(browser, app.url, folder)
            generate(browser, app.url, folder)
            finetune(browser, app.url, folder)
            library(browser, app.url, folder)
            browser.close()


def fetch_base(home: Path) -> None:
    from adapter_ui.catalog.storage.embedded import fetch_embedded
    from adapter_ui.settings import Settings

    finish(fetch_embedded(Settings(home=home)))


def visit(browser: Browser, address: str, size: dict[str, int], *, dark: bool = False) -> Page:
    page = browser.new_page(viewport=size, color_scheme="dark" if dark else "light", reduced_motion="reduce")
    page.set_default_timeout(180 * SECONDS)
    page.goto(address)
    expect(page.locator("#bar")).to_contain_text("GB of")
    return page


def take(page: Page, folder: Path, name: str) -> None:
    page.mouse.move(0, 0)
    page.wait_for_timeout(1500)  # pictures want the last transition to be over
    page.screenshot(path=folder / f"{name}.png")


def browse(browser: Browser, url: str, folder: Path) -> None:
    for name, size, dark in (("light", DESKTOP, False), ("dark", DESKTOP, True), ("phone", PHONE, False)):
        page = visit(browser, f"{url}?adapter=starter:pirate", size, dark=dark)
        expect(page.locator("#detail-scale")).to_contain_text("of 134.5M")
        expect(page.locator("#results .awaited")).to_have_count(0)
        take(page, folder, f"browse-{name}")
        page.close()


def side_by_side(browser: Browser, url: str, folder: Path) -> None:
    page = visit(browser, f"{url}?compare=starter:pirate,starter:sentiment&view=side-by-side", DESKTOP)
    expect(page.get_by_text("2 adapters side by side")).to_be_visible()
    take(page, folder, "side-by-side-light")
    page.close()


def generate(browser: Browser, url: str, folder: Path) -> None:
    page = visit(browser, f"{url}?adapter=starter:pirate&tab=generate", DESKTOP)
    page.locator("#sampling").get_by_role("button").first.click()
    fill_in(page.locator("#temperature input[type=number]"), "0")
    for question in ("What is the capital of France?", "How do I sleep better?"):
        fill_in(page.locator("#question textarea"), question)
        page.locator("#send").click()
        expect(page.locator("#stop")).to_be_visible()
        expect(page.locator("#send")).to_be_visible(timeout=180 * SECONDS)
    take(page, folder, "generate-light")
    page.close()


def finetune(browser: Browser, url: str, folder: Path) -> None:
    page = visit(browser, f"{url}?tab=finetune", DESKTOP, dark=True)
    page.locator("#data-example").click()
    expect(page.locator("#data-preview")).to_contain_text("30 rows")
    page.locator("#data-next").click()
    fill_in(page.locator("#recipe-learning-rate input"), "0.002")
    fill_in(page.locator("#recipe-name input, #recipe-name textarea").first, "Pirate talk")
    page.locator("#recipe-next").click()
    expect(page.locator("#check-report")).to_contain_text("Ready to start", timeout=60 * SECONDS)
    expect(page.locator("#check-report")).not_to_contain_text("Measuring two steps")
    take(page, folder, "check-dark")
    page.locator("#start-run").click()
    expect(page.locator(".run")).to_contain_text("Trained for", timeout=600 * SECONDS)
    take(page, folder, "finetune-dark")
    page.close()


def library(browser: Browser, url: str, folder: Path) -> None:
    """What the pictures before it left behind: models in memory, downloads, and the run."""
    page = visit(browser, f"{url}?tab=library", DESKTOP)
    expect(page.locator("#library-runs")).to_contain_text("Pirate talk")
    take(page, folder, "library-light")
    page.close()


if __name__ == "__main__":
    main()

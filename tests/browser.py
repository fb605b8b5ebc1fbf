"""A real browser for the page's tests; a machine without one fails, it does not skip."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

from tests.chromium import FLAGS, chromium

SECONDS = 1000
DESKTOP = {"width": 1440, "height": 900}
expect.set_options(timeout=60 * SECONDS)  # two workers share two cores with all that their pages start
KEPT = "local_storage,indexeddb,cache_storage,service_workers"
OWN = ("http://127.0.0.1", "http://localhost", "data:", "blob:")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    program = chromium()
    assert program, "There is no Chromium on this machine; `python -m tests.chromium` installs one."
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def visitors(browser: Browser) -> Iterator[BrowserContext]:
    """Where all visitors come from: its scripts of Gradio are compiled, a third of what a page costs."""
    context = browser.new_context(viewport=DESKTOP, color_scheme="light", reduced_motion="reduce")
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    context.set_default_timeout(60 * SECONDS)
    yield context
    context.close()


@pytest.fixture
def page(visitors: BrowserContext) -> Iterator[Page]:
    """A fresh visitor; the test fails when the page's scripts do, or ask another machine for anything."""
    problems: list[str] = []
    page = visitors.new_page()
    page.on("request", lambda request: problems.extend([] if request.url.startswith(OWN) else [request.url]))
    page.on("pageerror", lambda error: problems.append(str(error)))
    yield page
    forget(page)
    page.close()
    assert problems == []


def forget(page: Page) -> None:
    """Leave the page, and take away all that the browser keeps of it, but its scripts."""
    origin = page.evaluate("location.origin")
    page.goto("about:blank")
    page.context.clear_cookies()
    devtools = page.context.new_cdp_session(page)
    devtools.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": KEPT})


def fill_in(field: Locator, value: str) -> None:
    """Type a value that stays: Gradio sets the value of a field once more, a moment after it unfolds."""
    for _ in range(20):
        field.fill(value)
        field.page.wait_for_timeout(250)
        if field.input_value() == value:
            return
    raise AssertionError(f"The field does not keep “{value}”.")


def choose(dropdown: Locator, option: str) -> None:
    """Choose from a dropdown's own list: that of the one before stays for a moment, with the same names."""
    dropdown.locator("input").click()
    dropdown.get_by_role("option", name=option, exact=True).click()

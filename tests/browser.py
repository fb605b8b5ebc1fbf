"""A real browser for the page's tests; a machine without one fails, it does not skip."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

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
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(page.url))
    page.close()  # its server may be gone by now, and Gradio's page loads itself anew at such moments
    forget(visitors, origin)
    assert problems == []


def forget(visitors: BrowserContext, origin: str) -> None:
    """Take away all that the browser keeps of a visit, but its scripts."""
    visitors.clear_cookies()
    blank = visitors.new_page()
    visitors.new_cdp_session(blank).send(
        "Storage.clearDataForOrigin", {"origin": origin, "storageTypes": KEPT}
    )
    blank.close()


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

"""What the page shows when something goes wrong: from the type of an error to a title and a duration.

The sentence is the error's own. Cancelled shows nothing; what nobody foresaw is logged under a number that
the user sees. Handlers wrap their work in `shown_to_user()`, endpoints theirs in `told_to_caller()`, and
catch nothing themselves.
"""

from __future__ import annotations

import html
import logging
import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar

import gradio as gr

from adapter_ui.errors import (
    AdapterUIError,
    BadAdapter,
    BaseUnavailable,
    Cancelled,
    Crowded,
    DoesNotFit,
    EngineError,
    GatedRepo,
    HubError,
    HubRateLimited,
    HubUnreachable,
    InvalidInput,
    NotFoundOrPrivate,
    TooManyRequests,
    UnknownRun,
    UnsupportedAdapter,
    WorkerHung,
    WorkerStopped,
)

log = logging.getLogger(__name__)
Step = TypeVar("Step")

SHORT, LONG = 8.0, 20.0
SHOWN_AS: dict[type[AdapterUIError], tuple[str, float]] = {
    InvalidInput: ("Please check your input", SHORT),
    HubUnreachable: ("The Hub cannot be reached", SHORT),
    HubRateLimited: ("Too many requests", LONG),
    NotFoundOrPrivate: ("Not found", SHORT),
    GatedRepo: ("A licence has to be accepted", LONG),
    HubError: ("The Hub refused", LONG),
    UnsupportedAdapter: ("This adapter is not supported", LONG),
    BadAdapter: ("This adapter cannot be used", LONG),
    BaseUnavailable: ("The base model is missing", LONG),
    DoesNotFit: ("Not enough memory", LONG),
    WorkerStopped: ("The model process stopped", LONG),
    WorkerHung: ("The model did not answer", LONG),
    EngineError: ("The model failed", LONG),
    TooManyRequests: ("One thing at a time", SHORT),
    Crowded: ("The app is busy", LONG),
    UnknownRun: ("No such run", SHORT),
    AdapterUIError: ("That did not work", LONG),
}


def title_of(error: AdapterUIError) -> tuple[str, float]:
    """The title and the seconds on screen, by the error's own type or its nearest parent in the table."""
    return next(SHOWN_AS[kind] for kind in type(error).__mro__ if kind in SHOWN_AS)


@contextmanager
def shown_to_user(*, as_html: bool = True) -> Iterator[None]:
    """Let errors reach the person at the screen: a sentence of ours, never a traceback."""
    try:
        yield
    except Cancelled:
        return
    except AdapterUIError as error:
        title, seconds = title_of(error)
        message = escaped(error) if as_html else error.message
        raise gr.Error(message, duration=seconds, title=title, print_exception=False) from error
    except gr.Error:
        raise
    except Exception as error:
        number = secrets.token_hex(4)
        log.exception("Unexpected error %s", number)
        raise gr.Error(
            f"Something unexpected happened; try again, and if it stays, report number {number} from "
            f"the log.",
            duration=LONG,
            title="Unexpected error",
            print_exception=False,
        ) from error


def warn(error: AdapterUIError) -> None:
    """Say what is wrong with an input where what is on screen stays as it is."""
    title, seconds = title_of(error)
    gr.Warning(escaped(error), duration=seconds, title=title)


def escaped(error: AdapterUIError) -> str:
    """The page renders messages as HTML, and file and adapter names are in them."""
    return html.escape(error.message, quote=False)


def told_to_caller() -> AbstractContextManager[None]:
    """The same for an endpoint, which no page shows: its callers get the sentence as it is."""
    return shown_to_user(as_html=False)


def staying(steps: Iterator[Step], refused: Callable[[str], Step]) -> Iterator[Step]:
    """A stream that ends with the sentence of its error where its steps were drawn: the message goes away."""
    try:
        with shown_to_user():
            yield from steps
    except gr.Error as error:
        yield refused(html.unescape(error.message))
        raise

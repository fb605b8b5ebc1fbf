"""The Hub client's errors become ours here, in one context manager; nothing else looks at them."""

from __future__ import annotations

import json
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
from huggingface_hub.errors import (
    DisabledRepoError,
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
    RevisionResolutionError,
)

from adapter_ui.errors import (
    AdapterUIError,
    DisabledRepo,
    GatedRepo,
    HubError,
    HubRateLimited,
    HubUnreachable,
    InvalidRef,
    NotFoundOrPrivate,
)

BAD_TOKEN = "Invalid credentials in Authorization header"
RATE_LIMIT = re.compile(r";\s*r\s*=\s*0\s*;\s*t\s*=\s*(\d{1,5})(?!\d)", re.ASCII)
RETRY_AFTER = re.compile(r"\d{1,5}", re.ASCII)


@contextmanager
def hub_errors(what: str) -> Iterator[None]:
    """Translate every error of the Hub's client; `what` names what was asked for, as in “the adapter a/b”.

    Raises HubUnreachable, HubRateLimited, NotFoundOrPrivate, GatedRepo, DisabledRepo, InvalidRef, or a plain
    HubError.
    """
    try:
        yield
    except LocalEntryNotFoundError as error:
        raise translated_cache_miss(error, what) from error
    except RevisionResolutionError as error:
        raise unreachable(what) from error
    except HFValidationError as error:
        raise InvalidRef(
            f"The Hub cannot have {what} under this name; use org/name.", field="adapter"
        ) from error
    except HfHubHTTPError as error:
        raise translated_answer(error, what) from error
    except OfflineModeIsEnabled as error:
        raise offline(what) from error
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise translated_failure(error, what) from error
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise no_answer(what) from error


def translated_cache_miss(error: LocalEntryNotFoundError, what: str) -> AdapterUIError:
    """A download that failed on the wire: the client hides the reason in the cause."""
    cause = error.__cause__
    if isinstance(cause, HfHubHTTPError):
        return translated_answer(cause, what)
    if isinstance(cause, (httpx2.HTTPError, httpx2.InvalidURL)):
        return translated_failure(cause, what)
    return offline(what) if isinstance(cause, OfflineModeIsEnabled) else unreachable(what)


def translated_failure(error: httpx2.HTTPError | httpx2.InvalidURL, what: str) -> HubUnreachable:
    """Why there is no answer, as far as the reasons below the client's error tell."""
    if isinstance(error, httpx2.TimeoutException):
        return too_slow()
    if isinstance(error, httpx2.TooManyRedirects):
        return HubUnreachable(
            f"The Hub sends the request for {what} around in circles; check HF_ENDPOINT, or a login page of "
            "the network."
        )
    if isinstance(error, (httpx2.DecodingError, httpx2.ProtocolError)):
        return no_answer(what)
    reasons = list(reasons_of(error))
    if any(isinstance(reason, ssl.SSLError) for reason in reasons):
        return HubUnreachable(
            "No secure connection to the Hub could be made, so nothing was sent; check this machine's clock, "
            "HF_ENDPOINT, or a proxy of the network."
        )
    if any(isinstance(reason, socket.gaierror) for reason in reasons):
        return HubUnreachable(
            "The Hub's address cannot be found; check the connection, or the name in HF_ENDPOINT."
        )
    return unreachable(what)


def reasons_of(error: BaseException) -> Iterator[BaseException]:
    """The errors that led to this one, the nearest first."""
    while (reason := error.__cause__ or error.__context__) is not None:
        yield reason
        error = reason


def translated_answer(error: HfHubHTTPError, what: str) -> AdapterUIError:
    """An HTTP answer that says no. Gated stands first: for the client it is a kind of “not found”."""
    status = error.response.status_code
    if isinstance(error, GatedRepoError):
        return GatedRepo(
            f"{sentence_start(what)} is gated; accept its terms on its page on the Hub, then use a token of "
            "that account."
        )
    if isinstance(error, DisabledRepoError):
        return DisabledRepo(f"The Hub has disabled access to {what}; choose another one.")
    if error.response.headers.get("X-Error-Message") == BAD_TOKEN:
        return HubError(
            "The Hub does not accept the token; check HF_TOKEN, or remove it to browse without one."
        )
    if status == 429:
        return rate_limited(error.response)
    if isinstance(error, RevisionNotFoundError):
        return NotFoundOrPrivate(f"{sentence_start(what)} has no such revision; check what follows the @.")
    if isinstance(error, EntryNotFoundError):
        return NotFoundOrPrivate(f"The Hub does not have {what}; look at the files its page lists.")
    if isinstance(error, RepositoryNotFoundError) or status in (401, 404):
        return NotFoundOrPrivate(
            f"{sentence_start(what)} is not on the Hub, or is private; check the name, or use a token that "
            "may see it."
        )
    if status >= 500:
        return HubUnreachable(
            f"The Hub failed (status {status}) when asked for {what}; try again in a minute."
        )
    return HubError(
        f"The Hub refused {what} (status {status}); check the name and the token, then try again."
    )


def rate_limited(response: httpx2.Response) -> HubRateLimited:
    """The wait is the Hub's own figure where it gives one; a CDN's 429 does not."""
    limits = RATE_LIMIT.search(response.headers.get("RateLimit", ""))
    retry_after = RETRY_AFTER.fullmatch(response.headers.get("Retry-After", ""))
    wait = int(limits[1]) if limits else int(retry_after[0]) if retry_after else None
    when = f"in {wait} seconds" if wait is not None else "in a few minutes"
    return HubRateLimited(f"The Hub allows no more requests for now; try again {when}.")


def unreachable(what: str) -> HubUnreachable:
    return HubUnreachable(f"The Hub cannot be reached for {what}; check the connection and try again.")


def too_slow() -> HubUnreachable:
    return HubUnreachable("The Hub answers too slowly, or not at all; try again in a minute.")


def offline(what: str) -> HubUnreachable:
    return HubUnreachable(
        f"Offline mode is on, so the Hub was not asked for {what}; unset HF_HUB_OFFLINE to reach it."
    )


def no_answer(what: str) -> HubUnreachable:
    return HubUnreachable(
        f"What came back for {what} is not an answer of the Hub; check HF_ENDPOINT, or a login page of the "
        "network."
    )


def sentence_start(what: str) -> str:
    return what[:1].upper() + what[1:]

"""Everything that can go wrong, as types.

* AdapterUIError
  + InvalidInput              an argument is wrong; `field` names it
    - InvalidRef              not a name of an adapter
    - InvalidRecipe           a fine-tuning recipe or its data cannot be used
  + HubError                  the Hub said no, or nothing
    - HubUnreachable          no connection, a timeout, or an answer that is no answer
    - HubRateLimited          too many requests
    - NotFoundOrPrivate       no such repository, revision or file for this user
    - GatedRepo               the files need an accepted licence
    - DisabledRepo            the Hub gives nobody access to the repository any more
  + BadAdapter                the adapter's files cannot be used as they are
    - UnsupportedAdapter      sound, but this app or this PEFT cannot load it
    - HalfAttached            PEFT failed after it had begun to change the base in memory
    - ConfigUnreadable        adapter_config.json, or a field of it, cannot be used
      · NonFiniteNumber       it holds a NaN, an infinity, or a number beyond all use
    - HeaderUnreadable        the table of tensors is not a sound one of this weights file
    - HeaderTooLarge          it may be sound, but is longer than is read
  + BaseUnavailable           the base model's files cannot be had
  + DoesNotFit                not enough memory; `largest_precision` says what would fit
  + EngineError               the model worker failed
    - WorkerStopped           it crashed, was killed, or ran out of memory; it is restarted
    - WorkerHung              it missed its deadline; it is restarted
    - ModelFailure            the model raised while it loaded or ran
  + TooManyRequests           the visitor has as many requests running and waiting as one may have
    - Crowded                 all visitors together have as many as the app takes
  + Cancelled                 the user stopped it
  + UnknownRun                no such fine-tuning run

The message of each is one sentence for the person at the screen, with the next step in it. Nothing here
knows about Gradio; `adapter_ui.ui.errors` turns these into what the page and the API show.
"""

from __future__ import annotations

import re
from typing import ClassVar

LOCAL_PATH = re.compile(r"(?<![\w:/])/(?:[\w.@+ -]+/)+")
TOKEN = re.compile(r"hf_\w+|Bearer \S+")


class AdapterUIError(Exception):
    """Base of all errors that this app raises on purpose; `code` is stable for scripts."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidInput(AdapterUIError):
    code = "invalid_input"

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class InvalidRef(InvalidInput):
    code = "invalid_ref"


class InvalidRecipe(InvalidInput):
    code = "invalid_recipe"


class HubError(AdapterUIError):
    code = "hub_error"


class HubUnreachable(HubError):
    code = "hub_unreachable"


class HubRateLimited(HubError):
    code = "hub_rate_limited"


class NotFoundOrPrivate(HubError):
    code = "not_found_or_private"


class GatedRepo(HubError):
    code = "gated_repo"


class DisabledRepo(HubError):
    code = "disabled_repo"


class BadAdapter(AdapterUIError):
    code = "bad_adapter"


class UnsupportedAdapter(BadAdapter):
    code = "unsupported_adapter"


class HalfAttached(BadAdapter):
    code = "half_attached"


class ConfigUnreadable(BadAdapter):
    code = "config_unreadable"


class NonFiniteNumber(ConfigUnreadable):
    code = "non_finite"


class HeaderUnreadable(BadAdapter):
    code = "header_unreadable"


class HeaderTooLarge(BadAdapter):
    code = "header_too_large"


class BaseUnavailable(AdapterUIError):
    code = "base_unavailable"


class DoesNotFit(AdapterUIError):
    code = "does_not_fit"

    def __init__(self, message: str, largest_precision: str | None = None) -> None:
        super().__init__(message)
        self.largest_precision = largest_precision


class EngineError(AdapterUIError):
    code = "engine_error"


class WorkerStopped(EngineError):
    code = "worker_stopped"


class WorkerHung(EngineError):
    code = "worker_hung"


class ModelFailure(EngineError):
    code = "model_failure"


class TooManyRequests(AdapterUIError):
    code = "too_many_requests"


class Crowded(TooManyRequests):
    code = "crowded"


class Cancelled(AdapterUIError):
    code = "cancelled"


class UnknownRun(AdapterUIError):
    code = "unknown_run"


def without_local_names(message: str) -> str:
    """A message for people, without this machine's paths and without tokens."""
    return TOKEN.sub("…", LOCAL_PATH.sub("…/", message))

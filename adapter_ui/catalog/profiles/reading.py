"""What an inspection reads of an adapter's files, within its bounds; what cannot be read becomes a finding.

Of the weights, at most 256 KiB for the table of tensors, and MOST_BYTES of `values` for the numbers. What any
of it means is not known here.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from adapter_ui.catalog.findings.evidence import blocker, warning
from adapter_ui.catalog.findings.values import deciding_tensors
from adapter_ui.catalog.profiles.card import CARD_BYTES, CARD_NAME
from adapter_ui.catalog.profiles.config import CONFIG_BYTES, AdapterConfig, parse_config
from adapter_ui.catalog.profiles.values import Values, look
from adapter_ui.catalog.storage.files import AdapterFiles
from adapter_ui.domain import ADAPTER_CONFIG, ADAPTER_WEIGHTS, Finding, TensorInfo
from adapter_ui.domain.tensor_table import read_tensors
from adapter_ui.errors import (
    BadAdapter,
    GatedRepo,
    HeaderTooLarge,
    HubRateLimited,
    HubUnreachable,
    NotFoundOrPrivate,
)

GATED = "Its files are gated; accept the terms on its page on the Hub, then use a token of that account."

Read = TypeVar("Read")


@dataclass(frozen=True)
class Parts:
    """What could be read of an adapter, and the findings for what could not. A `card` of None is unread."""

    config: AdapterConfig | None
    tensors: tuple[TensorInfo, ...] | None
    card: bytes | None
    problems: tuple[Finding, ...]


def read_parts(files: AdapterFiles, cards: AdapterFiles) -> Parts:
    """Config, header and card, read at once: each is a round trip of its own to the Hub.

    Raises HubError when the Hub fails before the config is known.
    """
    with ThreadPoolExecutor(3) as pool:
        reading_config = pool.submit(attempt, lambda: read_config(files))
        reading_tensors = pool.submit(attempt_extra, lambda: read_header(files))
        reading_card = pool.submit(attempt_extra, lambda: read_card_bytes(cards), warning)
    config, config_problem = reading_config.result()
    tensors, header_problem = reading_tensors.result()
    card, card_problem = reading_card.result()
    problems = [one for one in (config_problem, header_problem, card_problem) if one is not None]
    return Parts(config, tensors, card, tuple(dict.fromkeys(problems)))


def read_values(
    files: AdapterFiles, config: AdapterConfig | None, tensors: tuple[TensorInfo, ...]
) -> tuple[Values | None, Finding | None]:
    """A look at the numbers of the weights; None where they cannot be read, or not be understood."""
    if config is None or not tensors:
        return None, None
    deciding = deciding_tensors(config, tensors)
    return attempt_extra(lambda: look(range_reader(files), tensors, deciding))


def attempt(
    read: Callable[[], Read], bad: Callable[[str, str], Finding] = blocker
) -> tuple[Read | None, Finding | None]:
    """What a file holds, or the finding for why it is of no use, which is a `bad` one where the file is to
    blame. Raises HubError when the Hub fails.
    """
    try:
        return read(), None
    except GatedRepo:
        return None, blocker("gated", GATED)
    except NotFoundOrPrivate as error:
        return None, blocker("file_missing", error.message)
    except HeaderTooLarge as error:
        return None, warning(error.code, error.message)
    except BadAdapter as error:
        return None, bad(error.code, error.message)


def attempt_extra(
    read: Callable[[], Read], bad: Callable[[str, str], Finding] = blocker
) -> tuple[Read | None, Finding | None]:
    """The same for a file that much can be said without: a Hub that fails meanwhile is a finding too."""
    try:
        return attempt(read, bad)
    except (HubUnreachable, HubRateLimited) as error:
        return None, warning("not_all_read", f"Not all files could be read. {error.message}")


def read_config(files: AdapterFiles) -> AdapterConfig | None:
    return parse_config(files.read(ADAPTER_CONFIG, CONFIG_BYTES)) if ADAPTER_CONFIG in files.list() else None


def read_header(files: AdapterFiles) -> tuple[TensorInfo, ...] | None:
    sizes = files.list()
    if ADAPTER_WEIGHTS not in sizes:
        return None
    return read_tensors(range_reader(files), sizes[ADAPTER_WEIGHTS])


def range_reader(files: AdapterFiles) -> Callable[[int, int], bytes]:
    return lambda start, end: files.read_range(ADAPTER_WEIGHTS, start, end)


def read_card_bytes(files: AdapterFiles) -> bytes:
    return files.read_range(CARD_NAME, 0, CARD_BYTES) if CARD_NAME in files.list() else b""

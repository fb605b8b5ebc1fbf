"""Who asks: a name for the visitor behind a request, by which the service is fair to all of them.

It is a digest with a key of this process: no address and no user name is kept, logged, or can be found again
from it. Knows nothing of what is asked, and protects nothing: it only keeps one visitor from crowding out the
others.
"""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from adapter_ui.service import AdapterService

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
KEY = secrets.token_bytes(32)
HOME_PREFIX = 64
"""One household has all the IPv6 addresses with the same first bits."""


def visitor_of(request: gr.Request | None, *, on_space: bool) -> str:
    """Who is signed in; else on a Space whose address it is, and elsewhere whose session: a tab or a script.

    "" without a request: a call from inside this process.
    """
    if request is None:
        return ""
    if request.username:
        return digest("user", request.username)
    if on_space and (address := client_address(request)):
        return digest("address", address)
    return digest("session", request.session_hash or "")


def client_address(request: gr.Request) -> str:
    """The address that the Space's proxies saw; "" when they tell none.

    Each proxy appends whom it heard from to `x-forwarded-for`, and what stands before that the client may
    have made up: so it is the last address that is not of the proxies' own network. A client that is
    connected without a proxy is believed nothing.
    """
    peer = address_of(request.client.host if request.client else "")
    if peer is not None and peer.is_global:
        return place(peer)
    heard = [address_of(part) for part in ",".join(request.headers.getlist("x-forwarded-for")).split(",")]
    outside = [address for address in heard if address is not None and address.is_global]
    return place(outside[-1]) if outside else ""


def address_of(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def place(address: Address) -> str:
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, HOME_PREFIX), strict=False))
    return str(address)


def digest(kind: str, name: str) -> str:
    return hashlib.blake2b(f"{kind}:{name}".encode(), key=KEY, digest_size=16).hexdigest()


def for_visitor(
    service: AdapterService, stream: Callable[..., Iterator[Any]]
) -> Callable[..., Iterator[Any]]:
    """The event handler that runs `stream(service, *values, visitor=…)` for the one who asks.

    Gradio gives the request to plain functions only: a partial would not do.
    """

    def handler(request: gr.Request, *values: Any) -> Iterator[Any]:
        yield from stream(service, *values, visitor=who_asks(service, request))

    return handler


def once_for_visitor(service: AdapterService, act: Callable[..., Any]) -> Callable[..., Any]:
    """The event handler that calls `act(service, *values, visitor=…)` for the one who asks."""

    def handler(request: gr.Request, *values: Any) -> Any:
        return act(service, *values, visitor=who_asks(service, request))

    return handler


def who_asks(service: AdapterService, request: gr.Request | None) -> str:
    return visitor_of(request, on_space=service.settings.on_space)

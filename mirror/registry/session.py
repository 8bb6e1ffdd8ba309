"""The way to one registry, made from what the operator said about reaching it."""

from __future__ import annotations

from collections.abc import Iterable

import httpx

from mirror.errors import InputFault, Side
from mirror.registry.access import Access
from mirror.registry.network import Backend
from mirror.registry.tls import later_context
from mirror.registry.transport import Transport
from mirror.settings import CONNECT_TIMEOUT


def timeout_of(access: Access) -> httpx.Timeout:
    """Seconds without a byte, and for a connection to be there."""
    seconds = access.settings.timeout
    return httpx.Timeout(seconds, connect=min(CONNECT_TIMEOUT, seconds))


def make_transport(access: Access, root: httpx.URL, others: Iterable[str]) -> Transport:
    """A transport whose trust and addresses are those that this access allows.

    Raises InputFault where the environment names a proxy that is none.
    """
    settings = access.settings
    # As they stand on the wire: for people, httpx turns names of other scripts back.
    home, *allowed = (url.raw_host.decode() for url in (root, *map(_of_host, others)))
    backend = Backend(
        home,
        allowed,
        private=access.side is Side.DESTINATION,
        stranger=access.stranger,
        around=access.around,
    )
    keep = 2 * settings.connections
    verify = later_context(access.tls)
    try:
        return Transport(verify, backend, keep, direct=access.direct)
    except (ValueError, httpx.InvalidURL):
        # Its address is not quoted: there may be a password in it.
        fact = "HTTP_PROXY, HTTPS_PROXY or ALL_PROXY names no HTTP proxy"
        raise InputFault("cannot use the proxy of this environment", fact=fact) from None


def _of_host(host: str) -> httpx.URL:
    return httpx.URL(f"//{host}")

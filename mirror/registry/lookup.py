"""Names to addresses by the system's resolver, within a time."""

from __future__ import annotations

import socket
import threading

from mirror.text import printable


class NoAddress(Exception):
    """A name has no address, or the resolver took too long; the text says which."""


def addresses(host: str, port: int, seconds: float) -> tuple[str, ...]:
    """Every address of a name, IPv4 and IPv6, each once, in the resolver's order.

    The resolver merges /etc/hosts and DNS without saying which. It cannot be told when to give
    up, so it works in a thread of its own, which is left behind after ``seconds``. Raises
    NoAddress.
    """
    found: list[str] = []
    failed: list[str] = []

    def ask() -> None:
        try:
            entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as cause:
            failed.append(printable(str(cause)))
        else:
            found.extend(dict.fromkeys(str(entry[4][0]) for entry in entries))

    asking = threading.Thread(target=ask, name="resolver", daemon=True)
    asking.start()
    asking.join(seconds)
    if found:
        return tuple(found)
    raise NoAddress(failed[0] if failed else f"no answer within {seconds:.0f} s")

"""Which addresses a registry may send this client to. Pure.

A name says nothing: it can stand for any address, so what is judged is what it resolves to
(go-containerregistry#2440: a check of literal addresses alone was walked around with DNS).
"""

from __future__ import annotations

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Addresses where clouds hand out credentials to whoever asks from inside.
_METADATA = frozenset(
    ipaddress.ip_address(text)
    for text in (
        "169.254.169.254",
        "100.100.100.200",
        "168.63.129.16",
        "fd00:ec2::254",
        "fd20:ce::254",
    )
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_SHARED = ipaddress.IPv4Network("100.64.0.0/10")


def parse(text: str) -> Address:
    """An address as a resolver gives it; IPv4 inside IPv6 counts as what it is."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def kind(address: Address) -> str:
    """``public``, ``private``, ``loopback``, or a word for what nobody is sent to."""
    if address in _METADATA:
        return "metadata"
    if address.is_loopback:
        return "loopback"
    for word in ("unspecified", "link_local", "multicast"):
        if getattr(address, f"is_{word}"):
            return word.replace("_", "-")
    # Python counts 240.0.0.0/4 and the broadcast address as private too.
    if address.is_reserved:
        return "reserved"
    if isinstance(address, ipaddress.IPv6Address):
        # fec0::/10 was for private networks before fc00::/7, and is routed there still.
        inside = address.is_site_local
    else:
        inside = address in _SHARED
    return "private" if inside or address.is_private else "public"


def refusal(address: Address, home: str, *, private: bool) -> str:
    """Why a registry may not send this client to ``address``; empty where it may.

    ``home`` is the kind of the registry's own address. ``private`` says that private networks
    are where this side works anyway.
    """
    found = kind(address)
    if found == "public" or (found == "private" and (private or home in ("private", "loopback"))):
        return ""
    if found == "loopback" and home == "loopback":
        return ""
    return f"{address} is a {found} address"

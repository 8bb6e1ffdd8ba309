"""Addresses: what each kind is, in every spelling, and who may be sent where."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mirror.registry import address
from tests.mirror.oci.documents import steady

KINDS = {
    "public": ("8.8.8.8", "172.15.255.255", "172.32.0.0", "100.63.255.255", "100.128.0.0"),
    "private": ("10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.255.255", "100.64.0.0"),
    "loopback": ("127.0.0.1", "127.255.255.254"),
    "unspecified": ("0.0.0.0",),  # noqa: S104 - an address to be refused, nothing is bound
    "link-local": ("169.254.0.1", "169.254.170.2"),
    "multicast": ("224.0.0.1", "239.255.255.255"),
    "metadata": ("169.254.169.254", "100.100.100.200", "168.63.129.16"),
    "reserved": ("240.0.0.1", "255.255.255.255"),
}
KINDS_6 = {
    "public": ("2606:4700::1111", "2a00:1450:4001::5"),
    "private": ("fc00::1", "fd12:3456::1", "fec0::1"),
    "loopback": ("::1",),
    "unspecified": ("::",),
    "link-local": ("fe80::1",),
    "multicast": ("ff02::1", "ff0e::1"),
    "metadata": ("fd00:ec2::254",),
    "reserved": ("64:ff9b:1::a00:1", "100:1::", "4000::1"),
}
PAIRS = [(text, kind) for table in (KINDS, KINDS_6) for kind in table for text in table[kind]]
PAIRS_4 = [(text, kind) for kind, texts in KINDS.items() for text in texts]

anything = st.ip_addresses()
fours = st.ip_addresses(v=4)


def kind_of(text: str) -> str:
    return address.kind(address.parse(text))


def in_six(found: ipaddress.IPv4Address) -> list[str]:
    """An IPv4 address in every form that IPv6 has for it and a system translates."""
    number = int(found)
    return [
        f"::ffff:{found}",
        str(ipaddress.IPv6Address(0xFFFF << 32 | number)),
        str(ipaddress.IPv6Address((0x64FF9B << 96) | number)),
        str(ipaddress.IPv6Address((0x2002 << 112) | number << 80)),
        str(ipaddress.IPv6Address((0x2002 << 112) | number << 80 | 1)),
    ]


@pytest.mark.parametrize(("text", "kind"), PAIRS)
def test_the_kind_of_an_address(text: str, kind: str) -> None:
    assert kind_of(text) == kind


@pytest.mark.parametrize(("text", "kind"), PAIRS_4)
def test_no_spelling_in_ipv6_hides_an_ipv4_address(text: str, kind: str) -> None:
    found = ipaddress.IPv4Address(text)
    assert {kind_of(spelt) for spelt in in_six(found)} == {kind}


@pytest.mark.parametrize("text", ["fe80::1%eth0", "fe80::1%1", "fe80::a9fe:a9fe%lo"])
def test_a_scope_changes_nothing(text: str) -> None:
    assert kind_of(text) == "link-local"


@pytest.mark.parametrize("text", ["::127.0.0.1", "::7f00:1", "::ffff:0:7f00:1"])
def test_older_spellings_of_ipv4_are_nobodys(text: str) -> None:
    assert kind_of(text) == "reserved"


@pytest.mark.parametrize("text", ["", "localhost", "127.1", "0177.0.0.1", "1.2.3.4.5", "%eth0"])
def test_what_no_resolver_gives_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="IPv4 or IPv6"):
        address.parse(text)


@steady
@given(anything)
@example(ipaddress.IPv6Address("fec0::1"))
@example(ipaddress.IPv4Address("255.255.255.255"))
@example(ipaddress.IPv6Address("::a9fe:a9fe"))
def test_only_what_anybody_can_reach_is_public(
    found: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    read = address.parse(str(found))
    kind = address.kind(read)
    assert kind in KINDS
    if kind == "public":
        assert read.is_global
        assert not any((read.is_multicast, read.is_link_local, read.is_reserved))
        if isinstance(read, ipaddress.IPv6Address):
            assert read in ipaddress.IPv6Network("2000::/3")


@steady
@given(fours)
@example(ipaddress.IPv4Address("127.0.0.1"))
@example(ipaddress.IPv4Address("169.254.169.254"))
def test_every_ipv4_address_is_the_same_in_ipv6(found: ipaddress.IPv4Address) -> None:
    assert {address.parse(text) for text in in_six(found)} == {found}


# --- who may be sent where --------------------------------------------------------------------

# The kinds of the registry's own address from which a kind is allowed, on a public side.
ALLOWED_FROM = {
    "public": set(KINDS),
    "private": {"private", "loopback"},
    "loopback": {"loopback"},
}


@pytest.mark.parametrize("private", [False, True])
@pytest.mark.parametrize("home", sorted(KINDS))
@pytest.mark.parametrize(("text", "kind"), PAIRS)
def test_who_may_be_sent_where(text: str, kind: str, home: str, private: bool) -> None:
    allowed = home in ALLOWED_FROM.get(kind, set()) or (private and kind == "private")
    refusal = address.refusal(address.parse(text), home, private=private)
    assert bool(refusal) == (not allowed)


def test_a_refusal_names_the_address_and_what_it_is() -> None:
    found = address.parse("64:ff9b::a9fe:a9fe")
    words = address.refusal(found, "private", private=True)
    assert words == "169.254.169.254 is a metadata address"


@steady
@given(anything, st.sampled_from(sorted(KINDS)), st.booleans())
def test_a_private_side_only_adds_private_networks(
    found: ipaddress.IPv4Address | ipaddress.IPv6Address, home: str, private: bool
) -> None:
    read = address.parse(str(found))
    refusal = address.refusal(read, home, private=private)
    if not refusal and address.refusal(read, home, private=False):
        assert address.kind(read) == "private"

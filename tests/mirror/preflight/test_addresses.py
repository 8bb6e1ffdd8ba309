"""NET-3, NET-4, NET-5: addresses that nodes cannot use, and networks that swallow them."""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.preflight.addresses import apart, families, kind, private, ranges
from mirror.preflight.bridges import Network, bridges, free, routes
from mirror.preflight.cluster import ClusterConfig
from mirror.preflight.interface import Status, Verdict
from tests.fakes.nameserver import NameServer
from tests.mirror.preflight.places import HOST, look, machine

# As /proc/net/route has them: bytes in the order of the machine, so these are little-endian.
DOCKER0 = ("docker0", "000011AC", "0000FFFF")  # 172.17.0.0/16
KIND = ("br-0123456789ab", "000012AC", "0000FFFF")  # 172.18.0.0/16
LAN = ("eth0", "000012AC", "0000FFFF")  # 172.18.0.0/16
BRIDGED_LAN = ("br0", "0001A8C0", "00FFFFFF")  # 192.168.1.0/24
DEFAULT = ("eth0", "00000000", "00000000")


def named(check: object, folder: Path, *addresses: str, **cluster: str) -> Verdict:
    """What a check says of a name that has these addresses."""
    with NameServer({HOST: list(addresses)}) as dns:
        return look(check, HOST, machine(folder, dns), cluster)  # type: ignore[arg-type]


# --- NET-3 ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    ["10.0.0.0", "10.255.255.255", "172.16.0.1", "172.31.255.254", "192.168.0.1", "192.168.255.9"],
)
def test_an_address_of_rfc_1918_is_good(tmp_path: Path, address: str) -> None:
    assert look(private, f"{address}:5000", machine(tmp_path)).status is Status.PASS


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("127.0.0.1", "nodes will contact themselves"),
        ("127.1.2.3", "nodes will contact themselves"),
        ("169.254.169.254", "where clouds hand out credentials"),
        ("169.254.1.1", "link-local"),
        ("100.64.0.1", "services of TKG"),
        ("100.72.0.1", "shared address space of carriers"),
        ("100.96.0.1", "pods of TKG"),
        ("100.128.0.1", "public"),
        ("192.0.2.1", "documentation"),
        ("198.51.100.7", "documentation"),
        ("203.0.113.7", "documentation"),
        ("198.18.0.1", "benchmarks"),
        ("0.0.0.0", "no address of a host"),  # noqa: S104 - nobody binds it
        ("224.0.0.1", "multicast"),
        ("255.255.255.255", "reserved"),
        ("9.255.255.255", "public"),
        ("11.0.0.0", "public"),
        ("172.15.255.255", "public"),
        ("172.32.0.0", "public"),
        ("192.167.255.255", "public"),
        ("192.169.0.0", "public"),
    ],
)
def test_an_address_outside_rfc_1918_fails_and_says_what_it_is(
    tmp_path: Path, address: str, words: str
) -> None:
    found = look(private, f"{address}:5000", machine(tmp_path))
    assert found.status is Status.FAIL
    assert words in found.summary


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("::1", "loopback"),
        ("fd00::5", "unique local"),
        ("fe80::1", "link-local"),
        ("2001:db8::1", "documentation"),
        ("2606:4700::1", "a public IPv6 address"),
        ("64:ff9b::a00:1", "IPv4 address inside IPv6"),
        ("ff02::1", "multicast"),
    ],
)
def test_an_ipv6_address_alone_fails_and_says_what_it_is(
    tmp_path: Path, address: str, words: str
) -> None:
    found = look(private, f"[{address}]:5000", machine(tmp_path))
    assert found.status is Status.FAIL
    assert words in found.summary


def test_one_public_address_among_private_ones_fails_and_is_named(tmp_path: Path) -> None:
    found = named(private, tmp_path, "10.1.2.3", "203.0.113.7", "192.168.1.1")
    assert found.status is Status.FAIL
    assert found.summary == ("1 of 3 addresses is not in RFC 1918: 203.0.113.7 (for documentation)")
    assert "10.1.2.3: RFC 1918" in found.detail.splitlines()


def test_all_addresses_private_is_good_whatever_ipv6_there_is(tmp_path: Path) -> None:
    found = named(private, tmp_path, "10.1.2.3", "172.20.1.1", "fd00::5")
    assert found.summary == "10.1.2.3, 172.20.1.1 are in RFC 1918"


@given(st.integers(0, 2**32 - 1))
def test_membership_is_that_of_the_bits(number: int) -> None:
    inside = number >> 24 == 10 or number >> 20 == 0xAC1 or number >> 16 == 0xC0A8
    assert (kind(ipaddress.IPv4Address(number)) == "") is inside


@given(st.ip_addresses(v=6))
def test_no_ipv6_address_is_in_rfc_1918(address: ipaddress.IPv6Address) -> None:
    assert kind(address)


# --- NET-4 ------------------------------------------------------------------------------------


def test_ipv4_alone_is_what_tkg_expects(tmp_path: Path) -> None:
    assert named(families, tmp_path, "10.1.2.3").status is Status.PASS


def test_an_ipv6_address_beside_ipv4_is_a_warning(tmp_path: Path) -> None:
    found = named(families, tmp_path, "10.1.2.3", "fd00::5")
    assert found.status is Status.WARN
    assert "fd00::5" in found.summary


@pytest.mark.parametrize("family", ["ipv6", "ipv4,ipv6", "ipv6,ipv4"])
def test_an_ipv6_address_is_good_where_clusters_have_ipv6(tmp_path: Path, family: str) -> None:
    found = named(families, tmp_path, "10.1.2.3", "fd00::5", TKG_IP_FAMILY=family)
    assert found.status is Status.PASS


def test_ipv6_addresses_alone_fail(tmp_path: Path) -> None:
    assert named(families, tmp_path, "fd00::5").status is Status.FAIL


def test_ipv4_alone_fails_where_clusters_have_ipv6_alone(tmp_path: Path) -> None:
    assert named(families, tmp_path, "10.1.2.3", TKG_IP_FAMILY="ipv6").status is Status.FAIL


# --- NET-5 ------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["10.1.2.3", "172.16.5.5", "172.25.1.1", "192.168.1.10"])
def test_an_address_in_nobodys_network_is_good_and_no_noise(tmp_path: Path, address: str) -> None:
    found = look(apart, f"{address}:5000", machine(tmp_path, routes=[DOCKER0, DEFAULT]))
    assert found.status is Status.PASS
    assert "Docker's next network, which will be kind's: 172.18.0.0/16" in found.detail


@pytest.mark.parametrize("local", [[], [DOCKER0, DEFAULT]])
def test_an_address_in_docker0_fails_with_and_without_docker_here(
    tmp_path: Path, local: list[tuple[str, str, str]]
) -> None:
    found = look(apart, "172.17.3.4:5000", machine(tmp_path, routes=local))
    assert found.status is Status.FAIL
    assert "172.17.3.4 is in 172.17.0.0/16" in found.summary


def test_an_address_in_a_network_of_docker_fails(tmp_path: Path) -> None:
    found = look(apart, "172.18.3.4:5000", machine(tmp_path, routes=[DOCKER0, KIND]))
    assert found.status is Status.FAIL
    assert "the network of br-0123456789ab" in found.summary


def test_a_machine_that_is_on_its_network_by_a_bridge_is_no_danger(tmp_path: Path) -> None:
    where = machine(tmp_path, routes=[DOCKER0, BRIDGED_LAN, DEFAULT])
    assert look(apart, "192.168.1.10:5000", where).status is Status.PASS


def test_the_network_that_kind_will_get_is_a_warning(tmp_path: Path) -> None:
    found = look(apart, "172.18.3.4:5000", machine(tmp_path, routes=[DOCKER0, DEFAULT]))
    assert found.status is Status.WARN
    assert "which Docker here gives to kind next" in found.summary


def test_docker_leaves_out_what_a_route_leads_to(tmp_path: Path) -> None:
    found = look(apart, "172.18.3.4:5000", machine(tmp_path, routes=[DOCKER0, LAN, DEFAULT]))
    assert found.status is Status.PASS
    assert "kind's: 172.19.0.0/16" in found.detail


def test_the_settings_of_docker_count(tmp_path: Path) -> None:
    pools = [{"base": "10.200.0.0/16", "size": 24}, {"base": "bad"}, {"size": 3}, 7]
    docker = json.dumps({"bip": "10.199.0.1/24", "default-address-pools": pools})
    where = machine(tmp_path, docker=docker)
    assert look(apart, "10.199.0.7:5000", where).status is Status.FAIL
    assert look(apart, "10.200.0.7:5000", where).status is Status.WARN
    assert look(apart, "10.200.1.7:5000", where).status is Status.PASS
    moved = look(apart, "172.17.0.7:5000", where)
    assert moved.status is Status.WARN
    assert "which Docker takes on other machines" in moved.summary


@pytest.mark.parametrize(
    "docker",
    ["", "{", "[]", "null", '{"default-address-pools": {"base": 1}, "bip": 7}', "[" * 9999],
)
def test_settings_that_are_none_are_as_if_there_were_none(tmp_path: Path, docker: str) -> None:
    found = bridges(machine(tmp_path, docker=docker))
    assert (str(found.own), str(found.next)) == ("172.17.0.0/16", "172.18.0.0/16")


def test_the_defaults_of_tkg_for_pods_and_services_fail(tmp_path: Path) -> None:
    pods = look(apart, "100.100.1.1:5000", machine(tmp_path))
    assert "which clusters give to pods (CLUSTER_CIDR, the default of TKG)" in pods.summary
    services = look(apart, "100.65.1.1:5000", machine(tmp_path))
    assert "which clusters give to services (SERVICE_CIDR, the default of TKG)" in services.summary
    assert (pods.status, services.status) == (Status.FAIL, Status.FAIL)


def test_the_ranges_of_the_cluster_configuration_count(tmp_path: Path) -> None:
    config = {"CLUSTER_CIDR": "10.96.0.0/16, fd00:1::/48", "SERVICE_CIDR": "10.97.0.1/16"}
    found = look(apart, "10.97.4.4:5000", machine(tmp_path), config)
    assert found.status is Status.FAIL
    assert "(SERVICE_CIDR, cluster.yaml:2)" in found.summary
    assert look(apart, "[fd00:1::7]:5000", machine(tmp_path), config).status is Status.FAIL
    assert look(apart, "10.98.4.4:5000", machine(tmp_path), config).status is Status.PASS


@pytest.mark.parametrize(
    "text", ["10.96.0.0/40", "pods", "10.96.0.0/16 10.97.0.0/16", "1,2,3" * 99]
)
def test_a_range_of_the_configuration_that_is_none_is_a_finding(tmp_path: Path, text: str) -> None:
    found = look(apart, "10.1.2.3:5000", machine(tmp_path), {"CLUSTER_CIDR": text})
    assert found.status is Status.FAIL
    assert "CLUSTER_CIDR of cluster.yaml:1 is no range of addresses" in found.summary


def test_ipv6_clusters_have_their_own_default_ranges() -> None:
    for family, count in (("ipv4", 2), ("ipv6", 2), ("ipv4,ipv6", 4)):
        spans, wrong = ranges(ClusterConfig("cluster.yaml", {"TKG_IP_FAMILY": family}))
        assert (len(spans), wrong) == (count, [])


@given(st.text())
def test_any_text_as_a_table_of_routes_is_read(text: str) -> None:
    assert all(network.prefixlen for _name, network in routes(f"head\n{text}"))


@given(
    st.tuples(*(st.from_regex(r"[0-9A-F]{0,9}", fullmatch=True) for _ in range(2))),
)
def test_any_numbers_as_a_route_are_read(words: tuple[str, str]) -> None:
    place, mask = words
    assert len([*routes(f"head\ndocker0 {place} 0 0001 0 0 0 {mask} 0 0 0\n")]) <= 1


def test_looking_for_a_free_network_has_an_end() -> None:
    everything = [Network("0.0.0.0/1"), Network("128.0.0.0/1")]
    assert free([(Network("10.0.0.0/8"), 32)], everything) is None

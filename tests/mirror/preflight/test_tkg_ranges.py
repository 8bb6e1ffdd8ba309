from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror.preflight.interface import Status
from mirror.preflight.ranges import networks
from tests.mirror.preflight.tkg import DEST, config, look

WARN, FAIL, PASS, SKIP = Status.WARN, Status.FAIL, Status.PASS, Status.SKIP
NEW_VPC: dict[str, str | None] = {"AWS_VPC_ID": None, "AWS_VPC_CIDR": "10.20.0.0/16"}


def says(**changes: str | None) -> tuple[Status, str, str]:
    """What is said of a change; ``registry`` is no variable but the address that is checked."""
    dest = changes.pop("registry", None) or DEST
    verdict = look("TKG-5", config(**changes), dest)
    return verdict.status, verdict.summary, verdict.fix.removeprefix("in c.yaml write: ")


def test_the_registry_may_be_in_the_vpc() -> None:
    status, summary, _fix = says()
    assert status is PASS
    assert "AWS_VPC_CIDR 10.20.0.0/16" in summary


def test_what_is_left_out_is_compared_with_tkgs_default() -> None:
    status, summary, fix = says(CLUSTER_CIDR=None, SERVICE_CIDR="100.100.0.0/16")
    assert (status, fix) == (FAIL, "SERVICE_CIDR: 100.64.0.0/13")
    assert "apart from CLUSTER_CIDR 100.96.0.0/11 (default)" in summary


def test_pods_meet_services() -> None:
    status, _summary, fix = says(CLUSTER_CIDR="100.64.0.0/10")
    assert (status, fix) == (FAIL, "CLUSTER_CIDR: 100.96.0.0/11")


def test_pods_meet_the_vpc_and_move_since_it_is_there() -> None:
    status, summary, fix = says(AWS_VPC_CIDR="100.96.0.0/16", CLUSTER_CIDR=None)
    assert (status, fix) == (FAIL, "CLUSTER_CIDR: 100.80.0.0/12")
    assert "100.96.0.0/11 (default)" in summary


def test_pods_have_the_registrys_address() -> None:
    status, summary, fix = says(registry="10.244.1.9/tkg", CLUSTER_CIDR="10.244.0.0/16")
    assert (status, fix) == (FAIL, "CLUSTER_CIDR: 100.96.0.0/11")
    assert "10.244.1.9" in summary


def test_docker_has_the_vpcs_range() -> None:
    status, summary, fix = says(registry="192.168.1.1/tkg", AWS_VPC_CIDR="172.17.4.0/22")
    assert status is WARN
    assert "172.17.0.0/16" in summary
    assert "docker" in fix


def test_docker_has_the_pods_range() -> None:
    assert says(CLUSTER_CIDR="172.17.0.0/16")[::2] == (WARN, "CLUSTER_CIDR: 100.96.0.0/11")


@pytest.mark.parametrize(
    "text", ["100.96.0.0", "100.96.0.0/33", "100.96.0/11", "pods", "100.96.0.0/255.224.0.0", "/"]
)
def test_what_go_reads_as_no_network(text: str) -> None:
    status, summary, fix = says(CLUSTER_CIDR=text)
    assert (status, fix) == (FAIL, "CLUSTER_CIDR: 100.96.0.0/11")
    assert "c.yaml:" in summary


def test_a_blank_after_the_comma_is_no_network_either() -> None:
    assert says(TKG_IP_FAMILY="ipv4,ipv6", CLUSTER_CIDR="100.96.0.0/11, fd00::/48")[0] is FAIL


@pytest.mark.parametrize(
    ("family", "pods", "status"),
    [
        ("ipv4", "100.96.0.0/11,fd00:100:96::/48", FAIL),
        ("ipv4", "100.96.0.0/12,100.112.0.0/12", FAIL),
        ("ipv6", "100.96.0.0/11", FAIL),
        ("ipv4,ipv6", "100.96.0.0/11,fd00:100:96::/48", PASS),
        ("ipv4,ipv6", "fd00:100:96::/48,100.96.0.0/11", FAIL),
        ("ipv6,ipv4", "fd00:100:96::/48,100.96.0.0/11", PASS),
        ("ipv4,ipv6", None, PASS),
        ("ipv6", None, PASS),
    ],
)
def test_networks_of_each_family_in_its_order(
    family: str, pods: str | None, status: Status
) -> None:
    assert says(TKG_IP_FAMILY=family, CLUSTER_CIDR=pods, SERVICE_CIDR=None)[0] is status


def test_more_services_than_the_api_server_can_have() -> None:
    status, summary, fix = says(SERVICE_CIDR="100.64.0.0/11")
    assert (status, fix) == (FAIL, "SERVICE_CIDR: 100.64.0.0/13")
    assert "/12 or smaller" in summary


def test_a_vpc_that_the_file_says_nothing_of_cannot_be_compared() -> None:
    status, _summary, fix = says(AWS_VPC_CIDR=None)
    assert status is WARN
    assert "describe-vpcs" in fix


def test_nodes_of_a_new_vpc_by_default_are_not_in_it() -> None:
    status, summary, fix = says(**NEW_VPC)
    assert status is FAIL
    assert "a part of AWS_VPC_CIDR 10.20.0.0/16, found 10.0.0.0/24" in summary
    assert fix.startswith("AWS_PRIVATE_NODE_CIDR: 10.20.0.0/24")


def nodes(*third: int) -> dict[str, str]:
    names = ("PRIVATE_NODE_CIDR", "PUBLIC_NODE_CIDR")
    every = [f"AWS_{name}{number}" for number in ("", "_1", "_2") for name in names]
    return {name: f"10.20.{n}.0/24" for name, n in zip(every, third, strict=True)}


def test_nodes_of_a_new_vpc_that_have_their_parts_of_it() -> None:
    assert says(**NEW_VPC, **nodes(0, 1, 2, 3, 4, 5))[0] is PASS


def test_two_parts_of_a_new_vpc_meet() -> None:
    status, summary, fix = says(**NEW_VPC, **nodes(0, 1, 2, 3, 4, 2))
    assert (status, fix) == (FAIL, "AWS_PUBLIC_NODE_CIDR_2: 10.20.5.0/24")
    assert "apart from AWS_PRIVATE_NODE_CIDR_1 10.20.2.0/24" in summary


def test_a_small_vpc_is_divided_as_aws_allows() -> None:
    changes = NEW_VPC | {"AWS_VPC_CIDR": "10.20.0.0/24"}
    assert says(**changes)[2].startswith("AWS_PRIVATE_NODE_CIDR: 10.20.0.0/27")
    changes = NEW_VPC | {"AWS_VPC_CIDR": "10.20.0.0/28"}
    assert says(**changes)[2].startswith("AWS_PRIVATE_NODE_CIDR: a part of 10.20.0.0/28")


def test_nodes_of_an_existing_vpc_meet_pods() -> None:
    changes: dict[str, str | None] = {
        "AWS_VPC_CIDR": None,
        "AWS_PRIVATE_NODE_CIDR": "100.97.0.0/24",
    }
    status, summary, _fix = says(**changes)
    assert status is FAIL
    assert "CLUSTER_CIDR: expected a range apart from AWS_PRIVATE_NODE_CIDR" in summary


def test_vsphere_has_no_vpc() -> None:
    status, summary, _fix = says(INFRASTRUCTURE_PROVIDER="vsphere")
    assert status is PASS
    assert "VPC" not in summary


def test_a_registry_without_an_address_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_arguments: object, **_named: object) -> list[object]:
        raise OSError("no such name")

    monkeypatch.setattr("socket.getaddrinfo", unknown)
    verdict = look("TKG-5", config(), "registry.example/tkg")
    assert verdict.status is PASS
    assert "address is not known" in verdict.detail


def test_ranges_of_one_vpc_that_meet_are_told() -> None:
    status, summary, fix = says(AWS_VPC_CIDR="10.20.0.0/16,10.20.4.0/22")
    assert status is WARN
    assert "ranges of one VPC, which do not meet" in summary
    assert "describe-vpcs" in fix


@pytest.mark.parametrize("family", ["ipv5", "ipv4, ipv6", "dual", "4"])
def test_a_family_that_tkg_does_not_know_ends_an_installation(family: str) -> None:
    status, summary, fix = says(TKG_IP_FAMILY=family)
    assert status is FAIL
    assert "expected one of ipv4 ipv6" in summary
    assert fix == "TKG_IP_FAMILY: ipv4"


addresses = st.ip_addresses(v=4) | st.ip_addresses(v=6)
pairs = st.tuples(addresses, st.integers(0, 40))


@given(st.text() | st.lists(pairs).map(lambda many: ",".join(f"{a}/{n}" for a, n in many)))
def test_any_text_is_networks_or_none(text: str) -> None:
    try:
        found = networks(text)
    except ValueError:
        return
    assert len(found) == text.count(",") + 1
    for part, network in zip(text.split(","), found, strict=True):
        assert ipaddress.ip_address(part.partition("/")[0]) in network


@settings(deadline=None, max_examples=50)
@given(
    st.text(max_size=20) | st.lists(pairs).map(lambda many: ",".join(f"{a}/{n}" for a, n in many)),
    st.sampled_from(["", "ipv4", "IPv6", "ipv4,ipv6"]) | st.text(max_size=12),
)
def test_any_values_have_a_verdict(pods: str, family: str) -> None:
    verdict = look("TKG-5", config(CLUSTER_CIDR=pods, TKG_IP_FAMILY=family, AWS_VPC_CIDR=pods))
    assert verdict.status in (PASS, WARN, FAIL)
    assert (verdict.status is PASS) is not bool(verdict.fix)

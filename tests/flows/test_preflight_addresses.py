"""Preflight in a network of its own: private addresses, real DNS, real /etc/hosts, a real registry.

Only findings about the address are looked at: what TLS is worth over plain HTTP is told elsewhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.fakes.netns import Network
from tests.flows.cli import Ran, run

PLAIN = "--plain-http"
UNREACHABLE, UNFIT = 4, 7
HOST = "harbor.corp.example"


def checks(ran: Ran) -> dict[str, dict[str, Any]]:
    """Findings about the address, by their id."""
    found = {each["id"]: each for each in ran.json["checks"]}
    return {name: each for name, each in found.items() if name.startswith("NET-")}


def statuses(ran: Ran) -> str:
    """NET-1 to NET-7 in one line: "pass pass fail ..."."""
    return " ".join(each["status"] for each in checks(ran).values())


def preflight(net: Network, dest: str, *more: object, env: dict[str, str] | None = None) -> Ran:
    return net.run("preflight", dest, PLAIN, "--format", "json", *more, env=env)


@pytest.mark.parametrize("address", ["10.1.2.3", "172.16.5.5", "192.168.7.9"])
def test_a_registry_on_each_private_network_is_found_good(address: str) -> None:
    with Network(address) as net, net.registry(address) as registry:
        ran = preflight(net, f"{registry.host}/tkg")
    assert statuses(ran) == "pass pass pass pass pass pass pass"
    assert checks(ran)["NET-6"]["detail"].splitlines()[0].endswith(f"ms from {address}")


def test_a_registry_with_a_name_in_dns_is_found_good() -> None:
    with (
        Network("10.1.2.3", "10.0.0.53", nameserver="10.0.0.53") as net,
        net.nameserver({HOST: "10.1.2.3"}, "10.0.0.53"),
        net.registry("10.1.2.3", 5000),
    ):
        ran = preflight(net, f"{HOST}:5000/tkg")
    assert statuses(ran) == "pass pass pass pass pass pass pass"
    assert checks(ran)["NET-2"]["summary"] == f"name servers know {HOST}: 10.1.2.3"


def test_a_name_that_only_etc_hosts_knows_fails_and_the_registry_is_asked_all_the_same() -> None:
    with (
        Network("10.1.2.3", hosts=f"10.1.2.3 {HOST}") as net,
        net.nameserver({}),
        net.registry("10.1.2.3", 5000),
    ):
        ran = preflight(net, f"{HOST}:5000/tkg")
        waived = preflight(net, f"{HOST}:5000/tkg", "--waive", "NET-2=nodes get the same entry")
    assert statuses(ran) == "pass fail pass pass pass pass pass"
    assert "/etc/hosts:2 says 10.1.2.3" in checks(ran)["NET-2"]["summary"]
    assert ran.json["requests"] > 0
    assert checks(waived)["NET-2"]["status"] == "warn"
    assert checks(waived)["NET-2"]["waived"]["reason"] == "nodes get the same entry"


def test_a_hosts_entry_that_dns_contradicts_fails() -> None:
    with (
        Network("10.1.2.3", "10.1.2.4", hosts=f"10.1.2.3 {HOST}") as net,
        net.nameserver({HOST: "10.1.2.4"}),
        net.registry("0.0.0.0", 5000),  # noqa: S104 - in a network of its own
    ):
        ran = preflight(net, f"{HOST}:5000/tkg")
    assert statuses(ran) == "pass fail pass pass pass pass pass"
    assert "10.1.2.4" in checks(ran)["NET-2"]["summary"]


def test_without_a_name_server_it_cannot_be_told_whether_nodes_find_the_name() -> None:
    with (
        Network("10.1.2.3", hosts=f"10.1.2.3 {HOST}", nameserver="") as net,
        net.registry("10.1.2.3", 5000),
    ):
        ran = preflight(net, f"{HOST}:5000/tkg")
    assert statuses(ran) == "pass skip pass pass pass pass pass"
    assert checks(ran)["NET-2"]["unknown"]


def test_a_name_that_does_not_exist_leaves_nothing_to_ask() -> None:
    with Network() as net, net.nameserver({}):
        ran = preflight(net, f"{HOST}/tkg")
    assert statuses(ran) == "pass fail skip skip skip skip pass"
    assert ran.code == UNREACHABLE
    assert f"no name server knows {HOST}" in ran.err


def test_one_dead_address_of_two_fails_and_is_named() -> None:
    with (
        Network("10.1.2.3", "172.20.3.4") as net,
        net.nameserver({HOST: "10.1.2.3,172.20.3.4"}),
        net.registry("10.1.2.3", 5000),
    ):
        ran = preflight(net, f"{HOST}:5000/tkg")
    assert statuses(ran) == "pass pass pass pass pass fail pass"
    assert "172.20.3.4: Connection refused" in checks(ran)["NET-6"]["summary"]
    assert ran.code == UNFIT
    assert ran.json["requests"] > 0


def test_a_registry_that_nobody_can_reach_is_an_exit_code_of_its_own() -> None:
    with Network("10.1.2.3") as net:
        ran = preflight(net, "10.1.2.3:5000/tkg")
    assert checks(ran)["NET-6"]["unknown"]
    assert ran.code == UNREACHABLE
    assert "nothing listens on 5000" in ran.err


def test_more_addresses_than_anybody_needs_are_not_all_tried() -> None:
    many = ",".join(f"10.1.{n}.1" for n in range(70))
    with (
        Network("10.1.0.0/16") as net,
        net.nameserver({HOST: many}),
        net.registry("0.0.0.0", 5000),  # noqa: S104 - in a network of its own
    ):
        ran = preflight(net, f"{HOST}:5000/tkg")
    assert statuses(ran) == "pass pass pass pass pass warn pass"
    assert checks(ran)["NET-6"]["summary"] == "64 addresses answer, and 6 were not tried"


def test_an_ipv6_address_that_this_machine_has_no_way_to_is_a_warning() -> None:
    with (
        Network("10.1.2.3") as net,
        net.nameserver({HOST: "10.1.2.3,fd00::5"}),
        net.registry("10.1.2.3", 5000),
    ):
        ran = preflight(net, f"{HOST}:5000/tkg")
    assert statuses(ran) == "pass pass pass warn pass warn pass"


def test_ipv6_addresses_alone_fail() -> None:
    with Network("fd00::5") as net, net.nameserver({HOST: "fd00::5"}):
        ran = preflight(net, f"{HOST}:5000/tkg")
    assert statuses(ran) == "pass pass fail fail pass skip pass"
    assert "a unique local IPv6 address" in checks(ran)["NET-3"]["summary"]


def test_an_address_in_the_network_of_docker_fails_though_it_answers() -> None:
    with Network("docker0=172.17.0.1/16") as net, net.registry("172.17.0.1") as registry:
        ran = preflight(net, f"{registry.host}/tkg")
        waived = preflight(net, f"{registry.host}/tkg", "--waive", "R2=a trial")
    assert statuses(ran) == "pass pass pass pass fail pass pass"
    assert "the network of docker0 on this machine" in checks(ran)["NET-5"]["summary"]
    assert checks(waived)["NET-5"]["status"] == "warn"


def test_an_address_among_pods_of_the_cluster_configuration_fails(tmp_path: Path) -> None:
    config = tmp_path / "cluster.yaml"
    config.write_text("CLUSTER_NAME: one\nCLUSTER_CIDR: 10.1.0.0/16\n")
    with Network("10.1.2.3") as net, net.registry("10.1.2.3") as registry:
        ran = preflight(net, f"{registry.host}/tkg", "--cluster-config", config)
    assert statuses(ran) == "pass pass pass pass fail pass pass"
    assert f"CLUSTER_CIDR, {config}:2" in checks(ran)["NET-5"]["summary"]


def test_a_proxy_of_the_environment_is_a_warning_and_is_not_used() -> None:
    proxied = {"HTTP_PROXY": "http://ann:canary-5ee@127.0.0.1:9", "NO_PROXY": "svc.example"}
    with Network("10.1.2.3") as net, net.registry("10.1.2.3") as registry:
        ran = preflight(net, f"{registry.host}/tkg", env=proxied)
    assert statuses(ran) == "pass pass pass pass pass pass warn"
    assert checks(ran)["NET-7"]["fix"] == "export NO_PROXY=svc.example,10.1.2.3"
    assert ran.json["requests"] > 0
    assert "canary" not in ran.out + ran.err


@pytest.mark.parametrize(
    "dest",
    ["https://10.1.2.3/tkg", "10.1.2.3/tkg/", "10.1.2.3/tkg:v1", "010.1.2.3/tkg", "0xa.1/tkg"],
)
def test_an_address_that_is_none_is_a_failure_and_nobody_is_asked(dest: str) -> None:
    ran = run("preflight", dest, PLAIN, "--format", "json")
    assert statuses(ran) == "fail skip skip skip skip skip skip"
    assert (ran.code, ran.json["requests"]) == (UNFIT, 0)


def test_a_password_before_the_host_is_in_no_output() -> None:
    for shape in ("text", "json"):
        ran = run("preflight", "ann:canary-91d@10.1.2.3/tkg", "--format", shape)
        assert ran.code == UNFIT
        assert "canary" not in ran.out + ran.err


def test_an_address_without_a_way_to_it_is_told_by_the_systems_own_words() -> None:
    with Network() as net:
        ran = preflight(net, "10.9.9.9:5000/tkg")
    assert "10.9.9.9: Network is unreachable" in checks(ran)["NET-6"]["summary"]
    assert ran.code == UNREACHABLE

"""NET-6, NET-7: addresses that do not answer, and proxies in between."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.preflight.interface import Status
from mirror.preflight.machine import Machine
from mirror.preflight.proxies import bypassed
from mirror.preflight.reach import answers, straight
from tests.mirror.preflight.places import always, look, machine

SECRET = "canary-b77"


@pytest.fixture
def listening() -> Iterator[int]:
    """A port of 127.0.0.1 that takes connections; [::1] has nobody there."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def at(folder: Path, *places: str) -> Machine:
    """A machine whose resolver knows one name."""
    return replace(machine(folder), resolve=always(*places))


# --- NET-6 ------------------------------------------------------------------------------------


def test_an_address_that_answers_is_told_with_the_way_there(tmp_path: Path, listening: int) -> None:
    found = look(answers, f"127.0.0.1:{listening}/tkg", machine(tmp_path))
    assert found.status is Status.PASS
    assert f"connected to 127.0.0.1 on port {listening} within" in found.summary
    assert "ms from 127.0.0.1" in found.detail
    assert f"https://127.0.0.1:{listening}/v2/" in found.detail


def test_one_dead_address_of_two_fails_and_the_rest_can_be_told(
    tmp_path: Path, listening: int
) -> None:
    found = look(answers, f"registry.example:{listening}", at(tmp_path, "127.0.0.1", "::1"))
    assert found.status is Status.FAIL
    assert "1 of 2 addresses does not answer" in found.summary
    assert "::1: Connection refused" in found.summary
    assert not found.blocks


def test_no_address_that_answers_is_no_answer(tmp_path: Path) -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        port = unheard.getsockname()[1]
        found = look(answers, f"127.0.0.1:{port}", machine(tmp_path))
    assert (found.status, found.unknown, found.blocks) == (Status.SKIP, True, True)
    assert "Connection refused" in found.summary
    assert f"nothing listens on {port}" in found.fix


# --- NET-7 ------------------------------------------------------------------------------------


def with_proxy(folder: Path, **environment: str) -> Machine:
    return machine(folder, environment=environment)


def test_no_proxy_is_good(tmp_path: Path) -> None:
    assert look(straight, "harbor.corp.example", machine(tmp_path)).summary == "no proxy is set"


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy"])
def test_a_proxy_of_the_shell_is_a_warning_with_what_to_set(tmp_path: Path, name: str) -> None:
    where = with_proxy(
        tmp_path,
        **{name: f"http://ann:{SECRET}@proxy.corp.example:3128/"},
        NO_PROXY="localhost,.svc",
    )
    found = look(straight, "harbor.corp.example/tkg", where)
    assert found.status is Status.WARN
    assert "go there by proxy.corp.example:3128 (HTTPS_PROXY)" in found.summary
    assert found.fix == "export NO_PROXY=localhost,.svc,harbor.corp.example"
    assert SECRET not in repr(found)


@pytest.mark.parametrize(
    "url", [f"ann:{SECRET}@proxy:3128", f"http://a:{SECRET}/@b@proxy:1", f"http://{SECRET}@proxy/x"]
)
def test_no_part_of_a_proxys_login_is_shown(tmp_path: Path, url: str) -> None:
    found = look(straight, "harbor.corp.example", with_proxy(tmp_path, HTTPS_PROXY=url))
    assert "by proxy" in found.summary
    assert SECRET not in repr(found)


def test_a_proxy_for_the_other_scheme_is_none(tmp_path: Path) -> None:
    where = with_proxy(tmp_path, HTTP_PROXY="http://proxy:3128")
    assert look(straight, "harbor.corp.example", where).status is Status.PASS
    plain = look(straight, "harbor.corp.example", where, plain_http=True)
    assert plain.status is Status.WARN


def test_a_proxy_that_go_does_not_read_is_told_as_one(tmp_path: Path) -> None:
    where = with_proxy(tmp_path, ALL_PROXY="socks5://proxy:1080")
    found = look(straight, "harbor.corp.example", where)
    assert found.status is Status.WARN
    assert "which Go does not read" in found.summary


def test_a_registry_that_is_kept_from_the_proxy_is_good(tmp_path: Path) -> None:
    where = with_proxy(tmp_path, HTTPS_PROXY="http://proxy:3128", NO_PROXY="corp.example")
    found = look(straight, "harbor.corp.example", where)
    assert found.status is Status.PASS
    assert "kept from it" in found.summary


def test_a_proxy_of_the_cluster_configuration_is_a_warning(tmp_path: Path) -> None:
    config = {
        "TKG_HTTP_PROXY": f"http://ann:{SECRET}@proxy:3128",
        "TKG_HTTPS_PROXY": f"http://ann:{SECRET}@secure:3128",
        "TKG_NO_PROXY": "10.0.0.0/8",
    }
    found = look(straight, "harbor.corp.example", machine(tmp_path), config)
    assert found.status is Status.WARN
    assert "nodes will go there by secure:3128 (TKG_HTTPS_PROXY, cluster.yaml:2)" in found.summary
    assert found.fix == 'TKG_NO_PROXY: "10.0.0.0/8,harbor.corp.example"'
    assert SECRET not in repr(found)
    assert look(straight, "10.1.2.3", machine(tmp_path), config).status is Status.PASS


def test_what_tkg_adds_to_its_no_proxy_counts(tmp_path: Path) -> None:
    config = {
        "TKG_HTTP_PROXY": "http://proxy:3128",
        "INFRASTRUCTURE_PROVIDER": "aws",
        "AWS_VPC_CIDR": "10.0.0.0/16",
    }
    assert look(straight, "10.0.2.3", machine(tmp_path), config).status is Status.PASS
    assert look(straight, "10.1.2.3", machine(tmp_path), config).status is Status.WARN


def test_a_very_long_list_is_not_repeated(tmp_path: Path) -> None:
    where = with_proxy(tmp_path, HTTPS_PROXY="proxy", NO_PROXY="a.example," * 99)
    found = look(straight, "harbor.corp.example", where)
    assert found.fix == "export NO_PROXY=...,harbor.corp.example"


# httpproxy's rules, one a row: entries, host, port and whether it goes past the proxy.
@pytest.mark.parametrize(
    ("no_proxy", "host", "past"),
    [
        ("", "harbor.corp.example", False),
        ("", "localhost", True),
        ("", "127.0.0.9", True),
        ("", "::1", True),
        ("*", "harbor.corp.example", True),
        ("harbor.corp.example", "harbor.corp.example", True),
        ("HARBOR.Corp.Example", "harbor.corp.example", True),
        (" x , harbor.corp.example ", "harbor.corp.example", True),
        ("corp.example", "harbor.corp.example", True),
        ("rp.example", "harbor.corp.example", False),
        (".corp.example", "harbor.corp.example", True),
        (".corp.example", "corp.example", False),
        ("*.corp.example", "harbor.corp.example", True),
        ("*.corp.example", "corp.example", False),
        ("harbor.*", "harbor.corp.example", False),
        ("harbor.corp.example:443", "harbor.corp.example", True),
        ("harbor.corp.example:8443", "harbor.corp.example", False),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("10.0.0.0/8", "harbor.corp.example", False),
        ("10.0.0.0/255.0.0.0", "10.1.2.3", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3:443", "10.1.2.3", True),
        ("10.1.2.3:80", "10.1.2.3", False),
        ("10.1.2", "10.1.2.3", False),
        ("fd00::/8", "fd00::5", True),
        ("fd00::5", "fd00::5", True),
        ("[fd00::5]:443", "fd00::5", True),
        ("[fd00::5]:80", "fd00::5", False),
        ("[fd00::5]", "fd00::5", False),
        (":443", "harbor.corp.example", False),
        (",,", "harbor.corp.example", False),
    ],
)
def test_who_goes_past_the_proxy_as_go_has_it(no_proxy: str, host: str, past: bool) -> None:
    assert bypassed(no_proxy, host, 443) is past


@given(st.text(), st.sampled_from(["harbor.corp.example", "10.1.2.3", "fd00::5"]))
def test_any_list_is_read(no_proxy: str, host: str) -> None:
    bypassed(no_proxy, host, 443)

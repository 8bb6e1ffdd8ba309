"""NET-1, NET-2: what DEST names, and what only this machine believes about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bom.errors import ReferenceFault
from mirror.preflight import addresses, names, reach
from mirror.preflight.catalogue import CHECKS
from mirror.preflight.interface import Check, Status, Verdict, passed
from mirror.preflight.machine import Machine
from mirror.preflight.names import parses, resolves
from mirror.preflight.run import Rules, examine, unaddressed
from mirror.preflight.scene import Scene, Target
from mirror.registry.lookup import NoAddress
from tests.fakes.nameserver import NameServer
from tests.mirror.preflight.places import HOST, always, look, machine, scene

_NONE = Path("/nonexistent")
NOWHERE = Machine(hosts=_NONE, resolv=_NONE, routes=_NONE, docker=_NONE, environment={})


@pytest.fixture
def dns() -> Iterator[NameServer]:
    with NameServer({HOST: ["10.1.2.3"]}) as running:
        yield running


# --- NET-1: spelling --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "dest",
    [
        HOST,
        f"{HOST}:8443/tkg/prod",
        "10.0.0.1/tkg",
        "192.168.1.1:5000",
        "[fd00::5]:5000/tkg",
        "registry:5000/tkg",
        "0xdeadbeef.corp.example",
        "3com.example/tkg",
    ],
)
def test_a_name_or_a_plain_address_is_one_thing_to_all_clients(dest: str) -> None:
    assert look(parses, dest, NOWHERE).status is Status.PASS


@pytest.mark.parametrize(
    ("dest", "words"),
    [
        ("0x0a000001:5000/tkg", "10.0.0.1"),
        ("0xa.1/tkg", "10.0.0.1"),
        ("10.0x1/tkg", "10.0.0.1"),
        ("registry.0x/tkg", "a number"),
        ("harbor.corp.example.10:443/tkg", "a number"),
        ("[::ffff:10.0.0.1]:5000/tkg", "10.0.0.1"),
        ("[fd00:0:0::5]/tkg", "[fd00::5]"),
        (".".join(["a" * 61] * 4) + ".example", "253"),
    ],
)
def test_a_spelling_that_clients_read_differently_is_refused(dest: str, words: str) -> None:
    found = look(parses, dest, NOWHERE)
    assert found.status is Status.FAIL
    assert words in found.summary + found.fix


@pytest.mark.parametrize(
    ("dest", "words"),
    [
        ("https://harbor.corp.example/tkg", "leave the scheme https:// away"),
        ("harbor.corp.example/tkg/", "leave the slash at the end away"),
        ("harbor.corp.example/tkg:v1", "no ':'"),
        ("harbor.corp.example:99999/tkg", "a port is a number"),
        ("010.0.0.1/tkg", "010.0.0.1 is no IP address"),
        ("10.1/tkg", "10.1 is no IP address"),
        ("167772161:5000/tkg", "167772161 is no IP address"),
        ("tkg", "it names no registry host"),
        ("", "it is empty"),
    ],
)
def test_what_is_no_address_is_told_with_its_reason(dest: str, words: str) -> None:
    with pytest.raises(ReferenceFault) as caught:
        Target.parse(dest)
    found = unaddressed(dest, caught.value, CHECKS)
    first, *others = found.findings
    assert (first.check.id, first.status) == ("NET-1", Status.FAIL)
    assert words in first.verdict.summary
    assert all(each.verdict.unknown for each in others)
    assert (found.result, found.silent) == ("fail", False)


def test_a_password_before_the_host_is_not_repeated() -> None:
    dest = "ann:canary-7c1@harbor.corp.example/tkg"
    with pytest.raises(ReferenceFault) as caught:
        Target.parse(dest)
    assert "canary" not in repr(unaddressed(dest, caught.value, CHECKS))


def test_nothing_is_resolved_for_a_name_that_is_unclear(tmp_path: Path) -> None:
    def forbidden(host: str, port: int, seconds: float) -> tuple[str, ...]:
        raise AssertionError(host)

    where = replace(machine(tmp_path), resolve=forbidden)
    family = (*names.CHECKS, *addresses.CHECKS, *reach.CHECKS)
    with scene("0x0a000001:5000/tkg", where) as asked:
        found = examine(asked, family, Rules())
    assert [each.check.id for each in found.findings if each.verdict.unknown] == [
        f"NET-{number}" for number in range(2, 8)
    ]
    assert not found.silent


# --- NET-2: who knows the name ----------------------------------------------------------------


def test_a_name_that_name_servers_know_is_good(tmp_path: Path, dns: NameServer) -> None:
    found = look(resolves, HOST, machine(tmp_path, dns))
    assert (found.status, found.summary) == (Status.PASS, f"name servers know {HOST}: 10.1.2.3")
    assert "name servers (127.0.0.1): 10.1.2.3" in found.detail
    assert {(HOST, "A"), (HOST, "AAAA")} == set(dns.asked)


def test_an_address_needs_no_name_server(tmp_path: Path, dns: NameServer) -> None:
    assert look(resolves, "10.1.2.3:5000", machine(tmp_path, dns)).status is Status.PASS
    assert dns.asked == []


def test_a_name_that_only_etc_hosts_knows_fails_and_the_rest_is_told(
    tmp_path: Path, dns: NameServer
) -> None:
    hosts = "# ours\n10.9.9.9 registry.corp.example HARBOR # for the test\n"
    where = machine(tmp_path, dns, hosts=hosts)
    family = (*names.CHECKS, addresses.CHECKS[0])
    with scene("registry.corp.example/tkg", where) as asked:
        found = examine(asked, family, Rules())
    verdict = found.findings[1].verdict
    assert verdict.status is Status.FAIL
    assert "/etc/hosts:2 says 10.9.9.9" in verdict.summary
    assert "name servers (127.0.0.1): no address" in verdict.detail
    assert found.findings[2].verdict == passed("10.9.9.9 is in RFC 1918", "10.9.9.9: RFC 1918")


def test_a_hosts_entry_that_name_servers_contradict_fails(tmp_path: Path, dns: NameServer) -> None:
    found = look(resolves, HOST, machine(tmp_path, dns, hosts=f"10.9.9.9 {HOST}"))
    assert found.status is Status.FAIL
    assert "/etc/hosts:1 says 10.9.9.9, and nodes will find 10.1.2.3" in found.summary


def test_a_hosts_entry_that_the_own_name_server_may_repeat_is_a_warning(
    tmp_path: Path, dns: NameServer
) -> None:
    found = look(resolves, HOST, machine(tmp_path, dns, hosts=f"10.1.2.3 {HOST}"))
    assert found.status is Status.WARN
    assert "may repeat it" in found.summary


def test_name_servers_behind_the_systems_own_one_are_asked_instead(
    tmp_path: Path, dns: NameServer
) -> None:
    where = machine(tmp_path, dns, server="127.0.0.53")
    where.upstream.write_text("nameserver 127.0.0.1\n")
    assert "name servers (127.0.0.1)" in look(resolves, HOST, where).detail


def test_a_name_that_nobody_knows_fails_and_stops_what_needs_it(
    tmp_path: Path, dns: NameServer
) -> None:
    with scene("other.corp.example/tkg", machine(tmp_path, dns)) as asked:
        found = examine(asked, (*names.CHECKS, *addresses.CHECKS), Rules())
    _first, second, *others = found.findings
    assert second.verdict.summary == "no name server knows other.corp.example"
    assert {each.verdict.summary for each in others} == {"cannot be told before NET-2 is mended"}


@pytest.mark.parametrize("hosts", ["", f"10.1.2.3 {HOST}"])
def test_silent_name_servers_are_no_answer(tmp_path: Path, dns: NameServer, hosts: str) -> None:
    dns.silent = True
    dns.records.clear()
    where = machine(tmp_path, dns, hosts=hosts)
    with scene(HOST, where) as asked:
        asked.seconds = lambda: 0.2  # type: ignore[method-assign]
        found = resolves(asked)
    assert found.unknown
    assert "no answer within" in found.summary
    assert found.blocks == (not hosts)


@pytest.mark.parametrize(
    "text", ["", "nameserver not-an-address\n", "search \x00..\n", "nameserver\n"]
)
def test_without_a_name_server_it_cannot_be_told(tmp_path: Path, text: str) -> None:
    where = machine(tmp_path, hosts=f"10.1.2.3 {HOST}")
    where.resolv.write_text(text)
    found = look(resolves, HOST, where)
    assert found.unknown
    assert "names no name server" in found.summary


def test_a_name_server_that_fails_is_no_answer(tmp_path: Path, dns: NameServer) -> None:
    dns.failing = {"A", "AAAA"}
    found = look(resolves, HOST, machine(tmp_path, dns))
    assert found.unknown
    assert "SERVFAIL" in found.summary


def test_a_name_server_that_fails_for_ipv6_alone_has_answered(
    tmp_path: Path, dns: NameServer
) -> None:
    dns.failing = {"AAAA"}
    found = look(resolves, HOST, machine(tmp_path, dns))
    assert found.status is Status.PASS
    assert "name servers, IPv6: " in found.detail


@pytest.mark.parametrize(
    ("dest", "search", "words"),
    [
        ("registry:5000", "corp.example", "has no domain"),
        ("harbor.local:443", "", "ends with .local"),
        ("harbor.corp", "example", "is found only as harbor.corp.example"),
        ("localhost:5000", "", "has no domain"),
    ],
)
def test_a_name_that_nodes_may_read_otherwise_is_a_warning(
    tmp_path: Path, dns: NameServer, dest: str, search: str, words: str
) -> None:
    dns.records |= {"registry.corp.example": ["10.1.2.3"], "harbor.local": ["10.1.2.3"]}
    hosts = "127.0.0.1 localhost"
    found = look(resolves, dest, machine(tmp_path, dns, search=search, hosts=hosts))
    assert found.status is Status.WARN
    assert words in found.summary


def test_a_resolver_that_does_not_ask_dns_is_a_warning(tmp_path: Path, dns: NameServer) -> None:
    def nothing(host: str, port: int, seconds: float) -> tuple[str, ...]:
        raise NoAddress("Name or service not known")

    found = look(resolves, HOST, replace(machine(tmp_path, dns), resolve=nothing))
    assert found.status is Status.WARN
    assert "nsswitch.conf" in found.fix


def test_two_answers_without_a_hosts_entry_are_a_warning(tmp_path: Path, dns: NameServer) -> None:
    where = replace(machine(tmp_path, dns), resolve=always("10.1.2.4"))
    found = look(resolves, HOST, where)
    assert found.status is Status.WARN
    assert "10.1.2.4 at one time and 10.1.2.3 at another" in found.summary


def test_an_answer_too_long_for_one_datagram_is_fetched_whole(
    tmp_path: Path, dns: NameServer
) -> None:
    dns.records[HOST] = [f"10.1.{n}.1" for n in range(200)]
    with scene(HOST, machine(tmp_path, dns)) as asked:
        assert resolves(asked).summary.endswith("and 196 more")
        assert len(names.addresses(asked)) == 200


def test_a_name_that_leads_elsewhere_at_the_end_is_a_notice(
    tmp_path: Path, dns: NameServer
) -> None:
    def move(_scene: Scene) -> Verdict:
        dns.records[HOST] = ["10.1.2.4"]
        return passed("moved")

    with scene(HOST, machine(tmp_path, dns)) as asked:
        found = examine(asked, (*names.CHECKS, Check("REG-1", "it moves", move)), Rules())
    assert found.notices == (
        f"{HOST} was 10.1.2.3 at first, and 10.1.2.4 at the end: DNS takes turns, or was changed",
    )


def test_a_name_that_stays_where_it_is_is_no_notice(tmp_path: Path, dns: NameServer) -> None:
    with scene(HOST, machine(tmp_path, dns)) as asked:
        assert examine(asked, names.CHECKS, Rules()).notices == ()


# --- any text ---------------------------------------------------------------------------------


@given(st.text() | st.from_regex(r"[a-z0-9.:\[\]/x-]{1,40}", fullmatch=True))
@example("[::1]:5000/a")
@example("0x.0x:1/a")
@example("a" * 70 + ".b/c")
@example("[fe80::1%eth0]/a")
def test_any_text_gives_findings_and_never_a_traceback(dest: str) -> None:
    def nothing(host: str, port: int, seconds: float) -> tuple[str, ...]:
        raise NoAddress("nobody is asked")

    where = replace(NOWHERE, resolve=nothing, environment={"HTTPS_PROXY": "x", "NO_PROXY": dest})
    family = (*names.CHECKS, *addresses.CHECKS, reach.CHECKS[1])
    try:
        asked = scene(dest, where)
    except ReferenceFault as fault:
        found = unaddressed(dest, fault, family)
    else:
        with asked:
            found = examine(asked, family, Rules())
    assert [each.check.id for each in found.findings] == [each.id for each in family]
    assert all(each.verdict.summary for each in found.findings)

from __future__ import annotations

import socket
from typing import Any

import pytest

from mirror.errors import Side, Unreachable
from mirror.preflight.catalogue import CHECKS
from mirror.preflight.cluster import ClusterConfig
from mirror.preflight.interface import Status, Verdict
from mirror.preflight.outside import CHECKS as OUTSIDE
from mirror.preflight.run import Rules, examine
from mirror.preflight.scene import Question, Scene, Target
from mirror.registry.access import Access
from mirror.settings import Settings
from tests.fakes.behaviours import with_headers
from tests.fakes.simple import FakeRegistry

ATTESTED = frozenset({"outside-tkg"})


def look(
    host: str, cluster: ClusterConfig | None = None, attested: frozenset[str] = frozenset()
) -> Verdict:
    access = Access(Side.DESTINATION, Settings(), plain_http=True)
    target = Target.parse(f"{host}/tkg", plain_http=True)
    with Scene(Question(target, access, cluster=cluster, attested=attested)) as scene:
        return OUTSIDE[0].look(scene)


def of(**values: str) -> ClusterConfig:
    return ClusterConfig("c.yaml", values)


@pytest.fixture
def named(fake: FakeRegistry, monkeypatch: pytest.MonkeyPatch) -> str:
    """The fake under a name that only this test's resolver knows."""
    real = socket.getaddrinfo

    def resolve(host: Any, *arguments: Any, **named: Any) -> Any:
        return real("127.0.0.1" if host == "registry.example" else host, *arguments, **named)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return fake.host.replace("127.0.0.1", "registry.example")


def test_nothing_passes_in_silence(fake: FakeRegistry) -> None:
    verdict = look(fake.host)
    assert verdict.status is Status.WARN
    assert "--attest outside-tkg" in verdict.fix
    assert "no kubeconfig is read" in verdict.detail


def test_what_somebody_vouches_for_passes_and_says_so(fake: FakeRegistry) -> None:
    verdict = look(fake.host, attested=ATTESTED)
    assert verdict.status is Status.PASS
    assert verdict.summary.startswith("attested: ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CLUSTER_CIDR", "127.0.0.0/8"),
        ("SERVICE_CIDR", "127.0.0.0/12"),
        ("AVI_DATA_NETWORK_CIDR", "127.0.0.0/24"),
        ("AVI_CONTROL_PLANE_NETWORK_CIDR", "127.0.0.0/24"),
        ("AVI_MANAGEMENT_CLUSTER_VIP_NETWORK_CIDR", "127.0.0.1/32"),
        ("AVI_MANAGEMENT_CLUSTER_CONTROL_PLANE_VIP_NETWORK_CIDR", "127.0.0.1/32"),
        ("KUBEVIP_LOADBALANCER_CIDRS", "10.0.0.0/24,127.0.0.0/24"),
        ("KUBEVIP_LOADBALANCER_IP_RANGES", "10.0.0.1-10.0.0.2,127.0.0.1-127.0.0.9"),
    ],
)
def test_an_address_of_a_cluster_outweighs_what_anybody_vouches_for(
    fake: FakeRegistry, name: str, value: str
) -> None:
    for attested in (frozenset[str](), ATTESTED):
        verdict = look(fake.host, of(**{name: value}), attested)
        assert verdict.status is Status.FAIL
        assert f"127.0.0.1 belongs to TKG clusters: it is in {name}" in verdict.summary


def test_the_ranges_that_tkg_takes_by_default_count_without_a_file() -> None:
    verdict = look("100.97.1.2", attested=ATTESTED)
    assert verdict.status is Status.FAIL
    assert "CLUSTER_CIDR 100.96.0.0/11 (default)" in verdict.summary


@pytest.mark.parametrize("value", ["127.0.0.2-127.0.0.9", "x-y", "-", "127.0.0.1", "::-::1", ""])
def test_a_span_that_does_not_hold_it_or_is_none(fake: FakeRegistry, value: str) -> None:
    verdict = look(fake.host, of(KUBEVIP_LOADBALANCER_IP_RANGES=value), ATTESTED)
    assert verdict.status is Status.PASS


@pytest.mark.parametrize(
    ("header", "value"),
    [("Server", "envoy"), ("Server", "istio-envoy"), ("X_Envoy_Upstream_Service_Time", "3")],
)
def test_envoy_is_a_hint_that_a_statement_outweighs(
    fake: FakeRegistry, header: str, value: str
) -> None:
    fake.on("GET", "/v2/$", with_headers(**{header: value}))
    verdict = look(fake.host)
    assert verdict.status is Status.WARN
    assert "envoy" in verdict.summary
    assert "outside-tkg" in verdict.fix
    vouched = look(fake.host, attested=ATTESTED)
    assert vouched.status is Status.PASS
    assert "envoy" in vouched.detail


def test_a_name_is_told_by_its_addresses(named: str) -> None:
    assert look(named, of(SERVICE_CIDR="127.0.0.0/12")).status is Status.FAIL
    assert look(named, attested=ATTESTED).status is Status.PASS


def test_a_name_without_an_address_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_arguments: object, **_named: object) -> list[object]:
        raise OSError("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    verdict = look("registry.example", attested=ATTESTED)
    assert (verdict.status, verdict.unknown) == (Status.SKIP, True)


def test_a_registry_that_gives_no_answer_is_unknown() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(Unreachable):
            look(f"127.0.0.1:{taken.getsockname()[1]}", attested=ATTESTED)


def test_it_is_a_should_of_the_design_and_waivable(fake: FakeRegistry) -> None:
    access = Access(Side.DESTINATION, plain_http=True)
    target = Target.parse(f"{fake.host}/tkg", plain_http=True)
    cluster = of(CLUSTER_CIDR="127.0.0.0/8")
    with Scene(Question(target, access, cluster=cluster)) as scene:
        found = examine(scene, CHECKS, Rules({"R1": "a shared service, known to all"}))
    outside = next(each for each in found.findings if each.check.id == "TKG-1")
    assert (outside.status, outside.waived) == (Status.WARN, "a shared service, known to all")

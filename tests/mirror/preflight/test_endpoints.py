"""The endpoints of AWS are pretended in a network of a test's own: nothing can leave it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mirror.preflight.endpoints import REQUIRED, S3, host
from mirror.preflight.interface import Status, Verdict
from tests.fakes.registries import absent
from tests.flows.cli import ROOT, run
from tests.mirror.preflight.tkg import look

REGION = "us-east-1"
ALL = (*REQUIRED, S3)

# In a network that has only its own loopback, and no resolver but the files in $0.
_SETUP = """
mount --bind "$0/hosts" /etc/hosts && mount --bind "$0/nsswitch.conf" /etc/nsswitch.conf &&
ip link set lo up && exec "$@"
"""
_WAYS = (
    ("unshare", "--net", "--mount"),
    ("unshare", "--user", "--map-root-user", "--net", "--mount"),
)
_LOOK = """
import json, socket, subprocess, sys
here, listening, region = json.loads(sys.argv[1])
for address in here:
    subprocess.run(["ip", "address", "add", f"{address}/32", "dev", "lo"], check=True)
sockets = [socket.create_server((address, 443)) for address in listening]
from tests.mirror.preflight.tkg import look
found = look("AWS-1", None, region=region)
print(json.dumps([found.status, found.summary, found.detail, found.fix]))
"""


def way(etc: Path) -> tuple[str, ...]:
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        absent("no unshare (util-linux) or no ip (iproute2) on PATH")
    for each in _WAYS:
        command = [*each, "sh", "-c", _SETUP, str(etc), "true"]
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            return each
    return absent("no network namespace can be had here")


class Vpc:
    """A network in which services have these addresses, and some take connections on 443."""

    def __init__(self, etc: Path) -> None:
        self._etc = etc
        (etc / "hosts").touch()
        (etc / "nsswitch.conf").write_text("hosts: files\n")
        self.region = REGION
        self.at = {service: [f"10.9.0.{n}"] for n, service in enumerate(ALL, 1)}
        self.silent: set[str] = set()

    def look(self) -> Verdict:
        lines = [f"{a} {host(s, self.region)}\n" for s, many in self.at.items() for a in many]
        (self._etc / "hosts").write_text("".join(lines))
        here = [a for many in self.at.values() for a in many if a.startswith("10.")]
        listening = [a for a in here if a not in self.silent]
        given = json.dumps([here, listening, self.region])
        program = (sys.executable, "-c", _LOOK, given)
        command = [*way(self._etc), "sh", "-c", _SETUP, str(self._etc), *program]
        ran = subprocess.run(
            command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stderr
        status, *texts = json.loads(ran.stdout)
        return Verdict(Status(status), *texts)


@pytest.fixture
def vpc(tmp_path: Path) -> Vpc:
    return Vpc(tmp_path)


def test_nobody_asked() -> None:
    assert look("AWS-1", None).status is Status.SKIP


def test_all_endpoints_take_connections_on_private_addresses(vpc: Vpc) -> None:
    verdict = vpc.look()
    assert verdict.status is Status.PASS, verdict
    assert "all 7 endpoints of us-east-1" in verdict.summary
    assert verdict.detail.count(": well") == 8


def test_an_endpoint_that_takes_no_connection_in_one_zone(vpc: Vpc) -> None:
    vpc.at["sts"] = ["10.9.1.1", "10.9.1.2"]
    vpc.silent = {"10.9.1.2"}
    verdict = vpc.look()
    assert verdict.status is Status.FAIL
    assert "no connection to 10.9.1.2:443: Connection refused" in verdict.summary
    assert "security group" in verdict.fix


def test_a_public_address_fails_and_is_not_connected_to(vpc: Vpc) -> None:
    vpc.at["ec2"] = ["10.9.0.3", "203.0.113.9"]
    verdict = vpc.look()
    assert verdict.status is Status.FAIL
    assert "ec2.us-east-1.amazonaws.com is 203.0.113.9, which is no private" in verdict.summary
    assert "--service-name com.amazonaws.us-east-1.ec2 " in verdict.fix
    assert "--private-dns-enabled" in verdict.fix


def test_services_without_an_address_are_named(vpc: Vpc) -> None:
    del vpc.at["ssm"], vpc.at["secretsmanager"]
    verdict = vpc.look()
    assert verdict.status is Status.FAIL
    assert "2 of 7" in verdict.summary
    assert "ssm, secretsmanager" in verdict.summary


def test_a_gateway_endpoint_of_s3_keeps_public_addresses(vpc: Vpc) -> None:
    vpc.at[S3] = ["203.0.113.9"]
    assert vpc.look().status is Status.PASS


@pytest.mark.parametrize("way_out", [[], ["10.9.7.7"]])
def test_s3_is_never_a_failure(vpc: Vpc, way_out: list[str]) -> None:
    vpc.at[S3] = way_out
    vpc.silent = {"10.9.7.7"}
    verdict = vpc.look()
    assert verdict.status is Status.WARN
    assert "s3" in verdict.summary


def test_china_has_another_domain(vpc: Vpc) -> None:
    vpc.region = "cn-north-1"
    assert vpc.look().status is Status.PASS
    assert host("sts", "cn-north-1") == "sts.cn-north-1.amazonaws.com.cn"


@pytest.mark.parametrize(
    ("region", "expected"),
    [
        ("us-gov-west-1", "sts.us-gov-west-1.amazonaws.com"),
        ("us-iso-east-1", "sts.us-iso-east-1.c2s.ic.gov"),
        ("us-isob-east-1", "sts.us-isob-east-1.sc2s.sgov.gov"),
    ],
)
def test_partitions_have_domains(region: str, expected: str) -> None:
    assert host("sts", region) == expected


def resolving(monkeypatch: pytest.MonkeyPatch, *at: str) -> None:
    """Let every name have these addresses, all of them such that none is connected to."""

    def resolve(*_arguments: Any, **_named: Any) -> list[Any]:
        return [(0, 0, 0, "", (each, 443)) for each in at]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


@pytest.mark.parametrize(
    "address", ["54.239.28.85", "172.15.0.1", "172.32.0.1", "100.128.0.1", "169.254.169.254"]
)
def test_what_no_vpc_has_for_an_endpoint(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    resolving(monkeypatch, address)
    verdict = look("AWS-1", None, region=REGION)
    assert verdict.status is Status.FAIL
    assert "7 of 7" in verdict.summary
    assert address in verdict.summary


def test_an_endpoint_without_ipv4_is_none_for_tkg(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, "2600:1f18::1")
    assert "no IPv4 address" in look("AWS-1", None, region=REGION).summary


def test_names_of_other_partitions_services_are_not_guessed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resolving(monkeypatch, "54.239.28.85")
    fix = look("AWS-1", None, region="cn-north-1").fix
    assert "describe-vpc-endpoint-services for sts" in fix


@pytest.mark.parametrize("region", ["us-east-1a", "US-EAST-1", "example.com", "us-east-1.evil", ""])
def test_what_is_no_region_is_refused_before_anything_is_asked(region: str) -> None:
    ran = run("preflight", "127.0.0.1:1/tkg", "--aws-endpoints", region)
    assert ran.code == 2
    assert "region" in ran.err

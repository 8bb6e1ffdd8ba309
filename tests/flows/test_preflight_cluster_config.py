"""From a cluster configuration on disk to what an operator reads, and what must not be there."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from tests.fakes.simple import FakeRegistry
from tests.flows.cli import Ran, run
from tests.mirror.preflight.tkg import GOOD, text

CANARY = "c4nary-0f-the-account"
SECRETS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "LDAP_BIND_PASSWORD", "AVI_PASSWORD")


@pytest.fixture(autouse=True)
def nothing_exported(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in GOOD:
        monkeypatch.delenv(name, raising=False)


def preflight(fake: FakeRegistry, config: Path, *more: object) -> Ran:
    command = ("preflight", f"{fake.host}/tkg", "--plain-http", "--cluster-config", config)
    return run(*command, *more)


def checks(ran: Ran) -> dict[str, dict[str, str]]:
    return {check["id"]: check for check in ran.json["checks"]}


def of_tkg(ran: Ran) -> dict[str, str]:
    return {name: each["status"] for name, each in checks(ran).items() if name.startswith("TKG")}


def test_a_file_as_the_design_wants_it_passes_whole(fake: FakeRegistry, tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(text(TKG_CUSTOM_IMAGE_REPOSITORY=f"{fake.host}/tkg"))
    ran = preflight(fake, config, "--attest", "outside-tkg", "--format", "json")
    assert set(of_tkg(ran).values()) == {"pass"}, ran.out
    assert len(of_tkg(ran)) == 13
    assert ran.json["attested"] == ["outside-tkg"]


def test_each_line_to_write_mends_what_it_is_said_to(fake: FakeRegistry, tmp_path: Path) -> None:
    """What is advised is appended to a nearly empty file until nothing is left to advise."""
    config = tmp_path / "c.yaml"
    config.write_text("INFRASTRUCTURE_PROVIDER: aws\nAWS_REGION: us-east-1\n")
    ran = preflight(fake, config, "--attest", "outside-tkg", "--format", "json")
    assert "fail" in of_tkg(ran).values()
    mark = f"in {config} write: "
    fixes = [each["fix"] for each in checks(ran).values() if each["fix"].startswith(mark)]
    lines = [line for fix in fixes for line in fix.removeprefix(mark).split("; ")]
    number = itertools.count(1)
    with config.open("a") as file:
        for line in lines:
            made = line.replace("...", str(next(number))).partition(" (")[0]
            file.write(f"{made}\n")
    config.write_text(config.read_text() + "AWS_VPC_CIDR: 10.9.0.0/16\n")
    ran = preflight(fake, config, "--attest", "outside-tkg", "--format", "json")
    assert set(of_tkg(ran).values()) == {"pass"}, ran.out


def test_a_failure_of_the_file_fails_the_preflight(fake: FakeRegistry, tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(text(TKG_CUSTOM_IMAGE_REPOSITORY="10.20.30.40/tkg"))
    ran = preflight(fake, config)
    assert ran.code == 7
    wanted = f"{config}:4: TKG_CUSTOM_IMAGE_REPOSITORY: expected {fake.host}/tkg"
    assert wanted.replace(" ", "") in "".join(ran.out.replace("|", "").split())


def test_what_is_wrong_in_the_file_alone_is_not_the_matter_of_the_registry(
    fake: FakeRegistry, tmp_path: Path
) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(text(TKG_CUSTOM_IMAGE_REPOSITORY="10.20.30.40/tkg"))
    waived = ("--waive", "R2=a lab", "--waive", "R3=a lab")
    ran = preflight(fake, config, *waived)
    assert ran.code == 7
    assert "whose matter: whoever installs TKG" in ran.err


@pytest.mark.parametrize("form", ["text", "json"])
def test_secrets_of_the_file_are_nowhere(fake: FakeRegistry, tmp_path: Path, form: str) -> None:
    config = tmp_path / "c.yaml"
    more = "".join(f"{name}: {CANARY}\n" for name in SECRETS)
    config.write_text(text(CLUSTER_PLAN="dev", CNI="none") + more)
    for options in ((), ("--strict",), ("--log-level", "debug")):
        ran = preflight(fake, config, "--format", form, *options)
        assert CANARY not in ran.out + ran.err
    assert all(CANARY not in str(seen) for seen in fake.requests)


def test_a_file_that_is_no_yaml_names_its_line(fake: FakeRegistry, tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(f"A: 1\nAWS_SECRET_ACCESS_KEY: *{CANARY}\n")
    ran = preflight(fake, config, "--log-level", "debug")
    assert ran.code == 3
    assert f"{config}:2" in ran.err
    assert "quotes" in ran.err
    assert CANARY not in ran.out + ran.err
    assert not fake.requests

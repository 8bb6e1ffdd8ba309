"""A preflight of registries over TLS, as an operator runs it."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from mirror.preflight.authority import CA
from mirror.preflight.scene import Scene
from tests.fakes.certificates import MIDDLE, ROOT, line
from tests.fakes.simple import FakeRegistry
from tests.flows.cli import Ran, run
from tests.mirror.preflight.safe import HERE, asking, carrying, presenting, variable

ROOT_MADE, MIDDLE_MADE, LEAF_MADE = line(ROOT, MIDDLE, HERE)
SKIP = "TKG_CUSTOM_IMAGE_REPOSITORY_SKIP_TLS_VERIFY"


@pytest.fixture
def safe(tmp_path: Path) -> Iterator[FakeRegistry]:
    """A registry with an ordinary chain of a private authority."""
    with presenting(tmp_path, LEAF_MADE, MIDDLE_MADE) as fake:
        yield fake


@pytest.fixture
def ca_file(tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    path.write_bytes(ROOT_MADE.pem)
    return path


def preflight(fake: FakeRegistry, *options: object) -> Ran:
    return run("preflight", f"{fake.host}/tkg", "--format", "json", "--no-progress", *options)


def configured(directory: Path, *lines: str) -> Path:
    path = directory / "cluster.yaml"
    path.write_text("".join(f"{each}\n" for each in lines))
    return path


def of(ran: Ran, check_id: str) -> dict[str, Any]:
    return next(each for each in ran.json["checks"] if each["id"] == check_id)


def statuses(ran: Ran) -> dict[str, str]:
    found = ran.json["checks"]
    return {each["id"]: each["status"] for each in found if each["id"][:3] in ("TLS", "CLK")}


ALL_PASS = {**{f"TLS-{number}": "pass" for number in range(1, 9)}, "CLK-1": "pass"}


def test_a_good_registry_passes_with_a_ca_file(safe: FakeRegistry, ca_file: Path) -> None:
    ran = preflight(safe, "--ca-file", ca_file, "--fips")
    assert statuses(ran) == {**ALL_PASS, "TLS-8": "skip"}
    assert of(ran, "TLS-8")["detail"] == f"{CA}: {variable(ROOT_MADE)}"


def test_the_cluster_configurations_authority_is_enough(safe: FakeRegistry, tmp_path: Path) -> None:
    config = configured(tmp_path, f"{CA}: {variable(ROOT_MADE)}")
    assert statuses(preflight(safe, "--cluster-config", config)) == ALL_PASS


def test_the_accounts_own_connections_trust_it_too(safe: FakeRegistry) -> None:
    with Scene(asking(safe, config=carrying(ROOT_MADE))) as scene:
        assert scene.account.ask("GET", "/v2/").status == 200


def test_base64_that_was_wrapped_fails_where_it_stands(safe: FakeRegistry, tmp_path: Path) -> None:
    text = variable(ROOT_MADE)
    wrapped = [f"  {text[start : start + 76]}" for start in range(0, len(text), 76)]
    config = configured(tmp_path, "CLUSTER_NAME: one", f"{CA}: |", *wrapped)
    ran = preflight(safe, "--cluster-config", config)
    assert ran.code == 7
    assert of(ran, "TLS-8")["status"] == "fail"
    assert f"{config}:2" in of(ran, "TLS-8")["summary"]
    assert "base64 -w0" in of(ran, "TLS-8")["fix"]


def test_unverified_pulls_are_a_warning_and_strictly_a_failure(
    safe: FakeRegistry, tmp_path: Path
) -> None:
    config = configured(tmp_path, f"{CA}: {variable(ROOT_MADE)}", f"{SKIP}: true")
    assert of(preflight(safe, "--cluster-config", config), "TLS-8")["status"] == "warn"
    strict = preflight(safe, "--cluster-config", config, "--strict")
    assert strict.code == 7
    assert of(strict, "TLS-8")["status"] == "fail"


def test_a_switch_for_transfers_hides_nothing(safe: FakeRegistry) -> None:
    ran = preflight(safe, "--insecure-skip-tls-verify")
    assert ran.code == 7
    assert of(ran, "TLS-1")["status"] == "fail"


def test_an_untrusted_registry_is_examined_to_the_end(safe: FakeRegistry) -> None:
    found = statuses(preflight(safe))
    assert found["TLS-1"] == "fail"
    assert [found[f"TLS-{number}"] for number in range(3, 8)] == ["pass"] * 5
    assert found["CLK-1"] == "pass"


def test_a_trusted_authority_may_be_waived_as_the_design_allows(safe: FakeRegistry) -> None:
    found = of(preflight(safe, "--waive", "R3=lab"), "TLS-1")
    assert found["requirement"] == "R3"
    assert found["status"] == "warn"
    assert found["waived"] == {"reason": "lab", "status": "fail"}


def test_plain_http_fails_and_the_rest_is_skipped(fake: FakeRegistry) -> None:
    found = statuses(preflight(fake, "--plain-http"))
    skipped = {f"TLS-{number}": "skip" for number in range(2, 9)}
    assert found == {"TLS-1": "fail", **skipped, "CLK-1": "pass"}


def test_a_ca_file_of_no_use_ends_it_before_anything_is_asked(
    fake: FakeRegistry, tmp_path: Path
) -> None:
    ran = preflight(fake, "--ca-file", tmp_path / "none.pem")
    assert ran.code == 3
    assert "no such CA file" in ran.err
    assert not fake.requests


def test_nor_is_anything_asked_with_a_certificate_that_its_checks_could_not_read(
    fake: FakeRegistry, tmp_path: Path
) -> None:
    """OpenSSL takes one that begins in a thirteenth month, and no handshake succeeds with it."""
    der = bytearray(ssl.PEM_cert_to_DER_cert(trustme.CA().cert_pem.bytes().decode()))
    time = der.index(b"\x17\x0d")
    der[time + 4 : time + 6] = b"13"
    path = tmp_path / "odd.pem"
    path.write_text(ssl.DER_cert_to_PEM_cert(bytes(der)))
    ran = preflight(fake, "--ca-file", path)
    assert ran.code == 3
    assert "not a CA file" in ran.err
    assert not fake.requests

"""A preflight for scripts: the contract's keys, further ones beside them, nothing that acts."""

from __future__ import annotations

import json as standard
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from mirror.errors import BundleFault, MachineFault
from mirror.preflight.interface import failed
from mirror.report import json
from mirror.report.circumstances import circumstances, given_bundle, given_file
from mirror.report.preflight import FAMILIES, document
from tests.mirror.report.findings import BY, REGISTRY, WAIVED, examination, finding


def test_the_contract_s_keys_come_first() -> None:
    found = document(examination(), BY)
    assert list(found)[:4] == ["schema", "registry", "result", "checks"]
    assert found["schema"] == "tkg-mirror/preflight/v1"
    assert (found["registry"], found["result"]) == (REGISTRY, "fail")
    for check in found["checks"]:
        assert list(check)[:5] == ["id", "status", "summary", "detail", "fix"]
        assert check["status"] in ("pass", "warn", "fail", "skip")
        assert check["family"] in FAMILIES


def test_checks_are_in_the_catalogue_s_order_and_whole() -> None:
    found = examination()
    checks = {check["id"]: check for check in document(found, BY)["checks"]}
    assert list(checks) == [each.check.id for each in found.findings]
    assert len(checks["IMG-1"]["detail"].splitlines()) == 23
    assert checks["IMG-1"]["requirement"] == "R5"
    assert checks["REG-3"]["unknown"] is True


def test_a_waived_failure_is_a_warning_with_its_reason() -> None:
    checks = {check["id"]: check for check in document(examination(), BY)["checks"]}
    assert checks["TLS-6"]["status"] == "warn"
    assert checks["TLS-6"]["waived"] == {"reason": WAIVED, "status": "fail"}
    assert [name for name, check in checks.items() if "waived" in check] == ["TLS-6"]


def test_it_says_when_by_which_version_and_from_what() -> None:
    found = document(examination(), BY)
    assert (found["time"], found["version"], found["requests"]) == (BY.stamp, "0.1.0", 57)
    assert BY.stamp == "2026-11-28T09:30:05Z"
    assert found["inputs"][0]["kind"] == "bundle"
    assert all(len(each["sha256"]) == 64 for each in found["inputs"])
    assert found["attested"] == ["outside-tkg"]
    assert found["waivers"] == {"TLS-6": WAIVED, "NET-4": "IPv6 is on its way"}
    states = {each["id"]: each["state"] for each in found["requirements"]}
    assert states == {f"R{n}": "met" if n == 1 else "not-met" for n in range(1, 6)}


def test_times_are_utc_wherever_it_runs() -> None:
    now = circumstances()
    assert now.time.utcoffset() == timedelta(0)
    assert datetime.fromisoformat(now.stamp) == now.time.replace(microsecond=0)


def test_no_character_of_a_registry_s_acts_on_a_terminal() -> None:
    text = "\x1b[2J\x9b31m\u202e</script>"
    found = examination(finding("API-1", failed(text, text, fix=text)))
    dumped = json.dump(document(found, BY))
    assert all(c.isprintable() or c == "\n" for c in dumped)
    assert standard.loads(dumped)["checks"][0]["detail"] == text


def test_a_file_is_named_with_its_digest(tmp_path: Path) -> None:
    path = tmp_path / "prod.yaml"
    path.write_bytes(b"hello")
    given = given_file("cluster configuration", path)
    assert given.name == str(path)
    assert given.sha256 == "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    with pytest.raises(MachineFault, match="cannot read the cluster configuration"):
        given_file("cluster configuration", tmp_path / "none.yaml")
    with pytest.raises(BundleFault):
        given_bundle(path)

"""From the command line: can everybody pull without a login, and nobody push?"""

from __future__ import annotations

from typing import Any

import pytest

from scripts.world.images import ImageSpec, build
from scripts.world.registry import Registry
from tests.fakes.harbor import Harbor
from tests.fakes.registries import PASSWORD, USER
from tests.fakes.token_server import TokenRegistry
from tests.flows.cli import Ran, run


def preflight(dest: str, *options: str, stdin: str = "") -> Ran:
    return run("preflight", dest, "--plain-http", "--format", "json", *options, stdin=stdin)


def found(ran: Ran) -> dict[str, dict[str, Any]]:
    return {check["id"]: check for check in ran.json["checks"]}


def test_a_login_that_only_the_operator_has_is_no_way_for_tkg(locked_registry: Registry) -> None:
    login = ("--username", USER, "--password-stdin")
    ran = preflight(f"{locked_registry.host}/tkg", *login, stdin=f"{PASSWORD}\n")
    assert ran.code == 7
    check = found(ran)["REG-1"]
    assert (check["status"], check["requirement"]) == ("fail", "R4")
    assert check["summary"].startswith("nobody can pull without a login")
    assert check["detail"].splitlines()[0].startswith("docker: fails")
    assert check["fix"]


def test_that_a_login_is_needed_cannot_be_waived(locked_registry: Registry) -> None:
    for name in ("R4", "REG-1"):
        ran = preflight(f"{locked_registry.host}/tkg", "--waive", f"{name}=it is internal")
        assert ran.code == 2
    assert locked_registry.requests() == []


def test_a_private_project_is_made_public_and_the_next_run_says_so(harbor: Harbor) -> None:
    project = harbor.project("tkg")
    harbor.add("tkg/tkg-compatibility", "v1", build(ImageSpec("x")))
    ran = preflight(f"{harbor.host}/tkg")
    assert ran.code == 7
    assert "make the project public: Projects > tkg" in found(ran)["REG-1"]["fix"]
    project.public = True
    check = found(preflight(f"{harbor.host}/tkg"))
    assert {name: check[name]["status"] for name in ("API-1", "API-2", "REG-1", "REG-2")} == {
        "API-1": "pass",
        "API-2": "pass",
        "REG-1": "pass",
        "REG-2": "pass",
    }
    assert check["REG-1"]["detail"].count(": ok") == 5


@pytest.mark.parametrize(("options", "status"), [((), "warn"), (("--strict",), "fail")])
def test_an_open_registry_is_a_warning_and_a_failure_where_that_is_wanted(
    registry: Registry, options: tuple[str, ...], status: str
) -> None:
    ran = preflight(f"{registry.host}/tkg", *options)
    check = found(ran)["REG-2"]
    assert check["status"] == status
    assert "anybody can overwrite images" in check["summary"]
    assert found(ran)["REG-1"]["status"] == "pass"
    assert not options or ran.code == 7


def test_a_token_service_that_gives_strangers_the_right_to_pull_is_all_it_takes(
    token_registry: TokenRegistry,
) -> None:
    check = found(preflight(f"{token_registry.host}/tkg"))
    assert [check[name]["status"] for name in ("API-3", "REG-1", "REG-2")] == ["pass"] * 3
    assert {asked.user for asked in token_registry.tokens.asked} == {""}


def test_people_are_told_in_one_line_each(locked_registry: Registry) -> None:
    ran = run("preflight", f"{locked_registry.host}/tkg", "--plain-http")
    assert ran.code == 7
    told = " ".join(ran.out.split())
    what = "nobody can pull without a login: every request asks for a login (Basic)"
    assert f"FAIL REG-1 {what}" in told
    assert "auth.htpasswd" in told

"""`preflight` with credentials, from the command line: what it says, and what it never says."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.fakes.harbor import Harbor
from tests.fakes.registries import PASSWORD
from tests.flows.cli import Ran, run

ORDER = ["REG-3", "REG-4", "REG-5", "REG-6", "REG-7", "REG-8", "REG-9", "REG-10"]
SECRET = "canary-of-ann's-password"


def preflight(harbor: Harbor, *more: str, name: str = "", secret: str = "") -> Ran:
    login = ("--username", name, "--password-stdin") if name else ()
    stdin = f"{secret}\n" if name else ""
    dest = f"{harbor.host}/tkg"
    return run("preflight", dest, "--plain-http", *login, *more, stdin=stdin)


def statuses(ran: Ran) -> dict[str, str]:
    checks = {each["id"]: each["status"] for each in ran.json["checks"]}
    return {name: checks[name] for name in ORDER}


def test_the_checks_of_rights_and_harbor_come_in_the_order_of_their_numbers(
    harbor: Harbor,
) -> None:
    harbor.project("tkg", public=True)
    ran = preflight(harbor, "--format", "json", name="admin", secret="Harbor12345")
    ids = [each["id"] for each in ran.json["checks"] if each["id"] in ORDER]
    assert ids == ORDER
    assert set(statuses(ran).values()) == {"pass", "skip"}
    assert statuses(ran)["REG-7"] == "skip"


def test_a_harbor_is_told_what_can_be_told_without_credentials(harbor: Harbor) -> None:
    harbor.project("tkg", public=True)
    found = statuses(preflight(harbor, "--format", "json"))
    told = {name for name, status in found.items() if status == "pass"}
    assert told >= {"REG-5", "REG-6", "REG-8", "REG-10"}
    sent = {seen.headers.get("authorization", "") for seen in harbor.requests}
    assert not [each for each in sent if each.startswith("Basic")]


def test_a_wrong_password_fails_the_preflight(harbor: Harbor) -> None:
    harbor.project("tkg", public=True)
    harbor.user("ann", PASSWORD, {"tkg": "developer"})
    ran = preflight(harbor, name="ann", secret="wrong")
    assert ran.code == 7
    assert "REG-3" in ran.err


def test_a_missing_project_is_made_before_anything_asks_for_it(harbor: Harbor) -> None:
    ran = preflight(
        harbor, "--create-project", "--format", "json", name="admin", secret="Harbor12345"
    )
    found = statuses(ran)
    assert (found["REG-3"], found["REG-4"], found["REG-5"]) == ("pass", "pass", "pass")
    assert harbor.system.projects["tkg"].public
    asked = [seen.path for seen in harbor.requests]
    made = asked.index("/api/v2.0/projects")
    assert not any("/v2/tkg/" in path for path in asked[:made])
    again = preflight(
        harbor, "--create-project", "--format", "json", name="admin", secret="Harbor12345"
    )
    assert statuses(again)["REG-5"] == "pass"
    assert harbor.count("POST", "/projects") == 1


def test_a_project_that_cannot_be_made_fails_with_the_command_that_makes_it(
    harbor: Harbor,
) -> None:
    harbor.user("ann", PASSWORD)
    ran = preflight(harbor, "--create-project", "--format", "json", name="ann", secret=PASSWORD)
    found = next(each for each in ran.json["checks"] if each["id"] == "REG-5")
    assert ran.code == 7
    assert "ann may not make projects" in found["summary"]
    assert found["detail"].startswith("curl -u ADMIN http://")


@pytest.mark.parametrize("role", ["developer", "guest", "nothing"])
@pytest.mark.parametrize("form", ["text", "json"])
def test_no_password_is_in_any_output(harbor: Harbor, role: str, form: str) -> None:
    harbor.project("tkg", public=True)
    roles = {} if role == "nothing" else {"tkg": role}
    ann = harbor.user("ann", SECRET, roles)
    ran = preflight(harbor, "--format", form, "--log-level", "debug", name="ann", secret=SECRET)
    sent = {seen.headers.get("authorization", "") for seen in harbor.requests} - {""}
    assert len([each for each in sent if each.startswith("Basic")]) == 1
    for secret in (ann.secret, *(each.partition(" ")[2] for each in sent)):
        assert secret not in ran.out + ran.err


def test_credentials_of_docker_are_tried_too(harbor: Harbor) -> None:
    harbor.project("tkg", public=True)
    harbor.user("ann", PASSWORD, {"tkg": "developer"})
    config = Path(os.environ["DOCKER_CONFIG"])
    config.mkdir()
    auth = {"auth": "YW5uOmNvcnJlY3QgaG9yc2U="}
    (config / "config.json").write_text(json.dumps({"auths": {harbor.host: auth}}))
    found = statuses(preflight(harbor, "--format", "json"))
    assert (found["REG-3"], found["REG-4"]) == ("pass", "pass")


def test_credentials_that_cannot_be_read_keep_nobody_from_the_rest(harbor: Harbor) -> None:
    harbor.project("tkg", public=True)
    config = Path(os.environ["DOCKER_CONFIG"])
    config.mkdir()
    (config / "config.json").write_text("{")
    found = statuses(preflight(harbor, "--format", "json"))
    assert found["REG-3"] == "skip"
    told = [found[name] for name in ("REG-5", "REG-6", "REG-8", "REG-10")]
    assert told == ["pass"] * 4

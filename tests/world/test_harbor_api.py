"""Measured on a genuine Harbor core v2.9.5 and asked of the facade: its API, and who learns what.

Each test is one statement.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.fakes.harbor import Harbor
from tests.fakes.harbor_client import (
    IMAGE,
    bearer,
    scope,
    visiting,
)
from tests.fakes.harbor_projects import ANONYMOUS, Account, kept


@pytest.fixture
def client(harbor: Harbor) -> Iterator[httpx.Client]:
    with visiting(harbor) as client:
        yield client


@pytest.fixture
def robot(harbor: Harbor, client: httpx.Client) -> Account:
    return harbor.robot("tkg", "mirror", "robot's secret")


def api(client: httpx.Client, path: str, account: Account = ANONYMOUS) -> httpx.Response:
    login = account.login if account is not ANONYMOUS else None
    return client.get(f"/api/v2.0/{path}", auth=login)


def test_ping_is_plain_text(client: httpx.Client) -> None:
    answer = api(client, "ping")
    assert answer.text == "Pong"
    assert answer.headers["Content-Type"].startswith("text/plain")


def test_systeminfo_tells_read_only_to_whoever_has_logged_in(
    harbor: Harbor, client: httpx.Client, robot: Account
) -> None:
    anonymous = api(client, "systeminfo").json()
    shown = {"auth_mode", "primary_auth_mode", "self_registration", "banner_message"}
    assert set(anonymous) == {*shown, "harbor_version"}
    assert api(client, "systeminfo", robot).json()["read_only"] is False
    harbor.system.read_only = True
    assert api(client, "systeminfo", robot).json()["read_only"] is True


def test_health_lists_components_to_anybody(harbor: Harbor, client: httpx.Client) -> None:
    assert api(client, "health").json()["status"] == "healthy"
    harbor.system.unhealthy.add("jobservice")
    found = api(client, "health").json()
    states = {each["name"]: each["status"] for each in found["components"]}
    assert (found["status"], states["jobservice"]) == ("unhealthy", "unhealthy")
    assert states["core"] == "healthy"


def test_a_name_is_part_of_a_name_and_q_is_exact(harbor: Harbor, client: httpx.Client) -> None:
    harbor.project("tkg-extra", public=True)

    def names(query: str) -> list[str]:
        return [project["name"] for project in api(client, f"projects?{query}").json()]

    assert names("name=tkg") == ["tkg", "tkg-extra"]
    assert names("q=name=tkg") == ["tkg"]
    assert names("q=name%3Dtkg") == ["tkg"]


def test_a_page_of_projects_has_ten(harbor: Harbor, client: httpx.Client) -> None:
    for number in range(11):
        harbor.project(f"p{number}", public=True)
    first = api(client, "projects")
    assert (len(first.json()), first.headers["X-Total-Count"]) == (10, "12")
    assert len(api(client, "projects?page=2").json()) == 2


def test_private_and_missing_projects_look_alike_to_anonymous(client: httpx.Client) -> None:
    assert api(client, "projects/tkg").status_code == 200
    assert api(client, "projects/secret").status_code == 401
    assert api(client, "projects/nowhere").status_code == 401
    assert [each["name"] for each in api(client, "projects").json()] == ["tkg"]


def test_a_wrong_password_sees_what_anonymous_sees(harbor: Harbor, client: httpx.Client) -> None:
    wrong = Account("admin", "wrong")
    assert [each["name"] for each in api(client, "projects", wrong).json()] == ["tkg"]
    assert len(api(client, "projects", harbor.admin).json()) == 2


def test_public_is_a_text_and_a_proxy_cache_has_a_registry_id(
    harbor: Harbor, client: httpx.Client
) -> None:
    harbor.project("hub", public=True, proxy_cache=True)
    tkg, hub = (api(client, f"projects/{name}").json() for name in ("tkg", "hub"))
    secret = api(client, "projects/secret", harbor.admin).json()
    assert (tkg["metadata"]["public"], secret["metadata"]["public"]) == ("true", "false")
    assert (tkg["registry_id"], hub["registry_id"] > 0) == (0, True)


def test_a_name_of_digits_needs_a_header(harbor: Harbor, client: httpx.Client) -> None:
    harbor.project("2025", public=True)
    assert api(client, "projects/2025").status_code == 401
    named = client.get("/api/v2.0/projects/2025", headers={"X-Is-Resource-Name": "true"})
    assert named.json()["name"] == "2025"


def test_whether_a_project_exists_is_told_to_whoever_has_logged_in(
    harbor: Harbor, client: httpx.Client
) -> None:
    def status(name: str, **login: Any) -> int:
        query = {"project_name": name}
        return client.head("/api/v2.0/projects", params=query, **login).status_code

    admin = harbor.admin.login
    assert [status(name) for name in ("tkg", "nowhere")] == [401, 401]
    assert [status(name, auth=admin) for name in ("tkg", "nowhere")] == [200, 404]


def test_the_quota_is_shown_to_administrators_only(
    harbor: Harbor, client: httpx.Client, robot: Account
) -> None:
    harbor.add("tkg/pause", "3.9", IMAGE)
    head = harbor.user("head", "h", {"tkg": "project-admin"})
    for account in (harbor.admin, head):
        found = api(client, "projects/tkg/summary", account).json()
        used = sum(blob.size for blob in IMAGE.everything().values())
        assert found["quota"] == {"hard": {"storage": -1}, "used": {"storage": used}}
    for account in (robot, ANONYMOUS):
        assert api(client, "projects/tkg/summary", account).json() == {"repo_count": 1}


def test_a_retention_policy_is_named_to_all_and_shown_to_few(
    harbor: Harbor, client: httpx.Client, robot: Account
) -> None:
    assert "retention_id" not in api(client, "projects/tkg").json()["metadata"]
    harbor.system.projects["tkg"].retention = [kept("latestPushedK")]
    number = api(client, "projects/tkg").json()["metadata"]["retention_id"]
    accounts = (ANONYMOUS, robot, harbor.admin)
    answers = [api(client, f"retentions/{number}", account) for account in accounts]
    assert [each.status_code for each in answers] == [401, 403, 200]
    assert answers[2].json()["rules"][0]["template"] == "latestPushedK"
    assert api(client, "retentions/7", harbor.admin).status_code == 404


def test_a_scanner_is_among_the_components(harbor: Harbor, client: httpx.Client) -> None:
    def names() -> set[str]:
        return {each["name"] for each in api(client, "health").json()["components"]}

    assert "trivy" in names()
    harbor.system.scanner = False
    assert "trivy" not in names()


def test_who_am_i_is_200_412_or_401(harbor: Harbor, client: httpx.Client, robot: Account) -> None:
    assert api(client, "users/current", harbor.admin).json()["username"] == "admin"
    accounts = (robot, ANONYMOUS, Account("admin", "wrong"))
    codes = [api(client, "users/current", account).status_code for account in accounts]
    assert codes == [412, 401, 401]


@pytest.mark.parametrize("path", ["systeminfo/volumes", "quotas", "configurations"])
def test_the_rest_is_for_administrators(
    harbor: Harbor, client: httpx.Client, robot: Account, path: str
) -> None:
    codes = [api(client, path, who).status_code for who in (ANONYMOUS, robot, harbor.admin)]
    assert codes == [401, 403, 200]
    assert api(client, "projects/tkg/immutabletagrules").status_code == 401


def test_an_administrator_makes_a_public_project(
    harbor: Harbor, client: httpx.Client, robot: Account
) -> None:
    wanted = {"project_name": "new", "metadata": {"public": "true"}}

    def post(**login: Any) -> int:
        return client.post("/api/v2.0/projects", json=wanted, **login).status_code

    accounts = (robot, harbor.admin, harbor.admin)
    assert [post(), *(post(auth=account.login) for account in accounts)] == [401, 403, 201, 409]
    assert json.loads(api(client, "projects/new").text)["metadata"]["public"] == "true"
    headers = bearer(harbor, scope("new/x"))
    assert client.get("/v2/new/x/tags/list", headers=headers).status_code == 404

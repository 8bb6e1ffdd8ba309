"""REG-5 and REG-8 to REG-10: Harbor's projects, policies and health, as whoever looks sees them."""

from __future__ import annotations

import json

import pytest

from mirror.preflight.interface import Status
from mirror.preflight.project import wanted
from scripts.world.registry import Registry
from tests.fakes.harbor import Harbor
from tests.fakes.harbor_projects import kept
from tests.fakes.message import error_reply
from tests.fakes.registries import PASSWORD
from tests.fakes.simple import FakeRegistry
from tests.mirror.preflight.registries import HARBOR, look, pretend_harbor

ANN = ("ann", PASSWORD)


# --- REG-5 --------------------------------------------------------------------------------------


def test_a_public_project_is_told_to_nobody_too(harbor: Harbor) -> None:
    harbor.project("tkg", public=True)
    found = look(harbor.host, HARBOR)["REG-5"]
    assert (found.status, found.summary) == (
        Status.PASS,
        "project tkg is public, and no proxy cache",
    )


def test_a_project_whose_name_only_begins_alike_is_another(harbor: Harbor) -> None:
    harbor.project("tkg-extra", public=True)
    assert look(harbor.host, HARBOR)["REG-5"].status is Status.FAIL


@pytest.mark.parametrize("who", ["nobody", "admin", "a stranger with a login"])
def test_a_private_project(harbor: Harbor, who: str) -> None:
    harbor.project("tkg")
    harbor.user(*ANN)
    login = {"nobody": None, "admin": harbor.admin.login}.get(who, ANN)
    found = look(harbor.host, HARBOR, login=login)["REG-5"]
    assert found.status is Status.FAIL
    assert "is private" in found.summary
    assert "Public" in found.fix


@pytest.mark.parametrize("who", ["nobody", "admin", "a stranger with a login"])
def test_a_missing_project(harbor: Harbor, who: str) -> None:
    harbor.user(*ANN)
    login = {"nobody": None, "admin": harbor.admin.login}.get(who, ANN)
    found = look(harbor.host, HARBOR, login=login)["REG-5"]
    assert (found.status, found.summary) == (Status.FAIL, "there is no project tkg")
    assert "--create-project" in found.fix


def test_missing_or_private_where_harbor_says_neither(harbor: Harbor) -> None:
    harbor.system.read_only = True
    found = look(harbor.host, HARBOR)["REG-5"]
    assert found.summary == "there is no public project tkg: it is missing or private"


def test_a_proxy_cache_takes_no_images(harbor: Harbor) -> None:
    harbor.project("tkg", public=True, proxy_cache=True)
    found = look(harbor.host, login=harbor.admin.login)
    assert found["REG-5"].status is Status.FAIL
    assert "proxy cache" in found["REG-5"].summary
    assert "REG-5" in found["REG-4"].summary


def test_no_project_in_dest(harbor: Harbor) -> None:
    found = look(harbor.host, HARBOR, project="")["REG-5"]
    assert found.status is Status.FAIL
    assert f"{harbor.host}/PROJECT" in found.fix


def test_a_project_of_digits_is_a_name(harbor: Harbor) -> None:
    harbor.project("2025")
    found = look(harbor.host, HARBOR, project="2025", login=harbor.admin.login)["REG-5"]
    assert "is private" in found.summary


def test_a_path_below_the_project_is_no_matter(harbor: Harbor) -> None:
    harbor.project("tkg", public=True)
    assert look(harbor.host, HARBOR, project="tkg/prod/a")["REG-5"].status is Status.PASS


def test_other_registries_have_no_projects(registry: Registry) -> None:
    found = look(registry.host, HARBOR)
    skipped = [found[name] for name in ("REG-5", "REG-8", "REG-9", "REG-10")]
    assert {(each.status, each.unknown) for each in skipped} == {(Status.SKIP, False)}


# --- --create-project ---------------------------------------------------------------------------


def test_a_missing_project_is_made_and_public(harbor: Harbor) -> None:
    found = look(harbor.host, login=harbor.admin.login, create=True)
    assert harbor.system.projects["tkg"].public
    assert "made, public, by admin" in found["REG-5"].summary
    assert {found[name].status for name in ("REG-3", "REG-4", "REG-5")} == {Status.PASS}


def test_an_account_that_may_not_make_projects(harbor: Harbor) -> None:
    harbor.user(*ANN)
    found = look(harbor.host, login=ANN, create=True)["REG-5"]
    assert found.status is Status.FAIL
    assert "ann may not make projects (403)" in found.summary
    assert json.dumps(wanted("tkg")) in found.detail
    assert not harbor.system.projects


@pytest.mark.parametrize("login", [None, ("admin", "wrong")])
def test_nobody_makes_a_project(harbor: Harbor, login: tuple[str, str] | None) -> None:
    found = look(harbor.host, login=login, create=True)["REG-5"]
    assert found.status is Status.FAIL
    assert ("REG-3" if login else "credentials") in found.summary
    assert harbor.count("POST", "/projects") == 0


@pytest.mark.parametrize("public", [True, False])
def test_a_project_that_is_there_is_left_as_it_is(harbor: Harbor, public: bool) -> None:
    harbor.project("tkg", public=public)
    found = look(harbor.host, login=harbor.admin.login, create=True)["REG-5"]
    assert found.status is (Status.PASS if public else Status.FAIL)
    assert harbor.count("POST", "/projects") == 0
    assert harbor.system.projects["tkg"].public is public


@pytest.mark.parametrize("status", [409, 500])
def test_what_harbor_says_against_it_is_told(fake: FakeRegistry, status: int) -> None:
    answers = pretend_harbor(fake)
    answers["/projects"] = []
    answers["HEAD /projects"] = error_reply(404, "NOT_FOUND")
    answers["POST /projects"] = error_reply(status, "OOPS")
    found = look(fake.host, HARBOR, login=ANN, create=True)["REG-5"]
    assert found.status is Status.FAIL
    assert ("there already" if status == 409 else "500") in found.summary


def test_no_project_is_made_at_other_registries(fake: FakeRegistry) -> None:
    fake.require_basic(*ANN)
    look(fake.host, login=ANN, create=True)
    assert fake.count("POST", "") == 0


# --- REG-8 --------------------------------------------------------------------------------------


def test_a_project_without_policies(harbor: Harbor) -> None:
    harbor.project("tkg", public=True)
    assert look(harbor.host, HARBOR)["REG-8"].status is Status.PASS


def test_images_that_have_to_be_signed(harbor: Harbor) -> None:
    project = harbor.project("tkg", public=True)
    project.content_trust = True
    found = look(harbor.host, HARBOR)["REG-8"]
    assert found.status is Status.FAIL
    assert "Cosign" in found.summary
    assert "Deployment security" in found.fix


@pytest.mark.parametrize(("scanner", "status"), [(True, Status.FAIL), (False, Status.WARN)])
def test_images_that_have_to_be_scanned(harbor: Harbor, scanner: bool, status: Status) -> None:
    project = harbor.project("tkg", public=True)
    project.prevent_vulnerable, project.severity = True, "critical"
    harbor.system.scanner = scanner
    found = look(harbor.host, HARBOR)["REG-8"]
    assert found.status is status
    assert "critical" in found.summary


def test_policies_of_a_private_project_are_told_to_its_members(harbor: Harbor) -> None:
    harbor.project("tkg").content_trust = True
    ann = harbor.user("ann", PASSWORD, {"tkg": "developer"})
    assert look(harbor.host, HARBOR, login=ann.login)["REG-8"].status is Status.FAIL
    assert look(harbor.host, HARBOR)["REG-8"].unknown


# --- REG-9 --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "status"),
    [
        (None, Status.PASS),
        ([], Status.PASS),
        ([kept("always")], Status.PASS),
        ([kept("latestPushedK", disabled=True)], Status.PASS),
        ([kept("latestPushedK")], Status.WARN),
        ([kept("always", "v1.*")], Status.WARN),
        ([kept("nDaysSinceLastPull"), kept("always", "v1.*")], Status.WARN),
        ([kept("nDaysSinceLastPull"), kept("always")], Status.PASS),
    ],
)
def test_tags_that_a_retention_policy_deletes(
    harbor: Harbor, rules: list[dict[str, object]] | None, status: Status
) -> None:
    project = harbor.project("tkg", public=True)
    project.retention, project.schedule = rules, "0 0 0 * * *"
    found = look(harbor.host, HARBOR, login=harbor.admin.login)["REG-9"]
    assert found.status is status
    assert "0 0 0 * * *" in found.summary or status is Status.PASS


@pytest.mark.parametrize("who", ["nobody", "robot"])
def test_a_retention_policy_that_is_not_ours_to_read(harbor: Harbor, who: str) -> None:
    harbor.project("tkg", public=True).retention = [kept("always")]
    robot = harbor.robot("tkg", "mirror", "a secret")
    login = robot.login if who == "robot" else None
    found = look(harbor.host, HARBOR, login=login)["REG-9"]
    assert found.status is Status.WARN
    assert "not visible" in found.summary


@pytest.mark.parametrize("immutable", [True, False])
def test_immutable_tags_are_told(harbor: Harbor, immutable: bool) -> None:
    harbor.project("tkg", public=True, immutable=immutable)
    found = look(harbor.host, HARBOR, login=harbor.admin.login)["REG-9"]
    assert found.status is Status.PASS
    assert ("what is pushed stays" in found.summary) is immutable


def test_rules_for_immutable_tags_that_are_not_ours_to_read(harbor: Harbor) -> None:
    harbor.project("tkg", public=True)
    robot = harbor.robot("tkg", "mirror", "a secret")
    found = look(harbor.host, HARBOR, login=robot.login)["REG-9"]
    assert found.status is Status.WARN
    nobody, wrong = (look(harbor.host, HARBOR, login=who)["REG-9"] for who in (None, ("x", "y")))
    assert (nobody.status, nobody.unknown) == (Status.SKIP, False)
    assert wrong.unknown


# --- REG-10 -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("core", Status.FAIL),
        ("database", Status.FAIL),
        ("redis", Status.FAIL),
        ("registry", Status.FAIL),
        ("registryctl", Status.FAIL),
        ("jobservice", Status.WARN),
        ("portal", Status.WARN),
        ("trivy", Status.WARN),
    ],
)
def test_a_component_that_is_not_well(harbor: Harbor, name: str, status: Status) -> None:
    harbor.system.unhealthy.add(name)
    found = look(harbor.host, HARBOR)["REG-10"]
    assert found.status is status
    assert name in found.summary
    # As docker compose knows them.
    service = {"database": "postgresql", "trivy": "trivy-adapter"}.get(name, name)
    assert found.fix.endswith(f"logs {service}")


def test_all_components_are_well(harbor: Harbor) -> None:
    found = look(harbor.host, HARBOR)["REG-10"]
    assert (found.status, found.summary) == (Status.PASS, "all 8 components of Harbor are well")


@pytest.mark.parametrize("missing", ["core", "database", "redis", "registry", "registryctl"])
def test_a_vital_component_that_harbor_does_not_name_is_no_pass(
    fake: FakeRegistry, missing: str
) -> None:
    names = ["core", "database", "jobservice", "portal", "redis", "registry", "registryctl"]
    listed = [{"name": name, "status": "healthy"} for name in names]
    pretend_harbor(fake)["/health"] = {"components": [e for e in listed if e["name"] != missing]}
    found = look(fake.host, HARBOR)["REG-10"]
    assert found.unknown
    assert found.summary == f"Harbor does not say how its {missing} is"
    assert found.fix


def test_a_component_that_is_named_twice_is_as_well_as_the_worse(fake: FakeRegistry) -> None:
    listed = [{"name": "core", "status": "unhealthy"}, {"name": "core", "status": "healthy"}]
    pretend_harbor(fake)["/health"] = {"components": listed}
    assert look(fake.host, HARBOR)["REG-10"].status is Status.FAIL


def test_a_health_that_cannot_be_read_is_no_good_one(fake: FakeRegistry) -> None:
    answers = pretend_harbor(fake)
    odd: list[object] = [{}, {"components": []}, {"components": [{"name": "core"}]}, []]
    for health in odd:
        answers["/health"] = health
        assert look(fake.host, HARBOR)["REG-10"].unknown

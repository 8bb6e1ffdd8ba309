"""REG-4 and REG-6: may everything be written, and is anything left behind by finding that out?"""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from mirror.preflight.interface import Status, Verdict
from mirror.preflight.writing import Reading, read
from mirror.registry.probe import Answer
from scripts.world.images import ImageSpec, build
from scripts.world.registry import Registry
from tests.fakes.behaviours import Go, answer
from tests.fakes.harbor import Harbor
from tests.fakes.harbor_projects import ROLES
from tests.fakes.message import Reply, Request, error_reply
from tests.fakes.registries import HTPASSWD, PASSWORD, USER, ReadOnly
from tests.fakes.simple import FakeRegistry
from tests.fakes.token_server import TokenRegistry
from tests.mirror.preflight.registries import (
    ALL,
    HARBOR,
    RIGHTS,
    expecting,
    files,
    look,
    paths,
)

ANN = (USER, PASSWORD)
IMAGES = {f"app-{n}:v1": build(ImageSpec(f"app-{n}", own=(500,))) for n in range(3)}


def rights(found: dict[str, Verdict]) -> tuple[Status, Status]:
    return found["REG-4"].status, found["REG-6"].status


# --- REG-4: who may -----------------------------------------------------------------------------


def test_an_open_registry_lets_anybody_write(registry: Registry) -> None:
    found = look(registry.host, RIGHTS)
    assert rights(found) == (Status.PASS, Status.PASS)
    assert found["REG-4"].summary == "anybody may write to tkg/tkg-bom"


def test_an_account_of_a_basic_registry(locked_registry: Registry) -> None:
    assert rights(look(locked_registry.host, RIGHTS, login=ANN)) == (Status.PASS, Status.PASS)


def test_rights_that_a_token_service_grants(token_registry: TokenRegistry) -> None:
    tokens = token_registry.tokens
    tokens.users["ann"] = PASSWORD
    assert look(token_registry.host, RIGHTS, login=ANN)["REG-4"].status is Status.PASS
    tokens.rights["ann"] = frozenset({"pull"})
    found = look(token_registry.host, RIGHTS, login=ANN)
    assert found["REG-4"].status is Status.FAIL
    assert found["REG-4"].summary == "ann may not write to tkg/tkg-bom"


def test_every_repository_of_a_bundle_is_tried(registry: Registry) -> None:
    found = look(registry.host, RIGHTS, expected=paths("antrea", "pause", "pause", "etcd"))
    assert found["REG-4"].summary == "anybody may write to 3 repositories"
    asked = {
        line.path.split("/manifests/")[0] for line in registry.requests() if "000" in line.path
    }
    assert asked == {"/v2/tkg/antrea", "/v2/tkg/etcd", "/v2/tkg/pause"}


def test_one_repository_of_many_that_may_not_be_written(fake: FakeRegistry) -> None:
    fake.require_basic(*ANN)
    fake.on("PUT", "/v2/tkg/pause/", answer(403, "DENIED"))
    names = [f"app-{n}" for n in range(30)]
    found = look(fake.host, RIGHTS, login=ANN, expected=paths("pause", *names))["REG-4"]
    assert found.status is Status.FAIL
    assert found.summary == "ann may not write to tkg/pause"
    assert "tkg/pause: 403" in found.detail


def test_one_repository_without_an_answer_is_no_pass(fake: FakeRegistry) -> None:
    fake.on("PUT", "/v2/tkg/pause/", answer(503))
    found = look(fake.host, RIGHTS, expected=paths("antrea", "pause"))["REG-4"]
    assert found.unknown
    assert "tkg/pause" in found.summary


def test_repositories_for_which_there_is_no_time_are_no_pass(fake: FakeRegistry) -> None:
    ticks = itertools.count()
    names = paths(*(f"app-{n}" for n in range(60)))
    found = look(fake.host, RIGHTS, expected=names, clock=lambda: float(next(ticks)))["REG-4"]
    assert found.unknown
    assert "of 60 repositories" in found.summary
    assert fake.count("PUT", "/manifests/") < 30


@pytest.mark.parametrize("status", [429, 500, 302])
def test_an_odd_answer_is_no_answer(fake: FakeRegistry, status: int) -> None:
    fake.on("PUT", "/manifests/", answer(status, Location="/elsewhere"))
    found = look(fake.host, RIGHTS)
    assert found["REG-4"].unknown
    assert found["REG-6"].unknown


@pytest.mark.parametrize("status", [400, 404])
def test_a_refusal_in_no_words_of_a_registry_is_no_answer(fake: FakeRegistry, status: int) -> None:
    """What nginx says of a request that it does not like: nothing about rights."""
    fake.on("PUT", "/manifests/", answer(status, body=b"<html>Bad Request</html>"))
    found = look(fake.host, RIGHTS)
    assert [found[name].unknown for name in ("REG-3", "REG-4", "REG-6")] == [True] * 3
    assert f"answered {status}, which is neither yes nor no" in found["REG-4"].summary
    assert "proxy" in found["REG-4"].fix


def test_a_second_question_without_an_answer_is_no_pass(fake: FakeRegistry) -> None:
    fake.on("PUT", "/manifests/sha256:(?!0000)", answer(503))
    found = look(fake.host, RIGHTS)
    assert (found["REG-4"].unknown, found["REG-6"].unknown) == (True, True)
    assert "PUT of a manifest without its blobs to tkg/tkg-bom: 503" in found["REG-4"].detail


def test_a_registry_whose_repositories_must_be_there_before(fake: FakeRegistry) -> None:
    """As ECR is: its challenge names the service, and a push to what is not there has 404."""
    gate = fake.require_basic("AWS", PASSWORD)
    gate.realm = 'https://x.example/",service="ecr.amazonaws.com'
    fake.on("PUT", "/manifests/", answer(404, "NAME_UNKNOWN"))
    found = look(fake.host, login=("AWS", PASSWORD))
    assert found["REG-4"].status is Status.FAIL
    assert "create-repository --repository-name tkg/tkg-bom" in found["REG-4"].fix
    assert found["REG-5"].status is Status.WARN


def test_a_name_that_a_registry_does_not_take(fake: FakeRegistry) -> None:
    fake.on("PUT", "/manifests/", answer(400, "NAME_INVALID"))
    found = look(fake.host, RIGHTS)["REG-4"]
    assert found.status is Status.FAIL
    assert "name" in found.summary


# --- Harbor -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "status"),
    [
        ("project-admin", Status.PASS),
        ("developer", Status.PASS),
        ("guest", Status.FAIL),
    ],
)
def test_roles_of_a_harbor(harbor: Harbor, role: str, status: Status) -> None:
    harbor.project("tkg", public=True)
    ann = harbor.user("ann", PASSWORD, {"tkg": role})
    found = look(harbor.host, login=ann.login)["REG-4"]
    assert found.status is status
    assert "Developer" in found.fix or status is Status.PASS


def test_robots_of_a_harbor(harbor: Harbor) -> None:
    harbor.project("tkg", public=True)
    pushing = harbor.robot("tkg", "push", "a secret")
    pulling = harbor.robot("tkg", "pull", "a secret", ROLES["guest"])
    found = [look(harbor.host, login=robot.login)["REG-4"] for robot in (pushing, pulling)]
    assert [each.status for each in found] == [Status.PASS, Status.FAIL]
    # Harbor lets no robot give an upload back.
    assert harbor.count("POST", "/blobs/uploads/") == 0


def test_a_harbor_is_asked_once_a_project(harbor: Harbor) -> None:
    harbor.project("tkg", public=True)
    found = look(harbor.host, login=harbor.admin.login, expected=paths("a", "b", "c/d"))
    assert found["REG-4"].summary == "admin may write to project tkg"
    assert harbor.count("PUT", "/manifests/", 400) == 1


def test_a_project_that_is_not_there_is_another_checks_matter(harbor: Harbor) -> None:
    found = look(harbor.host, login=harbor.admin.login)
    assert "REG-5" in found["REG-4"].summary
    assert found["REG-5"].status is Status.FAIL


def test_a_full_project_is_no_matter_of_rights(harbor: Harbor) -> None:
    project = harbor.project("tkg", public=True, quota=1)
    project.sizes["sha256:x"] = 1
    assert look(harbor.host, login=harbor.admin.login)["REG-4"].status is Status.PASS


# --- REG-6 --------------------------------------------------------------------------------------


def test_maintenance(read_only: ReadOnly) -> None:
    found = look(read_only.registry.host, RIGHTS)
    assert found["REG-6"].status is Status.FAIL
    assert "maintenance" in found["REG-6"].fix
    assert "REG-6" in found["REG-4"].summary
    with read_only.writable() as after:
        assert look(after.host, RIGHTS)["REG-6"].status is Status.PASS


def test_maintenance_behind_a_login(tmp_path: Path) -> None:
    (tmp_path / "htpasswd").write_text(HTPASSWD)
    with Registry(read_only=True, htpasswd=tmp_path / "htpasswd") as registry:
        assert look(registry.host, RIGHTS, login=ANN)["REG-6"].status is Status.FAIL
        # To a stranger it says no more than that it asks for a password.
        assert look(registry.host, RIGHTS)["REG-6"].status is Status.SKIP


def test_a_pull_through_cache_is_no_maintenance(cache_of_source: Registry) -> None:
    found = look(cache_of_source.host, RIGHTS)
    assert found["REG-6"].status is Status.FAIL
    assert "cache" in found["REG-6"].summary
    assert "REG-6" in found["REG-4"].summary


@pytest.mark.parametrize("who", ["admin", "nobody", "wrong"])
def test_a_harbor_that_is_read_only_says_so_to_anybody(harbor: Harbor, who: str) -> None:
    harbor.project("tkg", public=True)
    harbor.system.read_only = True
    login = {"admin": harbor.admin.login, "nobody": None, "wrong": ("admin", "wrong")}[who]
    found = look(harbor.host, login=login)["REG-6"]
    assert found.status is Status.FAIL
    assert "Repository Read Only" in found.fix


@pytest.mark.parametrize("who", ["admin", "nobody"])
def test_a_harbor_that_takes_writes(harbor: Harbor, who: str) -> None:
    harbor.project("tkg", public=True)
    login = harbor.admin.login if who == "admin" else None
    assert look(harbor.host, login=login)["REG-6"].status is Status.PASS


def test_a_registry_that_is_in_maintenance_in_its_own_words(fake: FakeRegistry) -> None:
    fake.on("PUT", "/manifests/", answer(403, "DENIED", body=b"registry is in read-only mode"))
    assert look(fake.host, RIGHTS)["REG-6"].status is Status.FAIL


def test_whether_a_registry_that_lets_nobody_in_takes_writes_is_not_told(
    fake: FakeRegistry,
) -> None:
    fake.on("PUT", "/manifests/", answer(403))
    found = look(fake.host, RIGHTS)["REG-6"]
    assert found.status is Status.SKIP
    assert found.unknown


# --- nothing is left behind ---------------------------------------------------------------------


@pytest.fixture
def believer(fake: FakeRegistry) -> FakeRegistry:
    """A registry that believes every digest, as toys do."""

    def store(request: Request, _go: Go) -> Reply:
        name, _, digest = request.path.removeprefix("/v2/").partition("/manifests/")
        fake.store.repositories[name].manifests[digest] = ("", request.body)
        return Reply(201)

    fake.on("PUT", "/manifests/", store)
    return fake


def test_a_registry_that_believes_a_wrong_digest_is_rid_of_it_and_fails(
    believer: FakeRegistry,
) -> None:
    found = look(believer.host, RIGHTS, expected=paths("a", "b", "c"))["REG-4"]
    assert found.status is Status.FAIL
    assert "answered 202" in found.detail
    assert not any(place.manifests for place in believer.store.repositories.values())
    # It would believe the others too.
    assert {seen.path for seen in believer.requests if seen.method == "PUT"} == {
        f"/v2/tkg/a/manifests/sha256:{'0' * 64}"
    }


def test_a_manifest_that_cannot_be_taken_back_is_told(believer: FakeRegistry) -> None:
    believer.on("DELETE", "/manifests/", answer(405, "UNSUPPORTED"))
    assert "answered 405" in look(believer.host, RIGHTS)["REG-4"].detail


def test_a_registry_that_takes_manifests_without_their_blobs_is_rid_of_it(
    fake: FakeRegistry,
) -> None:
    def store(request: Request, go: Go) -> Reply:
        reply = go()
        if reply.status != 400 or b"BLOB_UNKNOWN" not in reply.body:
            return reply
        name, _, digest = request.path.removeprefix("/v2/").partition("/manifests/")
        fake.store.repositories[name].manifests[digest] = ("", request.body)
        return Reply(201)

    fake.on("PUT", "/manifests/", store)
    assert look(fake.host, RIGHTS)["REG-4"].status is Status.PASS
    assert not any(place.manifests for place in fake.store.repositories.values())


def test_a_manifest_without_blobs_that_stays_is_no_pass(fake: FakeRegistry) -> None:
    fake.on("PUT", "/manifests/sha256:(?!0000)", answer(201))
    fake.on("DELETE", "/manifests/", answer(405, "UNSUPPORTED"))
    found = look(fake.host, RIGHTS)["REG-4"]
    assert found.status is Status.WARN
    assert "could not be deleted: tkg/tkg-bom@sha256:" in found.summary


def test_no_check_leaves_a_file_in_an_open_registry(registry: Registry) -> None:
    before = files(registry.storage)
    look(registry.host, ALL, expected=expecting(IMAGES))
    assert files(registry.storage) == before == []
    catalog = httpx.get(f"{registry.url}/v2/_catalog", trust_env=False).json()
    assert catalog == {"repositories": []}


def test_no_check_leaves_a_file_in_a_registry_with_a_login(
    locked_registry: Registry, token_registry: TokenRegistry
) -> None:
    token_registry.tokens.users["ann"] = PASSWORD
    for host in (locked_registry.host, token_registry.host):
        look(host, ALL, login=ANN, expected=expecting(IMAGES))
    assert files(locked_registry.storage) == []
    assert files(token_registry.registry.storage) == []


@pytest.mark.parametrize("who", ["admin", "robot", "nobody", "wrong"])
def test_no_check_leaves_anything_in_a_harbor(harbor: Harbor, who: str) -> None:
    project = harbor.project("tkg", public=True, quota=10 << 20)
    harbor.add("tkg/app-0", "v1", IMAGES["app-0:v1"])
    robot = harbor.robot("tkg", "mirror", "a secret")
    logins = {
        "admin": harbor.admin.login,
        "robot": robot.login,
        "nobody": None,
        "wrong": ("admin", "wrong"),
    }
    kept, names = replace(project), set(harbor.system.projects)
    kept.sizes, kept.artifacts = project.sizes.copy(), project.artifacts.copy()
    before = files(harbor.registry.storage)
    look(harbor.host, ALL, login=logins[who], expected=expecting(IMAGES))
    assert files(harbor.registry.storage) == before
    assert (project, set(harbor.system.projects)) == (kept, names)


def test_a_stranger_of_harbor_needs_few_requests(harbor: Harbor) -> None:
    harbor.project("tkg", public=True)
    look(harbor.host, (*RIGHTS, *HARBOR))
    assert len(harbor.requests) < 8


# --- readings -----------------------------------------------------------------------------------


def said(code: str) -> str:
    """An error of this code as the specification has it."""
    return error_reply(400, code).body.decode()


@pytest.mark.parametrize(
    ("status", "body", "challenge", "reading"),
    [
        (400, said("DIGEST_INVALID"), None, Reading.MAY),
        (400, said("MANIFEST_INVALID"), None, Reading.MAY),
        (400, said("NAME_INVALID"), None, Reading.BAD_NAME),
        (400, said("UNKNOWN"), None, Reading.ODD),
        (400, "", None, Reading.ODD),
        (400, "<html>DIGEST_INVALID</html>", None, Reading.ODD),
        (400, '{"errors": [7, {"code": ["DIGEST_INVALID"]}, {}]}', None, Reading.ODD),
        (400, '{"errors": {"code": "DIGEST_INVALID"}}', None, Reading.ODD),
        (401, "", 'Basic realm="harbor"', Reading.MAY_NOT),
        (401, "", None, Reading.MAY_NOT),
        (401, "project tkg not found", "", Reading.NO_PROJECT),
        (403, "DENIED", None, Reading.MAY_NOT),
        (403, "The system is in read only mode.", None, Reading.READ_ONLY),
        (403, "can not push artifact to a proxy project", None, Reading.PROXY_PROJECT),
        (403, "adding 2 Byte will exceed the configured upper limit", None, Reading.MAY),
        (404, said("NAME_UNKNOWN"), None, Reading.NO_REPOSITORY),
        (404, "<html>not found</html>", None, Reading.ODD),
        (405, "Method not allowed", None, Reading.READ_ONLY),
        (405, "UNSUPPORTED", None, Reading.CACHE),
        (201, "", None, Reading.STORED),
        (204, "", None, Reading.STORED),
        (302, "", None, Reading.ODD),
        (413, "", None, Reading.ODD),
        (429, "", None, Reading.ODD),
        (500, "", None, Reading.ODD),
    ],
)
def test_what_each_answer_means(
    status: int, body: str, challenge: str | None, reading: Reading
) -> None:
    headers = {} if challenge is None else {"www-authenticate": (challenge,)}
    assert read(Answer(status, headers, body.encode())) is reading

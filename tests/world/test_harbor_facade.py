"""What was measured on a genuine Harbor core v2.9.5, one statement a test, asked of the facade.

The section comments name the kind of statement; the tests together are the facade's golden file.
"""

from __future__ import annotations

import hashlib
import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from scripts.world.images import OCI, Image, ImageSpec, build
from scripts.world.registry import Registry
from tests.fakes.harbor import Harbor, HarborFault
from tests.fakes.harbor_projects import ANONYMOUS, Account
from tests.fakes.harbor_tokens import claims
from tests.fakes.harbor_wire import READ_ON, Front, Relay

IMAGE = build(ImageSpec("pause", own=(2000,)))
OTHER = build(ImageSpec("other", own=(3000,)))
LAYER = IMAGE.blobs[1]
ACCEPT = {"Accept": OCI.manifest}
TYPE = {"Content-Type": OCI.manifest}
MIB = 1 << 20

BASIC = 'Basic realm="harbor"'
PULL, PUSH = "repository:tkg/pause:pull", "repository:tkg/pause:pull,push"


@pytest.fixture
def client(harbor: Harbor) -> Iterator[httpx.Client]:
    """A client of a Harbor with a public project `tkg`, a private one and their people."""
    harbor.project("tkg", public=True)
    harbor.project("secret")
    with httpx.Client(base_url=harbor.url, trust_env=False, timeout=5) as client:
        yield client


@pytest.fixture
def robot(harbor: Harbor, client: httpx.Client) -> Account:
    return harbor.robot("tkg", "mirror", "robot's secret")


def bearer(harbor: Harbor, scope: str, account: Account = ANONYMOUS) -> dict[str, str]:
    return {"Authorization": f"Bearer {harbor.token(scope, account)}"}


def scope(repository: str, wanted: str = "pull") -> str:
    return f"repository:{repository}:{wanted}"


def granted(harbor: Harbor, wanted: str, account: Account = ANONYMOUS) -> list[str]:
    """The actions that a token for one scope claims, in its order."""
    return actions(harbor.token(wanted, account))


def actions(token: str) -> list[str]:
    access: Any = claims(token)["access"]
    assert len(access) == 1
    return list(access[0]["actions"])


def error(answer: httpx.Response) -> tuple[int, str, str]:
    first = answer.json()["errors"][0]
    return answer.status_code, first["code"], first["message"]


def begin(client: httpx.Client, repository: str, headers: dict[str, str]) -> httpx.Response:
    return client.post(f"/v2/{repository}/blobs/uploads/", headers=headers)


def upload(
    client: httpx.Client, repository: str, data: bytes, headers: dict[str, str]
) -> httpx.Response:
    begun = begin(client, repository, headers)
    assert begun.status_code == 202, begun.text
    where = httpx.URL(begun.headers["Location"])
    return client.put(finished(where, data), content=data, headers=headers)


def finished(where: httpx.URL, data: bytes) -> httpx.URL:
    return where.copy_merge_params({"digest": f"sha256:{hashlib.sha256(data).hexdigest()}"})


def mount(client: httpx.Client, target: str, origin: str, headers: dict[str, str]) -> int:
    query = {"mount": LAYER.digest, "from": origin}
    path = f"/v2/{target}/blobs/uploads/"
    return client.post(path, params=query, headers=headers).status_code


def put(
    client: httpx.Client, place: str, image: Image, headers: dict[str, str], name: str = ""
) -> httpx.Response:
    path = f"/v2/{place}/manifests/{name or image.manifest.digest}"
    return client.put(path, content=image.manifest.read(), headers={**headers, **TYPE})


# --- the door ---------------------------------------------------------------------------------


def test_v2_is_401_for_anonymous_and_says_where_tokens_are(
    harbor: Harbor, client: httpx.Client
) -> None:
    answer = client.get("/v2/")
    realm = f'Bearer realm="{harbor.url}/service/token",service="harbor-registry"'
    assert (answer.status_code, answer.headers["Www-Authenticate"]) == (401, realm)


def test_v2_is_401_even_with_a_valid_anonymous_token(harbor: Harbor, client: httpx.Client) -> None:
    headers = bearer(harbor, PULL)
    answer = client.get("/v2/", headers=headers)
    assert (answer.status_code, answer.headers["Www-Authenticate"]) == (401, BASIC)
    assert client.get("/v2/tkg/pause/tags/list", headers=headers).status_code == 404


def test_v2_tells_right_from_wrong_passwords(
    harbor: Harbor, client: httpx.Client, robot: Account
) -> None:
    assert client.get("/v2/", auth=harbor.admin.login).json() == {}
    assert client.get("/v2/", auth=robot.login).status_code == 200
    wrong = client.get("/v2/", auth=("admin", "wrong"))
    assert (wrong.status_code, wrong.headers["Www-Authenticate"]) == (401, BASIC)


def test_v2_is_open_with_a_users_token(harbor: Harbor, client: httpx.Client) -> None:
    assert client.get("/v2/", headers=bearer(harbor, "", harbor.admin)).status_code == 200


@pytest.mark.parametrize(
    ("method", "rest"),
    [
        ("GET", "manifests/3.9"),
        ("HEAD", "manifests/3.9"),
        ("GET", f"blobs/{LAYER.digest}"),
        ("HEAD", f"blobs/{LAYER.digest}"),
        ("GET", "tags/list"),
    ],
)
def test_a_public_repository_is_401_without_a_header(
    harbor: Harbor, client: httpx.Client, method: str, rest: str
) -> None:
    harbor.add("tkg/pause", "3.9", IMAGE)
    path = f"/v2/tkg/pause/{rest}"
    answer = client.request(method, path, headers=ACCEPT)
    assert answer.status_code == 401
    assert answer.headers["Www-Authenticate"].endswith(f'scope="{PULL}"')
    headers = {**ACCEPT, **bearer(harbor, PULL)}
    assert client.request(method, path, headers=headers).status_code == 200


def test_a_private_project_is_401_with_an_anonymous_token(
    harbor: Harbor, client: httpx.Client
) -> None:
    harbor.add("secret/pause", "3.9", IMAGE)
    headers = bearer(harbor, scope("secret/pause"))
    answer = client.get("/v2/secret/pause/manifests/3.9", headers={**ACCEPT, **headers})
    assert (answer.status_code, answer.headers["Www-Authenticate"]) == (401, BASIC)


def test_a_missing_project_is_401_with_an_empty_challenge(
    harbor: Harbor, client: httpx.Client, robot: Account
) -> None:
    for account in (ANONYMOUS, robot, harbor.admin):
        headers = bearer(harbor, scope("nowhere/pause", "pull,push"), account)
        for method, rest in (("GET", "manifests/3.9"), ("POST", "blobs/uploads/")):
            answer = client.request(method, f"/v2/nowhere/pause/{rest}", headers=headers)
            assert answer.headers["Www-Authenticate"] == ""
            assert error(answer) == (401, "UNAUTHORIZED", "project nowhere not found")


def test_a_missing_project_is_told_to_an_anonymous_post(client: httpx.Client) -> None:
    answer = begin(client, "nowhere/pause", {})
    assert answer.headers["Www-Authenticate"] == ""
    assert error(answer)[2] == "project nowhere not found"


def test_what_is_missing_in_a_public_project_is_404(harbor: Harbor, client: httpx.Client) -> None:
    headers = {**ACCEPT, **bearer(harbor, PULL)}
    absent = client.get("/v2/tkg/pause/manifests/3.9", headers=headers)
    assert error(absent) == (404, "NOT_FOUND", "repository tkg/pause not found")
    harbor.add("tkg/pause", "3.9", IMAGE)
    other = client.get("/v2/tkg/pause/manifests/4.0", headers=headers)
    assert error(other)[:2] == (404, "MANIFEST_UNKNOWN")


def test_a_manifest_is_404_for_who_does_not_name_its_type(
    harbor: Harbor, client: httpx.Client
) -> None:
    harbor.add("tkg/pause", "3.9", IMAGE)
    headers = bearer(harbor, PULL)
    path = "/v2/tkg/pause/manifests/3.9"
    assert client.get(path, headers=headers).status_code == 404
    assert client.get(path, headers={**headers, **ACCEPT}).content == IMAGE.manifest.read()


def test_every_answer_has_a_request_id_and_a_cookie(harbor: Harbor, client: httpx.Client) -> None:
    relayed = client.get("/v2/tkg/pause/tags/list", headers=bearer(harbor, PULL))
    for answer in (client.get("/v2/"), client.get("/api/v2.0/ping"), relayed):
        assert answer.headers["X-Request-Id"]
        assert answer.headers["Set-Cookie"].startswith("sid=")


# --- tokens -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("repository", "allowed"), [("tkg/pause", ["pull"]), ("secret/x", []), ("nowhere/x", [])]
)
def test_anonymous_tokens_pull_from_public_projects_only(
    harbor: Harbor, client: httpx.Client, repository: str, allowed: list[str]
) -> None:
    assert granted(harbor, scope(repository)) == allowed
    assert granted(harbor, scope(repository, "pull,push")) == allowed


def test_a_token_grants_more_than_was_asked_for_in_any_order(
    harbor: Harbor, client: httpx.Client
) -> None:
    seen = {tuple(granted(harbor, PULL, harbor.admin)) for _ in range(20)}
    assert len(seen) > 1
    assert {frozenset(each) for each in seen} == {frozenset({"pull", "push", "delete"})}


def test_the_answer_has_an_empty_access_token_and_1800_seconds(client: httpx.Client) -> None:
    answer = client.get("/service/token", params={"scope": PULL}).json()
    assert answer["access_token"] == ""
    assert (answer["expires_in"], bool(answer["token"])) == (1800, True)


def test_an_anonymous_token_has_no_subject_and_a_users_has(
    harbor: Harbor, client: httpx.Client
) -> None:
    assert "sub" not in claims(harbor.token(PULL))
    assert claims(harbor.token(PULL, harbor.admin))["sub"] == "admin"


def test_anonymous_without_a_scope_gets_no_token(harbor: Harbor, client: httpx.Client) -> None:
    assert client.get("/service/token").status_code == 401
    assert client.get("/service/token", auth=harbor.admin.login).status_code == 200


def test_tokens_cannot_be_posted_for(client: httpx.Client) -> None:
    assert client.post("/service/token", data={"scope": PULL}).status_code == 405


def test_a_wrong_password_gets_an_anonymous_token(harbor: Harbor, client: httpx.Client) -> None:
    asked = {"params": {"scope": PUSH}, "auth": ("admin", "wrong")}
    answer = client.get("/service/token", **asked)  # type: ignore[arg-type]
    assert answer.status_code == 200
    assert actions(answer.json()["token"]) == ["pull"]


def test_a_token_counts_for_every_repository_of_its_project(
    harbor: Harbor, client: httpx.Client
) -> None:
    headers = bearer(harbor, scope("tkg/other"))
    assert client.get("/v2/tkg/a/b/c/tags/list", headers=headers).status_code == 404
    assert client.get("/v2/secret/a/tags/list", headers=headers).status_code == 401


def test_a_repository_without_a_project_yields_no_access(
    harbor: Harbor, client: httpx.Client
) -> None:
    assert claims(harbor.token(scope("pause"), harbor.admin))["access"] == []


def test_an_ended_token_is_refused(harbor: Harbor, client: httpx.Client, robot: Account) -> None:
    headers = bearer(harbor, PUSH, robot)
    assert begin(client, "tkg/pause", headers).status_code == 202
    harbor.expire_tokens()
    assert begin(client, "tkg/pause", headers).status_code == 401


# --- writing ----------------------------------------------------------------------------------


def test_a_robot_pushes_and_everybody_pulls(
    harbor: Harbor, client: httpx.Client, robot: Account
) -> None:
    headers = bearer(harbor, PUSH, robot)
    for blob in IMAGE.blobs:
        assert upload(client, "tkg/pause", blob.read(), headers).status_code == 201
    assert put(client, "tkg/pause", IMAGE, headers, "3.9").status_code == 201
    headers = bearer(harbor, PULL)
    got = client.get("/v2/tkg/pause/manifests/3.9", headers={**ACCEPT, **headers})
    assert got.content == IMAGE.manifest.read()
    assert client.get(f"/v2/tkg/pause/blobs/{LAYER.digest}", headers=headers).content == (
        LAYER.read()
    )


def test_an_upload_may_come_in_pieces_without_a_length(
    harbor: Harbor, client: httpx.Client, robot: Account
) -> None:
    headers, data = bearer(harbor, PUSH, robot), LAYER.read()
    where = begin(client, "tkg/pause", headers).headers["Location"]
    pieces = iter((data[:700], data[700:]))
    after = client.patch(where, content=pieces, headers=headers)
    assert (after.status_code, after.headers["Range"]) == (202, f"0-{len(data) - 1}")
    url = finished(httpx.URL(after.headers["Location"]), data)
    assert client.put(url, headers=headers).status_code == 201
    assert harbor.system.projects["tkg"].used == len(data)


def test_nobody_pushes_without_the_right(
    harbor: Harbor, client: httpx.Client, robot: Account
) -> None:
    for account in (ANONYMOUS, harbor.user("guest", "g", {"tkg": "guest"})):
        assert begin(client, "tkg/pause", bearer(harbor, PUSH, account)).status_code == 401
    headers = bearer(harbor, scope("secret/pause", "pull,push"), robot)
    assert begin(client, "secret/pause", headers).status_code == 401


def test_a_robot_may_not_cancel_an_upload_and_it_stays(
    harbor: Harbor, client: httpx.Client, robot: Account
) -> None:
    headers = bearer(harbor, PUSH, robot)
    where = begin(client, "tkg/pause", headers).headers["Location"]
    assert client.delete(where, headers=headers).status_code == 401
    assert client.get(where, headers=headers).status_code == 204
    assert client.delete(where, headers=bearer(harbor, PUSH, harbor.admin)).status_code == 204
    assert client.get(where, headers=headers).status_code == 404


def test_mounting_works_inside_a_project_and_from_a_public_one(
    harbor: Harbor, client: httpx.Client, robot: Account
) -> None:
    harbor.project("open", public=True)
    for origin in ("tkg/pause", "open/pause"):
        harbor.add(origin, "3.9", IMAGE)
        token = harbor.token(f"{scope('tkg/new', 'pull,push')} {scope(origin)}", robot)
        assert mount(client, "tkg/new", origin, {"Authorization": f"Bearer {token}"}) == 201
    found = httpx.head(f"{harbor.registry.url}/v2/tkg/new/blobs/{LAYER.digest}", trust_env=False)
    assert found.status_code == 200


def test_mounting_from_a_private_project_is_401_and_opens_no_upload(
    harbor: Harbor, client: httpx.Client, robot: Account
) -> None:
    harbor.add("secret/pause", "3.9", IMAGE)
    wanted = f"{scope('tkg/new', 'pull,push')} {scope('secret/pause')}"
    token = harbor.token(wanted, robot)
    before = len(harbor.registry.requests())
    assert mount(client, "tkg/new", "secret/pause", {"Authorization": f"Bearer {token}"}) == 401
    assert len(harbor.registry.requests()) == before


def test_a_quota_counts_at_the_put_and_not_at_the_post(
    harbor: Harbor, client: httpx.Client
) -> None:
    full = harbor.project("full", quota=5 * MIB)
    headers = bearer(harbor, scope("full/x", "pull,push"), harbor.admin)
    data = bytes(6 * MIB)
    assert len(data) > READ_ON, "the answer must survive the rest of a long body"
    answer = upload(client, "full/x", data, headers)
    status, code, message = error(answer)
    assert (status, code) == (403, "DENIED")
    assert message.startswith("adding 6.0 MiB ")
    assert "will exceed the configured upper limit of 5.0 MiB" in message
    assert upload(client, "full/x", bytes(4 * MIB), headers).status_code == 201
    assert upload(client, "full/y", bytes(4 * MIB), headers).status_code == 201, "counted once"
    assert full.used == 4 * MIB


def test_an_upload_that_fails_gives_its_room_back(harbor: Harbor, client: httpx.Client) -> None:
    full = harbor.project("full", quota=5 * MIB)
    headers = bearer(harbor, scope("full/x", "pull,push"), harbor.admin)
    where = httpx.URL(begin(client, "full/x", headers).headers["Location"])
    url = finished(where, b"something else")
    assert client.put(url, content=bytes(100), headers=headers).status_code == 400
    assert full.used == 0


def test_a_chunked_put_is_booked_with_no_bytes_and_fails_whoever_sent_it(
    registry: Registry,
) -> None:
    def chunks() -> Iterator[bytes]:
        yield from (bytes(MIB),) * 6

    def send(harbor: Harbor) -> None:
        full = harbor.project("full", quota=5 * MIB)
        headers = bearer(harbor, scope("full/x", "pull,push"), harbor.admin)
        with httpx.Client(base_url=harbor.url, trust_env=False, timeout=5) as client:
            where = httpx.URL(begin(client, "full/x", headers).headers["Location"])
            url = finished(where, bytes(6 * MIB))
            assert client.put(url, content=chunks(), headers=headers).status_code == 201
        assert full.used == 0

    harbor = Harbor(registry)
    with pytest.raises(HarborFault, match="without Content-Length"), harbor:
        send(harbor)


def test_read_only_is_403_for_every_write_before_anybody_is_asked(
    harbor: Harbor, client: httpx.Client
) -> None:
    harbor.add("tkg/pause", "3.9", IMAGE)
    harbor.system.read_only = True
    words = (403, "DENIED", "The system is in read only mode. Any modification is prohibited.")
    for headers in ({}, bearer(harbor, PUSH, harbor.admin)):
        assert error(begin(client, "tkg/pause", headers)) == words
        assert error(put(client, "tkg/pause", OTHER, headers, "3.9")) == words
    headers = {**ACCEPT, **bearer(harbor, PULL)}
    assert client.get("/v2/tkg/pause/manifests/3.9", headers=headers).status_code == 200


def test_a_proxy_cache_claims_push_and_refuses_it(harbor: Harbor, client: httpx.Client) -> None:
    harbor.project("hub", public=True, proxy_cache=True)
    wanted = scope("hub/pause", "pull,push")
    assert "push" in granted(harbor, wanted, harbor.admin)
    headers = bearer(harbor, wanted, harbor.admin)
    words = (403, "DENIED", "can not push artifact to a proxy project")
    assert error(begin(client, "hub/pause", headers)) == words
    assert error(put(client, "hub/pause", IMAGE, headers)) == words


def test_an_immutable_tag_refuses_the_identical_manifest(
    harbor: Harbor, client: httpx.Client, robot: Account
) -> None:
    harbor.project("fixed", public=True, immutable=True)
    harbor.add("fixed/pause", "3.9", IMAGE)
    headers = bearer(harbor, scope("fixed/pause", "pull,push"), harbor.admin)
    refused = put(client, "fixed/pause", IMAGE, headers, "3.9")
    assert error(refused)[:2] == (412, "PRECONDITION")
    assert put(client, "fixed/pause", IMAGE, headers).status_code == 201, "by digest"
    assert put(client, "fixed/pause", IMAGE, headers, "4.0").status_code == 201, "a new tag"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("rule", ["content_trust", "prevent_vulnerable"])
def test_unsigned_and_unscanned_images_are_412_for_everybody(
    harbor: Harbor, client: httpx.Client, method: str, rule: str
) -> None:
    harbor.add("tkg/pause", "3.9", IMAGE)
    setattr(harbor.system.projects["tkg"], rule, True)
    for name in ("3.9", IMAGE.manifest.digest):
        for account in (ANONYMOUS, harbor.admin):
            headers = {**ACCEPT, **bearer(harbor, PULL, account)}
            path = f"/v2/tkg/pause/manifests/{name}"
            assert client.request(method, path, headers=headers).status_code == 412
    found = client.get(f"/v2/tkg/pause/manifests/{name}", headers=headers)
    assert error(found)[1] == "PROJECTPOLICYVIOLATION"


def test_a_signed_image_can_be_pulled_and_an_unsigned_one_pushed(
    harbor: Harbor, client: httpx.Client
) -> None:
    digest = harbor.add("tkg/pause", "3.9", IMAGE)
    project = harbor.system.projects["tkg"]
    project.content_trust = True
    project.signed.add(digest)
    headers = bearer(harbor, PUSH, harbor.admin)
    path = "/v2/tkg/pause/manifests/3.9"
    assert client.get(path, headers={**headers, **ACCEPT}).status_code == 200
    project.signed.clear()
    assert put(client, "tkg/pause", IMAGE, headers, "4.0").status_code == 201


@pytest.mark.parametrize(
    ("place", "who", "status", "code"),
    [
        ("tkg/pause", "admin", 400, "DIGEST_INVALID"),
        ("tkg/pause", "robot", 400, "DIGEST_INVALID"),
        ("tkg/pause", "anonymous", 401, "UNAUTHORIZED"),
        ("secret/pause", "robot", 401, "UNAUTHORIZED"),
        ("nowhere/pause", "robot", 401, "UNAUTHORIZED"),
        ("hub/pause", "admin", 403, "DENIED"),
    ],
)
def test_a_manifest_under_a_wrong_digest_shows_who_may_push(
    harbor: Harbor,
    client: httpx.Client,
    robot: Account,
    place: str,
    who: str,
    status: int,
    code: str,
) -> None:
    harbor.project("hub", proxy_cache=True)
    account = {"admin": harbor.admin, "robot": robot, "anonymous": ANONYMOUS}[who]
    headers = bearer(harbor, scope(place, "pull,push"), account) | TYPE
    path = f"/v2/{place}/manifests/sha256:{'0' * 64}"
    assert error(client.put(path, content=b"{}", headers=headers))[:2] == (status, code)


# --- the API ----------------------------------------------------------------------------------


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


# --- the facade itself ------------------------------------------------------------------------


def test_bodies_stream_through_in_pieces() -> None:
    """The first piece is behind the facade while the last one is not yet made."""
    size, arrived = 100_000, threading.Event()

    def behind(listener: socket.socket) -> None:
        connection, _address = listener.accept()
        with connection, connection.makefile("rb") as received:
            head = iter(received.readline, b"\r\n")
            assert f"content-length: {2 * size}\r\n".encode() in list(head)
            received.read(size)
            arrived.set()
            received.read(size)
            connection.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")

    def body() -> Iterator[bytes]:
        yield bytes(size)
        assert arrived.wait(5)
        yield bytes(size)

    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(2) as pool:
        done = pool.submit(behind, listener)
        front = Front(lambda _: Relay(), lambda *_: None, listener.getsockname()[1], None)
        served = pool.submit(front.run)
        url = f"http://127.0.0.1:{front.server_port}/v2/x/blobs/uploads/1"
        length = {"Content-Length": str(2 * size)}
        try:
            answer = httpx.put(url, content=body(), headers=length, trust_env=False)
        finally:
            front.end()
        assert (answer.status_code, done.result(), served.result()) == (201, None, None)


def test_a_client_that_goes_away_inside_a_body_commits_nothing(
    harbor: Harbor, client: httpx.Client, robot: Account
) -> None:
    headers = bearer(harbor, PUSH, robot)
    where = begin(client, "tkg/pause", headers).headers["Location"]

    def body() -> Iterator[bytes]:
        yield bytes(100)
        raise KeyboardInterrupt

    url = finished(httpx.URL(where), bytes(200))
    length = {"Content-Length": "200"}
    with pytest.raises(KeyboardInterrupt):
        client.put(url, content=body(), headers=headers | length)
    head = client.head(f"/v2/tkg/pause/blobs/{url.params['digest']}", headers=headers)
    assert head.status_code == 404


def test_a_fault_of_the_facade_itself_comes_out(registry: Registry) -> None:
    def broken(harbor: Harbor) -> None:
        harbor.system.projects = None  # type: ignore[assignment]
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.get(f"{harbor.url}/api/v2.0/projects", trust_env=False)

    harbor = Harbor(registry)
    with pytest.raises(AttributeError), harbor:
        broken(harbor)
